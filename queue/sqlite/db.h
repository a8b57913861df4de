#ifndef QUEUE_SQLITE_DB_H
#define QUEUE_SQLITE_DB_H

/*
 * The queue file: SQLite in WAL mode, opened by one process alone. Only db.c
 * runs SQL; vfs.c writes SQLite's files, and rescue.c reads their pages. The
 * text of a statement stands where it is used; each is prepared once and found
 * again by the address of its text, which must therefore be a literal.
 *
 *	if (!db_run(db, reterr, "DELETE FROM dead WHERE id=?1", "i", id))
 *		return false;
 *
 *	int64_t last = 0;
 *	if (!db_run(db, reterr, "SELECT max(id) FROM dead WHERE type=?1",
 *		"i>i", type, &last))
 *		return false;
 *
 *	struct db_rows rows = db_select(db, reterr,
 *	    "SELECT id, reason FROM dead WHERE source=?1", "i", source);
 *	while (db_next(&rows, reterr, "it", &id, &reason))
 *		...
 *	return db_end(&rows);
 *
 * A letter stands for each parameter and for each column:
 *
 *	letter	parameter			column
 *	i	int64_t				int64_t *, 0 for NULL
 *	d	int, also bool and unsigned	int *, 0 for NULL
 *	t	const char *			const char **, "" for NULL
 *	s	struct str, as text		struct str *, "" for NULL
 *	b	struct str, as a blob		struct str *
 *	S	struct str, as text, or NULL	struct str *
 *	B	struct str, as a blob, or NULL	none
 *
 * With s and b a pointer of NULL is bound as an empty value, with t, S and B
 * as NULL. A value that is too large for SQLite is bound as NULL, too, which a
 * column that is NOT NULL then refuses (ERR_LIMIT). The bytes of texts and
 * blobs are lent: parameters until the call returns or the rows end, columns
 * until the next row.
 *
 * Every function fails with ERR_IO while the file is closed. Sync rules
 * (sqlite.org/wal.html, sqlite.org/pragma.html#pragma_synchronous): with
 * synchronous=FULL every commit syncs the log; recovery at open does not, so
 * each open is followed by a truncating checkpoint, which does.
 *
 * What is deleted is overwritten: see queue/sqlite/wipe.h.
 *
 * Not thread safe.
 */

#include "base/str.h"
#include "base/table.h"

#include <stdint.h>

/* A batch is about 20 KB: larger pages stay half empty (a sample event takes
 * 262 bytes on disk with 16 KiB, 238 with 8 KiB), smaller ones cost processor
 * time. */
enum { DB_PAGE = 8192 };

/* Of the file: its format, and the mark that it is ours. */
enum { DB_VERSION = 10, DB_APPLICATION = 0x63757264 /* "curd" */ };

struct sqlite3;
struct sqlite3_stmt;
struct db_statement;
struct db_backup;

struct db {
	struct sqlite3 *sqlite;		 /* NULL while closed */
	struct db_statement *statements; /* prepared; owned */
	size_t statement_count, statement_cap;
	struct table by_address;  /* of their texts */
	struct db_backup *backup; /* running, or NULL; lent */
	int log_pages;		  /* in the log, after the last commit */
};

/* Create a new, empty queue file at `path`, durably: it is built beside `path`
 * and renamed, so that a file with this name is always complete. */
MUST_USE bool db_create(const char *path, struct err *reterr);

/* Sync the directory that a file is in. */
MUST_USE bool db_sync_dir(const char *path, struct err *reterr);

/* Open a zeroed or closed db; recovers the log. Needs db_checkpoint() before
 * it is trusted. ERR_DAMAGED if the file is not a queue, ERR_CONFIG if it has
 * another version. */
MUST_USE bool db_open(struct db *db, const char *path, struct err *reterr);

/* Close without writing: the log stays for the next open. A running backup
 * ends, incomplete. Safe if it is already closed. */
void db_close(struct db *db);

static inline bool
db_is_open(const struct db *db)
{
	return db->sqlite != NULL;
}

/* ---- statements ---- */

/* Run a statement. If `types` has a '>', behind the parameters, read the
 * columns of the first row, which keep what they hold if there is no row. For
 * numbers only: no bytes are lent beyond the call. */
MUST_USE bool db_run(
    struct db *db, struct err *reterr, const char *sql, const char *types, ...);

/* How many rows the last statement inserted, changed or deleted. */
int64_t db_changed(const struct db *db);

/* A statement that yields rows; its members are internal. */
struct db_rows {
	struct db *db;
	struct sqlite3_stmt *statement;
	bool failed;
};

/* Begin. If this fails there are no rows, and db_end() is false. */
struct db_rows db_select(
    struct db *db, struct err *reterr, const char *sql, const char *types, ...);

/* Read the next row; false at the end or on failure. */
bool db_next(struct db_rows *rows, struct err *reterr, const char *types, ...);

/* End the rows, at whatever row they are; false if anything failed. Must be
 * called. */
MUST_USE bool db_end(struct db_rows *rows);

/* Did a read fail since the file was opened? SQLite calls a page that the disk
 * did not give damaged (ERR_DAMAGED), but the disk may give it next time. */
bool db_read_failed(const struct db *db);

/* ---- transactions ---- */

MUST_USE bool db_begin(struct db *db, struct err *reterr);
MUST_USE bool db_commit(struct db *db, struct err *reterr);

/* False if it could not be undone: the file must be closed. */
MUST_USE bool db_rollback(struct db *db);

/* ---- the file ---- */

/* Bytes of pages in use, and of the file; inside a transaction, as the
 * transaction sees them. */
MUST_USE bool db_sizes(
    struct db *db, int64_t *ret_live, int64_t *ret_file, struct err *reterr);

/* Bytes that the log must have since the last commit; 0: none of it is needed
 * any more. */
int64_t db_log_bytes(const struct db *db);

/* Does the log have them, whatever its name is by now? If it was cut, does
 * memory? Then a checkpoint moves them all the same. */
bool db_log_whole(const struct db *db);
bool db_log_copied(const struct db *db);

/* Move the log into the file. Truncating also empties the log, and forgets the
 * pages in memory: nothing that was deleted is left in either, to be written
 * again. */
MUST_USE bool db_checkpoint(struct db *db, bool truncate, struct err *reterr);

/* Give free pages back to the disk, `pages` at most, until a time; inside a
 * transaction. The file itself gets shorter at a checkpoint. */
MUST_USE bool db_shrink(
    struct db *db, int64_t pages, int64_t until_mono_ms, struct err *reterr);

/* Copy the file to `path`, an empty file, page by page: begin, step until
 * *ret_more is false, end (complete or not; accepts NULL). The copy includes
 * what is written meanwhile, so it is consistent at the end, but it is not
 * synced yet. One backup at a time. */
MUST_USE bool db_backup_begin(struct db *db, const char *path,
    struct db_backup **ret_backup, struct err *reterr);
MUST_USE bool db_backup_step(struct db_backup *backup, int pages,
    bool *ret_more, int64_t *ret_left_bytes, struct err *reterr);
void db_backup_end(struct db_backup *backup);

#endif
