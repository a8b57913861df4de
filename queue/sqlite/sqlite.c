#include "queue/sqlite/sqlite.h"

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "queue/sqlite/store.h"

struct sqlite3 *
sqlite_connection(struct store *store)
{
	return store->db.sqlite;
}

void
sqlite_break(struct store *store)
{
	store_break(store);
}

enum {
	/* of a slice: with its commit it is to take less than 25 ms */
	SHRINK_MS = 4,
	SHRINK_PAGES = 128,
	SHRINK_CHECKPOINTS = 4, /* for one of the usual size */
};

/* ---- claims: one process has the directory, and so all destinations ---- */

static bool
sqlite_claim(struct store *store, const char *destination,
    struct engine_claim *ret_claim, struct err *reterr)
{
	(void)store;
	(void)destination;
	(void)reterr;
	*ret_claim = (struct engine_claim){.until_mono_ms = INT64_MAX};
	return true;
}

static bool
sqlite_renew(struct store *store, struct engine_claim *const *claims,
    size_t count, struct err *reterr)
{
	(void)store;
	(void)claims;
	(void)count;
	(void)reterr;
	return true;
}

static void
sqlite_release(
    struct store *store, struct engine_claim *const *claims, size_t count)
{
	(void)store;
	(void)claims;
	(void)count;
}

/* ---- numbers and small values ---- */

static bool
sqlite_recount(
    struct store *store, struct engine_totals *totals, struct err *reterr)
{
	return db_run(&store->db, reterr,
		   "SELECT total(remaining), total(bytes)"
		   " FROM (SELECT remaining, bytes FROM delivery WHERE replay=0"
		   " UNION ALL"
		   " SELECT remaining, bytes FROM quarantine WHERE replay=0)",
		   ">ii", &totals->queued, &totals->queued_bytes) &&
	       db_run(&store->db, reterr,
		   "SELECT total(letters), total(length(data)) FROM dead",
		   ">ii", &totals->dead, &totals->dead_bytes) &&
	       db_run(&store->db, reterr,
		   "SELECT count(*), total(bytes) FROM archive", ">ii",
		   &totals->archive_batches, &totals->archive_bytes);
}

static bool
sqlite_totals(struct store *store, bool recount,
    struct engine_totals *ret_totals, struct err *reterr)
{
	const struct store_counts *counts = &store->durable;
	struct engine_totals totals = {
	    .reserve = store->statedir.reserve,
	    .broken = !db_is_open(&store->db),
	};

	store_files_look(store);
	totals.gone = store->gone;
	if (!totals.broken) {
		totals.archive_batches = counts->archive_batches;
		totals.archive_bytes = counts->archive_bytes;
		totals.dead = counts->dead;
		totals.dead_bytes = counts->dead_bytes;
		totals.unreadable = counts->unreadable;
		totals.unreadable_bytes = counts->unreadable_bytes;
		totals.unreadable_removed = counts->unreadable_removed;
		totals.quarantined = counts->quarantined;
		totals.reports = counts->reports;
		if (!db_sizes(&store->db, &totals.live_bytes,
			&totals.file_bytes, reterr) ||
		    !statedir_free_bytes(
			&store->statedir, &totals.free_bytes, reterr))
			return false;
	}
	if (recount && !sqlite_recount(store, &totals, reterr))
		return false;
	*ret_totals = totals;
	return true;
}

static bool
sqlite_state(struct store *store, const char *owner, const char *name,
    struct buf *ret_data, struct err *reterr)
{
	struct db_rows rows = db_select(&store->db, reterr,
	    "SELECT data FROM state WHERE owner=?1 AND name=?2", "tt", owner,
	    name);
	struct str data;

	if (db_next(&rows, reterr, "b", &data))
		(void)buf_append(ret_data, data.data, data.len);
	if (db_end(&rows))
		return true;
	/* As of whole tables: what the disk did not give is not lost. */
	if (reterr->code == ERR_DAMAGED && db_read_failed(&store->db))
		reterr->code = ERR_IO;
	return false;
}

/* ---- upkeep ---- */

/* Move the log into the file. */
static bool
sqlite_checkpoint(struct store *store, struct err *reterr)
{
	struct err err;

	if (store_checkpoint(store, false, &err) || err.code == ERR_FULL ||
	    err.code == ERR_NOMEM)
		return true;
	/* The file may hold half of it; the log has it all. */
	store_break(store);
	return err_set(reterr, err.code, "%s", err.text);
}

/* Is the log long enough for it? What is freed is written only once: while the
 * file shrinks, puts need not wait for a long log. */
static bool
sqlite_log_is_long(const struct store *store)
{
	int64_t bytes = store->settings->checkpoint_bytes;

	if (store->shrinking)
		bytes /= SHRINK_CHECKPOINTS;
	return store->db.log_pages >= bytes / DB_PAGE;
}

/* Is it time to shrink the file? Once begun it goes on until half of what was
 * too much is left, since what is queued comes and goes. */
static bool
sqlite_is_too_large(struct store *store, bool *ret_large, struct err *reterr)
{
	int64_t live, file, spare;

	if (!db_sizes(&store->db, &live, &file, reterr))
		return false;
	spare = store->settings->shrink_bytes + live / 4;
	*ret_large = file - live > (store->shrinking ? spare / 2 : spare);
	return true;
}

static bool
sqlite_shrink_slice(struct store *store, struct err *reterr)
{
	return store_begin(store, reterr) &&
	       db_shrink(&store->db, SHRINK_PAGES, clock_mono_ms() + SHRINK_MS,
		   reterr) &&
	       store_commit(store, reterr);
}

/* Give a slice of the file back. If that fails nothing is lost, and it is tried
 * again, but not over damage, such as that of a pointer map, which only this
 * reads. Only a failing disk matters. */
static bool
sqlite_shrink(struct store *store, bool *ret_more, struct err *reterr)
{
	bool large = false;
	struct err err;

	/* A backup would copy what is moved a second time. */
	if (store->db.backup == NULL && !store->unshrinkable &&
	    (!sqlite_is_too_large(store, &large, &err) ||
		(large && !sqlite_shrink_slice(store, &err)))) {
		store_rollback(store, &err);
		store->unshrinkable = err.code == ERR_DAMAGED;
		if (store->unshrinkable)
			log_line(LOG_ERROR, "queue",
			    "shrink result=failed why=%s help=\"the file "
			    "stays as large as it is: see currentsd queue "
			    "check\"",
			    LOG_QUOTE(err.text));
		return db_is_open(&store->db) ||
		       err_set(reterr, err.code, "%s", err.text);
	}
	*ret_more = large;
	/* The file gets shorter now. */
	if (store->shrinking && !large) {
		store->shrinking = false;
		return sqlite_checkpoint(store, reterr);
	}
	store->shrinking = large;
	return true;
}

static bool
sqlite_upkeep(struct store *store, int64_t mono_ms, bool *ret_reopened,
    bool *ret_more, struct err *reterr)
{
	struct err err;

	*ret_reopened = *ret_more = false;
	if (db_is_open(&store->db)) {
		*ret_reopened = store->unsure;
		store->unsure = false;
		/* Files that are not ours are told where that is found. */
		if (!store_ours(store, &err))
			return true;
		/* One of them, since puts wait for it. */
		if (sqlite_log_is_long(store)) {
			if (!sqlite_checkpoint(store, reterr))
				return false;
			*ret_more =
			    store->shrinking && store->db.log_pages == 0;
		} else if (!sqlite_shrink(store, ret_more, reterr)) {
			return false;
		}
	} else if (mono_ms >= store->reopen_ms) {
		store->reopen_ms = mono_ms + store->settings->reopen_ms;
		counter_add(COUNTER_REOPENS, 1);
		if (!store_load(store, reterr))
			return false;
		*ret_reopened = true;
		store->unsure = false;
	}
	if (db_is_open(&store->db))
		statedir_reserve_lay(
		    &store->statedir, store->settings->min_free_bytes);
	return true;
}

const struct engine sqlite_engine = {
    .name = "sqlite",
    .open = store_open,
    .close = store_close,
    .apply = store_apply,
    .claim = sqlite_claim,
    .renew = sqlite_renew,
    .release = sqlite_release,
    .due = store_due,
    .walk = store_walk,
    .read = store_read,
    .members = store_members,
    .totals = sqlite_totals,
    .state = sqlite_state,
    .upkeep = sqlite_upkeep,
    .job = store_job,
};
