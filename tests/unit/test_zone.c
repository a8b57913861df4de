/* Days in a time zone, beside those of the C library. */

#include "daemon/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/short_run.h"

enum { HOUR = 3600, DAY = 24 * HOUR, YEARS = 130 }; /* 1970 to 2099 */

/* Both hemispheres, odd offsets, days that were skipped, summer time by rules
 * of every kind, below zero, and that of the whole year. */
static const char *const names[] = {"UTC", "Europe/Berlin", "Europe/Dublin",
    "America/New_York", "America/Sao_Paulo", "America/St_Johns",
    "America/Caracas", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tokyo",
    "Asia/Tehran", "Asia/Gaza", "Australia/Lord_Howe", "Australia/Sydney",
    "Africa/Casablanca", "Africa/Cairo", "Pacific/Apia", "Pacific/Kiritimati",
    "Pacific/Kwajalein", "Pacific/Chatham", "America/Nuuk", "Antarctica/Troll",
    "Etc/GMT+12", "EST5EDT"};

static int64_t
library_day(int64_t time_s)
{
	time_t clock = (time_t)time_s;
	struct tm tm;

	assert_non_null(localtime_r(&clock, &tm));
	return (time_s + tm.tm_gmtoff + DAY) / DAY - 1;
}

static void
test_days(void **state)
{
	const int64_t end = (int64_t)YEARS * 365 * DAY;
	/* 29 minutes are no part of any offset or time of a change */
	const int64_t step = 29 * 60 * (short_run() ? 1009 : 1);
	struct zone *zone;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(setenv("TZ", names[i], 1), 0);
		tzset();
		if (!zone_open(names[i], &zone, &err))
			fail_msg("%s", err.text);
		for (int64_t at = 0; at < end; at += step) {
			if (zone_day(zone, at) != library_day(at))
				fail_msg("%s at %lld", names[i], (long long)at);
		}
		zone_free(zone);
	}
}

static void
test_a_day_begins_at_its_midnight(void **state)
{
	struct zone *zone;
	struct err err;

	(void)state;
	assert_true(zone_open("Europe/Berlin", &zone, &err));
	/* 2026-03-29T00:00+01:00 and 2026-03-30T00:00+02:00: 23 hours */
	assert_int_equal(zone_day(zone, 1774738799), 20540);
	assert_int_equal(zone_day(zone, 1774738800), 20541);
	assert_int_equal(zone_day(zone, 1774738800 + 23 * HOUR - 1), 20541);
	assert_int_equal(zone_day(zone, 1774738800 + 23 * HOUR), 20542);
	zone_free(zone);
}

static void
test_no_zones(void **state)
{
	static const char *const wrong[] = {"", "Europe", "Europe/Atlantis",
	    "/etc/passwd", "../../../etc/passwd", "zone.tab", "Europe/Berlin ",
	    "Europe/\xc3\x9f"};
	struct zone *zone;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		err.code = ERR_NONE;
		assert_false(zone_open(wrong[i], &zone, &err));
		assert_int_equal(err.code, ERR_CONFIG);
		assert_non_null(strstr(err.text, "no such time zone"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_days),
	    cmocka_unit_test(test_a_day_begins_at_its_midnight),
	    cmocka_unit_test(test_no_zones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
