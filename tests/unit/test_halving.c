/*
 * Refused requests are split until the culprit is alone, which becomes a dead
 * letter only with proof; a destination that refuses all makes none.
 */

#include "sender_world.h"

#include "base/log.h"

static void
test_one_bad_in_a_thousand(void **state)
{
	size_t bad;

	(void)state;
	for (bad = 0; bad < 1000; bad += 111) {
		world_start(1100);
		world->count = 1000;
		world->events[bad].bad = true;
		world_sender_start();
		world_pass(10000);
		assert_int_equal(world->done, 999);
		assert_true(world->posts <= 21);
		world_trickle(100, 10000);
		assert_int_equal(world->done, 1099);
		assert_int_equal(world->dead, 1);
		world_end();
	}
}

static void
test_seven_bad_in_ten_thousand(void **state)
{
	size_t i;

	(void)state;
	world_start(10200);
	world->count = 10000;
	for (i = 0; i < 7; i++)
		world->events[i * i * 200 + 13].bad = true;
	world_sender_start();
	world_pass(60000);
	assert_int_equal(world->done, 9993);
	assert_true(world->posts <= 10 + 7 * 24);
	world_trickle(200, 10000);
	assert_int_equal(world->done, 10193);
	assert_int_equal(world->dead, 7);
	assert_int_equal(world_status().state, FORWARDER_RUNNING);
	world_end();
}

static void
test_refusing_everything_leaves_no_dead_letter(void **state)
{
	struct forwarder_destination_status status;

	(void)state;
	world_start(10000);
	world->all_status = 400;
	world_sender_start();
	world_pass(50000);
	status = world_status();
	assert_int_equal(status.state, FORWARDER_HALTED);
	assert_non_null(strstr(status.why, "HTTP 400: bad"));
	assert_true(world->posts <= 100);
	world_pass(3600 * 1000);
	assert_int_equal(world->dead, 0);
	assert_int_equal(world->done, 0);
	assert_true(world->posts <= 200); /* a probe each minute */
	world->all_status = 0;
	world_pass(3 * 3600 * 1000);
	assert_int_equal(world->done, 10000);
	assert_int_equal(world_status().state, FORWARDER_RUNNING);
	world_end();
}

/* It took all before, so there is proof; still nothing may be dead. */
static void
test_refusing_everything_later(void **state)
{
	(void)state;
	world_start(6000);
	world->count = 3000;
	world_sender_start();
	world_pass(10000);
	assert_int_equal(world->done, 3000);
	world->all_status = 400;
	world->count = 6000;
	sender_wake(world->sender);
	world->posts = 0;
	world_pass(50000);
	assert_int_equal(world_status().state, FORWARDER_HALTED);
	assert_int_equal(world->dead, 0);
	assert_true(world->posts <= 150);
	world->all_status = 0;
	world_pass(3 * 3600 * 1000);
	assert_int_equal(world->done, 6000);
	world_end();
}

/* One event a second, as it comes in the night. */
static void
trickle(size_t events)
{
	world_trickle(events, 1000);
}

static void
test_no_dead_letter_without_proof(void **state)
{
	(void)state;
	world_start(50);
	world->count = 1;
	world->events[0].bad = true;
	world_sender_start();
	world_pass(10 * 60 * 1000);
	assert_int_equal(world->dead, 0);
	assert_int_equal(world_status().deferred, 1);
	assert_int_equal(world_status().state, FORWARDER_RUNNING);
	world->count = 50; /* it holds up no one, and now there is proof */
	sender_wake(world->sender);
	world_pass(2000);
	assert_int_equal(world->done, 49);
	world_pass(2 * 3600 * 1000);
	assert_int_equal(world->dead, 1);
	world_end();
}

/* What was accepted before proves nothing of one that comes alone, but what
 * comes after it does. */
static void
test_alone_waits_for_proof(void **state)
{
	(void)state;
	world_start(3000);
	world->count = 2000;
	world->events[2000].bad = true;
	world_sender_start();
	world_pass(5000);
	assert_int_equal(world->done, 2000);
	world->count = 2001;
	sender_wake(world->sender);
	world_pass(1800 * 1000);
	assert_int_equal(world->dead, 0);
	assert_int_equal(world_status().deferred, 1);
	trickle(19);
	world_pass(3600 * 1000);
	assert_int_equal(world->dead, 1);
	assert_int_equal(world->done, 2019);
	assert_int_equal(world_status().state, FORWARDER_RUNNING);
	world_end();
}

/* All went well; then Heap refuses all, event by event as they come. */
static void
test_a_trickle_that_is_refused(void **state)
{
	(void)state;
	world_start(4000);
	world->count = 1500;
	world_sender_start();
	world_pass(10000);
	assert_int_equal(world->done, 1500);
	world->all_status = 400;
	trickle(300);
	assert_int_equal(world->dead, 0);
	assert_int_equal(world_status().state, FORWARDER_HALTED);
	world->all_status = 0;
	world_pass(3 * 3600 * 1000);
	assert_int_equal(world->done, 1800);
	assert_int_equal(world->dead, 0);
	world_end();
}

/* A third of the events is of a kind that the destination never takes: that is
 * a mapping, not an event. They wait parked, while the others flow. */
static void
test_a_kind_that_is_refused(void **state)
{
	static const size_t before[] = {0, 200, 5000};
	size_t i, n, good, late;

	(void)state;
	for (i = 0; i < 3; i++) {
		world_start(20000);
		world->count = before[i];
		for (n = before[i]; n < world->most; n++) {
			world->events[n].bad = world_random(3) == 0;
			world->events[n].type =
			    world->events[n].bad ? "refused" : "taken";
		}
		world_sender_start();
		world_pass(20000);
		assert_int_equal(world->done, before[i]);
		trickle(3600);
		for (n = good = late = 0; n < world->count; n++) {
			good += !world->events[n].bad;
			late += !world->events[n].bad && n + 5 < world->count &&
				world->events[n].fate != DELIVERED;
		}
		print_message("%zu before: %zu of %zu done, %zu requests\n",
		    before[i], world->done, good, world->posts);
		/* Before it was parked, some may have been proven. */
		assert_true(world->dead <= 20);
		assert_int_equal(late, 0);
		assert_int_equal(world_status().parked, 1);
		assert_int_equal(world_status().state, FORWARDER_RUNNING);
		/* It is accepted again: all of them arrive. */
		for (n = 0; n < world->most; n++)
			world->events[n].bad = false;
		world_pass(3 * 3600 * 1000);
		assert_int_equal(world->done, world->count - world->dead);
		assert_int_equal(world_status().parked, 0);
		world_end();
	}
}

/* 40 events, of which all from the second on are of a type that is refused,
 * until it is parked; then the destination accepts it again. */
static void
park(void)
{
	world_start(60);
	for (size_t i = 0; i < world->most; i++) {
		world->events[i].type = i == 0 ? "taken" : "refused";
		world->events[i].bad = i > 0;
	}
	world->count = 1;
	world_sender_start();
	world_pass(5000);
	world->count = 40;
	sender_wake(world->sender);
	world_pass(20000);
	assert_int_equal(world->done, 1);
	assert_int_equal(world_status().parked, 1);
	assert_true(world->parked >= 20);
	for (size_t i = 0; i < world->most; i++)
		world->events[i].bad = false;
}

static void
judge_slow_taken(struct world *of, struct world_flight *flight)
{
	bool taken = strcmp(of->events[flight->events[0]].type, "taken") == 0;

	flight->answer_ms = flight->arrive_ms + (taken ? 60000 : 300);
}

/* An item that is held back while the probe is in flight, and whose batch waits
 * for another's answer, is not left behind when the type is released. */
static void
test_release_of_what_is_not_settled(void **state)
{
	size_t posts;

	(void)state;
	park();
	world->settings.timeout_ms = 100 * 1000;
	world->judge = judge_slow_taken;
	world->events[40].type = "taken";
	posts = world->posts;
	while (world->posts == posts)
		world_pass(10);
	world->count = 60;
	sender_wake(world->sender);
	world_pass(100 * 1000);
	assert_int_equal(world_status().parked, 0);
	world_pass(3600 * 1000);
	assert_int_equal(world->parked, 0);
	assert_int_equal(world->done, 60);
	world_end();
}

/* When nothing is left of what was parked, its group is released, whatever may
 * still be in it. */
static void
test_release_of_what_is_gone(void **state)
{
	(void)state;
	park();
	for (size_t i = 0; i < world->count; i++) {
		if (world->events[i].fate != PARKED)
			continue;
		world->events[i].fate = DROPPED; /* erased */
		world->parked--;
	}
	world_pass(120 * 1000);
	assert_int_equal(world_status().parked, 0);
	assert_true(world->unparks > 0);
	world->count = 60;
	sender_wake(world->sender);
	world_pass(5000);
	assert_int_equal(world->events[59].fate, DELIVERED);
	world_end();
}

/* A probe that is due while nothing can be settled does not keep the thread
 * busy: here time would stand still. */
static void
test_a_probe_waits_for_the_disk(void **state)
{
	(void)state;
	park();
	world->broken = true;
	world->count = 60;
	sender_wake(world->sender);
	world_pass(200 * 1000);
	assert_int_equal(world_status().parked, 1);
	world->broken = false;
	world_pass(200 * 1000);
	assert_int_equal(world_status().parked, 0);
	assert_int_equal(world->done, 60);
	world_end();
}

/* What the saved state does not name is not left behind. */
static void
test_release_of_what_was_forgotten(void **state)
{
	(void)state;
	park();
	world_sender_stop(true);
	buf_reset(&world->state);
	world_sender_start();
	assert_int_equal(world->parked, 0);
	world->count = 60;
	sender_wake(world->sender);
	world_pass(3600 * 1000);
	assert_int_equal(world->done, 60);
	world_end();
}

/* A few that are bad among many, one by one: each is dead in the end. */
static void
test_a_trickle_with_bad_ones(void **state)
{
	size_t n;

	(void)state;
	world_start(4000);
	world->count = 0;
	for (n = 7; n < 3900; n += 100)
		world->events[n].bad = true;
	world_sender_start();
	trickle(4000);
	world_pass(2 * 3600 * 1000);
	assert_int_equal(world->dead, 39);
	assert_int_equal(world->done, 4000 - 39);
	print_message("%zu requests\n", world->posts);
	assert_int_equal(world_status().state, FORWARDER_RUNNING);
	world_end();
}

/* One user only, and a bad one among: the halves wait in memory. */
static void
test_halving_within_one_identity(void **state)
{
	size_t i;

	(void)state;
	world_start(900);
	world_quotas(14250, 950);
	for (i = 0; i < world->count; i++)
		world->events[i].identity = 7;
	world->events[500].bad = true;
	world->count = 800;
	world_sender_start();
	world_pass(3600 * 1000);
	assert_int_equal(world->done, 799);
	world_trickle(100, 10000);
	assert_int_equal(world->done, 899);
	assert_int_equal(world->dead, 1);
	assert_true(world->identity_most <= 950);
	world_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_bad_in_a_thousand),
	    cmocka_unit_test(test_seven_bad_in_ten_thousand),
	    cmocka_unit_test(test_refusing_everything_leaves_no_dead_letter),
	    cmocka_unit_test(test_refusing_everything_later),
	    cmocka_unit_test(test_no_dead_letter_without_proof),
	    cmocka_unit_test(test_alone_waits_for_proof),
	    cmocka_unit_test(test_a_trickle_that_is_refused),
	    cmocka_unit_test(test_a_kind_that_is_refused),
	    cmocka_unit_test(test_release_of_what_is_not_settled),
	    cmocka_unit_test(test_release_of_what_is_gone),
	    cmocka_unit_test(test_a_probe_waits_for_the_disk),
	    cmocka_unit_test(test_release_of_what_was_forgotten),
	    cmocka_unit_test(test_a_trickle_with_bad_ones),
	    cmocka_unit_test(test_halving_within_one_identity),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
