/*
 * Redirecting: what waits, was delivered or is dead under one lane comes
 * under another, whose forwarder goes on with it. For a lane that nobody
 * serves any more, so that nothing of it is on lease.
 */

#include "queue/tools_walk.h"

#include <string.h>

enum { REDIRECT_IDS = 1024 }; /* rows looked at in one step */

struct redirect {
	struct queue *queue;
	struct jobs_walk *job;
	struct lane *from, *to;
};

struct redirect_ticket {
	int64_t source, due_ms, seq, remaining;
	bool replay;
};

/* Run a statement about rows of the old lane. */
static bool
redirect_run(struct redirect *redirect, enum store_sql sql, int64_t after,
    struct err *reterr)
{
	struct store *store = &redirect->queue->store;
	sqlite3_stmt *update = store_statement(store, sql, reterr);

	if (update == NULL)
		return false;
	(void)sqlite3_bind_int64(update, 1, redirect->from->id);
	(void)sqlite3_bind_int64(update, 2, redirect->to->id);
	if (sqlite3_bind_parameter_count(update) > 2) {
		(void)sqlite3_bind_int64(update, 3, after);
		(void)sqlite3_bind_int64(update, 4, after + REDIRECT_IDS);
	}
	return store_run(store, update, reterr);
}

static bool
redirect_number(struct redirect *redirect, enum store_sql sql,
    int64_t *ret_number, struct err *reterr)
{
	struct store *store = &redirect->queue->store;
	sqlite3_stmt *read = store_statement(store, sql, reterr);
	bool row;

	if (read == NULL)
		return false;
	if (sqlite3_bind_parameter_count(read) > 0)
		(void)sqlite3_bind_int64(read, 1, redirect->from->id);
	if (!store_step(store, read, &row, reterr))
		return false;
	*ret_number = sqlite3_column_int64(read, 0);
	store_reset(read);
	return true;
}

/* ---- the queued ---- */

static bool
redirect_tickets_read(struct redirect *redirect,
    struct redirect_ticket ret_tickets[TOOLS_STEP_ROWS], size_t *ret_count,
    struct err *reterr)
{
	struct store *store = &redirect->queue->store;
	sqlite3_stmt *rows =
	    store_statement(store, STORE_DELIVERY_OF_DESTINATION, reterr);
	bool row = true;

	*ret_count = 0;
	if (rows == NULL)
		return false;
	(void)sqlite3_bind_int64(rows, 1, redirect->from->id);
	(void)sqlite3_bind_int64(rows, 2, TOOLS_STEP_ROWS);
	while (*ret_count < TOOLS_STEP_ROWS) {
		if (!store_step(store, rows, &row, reterr))
			return false;
		if (!row)
			break;
		ret_tickets[(*ret_count)++] = (struct redirect_ticket){
		    .source = sqlite3_column_int64(rows, 0),
		    .due_ms = sqlite3_column_int64(rows, 1),
		    .seq = sqlite3_column_int64(rows, 2),
		    .remaining = sqlite3_column_int64(rows, 3),
		    .replay = sqlite3_column_int64(rows, 4) != 0,
		};
	}
	store_reset(rows);
	return true;
}

static bool
redirect_ticket(struct redirect *redirect, const struct redirect_ticket *ticket,
    struct err *reterr)
{
	struct store *store = &redirect->queue->store;
	sqlite3_stmt *update =
	    store_statement(store, STORE_DELIVERY_REDIRECT, reterr);

	if (update == NULL)
		return false;
	(void)sqlite3_bind_int64(update, 1, redirect->from->id);
	(void)sqlite3_bind_int64(update, 2, ticket->source);
	(void)sqlite3_bind_int64(update, 3, ticket->due_ms);
	(void)sqlite3_bind_int64(update, 4, ticket->seq);
	(void)sqlite3_bind_int64(update, 5, redirect->to->id);
	if (!ticket->replay) {
		lane_move(redirect->from, -ticket->remaining);
		lane_move(redirect->to, ticket->remaining);
	}
	lane_fresh_back(redirect->to, ticket->source, ticket->seq);
	redirect->job->matched += (size_t)ticket->remaining;
	return store_run(store, update, reterr);
}

/* Those that cannot be read wait too. */
static bool
redirect_damaged(struct redirect *redirect, struct err *reterr)
{
	int64_t queued;

	if (!redirect_number(
		redirect, STORE_QUARANTINE_QUEUED, &queued, reterr))
		return false;
	lane_move(redirect->from, -queued);
	lane_move(redirect->to, queued);
	return redirect_run(redirect, STORE_QUARANTINE_REDIRECT, 0, reterr);
}

static bool
redirect_waiting(struct redirect *redirect, bool *ret_end, struct err *reterr)
{
	struct redirect_ticket tickets[TOOLS_STEP_ROWS];
	size_t count;

	if (!redirect_tickets_read(redirect, tickets, &count, reterr))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!redirect_ticket(redirect, &tickets[i], reterr))
			return false;
	}
	*ret_end = count == 0;
	return count > 0 || redirect_damaged(redirect, reterr);
}

/* ---- the kept and the dead: numbered rows ---- */

static bool
redirect_rows(struct redirect *redirect, enum store_sql last,
    enum store_sql update, bool *ret_end, struct err *reterr)
{
	struct jobs_cursor *cursor = &redirect->job->cursor;
	int64_t last_id;

	if (!redirect_number(redirect, last, &last_id, reterr) ||
	    !redirect_run(redirect, update, cursor->after, reterr))
		return false;
	cursor->after += REDIRECT_IDS;
	*ret_end = cursor->after >= last_id;
	return true;
}

static bool
redirect_step(struct redirect *redirect, struct err *reterr)
{
	struct jobs_cursor *cursor = &redirect->job->cursor;
	bool end = false, ok = false;

	switch (cursor->place) {
	case JOBS_QUEUED:
		ok = redirect_waiting(redirect, &end, reterr);
		break;
	case JOBS_ARCHIVE:
		ok = redirect_rows(redirect, STORE_ARCHIVE_LAST,
		    STORE_ARCHIVE_REDIRECT, &end, reterr);
		break;
	case JOBS_DEAD:
		ok = redirect_rows(redirect, STORE_DEAD_LAST,
		    STORE_DEAD_REDIRECT, &end, reterr);
		break;
	case JOBS_PLACES:
		NEVER("a place of no kind");
	}
	redirect->job->more = !end || cursor->place != JOBS_DEAD;
	if (end && redirect->job->more)
		*cursor = (struct jobs_cursor){
		    .place = (enum jobs_place)(cursor->place + 1)};
	return ok;
}

static struct lane *
redirect_lane(struct queue *queue, const char *name)
{
	int64_t id = names_find(queue->names, name, strlen(name));

	return id == 0 ? NULL : lane_find(queue, id);
}

static bool
redirect_may(struct redirect *redirect, const char *from, bool anyway,
    struct err *reterr)
{
	int64_t doubts = 0; /* of whether the destination has an event */

	if (redirect->from == NULL)
		return err_set(reterr, ERR_NOT_FOUND,
		    "nothing was ever sent to a destination \"%s\"", from);
	if (!anyway &&
	    !redirect_number(redirect, STORE_DOUBT_COUNT, &doubts, reterr))
		return false;
	return doubts == 0 ||
	       err_set(reterr, ERR_CONFIG,
		   "it is not known of some events if Heap has them from %s: "
		   "bring it back until they are sent, or say --anyway; under "
		   "another identity they would come twice",
		   from);
}

bool
jobs_redirect(struct queue *queue, struct jobs_walk *job, const char *from,
    const char *to, bool anyway, struct err *reterr)
{
	struct redirect redirect = {.queue = queue, .job = job};
	struct jobs_walk before = *job;
	bool ok;

	if (!tools_step_begin(queue, reterr))
		return false;
	redirect.from = redirect_lane(queue, from);
	ok = redirect_may(&redirect, from, anyway, reterr) &&
	     lane_add(queue, to, &redirect.to, reterr) &&
	     redirect_step(&redirect, reterr);
	ok = tools_step_end(queue, ok, reterr);
	if (!ok)
		*job = before;
	else if (queue->settings.wake != NULL)
		queue->settings.wake(queue->settings.wake_arg);
	return ok;
}
