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
look(struct queue *queue, int64_t destination)
{
	struct queue_lease *lease;
	size_t events = 0;
	struct err err;

	for (;;) {
		assert_true(
		    queue_take(queue, destination, now_ms, &lease, &err));
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
	struct queue_verdict verdict = {
	    .outcome = QUEUE_DEFERRED, .due_ms = now_ms - 1};
	struct queue_lease *lease;
	struct err err;

	assert_true(queue_take(queue, destination, now_ms, &lease, &err));
	verdict.lease = lease;
	assert_true(queue_settle(queue, &verdict, 1, now_ms, &err));
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
	struct err err;
	int64_t destination;

	(void)state;
	destination = destination_test_open(queue, "heap");
	put(queue, "a", "p");
	defer(queue, destination); /* one of two */
	put(queue, "b", "q");
	put(queue, "a", "r");
	queue_destination_trial(queue, destination);
	assert_int_equal(look(queue, destination), 5);
	assert_int_equal(look(queue, destination), 0);
	put(queue, "a", "s");
	assert_int_equal(look(queue, destination), 2);
	assert_int_equal(look(queue, destination), 0);
	assert_int_equal(stats_destination_queued(queue, "heap"), 8);
	ledger_test_agree(queue);
	queue_test_close(queue);

	/* without it, all is there again */
	queue = queue_test_open(&settings);
	destination = destination_test_open(queue, "heap");
	for (;;) {
		assert_true(
		    queue_take(queue, destination, now_ms, &lease, &err));
		if (lease == NULL)
			break;
		for (size_t i = 0; i < lease->count; i++) {
			struct queue_verdict verdict = {.lease = lease,
			    .event = i,
			    .outcome = QUEUE_DELIVERED};

			assert_true(
			    queue_settle(queue, &verdict, 1, now_ms, &err));
			events++;
		}
		queue_lease_free(queue, lease);
	}
	assert_int_equal(events, 8);
	ledger_test_agree(queue);
	queue_test_close(queue);
	state_dir_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_trial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
