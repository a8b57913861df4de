#include "queue/sqlite/store.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- transactions ---- */

bool
store_begin(struct store *store, struct err *reterr)
{
	return db_begin(&store->db, reterr);
}

static bool
meta_write(
    struct store *store, const char *key, int64_t value, struct err *reterr)
{
	return db_run(&store->db, reterr,
	    "INSERT OR REPLACE INTO meta VALUES(?1, ?2)", "ti", key, value);
}

/* The counts that are stored, because counting the rows at open takes longer
 * the more there are; what was removed has no rows to count. */
static const struct meta_count {
	const char *key;
	size_t at; /* in struct store_counts */
} meta_counts[] = {
    {"archive_batches", offsetof(struct store_counts, archive_batches)},
    {"archive_bytes", offsetof(struct store_counts, archive_bytes)},
    {"dead", offsetof(struct store_counts, dead)},
    {"dead_bytes", offsetof(struct store_counts, dead_bytes)},
    {"unreadable_removed", offsetof(struct store_counts, unreadable_removed)},
};

enum { META_COUNTS = sizeof(meta_counts) / sizeof(*meta_counts) };

static int64_t *
meta_count_at(struct store_counts *counts, size_t i)
{
	return (int64_t *)(void *)((char *)counts + meta_counts[i].at);
}

bool
store_commit(struct store *store, struct err *reterr)
{
	for (size_t i = 0; i < META_COUNTS; i++) {
		int64_t now = *meta_count_at(&store->counts, i);

		if (now != *meta_count_at(&store->durable, i) &&
		    !meta_write(store, meta_counts[i].key, now, reterr))
			return false;
	}
	if (!db_commit(&store->db, reterr))
		return false;
	store->names_durable = store->names.count;
	store->rules_durable = store->rules.count;
	store->durable = store->counts;
	return true;
}

void
store_break(struct store *store)
{
	store_files_look(store);
	if (store->gone == NULL)
		db_close(&store->db);
}

void
store_rollback(struct store *store, const struct err *why)
{
	bool undone;

	if (!db_is_open(&store->db))
		return;
	undone = db_rollback(&store->db);
	names_cut(&store->names, store->names_durable);
	names_cut(&store->rules, store->rules_durable);
	store->destination_id = 0;
	store->counts = store->durable;
	/* Reopening the file does not repair a damaged page, so that is no
	 * reason to do it; a transaction that could not be undone is one. */
	if (why->code == ERR_IO || why->code == ERR_CONFIG || !undone)
		store_break(store);
}

/* ---- are the files still ours? ---- */

static struct statedir_look
store_look(const struct store *store)
{
	struct statedir_look look = statedir_look(&store->statedir);

	if (db_is_open(&store->db))
		look.log = look.log && db_log_whole(&store->db);
	return look;
}

static const char *
store_files_fault(struct store *store, const struct statedir_look *look)
{
	bool open = db_is_open(&store->db);

	if (store->cut != NULL)
		return store->cut;
	if (!look->dir)
		return "the state directory was moved, replaced or mounted "
		       "over";
	if (!look->file)
		return "queue.db was removed or replaced";
	if (!open && !look->log && store->log_bytes > 0)
		return "queue.db-wal was removed or replaced";
	if (look->file_bytes < store->file_bytes)
		store->cut = "queue.db was cut short";
	else if (open ? !look->log && !db_log_whole(&store->db) &&
			    !db_log_copied(&store->db)
		      : look->log && look->log_bytes < store->log_bytes)
		store->cut = "queue.db-wal was cut short";
	return store->cut;
}

static void
store_files_tell(struct store *store, const char *gone)
{
	if (gone == store->gone)
		return;
	store->gone = gone;
	if (gone == NULL)
		log_line(LOG_WARN, "queue", "files result=ok dir=%s",
		    LOG_QUOTE(store->statedir.dir));
	else
		log_line(LOG_ERROR, "queue",
		    "files result=gone dir=%s why=%s copy=%s",
		    LOG_QUOTE(store->statedir.dir), LOG_QUOTE(gone),
		    db_is_open(&store->db) ? "\"this process holds the last "
					     "one: run queue backup\""
					   : "none");
}

void
store_files_look(struct store *store)
{
	struct statedir_look look;

	if (!store->noted)
		return;
	look = store_look(store);
	store_files_tell(store, store_files_fault(store, &look));
}

/* The file may become shorter, even if the checkpoint fails after that. */
bool
store_checkpoint(struct store *store, bool truncate, struct err *reterr)
{
	struct statedir_look look;
	bool ok = db_checkpoint(&store->db, truncate, reterr);

	look = statedir_look(&store->statedir);
	if (look.file)
		store->file_bytes = look.file_bytes;
	if (ok)
		store->log_bytes = 0;
	return ok;
}

/* Open the file, unless it is open, and move the whole log into it. The log is
 * durable already (db.c), but only a disk that takes this is trusted with
 * more; otherwise the log would go on growing beside a file that cannot be
 * written. */
static bool
store_log_move(struct store *store, struct err *reterr)
{
	if (!db_is_open(&store->db)) {
		if (!db_open(&store->db, store->statedir.file, reterr))
			return false;
		if (!statedir_note(&store->statedir, reterr)) {
			db_close(&store->db);
			return false;
		}
		store->noted = true;
		/* Not before: from now on a log that is missing is lost. */
		statedir_mark(&store->statedir, STATEDIR_RUNNING);
	}
	return store_checkpoint(store, true, reterr);
}

/* The log was removed, replaced or cut, but all of it can be read still: move
 * it into the file. Who removes it may be about to remove the file, too, of
 * which this connection holds the last copy then: so it is closed, for a new
 * log, only after a while. Until then all that comes is moved at once. */
static bool
store_log_replace(struct store *store, struct err *reterr)
{
	int64_t mono_ms = clock_mono_ms();

	if (!store_checkpoint(store, true, reterr)) {
		store_files_tell(store,
		    "queue.db-wal was removed, replaced or cut, and cannot be "
		    "moved into queue.db");
		return false;
	}
	/* A kill before the new log is there finds everything in the file. */
	statedir_mark(&store->statedir, STATEDIR_STOPPED);
	if (store->log_gone_ms == 0)
		store->log_gone_ms = mono_ms;
	if (!statedir_look(&store->statedir).log &&
	    mono_ms - store->log_gone_ms < store->settings->reopen_ms)
		return true;
	store->log_gone_ms = 0;
	db_close(&store->db);
	log_line(LOG_WARN, "queue",
	    "replace file=queue.db-wal why=\"it was removed, replaced or "
	    "cut short\" result=\"nothing is lost\"");
	return statedir_log_clear(&store->statedir, reterr) &&
	       store_log_move(store, reterr);
}

bool
store_ours(struct store *store, struct err *reterr)
{
	struct statedir_look look;
	const char *fault;

	if (!store->noted)
		return true;
	look = store_look(store);
	fault = store_files_fault(store, &look);
	if (fault == NULL && !look.log) {
		if (db_is_open(&store->db)
			? !store_log_replace(store, reterr)
			: !statedir_log_clear(&store->statedir, reterr))
			return false;
	} else if (fault == NULL && store->log_gone_ms != 0) {
		/* It is back. */
		store->log_gone_ms = 0;
		statedir_mark(&store->statedir, STATEDIR_RUNNING);
	}
	store_files_tell(store, fault);
	if (fault != NULL)
		return err_set(
		    reterr, ERR_IO, "%s: %s", store->statedir.dir, fault);
	if (db_is_open(&store->db))
		store->log_bytes = db_log_bytes(&store->db);
	return true;
}

/* ---- loading ---- */

/* Move the log; on a full disk the reserve is released for it. */
static bool
store_log_move_with_reserve(struct store *store, struct err *reterr)
{
	struct err full;

	if (store_log_move(store, reterr))
		return true;
	if (reterr->code == ERR_FULL &&
	    statedir_reserve_release(&store->statedir) &&
	    store_log_move(store, reterr))
		return true;
	full = *reterr;
	if (full.code == ERR_FULL)
		return err_set(reterr, ERR_FULL,
		    "%.300s; free some space on the disk of %s: the queued "
		    "events are safe, and wait there",
		    full.text, store->statedir.dir);
	return false;
}

/* Fill a table of texts, whose numbers are 1, 2, ... What was known before
 * must be there still. */
static bool
store_texts_load(struct store *store, const char *sql, struct names *names,
    size_t *durable, struct err *reterr)
{
	struct db_rows rows = db_select(&store->db, reterr, sql, "");
	int64_t id, known;
	struct str text;
	bool ok = true;
	size_t count = 0;

	while (ok && db_next(&rows, reterr, "ib", &id, &text)) {
		count++;
		ok = names_add(names, text, &known, reterr) &&
		     (id == (int64_t)count && known == id
			     ? true
			     : err_set(reterr, ERR_DAMAGED,
				   "queue.db: a table of texts has gaps, or no "
				   "longer matches what was read from it "
				   "before"));
	}
	if (!db_end(&rows) || !ok)
		return false;
	if (count < names->count)
		return err_set(reterr, ERR_DAMAGED,
		    "queue.db: a table of texts has lost durable texts");
	*durable = count;
	return true;
}

static bool
meta_read(struct store *store, const char *key, int64_t *ret_value,
    struct err *reterr)
{
	*ret_value = 0;
	if (!db_run(&store->db, reterr, "SELECT value FROM meta WHERE key=?1",
		"t>i", key, ret_value))
		return false;
	*ret_value = store_sum(*ret_value);
	return true;
}

/* Count some rows, and their bytes; of a damaged table none. */
static bool
store_count(struct store *store, const char *sql, int64_t *ret_rows,
    int64_t *ret_bytes, struct err *reterr)
{
	struct err err;

	*ret_rows = *ret_bytes = 0;
	if (db_run(&store->db, &err, sql, ">ii", ret_rows, ret_bytes))
		return true;
	if (err.code != ERR_DAMAGED || db_read_failed(&store->db))
		return err_set(reterr, err.code, "%s", err.text);
	log_line(LOG_ERROR, "queue",
	    "count result=damaged why=%s help=\"currentsd queue check\"",
	    LOG_QUOTE(err.text));
	return true;
}

static bool
store_counts_load(struct store *store, struct err *reterr)
{
	struct store_counts counts = {0};
	int64_t last = 0, aside = 0, marked = 0, none;

	if (!db_run(&store->db, reterr,
		"SELECT coalesce(max(seq), 0) FROM batch"
		" WHERE seq<" STORE_NUMBERS_SQL,
		">i", &last) ||
	    !store_count(store,
		"SELECT coalesce(max(seq), 0), 0 FROM quarantine"
		" WHERE seq<" STORE_NUMBERS_SQL,
		&aside, &none, reterr) ||
	    !store_count(store,
		"SELECT max((SELECT coalesce(max(last), 0) FROM marks"
		" WHERE kind=0 AND last<" STORE_NUMBERS_SQL "),"
		" (SELECT coalesce(max(last), 0) FROM marks"
		" WHERE kind=1 AND last<" STORE_NUMBERS_SQL ")), 0",
		&marked, &none, reterr) ||
	    !store_count(store, "SELECT count(*), 0 FROM quarantine",
		&counts.quarantined, &none, reterr) ||
	    !store_count(store,
		"SELECT count(*), total(length(data)) FROM unreadable",
		&counts.unreadable, &counts.unreadable_bytes, reterr) ||
	    !store_count(store, "SELECT count(*), 0 FROM drift", &counts.drift,
		&none, reterr) ||
	    !store_count(store, "SELECT count(*), 0 FROM report",
		&counts.reports, &none, reterr) ||
	    !store_count(store, "SELECT total(length(hashes)), 0 FROM seen",
		&counts.seen, &none, reterr))
		return false;
	for (size_t i = 0; i < META_COUNTS; i++) {
		if (!meta_read(store, meta_counts[i].key,
			meta_count_at(&counts, i), reterr))
			return false;
	}
	counts.seen /= DIGEST_SHORT;
	if (last < aside)
		last = aside;
	if (last < marked)
		last = marked;
	/* Never back: leases of this process may name higher ones. */
	if (store->next_seq < last + 1)
		store->next_seq = last + 1;
	store->counts = store->durable = counts;
	return true;
}

static bool
store_key_load(struct store *store, struct err *reterr)
{
	struct db_rows rows = db_select(&store->db, reterr,
	    "SELECT data FROM state WHERE owner='' AND name='person_key'", "");
	struct str key = str_bytes(NULL, 0);
	bool whole = db_next(&rows, reterr, "b", &key) && key.len == DIGEST_KEY;

	if (whole)
		memcpy(store->person_key, key.data, DIGEST_KEY);
	if (!db_end(&rows))
		return false;
	return whole ||
	       err_set(reterr, ERR_DAMAGED,
		   "queue.db: the key of its hashes of people is lost");
}

bool
store_load(struct store *store, struct err *reterr)
{
	store->destination_id = 0;
	store->unshrinkable = false;
	if (!store_ours(store, reterr))
		return false;
	if (store_log_move_with_reserve(store, reterr) &&
	    store_texts_load(store, "SELECT id, text FROM name ORDER BY id",
		&store->names, &store->names_durable, reterr) &&
	    store_texts_load(store, "SELECT id, data FROM rules ORDER BY id",
		&store->rules, &store->rules_durable, reterr) &&
	    store_key_load(store, reterr) && store_counts_load(store, reterr))
		return true;
	store_break(store);
	return false;
}

/* ---- its life ---- */

/* Make the file if the state directory is new, which it is not if any trace of
 * a queue is in it. */
static bool
store_file_find(const struct statedir *statedir, struct err *reterr)
{
	bool log = access(statedir->log, F_OK) == 0;
	struct stat info;

	if (stat(statedir->file, &info) == 0) {
		if (info.st_size == 0)
			return err_set(reterr, ERR_DAMAGED,
			    "%s is empty, but a queue file never is: restore a "
			    "backup, or move the file away to start with an "
			    "empty queue",
			    statedir->file);
		if (!log && statedir->mark == STATEDIR_RUNNING)
			return err_set(reterr, ERR_CONFIG,
			    "%s is missing, but the last process was not "
			    "stopped in order, so what it accepted last is "
			    "in that file: put it back, or remove %s/lock to "
			    "start without it",
			    statedir->log, statedir->dir);
		return true;
	}
	if (errno != ENOENT)
		return err_set(reterr, ERR_CONFIG, "%s: %s", statedir->file,
		    strerror(errno));
	if (log)
		return err_set(reterr, ERR_DAMAGED,
		    "%s is missing, but its log %s is there: restore a backup, "
		    "or move the log away to start with an empty queue",
		    statedir->file, statedir->log);
	if (statedir->mark != STATEDIR_NEW ||
	    access(statedir->reserve_file, F_OK) == 0)
		return err_set(reterr, ERR_CONFIG,
		    "%s is missing, but %s had a queue: put the file back or "
		    "restore a backup, or remove the files lock and reserve "
		    "to start with an empty queue",
		    statedir->file, statedir->dir);
	if (!db_create(statedir->file, reterr))
		return false;
	log_line(LOG_WARN, "queue",
	    "create file=%s why=\"there is no trace of a queue in its "
	    "directory: if there was one, stop now and restore a backup\"",
	    LOG_QUOTE(statedir->file));
	return true;
}

bool
store_open(const struct queue_settings *settings, struct store **ret_store,
    struct err *reterr)
{
	struct store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return err_set_nomem(reterr);
	store->settings = settings;
	store->statedir.lock = -1;
	store->next_seq = 1;
	if (!statedir_take(&store->statedir, settings->dir,
		settings->reserve_bytes, settings->brief, reterr) ||
	    !store_file_find(&store->statedir, reterr) ||
	    !store_load(store, reterr)) {
		store_close(store);
		return false;
	}
	statedir_reserve_lay(&store->statedir, settings->min_free_bytes);
	*ret_store = store;
	return true;
}

void
store_close(struct store *store)
{
	struct err err;

	if (store == NULL)
		return;
	if (db_is_open(&store->db)) {
		/* Only tidiness: the log is as good as the file. */
		if (!store_ours(store, &err))
			log_line(LOG_ERROR, "queue",
			    "close why=%s copy=\"the last one is given up\"",
			    LOG_QUOTE(err.text));
		else if (store_checkpoint(store, true, &err))
			statedir_mark(&store->statedir, STATEDIR_STOPPED);
		else
			log_line(LOG_DEBUG, "queue", "close why=%s",
			    LOG_QUOTE(err.text));
		db_close(&store->db);
	}
	statedir_fini(&store->statedir);
	names_fini(&store->names);
	names_fini(&store->rules);
	free(store->sources);
	free(store);
}

/* ---- what is interned ---- */

bool
store_name(struct store *store, struct str text, bool add, int64_t *ret_id,
    struct err *reterr)
{
	*ret_id = names_find(&store->names, text);
	return *ret_id != 0 || !add ||
	       (names_add(&store->names, text, ret_id, reterr) &&
		   db_run(&store->db, reterr,
		       "INSERT INTO name(id, text) VALUES(?1, ?2)", "is",
		       *ret_id, text));
}

bool
store_rules(
    struct store *store, struct str rules, int64_t *ret_id, struct err *reterr)
{
	*ret_id = rules.len == 0 ? 0 : names_find(&store->rules, rules);
	return *ret_id != 0 || rules.len == 0 ||
	       (names_add(&store->rules, rules, ret_id, reterr) &&
		   db_run(&store->db, reterr,
		       "INSERT INTO rules(id, data) VALUES(?1, ?2)", "ib",
		       *ret_id, rules));
}

struct str
store_name_at(const struct store *store, int64_t id)
{
	return id >= 1 && (size_t)id <= store->names.count
		   ? names_at(&store->names, id)
		   : str_text("");
}

struct str
store_rules_at(const struct store *store, int64_t id)
{
	return id >= 1 && (size_t)id <= store->rules.count
		   ? names_at(&store->rules, id)
		   : str_bytes(NULL, 0);
}

bool
store_destination(
    struct store *store, struct str name, int64_t *ret_id, struct err *reterr)
{
	if (store->destination_id != 0 &&
	    str_equal_text(name, store->destination)) {
		*ret_id = store->destination_id;
		return true;
	}
	*ret_id = 0;
	if (!db_run(&store->db, reterr,
		"SELECT id FROM destination WHERE name=?1", "s>i", name,
		ret_id))
		return false;
	if (*ret_id != 0 && name.len < sizeof(store->destination)) {
		memcpy(store->destination, name.data, name.len);
		store->destination[name.len] = '\0';
		store->destination_id = *ret_id;
	}
	return true;
}

/* ---- delivery rows ---- */

bool
store_batch(struct store *store, int64_t seq, struct db_rows *rows,
    struct str *ret_frame, int64_t *ret_accepted_ms, int64_t *ret_events,
    struct err *reterr)
{
	struct err err = {.code = ERR_NONE};

	*ret_frame = str_bytes(NULL, 0);
	*ret_accepted_ms = *ret_events = 0;
	*rows = db_select(&store->db, &err,
	    "SELECT accepted_ms, events, data FROM batch WHERE seq=?1", "i",
	    seq);
	if (db_next(
		rows, &err, "iib", ret_accepted_ms, ret_events, ret_frame)) {
		*ret_accepted_ms =
		    *ret_accepted_ms < 0 ? 0 : store_sum(*ret_accepted_ms);
		return true;
	}
	*ret_frame = str_bytes(NULL, 0);
	if (db_end(rows) || err.code == ERR_DAMAGED)
		return true;
	return err_set(reterr, err.code, "%s", err.text);
}

void
store_row_end(struct db_rows *rows)
{
	(void)!db_end(rows);
}

/* A version that cannot be counted on is none. */
static bool
store_row_sound(const struct store *store,
    const struct delivery_columns *columns, int64_t source)
{
	return source >= 1 && (size_t)source <= store->names.count &&
	       columns->version > 0 && columns->version < STORE_NUMBERS_END;
}

bool
store_row(struct store *store, const struct delivery_columns *columns,
    struct str destination, int64_t source, struct db_rows *rows,
    struct engine_delivery *ret_row, struct err *reterr)
{
	int64_t accepted_ms, events;
	struct str frame;

	if (!store_batch(store, columns->seq, rows, &frame, &accepted_ms,
		&events, reterr))
		return false;
	*ret_row = (struct engine_delivery){
	    .destination = destination,
	    .source = store_name_at(store, source),
	    .due_ms = columns->due_ms,
	    .seq = columns->seq,
	    .version = (uint64_t)columns->version,
	    .accepted_ms = accepted_ms,
	    .events = store_size(events),
	    .unpacked = store_size(columns->unpacked),
	    .replay = columns->replay != 0,
	    .attempts = (unsigned)columns->attempts,
	    .refusals = (unsigned)columns->refusals,
	    .failures = (unsigned)columns->failures,
	    .first_ms = store_sum(columns->first_ms),
	    .parked = columns->parked,
	    .rules = store_rules_at(store, columns->rules),
	    .bytes = store_size(columns->bytes),
	    .remaining = store_size(columns->remaining),
	    .done = columns->done,
	    .delivered = columns->delivered,
	    .stamp = store_stamp(columns->stamp),
	    .frame = store_row_sound(store, columns, source)
			 ? frame
			 : str_bytes(NULL, 0),
	};
	return true;
}
