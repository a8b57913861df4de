/* Reading what the admin interface answers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/value.h"

#include <jansson.h>
#include <string.h>

static json_t *
load(const char *text)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(json);
	return json;
}

static void
test_members(void **state)
{
	json_t *json = load("{\"state\":\"halted\",\"queue\":{\"dead\":7,"
			    "\"share\":0.25,\"open\":true,\"why\":null},"
			    "\"since\":\"2026-11-23T22:05:01.123Z\"}");

	(void)state;
	assert_string_equal(value_text(json, "state"), "halted");
	assert_int_equal(value_int(json, "queue.dead"), 7);
	assert_true(value_real(json, "queue.dead") == 7);
	assert_true(value_real(json, "queue.share") == 0.25);
	assert_true(value_bool(json, "queue.open"));
	assert_true(value_time_ms(json, "since") == INT64_C(1795471501123));

	/* absent, null, of another type, below what is no object */
	assert_null(value_at(json, "queue.dead.more"));
	assert_null(value_at(json, "queue.nothing"));
	assert_null(value_at(NULL, "state"));
	assert_non_null(value_at(json, "queue.why"));
	assert_string_equal(value_text(json, "queue.why"), "");
	assert_string_equal(value_text(json, "queue.dead"), "");
	assert_int_equal(value_int(json, "state"), 0);
	assert_true(value_real(json, "state") == 0);
	assert_false(value_bool(json, "queue.dead"));
	assert_true(value_time_ms(json, "state") == 0);
	json_decref(json);
}

static void
test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: not a time */
	} cases[] = {
	    {"1970-01-01T00:00:00Z", 0},
	    {"2026-11-23T22:05:01Z", 1795471501000},
	    {"2026-11-23T22:05:01.5Z", 1795471501500},
	    {"2026-11-23T22:05:01.123456Z", 1795471501123},
	    {"2026-11-23T23:05:01+01:00", 1795471501000},
	    {"2026-11-23T16:35:01-05:30", 1795471501000},
	    {"2026-11-23 22:05:01Z", -1},
	    {"2026-11-23T22:05:01", -1},
	    {"2026-11-23T22:05:01+01", -1},
	    {"2026-11-23T22:05:01+01:60", -1},
	    {"2026-11-23T22:05:01Zx", -1},
	    {"2026-13-23T22:05:01Z", -1},
	    {"2026-11-23T24:05:01Z", -1},
	    {"2026-11-2", -1},
	    {"", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t ms = -1;
		bool ok = value_time_read(cases[i].text, &ms);

		assert_int_equal(ok, cases[i].ms >= 0);
		assert_true(ms == cases[i].ms);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_members),
	    cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
