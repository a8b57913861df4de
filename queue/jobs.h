#ifndef QUEUE_JOBS_H
#define QUEUE_JOBS_H

/*
 * Walking over a place for the operator's jobs, in steps. A step is bounded by
 * the clock and by the number of rows; it always makes some progress, and its
 * changes are one transaction. Every function needs the queue's lock, unless
 * it says that it takes it.
 */

#include "queue/core.h"

enum {
	JOBS_STEP_MS = 2,
	JOBS_STEP_BATCHES = 8,
	JOBS_STEP_ROWS = 64,
	JOBS_PAGE_BYTES = 4 << 20, /* unpacked, before the last batch */
};

/* A batch, unpacked, and its row. */
struct jobs_batch {
	enum jobs_place place;
	const struct engine_delivery *delivery; /* queued, else NULL */
	const struct engine_archived *archived; /* archive, else NULL */
	struct str source, destination;
	int64_t accepted_ms;
	struct batch batch;
	unsigned char *done, *delivered; /* bits of all events, lent */
};

/* Called for each batch of a step; may append to the queue's changes. */
typedef bool jobs_batch_fn(struct queue *queue, struct jobs_walk *job,
    struct jobs_batch *batch, void *arg, struct err *reterr);

/* One step over the queued or the archive. A batch that cannot be read is
 * counted in job->damaged and skipped. */
MUST_USE bool jobs_walk_batches(struct queue *queue, struct jobs_walk *job,
    jobs_batch_fn *fn, void *arg, struct err *reterr);

/* Likewise, but takes the lock, and only to copy the batches: `fn` is called
 * without it, and changes nothing. Unpacking and matching keep a processor
 * busy; a thread that is preempted meanwhile must not keep the committer
 * waiting. */
MUST_USE bool jobs_read_batches(struct queue *queue, struct jobs_walk *job,
    jobs_batch_fn *fn, void *arg, struct err *reterr);

/* The n-th event of a batch as `match` sees it. */
struct jobs_event jobs_batch_event(const struct jobs_batch *batch, size_t n);

/* Is it live: queued and not settled, or delivered? */
bool jobs_batch_live(const struct jobs_batch *batch, size_t n);

bool jobs_matches(struct jobs_walk *job, const struct jobs_event *event);

/* Called for each dead letter of a step that matches; likewise. */
typedef bool jobs_dead_fn(struct queue *queue, struct str destination,
    const struct dead_letter *letter, void *arg, struct err *reterr);

/* One step over the dead letters; counts those that match. `fn` may be NULL; if
 * it is not, these letters are deleted, and it counts where they go. */
MUST_USE bool jobs_walk_dead(struct queue *queue, struct jobs_walk *job,
    jobs_dead_fn *fn, void *arg, struct err *reterr);

/* Count where a letter goes; with a rule if it is dropped. */
MUST_USE bool
jobs_dead_count(struct queue *queue, const struct dead_letter *letter,
    struct stats_line moved, struct str rule, struct err *reterr);

/* Make one step as a change of its own; takes the lock. If it fails the job is
 * as it was. */
MUST_USE bool jobs_change(struct queue *queue, struct jobs_walk *job,
    queue_change_fn *step, void *arg, struct err *reterr);

#endif
