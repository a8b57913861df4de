/*
 * Transactions: the file and its mirrors in memory move together, or not at
 * all; and what is shown of them without queued for one.
 */

#include "queue/inside.h"

#include <string.h>

sqlite3_stmt *
queue_statement(struct queue *queue, enum store_sql sql, struct err *reterr)
{
	if (queue->broken) {
		(void)err_set(reterr, ERR_IO,
		    "the disk failed; the queue is being opened anew");
		return NULL;
	}
	return store_statement(&queue->store, sql, reterr);
}

bool
queue_begin(struct queue *queue, struct err *reterr)
{
	if (queue->broken)
		return err_set(reterr, ERR_IO,
		    "the disk failed; the queue is being opened anew");
	return store_begin(&queue->store, reterr);
}

static bool
queue_meta_write(
    struct queue *queue, const char *key, int64_t value, struct err *reterr)
{
	sqlite3_stmt *write =
	    store_statement(&queue->store, STORE_META_WRITE, reterr);

	if (write == NULL)
		return false;
	(void)sqlite3_bind_text(write, 1, key, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(write, 2, value);
	return store_run(&queue->store, write, reterr);
}

/* The totals of what is kept stand in the file, since counting the rows at
 * open would take a time that grows with them; what was removed has none. */
static bool
queue_totals_write(struct queue *queue, struct err *reterr)
{
	const struct queue_moved *moved = &queue->moved;

	if ((moved->archive_batches != 0 || moved->kept_changed) &&
	    (!queue_meta_write(queue, "archive_batches",
		 queue->archive_batches + moved->archive_batches, reterr) ||
		!queue_meta_write(queue, "archive_bytes",
		    queue->archive_bytes + moved->archive_bytes, reterr)))
		return false;
	return moved->bodies_removed == 0 ||
	       queue_meta_write(queue, "unreadable_removed",
		   queue->bodies_removed + moved->bodies_removed, reterr);
}

bool
queue_commit(struct queue *queue, struct err *reterr)
{
	if (!ledger_write(queue->ledger, &queue->store, reterr) ||
	    !queue_totals_write(queue, reterr) || !lane_write(queue, reterr) ||
	    !store_commit(&queue->store, reterr))
		return false;
	window_commit(queue->window);
	names_commit(queue->names);
	ledger_commit(queue->ledger);
	lane_commit(queue);
	queue->seen_events += queue->moved.seen_events;
	queue->bodies += queue->moved.bodies;
	queue->body_bytes += queue->moved.body_bytes;
	queue->bodies_removed += queue->moved.bodies_removed;
	queue->damaged += queue->moved.damaged;
	queue->damaged_ever += queue->moved.damaged;
	queue->archive_batches += queue->moved.archive_batches;
	queue->archive_bytes += queue->moved.archive_bytes;
	queue->notes += queue->moved.notes;
	queue->moved = (struct queue_moved){0};
	return true;
}

void
queue_break(struct queue *queue)
{
	if (queue->broken)
		return;
	store_close(&queue->store);
	queue->broken = true;
}

void
queue_rollback(struct queue *queue, const struct err *why)
{
	if (queue->broken)
		return;
	store_rollback(&queue->store);
	window_rollback(queue->window);
	names_rollback(queue->names);
	ledger_rollback(queue->ledger);
	lane_rollback(queue);
	queue->moved = (struct queue_moved){0};
	/* A damaged page is no reason (it will still be damaged), but a
	 * transaction that could not be undone is as bad as a bad disk. */
	if (why->code == ERR_IO || why->code == ERR_CONFIG ||
	    sqlite3_get_autocommit(queue->store.db) == 0)
		queue_break(queue);
}

bool
queue_relieve(struct queue *queue, const struct err *why)
{
	queue_rollback(queue, why);
	return why->code == ERR_FULL && place_ballast_drop(&queue->place);
}

bool
queue_room(struct queue *queue, struct err *reterr)
{
	int64_t live, file, left;

	if (!store_sizes(&queue->store, &live, &file, reterr) ||
	    !place_free_bytes(&queue->place, &left, reterr))
		return false;
	if (live >= queue->settings.max_bytes)
		return err_set(reterr, ERR_FULL,
		    "the queue is at its bound of %lld bytes",
		    (long long)queue->settings.max_bytes);
	/* Pages that are free inside the file need no room on the disk. */
	if (left + (file - live) < queue->settings.min_free_bytes)
		return err_set(reterr, ERR_FULL,
		    "the disk has %lld bytes left, less than the %lld to keep"
		    " free",
		    (long long)left, (long long)queue->settings.min_free_bytes);
	return true;
}

/* ---- what is shown ---- */

static void
queue_show_lanes(struct queue *queue)
{
	queue->lanes_shown_count = queue->lane_count;
	for (size_t i = 0; i < queue->lane_count; i++) {
		const char *name = names_text(queue->names, queue->lanes[i].id);
		size_t len = strnlen(name, NAMES_TEXT_MAX);

		memcpy(queue->lanes_shown[i].name, name, len);
		queue->lanes_shown[i].name[len] = '\0';
		queue->lanes_shown[i].queued = queue->lanes[i].queued;
		queue->lanes_shown[i].delivered_ms =
		    queue->lanes[i].delivered_ms;
	}
}

void
queue_show(struct queue *queue)
{
	int64_t live = 0, file = 0, left = 0;
	bool sized;
	struct err err;

	sized = !queue->broken &&
		store_sizes(&queue->store, &live, &file, &err) &&
		place_free_bytes(&queue->place, &left, &err);
	lock_hold(&queue->shelf);
	queue->totals.broken = queue->broken;
	queue->totals.ballast = queue->place.ballast;
	if (sized) {
		queue->totals.live_bytes = live;
		queue->totals.file_bytes = file;
		queue->totals.free_bytes = left;
	}
	if (!queue->broken) {
		queue->totals.events = *ledger_totals(queue->ledger);
		queue->totals.window_events =
		    (int64_t)window_count(queue->window);
		queue->totals.unreadable = queue->bodies;
		queue->totals.unreadable_bytes = queue->body_bytes;
		queue->totals.unreadable_removed = queue->bodies_removed;
		queue->totals.quarantined_batches = queue->damaged;
		queue->totals.archive_batches = queue->archive_batches;
		queue->totals.archive_bytes = queue->archive_bytes;
		queue->totals.last_commit_ms = queue->last_commit_ms;
		queue_show_lanes(queue);
	}
	lock_drop(&queue->shelf);
}
