/*
 * From one sender of a destination to the next: the quotas hold whatever was
 * done to the clocks, the names and the settings in between, and no sender
 * cools down that need not.
 */

#include "sender_world.h"

#include "base/log.h"

enum { HOUR_MS = 3600 * 1000, COOL_MS = WORLD_WINDOW_MS + LIMITS_MARGIN_MS };

/* What happens between two lives. */
struct between {
	const char *what;
	int64_t pass_ms;
	int64_t wall_ms; /* the wall clock is set by so much */
	int64_t boot_ms; /* not 0: another boot, its clock reads so much */
	const char *app_id, *url;
	bool renamed; /* the queue knows nothing but that there were posts */
	int64_t clean_ms; /* cools down so long after a planned stop */
	int64_t crash_ms; /* or a crash */
};

static const struct between betweens[] = {
    {.what = "nothing", .clean_ms = COOL_MS, .crash_ms = COOL_MS},
    {.what = "a second",
	.pass_ms = 1000,
	.clean_ms = COOL_MS - 1000,
	.crash_ms = COOL_MS},
    {.what = "half a minute and more",
	.pass_ms = 40000,
	.clean_ms = COOL_MS - 40000,
	.crash_ms = COOL_MS},
    {.what = "an hour", .pass_ms = HOUR_MS, .crash_ms = COOL_MS},
    {.what = "the clock is corrected",
	.pass_ms = 40000,
	.wall_ms = 900,
	.clean_ms = COOL_MS - 40000,
	.crash_ms = COOL_MS},
    {.what = "forward",
	.wall_ms = 2 * HOUR_MS,
	.clean_ms = COOL_MS,
	.crash_ms = COOL_MS},
    {.what = "back",
	.wall_ms = -2 * HOUR_MS,
	.clean_ms = COOL_MS,
	.crash_ms = COOL_MS},
    {.what = "forward by little",
	.pass_ms = 1000,
	.wall_ms = 5000,
	.clean_ms = COOL_MS,
	.crash_ms = COOL_MS},
    {.what = "another boot",
	.pass_ms = 20000,
	.boot_ms = 9000,
	.clean_ms = COOL_MS,
	.crash_ms = COOL_MS},
    {.what = "another boot, by whose clock no time has passed",
	.boot_ms = 5018000,
	.clean_ms = COOL_MS,
	.crash_ms = COOL_MS},
    {.what = "another app",
	.app_id = "2",
	.pass_ms = HOUR_MS,
	.clean_ms = COOL_MS,
	.crash_ms = COOL_MS},
    {.what = "another URL",
	.url = "https://c.eu.heap-api.com/api/track",
	.clean_ms = COOL_MS,
	.crash_ms = COOL_MS},
    {.what = "another name",
	.renamed = true,
	.pass_ms = 1000,
	.clean_ms = COOL_MS,
	.crash_ms = COOL_MS},
};

static void
pass_between(const struct between *between)
{
	world->now.mono_ms += between->pass_ms;
	world->now.wall_ms += between->pass_ms + between->wall_ms;
	if (between->boot_ms != 0) {
		world->shared.boot++;
		world->now.mono_ms = between->boot_ms;
	}
	if (between->app_id != NULL)
		world->app_id = between->app_id;
	if (between->url != NULL)
		world->url = between->url;
	if (between->renamed) {
		buf_reset(&world->state);
		world->clean = world->others = true;
	}
}

/* Heap's clock is its own: what we do to ours is nothing to it. */
static void
test_quota_over_a_restart(void **state)
{
	size_t i;
	int way;

	(void)state;
	for (i = 0; i < sizeof(betweens) / sizeof(betweens[0]) * 2; i++) {
		const struct between *between = &betweens[i / 2];
		int64_t cool_ms;

		way = (int)(i % 2);
		print_message("%s\n", between->what);
		cool_ms = way == 0 ? between->clean_ms : between->crash_ms;
		world_start(20000);
		for (size_t n = 0; n < world->count; n++)
			world->events[n].identity = (unsigned)n % 4;
		world_quotas(14250, 950);
		world_sender_start();
		assert_int_equal(world_status().state, FORWARDER_RUNNING);
		world_pass(18000);
		assert_int_equal(world->done, 4 * 950);
		world_sender_stop(way == 1);
		pass_between(between);
		world_sender_start();
		assert_int_equal(world_status().state,
		    cool_ms > 0 ? FORWARDER_COOLING_DOWN : FORWARDER_RUNNING);
		/* The last post was some seconds before. */
		if (cool_ms > 0)
			assert_in_range(
			    world->sender->cool_until_ms - world->now.mono_ms,
			    cool_ms - 7000, cool_ms);
		if (between->boot_ms == 0)
			world_pass(3 * 60 * 1000);
		assert_true(world->identity_most <= 950);
		assert_true(world->app_most <= 14250);
		world_end();
	}
}

/* The running sender adopts other settings. */
static void
adopt(void)
{
	struct err err;
	int64_t until_ms = world->now.mono_ms + 60 * 1000;

	sender_stop(world->sender);
	while (!sender_idle(world->sender)) {
		assert_true(world->now.mono_ms < until_ms);
		world_pass(1);
	}
	assert_true(
	    sender_adopt(world->sender, &world->settings, &world->now, &err));
}

/* At the same place the windows go on, whatever the amounts are; and what was
 * counted so far goes on in any case. At another it is as after a stop. */
static void
test_quota_over_other_settings(void **state)
{
	static const struct {
		const char *app_id;
		unsigned app, identity; /* from then on */
		enum forwarder_state state;
	} cases[] = {
	    {NULL, 14250, 950, FORWARDER_RUNNING},
	    {NULL, 7000, 500, FORWARDER_RUNNING},
	    {NULL, 14250, 0, FORWARDER_COOLING_DOWN},
	    {"2", 14250, 950, FORWARDER_COOLING_DOWN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t posts;

		world_start(20000);
		for (size_t n = 0; n < world->count; n++)
			world->events[n].identity = (unsigned)n % 4;
		world_quotas(14250, 950);
		world_sender_start();
		world_pass(18000);
		assert_int_equal(world->done, 4 * 950);
		posts = world_status().posts;
		assert_true(posts > 0);
		if (cases[i].app_id != NULL)
			world->app_id = cases[i].app_id;
		world_quotas(cases[i].app, cases[i].identity);
		world->settings.linger_ms = 10;
		adopt();
		assert_int_equal(world_status().state, cases[i].state);
		assert_int_equal(world_status().posts, posts);
		assert_int_equal(world_status().accepted, 4 * 950);
		world_pass(3 * 60 * 1000);
		assert_true(world->done > 4 * 950);
		if (cases[i].identity != 0)
			assert_true(world->identity_most <= 950);
		assert_true(world->app_most <= 14250);
		world_end();
	}
}

/* What is in trouble is tried at once, and one that is paused stays so. */
static void
test_states_over_other_settings(void **state)
{
	(void)state;
	world_start(10);
	world->settings.probe_ms = HOUR_MS;
	world->settings.request_items = 1;
	world->all_status = 401;
	world_sender_start();
	world_pass(2000);
	assert_int_equal(world_status().state, FORWARDER_HALTED);
	world->all_status = 0;
	world->settings.probe_ms = 1000;
	adopt();
	world_pass(2000);
	assert_int_equal(world_status().state, FORWARDER_RUNNING);
	assert_int_equal(world->done, 10);
	sender_pause(world->sender, true, &world->now);
	adopt();
	assert_int_equal(world_status().state, FORWARDER_PAUSED);
	world_end();
}

/* No sender has ever posted: nothing to cool down for. */
static void
test_a_first_start_does_not_cool_down(void **state)
{
	int way;

	(void)state;
	for (way = 0; way < 2; way++) {
		world_start(1000);
		world->count = 0;
		world_quotas(14250, 0);
		world_sender_start();
		world_pass(1000);
		world_sender_stop(way == 1);
		world->now.wall_ms += HOUR_MS;
		world_sender_start();
		assert_int_equal(world_status().state, FORWARDER_RUNNING);
		world_end();
	}
}

/* Whatever limits there were: those of now decide how long it cools down. */
static void
test_quotas_switched_on(void **state)
{
	static const struct {
		unsigned app, identity, then_app, then_identity;
		enum forwarder_state state;
	} cases[] = {
	    {0, 0, 15000, 0, FORWARDER_COOLING_DOWN},
	    {15000, 0, 15000, 1000, FORWARDER_COOLING_DOWN},
	    {0, 1000, 15000, 1000, FORWARDER_COOLING_DOWN},
	    {15000, 1000, 15000, 0, FORWARDER_COOLING_DOWN},
	    {15000, 1000, 0, 0, FORWARDER_RUNNING},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world_start(900);
		world_quotas(cases[i].app, cases[i].identity);
		world_sender_start();
		world_pass(3000);
		assert_int_equal(world->done, 900);
		world_sender_stop(false);
		world_quotas(cases[i].then_app, cases[i].then_identity);
		world_sender_start();
		assert_int_equal(world_status().state, cases[i].state);
		world_end();
	}
}

static void
judge_busy(struct world *of, struct world_flight *flight)
{
	(void)of;
	world_say(flight, 503, "busy");
	flight->retry_after = "300";
}

/* Asked to wait for five minutes, it does so over restarts and pauses. */
static void
test_retry_after_over_a_restart(void **state)
{
	int way;

	(void)state;
	for (way = 0; way < 3; way++) {
		world_start(100);
		world_quotas(way == 2 ? 0 : 14250, 0);
		world->settings.linger_ms = 0;
		world->latency_ms = 0;
		world->judge = judge_busy;
		world_sender_start();
		world_pass(100);
		assert_int_equal(world_status().state, FORWARDER_BACKING_OFF);
		world_sender_stop(false);
		world->judge = NULL;
		world->now.mono_ms += 30000;
		world->now.wall_ms += 30000 + (way == 1) * HOUR_MS;
		world_sender_start();
		world_pass(10000);
		sender_pause(world->sender, true, &world->now);
		sender_pause(world->sender, false, &world->now);
		assert_int_equal(world_status().state, FORWARDER_BACKING_OFF);
		assert_string_equal(world_status().why, "HTTP 503: busy");
		/* On a clock that is not trusted, all of it from now. */
		world_pass((way == 1 ? 300000 : 270000) - 11000);
		assert_int_equal(world->done, 0);
		world_pass(3000);
		assert_int_equal(world->done, 100);
		assert_int_equal(world_status().state, FORWARDER_RUNNING);
		world_sender_stop(false);
		world->url = "https://elsewhere.example/api/track";
		world_sender_start();
		assert_int_not_equal(
		    world_status().state, FORWARDER_BACKING_OFF);
		world_end();
	}
}

/* When the last of what an identity has too many of is due, is kept. */
static void
test_last_due_over_a_restart(void **state)
{
	int64_t due_ms;

	(void)state;
	world_start(3000);
	world_quotas(0, 950);
	for (size_t n = 0; n < world->count; n++)
		world->events[n].identity = 7;
	world_sender_start();
	world_pass(10000);
	due_ms = world_status().last_due_ms;
	assert_true(due_ms > world->now.wall_ms + 120000);
	world_sender_stop(false);
	world_sender_start();
	assert_int_equal(world_status().last_due_ms, due_ms);
	world_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_quota_over_a_restart),
	    cmocka_unit_test(test_quota_over_other_settings),
	    cmocka_unit_test(test_states_over_other_settings),
	    cmocka_unit_test(test_a_first_start_does_not_cool_down),
	    cmocka_unit_test(test_quotas_switched_on),
	    cmocka_unit_test(test_retry_after_over_a_restart),
	    cmocka_unit_test(test_last_due_over_a_restart),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
