/*
 * What the queue remembers of a destination for the forwarder: that it is
 * running, when the forwarder last posted to it, what it may already have, and
 * whether it is paused.
 */

#include "queue/core.h"

#include <stdlib.h>
#include <string.h>

/* A copy of a column's bytes; *ret_data is NULL if it has none. */
static bool
destination_copy(
    struct str bytes, char **ret_data, size_t *ret_len, struct err *reterr)
{
	*ret_data = NULL;
	*ret_len = bytes.len;
	if (bytes.len == 0)
		return true;
	*ret_data = malloc(bytes.len);
	if (*ret_data == NULL)
		return err_set_nomem(reterr);
	memcpy(*ret_data, bytes.data, bytes.len);
	return true;
}

static bool
destination_read(struct queue *queue, int64_t id,
    struct queue_destination *destination, struct err *reterr)
{
	struct db_rows rows = db_select(&queue->db, reterr,
	    "SELECT last_post_ms, clean_ms, paused, sends,"
	    " (SELECT max(last_post_ms) FROM destination),"
	    " (SELECT data FROM doubt WHERE destination=?1)"
	    " FROM destination WHERE id=?1",
	    "i", id);
	struct str sends, doubt;
	int paused = 0;
	bool there, ok;

	destination->id = id;
	there = db_next(&rows, reterr, "iidbib", &destination->last_post_ms,
	    &destination->clean_ms, &paused, &sends, &destination->any_post_ms,
	    &doubt);
	destination->paused = paused != 0;
	ok = there &&
	     destination_copy(
		 sends, &destination->sends, &destination->sends_len, reterr) &&
	     destination_copy(
		 doubt, &destination->doubt, &destination->doubt_len, reterr);
	if (!db_end(&rows))
		return false;
	return there ? ok
		     : err_set(reterr, ERR_DAMAGED,
			   "queue.db: a destination has no row; run `currentsd "
			   "queue check`");
}

struct destination_opening {
	const char *name;
	struct queue_destination found;
};

static bool
destination_open(struct queue *queue, void *arg, struct err *reterr)
{
	struct destination_opening *opening = arg;
	struct backlog *backlog;

	queue_destination_fini(&opening->found); /* it may be run again */
	return backlog_add(queue->backlogs, &queue->db, queue->names,
		   opening->name, &backlog, reterr) &&
	       destination_read(
		   queue, backlog->destination, &opening->found, reterr) &&
	       db_run(&queue->db, reterr,
		   "UPDATE destination SET clean_ms=0, sends=NULL WHERE id=?1",
		   "i", backlog->destination);
}

bool
queue_destination_open(struct queue *queue, const char *name,
    struct queue_destination *ret_destination, struct err *reterr)
{
	struct destination_opening opening = {.name = name};

	if (!queue_change(queue, destination_open, &opening, true, reterr)) {
		queue_destination_fini(&opening.found);
		return false;
	}
	*ret_destination = opening.found;
	return true;
}

void
queue_destination_fini(struct queue_destination *destination)
{
	free(destination->sends);
	free(destination->doubt);
	destination->sends = destination->doubt = NULL;
	destination->sends_len = destination->doubt_len = 0;
}

/* What is stored at a post (without sends) or at a planned stop. */
struct destination_state {
	int64_t id, now_ms;
	struct str sends, doubt;
};

static bool
destination_doubt_write(struct queue *queue,
    const struct destination_state *state, struct err *reterr)
{
	if (state->doubt.len == 0)
		return db_run(&queue->db, reterr,
		    "DELETE FROM doubt WHERE destination=?1", "i", state->id);
	return db_run(&queue->db, reterr,
	    "INSERT OR REPLACE INTO doubt VALUES(?1, ?2)", "ib", state->id,
	    state->doubt);
}

static bool
destination_post(struct queue *queue, void *arg, struct err *reterr)
{
	const struct destination_state *state = arg;

	return db_run(&queue->db, reterr,
		   "UPDATE destination SET last_post_ms=?2 WHERE id=?1", "ii",
		   state->id, state->now_ms) &&
	       destination_doubt_write(queue, state, reterr);
}

bool
queue_destination_post(struct queue *queue, int64_t destination, int64_t now_ms,
    const void *doubt, size_t doubt_len, struct err *reterr)
{
	struct destination_state state = {.id = destination,
	    .now_ms = now_ms,
	    .doubt = str_bytes(doubt, doubt_len)};

	return queue_change(queue, destination_post, &state, true, reterr);
}

static bool
destination_stop(struct queue *queue, void *arg, struct err *reterr)
{
	const struct destination_state *state = arg;

	return db_run(&queue->db, reterr,
		   "UPDATE destination SET clean_ms=?2, sends=?3 WHERE id=?1",
		   "iib", state->id, state->now_ms, state->sends) &&
	       destination_doubt_write(queue, state, reterr);
}

bool
queue_destination_stop(struct queue *queue, int64_t destination, int64_t now_ms,
    const struct queue_stop_state *rest, struct err *reterr)
{
	struct destination_state state = {.id = destination,
	    .now_ms = now_ms,
	    .sends = str_bytes(rest->sends, rest->sends_len),
	    .doubt = str_bytes(rest->doubt, rest->doubt_len)};

	return queue_change(queue, destination_stop, &state, true, reterr);
}

struct destination_pause {
	const char *name;
	bool paused;
};

static bool
destination_pause(struct queue *queue, void *arg, struct err *reterr)
{
	const struct destination_pause *pause = arg;
	int64_t id = names_find(queue->names, str_text(pause->name));

	if (id == 0 || backlog_find(queue->backlogs, id) == NULL)
		return err_set(reterr, ERR_NOT_FOUND,
		    "there is no destination \"%s\"", pause->name);
	return db_run(&queue->db, reterr,
	    "UPDATE destination SET paused=?2 WHERE id=?1", "id", id,
	    pause->paused);
}

bool
queue_destination_pause(
    struct queue *queue, const char *name, bool paused, struct err *reterr)
{
	struct destination_pause pause = {name, paused};

	return queue_change(queue, destination_pause, &pause, true, reterr);
}

void
queue_destination_trial(struct queue *queue, int64_t destination)
{
	struct backlog *backlog;

	fair_lock_hold(&queue->lock);
	backlog = backlog_find(queue->backlogs, destination);
	CHECK(backlog != NULL);
	backlog->trial = true;
	fair_lock_drop(&queue->lock);
}
