/*
 * Lanes: how much waits in each, and what the forwarder must know after a
 * crash.
 */

#include "queue/inside.h"

#include <stdlib.h>
#include <string.h>

struct lane *
lane_find(struct queue *queue, int64_t id)
{
	for (size_t i = 0; i < queue->lane_count; i++) {
		if (queue->lanes[i].id == id)
			return &queue->lanes[i];
	}
	return NULL;
}

bool
lane_load(struct queue *queue, struct err *reterr)
{
	sqlite3_stmt *all =
	    store_statement(&queue->store, STORE_DESTINATION_ALL, reterr);
	int64_t glances[QUEUE_LANES_MAX]; /* of before, at a reopening */
	size_t count = 0;
	bool row;

	if (all == NULL)
		return false;
	for (size_t i = 0; i < queue->lane_count; i++) {
		if (queue->lanes[i].glance)
			glances[count++] = queue->lanes[i].id;
	}
	queue->lane_count = 0;
	for (;;) {
		if (!store_step(&queue->store, all, &row, reterr))
			return false;
		if (!row)
			break;
		if (queue->lane_count == QUEUE_LANES_MAX ||
		    names_text(queue->names, sqlite3_column_int64(all, 0)) ==
			NULL) {
			store_reset(all);
			return err_set(reterr, ERR_DAMAGED,
			    "queue.db: the table of destinations is wrong");
		}
		queue->lanes[queue->lane_count++] =
		    (struct lane){.id = sqlite3_column_int64(all, 0),
			.queued = sqlite3_column_int64(all, 1),
			.delivered_ms = sqlite3_column_int64(all, 2)};
	}
	store_reset(all);
	for (size_t i = 0; i < queue->lane_count; i++) {
		for (size_t j = 0; j < count; j++)
			queue->lanes[i].glance |=
			    queue->lanes[i].id == glances[j];
	}
	return true;
}

bool
lane_add(struct queue *queue, const char *name, struct lane **ret_lane,
    struct err *reterr)
{
	sqlite3_stmt *add;
	struct lane *lane;
	int64_t id;

	if (strlen(name) > NAMES_TEXT_MAX)
		return err_set(reterr, ERR_CONFIG,
		    "the name of a destination is longer than %d",
		    NAMES_TEXT_MAX);
	if (!names_add(
		queue->names, &queue->store, name, strlen(name), &id, reterr))
		return false;
	lane = lane_find(queue, id);
	if (lane == NULL) {
		if (queue->lane_count == QUEUE_LANES_MAX)
			return err_set(reterr, ERR_LIMIT,
			    "more than %d destinations", QUEUE_LANES_MAX);
		add = store_statement(
		    &queue->store, STORE_DESTINATION_ADD, reterr);
		if (add == NULL)
			return false;
		(void)sqlite3_bind_int64(add, 1, id);
		if (!store_run(&queue->store, add, reterr))
			return false;
		lane = &queue->lanes[queue->lane_count++];
		*lane = (struct lane){.id = id, .fresh = true};
	}
	*ret_lane = lane;
	return true;
}

void
lane_move(struct lane *lane, int64_t events)
{
	lane->moved += events;
}

void
lane_delivered(struct lane *lane, int64_t now_ms)
{
	lane->delivered_moved_ms = now_ms;
}

bool
lane_write(struct queue *queue, struct err *reterr)
{
	for (size_t i = 0; i < queue->lane_count; i++) {
		struct lane *lane = &queue->lanes[i];
		sqlite3_stmt *update;

		if (lane->moved == 0 && lane->delivered_moved_ms == 0)
			continue;
		update = store_statement(
		    &queue->store, STORE_DESTINATION_QUEUED, reterr);
		if (update == NULL)
			return false;
		(void)sqlite3_bind_int64(update, 1, lane->id);
		(void)sqlite3_bind_int64(update, 2, lane->moved);
		(void)sqlite3_bind_int64(update, 3,
		    lane->delivered_moved_ms != 0 ? lane->delivered_moved_ms
						  : lane->delivered_ms);
		if (!store_run(&queue->store, update, reterr))
			return false;
	}
	return true;
}

void
lane_commit(struct queue *queue)
{
	for (size_t i = 0; i < queue->lane_count; i++) {
		struct lane *lane = &queue->lanes[i];

		lane->queued += lane->moved;
		lane->moved = 0;
		if (lane->delivered_moved_ms != 0)
			lane->delivered_ms = lane->delivered_moved_ms;
		lane->delivered_moved_ms = 0;
		lane->fresh = false;
	}
}

void
lane_rollback(struct queue *queue)
{
	while (
	    queue->lane_count > 0 && queue->lanes[queue->lane_count - 1].fresh)
		queue->lane_count--;
	for (size_t i = 0; i < queue->lane_count; i++)
		queue->lanes[i].moved = queue->lanes[i].delivered_moved_ms = 0;
}

/* One statement about a lane, in a transaction. The caller holds the lock;
 * bound are ?1 = lane, ?2 = number, ?3 = bytes, if there are. */
static bool
lane_update(struct queue *queue, enum store_sql sql, int64_t lane,
    int64_t number, const void *bytes, size_t len, struct err *reterr)
{
	sqlite3_stmt *update = store_statement(&queue->store, sql, reterr);

	if (update == NULL)
		return false;
	(void)sqlite3_bind_int64(update, 1, lane);
	if (sqlite3_bind_parameter_count(update) >= 2)
		(void)sqlite3_bind_int64(update, 2, number);
	if (sqlite3_bind_parameter_count(update) >= 3)
		(void)sqlite3_bind_blob64(update, 3, bytes, len, SQLITE_STATIC);
	return store_run(&queue->store, update, reterr);
}

/* What may be at the destination; in a transaction. */
static bool
lane_doubt_write(struct queue *queue, int64_t lane, const void *doubt,
    size_t len, struct err *reterr)
{
	sqlite3_stmt *write = store_statement(&queue->store,
	    len > 0 ? STORE_DOUBT_WRITE : STORE_DOUBT_DELETE, reterr);

	if (write == NULL)
		return false;
	(void)sqlite3_bind_int64(write, 1, lane);
	if (len > 0)
		(void)sqlite3_bind_blob64(write, 2, doubt, len, SQLITE_STATIC);
	return store_run(&queue->store, write, reterr);
}

/* The same, in a transaction of its own, with `rest` for its bytes and its
 * doubt; without the latter if it is NULL. */
static bool
lane_update_once(struct queue *queue, enum store_sql sql, int64_t lane,
    int64_t number, const struct queue_stop_state *rest, struct err *reterr)
{
	const void *sends = rest == NULL ? NULL : rest->sends;

	return queue_begin(queue, reterr) &&
	       lane_update(queue, sql, lane, number, sends,
		   sends == NULL ? 0 : rest->sends_len, reterr) &&
	       (rest == NULL || lane_doubt_write(queue, lane, rest->doubt,
				    rest->doubt_len, reterr)) &&
	       queue_commit(queue, reterr);
}

static bool
lane_update_locked(struct queue *queue, enum store_sql sql, int64_t lane,
    int64_t number, const struct queue_stop_state *rest, struct err *reterr)
{
	struct err err;
	bool ok;

	lock_hold(&queue->held);
	do
		ok = lane_update_once(queue, sql, lane, number, rest, &err);
	while (!ok && queue_relieve(queue, &err));
	lock_drop(&queue->held);
	return ok || err_set(reterr, err.code, "%s", err.text);
}

/* A copy of a column's bytes; *ret_data is NULL if it has none. */
static bool
lane_bytes_copy(sqlite3_stmt *row, int column, char **ret_data, size_t *ret_len,
    struct err *reterr)
{
	*ret_data = NULL;
	*ret_len = (size_t)sqlite3_column_bytes(row, column);
	if (*ret_len == 0)
		return true;
	*ret_data = malloc(*ret_len);
	if (*ret_data == NULL)
		return err_set_nomem(reterr);
	memcpy(*ret_data, sqlite3_column_blob(row, column), *ret_len);
	return true;
}

static bool
lane_doubt_read(struct queue *queue, int64_t id, struct queue_destination *lane,
    struct err *reterr)
{
	sqlite3_stmt *read =
	    store_statement(&queue->store, STORE_DOUBT_READ, reterr);
	bool row, ok;

	if (read == NULL)
		return false;
	(void)sqlite3_bind_int64(read, 1, id);
	if (!store_step(&queue->store, read, &row, reterr))
		return false;
	ok = !row ||
	     lane_bytes_copy(read, 0, &lane->doubt, &lane->doubt_len, reterr);
	store_reset(read);
	return ok;
}

static bool
lane_read(struct queue *queue, int64_t id, struct queue_destination *ret_lane,
    struct err *reterr)
{
	sqlite3_stmt *read =
	    store_statement(&queue->store, STORE_DESTINATION_READ, reterr);
	struct queue_destination lane = {.id = id};
	bool row, ok;

	if (read == NULL)
		return false;
	(void)sqlite3_bind_int64(read, 1, id);
	if (!store_step(&queue->store, read, &row, reterr))
		return false;
	if (!row) {
		store_reset(read);
		return err_set(reterr, ERR_DAMAGED,
		    "queue.db: a destination has no row; run currentsd queue"
		    " check");
	}
	lane.last_post_ms = sqlite3_column_int64(read, 0);
	lane.clean_ms = sqlite3_column_int64(read, 1);
	lane.paused = sqlite3_column_int64(read, 2) != 0;
	lane.any_post_ms = sqlite3_column_int64(read, 4);
	ok = lane_bytes_copy(read, 3, &lane.sends, &lane.sends_len, reterr);
	store_reset(read);
	if (!ok || !lane_doubt_read(queue, id, &lane, reterr)) {
		queue_destination_fini(&lane);
		return false;
	}
	*ret_lane = lane;
	return true;
}

/* Find or make the lane, in a transaction of its own. */
static bool
lane_ensure(
    struct queue *queue, const char *name, int64_t *ret_id, struct err *reterr)
{
	struct lane *lane;

	if (!queue_begin(queue, reterr) ||
	    !lane_add(queue, name, &lane, reterr))
		return false;
	*ret_id = lane->id;
	return queue_commit(queue, reterr);
}

bool
queue_destination_open(struct queue *queue, const char *name,
    struct queue_destination *ret_lane, struct err *reterr)
{
	struct queue_destination lane = {.sends = NULL};
	struct err err;
	int64_t id;
	bool ok;

	lock_hold(&queue->held);
	do
		ok = lane_ensure(queue, name, &id, &err);
	while (!ok && queue_relieve(queue, &err));
	ok = ok && lane_read(queue, id, &lane, &err);
	while (ok && !lane_update_once(
			 queue, STORE_DESTINATION_RUN, id, 0, NULL, &err))
		ok = queue_relieve(queue, &err);
	queue_show(queue);
	lock_drop(&queue->held);
	if (!ok) {
		queue_destination_fini(&lane);
		return err_set(reterr, err.code, "%s", err.text);
	}
	*ret_lane = lane;
	return true;
}

void
queue_destination_fini(struct queue_destination *lane)
{
	free(lane->sends);
	free(lane->doubt);
	lane->sends = lane->doubt = NULL;
	lane->sends_len = lane->doubt_len = 0;
}

bool
queue_destination_post(struct queue *queue, int64_t lane, int64_t now_ms,
    const void *doubt, size_t doubt_len, struct err *reterr)
{
	return lane_update_locked(queue, STORE_DESTINATION_POST, lane, now_ms,
	    &(struct queue_stop_state){.doubt = doubt, .doubt_len = doubt_len},
	    reterr);
}

bool
queue_destination_stop(struct queue *queue, int64_t lane, int64_t now_ms,
    const struct queue_stop_state *rest, struct err *reterr)
{
	return lane_update_locked(
	    queue, STORE_DESTINATION_REST, lane, now_ms, rest, reterr);
}

bool
queue_destination_pause(
    struct queue *queue, const char *name, bool paused, struct err *reterr)
{
	struct lane *lane = NULL;
	int64_t id;

	lock_hold(&queue->held);
	id = names_find(queue->names, name, strlen(name));
	if (id != 0)
		lane = lane_find(queue, id);
	lock_drop(&queue->held);
	if (lane == NULL)
		return err_set(reterr, ERR_NOT_FOUND,
		    "there is no destination \"%s\"", name);
	return lane_update_locked(
	    queue, STORE_DESTINATION_PAUSE, id, paused, NULL, reterr);
}

/* ---- where taking fresh tickets begins ---- */

int64_t *
lane_fresh_from(struct lane *lane, int64_t source)
{
	for (size_t i = 0; i < lane->fresh_count; i++) {
		if (lane->fresh_source[i] == source)
			return &lane->fresh_from[i];
	}
	if (lane->fresh_count == QUEUE_SOURCES_MAX)
		return NULL;
	lane->fresh_source[lane->fresh_count] = source;
	lane->fresh_from[lane->fresh_count] = 0;
	return &lane->fresh_from[lane->fresh_count++];
}

void
lane_fresh_back(struct lane *lane, int64_t source, int64_t seq)
{
	int64_t *from = lane_fresh_from(lane, source);

	if (from != NULL && *from > seq)
		*from = seq;
}
