/*
 * Two queues that share a store, as two machines would, and a store that fails
 * in the middle: on the engine in memory, since SQLite always grants claims.
 */

#include "queue_fixture.h"

/* Wait until the store is open again. */
static void
wait_open(struct fixture *fixture)
{
	struct answer answer;
	bool ok = false;
	struct err err;

	while (!ok) {
		answer_init(&answer);
		assert_true(
		    queue_probe(fixture->queue, 1, answer_done, &answer, &err));
		ok = answer_wait(&answer);
	}
}

static int
setup(void **state)
{
	assert_int_equal(setenv("CURRENTSD_ENGINE", "memory", 1), 0);
	(void)fixture_setup(state);
	/* The committer's first round is over when the second probe is
	 * answered; it would meet the failures that the tests order. */
	wait_open(*state);
	wait_open(*state);
	return 0;
}

static void
put(struct fixture *fixture, const char *prefix, size_t count)
{
	struct answer answer;

	assert_true(queue_test_put(fixture->queue, "main", "Open", prefix,
	    count, ITEM_QUEUE, &answer));
}

static bool
post(struct queue *queue, struct queue_lease *lease, const char *rules,
    struct err *reterr)
{
	return queue_post(queue, &lease, 1, str_text(rules), reterr);
}

/* What came to a machine, in the order of its posts. */
static void
test_a_claim_is_one_machines(void **state)
{
	struct fixture *fixture = *state;
	struct queue_destination destination;
	struct queue *second = queue_test_open(&fixture->settings);
	struct err err;

	assert_false(
	    queue_destination_open(second, "heap", &destination, &err));
	assert_int_equal(err.code, ERR_BUSY);
	assert_true(queue_destination_save(
	    fixture->queue, fixture->destination, "end", 3, true, &err));
	assert_true(queue_destination_open(second, "heap", &destination, &err));
	assert_int_equal(destination.state.len, 3);
	queue_destination_fini(&destination);
	queue_test_close(second);
}

/* The loser settles nothing, and posts nothing after the successor's first
 * post; nothing is lost. */
static void
test_a_claim_lost_in_the_middle(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *ours[2], *theirs;
	struct queue *second;
	int64_t destination;
	size_t delivered = 0;
	struct err err;

	put(fixture, "a", 4);
	put(fixture, "b", 4);
	ours[0] = take(fixture, 1);
	ours[1] = take(fixture, 1);
	assert_true(post(fixture->queue, ours[0], "ours", &err));
	ours[0]->items[0].outcome = QUEUE_DELIVERED;
	settle(fixture, ours[0]);

	second = queue_test_open(&fixture->settings);
	memory_claim_lose(fixture->queue->store, "heap");
	destination = destination_test_open(second, "heap");
	theirs = queue_test_take(second, destination, 1);
	/* what may be at the destination is known, and by which rules */
	assert_int_equal(theirs->count, 3);
	assert_true(str_equal_text(theirs->rules, "ours"));
	assert_true(post(second, theirs, "theirs", &err));
	assert_true(str_equal_text(theirs->rules, "ours"));

	judge_all(ours[0], QUEUE_DELIVERED, 0);
	judge_all(ours[1], QUEUE_DEAD, 0);
	for (int i = 0; i < 2; i++) {
		assert_false(post(fixture->queue, ours[i], "ours", &err));
		assert_int_equal(err.code, ERR_BUSY);
	}
	assert_false(queue_settle(fixture->queue, ours, 2, 5000, &err));
	assert_int_equal(err.code, ERR_BUSY);
	assert_int_equal(ours[0]->open, 3);
	assert_int_equal(ours[1]->open, 4);
	assert_false(queue_destination_save(
	    fixture->queue, fixture->destination, "end", 3, true, &err));
	assert_int_equal(err.code, ERR_BUSY);
	queue_lease_free(fixture->queue, ours[0]);
	queue_lease_free(fixture->queue, ours[1]);

	for (; theirs != NULL;
	     theirs = queue_test_take(second, destination, 1)) {
		judge_all(theirs, QUEUE_DELIVERED, 0);
		queue_test_settle(second, theirs, 5000);
		delivered += theirs->count;
		queue_lease_free(second, theirs);
	}
	assert_int_equal(delivered, 7);
	ledger_test_agree(second);
	queue_test_close(second);
	/* its sums are those of before */
	queue_test_close(fixture->queue);
	fixture->queue = queue_test_open(&fixture->settings);
	assert_int_equal(totals(fixture).delivered, 8);
	assert_int_equal(totals(fixture).queued, 0);
}

/* A claim that is lost is noticed without a write, and nothing more is lent. */
static void
test_a_lost_claim_is_noticed(void **state)
{
	struct fixture *fixture = *state;
	struct queue_want want = {.destination = fixture->destination};
	struct queue_lease *lease;
	struct err err;

	put(fixture, "a", 1);
	memory_claim_lose(fixture->queue->store, "heap");
	for (int tries = 0;; tries++) {
		assert_true(
		    queue_take(fixture->queue, &want, 1, 1, &lease, &err));
		if (lease == NULL)
			break;
		queue_lease_free(fixture->queue, lease);
		assert_true(tries < 3000);
		(void)usleep(10000);
	}
	/* and it can be had again */
	fixture->destination = destination_test_open(fixture->queue, "heap");
	lease = take(fixture, 1);
	assert_non_null(lease);
	queue_lease_free(fixture->queue, lease);
}

/* A settling whose end is unknown is repeated, and nothing happens twice,
 * though half of it is another outcome then. */
static void
test_settling_in_doubt(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease, *rest;
	struct err err;

	for (int made = 0; made < 2; made++) {
		put(fixture, made ? "made" : "not made", 3);
		lease = take(fixture, 1);
		assert_true(post(fixture->queue, lease, "rules", &err));
		judge_all(lease, QUEUE_DELIVERED, 0);
		lease->items[1].outcome = QUEUE_DEFERRED;
		lease->items[1].due_ms = 7;
		memory_fail_next(fixture->queue->store, made != 0);
		assert_false(
		    queue_settle(fixture->queue, &lease, 1, 5000, &err));
		assert_int_equal(err.code, ERR_IO);
		assert_int_equal(lease->open, 3);
		wait_open(fixture);
		settle(fixture, lease);
		assert_int_equal(lease->open, 0);
		queue_lease_free(fixture->queue, lease);
		rest = take(fixture, 7);
		assert_int_equal(rest->count, 1);
		settle_all(fixture, rest, QUEUE_DELIVERED, 0);
		queue_lease_free(fixture->queue, rest);
		assert_null(take(fixture, 7));
		ledger_test_agree(fixture->queue);
	}
	assert_int_equal(totals(fixture).delivered, 6);
}

/* The rules of a first post in doubt may be durable: then they count. */
static void
test_posting_in_doubt(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct err err;

	for (int made = 0; made < 2; made++) {
		put(fixture, made ? "made" : "not made", 1);
		lease = take(fixture, 1);
		memory_fail_next(fixture->queue->store, made != 0);
		assert_false(post(fixture->queue, lease, "first", &err));
		assert_int_equal(err.code, ERR_IO);
		assert_int_equal(lease->rules.len, 0);
		wait_open(fixture);
		assert_true(post(fixture->queue, lease, "second", &err));
		assert_true(
		    str_equal_text(lease->rules, made ? "first" : "second"));
		settle_all(fixture, lease, QUEUE_DELIVERED, 0);
		queue_lease_free(fixture->queue, lease);
	}
}

/* A put in doubt is refused; if it was made, its repetition is a duplicate. */
static void
test_a_put_in_doubt(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	for (int made = 0; made < 2; made++) {
		const char *prefix = made ? "made" : "not made";

		fair_lock_hold(&fixture->queue->lock);
		memory_fail_next(fixture->queue->store, made != 0);
		fair_lock_drop(&fixture->queue->lock);
		assert_false(queue_test_put(fixture->queue, "main", "Open",
		    prefix, 2, ITEM_QUEUE, &answer));
		assert_int_equal(answer.err.code, ERR_IO);
		wait_open(fixture);
		assert_true(queue_test_put(fixture->queue, "main", "Open",
		    prefix, 2, ITEM_QUEUE, &answer));
		assert_int_equal(answer.receipt.duplicates, made ? 2 : 0);
	}
	assert_int_equal(totals(fixture).queued, 4);
}

#undef TEST
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_claim_is_one_machines),
	    TEST(test_a_claim_lost_in_the_middle),
	    TEST(test_a_lost_claim_is_noticed),
	    TEST(test_settling_in_doubt),
	    TEST(test_posting_in_doubt),
	    TEST(test_a_put_in_doubt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
