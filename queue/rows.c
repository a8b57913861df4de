/*
 * The rows that both accepting and settling write: parcels with their
 * tickets, and the dead.
 */

#include "queue/inside.h"

static bool
rows_ticket_add(struct queue *queue, const struct queue_parcel *parcel,
    int64_t seq, struct err *reterr)
{
	sqlite3_stmt *add =
	    store_statement(&queue->store, STORE_DELIVERY_ADD, reterr);

	if (add == NULL)
		return false;
	(void)sqlite3_bind_int64(add, 1, parcel->lane->id);
	(void)sqlite3_bind_int64(add, 2, parcel->source);
	(void)sqlite3_bind_int64(add, 3, parcel->due_ms);
	(void)sqlite3_bind_int64(add, 4, seq);
	(void)sqlite3_bind_int64(add, 5, parcel->attempts);
	(void)sqlite3_bind_int64(add, 6, (int64_t)parcel->events);
	(void)sqlite3_bind_int64(add, 7, parcel->replay);
	return store_run(&queue->store, add, reterr);
}

bool
rows_parcel_add(
    struct queue *queue, const struct queue_parcel *parcel, struct err *reterr)
{
	sqlite3_stmt *add =
	    store_statement(&queue->store, STORE_BATCH_ADD, reterr);
	int64_t seq = queue->next_seq++;

	if (add == NULL)
		return false;
	(void)sqlite3_bind_int64(add, 1, seq);
	(void)sqlite3_bind_int64(add, 2, parcel->accepted_ms);
	(void)sqlite3_bind_int64(add, 3, (int64_t)parcel->events);
	(void)sqlite3_bind_blob64(
	    add, 4, parcel->frame, parcel->frame_len, SQLITE_STATIC);
	if (!store_run(&queue->store, add, reterr) ||
	    !rows_ticket_add(queue, parcel, seq, reterr))
		return false;
	if (!parcel->replay)
		lane_move(parcel->lane, (int64_t)parcel->events);
	return true;
}

bool
rows_buried_add(
    struct queue *queue, const struct queue_burial *burial, struct err *reterr)
{
	sqlite3_stmt *add =
	    store_statement(&queue->store, STORE_DEAD_ADD, reterr);

	if (add == NULL)
		return false;
	(void)sqlite3_bind_int64(add, 1, burial->source);
	(void)sqlite3_bind_int64(add, 2, burial->lane);
	(void)sqlite3_bind_int64(add, 3, burial->type);
	(void)sqlite3_bind_int64(add, 4, burial->accepted_ms);
	(void)sqlite3_bind_int64(add, 5, burial->dead_ms);
	(void)sqlite3_bind_int64(add, 6, burial->attempts);
	(void)sqlite3_bind_text(add, 7, burial->reason, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int(add, 8, burial->status);
	(void)sqlite3_bind_blob64(
	    add, 9, burial->words, burial->words_len, SQLITE_STATIC);
	(void)sqlite3_bind_blob64(
	    add, 10, burial->sent, burial->sent_len, SQLITE_STATIC);
	(void)sqlite3_bind_blob64(
	    add, 11, burial->data, burial->data_len, SQLITE_STATIC);
	return store_run(&queue->store, add, reterr);
}
