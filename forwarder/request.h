#ifndef FORWARDER_REQUEST_H
#define FORWARDER_REQUEST_H

/*
 * One bulk request: its bytes, and which event each part of them is. It is
 * filled once, and from then on an event's bytes do not change: a request that
 * is posted again, whole or in parts, has the bytes of the first post.
 */

#include "base/buf.h"
#include "forwarder/outcomes.h"
#include "schema/track/track.h"

#include <stddef.h>
#include <stdint.h>

enum {
	REQUEST_BYTES_HARD = 64 << 20, /* even for a single event */
};

struct request_item {
	struct batch_item from;
	uint64_t identity; /* for quotas */
	bool doubt;	   /* posted before, with an unknown outcome */
	bool picked;	   /* see request_divide() */
	unsigned posts;
	size_t at; /* in the body */
	size_t len;
};

struct request {
	struct request *next;
	struct outcomes *outcomes; /* of its items */
	const char *app_id;	   /* lent */
	struct buf body;
	size_t head_len;
	struct request_item *items; /* cap of them */
	size_t count, cap;

	int64_t since_ms;      /* mono; of its first event */
	int64_t not_before_ms; /* mono; it may start */
	bool stale; /* its events were changed in the queue since it was
		     * filled: if it fails they are read again */
	bool held;  /* it holds its identities' room in the quota */
	bool waits; /* or waits for it */
	bool probe;
	bool refused;	     /* itself, or the request that it is a part of */
	uint64_t mark;	     /* suspicion_mark() at that time */
	size_t limit_before; /* the body limit before it was lowered because
			      * such a request was too large; 0 = it was not */

	/* While in flight. */
	uint64_t send;	/* number in the quota's log */
	unsigned epoch; /* of the sender, at the start */
	int64_t started_ms;
};

/* Empty, for at most `cap` events; NULL without memory. */
struct request *
request_new(const char *app_id, struct outcomes *outcomes, size_t cap);

/* Accepts NULL. */
void request_free(struct request *request);

enum request_fit {
	REQUEST_ADDED,
	REQUEST_NOT_SENT, /* it is to be dropped or dead: see the result */
	REQUEST_FULL,	  /* no room in this one; the next will have some */
	REQUEST_NO_MEMORY,
};

/* Map one event and append it, unless the body would exceed `bytes` (a first
 * event may). */
enum request_fit request_add(struct request *request,
    const struct track_rules *rules, const struct batch_item *from,
    size_t bytes, struct track_result *ret_result);

/* The item that was added last; and take it out again. */
struct request_item *request_last(struct request *request);
void request_pop(struct request *request);

/* Move all but the first `first` items into an empty request, which has
 * outcomes of its own; both are open. On false nothing was moved. */
MUST_USE bool
request_move(struct request *from, size_t first, struct request *to);

/* Write the tail; nothing is added after it. */
MUST_USE bool request_close(struct request *request, struct err *reterr);

/* Divide a closed request into two closed ones, with the picked items and with
 * the rest, in order. Frees the request; false without memory, and then the
 * request is unchanged. */
MUST_USE bool request_divide(struct request *request,
    struct request **ret_picked, struct request **ret_rest, struct err *reterr);

#endif
