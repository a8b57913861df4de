#ifndef SCHEMA_SCAN_H
#define SCHEMA_SCAN_H

/*
 * A strict lexer of JSON (RFC 8259) over bytes in memory: no tree, no copy,
 * no allocation. Internal to schema/. A walk over an object reads
 *
 *	scan_init(&scan, data, len);
 *	if (!scan_value(&scan, &value))
 *		goto bad;
 *	for (bool first = true; scan_member(&scan, &first, &key);) {
 *		if (!scan_value(&scan, &value))
 *			break;
 *		if (scan_opened(&value) && !scan_skip(&scan, &value, 64))
 *			break;
 *	}
 *	if (scan.error != NULL)
 *		goto bad;
 *
 * What breaks the syntax ends the scan. What leaves the end of a value
 * findable (bytes that are not UTF-8, nesting too deep) is only noted, so
 * that one bad event does not take its neighbours with it.
 */

#include "base/buf.h"

#include <stdint.h>
#include <string.h>

enum scan_kind {
	SCAN_NULL,
	SCAN_FALSE,
	SCAN_TRUE,
	SCAN_NUMBER,
	SCAN_STRING,
	SCAN_ARRAY,
	SCAN_OBJECT,
};

struct scan {
	const char *at; /* the next byte, or where the syntax broke */
	const char *end;
	const char *error;    /* why it broke; static; NULL while it has not */
	const char *bad_utf8; /* the first byte that is not UTF-8, or NULL */
	const char *too_deep; /* the first bracket below the limit, or NULL */
};

struct scan_value {
	enum scan_kind kind;
	bool escaped;  /* string: has backslashes, see scan_unescape() */
	bool bad_utf8; /* string: is not UTF-8 (RFC 3629) throughout */
	bool plain;    /* number: digits and sign only: no dot, no exponent */
	const char *data; /* string: between the quotes; else the first byte */
	size_t
	    len; /* of an array or object only known to scan_skip(): else 1 */
};

void scan_init(struct scan *scan, const char *data, size_t len);

/* Skip white space; false if nothing is left. */
bool scan_space(struct scan *scan);

/*
 * Read the next value: a scalar whole; of an array or object the bracket
 * alone, and its inside is then read by scan_element() or scan_member() to
 * the end, or skipped. False on a syntax error.
 */
MUST_USE bool scan_value(struct scan *scan, struct scan_value *ret_value);

/* Is its inside still to be read? */
static inline bool
scan_opened(const struct scan_value *value)
{
	return value->kind >= SCAN_ARRAY;
}

/*
 * Step to the next member of the innermost open object (its key and colon
 * are read, its value is next), or to the next element of an array. *first
 * is true before the first call. False past the closing bracket, which is
 * read, and on a syntax error.
 */
MUST_USE bool
scan_member(struct scan *scan, bool *first, struct scan_value *ret_key);
MUST_USE bool scan_element(struct scan *scan, bool *first);

/*
 * Skip the rest of an array or object just opened and complete its length.
 * It may have `levels` (1 to 64) of nesting, its own included. What is
 * deeper is noted, and skipped by counting brackets, with its inner syntax
 * unchecked. False on a syntax error.
 */
MUST_USE bool
scan_skip(struct scan *scan, struct scan_value *value, unsigned levels);

/*
 * Decode the raw content of a string that was scanned: surrogate pairs are
 * joined, a lone surrogate becomes U+FFFD, \u0000 a NUL byte, bytes that are
 * not UTF-8 stay. scan_decode() writes at most len bytes and returns how
 * many. scan_unescape() appends, and is false if there is no room.
 */
size_t scan_decode(const char *raw, size_t len, char *ret);
MUST_USE bool scan_unescape(struct buf *buf, const char *raw, size_t len);

bool scan_equals_escaped(
    const struct scan_value *string, const char *text, size_t len);

/* Is this string, decoded, that text? */
static inline bool
scan_equals(const struct scan_value *string, const char *text, size_t len)
{
	if (string->escaped)
		return scan_equals_escaped(string, text, len);
	return string->len == len && memcmp(string->data, text, len) == 0;
}

/*
 * Of the mathematical value of a scanned number, whatever its size: is it
 * integral (5.0 and 1e400 are), and what is it, if it fits.
 */
bool scan_number_integral(const char *data, size_t len);
bool scan_number_int64(const char *data, size_t len, int64_t *ret);

#endif
