#include "queue/core.h"

#include "base/log.h"
#include "queue/set.h"

#include <inttypes.h>
#include <stdlib.h>

void
queue_wake(struct queue *queue)
{
	if (queue->settings.wake != NULL)
		queue->settings.wake(queue->settings.wake_arg);
}

/* ---- transactions ---- */

bool
queue_ready(const struct queue *queue, struct err *reterr)
{
	fair_lock_assert_held(&queue->lock);
	return !queue->stale ||
	       err_set(reterr, ERR_IO,
		   "the store failed; the queue is being reopened");
}

enum {
	QUEUE_CONFLICTS_MAX = 16, /* in a row */
	/* Times reopen_ms, between two tries of what is quarantined. */
	QUARANTINE_FIRST = 60,
	QUARANTINE_MOST = 3600,
};

bool
queue_conflict(int *conflicts, struct err *reterr)
{
	if (reterr->code != ERR_CONFLICT)
		return false;
	return ++*conflicts < QUEUE_CONFLICTS_MAX ||
	       err_set(reterr, ERR_DAMAGED,
		   "a row is not found by what was read of it; run currentsd "
		   "queue check");
}

bool
queue_fence(struct queue *queue, int64_t destination, struct err *reterr)
{
	struct destination *one =
	    destination_at(&queue->destinations, destination);
	struct engine_claim **claims;
	size_t cap;

	fair_lock_assert_held(&queue->lock);
	if (!one->claimed)
		return err_set(reterr, ERR_BUSY,
		    "another process delivers for %s now", one->name.data);
	for (size_t i = 0; i < queue->claim_count; i++) {
		if (queue->claims[i] == &one->claim)
			return true;
	}
	if (queue->claim_count == queue->claim_cap) {
		cap = queue->claim_cap == 0 ? 8 : queue->claim_cap * 2;
		claims = realloc(queue->claims, cap * sizeof(*claims));
		if (claims == NULL)
			return err_set_nomem(reterr);
		queue->claims = claims;
		queue->claim_cap = cap;
	}
	queue->claims[queue->claim_count++] = &one->claim;
	return true;
}

void
queue_batch_add(struct queue *queue, int64_t destination,
    const struct engine_delivery *row, struct str mark)
{
	struct destination *to =
	    destination_change(&queue->destinations, destination);
	int64_t *due_ms =
	    row->replay ? &to->replay_moved_ms : &to->due_moved_ms;
	struct engine_change *change;

	change = changes_add(&queue->changes, ENGINE_BATCH_ADD);
	change->row.delivery = *row;
	change->row.delivery.destination = to->name;
	change->row.delivery.remaining = row->events;
	change->row.delivery.bytes = row->frame.len;
	marks_add(queue, mark);
	if (*due_ms > row->due_ms)
		*due_ms = row->due_ms;
	if (row->replay)
		return;
	to->queued_moved += (int64_t)row->events;
	to->bytes_moved += (int64_t)row->frame.len;
}

void
queue_drift_add(
    struct queue *queue, const struct queue_drift *drift, int64_t now_ms)
{
	changes_add(&queue->changes, ENGINE_DRIFT_ADD)->row.drift =
	    (struct engine_drift){
		.text = str_text(drift->text),
		.events = (int64_t)drift->events,
		.last_ms = now_ms,
		.age_ms = queue->bounds.age_ms,
		.rows_max = (int64_t)queue->settings.drift_max,
	    };
}

/* A request that is listed. */
struct queue_request {
	struct changes *changes;
	struct str source;
	int64_t noted_ms;
};

static void
queue_erasure_add(void *arg, struct str id)
{
	const struct queue_request *request = arg;
	struct engine_erasure row = {
	    .source = changes_copy(request->changes, request->source),
	    .subject = changes_copy(request->changes, id),
	    .noted_ms = request->noted_ms,
	};

	changes_add(request->changes, ENGINE_ERASURE_ADD)->row.erasure = row;
}

void
queue_erasure_note(struct queue *queue, struct str source, struct str type,
    struct str data, int64_t noted_ms)
{
	struct queue_request request = {&queue->changes, source, noted_ms};

	if (queue->settings.erasure != NULL)
		queue->settings.erasure(queue->settings.erasure_arg, type, data,
		    queue_erasure_add, &request);
}

void
queue_state_put(struct queue *queue, const char *name, struct str data)
{
	changes_add(&queue->changes, ENGINE_STATE_PUT)->row.state =
	    (struct engine_state){
		.owner = STR(""),
		.name = str_text(name),
		.data = data,
	    };
}

static bool
queue_apply(struct queue *queue, bool essential, struct err *reterr)
{
	struct changes *changes = &queue->changes;
	struct engine_apply apply;
	bool ok;

	if (!dead_write(queue, reterr) ||
	    !set_groups_write(&queue->groups, changes, reterr))
		return false;
	ledger_write(queue->ledger, queue->bounds.age_ms, changes);
	destinations_write(&queue->destinations, changes);
	if (!essential)
		marks_write(queue);
	if (!changes_ok(changes, reterr))
		return false;
	apply = (struct engine_apply){
	    .changes = changes->list,
	    .count = changes->count,
	    .claims = queue->claims,
	    .claim_count = queue->claim_count,
	    .essential = essential,
	};
	if (changes->count == 0)
		return true;
	ok = queue->engine->apply(queue->store, &apply, reterr);
	/* No one is refused for want of marks. */
	if (!ok && reterr->code != ERR_IO && marks_unwrite(queue)) {
		apply.count = changes->count;
		ok = apply.count == 0 ||
		     queue->engine->apply(queue->store, &apply, reterr);
	}
	return ok;
}

bool
queue_change_held(struct queue *queue, queue_change_fn *change, void *arg,
    bool essential, struct err *reterr)
{
	if (!queue_ready(queue, reterr))
		return false;
	changes_reset(&queue->changes);
	queue->claim_count = 0;
	if (change(queue, arg, reterr) &&
	    queue_apply(queue, essential, reterr)) {
		window_commit(queue->window);
		ledger_commit(queue->ledger, queue->bounds.age_ms);
		destinations_commit(&queue->destinations);
		dead_commit(queue);
		marks_commit(queue);
		set_groups_commit(&queue->groups);
		waiting_commit(queue->waiting);
		return true;
	}
	window_rollback(queue->window);
	ledger_rollback(queue->ledger);
	destinations_rollback(&queue->destinations);
	dead_rollback(queue);
	marks_rollback(queue);
	waiting_rollback(queue->waiting);
	/* Without memory for that it is loaded again. */
	if (!set_groups_rollback(&queue->groups))
		queue->stale = true;
	return false;
}

bool
queue_change(struct queue *queue, queue_change_fn *change, void *arg,
    bool essential, struct err *reterr)
{
	bool ok;

	fair_lock_hold(&queue->lock);
	ok = queue_change_held(queue, change, arg, essential, reterr);
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	return ok;
}

/* ---- what is shown ---- */

/* Room for a copy of each destination; without memory the new ones are not
 * shown yet. */
static void
queue_publish_destinations(struct queue *queue)
{
	const struct destinations *from = &queue->destinations;
	struct shown_destination *shown;

	lock_assert_held(&queue->shown_lock);
	if (from->count > queue->shown_cap) {
		shown = realloc(queue->shown, from->cap * sizeof(*shown));
		if (shown == NULL)
			return;
		queue->shown = shown;
		queue->shown_cap = from->cap;
	}
	queue->shown_count = 0;
	for (size_t i = 0; i < from->count; i++) {
		const struct destination *one = &from->list[i];

		if (one->there)
			queue->shown[queue->shown_count++] =
			    (struct shown_destination){
				.name = one->name.data,
				.queued = one->queued,
				.bytes = one->bytes,
				.bytes_max = bounds_destination_max(
				    queue, (int64_t)i + 1),
				.delivered_ms = one->delivered_ms,
				.oldest_ms =
				    one->queued > 0 ? one->oldest_ms : 0,
				.paused = one->paused,
			    };
	}
}

void
queue_publish(struct queue *queue)
{
	struct stats_totals *totals = &queue->totals;
	struct engine_totals now;
	struct err err;
	bool ok;

	fair_lock_assert_held(&queue->lock);
	ok = queue->engine->totals(queue->store, false, &now, &err);
	if (ok && !now.broken)
		bounds_measure(queue, &now);
	lock_hold(&queue->shown_lock);
	if (ok) {
		totals->broken = now.broken || queue->stale;
		totals->reserve = now.reserve;
		totals->gone = now.gone;
	}
	if (ok && !now.broken) {
		totals->live_bytes = now.live_bytes;
		totals->file_bytes = now.file_bytes;
		totals->free_bytes = now.free_bytes;
		totals->unreadable = now.unreadable;
		totals->unreadable_bytes = now.unreadable_bytes;
		totals->unreadable_removed = now.unreadable_removed;
		totals->quarantined_batches = now.quarantined;
		totals->archive_batches = now.archive_batches;
		totals->archive_bytes = now.archive_bytes;
		totals->dead_bytes = now.dead_bytes;
		totals->dead_left_ms = bounds_dead_left_ms(queue);
	}
	if (!queue->stale) {
		queue_publish_destinations(queue);
		totals->events = *ledger_totals(queue->ledger);
		totals->suppressed = (int64_t)erased_count(queue->erased);
		totals->window_events = (int64_t)window_count(queue->window);
		totals->last_commit_ms = queue->last_commit_ms;
	}
	lock_drop(&queue->shown_lock);
}

/* ---- loading ---- */

static bool
hash_key_change(struct queue *queue, void *arg, struct err *reterr)
{
	(void)arg;
	(void)reterr;
	queue_state_put(queue, "hash_key",
	    str_bytes((const char *)queue->hash_key, DIGEST_KEY));
	return true;
}

/* The key of the hashes: made once for each store, and never changed while the
 * queue is open, since threads that put read it without a lock. */
static bool
queue_key_load(struct queue *queue, struct err *reterr)
{
	struct buf stored;
	bool ok, found;

	buf_init(&stored, SIZE_MAX / 2);
	ok = queue->engine->state(
		 queue->store, "", "hash_key", &stored, reterr) &&
	     buf_ok(&stored, reterr);
	found = ok && stored.len == DIGEST_KEY;
	if (found && !queue->keyed)
		memcpy(queue->hash_key, stored.data, DIGEST_KEY);
	else if (found && memcmp(queue->hash_key, stored.data, DIGEST_KEY) != 0)
		ok = err_set(reterr, ERR_DAMAGED,
		    "the store is not the one that was opened before");
	buf_fini(&stored);
	if (ok && !found) {
		if (!queue->keyed)
			digest_random(queue->hash_key, DIGEST_KEY);
		ok = queue_change_held(
		    queue, hash_key_change, NULL, true, reterr);
	}
	queue->keyed = queue->keyed || ok;
	return ok;
}

/* A walk that fills a mirror. */
struct queue_loading {
	struct queue *queue;
	struct err *reterr;
	bool ok;
};

static bool
load_ledger_row(void *arg, const union engine_row *row)
{
	struct queue_loading *loading = arg;

	loading->ok =
	    ledger_load(loading->queue->ledger, &row->ledger, loading->reterr);
	return loading->ok;
}

static bool
load_dropped_row(void *arg, const union engine_row *row)
{
	struct queue_loading *loading = arg;

	loading->ok = ledger_load_dropped(
	    loading->queue->ledger, &row->dropped, loading->reterr);
	return loading->ok;
}

static bool
load_tally_row(void *arg, const union engine_row *row)
{
	struct queue_loading *loading = arg;

	loading->ok = reports_load(ledger_reports(loading->queue->ledger),
	    row->tally, loading->reterr);
	return loading->ok;
}

static bool
load_destination_row(void *arg, const union engine_row *row)
{
	struct queue_loading *loading = arg;

	loading->ok = destinations_load(
	    &loading->queue->destinations, &row->destination, loading->reterr);
	return loading->ok;
}

static bool
load_seen_row(void *arg, const union engine_row *row)
{
	struct window *window = ((struct queue_loading *)arg)->queue->window;
	const unsigned char *hash = (const unsigned char *)row->hashes.data;
	size_t count = row->hashes.len / DIGEST_SHORT;

	for (size_t i = 0; i < count; i++, hash += DIGEST_SHORT) {
		if (!window_has(window, hash))
			window_add(window, hash);
	}
	window_commit(window);
	return true;
}

static bool
queue_mirror_load(struct queue *queue, enum engine_table table,
    engine_row_fn *fn, struct err *reterr)
{
	struct queue_loading loading = {queue, reterr, true};
	struct engine_cursor cursor = {.begun = false};
	bool more;

	return queue->engine->walk(queue->store, table, &cursor, SIZE_MAX, fn,
		   &loading, &more, reterr) &&
	       loading.ok;
}

/* What is damaged of something that the queue can do without: it is left
 * out. */
static bool
queue_left_out(const char *what, const struct err *err, struct err *reterr)
{
	if (err->code != ERR_DAMAGED)
		return err_set(reterr, err->code, "%s", err->text);
	log_line(LOG_ERROR, "queue",
	    "load what=%s result=damaged why=%s help=\"currentsd queue "
	    "check\"",
	    what, LOG_QUOTE(err->text));
	return true;
}

static bool
queue_reports_load(struct queue *queue, struct err *reterr)
{
	struct reports *reports = ledger_reports(queue->ledger);
	struct buf floor;
	bool ok;

	buf_init(&floor, SIZE_MAX / 2);
	ok = queue->engine->state(
		 queue->store, "", REPORTS_STATE, &floor, reterr) &&
	     buf_ok(&floor, reterr);
	/* The next fold finds it again. */
	if (!ok && reterr->code == ERR_DAMAGED) {
		buf_reset(&floor);
		ok = true;
	}
	reports_load_begin(reports, str_bytes(floor.data, floor.len));
	buf_fini(&floor);
	if (!ok)
		return false;
	ok = queue_mirror_load(queue, ENGINE_TALLIES, load_tally_row, reterr);
	reports_load_end(reports, !ok);
	return ok;
}

static bool
queue_erased_load(struct queue *queue, struct err *reterr)
{
	struct buf state;
	bool ok;

	erased_tick(
	    queue->erased, queue->bounds.age_ms, queue->settings.suppress_ms);
	buf_init(&state, SIZE_MAX / 2);
	ok = queue->engine->state(
		 queue->store, "", erased_state, &state, reterr) &&
	     buf_ok(&state, reterr) &&
	     erased_read(
		 queue->erased, str_bytes(state.data, state.len), reterr);
	buf_fini(&state);
	return ok;
}

/* Who was erased, the counters, and the window of duplicates. */
static bool
queue_rest_load(struct queue *queue, struct err *reterr)
{
	struct err err;
	bool tried;

	return (queue_erased_load(queue, &err) ||
		   queue_left_out("erased", &err, reterr)) &&
	       ((queue_mirror_load(
		     queue, ENGINE_LEDGER_SUMS, load_ledger_row, &err) &&
		    queue_mirror_load(
			queue, ENGINE_DROPPED, load_dropped_row, &err)) ||
		   queue_left_out("ledger", &err, reterr)) &&
	       (queue_reports_load(queue, &err) ||
		   queue_left_out("reports", &err, reterr)) &&
	       (queue_mirror_load(queue, ENGINE_SEEN, load_seen_row, &err) ||
		   queue_left_out("window", &err, reterr)) &&
	       (marks_load(queue, &err) ||
		   queue_left_out("marks", &err, reterr)) &&
	       (queue_quarantine_retry(queue, true, &tried, &err) ||
		   queue_left_out("quarantined", &err, reterr)) &&
	       (set_load(queue, &err) ||
		   queue_left_out("groups", &err, reterr)) &&
	       (set_load_waiting(queue, &err) ||
		   queue_left_out("pages", &err, reterr));
}

bool
queue_destinations_load(struct queue *queue, struct err *reterr)
{
	fair_lock_assert_held(&queue->lock);
	destinations_load_begin(&queue->destinations);
	queue->stale = !queue_mirror_load(
	    queue, ENGINE_DESTINATIONS, load_destination_row, reterr);
	return !queue->stale;
}

bool
queue_load(struct queue *queue, struct err *reterr)
{
	fair_lock_assert_held(&queue->lock);
	ledger_load_begin(queue->ledger);
	dead_close(queue);
	window_clear(queue->window);
	queue->stale = false;
	queue->stale = !queue_key_load(queue, reterr) ||
		       !bounds_load(queue, reterr) ||
		       !queue_destinations_load(queue, reterr) ||
		       !queue_rest_load(queue, reterr);
	return !queue->stale;
}

static bool
quarantine_empty(struct queue *queue, void *arg, struct err *reterr)
{
	(void)arg;
	(void)reterr;
	(void)changes_add(&queue->changes, ENGINE_QUARANTINE_EMPTY);
	return true;
}

bool
queue_quarantine_retry(
    struct queue *queue, bool essential, bool *ret_tried, struct err *reterr)
{
	struct engine_totals totals;

	fair_lock_assert_held(&queue->lock);
	*ret_tried = false;
	if (!queue->engine->totals(queue->store, false, &totals, reterr))
		return false;
	if (totals.quarantined == 0)
		return true;
	if (!queue_change_held(
		queue, quarantine_empty, NULL, essential, reterr))
		return false;
	for (size_t i = 0; i < queue->destinations.count; i++) {
		struct destination *one = &queue->destinations.list[i];

		one->next_ms = one->next_replay_ms = 0;
	}
	*ret_tried = true;
	return true;
}

bool
queue_quarantine_tidy(struct queue *queue, int64_t mono_ms)
{
	struct quarantine *quarantine = &queue->quarantine;
	int64_t first_ms = QUARANTINE_FIRST * queue->settings.reopen_ms;
	int64_t most_ms = QUARANTINE_MOST * queue->settings.reopen_ms;
	int64_t count = queue->totals.quarantined_batches;
	int64_t next_ms = mono_ms + first_ms;
	bool tried = false;
	struct err err;

	fair_lock_assert_held(&queue->lock);
	/* What was tried and is not back by now was sound. */
	if (count < quarantine->count &&
	    mono_ms + quarantine->wait_ms >= quarantine->next_ms + first_ms)
		quarantine->count = count;
	if (count > quarantine->count) {
		if (quarantine->count > 0 && quarantine->next_ms < next_ms)
			next_ms = quarantine->next_ms;
		*quarantine = (struct quarantine){count, next_ms, first_ms};
	}
	if (quarantine->count == 0 || mono_ms < quarantine->next_ms)
		return false;
	quarantine->count = count;
	if (count == 0)
		return false;
	if (quarantine->wait_ms < most_ms)
		quarantine->wait_ms *= 2;
	if (quarantine->wait_ms > most_ms)
		quarantine->wait_ms = most_ms;
	quarantine->next_ms = mono_ms + quarantine->wait_ms;
	log_line(LOG_WARN, "queue",
	    "retry what=quarantined batches=%" PRId64 " next_ms=%" PRId64,
	    count, quarantine->wait_ms);
	return queue_quarantine_retry(queue, false, &tried, &err) && tried;
}
