#include "forwarder/lot.h"

#include <stdlib.h>

struct lot *
lot_new(struct queue *queue, struct queue_lease *lease)
{
	struct lot *lot = calloc(1, sizeof(*lot));

	if (lot == NULL) {
		queue_lease_free(queue, lease);
		return NULL;
	}
	lot->lease = lease;
	lot->open = lease->count;
	return lot;
}

void
lot_close(struct queue *queue, struct lot *lot, size_t events)
{
	CHECK(events <= lot->open);
	lot->open -= events;
	if (lot->open > 0)
		return;
	queue_lease_free(queue, lot->lease);
	free(lot);
}
