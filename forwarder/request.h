#ifndef FORWARDER_REQUEST_H
#define FORWARDER_REQUEST_H

/*
 * One bulk request: the bytes, and which event each part of them is. It is
 * filled once, and from then on an event's bytes do not change: what is
 * posted again, whole or in halves, is what was posted before.
 */

#include "base/buf.h"
#include "forwarder/slate.h"
#include "schema/track.h"

#include <stddef.h>
#include <stdint.h>

enum {
	REQUEST_BYTES_HARD = 64 << 20, /* of a single event, even */
};

struct request_item {
	struct lot *lot;
	size_t event; /* position in the lot */
	uint64_t who;
	uint64_t hash; /* of its bytes: see doubt.h */
	bool doubt;    /* it was posted before, and nobody knows */
	unsigned posts;
	size_t at; /* in the body */
	size_t len;
};

struct request {
	struct request *next;
	struct slate *slate; /* where its events are judged */
	const char *app_id;  /* lent */
	struct buf body;
	size_t head_len;
	struct request_item *items; /* cap of them */
	size_t count, cap;

	int64_t since_ms;      /* mono; of its first event */
	int64_t not_before_ms; /* mono; parked until then */
	bool stale; /* its events were changed in the queue since: if it fails,
		     * they are read again */
	bool held;  /* its identities are held in the quota */
	bool claimed; /* or claimed */
	bool probe;
	bool refused;	    /* itself, or what it is a part of */
	uint64_t mark;	    /* of suspicion_mark(), when that was */
	size_t size_before; /* of the lane's requests, before such a one was
			     * too large; or 0 */

	/* While in flight. */
	uint64_t entry; /* in the quota's log */
	unsigned epoch; /* of the lane, at the start */
	int64_t started_ms;
};

/* Empty, for at most `cap` events; NULL without memory. */
struct request *
request_new(const char *app_id, struct slate *slate, size_t cap);
void request_free(struct request *request);

enum request_fit {
	REQUEST_ADDED,
	REQUEST_JUDGED,	  /* not to be sent: see the result */
	REQUEST_OVERFULL, /* no room in this one; the next will have */
	REQUEST_NO_MEMORY,
};

/* Map one event and append it, unless the body would exceed `bytes` (a first
 * event may). */
enum request_fit request_add(struct request *request,
    const struct track_rules *rules, struct lot *lot, size_t event,
    size_t bytes, struct track_result *ret_result);

/* The one that was added last. */
struct request_item *request_last(struct request *request);

/* Take the last one out again. */
void request_pop(struct request *request);

/* Move all but the first `first` items into an empty request that has a slate
 * of its own; both are open. On false nothing was moved. */
MUST_USE bool
request_move(struct request *from, size_t first, struct request *to);

/* Write the tail; nothing is added after it. */
MUST_USE bool request_close(struct request *request, struct err *reterr);

/* A closed request of those items for which `pick` is true, in order. False
 * without memory. */
typedef bool request_pick(const void *arg, size_t item);
MUST_USE bool request_part(const struct request *request, request_pick *pick,
    const void *arg, struct request **ret_part, struct err *reterr);

/* Into two closed ones: the first `first` items, and the rest. Both are held
 * if it was. It is freed, unless there is no memory: false. */
MUST_USE bool request_split(struct request *request, size_t first,
    struct request **ret_left, struct request **ret_right, struct err *reterr);

#endif
