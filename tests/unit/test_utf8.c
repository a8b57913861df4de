/* UTF-8: which sequences are, and writing them. */

#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void
test_utf8(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
	} cases[] = {{"a", 1}, {"\xc2\x80", 2}, {"\xdf\xbf", 2},
	    {"\xe0\xa0\x80", 3}, {"\xed\x9f\xbf", 3}, {"\xee\x80\x80", 3},
	    {"\xf0\x90\x80\x80", 4}, {"\xf4\x8f\xbf\xbf", 4}, {"\x80", 0},
	    {"\xc0\x80", 0}, {"\xc1\xbf", 0}, {"\xc2", 0}, {"\xc2\x41", 0},
	    {"\xe0\x9f\xbf", 0}, {"\xed\xa0\x80", 0}, {"\xed\xbf\xbf", 0},
	    {"\xe2\x82", 0}, {"\xe2\x82\x41", 0}, {"\xf0\x8f\xbf\xbf", 0},
	    {"\xf4\x90\x80\x80", 0}, {"\xf5\x80\x80\x80", 0},
	    {"\xf0\x9f\x98", 0}, {"\xff", 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    utf8_length(cases[i].bytes, strlen(cases[i].bytes)),
		    cases[i].length);
}

/* Every code point is written as a sequence of the length that is read. */
static void
test_encoded_is_read(void **state)
{
	char bytes[4];

	(void)state;
	for (uint32_t point = 0; point <= 0x10ffff; point++) {
		size_t len;

		if (point >= 0xd800 && point < 0xe000)
			continue;
		len = utf8_encode(bytes, point);
		assert_int_equal(utf8_length(bytes, len), len);
		assert_int_equal(utf8_step(bytes[0]), len);
		assert_true(len == 1 || utf8_length(bytes, len - 1) == 0);
	}
}

/* What a terminal would obey is shown instead, 8-bit and UTF-8 forms of C1
 * included. */
static void
test_visible(void **state)
{
	static const struct {
		const char *text, *shown;
		size_t step;
	} rows[] = {
	    {"a", "a", 1},
	    {"\x1b[2J", "\\x1b", 1},
	    {"\x7f", "\\x7f", 1},
	    {"\xc2\x9b", "\\xc2\\x9b", 2},
	    {"\xc2\xa0", "\xc2\xa0", 2},
	    {"\x9b", "\\x9b", 1},
	    {"\xe2\x82\xac", "\xe2\x82\xac", 3},
	    {"\xe2\x82", "\\xe2", 1},
	    /* Bidirectional: ALM, LRM, RLM, RLO, RLI, PDI; and the neighbours
	     * of these. */
	    {"\xd8\x9c", "\\xd8\\x9c", 2},
	    {"\xe2\x80\x8d", "\xe2\x80\x8d", 3},
	    {"\xe2\x80\x8e", "\\xe2\\x80\\x8e", 3},
	    {"\xe2\x80\x8f", "\\xe2\\x80\\x8f", 3},
	    {"\xe2\x80\x90", "\xe2\x80\x90", 3},
	    {"\xe2\x80\xa7", "\xe2\x80\xa7", 3},
	    {"\xe2\x80\xa8", "\\xe2\\x80\\xa8", 3},
	    {"\xe2\x80\xae", "\\xe2\\x80\\xae", 3},
	    {"\xe2\x80\xaf", "\xe2\x80\xaf", 3},
	    {"\xe2\x81\xa5", "\xe2\x81\xa5", 3},
	    {"\xe2\x81\xa6", "\\xe2\\x81\\xa6", 3},
	    {"\xe2\x81\xa9", "\\xe2\\x81\\xa9", 3},
	    {"\xe2\x81\xaa", "\xe2\x81\xaa", 3},
	    {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", 4},
	};
	char shown[UTF8_VISIBLE];
	size_t step;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = utf8_visible(
		    shown, rows[i].text, strlen(rows[i].text), &step);

		assert_int_equal(len, strlen(rows[i].shown));
		assert_memory_equal(shown, rows[i].shown, len);
		assert_int_equal(step, rows[i].step);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_utf8),
	    cmocka_unit_test(test_encoded_is_read),
	    cmocka_unit_test(test_visible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
