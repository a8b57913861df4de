/*
 * An event whose first attempt has an unknown outcome keeps its identity,
 * however often the settings change before it is settled; one that Heap has
 * not for sure follows them.
 */

#include "sender_world.h"

#include "base/log.h"

static struct track_rules rules;

/* The sender starts anew, after a crash or not, with other settings. */
static void
restart(bool crash, enum track_identity identity)
{
	if (world->sender != NULL)
		world_sender_stop(crash);
	rules.identity = identity;
	world->settings.rules = &rules;
	world_sender_start();
}

static size_t
split_count(void)
{
	size_t i, count = 0;

	for (i = 0; i < world->count; i++)
		count += world->events[i].split;
	return count;
}

static size_t
under(enum track_identity identity)
{
	size_t i, count = 0;

	for (i = 0; i < world->count; i++)
		count += world->events[i].accepted &&
			 world->events[i].at_heap == identity;
	return count;
}

/* It stores all, and its answer does not say so. */
static void
judge_mute(struct world *of, struct world_flight *flight)
{
	size_t i;

	(void)of;
	for (i = 0; i < flight->count; i++) {
		world->events[flight->events[i]].accepted = true;
		world->events[flight->events[i]].at_heap = flight->mapped[i];
	}
	world_say(flight, 500, "oops");
}

static void
test_generations(void **state)
{
	bool crash;
	int way;

	(void)state;
	for (way = 0; way < 2; way++) {
		crash = way == 0;
		world_start(9000);
		world->judge = judge_mute;
		world->settings.in_flight = 2;
		restart(false, TRACK_IDENTITY_EXTERNAL);
		world_pass(5000);
		assert_int_equal(under(TRACK_IDENTITY_EXTERNAL), 2000);
		/* Still in doubt when the settings change again. */
		world->settings.in_flight = 4;
		restart(crash, TRACK_IDENTITY_BRAZE);
		world_pass(5000);
		restart(crash, TRACK_IDENTITY_EXTERNAL);
		world_pass(5000);
		restart(crash, TRACK_IDENTITY_BRAZE);
		world->judge = NULL;
		world_pass(60000);
		assert_int_equal(world->done, 9000);
		assert_int_equal(split_count(), 0);
		assert_true(under(TRACK_IDENTITY_EXTERNAL) >= 2000);
		assert_true(under(TRACK_IDENTITY_BRAZE) >= 2000);
		world_end();
	}
}

/* 200, but the disk fails before it is settled: it is at Heap. */
static void
test_unsettled(void **state)
{
	(void)state;
	world_start(3000);
	world->latency_ms = 100;
	restart(false, TRACK_IDENTITY_EXTERNAL);
	while (world->posts == 0)
		world_pass(1);
	world->broken = true;
	world_pass(5000);
	assert_true(under(TRACK_IDENTITY_EXTERNAL) >= 1000);
	assert_int_equal(world->done, 0);
	restart(true, TRACK_IDENTITY_BRAZE);
	world_pass(60000);
	assert_int_equal(world->done, 3000);
	assert_int_equal(split_count(), 0);
	world_end();
}

/* Refused for sure: mended settings apply to it. (After a crash not to the
 * last posts: that they were refused was not noted.) */
static void
test_refused_follows(void **state)
{
	static const long statuses[] = {400, 401, 404, 429};
	size_t i, doubt;

	(void)state;
	for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		world_start(3000);
		world->all_status = statuses[i];
		restart(false, TRACK_IDENTITY_EXTERNAL);
		world_pass(40000);
		world->all_status = 0;
		doubt = world->sender->doubt.count; /* in flight */
		restart(false, TRACK_IDENTITY_BRAZE);
		world_pass(3 * 3600 * 1000);
		assert_int_equal(world->done, 3000);
		assert_int_equal(under(TRACK_IDENTITY_BRAZE), 3000 - doubt);
		world_end();
	}
}

static void
judge_first_mute_then_bad(struct world *of, struct world_flight *flight)
{
	if (of->posts == 1)
		judge_mute(of, flight);
	else
		world_say(flight, 400, "bad");
}

/* Unknown, then refused, then deferred into other batches: still in doubt. */
static void
test_deferred(void **state)
{
	(void)state;
	world_start(10);
	world->judge = judge_first_mute_then_bad;
	restart(false, TRACK_IDENTITY_EXTERNAL);
	world_pass(40000);
	assert_true(world->deferred > 0);
	world->judge = NULL;
	restart(false, TRACK_IDENTITY_BRAZE);
	world_pass(2 * 3600 * 1000);
	assert_int_equal(world->done, 10);
	assert_int_equal(split_count(), 0);
	assert_int_equal(under(TRACK_IDENTITY_EXTERNAL), 10);
	world_end();
}

/* What was settled leaves nothing behind, and the noted bytes are few. */
static void
test_bounded(void **state)
{
	(void)state;
	world_start(60000);
	restart(false, TRACK_IDENTITY_EXTERNAL);
	world_pass(60000);
	assert_int_equal(world->done, 60000);
	assert_true(world->doubt_len > 0);
	assert_true(world->doubt_len < 5 * 1000 * 9 + 100);
	assert_int_equal(world->sender->doubt.count, 0);
	world_sender_stop(false);
	assert_int_equal(world->doubt_len, 0);
	world_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_generations),
	    cmocka_unit_test(test_unsettled),
	    cmocka_unit_test(test_refused_follows),
	    cmocka_unit_test(test_deferred),
	    cmocka_unit_test(test_bounded),
	};

	track_rules_init(&rules);
	log_set_level(LOG_ERROR + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
