/*
 * The lexer. Each function reads from scan->at and leaves it past what it
 * read; after an error it stays where the syntax broke, and every further
 * step is refused, so that a caller may look at scan->error once, after a
 * loop. Only strings are worth speed: a body is mostly strings.
 */

#include "schema/scan.h"
#include "base/utf8.h"
#include "schema/scan_plain.h"

#include <string.h>

enum { SCAN_LEVELS_MAX = 64 }; /* bits of the stack in scan_skip() */

void
scan_init(struct scan *scan, const char *data, size_t len)
{
	*scan = (struct scan){.at = data, .end = data + len};
}

static bool
scan_fail(struct scan *scan, const char *at, const char *why)
{
	scan->at = at;
	scan->error = why;
	return false;
}

bool
scan_space(struct scan *scan)
{
	const char *at = scan->at, *end = scan->end;

	while (at < end &&
	       (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
		at++;
	scan->at = at;
	return at < end;
}

/* Past the bytes from 0x80 at `at`, noting the first that is not UTF-8. */
static const char *
scan_foreign(struct scan *scan, const char *at, struct scan_value *value)
{
	size_t step;

	while (at < scan->end && (unsigned char)*at >= 0x80) {
		step = utf8_length(at, (size_t)(scan->end - at));
		if (step == 0) {
			value->bad_utf8 = true;
			if (scan->bad_utf8 == NULL)
				scan->bad_utf8 = at;
			step = 1;
		}
		at += step;
	}
	return at;
}

static int
scan_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Past the escape at `at`, which is a backslash; NULL if it is none. */
static const char *
scan_escape(struct scan *scan, const char *at)
{
	/* cut short: the caller meets the end and says so */
	if (++at == scan->end)
		return at;
	if (memchr("\"\\/bfnrt", *at, 8) != NULL)
		return at + 1;
	if (*at != 'u')
		return NULL;
	at++;
	for (int i = 0; i < 4 && at < scan->end; i++, at++) {
		if (scan_hex(*at) < 0)
			return NULL;
	}
	return at;
}

/* Read a string whose opening quote is at scan->at. */
static bool
scan_string(struct scan *scan, struct scan_value *value)
{
	const char *start = scan->at + 1, *at = start, *next;

	value->kind = SCAN_STRING;
	value->escaped = value->bad_utf8 = false;
	for (;;) {
		at = scan_plain(at, scan->end);
		if (at >= scan->end)
			return scan_fail(scan, at, "a string has no end");
		if (*at == '"')
			break;
		if (*at == '\\') {
			value->escaped = true;
			next = scan_escape(scan, at);
			if (next == NULL)
				return scan_fail(scan, at, "a bad escape");
			at = next;
		} else if ((unsigned char)*at >= 0x80) {
			at = scan_foreign(scan, at, value);
		} else {
			return scan_fail(
			    scan, at, "a control character in a string");
		}
	}
	value->data = start;
	value->len = (size_t)(at - start);
	scan->at = at + 1;
	return true;
}

static const char *
scan_digits(const char *at, const char *end)
{
	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return at;
}

/* Past one digit or more; on none the scan fails with NULL. */
static const char *
scan_digits_needed(struct scan *scan, const char *at)
{
	const char *past = scan_digits(at, scan->end);

	if (past > at)
		return past;
	(void)scan_fail(scan, at, "a number lacks a digit");
	return NULL;
}

/* Check a number against the grammar; its value is not computed here. */
static bool
scan_number(struct scan *scan, struct scan_value *value)
{
	const char *start = scan->at, *end = scan->end, *at = start;

	value->kind = SCAN_NUMBER;
	value->plain = true;
	if (*at == '-')
		at++;
	/* a zero stands alone: what follows 0 in 01 is not ours */
	if (at < end && *at == '0')
		at++;
	else if ((at = scan_digits_needed(scan, at)) == NULL)
		return false;
	if (at < end && *at == '.') {
		value->plain = false;
		at = scan_digits_needed(scan, at + 1);
		if (at == NULL)
			return false;
	}
	if (at < end && (*at == 'e' || *at == 'E')) {
		value->plain = false;
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			at++;
		at = scan_digits_needed(scan, at);
		if (at == NULL)
			return false;
	}
	value->data = start;
	value->len = (size_t)(at - start);
	scan->at = at;
	return true;
}

/* true, false, null, and the brackets. */
static bool
scan_literal(struct scan *scan, struct scan_value *value, enum scan_kind kind,
    const char *text, size_t len)
{
	if ((size_t)(scan->end - scan->at) < len ||
	    memcmp(scan->at, text, len) != 0)
		return scan_fail(scan, scan->at, "not a JSON value");
	value->kind = kind;
	value->data = scan->at;
	value->len = len;
	scan->at += len;
	return true;
}

bool
scan_value(struct scan *scan, struct scan_value *ret_value)
{
	if (!scan_space(scan))
		return scan_fail(scan, scan->at, "a value is missing");
	switch (*scan->at) {
	case '"':
		return scan_string(scan, ret_value);
	case '{':
		return scan_literal(scan, ret_value, SCAN_OBJECT, "{", 1);
	case '[':
		return scan_literal(scan, ret_value, SCAN_ARRAY, "[", 1);
	case 't':
		return scan_literal(scan, ret_value, SCAN_TRUE, "true", 4);
	case 'f':
		return scan_literal(scan, ret_value, SCAN_FALSE, "false", 5);
	case 'n':
		return scan_literal(scan, ret_value, SCAN_NULL, "null", 4);
	}
	if (*scan->at == '-' || (*scan->at >= '0' && *scan->at <= '9'))
		return scan_number(scan, ret_value);
	return scan_fail(scan, scan->at, "not a JSON value");
}

/* Past the comma to the next item, or false past the closing bracket. */
static bool
scan_next(struct scan *scan, bool *first, char closing, const char *expected)
{
	if (scan->error != NULL)
		return false;
	if (!scan_space(scan))
		return scan_fail(
		    scan, scan->at, "a closing bracket is missing");
	if (*scan->at == closing) {
		scan->at++;
		return false;
	}
	if (*first) {
		*first = false;
		return true;
	}
	if (*scan->at != ',')
		return scan_fail(scan, scan->at, expected);
	scan->at++;
	return true;
}

bool
scan_member(struct scan *scan, bool *first, struct scan_value *ret_key)
{
	if (!scan_next(scan, first, '}', "expected a comma or }"))
		return false;
	if (!scan_space(scan) || *scan->at != '"')
		return scan_fail(scan, scan->at, "expected a key in quotes");
	if (!scan_string(scan, ret_key))
		return false;
	if (!scan_space(scan) || *scan->at != ':')
		return scan_fail(scan, scan->at, "expected a colon");
	scan->at++;
	return true;
}

bool
scan_element(struct scan *scan, bool *first)
{
	return scan_next(scan, first, ']', "expected a comma or ]");
}

/*
 * Past the bracket that closes the one just read, by counting alone: any
 * depth with no memory. Strings are scanned, for they may hold brackets.
 */
static bool
scan_skip_counting(struct scan *scan)
{
	struct scan_value string;
	size_t open = 1;

	while (scan->at < scan->end) {
		switch (*scan->at) {
		case '"':
			if (!scan_string(scan, &string))
				return false;
			continue;
		case '{':
		case '[':
			open++;
			break;
		case '}':
		case ']':
			open--;
			break;
		}
		scan->at++;
		if (open == 0)
			return true;
	}
	return scan_fail(scan, scan->at, "a closing bracket is missing");
}

bool
scan_skip(struct scan *scan, struct scan_value *value, unsigned levels)
{
	uint64_t objects = value->kind == SCAN_OBJECT; /* a stack of bits */
	unsigned open = 1;
	bool first = true, more;
	struct scan_value inner;

	CHECK(levels >= 1 && levels <= SCAN_LEVELS_MAX);
	/* open is never above levels, so the bits never overflow */
	while (open > 0) {
		if ((objects & 1) != 0)
			more = scan_member(scan, &first, &inner);
		else
			more = scan_element(scan, &first);
		if (scan->error != NULL)
			return false;
		if (!more) {
			objects >>= 1;
			open--;
			first = false;
			continue;
		}
		if (!scan_value(scan, &inner))
			return false;
		if (!scan_opened(&inner))
			continue;
		if (open < levels) {
			objects = objects << 1 | (inner.kind == SCAN_OBJECT);
			open++;
			first = true;
			continue;
		}
		if (scan->too_deep == NULL)
			scan->too_deep = inner.data;
		if (!scan_skip_counting(scan))
			return false;
	}
	value->len = (size_t)(scan->at - value->data);
	return true;
}
