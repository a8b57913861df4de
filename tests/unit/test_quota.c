#include "forwarder/pace.h"
#include "forwarder/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SPAN = QUOTA_SPAN_MS };

/* `count` events of one identity start. */
static uint64_t
start(struct quota *quota, uint64_t identity, size_t count, int64_t mono_ms)
{
	uint64_t *identities = calloc(count, sizeof(*identities)), send;
	struct err err;
	size_t i;

	assert_non_null(identities);
	for (i = 0; i < count; i++) {
		identities[i] = identity;
		assert_true(quota_hold(quota, identity, false, mono_ms));
	}
	assert_true(
	    quota_begin(quota, identities, count, mono_ms, &send, &err));
	return send;
}

static void
test_counts_until_a_window_after_the_end(void **state)
{
	struct quota quota;
	uint64_t first, second;

	(void)state;
	quota_init(&quota, 100, 0);
	assert_int_equal(quota_room(&quota, 0), 100);
	first = start(&quota, 1, 60, 1000);
	second = start(&quota, 1, 40, 2000);
	assert_int_equal(quota_room(&quota, 2000), 0);

	/* In flight it counts for ever. */
	assert_int_equal(quota_room(&quota, 1000 + 10 * SPAN), 0);
	assert_true(quota_room_ms(&quota, 1, 2000) == INT64_MAX);

	quota_end(&quota, second, 3000);
	assert_int_equal(quota_room_ms(&quota, 40, 3000), 3000 + SPAN);
	assert_true(quota_room_ms(&quota, 41, 3000) == INT64_MAX);
	assert_int_equal(quota_room(&quota, 3000 + SPAN - 1), 0);
	assert_int_equal(quota_room(&quota, 3000 + SPAN), 40);

	quota_end(&quota, first, 30000);
	assert_int_equal(quota_room_ms(&quota, 100, 30000), 30000 + SPAN);
	assert_int_equal(quota_room(&quota, 30000 + SPAN), 100);
	quota_fini(&quota);
}

static void
test_identities(void **state)
{
	struct quota quota;
	uint64_t send;

	(void)state;
	quota_init(&quota, 0, 3);
	send = start(&quota, 7, 2, 0);
	assert_true(quota_hold(&quota, 7, false, 0));
	assert_false(quota_hold(&quota, 7, false, 0));
	assert_true(quota_hold(&quota, 8, false, 0));
	quota_release(&quota, 7);
	quota_end(&quota, send, 10);
	assert_true(quota_hold(&quota, 7, false, 10));
	assert_false(quota_hold(&quota, 7, false, 9 + SPAN));
	assert_true(quota_hold(&quota, 7, false, 10 + SPAN));

	/* Room that is waited for is no room for newcomers. */
	quota_wait(&quota, 9, 0);
	quota_wait(&quota, 9, 0);
	assert_true(quota_hold(&quota, 9, false, 0));
	assert_false(quota_hold(&quota, 9, false, 0));
	assert_true(quota_hold(&quota, 9, true, 0));
	quota_wait_end(&quota, 9);
	quota_wait_end(&quota, 9);
	assert_true(quota_hold(&quota, 9, false, 0));
	quota_fini(&quota);
}

/* The deferred are spread over the windows to come: few due times. */
static void
test_deferral(void **state)
{
	struct quota quota;
	int64_t due_ms = 0, last_ms = 0;
	int i, times = 0;

	(void)state;
	quota_init(&quota, 15000, 950);
	for (i = 0; i < 9500; i++) {
		due_ms = quota_defer_ms(&quota, 7, 1000);
		assert_true(due_ms >= last_ms);
		times += due_ms != last_ms;
		last_ms = due_ms;
	}
	assert_int_equal(times, 10);
	assert_int_equal(
	    due_ms, 1000 + 10 * (QUOTA_WINDOW_MS + QUOTA_SLACK_MS));
	quota_fini(&quota);
}

/* However long the list: never so far off that the queue takes the due time
 * for that of a wrong clock. */
static void
test_deferral_has_an_end(void **state)
{
	struct quota quota;
	int64_t due_ms = 0;

	(void)state;
	quota_init(&quota, 15000, 1);
	for (int i = 0; i < 10000; i++)
		due_ms = quota_defer_ms(&quota, 7, 1000);
	assert_int_equal(due_ms, 1000 + QUOTA_DEFER_MOST_MS);
	quota_fini(&quota);
}

static void
test_many_identities(void **state)
{
	struct quota quota;
	uint64_t id, send;

	(void)state;
	quota_init(&quota, 0, 5);
	for (id = 0; id < 100000; id++) {
		send = start(&quota, id, 1, (int64_t)id);
		quota_end(&quota, send, (int64_t)id);
	}
	assert_true(quota.end - quota.head <= SPAN + 1);
	assert_true(quota.identity_cap <= 2 * 65536);
	assert_int_equal(quota_room(&quota, 100000 + SPAN), QUOTA_LOG_MAX);
	quota_fini(&quota);
}

static void
test_off(void **state)
{
	struct quota quota;
	uint64_t send;

	(void)state;
	quota_init(&quota, 0, 0);
	send = start(&quota, 1, 1000, 0);
	assert_true(quota_room(&quota, 0) == SIZE_MAX);
	quota_end(&quota, send, 1);
	assert_null(quota.sends);
	quota_fini(&quota);
}

static void
test_survives_a_restart(void **state)
{
	struct clock_times before = {.wall_ms = 5000000, .mono_ms = 70000};
	struct clock_times after = {.wall_ms = 5010000, .mono_ms = 300};
	struct quota quota, other;
	struct err err;
	struct buf buf;
	size_t i;

	(void)state;
	quota_init(&quota, 100, 50);
	buf_init(&buf, SIZE_MAX / 2);
	quota_end(&quota, start(&quota, 7, 40, 60000), 65000);
	quota_end(&quota, start(&quota, 8, 20, 61000), 62000);
	quota_write(&quota, &before, &buf);
	assert_true(buf_ok(&buf, &err));

	/* 10 s later by the wall clock, on another monotonic clock. */
	quota_init(&other, 100, 50);
	assert_true(
	    quota_read(&other, str_bytes(buf.data, buf.len), &after, &err));
	assert_int_equal(quota_room(&other, 300), 40);
	for (i = 0; i < 10; i++)
		assert_true(quota_hold(&other, 7, false, 300));
	assert_false(quota_hold(&other, 7, false, 300));
	/* They ended 15 and 18 s ago. */
	assert_int_equal(quota_room(&other, 300 - 15000 + SPAN - 1), 40);
	assert_int_equal(quota_room(&other, 300 - 15000 + SPAN), 100);
	quota_fini(&other);

	/* A clock that was set back errs towards waiting. */
	after.wall_ms = 1000;
	quota_init(&other, 100, 0);
	assert_true(
	    quota_read(&other, str_bytes(buf.data, buf.len), &after, &err));
	assert_int_equal(quota_room(&other, 300 + SPAN - 1), 40);
	assert_int_equal(quota_room(&other, 300 + SPAN), 100);
	quota_fini(&other);

	/* Cut anywhere, or with more behind, it is not a log. */
	after.wall_ms = 5010000;
	for (i = 0; i < buf.len; i++) {
		quota_init(&other, 100, 50);
		assert_false(
		    quota_read(&other, str_bytes(buf.data, i), &after, &err));
		assert_int_equal(err.code, ERR_DAMAGED);
		quota_fini(&other);
	}
	assert_true(buf_char(&buf, 'x'));
	quota_init(&other, 100, 50);
	assert_false(
	    quota_read(&other, str_bytes(buf.data, buf.len), &after, &err));
	quota_fini(&other);
	buf_fini(&buf);
	quota_fini(&quota);
}

/* ---- pace ---- */

static void
test_pace_is_even(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, 14250, 1000, 0);
	assert_int_equal(pace_request_events(&pace), 950);
	pace_start(&pace, 950, 0);
	assert_int_equal(pace_next_ms(&pace), 4000);
	pace_start(&pace, 950, 4090); /* the timer was late: made up for */
	assert_int_equal(pace_next_ms(&pace), 8000);
	pace_start(&pace, 950, 100000); /* but idleness is not saved up */
	assert_int_equal(pace_next_ms(&pace), 103900);
	pace_init(&pace, 0, 1000, 0);
	assert_int_equal(pace_request_events(&pace), 1000);
	pace_start(&pace, 1000, 5);
	assert_true(pace_next_ms(&pace) <= 5);
}

static void
test_pace_lowers_and_raises(void **state)
{
	struct pace pace;
	int i;

	(void)state;
	pace_init(&pace, 14250, 1000, 0);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_counts_until_a_window_after_the_end),
	    cmocka_unit_test(test_identities),
	    cmocka_unit_test(test_deferral),
	    cmocka_unit_test(test_deferral_has_an_end),
	    cmocka_unit_test(test_many_identities),
	    cmocka_unit_test(test_off),
	    cmocka_unit_test(test_survives_a_restart),
	    cmocka_unit_test(test_pace_is_even),
	    cmocka_unit_test(test_pace_lowers_and_raises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
