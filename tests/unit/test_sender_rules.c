/*
 * An event whose first attempt has an unknown outcome keeps its identity,
 * however often the settings change before it is settled; one that Heap has
 * not for sure follows them.
 */

#include "sender_world.h"

#include "base/log.h"

/* The sender starts anew, after a crash or not, with other settings. */
static void
restart(bool crash, char rules)
{
	if (world->sender != NULL)
		world_sender_stop(crash);
	world->rules = rules;
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
under(char rules)
{
	size_t i, count = 0;

	for (i = 0; i < world->count; i++)
		count += world->events[i].accepted &&
			 world->events[i].at_heap == rules;
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
		restart(false, 'e');
		world_pass(5000);
		assert_true(under('e') >= 2000);
		/* Still in doubt when the settings change again. */
		world->settings.in_flight = 4;
		restart(crash, 'b');
		world_pass(5000);
		restart(crash, 'e');
		world_pass(5000);
		restart(crash, 'b');
		world->judge = NULL;
		world_pass(60000);
		assert_int_equal(world->done, 9000);
		assert_int_equal(split_count(), 0);
		assert_true(under('e') >= 2000);
		assert_true(under('b') >= 2000);
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
	restart(false, 'e');
	while (world->posts == 0)
		world_pass(1);
	world->broken = true;
	world_pass(5000);
	assert_true(under('e') >= 1000);
	assert_int_equal(world->done, 0);
	restart(true, 'b');
	world_pass(60000);
	assert_int_equal(world->done, 3000);
	assert_int_equal(split_count(), 0);
	world_end();
}

/* A lease that cannot be settled, since its row is damaged, stays; those beside
 * it are settled and given back, and it is sent once. */
static void
test_unsettled_alone(void **state)
{
	size_t kept = 0;

	(void)state;
	world_start(20000);
	world->damaged = &world->events[1700];
	restart(false, 'e');
	world_pass(600 * 1000);
	assert_int_equal(world->done, 20000 - WORLD_BATCH);
	for (enum sender_list list = 0; list < SENDER_LISTS; list++) {
		const struct queue_lease *lease = world->sender->leases[list];

		for (; lease != NULL; lease = lease->next)
			kept++;
	}
	assert_int_equal(kept, 1);
	assert_int_equal(world->twice, 0);
	world->damaged = NULL;
	world_pass(60000);
	assert_int_equal(world->done, 20000);
	world_end();
}

/* It was certainly refused, so when it is tried again, it is prepared by the
 * settings as they are then. */
static void
test_refused_follows(void **state)
{
	(void)state;
	world_start(3100);
	world->count = 3000;
	world->events[1700].bad = true;
	restart(false, 'e');
	world_pass(5000);
	world_trickle(1, 1000);
	assert_int_equal(world->done, 3000);
	assert_int_equal(world->events[1700].fate, DEFERRED);
	world->events[1700].bad = false;
	restart(false, 'b');
	world_pass(3600 * 1000);
	assert_int_equal(world->done, 3001);
	assert_int_equal(under('b'), 1);
	assert_int_equal(world->events[1700].at_heap, 'b');
	world_end();
}

static void
judge_first_mute_then_bad(struct world *of, struct world_flight *flight)
{
	if (of->posts == 1)
		judge_mute(of, flight);
	else
		world_say(flight, 400, "bad");
}

/* Unknown, then refused, then deferred into other batches: still
 * unsure. */
static void
test_deferred(void **state)
{
	(void)state;
	world_start(10);
	world->judge = judge_first_mute_then_bad;
	restart(false, 'e');
	world_pass(10 * 60 * 1000);
	world->judge = NULL;
	restart(false, 'b');
	world_pass(2 * 3600 * 1000);
	assert_int_equal(world->done, 10);
	assert_int_equal(split_count(), 0);
	assert_int_equal(under('e'), 10);
	world_end();
}

/* Rules are noted once for each batch, and never for one that is posted again;
 * nothing else is written before a post. */
static void
test_noted_once(void **state)
{
	(void)state;
	world_start(60000);
	world->judge = judge_mute;
	restart(false, 'e');
	world_pass(600 * 1000);
	assert_int_equal(world->done, 0);
	assert_true(world->posts > 10);
	assert_true(world->notes <= world->posts);
	assert_true(world->saves <= 2);
	world->judge = NULL;
	world_pass(120 * 1000);
	assert_int_equal(world->done, 60000);
	assert_true(world->notes <= world->posts);
	assert_true(world->saves <= 2);
	world_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_generations),
	    cmocka_unit_test(test_unsettled),
	    cmocka_unit_test(test_unsettled_alone),
	    cmocka_unit_test(test_refused_follows),
	    cmocka_unit_test(test_deferred),
	    cmocka_unit_test(test_noted_once),
	};

	log_set_level(LOG_ERROR + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
