#include "queue/sqlite/db.h"

#include "base/clock.h"
#include "queue/sqlite/tables.h"
#include "queue/sqlite/vfs.h"
#include "queue/sqlite/wipe.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- errors ---- */

/* What a failure of SQLite means to the queue. */
static enum err_code
db_code(int rc)
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
	/* A sound file has all its tables, and breaks no constraint. */
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR:
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
		return ERR_DAMAGED;
	case SQLITE_BUSY:
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
		return ERR_CONFIG;
	}
	return ERR_IO;
}

/* The last errors of the file and of its log; 0: none. */
static void
db_errnos(sqlite3 *sqlite, int *ret_file, int *ret_log)
{
	sqlite3_file *log = NULL;

	*ret_file = *ret_log = 0;
	(void)sqlite3_file_control(
	    sqlite, "main", SQLITE_FCNTL_LAST_ERRNO, ret_file);
	(void)sqlite3_file_control(
	    sqlite, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (log != NULL && log->pMethods != NULL)
		(void)log->pMethods->xFileControl(
		    log, SQLITE_FCNTL_LAST_ERRNO, ret_log);
}

/* Did a write meet a quota? SQLite calls that a failed write, and only the
 * files know the reason. */
static bool
db_quota_met(sqlite3 *sqlite)
{
	int file_errno, log_errno;

	db_errnos(sqlite, &file_errno, &log_errno);
	return file_errno == EDQUOT || log_errno == EDQUOT;
}

bool
db_read_failed(const struct db *db)
{
	int file_errno, log_errno;

	if (db->sqlite == NULL)
		return true;
	db_errnos(db->sqlite, &file_errno, &log_errno);
	return file_errno != 0 || log_errno != 0;
}

static bool
db_fail(sqlite3 *sqlite, const char *what, struct err *reterr)
{
	int rc = sqlite3_extended_errcode(sqlite);
	enum err_code code = db_code(rc);

	if (rc == SQLITE_IOERR_WRITE && db_quota_met(sqlite))
		code = ERR_FULL;
	return err_set(reterr, code, "queue.db: %s: %s (%d)", what,
	    sqlite3_errmsg(sqlite), rc);
}

static bool
db_ready(const struct db *db, struct err *reterr)
{
	return db->sqlite != NULL ||
	       err_set(reterr, ERR_IO,
		   "the disk failed; the queue is being reopened");
}

/* ---- statements ---- */

struct db_statement {
	const char *sql; /* a literal: its address is the key */
	sqlite3_stmt *prepared;
};

struct db_lookup {
	const struct db *db;
	const char *sql;
};

static bool
db_statement_is(const void *arg, uint32_t position)
{
	const struct db_lookup *lookup = arg;

	return lookup->db->statements[position].sql == lookup->sql;
}

/* The statement of a text, ready to bind; NULL on failure. */
static sqlite3_stmt *
db_statement(struct db *db, const char *sql, struct err *reterr)
{
	uint64_t hash = str_hash(0, str_bytes((const char *)&sql, sizeof(sql)));
	struct db_lookup lookup = {db, sql};
	sqlite3_stmt *prepared = NULL;
	uint32_t at;

	if (!db_ready(db, reterr))
		return NULL;
	at = table_find(&db->by_address, hash, db_statement_is, &lookup);
	if (at != TABLE_NONE) {
		/* Only one walk at a time, and db_end() ended the last one. */
		CHECK(!sqlite3_stmt_busy(db->statements[at].prepared));
		return db->statements[at].prepared;
	}
	if (db->statement_count == db->statement_cap) {
		size_t cap = db->statement_cap + 64;
		struct db_statement *statements =
		    realloc(db->statements, cap * sizeof(*statements));

		if (statements == NULL)
			goto nomem;
		db->statements = statements;
		db->statement_cap = cap;
	}
	if (!table_reserve(&db->by_address, db->statement_count + 1))
		goto nomem;
	if (sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT,
		&prepared, NULL) != SQLITE_OK) {
		(void)db_fail(db->sqlite, "preparing", reterr);
		return NULL;
	}
	table_add(&db->by_address, hash, (uint32_t)db->statement_count);
	db->statements[db->statement_count++] =
	    (struct db_statement){sql, prepared};
	return prepared;
nomem:
	(void)err_set_nomem(reterr);
	return NULL;
}

/* Bind the parameters; the letters that follow '>' are columns. What cannot
 * be bound stays NULL, see db.h. */
static const char *
db_bind(sqlite3_stmt *statement, const char *types, va_list *args)
{
	struct str str;
	int n = 1;

	for (; *types != '\0' && *types != '>'; types++, n++) {
		switch (*types) {
		case 'i':
			(void)sqlite3_bind_int64(
			    statement, n, va_arg(*args, int64_t));
			break;
		case 'd':
			(void)sqlite3_bind_int(
			    statement, n, va_arg(*args, int));
			break;
		case 't':
			(void)sqlite3_bind_text(statement, n,
			    va_arg(*args, const char *), -1, SQLITE_STATIC);
			break;
		case 's':
		case 'S':
			str = va_arg(*args, struct str);
			if (str.data == NULL && *types == 's')
				str.data = "";
			(void)sqlite3_bind_text64(statement, n, str.data,
			    str.len, SQLITE_STATIC, SQLITE_UTF8);
			break;
		case 'b':
		case 'B':
			str = va_arg(*args, struct str);
			if (str.data == NULL && *types == 'b')
				str.data = "";
			(void)sqlite3_bind_blob64(
			    statement, n, str.data, str.len, SQLITE_STATIC);
			break;
		default:
			NEVER("a letter that db.h does not list");
		}
	}
	return *types == '>' ? types + 1 : types;
}

static struct str
db_column(sqlite3_stmt *statement, int n, bool text)
{
	const void *data = text
			       ? (const void *)sqlite3_column_text(statement, n)
			       : sqlite3_column_blob(statement, n);

	return str_bytes(data, (size_t)sqlite3_column_bytes(statement, n));
}

/* False if there was no memory for a value. */
static bool
db_columns(sqlite3_stmt *statement, const char *types, va_list *args)
{
	struct str str;

	for (int n = 0; types[n] != '\0'; n++) {
		bool null = sqlite3_column_type(statement, n) == SQLITE_NULL;

		switch (types[n]) {
		case 'i':
			*va_arg(*args, int64_t *) =
			    sqlite3_column_int64(statement, n);
			break;
		case 'd':
			*va_arg(*args, int *) =
			    sqlite3_column_int(statement, n);
			break;
		case 't':
			str = db_column(statement, n, true);
			if (str.data == NULL && !null)
				return false;
			*va_arg(*args, const char **) = null ? "" : str.data;
			break;
		case 's':
		case 'S':
		case 'b':
			str = db_column(statement, n, types[n] != 'b');
			if (str.data == NULL &&
			    (str.len > 0 || (types[n] != 'b' && !null)))
				return false;
			if (types[n] == 's' && null)
				str = str_text("");
			*va_arg(*args, struct str *) = str;
			break;
		default:
			NEVER("a letter that db.h does not list");
		}
	}
	return true;
}

/* Its result repeats that of the last step, which was looked at. */
static void
db_reset(sqlite3_stmt *statement)
{
	(void)sqlite3_reset(statement);
	(void)sqlite3_clear_bindings(statement);
}

/* Step to the next row and read it. *ret_row says if there is one. */
static bool
db_step(struct db *db, sqlite3_stmt *statement, const char *types,
    va_list *args, bool *ret_row, struct err *reterr)
{
	int rc = sqlite3_step(statement);

	*ret_row = rc == SQLITE_ROW;
	if (rc == SQLITE_DONE)
		return true;
	if (rc != SQLITE_ROW)
		return db_fail(db->sqlite, sqlite3_sql(statement), reterr);
	if (!db_columns(statement, types, args))
		return err_set_nomem(reterr);
	return true;
}

/* Bind, take one step, and reset. */
static bool
db_once(struct db *db, struct err *reterr, const char *sql, const char *types,
    va_list *args)
{
	sqlite3_stmt *statement = db_statement(db, sql, reterr);
	bool row, ok;

	if (statement == NULL)
		return false;
	types = db_bind(statement, types, args);
	ok = db_step(db, statement, types, args, &row, reterr);
	db_reset(statement);
	return ok;
}

bool
db_run(
    struct db *db, struct err *reterr, const char *sql, const char *types, ...)
{
	va_list args;
	bool ok;

	va_start(args, types);
	ok = db_once(db, reterr, sql, types, &args);
	va_end(args);
	return ok;
}

int64_t
db_changed(const struct db *db)
{
	return sqlite3_changes64(db->sqlite);
}

struct db_rows
db_select(
    struct db *db, struct err *reterr, const char *sql, const char *types, ...)
{
	struct db_rows rows = {.db = db};
	va_list args;

	rows.statement = db_statement(db, sql, reterr);
	rows.failed = rows.statement == NULL;
	if (!rows.failed) {
		va_start(args, types);
		(void)db_bind(rows.statement, types, &args);
		va_end(args);
	}
	return rows;
}

bool
db_next(struct db_rows *rows, struct err *reterr, const char *types, ...)
{
	bool row = false;
	va_list args;

	if (rows->failed)
		return false;
	va_start(args, types);
	rows->failed =
	    !db_step(rows->db, rows->statement, types, &args, &row, reterr);
	va_end(args);
	return row && !rows->failed;
}

bool
db_end(struct db_rows *rows)
{
	if (rows->statement != NULL)
		db_reset(rows->statement);
	rows->statement = NULL;
	return !rows->failed;
}

/* Run statements that are not worth keeping, and that have no rows. */
static bool
db_exec(sqlite3 *sqlite, const char *sql, struct err *reterr)
{
	if (sqlite3_exec(sqlite, sql, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	return db_fail(sqlite, "setting up", reterr);
}

/* ---- making and opening ---- */

static bool
db_connect(
    const char *path, int flags, sqlite3 **ret_sqlite, struct err *reterr)
{
	sqlite3 *sqlite = NULL;
	const char *vfs = vfs_name();

	if (vfs == NULL)
		return err_set_nomem(reterr);
	if (sqlite3_open_v2(path, &sqlite, flags | SQLITE_OPEN_NOMUTEX, vfs) ==
	    SQLITE_OK) {
		*ret_sqlite = sqlite;
		return true;
	}
	if (sqlite == NULL)
		return err_set_nomem(reterr);
	(void)db_fail(sqlite, "opening", reterr);
	CHECK(sqlite3_close(sqlite) == SQLITE_OK);
	return false;
}

bool
db_sync_dir(const char *path, struct err *reterr)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	bool ok = false;
	int fd = -1;

	dir = slash == NULL ? strdup(".")
			    : strndup(path, (size_t)(slash - path) + 1);
	if (dir == NULL)
		return err_set_nomem(reterr);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0) {
		(void)err_set(reterr, ERR_IO, "%s: cannot sync: %s", dir,
		    strerror(errno));
		goto out;
	}
	ok = true;
out:
	if (fd >= 0)
		(void)close(fd);
	free(dir);
	return ok;
}

/* Create the tables in a file that does not have its final name yet. */
static bool
db_build(const char *path, struct err *reterr)
{
	sqlite3 *sqlite = NULL;
	char pragmas[192];
	bool ok;

	if (!db_connect(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
		&sqlite, reterr))
		return false;
	(void)snprintf(pragmas, sizeof(pragmas),
	    "PRAGMA page_size=%d; PRAGMA auto_vacuum=INCREMENTAL;"
	    "PRAGMA synchronous=FULL;"
	    "PRAGMA application_id=%d; PRAGMA user_version=%d;",
	    DB_PAGE, DB_APPLICATION, DB_VERSION);
	ok = db_exec(sqlite, pragmas, reterr) &&
	     db_exec(sqlite, "BEGIN", reterr) &&
	     db_exec(sqlite, tables_sql, reterr) &&
	     db_exec(sqlite, tables_reports_sql, reterr) &&
	     db_exec(sqlite, tables_sets_sql, reterr) &&
	     db_exec(sqlite, "COMMIT", reterr) &&
	     db_exec(sqlite, "PRAGMA journal_mode=WAL", reterr);
	/* A plain close: it moves the log into the file and removes it. */
	if (sqlite3_close(sqlite) != SQLITE_OK && ok)
		ok = err_set(reterr, ERR_IO, "%s: cannot close", path);
	return ok;
}

bool
db_create(const char *path, struct err *reterr)
{
	char *fresh = NULL;
	bool ok = false;
	int fd;

	if (asprintf(&fresh, "%s.new", path) < 0)
		return err_set_nomem(reterr);
	/* The mode of the file is also that of its log. */
	fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		(void)err_set(reterr, ERR_CONFIG, "%s: cannot create: %s",
		    fresh, strerror(errno));
		goto out;
	}
	(void)close(fd);
	if (!db_build(fresh, reterr))
		goto out;
	if (rename(fresh, path) != 0) {
		(void)err_set(reterr, ERR_IO, "%s: cannot rename: %s", fresh,
		    strerror(errno));
		goto out;
	}
	ok = db_sync_dir(path, reterr);
out:
	free(fresh);
	return ok;
}

static bool
db_write_at(int fd, const char *bytes, size_t len, off_t at)
{
	while (len > 0) {
		ssize_t put = pwrite(fd, bytes, len, at);

		if (put < 0 && errno != EINTR)
			return false;
		if (put > 0) {
			bytes += put;
			len -= (size_t)put;
			at += put;
		}
	}
	return true;
}

/* Rewrite a file's bytes in place, and sync them. */
static bool
db_rewrite(int fd)
{
	char bytes[DB_PAGE];
	off_t at = 0;

	for (;;) {
		ssize_t got = pread(fd, bytes, sizeof(bytes), at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return false;
		if (got == 0)
			return fsync(fd) == 0;
		if (!db_write_at(fd, bytes, (size_t)got, at))
			return false;
		at += got;
	}
}

/*
 * Secure the log before it is opened. A kernel that fails to write a page marks
 * it clean anyway: the page cache still shows bytes that are not on the disk,
 * and the next fsync succeeds. SQLite would recover such frames, and rely on
 * the log while it moves them into the file: a power cut in between would leave
 * half of them in the file, and no log to repair it with.
 *
 * So the bytes of the log are rewritten, which makes their pages dirty again,
 * and synced. This happens at every open, because the process that saw the
 * failure may be gone. A missing log is fine.
 */
static bool
db_log_renew(const char *path, struct err *reterr)
{
	char *log = NULL;
	bool ok = false, full;
	int fd = -1;

	if (asprintf(&log, "%s-wal", path) < 0)
		return err_set_nomem(reterr);
	fd = open(log, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		ok = errno == ENOENT ||
		     err_set(reterr, ERR_CONFIG, "%s: cannot open: %s", log,
			 strerror(errno));
		goto out;
	}
	if (!db_rewrite(fd)) {
		full = errno == ENOSPC || errno == EDQUOT;
		(void)err_set(reterr, full ? ERR_FULL : ERR_IO,
		    "%s: cannot write it to disk: %s", log, strerror(errno));
		goto out;
	}
	ok = true;
out:
	if (fd >= 0)
		(void)close(fd);
	free(log);
	return ok;
}

/* Is the file ours, and of a version that we know? */
static bool
db_identify(struct db *db, struct err *reterr)
{
	int64_t application = 0, version = 0;

	if (!db_run(db, reterr, "PRAGMA application_id", ">i", &application) ||
	    !db_run(db, reterr, "PRAGMA user_version", ">i", &version))
		return false;
	if (application != DB_APPLICATION)
		return err_set(reterr, ERR_DAMAGED,
		    "queue.db is not a queue of currentsd: move it away, or "
		    "use another state directory");
	if (version != DB_VERSION)
		return err_set(reterr, ERR_CONFIG,
		    "queue.db has format %lld, but this version of currentsd "
		    "reads only format %d: run the version that wrote it, or "
		    "use another state directory",
		    (long long)version, DB_VERSION);
	return true;
}

static int
db_log_grown(void *arg, sqlite3 *sqlite, const char *name, int pages)
{
	struct db *db = arg;

	(void)sqlite;
	(void)name;
	db->log_pages = pages;
	return SQLITE_OK;
}

bool
db_open(struct db *db, const char *path, struct err *reterr)
{
	static const char pragmas[] =
	    "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
	    "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
	    "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8192;"
	    "PRAGMA journal_size_limit=67108864; PRAGMA secure_delete=ON;"
	    "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;";
	char limit[64];

	*db = (struct db){.sqlite = NULL};
	if (!db_log_renew(path, reterr) ||
	    !db_connect(path, SQLITE_OPEN_READWRITE, &db->sqlite, reterr))
		return false;
	(void)sqlite3_db_config(
	    db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	/* SQLite syncs the directory for a new log too, but takes no notice
	 * if that fails: without its name the log is lost at a power cut. */
	(void)snprintf(
	    limit, sizeof(limit), "PRAGMA max_page_count=%d", WIPE_PAGES_MAX);
	if (db_exec(db->sqlite, pragmas, reterr) &&
	    db_exec(db->sqlite, limit, reterr) && db_identify(db, reterr) &&
	    db_sync_dir(path, reterr)) {
		(void)sqlite3_wal_hook(db->sqlite, db_log_grown, db);
		return true;
	}
	db_close(db);
	return false;
}

struct db_backup {
	struct db *db;
	sqlite3 *copy;
	sqlite3_backup *backup; /* NULL once it has ended */
};

static void
db_backup_finish(struct db_backup *backup)
{
	(void)sqlite3_backup_finish(backup->backup);
	backup->backup = NULL;
	backup->db->backup = NULL;
}

void
db_close(struct db *db)
{
	if (db->backup != NULL)
		db_backup_finish(db->backup);
	for (size_t i = 0; i < db->statement_count; i++)
		(void)sqlite3_finalize(db->statements[i].prepared);
	free(db->statements);
	table_fini(&db->by_address);
	CHECK(sqlite3_close(db->sqlite) == SQLITE_OK);
	*db = (struct db){.sqlite = NULL};
}

/* ---- transactions ---- */

bool
db_begin(struct db *db, struct err *reterr)
{
	return db_run(db, reterr, "BEGIN IMMEDIATE", "");
}

bool
db_commit(struct db *db, struct err *reterr)
{
	return db_run(db, reterr, "COMMIT", "");
}

/* SQLite has rolled back by itself after some errors. */
bool
db_rollback(struct db *db)
{
	struct err err;

	return sqlite3_get_autocommit(db->sqlite) != 0 ||
	       (db_run(db, &err, "ROLLBACK", "") &&
		   sqlite3_get_autocommit(db->sqlite) != 0);
}

/* ---- the file ---- */

bool
db_sizes(
    struct db *db, int64_t *ret_live, int64_t *ret_file, struct err *reterr)
{
	int64_t pages = 0, unused = 0;

	if (!db_run(db, reterr, "PRAGMA page_count", ">i", &pages) ||
	    !db_run(db, reterr, "PRAGMA freelist_count", ">i", &unused))
		return false;
	*ret_live = (pages - unused) * DB_PAGE;
	*ret_file = pages * DB_PAGE;
	return true;
}

enum { DB_LOG_HEADER = 32, DB_LOG_FRAME_HEADER = 24 };

int64_t
db_log_bytes(const struct db *db)
{
	return db->log_pages == 0
		   ? 0
		   : DB_LOG_HEADER + (int64_t)db->log_pages *
					 (DB_LOG_FRAME_HEADER + DB_PAGE);
}

/* The open log; NULL if there is none. */
static sqlite3_file *
db_log(const struct db *db)
{
	sqlite3_file *log = NULL;

	return sqlite3_file_control(db->sqlite, "main",
		   SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK &&
		       log != NULL && log->pMethods != NULL
		   ? log
		   : NULL;
}

bool
db_log_whole(const struct db *db)
{
	sqlite3_file *log = db_log(db);

	return db->log_pages == 0 || log == NULL ||
	       vfs_log_whole(log, db_log_bytes(db));
}

bool
db_log_copied(const struct db *db)
{
	sqlite3_file *log = db_log(db);

	return log != NULL && vfs_log_copied(log, db_log_bytes(db));
}

bool
db_checkpoint(struct db *db, bool truncate, struct err *reterr)
{
	int log = 0, moved = 0;
	int mode =
	    truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;

	if (!db_ready(db, reterr))
		return false;
	if (sqlite3_wal_checkpoint_v2(db->sqlite, NULL, mode, &log, &moved) !=
	    SQLITE_OK)
		return db_fail(db->sqlite, "checkpoint", reterr);
	db->log_pages = 0;
	if (truncate)
		(void)sqlite3_db_release_memory(db->sqlite);
	if (truncate && log > 0)
		return err_set(reterr, ERR_IO,
		    "queue.db: the checkpoint left %d of %d pages in the log",
		    log - moved, log);
	return true;
}

/* Each page is a row without columns. */
bool
db_shrink(
    struct db *db, int64_t pages, int64_t until_mono_ms, struct err *reterr)
{
	struct db_rows rows =
	    db_select(db, reterr, "PRAGMA incremental_vacuum", "");

	while (pages-- > 0 && clock_mono_ms() < until_mono_ms &&
	       db_next(&rows, reterr, ""))
		;
	return db_end(&rows);
}

/* Without synchronous=OFF the last step would sync the whole copy, while the
 * queue is locked. */
bool
db_backup_begin(struct db *db, const char *path, struct db_backup **ret_backup,
    struct err *reterr)
{
	struct db_backup *backup = calloc(1, sizeof(*backup));

	if (backup == NULL)
		return err_set_nomem(reterr);
	backup->db = db;
	if (sqlite3_open_v2(path, &backup->copy, SQLITE_OPEN_READWRITE,
		vfs_name()) != SQLITE_OK ||
	    sqlite3_exec(backup->copy, "PRAGMA synchronous=OFF", NULL, NULL,
		NULL) != SQLITE_OK) {
		(void)err_set(reterr, ERR_IO, "%s: cannot open", path);
		goto fail;
	}
	if (db->sqlite != NULL && db->backup == NULL)
		backup->backup = sqlite3_backup_init(
		    backup->copy, "main", db->sqlite, "main");
	if (backup->backup == NULL) {
		(void)err_set(reterr, ERR_IO,
		    "%s: cannot start the backup: another backup is running, "
		    "or the disk failed",
		    path);
		goto fail;
	}
	db->backup = backup;
	*ret_backup = backup;
	return true;
fail:
	db_backup_end(backup);
	return false;
}

bool
db_backup_step(struct db_backup *backup, int pages, bool *ret_more,
    int64_t *ret_left_bytes, struct err *reterr)
{
	int rc = SQLITE_ABORT;

	if (backup->backup != NULL) {
		rc = sqlite3_backup_step(backup->backup, pages);
		*ret_left_bytes =
		    (int64_t)sqlite3_backup_remaining(backup->backup) * DB_PAGE;
	}
	*ret_more = rc == SQLITE_OK;
	if (rc == SQLITE_OK || rc == SQLITE_DONE)
		return true;
	return err_set(reterr, ERR_IO, "backup: %s", sqlite3_errstr(rc));
}

void
db_backup_end(struct db_backup *backup)
{
	if (backup == NULL)
		return;
	if (backup->backup != NULL)
		db_backup_finish(backup);
	(void)sqlite3_close(backup->copy);
	free(backup);
}
