/*
 * Walking over the unreadable bodies. One may be large, and looking into it
 * slow: so it is copied out and looked at without the queue, and deleting it
 * is a step of its own.
 */

#include "queue/tools_walk.h"

#include <stdlib.h>
#include <string.h>

/* A body out of its row; all owned. */
struct body_copy {
	int64_t id, received_ms, stored_len;
	char *source, *reason, *encoding, *stored;
};

static void
body_copy_fini(struct body_copy *copy)
{
	free(copy->source);
	free(copy->reason);
	free(copy->encoding);
	free(copy->stored);
}

static bool
body_copy_make(sqlite3_stmt *row, struct body_copy *copy, struct err *reterr)
{
	copy->id = sqlite3_column_int64(row, 0);
	copy->received_ms = sqlite3_column_int64(row, 2);
	copy->stored_len = sqlite3_column_bytes(row, 5);
	copy->source = strdup((const char *)sqlite3_column_text(row, 1));
	copy->reason = strdup((const char *)sqlite3_column_text(row, 3));
	copy->encoding = strdup((const char *)sqlite3_column_text(row, 4));
	copy->stored = malloc((size_t)copy->stored_len + 1);
	if (copy->source == NULL || copy->reason == NULL ||
	    copy->encoding == NULL || copy->stored == NULL)
		return err_set_nomem(reterr);
	memcpy(copy->stored, sqlite3_column_blob(row, 5),
	    (size_t)copy->stored_len);
	return true;
}

/* The body after that id; copy->id stays 0 if there is none. */
static bool
body_copy_next(struct queue *queue, int64_t after, struct body_copy *copy,
    struct err *reterr)
{
	sqlite3_stmt *row;
	bool there, ok = false;

	lock_hold(&queue->held);
	row = queue_statement(queue, STORE_UNREADABLE_AFTER, reterr);
	if (row == NULL)
		goto out;
	(void)sqlite3_bind_int64(row, 1, after);
	if (!store_step(&queue->store, row, &there, reterr))
		goto out;
	ok = !there || body_copy_make(row, copy, reterr);
	store_reset(row);
out:
	lock_drop(&queue->held);
	return ok;
}

static bool
body_show(const struct body_copy *copy, jobs_unreadable_fn *fn, void *arg,
    bool *ret_meant, struct err *reterr)
{
	struct jobs_unreadable body = {
	    .id = copy->id,
	    .source = copy->source,
	    .received_ms = copy->received_ms,
	    .reason = copy->reason,
	    .encoding = copy->encoding,
	};
	char *bytes = NULL;
	bool ok = parcel_unpack_bytes(
	    copy->stored, (size_t)copy->stored_len, &bytes, &body.len, reterr);

	*ret_meant = false;
	if (ok) {
		body.data = bytes;
		*ret_meant = fn(arg, &body);
	} else if (reterr->code == ERR_DAMAGED) {
		ok = true; /* passed over; the deep check tells of it */
	}
	free(bytes);
	return ok;
}

static bool
body_delete(
    struct queue *queue, const struct body_copy *copy, struct err *reterr)
{
	sqlite3_stmt *remove;
	bool ok;

	if (!tools_step_begin(queue, reterr))
		return false;
	remove =
	    store_statement(&queue->store, STORE_UNREADABLE_DELETE, reterr);
	ok = remove != NULL;
	if (ok) {
		(void)sqlite3_bind_int64(remove, 1, copy->id);
		ok = store_run(&queue->store, remove, reterr);
	}
	if (ok && sqlite3_changes(queue->store.db) > 0) {
		queue->moved.bodies--;
		queue->moved.bodies_removed++;
		queue->moved.body_bytes -= copy->stored_len;
	}
	return tools_step_end(queue, ok, reterr);
}

bool
jobs_unreadable_next(struct queue *queue, int64_t after, jobs_unreadable_fn *fn,
    void *arg, bool remove, int64_t *ret_last, struct err *reterr)
{
	struct body_copy copy = {0};
	bool meant = false, ok;

	ok = body_copy_next(queue, after, &copy, reterr) &&
	     (copy.id == 0 || body_show(&copy, fn, arg, &meant, reterr)) &&
	     (!meant || !remove || body_delete(queue, &copy, reterr));
	if (ok)
		*ret_last = copy.id;
	body_copy_fini(&copy);
	return ok;
}
