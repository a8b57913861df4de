/*
 * Settling: one transaction for any number of verdicts. What is done, dead
 * or dropped is marked in its ticket's bitmap, and a parcel all of whose
 * events are marked goes. What is to be tried again is marked too, and moves
 * into a new parcel with the others of the same due time. The bitmap in the
 * file decides what counts, so a verdict that is repeated changes nothing.
 */

#include "queue/settle_ticket.h"

#include <stdlib.h>
#include <string.h>

struct settle {
	struct queue *queue;
	const struct queue_verdict **verdicts; /* sorted, see settle_order() */
	unsigned char *fresh;		       /* counted now, one a verdict */
	size_t count;
	int64_t now_ms;
};

static const struct holding *
settle_holding(const struct queue_verdict *verdict)
{
	return (const struct holding *)verdict->lease;
}

static size_t
settle_index(const struct queue_verdict *verdict)
{
	CHECK(verdict->event < verdict->lease->count);
	return verdict->lease->events[verdict->event].index;
}

/* By parcel in the order of acceptance, then by place in it. */
static int
settle_order(const void *left, const void *right)
{
	const struct queue_verdict *a =
	    *(const struct queue_verdict *const *)left;
	const struct queue_verdict *b =
	    *(const struct queue_verdict *const *)right;

	if (a->lease->seq != b->lease->seq)
		return a->lease->seq < b->lease->seq ? -1 : 1;
	if (a->event != b->event)
		return a->event < b->event ? -1 : 1;
	return 0;
}

static bool
settle_bury(struct settle *settle, const struct queue_verdict *verdict,
    const struct ledger_key *key, struct err *reterr)
{
	const struct holding *holding = settle_holding(verdict);
	const struct queue_event *event =
	    &verdict->lease->events[verdict->event];

	return ledger_note(
		   settle->queue->ledger, key, LEDGER_BURIED, 1, reterr) &&
	       rows_buried_add(settle->queue,
		   &(struct queue_burial){
		       .source = holding->source,
		       .lane = holding->lane,
		       .type = key->type,
		       .accepted_ms = verdict->lease->accepted_ms,
		       .dead_ms = settle->now_ms,
		       .attempts = verdict->lease->attempts + verdict->posts,
		       .reason = verdict->reason,
		       .status = verdict->status,
		       .words = verdict->words,
		       .words_len = verdict->words_len,
		       .sent = verdict->sent,
		       .sent_len = verdict->sent_len,
		       .data = event->data.data,
		       .data_len = event->data.len,
		   },
		   reterr);
}

/* Note whose erasure the event asks for, if it does. */
static bool
settle_erasure(struct settle *settle, const struct queue_verdict *verdict,
    struct err *reterr)
{
	sqlite3_stmt *add;

	if (verdict->erase == NULL)
		return true;
	add = store_statement(&settle->queue->store, STORE_ERASURE_ADD, reterr);
	if (add == NULL)
		return false;
	(void)sqlite3_bind_int64(add, 1, settle_holding(verdict)->source);
	(void)sqlite3_bind_text(
	    add, 2, verdict->erase, (int)verdict->erase_len, SQLITE_STATIC);
	(void)sqlite3_bind_int64(add, 3, settle->now_ms);
	return store_run(&settle->queue->store, add, reterr);
}

/* Book one verdict that counts. */
static bool
settle_book(struct settle *settle, const struct queue_verdict *verdict,
    struct err *reterr)
{
	struct queue *queue = settle->queue;
	const struct holding *holding = settle_holding(verdict);
	const struct queue_event *event =
	    &verdict->lease->events[verdict->event];
	struct ledger_key key = {
	    .hour = ledger_hour(verdict->lease->accepted_ms),
	    .source = holding->source,
	};
	int64_t rule;

	if (verdict->outcome == QUEUE_DEFERRED)
		return true;
	if (!names_add_type(queue->names, &queue->store, event->type.data,
		event->type.len, &key.type, reterr))
		return false;
	/* A replay was booked as delivered before: it has its own columns,
	 * and what is refused now stays among the kept. */
	if (verdict->lease->replay)
		return ledger_note(queue->ledger, &key,
		    verdict->outcome == QUEUE_DELIVERED
			? LEDGER_REPLAY_DELIVERED
			: LEDGER_REPLAY_REFUSED,
		    1, reterr);
	if (!ledger_note(queue->ledger, &key, LEDGER_WAITING, -1, reterr))
		return false;
	switch (verdict->outcome) {
	case QUEUE_DELIVERED:
		return ledger_note(
		    queue->ledger, &key, LEDGER_DELIVERED, 1, reterr);
	case QUEUE_DEAD:
		return settle_bury(settle, verdict, &key, reterr);
	case QUEUE_DROPPED:
		return names_add(queue->names, &queue->store, verdict->reason,
			   strlen(verdict->reason), &rule, reterr) &&
		       ledger_note_drop(queue->ledger, &key, rule, 1, reterr) &&
		       settle_erasure(settle, verdict, reterr);
	case QUEUE_DEFERRED:
		break;
	}
	return true;
}

/* All verdicts from `from` on that are of one lease; *ret_next is the first
 * of the next lease. */
static bool
settle_lease(
    struct settle *settle, size_t from, size_t *ret_next, struct err *reterr)
{
	const struct queue_lease *lease = settle->verdicts[from]->lease;
	struct settle_ticket ticket = {
	    .holding = (struct holding *)(uintptr_t)lease};
	struct lane *lane;
	int64_t counted = 0;
	bool ok = false, delivered = false;
	size_t n;

	if (!settle_ticket_read(settle->queue, &ticket, reterr))
		goto out;
	for (n = from; n < settle->count; n++) {
		const struct queue_verdict *verdict = settle->verdicts[n];
		size_t index;

		if (verdict->lease != lease)
			break;
		index = settle_index(verdict);
		if (!ticket.there ||
		    (ticket.done[index / 8] & (1u << (index % 8))) != 0)
			continue;
		ticket.done[index / 8] |= (unsigned char)(1u << (index % 8));
		ticket.remaining--;
		counted++;
		settle->fresh[n] = 1;
		if (verdict->outcome == QUEUE_DELIVERED) {
			ticket.delivered[index / 8] |=
			    (unsigned char)(1u << (index % 8));
			delivered = true;
		}
		if (!settle_book(settle, verdict, reterr))
			goto out;
	}
	lane = lane_find(settle->queue, ticket.holding->lane);
	CHECK(lane != NULL);
	if (!lease->replay)
		lane_move(lane, -counted);
	if (delivered)
		lane_delivered(lane, settle->now_ms);
	*ret_next = n;
	ok =
	    settle_ticket_write(settle->queue, &ticket, settle->now_ms, reterr);
out:
	settle_ticket_fini(&ticket);
	return ok;
}

/* ---- repacking ---- */

static bool
settle_same_parcel(const struct queue_verdict *a, const struct queue_verdict *b)
{
	return a->due_ms == b->due_ms && a->lease->replay == b->lease->replay &&
	       settle_holding(a)->lane == settle_holding(b)->lane &&
	       settle_holding(a)->source == settle_holding(b)->source &&
	       ledger_hour(a->lease->accepted_ms) ==
		   ledger_hour(b->lease->accepted_ms);
}

static void
settle_item(const void *arg, size_t n, struct item *ret_item)
{
	const struct queue_verdict *const *verdicts = arg;
	const struct queue_event *event =
	    &verdicts[n]->lease->events[verdicts[n]->event];

	*ret_item = (struct item){.type = event->type, .data = event->data};
}

/* One new parcel of the given verdicts, which are alike. */
static bool
settle_repack_group(struct settle *settle,
    const struct queue_verdict *const *group, size_t count, struct err *reterr)
{
	struct queue *queue = settle->queue;
	const struct holding *holding = settle_holding(group[0]);
	struct queue_parcel parcel = {
	    .lane = lane_find(queue, holding->lane),
	    .source = holding->source,
	    .due_ms = group[0]->due_ms,
	    .replay = group[0]->lease->replay,
	    .accepted_ms = group[0]->lease->accepted_ms,
	    .events = count,
	};

	CHECK(parcel.lane != NULL && parcel.due_ms > 0);
	for (size_t i = 0; i < count; i++) {
		if (parcel.attempts <= group[i]->lease->attempts)
			parcel.attempts = group[i]->lease->attempts + 1;
		if (parcel.accepted_ms > group[i]->lease->accepted_ms)
			parcel.accepted_ms = group[i]->lease->accepted_ms;
	}
	if (!parcel_pack(queue->packer, settle_item, group, count,
		&queue->packed, reterr))
		return false;
	parcel.frame = queue->packed.data;
	parcel.frame_len = queue->packed.len;
	return rows_parcel_add(queue, &parcel, reterr);
}

static bool
settle_repack(struct settle *settle, struct err *reterr)
{
	const struct queue_verdict **group;
	bool ok = true;

	group = calloc(settle->count + 1, sizeof(*group));
	if (group == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; ok && i < settle->count; i++) {
		const struct queue_verdict *first = settle->verdicts[i];
		size_t count = 0;

		if (!settle->fresh[i] || first->outcome != QUEUE_DEFERRED)
			continue;
		group[count++] = first;
		for (size_t n = i + 1; n < settle->count; n++) {
			const struct queue_verdict *one = settle->verdicts[n];

			if (!settle->fresh[n] ||
			    one->outcome != QUEUE_DEFERRED ||
			    !settle_same_parcel(first, one))
				continue;
			group[count++] = one;
			settle->fresh[n] = 0;
		}
		ok = settle_repack_group(settle, group, count, reterr);
	}
	free(group);
	return ok;
}

/* ---- the transaction ---- */

static bool
settle_run(struct settle *settle, struct err *reterr)
{
	memset(settle->fresh, 0, settle->count);
	if (!queue_begin(settle->queue, reterr))
		return false;
	for (size_t at = 0; at < settle->count;) {
		if (!settle_lease(settle, at, &at, reterr))
			return false;
	}
	return settle_repack(settle, reterr) &&
	       queue_commit(settle->queue, reterr);
}

/* The leases' own account of what is open, once it is durable. */
static void
settle_note(struct settle *settle)
{
	for (size_t i = 0; i < settle->count; i++) {
		const struct queue_verdict *verdict = settle->verdicts[i];
		struct holding *holding =
		    (struct holding *)(uintptr_t)verdict->lease;
		size_t index = settle_index(verdict);
		unsigned char bit = (unsigned char)(1u << (index % 8));

		if ((holding->settled[index / 8] & bit) != 0)
			continue;
		holding->settled[index / 8] |= bit;
		holding->open--;
	}
}

bool
queue_settle(struct queue *queue, const struct queue_verdict *verdicts,
    size_t count, int64_t now_ms, struct err *reterr)
{
	struct settle settle = {
	    .queue = queue, .count = count, .now_ms = now_ms};
	struct err err;
	bool ok = false;

	settle.verdicts = calloc(count + 1, sizeof(*settle.verdicts));
	settle.fresh = calloc(count + 1, 1);
	if (settle.verdicts == NULL || settle.fresh == NULL) {
		(void)err_set_nomem(reterr);
		goto out;
	}
	for (size_t i = 0; i < count; i++)
		settle.verdicts[i] = &verdicts[i];
	qsort(settle.verdicts, count, sizeof(*settle.verdicts), settle_order);
	lock_hold(&queue->held);
	do
		ok = settle_run(&settle, &err);
	while (!ok && queue_relieve(queue, &err));
	if (ok)
		settle_note(&settle);
	queue_show(queue);
	lock_drop(&queue->held);
	if (!ok)
		(void)err_set(reterr, err.code, "%s", err.text);
out:
	free(settle.verdicts);
	free(settle.fresh);
	return ok;
}
