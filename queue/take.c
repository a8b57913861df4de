/*
 * Taking: leases. A lease lives in memory alone, so a crash gives everything
 * back. What cannot be read is moved to the table of the damaged, where it
 * still counts as queued, and is never deleted.
 */

#include "queue/inside.h"

#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool
take_is_held(const struct queue *queue, int64_t seq)
{
	const struct holding *holding = queue->holdings;

	while (holding != NULL && holding->lease.seq != seq)
		holding = holding->next;
	return holding != NULL;
}

static bool
take_ticket_copy(
    sqlite3_stmt *row, struct ticket *ret_ticket, struct err *reterr)
{
	struct ticket ticket = {
	    .due_ms = sqlite3_column_int64(row, 0),
	    .seq = sqlite3_column_int64(row, 1),
	    .attempts = (unsigned)sqlite3_column_int64(row, 2),
	    .remaining = sqlite3_column_int64(row, 3),
	    .replay = sqlite3_column_int64(row, 5) != 0,
	    .done_len = (size_t)sqlite3_column_bytes(row, 4),
	};

	if (ticket.done_len > 0) {
		ticket.done = malloc(ticket.done_len);
		if (ticket.done == NULL)
			return err_set_nomem(reterr);
		memcpy(
		    ticket.done, sqlite3_column_blob(row, 4), ticket.done_len);
	}
	*ret_ticket = ticket;
	return true;
}

/* The first ticket that `sql` yields from `bound` on and nobody holds. */
static bool
take_ticket_find(struct queue *queue, enum store_sql sql, int64_t lane,
    int64_t source, int64_t bound, bool *ret_found, struct ticket *ret_ticket,
    struct err *reterr)
{
	sqlite3_stmt *rows = store_statement(&queue->store, sql, reterr);
	bool row, ok = true;

	*ret_found = false;
	if (rows == NULL)
		return false;
	(void)sqlite3_bind_int64(rows, 1, lane);
	(void)sqlite3_bind_int64(rows, 2, source);
	(void)sqlite3_bind_int64(rows, 3, bound);
	for (;;) {
		if (!store_step(&queue->store, rows, &row, reterr))
			return false;
		if (!row)
			break;
		if (take_is_held(queue, sqlite3_column_int64(rows, 1)))
			continue;
		ok = take_ticket_copy(rows, ret_ticket, reterr);
		*ret_found = ok;
		break;
	}
	store_reset(rows);
	return ok;
}

/* What was set aside and is due again goes first: it has waited longer, and
 * a long backlog would starve it. */
static bool
take_ticket(struct queue *queue, struct lane *lane, int64_t source,
    int64_t now_ms, bool *ret_found, struct ticket *ret_ticket,
    struct err *reterr)
{
	int64_t *from;

	*ret_found = false;
	if (!lane->glance &&
	    !take_ticket_find(queue, STORE_DELIVERY_DEFERRED, lane->id, source,
		now_ms, ret_found, ret_ticket, reterr))
		return false;
	if (!lane->glance && !*ret_found &&
	    !take_ticket_find(queue, STORE_DELIVERY_DEFERRED_FAR, lane->id,
		source, now_ms, ret_found, ret_ticket, reterr))
		return false;
	if (*ret_found)
		return true;
	from = lane_fresh_from(lane, source);
	if (!take_ticket_find(queue, STORE_DELIVERY_FRESH, lane->id, source,
		from == NULL ? 0 : *from, ret_found, ret_ticket, reterr))
		return false;
	if (*ret_found && from != NULL)
		*from = ret_ticket->seq + 1;
	return true;
}

/* What is sent again: likewise, but never before what is not. */
static bool
take_replay(struct queue *queue, const struct lane *lane, int64_t source,
    int64_t now_ms, bool *ret_found, struct ticket *ret_ticket,
    struct err *reterr)
{
	if (!take_ticket_find(queue, STORE_DELIVERY_REPLAY_DEFERRED, lane->id,
		source, now_ms, ret_found, ret_ticket, reterr))
		return false;
	return *ret_found ||
	       take_ticket_find(queue, STORE_DELIVERY_REPLAY, lane->id, source,
		   QUEUE_DUE_REPLAY, ret_found, ret_ticket, reterr);
}

/* The source after `last` in a lane, going round; 0 if there is none. */
static bool
take_source_after(struct queue *queue, int64_t lane, int64_t last,
    int64_t *ret_source, struct err *reterr)
{
	sqlite3_stmt *after;
	bool row;

	*ret_source = 0;
	for (int round = 0; round < 2 && *ret_source == 0; round++) {
		after = store_statement(
		    &queue->store, STORE_DELIVERY_SOURCE_AFTER, reterr);
		if (after == NULL)
			return false;
		(void)sqlite3_bind_int64(after, 1, lane);
		(void)sqlite3_bind_int64(after, 2, round == 0 ? last : 0);
		if (!store_step(&queue->store, after, &row, reterr))
			return false;
		*ret_source = sqlite3_column_int64(after, 0);
		store_reset(after);
		if (last == 0)
			break;
	}
	return true;
}

/* Ask the sources of a lane in turn, each once; for replays or the rest. */
static bool
take_round(struct queue *queue, struct lane *lane, int64_t now_ms, bool replays,
    bool *ret_found, int64_t *ret_source, struct ticket *ret_ticket,
    struct err *reterr)
{
	int64_t source = lane->last_source, first = 0;
	bool ok;

	*ret_found = false;
	for (;;) {
		if (!take_source_after(
			queue, lane->id, source, &source, reterr))
			return false;
		if (source == 0 || source == first)
			return true;
		if (first == 0)
			first = source;
		ok = replays ? take_replay(queue, lane, source, now_ms,
				   ret_found, ret_ticket, reterr)
			     : take_ticket(queue, lane, source, now_ms,
				   ret_found, ret_ticket, reterr);
		if (!ok)
			return false;
		if (*ret_found) {
			lane->last_source = source;
			*ret_source = source;
			return true;
		}
	}
}

/* Replays come last: they are paced below the live traffic. */
static bool
take_next(struct queue *queue, struct lane *lane, int64_t now_ms,
    bool *ret_found, int64_t *ret_source, struct ticket *ret_ticket,
    struct err *reterr)
{
	if (!take_round(queue, lane, now_ms, false, ret_found, ret_source,
		ret_ticket, reterr))
		return false;
	return *ret_found || lane->glance ||
	       take_round(queue, lane, now_ms, true, ret_found, ret_source,
		   ret_ticket, reterr);
}

static sqlite3_stmt *
take_ticket_bind(struct queue *queue, enum store_sql sql, int64_t lane,
    int64_t source, const struct ticket *ticket, struct err *reterr)
{
	sqlite3_stmt *statement = store_statement(&queue->store, sql, reterr);

	if (statement == NULL)
		return NULL;
	(void)sqlite3_bind_int64(statement, 1, lane);
	(void)sqlite3_bind_int64(statement, 2, source);
	(void)sqlite3_bind_int64(statement, 3, ticket->due_ms);
	(void)sqlite3_bind_int64(statement, 4, ticket->seq);
	return statement;
}

/* Move the ticket to the damaged; its events still wait. */
static bool
take_set_aside(struct queue *queue, int64_t lane, int64_t source,
    const struct ticket *ticket, const char *why, struct err *reterr)
{
	sqlite3_stmt *add, *remove;

	if (!queue_begin(queue, reterr))
		return false;
	add = take_ticket_bind(
	    queue, STORE_QUARANTINE_ADD, lane, source, ticket, reterr);
	if (add == NULL)
		return false;
	(void)sqlite3_bind_int64(add, 5, clock_wall_ms());
	(void)sqlite3_bind_text(add, 6, why, -1, SQLITE_STATIC);
	if (!store_run(&queue->store, add, reterr))
		return false;
	remove = take_ticket_bind(
	    queue, STORE_DELIVERY_DELETE, lane, source, ticket, reterr);
	if (remove == NULL)
		return false;
	queue->moved.damaged++;
	return store_run(&queue->store, remove, reterr) &&
	       queue_commit(queue, reterr);
}

/* Take one; *ret_again if a damaged one was set aside instead. */
static bool
take_once(struct queue *queue, struct lane *lane, int64_t now_ms,
    struct holding **ret_holding, bool *ret_again, struct err *reterr)
{
	struct ticket ticket = {.done = NULL};
	struct holding *holding = NULL;
	int64_t source = 0;
	bool found, ok;
	struct err err;

	*ret_holding = NULL;
	*ret_again = false;
	if (!take_next(queue, lane, now_ms, &found, &source, &ticket, reterr))
		return false;
	if (!found)
		return true;
	/* Twice: a read that fails once and then not is no damage. */
	ok = holding_read(queue, &ticket, &holding, &err) ||
	     (err.code == ERR_DAMAGED &&
		 holding_read(queue, &ticket, &holding, &err));
	if (ok) {
		holding->lease.source = names_text(queue->names, source);
		holding->lane = lane->id;
		holding->source = source;
		holding->due_ms = ticket.due_ms;
		holding->next = queue->holdings;
		queue->holdings = holding;
		*ret_holding = holding;
	} else if (err.code == ERR_DAMAGED) {
		do
			ok = take_set_aside(
			    queue, lane->id, source, &ticket, err.text, reterr);
		while (!ok && queue_relieve(queue, reterr));
		*ret_again = ok;
		if (ok)
			log_line(LOG_ERROR, "queue",
			    "quarantine batch=%" PRId64 " events=%" PRId64
			    " why=%s help=\"they wait, and are tried again; if "
			    "`queue check` finds it too, restore a backup or "
			    "use `queue rescue`\"",
			    ticket.seq, ticket.remaining, LOG_QUOTE(err.text));
		queue_show(queue);
	} else {
		(void)err_set(reterr, err.code, "%s", err.text);
	}
	if (!ok && ticket.due_ms == 0)
		lane_fresh_back(lane, source, ticket.seq);
	free(ticket.done);
	return ok;
}

bool
queue_take(struct queue *queue, int64_t lane_id, int64_t now_ms,
    struct queue_lease **ret_lease, struct err *reterr)
{
	struct holding *holding = NULL;
	struct lane *lane;
	bool again = true, ok = true;

	lock_hold(&queue->held);
	if (queue->broken)
		ok = err_set(reterr, ERR_IO,
		    "the disk failed; the queue is being opened anew");
	while (ok && again) {
		lane = lane_find(queue, lane_id);
		CHECK(lane != NULL);
		ok = take_once(queue, lane, now_ms, &holding, &again, reterr);
	}
	lock_drop(&queue->held);
	if (!ok)
		return false;
	*ret_lease = holding == NULL ? NULL : &holding->lease;
	return true;
}

void
queue_destination_trial(struct queue *queue, int64_t lane_id)
{
	struct lane *lane;

	lock_hold(&queue->held);
	lane = lane_find(queue, lane_id);
	CHECK(lane != NULL);
	lane->glance = true;
	lock_drop(&queue->held);
}

void
queue_lease_free(struct queue *queue, struct queue_lease *lease)
{
	struct holding *holding = (struct holding *)lease;
	struct holding **at;
	struct lane *lane;

	if (lease == NULL)
		return;
	lock_hold(&queue->held);
	for (at = &queue->holdings; *at != holding; at = &(*at)->next)
		CHECK(*at != NULL);
	*at = holding->next;
	lane = lane_find(queue, holding->lane);
	if (lane != NULL && !lane->glance && holding->open > 0 &&
	    holding->due_ms == 0)
		lane_fresh_back(lane, holding->source, holding->lease.seq);
	lock_drop(&queue->held);
	holding_free(holding);
}

/* The first due time of a source's tickets that nobody holds. */
static bool
take_due(struct queue *queue, int64_t lane, int64_t source, int64_t *due_ms)
{
	struct ticket ticket;
	struct err err;
	bool found;

	if (!take_ticket_find(queue, STORE_DELIVERY_DEFERRED, lane, source,
		INT64_MAX, &found, &ticket, &err))
		return false;
	if (!found)
		return true;
	if (ticket.due_ms < *due_ms)
		*due_ms = ticket.due_ms;
	free(ticket.done);
	return true;
}

int64_t
queue_due_ms(struct queue *queue, int64_t lane)
{
	int64_t due_ms = INT64_MAX, source = 0, first = 0;
	struct err err;

	lock_hold(&queue->held);
	while (!queue->broken &&
	       take_source_after(queue, lane, source, &source, &err) &&
	       source != 0 && source != first) {
		if (first == 0)
			first = source;
		if (!take_due(queue, lane, source, &due_ms))
			break;
	}
	lock_drop(&queue->held);
	return due_ms;
}
