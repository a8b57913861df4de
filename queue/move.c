/*
 * Puts on the committer's thread: told from duplicates, written, booked.
 *
 * A duplicate of an event that is still in flight is in the same transaction
 * or in a later one, since one thread moves them all; so it shares the fate
 * of the first, or comes after it is known.
 */

#include "queue/put.h"

#include <string.h>

/* Mark what was seen before, and remember the rest. Says if that changed
 * what is to be delivered. */
static bool
put_mark_duplicates(struct queue *queue, struct put *put, size_t *ret_queued)
{
	size_t queued = 0;

	window_expect(queue->window,
	    (const unsigned char(*)[DIGEST_SHORT])put->hashes,
	    put->batch.count);
	for (size_t i = 0; i < put->batch.count; i++) {
		bool seen = window_has(queue->window, put->hashes[i]);

		put->marks[i] = seen && !put->batch.again
				    ? MARK_DUPLICATE
				    : put_mark(put->batch.items[i].fate);
		put->known[i] = seen;
		if (!seen)
			window_add(queue->window, put->hashes[i]);
		queued += put->marks[i] == MARK_WAIT;
	}
	*ret_queued = queued;
	return queued != put->queued;
}

/* Book one item; `key` has its kind. */
static bool
put_book(struct queue *queue, struct put *put, size_t n,
    const struct ledger_key *key, const struct lane *lane, struct err *reterr)
{
	const struct item *item = &put->batch.items[n];
	int64_t rule;

	put->receipt.received++;
	if (!ledger_note(queue->ledger, key, LEDGER_RECEIVED, 1, reterr))
		return false;
	switch ((enum put_mark)put->marks[n]) {
	case MARK_NONE:
		break;
	case MARK_WAIT:
		put->receipt.queued++;
		return ledger_note(
		    queue->ledger, key, LEDGER_WAITING, 1, reterr);
	case MARK_DUPLICATE:
		put->receipt.duplicates++;
		return ledger_note(
		    queue->ledger, key, LEDGER_DUPLICATES, 1, reterr);
	case MARK_DROP:
		put->receipt.dropped++;
		return names_add(queue->names, &queue->store, item->reason,
			   strlen(item->reason), &rule, reterr) &&
		       ledger_note_drop(queue->ledger, key, rule, 1, reterr);
	case MARK_BURY:
		put->receipt.dead++;
		return ledger_note(
			   queue->ledger, key, LEDGER_BURIED, 1, reterr) &&
		       rows_buried_add(queue,
			   &(struct queue_burial){
			       .source = key->source,
			       .lane = lane->id,
			       .type = key->type,
			       .accepted_ms = put->now_ms,
			       .dead_ms = put->now_ms,
			       .reason = item->reason,
			       .data = item->data.data,
			       .data_len = item->data.len,
			   },
			   reterr);
	}
	NEVER("an item without a mark");
}

/* Count one note under a text; the row that comes back says if it is the
 * first of its text. */
static bool
put_note_write(struct queue *queue, const struct put *put, enum store_sql sql,
    const char *text, struct queue_drift *note, bool *ret_row,
    struct err *reterr)
{
	sqlite3_stmt *write = store_statement(&queue->store, sql, reterr);

	if (write == NULL)
		return false;
	(void)sqlite3_bind_text(write, 1, text, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(write, 2, (int64_t)note->events);
	(void)sqlite3_bind_int64(write, 3, put->now_ms);
	if (!store_step(&queue->store, write, ret_row, reterr))
		return false;
	note->first = *ret_row && sqlite3_column_int(write, 0) != 0;
	store_reset(write);
	return true;
}

/* Count what was observed. The table is bounded: a note too many is not told
 * apart from the others of its kind. */
static bool
put_note(struct queue *queue, const struct put *put, struct queue_drift *note,
    struct err *reterr)
{
	bool full = queue->notes + queue->moved.notes >=
		    (int64_t)queue->settings.drift_max;
	bool known = false;

	note->first = false;
	if (full && !put_note_write(queue, put, STORE_DRIFT_AGAIN, note->text,
			note, &known, reterr))
		return false;
	if (known)
		return true;
	if (!put_note_write(queue, put, STORE_DRIFT_ADD,
		full ? "(more)" : note->text, note, &known, reterr))
		return false;
	if (note->first)
		queue->moved.notes++;
	return true;
}

static bool
put_move_batch(struct queue *queue, struct put *put, struct err *reterr)
{
	const struct queue_batch *batch = &put->batch;
	const struct item *last = NULL;
	struct ledger_key key = {.hour = ledger_hour(batch->now_ms)};
	struct lane *lane;
	size_t queued;

	put->receipt = (struct queue_receipt){0}; /* it may be moved again */

	if (!names_add(queue->names, &queue->store, batch->source,
		strlen(batch->source), &key.source, reterr) ||
	    !lane_add(queue, batch->destination, &lane, reterr))
		return false;
	if (put_mark_duplicates(queue, put, &queued) && queued > 0 &&
	    !put_pack(put, queue->packer, queued, reterr))
		return false;
	for (size_t i = 0; i < batch->count; i++) {
		const struct item *item = &batch->items[i];

		if ((last == NULL || last->type.len != item->type.len ||
			memcmp(last->type.data, item->type.data,
			    item->type.len) != 0) &&
		    !names_add_type(queue->names, &queue->store,
			item->type.data, item->type.len, &key.type, reterr))
			return false;
		last = item;
		if (!put_book(queue, put, i, &key, lane, reterr))
			return false;
	}
	for (size_t i = 0; i < batch->note_count; i++) {
		if (!put_note(queue, put, &batch->notes[i], reterr))
			return false;
	}
	if (queued == 0)
		return true;
	return rows_parcel_add(queue,
	    &(struct queue_parcel){
		.lane = lane,
		.source = key.source,
		.accepted_ms = put->now_ms,
		.events = queued,
		.frame = put->frame.data,
		.frame_len = put->frame.len,
	    },
	    reterr);
}

static bool
put_body_known(struct queue *queue, const struct put *put, bool *ret_known,
    struct err *reterr)
{
	sqlite3_stmt *find =
	    store_statement(&queue->store, STORE_UNREADABLE_FIND, reterr);

	if (find == NULL)
		return false;
	(void)sqlite3_bind_blob(
	    find, 1, put->hashes[0], DIGEST_SHORT, SQLITE_STATIC);
	if (!store_step(&queue->store, find, ret_known, reterr))
		return false;
	store_reset(find);
	return true;
}

static bool
put_move_body(struct queue *queue, struct put *put, struct err *reterr)
{
	const struct queue_unreadable *body = &put->body;
	int64_t source, held = queue->body_bytes + queue->moved.body_bytes;
	sqlite3_stmt *add;
	bool known;

	if (!put_body_known(queue, put, &known, reterr))
		return false;
	if (known)
		return true;
	if (held + (int64_t)put->frame.len >
	    queue->settings.unreadable_max_bytes) {
		put->refused = true;
		(void)err_set(&put->refusal, ERR_FULL,
		    "unreadable bodies are at their bound of %lld bytes",
		    (long long)queue->settings.unreadable_max_bytes);
		return true;
	}
	if (!names_add(queue->names, &queue->store, body->source,
		strlen(body->source), &source, reterr))
		return false;
	add = store_statement(&queue->store, STORE_UNREADABLE_ADD, reterr);
	if (add == NULL)
		return false;
	(void)sqlite3_bind_int64(add, 1, source);
	(void)sqlite3_bind_int64(add, 2, body->now_ms);
	(void)sqlite3_bind_text(add, 3, body->reason, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(add, 4, body->encoding, -1, SQLITE_STATIC);
	(void)sqlite3_bind_blob(
	    add, 5, put->hashes[0], DIGEST_SHORT, SQLITE_STATIC);
	(void)sqlite3_bind_blob64(
	    add, 6, put->frame.data, put->frame.len, SQLITE_STATIC);
	queue->moved.bodies++;
	queue->moved.body_bytes += (int64_t)put->frame.len;
	return store_run(&queue->store, add, reterr);
}

static bool
put_move_probe(struct queue *queue, const struct put *put, struct err *reterr)
{
	sqlite3_stmt *write =
	    store_statement(&queue->store, STORE_META_WRITE, reterr);

	if (write == NULL)
		return false;
	(void)sqlite3_bind_text(write, 1, "probe", -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(write, 2, put->now_ms);
	return store_run(&queue->store, write, reterr);
}

bool
put_move(struct queue *queue, struct put *put, struct err *reterr)
{
	switch (put->what) {
	case PUT_BATCH:
		return put_move_batch(queue, put, reterr);
	case PUT_BODY:
		return put_move_body(queue, put, reterr);
	case PUT_PROBE:
		return put_move_probe(queue, put, reterr);
	}
	NEVER("a put of no kind");
}

/* Append the new hashes of one put to the row that is being made. */
void
put_hashes_write(const struct put *put, struct buf *hashes)
{
	if (put->what != PUT_BATCH)
		return;
	for (size_t i = 0; i < put->batch.count; i++) {
		if (!put->known[i])
			(void)buf_append(hashes, put->hashes[i], DIGEST_SHORT);
	}
}
