#include "queue/core.h"

#include <stdio.h>
#include <string.h>

void
queue_wake(struct queue *queue)
{
	if (queue->settings.wake != NULL)
		queue->settings.wake(queue->settings.wake_arg);
}

/* ---- transactions ---- */

bool
queue_begin(struct queue *queue, struct err *reterr)
{
	fair_lock_assert_held(&queue->lock);
	return db_begin(&queue->db, reterr);
}

bool
queue_meta_write(
    struct queue *queue, const char *key, int64_t value, struct err *reterr)
{
	return db_run(&queue->db, reterr,
	    "INSERT OR REPLACE INTO meta VALUES(?1, ?2)", "ti", key, value);
}

/* The totals of the archive are stored, because counting its rows at open
 * takes longer the more there are; what was removed has no rows to count. */
bool
queue_commit(struct queue *queue, struct err *reterr)
{
	const struct queue_counts *now = &queue->counts;
	const struct queue_counts *before = &queue->durable;

	fair_lock_assert_held(&queue->lock);
	if ((now->archive_batches != before->archive_batches &&
		!queue_meta_write(
		    queue, "archive_batches", now->archive_batches, reterr)) ||
	    (now->archive_bytes != before->archive_bytes &&
		!queue_meta_write(
		    queue, "archive_bytes", now->archive_bytes, reterr)) ||
	    (now->unreadable_removed != before->unreadable_removed &&
		!queue_meta_write(queue, "unreadable_removed",
		    now->unreadable_removed, reterr)) ||
	    !ledger_write(queue->ledger, &queue->db, reterr) ||
	    !backlogs_write(queue->backlogs, &queue->db, reterr) ||
	    !db_commit(&queue->db, reterr))
		return false;
	window_commit(queue->window);
	names_commit(queue->names);
	ledger_commit(queue->ledger);
	backlogs_commit(queue->backlogs);
	queue->durable = queue->counts;
	return true;
}

void
queue_break(struct queue *queue)
{
	fair_lock_assert_held(&queue->lock);
	db_close(&queue->db);
}

void
queue_rollback(struct queue *queue, const struct err *why)
{
	bool undone;

	fair_lock_assert_held(&queue->lock);
	if (!db_is_open(&queue->db))
		return;
	undone = db_rollback(&queue->db);
	window_rollback(queue->window);
	names_rollback(queue->names);
	ledger_rollback(queue->ledger);
	backlogs_rollback(queue->backlogs);
	queue->counts = queue->durable;
	/* Reopening the file does not repair a damaged page, so that is no
	 * reason to do it; a transaction that could not be undone is one. */
	if (why->code == ERR_IO || why->code == ERR_CONFIG || !undone)
		queue_break(queue);
}

bool
queue_change_held(struct queue *queue, queue_change_fn *change, void *arg,
    bool essential, struct err *reterr)
{
	struct err err;

	do {
		if (queue_begin(queue, &err) && change(queue, arg, &err) &&
		    queue_commit(queue, &err))
			return true;
		queue_rollback(queue, &err);
	} while (essential && err.code == ERR_FULL &&
		 statedir_reserve_release(&queue->statedir));
	return err_set(reterr, err.code, "%s", err.text);
}

bool
queue_change(struct queue *queue, queue_change_fn *change, void *arg,
    bool essential, struct err *reterr)
{
	bool ok;

	fair_lock_hold(&queue->lock);
	ok = queue_change_held(queue, change, arg, essential, reterr);
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	return ok;
}

bool
queue_room(struct queue *queue, struct err *reterr)
{
	int64_t live, file, left;

	fair_lock_assert_held(&queue->lock);
	if (!db_sizes(&queue->db, &live, &file, reterr) ||
	    !statedir_free_bytes(&queue->statedir, &left, reterr))
		return false;
	if (live >= queue->settings.max_bytes)
		return err_set(reterr, ERR_FULL,
		    "the queue has reached its limit of %lld bytes",
		    (long long)queue->settings.max_bytes);
	/* Pages that are free inside the file need no room on the disk. */
	if (left + (file - live) < queue->settings.min_free_bytes)
		return err_set(reterr, ERR_FULL,
		    "the disk has %lld bytes free, less than the %lld that "
		    "must stay free",
		    (long long)left, (long long)queue->settings.min_free_bytes);
	return true;
}

void
queue_publish(struct queue *queue)
{
	bool open = db_is_open(&queue->db), sized;
	const struct queue_counts *counts = &queue->durable;
	struct stats_totals *totals = &queue->totals;
	int64_t live = 0, file = 0, left = 0;
	struct err err;

	fair_lock_assert_held(&queue->lock);
	sized = open && db_sizes(&queue->db, &live, &file, &err) &&
		statedir_free_bytes(&queue->statedir, &left, &err);
	lock_hold(&queue->shown_lock);
	totals->broken = !open;
	totals->reserve = queue->statedir.reserve;
	if (sized) {
		totals->live_bytes = live;
		totals->file_bytes = file;
		totals->free_bytes = left;
	}
	if (open) {
		for (size_t i = 0; i < queue->backlogs->count; i++) {
			const struct backlog *one = &queue->backlogs->list[i];

			(void)snprintf(queue->shown[i].name,
			    sizeof(queue->shown[i].name), "%s",
			    names_text(queue->names, one->destination));
			queue->shown[i].queued = one->queued;
			queue->shown[i].delivered_ms = one->delivered_ms;
		}
		queue->shown_count = queue->backlogs->count;
		totals->events = *ledger_totals(queue->ledger);
		totals->window_events = (int64_t)window_count(queue->window);
		totals->unreadable = counts->unreadable;
		totals->unreadable_bytes = counts->unreadable_bytes;
		totals->unreadable_removed = counts->unreadable_removed;
		totals->quarantined_batches = counts->quarantined;
		totals->archive_batches = counts->archive_batches;
		totals->archive_bytes = counts->archive_bytes;
		totals->last_commit_ms = queue->last_commit_ms;
	}
	lock_drop(&queue->shown_lock);
}

/* ---- loading ---- */

/* Open the file, unless it is open, and move the whole log into it. The log is
 * durable already (db.c), but only a disk that takes this is trusted with
 * more; otherwise the log would go on growing beside a file that cannot be
 * written. */
static bool
queue_log_move(struct queue *queue, struct err *reterr)
{
	return (db_is_open(&queue->db) ||
		   db_open(&queue->db, queue->statedir.file, reterr)) &&
	       db_checkpoint(&queue->db, true, reterr);
}

/* The same; on a full disk the reserve is released for it. */
static bool
queue_log_move_with_reserve(struct queue *queue, struct err *reterr)
{
	struct err full;

	if (queue_log_move(queue, reterr))
		return true;
	if (reterr->code == ERR_FULL &&
	    statedir_reserve_release(&queue->statedir) &&
	    queue_log_move(queue, reterr))
		return true;
	full = *reterr;
	if (full.code == ERR_FULL)
		return err_set(reterr, ERR_FULL,
		    "%.300s; free some space on the disk of %s: the queued "
		    "events are safe, and wait there",
		    full.text, queue->settings.dir);
	return false;
}

/* The key of the hashes: made once for each file. */
static bool
queue_key_load(struct queue *queue, struct err *reterr)
{
	struct str key = {(const char *)queue->hash_key, DIGEST_KEY}, stored;
	bool found = false;
	struct db_rows rows;

	rows = db_select(&queue->db, reterr,
	    "SELECT value FROM meta WHERE key='hash_key'", "");
	if (db_next(&rows, reterr, "b", &stored) && stored.len == DIGEST_KEY) {
		memcpy(queue->hash_key, stored.data, DIGEST_KEY);
		found = true;
	}
	if (!db_end(&rows))
		return false;
	if (found)
		return true;
	digest_random(queue->hash_key, DIGEST_KEY);
	return db_run(&queue->db, reterr,
	    "INSERT OR REPLACE INTO meta VALUES('hash_key', ?1)", "b", key);
}

/* Fill the window from the table, oldest first. */
static bool
queue_window_load(struct queue *queue, struct err *reterr)
{
	struct db_rows rows;
	struct str hashes;

	window_clear(queue->window);
	queue->counts.seen = 0;
	rows = db_select(
	    &queue->db, reterr, "SELECT hashes FROM seen ORDER BY n", "");
	while (db_next(&rows, reterr, "b", &hashes)) {
		const unsigned char *hash = (const unsigned char *)hashes.data;
		size_t count = hashes.len / DIGEST_SHORT;

		queue->counts.seen += (int64_t)count;
		for (size_t i = 0; i < count; i++, hash += DIGEST_SHORT) {
			if (!window_has(queue->window, hash))
				window_add(queue->window, hash);
		}
		window_commit(queue->window);
	}
	return db_end(&rows);
}

static bool
queue_meta_read(struct queue *queue, const char *key, int64_t *ret_value,
    struct err *reterr)
{
	*ret_value = 0;
	return db_get(&queue->db, reterr, "SELECT value FROM meta WHERE key=?1",
	    "t>i", key, ret_value);
}

static bool
queue_counts_load(struct queue *queue, struct err *reterr)
{
	struct queue_counts *counts = &queue->counts;
	int64_t last = 0;

	if (!db_get(&queue->db, reterr,
		"SELECT max((SELECT coalesce(max(seq), 0) FROM batch),"
		" (SELECT coalesce(max(seq), 0) FROM quarantine))",
		">i", &last) ||
	    !db_get(&queue->db, reterr, "SELECT count(*) FROM quarantine", ">i",
		&counts->quarantined) ||
	    !db_get(&queue->db, reterr,
		"SELECT count(*), coalesce(sum(length(data)), 0)"
		" FROM unreadable",
		">ii", &counts->unreadable, &counts->unreadable_bytes) ||
	    !db_get(&queue->db, reterr, "SELECT count(*) FROM drift", ">i",
		&counts->drift) ||
	    !queue_meta_read(
		queue, "archive_batches", &counts->archive_batches, reterr) ||
	    !queue_meta_read(
		queue, "archive_bytes", &counts->archive_bytes, reterr) ||
	    !queue_meta_read(queue, "unreadable_removed",
		&counts->unreadable_removed, reterr))
		return false;
	/* Never back: leases of this process may name higher ones. */
	if (queue->next_seq < last + 1)
		queue->next_seq = last + 1;
	queue->durable = *counts;
	return true;
}

static bool
quarantine_empty(struct queue *queue, void *arg, struct err *reterr)
{
	(void)arg;
	queue->counts.quarantined = 0;
	return db_run(&queue->db, reterr,
		   "INSERT OR IGNORE INTO delivery SELECT destination, source,"
		   " due_ms, seq, attempts, remaining, done, delivered, replay"
		   " FROM quarantine",
		   "") &&
	       db_run(&queue->db, reterr, "DELETE FROM quarantine", "");
}

bool
queue_quarantine_retry(struct queue *queue, bool essential, struct err *reterr)
{
	if (queue->durable.quarantined == 0)
		return true;
	if (!queue_change_held(
		queue, quarantine_empty, NULL, essential, reterr))
		return false;
	backlogs_restart(queue->backlogs);
	return true;
}

bool
queue_load(struct queue *queue, struct err *reterr)
{
	fair_lock_assert_held(&queue->lock);
	if (queue_log_move_with_reserve(queue, reterr) &&
	    queue_key_load(queue, reterr) &&
	    names_load(queue->names, &queue->db, reterr) &&
	    ledger_load(queue->ledger, &queue->db, reterr) &&
	    backlogs_load(queue->backlogs, &queue->db, queue->names, reterr) &&
	    queue_window_load(queue, reterr) &&
	    queue_counts_load(queue, reterr) &&
	    queue_quarantine_retry(queue, true, reterr))
		return true;
	queue_break(queue);
	return false;
}
