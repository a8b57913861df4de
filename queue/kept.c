/*
 * Delivered parcels, kept for a while so that a person can send them again.
 * They are in nobody's way: the first thing that goes when room is wanted.
 */

#include "queue/inside.h"

bool
kept_add(struct queue *queue, const struct holding *holding,
    const unsigned char *delivered, int64_t now_ms, struct err *reterr)
{
	sqlite3_stmt *add =
	    store_statement(&queue->store, STORE_ARCHIVE_ADD, reterr);

	if (add == NULL)
		return false;
	(void)sqlite3_bind_int64(add, 1, holding->lease.seq);
	(void)sqlite3_bind_int64(add, 2, holding->lane);
	(void)sqlite3_bind_int64(add, 3, holding->source);
	(void)sqlite3_bind_int64(add, 4, now_ms);
	(void)sqlite3_bind_int64(add, 5, (int64_t)holding->frame_len);
	(void)sqlite3_bind_blob64(
	    add, 6, delivered, holding->events / 8 + 1, SQLITE_STATIC);
	queue->moved.archive_batches++;
	queue->moved.archive_bytes += (int64_t)holding->frame_len;
	return store_run(&queue->store, add, reterr);
}

static bool
kept_delete(
    struct queue *queue, enum store_sql sql, int64_t id, struct err *reterr)
{
	sqlite3_stmt *remove = store_statement(&queue->store, sql, reterr);

	if (remove == NULL)
		return false;
	(void)sqlite3_bind_int64(remove, 1, id);
	return store_run(&queue->store, remove, reterr);
}

/* Let go of the oldest if it is to go. */
static bool
kept_evict_one(struct queue *queue, int64_t now_ms, bool for_room,
    bool *ret_gone, struct err *reterr)
{
	int64_t held = queue->archive_bytes + queue->moved.archive_bytes;
	int64_t id, seq, delivered_ms, bytes;
	sqlite3_stmt *first =
	    store_statement(&queue->store, STORE_ARCHIVE_FIRST, reterr);
	bool row;

	*ret_gone = false;
	if (first == NULL || !store_step(&queue->store, first, &row, reterr))
		return false;
	id = sqlite3_column_int64(first, 0);
	seq = sqlite3_column_int64(first, 1);
	delivered_ms = sqlite3_column_int64(first, 2);
	bytes = sqlite3_column_int64(first, 3);
	store_reset(first);
	if (!row || (!for_room && held <= queue->settings.keep_bytes &&
			delivered_ms > now_ms - queue->settings.keep_ms))
		return true;
	*ret_gone = true;
	queue->moved.archive_batches--;
	queue->moved.archive_bytes -= bytes;
	return kept_delete(queue, STORE_ARCHIVE_DELETE, id, reterr) &&
	       kept_delete(queue, STORE_BATCH_DELETE, seq, reterr);
}

bool
kept_evict(struct queue *queue, int64_t now_ms, bool for_room,
    size_t *ret_count, struct err *reterr)
{
	bool gone = true;

	*ret_count = 0;
	while (gone && *ret_count < KEPT_STEP) {
		if (!kept_evict_one(queue, now_ms, for_room, &gone, reterr))
			return false;
		*ret_count += gone;
	}
	return true;
}
