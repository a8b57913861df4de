/*
 * A day of a sender, under a virtual clock: campaigns, identities over their
 * quota, outages, 429s, bad events, planned stops and crashes. At the end
 * every event is at Heap once, or dead if it is bad, and no window of a
 * minute, wherever it lies, held more than the share of the quotas.
 */

#include "sender_world.h"
#include "short_run.h"

#include "base/log.h"

enum {
	DAY_EVENTS = 400000,
	HOUR_MS = 3600 * 1000,
	HEAVY = 40, /* identities that have far too many events */
	ALLOWED = 14250,
	ALLOWED_IDENTITY = 950,
};

/* Heap has trouble in some minutes, and is fine in the others. */
static void
judge_day(struct world *of, struct world_flight *flight)
{
	int64_t minute = of->now.mono_ms / 60000 % 97;

	if (minute >= 20 && minute < 26)
		world_say(flight, 503, "down");
	else if (minute == 40 && world_random(3) == 0)
		world_say(flight, 429, "slow");
	else if (minute == 60 && world_random(2) == 0) {
		flight->taken = world_random(2);
		world_fail(flight, 0, "time-out");
		flight->answer_ms = flight->arrive_ms + 30000;
	} else if (world_random(200) == 0)
		world_fail(flight, 0, "reset");
}

static void
day_start(void)
{
	size_t i;

	world_start(DAY_EVENTS + 1000);
	world_quotas(14250, 950);
	world->latency_ms = 300;
	world->judge = judge_day;
	for (i = 0; i < world->count; i++) {
		struct world_event *event = &world->events[i];

		if (i % 10 == 0)
			event->identity = (unsigned)(i / 10000 % HEAVY);
		event->bad = i % 9973 == 17;
		event->drop = i % 1009 == 3;
	}
	world->count = 0;
}

/* What an hour brings: a campaign now and then, a trickle otherwise. */
static void
day_arrive(size_t most, int hour, int part)
{
	size_t more = hour % 4 == 1 && part < 3 ? 20000 : 40;

	world->count += more;
	if (world->count > most)
		world->count = most;
	sender_wake(world->sender);
}

static void
day_check(void)
{
	size_t i;

	for (i = 0; i < world->count; i++) {
		const struct world_event *event = &world->events[i];
		enum world_fate fate = event->bad ? DEAD : DELIVERED;

		assert_int_equal(event->fate, event->drop ? DROPPED : fate);
	}
	assert_true(world->app_most <= ALLOWED);
	assert_true(world->identity_most <= ALLOWED_IDENTITY);
}

static void
test_day(void **state)
{
	const int hours = short_run() ? 2 : 24;
	int hour, part;

	(void)state;
	day_start();
	world_sender_start();
	for (hour = 0; hour < hours; hour++) {
		for (part = 0; part < 60; part++) {
			day_arrive(DAY_EVENTS, hour, part);
			world_pass(HOUR_MS / 60);
			if (part % 29 != 7)
				continue;
			/* Stop in the midst, cleanly or not. */
			world_sender_stop(hour % 3 == 0);
			world->now.mono_ms += 700;
			world->now.wall_ms += 700;
			world_sender_start();
		}
	}
	world->judge = NULL;
	world_trickle(1000, 10 * 1000);
	world_pass(HOUR_MS);
	assert_true(world->count > (size_t)hours * 12500);
	day_check();
	print_message("%zu events, %zu requests, %zu arrived, most in a "
		      "minute %zu, of an identity %zu, repeated %zu\n",
	    world->count, world->posts, world->arrived, world->app_most,
	    world->identity_most, world->twice);
	world_end();
}

/* Events of uneven length: requests are bounded by bytes, now and then. */
static void
lengthen(struct world *of)
{
	size_t i, len;

	for (i = 0; i < of->count; i++) {
		len = strlen(of->events[i].text);
		memset(of->events[i].text + len, ' ', i / 1700 % 8);
	}
	of->settings.request_bytes = 11000;
}

/* The share is used: at least 99% of it, while there is a backlog. */
static void
test_share_is_used(void **state)
{
	static const struct {
		int64_t latency_ms;
		bool uneven;
	} cases[] = {{50, true}, {5, false}, {50, false}, {150, false}};
	const size_t count = short_run() ? 1 : sizeof(cases) / sizeof(cases[0]);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		world_start(300000);
		world_quotas(14250, 950);
		world->latency_ms = cases[i].latency_ms;
		if (cases[i].uneven)
			lengthen(world);
		world_sender_start();
		world_pass(63 * 1000);
		world->arrived = world->posts = 0;
		world_pass(18 * 60 * 1000);
		print_message("%zu requests, %.2f%%\n", world->posts,
		    (double)world->arrived / 18 / ALLOWED * 100);
		assert_true(world->arrived >= 18 * ALLOWED / 100 * 99);
		assert_true(world->app_most <= ALLOWED);
		world_end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_day),
	    cmocka_unit_test(test_share_is_used),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
