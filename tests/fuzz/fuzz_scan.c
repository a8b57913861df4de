/*
 * The lexer over any bytes: it stays within them, a skip ends where a walk
 * ends, and what it says of strings and numbers holds together.
 */

#include "base/err.h"
#include "base/utf8.h"
#include "schema/json/scan.h"

#include <stdlib.h>

enum { LEVELS = 20 }; /* walked; the rest is skipped */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_string(const struct scan_value *string)
{
	char *decoded = malloc(string->text.len + 1);
	size_t len;

	CHECK(decoded != NULL);
	len = scan_decode(string->text, decoded);
	CHECK(len <= string->text.len);
	CHECK(string->escaped || len == string->text.len);
	/* the comparison gives up on long escaped strings */
	CHECK(scan_equal(string, str_bytes(decoded, len)) ||
	      (string->escaped && string->text.len > 512));
	for (size_t at = 0, step; !string->bad_utf8 && at < len; at += step) {
		step = utf8_length(decoded + at, len - at);
		CHECK(step > 0);
	}
	free(decoded);
}

static void
check_number(const struct scan_value *number)
{
	int64_t value;

	if (scan_number_int64(number->text, &value))
		CHECK(scan_number_integral(number->text));
	if (number->plain)
		CHECK(scan_number_integral(number->text));
}

/* Walk a value whose first token was read; false on a syntax error. */
static bool
walk(struct scan *scan, const struct scan_value *value, unsigned levels)
{
	struct scan_value key, inner, skipped = *value;
	struct scan ahead = *scan;
	bool object = value->kind == SCAN_OBJECT, first = true, more;

	if (value->kind == SCAN_STRING)
		check_string(value);
	if (value->kind == SCAN_NUMBER)
		check_number(value);
	if (!scan_opened(value))
		return true;
	if (levels == 0)
		return scan_skip(scan, &skipped, SCAN_DEPTH);
	for (;;) {
		more = object ? scan_member(scan, &first, &key)
			      : scan_element(scan, &first);
		if (!more)
			break;
		if (object)
			check_string(&key);
		if (!scan_value(scan, &inner) ||
		    !walk(scan, &inner, levels - 1))
			break;
	}
	CHECK(scan->at <= scan->end);
	/* the other way through the same bytes comes to the same end */
	if (scan_skip(&ahead, &skipped, SCAN_DEPTH))
		CHECK(scan->error != NULL
			  ? scan->too_deep != NULL || ahead.too_deep != NULL
			  : ahead.at == scan->at);
	else
		CHECK(scan->error != NULL);
	return scan->error == NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scan_value value;
	struct scan scan;

	scan_init(&scan, str_bytes((const char *)data, size));
	while (scan_space(&scan)) {
		if (!scan_value(&scan, &value) || !walk(&scan, &value, LEVELS))
			break;
	}
	CHECK(scan.at <= scan.end);
	return 0;
}
