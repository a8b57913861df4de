#include "sender_world.h"

#include "base/log.h"

/* ---- light load, and the shape of requests ---- */

/* More events come in. */
static void
arrive(size_t events)
{
	world->count += events;
	sender_wake(world->sender);
}

/* An idle sender posts at once, and lingers only for those that follow. */
static void
test_first_event_leaves_at_once(void **state)
{
	(void)state;
	world_start(20);
	world->count = 1;
	world_sender_start();
	world_pass(0);
	assert_int_equal(world->posts, 1);
	world_pass(200);
	assert_int_equal(world->done, 1);
	arrive(1);
	world_pass(300);
	arrive(8);
	world_pass(300);
	assert_int_equal(world->posts, 1);
	world_pass(300);
	assert_int_equal(world->posts, 2);
	assert_int_equal(world->done, 10);

	/* Idle again, it takes all that is there. */
	world_pass(3000);
	arrive(10);
	world_pass(0);
	assert_int_equal(world->posts, 3);
	world_pass(100);
	assert_int_equal(world->done, 20);
	world_end();
}

static void
judge_slow(struct world *of, struct world_flight *flight)
{
	(void)of;
	flight->answer_ms = flight->arrive_ms + 5000;
}

/* While a request is in flight, the next lingers since its first event. */
static void
test_lingers_beside_a_request_in_flight(void **state)
{
	(void)state;
	world_start(4);
	world->count = 1;
	world->judge = judge_slow;
	world_sender_start();
	world_pass(1500);
	arrive(1);
	world_pass(500);
	arrive(2);
	world_pass(400);
	assert_int_equal(world->posts, 1);
	world_pass(200);
	assert_int_equal(world->posts, 2);
	assert_int_equal(world->largest, 3);
	assert_int_equal(world->done, 0);
	world_end();
}

/* Five a second: one request in each linger, and the first. */
static void
test_a_trickle_is_batched(void **state)
{
	size_t i;

	(void)state;
	world_start(300);
	world->count = 0;
	world_quotas(14250, 0);
	world_sender_start();
	for (i = 0; i < world->most; i++) {
		arrive(1);
		world_pass(200);
		assert_true(world->posts <= 1 + (i + 1) / 5);
		assert_true(world->done + 5 >= i);
	}
	world_pass(1100);
	assert_int_equal(world->done, 300);
	assert_in_range(world->posts, 55, 61);
	world_end();
}

/* One in each linger: each leaves at once, although one of them was late. */
static void
test_one_event_a_linger(void **state)
{
	size_t i;

	(void)state;
	world_start(100);
	world->count = 0;
	world_sender_start();
	for (i = 0; i < world->most; i++) {
		world_pass(i == 20 ? 970 + 80 : i == 21 ? 970 - 80 : 970);
		arrive(1);
		world_pass(i == 30 ? 60 : 30);
		assert_int_equal(world->posts, i + 1);
	}
	world_end();
}

static void
test_full_requests(void **state)
{
	(void)state;
	world_start(5000);
	world_sender_start();
	world_pass(400);
	assert_int_equal(world->posts, 5);
	assert_int_equal(world->done, 5000);
	world_end();
}

static void
test_bytes_bound(void **state)
{
	(void)state;
	world_start(1000);
	world->settings.request_bytes = 1064;
	world_sender_start();
	world_pass(5000);
	assert_int_equal(world->done, 1000);
	assert_true(world->posts >= 3 && world->posts <= 6);
	world_end();
}

static void
test_learns_from_413(void **state)
{
	(void)state;
	world_start(20000);
	world->body_most = 25000;
	world->settings.request_bytes = 100000;
	world->outlet.request_items_most = 10000;
	world->settings.in_flight = 1;
	world_sender_start();
	world_pass(60000);
	assert_int_equal(world->done, 20000);
	assert_int_equal(world->dead, 0);
	assert_true(world->posts < 20);
	assert_int_equal(world_status().state, FORWARDER_RUNNING);
	world_end();
}

static void
judge_one_too_large(struct world *of, struct world_flight *flight)
{
	size_t i;

	for (i = 0; i < flight->count; i++) {
		if (of->events[flight->events[i]].large)
			world_say(flight, 413, "bad");
	}
}

/* An event that is too large by itself teaches nothing about requests. */
static void
test_one_too_large(void **state)
{
	(void)state;
	world_start(20200);
	world->count = 20000;
	world->events[700].bad = world->events[700].large = true;
	world->judge = judge_one_too_large;
	world_sender_start();
	world_pass(10000);
	assert_int_equal(world->done, 19999);
	assert_true(world->posts <= 20 + 20);
	world_trickle(200, 5000);
	assert_int_equal(world->done, 20199);
	assert_int_equal(world->dead, 1);
	assert_in_range(world->events[700].posts, 1, 15);
	assert_int_equal(
	    world->sender->bytes_limit.present, world->settings.request_bytes);
	world_end();
}

/* One odd 413: small requests, but not for ever. */
static void
judge_first_too_large(struct world *of, struct world_flight *flight)
{
	if (of->posts == 1)
		world_say(flight, 413, "bad");
}

static void
test_forgets_413(void **state)
{
	size_t hour, posts[3];

	(void)state;
	world_start(300000);
	world->count = 0;
	world->settings.request_bytes = 100000;
	world->outlet.request_items_most = 20000;
	world->settings.in_flight = 1;
	world->judge = judge_first_too_large;
	world_sender_start();
	for (hour = 0; hour < 3; hour++) {
		size_t turn;

		world->posts = hour == 0 ? 0 : 2;
		for (turn = 0; turn < 10; turn++) {
			world->count += 10000;
			sender_wake(world->sender);
			world_pass(6 * 60 * 1000);
		}
		posts[hour] = world->posts - (hour == 0 ? 0 : 2);
	}
	assert_int_equal(world->done, world->count);
	assert_true(posts[0] > 12);
	assert_int_equal(posts[2], 10);
	assert_int_equal(world->sender->bytes_limit.present, 100000);
	world_end();
}

static void
test_dropped_settle_without_a_post(void **state)
{
	size_t i;

	(void)state;
	world_start(5000);
	for (i = 0; i < world->count; i++)
		world->events[i].drop = true;
	world_sender_start();
	world_pass(100);
	assert_int_equal(world->dropped, 5000);
	assert_int_equal(world->posts, 0);
	world_end();
}

/* ---- the operator's ---- */

static void
test_stops_and_probes(void **state)
{
	struct forwarder_destination_status status;

	(void)state;
	world_start(3000);
	world->all_status = 401;
	world_sender_start();
	world_pass(30000);
	status = world_status();
	assert_int_equal(status.state, FORWARDER_HALTED);
	assert_non_null(strstr(status.why, "HTTP 401: bad; check"));
	assert_true(status.until_ms > world->now.wall_ms);
	assert_true(world->posts <= world->settings.in_flight);
	world->posts = world->largest = 0;
	world_pass(10 * 60 * 1000);
	assert_true(world->posts >= 9 && world->posts <= 11);
	assert_int_equal(world->largest, 1);
	assert_int_equal(world->deferred, 0);
	world->all_status = 0;
	world_pass(2 * 60 * 1000);
	assert_int_equal(world->done, 3000);
	assert_int_equal(world_status().state, FORWARDER_RUNNING);
	world_end();
}

static void
test_pause(void **state)
{
	(void)state;
	world_start(3000);
	world_sender_start();
	sender_pause(world->sender, true, &world->now);
	world_pass(60000);
	assert_int_equal(world->posts, 0);
	assert_int_equal(world->leased, 0);
	assert_int_equal(world_status().state, FORWARDER_PAUSED);
	sender_pause(world->sender, false, &world->now);
	world_pass(5000);
	assert_int_equal(world->done, 3000);
	world_end();
}

/* The operator's order ends the wait for the next try. */
static void
test_retry(void **state)
{
	size_t posts;

	(void)state;
	world_start(3000);
	world->all_status = 401;
	world_sender_start();
	world_pass(30000);
	assert_int_equal(world_status().state, FORWARDER_HALTED);
	posts = world->posts;
	world_pass(100);
	assert_int_equal(world->posts, posts);
	sender_retry(world->sender, false, &world->now);
	world_pass(1000);
	assert_int_equal(world->posts, posts + 1);
	assert_int_equal(world_status().state, FORWARDER_HALTED);
	world->all_status = 0;
	sender_retry(world->sender, false, &world->now);
	world_pass(10000);
	assert_int_equal(world_status().state, FORWARDER_RUNNING);
	assert_int_equal(world->done, 3000);
	world_end();
}

/* Far more of a type that is refused than a sender holds lies before the
 * rest, and nothing was accepted yet. */
static void
test_a_refused_type_ahead_of_all(void **state)
{
	(void)state;
	world_start(20000);
	world->settings.request_bytes = 1000;
	for (size_t i = 0; i < world->count; i++) {
		world->events[i].bad = i < 15000;
		world->events[i].type = i < 15000 ? "bad" : "good";
	}
	world_sender_start();
	while (world_status().state != FORWARDER_HALTED)
		world_pass(1000);
	assert_int_equal(world->done, 0);
	world_pass(10 * world->settings.probe_ms);
	assert_int_equal(world->done, 5000);
	assert_int_equal(world->parked, 15000);
	assert_int_equal(world->dead, 0);
	world_end();
}

/* One of each type is tried, though they lie far apart; then any. */
static void
test_halted_tries_every_type(void **state)
{
	static const char *const types[] = {"a", "b", "c"};

	(void)state;
	world_start(20000);
	world->settings.request_bytes = 1000;
	world->all_status = 400;
	for (size_t i = 0; i < world->count; i++)
		world->events[i].type = types[i * 3 / world->count];
	world_sender_start();
	world_pass(20 * world->settings.probe_ms);
	assert_int_equal(world_status().state, FORWARDER_HALTED);
	for (size_t i = 0; i < 3; i++)
		assert_true(fault_type_tried(&world->sender->fault,
		    fault_type_at(&world->sender->fault, str_text(types[i]))));
	assert_int_equal(world->dead + world->parked + world->deferred, 0);
	world->all_status = 0;
	world_pass(10 * world->settings.probe_ms);
	assert_int_equal(world->done, 20000);
	world_end();
}

/* Looking for another type waits for the disk, and does not spin. */
static void
test_halted_while_the_disk_fails(void **state)
{
	(void)state;
	world_start(20000);
	world->settings.request_bytes = 1000;
	world->all_status = 400;
	world_sender_start();
	while (world_status().state != FORWARDER_HALTED)
		world_pass(1000);
	world->broken = true;
	world_pass(3 * world->settings.probe_ms);
	assert_int_equal(world_status().state, FORWARDER_HALTED);
	world->broken = false;
	world->all_status = 0;
	world_pass(10 * world->settings.probe_ms);
	assert_int_equal(world->done, 20000);
	world_end();
}

/* ---- the destination's ---- */

static void
judge_shaky(struct world *of, struct world_flight *flight)
{
	(void)of;
	switch (world_random(6)) {
	case 0:
		world_say(flight, 500, "oops");
		break;
	case 1:
		world_fail(flight, 0, "reset");
		break;
	case 2: /* it hangs, having taken all of it or nothing */
		flight->answer_ms += 30000;
		flight->taken = world_random(2);
		world_fail(flight, world_random(2) ? 200 : 0, "time-out");
		break;
	default:
		break;
	}
}

static void
test_trouble_blames_no_event(void **state)
{
	size_t i;

	(void)state;
	world_start(24000);
	world->count = 20000;
	world->judge = judge_shaky;
	for (i = 0; i < 5; i++)
		world->events[i * 3001].bad = true;
	world_sender_start();
	world_pass(3 * 3600 * 1000);
	assert_int_equal(world->done, 19995);
	world_trickle(4000, 5000);
	world->judge = NULL;
	world_pass(2 * 3600 * 1000);
	assert_int_equal(world->done, 23995);
	assert_int_equal(world->dead, 5);
	world_end();
}

static void
judge_busy(struct world *of, struct world_flight *flight)
{
	world_say(flight, of->posts % 2 ? 429 : 503, "busy");
	flight->retry_after = "30";
}

/* It asked to be left alone: then the operator has to insist. */
static void
test_retry_while_asked_to_wait(void **state)
{
	int64_t asked_ms;
	size_t posts;

	(void)state;
	world_start(3000);
	world->judge = judge_busy;
	world_sender_start();
	world_pass(1000);
	assert_int_equal(world_status().state, FORWARDER_BACKING_OFF);
	asked_ms = world_status().asked_until_ms;
	assert_true(asked_ms > world->now.wall_ms + 20000);
	posts = world->posts;
	sender_retry(world->sender, false, &world->now);
	world_pass(1000);
	assert_int_equal(world->posts, posts);
	assert_int_equal(world_status().until_ms, asked_ms);
	sender_retry(world->sender, true, &world->now);
	world_pass(100);
	assert_int_equal(world->posts, posts + 1);
	world_end();
}

static void
test_retry_after_and_pace(void **state)
{
	unsigned pace;

	(void)state;
	world_start(30000);
	world_quotas(14250, 0);
	world->judge = judge_busy;
	world_sender_start();
	world_pass(121 * 1000);
	assert_int_equal(world_status().state, FORWARDER_BACKING_OFF);
	assert_true(world->posts >= 4 && world->posts <= 5);
	pace = world_status().pace_per_minute;
	assert_true(pace < 14250 / 2 && pace >= 1425);
	world->judge = NULL;
	world_pass(60 * 1000);
	assert_int_equal(world_status().state, FORWARDER_RUNNING);
	world_pass(20 * 60 * 1000);
	assert_int_equal(world->done, 30000);
	assert_true(world_status().pace_per_minute > pace);
	world_end();
}

/* ---- our own disk's ---- */

static void
test_no_post_and_no_loss_while_the_disk_fails(void **state)
{
	(void)state;
	world_start(4000);
	world->broken = true;
	world_sender_start();
	world_pass(60000);
	assert_int_equal(world->posts, 0);
	world->broken = false;
	world->latency_ms = 5000;
	world_pass(1100);
	assert_true(world->posts > 0);
	world->broken = true; /* the verdicts have to wait */
	world_pass(60000);
	assert_int_equal(world->done, 0);
	assert_true(world->leased > 0);
	world->broken = false;
	world_pass(60000);
	assert_int_equal(world->done, 4000);
	assert_int_equal(world->twice, 0);
	world_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_first_event_leaves_at_once),
	    cmocka_unit_test(test_lingers_beside_a_request_in_flight),
	    cmocka_unit_test(test_a_trickle_is_batched),
	    cmocka_unit_test(test_one_event_a_linger),
	    cmocka_unit_test(test_full_requests),
	    cmocka_unit_test(test_bytes_bound),
	    cmocka_unit_test(test_learns_from_413),
	    cmocka_unit_test(test_one_too_large),
	    cmocka_unit_test(test_forgets_413),
	    cmocka_unit_test(test_dropped_settle_without_a_post),
	    cmocka_unit_test(test_stops_and_probes),
	    cmocka_unit_test(test_a_refused_type_ahead_of_all),
	    cmocka_unit_test(test_halted_tries_every_type),
	    cmocka_unit_test(test_halted_while_the_disk_fails),
	    cmocka_unit_test(test_pause),
	    cmocka_unit_test(test_retry),
	    cmocka_unit_test(test_retry_while_asked_to_wait),
	    cmocka_unit_test(test_trouble_blames_no_event),
	    cmocka_unit_test(test_retry_after_and_pace),
	    cmocka_unit_test(test_no_post_and_no_loss_while_the_disk_fails),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
