#ifndef QUEUE_LEASE_H
#define QUEUE_LEASE_H

/*
 * A batch on lease: in memory only, so a crash ends it. It has the delivery row
 * as it was read or written last; if a job has changed it since, the versions
 * differ, and the row is read again (lease_reread). Every function needs the
 * queue's lock, unless it says otherwise.
 */

#include "queue/core.h"

/* The public part comes first, so that a pointer to one is a pointer to the
 * other. */
struct lease {
	struct queue_lease shown;
	struct lease *next,
	    **link; /* of queue->leases, and what points to it */
	struct engine_delivery row;
	int64_t source; /* of the ledger */
	bool gone;	/* the row is no more: all was settled */
	bool listed;	/* for lease_unique() */
	struct batch batch;
	struct queue_group *group; /* of a set; owned, with its texts */
	size_t checked;		   /* items that were looked at: queue/set.h */
	unsigned char *done, *delivered; /* bits of the row; owned, in one */
	char *parked;			 /* text of the row; owned */
};

static inline struct lease *
lease_of(const struct queue_lease *lease)
{
	return (struct lease *)(uintptr_t)lease;
}

/* Make one of a row that was read, for a destination. ERR_DAMAGED if its batch
 * cannot be unpacked. */
MUST_USE bool lease_new(struct queue *queue, int64_t destination,
    const struct engine_delivery *row, struct lease **ret_lease,
    struct err *reterr);

/* Each of them once, however often the list names it: a transaction changes a
 * row only once. The caller frees *ret_list. */
MUST_USE bool lease_unique(struct queue *queue,
    struct queue_lease *const *leases, size_t count, struct lease ***ret_list,
    size_t *ret_count, struct err *reterr);

/* Read its row again. */
MUST_USE bool
lease_reread(struct queue *queue, struct lease *lease, struct err *reterr);

/* Put it into the queue's lists, where room for so many more was made before,
 * and take it out again. */
MUST_USE bool
lease_reserve(struct queue *queue, size_t more, struct err *reterr);
void lease_link(struct queue *queue, struct lease *lease);
void lease_unlink(struct queue *queue, struct lease *lease);

/* Settle what has an outcome, as queue_settle() does; settle.c. It may let the
 * lock go for a while. */
MUST_USE bool settle_one(struct queue *queue, struct lease *lease,
    int64_t now_ms, struct err *reterr);

/* Without the lock; takes NULL. */
void lease_free(struct lease *lease);

#endif
