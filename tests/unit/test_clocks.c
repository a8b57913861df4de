/*
 * What a restart does not forget: the clocks of others, and of a destination.
 */

#include "queue_fixture.h"

/* When a destination last took something outlives a crash; what was refused
 * is no such thing. */
static void
test_delivered_clock(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct answer answer;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Click", "a", 2, ITEM_QUEUE, &answer));
	lease = take(fixture, 1);
	assert_int_equal(
	    stats_destination_delivered_ms(fixture->queue, "heap"), 0);
	settle_all(fixture, lease, QUEUE_DEAD, 0);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(
	    stats_destination_delivered_ms(fixture->queue, "heap"), 0);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Click", "b", 2, ITEM_QUEUE, &answer));
	lease = take(fixture, 1);
	settle_all(fixture, lease, QUEUE_DELIVERED, 0);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(
	    stats_destination_delivered_ms(fixture->queue, "heap"), 5000);
	assert_int_equal(
	    stats_destination_delivered_ms(fixture->queue, "none"), 0);
	reopen(fixture);
	assert_int_equal(
	    stats_destination_delivered_ms(fixture->queue, "heap"), 5000);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Click", "c", 2, ITEM_QUEUE, &answer));
	assert_int_equal(
	    stats_destination_delivered_ms(fixture->queue, "heap"), 5000);
}

static void
test_paused_can_be_seen(void **state)
{
	struct fixture *fixture = *state;
	struct err err;

	assert_false(stats_destination_paused(fixture->queue, "heap"));
	assert_true(
	    queue_destination_pause(fixture->queue, "heap", true, &err));
	assert_true(stats_destination_paused(fixture->queue, "heap"));
	assert_false(stats_destination_paused(fixture->queue, "none"));
}

static void
clocks_are(struct queue *queue, enum queue_clocks what, const char *expected)
{
	struct buf clocks;
	struct err err;

	buf_init(&clocks, 100);
	assert_true(queue_clocks_read(queue, what, &clocks, &err));
	assert_int_equal(clocks.len, strlen(expected));
	assert_memory_equal(clocks.data, expected, clocks.len);
	buf_fini(&clocks);
}

/* The committer writes what was noted last; the stop does not wait its turn. */
static void
test_clocks_are_kept(void **state)
{
	struct fixture *fixture = *state;
	struct err err;

	clocks_are(fixture->queue, QUEUE_CLOCKS_SOURCES, "");
	clocks_are(fixture->queue, QUEUE_CLOCKS_NOTICES, "");
	for (int i = 0; i < 3; i++) {
		char text[] = "clocks 0";

		text[7] = (char)('0' + i);
		assert_true(queue_clocks_save(
		    fixture->queue, QUEUE_CLOCKS_SOURCES, "early", 5, &err));
		assert_true(queue_clocks_save(fixture->queue,
		    QUEUE_CLOCKS_SOURCES, text, strlen(text), &err));
		if (i == 1)
			assert_true(queue_clocks_save(fixture->queue,
			    QUEUE_CLOCKS_NOTICES, "told", 4, &err));
		reopen(fixture);
		clocks_are(fixture->queue, QUEUE_CLOCKS_SOURCES, text);
		clocks_are(
		    fixture->queue, QUEUE_CLOCKS_NOTICES, i == 0 ? "" : "told");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_delivered_clock),
	    TEST(test_paused_can_be_seen),
	    TEST(test_clocks_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
