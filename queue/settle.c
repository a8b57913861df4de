/*
 * Settling: one transaction for any number of verdicts. An event that is
 * delivered, dead or dropped is marked in its delivery row. When all events of
 * a batch are marked, the batch leaves the queue: it goes to the archive if any
 * of it was delivered, else it is deleted. An event that is deferred is marked,
 * too, and moves into a new batch with the others of the same due time. The
 * bits in the file decide what counts, so a repeated verdict changes nothing.
 */

#include "queue/delivery.h"

#include "base/bits.h"

#include <stdlib.h>
#include <string.h>

struct settle {
	const struct queue_verdict **verdicts; /* sorted, see settle_order() */
	unsigned char *counts; /* bits: the verdict counts (its event was not
				* settled before) and is not repacked yet */
	size_t count;
	int64_t now_ms;
};

static const struct queue_event *
settle_event(const struct queue_verdict *verdict)
{
	CHECK(verdict->event < verdict->lease->count);
	return &verdict->lease->events[verdict->event];
}

/* By batch in the order of acceptance, then by position in it. */
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

/* ---- what becomes of one event ---- */

/* Count one verdict, and write what becomes of its event. */
static bool
settle_one(struct queue *queue, const struct settle *settle,
    const struct queue_verdict *verdict, struct err *reterr)
{
	const struct lease *lease = lease_of(verdict->lease);
	const struct queue_event *event = settle_event(verdict);
	struct ledger_key key = {
	    .hour = ledger_hour(lease->shown.accepted_ms),
	    .source = lease->key.source,
	};
	struct stats_line moved = {.queued = -1};
	int64_t rule;

	if (verdict->outcome == QUEUE_DEFERRED)
		return true;
	if (!names_add_type(
		queue->names, &queue->db, event->type, &key.type, reterr))
		return false;
	/* A replay was counted as delivered before: it has its own columns,
	 * and what is refused now stays in the archive. */
	if (lease->shown.replay) {
		bool delivered = verdict->outcome == QUEUE_DELIVERED;

		moved = (struct stats_line){.replay_delivered = delivered,
		    .replay_refused = !delivered};
		return ledger_add(queue->ledger, &key, &moved, reterr);
	}
	moved.delivered = verdict->outcome == QUEUE_DELIVERED;
	moved.dead = verdict->outcome == QUEUE_DEAD;
	moved.dropped = verdict->outcome == QUEUE_DROPPED;
	if (!ledger_add(queue->ledger, &key, &moved, reterr))
		return false;
	if (verdict->outcome == QUEUE_DELIVERED)
		return true;
	if (verdict->outcome == QUEUE_DEAD)
		return dead_add(queue,
		    &(struct dead_new){
			.source = key.source,
			.destination = lease->key.destination,
			.type = key.type,
			.accepted_ms = lease->shown.accepted_ms,
			.dead_ms = settle->now_ms,
			.attempts = lease->shown.attempts + verdict->posts,
			.reason = verdict->reason,
			.status = verdict->status,
			.answer = verdict->answer,
			.sent = verdict->sent,
			.data = event->data,
		    },
		    reterr);
	if (!names_add(queue->names, &queue->db, str_text(verdict->reason),
		&rule, reterr) ||
	    !ledger_add_drop(queue->ledger, &key, rule, reterr))
		return false;
	/* A person whose erasure is requested again is to be erased again. */
	return verdict->erase.data == NULL ||
	       db_run(&queue->db, reterr,
		   "INSERT OR REPLACE INTO erasure VALUES(NULL, ?1, ?2, ?3, 0)",
		   "isi", key.source, verdict->erase, settle->now_ms);
}

/* ---- what becomes of a batch ---- */

/* Update the delivery row; or, if nothing remains, archive the batch. A batch
 * of which nothing was delivered is deleted, and so is a replay, whose original
 * is in the archive. */
static bool
settle_batch_write(struct queue *queue, const struct settle *settle,
    const struct lease *lease, const struct delivery *delivery,
    struct err *reterr)
{
	if (delivery->remaining > 0)
		return delivery_write(queue, delivery, reterr);
	if (!delivery_delete(queue, &lease->key, reterr))
		return false;
	if (queue->settings.keep_ms != 0 && !lease->shown.replay &&
	    bits_any(delivery->delivered, bits_bytes(delivery->events)))
		return archive_add(
		    queue, lease, delivery->delivered, settle->now_ms, reterr);
	return delivery_batch_delete(queue, lease->key.seq, reterr);
}

/* Settle all verdicts of one lease, from `from` on; *ret_next is the first of
 * the next lease. */
static bool
settle_batch(struct queue *queue, struct settle *settle, size_t from,
    size_t *ret_next, struct err *reterr)
{
	const struct lease *lease = lease_of(settle->verdicts[from]->lease);
	struct delivery delivery;
	struct backlog *backlog;
	bool there, ok = true;
	size_t n;

	if (!delivery_read(queue, &lease->key, lease->batch.count, &delivery,
		&there, reterr))
		return false;
	backlog = backlog_find(queue->backlogs, lease->key.destination);
	CHECK(backlog != NULL);
	for (n = from; ok && n < settle->count; n++) {
		const struct queue_verdict *verdict = settle->verdicts[n];
		size_t index;

		if (verdict->lease != &lease->shown)
			break;
		index = settle_event(verdict)->index;
		if (!there || !bits_add(delivery.done, index))
			continue;
		delivery.remaining--;
		(void)bits_add(settle->counts, n);
		if (!lease->shown.replay)
			backlog->moved--;
		if (verdict->outcome == QUEUE_DELIVERED) {
			(void)bits_add(delivery.delivered, index);
			backlog->delivered_moved_ms = settle->now_ms;
		}
		ok = settle_one(queue, settle, verdict, reterr);
	}
	*ret_next = n;
	if (ok && there)
		ok =
		    settle_batch_write(queue, settle, lease, &delivery, reterr);
	delivery_fini(&delivery);
	return ok;
}

/* ---- deferring ---- */

static bool
settle_same_batch(const struct queue_verdict *a, const struct queue_verdict *b)
{
	const struct delivery_key *a_key = &lease_of(a->lease)->key;
	const struct delivery_key *b_key = &lease_of(b->lease)->key;

	return a->due_ms == b->due_ms && a->lease->replay == b->lease->replay &&
	       a_key->destination == b_key->destination &&
	       a_key->source == b_key->source &&
	       ledger_hour(a->lease->accepted_ms) ==
		   ledger_hour(b->lease->accepted_ms);
}

/* One new batch of the verdict at `from` and all that go with it. */
static bool
settle_repack(struct queue *queue, struct settle *settle, size_t from,
    struct item *items, struct err *reterr)
{
	const struct queue_verdict *first = settle->verdicts[from];
	const struct delivery_key *key = &lease_of(first->lease)->key;
	struct delivery_new add = {
	    .backlog = backlog_find(queue->backlogs, key->destination),
	    .source = key->source,
	    .due_ms = first->due_ms,
	    .replay = first->lease->replay,
	    .accepted_ms = first->lease->accepted_ms,
	};

	CHECK(add.backlog != NULL && add.due_ms > 0);
	for (size_t n = from; n < settle->count; n++) {
		const struct queue_verdict *one = settle->verdicts[n];

		if (!bits_has(settle->counts, n) ||
		    one->outcome != QUEUE_DEFERRED ||
		    !settle_same_batch(first, one))
			continue;
		bits_remove(settle->counts, n);
		items[add.events++] =
		    (struct item){.type = settle_event(one)->type,
			.data = settle_event(one)->data};
		if (add.attempts <= one->lease->attempts)
			add.attempts = one->lease->attempts + 1;
		if (add.accepted_ms > one->lease->accepted_ms)
			add.accepted_ms = one->lease->accepted_ms;
	}
	if (!batch_pack(
		queue->packer, items, add.events, &queue->packed, reterr))
		return false;
	add.frame = str_bytes(queue->packed.data, queue->packed.len);
	return delivery_add(queue, &add, reterr);
}

static bool
settle_repack_all(
    struct queue *queue, struct settle *settle, struct err *reterr)
{
	struct item *items = NULL;
	bool ok = true;

	for (size_t n = 0; ok && n < settle->count; n++) {
		if (!bits_has(settle->counts, n) ||
		    settle->verdicts[n]->outcome != QUEUE_DEFERRED)
			continue;
		if (items == NULL)
			items = calloc(settle->count, sizeof(*items));
		ok = items == NULL
			 ? err_set_nomem(reterr)
			 : settle_repack(queue, settle, n, items, reterr);
	}
	free(items);
	return ok;
}

/* ---- the transaction ---- */

static bool
settle_change(struct queue *queue, void *arg, struct err *reterr)
{
	struct settle *settle = arg;

	memset(settle->counts, 0, bits_bytes(settle->count));
	for (size_t at = 0; at < settle->count;) {
		if (!settle_batch(queue, settle, at, &at, reterr))
			return false;
	}
	return settle_repack_all(queue, settle, reterr);
}

bool
queue_settle(struct queue *queue, const struct queue_verdict *verdicts,
    size_t count, int64_t now_ms, struct err *reterr)
{
	struct settle settle = {.count = count, .now_ms = now_ms};
	bool ok = false;

	settle.verdicts = calloc(count + 1, sizeof(*settle.verdicts));
	settle.counts = calloc(bits_bytes(count), 1);
	if (settle.verdicts == NULL || settle.counts == NULL) {
		(void)err_set_nomem(reterr);
		goto out;
	}
	for (size_t i = 0; i < count; i++)
		settle.verdicts[i] = &verdicts[i];
	qsort(settle.verdicts, count, sizeof(*settle.verdicts), settle_order);
	ok = queue_change(queue, settle_change, &settle, true, reterr);
	/* Now that it is durable, the leases' own count of what is open. */
	for (size_t i = 0; ok && i < count; i++) {
		struct lease *lease = lease_of(verdicts[i].lease);

		if (bits_add(lease->settled, settle_event(&verdicts[i])->index))
			lease->open--;
	}
out:
	free(settle.verdicts);
	free(settle.counts);
	return ok;
}
