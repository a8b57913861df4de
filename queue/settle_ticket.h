#ifndef QUEUE_SETTLE_TICKET_H
#define QUEUE_SETTLE_TICKET_H

/* The ticket of one lease while a transaction settles it. */

#include "queue/inside.h"

struct settle_ticket {
	struct holding *holding;
	bool there; /* false: settled as a whole before */
	int64_t remaining;
	unsigned char *done; /* bitmaps of all events of the parcel */
	unsigned char *delivered;
};

/* Read it, with both bitmaps in full length. What was read is freed by
 * settle_ticket_fini(), after a failure too. */
MUST_USE bool settle_ticket_read(
    struct queue *queue, struct settle_ticket *ticket, struct err *reterr);

/* Write it back; a parcel that is settled as a whole goes or is kept. */
MUST_USE bool settle_ticket_write(struct queue *queue,
    const struct settle_ticket *ticket, int64_t now_ms, struct err *reterr);

void settle_ticket_fini(struct settle_ticket *ticket);

#endif
