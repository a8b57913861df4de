/*
 * The lexer: what it takes and what it refuses, and at which byte; strings
 * and numbers decoded; nesting skipped within its limit and beyond.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "schema/json/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Scan a whole text from memory of exactly its size, so that a sanitizer
 * sees a read past its end. Returns the offset of the error, or -1.
 */
static long
scan_text(const char *text, size_t len, struct scan *scan)
{
	char *copy = malloc(len + 1);
	struct scan_value value;
	long error = -1;

	assert_non_null(copy);
	memmove(copy + 1, text, len);
	scan_init(scan, str_bytes(copy + 1, len));
	if (scan_value(scan, &value) && scan_opened(&value) &&
	    scan_skip(scan, &value, SCAN_DEPTH))
		assert_ptr_equal(value.text.data + value.text.len, scan->at);
	if (scan->error == NULL && scan_space(scan))
		scan->error = "trailing";
	if (scan->error != NULL)
		error = scan->at - (copy + 1);
	free(copy);
	return error;
}

static void
test_accepts(void **state)
{
	static const char *const texts[] = {"0", "-0", "1e5", "1E+5", "0.5e-7",
	    "123456789012345678901234567890", "1e400", "true", "false", "null",
	    "\"\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\\ud800\"",
	    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "[]", "[[],{}]", "{}",
	    " \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } } ", "{\"a\":1,\"a\":2}",
	    "\"\x7f\"", "\"\xc2\x80\xef\xbf\xbf\""};
	struct scan scan;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (scan_text(texts[i], strlen(texts[i]), &scan) != -1)
			fail_msg("%s: %s", texts[i], scan.error);
		assert_null(scan.bad_utf8);
	}
}

static void
test_refuses(void **state)
{
	static const struct {
		const char *text;
		long at;
	} cases[] = {{"", 0}, {"  ", 2}, {"01", 1}, {"-", 1}, {"1.", 2},
	    {".5", 0}, {"1e", 2}, {"1e+", 3}, {"+1", 0}, {"NaN", 0}, {"tru", 0},
	    {"truex", 4}, {"nul", 0}, {"'a'", 0}, {"\"a", 2}, {"\"\\x\"", 1},
	    {"\"\\u12g4\"", 1}, {"\"\\u12\"", 1}, {"\"\\", 2}, {"\"\\u1", 4},
	    {"\"\n\"", 1}, {"\"\x1f\"", 1}, {"[1,]", 3}, {"[,1]", 1},
	    {"[1 2]", 3}, {"[1", 2}, {"[1}", 2}, {"{\"a\":1,}", 7},
	    {"{\"a\"}", 4}, {"{\"a\":}", 5}, {"{a:1}", 1}, {"{\"a\":1", 6},
	    {"{1:1}", 1}, {"[1]]", 3}, {"\xff", 0}, {"/**/1", 0},
	    {"[1]\x0b", 3},
	    {"\xc2\xa0"
	     "1",
		0}};
	struct scan scan;
	long at;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		at = scan_text(cases[i].text, strlen(cases[i].text), &scan);
		if (at != cases[i].at)
			fail_msg("%s: error at %ld", cases[i].text, at);
	}
	assert_int_equal(scan_text("\"a\0b\"", 5, &scan), 2);
}

/* Every special byte is found at every place of a long string. */
static void
test_string_places(void **state)
{
	char text[80];
	struct scan scan;

	(void)state;
	for (size_t len = 2; len < sizeof(text); len++) {
		for (size_t at = 1; at + 1 < len; at++) {
			memset(text, ' ', len);
			text[0] = text[len - 1] = '"';
			assert_int_equal(scan_text(text, len, &scan), -1);
			text[at] = '\x01';
			assert_int_equal(scan_text(text, len, &scan), at);
			text[at] = '"';
			assert_int_equal(scan_text(text, at + 1, &scan), -1);
			text[at] = '\xff';
			assert_int_equal(scan_text(text, len, &scan), -1);
			assert_non_null(scan.bad_utf8);
		}
	}
}

/* A broken sequence does not hide the quote that ends the string. */
static void
test_bad_utf8_ends(void **state)
{
	static const char text[] = "[\"\xe2\x82\",\"\xc3\",1]";
	struct scan scan;

	(void)state;
	assert_int_equal(scan_text(text, sizeof(text) - 1, &scan), -1);
	assert_non_null(scan.bad_utf8);
}

static void
test_decode(void **state)
{
	static const struct {
		const char *raw, *decoded;
		size_t len;
	} cases[] = {{"plain", "plain", 5}, {"", "", 0},
	    {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t", 8},
	    {"a\\u0041\\u00e9\\u20ac", "aA\xc3\xa9\xe2\x82\xac", 7},
	    {"\\uD83D\\uDe00!", "\xf0\x9f\x98\x80!", 5},
	    {"\\ud83d", "\xef\xbf\xbd", 3},
	    {"\\ud83dx\\udc00", "\xef\xbf\xbdx\xef\xbf\xbd", 7},
	    {"\\ud83d\\ud83d\\ude00", "\xef\xbf\xbd\xf0\x9f\x98\x80", 7},
	    {"\\ud83d\\n", "\xef\xbf\xbd\n", 4},
	    {"\\udbff\\udfff", "\xf4\x8f\xbf\xbf", 4},
	    {"x\\u0000y", "x\0y", 3}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str raw = str_text(cases[i].raw);
		char *decoded = malloc(raw.len + 1); /* to its last byte */

		assert_non_null(decoded);
		assert_int_equal(scan_decode(raw, decoded + 1), cases[i].len);
		assert_memory_equal(
		    decoded + 1, cases[i].decoded, cases[i].len);
		free(decoded);
	}
}

static void
test_equals(void **state)
{
	struct scan_value value;
	struct scan scan;

	(void)state;
	scan_init(&scan, str_text("\"n\\u0061me\""));
	assert_true(scan_value(&scan, &value));
	assert_true(value.escaped);
	assert_true(scan_equal_text(&value, "name"));
	assert_false(scan_equal_text(&value, "nane"));
	assert_false(scan_equal_text(&value, "names"));
	assert_false(scan_equal_text(&value, ""));
}

static void
test_numbers(void **state)
{
	static const struct {
		const char *text;
		bool integral, fits;
		int64_t value;
	} cases[] = {{"0", true, true, 0}, {"-0", true, true, 0},
	    {"0.000", true, true, 0}, {"0e999", true, true, 0},
	    {"0e-999", true, true, 0}, {"5.0", true, true, 5},
	    {"1e3", true, true, 1000}, {"1.5e1", true, true, 15},
	    {"1.5e0", false, false, 0}, {"10e-1", true, true, 1},
	    {"100.50", false, false, 0}, {"1e-1", false, false, 0},
	    {"1700000000.0", true, true, 1700000000},
	    {"1.7E+9", true, true, 1700000000},
	    {"1.70e9", true, true, 1700000000}, {"0.001e3", true, true, 1},
	    {"1e400", true, false, 0}, {"1e-400", false, false, 0},
	    {"9223372036854775807", true, true, INT64_MAX},
	    {"9223372036854775808", true, false, 0},
	    {"-9223372036854775808", true, true, INT64_MIN},
	    {"-9223372036854775809", true, false, 0},
	    {"12345678901234567890", true, false, 0},
	    {"1e18", true, true, 1000000000000000000}, {"1e19", true, false, 0},
	    {"1e99999999999999999999999", true, false, 0},
	    {"1e-99999999999999999999999", false, false, 0},
	    {"10000000000000000000000e-22", true, true, 1}};
	int64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str number = str_text(cases[i].text);

		value = 0;
		if (scan_number_integral(number) != cases[i].integral ||
		    scan_number_int64(number, &value) != cases[i].fits ||
		    value != cases[i].value)
			fail_msg("%s", cases[i].text);
	}
}

static void
test_plain_numbers(void **state)
{
	static const char *const texts[] = {"12", "-7", "1.0", "1e1"};
	struct scan_value value;
	struct scan scan;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		scan_init(&scan, str_text(texts[i]));
		assert_true(scan_value(&scan, &value));
		assert_int_equal(value.plain, i < 2);
		assert_int_equal(value.text.len, strlen(texts[i]));
	}
}

/* Arrays nested that deep, with what is broken in the middle. */
static long
scan_nested(size_t depth, const char *middle, struct scan *scan)
{
	struct buf buf;
	long error;

	buf_init(&buf, 1 << 20);
	for (size_t i = 0; i < depth; i++)
		assert_true(buf_text(&buf, i % 2 == 0 ? "[" : "{\"k\":"));
	assert_true(buf_text(&buf, middle));
	for (size_t i = depth; i > 0; i--)
		assert_true(buf_char(&buf, i % 2 == 1 ? ']' : '}'));
	error = scan_text(buf.data, buf.len, scan);
	buf_fini(&buf);
	return error;
}

static void
test_depth(void **state)
{
	struct scan scan;

	(void)state;
	assert_int_equal(scan_nested(64, "1", &scan), -1);
	assert_null(scan.too_deep);
	assert_int_equal(scan_nested(65, "1", &scan), -1);
	assert_non_null(scan.too_deep);
	assert_int_equal(scan_nested(100000, "\"]}\\\"\"", &scan), -1);
	assert_non_null(scan.too_deep);
	/* within the limit syntax is checked, beyond it only brackets */
	assert_int_not_equal(scan_nested(64, "1 2", &scan), -1);
	assert_int_equal(scan_nested(66, "1 2", &scan), -1);
	assert_int_not_equal(scan_nested(70, "[", &scan), -1);
	assert_int_not_equal(scan_nested(70, "\"", &scan), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_accepts),
	    cmocka_unit_test(test_refuses),
	    cmocka_unit_test(test_string_places),
	    cmocka_unit_test(test_bad_utf8_ends),
	    cmocka_unit_test(test_decode),
	    cmocka_unit_test(test_equals),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_plain_numbers),
	    cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
