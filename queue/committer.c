/*
 * The committer thread: group commit. Each round takes the puts that are
 * there, writes them in one transaction, and calls back after the fsync;
 * while it syncs, the next group gathers. Between rounds it does the
 * housekeeping: the engine's upkeep, our claims, eviction, and loading a
 * store that has been reopened.
 */

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "queue/set.h"

#include <stdlib.h>
#include <string.h>

enum {
	COMMITTER_ROUND_MS = 500,
	COMMITTER_FOLD_MS = 3600 * 1000,
	COMMITTER_CLOCKS_MS = 10000,  /* between two writes of the clocks */
	COMMITTER_PROBE_MS = 1000,    /* a younger commit answers a probe */
	COMMITTER_RENEW_MS = 1000,    /* between two renewals of our claims */
	COMMITTER_REPORTS_MS = 60000, /* between two flushes of the reports */
	COMMITTER_MARKS_MS = 60000,   /* between two looks for rows of marks
				       * that are of no use */
};

/* ---- commits ---- */

/* All puts, and their hashes in one row. */
static bool
committer_puts(struct queue *queue, void *arg, struct err *reterr)
{
	struct buf hashes;
	struct engine_change *change;
	bool ok = true;

	for (struct put *put = arg; ok && put != NULL; put = put->next)
		ok = put_write(queue, put, reterr);
	if (!ok)
		return false;
	buf_init(&hashes, SIZE_MAX / 2);
	for (const struct put *put = arg; put != NULL; put = put->next)
		put_hashes_append(put, &hashes);
	ok = buf_ok(&hashes, reterr);
	if (ok && hashes.len > 0) {
		change = changes_add(&queue->changes, ENGINE_SEEN_ADD);
		change->row.hashes = changes_copy(
		    &queue->changes, str_bytes(hashes.data, hashes.len));
		change->number = (int64_t)queue->settings.window_events;
	}
	buf_fini(&hashes);
	return ok;
}

/* Log once that puts fail, and once that they work again. */
static void
committer_report(struct queue *queue, bool ok, const struct err *err)
{
	if (ok == !queue->failing)
		return;
	queue->failing = !ok;
	if (ok)
		log_line(LOG_WARN, "queue", "accept result=ok");
	else
		log_line(LOG_ERROR, "queue", "accept result=failed why=%s",
		    LOG_QUOTE(err->text));
}

/* Is it worth making room for? */
static bool
committer_has_events(const struct put *puts)
{
	while (puts != NULL && puts->kind == PUT_PROBE)
		puts = puts->next;
	return puts != NULL;
}

/* One transaction, timed. */
static bool
committer_change(struct queue *queue, struct put *puts, struct err *reterr)
{
	int64_t began_us = clock_mono_us();
	bool ok = queue_change_held(queue, committer_puts, puts, false, reterr);

	if (ok) {
		histogram_add(&queue->commits, clock_mono_us() - began_us, 1);
		evict_added(queue);
	}
	return ok;
}

/* Commit all of them in one transaction, and call back for each. */
static void
committer_commit(struct queue *queue, struct put *puts)
{
	struct err err;
	bool ok;

	fair_lock_hold(&queue->lock);
	ok = queue_ready(queue, &err) &&
	     evict_room(queue, committer_has_events(puts), &err) &&
	     committer_change(queue, puts, &err);
	for (struct put *put = puts; ok && put != NULL; put = put->next)
		put_written(queue, put);
	queue->last_commit_ms = ok ? puts->now_ms : 0;
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	if (!ok)
		counter_add(COUNTER_COMMIT_FAILURES, 1);

	/* The others must not fail with it, again and again, whenever the
	 * source tries. */
	if (!ok && puts->next != NULL && queue_fault_of_one(&err)) {
		while (puts != NULL) {
			struct put *one = puts;

			puts = one->next;
			one->next = NULL;
			committer_commit(queue, one);
		}
		return;
	}
	committer_report(queue, ok, &err);
	while (puts != NULL) {
		struct put *put = puts;

		puts = put->next;
		if (ok && taps_any(&queue->taps))
			put_tap(queue, put);
		put_answer(put, ok ? NULL : &err);
	}
	if (ok)
		queue_wake(queue);
}

/* Was there a commit recently enough to answer this probe? */
static bool
committer_probe_known(struct queue *queue, const struct put *probe)
{
	int64_t age = COMMITTER_PROBE_MS;
	struct engine_totals totals;
	struct err err;

	fair_lock_hold(&queue->lock);
	if (!queue->stale && queue->last_commit_ms != 0 &&
	    queue->engine->totals(queue->store, false, &totals, &err) &&
	    !totals.broken && totals.gone == NULL)
		age = probe->now_ms - queue->last_commit_ms;
	fair_lock_drop(&queue->lock);
	return age >= 0 && age < COMMITTER_PROBE_MS;
}

/* ---- clocks: saved in memory, and written when there is time ---- */

static const char *const clocks_names[] = {
    [QUEUE_CLOCKS_SOURCES] = "clocks",
    [QUEUE_CLOCKS_NOTICES] = "notices",
};

bool
queue_clocks_save(struct queue *queue, enum queue_clocks what, const void *data,
    size_t len, struct err *reterr)
{
	char *copy = malloc(len + 1), *old;

	if (copy == NULL)
		return err_set_nomem(reterr);
	memcpy(copy, data, len);
	lock_hold(&queue->shown_lock);
	old = queue->clocks[what].data;
	queue->clocks[what].data = copy;
	queue->clocks[what].len = len;
	lock_drop(&queue->shown_lock);
	free(old);
	return true;
}

bool
queue_clocks_read(struct queue *queue, enum queue_clocks what,
    struct buf *ret_data, struct err *reterr)
{
	bool ok;

	fair_lock_hold(&queue->lock);
	ok = queue_ready(queue, reterr) &&
	     queue->engine->state(
		 queue->store, "", clocks_names[what], ret_data, reterr);
	fair_lock_drop(&queue->lock);
	return ok && buf_ok(ret_data, reterr);
}

struct clocks_writing {
	const char *name;
	struct str data;
};

static bool
clocks_write(struct queue *queue, void *arg, struct err *reterr)
{
	const struct clocks_writing *writing = arg;

	(void)reterr;
	queue_state_put(queue, writing->name, writing->data);
	return true;
}

/* Write what was saved; after a failure the next round tries again. False if
 * there was nothing to write. */
static bool
committer_clocks_write(struct queue *queue)
{
	struct clocks_writing writing;
	bool any = false;
	struct err err;
	char *bytes;

	for (size_t i = 0; i < QUEUE_CLOCKS; i++) {
		lock_hold(&queue->shown_lock);
		bytes = queue->clocks[i].data;
		writing.name = clocks_names[i];
		writing.data = str_bytes(bytes, queue->clocks[i].len);
		queue->clocks[i].data = NULL;
		lock_drop(&queue->shown_lock);
		if (bytes == NULL)
			continue;
		any = true;
		if (!queue_change_held(
			queue, clocks_write, &writing, false, &err)) {
			lock_hold(&queue->shown_lock);
			if (queue->clocks[i].data == NULL) {
				queue->clocks[i].data = bytes;
				queue->clocks[i].len = writing.data.len;
				bytes = NULL;
			}
			lock_drop(&queue->shown_lock);
		}
		free(bytes);
	}
	return any;
}

/* ---- housekeeping ---- */

/* Let the engine do what it must, and load the mirrors of a store that it has
 * reopened. True if the engine has more to do. */
static bool
committer_upkeep(struct queue *queue, int64_t mono_ms)
{
	bool reopened, loaded = false, more, ok, broken;
	struct err err;

	fair_lock_hold(&queue->lock);
	broken = queue->totals.broken;
	ok = queue->engine->upkeep(
	    queue->store, mono_ms, &reopened, &more, &err);
	if (reopened || queue->stale) {
		loaded = queue_load(queue, &err);
		ok = ok && loaded;
		queue_publish(queue);
	} else if (!ok) {
		queue_publish(queue);
	}
	fair_lock_drop(&queue->lock);
	if (!ok)
		log_line(LOG_ERROR, "queue", "%s why=%s",
		    broken ? "reopen" : "fail", LOG_QUOTE(err.text));
	if (loaded) {
		log_line(LOG_WARN, "queue", "%s result=ok",
		    broken ? "reopen" : "load");
		queue_wake(queue);
	}
	return ok && more;
}

/* Keep our claims. A lost one is noticed by what it fences. */
static void
committer_renew(struct queue *queue, int64_t mono_ms)
{
	struct engine_claim **claims;
	size_t count = 0;
	struct err err;

	fair_lock_hold(&queue->lock);
	claims = calloc(
	    queue->destinations.count + 1, sizeof(struct engine_claim *));
	for (size_t i = 0; claims != NULL && i < queue->destinations.count;
	     i++) {
		struct destination *one = &queue->destinations.list[i];

		if (one->claimed && one->claim.until_mono_ms != INT64_MAX &&
		    one->claim.until_mono_ms <= mono_ms + COMMITTER_RENEW_MS)
			claims[count++] = &one->claim;
	}
	if (count > 0 &&
	    !queue->engine->renew(queue->store, claims, count, &err))
		log_line(
		    LOG_ERROR, "queue", "renew why=%s", LOG_QUOTE(err.text));
	for (size_t i = 0; i < queue->destinations.count; i++) {
		struct destination *one = &queue->destinations.list[i];

		if (!one->claimed || !one->claim.lost)
			continue;
		one->claimed = false;
		log_line(LOG_ERROR, "queue",
		    "lost destination=\"%s\" why=\"another process delivers "
		    "for "
		    "it now\"",
		    one->name.data);
	}
	fair_lock_drop(&queue->lock);
	free(claims);
}

/* When the housekeeping is to be done again; monotonic clock. */
struct committer_times {
	int64_t tidy_ms, fold_ms, clocks_ms, renew_ms, marks_ms, reports_ms,
	    reports_fold_ms;
	bool reports_failed; /* to be flushed: then they wait, too */
};

static bool
fold_change(struct queue *queue, void *arg, struct err *reterr)
{
	const int64_t *wall_ms = arg;

	(void)reterr;
	changes_add(&queue->changes, ENGINE_LEDGER_FOLD)->row.ledger.hour =
	    ledger_hour(*wall_ms) - STATS_HOURS;
	changes_add(&queue->changes, ENGINE_DRIFT_FOLD)->row.drift =
	    (struct engine_drift){
		.age_ms = queue->bounds.age_ms - LEDGER_KEEP_MS,
		.rows_max = (int64_t)queue->settings.drift_max,
	    };
	return true;
}

static bool
forget_change(struct queue *queue, void *arg, struct err *reterr)
{
	(void)arg;
	(void)reterr;
	ledger_forget(queue->ledger, queue->bounds.age_ms, &queue->changes);
	return true;
}

static bool
reports_flush_change(struct queue *queue, void *arg, struct err *reterr)
{
	(void)arg;
	(void)reterr;
	reports_flush(ledger_reports(queue->ledger));
	return true;
}

struct committer_fold {
	int64_t wall_ms, rows;
};

static bool
reports_fold_change(struct queue *queue, void *arg, struct err *reterr)
{
	const struct committer_fold *fold = arg;

	(void)reterr;
	reports_fold(ledger_reports(queue->ledger), fold->wall_ms, fold->rows,
	    &queue->changes);
	return true;
}

/* True if there is more to do for the reports. */
static bool
committer_reports(
    struct queue *queue, struct committer_times *times, int64_t mono_ms)
{
	struct committer_fold fold = {.wall_ms = clock_wall_ms()};
	struct reports *reports = ledger_reports(queue->ledger);
	struct engine_totals totals;
	struct err err;

	if (mono_ms >= times->reports_ms ||
	    (reports_many(reports) && !times->reports_failed)) {
		times->reports_failed =
		    reports_pending(reports) &&
		    !queue_change_held(
			queue, reports_flush_change, NULL, false, &err);
		times->reports_ms = mono_ms + COMMITTER_REPORTS_MS;
	}
	if (mono_ms < times->reports_fold_ms)
		return false;
	if (queue->engine->totals(queue->store, false, &totals, &err)) {
		fold.rows = totals.reports;
		if (queue_change_held(
			queue, reports_fold_change, &fold, false, &err) &&
		    queue->changes.list[0].flag)
			return true;
	}
	times->reports_fold_ms = mono_ms + COMMITTER_FOLD_MS;
	return false;
}

/* True if there is more to do for the marks. */
static bool
committer_marks(
    struct queue *queue, struct committer_times *times, int64_t mono_ms)
{
	struct err err;

	if (marks_read(queue))
		return true;
	if (mono_ms < times->marks_ms)
		return false;
	if (queue_change_held(queue, marks_tidy, NULL, false, &err) &&
	    queue->changes.list[0].flag)
		return true;
	times->marks_ms = mono_ms + COMMITTER_MARKS_MS;
	return false;
}

/* Evict what is too old or too much, now and then fold old hours of the ledger
 * and old drift, forget types for which there is no room any more, and write
 * the clocks. */
static void
committer_tidy(
    struct queue *queue, struct committer_times *times, int64_t mono_ms)
{
	int64_t wall_ms = clock_wall_ms();
	bool due = false, more = false;
	struct err err;

	fair_lock_hold(&queue->lock);
	if (!queue->stale) {
		evict_tick(queue, mono_ms, false);
		evict_tidy(queue, &more);
		evict_tell(queue, mono_ms);
		if (mono_ms >= times->fold_ms) {
			(void)!queue_change_held(
			    queue, fold_change, &wall_ms, false, &err);
			times->fold_ms = mono_ms + COMMITTER_FOLD_MS;
		}
		if (ledger_forgets(queue->ledger, queue->bounds.age_ms))
			(void)!queue_change_held(
			    queue, forget_change, NULL, false, &err);
		due = queue_quarantine_tidy(queue, mono_ms);
		more = committer_marks(queue, times, mono_ms) || more;
		more = committer_reports(queue, times, mono_ms) || more;
		set_tidy(queue, mono_ms);
		if (mono_ms >= times->clocks_ms &&
		    committer_clocks_write(queue))
			times->clocks_ms = mono_ms + COMMITTER_CLOCKS_MS;
	}
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	times->tidy_ms = more ? mono_ms : mono_ms + COMMITTER_ROUND_MS;
	if (due)
		queue_wake(queue);
}

void *
committer_main(void *arg)
{
	struct queue *queue = arg;
	struct committer_times times = {.tidy_ms = 0};
	bool stopping = false, more = false, tidied = false;
	struct err err;

	while (!stopping) {
		int64_t mono_ms = clock_mono_ms();
		struct put *puts;

		atomic_store(&queue->beat_mono_ms, mono_ms);
		puts = put_take_all(queue,
		    mono_ms < times.tidy_ms && !more
			? mono_ms + COMMITTER_ROUND_MS
			: mono_ms,
		    &stopping);
		if (puts != NULL && puts->next == NULL &&
		    puts->kind == PUT_PROBE &&
		    committer_probe_known(queue, puts))
			put_answer(puts, NULL);
		else if (puts != NULL)
			committer_commit(queue, puts);
		mono_ms = clock_mono_ms();
		if (mono_ms >= times.renew_ms) {
			times.renew_ms = mono_ms + COMMITTER_RENEW_MS;
			committer_renew(queue, mono_ms);
		}
		/* One of them in a round: a put waits for no more than that. */
		tidied = !tidied && (mono_ms >= times.tidy_ms ||
					queue->evictions.added > EVICT_ROWS);
		if (tidied)
			committer_tidy(queue, &times, mono_ms);
		else
			more = committer_upkeep(queue, mono_ms);
	}
	fair_lock_hold(&queue->lock);
	(void)committer_clocks_write(queue);
	evict_tick(queue, clock_mono_ms(), true);
	(void)!queue_change_held(queue, marks_stop, NULL, false, &err);
	fair_lock_drop(&queue->lock);
	return NULL;
}
