/*
 * Forgetting a person. An event that is erased loses its bytes and keeps
 * its place in the parcel, marked as done, so that whoever holds the parcel
 * on lease settles the rest as before, and what it says of the erased one
 * no longer counts.
 */

#include "queue/tools_walk.h"

#include <stdlib.h>
#include <string.h>

/* Book a erased event that was live among the queued. */
static bool
forget_book(struct queue *queue, const struct tools_parcel *parcel,
    const struct item *item, struct err *reterr)
{
	struct ledger_key key = {
	    .hour = ledger_hour(parcel->accepted_ms), .source = parcel->source};

	if (!names_add_type(queue->names, &queue->store, item->type.data,
		item->type.len, &key.type, reterr))
		return false;
	if (parcel->replay)
		return ledger_note(
		    queue->ledger, &key, LEDGER_REPLAY_REFUSED, 1, reterr);
	lane_move(lane_find(queue, parcel->lane), -1);
	return ledger_note(queue->ledger, &key, LEDGER_WAITING, -1, reterr) &&
	       ledger_note(queue->ledger, &key, LEDGER_FORGOTTEN, 1, reterr);
}

/* Take the bytes out of every event that is meant, settled or not. */
static bool
forget_blank(struct queue *queue, struct jobs_walk *job,
    struct tools_parcel *parcel, bool *ret_changed, struct err *reterr)
{
	*ret_changed = false;
	for (size_t i = 0; i < parcel->content.count; i++) {
		struct item *item = &parcel->content.items[i];
		struct jobs_event event = tools_parcel_event(queue, parcel, i);
		unsigned char bit = (unsigned char)(1u << (i % 8));

		if (item->data.len == 0 || !tools_match(job, &event))
			continue;
		if (tools_parcel_live(parcel, i)) {
			job->matched++;
			if (parcel->place == JOBS_QUEUED) {
				parcel->remaining--;
				if (!forget_book(queue, parcel, item, reterr))
					return false;
			}
		}
		parcel->done[i / 8] |= bit;
		parcel->delivered[i / 8] &= (unsigned char)~bit;
		item->data.len = 0;
		*ret_changed = true;
	}
	return true;
}

static void
forget_item(const void *arg, size_t n, struct item *ret_item)
{
	const struct item *items = arg;

	*ret_item = items[n];
}

static bool
forget_delivered_any(const struct tools_parcel *parcel)
{
	for (size_t i = 0; i < parcel->content.count / 8 + 1; i++) {
		if (parcel->delivered[i] != 0)
			return true;
	}
	return false;
}

/* Bind the key of the ticket. */
static sqlite3_stmt *
forget_ticket(struct queue *queue, enum store_sql sql,
    const struct tools_parcel *parcel, struct err *reterr)
{
	sqlite3_stmt *statement = store_statement(&queue->store, sql, reterr);

	if (statement == NULL)
		return NULL;
	(void)sqlite3_bind_int64(statement, 1, parcel->lane);
	(void)sqlite3_bind_int64(statement, 2, parcel->source);
	(void)sqlite3_bind_int64(statement, 3, parcel->due_ms);
	(void)sqlite3_bind_int64(statement, 4, parcel->seq);
	return statement;
}

static bool
forget_id(
    struct queue *queue, enum store_sql sql, int64_t id, struct err *reterr)
{
	sqlite3_stmt *statement = store_statement(&queue->store, sql, reterr);

	if (statement == NULL)
		return false;
	(void)sqlite3_bind_int64(statement, 1, id);
	return store_run(&queue->store, statement, reterr);
}

/* The ticket, after; gone if nothing of it waits. What was delivered of a
 * parcel that goes this way is not kept: it is one that a person touched. */
static bool
forget_ticket_write(
    struct queue *queue, const struct tools_parcel *parcel, struct err *reterr)
{
	size_t len = parcel->content.count / 8 + 1;
	sqlite3_stmt *write;

	if (parcel->remaining == 0) {
		write =
		    forget_ticket(queue, STORE_DELIVERY_DELETE, parcel, reterr);
		return write != NULL &&
		       store_run(&queue->store, write, reterr) &&
		       forget_id(
			   queue, STORE_BATCH_DELETE, parcel->seq, reterr);
	}
	write = forget_ticket(queue, STORE_DELIVERY_UPDATE, parcel, reterr);
	if (write == NULL)
		return false;
	(void)sqlite3_bind_int64(write, 5, parcel->remaining);
	(void)sqlite3_bind_blob64(write, 6, parcel->done, len, SQLITE_STATIC);
	(void)sqlite3_bind_blob64(
	    write, 7, parcel->delivered, len, SQLITE_STATIC);
	return store_run(&queue->store, write, reterr);
}

static bool
forget_kept_write(
    struct queue *queue, const struct tools_parcel *parcel, struct err *reterr)
{
	sqlite3_stmt *write;

	queue->moved.archive_bytes -= parcel->bytes;
	queue->moved.kept_changed = true;
	if (!forget_delivered_any(parcel)) {
		queue->moved.archive_batches--;
		return forget_id(queue, STORE_ARCHIVE_DELETE, parcel->kept_id,
			   reterr) &&
		       forget_id(
			   queue, STORE_BATCH_DELETE, parcel->seq, reterr);
	}
	queue->moved.archive_bytes += (int64_t)queue->packed.len;
	write = store_statement(&queue->store, STORE_ARCHIVE_WRITE, reterr);
	if (write == NULL)
		return false;
	(void)sqlite3_bind_int64(write, 1, parcel->kept_id);
	(void)sqlite3_bind_int64(write, 2, (int64_t)queue->packed.len);
	(void)sqlite3_bind_blob64(write, 3, parcel->delivered,
	    parcel->content.count / 8 + 1, SQLITE_STATIC);
	return store_run(&queue->store, write, reterr);
}

static bool
forget_parcel(struct queue *queue, struct jobs_walk *job,
    struct tools_parcel *parcel, struct err *reterr)
{
	sqlite3_stmt *write;
	bool changed;

	if (!forget_blank(queue, job, parcel, &changed, reterr))
		return false;
	if (!changed)
		return true;
	if (!parcel_pack(queue->packer, forget_item, parcel->content.items,
		parcel->content.count, &queue->packed, reterr))
		return false;
	write = store_statement(&queue->store, STORE_BATCH_WRITE, reterr);
	if (write == NULL)
		return false;
	(void)sqlite3_bind_int64(write, 1, parcel->seq);
	(void)sqlite3_bind_blob64(
	    write, 2, queue->packed.data, queue->packed.len, SQLITE_STATIC);
	if (!store_run(&queue->store, write, reterr))
		return false;
	return parcel->place == JOBS_QUEUED
		   ? forget_ticket_write(queue, parcel, reterr)
		   : forget_kept_write(queue, parcel, reterr);
}

static bool
forget_step(struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	struct tools_parcel parcel;
	bool there = true, ok = true;

	for (int n = 0; ok && n < TOOLS_STEP_PARCELS; n++) {
		if (!tools_parcel_next(queue, job, &parcel, &there, reterr))
			return false;
		if (!there)
			break;
		ok = forget_parcel(queue, job, &parcel, reterr);
		tools_parcel_fini(&parcel);
	}
	job->more = there;
	return ok;
}

bool
jobs_erase(struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	struct jobs_walk before = *job;
	bool ok;

	if (job->cursor.place == JOBS_DEAD)
		return tools_forget_buried(queue, job, reterr);
	if (!tools_step_begin(queue, reterr))
		return false;
	ok = tools_step_end(queue, forget_step(queue, job, reterr), reterr);
	if (!ok)
		*job = before;
	return ok;
}

/* The last id of the list of erasures. */
static bool
forget_erasure_last(struct queue *queue, int64_t *ret_id, struct err *reterr)
{
	sqlite3_stmt *last =
	    store_statement(&queue->store, STORE_ERASURE_LAST, reterr);
	bool row;

	if (last == NULL || !store_step(&queue->store, last, &row, reterr))
		return false;
	*ret_id = sqlite3_column_int64(last, 0);
	store_reset(last);
	return true;
}

bool
jobs_erase_begin(struct queue *queue, struct jobs_erasing *ret_forgetting,
    struct err *reterr)
{
	struct jobs_erasing forgetting;
	bool ok;

	lock_hold(&queue->held);
	if (queue->broken)
		ok = err_set(reterr, ERR_IO,
		    "the disk failed; the queue is being opened anew");
	else
		ok = (queue->damaged == 0 ||
			 queue_damaged_back(queue, reterr)) &&
		     forget_erasure_last(
			 queue, &forgetting.last_erasure, reterr);
	if (!ok)
		queue_rollback(queue, reterr);
	forgetting.damaged = queue->damaged_ever;
	queue_show(queue);
	lock_drop(&queue->held);
	if (ok)
		*ret_forgetting = forgetting;
	return ok;
}

size_t
jobs_erase_missed(struct queue *queue, const struct jobs_erasing *forgetting)
{
	int64_t missed;

	lock_hold(&queue->held);
	missed = queue->damaged_ever - forgetting->damaged;
	lock_drop(&queue->held);
	return (size_t)missed;
}

static bool
forget_erasure(struct queue *queue, const char *subject, int64_t last,
    int64_t erased_ms, struct err *reterr)
{
	sqlite3_stmt *done = store_statement(&queue->store,
	    erased_ms == 0 ? STORE_ERASURE_DONE : STORE_ERASURE_ERASED, reterr);

	if (done == NULL)
		return false;
	(void)sqlite3_bind_text(done, 1, subject, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(done, 2, last);
	if (erased_ms != 0)
		(void)sqlite3_bind_int64(done, 3, erased_ms);
	return store_run(&queue->store, done, reterr);
}

bool
jobs_erasures_done(struct queue *queue, const char *const *subjects,
    size_t count, int64_t last, int64_t erased_ms, struct err *reterr)
{
	bool ok;

	if (!tools_step_begin(queue, reterr))
		return false;
	ok = store_wipe(&queue->store, true, reterr);
	for (size_t i = 0; ok && i < count; i++)
		ok =
		    forget_erasure(queue, subjects[i], last, erased_ms, reterr);
	ok = ok && store_wipe(&queue->store, false, reterr);
	return tools_step_end(queue, ok, reterr) &&
	       tools_log_empty(queue, reterr);
}
