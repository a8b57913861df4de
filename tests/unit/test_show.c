/*
 * Numbers and words as people see them.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/segment.h"
#include "cli/show.h"
#include "daemon/status.h"

#include <string.h>

static void
test_ago(void **state)
{
	static const struct {
		int64_t now_ms, then_ms, since_s;
		const char *ago;
	} cases[] = {
	    {5000, 0, -1, "never"},
	    {5000, 5000, 0, "0 s ago"},
	    {65000, 5000, 60, "1 min 00 s ago"},
	    /* Other threads note a moment after this one was asked for. */
	    {5000, 5999, 0, "0 s ago"},
	    {5000, 7205000, -7200, "2 h 00 min ahead (clock set back)"},
	};
	char text[SHOW_AGO];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    status_since_s(cases[i].now_ms, cases[i].then_ms),
		    cases[i].since_s);
		show_ago(cases[i].now_ms, cases[i].then_ms, text, sizeof(text));
		assert_string_equal(text, cases[i].ago);
	}
}

static void
test_words(void **state)
{
	static const struct {
		const char *words;
		size_t most;
		const char *shown;
	} cases[] = {
	    {"", 10, ""},
	    {"no such app", 20, "no such app"},
	    {"no such app", 7, "no such"},
	    {" \n{\r\n\t\"error\":\x1b[31m\x7f}", 99, "{ \"error\": [31m }"},
	    {"ab\xe2\x82\xac", 4, "ab"},
	    {"ab\xe2\x82\xac", 5, "ab\xe2\x82\xac"},
	    {"\x82\x82\x82", 2, ""},
	};
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_init(&out, 100);
		show_foreign(&out, cases[i].words, strlen(cases[i].words),
		    cases[i].most);
		assert_int_equal(out.len, strlen(cases[i].shown));
		if (out.len > 0)
			assert_memory_equal(out.data, cases[i].shown, out.len);
		buf_fini(&out);
	}
}

static void
test_brief(void **state)
{
	static const struct {
		int64_t seconds;
		const char *shown;
	} cases[] = {{0, "0s"}, {59, "59s"}, {60, "1m00s"}, {3599, "59m59s"},
	    {3600, "1h00m"}, {86399, "23h59m"}, {86400, "1d00h"},
	    {900000, "10d10h"}, {-1, "?"}};
	char text[SHOW_DURATION];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		show_brief(cases[i].seconds, text, sizeof(text));
		assert_string_equal(text, cases[i].shown);
	}
}

static void
test_cells(void **state)
{
	static const struct {
		const char *text;
		size_t width;
		const char *shown;
	} cases[] = {{"", 3, "   "}, {"Funnel", 8, "Funnel  "},
	    {"Funnel", 6, "Funnel"}, {"Funnel", 5, "Fun.."},
	    {"a\nb\tc", 6, "a b c "},
	    {"\xc3\xa9t\xc3\xa9", 4, "\xc3\xa9t\xc3\xa9 "},
	    {"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 3, "\xc3\xa9.."}};
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_init(&out, 100);
		segment_cell_write(
		    &out, cases[i].text, strlen(cases[i].text), cases[i].width);
		assert_int_equal(out.len, strlen(cases[i].shown));
		assert_memory_equal(out.data, cases[i].shown, out.len);
		buf_fini(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ago),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_brief),
	    cmocka_unit_test(test_cells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
