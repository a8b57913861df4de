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
enum { STORE_VERSION = 1, STORE_APPLICATION = 0x63757264 /* "curd" */ };

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
	STORE_PARCEL_ADD,
	STORE_PARCEL_READ,
	STORE_PARCEL_DELETE,
	STORE_PARCEL_LAST,
	STORE_TICKET_ADD,
	STORE_TICKET_READ,
	STORE_TICKET_UPDATE,
	STORE_TICKET_DELETE,
	STORE_TICKET_SOURCE_AFTER,
	STORE_TICKET_FRESH,
	STORE_TICKET_ASIDE,
	STORE_TICKET_ASIDE_FAR,
	STORE_TICKET_REPLAY,
	STORE_TICKET_REPLAY_ASIDE,
	STORE_TICKET_OLDEST_FRESH,
	STORE_TICKET_OLDEST_ASIDE,
	STORE_TICKET_AFTER,
	STORE_TICKET_OF_LANE,
	STORE_TICKET_REDIRECT,
	STORE_PARCEL_AFTER,
	STORE_PARCEL_WRITE,
	STORE_DAMAGED_ADD,
	STORE_DAMAGED_BACK,
	STORE_DAMAGED_CLEAR,
	STORE_DAMAGED_COUNT,
	STORE_DAMAGED_WAITING,
	STORE_DAMAGED_REDIRECT,
	STORE_BURIED_ADD,
	STORE_BURIED_AFTER,
	STORE_BURIED_LAST,
	STORE_BURIED_REDIRECT,
	STORE_BURIED_TOP,
	STORE_KEPT_ADD,
	STORE_KEPT_FIRST,
	STORE_KEPT_DELETE,
	STORE_KEPT_TOTALS,
	STORE_KEPT_AFTER,
	STORE_KEPT_WRITE,
	STORE_KEPT_LAST,
	STORE_KEPT_REDIRECT,
	STORE_BURIED_DELETE,
	STORE_ERASURE_ADD,
	STORE_ERASURE_AFTER,
	STORE_ERASURE_LAST,
	STORE_ERASURE_DONE,
	STORE_ERASURE_FORGOTTEN,
	STORE_NOTE_ADD,
	STORE_NOTE_AGAIN,
	STORE_NOTE_ALL,
	STORE_NOTE_COUNT,
	STORE_BODY_ADD,
	STORE_BODY_FIND,
	STORE_BODY_TOTALS,
	STORE_BODY_AFTER,
	STORE_BODY_DELETE,
	STORE_SEEN_ALL,
	STORE_SEEN_ADD,
	STORE_SEEN_FIRST,
	STORE_SEEN_DELETE,
	STORE_LEDGER_ADD,
	STORE_LEDGER_TOTALS,
	STORE_LEDGER_BY_SOURCE,
	STORE_LEDGER_BY_KIND,
	STORE_LEDGER_BY_HOUR,
	STORE_LEDGER_FOLD,
	STORE_LEDGER_FOLDED,
	STORE_DROP_FOLD,
	STORE_DROP_FOLDED,
	STORE_DROP_ADD,
	STORE_DROP_ALL,
	STORE_DROP_TOP,
	STORE_LANE_ALL,
	STORE_LANE_ADD,
	STORE_LANE_READ,
	STORE_LANE_WAITING,
	STORE_LANE_RUN,
	STORE_LANE_POST,
	STORE_DOUBT_READ,
	STORE_DOUBT_COUNT,
	STORE_DOUBT_WRITE,
	STORE_DOUBT_DELETE,
	STORE_LANE_REST,
	STORE_LANE_PAUSE,
	STORE_INTEGRITY,
	STORE_CHECK_WAITING,
	STORE_CHECK_BURIED,
	STORE_CHECK_LANES,
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
