#ifndef SCHEMA_JSON_SCAN_H
#define SCHEMA_JSON_SCAN_H

/*
 * A strict scanner of JSON (RFC 8259) over bytes in memory: no tree, no copy,
 * no allocation. A walk over an object reads
 *
 *	scan_init(&scan, json);
 *	if (!scan_value(&scan, &value))
 *		goto bad;
 *	for (bool first = true; scan_member(&scan, &first, &key);) {
 *		if (!scan_value(&scan, &value))
 *			break;
 *		if (scan_opened(&value) &&
 *		    !scan_skip(&scan, &value, SCAN_DEPTH - 1))
 *			break;
 *	}
 *	if (scan.error != NULL)
 *		goto bad;
 *
 * A syntax error ends the scan. If the end of the value can still be found
 * (bytes that are not UTF-8, nesting too deep), an error is only recorded, so
 * that one bad event does not spoil its neighbours.
 *
 * Any thread; one struct scan belongs to one thread at a time.
 */

#include "base/err.h"
#include "base/str.h"

/* The deepest nesting of an event, including its own braces; everything in
 * schema/ uses it. */
enum { SCAN_DEPTH = 64 };

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
	const char *error;    /* why it broke; static; NULL if it has not */
	const char *bad_utf8; /* the first byte that is not UTF-8, or NULL */
	const char *too_deep; /* the first bracket below the limit, or NULL */
};

struct scan_value {
	enum scan_kind kind;
	bool escaped;  /* string: has backslashes, see scan_decode() */
	bool bad_utf8; /* string: is not UTF-8 (RFC 3629) throughout */
	bool plain;    /* number: digits and sign only: no dot, no exponent */
	/* Lent. String: what is between the quotes; array or object: only the
	 * bracket, until scan_skip(); else the JSON. */
	struct str text;
};

void scan_init(struct scan *scan, struct str json);

/* Skip white space; false if nothing is left. Compact JSON has none, and there
 * it costs no call. */
bool scan_space_skip(struct scan *scan);
static inline bool
scan_space(struct scan *scan)
{
	return (scan->at < scan->end && (unsigned char)*scan->at > ' ') ||
	       scan_space_skip(scan);
}

/*
 * Read the next value. A scalar is read completely. Of an array or object only
 * the bracket is read; the caller then reads the content to the end with
 * scan_element() or scan_member(), or skips it. False on a syntax error.
 */
MUST_USE bool scan_value(struct scan *scan, struct scan_value *ret_value);

/* Does the caller still have to read its content? */
static inline bool
scan_opened(const struct scan_value *value)
{
	return value->kind >= SCAN_ARRAY;
}

/*
 * Step to the next member of the innermost open object (its key and colon are
 * read, its value is next), or to the next element of an array. *first is true
 * before the first call. False once the closing bracket has been read, and on a
 * syntax error.
 */
MUST_USE bool
scan_member(struct scan *scan, bool *first, struct scan_value *ret_key);
MUST_USE bool scan_element(struct scan *scan, bool *first);

/*
 * Skip the rest of an array or object that was just opened, and complete its
 * text. It may have `levels` (1 to SCAN_DEPTH) of nesting, including its own.
 * Deeper nesting is recorded, and skipped by counting brackets, without
 * checking its syntax. False on a syntax error.
 */
MUST_USE bool
scan_skip(struct scan *scan, struct scan_value *value, unsigned levels);

/* The first member with that name in a JSON object; false if there is none, or
 * if it is not an object. */
MUST_USE bool
scan_find(struct str object, const char *name, struct scan_value *ret_value);

/*
 * Decode the text of a scanned string: surrogate pairs are joined, a lone
 * surrogate becomes U+FFFD, \u0000 a NUL byte, bytes that are not UTF-8 stay.
 * Writes at most as many bytes as the text has and returns how many.
 */
size_t scan_decode(struct str text, char *ret);

bool scan_equal_decoded(const struct scan_value *string, struct str text);

/* Is this string, decoded, that text? (An escaped one of more than 512 bytes
 * equals nothing.) */
static inline bool
scan_equal(const struct scan_value *string, struct str text)
{
	return string->escaped ? scan_equal_decoded(string, text)
			       : str_equal(string->text, text);
}

static inline bool
scan_equal_text(const struct scan_value *string, const char *text)
{
	return scan_equal(string, str_text(text));
}

/*
 * The mathematical value of a scanned number, of whatever size: is it
 * integral (5.0 and 1e400 are), and what is it, if it fits.
 */
bool scan_number_integral(struct str number);
bool scan_number_int64(struct str number, int64_t *ret);

#endif
