/* The operator's jobs on events: viewing, sending again (requeueing dead
 * letters, replaying the archive), dropping, redirecting. */

#include "queue/jobs.h"

#include "base/bits.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

const char *
jobs_place_name(enum jobs_place place)
{
	switch (place) {
	case JOBS_QUEUED:
		return "queued";
	case JOBS_ARCHIVE:
		return "archive";
	case JOBS_DEAD:
		return "dead";
	case JOBS_PLACES:
		break;
	}
	NEVER("a place of no kind");
}

/* ---- walking ---- */

/* Set where the walk over the cursor's place ends, when it begins. */
static bool
jobs_cursor_begin(
    struct queue *queue, struct jobs_cursor *cursor, struct err *reterr)
{
	bool ok = true;

	fair_lock_assert_held(&queue->lock);
	if (cursor->begun)
		return true;
	switch (cursor->place) {
	case JOBS_QUEUED:
		cursor->last = queue->next_seq - 1;
		break;
	case JOBS_ARCHIVE:
		ok = db_get(&queue->db, reterr,
		    "SELECT coalesce(max(id), 0) FROM archive", ">i",
		    &cursor->last);
		break;
	case JOBS_DEAD:
		ok = db_get(&queue->db, reterr,
		    "SELECT coalesce(max(id), 0) FROM dead", ">i",
		    &cursor->last);
		break;
	case JOBS_PLACES:
		NEVER("a place of no kind");
	}
	cursor->begun = ok;
	return ok;
}

/* The next delivery. Events that are deferred during the walk move into a batch
 * with a new number, further on, where the walk must see them. So the last
 * number ends only the fresh ones and the replays. */
static bool
jobs_next_queued(struct queue *queue, struct jobs_cursor *cursor,
    struct jobs_batch *batch, bool *ret_there, struct err *reterr)
{
	struct delivery_key *key = &batch->delivery.key;
	struct db_rows rows;

	for (;;) {
		rows = db_select(&queue->db, reterr,
		    "SELECT destination, source, due_ms, seq FROM delivery"
		    " WHERE (destination, source, due_ms, seq) >"
		    " (?1, ?2, ?3, ?4)"
		    " ORDER BY destination, source, due_ms, seq LIMIT 1",
		    "iiii", cursor->destination, cursor->source, cursor->due_ms,
		    cursor->after);
		*ret_there = db_next(&rows, reterr, "iiii", &key->destination,
		    &key->source, &key->due_ms, &key->seq);
		if (!db_end(&rows))
			return false;
		if (!*ret_there)
			return true;
		cursor->destination = key->destination;
		cursor->source = key->source;
		cursor->due_ms = key->due_ms;
		cursor->after = key->seq;
		if (key->seq <= cursor->last || key->due_ms > DELIVERY_FRESH)
			return true;
		cursor->after = INT64_MAX; /* skip the rest, it is newer */
	}
}

static bool
jobs_next_archive(struct queue *queue, struct jobs_cursor *cursor,
    struct jobs_batch *batch, bool *ret_there, struct err *reterr)
{
	struct delivery_key *key = &batch->delivery.key;
	struct db_rows rows = db_select(&queue->db, reterr,
	    "SELECT id, seq, destination, source, delivered_ms, bytes"
	    " FROM archive WHERE id>?1 AND id<=?2 ORDER BY id LIMIT 1",
	    "ii", cursor->after, cursor->last);

	*ret_there = db_next(&rows, reterr, "iiiiii", &batch->archive_id,
	    &key->seq, &key->destination, &key->source, &batch->settled_ms,
	    &batch->bytes);
	if (*ret_there)
		cursor->after = batch->archive_id;
	return db_end(&rows);
}

/* Read the batch whose row was found. */
static bool
jobs_content_read(
    struct queue *queue, struct jobs_batch *batch, struct err *reterr)
{
	struct delivery *delivery = &batch->delivery;
	struct delivery_key key = delivery->key;
	size_t len, bits;
	struct str delivered;
	struct db_rows rows;
	bool there;

	if (!delivery_batch_read(queue, key.seq, &batch->batch,
		&batch->accepted_ms, &len, reterr))
		return false;
	if (batch->place == JOBS_QUEUED)
		return delivery_read(
		    queue, &key, batch->batch.count, delivery, &there, reterr);
	delivery->events = batch->batch.count;
	bits = bits_bytes(delivery->events);
	delivery->done = calloc(bits, 1);
	delivery->delivered = calloc(bits, 1);
	if (delivery->done == NULL || delivery->delivered == NULL)
		return err_set_nomem(reterr);
	rows = db_select(&queue->db, reterr,
	    "SELECT delivered FROM archive WHERE id=?1", "i",
	    batch->archive_id);
	if (db_next(&rows, reterr, "b", &delivered))
		bits_copy(
		    delivery->delivered, bits, delivered.data, delivered.len);
	return db_end(&rows);
}

bool
jobs_walk_batches(struct queue *queue, struct jobs_walk *job, jobs_batch_fn *fn,
    void *arg, struct err *reterr)
{
	int64_t until_ms = clock_mono_ms() + JOBS_STEP_MS;
	struct jobs_cursor *cursor = &job->cursor;
	bool ok = jobs_cursor_begin(queue, cursor, reterr);
	struct err err;

	job->more = true;
	for (int n = 0; ok && n < JOBS_STEP_BATCHES; n++) {
		struct jobs_batch batch = {.place = cursor->place};

		ok = cursor->place == JOBS_QUEUED
			 ? jobs_next_queued(
			       queue, cursor, &batch, &job->more, reterr)
			 : jobs_next_archive(
			       queue, cursor, &batch, &job->more, reterr);
		if (!ok || !job->more)
			break;
		if (jobs_content_read(queue, &batch, &err))
			ok = fn(queue, job, &batch, arg, reterr);
		else if (err.code == ERR_DAMAGED)
			job->damaged++;
		else
			ok = err_set(reterr, err.code, "%s", err.text);
		delivery_fini(&batch.delivery);
		batch_fini(&batch.batch);
		if (clock_mono_ms() >= until_ms)
			break;
	}
	return ok;
}

bool
jobs_batch_live(const struct jobs_batch *batch, size_t n)
{
	return batch->place == JOBS_QUEUED
		   ? !bits_has(batch->delivery.done, n)
		   : bits_has(batch->delivery.delivered, n);
}

struct jobs_event
jobs_batch_event(struct queue *queue, const struct jobs_batch *batch, size_t n)
{
	const struct delivery *delivery = &batch->delivery;

	return (struct jobs_event){
	    .place = batch->place,
	    .id = delivery->key.seq,
	    .index = n,
	    .source = names_text(queue->names, delivery->key.source),
	    .destination = names_text(queue->names, delivery->key.destination),
	    .type = batch->batch.items[n].type,
	    .data = batch->batch.items[n].data,
	    .accepted_ms = batch->accepted_ms,
	    .settled_ms = batch->settled_ms,
	    .attempts = delivery->attempts,
	    .replay = delivery->replay,
	};
}

bool
jobs_matches(const struct jobs_walk *job, const struct jobs_event *event)
{
	return job->match == NULL || job->match(job->arg, event);
}

bool
jobs_walk_dead(struct queue *queue, struct jobs_walk *job, jobs_dead_fn *fn,
    void *arg, struct err *reterr)
{
	int64_t until_ms = clock_mono_ms() + JOBS_STEP_MS;
	struct jobs_dead dead = {.event.place = JOBS_DEAD};
	struct jobs_event *event = &dead.event;
	struct db_rows rows;
	const char *type;
	bool ok = true;
	int attempts;

	if (!jobs_cursor_begin(queue, &job->cursor, reterr))
		return false;
	rows = db_select(&queue->db, reterr,
	    "SELECT d.id, s.text, o.text, t.text, d.accepted_ms, d.dead_ms,"
	    " d.attempts, d.reason, d.answer, d.data, d.source, d.destination,"
	    " d.type FROM dead d JOIN name s ON s.id=d.source"
	    " JOIN name o ON o.id=d.destination JOIN name t ON t.id=d.type"
	    " WHERE d.id>?1 AND d.id<=?2 ORDER BY d.id",
	    "ii", job->cursor.after, job->cursor.last);
	job->more = true;
	for (int n = 0; ok && n < JOBS_STEP_ROWS; n++) {
		job->more = db_next(&rows, reterr, "itttiidtbbiii", &event->id,
		    &event->source, &event->destination, &type,
		    &event->accepted_ms, &event->settled_ms, &attempts,
		    &event->reason, &event->answer, &event->data,
		    &dead.key.source, &dead.destination, &dead.key.type);
		if (!job->more)
			break;
		job->cursor.after = event->id;
		event->type = str_text(type);
		event->attempts = (unsigned)attempts;
		dead.key.hour = ledger_hour(event->accepted_ms);
		if (jobs_matches(job, event)) {
			job->matched++;
			ok = fn == NULL || fn(queue, &dead, arg, reterr);
		}
		if (clock_mono_ms() >= until_ms)
			break;
	}
	return db_end(&rows) && ok;
}

bool
jobs_dead_move(struct queue *queue, const struct jobs_dead *dead,
    struct stats_line moved, struct err *reterr)
{
	moved.dead = -1;
	return ledger_add(queue->ledger, &dead->key, &moved, reterr) &&
	       db_run(&queue->db, reterr, "DELETE FROM dead WHERE id=?1", "i",
		   dead->event.id);
}

bool
jobs_change(struct queue *queue, struct jobs_walk *job, queue_change_fn *step,
    void *arg, struct err *reterr)
{
	struct jobs_walk before = *job;

	if (queue_change(queue, step, arg, false, reterr))
		return true;
	*job = before;
	return false;
}

/* ---- looking ---- */

static bool
scan_batch(struct queue *queue, struct jobs_walk *job, struct jobs_batch *batch,
    void *arg, struct err *reterr)
{
	(void)arg;
	(void)reterr;
	for (size_t i = 0; i < batch->batch.count; i++) {
		struct jobs_event event;

		if (!jobs_batch_live(batch, i))
			continue;
		event = jobs_batch_event(queue, batch, i);
		job->matched += jobs_matches(job, &event);
	}
	return true;
}

bool
jobs_scan(struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	bool ok;

	fair_lock_hold(&queue->lock);
	ok = job->cursor.place == JOBS_DEAD
		 ? jobs_walk_dead(queue, job, NULL, NULL, reterr)
		 : jobs_walk_batches(queue, job, scan_batch, NULL, reterr);
	fair_lock_drop(&queue->lock);
	return ok;
}

/* ---- sending again ---- */

/* Copies of events that go into one new batch. */
struct bundle {
	struct delivery_new add; /* all but events and frame */
	struct item items[JOBS_STEP_ROWS];
	char *bytes[JOBS_STEP_ROWS]; /* of the items; owned */
	size_t count;
};

static void
bundle_empty(struct bundle *bundle)
{
	while (bundle->count > 0)
		free(bundle->bytes[--bundle->count]);
}

/* Write the batch, and begin another. */
static bool
bundle_flush(struct queue *queue, struct bundle *bundle, struct err *reterr)
{
	bool ok = true;

	if (bundle->count > 0) {
		ok = batch_pack(queue->packer, bundle->items, bundle->count,
		    &queue->packed, reterr);
		bundle->add.events = bundle->count;
		bundle->add.frame =
		    str_bytes(queue->packed.data, queue->packed.len);
		ok = ok && delivery_add(queue, &bundle->add, reterr);
	}
	bundle_empty(bundle);
	return ok;
}

static bool
bundle_add(
    struct bundle *bundle, const struct jobs_event *event, struct err *reterr)
{
	size_t type_len = event->type.len, data_len = event->data.len;
	char *bytes = malloc(type_len + data_len + 1);

	CHECK(bundle->count < JOBS_STEP_ROWS);
	if (bytes == NULL)
		return err_set_nomem(reterr);
	memcpy(bytes, event->type.data, type_len);
	memcpy(bytes + type_len, event->data.data, data_len);
	bundle->bytes[bundle->count] = bytes;
	bundle->items[bundle->count++] =
	    (struct item){.type = str_bytes(bytes, type_len),
		.data = str_bytes(bytes + type_len, data_len)};
	return true;
}

static bool
requeue_one(struct queue *queue, const struct jobs_dead *dead, void *arg,
    struct err *reterr)
{
	struct bundle *bundle = arg;
	struct delivery_new *add = &bundle->add;

	if (bundle->count > 0 &&
	    (add->backlog->destination != dead->destination ||
		add->source != dead->key.source ||
		ledger_hour(add->accepted_ms) != dead->key.hour) &&
	    !bundle_flush(queue, bundle, reterr))
		return false;
	if (bundle->count == 0) {
		*add = (struct delivery_new){
		    .backlog = backlog_find(queue->backlogs, dead->destination),
		    .source = dead->key.source,
		    .due_ms = DELIVERY_FRESH,
		    .accepted_ms = dead->event.accepted_ms,
		};
		CHECK(add->backlog != NULL);
	}
	return bundle_add(bundle, &dead->event, reterr) &&
	       jobs_dead_move(
		   queue, dead, (struct stats_line){.queued = 1}, reterr);
}

static bool
requeue_step(struct queue *queue, void *arg, struct err *reterr)
{
	struct bundle bundle = {.count = 0};
	bool ok = jobs_walk_dead(queue, arg, requeue_one, &bundle, reterr) &&
		  bundle_flush(queue, &bundle, reterr);

	bundle_empty(&bundle);
	return ok;
}

bool
jobs_requeue(struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	CHECK(job->cursor.place == JOBS_DEAD);
	if (!jobs_change(queue, job, requeue_step, job, reterr))
		return false;
	queue_wake(queue);
	return true;
}

struct replay {
	struct jobs_walk *job;
	const char *destination;
	struct backlog *backlog; /* NULL: that of each batch */
};

static bool
replay_batch(struct queue *queue, struct jobs_walk *job,
    struct jobs_batch *batch, void *arg, struct err *reterr)
{
	const struct replay *replay = arg;
	const struct delivery_key *of = &batch->delivery.key;
	struct ledger_key key = {
	    .hour = ledger_hour(batch->accepted_ms), .source = of->source};
	struct stats_line moved = {.replayed = 1};
	struct bundle bundle = {
	    .add = {.backlog = replay->backlog,
		.source = of->source,
		.due_ms = DELIVERY_REPLAY,
		.accepted_ms = batch->accepted_ms,
		.replay = true},
	};
	bool ok = true;

	if (bundle.add.backlog == NULL)
		bundle.add.backlog =
		    backlog_find(queue->backlogs, of->destination);
	CHECK(bundle.add.backlog != NULL);
	for (size_t i = 0; ok && i < batch->batch.count; i++) {
		struct jobs_event event = jobs_batch_event(queue, batch, i);

		if (!jobs_batch_live(batch, i) || !jobs_matches(job, &event))
			continue;
		job->matched++;
		ok = (bundle.count < JOBS_STEP_ROWS ||
			 bundle_flush(queue, &bundle, reterr)) &&
		     names_add_type(queue->names, &queue->db, event.type,
			 &key.type, reterr) &&
		     ledger_add(queue->ledger, &key, &moved, reterr) &&
		     bundle_add(&bundle, &event, reterr);
	}
	ok = ok && bundle_flush(queue, &bundle, reterr);
	bundle_empty(&bundle);
	return ok;
}

static struct backlog *
jobs_destination_find(struct queue *queue, const char *name)
{
	int64_t id = names_find(queue->names, str_text(name));

	return id == 0 ? NULL : backlog_find(queue->backlogs, id);
}

static bool
replay_step(struct queue *queue, void *arg, struct err *reterr)
{
	int64_t most = queue->settings.max_bytes, live, file;
	struct replay *replay = arg;

	if (!queue_room(queue, reterr) ||
	    !db_sizes(&queue->db, &live, &file, reterr))
		return false;
	/* A tenth of the limit is left for incoming events. */
	if (live > most - most / 10)
		return err_set(reterr, ERR_FULL,
		    "the queue uses %lld of at most %lld bytes",
		    (long long)live, (long long)most);
	if (replay->destination != NULL) {
		replay->backlog =
		    jobs_destination_find(queue, replay->destination);
		if (replay->backlog == NULL)
			return err_set(reterr, ERR_NOT_FOUND,
			    "there is no destination \"%s\"",
			    replay->destination);
	}
	return jobs_walk_batches(
	    queue, replay->job, replay_batch, replay, reterr);
}

bool
jobs_replay(struct queue *queue, struct jobs_walk *job, const char *destination,
    struct err *reterr)
{
	struct replay replay = {.job = job, .destination = destination};

	CHECK(job->cursor.place == JOBS_ARCHIVE);
	if (!jobs_change(queue, job, replay_step, &replay, reterr))
		return false;
	queue_wake(queue);
	return true;
}

/* ---- dropping dead letters ---- */

struct drop {
	struct jobs_walk *job;
	const char *rule;
	int64_t rule_id;
};

static bool
drop_one(struct queue *queue, const struct jobs_dead *dead, void *arg,
    struct err *reterr)
{
	const struct drop *drop = arg;

	return ledger_add_drop(
		   queue->ledger, &dead->key, drop->rule_id, reterr) &&
	       jobs_dead_move(
		   queue, dead, (struct stats_line){.dropped = 1}, reterr);
}

static bool
drop_step(struct queue *queue, void *arg, struct err *reterr)
{
	struct drop *drop = arg;

	return names_add(queue->names, &queue->db, str_text(drop->rule),
		   &drop->rule_id, reterr) &&
	       jobs_walk_dead(queue, drop->job, drop_one, drop, reterr);
}

bool
jobs_drop(struct queue *queue, struct jobs_walk *job, const char *rule,
    struct err *reterr)
{
	struct drop drop = {.job = job, .rule = rule};

	CHECK(job->cursor.place == JOBS_DEAD);
	return jobs_change(queue, job, drop_step, &drop, reterr);
}

/* ---- redirecting; nothing of the old destination is on lease, since no sender
 * serves it any more ---- */

enum { REDIRECT_IDS = 1024 }; /* numbers looked at in one step */

struct redirect {
	struct jobs_walk *job;
	const char *from_name, *to_name;
	struct backlog *from, *to;
};

static void
redirect_move(struct redirect *redirect, int64_t events)
{
	redirect->from->moved -= events;
	redirect->to->moved += events;
}

/* Some of the queued; after the last of them the quarantined, whose events are
 * queued too. */
static bool
redirect_queued(struct queue *queue, struct redirect *redirect, bool *ret_end,
    struct err *reterr)
{
	int64_t source, seq, remaining;
	struct db_rows rows = db_select(&queue->db, reterr,
	    "UPDATE delivery SET destination=?2"
	    " WHERE (destination, source, due_ms, seq) IN"
	    " (SELECT destination, source, due_ms, seq FROM delivery"
	    " WHERE destination=?1 LIMIT ?3)"
	    " RETURNING source, seq, remaining, replay",
	    "iid", redirect->from->destination, redirect->to->destination,
	    JOBS_STEP_ROWS);
	int replay;

	*ret_end = true;
	while (db_next(
	    &rows, reterr, "iiid", &source, &seq, &remaining, &replay)) {
		*ret_end = false;
		if (!replay)
			redirect_move(redirect, remaining);
		backlog_start_back(redirect->to, source, seq);
		redirect->job->matched += (size_t)remaining;
	}
	if (!db_end(&rows))
		return false;
	if (!*ret_end)
		return true;
	remaining = 0;
	if (!db_get(&queue->db, reterr,
		"SELECT coalesce(sum(remaining), 0) FROM quarantine"
		" WHERE destination=?1 AND replay=0",
		"i>i", redirect->from->destination, &remaining))
		return false;
	redirect_move(redirect, remaining);
	return db_run(&queue->db, reterr,
	    "UPDATE quarantine SET destination=?2 WHERE destination=?1", "ii",
	    redirect->from->destination, redirect->to->destination);
}

/* Some rows of the archive or of the dead letters. */
static bool
redirect_rows(struct queue *queue, struct redirect *redirect, const char *sql,
    bool *ret_end, struct err *reterr)
{
	struct jobs_cursor *cursor = &redirect->job->cursor;

	if (!db_run(&queue->db, reterr, sql, "iiii",
		redirect->from->destination, redirect->to->destination,
		cursor->after, cursor->after + REDIRECT_IDS))
		return false;
	cursor->after += REDIRECT_IDS;
	*ret_end = cursor->after >= cursor->last;
	return true;
}

static bool
redirect_place(
    struct queue *queue, struct redirect *redirect, struct err *reterr)
{
	struct jobs_cursor *cursor = &redirect->job->cursor;
	bool end = false, ok = false;

	if (!jobs_cursor_begin(queue, cursor, reterr))
		return false;
	switch (cursor->place) {
	case JOBS_QUEUED:
		ok = redirect_queued(queue, redirect, &end, reterr);
		break;
	case JOBS_ARCHIVE:
		ok = redirect_rows(queue, redirect,
		    "UPDATE archive SET destination=?2 WHERE destination=?1"
		    " AND id>?3 AND id<=?4",
		    &end, reterr);
		break;
	case JOBS_DEAD:
		ok = redirect_rows(queue, redirect,
		    "UPDATE dead SET destination=?2 WHERE destination=?1"
		    " AND id>?3 AND id<=?4",
		    &end, reterr);
		break;
	case JOBS_PLACES:
		NEVER("a place of no kind");
	}
	redirect->job->more = !end || cursor->place != JOBS_DEAD;
	if (end && redirect->job->more)
		*cursor = (struct jobs_cursor){
		    .place = (enum jobs_place)(cursor->place + 1)};
	return ok;
}

static bool
redirect_step(struct queue *queue, void *arg, struct err *reterr)
{
	struct redirect *redirect = arg;

	redirect->from = jobs_destination_find(queue, redirect->from_name);
	if (redirect->from == NULL)
		return err_set(reterr, ERR_NOT_FOUND,
		    "the queue has never had a destination \"%s\"",
		    redirect->from_name);
	return backlog_add(queue->backlogs, &queue->db, queue->names,
		   redirect->to_name, &redirect->to, reterr) &&
	       redirect_place(queue, redirect, reterr);
}

/* Is it unknown whether the destination has some of the events? Call this
 * outside the transaction, in which ERR_CONFIG would break the queue. */
static bool
redirect_doubts(struct queue *queue, const char *from, int64_t *ret_count,
    struct err *reterr)
{
	bool ok;

	*ret_count = 0;
	fair_lock_hold(&queue->lock);
	ok = db_get(&queue->db, reterr,
	    "SELECT count(*) FROM doubt WHERE destination=?1", "i>i",
	    names_find(queue->names, str_text(from)), ret_count);
	fair_lock_drop(&queue->lock);
	return ok;
}

bool
jobs_redirect(struct queue *queue, struct jobs_walk *job, const char *from,
    const char *to, bool anyway, struct err *reterr)
{
	struct redirect redirect = {
	    .job = job, .from_name = from, .to_name = to};
	int64_t doubts;

	if (!redirect_doubts(queue, from, &doubts, reterr))
		return false;
	if (doubts > 0 && !anyway)
		return err_set(reterr, ERR_CONFIG,
		    "%s may already have some of these events: add it to the "
		    "settings again until they are sent, or use --anyway; "
		    "events that are sent under another identity would arrive "
		    "twice",
		    from);
	if (!jobs_change(queue, job, redirect_step, &redirect, reterr))
		return false;
	queue_wake(queue);
	return true;
}
