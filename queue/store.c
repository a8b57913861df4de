#include "queue/store.h"

#include "queue/store_sql.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a failure of SQLite means to the queue. */
static enum err_code
store_code(int rc)
{
	if (rc == SQLITE_IOERR_NOMEM)
		return ERR_NOMEM;
	/* A value that is too large for SQLite was bound as NULL. */
	if (rc == SQLITE_CONSTRAINT_NOTNULL)
		return ERR_LIMIT;
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_TOOBIG:
		return ERR_LIMIT;
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_DAMAGED;
	case SQLITE_BUSY:
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
		return ERR_CONFIG;
	}
	return ERR_IO;
}

/* Did a write meet a quota? SQLite calls that a failed write, and only the
 * files know the reason. */
static bool
store_quota_met(struct store *store)
{
	sqlite3_file *log = NULL;
	int file_errno = 0, log_errno = 0;

	(void)sqlite3_file_control(
	    store->db, "main", SQLITE_FCNTL_LAST_ERRNO, &file_errno);
	(void)sqlite3_file_control(
	    store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (log != NULL && log->pMethods != NULL)
		(void)log->pMethods->xFileControl(
		    log, SQLITE_FCNTL_LAST_ERRNO, &log_errno);
	return file_errno == EDQUOT || log_errno == EDQUOT;
}

static bool
store_fail(struct store *store, const char *what, struct err *reterr)
{
	int rc = sqlite3_extended_errcode(store->db);
	enum err_code code = store_code(rc);

	if (rc == SQLITE_IOERR_WRITE && store_quota_met(store))
		code = ERR_FULL;
	return err_set(reterr, code, "queue.db: %s: %s (%d)", what,
	    sqlite3_errmsg(store->db), rc);
}

bool
store_exec(struct store *store, const char *sql, struct err *reterr)
{
	if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	return store_fail(store, "setting up", reterr);
}

static bool
store_pragma_int(struct store *store, const char *sql, int64_t *ret_value,
    struct err *reterr)
{
	sqlite3_stmt *statement = NULL;
	bool ok = false;

	if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) ==
		SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW) {
		*ret_value = sqlite3_column_int64(statement, 0);
		ok = true;
	} else {
		(void)store_fail(store, "reading the header", reterr);
	}
	sqlite3_finalize(statement);
	return ok;
}

/* Is the file ours, and of a version that we know? */
static bool
store_identify(struct store *store, struct err *reterr)
{
	int64_t application, version;

	if (!store_pragma_int(
		store, "PRAGMA application_id", &application, reterr) ||
	    !store_pragma_int(store, "PRAGMA user_version", &version, reterr))
		return false;
	if (application != STORE_APPLICATION)
		return err_set(reterr, ERR_DAMAGED,
		    "queue.db is not a queue of currentsd: move it away, or"
		    " name another state directory");
	if (version != STORE_VERSION)
		return err_set(reterr, ERR_CONFIG,
		    "queue.db has format %lld and this currentsd reads format"
		    " %d only: run the currentsd that wrote it, or name another"
		    " state directory",
		    (long long)version, STORE_VERSION);
	return true;
}

bool
store_connect(
    struct store *store, const char *path, int flags, struct err *reterr)
{
	*store = (struct store){.db = NULL};
	if (sqlite3_open_v2(path, &store->db, flags | SQLITE_OPEN_NOMUTEX,
		NULL) == SQLITE_OK)
		return true;
	if (store->db == NULL)
		return err_set_nomem(reterr);
	(void)store_fail(store, "opening", reterr);
	store_close(store);
	return false;
}

static int
store_log_noted(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct store *store = arg;

	(void)db;
	(void)name;
	store->log_pages = pages;
	return SQLITE_OK;
}

/* secure_delete: some builds overwrite every page that is freed (Debian's
 * does), which doubles what deleting writes. What must be gone for good is
 * gone after store_vacuum(); FAST still wipes what costs no page more. */
bool
store_open(struct store *store, const char *path, struct err *reterr)
{
	static const char pragmas[] =
	    "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
	    "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
	    "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8192;"
	    "PRAGMA journal_size_limit=67108864; PRAGMA secure_delete=FAST;"
	    "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;";

	*store = (struct store){.db = NULL};
	if (!store_log_renew(path, reterr) ||
	    !store_connect(store, path, SQLITE_OPEN_READWRITE, reterr))
		return false;
	(void)sqlite3_db_config(
	    store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	/* SQLite syncs the directory for a new log too, but takes no notice
	 * if that fails: without its name the log is lost at a power cut. */
	if (store_exec(store, pragmas, reterr) &&
	    store_identify(store, reterr) && store_sync_dir(path, reterr)) {
		(void)sqlite3_wal_hook(store->db, store_log_noted, store);
		return true;
	}
	store_close(store);
	return false;
}

void
store_close(struct store *store)
{
	for (int i = 0; i < STORE_STATEMENTS; i++) {
		(void)sqlite3_finalize(store->statements[i]);
		store->statements[i] = NULL;
	}
	(void)sqlite3_backup_finish(store->backup);
	store->backup = NULL;
	CHECK(sqlite3_close(store->db) == SQLITE_OK);
	store->db = NULL;
}

sqlite3_stmt *
store_statement(struct store *store, enum store_sql sql, struct err *reterr)
{
	sqlite3_stmt **statement = &store->statements[sql];

	CHECK(store->db != NULL);
	if (*statement == NULL &&
	    sqlite3_prepare_v3(store->db, store_texts[sql], -1,
		SQLITE_PREPARE_PERSISTENT, statement, NULL) != SQLITE_OK) {
		(void)store_fail(store, "preparing", reterr);
		return NULL;
	}
	return *statement;
}

void
store_reset(sqlite3_stmt *statement)
{
	if (statement == NULL)
		return;
	/* Its result repeats that of the last step, which was looked at. */
	(void)sqlite3_reset(statement);
	(void)sqlite3_clear_bindings(statement);
}

bool
store_step(struct store *store, sqlite3_stmt *statement, bool *ret_row,
    struct err *reterr)
{
	int rc = sqlite3_step(statement);

	if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
		*ret_row = rc == SQLITE_ROW;
		return true;
	}
	(void)store_fail(store, sqlite3_sql(statement), reterr);
	store_reset(statement);
	return false;
}

bool
store_run(struct store *store, sqlite3_stmt *statement, struct err *reterr)
{
	bool row;

	if (!store_step(store, statement, &row, reterr))
		return false;
	store_reset(statement);
	return true;
}

static bool
store_run_plain(struct store *store, enum store_sql sql, struct err *reterr)
{
	sqlite3_stmt *statement = store_statement(store, sql, reterr);

	return statement != NULL && store_run(store, statement, reterr);
}

bool
store_begin(struct store *store, struct err *reterr)
{
	return store_run_plain(store, STORE_BEGIN, reterr);
}

bool
store_commit(struct store *store, struct err *reterr)
{
	return store_run_plain(store, STORE_COMMIT, reterr);
}

void
store_rollback(struct store *store)
{
	struct err err;

	/* SQLite has rolled back by itself after some errors. If it cannot
	 * now, the transaction still never commits: the next begin fails. */
	if (sqlite3_get_autocommit(store->db) == 0 &&
	    !store_run_plain(store, STORE_ROLLBACK, &err))
		return;
}

bool
store_checkpoint(struct store *store, bool truncate, struct err *reterr)
{
	int log = 0, moved = 0;
	int mode =
	    truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;

	if (sqlite3_wal_checkpoint_v2(store->db, NULL, mode, &log, &moved) !=
	    SQLITE_OK)
		return store_fail(store, "checkpoint", reterr);
	store->log_pages = 0;
	if (truncate && log > 0)
		return err_set(reterr, ERR_IO,
		    "queue.db: checkpoint left %d of %d pages in the log",
		    log - moved, log);
	return true;
}

bool
store_vacuum(struct store *store, struct err *reterr)
{
	bool ok = store_exec(store, "PRAGMA temp_store=FILE; VACUUM;", reterr);
	struct err err;

	return store_exec(
		   store, "PRAGMA temp_store=MEMORY;", ok ? reterr : &err) &&
	       ok;
}

bool
store_wipe(struct store *store, bool all, struct err *reterr)
{
	return store_exec(store,
	    all ? "PRAGMA secure_delete=ON" : "PRAGMA secure_delete=FAST",
	    reterr);
}

static bool
store_count(struct store *store, enum store_sql sql, int64_t *ret_count,
    struct err *reterr)
{
	sqlite3_stmt *statement = store_statement(store, sql, reterr);
	bool row;

	if (statement == NULL || !store_step(store, statement, &row, reterr))
		return false;
	*ret_count = sqlite3_column_int64(statement, 0);
	store_reset(statement);
	return true;
}

bool
store_sizes(struct store *store, int64_t *ret_live, int64_t *ret_file,
    struct err *reterr)
{
	int64_t pages, unused;

	if (!store_count(store, STORE_PAGES, &pages, reterr) ||
	    !store_count(store, STORE_FREE_PAGES, &unused, reterr))
		return false;
	*ret_live = (pages - unused) * STORE_PAGE;
	*ret_file = pages * STORE_PAGE;
	return true;
}
