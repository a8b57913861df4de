#ifndef FORWARDER_LOT_H
#define FORWARDER_LOT_H

/*
 * A parcel on lease and how many of its events are still open: in stock, in
 * a request, or judged but not settled yet. The lease is freed with the
 * last, never before; what was handed back unsettled is then due again.
 */

#include "queue/queue.h"

struct lot {
	struct queue_lease *lease; /* owned */
	size_t open;
};

/* Takes the lease; NULL without memory (then the lease is freed). */
struct lot *lot_new(struct queue *queue, struct queue_lease *lease);

/* So many of its events are settled or handed back. */
void lot_close(struct queue *queue, struct lot *lot, size_t events);

#endif
