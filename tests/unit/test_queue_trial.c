/* A destination on trial: each fresh batch once, and all of it stays queued. */

#include "queue_help.h"

static const int64_t now_ms = 1764000000000;

static void
put(struct queue *queue, const char *source, const char *prefix)
{
	struct answer answer;

	assert_true(queue_test_put(
	    queue, source, "kind", prefix, 2, ITEM_QUEUE, &answer));
}

/* How many events are handed out, each freed unsettled. */
static size_t
look(struct queue *queue, int64_t destination, int64_t *trial)
{
	struct queue_want want = {
	    .destination = destination, .bytes = 1, .after_seq = trial};
	struct queue_lease *lease;
	size_t events = 0;
	struct err err;

	for (;;) {
		assert_true(queue_take(queue, &want, 1, now_ms, &lease, &err));
		if (lease == NULL)
			return events;
		events += lease->count;
		queue_lease_free(queue, lease);
		assert_true(events < 100);
	}
}

static void
defer(struct queue *queue, int64_t destination)
{
	struct queue_lease *lease = queue_test_take(queue, destination, now_ms);

	assert_non_null(lease);
	lease->items[0].outcome = QUEUE_DEFERRED;
	lease->items[0].due_ms = now_ms - 1;
	queue_test_settle(queue, lease, now_ms);
	queue_lease_free(queue, lease);
}

static void
test_trial(void **state)
{
	char *dir = state_dir();
	struct queue_settings settings = queue_test_settings(dir);
	struct queue *queue = queue_test_open(&settings);
	struct queue_lease *lease;
	size_t events = 0;
	int64_t destination, trial = 0;

	(void)state;
	destination = destination_test_open(queue, "heap");
	put(queue, "a", "p");
	defer(queue, destination); /* one of two */
	put(queue, "b", "q");
	put(queue, "a", "r");
	assert_int_equal(look(queue, destination, &trial), 5);
	assert_int_equal(look(queue, destination, &trial), 0);
	put(queue, "a", "s");
	assert_int_equal(look(queue, destination, &trial), 2);
	assert_int_equal(look(queue, destination, &trial), 0);
	assert_int_equal(stats_destination_queued(queue, "heap"), 8);
	ledger_test_agree(queue);
	queue_test_close(queue);

	/* without it, all is there again */
	queue = queue_test_open(&settings);
	destination = destination_test_open(queue, "heap");
	while ((lease = queue_test_take(queue, destination, now_ms)) != NULL) {
		for (size_t i = 0; i < lease->count; i++) {
			lease->items[i].outcome = QUEUE_DELIVERED;
			queue_test_settle(queue, lease, now_ms);
			events++;
		}
		queue_lease_free(queue, lease);
	}
	assert_int_equal(events, 8);
	ledger_test_agree(queue);
	queue_test_close(queue);
	state_dir_remove(dir);
}

/* Batches on lease are passed over, and no others with them. */
static void
test_trial_beside_leases(void **state)
{
	char *dir = state_dir();
	struct queue_settings settings = queue_test_settings(dir);
	struct queue *queue = queue_test_open(&settings);
	int64_t destination = destination_test_open(queue, "heap"), trial = 0;
	struct queue_lease *leases[3];

	(void)state;
	put(queue, "a", "p");
	put(queue, "b", "q");
	put(queue, "a", "r");
	put(queue, "b", "s");
	for (int i = 0; i < 3; i++) /* p, q and r: sources take turns */
		leases[i] = queue_test_take(queue, destination, now_ms);
	put(queue, "a", "t");
	assert_int_equal(look(queue, destination, &trial), 4);
	for (int i = 0; i < 3; i++)
		queue_lease_free(queue, leases[i]);
	queue_test_close(queue);
	state_dir_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_trial),
	    cmocka_unit_test(test_trial_beside_leases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
