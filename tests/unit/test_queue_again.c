/*
 * What goes wrong once and then not: damage that a disk made up, a clock
 * that was wrong, one put that fails beside others, a full table of drift.
 */

#include "queue_fixture.h"

static void
test_the_quarantined_are_tried_again(void **state)
{
	struct fixture *fixture = *state;
	struct stats_totals totals_now;
	struct queue_lease *lease;
	struct answer answer;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 3, ITEM_QUEUE, &answer));
	/* for a while its batch cannot be read */
	batches_move(fixture, 1000);
	assert_null(take(fixture, 1));
	stats_totals(fixture->queue, &totals_now);
	assert_int_equal(totals_now.quarantined_batches, 1);
	ledger_test_agree(fixture->queue);
	batches_move(fixture, -1000);
	reopen(fixture);
	lease = take(fixture, 1);
	assert_non_null(lease);
	assert_int_equal(lease->count, 3);
	queue_lease_free(fixture->queue, lease);
	stats_totals(fixture->queue, &totals_now);
	assert_int_equal(totals_now.quarantined_batches, 0);
}

static void
test_a_clock_set_back(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct answer answer;
	int64_t wrong_ms = 2000000000000, right_ms = 1764000000000;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 2, ITEM_QUEUE, &answer));
	lease = take(fixture, wrong_ms);
	settle_all(fixture, lease, QUEUE_DEFERRED, wrong_ms + 60000);
	queue_lease_free(fixture->queue, lease);
	assert_null(take(fixture, wrong_ms));
	lease = take(fixture, right_ms);
	assert_non_null(lease);
	assert_int_equal(lease->count, 2);
	queue_lease_free(fixture->queue, lease);
}

static void
test_one_bad_put_fails_alone(void **state)
{
	struct fixture *fixture = *state;
	struct item good = {
	    .type = STR("Open"), .id = STR("1"), .data = STR("{}")};
	struct queue_batch batch = {
	    .destination = "heap", .now_ms = 1, .items = &good, .count = 1};
	struct answer answers[3];
	struct err err;

	queue_test_close(fixture->queue);
	fixture->settings.sources_max = 1;
	assert_true(queue_open(&fixture->settings, &fixture->queue, &err));
	/* handed over before the committer runs, they are one group */
	for (int i = 0; i < 3; i++) {
		batch.source = i == 1 ? "second" : "main";
		answer_init(&answers[i]);
		assert_true(queue_put(
		    fixture->queue, &batch, answer_done, &answers[i], &err));
	}
	assert_true(queue_start(fixture->queue, &err));
	assert_true(answer_wait(&answers[0]));
	assert_false(answer_wait(&answers[1]));
	assert_true(answer_wait(&answers[2]));
	assert_int_equal(answers[0].receipt.queued, 1);
	assert_int_equal(answers[0].receipt.received, 1);
	assert_int_equal(answers[1].err.code, ERR_LIMIT);
	assert_int_equal(answers[2].receipt.duplicates, 1);
}

static bool
note_drift(void *arg, const char *text, int64_t events, int64_t first_ms,
    int64_t last_ms)
{
	char *all = arg;

	(void)first_ms;
	(void)last_ms;
	(void)snprintf(
	    all + strlen(all), 200 - strlen(all), "%s=%d ", text, (int)events);
	return true;
}

static void
test_a_full_table_still_counts(void **state)
{
	struct fixture *fixture = *state;
	const char *texts[] = {"one", "two", "three", "two", "one"};
	char all[200] = "";
	struct err err;

	queue_test_close(fixture->queue);
	fixture->settings.drift_max = 2;
	fixture->queue = queue_test_open(&fixture->settings);
	for (size_t i = 0; i < 5; i++) {
		struct queue_drift drift = {.text = texts[i], .events = 1};
		struct queue_batch batch = {.source = "main",
		    .destination = "heap",
		    .now_ms = 1,
		    .drift = &drift,
		    .drift_count = 1};
		struct answer answer;

		answer_init(&answer);
		assert_true(queue_put(
		    fixture->queue, &batch, answer_done, &answer, &err));
		assert_true(answer_wait(&answer));
	}
	assert_true(stats_drift(fixture->queue, note_drift, all, &err));
	assert_string_equal(all, "(more)=1 one=2 two=2 ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_the_quarantined_are_tried_again),
	    TEST(test_a_clock_set_back),
	    TEST(test_one_bad_put_fails_alone),
	    TEST(test_a_full_table_still_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
