/*
 * Changes of sets: what is asked of a destination that wants each group alone,
 * and announced, and of one that takes groups together. What holds at all times
 * is asserted in the world: a group is never in two requests at once, nothing
 * of it arrives before its announcement, and its label never changes.
 */

#include "sender_world.h"
#include "short_run.h"

#include "base/log.h"

static size_t
done_of(size_t group)
{
	size_t done = 0;

	for (size_t i = 0; i < world->count; i++)
		done += world->events[i].fate == DELIVERED &&
			world->events[i].set == &world->groups[group];
	return done;
}

/* From here on all further changes are of this group. */
static void
rest_of(size_t from, size_t group)
{
	for (size_t i = from; i < world->most; i++) {
		world->events[i].set = &world->groups[group];
		world->events[i].type = world->events[i].set->id;
	}
}

static void
rename_group(size_t group, const char *name)
{
	(void)snprintf(world->groups[group].name,
	    sizeof(world->groups[group].name), "%s", name);
}

static void
assert_all_done(void)
{
	assert_int_equal(world->done, world->count);
	assert_int_equal(world->twice, 0);
	for (size_t i = 0; i < WORLD_GROUPS; i++) {
		if (world->groups[i].written[0] != '\0')
			assert_string_equal(
			    world->groups[i].known, world->groups[i].name);
	}
}

/* ---- groups ---- */

static size_t most_flying;

static void
judge_flying(struct world *of, struct world_flight *flight)
{
	size_t flying = 0;

	(void)flight;
	for (size_t i = 0; i < WORLD_FLIGHTS; i++)
		flying += of->flights[i].events != NULL;
	if (flying > most_flying)
		most_flying = flying;
}

static void
test_alone(void **state)
{
	(void)state;
	world_start(short_run() ? 8000 : 40000);
	world_sets(40, true);
	world->judge = judge_flying;
	most_flying = 0;
	world_sender_start();
	world_pass(60000);
	assert_all_done();
	assert_int_equal(most_flying, world->settings.in_flight);
	assert_int_equal(world->hold_ms, 300000);
	for (size_t i = 0; i < 40; i++) {
		assert_int_equal(world->groups[i].announcements, 1);
		assert_int_equal(world->groups[i].saves, 2);
	}
	world_end();
}

/* A change that comes alone is not held up by its announcement. */
static void
test_lonely(void **state)
{
	(void)state;
	world_start(2);
	world_sets(2, true);
	world->count = 1;
	world_sender_start();
	world_pass(200);
	assert_int_equal(world->done, 1);
	world_pass(5000);
	world->count = 2;
	sender_wake(world->sender);
	world_pass(200);
	assert_all_done();
	world_end();
}

/* Of a group with very much to send there is one request at a time; those of
 * others pass it, and leave it no slower. */
static void
test_large_group(void **state)
{
	(void)state;
	world_start(101000);
	world_sets(20, true);
	rest_of(0, 7);
	for (size_t i = 50000; i < 51000; i++) {
		world->events[i].set = &world->groups[i % 20];
		world->events[i].type = world->events[i].set->id;
	}
	world->latency_ms = 200;
	world_sender_start();
	world_pass(5000);
	assert_in_range(done_of(7), 1, 50000);
	for (size_t i = 0; i < 20; i++)
		assert_true(i == 7 || done_of(i) == 50);
	world_pass(60000);
	assert_all_done();
	world_end();
}

/* More groups than can be filled at the same time, each with little. */
static void
test_many_groups(void **state)
{
	(void)state;
	world_start(64 * 3);
	world_sets(64, true);
	world_sender_start();
	world_pass(20000);
	assert_all_done();
	assert_in_range(world->posts, 2 * 64, 2 * 64 + 16);
	world_end();
}

static void
test_together(void **state)
{
	(void)state;
	world_start(20000);
	world_sets(40, false);
	world_sender_start();
	world_pass(20000);
	assert_int_equal(world->done, 20000);
	assert_int_equal(world->posts, 20);
	for (size_t i = 0; i < 40; i++)
		assert_int_equal(world->groups[i].saves, 1);
	world_end();
}

static void
test_no_sets(void **state)
{
	(void)state;
	world_start(10);
	world->hold_ms = -1;
	world_sender_start();
	world_pass(1000);
	assert_int_equal(world->hold_ms, 0);
	world_end();
}

/* ---- labels ---- */

static void
test_label_stays(void **state)
{
	bool crash;

	(void)state;
	for (int alone = 0; alone < 2; alone++) {
		world_start(300);
		world_sets(3, alone);
		world->count = 100;
		world_sender_start();
		world_pass(3000);
		for (size_t round = 0; round < 2; round++) {
			crash = round == 1;
			rename_group(0, crash ? "b" : "a");
			world_sender_stop(crash);
			world_sender_start();
			world->count += 100;
			world_pass(60000);
		}
		assert_int_equal(world->done, 300);
		assert_string_equal(world->groups[0].label, "name0-0");
		assert_string_equal(
		    world->groups[0].announced, alone ? "b" : "");
		assert_int_equal(world->groups[0].announcements, alone ? 3 : 0);
		assert_int_equal(world->groups[1].saves, alone ? 2 : 1);
		world_end();
	}
}

/* What was saved for an outlet of another kind does not count; of the same kind
 * it does. */
static void
test_label_of_another_kind(void **state)
{
	(void)state;
	world_start(30);
	world_sets(2, true);
	for (size_t i = 0; i < 2; i++) {
		struct world_group *set = &world->groups[i];

		(void)snprintf(set->kind, sizeof(set->kind), "%s",
		    i == 0 ? "other" : "world");
		(void)snprintf(set->label, sizeof(set->label), "old");
		memcpy(set->announced, set->name, sizeof(set->announced));
		memcpy(set->known, set->name, sizeof(set->known));
	}
	world_sender_start();
	world_pass(3000);
	assert_all_done();
	assert_string_equal(world->groups[0].label, "name0-0");
	assert_int_equal(world->groups[0].announcements, 1);
	assert_string_equal(world->groups[1].label, "old");
	assert_int_equal(world->groups[1].announcements, 0);
	world_end();
}

/* Nothing is posted before its label is saved, which is not tried in each
 * round. */
static void
test_label_not_saved(void **state)
{
	(void)state;
	for (int alone = 0; alone < 2; alone++) {
		world_start(3000);
		world_sets(3, alone);
		world->group_save_fails = true;
		world_sender_start();
		world_pass(10000);
		assert_int_equal(world->posts, 0);
		world->group_save_fails = false;
		world_pass(10000);
		assert_int_equal(world->done, 3000);
		world_end();
	}
}

static void
test_no_label(void **state)
{
	(void)state;
	for (int alone = 0; alone < 2; alone++) {
		world_start(4000);
		world_sets(4, alone);
		memcpy(world->groups[2].id, "?", 2);
		world_sender_start();
		world_pass(10000);
		assert_int_equal(world->done, 3000);
		assert_int_equal(world->dead, 1000);
		assert_int_equal(world->groups[2].saves, 0);
		world_end();
	}
}

/* Another process has the destination: nothing more is sent. */
static void
test_label_claim_lost(void **state)
{
	(void)state;
	world_start(3000);
	world_sets(3, true);
	world_sender_start();
	world->lost = true;
	world_pass(10000);
	assert_int_equal(world->posts, 0);
	assert_int_equal(world_status().state, FORWARDER_HALTED);
	world->lost = false;
	world_pass(120000);
	assert_all_done();
	world_end();
}

/* ---- announcements ---- */

static unsigned refusal;       /* status of an announcement of group 3 */
static size_t attempts, items; /* of it; items that came before */

static void
judge_third(struct world *of, struct world_flight *flight)
{
	if (flight->set != &of->groups[3])
		return;
	if (!flight->announcement) {
		items++;
		return;
	}
	attempts++;
	if (refusal == 1)
		world_fail(flight, 0, "reset");
	else if (refusal != 0)
		world_say(flight, refusal, "no");
}

/* A group that is not accepted waits, however much there is of it, and the
 * others do not. */
static void
test_announcement_fails(void **state)
{
	static const unsigned refusals[] = {500, 400, 422, 423, 1};

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		world_start(20000);
		world_sets(8, true);
		world->count = 10000;
		rest_of(2000, 3);
		for (size_t k = 8000; k < 20000; k++) {
			world->events[k].set = &world->groups[k % 8];
			world->events[k].type = world->events[k].set->id;
		}
		world->judge = judge_third;
		refusal = refusals[i];
		attempts = items = 0;
		world_sender_start();
		world_pass(20000);
		for (size_t k = 0; k < 8; k++)
			assert_int_equal(
			    done_of(k), k == 3 ? 0 : 250 + 2000 / 8);
		assert_int_equal(world_status().state, FORWARDER_RUNNING);
		/* In the night, and in the morning: each comes at once. */
		for (size_t hour = 0; hour < 6; hour++) {
			world_pass(600 * 1000);
			assert_int_equal(
			    world_status().state, FORWARDER_RUNNING);
			world->count += 8;
			sender_wake(world->sender);
			world_pass(3000);
			assert_int_equal(world->done, 3500 + 7 * (hour + 1));
		}
		assert_int_equal(items, 0);
		assert_in_range(attempts, 60, 400);
		refusal = 0;
		world_pass(200 * 1000);
		assert_all_done();
		assert_int_equal(world->dead, 0);
		world_end();
	}
}

/* Credentials are wrong: it halts, as for items. */
static void
test_announcement_denied(void **state)
{
	(void)state;
	for (size_t groups = 1; groups <= 4; groups += 3) {
		world_start(4000);
		world_sets(groups, true);
		if (groups == 1)
			rest_of(0, 3);
		rename_group(3, "name3");
		memcpy(world->groups[3].id, "3", 2);
		world->all_status = 401;
		world_sender_start();
		world_pass(60000);
		assert_int_equal(world_status().state, FORWARDER_HALTED);
		assert_in_range(world->posts, 2, 8);
		world->posts = 0;
		world_pass(600 * 1000);
		assert_in_range(world->posts, 9, 11);
		world->all_status = 0;
		world_pass(120 * 1000);
		assert_int_equal(world_status().state, FORWARDER_RUNNING);
		assert_all_done();
		world_end();
	}
}

/* Nothing is accepted: it backs off, and no group is blamed. */
static void
test_all_fails(void **state)
{
	(void)state;
	for (size_t groups = 1; groups <= 20; groups += 19) {
		world_start(20000);
		world_sets(groups, true);
		world->all_status = 503;
		world_sender_start();
		world_pass(3600 * 1000);
		assert_int_equal(world_status().state, FORWARDER_BACKING_OFF);
		assert_in_range(world->posts, 60, 200);
		world->all_status = 0;
		world_pass(150 * 1000);
		assert_int_equal(world_status().state, FORWARDER_RUNNING);
		assert_all_done();
		world_end();
	}
}

static const char *in_flight_name;

static void
judge_renames(struct world *of, struct world_flight *flight)
{
	if (flight->announcement && in_flight_name != NULL) {
		rename_group(
		    (size_t)(flight->set - of->groups), in_flight_name);
		in_flight_name = NULL;
		of->count += 100;
		sender_wake(of->sender);
	}
}

/* A group has another name by the time that its announcement is accepted. */
static void
test_renamed_in_flight(void **state)
{
	(void)state;
	world_start(200);
	world_sets(1, true);
	world->count = 100;
	world->latency_ms = 2000;
	world->judge = judge_renames;
	in_flight_name = "other";
	world_sender_start();
	world_pass(60000);
	assert_all_done();
	assert_int_equal(world->groups[0].announcements, 2);
	assert_string_equal(world->groups[0].announced, "other");
	assert_string_equal(world->groups[0].label, "name0-0");
	world_end();
}

static void
judge_renamed_back(struct world *of, struct world_flight *flight)
{
	if (!flight->announcement || strcmp(flight->name, "other") != 0)
		return;
	world_fail(flight, 0, "reset");
	flight->taken = true;
	rename_group(0, "name0");
	of->count = 300;
}

/* It was announced under another name, but the answer was lost, and now it has
 * its old name again: over a crash, too, it is announced by that. */
static void
test_renamed_back(void **state)
{
	(void)state;
	for (int crash = 0; crash < 2; crash++) {
		world_start(300);
		world_sets(1, true);
		world->count = 100;
		world->judge = judge_renamed_back;
		world_sender_start();
		world_pass(5000);
		rename_group(0, "other");
		world->count = 200;
		sender_wake(world->sender);
		while (world->count < 300)
			world_pass(1);
		if (crash) {
			world_sender_stop(true);
			world_sender_start();
		}
		world_pass(100 * 1000);
		assert_all_done();
		assert_int_equal(world->groups[0].announcements, 3);
		world_end();
	}
}

/* Without a name it is announced, too, and once. */
static void
test_no_name(void **state)
{
	(void)state;
	world_start(200);
	world_sets(1, true);
	rename_group(0, "");
	world->count = 100;
	world_sender_start();
	world_pass(5000);
	world->count = 200;
	sender_wake(world->sender);
	world_pass(5000);
	assert_int_equal(world->done, 200);
	assert_int_equal(world->posts, 3);
	world_end();
}

static void
judge_save_fails(struct world *of, struct world_flight *flight)
{
	of->group_save_fails = flight->announcement && of->posts == 1;
}

/* That it was accepted could not be saved: it is announced once more. */
static void
test_announced_not_saved(void **state)
{
	(void)state;
	world_start(100);
	world_sets(1, true);
	world->judge = judge_save_fails;
	world_sender_start();
	world_pass(10000);
	assert_all_done();
	assert_int_equal(world->groups[0].announcements, 2);
	world_end();
}

/* Paused, or read again, while an announcement is on its way. */
static void
test_orders(void **state)
{
	(void)state;
	for (int failing = 0; failing < 2; failing++) {
		world_start(4000);
		world_sets(4, true);
		world->latency_ms = 1000;
		world->judge = judge_third;
		refusal = failing ? 500 : 0;
		world_sender_start();
		world_pass(1);
		assert_int_equal(world_status().in_flight, 4);
		sender_reread(world->sender);
		sender_pause(world->sender, true, &world->now);
		world_pass(20000);
		assert_int_equal(world->done, 0);
		assert_int_equal(world_status().in_flight, 0);
		refusal = 0;
		sender_pause(world->sender, false, &world->now);
		world_pass(100 * 1000);
		assert_all_done();
		world_end();
	}
}

/* ---- what goes wrong ---- */

static void
judge_chaos(struct world *of, struct world_flight *flight)
{
	switch (world_random(12)) {
	case 0:
		world_fail(flight, 0, "reset");
		break;
	case 1:
		/* Membership is idempotent: what was taken twice is. */
		world_fail(flight, 0, "reset");
		flight->taken = true;
		break;
	case 2:
		world_say(flight, 423, "locked");
		break;
	case 3:
		world_say(flight, 503, "busy");
		break;
	case 4:
		if (flight->announcement)
			world_say(flight, 400, "no");
		break;
	case 5:
		if (flight->set != NULL)
			(void)snprintf(flight->set->name,
			    sizeof(flight->set->name), "n%zu",
			    (size_t)world_random(1000));
		break;
	}
	of->twice = 0;
}

/* Answers fail, groups are renamed, senders stop and die: no group is ever in
 * two requests, and in the end all is there. */
static void
test_chaos(void **state)
{
	size_t crashes = 0;

	(void)state;
	world_start(60000);
	world_sets(12, true);
	world->count = 0;
	world->latency_ms = 800;
	world->judge = judge_chaos;
	world_sender_start();
	for (size_t turn = 0; turn < 60; turn++) {
		world->count += 1000;
		sender_wake(world->sender);
		world_pass((int64_t)world_random(20000));
		if (turn % 4 == 3) {
			world_sender_stop(world_random(2) == 0);
			world_pass_quietly((int64_t)world_random(2000));
			world_sender_start();
			crashes++;
		}
	}
	world->judge = NULL;
	for (size_t i = 0; i < 12; i++)
		rename_group(i, "last");
	world_pass(4 * 3600 * 1000);
	assert_int_equal(crashes, 15);
	world->twice = 0;
	assert_all_done();
	assert_int_equal(world->dead, 0);
	world_end();
}

/* A single change is refused: it is found, and its group flows. */
static void
test_refused_change(void **state)
{
	(void)state;
	world_start(40500);
	world_sets(4, true);
	world->count = 40000;
	world->events[703].bad = true; /* of the third */
	world_sender_start();
	world_pass(20000);
	assert_int_equal(world->done, 39999);
	world_trickle(500, 5000);
	assert_int_equal(world->done, 40499);
	assert_int_equal(world->dead, 1);
	assert_int_equal(world->events[703].fate, DEAD);
	world_end();
}

/* ---- answers ---- */

static int64_t locked_ms, before_ms; /* first and next request of group 3 */

static void
judge_locked_once(struct world *of, struct world_flight *flight)
{
	if (flight->set != &of->groups[3] || flight->announcement)
		return;
	if (locked_ms == 0) {
		locked_ms = flight->arrive_ms;
		world_say(flight, 423, "locked");
	} else if (before_ms == 0) {
		before_ms = flight->arrive_ms;
		for (size_t i = 0; i < 8; i++)
			assert_int_equal(done_of(i), i == 3 ? 0 : 1000);
	}
}

/* A group that is locked waits as it was asked to; the others go on. What was
 * locked was certainly not taken. */
static void
test_locked(void **state)
{
	(void)state;
	world_start(8000);
	world_sets(8, true);
	world->judge = judge_locked_once;
	locked_ms = before_ms = 0;
	world_sender_start();
	world_pass(4000);
	assert_int_equal(world->done, 7000);
	assert_int_equal(world_status().state, FORWARDER_RUNNING);
	for (size_t i = 0; i < world->count; i++)
		assert_true(world->events[i].fate == DELIVERED ||
			    world->events[i].rules == 0);
	world_pass(10000);
	assert_all_done();
	assert_true(before_ms - locked_ms >= 5000);
	world_end();
}

/* Where groups go together it is the destination that waits. */
static void
judge_locked_all(struct world *of, struct world_flight *flight)
{
	if (of->posts == 1)
		world_say(flight, 423, "locked");
}

static void
test_locked_together(void **state)
{
	(void)state;
	world_start(100);
	world_sets(8, false);
	world->judge = judge_locked_all;
	world_sender_start();
	world_pass(4000);
	assert_int_equal(world->posts, 1);
	assert_int_equal(world_status().state, FORWARDER_BACKING_OFF);
	world_pass(10000);
	assert_int_equal(world->done, 100);
	world_end();
}

static size_t items_most, too_many;

static void
judge_too_many(struct world *of, struct world_flight *flight)
{
	(void)of;
	if (flight->count <= items_most)
		return;
	too_many++;
	world_say(flight, 400, "too many");
}

/* The destination takes fewer items than we thought: that is learnt, and no one
 * is blamed, at no time. */
static void
test_too_many(void **state)
{
	static const size_t mosts[] = {50, 5, 1};

	(void)state;
	for (int alone = 0; alone < 2; alone++) {
		for (size_t i = 0; i < (short_run() ? 1 : 3); i++) {
			world_start(6000);
			world_sets(6, alone);
			world->settings.in_flight = 8;
			world->settings.request_items = 75;
			world->limits[0] =
			    (struct outlet_limit){OUTLET_REQUESTS,
				OUTLET_DESTINATION, 300000, 3000, false};
			world->limit_count = 1;
			world->judge = judge_too_many;
			items_most = mosts[i];
			too_many = 0;
			world_sender_start();
			for (size_t n = 0; n < 600; n++) {
				world_pass(100);
				assert_int_equal(
				    world_status().state, FORWARDER_RUNNING);
			}
			assert_int_equal(world->done, 6000);
			/* of those in flight at first, and of their parts */
			assert_in_range(too_many, 1, 2 * 8 * 75);
			assert_int_equal(world->blamed, 0);
			world_end();
		}
	}
}

/* It takes more again: that is found out, in an hour. */
static void
test_too_many_forgotten(void **state)
{
	(void)state;
	world_start(100000);
	world_sets(6, false);
	world->count = 1000;
	world->settings.request_items = 75;
	world->judge = judge_too_many;
	items_most = 5;
	world_sender_start();
	world_pass(60000);
	assert_in_range(world->sender->items_limit.present, 1, 5);
	items_most = 75;
	for (size_t n = 0; n < 90; n++) {
		world->count += 100;
		sender_wake(world->sender);
		world_pass(60000);
	}
	assert_int_equal(world->sender->items_limit.present, 75);
	assert_int_equal(world->done, 10000);
	world_end();
}

/* ---- limits by requests ---- */

static struct world_log arrivals;
static size_t arrivals_most, hour_most;
static int64_t window_ms, hour, hour_count;

/* In each window that ends with an arrival, and in each hour. */
static void
judge_counts(struct world *of, struct world_flight *flight)
{
	int64_t wall_ms = of->now.wall_ms + flight->arrive_ms - of->now.mono_ms;

	world_log_window(
	    &arrivals, flight->arrive_ms, 1, window_ms, &arrivals_most);
	if (wall_ms / 3600000 != hour)
		hour_count = 0;
	hour = wall_ms / 3600000;
	if ((size_t)++hour_count > hour_most)
		hour_most = (size_t)hour_count;
}

static void
limit_start(size_t events, size_t groups, bool alone, unsigned amount,
    int64_t ms, bool on_the_hour)
{
	free(arrivals.arrivals);
	arrivals = (struct world_log){0};
	arrivals_most = hour_most = 0;
	window_ms = ms;
	hour = hour_count = 0;
	world_start(events);
	world_sets(groups, alone);
	world->limits[0] = (struct outlet_limit){
	    OUTLET_REQUESTS, OUTLET_DESTINATION, amount, ms, on_the_hour};
	world->limit_count = 1;
	world->judge = judge_counts;
}

/* 3,000 requests in 3 s, of one item each: kept, and used. */
static void
test_limit_of_seconds(void **state)
{
	(void)state;
	limit_start(20000, 4, false, 3000, 3000, false);
	world->settings.request_items = 1;
	world->settings.request_bytes = 100; /* few in memory */
	world->settings.in_flight = 60;
	world_sender_start();
	world_pass(12 * 1000);
	assert_in_range(world->done, 10000, 13000);
	world_pass(30 * 1000);
	assert_int_equal(world->done, 20000);
	assert_in_range(arrivals_most, 2900, 3000);
	world_end();
}

/* An announcement is a request. */
static void
test_limit_counts_announcements(void **state)
{
	(void)state;
	limit_start(600, 60, true, 10, 3000, false);
	world_sender_start();
	world_pass(60 * 1000);
	assert_int_equal(arrivals_most, 10);
	assert_in_range(world->posts, 120, 126);
	assert_all_done();
	world_end();
}

/* 250,000 an hour, at full hours; three hours, and a crash in the second. */
static void
test_limit_of_hours(void **state)
{
	(void)state;
	limit_start(300, 3, true, 100, 3600 * 1000, true);
	world->settings.request_items = 1;
	world->limits[0].amount = 100;
	world_sender_start();
	world_pass(3600 * 1000);
	world_sender_stop(true);
	world_sender_start();
	world_pass((int64_t)5 * 3600 * 1000);
	assert_in_range(hour_most, 90, 100);
	assert_all_done();
	world_end();
}

static void
test_limit_of_hours_large(void **state)
{
	(void)state;
	limit_start(300000, 3, false, 250000, 3600 * 1000, true);
	world->settings.request_items = 1;
	world->settings.request_bytes = 100; /* few in memory */
	world->settings.in_flight = 16;
	world_sender_start();
	world_pass((int64_t)2 * 3600 * 1000);
	assert_true(hour_most <= 250000);
	assert_true(hour_most > 200000);
	assert_int_equal(world->done, 300000);
	world_end();
}

/* By key, beside requests: a key without room holds up no one. */
static void
test_limit_by_key(void **state)
{
	(void)state;
	for (int alone = 0; alone < 2; alone++) {
		limit_start(3000, 3, alone, 1000, 60000, false);
		world->limits[1] = (struct outlet_limit){
		    OUTLET_ITEMS, OUTLET_KEY, 10, 60000, false};
		world->limit_count = 2;
		for (size_t i = 0; i < 50; i++)
			world->events[i].identity = 7;
		world_sender_start();
		world_pass(30000);
		assert_int_equal(world->done, 2960);
		world_pass(600 * 1000);
		assert_int_equal(world->done, 3000);
		assert_true(world->identity_most <= 10);
		world_end();
	}
}

/* ---- a dry run, and what does not belong ---- */

static void
test_dry_run(void **state)
{
	struct forwarder_destination_status status;

	(void)state;
	for (int alone = 0; alone < 2; alone++) {
		world_start(3000);
		world_sets(3, alone);
		memcpy(world->groups[2].id, "?", 2);
		world->events[0].drop = true;
		world->settings.dry_run = true;
		world_sender_start();
		world_pass(10000);
		status = world_status();
		assert_int_equal(status.state, FORWARDER_TRIAL);
		assert_int_equal(status.trial_sent, 1999);
		assert_int_equal(status.trial_dropped, 1);
		assert_int_equal(status.trial_dead, 1000);
		assert_int_equal(world->posts, 0);
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(world->groups[i].saves, 0);
		world_end();
	}
}

/* The operator gave a destination an outlet of the other shape, and the queue
 * has items of before. */
static void
test_other_shape(void **state)
{
	(void)state;
	for (int dry = 0; dry < 2; dry++) {
		for (int set = 0; set < 2; set++) {
			world_start(300);
			world_sets(3, false);
			for (size_t i = 0; i < 100; i++) {
				if (set)
					world->events[i].set = NULL;
			}
			for (size_t i = 100; i < 300 && !set; i++)
				world->events[i].set = NULL;
			world->outlet.set = set;
			world->foreign = true;
			world->settings.dry_run = dry;
			world_sender_start();
			world_pass(10000);
			assert_int_equal(world->dead, dry ? 0 : 100);
			assert_int_equal(world->done, dry ? 0 : 200);
			assert_int_equal(
			    world_status().trial_dead, dry ? 100 : 0);
			world_end();
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_alone),
	    cmocka_unit_test(test_lonely),
	    cmocka_unit_test(test_large_group),
	    cmocka_unit_test(test_many_groups),
	    cmocka_unit_test(test_together),
	    cmocka_unit_test(test_no_sets),
	    cmocka_unit_test(test_label_stays),
	    cmocka_unit_test(test_label_of_another_kind),
	    cmocka_unit_test(test_label_not_saved),
	    cmocka_unit_test(test_no_label),
	    cmocka_unit_test(test_label_claim_lost),
	    cmocka_unit_test(test_announcement_fails),
	    cmocka_unit_test(test_announcement_denied),
	    cmocka_unit_test(test_all_fails),
	    cmocka_unit_test(test_renamed_in_flight),
	    cmocka_unit_test(test_renamed_back),
	    cmocka_unit_test(test_no_name),
	    cmocka_unit_test(test_announced_not_saved),
	    cmocka_unit_test(test_orders),
	    cmocka_unit_test(test_chaos),
	    cmocka_unit_test(test_refused_change),
	    cmocka_unit_test(test_locked),
	    cmocka_unit_test(test_locked_together),
	    cmocka_unit_test(test_too_many),
	    cmocka_unit_test(test_too_many_forgotten),
	    cmocka_unit_test(test_limit_of_seconds),
	    cmocka_unit_test(test_limit_counts_announcements),
	    cmocka_unit_test(test_limit_of_hours),
	    cmocka_unit_test(test_limit_of_hours_large),
	    cmocka_unit_test(test_limit_by_key),
	    cmocka_unit_test(test_dry_run),
	    cmocka_unit_test(test_other_shape),
	};

	log_set_level(LOG_ERROR + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
