/*
 * What a sender does within its quotas: after a crash, with an identity that
 * has too many events, when the clock jumps, and with replays.
 */

#include "sender_world.h"

#include "base/log.h"

static void
test_cools_down_after_a_crash(void **state)
{
	(void)state;
	world_start(100000);
	world_quotas(14250, 0);
	world_sender_start();
	world_pass(30000);
	world_sender_stop(true);
	world->posts = 0;
	world_sender_start();
	assert_int_equal(world_status().state, FORWARDER_COOLING_DOWN);
	world_pass(59000);
	assert_int_equal(world->posts, 0);
	world_pass(3000);
	assert_true(world->posts > 0);
	world_sender_stop(true);
	world_quotas(0, 0);
	world_sender_start(); /* without a quota nothing is to be known */
	assert_int_equal(world_status().state, FORWARDER_RUNNING);
	world_end();
}

static void
test_identity_holds_up_no_one(void **state)
{
	size_t i, heavy = 0;

	(void)state;
	world_start(40000);
	world_quotas(14250, 950);
	for (i = 0; i < 30000; i++) {
		if (i % 3 != 0)
			world->events[i].identity = 7;
		heavy += i % 3 != 0;
	}
	world_sender_start();
	world_pass(2 * 60 * 1000); /* 20,000 others: 84 s at 14,250 */
	for (i = 0; i < world->count; i++)
		assert_true(world->events[i].identity == 7 ||
			    world->events[i].fate == DELIVERED);
	world_pass(24 * 60 * 1000);
	assert_int_equal(world->done, 40000);
	assert_true(world->identity_most <= 950);
	for (i = 0; i < world->count; i++)
		assert_true(world->events[i].deferrals <= 3);
	assert_int_equal(heavy, 20000);
	world_end();
}

/* Events deferred for an identity are said to be due when it has room, also
 * when the wall clock has jumped since. */
static void
test_last_due(void **state)
{
	int64_t due_ms;

	(void)state;
	world_start(3000);
	world_quotas(14250, 950);
	for (size_t n = 0; n < world->count; n++)
		world->events[n].identity = 7;
	world_sender_start();
	assert_int_equal(world_status().last_due_ms, 0);
	world_pass(10 * 1000);
	due_ms = world_status().last_due_ms;
	assert_in_range(due_ms - world->now.wall_ms, 170000, 185000);
	world->now.wall_ms -= 3600 * 1000;
	assert_int_equal(world_status().last_due_ms, due_ms - 3600 * 1000);
	world->now.wall_ms += 3600 * 1000;
	world_sender_stop(true);
	world_sender_start();
	assert_int_equal(world_status().last_due_ms, -1);
	world_pass(10 * 60 * 1000);
	assert_int_equal(world->done, 3000);
	assert_int_equal(world_status().last_due_ms, 0);
	world_end();
}

/* The wall clock is set back and forth by an hour: no quota breaks, and the
 * deferred do not wait for it. */
static void
test_clock_jumps(void **state)
{
	static const int64_t jumps[] = {-3600 * 1000, 3600 * 1000};
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		world_start(3000);
		world_quotas(14250, 950);
		for (size_t n = 0; n < world->count; n++)
			world->events[n].identity = 7;
		world_sender_start();
		world_pass(30 * 1000);
		assert_int_equal(world->done, 950);
		assert_true(world->deferred > 0);
		world->now.wall_ms += jumps[i];
		world_pass(12 * 60 * 1000);
		assert_int_equal(world->done, 3000);
		assert_true(world->identity_most <= 950);
		assert_true(world->app_most <= 14250);
		world_end();
	}
}

/* Replays go on below half of the quota, and no event waits for them. */
static void
test_replays_delay_no_one(void **state)
{
	size_t i, turn, replayed = 0;

	(void)state;
	world_start(60000);
	world_quotas(14250, 950);
	world->count = 0;
	world->replays_from = 10000;
	world->replays_to = 60000;
	for (i = 0; i < world->most; i++)
		world->events[i].identity = (unsigned)(i % 100);
	world_sender_start();
	world_pass(2 * 60 * 1000);
	assert_true(world->app_most <= 14250 / 2 + 1);
	assert_true(world->app_most >= 14250 / 2 * 9 / 10);
	for (turn = 0; turn < 200; turn++) {
		world->count += 50;
		sender_wake(world->sender);
		world_pass(3500); /* linger, pace twice, latency */
		for (i = 0; i < world->count; i++)
			assert_int_equal(world->events[i].fate, DELIVERED);
	}
	for (i = world->replays_from; i < world->replays_to; i++)
		replayed += world->events[i].fate == DELIVERED;
	assert_true(replayed > 40000);
	world_pass(10 * 60 * 1000);
	assert_int_equal(world->done, 60000);
	assert_true(world->app_most <= 14250);
	world_end();
}

/* Nothing else comes, so nothing wakes the sender. */
static void
test_replays_go_on_alone(void **state)
{
	(void)state;
	world_start(60000);
	world_quotas(14250, 950);
	world->count = 0;
	world->replays_to = 60000;
	for (size_t i = 0; i < world->most; i++)
		world->events[i].identity = (unsigned)(i % 100);
	world_sender_start();
	world_pass(20 * 60 * 1000);
	assert_int_equal(world->done, 60000);
	world_end();
}

/* A replay that is refused, while what is live is accepted, is not posted for
 * ever. */
static void
test_a_bad_replay_ends(void **state)
{
	(void)state;
	world_start(2000);
	world->count = 0;
	world->replays_from = 1000;
	world->replays_to = 1100;
	world->events[1050].bad = true;
	world_sender_start();
	world_trickle(1000, 10 * 1000);
	assert_int_equal(world->events[1050].fate, DEAD);
	assert_int_equal(world->done, 1000 + 99);
	world_end();
}

/* Events wait for their identity; then others come, but no more after. */
static void
test_deferred_are_not_forgotten(void **state)
{
	(void)state;
	world_start(101);
	world_quotas(14250, 30);
	for (size_t i = 0; i < 100; i++)
		world->events[i].identity = 7;
	world->count = 100;
	world_sender_start();
	world_pass(0);
	assert_int_equal(world->done, 0);
	world->count = 101;
	sender_wake(world->sender);
	world_pass(10 * 60 * 1000);
	assert_int_equal(world->done, 101);
	world_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cools_down_after_a_crash),
	    cmocka_unit_test(test_identity_holds_up_no_one),
	    cmocka_unit_test(test_last_due),
	    cmocka_unit_test(test_clock_jumps),
	    cmocka_unit_test(test_replays_delay_no_one),
	    cmocka_unit_test(test_replays_go_on_alone),
	    cmocka_unit_test(test_a_bad_replay_ends),
	    cmocka_unit_test(test_deferred_are_not_forgotten),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
