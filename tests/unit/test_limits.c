#include "forwarder/limits.h"
#include "forwarder/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	MINUTE = 60 * 1000,
	HOUR = 60 * MINUTE,
	SPAN = MINUTE + LIMITS_MARGIN_MS,
};

/* A wall clock that is at a full hour when the other is at 0. */
static const int64_t wall_ms = INT64_C(1795000000000) / HOUR * HOUR;

static struct clock_times
at(int64_t mono_ms)
{
	return (struct clock_times){
	    .mono_ms = mono_ms, .wall_ms = wall_ms + mono_ms};
}

static void
init(struct limits *limits, enum outlet_scope scope, unsigned amount)
{
	limits_init(limits,
	    &(struct outlet_limit){.unit = OUTLET_ITEMS,
		.scope = scope,
		.amount = amount,
		.window_ms = MINUTE},
	    1);
}

/* `count` events of one key start. */
static uint64_t
start(struct limits *limits, uint64_t key, size_t count, int64_t mono_ms)
{
	uint64_t *keys = calloc(count, sizeof(*keys)), send;
	struct clock_times now = at(mono_ms);
	struct err err;

	assert_non_null(keys);
	for (size_t i = 0; i < count; i++) {
		keys[i] = key;
		assert_true(limits_key_hold(limits, key, false, mono_ms));
	}
	assert_true(limits_begin(limits, keys, count, &now, &send, &err));
	return send;
}

static void
end(struct limits *limits, uint64_t send, int64_t mono_ms)
{
	struct clock_times now = at(mono_ms);

	limits_end(limits, send, &now);
}

static size_t
room(struct limits *limits, int64_t mono_ms)
{
	struct clock_times now = at(mono_ms);

	return limits_room(limits, &now);
}

static int64_t
start_ms(struct limits *limits, size_t items, int64_t mono_ms)
{
	struct clock_times now = at(mono_ms);

	return limits_start_ms(limits, items, &now);
}

static void
test_counts_until_a_window_after_the_end(void **state)
{
	struct limits limits;
	uint64_t first, second;

	(void)state;
	init(&limits, OUTLET_DESTINATION, 100);
	assert_int_equal(room(&limits, 0), 100);
	first = start(&limits, 1, 60, 1000);
	second = start(&limits, 1, 40, 2000);
	assert_int_equal(room(&limits, 2000), 0);

	/* In flight it counts for ever. */
	assert_int_equal(room(&limits, 1000 + 10 * SPAN), 0);
	assert_true(start_ms(&limits, 1, 2000) == INT64_MAX);

	end(&limits, second, 3000);
	assert_int_equal(start_ms(&limits, 40, 3000), 3000 + SPAN);
	assert_true(start_ms(&limits, 41, 3000) == INT64_MAX);
	assert_int_equal(room(&limits, 3000 + SPAN - 1), 0);
	assert_int_equal(room(&limits, 3000 + SPAN), 40);

	end(&limits, first, 30000);
	assert_int_equal(start_ms(&limits, 100, 30000), 30000 + SPAN);
	assert_int_equal(room(&limits, 30000 + SPAN), 100);
	limits_fini(&limits);
}

static void
test_keys(void **state)
{
	struct limits limits;
	uint64_t send;

	(void)state;
	init(&limits, OUTLET_KEY, 3);
	send = start(&limits, 7, 2, 0);
	assert_true(limits_key_hold(&limits, 7, false, 0));
	assert_false(limits_key_hold(&limits, 7, false, 0));
	assert_true(limits_key_hold(&limits, 8, false, 0));
	limits_key_release(&limits, 7);
	end(&limits, send, 10);
	assert_true(limits_key_hold(&limits, 7, false, 10));
	assert_false(limits_key_hold(&limits, 7, false, 9 + SPAN));
	assert_true(limits_key_hold(&limits, 7, false, 10 + SPAN));

	/* Room that is waited for is no room for newcomers. */
	limits_key_wait(&limits, 9, 0);
	limits_key_wait(&limits, 9, 0);
	assert_true(limits_key_hold(&limits, 9, false, 0));
	assert_false(limits_key_hold(&limits, 9, false, 0));
	assert_true(limits_key_hold(&limits, 9, true, 0));
	limits_key_wait_end(&limits, 9);
	limits_key_wait_end(&limits, 9);
	assert_true(limits_key_hold(&limits, 9, false, 0));
	limits_fini(&limits);
}

/* The deferred are spread over the windows to come: few due times. */
static void
test_deferral(void **state)
{
	struct limits limits;
	int64_t due_ms = 0, last_ms = 0;
	int times = 0;

	(void)state;
	init(&limits, OUTLET_KEY, 950);
	for (int i = 0; i < 9500; i++) {
		due_ms = limits_key_defer_ms(&limits, 7, 1000);
		assert_true(due_ms >= last_ms);
		times += due_ms != last_ms;
		last_ms = due_ms;
	}
	assert_int_equal(times, 10);
	assert_int_equal(due_ms, 1000 + 10 * (MINUTE + LIMITS_SLACK_MS));
	limits_fini(&limits);
}

/* However long the list: never so far off that the queue takes the due time
 * for that of a wrong clock. */
static void
test_deferral_has_an_end(void **state)
{
	struct limits limits;
	int64_t due_ms = 0;

	(void)state;
	init(&limits, OUTLET_KEY, 1);
	for (int i = 0; i < 10000; i++)
		due_ms = limits_key_defer_ms(&limits, 7, 1000);
	assert_int_equal(due_ms, 1000 + LIMITS_DEFER_MOST_MS);
	limits_fini(&limits);
}

static void
test_many_keys(void **state)
{
	struct limits limits;
	uint64_t id, send;

	(void)state;
	init(&limits, OUTLET_KEY, 5);
	for (id = 0; id < 100000; id++) {
		send = start(&limits, id, 1, (int64_t)id);
		end(&limits, send, (int64_t)id);
	}
	assert_true(limits.windows[0].end - limits.windows[0].head <= 300);
	assert_true(limits.windows[0].key_cap <= 2 * 65536 * 2);
	limits_fini(&limits);
}

static void
test_without_limits(void **state)
{
	struct limits limits;
	uint64_t send;

	(void)state;
	limits_init(&limits, NULL, 0);
	send = start(&limits, 1, 1000, 0);
	assert_true(room(&limits, 0) == SIZE_MAX);
	assert_int_equal(start_ms(&limits, 1000, 0), 0);
	end(&limits, send, 1);
	assert_int_equal(limits.send_count, 0);
	limits_fini(&limits);
}

/* Requests, on the hour: those at the turn count in both. */
static void
test_on_the_hour(void **state)
{
	static const struct outlet_limit limit = {
	    .unit = OUTLET_REQUESTS,
	    .scope = OUTLET_DESTINATION,
	    .amount = 3,
	    .window_ms = HOUR,
	    .on_the_hour = true,
	};
	struct limits limits;

	(void)state;
	limits_init(&limits, &limit, 1);
	end(&limits, start(&limits, 1, 500, 10 * MINUTE), 10 * MINUTE);
	end(&limits, start(&limits, 1, 500, 20 * MINUTE), 20 * MINUTE);
	assert_true(room(&limits, 20 * MINUTE) == SIZE_MAX);
	end(&limits, start(&limits, 1, 1, HOUR - 100), HOUR - 90);
	assert_int_equal(room(&limits, HOUR - 50), 0);
	/* Looked at again within a minute, because the clock may be set. */
	assert_in_range(
	    start_ms(&limits, 1, 30 * MINUTE), 30 * MINUTE, 31 * MINUTE);
	assert_int_equal(
	    start_ms(&limits, 1, HOUR - 50), HOUR + LIMITS_SKEW_MS);
	/* One of the new hour's three is used: it may have arrived then. */
	assert_true(room(&limits, HOUR + LIMITS_SKEW_MS) == SIZE_MAX);
	end(&limits, start(&limits, 1, 9, HOUR + 5000), HOUR + 5000);
	end(&limits, start(&limits, 1, 9, HOUR + 5000), HOUR + 5000);
	assert_int_equal(room(&limits, HOUR + 6000), 0);
	limits_fini(&limits);
}

/* A long window counts over a restart; a short one is not saved. */
static void
test_survives_a_restart(void **state)
{
	static const struct outlet_limit rows[] = {
	    {OUTLET_ITEMS, OUTLET_DESTINATION, 1000, HOUR, false},
	    {OUTLET_REQUESTS, OUTLET_DESTINATION, 100, HOUR, true},
	    {OUTLET_ITEMS, OUTLET_DESTINATION, 500, MINUTE, false},
	};
	struct clock_times before = at(10 * MINUTE), after;
	struct limits limits, other;
	struct err err;
	struct buf buf;

	(void)state;
	limits_init(&limits, rows, 3);
	buf_init(&buf, SIZE_MAX / 2);
	assert_true(limits_must_save(&limits, 10));
	limits_write(&limits, 10, &before, &buf);
	assert_false(limits_must_save(&limits, 10));
	end(&limits, start(&limits, 7, 10, 2 * MINUTE), 2 * MINUTE);
	assert_true(limits_must_save(&limits, 10)); /* the advance is used */
	end(&limits, start(&limits, 7, 300, 8 * MINUTE), 8 * MINUTE);
	buf_reset(&buf);
	limits_write(&limits, 0, &before, &buf);
	assert_true(buf_ok(&buf, &err));

	/* Planned, and 10 s later, on another monotonic clock. */
	after = (struct clock_times){
	    .mono_ms = 300, .wall_ms = before.wall_ms + 10000};
	limits_init(&other, rows, 3);
	assert_true(limits_read(
	    &other, str_bytes(buf.data, buf.len), true, true, &after, &err));
	assert_int_equal(limits_used(&other, 0, &after), 310);
	assert_int_equal(limits_used(&other, 1, &after), 2);
	assert_int_equal(limits_used(&other, 2, &after), 0);
	after.mono_ms += 55 * MINUTE;
	after.wall_ms += 55 * MINUTE;
	assert_int_equal(limits_used(&other, 0, &after), 300);
	assert_int_equal(limits_used(&other, 1, &after), 0);
	limits_fini(&other);

	/* Ages that are not known count from now. */
	limits_init(&other, rows, 3);
	assert_true(limits_read(
	    &other, str_bytes(buf.data, buf.len), true, false, &after, &err));
	after.mono_ms += HOUR - 1000;
	after.wall_ms += HOUR - 1000;
	assert_int_equal(limits_used(&other, 0, &after), 310);
	limits_fini(&other);

	/* After a crash the advance counts as if it had been used. */
	buf_reset(&buf);
	limits_write(&limits, 200, &before, &buf);
	limits_init(&other, rows, 3);
	assert_true(limits_read(
	    &other, str_bytes(buf.data, buf.len), false, true, &before, &err));
	assert_int_equal(limits_used(&other, 0, &before), 510);
	limits_fini(&other);

	/* Cut anywhere, or with more behind, it is none. */
	for (size_t i = 0; i < buf.len; i++) {
		limits_init(&other, rows, 3);
		assert_false(limits_read(
		    &other, str_bytes(buf.data, i), true, true, &before, &err));
		assert_int_equal(err.code, ERR_DAMAGED);
		limits_fini(&other);
	}
	assert_true(buf_char(&buf, 'x'));
	limits_init(&other, rows, 3);
	assert_false(limits_read(
	    &other, str_bytes(buf.data, buf.len), true, true, &before, &err));
	limits_fini(&other);
	buf_fini(&buf);
	limits_fini(&limits);
}

/* ---- pace ---- */

static void
test_pace_is_even(void **state)
{
	struct limits limits;
	struct pace pace;

	(void)state;
	init(&limits, OUTLET_DESTINATION, 14250);
	pace_init(&pace, &limits, 1000, 0);
	assert_false(pace_counts_requests(&pace));
	assert_int_equal(pace_request_items(&pace), 950);
	pace_start(&pace, 950, 0);
	assert_int_equal(pace_next_ms(&pace), 4000);
	pace_start(&pace, 950, 4090); /* the timer was late: made up for */
	assert_int_equal(pace_next_ms(&pace), 8000);
	pace_start(&pace, 950, 100000); /* but idleness is not saved up */
	assert_int_equal(pace_next_ms(&pace), 103900);
	limits_fini(&limits);
	limits_init(&limits, NULL, 0);
	pace_init(&pace, &limits, 1000, 0);
	assert_int_equal(pace_request_items(&pace), 1000);
	pace_start(&pace, 1000, 5);
	assert_true(pace_next_ms(&pace) <= 5);
	assert_false(pace_counts_requests(&pace));
}

static void
test_pace_of_requests(void **state)
{
	const struct outlet_limit limit = {.unit = OUTLET_REQUESTS,
	    .scope = OUTLET_DESTINATION,
	    .amount = 150,
	    .window_ms = 3000};
	struct limits limits;
	struct pace pace;

	(void)state;
	limits_init(&limits, &limit, 1);
	pace_init(&pace, &limits, 50, 0);
	assert_true(pace_counts_requests(&pace));
	assert_int_equal(pace.full, 3000);
	assert_int_equal(pace_request_items(&pace), 50);
	pace_start(&pace, 50, 0);
	assert_int_equal(pace_next_ms(&pace), 20);
	limits_fini(&limits);
}

static void
test_pace_lowers_and_raises(void **state)
{
	struct limits limits;
	struct pace pace;
	int i;

	(void)state;
	init(&limits, OUTLET_DESTINATION, 14250);
	pace_init(&pace, &limits, 1000, 0);
	pace_lower(&pace, 0);
	assert_int_equal(pace.present, 7125);
	for (i = 0; i < 10; i++)
		pace_lower(&pace, 0);
	assert_int_equal(pace.present, 1425);
	for (i = 1; i <= 60; i++)
		pace_raise(&pace, i * 1000);
	assert_in_range(pace.present, 2790, 2850); /* a tenth a minute */
	for (i = 60; i <= 600; i++)
		pace_raise(&pace, i * 1000);
	assert_int_equal(pace.present, 14250);
}

static void
test_backoff(void **state)
{
	struct backoff backoff, same;
	int64_t cap_ms = 100, sum_ms = 0, wait_ms;
	int i;

	(void)state;
	backoff_init(&backoff, 100, 5000, 42);
	backoff_init(&same, 100, 5000, 42);
	for (i = 0; i < 1000; i++) {
		wait_ms = backoff_next(&backoff);
		assert_int_equal(wait_ms, backoff_next(&same));
		assert_true(wait_ms >= 0 && wait_ms <= cap_ms);
		cap_ms = cap_ms * 2 > 5000 ? 5000 : cap_ms * 2;
		sum_ms += wait_ms;
	}
	/* Full jitter: evenly from nothing to the cap. */
	assert_true(sum_ms / 1000 > 2200 && sum_ms / 1000 < 2800);
	backoff_reset(&backoff);
	for (i = 0; i < 100; i++) {
		backoff_reset(&backoff);
		assert_true(backoff_next(&backoff) <= 100);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_counts_until_a_window_after_the_end),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_deferral),
	    cmocka_unit_test(test_deferral_has_an_end),
	    cmocka_unit_test(test_many_keys),
	    cmocka_unit_test(test_without_limits),
	    cmocka_unit_test(test_on_the_hour),
	    cmocka_unit_test(test_survives_a_restart),
	    cmocka_unit_test(test_pace_is_even),
	    cmocka_unit_test(test_pace_of_requests),
	    cmocka_unit_test(test_pace_lowers_and_raises),
	    cmocka_unit_test(test_backoff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
