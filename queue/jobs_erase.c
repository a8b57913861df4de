/*
 * Erasing a person. An erased event loses its bytes but keeps its position in
 * the batch, marked as done. So a batch that is on lease can be settled as
 * before, and an outcome of the erased event no longer counts.
 */

#include "queue/jobs.h"

#include "base/bits.h"
#include "queue/set.h"

/* Count an erased event that was queued. */
static bool
erase_count(struct queue *queue, const struct jobs_batch *batch,
    struct str type, struct err *reterr)
{
	struct ledger_key key = {.hour = ledger_hour(batch->accepted_ms)};
	struct stats_line moved = {.queued = -1, .erased = 1};
	enum ledger_part part = LEDGER_QUEUED;
	int64_t id = destination_find(&queue->destinations, batch->destination);

	if (id == 0)
		return err_set(reterr, ERR_DAMAGED,
		    "a queued batch is for a destination that is not there");
	if (batch->delivery->replay) {
		moved = (struct stats_line){.replay_refused = 1};
		part = LEDGER_REPLAYS;
	} else {
		destination_change(&queue->destinations, id)->queued_moved--;
	}
	return ledger_source(queue->ledger, batch->source, SIZE_MAX,
		   &key.source, reterr) &&
	       ledger_type_from(queue->ledger, type, part, &key.type, reterr) &&
	       ledger_add(queue->ledger, &key, NULL, &moved, reterr);
}

/* Remove the bytes of every event that matches, settled or not. */
static bool
erase_bytes(struct queue *queue, struct jobs_walk *job,
    struct jobs_batch *batch, bool *ret_changed, struct err *reterr)
{
	*ret_changed = false;
	for (size_t i = 0; i < batch->batch.count; i++) {
		struct item *item = &batch->batch.items[i];
		struct jobs_event event = jobs_batch_event(batch, i);

		if (item->data.len == 0 || !jobs_matches(job, &event))
			continue;
		if (jobs_batch_live(batch, i)) {
			job->matched++;
			if (batch->place == JOBS_QUEUED &&
			    (!erase_count(queue, batch, item->type, reterr) ||
				!set_erased(queue, batch->destination,
				    batch->source, item->type, item->data,
				    batch->delivery->stamp, reterr)))
				return false;
		}
		(void)bits_add(batch->done, i);
		bits_remove(batch->delivered, i);
		item->data.len = 0;
		*ret_changed = true;
	}
	return true;
}

static void
erase_batch_delete(struct queue *queue, int64_t seq)
{
	changes_add(&queue->changes, ENGINE_BATCH_DELETE)->row.delivery.seq =
	    seq;
}

/* Write the row in the archive; delete it if nothing is left to replay. */
static void
erase_archived(struct queue *queue, const struct jobs_batch *batch, size_t len)
{
	size_t bytes = bits_bytes(batch->batch.count);
	struct engine_change *change;

	if (!bits_any(batch->delivered, bytes)) {
		changes_add(&queue->changes, ENGINE_ARCHIVE_DELETE)
		    ->row.archived.id = batch->archived->id;
		erase_batch_delete(queue, batch->archived->seq);
		return;
	}
	change = changes_add(&queue->changes, ENGINE_ARCHIVE_PUT);
	change->row.archived.id = batch->archived->id;
	change->row.archived.bytes = len;
	change->row.archived.delivered =
	    str_bytes((const char *)batch->delivered, bytes);
}

/* Write the delivery row; delete it if nothing remains. Events of it that were
 * delivered before are then not archived. What remains is counted anew, since a
 * damaged row must not keep a person from being erased. */
static void
erase_queued(struct queue *queue, const struct jobs_batch *batch, size_t len)
{
	const struct engine_delivery *row = batch->delivery;
	size_t bytes = bits_bytes(batch->batch.count), remaining = 0;
	struct engine_change *change;
	bool gone;

	for (size_t i = 0; i < batch->batch.count; i++)
		remaining += !bits_has(batch->done, i);
	gone = remaining == 0;

	if (!row->replay)
		destination_change(&queue->destinations,
		    destination_find(&queue->destinations, row->destination))
		    ->bytes_moved +=
		    (gone ? 0 : (int64_t)len) - (int64_t)row->bytes;
	change = changes_add(&queue->changes,
	    gone ? ENGINE_DELIVERY_DELETE : ENGINE_DELIVERY_PUT);
	change->row.delivery = (struct engine_delivery){
	    .destination = changes_copy(&queue->changes, row->destination),
	    .source = changes_copy(&queue->changes, row->source),
	    .due_ms = row->due_ms,
	    .seq = row->seq,
	    .version = row->version,
	    .rules = changes_copy(&queue->changes, row->rules),
	    .bytes = len,
	    .remaining = remaining,
	    .done = str_bytes((const char *)batch->done, bytes),
	    .delivered = str_bytes((const char *)batch->delivered, bytes),
	};
	if (gone)
		erase_batch_delete(queue, row->seq);
}

static bool
erase_batch(struct queue *queue, struct jobs_walk *job,
    struct jobs_batch *batch, void *arg, struct err *reterr)
{
	struct engine_change *change;
	struct str frame;
	bool changed;

	(void)arg;
	if (!erase_bytes(queue, job, batch, &changed, reterr))
		return false;
	if (!changed)
		return true;
	if (!batch_pack(queue->packer, batch->batch.items, batch->batch.count,
		batch->batch.trace, &queue->packed, reterr))
		return false;
	frame = changes_copy(
	    &queue->changes, str_bytes(queue->packed.data, queue->packed.len));
	change = changes_add(&queue->changes, ENGINE_BATCH_REWRITE);
	change->row.delivery.frame = frame;
	change->row.delivery.seq = batch->place == JOBS_QUEUED
				       ? batch->delivery->seq
				       : batch->archived->seq;
	if (batch->place == JOBS_QUEUED)
		erase_queued(queue, batch, frame.len);
	else
		erase_archived(queue, batch, frame.len);
	return true;
}

static bool
erase_dead(struct queue *queue, struct str destination,
    const struct dead_letter *letter, void *arg, struct err *reterr)
{
	(void)destination;
	(void)arg;
	return jobs_dead_count(queue, letter, (struct stats_line){.erased = 1},
	    str_bytes(NULL, 0), reterr);
}

static bool
erase_step(struct queue *queue, void *arg, struct err *reterr)
{
	struct jobs_walk *job = arg;

	return job->cursor.place == JOBS_DEAD
		   ? jobs_walk_dead(queue, job, erase_dead, NULL, reterr)
		   : jobs_walk_batches(queue, job, erase_batch, NULL, reterr);
}

/* Is there something to erase? */
static bool
erase_look(struct queue *queue, struct jobs_walk *job, struct jobs_batch *batch,
    void *arg, struct err *reterr)
{
	bool *found = arg;

	(void)queue;
	(void)reterr;
	for (size_t i = 0; !*found && i < batch->batch.count; i++) {
		struct jobs_event event = jobs_batch_event(batch, i);

		*found = event.data.len > 0 && jobs_matches(job, &event);
	}
	return true;
}

/* Most batches have nothing to erase, and are passed over without the lock.
 * Events that move while it is free move to batches behind the cursor. */
bool
jobs_erase(struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	struct jobs_walk ahead = *job;
	bool found = false;

	if (job->cursor.place != JOBS_DEAD) {
		if (!jobs_read_batches(
			queue, &ahead, erase_look, &found, reterr))
			return false;
		if (!found) {
			*job = ahead;
			return true;
		}
		jobs_walk_fini(&ahead);
		job->search = NULL;
	}
	return jobs_change(queue, job, erase_step, job, reterr);
}

/* ---- staying erased ---- */

static bool
suppress_change(struct queue *queue, void *arg, struct err *reterr)
{
	const struct buf *state = arg;

	(void)reterr;
	queue_state_put(
	    queue, erased_state, str_bytes(state->data, state->len));
	return true;
}

bool
jobs_suppress(struct queue *queue, const struct str *ids, size_t count,
    struct err *reterr)
{
	struct digest_short *digest = digest_short_new(queue->hash_key);
	struct buf state;
	bool ok;

	if (digest == NULL)
		return err_set_nomem(reterr);
	buf_init(&state, SIZE_MAX / 2);
	fair_lock_hold(&queue->lock);
	erased_write(queue->erased, digest, ids, count, &state);
	ok = buf_ok(&state, reterr) &&
	     queue_change_held(queue, suppress_change, &state, false, reterr) &&
	     erased_read(
		 queue->erased, str_bytes(state.data, state.len), reterr);
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	buf_fini(&state);
	digest_short_free(digest);
	return ok;
}

/* ---- where it begins and ends ---- */

static bool
last_erasure(void *arg, const union engine_row *row)
{
	*(int64_t *)arg = row->erasure.id;
	return true;
}

bool
jobs_erase_begin(
    struct queue *queue, struct jobs_erasing *ret_erasing, struct err *reterr)
{
	struct engine_cursor cursor = {.begun = false};
	struct jobs_erasing erasing = {0};
	bool ok, tried, more = true;

	fair_lock_hold(&queue->lock);
	erasing.strayed = queue->strayed;
	ok = queue_quarantine_retry(queue, false, &tried, reterr);
	/* What is damaged stays there, and is missed. */
	if (!ok && reterr->code == ERR_DAMAGED) {
		erasing.strayed--;
		ok = true;
	}
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	while (ok && more) {
		fair_lock_hold(&queue->lock);
		ok = queue->engine->walk(queue->store, ENGINE_ERASURES, &cursor,
		    JOBS_STEP_ROWS, last_erasure, &erasing.last_erasure, &more,
		    reterr);
		fair_lock_drop(&queue->lock);
	}
	if (ok)
		*ret_erasing = erasing;
	return ok;
}

size_t
jobs_erase_missed(struct queue *queue, const struct jobs_erasing *erasing)
{
	int64_t missed;

	fair_lock_hold(&queue->lock);
	missed = queue->strayed - erasing->strayed;
	fair_lock_drop(&queue->lock);
	return (size_t)missed;
}

/* ---- the list of erasures ---- */

struct erasures_done {
	const char *const *subjects;
	size_t count;
	int64_t last, erased_ms;
};

static bool
erasures_done(struct queue *queue, void *arg, struct err *reterr)
{
	const struct erasures_done *done = arg;

	(void)reterr;
	for (size_t i = 0; i < done->count; i++)
		changes_add(&queue->changes, ENGINE_ERASURE_DONE)->row.erasure =
		    (struct engine_erasure){
			.id = done->last,
			.subject = str_text(done->subjects[i]),
			.erased_ms = done->erased_ms,
		    };
	return true;
}

bool
jobs_erasures_done(struct queue *queue, const char *const *subjects,
    size_t count, int64_t last, int64_t erased_ms, struct err *reterr)
{
	struct erasures_done done = {subjects, count, last, erased_ms};

	return queue_change(queue, erasures_done, &done, false, reterr) &&
	       jobs_flush(queue, reterr);
}
