/* The operator's jobs on events: looking, sending again (dead letters by
 * requeueing, the archive by replaying), dropping. */

#include "queue/jobs.h"

#include "base/bits.h"
#include "base/clock.h"
#include "queue/set.h"

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

/* Copies of the rows of a step. */
struct jobs_page {
	union engine_row rows[JOBS_STEP_BATCHES];
	size_t count, bytes; /* unpacked */
};

/* A step: what its rows are shown to. */
struct jobs_step {
	struct queue *queue;
	struct jobs_walk *job;
	jobs_batch_fn *batch;
	jobs_dead_fn *dead;
	void *arg;
	struct jobs_page *page; /* where batches are copied to, or NULL */
	struct changes *memory; /* for what belongs to a batch */
	int64_t until_ms;	/* monotonic */
	int64_t again;	/* the row of dead letters that is not done; 0 = none */
	size_t letters; /* so far */
	struct err *reterr;
	bool ok;
};

/* With a zero behind it, since names are C strings as well. */
static void
jobs_page_copy(struct jobs_step *step, struct str *bytes)
{
	char *copy;

	if (bytes->data == NULL)
		return;
	copy = changes_alloc(step->memory, bytes->len + 1);
	if (copy != NULL) {
		memcpy(copy, bytes->data, bytes->len);
		copy[bytes->len] = '\0';
	}
	bytes->data = copy;
}

/* True if the page has room for another one. */
static bool
jobs_page_add(struct jobs_step *step, const union engine_row *row)
{
	struct jobs_page *page = step->page;
	union engine_row *copy = &page->rows[page->count++];
	bool queued = step->job->cursor.place == JOBS_QUEUED;
	size_t size = 0;

	/* Damaged ones show nothing. */
	if (batch_unpacked_size(
		queued ? row->delivery.frame : row->archived.frame, &size))
		page->bytes += size;
	*copy = *row;
	if (queued) {
		jobs_page_copy(step, &copy->delivery.destination);
		jobs_page_copy(step, &copy->delivery.source);
		jobs_page_copy(step, &copy->delivery.parked);
		jobs_page_copy(step, &copy->delivery.rules);
		jobs_page_copy(step, &copy->delivery.done);
		jobs_page_copy(step, &copy->delivery.delivered);
		jobs_page_copy(step, &copy->delivery.frame);
	} else {
		jobs_page_copy(step, &copy->archived.destination);
		jobs_page_copy(step, &copy->archived.source);
		jobs_page_copy(step, &copy->archived.rules);
		jobs_page_copy(step, &copy->archived.delivered);
		jobs_page_copy(step, &copy->archived.frame);
	}
	return page->count < JOBS_STEP_BATCHES &&
	       page->bytes < JOBS_PAGE_BYTES &&
	       clock_mono_ms() < step->until_ms;
}

/* Unpack the frame, and copy the bits. */
static bool
jobs_batch_read(struct changes *memory, struct jobs_batch *batch,
    struct str frame, struct str done, struct str delivered, struct err *reterr)
{
	size_t bytes;

	if (frame.data == NULL)
		return err_set(
		    reterr, ERR_DAMAGED, "the batch is missing or unreadable");
	if (!batch_unpack(frame, &batch->batch, reterr))
		return false;
	bytes = bits_bytes(batch->batch.count);
	batch->done = changes_alloc(memory, bytes);
	batch->delivered = changes_alloc(memory, bytes);
	if (batch->done == NULL || batch->delivered == NULL)
		return err_set_nomem(reterr);
	bits_copy(batch->done, bytes, done.data, done.len);
	bits_copy(batch->delivered, bytes, delivered.data, delivered.len);
	return true;
}

static bool
jobs_batch_step(struct jobs_step *step, struct jobs_batch *batch,
    struct str frame, struct str done, struct str delivered)
{
	struct err err;

	if (jobs_batch_read(step->memory, batch, frame, done, delivered, &err))
		step->ok = step->batch(
		    step->queue, step->job, batch, step->arg, step->reterr);
	else if (err.code == ERR_DAMAGED)
		step->job->damaged++;
	else
		step->ok = err_set(step->reterr, err.code, "%s", err.text);
	batch_fini(&batch->batch);
	return step->ok && clock_mono_ms() < step->until_ms;
}

static bool
jobs_queued_row(void *arg, const union engine_row *row)
{
	const struct engine_delivery *delivery = &row->delivery;
	struct jobs_step *step = arg;
	struct jobs_batch batch = {
	    .place = JOBS_QUEUED,
	    .delivery = delivery,
	    .source = delivery->source,
	    .destination = delivery->destination,
	    .accepted_ms = delivery->accepted_ms,
	};

	if (step->page != NULL)
		return jobs_page_add(step, row);
	return jobs_batch_step(
	    step, &batch, delivery->frame, delivery->done, delivery->delivered);
}

static bool
jobs_archive_row(void *arg, const union engine_row *row)
{
	const struct engine_archived *archived = &row->archived;
	struct jobs_step *step = arg;
	struct jobs_batch batch = {
	    .place = JOBS_ARCHIVE,
	    .archived = archived,
	    .source = archived->source,
	    .destination = archived->destination,
	    .accepted_ms = archived->accepted_ms,
	};

	if (step->page != NULL)
		return jobs_page_add(step, row);
	return jobs_batch_step(step, &batch, archived->frame,
	    str_bytes(NULL, 0), archived->delivered);
}

static bool
jobs_walk_step(struct jobs_step *step, enum engine_table table, size_t rows,
    engine_row_fn *fn, struct err *reterr)
{
	struct queue *queue = step->queue;
	struct jobs_walk *job = step->job;
	size_t damaged = job->cursor.at.damaged;

	fair_lock_assert_held(&queue->lock);
	step->until_ms = clock_mono_ms() + JOBS_STEP_MS;
	step->reterr = reterr;
	step->ok = true;
	job->more = true;
	if (!queue->engine->walk(queue->store, table, &job->cursor.at, rows, fn,
		step, &job->more, reterr))
		return false;
	job->damaged += job->cursor.at.damaged - damaged;
	if (step->again != 0) {
		job->cursor.at.at[0] = step->again - 1;
		job->more = true;
	}
	return step->ok;
}

/* Of what has what is looked for; where that is, is found out one row of marks
 * a step. */
static bool
jobs_walk_look(struct jobs_step *step, struct err *reterr)
{
	struct jobs_walk *job = step->job;
	bool queued = job->cursor.place == JOBS_QUEUED;
	int64_t last;

	if ((job->search == NULL && !marks_search_new(step->queue, job->look,
					&job->search, reterr)) ||
	    !marks_search_next(
		step->queue, job->search, &job->cursor.at, &last, reterr) ||
	    !jobs_walk_step(step,
		queued ? ENGINE_QUEUED_RANGES : ENGINE_ARCHIVE_RANGES,
		JOBS_STEP_BATCHES, queued ? jobs_queued_row : jobs_archive_row,
		reterr))
		return false;
	if (!job->more && job->cursor.at.last > 0) {
		job->cursor.at.at[0] = last;
		job->more = last < INT64_MAX;
	}
	return true;
}

void
jobs_walk_after(struct jobs_walk *job, int64_t batch)
{
	CHECK(job->look != NULL);
	job->cursor.at.at[0] = batch;
}

void
jobs_walk_fini(struct jobs_walk *job)
{
	marks_search_free(job->search);
	job->search = NULL;
}

static bool
jobs_walk_rows(struct jobs_step *step, struct err *reterr)
{
	if (step->job->look != NULL)
		return jobs_walk_look(step, reterr);
	if (step->job->cursor.place == JOBS_QUEUED)
		return jobs_walk_step(step, ENGINE_QUEUED, JOBS_STEP_BATCHES,
		    jobs_queued_row, reterr);
	return jobs_walk_step(
	    step, ENGINE_ARCHIVE, JOBS_STEP_BATCHES, jobs_archive_row, reterr);
}

bool
jobs_walk_batches(struct queue *queue, struct jobs_walk *job, jobs_batch_fn *fn,
    void *arg, struct err *reterr)
{
	struct jobs_step step = {
	    .queue = queue,
	    .job = job,
	    .batch = fn,
	    .arg = arg,
	    .memory = &queue->changes,
	};

	return jobs_walk_rows(&step, reterr);
}

bool
jobs_read_batches(struct queue *queue, struct jobs_walk *job, jobs_batch_fn *fn,
    void *arg, struct err *reterr)
{
	struct changes memory = {.count = 0};
	struct jobs_page page = {.count = 0};
	struct jobs_step step = {
	    .queue = queue,
	    .job = job,
	    .batch = fn,
	    .arg = arg,
	    .page = &page,
	    .memory = &memory,
	};
	bool ok;

	fair_lock_hold(&queue->lock);
	ok = jobs_walk_rows(&step, reterr);
	fair_lock_drop(&queue->lock);
	ok = ok && changes_ok(&memory, reterr);
	step.page = NULL;
	step.until_ms = INT64_MAX;
	for (size_t i = 0; ok && i < page.count; i++)
		ok = job->cursor.place == JOBS_QUEUED
			 ? jobs_queued_row(&step, &page.rows[i])
			 : jobs_archive_row(&step, &page.rows[i]);
	changes_fini(&memory);
	return ok;
}

bool
jobs_batch_live(const struct jobs_batch *batch, size_t n)
{
	return batch->place == JOBS_QUEUED ? !bits_has(batch->done, n)
					   : bits_has(batch->delivered, n);
}

struct jobs_event
jobs_batch_event(const struct jobs_batch *batch, size_t n)
{
	struct jobs_event event = {
	    .place = batch->place,
	    .index = n,
	    .source = batch->source.data,
	    .destination = batch->destination.data,
	    .type = batch->batch.items[n].type,
	    .data = batch->batch.items[n].data,
	    .accepted_ms = batch->accepted_ms,
	};

	if (batch->place == JOBS_QUEUED) {
		event.id = batch->delivery->seq;
		event.attempts = batch->delivery->attempts;
		event.replay = batch->delivery->replay;
		event.parked = batch->delivery->parked;
		if (event.parked.len == 0 &&
		    batch->delivery->due_ms > DELIVERY_UNPARKED)
			event.due_ms = batch->delivery->due_ms;
		event.refusals = batch->delivery->refusals;
		event.failures = batch->delivery->failures;
		event.first_ms = batch->delivery->first_ms;
		event.rules = batch->delivery->rules;
	} else {
		event.id = batch->archived->seq;
		event.settled_ms = batch->archived->delivered_ms;
		event.rules = batch->archived->rules;
	}
	return event;
}

bool
jobs_matches(struct jobs_walk *job, const struct jobs_event *event)
{
	job->seen++;
	return job->match == NULL || job->match(job->arg, event);
}

/* Show the letters of a row, as far as there is time; those that fn gets
 * go. */
static bool
jobs_dead_letters(struct jobs_step *step, const struct engine_dead *row,
    struct dead_row *letters)
{
	struct jobs_cursor *cursor = &step->job->cursor;
	bool moved = false, in_time = true;
	size_t i = 0;

	for (; step->ok && in_time && i < letters->count; i++) {
		struct dead_letter *letter = &letters->letters[i];
		const struct jobs_event event = {
		    .place = JOBS_DEAD,
		    .id = letter->id,
		    .source = letter->source.data,
		    .destination = row->destination.data,
		    .type = letter->type,
		    .data = letter->data,
		    .accepted_ms = letter->accepted_ms,
		    .settled_ms = letter->dead_ms,
		    .attempts = letter->attempts,
		    .reason = letter->reason.data,
		    .status = letter->status,
		    .answer = letter->answer,
		    .sent = letter->sent,
		};

		if (letter->id <= cursor->letter)
			continue;
		cursor->letter = letter->id;
		if (jobs_matches(step->job, &event)) {
			step->job->matched++;
			if (step->dead != NULL) {
				step->ok =
				    step->dead(step->queue, row->destination,
					letter, step->arg, step->reterr) &&
				    set_dead_less(step->queue, row->destination,
					letter, step->reterr);
				letter->data = str_bytes(NULL, 0);
				moved = true;
			}
		}
		in_time = ++step->letters < JOBS_STEP_ROWS &&
			  clock_mono_ms() < step->until_ms;
	}
	if (i < letters->count)
		step->again = row->id;
	step->ok = step->ok && (!moved || dead_row_write(step->queue, row,
					      letters, step->reterr));
	return step->ok && in_time;
}

static bool
jobs_dead_row(void *arg, const union engine_row *row)
{
	struct jobs_step *step = arg;
	struct dead_row letters;
	struct err err;
	bool go_on;

	if (!dead_row_read(&row->dead, &letters, &err)) {
		if (err.code == ERR_DAMAGED)
			step->job->damaged++;
		else
			step->ok =
			    err_set(step->reterr, err.code, "%s", err.text);
		return step->ok;
	}
	go_on = jobs_dead_letters(step, &row->dead, &letters);
	dead_row_fini(&letters);
	return go_on;
}

bool
jobs_walk_dead(struct queue *queue, struct jobs_walk *job, jobs_dead_fn *fn,
    void *arg, struct err *reterr)
{
	struct jobs_step step = {
	    .queue = queue, .job = job, .dead = fn, .arg = arg};

	if (!job->cursor.at.begun)
		dead_close(queue);
	return jobs_walk_step(
	    &step, ENGINE_DEAD, JOBS_STEP_BATCHES, jobs_dead_row, reterr);
}

bool
jobs_dead_count(struct queue *queue, const struct dead_letter *letter,
    struct stats_line moved, struct str rule, struct err *reterr)
{
	struct ledger_key key = {.hour = ledger_hour(letter->accepted_ms)};
	const struct item event = {.type = letter->type, .data = letter->data};
	bool counted = letter->stamp == 0 && moved.erased == 0;

	moved.dead = -1;
	return ledger_source(queue->ledger, letter->source, SIZE_MAX,
		   &key.source, reterr) &&
	       ledger_type_from(queue->ledger, letter->type, LEDGER_DEAD,
		   &key.type, reterr) &&
	       ledger_add(queue->ledger, &key, counted ? &event : NULL, &moved,
		   reterr) &&
	       (rule.len == 0 ||
		   ledger_add_drop(queue->ledger, &key, rule, reterr));
}

bool
jobs_change(struct queue *queue, struct jobs_walk *job, queue_change_fn *step,
    void *arg, struct err *reterr)
{
	struct jobs_walk before = *job;
	int conflicts = 0;
	bool ok;

	do {
		ok = queue_change(queue, step, arg, false, reterr);
		if (!ok) {
			/* it has gone on, so it begins again from there */
			jobs_walk_fini(job);
			*job = before;
			job->search = NULL;
		}
	} while (!ok && queue_conflict(&conflicts, reterr));
	return ok;
}

/* ---- looking ---- */

static bool
scan_batch(struct queue *queue, struct jobs_walk *job, struct jobs_batch *batch,
    void *arg, struct err *reterr)
{
	(void)queue;
	(void)arg;
	(void)reterr;
	for (size_t i = 0; i < batch->batch.count; i++) {
		struct jobs_event event;

		if (!job->settled && !jobs_batch_live(batch, i))
			continue;
		event = jobs_batch_event(batch, i);
		job->matched += jobs_matches(job, &event);
	}
	return true;
}

bool
jobs_scan(struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	bool ok;

	if (job->cursor.place != JOBS_DEAD)
		return jobs_read_batches(queue, job, scan_batch, NULL, reterr);
	fair_lock_hold(&queue->lock);
	ok = jobs_walk_dead(queue, job, NULL, NULL, reterr);
	fair_lock_drop(&queue->lock);
	return ok;
}

/* ---- sending again ---- */

/* Copies of events that go into one new batch, in the changes' memory. */
struct bundle {
	int64_t destination;
	struct engine_delivery row; /* all but events and frame */
	struct item items[JOBS_STEP_ROWS];
	size_t count;
};

/* Add the batch, and begin another. */
static bool
bundle_flush(struct queue *queue, struct bundle *bundle, struct err *reterr)
{
	struct engine_delivery *row = &bundle->row;

	if (bundle->count == 0)
		return true;
	if (!batch_pack(queue->packer, bundle->items, bundle->count,
		str_bytes(NULL, 0), &queue->packed, reterr))
		return false;
	row->events = bundle->count;
	row->frame = changes_copy(
	    &queue->changes, str_bytes(queue->packed.data, queue->packed.len));
	queue_batch_add(queue, bundle->destination, row,
	    marks_make(queue, bundle->items, bundle->count));
	row->unpacked = 0;
	bundle->count = 0;
	return true;
}

static void
bundle_add(struct queue *queue, struct bundle *bundle, struct str type,
    struct str data)
{
	CHECK(bundle->count < JOBS_STEP_ROWS);
	bundle->items[bundle->count++] = (struct item){
	    .type = changes_copy(&queue->changes, type),
	    .data = changes_copy(&queue->changes, data),
	};
	bundle->row.unpacked += data.len;
}

struct requeue {
	struct jobs_walk *job;
	const struct item *item; /* in place of the letter's own; or NULL */
	struct bundle bundle;
};

/* The ledger has the event under its type from now on. */
static bool
requeue_other(struct queue *queue, const struct dead_letter *letter,
    struct requeue *requeue, struct err *reterr)
{
	const struct item *item = requeue->item;
	struct ledger_key key = {.hour = ledger_hour(letter->accepted_ms)};
	struct stats_line moved = {.received = 1, .queued = 1};

	if (letter->stamp > 0)
		return err_set(reterr, ERR_UNSUPPORTED,
		    "a change of a set has nothing to edit");
	bundle_add(queue, &requeue->bundle, item->type, item->data);
	queue_erasure_note(
	    queue, letter->source, item->type, item->data, letter->accepted_ms);
	return jobs_dead_count(queue, letter,
		   (struct stats_line){.received = -1}, str_bytes(NULL, 0),
		   reterr) &&
	       ledger_source(queue->ledger, letter->source, SIZE_MAX,
		   &key.source, reterr) &&
	       ledger_type(queue->ledger, item->type, &key.type, reterr) &&
	       ledger_add(queue->ledger, &key, NULL, &moved, reterr);
}

static bool
requeue_one(struct queue *queue, struct str destination,
    const struct dead_letter *letter, void *arg, struct err *reterr)
{
	int64_t to = destination_find(&queue->destinations, destination);
	struct requeue *requeue = arg;
	struct bundle *bundle = &requeue->bundle;
	struct engine_delivery *row = &bundle->row;

	if (to == 0)
		return err_set(reterr, ERR_DAMAGED,
		    "dead letters are of a destination that is not there");
	if (bundle->count > 0 &&
	    (bundle->count == JOBS_STEP_ROWS || bundle->destination != to ||
		!str_equal(row->source, letter->source) ||
		row->stamp != letter->stamp ||
		(row->stamp > 0 &&
		    !str_equal(bundle->items[0].type, letter->type)) ||
		ledger_hour(row->accepted_ms) !=
		    ledger_hour(letter->accepted_ms)) &&
	    !bundle_flush(queue, bundle, reterr))
		return false;
	if (bundle->count == 0) {
		bundle->destination = to;
		*row = (struct engine_delivery){
		    .source = changes_copy(&queue->changes, letter->source),
		    .due_ms = DELIVERY_FRESH,
		    .accepted_ms = letter->accepted_ms,
		    .stamp = letter->stamp,
		};
	}
	if (letter->stamp > 0 &&
	    !set_queued(queue, destination, letter->source, letter->type,
		letter->data, letter->stamp, false, reterr))
		return false;
	if (requeue->item != NULL)
		return requeue_other(queue, letter, requeue, reterr);
	bundle_add(queue, bundle, letter->type, letter->data);
	queue_erasure_note(queue, letter->source, letter->type, letter->data,
	    letter->accepted_ms);
	return jobs_dead_count(queue, letter, (struct stats_line){.queued = 1},
	    str_bytes(NULL, 0), reterr);
}

static bool
requeue_step(struct queue *queue, void *arg, struct err *reterr)
{
	struct requeue *requeue = arg;

	requeue->bundle.count = 0;
	return jobs_walk_dead(
		   queue, requeue->job, requeue_one, requeue, reterr) &&
	       bundle_flush(queue, &requeue->bundle, reterr);
}

bool
jobs_requeue(struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	struct requeue requeue = {.job = job};

	CHECK(job->cursor.place == JOBS_DEAD);
	if (!jobs_change(queue, job, requeue_step, &requeue, reterr))
		return false;
	queue_wake(queue);
	return true;
}

static bool
requeue_match(void *arg, const struct jobs_event *event)
{
	const int64_t *id = arg;

	return event->id == *id;
}

bool
jobs_requeue_one(struct queue *queue, int64_t id, const struct item *item,
    bool *ret_found, struct err *reterr)
{
	struct jobs_walk job = {
	    .cursor = {.place = JOBS_DEAD, .letter = id - 1},
	    .match = requeue_match,
	    .arg = &id,
	};
	struct requeue requeue = {.job = &job, .item = item};

	job.cursor.at.at[0] = dead_row_of(id) - 1;
	if (!jobs_change(queue, &job, requeue_step, &requeue, reterr))
		return false;
	*ret_found = job.matched > 0;
	queue_wake(queue);
	return true;
}

struct replay {
	struct jobs_walk *job;
	const char *destination;
	int64_t to; /* 0: where each batch went */
};

static bool
replay_batch(struct queue *queue, struct jobs_walk *job,
    struct jobs_batch *batch, void *arg, struct err *reterr)
{
	const struct replay *replay = arg;
	struct ledger_key key = {.hour = ledger_hour(batch->accepted_ms)};
	struct stats_line moved = {.replayed = 1};
	struct bundle bundle = {
	    .destination = replay->to,
	    .row = {.source = changes_copy(&queue->changes, batch->source),
		.due_ms = DELIVERY_REPLAY,
		.accepted_ms = batch->accepted_ms,
		.replay = true},
	};
	bool ok;

	if (bundle.destination == 0)
		bundle.destination =
		    destination_find(&queue->destinations, batch->destination);
	/* Where it went is lost. */
	if (bundle.destination == 0) {
		job->damaged++;
		return true;
	}
	ok = ledger_source(
	    queue->ledger, batch->source, SIZE_MAX, &key.source, reterr);
	for (size_t i = 0; ok && i < batch->batch.count; i++) {
		struct jobs_event event = jobs_batch_event(batch, i);

		if (!jobs_batch_live(batch, i) || !jobs_matches(job, &event))
			continue;
		/* An old word would not be the last. */
		if (set_groups_find(&queue->groups, batch->destination,
			batch->source, event.type) != NULL) {
			job->changes++;
			continue;
		}
		job->matched++;
		ok =
		    (bundle.count < JOBS_STEP_ROWS ||
			bundle_flush(queue, &bundle, reterr)) &&
		    ledger_type(queue->ledger, event.type, &key.type, reterr) &&
		    ledger_add(queue->ledger, &key, NULL, &moved, reterr);
		if (ok)
			bundle_add(queue, &bundle, event.type, event.data);
	}
	return ok && bundle_flush(queue, &bundle, reterr);
}

static bool
replay_step(struct queue *queue, void *arg, struct err *reterr)
{
	int64_t most = queue->settings.max_bytes;
	struct replay *replay = arg;
	struct engine_totals totals;

	if (!evict_room(queue, false, reterr) ||
	    !queue->engine->totals(queue->store, false, &totals, reterr))
		return false;
	/* A tenth of the bound is left to what comes in, without evicting what
	 * is still to be replayed. */
	if (totals.live_bytes > most - most / 10)
		return err_set(reterr, ERR_FULL,
		    "the queue uses %lld of at most %lld bytes",
		    (long long)totals.live_bytes, (long long)most);
	if (replay->destination != NULL) {
		replay->to = destination_find(
		    &queue->destinations, str_text(replay->destination));
		if (replay->to == 0)
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
};

static bool
drop_one(struct queue *queue, struct str destination,
    const struct dead_letter *letter, void *arg, struct err *reterr)
{
	const struct drop *drop = arg;

	(void)destination;
	return jobs_dead_count(queue, letter, (struct stats_line){.dropped = 1},
	    str_text(drop->rule), reterr);
}

static bool
drop_step(struct queue *queue, void *arg, struct err *reterr)
{
	struct drop *drop = arg;

	return jobs_walk_dead(queue, drop->job, drop_one, drop, reterr);
}

bool
jobs_drop(struct queue *queue, struct jobs_walk *job, const char *rule,
    struct err *reterr)
{
	struct drop drop = {.job = job, .rule = rule};

	CHECK(job->cursor.place == JOBS_DEAD);
	return jobs_change(queue, job, drop_step, &drop, reterr);
}
