/*
 * Walks over rows for people: the ledger, what was dropped, notes, erasures,
 * the buried. Each is one statement and one function that hands a row over.
 */

#include "queue/inside.h"

/* Hands the row that the statement stands on to the caller's function; false
 * ends the walk. */
typedef bool books_row_fn(sqlite3_stmt *row, void (*fn)(void), void *arg);

/* What a walk is bound to and for whom it is. */
struct books_walk {
	enum store_sql sql;
	int64_t after, most; /* ?1 and ?2, where the statement has them */
	books_row_fn *row;
	void (*fn)(void); /* of the type that `row` knows */
	void *arg;
};

static bool
books_walk_rows(
    struct queue *queue, const struct books_walk *walk, struct err *reterr)
{
	sqlite3_stmt *rows = queue_statement(queue, walk->sql, reterr);
	bool there;

	if (rows == NULL)
		return false;
	if (sqlite3_bind_parameter_count(rows) == 2) {
		(void)sqlite3_bind_int64(rows, 1, walk->after);
		(void)sqlite3_bind_int64(rows, 2, walk->most);
	}
	do {
		if (!store_step(&queue->store, rows, &there, reterr))
			return false;
	} while (there && walk->row(rows, walk->fn, walk->arg));
	store_reset(rows);
	return true;
}

static bool
books_walk(
    struct queue *queue, const struct books_walk *walk, struct err *reterr)
{
	bool ok;

	lock_hold(&queue->held);
	ok = books_walk_rows(queue, walk, reterr);
	lock_drop(&queue->held);
	return ok;
}

static const char *
books_text(sqlite3_stmt *row, int column)
{
	return (const char *)sqlite3_column_text(row, column);
}

/* ---- the ledger ---- */

static bool
books_ledger_row(sqlite3_stmt *row, void (*fn)(void), void *arg)
{
	struct books_line line;

	ledger_line_read(row, 1, &line);
	return ((books_line_fn *)fn)(arg, books_text(row, 0), &line);
}

bool
books_ledger(struct queue *queue, enum books_by by, books_line_fn *fn,
    void *arg, struct err *reterr)
{
	static const enum store_sql sql[] = {
	    [BOOKS_BY_SOURCE] = STORE_LEDGER_BY_SOURCE,
	    [BOOKS_BY_KIND] = STORE_LEDGER_BY_KIND,
	    [BOOKS_BY_HOUR] = STORE_LEDGER_BY_HOUR,
	};

	return books_walk(queue,
	    &(struct books_walk){.sql = sql[by],
		.row = books_ledger_row,
		.fn = (void (*)(void))fn,
		.arg = arg},
	    reterr);
}

static bool
books_drop_row(sqlite3_stmt *row, void (*fn)(void), void *arg)
{
	return ((books_drop_fn *)fn)(arg, books_text(row, 0),
	    books_text(row, 1), sqlite3_column_int64(row, 2));
}

bool
books_drops(
    struct queue *queue, books_drop_fn *fn, void *arg, struct err *reterr)
{
	return books_walk(queue,
	    &(struct books_walk){.sql = STORE_DROP_ALL,
		.row = books_drop_row,
		.fn = (void (*)(void))fn,
		.arg = arg},
	    reterr);
}

static bool
books_top_row(sqlite3_stmt *row, void (*fn)(void), void *arg)
{
	return ((books_top_fn *)fn)(arg, books_text(row, 0),
	    sqlite3_column_int(row, 1), sqlite3_column_int64(row, 2));
}

bool
books_top(struct queue *queue, enum books_top top, size_t most,
    books_top_fn *fn, void *arg, struct err *reterr)
{
	return books_walk(queue,
	    &(struct books_walk){.sql = top == BOOKS_TOP_DROPS
					    ? STORE_DROP_TOP
					    : STORE_BURIED_TOP,
		.after = BOOKS_TOP_BURIED,
		.most = (int64_t)most,
		.row = books_top_row,
		.fn = (void (*)(void))fn,
		.arg = arg},
	    reterr);
}

/* ---- notes and erasures ---- */

static bool
books_note_row(sqlite3_stmt *row, void (*fn)(void), void *arg)
{
	return ((books_note_fn *)fn)(arg, books_text(row, 0),
	    sqlite3_column_int64(row, 1), sqlite3_column_int64(row, 2),
	    sqlite3_column_int64(row, 3));
}

bool
books_notes(
    struct queue *queue, books_note_fn *fn, void *arg, struct err *reterr)
{
	return books_walk(queue,
	    &(struct books_walk){.sql = STORE_NOTE_ALL,
		.row = books_note_row,
		.fn = (void (*)(void))fn,
		.arg = arg},
	    reterr);
}

static bool
books_erasure_row(sqlite3_stmt *row, void (*fn)(void), void *arg)
{
	return ((books_erasure_fn *)fn)(arg, sqlite3_column_int64(row, 0),
	    books_text(row, 1), books_text(row, 2),
	    sqlite3_column_int64(row, 3), sqlite3_column_int64(row, 4));
}

bool
books_erasures(struct queue *queue, int64_t after, size_t most,
    books_erasure_fn *fn, void *arg, struct err *reterr)
{
	return books_walk(queue,
	    &(struct books_walk){.sql = STORE_ERASURE_AFTER,
		.after = after,
		.most = (int64_t)most,
		.row = books_erasure_row,
		.fn = (void (*)(void))fn,
		.arg = arg},
	    reterr);
}

/* ---- the buried ---- */

static void
books_buried_read(sqlite3_stmt *row, struct books_buried *ret_buried)
{
	*ret_buried = (struct books_buried){
	    .id = sqlite3_column_int64(row, 0),
	    .source = (const char *)sqlite3_column_text(row, 1),
	    .lane = (const char *)sqlite3_column_text(row, 2),
	    .kind = (const char *)sqlite3_column_text(row, 3),
	    .accepted_ms = sqlite3_column_int64(row, 4),
	    .buried_ms = sqlite3_column_int64(row, 5),
	    .attempts = (unsigned)sqlite3_column_int64(row, 6),
	    .reason = (const char *)sqlite3_column_text(row, 7),
	    .status = sqlite3_column_int(row, 8),
	    .words = sqlite3_column_blob(row, 9),
	    .words_len = (size_t)sqlite3_column_bytes(row, 9),
	    .sent = sqlite3_column_blob(row, 10),
	    .sent_len = (size_t)sqlite3_column_bytes(row, 10),
	    .data = sqlite3_column_blob(row, 11),
	    .data_len = (size_t)sqlite3_column_bytes(row, 11),
	};
}

static bool
books_buried_row(sqlite3_stmt *row, void (*fn)(void), void *arg)
{
	struct books_buried buried;

	books_buried_read(row, &buried);
	return ((books_buried_fn *)fn)(arg, &buried);
}

bool
books_buried(struct queue *queue, int64_t after, size_t most,
    books_buried_fn *fn, void *arg, struct err *reterr)
{
	return books_walk(queue,
	    &(struct books_walk){.sql = STORE_BURIED_AFTER,
		.after = after,
		.most = (int64_t)most,
		.row = books_buried_row,
		.fn = (void (*)(void))fn,
		.arg = arg},
	    reterr);
}
