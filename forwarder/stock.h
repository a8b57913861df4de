#ifndef FORWARDER_STOCK_H
#define FORWARDER_STOCK_H

/*
 * What a lane has leased but not put into a request yet: at most one parcel
 * with events left, since a parcel may be large.
 */

#include "forwarder/lot.h"

struct stock {
	struct lot *lot; /* or NULL */
	size_t next;	 /* event */
};

/* The next event, taking a parcel from the queue if need be. *ret_lot is
 * NULL if nothing is due. The event stays in stock until stock_pass(). */
MUST_USE bool stock_peek(struct stock *stock, struct queue *queue, int64_t lane,
    int64_t now_ms, struct lot **ret_lot, size_t *ret_event,
    struct err *reterr);

/* That event is in a request now, or judged: the caller has to close it. */
void stock_pass(struct stock *stock);

/* Hand everything back. */
void stock_return(struct stock *stock, struct queue *queue);

#endif
