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

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void
test_ago(void **state)
{
	static const struct {
		int64_t now_ms, then_ms, since_s;
		const char *ago;
	} cases[] = {
	    {5000, 0, -1, "never"},
	    {5000, 5000, 0, "0 s ago"},
	    {65000, 5000, 60, "1 min ago"},
	    /* Other threads note a moment after this one was asked for. */
	    {5000, 5999, 0, "0 s ago"},
	    {5000, 7205000, -7200, "2 h ahead (clock set back)"},
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
	    {" \n{\r\n\t\"error\":\x1b[31m\x7f}", 99,
		"{ \"error\":\\x1b[31m\\x7f}"},
	    {"a\xe2\x80\xae\xff  b", 99, "a\\xe2\\x80\\xae\\xff b"},
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
test_duration(void **state)
{
	static const struct {
		int64_t seconds;
		const char *shown;
	} cases[] = {{0, "0 s"}, {59, "59 s"}, {60, "1 min"}, {61, "1 min 1 s"},
	    {599, "9 min 59 s"}, {600, "10 min"}, {2319, "38 min"},
	    {3599, "59 min"}, {3600, "1 h"}, {7500, "2 h 5 min"},
	    {86399, "23 h 59 min"}, {86400, "1 d"}, {90000, "1 d 1 h"},
	    {1051200, "12 d 4 h"}};
	char text[SHOW_DURATION];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		show_duration(cases[i].seconds, text, sizeof(text));
		assert_string_equal(text, cases[i].shown);
	}
}

static void
test_number(void **state)
{
	static const struct {
		int64_t number;
		const char *shown;
	} cases[] = {{0, "0"}, {7, "7"}, {999, "999"}, {1000, "1,000"},
	    {12480, "12,480"}, {-480, "-480"}, {-1480, "-1,480"},
	    {4812206, "4,812,206"}, {INT64_MAX, "9,223,372,036,854,775,807"},
	    {INT64_MIN, "-9,223,372,036,854,775,808"}};
	char text[SHOW_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		show_number(cases[i].number, text, sizeof(text));
		assert_string_equal(text, cases[i].shown);
	}
}

/* What is not nothing is never shown as nothing, and what is not everything
 * never as everything. */
static void
test_percent(void **state)
{
	static const struct {
		double ratio;
		const char *shown;
	} cases[] = {{0, "0 %"}, {0.0001, "< 0.1 %"}, {0.004, "0.4 %"},
	    {0.0994, "9.9 %"}, {0.0996, "10 %"}, {0.123, "12 %"},
	    {0.994, "99 %"}, {0.99999, "99 %"}, {1, "100 %"}, {1.5, "150 %"}};
	char text[SHOW_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		show_percent(cases[i].ratio, text, sizeof(text));
		assert_string_equal(text, cases[i].shown);
	}
}

static void
test_rate(void **state)
{
	static const struct {
		double rate;
		const char *shown;
	} cases[] = {{0, "0/s"}, {0.01, "< 0.1/s"}, {0.4, "0.4/s"},
	    {9.94, "9.9/s"}, {9.96, "10/s"}, {237.4, "237/s"},
	    {1204, "1,204/s"}};
	char text[SHOW_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		show_rate(cases[i].rate, text, sizeof(text));
		assert_string_equal(text, cases[i].shown);
	}
}

/* Today is the day of the zone in which it is shown. */
static void
test_timestamp(void **state)
{
	static const struct {
		const char *zone;
		bool utc;
		int64_t then_ms;
		const char *shown;
	} cases[] = {
	    /* It is 2026-11-28 00:30 UTC. */
	    {"UTC", true, 1795825867000, "00:31:07Z"},
	    {"UTC", false, 1795825867000, "00:31:07Z"},
	    {"UTC", true, 1795825867000 - 86400000, "2026-11-27 00:31:07Z"},
	    {"UTC", true, 1795825867000 - 3600000, "2026-11-27 23:31:07Z"},
	    {"CET-1CEST", false, 1795825867000, "01:31:07+01:00"},
	    {"CET-1CEST", false, 1795825867000 - 3600000, "00:31:07+01:00"},
	    {"CET-1CEST", false, 1795825867000 - 7200000,
		"2026-11-27 23:31:07+01:00"},
	    {"IST-5:30", false, 1795825867000, "06:01:07+05:30"},
	    {"NST3:30", false, 1795825867000, "21:01:07-03:30"},
	    {"CET-1CEST", true, 1795825867000, "00:31:07Z"},
	    /* The same day of another year. */
	    {"UTC", true, 1795825867000 - INT64_C(365) * 86400000,
		"2025-11-28 00:31:07Z"},
	    {"UTC", true, 0, "never"},
	};
	char text[SHOW_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(setenv("TZ", cases[i].zone, 1), 0);
		tzset();
		show_timestamp(1795825800000, cases[i].then_ms, cases[i].utc,
		    text, sizeof(text));
		assert_string_equal(text, cases[i].shown);
	}
	assert_int_equal(unsetenv("TZ"), 0);
	tzset();
}

static void
test_title(void **state)
{
	static const struct {
		const char *name, *id, *shown;
	} cases[] = {{"Funnel", "7", "Funnel (7)"}, {"", "7", "7"},
	    {"a\nb\033[2J", "7\t8", "a b\\x1b[2J (7 8)"}};
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_init(&out, 100);
		segment_title_show(&out, cases[i].name, cases[i].id);
		assert_int_equal(out.len, strlen(cases[i].shown));
		assert_memory_equal(out.data, cases[i].shown, out.len);
		buf_fini(&out);
	}
}

/* Wrapped under its mark on a terminal, on one line elsewhere; nothing for one
 * that needs no attention. */
static void
test_trouble(void **state)
{
	static const struct {
		size_t columns;
		bool colour;
		const char *trouble, *shown;
	} cases[] = {
	    {0, false, "2 of 3 pages; press sync now in Heap",
		"! Funnel (7) is incomplete: 2 of 3 pages; press sync now in "
		"Heap\n"},
	    {40, false, "2 of 3 pages; press sync now in Heap",
		"! Funnel (7) is incomplete: 2 of 3\n"
		"  pages; press sync now in Heap\n"},
	    {80, true, "2 of 3 pages",
		"\033[31m! Funnel (7) is incomplete: 2 of 3 pages\n\033[0m"},
	    {80, false, NULL, ""},
	};
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct screen screen = {.columns = cases[i].columns,
		    .terminal = cases[i].columns > 0,
		    .colour = cases[i].colour};
		json_t *segment =
		    json_pack("{ssssssss*}", "name", "Funnel", "id", "7",
			"state", "incomplete", "trouble", cases[i].trouble);

		assert_non_null(segment);
		buf_init(&out, 1000);
		segment_trouble_show(segment, &screen, &out);
		assert_int_equal(out.len, strlen(cases[i].shown));
		assert_memory_equal(
		    out.len > 0 ? out.data : "", cases[i].shown, out.len);
		buf_fini(&out);
		json_decref(segment);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ago),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_duration),
	    cmocka_unit_test(test_number),
	    cmocka_unit_test(test_percent),
	    cmocka_unit_test(test_rate),
	    cmocka_unit_test(test_timestamp),
	    cmocka_unit_test(test_title),
	    cmocka_unit_test(test_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
