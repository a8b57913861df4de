/* When a destination will be empty, and when that is unknown. */

#include "daemon/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { NOW = 1000000000, MINUTE = 60000, HOUR = 60 * MINUTE };

static void
test_forecast(void **state)
{
	static const struct {
		const char *what;
		enum forwarder_state state;
		int64_t oldest_ago_ms, accepted_ago_ms, until_in_ms, due_in_ms;
		int64_t drain_s;
		size_t request_items;
		int64_t hold_ms, held;
	} rows[] = {
	    {"flows", FORWARDER_RUNNING, HOUR, 1, 0, 0, 61, 0, 0, 0},
	    {"new after a silence", FORWARDER_RUNNING, 1, HOUR, 0, 0, 61, 0, 0,
		0},
	    {"nothing is accepted", FORWARDER_RUNNING, HOUR, HOUR, 0, 0, -1, 0,
		0, 0},
	    {"nothing ever was", FORWARDER_RUNNING, HOUR, NOW, 0, 0, -1, 0, 0,
		0},
	    {"waits for time", FORWARDER_COOLING_DOWN, HOUR, HOUR, MINUTE, 0,
		121, 0, 0, 0},
	    {"waits for quota", FORWARDER_RUNNING, HOUR, HOUR, 0, 2 * MINUTE,
		121, 0, 0, 0},
	    {"backs off", FORWARDER_BACKING_OFF, HOUR, 1, MINUTE, 0, -1, 0, 0,
		0},
	    {"by requests", FORWARDER_RUNNING, HOUR, 1, 0, 0, 7, 10, 0, 0},
	    {"changes are apart", FORWARDER_RUNNING, MINUTE, 3 * MINUTE, 0, 0,
		301, 10, 5 * MINUTE, 0},
	    {"for too long", FORWARDER_RUNNING, HOUR, HOUR, 0, 0, -1, 10,
		5 * MINUTE, 0},
	    {"some are held", FORWARDER_RUNNING, HOUR, 1, 0, 0, 31, 0, 0, 50},
	    {"all are", FORWARDER_RUNNING, HOUR, 1, 0, 0, -1, 0, 0, 100},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct status_destination status = {
		    .queued = 100,
		    .held = rows[i].held,
		    .hold_ms = rows[i].hold_ms,
		    .oldest_ms = NOW - rows[i].oldest_ago_ms,
		    .accepted_ms = NOW - rows[i].accepted_ago_ms,
		    .sender =
			{
			    .state = rows[i].state,
			    .pace_per_minute = 100,
			    .pace_request_items = rows[i].request_items,
			    .until_ms = NOW + rows[i].until_in_ms,
			    .last_due_ms = NOW + rows[i].due_in_ms,
			},
		};
		int64_t drain_s = status_drain_s(&status, NOW);

		if (drain_s != rows[i].drain_s)
			fail_msg("%s: %lld", rows[i].what, (long long)drain_s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_forecast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
