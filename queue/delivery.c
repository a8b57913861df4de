#include "queue/delivery.h"

#include "base/bits.h"

#include <stdlib.h>

/* ---- batches ---- */

bool
delivery_add(
    struct queue *queue, const struct delivery_new *add, struct err *reterr)
{
	int64_t seq = queue->next_seq++;

	if (!db_run(&queue->db, reterr,
		"INSERT INTO batch VALUES(?1, ?2, ?3, ?4)", "iiib", seq,
		add->accepted_ms, (int64_t)add->events, add->frame) ||
	    !db_run(&queue->db, reterr,
		"INSERT INTO delivery VALUES(?1, ?2, ?3, ?4, ?5, ?6, NULL,"
		" NULL, ?7)",
		"iiiidid", add->backlog->destination, add->source, add->due_ms,
		seq, add->attempts, (int64_t)add->events, add->replay))
		return false;
	if (!add->replay)
		add->backlog->moved += (int64_t)add->events;
	return true;
}

bool
delivery_batch_read(struct queue *queue, int64_t seq, struct batch *ret_batch,
    int64_t *ret_accepted_ms, size_t *ret_frame_len, struct err *reterr)
{
	struct db_rows rows = db_select(&queue->db, reterr,
	    "SELECT accepted_ms, data FROM batch WHERE seq=?1", "i", seq);
	struct batch batch = {.bytes = NULL};
	bool there, ok = false;
	struct str frame;

	there = db_next(&rows, reterr, "ib", ret_accepted_ms, &frame);
	if (there) {
		*ret_frame_len = frame.len;
		ok = batch_unpack(frame, &batch, reterr);
	}
	if (!db_end(&rows))
		ok = false;
	else if (!there)
		(void)err_set(reterr, ERR_DAMAGED, "the batch is missing");
	if (ok)
		*ret_batch = batch;
	return ok;
}

bool
delivery_batch_delete(struct queue *queue, int64_t seq, struct err *reterr)
{
	return db_run(
	    &queue->db, reterr, "DELETE FROM batch WHERE seq=?1", "i", seq);
}

/* ---- delivery rows ---- */

bool
delivery_read(struct queue *queue, const struct delivery_key *key,
    size_t events, struct delivery *ret_delivery, bool *ret_there,
    struct err *reterr)
{
	struct delivery delivery = {.key = *key, .events = events};
	size_t bytes = bits_bytes(events);
	struct str done, delivered;
	int attempts, replay;
	struct db_rows rows;
	bool there;

	delivery.done = calloc(bytes, 1);
	delivery.delivered = calloc(bytes, 1);
	if (delivery.done == NULL || delivery.delivered == NULL) {
		(void)err_set_nomem(reterr);
		goto fail;
	}
	rows = db_select(&queue->db, reterr,
	    "SELECT attempts, remaining, done, delivered, replay FROM delivery"
	    " WHERE " DELIVERY_IS,
	    "iiii", DELIVERY_KEY(key));
	there = db_next(&rows, reterr, "dibbd", &attempts, &delivery.remaining,
	    &done, &delivered, &replay);
	if (there) {
		delivery.attempts = (unsigned)attempts;
		delivery.replay = replay != 0;
		bits_copy(delivery.done, bytes, done.data, done.len);
		bits_copy(
		    delivery.delivered, bytes, delivered.data, delivered.len);
	}
	if (!db_end(&rows))
		goto fail;
	*ret_delivery = delivery;
	*ret_there = there;
	return true;
fail:
	delivery_fini(&delivery);
	return false;
}

void
delivery_fini(struct delivery *delivery)
{
	free(delivery->done);
	free(delivery->delivered);
	delivery->done = delivery->delivered = NULL;
}

static struct str
delivery_bits(const unsigned char *bits, size_t events)
{
	return str_bytes((const char *)bits, bits_bytes(events));
}

bool
delivery_write(
    struct queue *queue, const struct delivery *delivery, struct err *reterr)
{
	return db_run(&queue->db, reterr,
	    "UPDATE delivery SET remaining=?5, done=?6, delivered=?7"
	    " WHERE " DELIVERY_IS,
	    "iiiiibb", DELIVERY_KEY(&delivery->key), delivery->remaining,
	    delivery_bits(delivery->done, delivery->events),
	    delivery_bits(delivery->delivered, delivery->events));
}

bool
delivery_delete(
    struct queue *queue, const struct delivery_key *key, struct err *reterr)
{
	return db_run(&queue->db, reterr,
	    "DELETE FROM delivery WHERE " DELIVERY_IS, "iiii",
	    DELIVERY_KEY(key));
}

/* ---- dead letters ---- */

bool
dead_add(struct queue *queue, const struct dead_new *add, struct err *reterr)
{
	return db_run(&queue->db, reterr,
	    "INSERT INTO dead VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
	    " ?10, ?11)",
	    "iiiiidtdbbb", add->source, add->destination, add->type,
	    add->accepted_ms, add->dead_ms, add->attempts, add->reason,
	    add->status, add->answer, add->sent, add->data);
}

/* ---- the archive ---- */

bool
archive_add(struct queue *queue, const struct lease *lease,
    const unsigned char *delivered, int64_t now_ms, struct err *reterr)
{
	queue->counts.archive_batches++;
	queue->counts.archive_bytes += (int64_t)lease->frame_len;
	return db_run(&queue->db, reterr,
	    "INSERT INTO archive VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6)",
	    "iiiiib", lease->key.seq, lease->key.destination, lease->key.source,
	    now_ms, (int64_t)lease->frame_len,
	    delivery_bits(delivered, lease->batch.count));
}

/* Evict the oldest if it is to go. */
static bool
archive_evict_one(struct queue *queue, int64_t now_ms, bool for_room,
    bool *ret_gone, struct err *reterr)
{
	const struct queue_settings *settings = &queue->settings;
	int64_t id = 0, seq = 0, delivered_ms = 0, bytes = 0;

	*ret_gone = false;
	if (!db_get(&queue->db, reterr,
		"SELECT id, seq, delivered_ms, bytes FROM archive"
		" ORDER BY id LIMIT 1",
		">iiii", &id, &seq, &delivered_ms, &bytes))
		return false;
	if (id == 0 ||
	    (!for_room && queue->counts.archive_bytes <= settings->keep_bytes &&
		delivered_ms > now_ms - settings->keep_ms))
		return true;
	*ret_gone = true;
	queue->counts.archive_batches--;
	queue->counts.archive_bytes -= bytes;
	return db_run(&queue->db, reterr, "DELETE FROM archive WHERE id=?1",
		   "i", id) &&
	       delivery_batch_delete(queue, seq, reterr);
}

bool
archive_evict(struct queue *queue, int64_t now_ms, bool for_room,
    size_t *ret_count, struct err *reterr)
{
	bool gone = true;

	*ret_count = 0;
	while (gone && *ret_count < ARCHIVE_STEP) {
		if (!archive_evict_one(queue, now_ms, for_room, &gone, reterr))
			return false;
		*ret_count += gone;
	}
	return true;
}
