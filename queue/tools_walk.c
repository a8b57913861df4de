#include "queue/tools_walk.h"

#include <stdlib.h>
#include <string.h>

const char *
jobs_place_name(enum jobs_place place)
{
	switch (place) {
	case JOBS_QUEUED:
		return "queued";
	case JOBS_ARCHIVE:
		return "archive";
	case JOBS_DEAD:
		return "dead";
	case JOBS_PLACES:
		break;
	}
	NEVER("a place of no kind");
}

void
tools_parcel_fini(struct tools_parcel *parcel)
{
	free(parcel->done);
	free(parcel->delivered);
	parcel_fini(&parcel->content);
	*parcel = (struct tools_parcel){.seq = 0};
}

/* Read the next row into parcel and cursor, all but the content. */
static bool
tools_row_waiting(struct queue *queue, struct jobs_cursor *cursor,
    struct tools_parcel *parcel, sqlite3_stmt **ret_row, bool *ret_there,
    struct err *reterr)
{
	sqlite3_stmt *row =
	    queue_statement(queue, STORE_DELIVERY_AFTER, reterr);

	if (row == NULL)
		return false;
	(void)sqlite3_bind_int64(row, 1, cursor->lane);
	(void)sqlite3_bind_int64(row, 2, cursor->source);
	(void)sqlite3_bind_int64(row, 3, cursor->due_ms);
	(void)sqlite3_bind_int64(row, 4, cursor->after);
	if (!store_step(&queue->store, row, ret_there, reterr))
		return false;
	*ret_row = row;
	if (!*ret_there)
		return true;
	cursor->lane = parcel->lane = sqlite3_column_int64(row, 0);
	cursor->source = parcel->source = sqlite3_column_int64(row, 1);
	cursor->due_ms = parcel->due_ms = sqlite3_column_int64(row, 2);
	cursor->after = parcel->seq = sqlite3_column_int64(row, 3);
	parcel->attempts = (unsigned)sqlite3_column_int64(row, 4);
	parcel->remaining = sqlite3_column_int64(row, 5);
	parcel->replay = sqlite3_column_int64(row, 8) != 0;
	return true;
}

static bool
tools_row_kept(struct queue *queue, struct jobs_cursor *cursor,
    struct tools_parcel *parcel, sqlite3_stmt **ret_row, bool *ret_there,
    struct err *reterr)
{
	sqlite3_stmt *row = queue_statement(queue, STORE_ARCHIVE_AFTER, reterr);

	if (row == NULL)
		return false;
	(void)sqlite3_bind_int64(row, 1, cursor->after);
	if (!store_step(&queue->store, row, ret_there, reterr))
		return false;
	*ret_row = row;
	if (!*ret_there)
		return true;
	cursor->after = parcel->kept_id = sqlite3_column_int64(row, 0);
	parcel->seq = sqlite3_column_int64(row, 1);
	parcel->lane = sqlite3_column_int64(row, 2);
	parcel->source = sqlite3_column_int64(row, 3);
	parcel->settled_ms = sqlite3_column_int64(row, 4);
	parcel->bytes = sqlite3_column_int64(row, 5);
	return true;
}

/* The bitmaps, in the length that the content asks for. */
static bool
tools_bitmap_copy(sqlite3_stmt *row, int column, size_t len,
    unsigned char **ret_bitmap, struct err *reterr)
{
	size_t have = (size_t)sqlite3_column_bytes(row, column);

	*ret_bitmap = calloc(len, 1);
	if (*ret_bitmap == NULL)
		return err_set_nomem(reterr);
	if (have > 0)
		memcpy(*ret_bitmap, sqlite3_column_blob(row, column),
		    have < len ? have : len);
	return true;
}

static bool
tools_content_read(
    struct queue *queue, struct tools_parcel *parcel, struct err *reterr)
{
	sqlite3_stmt *read = queue_statement(queue, STORE_BATCH_READ, reterr);
	bool row, ok;

	if (read == NULL)
		return false;
	(void)sqlite3_bind_int64(read, 1, parcel->seq);
	if (!store_step(&queue->store, read, &row, reterr))
		return false;
	if (row) {
		parcel->accepted_ms = sqlite3_column_int64(read, 0);
		ok = parcel_unpack(sqlite3_column_blob(read, 2),
		    (size_t)sqlite3_column_bytes(read, 2), &parcel->content,
		    reterr);
	} else {
		ok = err_set(reterr, ERR_DAMAGED, "the batch is missing");
	}
	store_reset(read);
	return ok;
}

/* Content and bitmaps of a parcel whose row stands. */
static bool
tools_parcel_fill(struct queue *queue, struct tools_parcel *parcel,
    sqlite3_stmt *row, struct err *reterr)
{
	bool queued = parcel->place == JOBS_QUEUED;
	size_t len;

	if (!tools_content_read(queue, parcel, reterr))
		return false;
	len = parcel->content.count / 8 + 1;
	if (!tools_bitmap_copy(
		row, queued ? 7 : 6, len, &parcel->delivered, reterr))
		return false;
	if (queued)
		return tools_bitmap_copy(row, 6, len, &parcel->done, reterr);
	parcel->done = malloc(len);
	if (parcel->done == NULL)
		return err_set_nomem(reterr);
	memset(parcel->done, 0xff, len);
	return true;
}

bool
tools_parcel_next(struct queue *queue, struct jobs_walk *job,
    struct tools_parcel *ret_parcel, bool *ret_there, struct err *reterr)
{
	struct tools_parcel parcel;
	sqlite3_stmt *row = NULL;
	struct err err;
	bool ok;

	for (;;) {
		parcel = (struct tools_parcel){.place = job->cursor.place};
		ok = job->cursor.place == JOBS_QUEUED
			 ? tools_row_waiting(queue, &job->cursor, &parcel, &row,
			       ret_there, reterr)
			 : tools_row_kept(queue, &job->cursor, &parcel, &row,
			       ret_there, reterr);
		if (!ok)
			return false;
		if (!*ret_there) {
			store_reset(row);
			return true;
		}
		ok = tools_parcel_fill(queue, &parcel, row, &err);
		store_reset(row);
		if (ok) {
			*ret_parcel = parcel;
			return true;
		}
		tools_parcel_fini(&parcel);
		if (err.code != ERR_DAMAGED)
			return err_set(reterr, err.code, "%s", err.text);
		job->damaged++;
	}
}

bool
tools_parcel_live(const struct tools_parcel *parcel, size_t index)
{
	unsigned bit = 1u << (index % 8);

	if (parcel->place == JOBS_QUEUED)
		return (parcel->done[index / 8] & bit) == 0;
	return (parcel->delivered[index / 8] & bit) != 0;
}

struct jobs_event
tools_parcel_event(
    struct queue *queue, const struct tools_parcel *parcel, size_t index)
{
	const struct item *item = &parcel->content.items[index];

	return (struct jobs_event){
	    .place = parcel->place,
	    .id = parcel->seq,
	    .index = index,
	    .source = names_text(queue->names, parcel->source),
	    .destination = names_text(queue->names, parcel->lane),
	    .type = item->type,
	    .data = item->data,
	    .accepted_ms = parcel->accepted_ms,
	    .settled_ms = parcel->settled_ms,
	    .attempts = parcel->attempts,
	    .replay = parcel->replay,
	};
}

struct jobs_event
tools_buried_event(sqlite3_stmt *row, int64_t *ret_lane, int64_t *ret_kind)
{
	const char *kind = (const char *)sqlite3_column_text(row, 3);

	*ret_lane = sqlite3_column_int64(row, 12);
	*ret_kind = sqlite3_column_int64(row, 13);
	return (struct jobs_event){
	    .place = JOBS_DEAD,
	    .id = sqlite3_column_int64(row, 0),
	    .source = (const char *)sqlite3_column_text(row, 1),
	    .destination = (const char *)sqlite3_column_text(row, 2),
	    .type = str_text(kind),
	    .accepted_ms = sqlite3_column_int64(row, 4),
	    .settled_ms = sqlite3_column_int64(row, 5),
	    .attempts = (unsigned)sqlite3_column_int64(row, 6),
	    .reason = (const char *)sqlite3_column_text(row, 7),
	    .words = sqlite3_column_blob(row, 9),
	    .words_len = (size_t)sqlite3_column_bytes(row, 9),
	    .data = str_bytes(sqlite3_column_blob(row, 11),
		(size_t)sqlite3_column_bytes(row, 11)),
	};
}

bool
tools_match(const struct jobs_walk *job, const struct jobs_event *event)
{
	return job->match == NULL || job->match(job->arg, event);
}

bool
tools_step_begin(struct queue *queue, struct err *reterr)
{
	lock_hold(&queue->held);
	if (queue_begin(queue, reterr))
		return true;
	queue_rollback(queue, reterr);
	lock_drop(&queue->held);
	return false;
}

bool
tools_step_end(struct queue *queue, bool ok, struct err *reterr)
{
	bool placed = ok && queue_commit(queue, reterr);

	if (!placed)
		queue_rollback(queue, reterr);
	queue_show(queue);
	lock_drop(&queue->held);
	return placed;
}
