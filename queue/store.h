#ifndef QUEUE_STORE_H
#define QUEUE_STORE_H

/*
 * The queue file: SQLite in WAL mode, opened by one process alone, with the
 * statements that the queue uses. The only file that tunes SQLite.
 *
 * Sync rules (sqlite.org/wal.html, sqlite.org/pragma.html#pragma_synchronous):
 * with synchronous=FULL every commit fsyncs the log; recovery at open does
 * not, so each open ends with a truncating checkpoint, which does.
 *
 * Not thread safe: struct queue's lock guards it.
 */

#include "base/err.h"

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

/* Parcels take some 20 KB: larger pages are left half empty (16 KiB: 262 bytes
 * on disk of a sample event, 8 KiB: 238), smaller ones cost processor time. */
enum { STORE_PAGE = 8192 };

/* Of the file: its format, and the mark that it is ours. */
enum { STORE_VERSION = 2, STORE_APPLICATION = 0x63757264 /* "curd" */ };

enum store_sql {
	STORE_BEGIN,
	STORE_COMMIT,
	STORE_ROLLBACK,
	STORE_PAGES,
	STORE_FREE_PAGES,
	STORE_META_READ,
	STORE_META_WRITE,
	STORE_NAME_ALL,
	STORE_NAME_ADD,
	STORE_BATCH_ADD,
	STORE_BATCH_READ,
	STORE_BATCH_DELETE,
	STORE_BATCH_LAST,
	STORE_DELIVERY_ADD,
	STORE_DELIVERY_READ,
	STORE_DELIVERY_UPDATE,
	STORE_DELIVERY_DELETE,
	STORE_DELIVERY_SOURCE_AFTER,
	STORE_DELIVERY_FRESH,
	STORE_DELIVERY_DEFERRED,
	STORE_DELIVERY_DEFERRED_FAR,
	STORE_DELIVERY_REPLAY,
	STORE_DELIVERY_REPLAY_DEFERRED,
	STORE_DELIVERY_OLDEST_FRESH,
	STORE_DELIVERY_OLDEST_DEFERRED,
	STORE_DELIVERY_AFTER,
	STORE_DELIVERY_OF_DESTINATION,
	STORE_DELIVERY_REDIRECT,
	STORE_BATCH_AFTER,
	STORE_BATCH_WRITE,
	STORE_QUARANTINE_ADD,
	STORE_QUARANTINE_BACK,
	STORE_QUARANTINE_CLEAR,
	STORE_QUARANTINE_COUNT,
	STORE_QUARANTINE_QUEUED,
	STORE_QUARANTINE_REDIRECT,
	STORE_DEAD_ADD,
	STORE_DEAD_AFTER,
	STORE_DEAD_LAST,
	STORE_DEAD_REDIRECT,
	STORE_DEAD_TOP,
	STORE_ARCHIVE_ADD,
	STORE_ARCHIVE_FIRST,
	STORE_ARCHIVE_DELETE,
	STORE_ARCHIVE_TOTALS,
	STORE_ARCHIVE_AFTER,
	STORE_ARCHIVE_WRITE,
	STORE_ARCHIVE_LAST,
	STORE_ARCHIVE_REDIRECT,
	STORE_DEAD_DELETE,
	STORE_ERASURE_ADD,
	STORE_ERASURE_AFTER,
	STORE_ERASURE_LAST,
	STORE_ERASURE_DONE,
	STORE_ERASURE_ERASED,
	STORE_DRIFT_ADD,
	STORE_DRIFT_AGAIN,
	STORE_DRIFT_ALL,
	STORE_DRIFT_COUNT,
	STORE_UNREADABLE_ADD,
	STORE_UNREADABLE_FIND,
	STORE_UNREADABLE_TOTALS,
	STORE_UNREADABLE_AFTER,
	STORE_UNREADABLE_DELETE,
	STORE_SEEN_ALL,
	STORE_SEEN_ADD,
	STORE_SEEN_FIRST,
	STORE_SEEN_DELETE,
	STORE_LEDGER_ADD,
	STORE_LEDGER_TOTALS,
	STORE_LEDGER_BY_SOURCE,
	STORE_LEDGER_BY_TYPE,
	STORE_LEDGER_BY_HOUR,
	STORE_LEDGER_FOLD,
	STORE_LEDGER_FOLDED,
	STORE_DROP_FOLD,
	STORE_DROP_FOLDED,
	STORE_DROP_ADD,
	STORE_DROP_ALL,
	STORE_DROP_TOP,
	STORE_DESTINATION_ALL,
	STORE_DESTINATION_ADD,
	STORE_DESTINATION_READ,
	STORE_DESTINATION_QUEUED,
	STORE_DESTINATION_RUN,
	STORE_DESTINATION_POST,
	STORE_DOUBT_READ,
	STORE_DOUBT_COUNT,
	STORE_DOUBT_WRITE,
	STORE_DOUBT_DELETE,
	STORE_DESTINATION_REST,
	STORE_DESTINATION_PAUSE,
	STORE_INTEGRITY,
	STORE_CHECK_QUEUED,
	STORE_CHECK_DEAD,
	STORE_CHECK_DESTINATIONS,
	STORE_STATEMENTS /* how many */
};

struct store {
	sqlite3 *db;				    /* NULL while closed */
	sqlite3_stmt *statements[STORE_STATEMENTS]; /* made when first used */
	sqlite3_backup *backup; /* that runs, or NULL; ends with the store */
	int log_pages;		/* in the log, after the last commit */
};

/* Make a new, empty queue file at `path`, durably: built beside it and
 * renamed, so that a file of this name is always whole. */
MUST_USE bool store_create(const char *path, struct err *reterr);

/* Open; recovers the log. Needs store_checkpoint() before it is trusted. */
MUST_USE bool
store_open(struct store *store, const char *path, struct err *reterr);

/* Write the log's bytes anew and sync them, before it is opened: what the
 * page cache shows of it may never have reached the disk (store_log.c). No
 * log is fine. ERR_FULL if the disk is. */
MUST_USE bool store_log_renew(const char *path, struct err *reterr);

/* Sync the directory that the file is in. */
MUST_USE bool store_sync_dir(const char *path, struct err *reterr);

/* The two steps that making and opening share: a bare connection, and
 * statements without a result. */
MUST_USE bool store_connect(
    struct store *store, const char *path, int flags, struct err *reterr);
MUST_USE bool
store_exec(struct store *store, const char *sql, struct err *reterr);

/* Close without writing: the log stays for the next open. */
void store_close(struct store *store);

MUST_USE bool store_begin(struct store *store, struct err *reterr);
MUST_USE bool store_commit(struct store *store, struct err *reterr);
void store_rollback(struct store *store);

/* Move the log into the file; truncating also empties the log. */
MUST_USE bool
store_checkpoint(struct store *store, bool truncate, struct err *reterr);

/* Rebuild the file without free pages; through a temporary file, since it
 * may be larger than the memory. */
MUST_USE bool store_vacuum(struct store *store, struct err *reterr);

/* From here on, overwrite every byte that is deleted, or as few as is usual. */
MUST_USE bool store_wipe(struct store *store, bool all, struct err *reterr);

/* Bytes of pages in use, and of the file; inside a transaction its own. */
MUST_USE bool store_sizes(struct store *store, int64_t *ret_live,
    int64_t *ret_file, struct err *reterr);

/*
 * A statement, ready to bind; NULL with *reterr on failure. Bind with
 * sqlite3_bind_*, then store_step() for rows (*ret_row says if there is one)
 * or store_run() for none. Whoever steps to a row ends with store_reset().
 */
MUST_USE sqlite3_stmt *
store_statement(struct store *store, enum store_sql sql, struct err *reterr);
MUST_USE bool store_step(struct store *store, sqlite3_stmt *statement,
    bool *ret_row, struct err *reterr);
MUST_USE bool
store_run(struct store *store, sqlite3_stmt *statement, struct err *reterr);
void store_reset(sqlite3_stmt *statement);

#endif
