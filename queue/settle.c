/*
 * Settling: one transaction for any number of leases, but of changes of sets,
 * which cost more, some at a time. An item that is
 * delivered, dead or dropped is marked in its delivery row, and a batch all of
 * whose items are marked goes: into the archive if any of it was delivered,
 * else for good. An item that is deferred or parked is marked too, and moves
 * into a new batch with all that are alike.
 *
 * The bits of the row decide what counts, so an outcome that is repeated
 * changes nothing. The lease has the row as it was last; if it was changed
 * since, by a job or by an attempt of ours that seemed to fail, the engine
 * says so, the rows are read again, and what was done meanwhile is passed
 * over.
 */

#include "queue/set.h"

#include "base/bits.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* An item that is repacked. */
struct settle_moved {
	const struct lease *lease;
	const struct queue_item *item;
};

/* What a lease's row becomes. */
struct settle_lease {
	struct lease *lease;
	unsigned char *done, *delivered; /* in the changes' memory */
	size_t remaining;
	size_t first_drift; /* in the list of changes */
	size_t from, to;    /* of its items, looked at in this transaction */
	bool changed;
};

struct settle {
	struct settle_lease *leases;
	size_t count;
	struct settle_moved *moved; /* room for all items */
	size_t moved_count;
	struct item *items; /* likewise, to be packed */
	int64_t now_ms;
	int64_t strayed; /* of the moved, those that a walk may miss */
	size_t changes;	 /* of sets, that this transaction may still settle */
	bool archives;	 /* what was delivered is kept */
	bool reread;	 /* rows were changed meanwhile */
};

/* ---- what becomes of one item ---- */

/* A replay was counted as delivered before: it has its own columns, and what is
 * refused now stays in the archive. */
static bool
settle_replay(struct queue *queue, const struct ledger_key *key,
    const struct queue_item *item, struct err *reterr)
{
	bool delivered = item->outcome == QUEUE_DELIVERED;
	struct stats_line moved = {
	    .replay_delivered = delivered,
	    .replay_refused = !delivered,
	};

	return ledger_add(queue->ledger, key, NULL, &moved, reterr);
}

static bool
settle_dead(struct queue *queue, const struct settle *settle,
    const struct lease *lease, const struct queue_item *item, struct str type,
    struct err *reterr)
{
	static const struct queue_detail none = {0};
	const struct queue_detail *detail =
	    item->detail != NULL ? item->detail : &none;
	struct dead_letter letter = {
	    .source = lease->row.source,
	    .type = type,
	    .accepted_ms = lease->shown.accepted_ms,
	    .dead_ms = settle->now_ms,
	    .attempts = lease->shown.attempts + detail->posts,
	    .reason = str_text(item->reason),
	    .status = detail->status,
	    .stamp = lease->row.stamp,
	    .answer = detail->answer,
	    .sent = detail->sent,
	    .data = item->data,
	};

	return dead_add(queue, lease->shown.destination, &letter, reterr);
}

/* Count one outcome, and append what becomes of the item. */
static bool
settle_item(struct queue *queue, struct settle *settle,
    const struct lease *lease, const struct queue_item *item,
    struct err *reterr)
{
	struct ledger_key key = {
	    .hour = ledger_hour(lease->shown.accepted_ms),
	    .source = lease->source,
	};
	const struct item event = {
	    .type = item->type,
	    .data = item->data,
	    .label = item->label.kind != NULL ? &item->label : NULL,
	};
	struct stats_line moved = {.queued = -1};

	if (item->outcome == QUEUE_DEFERRED || item->outcome == QUEUE_PARKED) {
		CHECK(item->outcome != QUEUE_PARKED ||
		      (item->reason != NULL && item->reason[0] != '\0'));
		settle->moved[settle->moved_count++] =
		    (struct settle_moved){lease, item};
		return true;
	}
	if (!ledger_type_from(queue->ledger, item->type,
		lease->shown.replay ? LEDGER_REPLAYS : LEDGER_QUEUED, &key.type,
		reterr))
		return false;
	if (lease->shown.replay)
		return settle_replay(queue, &key, item, reterr);
	switch (item->outcome) {
	case QUEUE_DELIVERED:
		moved.delivered = 1;
		break;
	case QUEUE_DEAD:
		moved.dead = 1;
		if (!settle_dead(queue, settle, lease, item,
			lease->shown.group != NULL
			    ? item->type
			    : ledger_type_at(queue->ledger, key.type),
			reterr))
			return false;
		break;
	case QUEUE_DROPPED:
		moved.dropped = 1;
		if (!ledger_add_drop(
			queue->ledger, &key, str_text(item->reason), reterr))
			return false;
		break;
	case QUEUE_OPEN:
	case QUEUE_DEFERRED:
	case QUEUE_PARKED:
		NEVER("an item without a last outcome");
	}
	return ledger_add(queue->ledger, &key,
	    lease->shown.group == NULL ? &event : NULL, &moved, reterr);
}

/* ---- what becomes of a batch ---- */

/* Append the new row; or, if nothing remains, archive the batch. A batch of
 * which nothing was delivered is deleted, and so is a replay, whose original is
 * in the archive. */
static void
settle_row(struct queue *queue, const struct settle *settle,
    const struct settle_lease *one)
{
	const struct engine_delivery *row = &one->lease->row;
	size_t bytes = bits_bytes(one->lease->batch.count);
	struct str done = {(const char *)one->done, bytes};
	struct str delivered = {(const char *)one->delivered, bytes};
	struct engine_change *change;

	if (one->remaining > 0) {
		change = changes_add(&queue->changes, ENGINE_DELIVERY_PUT);
		change->row.delivery = *row;
		change->row.delivery.remaining = one->remaining;
		change->row.delivery.done = done;
		change->row.delivery.delivered = delivered;
		return;
	}
	changes_add(&queue->changes, ENGINE_DELIVERY_DELETE)->row.delivery =
	    *row;
	if (!row->replay)
		destination_change(
		    &queue->destinations, one->lease->shown.destination)
		    ->bytes_moved -= (int64_t)row->bytes;
	if (!settle->archives || row->replay ||
	    !bits_any(one->delivered, bytes)) {
		changes_add(&queue->changes, ENGINE_BATCH_DELETE)
		    ->row.delivery.seq = row->seq;
		return;
	}
	changes_add(&queue->changes, ENGINE_ARCHIVE_ADD)->row.archived =
	    (struct engine_archived){
		.seq = row->seq,
		.destination = row->destination,
		.source = row->source,
		.delivered_ms = settle->now_ms,
		.age_ms = queue->bounds.age_ms,
		.bytes = row->bytes,
		.rules = row->rules,
		.delivered = delivered,
	    };
}

static void
settle_drift(
    struct queue *queue, const struct settle *settle, struct settle_lease *one)
{
	const struct queue_lease *shown = &one->lease->shown;

	one->first_drift = queue->changes.count;
	for (size_t i = 0; i < shown->drift_count; i++)
		queue_drift_add(queue, &shown->drift[i], settle->now_ms);
}

/* Items until this one are looked at: of a log all of them, of a set as many as
 * may be settled at once. Notes which of them are new to the row. */
static size_t
settle_to(const struct settle *settle, const struct settle_lease *one)
{
	const struct queue_lease *shown = &one->lease->shown;
	size_t to = one->from, changes = 0;

	if (shown->group == NULL)
		return shown->count;
	while (to < shown->count && changes < settle->changes) {
		const struct queue_item *item = &shown->items[to++];

		changes += !item->settled && item->outcome != QUEUE_OPEN;
	}
	return to;
}

static bool
settle_lease(struct queue *queue, struct settle *settle,
    struct settle_lease *one, struct err *reterr)
{
	struct lease *lease = one->lease;
	struct queue_lease *shown = &lease->shown;
	struct queue_item *changes[SET_SLICE];
	struct destination *destination;
	size_t bytes = bits_bytes(lease->batch.count), count = 0;

	one->to = settle_to(settle, one);
	if (!queue_fence(queue, shown->destination, reterr) ||
	    (settle->reread && !lease_reread(queue, lease, reterr)))
		return false;
	one->changed = false;
	if (lease->gone)
		return true;
	one->done = changes_alloc(&queue->changes, bytes);
	one->delivered = changes_alloc(&queue->changes, bytes);
	if (one->done == NULL || one->delivered == NULL)
		return err_set_nomem(reterr);
	memcpy(one->done, lease->done, bytes);
	memcpy(one->delivered, lease->delivered, bytes);
	one->remaining = lease->row.remaining;
	destination =
	    destination_change(&queue->destinations, shown->destination);
	for (size_t i = one->from; i < one->to; i++) {
		struct queue_item *item = &shown->items[i];

		if (item->settled || item->outcome == QUEUE_OPEN)
			continue;
		settle->changes -= shown->group != NULL;
		if (!bits_add(one->done, item->index))
			continue;
		if (shown->group != NULL)
			changes[count++] = item;
		one->changed = true;
		one->remaining--;
		if (!shown->replay)
			destination->queued_moved--;
		if (item->outcome == QUEUE_DELIVERED) {
			(void)bits_add(one->delivered, item->index);
			destination->delivered_moved_ms = settle->now_ms;
		}
		if (!settle_item(queue, settle, lease, item, reterr))
			return false;
	}
	if (one->changed) {
		settle_row(queue, settle, one);
		if (one->from == 0)
			settle_drift(queue, settle, one);
	}
	return set_settle(queue, lease, changes, count, settle->now_ms, reterr);
}

/* ---- repacking ---- */

static int
settle_compare(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

/* The rules that go with an item into its new batch. */
static struct str
settle_rules(const struct settle_moved *moved)
{
	return moved->item->unsure ? moved->lease->row.rules
				   : str_bytes(NULL, 0);
}

static struct str
settle_group(const struct settle_moved *moved)
{
	return moved->item->outcome == QUEUE_PARKED
		   ? str_text(moved->item->reason)
		   : str_bytes(NULL, 0);
}

static int64_t
settle_due_ms(const struct settle_moved *moved)
{
	return moved->item->outcome == QUEUE_PARKED ? DELIVERY_PARKED
						    : moved->item->due_ms;
}

/* 0 for what goes into one batch. */
static int
settle_alike(const struct settle_moved *a, const struct settle_moved *b)
{
	const struct queue_history *x = &a->item->history;
	const struct queue_history *y = &b->item->history;
	const struct queue_lease *s = &a->lease->shown, *t = &b->lease->shown;
	int order = settle_compare(settle_due_ms(a), settle_due_ms(b));

	if (order == 0)
		order = settle_compare(s->destination, t->destination);
	if (order == 0)
		order = str_compare(a->lease->row.source, b->lease->row.source);
	if (order == 0)
		order = settle_compare(s->replay, t->replay);
	if (order == 0)
		order =
		    settle_compare(a->lease->row.stamp, b->lease->row.stamp);
	if (order == 0 && s->group != NULL)
		order = settle_compare(s->group->number, t->group->number);
	if (order == 0)
		order = settle_compare(
		    ledger_hour(s->accepted_ms), ledger_hour(t->accepted_ms));
	if (order == 0)
		order = settle_compare(x->refusals, y->refusals);
	if (order == 0)
		order = settle_compare(x->failures, y->failures);
	if (order == 0)
		order = settle_compare(x->first_ms, y->first_ms);
	if (order == 0)
		order = str_compare(settle_rules(a), settle_rules(b));
	if (order == 0)
		order = str_compare(settle_group(a), settle_group(b));
	return order;
}

/* Within a batch in the order of acceptance. */
static int
settle_order(const void *left, const void *right)
{
	const struct settle_moved *a = left, *b = right;
	int order = settle_alike(a, b);

	if (order == 0)
		order =
		    settle_compare(a->lease->shown.seq, b->lease->shown.seq);
	if (order == 0)
		order = settle_compare(
		    (int64_t)a->item->index, (int64_t)b->item->index);
	return order;
}

/* One new batch of so many that are alike. */
static bool
settle_repack(struct queue *queue, const struct settle *settle,
    const struct settle_moved *moved, size_t count, struct err *reterr)
{
	const struct lease *lease = moved->lease;
	const struct queue_history *history = &moved->item->history;
	struct engine_delivery row = {
	    .source = lease->row.source,
	    .due_ms = settle_due_ms(moved),
	    .accepted_ms = lease->shown.accepted_ms,
	    .events = count,
	    .replay = lease->shown.replay,
	    .refusals = history->refusals,
	    .failures = history->failures,
	    .first_ms = history->first_ms,
	    .parked = settle_group(moved),
	    .stamp = lease->row.stamp,
	    .rules = settle_rules(moved),
	};
	struct str trace = lease->shown.trace;

	CHECK(row.due_ms > 0);
	for (size_t i = 0; i < count; i++) {
		const struct queue_lease *shown = &moved[i].lease->shown;

		settle->items[i] = (struct item){
		    .type = moved[i].item->type,
		    .data = moved[i].item->data,
		};
		row.unpacked += moved[i].item->data.len;
		if (!str_equal(shown->trace, trace))
			trace = str_bytes(NULL, 0);
		if (row.attempts <= shown->attempts)
			row.attempts = shown->attempts + 1;
		if (row.accepted_ms > shown->accepted_ms)
			row.accepted_ms = shown->accepted_ms;
	}
	if (!batch_pack(queue->packer, settle->items, count, trace,
		&queue->packed, reterr))
		return false;
	row.frame = changes_copy(
	    &queue->changes, str_bytes(queue->packed.data, queue->packed.len));
	queue_batch_add(queue, lease->shown.destination, &row,
	    marks_make(queue, settle->items, count));
	return true;
}

static bool
settle_repack_all(
    struct queue *queue, struct settle *settle, struct err *reterr)
{
	size_t count = settle->moved_count, end;

	qsort(settle->moved, count, sizeof(*settle->moved), settle_order);
	for (size_t at = 0; at < count; at = end) {
		for (end = at + 1;
		     end < count &&
		     settle_alike(&settle->moved[at], &settle->moved[end]) == 0;
		     end++)
			;
		if (!settle_repack(
			queue, settle, &settle->moved[at], end - at, reterr))
			return false;
	}
	return true;
}

/* ---- the transaction ---- */

static bool
settle_change(struct queue *queue, void *arg, struct err *reterr)
{
	struct settle *settle = arg;

	settle->moved_count = 0;
	settle->strayed = 0;
	settle->changes = SET_SLICE;
	for (size_t i = 0; i < settle->count; i++) {
		if (!settle_lease(queue, settle, &settle->leases[i], reterr))
			return false;
	}
	/* A walk by due_ms may be between the old place and the new one. */
	for (size_t i = 0; i < settle->moved_count; i++)
		settle->strayed += settle_due_ms(&settle->moved[i]) <
				   settle->moved[i].lease->row.due_ms;
	return settle_repack_all(queue, settle, reterr);
}

static enum tap_what
settle_what(enum queue_outcome outcome)
{
	switch (outcome) {
	case QUEUE_DELIVERED:
		return TAP_DELIVERED;
	case QUEUE_DEFERRED:
		return TAP_DEFERRED;
	case QUEUE_PARKED:
		return TAP_PARKED;
	case QUEUE_DEAD:
		return TAP_DEAD;
	case QUEUE_DROPPED:
		return TAP_DROPPED;
	case QUEUE_OPEN:
		break;
	}
	NEVER("an open item is not settled");
}

static void
settle_tap(struct queue *queue, const struct queue_lease *lease,
    const struct queue_item *item, int64_t now_ms)
{
	const struct tap_item tapped = {
	    .what = settle_what(item->outcome),
	    .at_ms = now_ms,
	    .source = str_text(lease->source),
	    .destination =
		destination_at(&queue->destinations, lease->destination)->name,
	    .type = item->type,
	    .data = item->data,
	    .reason =
		item->outcome == QUEUE_DEAD || item->outcome == QUEUE_DROPPED
		    ? item->reason
		    : NULL,
	};

	taps_offer(&queue->taps, &tapped);
}

/* Now that it is durable, the leases follow. */
static void
settle_done(struct queue *queue, struct settle_lease *one, int64_t now_ms)
{
	struct lease *lease = one->lease;
	struct queue_lease *shown = &lease->shown;
	size_t bytes = bits_bytes(lease->batch.count);

	if (one->changed) {
		memcpy(lease->done, one->done, bytes);
		memcpy(lease->delivered, one->delivered, bytes);
		lease->row.remaining = one->remaining;
		lease->row.version++;
		lease->gone = one->remaining == 0;
		for (size_t i = 0; one->from == 0 && i < shown->drift_count;
		     i++)
			shown->drift[i].first =
			    queue->changes.list[one->first_drift + i].flag;
	}
	for (size_t i = one->from; i < one->to; i++) {
		struct queue_item *item = &shown->items[i];

		if (item->settled || item->outcome == QUEUE_OPEN)
			continue;
		if (shown->group != NULL)
			set_settled(queue, lease, item);
		if (taps_any(&queue->taps))
			settle_tap(queue, shown, item, now_ms);
		item->settled = true;
		item->leased = false;
		shown->open--;
	}
	one->from = one->to;
}

/* One transaction; if it works *ret_more says whether another is needed. */
static bool
settle_once(struct queue *queue, struct settle *settle, bool *ret_more,
    struct err *reterr)
{
	int conflicts = 0;
	bool ok;

	settle->reread = false;
	do {
		ok = queue_change_held(
		    queue, settle_change, settle, true, reterr);
		settle->reread = !ok && queue_conflict(&conflicts, reterr);
	} while (settle->reread);
	*ret_more = false;
	for (size_t i = 0; ok && i < settle->count; i++) {
		struct settle_lease *one = &settle->leases[i];

		settle_done(queue, one, settle->now_ms);
		*ret_more = *ret_more || one->from < one->lease->shown.count;
	}
	if (ok)
		queue->strayed += settle->strayed;
	return ok;
}

/* Between its transactions those that wait for the lock come first. */
static bool
settle_all(struct queue *queue, struct queue_lease *const *leases, size_t count,
    int64_t now_ms, bool archives, struct err *reterr)
{
	struct settle settle = {.now_ms = now_ms,
	    .archives = archives && queue->settings.keep_ms > 0};
	struct lease **list = NULL;
	size_t items = 0;
	bool ok, more = true;

	ok = lease_unique(queue, leases, count, &list, &settle.count, reterr);
	for (size_t i = 0; ok && i < settle.count; i++)
		items += list[i]->shown.open;
	settle.leases = calloc(settle.count + 1, sizeof(*settle.leases));
	settle.moved = calloc(items + 1, sizeof(*settle.moved));
	settle.items = calloc(items + 1, sizeof(*settle.items));
	if (ok && (settle.leases == NULL || settle.moved == NULL ||
		      settle.items == NULL))
		ok = err_set_nomem(reterr);
	for (size_t i = 0; ok && i < settle.count; i++)
		settle.leases[i].lease = list[i];
	while (ok && more) {
		ok = settle_once(queue, &settle, &more, reterr);
		queue_publish(queue);
		if (ok && more) {
			fair_lock_drop(&queue->lock);
			fair_lock_hold(&queue->lock);
		}
	}
	free(list);
	free(settle.leases);
	free(settle.moved);
	free(settle.items);
	return ok;
}

/* Alone. A damaged archive must not keep what was delivered from being settled,
 * and so all that is behind it from being delivered. */
static bool
settle_alone(struct queue *queue, struct queue_lease *const *lease,
    int64_t now_ms, struct err *reterr)
{
	struct err err;

	if (settle_all(queue, lease, 1, now_ms, true, reterr))
		return true;
	if (reterr->code != ERR_DAMAGED ||
	    !settle_all(queue, lease, 1, now_ms, false, &err))
		return false;
	if (!queue->unarchived)
		log_line(LOG_ERROR, "queue",
		    "archive result=damaged why=%s help=\"what is delivered "
		    "is not kept for replays: see currentsd queue check\"",
		    LOG_QUOTE(reterr->text));
	queue->unarchived = true;
	return true;
}

bool
queue_settle(struct queue *queue, struct queue_lease *const *leases,
    size_t count, int64_t now_ms, struct err *reterr)
{
	struct err err;
	bool ok;

	fair_lock_hold(&queue->lock);
	ok = settle_all(queue, leases, count, now_ms, true, reterr);
	if (!ok && (count > 1 ? queue_fault_of_one(reterr)
			      : reterr->code == ERR_DAMAGED)) {
		ok = true;
		for (size_t i = 0; i < count; i++)
			ok = settle_alone(queue, &leases[i], now_ms,
				 ok ? reterr : &err) &&
			     ok;
	}
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	return ok;
}

bool
settle_one(struct queue *queue, struct lease *lease, int64_t now_ms,
    struct err *reterr)
{
	struct queue_lease *shown = &lease->shown;

	return settle_all(queue, &shown, 1, now_ms, true, reterr);
}

/* ---- parked groups ---- */

struct unpark {
	int64_t destination;
	struct engine_unpark row;
};

static bool
unpark_change(struct queue *queue, void *arg, struct err *reterr)
{
	struct unpark *unpark = arg;
	struct destination *destination;

	if (!queue_fence(queue, unpark->destination, reterr))
		return false;
	destination =
	    destination_change(&queue->destinations, unpark->destination);
	unpark->row.destination = destination->name;
	destination->due_moved_ms = destination->replay_moved_ms = 0;
	changes_add(&queue->changes, ENGINE_UNPARK)->row.unpark = unpark->row;
	return true;
}

/* What is on lease has moved with the others. */
static void
unpark_lease(struct lease *lease, const struct unpark *unpark)
{
	if (lease->shown.destination != unpark->destination || lease->gone ||
	    lease->row.parked.len == 0 ||
	    !engine_unpark_has(&unpark->row, lease->row.parked))
		return;
	lease->row.parked = str_bytes(NULL, 0);
	lease->row.due_ms = DELIVERY_UNPARKED;
	lease->row.version++;
}

static bool
unpark_all(struct queue *queue, struct unpark *unpark, struct err *reterr)
{
	int64_t rows;
	bool ok;

	fair_lock_hold(&queue->lock);
	ok = queue_change_held(queue, unpark_change, unpark, true, reterr);
	if (ok) {
		rows = queue->changes.list[0].number;
		queue->strayed += rows;
		for (struct lease *lease = queue->leases;
		     rows > 0 && lease != NULL; lease = lease->next)
			unpark_lease(lease, unpark);
	}
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	return ok;
}

bool
queue_unpark(struct queue *queue, int64_t destination, const char *group,
    struct err *reterr)
{
	struct str one = str_text(group);
	struct unpark groups = {
	    .destination = destination,
	    .row = {.groups = &one, .count = 1},
	};

	return unpark_all(queue, &groups, reterr);
}

bool
queue_unpark_others(struct queue *queue, int64_t destination,
    const char *const *groups, size_t count, struct err *reterr)
{
	struct str *list = calloc(count + 1, sizeof(*list));
	struct unpark others = {
	    .destination = destination,
	    .row = {.groups = list, .count = count, .others = true},
	};
	bool ok;

	if (list == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < count; i++)
		list[i] = str_text(groups[i]);
	ok = unpark_all(queue, &others, reterr);
	free(list);
	return ok;
}
