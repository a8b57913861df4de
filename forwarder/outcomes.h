#ifndef FORWARDER_OUTCOMES_H
#define FORWARDER_OUTCOMES_H

/*
 * Batches on lease, and what became of their items.
 *
 * A batch's lease is freed when the last of its items is settled or handed
 * back, never before; items that were handed back are due again then.
 *
 * The outcomes are those of one request and of all the parts that it was
 * divided into: they are settled together. An outcome is never lost: if
 * settling fails, the outcomes stay and settling is repeated.
 */

#include "forwarder/doubt.h"
#include "queue/queue.h"

#include <stddef.h>

enum {
	OUTCOMES_FLUSH = 4096, /* settle before there are more */
	OUTCOMES_FLUSH_BYTES = 4 << 20,
	OUTCOMES_DUE_GRID_MS = 1000, /* few due times make few batches */
};

struct batch {
	struct queue_lease *lease; /* owned */
	size_t next;		   /* its first item not yet looked at */
	size_t open;		   /* items neither settled nor handed back */
};

/* Lease the next due batch of a destination; NULL if nothing is due. */
MUST_USE bool batch_take(struct queue *queue, int64_t destination,
    int64_t now_ms, struct batch **ret_batch, struct err *reterr);

/* `items` more of its items are settled or handed back. Frees it with the
 * last. */
void batch_close(struct batch *batch, struct queue *queue, size_t items);

/* An item of a batch. */
struct batch_item {
	struct batch *batch;
	size_t index;  /* in batch->lease->events */
	uint64_t hash; /* of its bytes: see doubt.h and suspicion.h */
};

struct outcome {
	struct batch_item item;
	bool suspect; /* refused alone, not decided yet */
	struct queue_verdict verdict;
	char *bytes; /* owned: what the verdict lends, or NULL */
	size_t bytes_len;
};

struct outcomes {
	struct outcomes *next;
	size_t requests; /* that will still add to them */
	struct outcome *items;
	size_t count;
	size_t suspects; /* among them */
	size_t expected; /* items in the requests; there is room for them */
	size_t cap;
	size_t bytes;
};

/* NULL without memory. */
struct outcomes *outcomes_new(void);

/* All of them are settled or given up. Accepts NULL. */
void outcomes_free(struct outcomes *outcomes);

/* One more outcome will come. False without memory. */
MUST_USE bool outcomes_expect(struct outcomes *outcomes);

/* It will not come after all: the item goes back to the queue. */
void outcomes_unexpect(struct outcomes *outcomes);

/* The outcome of an item that was expected; these cannot fail. */
void
outcomes_delivered(struct outcomes *outcomes, const struct batch_item *item);
void outcomes_deferred(
    struct outcomes *outcomes, const struct batch_item *item, int64_t due_ms);
void outcomes_dead(struct outcomes *outcomes, const struct batch_item *item,
    const char *reason);

/* Dropped by a rule; if `erase` is not empty, that user's erasure is requested.
 * False without memory; then there is no outcome. */
MUST_USE bool outcomes_dropped(struct outcomes *outcomes,
    const struct batch_item *item, const char *rule, struct str erase);

/* How an item was refused alone. */
struct outcome_refusal {
	unsigned posts; /* that it was in */
	int status;
	struct str answer;
	struct str sent; /* its bytes, as posted */
};

/* Refused alone: a suspect, until all the outcomes are there. Proof may still
 * come from its neighbours. */
void outcomes_suspect(struct outcomes *outcomes, const struct batch_item *item,
    const struct outcome_refusal *refusal);

/* Decide on a suspect: it is dead, or deferred. */
void outcomes_suspect_dead(struct outcomes *outcomes, struct outcome *outcome);
void outcomes_suspect_deferred(
    struct outcomes *outcomes, struct outcome *outcome, int64_t due_ms);

/* Are there so many that they should be settled although more will come? */
bool outcomes_full(const struct outcomes *outcomes);

/* Settle all but the suspects; items that are settled for good are no longer in
 * doubt. On false nothing has changed: repeat it. */
MUST_USE bool outcomes_settle(struct outcomes *outcomes, struct queue *queue,
    struct doubt *doubt, int64_t now_ms, struct err *reterr);

/* Hand everything back unsettled. Only when stopping. */
void outcomes_abandon(struct outcomes *outcomes, struct queue *queue);

#endif
