#include "work.h"

#include "calls.h"

#include "queue/admin.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORK_TRIES = 20, WORK_LEASES = 3, WORK_OUTCOMES = 3 * MODEL_BATCH };

const char work_group[] = "refused.kind";

/* Some days and labels, by what every event has. */
static void
work_report(const void *arg, const struct item *item, int64_t accepted_ms,
    queue_report_fn *fn, void *fn_arg)
{
	static const struct item_label labels[] = {
	    {.kind = ""},
	    {.kind = "even", .id = STR("0"), .name = STR("zero")},
	    {.kind = "odd", .id = STR("1")},
	};

	(void)arg;
	fn(fn_arg, accepted_ms / 3600000 + (int64_t)(item->data.len % 2),
	    &labels[item->data.len % 3]);
}

struct queue_settings
work_settings(const char *dir)
{
	struct queue_settings settings;

	queue_settings_init(&settings);
	settings.dir = dir;
	settings.reserve_bytes = 16384;
	settings.min_free_bytes = 1;
	settings.window_events = 5000;
	settings.checkpoint_bytes = 512 * 1024;
	settings.shrink_bytes = 64 * 1024;
	settings.reopen_ms = 0;
	settings.report = work_report;
	return settings;
}

bool
work_open(
    struct work *work, struct model *model, const char *dir, struct err *reterr)
{
	struct queue_settings settings = work_settings(dir);
	struct queue_destination destination;

	memset(work, 0, sizeof(*work));
	work->model = model;
	atomic_store(&work->now_ms, 1764000000000);
	if (!queue_open(&settings, &work->queue, reterr))
		return false;
	if (!queue_start(work->queue, reterr) ||
	    !queue_destination_open(
		work->queue, "heap", &destination, reterr)) {
		work_close(work);
		return false;
	}
	work->destination = destination.id;
	queue_destination_fini(&destination);
	return true;
}

void
work_close(struct work *work)
{
	if (work->queue == NULL)
		return;
	queue_stop(work->queue);
	queue_close(work->queue);
	work->queue = NULL;
}

/* ---- puts ---- */

/* One put on its way. */
struct sent {
	struct work *work;
	struct lock lock;
	struct cond ready;
	bool done, ok;
	struct model_event *events; /* `count` in a row */
	size_t steps[MODEL_BATCH];
	size_t count;
};

static void
sent_code_check(struct work *work, const struct err *err)
{
	atomic_store(&work->last_code, (int)err->code);
	if (err->code == ERR_IO || err->code == ERR_FULL ||
	    err->code == ERR_NOMEM || err->code == ERR_STOPPING)
		return;
	/* SQLite calls a page that cannot be read corrupt. */
	if (err->code == ERR_DAMAGED && calls_struck())
		return;
	(void)fprintf(
	    stderr, "failed with %d: %s\n", (int)err->code, err->text);
	work->bad_code = true;
}

static void
sent_begin(struct sent *sent, struct work *work, struct model_event *events,
    size_t first, size_t count)
{
	*sent = (struct sent){.work = work, .events = events, .count = count};
	lock_init(&sent->lock);
	cond_init(&sent->ready);
	for (size_t i = 0; i < count; i++) {
		enum item_fate fate = model_fate(first + i);

		sent->steps[i] = model_begin(work->model, &events[i], true,
		    fate == ITEM_QUEUE	? MODEL_QUEUED
		    : fate == ITEM_DEAD ? MODEL_DEAD
					: MODEL_DROPPED);
	}
}

/* On the committer's thread, so that the position is the true one. */
static void
sent_done(void *arg, const struct queue_receipt *receipt, const struct err *err)
{
	struct sent *sent = arg;

	for (size_t i = 0; i < sent->count; i++)
		model_end(sent->work->model, &sent->events[i], sent->steps[i],
		    receipt != NULL);
	lock_hold(&sent->lock);
	if (receipt == NULL)
		sent_code_check(sent->work, err);
	sent->ok = receipt != NULL;
	sent->done = true;
	cond_wake(&sent->ready);
	lock_drop(&sent->lock);
}

/* `handed` is what queue_put() said. */
static bool
sent_wait(struct sent *sent, bool handed, const struct err *err)
{
	if (!handed)
		sent_done(sent, NULL, err);
	lock_hold(&sent->lock);
	while (!sent->done)
		cond_wait(&sent->ready, &sent->lock, INT64_MAX / 2);
	lock_drop(&sent->lock);
	lock_fini(&sent->lock);
	cond_fini(&sent->ready);
	return sent->ok;
}

bool
work_put(struct work *work, size_t first, size_t count)
{
	struct item items[MODEL_BATCH];
	char types[MODEL_BATCH][32], data[MODEL_BATCH][MODEL_DATA];
	struct queue_batch batch = {.source = model_source(first),
	    .destination = "heap",
	    .now_ms = 1764000000000 + (int64_t)first * 60000,
	    .items = items,
	    .count = count};
	struct sent sent;
	struct err err;
	bool ok;

	for (size_t i = 0; i < count; i++) {
		model_type(first + i, types[i]);
		items[i] = (struct item){.fate = model_fate(first + i),
		    .type = str_text(types[i]),
		    .id = str_text(types[i]),
		    .data = str_bytes(
			data[i], model_data(work->model, first + i, data[i])),
		    .reason = "because"};
	}
	sent_begin(&sent, work, &work->model->events[first], first, count);
	ok = queue_put(work->queue, &batch, sent_done, &sent, &err);
	return sent_wait(&sent, ok, &err);
}

bool
work_keep(struct work *work, size_t number)
{
	char data[MODEL_DATA];
	struct queue_unreadable body = {.source = "main",
	    .data = str_bytes(
		data, model_data(work->model, MODEL_EVENTS + number, data)),
	    .encoding = "gzip",
	    .reason = "offset 0",
	    .now_ms = 1764000000000};
	struct sent sent;
	struct err err;
	bool ok;

	sent_begin(&sent, work, &work->model->bodies[number], 0, 1);
	ok = queue_put_unreadable(work->queue, &body, sent_done, &sent, &err);
	return sent_wait(&sent, ok, &err);
}

bool
work_probe(struct work *work)
{
	struct sent sent;
	struct err err;
	bool ok;

	sent_begin(&sent, work, NULL, 0, 0);
	ok = queue_probe(work->queue, atomic_fetch_add(&work->now_ms, 5000),
	    sent_done, &sent, &err);
	return sent_wait(&sent, ok, &err);
}

/* ---- the destination ---- */

bool
work_post(struct work *work)
{
	struct model_event *posts = &work->model->posts;
	char state[32];
	struct err err;
	size_t step;
	bool ok;

	if (posts->count == MODEL_STEPS)
		return true;
	step = model_begin(work->model, posts, true, MODEL_QUEUED);
	(void)snprintf(state, sizeof(state), "%zu", step + 1);
	ok = queue_destination_save(
	    work->queue, work->destination, state, strlen(state), false, &err);
	model_end(work->model, posts, step, ok);
	return ok;
}

bool
work_flush(struct work *work)
{
	struct err err;

	if (jobs_flush(work->queue, &err))
		return true;
	sent_code_check(work, &err);
	return false;
}

/* The leases of a round, and the model's steps of what was decided. */
struct round {
	struct queue_lease *leases[WORK_LEASES];
	size_t lease_count;
	struct model_event *events[WORK_OUTCOMES];
	size_t steps[WORK_OUTCOMES];
	size_t count;
};

static size_t
round_number(struct work *work, const struct queue_item *item)
{
	char data[MODEL_DATA];
	size_t number;

	if (model_type_read(item->type.data, item->type.len, &number) &&
	    number < MODEL_EVENTS &&
	    item->data.len == model_data(work->model, number, data) &&
	    memcmp(item->data.data, data, item->data.len) == 0)
		return number;
	work->bad_bytes = true;
	return 0;
}

/* One lease at a time; false if none is due or it failed. */
static bool
round_take(struct work *work, struct round *round, const char *parked,
    int64_t now_ms, bool *ret_ok)
{
	struct queue_want want = {
	    .destination = work->destination, .parked = parked};
	struct queue_lease **lease = &round->leases[round->lease_count];
	struct err err;

	*lease = NULL;
	*ret_ok = queue_take(work->queue, &want, 1, now_ms, lease, &err) &&
		  want.next_ms != INT64_MIN;
	if (*lease == NULL)
		return false;
	round->lease_count++;
	return true;
}

/* Note the rules, and that they are durable: they stay with an event as long
 * as it is queued, since it is only deferred with an unknown outcome. */
static bool
round_post(struct work *work, struct round *round)
{
	struct err err;
	bool ok = queue_post(work->queue, round->leases, round->lease_count,
	    (struct str)STR("rules"), &err);

	for (size_t n = 0; ok && n < round->lease_count; n++) {
		const struct queue_lease *lease = round->leases[n];

		if (lease->rules.len == 0)
			work->bad_bytes = true;
		for (size_t i = 0; i < lease->count; i++)
			model_post(
			    work->model, &work->model->events[round_number(
					     work, &lease->items[i])]);
	}
	return ok;
}

static void
round_judge(struct work *work, struct round *round, struct rng *rng,
    struct queue_item *item)
{
	static const struct queue_detail detail = {
	    .posts = 1, .status = 400, .answer = STR("no")};
	static const struct {
		enum queue_outcome outcome;
		enum model_state state;
	} ways[] = {{QUEUE_DELIVERED, MODEL_DELIVERED},
	    {QUEUE_DEFERRED, MODEL_QUEUED}, {QUEUE_PARKED, MODEL_QUEUED},
	    {QUEUE_DEAD, MODEL_DEAD}, {QUEUE_DROPPED, MODEL_DROPPED}};
	unsigned percent = (unsigned)rng_below(rng, 100);
	int way = percent < 55	 ? 0
		  : percent < 69 ? 1
		  : percent < 73 ? 2
		  : percent < 82 ? 3
				 : 4;
	struct model_event *event =
	    &work->model->events[round_number(work, item)];

	if (percent >= 90)
		return; /* left open */
	item->outcome = ways[way].outcome;
	item->unsure = true;
	item->due_ms =
	    atomic_load(&work->now_ms) + (int64_t)rng_below(rng, 3) * 10 + 1;
	item->reason = way == 2 ? work_group : "refused";
	item->detail = &detail;
	item->history.refusals += way == 1 || way == 2;
	if (way == 2)
		model_park(work->model, event);
	if (ways[way].state == MODEL_QUEUED)
		return;
	round->events[round->count] = event;
	round->steps[round->count++] =
	    model_begin(work->model, event, false, ways[way].state);
}

static bool
round_settle(struct work *work, struct round *round)
{
	struct err err;
	bool ok = false;

	/* A probe gives a broken queue the chance to reopen. */
	for (int i = 0; !ok && i < WORK_TRIES; i++) {
		ok = queue_settle(work->queue, round->leases,
		    round->lease_count, atomic_load(&work->now_ms), &err);
		if (!ok)
			(void)work_probe(work);
	}
	for (size_t i = 0; i < round->count; i++)
		model_end(work->model, round->events[i], round->steps[i], ok);
	return ok;
}

bool
work_forward(struct work *work, struct rng *rng)
{
	struct round round = {.count = 0};
	int64_t now_ms = atomic_fetch_add(&work->now_ms, 7);
	struct err err;
	bool ok = true, posted;

	if (rng_chance(rng, 20))
		(void)!round_take(work, &round, work_group, now_ms, &ok);
	while (ok && round.lease_count < WORK_LEASES &&
	       round_take(work, &round, NULL, now_ms, &ok))
		;
	if (!ok)
		(void)work_probe(work);
	(void)work_post(work);
	posted = round.lease_count > 0 && round_post(work, &round);
	for (size_t n = 0; posted && n < round.lease_count; n++) {
		struct queue_lease *lease = round.leases[n];

		for (size_t i = 0;
		     i < lease->count && round.count < WORK_OUTCOMES; i++)
			round_judge(work, &round, rng, &lease->items[i]);
	}
	if (round.lease_count > 0)
		ok = posted && round_settle(work, &round) && ok;
	if (round.lease_count > 0 && !posted)
		(void)work_probe(work);
	while (round.lease_count > 0)
		queue_lease_free(
		    work->queue, round.leases[--round.lease_count]);
	if (rng_chance(rng, 20))
		(void)!queue_unpark(
		    work->queue, work->destination, work_group, &err);
	return ok;
}
