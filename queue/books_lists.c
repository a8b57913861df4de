/* Walks over rows for people: notes, erasures, the buried. */

#include "queue/inside.h"

static bool
books_notes_walk(
    struct queue *queue, books_note_fn *fn, void *arg, struct err *reterr)
{
	sqlite3_stmt *rows = queue_statement(queue, STORE_NOTE_ALL, reterr);
	bool row;

	if (rows == NULL)
		return false;
	for (;;) {
		if (!store_step(&queue->store, rows, &row, reterr))
			return false;
		if (!row)
			break;
		if (!fn(arg, (const char *)sqlite3_column_text(rows, 0),
			sqlite3_column_int64(rows, 1),
			sqlite3_column_int64(rows, 2),
			sqlite3_column_int64(rows, 3)))
			break;
	}
	store_reset(rows);
	return true;
}

bool
books_notes(
    struct queue *queue, books_note_fn *fn, void *arg, struct err *reterr)
{
	bool ok;

	lock_hold(&queue->held);
	ok = books_notes_walk(queue, fn, arg, reterr);
	lock_drop(&queue->held);
	return ok;
}

static bool
books_erasures_walk(struct queue *queue, int64_t after, size_t most,
    books_erasure_fn *fn, void *arg, struct err *reterr)
{
	sqlite3_stmt *rows =
	    queue_statement(queue, STORE_ERASURE_AFTER, reterr);
	bool row;

	if (rows == NULL)
		return false;
	(void)sqlite3_bind_int64(rows, 1, after);
	(void)sqlite3_bind_int64(rows, 2, (int64_t)most);
	for (;;) {
		if (!store_step(&queue->store, rows, &row, reterr))
			return false;
		if (!row)
			break;
		if (!fn(arg, sqlite3_column_int64(rows, 0),
			(const char *)sqlite3_column_text(rows, 1),
			(const char *)sqlite3_column_text(rows, 2),
			sqlite3_column_int64(rows, 3)))
			break;
	}
	store_reset(rows);
	return true;
}

bool
books_erasures(struct queue *queue, int64_t after, size_t most,
    books_erasure_fn *fn, void *arg, struct err *reterr)
{
	bool ok;

	lock_hold(&queue->held);
	ok = books_erasures_walk(queue, after, most, fn, arg, reterr);
	lock_drop(&queue->held);
	return ok;
}

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
books_buried_walk(struct queue *queue, int64_t after, size_t most,
    books_buried_fn *fn, void *arg, struct err *reterr)
{
	sqlite3_stmt *rows = queue_statement(queue, STORE_BURIED_AFTER, reterr);
	struct books_buried buried;
	bool row;

	if (rows == NULL)
		return false;
	(void)sqlite3_bind_int64(rows, 1, after);
	(void)sqlite3_bind_int64(rows, 2, (int64_t)most);
	for (;;) {
		if (!store_step(&queue->store, rows, &row, reterr))
			return false;
		if (!row)
			break;
		books_buried_read(rows, &buried);
		if (!fn(arg, &buried))
			break;
	}
	store_reset(rows);
	return true;
}

bool
books_buried(struct queue *queue, int64_t after, size_t most,
    books_buried_fn *fn, void *arg, struct err *reterr)
{
	bool ok;

	lock_hold(&queue->held);
	ok = books_buried_walk(queue, after, most, fn, arg, reterr);
	lock_drop(&queue->held);
	return ok;
}
