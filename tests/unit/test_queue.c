/*
 * The promises of queue.h to the server and the forwarder: durable puts,
 * duplicates, leases, settling that may be repeated.
 */

#include "queue_fixture.h"

static void
test_put_take_settle(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct answer answer;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 3, ITEM_QUEUE, &answer));
	assert_int_equal(answer.receipt.received, 3);
	assert_int_equal(answer.receipt.queued, 3);
	assert_int_equal(stats_destination_queued(fixture->queue, "heap"), 3);

	lease = take(fixture, 1000);
	assert_non_null(lease);
	assert_int_equal(lease->count, 3);
	assert_string_equal(lease->source, "main");
	assert_int_equal(lease->accepted_ms, 1764000000000);
	assert_memory_equal(lease->events[1].type.data, "Open", 4);
	assert_memory_equal(lease->events[1].data.data,
	    "{\"id\":\"a-1\",\"kind\":\"Open\"}", lease->events[1].data.len);
	assert_null(take(fixture, 1000)); /* one holder at a time */

	settle_all(fixture, lease, QUEUE_DELIVERED, 0);
	queue_lease_free(fixture->queue, lease);
	assert_null(take(fixture, 1000));
	assert_int_equal(totals(fixture).delivered, 3);
	assert_int_equal(totals(fixture).queued, 0);
	assert_int_equal(stats_destination_queued(fixture->queue, "heap"), 0);
}

static void
test_survives_reopen(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct answer answer;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 5, ITEM_QUEUE, &answer));
	reopen(fixture);
	assert_int_equal(totals(fixture).queued, 5);
	assert_int_equal(stats_destination_queued(fixture->queue, "heap"), 5);
	lease = take(fixture, 1000);
	assert_int_equal(lease->count, 5);
	queue_lease_free(fixture->queue, lease);
}

static void
test_duplicates_are_told(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 3, ITEM_QUEUE, &answer));
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 5, ITEM_QUEUE, &answer));
	assert_int_equal(answer.receipt.duplicates, 3);
	assert_int_equal(answer.receipt.queued, 2);
	/* another source, another type: not the same event */
	assert_true(queue_test_put(
	    fixture->queue, "other", "Open", "a", 1, ITEM_QUEUE, &answer));
	assert_int_equal(answer.receipt.queued, 1);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Click", "a", 1, ITEM_QUEUE, &answer));
	assert_int_equal(answer.receipt.queued, 1);
	/* the window outlives the process and the batches */
	for (struct queue_lease *lease; (lease = take(fixture, 1)) != NULL;) {
		settle_all(fixture, lease, QUEUE_DELIVERED, 0);
		queue_lease_free(fixture->queue, lease);
	}
	reopen(fixture);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 5, ITEM_QUEUE, &answer));
	assert_int_equal(answer.receipt.duplicates, 5);
	assert_null(take(fixture, 1000));
}

static void
test_window_forgets_the_oldest(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	queue_test_close(fixture->queue);
	fixture->settings.window_events = 10;
	fixture->queue = queue_test_open(&fixture->settings);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 8, ITEM_QUEUE, &answer));
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "b", 8, ITEM_QUEUE, &answer));
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "b", 8, ITEM_QUEUE, &answer));
	assert_int_equal(answer.receipt.duplicates, 8);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 6, ITEM_QUEUE, &answer));
	assert_int_equal(answer.receipt.duplicates, 0);
	reopen(fixture);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 6, ITEM_QUEUE, &answer));
	assert_int_equal(answer.receipt.duplicates, 6);
}

static void
test_deferred_is_repacked(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *first, *second, *lease;
	struct queue_verdict verdicts[3];
	struct answer answer;
	struct err err;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 2, ITEM_QUEUE, &answer));
	assert_true(queue_test_put(
	    fixture->queue, "main", "Click", "b", 2, ITEM_QUEUE, &answer));
	first = take(fixture, 1000);
	second = take(fixture, 1000);
	verdicts[0] = (struct queue_verdict){.lease = second,
	    .event = 0,
	    .outcome = QUEUE_DEFERRED,
	    .due_ms = 9000};
	verdicts[1] = (struct queue_verdict){.lease = first,
	    .event = 1,
	    .outcome = QUEUE_DEFERRED,
	    .due_ms = 9000};
	verdicts[2] = (struct queue_verdict){
	    .lease = first, .event = 0, .outcome = QUEUE_DELIVERED};
	assert_true(queue_settle(fixture->queue, verdicts, 3, 5000, &err));
	/* repeating changes nothing */
	assert_true(queue_settle(fixture->queue, verdicts, 3, 5000, &err));
	assert_int_equal(totals(fixture).delivered, 1);
	assert_int_equal(totals(fixture).queued, 3);
	queue_lease_free(fixture->queue, first);
	queue_lease_free(fixture->queue, second);

	assert_int_equal(
	    queue_due_ms(fixture->queue, fixture->destination), 9000);
	lease = take(fixture, 8999); /* what is left of the second */
	assert_int_equal(lease->count, 1);
	assert_int_equal(lease->events[0].index, 1);
	assert_null(take(fixture, 8999));
	first = take(fixture, 9000); /* one batch, in the order of acceptance */
	assert_int_equal(first->count, 2);
	assert_int_equal(first->attempts, 1);
	assert_memory_equal(first->events[0].data.data, "{\"id\":\"a-1\"", 11);
	assert_memory_equal(first->events[1].data.data, "{\"id\":\"b-0\"", 11);
	assert_int_equal(
	    queue_due_ms(fixture->queue, fixture->destination), INT64_MAX);
	queue_lease_free(fixture->queue, lease);
	queue_lease_free(fixture->queue, first);
}

static void
test_lease_given_back_is_due_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *first, *second;
	struct answer answer;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 2, ITEM_QUEUE, &answer));
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "b", 2, ITEM_QUEUE, &answer));
	first = take(fixture, 1);
	second = take(fixture, 1);
	queue_lease_free(fixture->queue, first);
	first = take(fixture, 1);
	assert_memory_equal(first->events[0].data.data, "{\"id\":\"a-0\"", 11);
	queue_lease_free(fixture->queue, second);
	queue_lease_free(fixture->queue, first);
	first = take(fixture, 1);
	assert_memory_equal(first->events[0].data.data, "{\"id\":\"a-0\"", 11);
	queue_lease_free(fixture->queue, first);
}

static void
test_sources_take_turns(void **state)
{
	struct fixture *fixture = *state;
	const char *expected[] = {"one", "two", "one", "two", "one", "one"};
	struct queue_lease *leases[6];
	struct answer answer;
	char prefix[16];

	for (int i = 0; i < 4; i++) {
		(void)snprintf(prefix, sizeof(prefix), "p%d", i);
		assert_true(queue_test_put(fixture->queue, "one", "Open",
		    prefix, 1, ITEM_QUEUE, &answer));
	}
	for (int i = 0; i < 2; i++) {
		(void)snprintf(prefix, sizeof(prefix), "p%d", i);
		assert_true(queue_test_put(fixture->queue, "two", "Open",
		    prefix, 1, ITEM_QUEUE, &answer));
	}
	for (int i = 0; i < 6; i++) {
		leases[i] = take(fixture, 1);
		assert_string_equal(leases[i]->source, expected[i]);
	}
	for (int i = 0; i < 6; i++)
		queue_lease_free(fixture->queue, leases[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_put_take_settle),
	    TEST(test_survives_reopen),
	    TEST(test_duplicates_are_told),
	    TEST(test_window_forgets_the_oldest),
	    TEST(test_deferred_is_repacked),
	    TEST(test_lease_given_back_is_due_at_once),
	    TEST(test_sources_take_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
