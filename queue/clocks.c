/*
 * The clocks of others, kept over restarts: bytes that wait in memory until
 * the committer has time for them, and then stand in the table meta.
 */

#include "queue/inside.h"

#include <stdlib.h>
#include <string.h>

static const char clocks_key[] = "clocks";

bool
queue_clocks_save(
    struct queue *queue, const void *data, size_t len, struct err *reterr)
{
	char *copy = malloc(len + 1), *old;

	if (copy == NULL)
		return err_set_nomem(reterr);
	memcpy(copy, data, len);
	lock_hold(&queue->shelf);
	old = queue->clocks;
	queue->clocks = copy;
	queue->clocks_len = len;
	lock_drop(&queue->shelf);
	free(old);
	return true;
}

static bool
clocks_read(struct queue *queue, struct buf *ret_data, struct err *reterr)
{
	sqlite3_stmt *read = queue_statement(queue, STORE_META_READ, reterr);
	bool row;

	if (read == NULL)
		return false;
	(void)sqlite3_bind_text(read, 1, clocks_key, -1, SQLITE_STATIC);
	if (!store_step(&queue->store, read, &row, reterr))
		return false;
	if (row)
		(void)buf_append(ret_data, sqlite3_column_blob(read, 0),
		    (size_t)sqlite3_column_bytes(read, 0));
	store_reset(read);
	return buf_ok(ret_data, reterr);
}

bool
queue_clocks_read(struct queue *queue, struct buf *ret_data, struct err *reterr)
{
	bool ok;

	lock_hold(&queue->held);
	ok = clocks_read(queue, ret_data, reterr);
	lock_drop(&queue->held);
	return ok;
}

static bool
clocks_store(
    struct queue *queue, const char *data, size_t len, struct err *reterr)
{
	sqlite3_stmt *write;

	if (!queue_begin(queue, reterr))
		return false;
	write = store_statement(&queue->store, STORE_META_WRITE, reterr);
	if (write == NULL)
		return false;
	(void)sqlite3_bind_text(write, 1, clocks_key, -1, SQLITE_STATIC);
	(void)sqlite3_bind_blob64(write, 2, data, len, SQLITE_STATIC);
	return store_run(&queue->store, write, reterr) &&
	       queue_commit(queue, reterr);
}

bool
clocks_write(struct queue *queue)
{
	struct err err;
	char *data;
	size_t len;

	lock_hold(&queue->shelf);
	data = queue->clocks;
	len = queue->clocks_len;
	queue->clocks = NULL;
	lock_drop(&queue->shelf);
	if (data == NULL)
		return false;
	if (!clocks_store(queue, data, len, &err)) {
		queue_rollback(queue, &err);
		lock_hold(&queue->shelf);
		if (queue->clocks == NULL) {
			queue->clocks = data;
			queue->clocks_len = len;
			data = NULL;
		}
		lock_drop(&queue->shelf);
	}
	free(data);
	return true;
}
