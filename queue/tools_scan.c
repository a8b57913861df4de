/* Looking: every event of a place, and the deep check of the file. */

#include "queue/tools_walk.h"

#include <stdio.h>
#include <stdlib.h>

static bool
tools_scan_parcels(
    struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	struct tools_parcel parcel;
	bool there = true;

	for (int n = 0; n < TOOLS_STEP_PARCELS; n++) {
		if (!tools_parcel_next(queue, job, &parcel, &there, reterr))
			return false;
		if (!there)
			break;
		for (size_t i = 0; i < parcel.content.count; i++) {
			struct jobs_event event;

			if (!tools_parcel_live(&parcel, i))
				continue;
			event = tools_parcel_event(queue, &parcel, i);
			job->matched += tools_match(job, &event);
		}
		tools_parcel_fini(&parcel);
	}
	job->more = there;
	return true;
}

static bool
tools_scan_buried(
    struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	sqlite3_stmt *rows = queue_statement(queue, STORE_DEAD_AFTER, reterr);
	struct jobs_event event;
	int64_t lane, kind;
	size_t count = 0;
	bool row;

	if (rows == NULL)
		return false;
	(void)sqlite3_bind_int64(rows, 1, job->cursor.after);
	(void)sqlite3_bind_int64(rows, 2, TOOLS_STEP_ROWS);
	for (;; count++) {
		if (!store_step(&queue->store, rows, &row, reterr))
			return false;
		if (!row)
			break;
		event = tools_buried_event(rows, &lane, &kind);
		job->cursor.after = event.id;
		job->matched += tools_match(job, &event);
	}
	store_reset(rows);
	job->more = count == TOOLS_STEP_ROWS;
	return true;
}

bool
jobs_scan(struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	bool ok;

	lock_hold(&queue->held);
	ok = job->cursor.place == JOBS_DEAD
		 ? tools_scan_buried(queue, job, reterr)
		 : tools_scan_parcels(queue, job, reterr);
	lock_drop(&queue->held);
	return ok;
}

/* ---- the deep check ---- */

static bool
tools_check_file(
    struct queue *queue, struct jobs_check *check, struct err *reterr)
{
	sqlite3_stmt *rows = queue_statement(queue, STORE_INTEGRITY, reterr);
	const char *text;
	bool row;

	if (rows == NULL)
		return false;
	for (;;) {
		if (!store_step(&queue->store, rows, &row, reterr))
			return false;
		if (!row)
			break;
		text = (const char *)sqlite3_column_text(rows, 0);
		if (text != NULL && text[0] == 'o' && text[1] == 'k')
			continue;
		check->faults++;
		check->fn(check->arg, text == NULL ? "no memory" : text);
	}
	store_reset(rows);
	return true;
}

/* Can it be read: a parcel, or a whole body that was no JSON? */
static bool
tools_check_frame(
    const struct jobs_check *check, sqlite3_stmt *row, struct err *reterr)
{
	int column = check->bodies ? 5 : 1;
	const void *frame = sqlite3_column_blob(row, column);
	size_t len = (size_t)sqlite3_column_bytes(row, column), plain_len;
	struct parcel parcel;
	char *plain = NULL;
	bool ok;

	if (check->bodies) {
		ok =
		    parcel_unpack_bytes(frame, len, &plain, &plain_len, reterr);
		free(plain);
		return ok;
	}
	ok = parcel_unpack(frame, len, &parcel, reterr);
	if (ok)
		parcel_fini(&parcel);
	return ok;
}

static bool
tools_check_row(struct queue *queue, struct jobs_check *check, bool *ret_there,
    struct err *reterr)
{
	sqlite3_stmt *row = queue_statement(queue,
	    check->bodies ? STORE_UNREADABLE_AFTER : STORE_BATCH_AFTER, reterr);
	struct err err;
	char text[600];

	if (row == NULL)
		return false;
	(void)sqlite3_bind_int64(row, 1, check->after);
	if (!store_step(&queue->store, row, ret_there, reterr))
		return false;
	if (!*ret_there) {
		store_reset(row);
		return true;
	}
	check->after = sqlite3_column_int64(row, 0);
	check->parcels += !check->bodies;
	if (!tools_check_frame(check, row, &err)) {
		check->faults++;
		(void)snprintf(text, sizeof(text), "%s %lld: %s",
		    check->bodies ? "unreadable body" : "batch",
		    (long long)check->after, err.text);
		check->fn(check->arg, text);
	}
	store_reset(row);
	return true;
}

bool
jobs_check(struct queue *queue, struct jobs_check *check, struct err *reterr)
{
	bool ok = true, there = true;

	lock_hold(&queue->held);
	if (!check->begun) {
		ok = tools_check_file(queue, check, reterr);
		check->begun = ok;
	}
	for (int n = 0; ok && there && n < TOOLS_STEP_PARCELS; n++) {
		ok = tools_check_row(queue, check, &there, reterr);
		if (ok && !there && !check->bodies) {
			check->bodies = there = true;
			check->after = 0;
		}
	}
	lock_drop(&queue->held);
	check->more = there;
	return ok;
}
