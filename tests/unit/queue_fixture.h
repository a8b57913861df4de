#ifndef TESTS_QUEUE_FIXTURE_H
#define TESTS_QUEUE_FIXTURE_H

/* An open queue with one destination, for each test anew; the ledger must
 * agree at its end. */

#include "queue_help.h"

struct fixture {
	char *dir;
	struct queue_settings settings;
	struct queue *queue;
	int64_t destination;
};

static inline int
fixture_setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->dir = state_dir();
	fixture->settings = queue_test_settings(fixture->dir);
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->destination = destination_test_open(fixture->queue, "heap");
	*state = fixture;
	return 0;
}

static inline int
fixture_teardown(void **state)
{
	struct fixture *fixture = *state;

	if (fixture->queue != NULL) {
		ledger_test_agree(fixture->queue);
		queue_test_close(fixture->queue);
	}
	state_dir_remove(fixture->dir);
	free(fixture);
	return 0;
}

static inline void
reopen(struct fixture *fixture)
{
	queue_test_close(fixture->queue);
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->destination = destination_test_open(fixture->queue, "heap");
}

static inline struct queue_lease *
take(struct fixture *fixture, int64_t now_ms)
{
	struct queue_lease *lease = NULL;
	struct err err;

	if (!queue_take(
		fixture->queue, fixture->destination, now_ms, &lease, &err))
		fail_msg("queue_take: %s", err.text);
	return lease;
}

static inline void
settle_all(struct fixture *fixture, const struct queue_lease *lease,
    enum queue_outcome outcome, int64_t due_ms)
{
	struct queue_verdict verdicts[64];
	struct err err;

	assert_true(lease->count <= 64);
	for (size_t i = 0; i < lease->count; i++)
		verdicts[i] = (struct queue_verdict){.lease = lease,
		    .event = i,
		    .outcome = outcome,
		    .due_ms = due_ms,
		    .reason = "refused",
		    .status = 400,
		    .answer = STR("no"),
		    .sent = STR("{}")};
	if (!queue_settle(fixture->queue, verdicts, lease->count, 5000, &err))
		fail_msg("queue_settle: %s", err.text);
}

static inline struct stats_line
totals(struct fixture *fixture)
{
	struct stats_totals totals;

	stats_totals(fixture->queue, &totals);
	return totals.events;
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
