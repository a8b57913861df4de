/*
 * What a lease holds: a parcel read from its row, less what was settled.
 */

#include "queue/inside.h"

#include <stdlib.h>

static bool
holding_is_done(const struct ticket *ticket, size_t index)
{
	return index / 8 < ticket->done_len &&
	       (ticket->done[index / 8] & (1u << (index % 8))) != 0;
}

void
holding_free(struct holding *holding)
{
	if (holding == NULL)
		return;
	free(holding->lease.events);
	free(holding->settled);
	parcel_fini(&holding->parcel);
	free(holding);
}

/* Lay out the events that are not done. */
static bool
holding_fill(
    struct holding *holding, const struct ticket *ticket, struct err *reterr)
{
	const struct parcel *parcel = &holding->parcel;
	struct queue_lease *lease = &holding->lease;

	holding->events = parcel->count;
	holding->settled = calloc(parcel->count / 8 + 1, 1);
	lease->events = calloc(parcel->count + 1, sizeof(*lease->events));
	if (holding->settled == NULL || lease->events == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < parcel->count; i++) {
		const struct item *item = &parcel->items[i];

		if (holding_is_done(ticket, i))
			continue;
		lease->events[lease->count++] = (struct queue_event){
		    .index = i,
		    .type = item->type,
		    .data = item->data,
		};
	}
	holding->open = lease->count;
	if (lease->count == (size_t)ticket->remaining)
		return true;
	return err_set(reterr, ERR_DAMAGED,
	    "%zu events where the delivery row has %lld", lease->count,
	    (long long)ticket->remaining);
}

bool
holding_read(struct queue *queue, const struct ticket *ticket,
    struct holding **ret_holding, struct err *reterr)
{
	sqlite3_stmt *read =
	    store_statement(&queue->store, STORE_BATCH_READ, reterr);
	struct holding *holding = NULL;
	bool row, ok = false;

	if (read == NULL)
		return false;
	(void)sqlite3_bind_int64(read, 1, ticket->seq);
	if (!store_step(&queue->store, read, &row, reterr))
		return false;
	if (!row) {
		(void)err_set(reterr, ERR_DAMAGED, "the batch is missing");
		goto out;
	}
	holding = calloc(1, sizeof(*holding));
	if (holding == NULL) {
		(void)err_set_nomem(reterr);
		goto out;
	}
	holding->lease.seq = ticket->seq;
	holding->lease.attempts = ticket->attempts;
	holding->lease.replay = ticket->replay;
	holding->frame_len = (size_t)sqlite3_column_bytes(read, 2);
	holding->lease.accepted_ms = sqlite3_column_int64(read, 0);
	ok = parcel_unpack(sqlite3_column_blob(read, 2),
		 (size_t)sqlite3_column_bytes(read, 2), &holding->parcel,
		 reterr) &&
	     holding_fill(holding, ticket, reterr);
out:
	store_reset(read);
	if (ok)
		*ret_holding = holding;
	else
		holding_free(holding);
	return ok;
}
