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
	assert_memory_equal(lease->items[1].type.data, "Open", 4);
	assert_memory_equal(lease->items[1].data.data,
	    "{\"id\":\"a-1\",\"kind\":\"Open\"}", lease->items[1].data.len);
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

/* When something more is due, after a take for which nothing was. */
static int64_t
next_due_ms(struct fixture *fixture)
{
	struct queue_want want = {.destination = fixture->destination};
	struct queue_lease *lease;
	struct err err;

	assert_true(queue_take(fixture->queue, &want, 1, 1, &lease, &err));
	assert_null(lease);
	return want.next_ms;
}

static void
test_deferred_is_repacked(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *first, *second, *lease, *both[2];
	struct answer answer;
	struct err err;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 2, ITEM_QUEUE, &answer));
	assert_true(queue_test_put(
	    fixture->queue, "main", "Click", "b", 2, ITEM_QUEUE, &answer));
	both[0] = first = take(fixture, 1000);
	both[1] = second = take(fixture, 1000);
	second->items[0].outcome = QUEUE_DEFERRED;
	second->items[0].due_ms = 9000;
	first->items[1].outcome = QUEUE_DEFERRED;
	first->items[1].due_ms = 9000;
	first->items[0].outcome = QUEUE_DELIVERED;
	assert_true(queue_settle(fixture->queue, both, 2, 5000, &err));
	assert_int_equal(first->open, 0);
	assert_int_equal(second->open, 1);
	assert_true(second->items[0].settled);
	assert_false(second->items[1].settled);
	/* repeating changes nothing, nor does it to one that was not told */
	assert_true(queue_settle(fixture->queue, both, 2, 5000, &err));
	first->items[1].settled = second->items[0].settled = false;
	first->open++;
	second->open++;
	assert_true(queue_settle(fixture->queue, both, 2, 5000, &err));
	assert_int_equal(totals(fixture).delivered, 1);
	assert_int_equal(totals(fixture).queued, 3);
	queue_lease_free(fixture->queue, first);
	queue_lease_free(fixture->queue, second);

	lease = take(fixture, 8999); /* what is left of the second */
	assert_int_equal(lease->count, 1);
	assert_int_equal(lease->items[0].index, 1);
	assert_null(take(fixture, 8999));
	assert_int_equal(next_due_ms(fixture), 9000);
	first = take(fixture, 9000); /* one batch, in the order of acceptance */
	assert_int_equal(first->count, 2);
	assert_int_equal(first->attempts, 1);
	assert_memory_equal(first->items[0].data.data, "{\"id\":\"a-1\"", 11);
	assert_memory_equal(first->items[1].data.data, "{\"id\":\"b-0\"", 11);
	assert_int_equal(next_due_ms(fixture), INT64_MAX);
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
	assert_memory_equal(first->items[0].data.data, "{\"id\":\"a-0\"", 11);
	queue_lease_free(fixture->queue, second);
	queue_lease_free(fixture->queue, first);
	first = take(fixture, 1);
	assert_memory_equal(first->items[0].data.data, "{\"id\":\"a-0\"", 11);
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

/* It never posted, so there is nothing to save but that it stops in order. */
static void
test_a_stop_without_a_state(void **state)
{
	struct fixture *fixture = *state;
	struct queue_destination destination;
	struct err err;

	if (!queue_destination_save(
		fixture->queue, fixture->destination, NULL, 0, true, &err))
		fail_msg("%s", err.text);
	assert_true(
	    queue_destination_open(fixture->queue, "heap", &destination, &err));
	assert_true(destination.clean);
	assert_int_equal(destination.state.len, 0);
	queue_destination_fini(&destination);
}

/* A text of no length is one, too. */
static void
test_empty_texts(void **state)
{
	struct fixture *fixture = *state;
	struct item items[2] = {
	    {.fate = ITEM_QUEUE, .id = STR("a")},
	    {.fate = ITEM_DEAD, .id = STR("b"), .reason = ""},
	};
	struct queue_drift drift = {.text = "", .events = 1};
	struct queue_batch batch = {.source = "",
	    .destination = "heap",
	    .now_ms = 1764000000000,
	    .items = items,
	    .count = 2,
	    .drift = &drift,
	    .drift_count = 1};
	struct answer answer;
	struct queue_lease *lease;
	struct err err;

	answer_init(&answer);
	assert_true(
	    queue_put(fixture->queue, &batch, answer_done, &answer, &err));
	if (!answer_wait(&answer))
		fail_msg("%s", answer.err.text);
	lease = take(fixture, 1);
	assert_int_equal(lease->count, 1);
	lease->items[0].outcome = QUEUE_DEAD;
	lease->items[0].reason = "";
	settle(fixture, lease);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(totals(fixture).dead, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_stop_without_a_state),
	    TEST(test_empty_texts),
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
