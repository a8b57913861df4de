/*
 * Whose fault it is, played through with whole senders: scenes in which items,
 * types or the destination are at fault. No good event may become a dead
 * letter in any of them, and all are delivered in the end; the bad ones become
 * dead letters, or wait parked. Each scene is played twice, the second time
 * with a restart in the middle.
 */

#include "sender_world.h"

#include "base/log.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };

struct scene {
	const char *name;
	size_t events;	/* at first */
	size_t trickle; /* afterwards, one by one */
	int64_t each_ms;
	int64_t rest_ms; /* then nothing comes */
	void (*prepare)(void);
	void (*judge)(struct world *of, struct world_flight *flight);
	size_t bad_left;  /* bad events that may be left: those that are parked,
			  * or without proof */
	int64_t start_ms; /* good events of the start are delivered by then */
};

static void
one_draws(unsigned status)
{
	world->events[17].fails = status;
}

static void
one_500(void)
{
	one_draws(500);
}

static void
one_400(void)
{
	world->events[17].bad = true;
}

static void
one_422(void)
{
	one_draws(422);
}

static void
one_403(void)
{
	one_draws(403);
}

static void
one_reset(void)
{
	one_draws(1);
}

static void
first_500(void)
{
	world->events[0].fails = 500;
}

/* Some events of every type are bad. */
static void
every_type(unsigned percent)
{
	static const char *const types[] = {"a", "b", "c", "d", "e"};

	for (size_t i = 0; i < world->most; i++) {
		world->events[i].type = types[world_random(5)];
		world->events[i].bad = world_random(100) < percent;
	}
}

static void
third_of_every_type(void)
{
	every_type(30);
}

static void
some_of_every_type(void)
{
	every_type(2);
}

/* 8 % of the events are of a type that is refused. */
static void
one_type(void)
{
	for (size_t i = 0; i < world->most; i++) {
		bool bad = world_random(100) < 8;

		world->events[i].bad = bad;
		world->events[i].type = bad ? "refused" : "taken";
	}
}

static void
load(void)
{
	world_quotas(14250, 950);
	world->latency_ms = 60;
}

static int64_t
since_start_ms(const struct world *of)
{
	return of->now.mono_ms - 5000000;
}

static void
judge_time_out(struct world *of, struct world_flight *flight)
{
	for (size_t i = 0; i < flight->count; i++) {
		if (of->events[flight->events[i]].fails == 0)
			continue;
		flight->answer_ms = flight->arrive_ms + 2000;
		world_fail(flight, 0, "time-out");
	}
}

static void
judge_outage(struct world *of, struct world_flight *flight)
{
	int64_t ms = since_start_ms(of);

	if (ms > 10 * MINUTE_MS && ms < 70 * MINUTE_MS)
		world_say(flight, 503, "down");
}

static void
judge_refuses_all(struct world *of, struct world_flight *flight)
{
	int64_t ms = since_start_ms(of);

	if (ms > 10 * MINUTE_MS && ms < 70 * MINUTE_MS)
		world_say(flight, 400, "bad");
}

/* Half a second in each four, everybody is refused. */
static void
judge_bursts(struct world *of, struct world_flight *flight)
{
	int64_t ms = since_start_ms(of);

	if (ms < 10 * MINUTE_MS && ms % 4000 >= 3500)
		world_say(flight, 400, "bad");
}

static void
judge_third_fails(struct world *of, struct world_flight *flight)
{
	(void)of;
	if (world_random(3) == 0)
		world_say(flight, 502, "oops");
}

static const struct scene scenes[] = {
    {"one of 61 draws 500", 61, 1500, 20000, HOUR_MS, one_500, NULL, 0,
	MINUTE_MS},
    {"one of 61 draws 400", 61, 200, 20000, HOUR_MS, one_400, NULL, 0,
	MINUTE_MS},
    {"one of 61 draws 422", 61, 200, 20000, HOUR_MS, one_422, NULL, 0,
	MINUTE_MS},
    {"one of 61 draws 403", 61, 1500, 20000, HOUR_MS, one_403, NULL, 0,
	MINUTE_MS},
    {"one of 61 draws a reset", 61, 1500, 20000, HOUR_MS, one_reset, NULL, 0,
	MINUTE_MS},
    {"one of 61 times out", 61, 1500, 20000, HOUR_MS, one_reset, judge_time_out,
	0, MINUTE_MS},
    {"an outage of an hour", 2000, 1000, 5000, HOUR_MS, NULL, judge_outage, 0,
	MINUTE_MS},
    {"all is refused for an hour", 2000, 1000, 5000, 2 * HOUR_MS, NULL,
	judge_refuses_all, 0, MINUTE_MS},
    {"bursts of 400", 20000, 8000, 75, HOUR_MS, load, judge_bursts, 0,
	3 * MINUTE_MS},
    {"a third of answers is 502", 2000, 2000, 2000, HOUR_MS, NULL,
	judge_third_fails, 0, 10 * MINUTE_MS},
    {"one event an hour", 0, 100, HOUR_MS, HOUR_MS, NULL, NULL, 0, 0},
    {"one event an hour, the first draws 500", 0, 100, HOUR_MS, HOUR_MS,
	first_500, NULL, 0, 0},
    {"a single event, and it draws 500", 1, 0, 0, 24 * HOUR_MS, first_500, NULL,
	1, 0},
    {"30 % of every type is bad", 2000, 8000, 1000, 2 * HOUR_MS,
	third_of_every_type, NULL, 10000, 0},
    {"2 % of every type is bad", 5000, 5000, 1000, 2 * HOUR_MS,
	some_of_every_type, NULL, 10000, 5 * MINUTE_MS},
    {"8 %, all of one type, is bad", 5460, 2000, 1000, HOUR_MS, one_type, NULL,
	10000, MINUTE_MS},
};

static bool failed; /* a scene did; all are played */

struct tally {
	size_t good, good_done, good_dead, bad, bad_dead;
};

static struct tally
tally(size_t events)
{
	struct tally is = {0};

	for (size_t i = 0; i < events; i++) {
		const struct world_event *event = &world->events[i];
		bool bad = event->bad || event->fails != 0;

		is.bad += bad;
		is.good += !bad;
		is.good_done += !bad && event->fate == DELIVERED;
		is.good_dead += !bad && event->fate == DEAD;
		is.bad_dead += bad && event->fate == DEAD;
	}
	return is;
}

static void
restart(void)
{
	world_sender_stop(world_random(2));
	world_pass_quietly(3000);
	world_sender_start();
}

static void
play(const struct scene *scene, bool restarts)
{
	struct tally is;

	world_start(scene->events + scene->trickle);
	world->count = scene->events;
	world->random = 4711;
	world->settings.backoff_first_ms = 1000;
	if (scene->prepare != NULL)
		scene->prepare();
	world->judge = scene->judge;
	world_sender_start();
	if (restarts) {
		world_pass(1500);
		restart();
	}
	world_pass(scene->start_ms);
	is = tally(scene->events);
	if (scene->start_ms > 0 && is.good_done != is.good)
		fail_msg("%s%s: %zu of %zu are delivered in time", scene->name,
		    restarts ? ", restarted" : "", is.good_done, is.good);
	world_trickle(scene->trickle / 2, scene->each_ms);
	if (restarts)
		restart();
	world_trickle(scene->trickle - scene->trickle / 2, scene->each_ms);
	world_pass(scene->rest_ms);
	is = tally(world->most);
	print_message("%-40s %6zu of %6zu %4zu %6zu of %6zu %6zu %7zu %6zu\n",
	    restarts ? "  with restarts" : scene->name, is.good_done, is.good,
	    is.good_dead, is.bad_dead, is.bad, world->parked, world->posts,
	    world->arrived);
	failed = failed || is.good_dead > 0 || is.good_done != is.good ||
		 is.bad - is.bad_dead > scene->bad_left;
	world_end();
}

static void
test_scenes(void **state)
{
	(void)state;
	print_message("%-40s %16s %4s %16s %6s %7s %6s\n", "", "good delivered",
	    "dead", "bad dead", "parked", "posts", "sent");
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		play(&scenes[i], false);
		play(&scenes[i], true);
	}
	assert_false(failed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_scenes),
	};

	log_set_level(LOG_ERROR + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
