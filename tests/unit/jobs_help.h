#ifndef TESTS_JOBS_HELP_H
#define TESTS_JOBS_HELP_H

/* A queue with an archive, and the operator's jobs on it. */

#include "queue_fixture.h"

#include "queue/admin.h"

static inline int
setup(void **state)
{
	struct fixture *fixture;

	(void)fixture_setup(state);
	fixture = *state;
	queue_test_close(fixture->queue);
	fixture->settings.keep_ms = INT64_MAX / 2;
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->destination = destination_test_open(fixture->queue, "heap");
	return 0;
}

static inline void
put(struct fixture *fixture, const char *prefix, size_t count,
    enum item_fate fate)
{
	struct answer answer;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", prefix, count, fate, &answer));
}

/* Deliver everything that is due; says how many events that were. */
static inline size_t
deliver(struct fixture *fixture)
{
	struct queue_lease *lease;
	size_t delivered = 0;

	while ((lease = take(fixture, 9000)) != NULL) {
		judge_all(lease, QUEUE_DELIVERED, 0);
		queue_test_settle(fixture->queue, lease, 9000);
		delivered += lease->count;
		queue_lease_free(fixture->queue, lease);
	}
	return delivered;
}

/* The event's bytes contain the text. */
static inline bool
contains(void *arg, const struct jobs_event *event)
{
	const char *text = arg;

	return memmem(event->data.data, event->data.len, text, strlen(text)) !=
	       NULL;
}

typedef bool
step_fn(struct queue *queue, struct jobs_walk *job, struct err *reterr);

static inline struct jobs_walk
run(struct fixture *fixture, enum jobs_place place, step_fn *step,
    const char *text)
{
	struct jobs_walk job = {
	    .cursor = {.place = place},
	    .match = text == NULL ? NULL : contains,
	    .arg = (void *)(uintptr_t)text,
	    .more = true,
	};
	struct err err;

	while (job.more) {
		if (!step(fixture->queue, &job, &err))
			fail_msg("step: %s", err.text);
	}
	return job;
}

static inline bool
replay(struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	return jobs_replay(queue, job, NULL, reterr);
}

static inline bool
drop(struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	return jobs_drop(queue, job, "operator", reterr);
}

#undef TEST
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

#endif
