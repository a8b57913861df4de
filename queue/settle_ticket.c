#include "queue/settle_ticket.h"

#include <stdlib.h>
#include <string.h>

static sqlite3_stmt *
settle_statement(struct queue *queue, enum store_sql sql,
    const struct holding *holding, struct err *reterr)
{
	sqlite3_stmt *statement = store_statement(&queue->store, sql, reterr);

	if (statement == NULL)
		return NULL;
	(void)sqlite3_bind_int64(statement, 1, holding->lane);
	(void)sqlite3_bind_int64(statement, 2, holding->source);
	(void)sqlite3_bind_int64(statement, 3, holding->due_ms);
	(void)sqlite3_bind_int64(statement, 4, holding->lease.seq);
	return statement;
}

static void
settle_bitmap_copy(
    sqlite3_stmt *row, int column, unsigned char *bitmap, size_t len)
{
	size_t have = (size_t)sqlite3_column_bytes(row, column);

	if (have > 0)
		memcpy(bitmap, sqlite3_column_blob(row, column),
		    have < len ? have : len);
}

bool
settle_ticket_read(
    struct queue *queue, struct settle_ticket *ticket, struct err *reterr)
{
	size_t len = ticket->holding->events / 8 + 1;
	sqlite3_stmt *read;

	ticket->done = calloc(len, 1);
	ticket->delivered = calloc(len, 1);
	if (ticket->done == NULL || ticket->delivered == NULL)
		return err_set_nomem(reterr);
	read = settle_statement(
	    queue, STORE_DELIVERY_READ, ticket->holding, reterr);
	if (read == NULL ||
	    !store_step(&queue->store, read, &ticket->there, reterr))
		return false;
	if (ticket->there) {
		ticket->remaining = sqlite3_column_int64(read, 0);
		settle_bitmap_copy(read, 1, ticket->done, len);
		settle_bitmap_copy(read, 2, ticket->delivered, len);
	}
	store_reset(read);
	return true;
}

/* Does a parcel that is settled as a whole stay for replays? Not if none of
 * it was delivered, and not a replay: its first parcel is the one. */
static bool
settle_keeps(const struct queue *queue, const struct settle_ticket *ticket)
{
	if (queue->settings.keep_ms == 0 || ticket->holding->lease.replay)
		return false;
	for (size_t i = 0; i < ticket->holding->events / 8 + 1; i++) {
		if (ticket->delivered[i] != 0)
			return true;
	}
	return false;
}

bool
settle_ticket_write(struct queue *queue, const struct settle_ticket *ticket,
    int64_t now_ms, struct err *reterr)
{
	sqlite3_stmt *write;

	if (!ticket->there)
		return true;
	if (ticket->remaining > 0) {
		write = settle_statement(
		    queue, STORE_DELIVERY_UPDATE, ticket->holding, reterr);
		if (write == NULL)
			return false;
		(void)sqlite3_bind_int64(write, 5, ticket->remaining);
		(void)sqlite3_bind_blob64(write, 6, ticket->done,
		    ticket->holding->events / 8 + 1, SQLITE_STATIC);
		(void)sqlite3_bind_blob64(write, 7, ticket->delivered,
		    ticket->holding->events / 8 + 1, SQLITE_STATIC);
		return store_run(&queue->store, write, reterr);
	}
	write = settle_statement(
	    queue, STORE_DELIVERY_DELETE, ticket->holding, reterr);
	if (write == NULL || !store_run(&queue->store, write, reterr))
		return false;
	if (settle_keeps(queue, ticket))
		return kept_add(
		    queue, ticket->holding, ticket->delivered, now_ms, reterr);
	write = store_statement(&queue->store, STORE_BATCH_DELETE, reterr);
	if (write == NULL)
		return false;
	(void)sqlite3_bind_int64(write, 1, ticket->holding->lease.seq);
	return store_run(&queue->store, write, reterr);
}

void
settle_ticket_fini(struct settle_ticket *ticket)
{
	free(ticket->done);
	free(ticket->delivered);
}
