/*
 * Segment states, their messages, and the limit on metrics for each segment.
 */

#include "set_help.h"

#include "base/clock.h"
#include "daemon/segments.h"

enum { HOUR_MS = 3600 * 1000 };

static struct settings_destination destination = {
    .kind = SETTINGS_ATTRIBUTES,
    .forwarder = {.name = "heap", .outlet = &attributes_outlet},
};
static struct settings settings = {
    .destinations = &destination,
    .destination_count = 1,
};

static void
daemon_of(const struct fixture *fixture, struct daemon *ret_daemon)
{
	daemon_init(ret_daemon, &settings);
	ret_daemon->queue = fixture->queue;
}

/* The state of the only segment, and what is told of it. */
static enum segment_state
state_at(const struct fixture *fixture, int64_t now_ms, const char *trouble)
{
	struct daemon daemon;
	struct segments segments;
	enum segment_state state;
	struct buf out;
	struct err err;

	daemon_of(fixture, &daemon);
	assert_true(segments_read(&daemon, &settings, now_ms, &segments, &err));
	assert_int_equal(segments.count, 1);
	state = segments.list[0].state;
	assert_int_equal(segments.states[state], 1);
	assert_int_equal(
	    segments.list[0].done_s, segments.list[0].of.waiting > 0 ? -1 : 0);
	buf_init(&out, 1000);
	segment_trouble_write(&segments.list[0], now_ms, &out);
	assert_int_equal(
	    out.len > 0, segment_needs_attention(&segments.list[0]));
	assert_int_equal(out.len > 0, trouble != NULL);
	assert_true(trouble == NULL || memmem(out.data, out.len, trouble,
					   strlen(trouble)) != NULL);
	buf_fini(&out);
	segments_fini(&segments);
	return state;
}

static void
retire(const struct fixture *fixture, int64_t group)
{
	struct jobs_group job = {.group = group};
	struct err err;

	do
		assert_true(jobs_resend(fixture->queue, &job, true, &err));
	while (job.more);
}

static void
test_states(void **state)
{
	struct fixture *fixture = *state;
	int64_t now_ms = clock_wall_ms();

	(void)page_put(fixture->queue,
	    &(struct page){"7", "a", 1, 1, "+ann +bob"}, now_ms);
	assert_int_equal(state_at(fixture, now_ms, NULL), SEGMENT_SENDING);
	free(set_deliver(fixture, QUEUE_DELIVERED, 0, now_ms));
	assert_int_equal(state_at(fixture, now_ms, NULL), SEGMENT_FRESH);
	assert_int_equal(
	    state_at(fixture, now_ms + 8 * HOUR_MS, NULL), SEGMENT_FRESH);
	assert_int_equal(
	    state_at(fixture, now_ms + 9 * HOUR_MS, "nothing came for 9 h"),
	    SEGMENT_STALE);
	retire(fixture, set_group_only(fixture).number);
	assert_int_equal(
	    state_at(fixture, now_ms + 9 * HOUR_MS, NULL), SEGMENT_SENDING);
	free(set_deliver(fixture, QUEUE_DELIVERED, 0, clock_wall_ms()));
	assert_int_equal(
	    state_at(fixture, now_ms + 9 * HOUR_MS, NULL), SEGMENT_RETIRED);
}

static void
test_incomplete(void **state)
{
	struct fixture *fixture = *state;
	int64_t now_ms = clock_wall_ms();
	int64_t late_ms = now_ms - 2 * HOUR_MS;

	fixture->settings.sync_timeout_ms = HOUR_MS;
	reopen(fixture);
	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 5, "+ann"}, late_ms);
	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 4, 5, "+bob"}, late_ms);
	free(set_deliver(fixture, QUEUE_DELIVERED, 0, now_ms));
	assert_int_equal(
	    state_at(fixture, now_ms, "2 of 5 pages; press sync now in Heap"),
	    SEGMENT_INCOMPLETE);
	retire(fixture, set_group_only(fixture).number);
	free(set_deliver(fixture, QUEUE_DELIVERED, 0, clock_wall_ms()));
	assert_int_equal(state_at(fixture, now_ms, NULL), SEGMENT_RETIRED);
}

/* More segments than have series of their own. */
static void
test_metrics(void **state)
{
	static const char first[] =
	    "\ncurrentsd_segment_waiting{source=\"heap\","
	    "destination=\"heap\",segment=\"0\"} 1\n";
	static const char others[] =
	    "\ncurrentsd_segment_waiting{source=\"\",destination=\"\","
	    "segment=\"others\"} 2\n";
	struct fixture *fixture = *state;
	struct daemon daemon;
	int64_t now_ms = clock_wall_ms();
	struct buf out;
	struct err err;
	char id[8];

	daemon_of(fixture, &daemon);
	for (int i = 0; i < 1002; i++) {
		(void)snprintf(id, sizeof(id), "%d", i);
		(void)page_put(fixture->queue,
		    &(struct page){id, "a", 1, 1, "+ann"}, now_ms);
	}
	buf_init(&out, 1 << 24);
	assert_true(metrics_write(
	    &daemon, &settings, now_ms, clock_mono_ms(), &out, &err));
	assert_false(out.failed);
	assert_non_null(memmem(out.data, out.len, first, strlen(first)));
	assert_non_null(memmem(out.data, out.len, others, strlen(others)));
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_states, fixture_setup, fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		test_incomplete, fixture_setup, fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		test_metrics, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
