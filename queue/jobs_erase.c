/*
 * Erasing a person. An erased event loses its bytes but keeps its position in
 * the batch, marked as done. So a batch that is on lease can be settled as
 * before, and a verdict on the erased event no longer counts.
 */

#include "queue/jobs.h"

#include "base/bits.h"

/* Count an erased event that was queued. */
static bool
erase_count(struct queue *queue, const struct jobs_batch *batch,
    struct str type, struct err *reterr)
{
	const struct delivery *delivery = &batch->delivery;
	struct ledger_key key = {.hour = ledger_hour(batch->accepted_ms),
	    .source = delivery->key.source};
	struct stats_line moved = {.queued = -1, .erased = 1};

	if (delivery->replay)
		moved = (struct stats_line){.replay_refused = 1};
	else
		backlog_find(queue->backlogs, delivery->key.destination)
		    ->moved--;
	return names_add_type(
		   queue->names, &queue->db, type, &key.type, reterr) &&
	       ledger_add(queue->ledger, &key, &moved, reterr);
}

/* Remove the bytes of every event that matches, settled or not. */
static bool
erase_bytes(struct queue *queue, struct jobs_walk *job,
    struct jobs_batch *batch, bool *ret_changed, struct err *reterr)
{
	struct delivery *delivery = &batch->delivery;

	*ret_changed = false;
	for (size_t i = 0; i < batch->batch.count; i++) {
		struct item *item = &batch->batch.items[i];
		struct jobs_event event = jobs_batch_event(queue, batch, i);

		if (item->data.len == 0 || !jobs_matches(job, &event))
			continue;
		if (jobs_batch_live(batch, i)) {
			job->matched++;
			if (batch->place == JOBS_QUEUED) {
				delivery->remaining--;
				if (!erase_count(
					queue, batch, item->type, reterr))
					return false;
			}
		}
		(void)bits_add(delivery->done, i);
		bits_remove(delivery->delivered, i);
		item->data.len = 0;
		*ret_changed = true;
	}
	return true;
}

/* Update the row in the archive; delete it if nothing is left to replay. */
static bool
erase_archive_write(
    struct queue *queue, const struct jobs_batch *batch, struct err *reterr)
{
	const struct delivery *delivery = &batch->delivery;
	size_t bits = bits_bytes(delivery->events);

	queue->counts.archive_bytes -= batch->bytes;
	if (!bits_any(delivery->delivered, bits)) {
		queue->counts.archive_batches--;
		return db_run(&queue->db, reterr,
			   "DELETE FROM archive WHERE id=?1", "i",
			   batch->archive_id) &&
		       delivery_batch_delete(queue, delivery->key.seq, reterr);
	}
	queue->counts.archive_bytes += (int64_t)queue->packed.len;
	return db_run(&queue->db, reterr,
	    "UPDATE archive SET bytes=?2, delivered=?3 WHERE id=?1", "iib",
	    batch->archive_id, (int64_t)queue->packed.len,
	    str_bytes((const char *)delivery->delivered, bits));
}

static bool
erase_batch(struct queue *queue, struct jobs_walk *job,
    struct jobs_batch *batch, void *arg, struct err *reterr)
{
	bool changed;

	(void)arg;
	if (!erase_bytes(queue, job, batch, &changed, reterr))
		return false;
	if (!changed)
		return true;
	if (!batch_pack(queue->packer, batch->batch.items, batch->batch.count,
		&queue->packed, reterr) ||
	    !db_run(&queue->db, reterr, "UPDATE batch SET data=?2 WHERE seq=?1",
		"ib", batch->delivery.key.seq,
		str_bytes(queue->packed.data, queue->packed.len)))
		return false;
	if (batch->place == JOBS_ARCHIVE)
		return erase_archive_write(queue, batch, reterr);
	if (batch->delivery.remaining > 0)
		return delivery_write(queue, &batch->delivery, reterr);
	/* Events of it that were delivered before are not archived. */
	return delivery_delete(queue, &batch->delivery.key, reterr) &&
	       delivery_batch_delete(queue, batch->delivery.key.seq, reterr);
}

static bool
erase_dead(struct queue *queue, const struct jobs_dead *dead, void *arg,
    struct err *reterr)
{
	(void)arg;
	return jobs_dead_move(
	    queue, dead, (struct stats_line){.erased = 1}, reterr);
}

static bool
erase_step(struct queue *queue, void *arg, struct err *reterr)
{
	struct jobs_walk *job = arg;

	return job->cursor.place == JOBS_DEAD
		   ? jobs_walk_dead(queue, job, erase_dead, NULL, reterr)
		   : jobs_walk_batches(queue, job, erase_batch, NULL, reterr);
}

bool
jobs_erase(struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	return jobs_change(queue, job, erase_step, job, reterr);
}

bool
jobs_erase_begin(
    struct queue *queue, struct jobs_erasing *ret_erasing, struct err *reterr)
{
	struct jobs_erasing erasing = {0};
	bool ok;

	fair_lock_hold(&queue->lock);
	ok = queue_quarantine_retry(queue, false, reterr) &&
	     db_get(&queue->db, reterr,
		 "SELECT coalesce(max(id), 0) FROM erasure", ">i",
		 &erasing.last_erasure);
	erasing.quarantined = queue->durable.quarantined_ever;
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	if (ok)
		*ret_erasing = erasing;
	return ok;
}

size_t
jobs_erase_missed(struct queue *queue, const struct jobs_erasing *erasing)
{
	int64_t missed;

	fair_lock_hold(&queue->lock);
	missed = queue->durable.quarantined_ever - erasing->quarantined;
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
	bool ok = db_wipe(&queue->db, true, reterr);

	for (size_t i = 0; ok && i < done->count; i++) {
		if (done->erased_ms == 0)
			ok = db_run(&queue->db, reterr,
			    "DELETE FROM erasure WHERE subject=?1 AND id<=?2",
			    "ti", done->subjects[i], done->last);
		else
			ok = db_run(&queue->db, reterr,
			    "UPDATE erasure SET erased_ms=?3"
			    " WHERE subject=?1 AND id<=?2",
			    "tii", done->subjects[i], done->last,
			    done->erased_ms);
	}
	return ok && db_wipe(&queue->db, false, reterr);
}

bool
jobs_erasures_done(struct queue *queue, const char *const *subjects,
    size_t count, int64_t last, int64_t erased_ms, struct err *reterr)
{
	struct erasures_done done = {subjects, count, last, erased_ms};

	return queue_change(queue, erasures_done, &done, false, reterr) &&
	       jobs_log_empty(queue, reterr);
}
