/* Measures of text. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/json/text.h"

#include <string.h>

#define SMILE "\xf0\x9f\x98\x80" /* U+1F600: two units */
#define EURO  "\xe2\x82\xac"

static void
test_cut(void **state)
{
	static const struct {
		const char *text;
		size_t units, want;
	} cases[] = {
	    {"", 0, 0},
	    {"abc", 3, 3},
	    {"abc", 2, 2},
	    {EURO EURO, 1, 3},
	    {SMILE, 1, 0},
	    {SMILE, 2, 4},
	    {"a" SMILE "b", 2, 1},
	    {"a" SMILE "b", 3, 5},
	    {"a" SMILE "b", 4, 6},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(
		    text_cut(str_text(cases[i].text), cases[i].units),
		    cases[i].want);
	assert_int_equal(text_units(str_text("a" EURO SMILE)), 4);
	assert_int_equal(text_characters(str_text("a" EURO SMILE)), 3);
}

static void
test_white(void **state)
{
	static const char white[] =
	    " \t\r\n\v\f\xc2\xa0\xc2\x85\xe1\x9a\x80"
	    "\xe2\x80\x80\xe2\x80\x8a\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaf"
	    "\xe2\x81\x9f\xe3\x80\x80";
	char text[256];
	struct str trimmed;

	(void)state;
	assert_true(text_blank(str_text(white)));
	assert_true(text_blank(str_text("")));
	assert_false(text_blank(str_text("\xe2\x80\x8b"))); /* zero width */
	assert_false(text_blank(str_text("\x1c")));
	strcpy(text, white);
	strcat(text, EURO " " SMILE);
	strcat(text, white);
	trimmed = text_trim(str_text(text));
	assert_int_equal(trimmed.len, strlen(EURO " " SMILE));
	assert_memory_equal(trimmed.data, EURO " " SMILE, trimmed.len);
	assert_int_equal(text_trim(str_text(white)).len, 0);
}

static void
test_match(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool whole, nested;
	} cases[] = {
	    {"", "", true, true},
	    {"", "a", false, false},
	    {"*", "", true, true},
	    {"*", "a.b", true, true},
	    {"a", "a", true, true},
	    {"a", "a.b", false, true},
	    {"a", "ab", false, false},
	    {"a*c", "abc", true, true},
	    {"a*c", "abcb", false, false},
	    {"a*c", "abc.d", false, true},
	    {"*.b", "a.b.c", false, true},
	    {"*.c", "a.b.c", true, true},
	    {"*a*b*", "xxaxxbxx", true, true},
	    {"*ab", "aab", true, true},
	    {"**", "x", true, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct str pattern = str_text(cases[i].pattern);
		struct str text = str_text(cases[i].text);

		assert_int_equal(
		    text_match(pattern, text, false), cases[i].whole);
		assert_int_equal(
		    text_match(pattern, text, true), cases[i].nested);
	}
}

static void
test_replacement(void **state)
{
	char text[16] = "a\0b\0";
	size_t len = text_replace_nuls(text, 4);

	(void)state;
	assert_int_equal(len, 8);
	assert_memory_equal(text,
	    "a\xef\xbf\xbd"
	    "b\xef\xbf\xbd",
	    8);
	assert_true(text_has_replacement(str_bytes(text, len)));
	assert_false(text_has_replacement(str_text("ab")));
	assert_int_equal(text_replace_nuls(text, 0), 0);
}

static void
test_fold(void **state)
{
	(void)state;
	assert_true(text_equal_folded(str_text("NuLL"), str_text("null")));
	assert_false(text_equal_folded(str_text("null"), str_text("nul")));
	assert_false(text_equal_folded(str_text("@"), str_text("`")));
	assert_true(text_equal_folded(str_text("\u017b\u00d3\u0141W"),
	    str_text("\u017c\u00f3\u0142w"))); /* Zolw, with its accents */
	assert_true(text_equal_folded(
	    str_text("\u03a3"), str_text("\u03c2"))); /* sigma */
	assert_true(
	    text_equal_folded(str_text("\u212a"), str_text("k"))); /* Kelvin */
	assert_false(text_equal_folded(str_text("\u017b"), str_text("\u0142")));
	assert_false(
	    text_equal_folded(str_text("\u017b"), str_text("\u017c\u017c")));
	assert_true(text_equal_folded(
	    str_text("\xc5"), str_text("\xc5"))); /* no character */
}

static void
test_invisible_ends(void **state)
{
	static const char text[] = "\u200b \ufeff\u2060x\u200by\u200d\u00a0";
	struct str trimmed = text_trim(str_text(text));

	(void)state;
	assert_int_equal(trimmed.len, strlen("x\u200by"));
	assert_memory_equal(trimmed.data, "x\u200by", trimmed.len);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_white),
	    cmocka_unit_test(test_match),
	    cmocka_unit_test(test_replacement),
	    cmocka_unit_test(test_fold),
	    cmocka_unit_test(test_invisible_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
