/* Measures of text. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/text.h"

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
		assert_int_equal(text_cut(cases[i].text, strlen(cases[i].text),
				     cases[i].units),
		    cases[i].want);
	assert_int_equal(text_units("a" EURO SMILE, 8), 4);
	assert_int_equal(text_characters("a" EURO SMILE, 8), 3);
}

static void
test_white(void **state)
{
	static const char white[] =
	    " \t\r\n\v\f\xc2\xa0\xc2\x85\xe1\x9a\x80"
	    "\xe2\x80\x80\xe2\x80\x8a\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaf"
	    "\xe2\x81\x9f\xe3\x80\x80";
	char text[256];
	const char *data = text;
	size_t len;

	(void)state;
	assert_true(text_blank(white, sizeof(white) - 1));
	assert_true(text_blank("", 0));
	assert_false(text_blank("\xe2\x80\x8b", 3)); /* zero width */
	assert_false(text_blank("\x1c", 1));
	strcpy(text, white);
	strcat(text, EURO " " SMILE);
	strcat(text, white);
	len = strlen(text);
	text_trim(&data, &len);
	assert_int_equal(len, strlen(EURO " " SMILE));
	assert_memory_equal(data, EURO " " SMILE, len);
	data = white;
	len = sizeof(white) - 1;
	text_trim(&data, &len);
	assert_int_equal(len, 0);
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
		const char *pattern = cases[i].pattern, *text = cases[i].text;

		assert_int_equal(text_match(pattern, strlen(pattern), text,
				     strlen(text), false),
		    cases[i].whole);
		assert_int_equal(text_match(pattern, strlen(pattern), text,
				     strlen(text), true),
		    cases[i].nested);
	}
}

static void
test_mend(void **state)
{
	char text[16] = "a\0b\0";
	size_t len = text_mend(text, 4);

	(void)state;
	assert_int_equal(len, 8);
	assert_memory_equal(text,
	    "a\xef\xbf\xbd"
	    "b\xef\xbf\xbd",
	    8);
	assert_true(text_mended(text, len));
	assert_false(text_mended("ab", 2));
	assert_int_equal(text_mend(text, 0), 0);
}

static void
test_fold(void **state)
{
	(void)state;
	assert_true(text_equal_folded("NuLL", 4, "null", 4));
	assert_false(text_equal_folded("null", 4, "nul", 3));
	assert_false(text_equal_folded("@", 1, "`", 1));
	assert_true(text_equal_folded("\u017b\u00d3\u0141W", 7,
	    "\u017c\u00f3\u0142w", 7)); /* Zolw, with its accents */
	assert_true(text_equal_folded("\u03a3", 2, "\u03c2", 2)); /* sigma */
	assert_true(text_equal_folded("\u212a", 3, "k", 1));	  /* Kelvin */
	assert_false(text_equal_folded("\u017b", 2, "\u0142", 2));
	assert_false(text_equal_folded("\u017b", 2, "\u017c\u017c", 4));
	assert_true(text_equal_folded("\xc5", 1, "\xc5", 1)); /* no character */
}

static void
test_unseen_ends(void **state)
{
	static const char text[] = "\u200b \ufeff\u2060x\u200by\u200d\u00a0";
	const char *data = text;
	size_t len = sizeof(text) - 1;

	(void)state;
	text_trim(&data, &len);
	assert_int_equal(len, strlen("x\u200by"));
	assert_memory_equal(data, "x\u200by", len);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_white),
	    cmocka_unit_test(test_match),
	    cmocka_unit_test(test_mend),
	    cmocka_unit_test(test_fold),
	    cmocka_unit_test(test_unseen_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
