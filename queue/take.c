/*
 * Taking and posting: the life of a lease up to its settling (settle.c). What
 * is due is asked for all destinations at once, and not at all where nothing
 * can be due. In which order it comes, and how sources take turns, is the
 * engine's matter (due() in queue/engine.h).
 *
 * A take is made in parts, each under one hold of the lock, because the
 * committer waits for it. A want that fails leaves the others alone. A batch
 * that cannot be read is quarantined: its delivery row is put aside, where its
 * events still count as queued, and is never deleted.
 */

#include "queue/set.h"

#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>

/* How much is done under one hold of the lock, which the committer waits for:
 * about this much, and then the next one goes on. */
enum {
	TAKE_BYTES = 256 * 1024, /* unpacked */
	TAKE_MS = 2,
	TAKE_ASKS = 64,
};

/* A want that the engine is asked about. */
struct take_ask {
	struct queue_want *want; /* of the caller */
	size_t bytes;		 /* unpacked, that it got */
	bool some, live; /* it got something; something that is no replay */
	bool again;	 /* what was damaged is out of the way now */
	bool failed;	 /* it could not be read */
	bool done;
};

/* A row whose batch could not be read. */
struct take_damaged {
	struct take_damaged *next;
	size_t asked;
	int64_t destination;
	struct engine_delivery row; /* its key and version */
};

struct take_list {
	struct lease *first, *last;
};

struct take {
	struct queue *queue;
	struct take_ask *asks;
	size_t count, undone;
	size_t next; /* where the next hold of the lock begins */
	struct take_list leases;

	/* of this hold */
	struct engine_want *asked;
	size_t numbers[TAKE_ASKS]; /* of their asks */
	size_t asked_count, asked_end;
	bool stopped; /* the last one before asked_end is not complete */
	size_t bytes;
	int64_t begun_ms; /* with the first row: skipping what is on lease is
			   * no progress */
	struct take_list found;
	struct take_damaged *damaged;
};

static struct destination *
take_destination(struct take *take, const struct queue_want *want)
{
	return destination_at(&take->queue->destinations, want->destination);
}

static struct take_ask *
take_ask(struct take *take, size_t asked)
{
	return &take->asks[take->numbers[asked]];
}

/* ---- what was found ---- */

static void
take_add(struct take *take, size_t asked, struct lease *lease)
{
	struct take_ask *ask = take_ask(take, asked);
	struct take_list *found = &take->found;

	if (found->last == NULL)
		found->first = lease;
	else
		found->last->shown.next = &lease->shown;
	found->last = lease;
	ask->some = true;
	ask->live = ask->live || !lease->shown.replay;
	ask->bytes += lease->row.unpacked;
	if (ask->want->after_seq != NULL)
		*ask->want->after_seq = lease->shown.seq;
	else
		take_destination(take, ask->want)->last_source =
		    lease->row.source;
}

/* The row is lent; its texts are ours already. One without a source, see
 * struct engine_delivery, stays so. */
static bool
take_note_damaged(struct take *take, size_t asked,
    const struct engine_delivery *row, struct err *reterr)
{
	struct take_damaged *damaged = calloc(1, sizeof(*damaged));
	int64_t destination = take_ask(take, asked)->want->destination;
	int64_t source = 0;

	if (damaged == NULL ||
	    (row->source.len > 0 &&
		!ledger_source(take->queue->ledger, row->source, SIZE_MAX,
		    &source, reterr))) {
		free(damaged);
		return err_set_nomem(reterr);
	}
	damaged->asked = asked;
	damaged->destination = destination;
	damaged->row = (struct engine_delivery){
	    .destination =
		destination_at(&take->queue->destinations, destination)->name,
	    .source = row->source.len > 0
			  ? ledger_source_at(take->queue->ledger, source)
			  : str_text(""),
	    .due_ms = row->due_ms,
	    .seq = row->seq,
	    .version = row->version,
	    .remaining = row->remaining,
	};
	damaged->next = take->damaged;
	take->damaged = damaged;
	return true;
}

static bool
take_row(void *arg, size_t asked, const struct engine_delivery *row)
{
	struct take *take = arg;
	struct engine_want *want = &take->asked[asked];
	struct lease *lease;
	struct err err;

	if (want->err.code != ERR_NONE)
		return true; /* on to the next want */
	if (lease_new(take->queue, take_ask(take, asked)->want->destination,
		row, &lease, &err))
		take_add(take, asked, lease);
	else if (err.code != ERR_DAMAGED ||
		 !take_note_damaged(take, asked, row, &err))
		want->err = err;
	else if (!take_destination(take, take_ask(take, asked)->want)->failing)
		take->bytes += TAKE_BYTES; /* that takes a commit */
	if (take->bytes == 0)
		take->begun_ms = clock_mono_ms();
	take->bytes += row->unpacked + 1;
	if (take->bytes < TAKE_BYTES &&
	    clock_mono_ms() - take->begun_ms < TAKE_MS)
		return true;
	take->asked_end = asked + 1;
	take->stopped = true;
	return false;
}

/* ---- what was damaged ---- */

struct take_second {
	struct take *take;
	const struct take_damaged *damaged;
	struct lease *lease;
	struct err err;
	bool there;
};

static bool
take_second_row(void *arg, const union engine_row *row)
{
	struct take_second *second = arg;

	second->there = true;
	if (!lease_new(second->take->queue, second->damaged->destination,
		&row->delivery, &second->lease, &second->err))
		second->lease = NULL;
	return false;
}

static bool
take_quarantine(struct queue *queue, void *arg, struct err *reterr)
{
	const struct take_second *second = arg;
	struct engine_change *change =
	    changes_add(&queue->changes, ENGINE_DELIVERY_QUARANTINE);

	(void)reterr;
	change->row.delivery = second->damaged->row;
	change->text = str_text(second->err.text);
	change->number = clock_wall_ms();
	return true;
}

/* Read it a second time: if that works it was not damage. */
static bool
take_damaged_again(
    struct take *take, const struct take_damaged *damaged, struct err *reterr)
{
	struct take_second second = {
	    .take = take, .damaged = damaged, .err = {.code = ERR_NONE}};
	const struct engine_delivery *row = &damaged->row;
	struct queue *queue = take->queue;
	bool ok;

	ok = queue->engine->read(
	    queue->store, row, take_second_row, &second, &second.err);
	if (ok && !second.there)
		return err_set(reterr, ERR_DAMAGED,
		    "a row that is due is not found by its key");
	if (second.lease != NULL) {
		take_add(take, damaged->asked, second.lease);
		return true;
	}
	if (second.err.code != ERR_DAMAGED)
		return err_set(reterr, second.err.code, "%s", second.err.text);
	ok = queue_change_held(queue, take_quarantine, &second, true, reterr);
	queue_publish(queue);
	if (!ok)
		return false;
	take_ask(take, damaged->asked)->again = true;
	queue->strayed++;
	if (queue->totals.quarantined_batches > queue->quarantine.count)
		log_line(LOG_ERROR, "queue",
		    "quarantine why=%s batch=%" PRId64
		    " events=%zu help=\"the events stay queued and are tried "
		    "again; if `currentsd queue check` also finds a fault, "
		    "restore a backup or use `currentsd queue rescue`\"",
		    LOG_QUOTE(second.err.text), row->seq, row->remaining);
	return true;
}

/* ---- taking ---- */

/* Is this time over? One that is too far ahead is of a wrong clock. */
static bool
take_is_over(int64_t due_ms, int64_t now_ms)
{
	return due_ms <= now_ms ||
	       (due_ms != INT64_MAX && due_ms - ENGINE_FAR_MS > now_ms);
}

static bool
take_asks(struct queue *queue, const struct queue_want *want, int64_t now_ms)
{
	const struct destination *destination =
	    destination_at(&queue->destinations, want->destination);

	if (!destination->claimed)
		return false;
	return want->parked != NULL || want->after_seq != NULL ||
	       take_is_over(destination->next_ms, now_ms) ||
	       (want->replays &&
		   take_is_over(destination->next_replay_ms, now_ms));
}

static bool
take_prepare(struct take *take, struct queue_want *wants, size_t count,
    int64_t now_ms, struct err *reterr)
{
	size_t asking = 0;

	if (!queue_ready(take->queue, reterr))
		return false;
	for (size_t i = 0; i < count; i++)
		asking += take_asks(take->queue, &wants[i], now_ms);
	if (asking == 0)
		return true;
	take->asks = calloc(asking, sizeof(*take->asks));
	take->asked = calloc(
	    asking < TAKE_ASKS ? asking : TAKE_ASKS, sizeof(*take->asked));
	if (take->asks == NULL || take->asked == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < count; i++) {
		if (take_asks(take->queue, &wants[i], now_ms))
			take->asks[take->count++].want = &wants[i];
	}
	take->undone = take->count;
	return true;
}

/* The next wants that are not done. */
static void
take_hold_begin(struct take *take)
{
	take->asked_count = 0;
	for (size_t i = 0; i < take->count && take->asked_count < TAKE_ASKS;
	     i++) {
		size_t number = (take->next + i) % take->count;
		const struct take_ask *ask = &take->asks[number];
		const struct queue_want *want = ask->want;
		const struct destination *destination =
		    take_destination(take, want);

		if (ask->done)
			continue;
		take->numbers[take->asked_count] = number;
		take->asked[take->asked_count++] = (struct engine_want){
		    .destination = destination->name,
		    .bytes =
			want->bytes > ask->bytes ? want->bytes - ask->bytes : 0,
		    .more = ask->some,
		    .replays = want->replays && !ask->live,
		    .after = destination->last_source,
		    .parked = str_text(want->parked),
		    .by_seq = want->after_seq != NULL,
		    .after_seq = want->after_seq != NULL ? *want->after_seq : 0,
		};
	}
	take->asked_end = take->asked_count;
	take->stopped = false;
	take->bytes = 0;
	take->found = (struct take_list){NULL, NULL};
}

static void
take_damaged_all(struct take *take)
{
	struct take_damaged *damaged;

	while ((damaged = take->damaged) != NULL) {
		struct err *err = &take->asked[damaged->asked].err;

		take->damaged = damaged->next;
		if (err->code == ERR_NONE)
			(void)!take_damaged_again(take, damaged, err);
		free(damaged);
	}
}

/* Link what was found. Without memory for that its wants have failed. */
static void
take_link(struct take *take)
{
	struct queue *queue = take->queue;
	struct queue_lease *lease, *next;
	size_t count = 0;
	struct err err;

	if (take->found.first == NULL)
		return;
	for (lease = &take->found.first->shown; lease != NULL;
	     lease = lease->next)
		count++;
	if (lease_reserve(queue, count, &err)) {
		for (lease = &take->found.first->shown; lease != NULL;
		     lease = lease->next)
			lease_link(queue, lease_of(lease));
		if (take->leases.last == NULL)
			take->leases.first = take->found.first;
		else
			take->leases.last->shown.next =
			    &take->found.first->shown;
		take->leases.last = take->found.last;
		return;
	}
	for (lease = &take->found.first->shown; lease != NULL; lease = next) {
		next = lease->next;
		lease_free(lease_of(lease));
	}
	for (size_t i = 0; i < take->asked_end; i++)
		take->asked[i].err = err;
}

/* It must be asked for again. Logged once, until it works again. */
static void
take_failed(struct take *take, struct take_ask *ask, const struct err *err)
{
	struct destination *destination = take_destination(take, ask->want);

	ask->failed = true;
	destination->next_ms = destination->next_replay_ms = 0;
	if (err != NULL && !destination->failing) {
		destination->failing = true;
		log_line(LOG_ERROR, "queue",
		    "take result=failed destination=\"%s\" why=%s",
		    destination->name.data, LOG_QUOTE(err->text));
	}
}

static void
take_passed_over(struct destination *destination)
{
	if (!destination->damaged)
		log_line(LOG_ERROR, "queue",
		    "take result=damaged destination=\"%s\" why=\"queued "
		    "batches "
		    "were passed over\" help=\"run `currentsd queue check`; "
		    "restore a backup or use `currentsd queue rescue`\"",
		    destination->name.data);
	destination->damaged = true;
}

/* What this hold means for a want; false: it is not done yet. */
static bool
take_ask_done(struct take *take, size_t asked, bool stopped)
{
	struct take_ask *ask = take_ask(take, asked);
	const struct engine_want *want = &take->asked[asked];
	struct destination *destination = take_destination(take, ask->want);
	bool again = ask->again && !ask->some;

	ask->again = false;
	if (want->damaged > 0)
		take_passed_over(destination);
	if (want->err.code != ERR_NONE) {
		take_failed(take, ask, &want->err);
		return true;
	}
	destination->failing = false;
	if (ask->want->parked != NULL && ask->some)
		return true;
	if (stopped || again)
		return false;
	if (ask->want->parked == NULL && ask->want->after_seq == NULL) {
		destination->next_ms = want->next_ms;
		destination->next_replay_ms = want->next_replay_ms;
	}
	return true;
}

/* Ask the engine once, for so much as one hold of the lock may take. */
static bool
take_once(struct take *take, int64_t now_ms, struct err *reterr)
{
	struct queue *queue = take->queue;
	bool ok;

	take_hold_begin(take);
	ok = queue_ready(queue, reterr) &&
	     queue->engine->due(queue->store, take->asked, take->asked_count,
		 now_ms, queue->leased, queue->leased_count, take_row, take,
		 reterr);
	take_damaged_all(take);
	take_link(take);
	for (size_t i = 0; ok && i < take->asked_end; i++) {
		struct take_ask *ask = take_ask(take, i);

		ask->done = take_ask_done(
		    take, i, take->stopped && i + 1 == take->asked_end);
		take->undone -= ask->done;
		take->next = take->numbers[i] + 1;
	}
	return ok;
}

/* When more is due, for all wants, whether the engine was asked or not. */
static void
take_next(struct take *take, struct queue_want *wants, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct destination *destination =
		    take_destination(take, &wants[i]);

		wants[i].next_ms = INT64_MAX;
		if (!destination->claimed)
			continue;
		wants[i].next_ms = destination->next_ms;
		if (wants[i].replays &&
		    wants[i].next_ms > destination->next_replay_ms)
			wants[i].next_ms = destination->next_replay_ms;
		/* that is what a failed want has */
		if (wants[i].next_ms == INT64_MIN)
			wants[i].next_ms = 0;
	}
	for (size_t i = 0; i < take->count; i++) {
		if (take->asks[i].failed)
			take->asks[i].want->next_ms = INT64_MIN;
	}
}

/* ---- sets ---- */

/* What is left of the lease is due again, at once. */
static void
take_release(struct queue *queue, struct lease *lease)
{
	struct queue_lease *shown = &lease->shown;
	struct destination *destination =
	    destination_at(&queue->destinations, shown->destination);

	set_release(queue, lease);
	lease_unlink(queue, lease);
	if (shown->open > 0 && shown->replay)
		destination->next_replay_ms = 0;
	else if (shown->open > 0)
		destination->next_ms = 0;
}

/* Look at all changes of a lease; false: it is not to be handed out. */
static bool
take_check(struct take *take, struct take_ask *ask, struct lease *lease,
    int64_t now_ms)
{
	struct queue *queue = take->queue;
	bool ok = true, more = true;
	struct err err;

	while (ok && more) {
		ok = set_check(queue, lease, ask->want, now_ms, &more, &err);
		if (ok && more) {
			fair_lock_drop(&queue->lock);
			fair_lock_hold(&queue->lock);
		}
	}
	if (!ok)
		take_failed(take, ask, &err);
	return ok && lease->shown.count > 0;
}

/* Those of a log, and of a trial run, are not looked at. */
static void
take_check_all(struct take *take, int64_t now_ms)
{
	struct lease *lease = take->leases.first, *next;
	struct take_list kept = {NULL, NULL};

	for (; lease != NULL; lease = next) {
		struct take_ask *ask = take->asks;

		next = lease->shown.next == NULL ? NULL
						 : lease_of(lease->shown.next);
		lease->shown.next = NULL;
		while (ask->want->destination != lease->shown.destination)
			ask++;
		if (lease->shown.group != NULL && !ask->want->trial &&
		    !take_check(take, ask, lease, now_ms)) {
			take_release(take->queue, lease);
			lease_free(lease);
			continue;
		}
		if (kept.last == NULL)
			kept.first = lease;
		else
			kept.last->shown.next = &lease->shown;
		kept.last = lease;
	}
	take->leases = kept;
}

bool
queue_take(struct queue *queue, struct queue_want *wants, size_t count,
    int64_t now_ms, struct queue_lease **ret_leases, struct err *reterr)
{
	struct take take = {.queue = queue};
	bool ok;

	fair_lock_hold(&queue->lock);
	ok = take_prepare(&take, wants, count, now_ms, reterr);
	while (ok && take.undone > 0) {
		ok = take_once(&take, now_ms, reterr);
		if (ok && take.undone > 0) {
			/* those that wait for it come first */
			fair_lock_drop(&queue->lock);
			fair_lock_hold(&queue->lock);
		}
	}
	for (size_t i = 0; !ok && i < take.count; i++) {
		if (!take.asks[i].done)
			take_failed(&take, &take.asks[i], NULL);
	}
	/* What was taken before a failure is handed out all the same. */
	ok = ok || take.leases.first != NULL;
	if (ok) {
		take_check_all(&take, now_ms);
		take_next(&take, wants, count);
	}
	fair_lock_drop(&queue->lock);
	free(take.asks);
	free(take.asked);
	if (ok)
		*ret_leases = take.leases.first == NULL
				  ? NULL
				  : &take.leases.first->shown;
	return ok;
}

void
queue_lease_free(struct queue *queue, struct queue_lease *lease)
{
	if (lease == NULL)
		return;
	fair_lock_hold(&queue->lock);
	take_release(queue, lease_of(lease));
	fair_lock_drop(&queue->lock);
	lease_free(lease_of(lease));
}

/* ---- posting ---- */

struct post {
	struct lease **leases; /* owned */
	size_t count;
	struct str rules; /* our own */
	bool reread;	  /* rows were changed meanwhile */
};

static bool
post_change(struct queue *queue, void *arg, struct err *reterr)
{
	struct post *post = arg;
	int64_t rules;

	if (!names_add(&queue->texts, post->rules, &rules, reterr))
		return false;
	post->rules = names_at(&queue->texts, rules);
	for (size_t i = 0; i < post->count; i++) {
		struct lease *lease = post->leases[i];
		struct engine_change *change;

		if (!queue_fence(queue, lease->shown.destination, reterr) ||
		    (post->reread && !lease_reread(queue, lease, reterr)))
			return false;
		if (lease->gone || lease->row.rules.len > 0)
			continue;
		change = changes_add(&queue->changes, ENGINE_DELIVERY_PUT);
		change->row.delivery = lease->row;
		change->row.delivery.rules = post->rules;
	}
	return true;
}

/* The claims must hold though there is nothing to write. */
static bool
post_renew(struct queue *queue, struct err *reterr)
{
	int64_t now_ms = clock_mono_ms();

	for (size_t i = 0; i < queue->claim_count; i++) {
		struct engine_claim *claim = queue->claims[i];

		if (claim->until_mono_ms > now_ms)
			continue;
		if (!queue->engine->renew(queue->store, &claim, 1, reterr))
			return false;
		if (claim->lost)
			return err_set(reterr, ERR_BUSY,
			    "another process delivers for %s now",
			    claim->destination.data);
	}
	return true;
}

bool
queue_post(struct queue *queue, struct queue_lease *const *leases, size_t count,
    struct str rules, struct err *reterr)
{
	struct post post = {.rules = rules};
	int conflicts = 0;
	bool ok;

	CHECK(rules.len > 0);
	fair_lock_hold(&queue->lock);
	ok = lease_unique(
	    queue, leases, count, &post.leases, &post.count, reterr);
	do {
		ok = ok &&
		     queue_change_held(queue, post_change, &post, true, reterr);
		post.reread = !ok && queue_conflict(&conflicts, reterr);
		ok = ok || post.reread;
	} while (post.reread);
	if (ok && queue->changes.count == 0)
		ok = post_renew(queue, reterr);
	for (size_t i = 0; ok && i < post.count; i++) {
		struct lease *lease = post.leases[i];

		if (lease->gone || lease->row.rules.len > 0)
			continue;
		lease->row.rules = lease->shown.rules = post.rules;
		lease->row.version++;
	}
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	free(post.leases);
	return ok;
}
