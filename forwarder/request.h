#ifndef FORWARDER_REQUEST_H
#define FORWARDER_REQUEST_H

/*
 * One request: which items of which leases it has, and their bytes. It is
 * filled once, and from then on an item's bytes do not change: a request that
 * is posted again, whole or in parts, has the bytes of the first post. An
 * announcement of a group is a request without items; its bytes are the name
 * that it announces, and each is posted once.
 */

#include "base/buf.h"
#include "base/trace.h"
#include "forwarder/fault.h"
#include "forwarder/groups.h"
#include "queue/queue.h"
#include "schema/dialect.h"

#include <stddef.h>
#include <stdint.h>

enum {
	REQUEST_BYTES_HARD = 64 << 20, /* of a single item, even */
};

struct request_item {
	struct queue_lease *lease;
	size_t index;		 /* in lease->items */
	struct fault_type *type; /* counts this item, or NULL */
	uint64_t key;		 /* for limits by key */
	bool picked;		 /* see request_take() */
	unsigned posts;
	size_t at, len; /* in request->bytes */
};

struct request {
	struct request *next;
	struct fault_record record;
	struct buf bytes;	    /* of its items, one after the other */
	struct request_item *items; /* cap of them */
	size_t count, cap;
	struct group *group; /* of all of its items, if the outlet wants them
			      * alone; else NULL */
	bool announcement;   /* of the group */

	int64_t since_ms;      /* mono; of its first item */
	int64_t not_before_ms; /* mono; it may start */
	int64_t backoff_ms;    /* of its own: the next cap, 0 = the first */
	bool stale; /* its items were changed in the queue since it was
		     * filled: if it fails they are read again */
	bool held;  /* it holds the room of its keys */
	bool waits; /* or waits for it */
	/* The limits before it was too large; 0 = it was not. */
	size_t bytes_before, items_before;
	struct request *whole; /* what this item was taken out of, to try it */
	unsigned tries;	       /* items that were taken out so */
	bool sample; /* taken out of the queue likewise, and put back there */

	/* While in flight. */
	/* Of this post, for the logs of both ends; and its trace, or "". */
	char id[TRACE_SPAN + 1], trace[TRACE_TEXT + 1];
	struct buf body;
	enum outlet_outcome *outcomes; /* owned; room for the answer's */
	uint64_t send;		       /* its number, for the limits */
	unsigned epoch;		       /* of the sender, at the start */
	int64_t started_ms;
};

static inline struct queue_item *
request_item_cell(const struct request_item *item)
{
	return &item->lease->items[item->index];
}

/* Empty, for at most `cap` items; NULL without memory. */
struct request *request_new(struct fault *fault, size_t cap);

/* Takes NULL. */
void request_free(struct fault *fault, struct request *request);

enum request_fit {
	REQUEST_ADDED,
	REQUEST_NOT_SENT, /* dropped or dead: see what was prepared */
	REQUEST_FULL,	  /* no room in this one; the next will have some */
	REQUEST_NO_MEMORY,
};

/* Prepare one item, of a group or (NULL) of a log, and append it, unless the
 * body would exceed `bytes` (a first item may). */
enum request_fit request_add(struct request *request,
    const struct outlet *outlet, const struct outlet_context *context,
    struct queue_lease *lease, size_t index, struct group *group, size_t bytes,
    int64_t now_ms, struct outlet_prepared *ret_prepared);

/* The item that was added last; say its type (or NULL); or take it out
 * again. */
struct request_item *request_last(struct request *request);
void request_last_type(struct request *request, struct fault_type *type);
void request_pop(struct request *request);

/* The type of all of its items, or NULL. */
struct fault_type *request_type(const struct request *request);

/* Take the picked items out into a request that inherits the history. NULL
 * without memory, and then nothing has changed. */
struct request *request_take(struct fault *fault, struct request *request);

/* A request of a copy of one item, likewise. */
struct request *request_single(
    struct fault *fault, const struct request *request, size_t index);

/* Take the first items out: they are in others now. */
void request_shift(struct request *request, size_t count);

/* Put the items of another request back at the end. False without memory. */
MUST_USE bool request_put(struct request *request, const struct request *part);

/* Make the body, to be posted, and room for the outcomes. */
MUST_USE bool
request_frame(struct request *request, const struct outlet *outlet,
    const struct outlet_context *context, struct err *reterr);

/* Give an item a copy of the detail of its outcome, in one block with the
 * reason, unless that is static (NULL), and the texts; free(cell->detail).
 * Without memory it gets none: the outcome stands all the same. */
void request_detail_set(struct queue_item *cell,
    const struct queue_detail *detail, const char *reason);

#endif
