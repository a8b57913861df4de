#ifndef TESTS_QUEUE_FIXTURE_H
#define TESTS_QUEUE_FIXTURE_H

/* An open queue with one destination, for each test anew; the ledger must
 * agree at its end. */

#include "queue_help.h"

#include "queue/core.h"
#include "queue/sqlite/sqlite.h"

#include <sqlite3.h>

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

/* Move every batch to where its delivery row does not look for it, or back. */
static inline void
batches_move(struct fixture *fixture, int by)
{
	struct queue *queue = fixture->queue;
	char sql[64];

	(void)snprintf(sql, sizeof(sql), "UPDATE batch SET seq=seq+%d", by);
	fair_lock_hold(&queue->lock);
	if (on_memory())
		memory_batches_move(queue->store, by);
	else
		assert_int_equal(sqlite3_exec(sqlite_connection(queue->store),
				     sql, NULL, NULL, NULL),
		    SQLITE_OK);
	fair_lock_drop(&queue->lock);
}

static inline struct queue_lease *
take(struct fixture *fixture, int64_t now_ms)
{
	return queue_test_take(fixture->queue, fixture->destination, now_ms);
}

static inline void
settle(struct fixture *fixture, struct queue_lease *lease)
{
	queue_test_settle(fixture->queue, lease, 5000);
}

/* Give every item this outcome, without settling it. */
static inline void
judge_all(struct queue_lease *lease, enum queue_outcome outcome, int64_t due_ms)
{
	static const struct queue_detail detail = {
	    .posts = 1, .status = 400, .answer = STR("no"), .sent = STR("{}")};

	for (size_t i = 0; i < lease->count; i++) {
		lease->items[i].outcome = outcome;
		lease->items[i].due_ms = due_ms;
		lease->items[i].reason = "refused";
		lease->items[i].detail = &detail;
	}
}

static inline void
settle_all(struct fixture *fixture, struct queue_lease *lease,
    enum queue_outcome outcome, int64_t due_ms)
{
	judge_all(lease, outcome, due_ms);
	settle(fixture, lease);
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
