#ifndef QUEUE_EVICT_H
#define QUEUE_EVICT_H

/*
 * Deletes what gives way (queue/bounds.h), a few rows in a transaction, and
 * tells of it. Needs the queue's lock; owned by the committer thread.
 */

#include "base/str.h"
#include "queue/bounds.h"

enum evict_why {
	EVICT_AGE,
	EVICT_BYTES, /* above the bound of its kind */
	EVICT_ROOM,  /* in the way of a put */
	EVICT_WHYS   /* how many */
};

enum {
	EVICT_ROWS = 64,    /* in one transaction, beside what was added */
	EVICT_STUCK = 1024, /* of a kind; beyond it none of it goes */
};

/* What the thread remembers. */
struct evictions {
	int64_t ticked_mono_ms, saved_ms, told_mono_ms;
	/* gone, and not logged yet */
	struct {
		int64_t count, bytes;
	} gone[BOUNDS_KINDS][EVICT_WHYS];
	bool near[BOUNDS_KINDS], expiring; /* that was logged */
	/* Who has most of it, and the bytes that may be deleted before that is
	 * looked up again. */
	struct {
		struct str owner;
		int64_t bytes;
	} most[BOUNDS_KINDS];
	size_t added; /* rows, by puts, since some were deleted */
	/* Rows that cannot be deleted, because of damage: ids, ascending. */
	struct {
		int64_t ids[EVICT_STUCK];
		size_t count;
	} stuck[BOUNDS_KINDS];
};

/* May puts be written? With `evict` make room for them, if that is possible: in
 * transactions of their own, so that what was evicted stays evicted. ERR_FULL
 * if not. */
MUST_USE bool evict_room(struct queue *queue, bool evict, struct err *reterr);

/* Note what the puts that were just written have added: so much more goes in
 * the next transaction, or they could fill the queue. */
void evict_added(struct queue *queue);

/* Advance the clock of the ages, and save it now and then; `stop`: now. */
void evict_tick(struct queue *queue, int64_t mono_ms, bool stop);

/* Delete some of what is too old, or above the bound of its kind. *ret_more:
 * there is more of that. */
void evict_tidy(struct queue *queue, bool *ret_more);

/* Log what went, at most once a minute, and what will go soon. */
void evict_tell(struct queue *queue, int64_t mono_ms);

#endif
