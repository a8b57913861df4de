/*
 * Taking batches on lease. A lease exists only in memory, so a crash ends all
 * leases. A batch that cannot be read is quarantined: its delivery row moves to
 * a table of its own, where its events still count as queued, and is never
 * deleted.
 */

#include "queue/delivery.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- which is next ---- */

#define TAKE_SELECT                                                            \
	"SELECT due_ms, seq FROM delivery WHERE destination=?1 AND source=?2"

static const char take_fresh[] =
    TAKE_SELECT " AND due_ms=0 AND seq>=?3 ORDER BY seq";
static const char take_deferred[] = TAKE_SELECT
    " AND due_ms>0 AND due_ms<=?3 AND replay=0 ORDER BY due_ms, seq";
/* Nothing is ever deferred this far (two days): the clock was wrong. */
static const char take_deferred_far[] =
    TAKE_SELECT " AND due_ms>?3 + 172800000 AND replay=0 ORDER BY due_ms, seq";
static const char take_replay[] = TAKE_SELECT " AND due_ms=?3 ORDER BY seq";
static const char take_replay_deferred[] = TAKE_SELECT
    " AND due_ms>0 AND due_ms<=?3 AND replay=1 ORDER BY due_ms, seq";

static bool
take_is_leased(const struct queue *queue, int64_t seq)
{
	const struct lease *lease = queue->leases;

	while (lease != NULL && lease->key.seq != seq)
		lease = lease->next;
	return lease != NULL;
}

/* The first delivery of a source that `sql` yields and that is not on lease;
 * key->seq is 0 if there is none. */
static bool
take_find(struct queue *queue, const char *sql, struct delivery_key *key,
    int64_t bound, struct err *reterr)
{
	struct db_rows rows = db_select(&queue->db, reterr, sql, "iii",
	    key->destination, key->source, bound);

	key->seq = 0;
	while (db_next(&rows, reterr, "ii", &key->due_ms, &key->seq) &&
	       take_is_leased(queue, key->seq))
		key->seq = 0;
	return db_end(&rows);
}

/* The next delivery of a source, of the replays or of the rest. What was
 * deferred and is due goes first: it has waited longer, and a long backlog
 * would starve it. */
static bool
take_of_source(struct queue *queue, struct backlog *backlog, int64_t now_ms,
    bool replays, struct delivery_key *key, struct err *reterr)
{
	int64_t *start;

	if (replays) {
		if (!take_find(
			queue, take_replay_deferred, key, now_ms, reterr))
			return false;
		return key->seq != 0 || take_find(queue, take_replay, key,
					    DELIVERY_REPLAY, reterr);
	}
	if (!backlog->trial) {
		if (!take_find(queue, take_deferred, key, now_ms, reterr))
			return false;
		if (key->seq == 0 &&
		    !take_find(queue, take_deferred_far, key, now_ms, reterr))
			return false;
		if (key->seq != 0)
			return true;
	}
	start = backlog_start(backlog, key->source);
	if (!take_find(
		queue, take_fresh, key, start == NULL ? 0 : *start, reterr))
		return false;
	if (key->seq != 0 && start != NULL)
		*start = key->seq + 1;
	return true;
}

/* The next source of a destination after `last`, starting over at the end; 0 if
 * it has none. */
static bool
take_source_after(struct queue *queue, int64_t destination, int64_t last,
    int64_t *ret_source, struct err *reterr)
{
	static const char sql[] = "SELECT min(source) FROM delivery"
				  " WHERE destination=?1 AND source>?2";
	int64_t source = 0;

	if (!db_get(
		&queue->db, reterr, sql, "ii>i", destination, last, &source))
		return false;
	if (source == 0 && last != 0 &&
	    !db_get(&queue->db, reterr, sql, "ii>i", destination, INT64_C(0),
		&source))
		return false;
	*ret_source = source;
	return true;
}

/* Ask the sources in turn, each once. */
static bool
take_round(struct queue *queue, struct backlog *backlog, int64_t now_ms,
    bool replays, struct delivery_key *key, struct err *reterr)
{
	int64_t first = 0;

	*key = (struct delivery_key){.destination = backlog->destination,
	    .source = backlog->last_source};
	for (;;) {
		if (!take_source_after(queue, key->destination, key->source,
			&key->source, reterr))
			return false;
		if (key->source == 0 || key->source == first)
			return true;
		if (first == 0)
			first = key->source;
		if (!take_of_source(
			queue, backlog, now_ms, replays, key, reterr))
			return false;
		if (key->seq != 0) {
			backlog->last_source = key->source;
			return true;
		}
	}
}

/* ---- reading it ---- */

static void
lease_fini(struct lease *lease)
{
	free(lease->shown.events);
	free(lease->settled);
	batch_fini(&lease->batch);
	free(lease);
}

/* ERR_DAMAGED if the batch cannot be read. */
static bool
lease_read(struct queue *queue, const struct delivery_key *key,
    struct lease **ret_lease, struct err *reterr)
{
	struct lease *lease = calloc(1, sizeof(*lease));
	struct delivery delivery = {.done = NULL};
	const struct batch *batch;
	struct queue_lease *shown;
	bool there;

	if (lease == NULL)
		return err_set_nomem(reterr);
	batch = &lease->batch;
	shown = &lease->shown;
	if (!delivery_batch_read(queue, key->seq, &lease->batch,
		&shown->accepted_ms, &lease->frame_len, reterr) ||
	    !delivery_read(queue, key, batch->count, &delivery, &there, reterr))
		goto fail;
	shown->events = calloc(batch->count + 1, sizeof(*shown->events));
	if (shown->events == NULL) {
		(void)err_set_nomem(reterr);
		goto fail;
	}
	for (size_t i = 0; i < batch->count; i++) {
		if (!bits_has(delivery.done, i))
			shown->events[shown->count++] = (struct queue_event){
			    .index = i,
			    .type = batch->items[i].type,
			    .data = batch->items[i].data,
			};
	}
	if (shown->count != (size_t)delivery.remaining) {
		(void)err_set(reterr, ERR_DAMAGED,
		    "%zu events, but the delivery row says %" PRId64,
		    shown->count, delivery.remaining);
		goto fail;
	}
	shown->seq = key->seq;
	shown->source = names_text(queue->names, key->source);
	shown->attempts = delivery.attempts;
	shown->replay = delivery.replay;
	lease->key = *key;
	lease->open = shown->count;
	lease->settled = delivery.done;
	free(delivery.delivered);
	*ret_lease = lease;
	return true;
fail:
	delivery_fini(&delivery);
	lease_fini(lease);
	return false;
}

struct take_quarantine {
	const struct delivery_key *key;
	const char *why;
	int64_t events; /* out: in it */
};

/* Move the delivery row to the quarantine; its events are still queued. */
static bool
take_quarantine(struct queue *queue, void *arg, struct err *reterr)
{
	struct take_quarantine *quarantine = arg;
	const struct delivery_key *key = quarantine->key;

	queue->counts.quarantined++;
	queue->counts.quarantined_ever++;
	return db_get(&queue->db, reterr,
		   "SELECT remaining FROM delivery WHERE " DELIVERY_IS,
		   "iiii>i", DELIVERY_KEY(key), &quarantine->events) &&
	       db_run(&queue->db, reterr,
		   "INSERT INTO quarantine SELECT destination, source, due_ms,"
		   " seq, attempts, remaining, done, delivered, replay, ?5, ?6"
		   " FROM delivery WHERE " DELIVERY_IS,
		   "iiiiit", DELIVERY_KEY(key), clock_wall_ms(),
		   quarantine->why) &&
	       delivery_delete(queue, key, reterr);
}

/* Take the next batch, or quarantine it; *ret_again: try another one. */
static bool
take_once(struct queue *queue, struct backlog *backlog, int64_t now_ms,
    struct lease **ret_lease, bool *ret_again, struct err *reterr)
{
	struct delivery_key key;
	struct err err;
	struct take_quarantine quarantine = {.key = &key, .why = err.text};
	bool ok;

	*ret_again = false;
	if (!take_round(queue, backlog, now_ms, false, &key, reterr))
		return false;
	/* Replays come last, behind the live traffic. */
	if (key.seq == 0 && !backlog->trial &&
	    !take_round(queue, backlog, now_ms, true, &key, reterr))
		return false;
	if (key.seq == 0)
		return true;
	/* Twice: if the second read succeeds it is not damage. */
	if (lease_read(queue, &key, ret_lease, &err) ||
	    (err.code == ERR_DAMAGED &&
		lease_read(queue, &key, ret_lease, &err))) {
		(*ret_lease)->next = queue->leases;
		queue->leases = *ret_lease;
		return true;
	}
	if (err.code != ERR_DAMAGED) {
		(void)err_set(reterr, err.code, "%s", err.text);
		goto fail;
	}
	ok = queue_change_held(
	    queue, take_quarantine, &quarantine, true, reterr);
	queue_publish(queue);
	if (!ok)
		goto fail;
	log_line(LOG_ERROR, "queue",
	    "quarantine batch=%" PRId64 " events=%" PRId64
	    " why=%s help=\"the events stay queued and are tried again; if "
	    "`currentsd queue check` also finds a fault, restore a backup or "
	    "use `currentsd queue rescue`\"",
	    key.seq, quarantine.events, LOG_QUOTE(err.text));
	*ret_again = true;
	return true;
fail:
	if (key.due_ms == DELIVERY_FRESH)
		backlog_start_back(backlog, key.source, key.seq);
	return false;
}

bool
queue_take(struct queue *queue, int64_t destination, int64_t now_ms,
    struct queue_lease **ret_lease, struct err *reterr)
{
	struct lease *lease = NULL;
	struct backlog *backlog;
	bool again = true, ok = true;

	fair_lock_hold(&queue->lock);
	while (ok && again) {
		backlog = backlog_find(queue->backlogs, destination);
		CHECK(backlog != NULL);
		ok = take_once(queue, backlog, now_ms, &lease, &again, reterr);
	}
	fair_lock_drop(&queue->lock);
	if (!ok)
		return false;
	*ret_lease = lease == NULL ? NULL : &lease->shown;
	return true;
}

void
queue_lease_free(struct queue *queue, struct queue_lease *lease)
{
	struct lease *freed, **at;
	struct backlog *backlog;

	if (lease == NULL)
		return;
	freed = lease_of(lease);
	fair_lock_hold(&queue->lock);
	for (at = &queue->leases; *at != freed; at = &(*at)->next)
		CHECK(*at != NULL);
	*at = freed->next;
	backlog = backlog_find(queue->backlogs, freed->key.destination);
	if (backlog != NULL && !backlog->trial && freed->open > 0 &&
	    freed->key.due_ms == DELIVERY_FRESH)
		backlog_start_back(backlog, freed->key.source, freed->key.seq);
	fair_lock_drop(&queue->lock);
	lease_fini(freed);
}

int64_t
queue_due_ms(struct queue *queue, int64_t destination)
{
	struct delivery_key key = {.destination = destination};
	int64_t due_ms = INT64_MAX, first = 0;
	struct err err;

	fair_lock_hold(&queue->lock);
	while (take_source_after(
		   queue, destination, key.source, &key.source, &err) &&
	       key.source != 0 && key.source != first) {
		if (first == 0)
			first = key.source;
		if (!take_find(queue, take_deferred, &key, INT64_MAX, &err))
			break;
		if (key.seq != 0 && key.due_ms < due_ms)
			due_ms = key.due_ms;
	}
	fair_lock_drop(&queue->lock);
	return due_ms;
}
