/*
 * Walks over rows for people: the ledger, what was dropped, notes, erasures,
 * the dead. Each is one statement and one function that hands a row over.
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
	struct stats_line line;

	ledger_line_read(row, 1, &line);
	return ((stats_line_fn *)fn)(arg, books_text(row, 0), &line);
}

bool
stats_ledger(struct queue *queue, enum stats_by by, stats_line_fn *fn,
    void *arg, struct err *reterr)
{
	static const enum store_sql sql[] = {
	    [STATS_BY_SOURCE] = STORE_LEDGER_BY_SOURCE,
	    [STATS_BY_TYPE] = STORE_LEDGER_BY_TYPE,
	    [STATS_BY_HOUR] = STORE_LEDGER_BY_HOUR,
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
	return ((stats_drop_fn *)fn)(arg, books_text(row, 0),
	    books_text(row, 1), sqlite3_column_int64(row, 2));
}

bool
stats_drops(
    struct queue *queue, stats_drop_fn *fn, void *arg, struct err *reterr)
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
	return ((stats_top_fn *)fn)(arg, books_text(row, 0),
	    sqlite3_column_int(row, 1), sqlite3_column_int64(row, 2));
}

bool
stats_top(struct queue *queue, enum stats_top top, size_t most,
    stats_top_fn *fn, void *arg, struct err *reterr)
{
	return books_walk(queue,
	    &(struct books_walk){
		.sql = top == STATS_TOP_DROPS ? STORE_DROP_TOP : STORE_DEAD_TOP,
		.after = STATS_TOP_RECENT,
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
	return ((stats_drift_fn *)fn)(arg, books_text(row, 0),
	    sqlite3_column_int64(row, 1), sqlite3_column_int64(row, 2),
	    sqlite3_column_int64(row, 3));
}

bool
stats_drift(
    struct queue *queue, stats_drift_fn *fn, void *arg, struct err *reterr)
{
	return books_walk(queue,
	    &(struct books_walk){.sql = STORE_DRIFT_ALL,
		.row = books_note_row,
		.fn = (void (*)(void))fn,
		.arg = arg},
	    reterr);
}

static bool
books_erasure_row(sqlite3_stmt *row, void (*fn)(void), void *arg)
{
	return ((stats_erasure_fn *)fn)(arg, sqlite3_column_int64(row, 0),
	    books_text(row, 1), books_text(row, 2),
	    sqlite3_column_int64(row, 3), sqlite3_column_int64(row, 4));
}

bool
stats_erasures(struct queue *queue, int64_t after, size_t most,
    stats_erasure_fn *fn, void *arg, struct err *reterr)
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

/* ---- the dead ---- */

static void
books_buried_read(sqlite3_stmt *row, struct stats_dead *ret_buried)
{
	*ret_buried = (struct stats_dead){
	    .id = sqlite3_column_int64(row, 0),
	    .source = (const char *)sqlite3_column_text(row, 1),
	    .destination = (const char *)sqlite3_column_text(row, 2),
	    .type = (const char *)sqlite3_column_text(row, 3),
	    .accepted_ms = sqlite3_column_int64(row, 4),
	    .dead_ms = sqlite3_column_int64(row, 5),
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
	struct stats_dead dead;

	books_buried_read(row, &dead);
	return ((stats_dead_fn *)fn)(arg, &dead);
}

bool
stats_dead(struct queue *queue, int64_t after, size_t most, stats_dead_fn *fn,
    void *arg, struct err *reterr)
{
	return books_walk(queue,
	    &(struct books_walk){.sql = STORE_DEAD_AFTER,
		.after = after,
		.most = (int64_t)most,
		.row = books_buried_row,
		.fn = (void (*)(void))fn,
		.arg = arg},
	    reterr);
}
