/*
 * Refused requests: halved until the culprit is alone, which is buried only
 * with proof; and nothing is buried by a destination that refuses all.
 */

#include "lane_help.h"

#include "base/log.h"

static void
test_one_bad_in_a_thousand(void **state)
{
	size_t bad;

	(void)state;
	for (bad = 0; bad < 1000; bad += 111) {
		world_start(1000);
		world->events[bad].bad = true;
		world_lane_start();
		world_pass(10000);
		assert_int_equal(world->done, 999);
		assert_int_equal(world->buried, 1);
		assert_true(world->posts <= 21);
		assert_int_equal(world->settles, 1);
		world_end();
	}
}

static void
test_seven_bad_in_ten_thousand(void **state)
{
	size_t i;

	(void)state;
	world_start(10000);
	for (i = 0; i < 7; i++)
		world->events[i * i * 200 + 13].bad = true;
	world_lane_start();
	world_pass(60000);
	assert_int_equal(world->done, 9993);
	assert_int_equal(world->buried, 7);
	assert_true(world->posts <= 10 + 7 * 20);
	assert_int_equal(world_status().state, FORWARDER_RUNNING);
	world_end();
}

static void
test_refusing_everything_buries_nothing(void **state)
{
	struct forwarder_lane_status status;

	(void)state;
	world_start(10000);
	world->all_status = 400;
	world_lane_start();
	world_pass(50000);
	status = world_status();
	assert_int_equal(status.state, FORWARDER_STOPPED);
	assert_non_null(strstr(status.why, "HTTP 400: bad"));
	assert_true(world->posts <= 100);
	world_pass(3600 * 1000);
	assert_int_equal(world->buried, 0);
	assert_int_equal(world->done, 0);
	assert_true(world->posts <= 200); /* a probe each minute */
	world->all_status = 0;
	world_pass(3 * 3600 * 1000);
	assert_int_equal(world->done, 10000);
	assert_int_equal(world_status().state, FORWARDER_RUNNING);
	world_end();
}

/* It took all before, so there is proof; still nothing may be buried. */
static void
test_refusing_everything_later(void **state)
{
	(void)state;
	world_start(6000);
	world->count = 3000;
	world_lane_start();
	world_pass(10000);
	assert_int_equal(world->done, 3000);
	world->all_status = 400;
	world->count = 6000;
	lane_look(world->lane);
	world->posts = 0;
	world_pass(50000);
	assert_int_equal(world_status().state, FORWARDER_STOPPED);
	assert_int_equal(world->buried, 0);
	assert_true(world->posts <= 150);
	world->all_status = 0;
	world_pass(3 * 3600 * 1000);
	assert_int_equal(world->done, 6000);
	world_end();
}

static void
test_no_burial_without_proof(void **state)
{
	(void)state;
	world_start(50);
	world->count = 1;
	world->events[0].bad = true;
	world_lane_start();
	world_pass(10 * 60 * 1000);
	assert_int_equal(world->buried, 0);
	assert_int_equal(world->aside, 1);
	assert_int_equal(world_status().state, FORWARDER_RUNNING);
	world->count = 50; /* it holds up no one, and now there is proof */
	lane_look(world->lane);
	world_pass(2000);
	assert_int_equal(world->done, 49);
	world_pass(2 * 3600 * 1000);
	assert_int_equal(world->buried + world->aside, 1);
	world_end();
}

static void
test_alone_with_proof(void **state)
{
	(void)state;
	world_start(20);
	world->count = 19;
	world->events[19].bad = true;
	world_lane_start();
	world_pass(5000);
	assert_int_equal(world->done, 19);
	world->count = 20;
	lane_look(world->lane);
	world_pass(5000);
	assert_int_equal(world->buried, 1);
	world_end();
}

/* One user only, and a bad one among: the halves wait in memory. */
static void
test_halving_within_one_identity(void **state)
{
	size_t i;

	(void)state;
	world_start(900);
	world->settings.events_per_minute = 15000;
	world->settings.identity_per_minute = 1000;
	for (i = 0; i < world->count; i++)
		world->events[i].who = 7;
	world->events[500].bad = true;
	world_lane_start();
	world_pass(3600 * 1000);
	assert_int_equal(world->done, 899);
	assert_int_equal(world->buried, 1);
	assert_true(world->who_most <= 950);
	world_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_bad_in_a_thousand),
	    cmocka_unit_test(test_seven_bad_in_ten_thousand),
	    cmocka_unit_test(test_refusing_everything_buries_nothing),
	    cmocka_unit_test(test_refusing_everything_later),
	    cmocka_unit_test(test_no_burial_without_proof),
	    cmocka_unit_test(test_alone_with_proof),
	    cmocka_unit_test(test_halving_within_one_identity),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
