#ifndef QUEUE_JOBS_H
#define QUEUE_JOBS_H

/*
 * Walking over a place for the operator's jobs, in steps. A step is bounded by
 * the clock and by the number of rows; it always makes some progress. A walk
 * ends at the last number that existed when it began; otherwise it would chase
 * new arrivals for ever. Every function needs the queue's lock, unless its
 * comment says that it takes the lock.
 */

#include "queue/delivery.h"

enum {
	JOBS_STEP_MS = 2,
	JOBS_STEP_BATCHES = 8,
	JOBS_STEP_ROWS = 64,
};

/* A batch, unpacked, and its delivery row or its row in the archive. */
struct jobs_batch {
	enum jobs_place place;
	struct delivery delivery; /* archive: its key and delivered bits */
	int64_t archive_id, settled_ms;
	/* archive: as counted; more than the batch has now if a person in it
	 * was erased while it was on lease */
	int64_t bytes;
	int64_t accepted_ms;
	struct batch batch;
};

/* Called for each batch of a step. */
typedef bool jobs_batch_fn(struct queue *queue, struct jobs_walk *job,
    struct jobs_batch *batch, void *arg, struct err *reterr);

/* One step over the queued or the archive. A batch that cannot be read is
 * counted in job->damaged and skipped. */
MUST_USE bool jobs_walk_batches(struct queue *queue, struct jobs_walk *job,
    jobs_batch_fn *fn, void *arg, struct err *reterr);

/* The n-th event of a batch as `match` sees it. */
struct jobs_event
jobs_batch_event(struct queue *queue, const struct jobs_batch *batch, size_t n);

/* Is it live: queued and not settled, or delivered? */
bool jobs_batch_live(const struct jobs_batch *batch, size_t n);

bool jobs_matches(const struct jobs_walk *job, const struct jobs_event *event);

/* A dead letter, lent for the call. */
struct jobs_dead {
	struct jobs_event event;
	int64_t destination;
	struct ledger_key key;
};

/* Called for each dead letter of a step that matches. */
typedef bool jobs_dead_fn(struct queue *queue, const struct jobs_dead *dead,
    void *arg, struct err *reterr);

/* One step over the dead letters; counts those that match. `fn` may be NULL. */
MUST_USE bool jobs_walk_dead(struct queue *queue, struct jobs_walk *job,
    jobs_dead_fn *fn, void *arg, struct err *reterr);

/* Delete a dead letter, and count where its event goes instead. */
MUST_USE bool jobs_dead_move(struct queue *queue, const struct jobs_dead *dead,
    struct stats_line moved, struct err *reterr);

/* Make one step as a change of its own; takes the lock. If it fails the job is
 * as it was. */
MUST_USE bool jobs_change(struct queue *queue, struct jobs_walk *job,
    queue_change_fn *step, void *arg, struct err *reterr);

/* ---- jobs_file.c ---- */

/* Empty the log by a truncating checkpoint, so that nothing that was deleted is
 * left in it. Takes the lock. */
MUST_USE bool jobs_log_empty(struct queue *queue, struct err *reterr);

#endif
