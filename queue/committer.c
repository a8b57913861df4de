/*
 * The committer thread: group commit. Each round takes the puts that wait,
 * moves them in one transaction, and calls back after the fsync; while it
 * syncs, the next group gathers. Between rounds it does the housekeeping:
 * checkpoints, the ballast, and mending a broken queue.
 */

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "queue/put.h"

enum {
	COMMITTER_ROUND_MS = 500,
	COMMITTER_FOLD_MS = 3600 * 1000,
	COMMITTER_CLOCKS_MS = 10000, /* between two writes of the clocks */
	COMMITTER_RETRY_MENDS = 60, /* reopen_ms between tries of the damaged */
	COMMITTER_PROBE_MS = 1000,  /* a younger commit answers a probe */
	COMMITTER_ROOM_STEPS = 8,   /* of evicting, before one commit */
};

/* Note the hashes of a transaction in one row, and let rows go that have
 * left the window. */
static bool
committer_seen_write(struct queue *queue, struct put *puts, struct err *reterr)
{
	struct buf hashes;
	sqlite3_stmt *add;
	bool ok = false;

	buf_init(&hashes, SIZE_MAX / 2);
	for (struct put *put = puts; put != NULL; put = put->next)
		put_hashes_write(put, &hashes);
	if (!buf_ok(&hashes, reterr))
		goto out;
	if (hashes.len == 0) {
		ok = true;
		goto out;
	}
	add = store_statement(&queue->store, STORE_SEEN_ADD, reterr);
	if (add == NULL)
		goto out;
	(void)sqlite3_bind_blob64(
	    add, 1, hashes.data, hashes.len, SQLITE_STATIC);
	if (!store_run(&queue->store, add, reterr))
		goto out;
	queue->moved.seen_events += (int64_t)(hashes.len / DIGEST_SHORT);
	ok = true;
out:
	buf_fini(&hashes);
	return ok;
}

static bool
committer_seen_trim(struct queue *queue, struct err *reterr)
{
	int64_t window = (int64_t)queue->settings.window_events, n, events;
	sqlite3_stmt *first, *remove;
	bool row;

	for (;;) {
		first =
		    store_statement(&queue->store, STORE_SEEN_FIRST, reterr);
		if (first == NULL ||
		    !store_step(&queue->store, first, &row, reterr))
			return false;
		n = sqlite3_column_int64(first, 0);
		events = sqlite3_column_int64(first, 1) / DIGEST_SHORT;
		store_reset(first);
		if (!row ||
		    queue->seen_events + queue->moved.seen_events - events <
			window)
			return true;
		remove =
		    store_statement(&queue->store, STORE_SEEN_DELETE, reterr);
		if (remove == NULL)
			return false;
		(void)sqlite3_bind_int64(remove, 1, n);
		if (!store_run(&queue->store, remove, reterr))
			return false;
		queue->moved.seen_events -= events;
	}
}

/*
 * Begin a transaction that there is room for. What was delivered and is kept
 * goes before a put is refused: in transactions of its own, so that nothing
 * of it is done again for each put if it is not enough, and a little at a
 * time, since whoever settles waits meanwhile.
 */
static bool
committer_begin(struct queue *queue, int64_t now_ms, struct err *reterr)
{
	size_t count;

	for (int step = 0;; step++) {
		if (!queue_begin(queue, reterr))
			return false;
		if (queue_room(queue, reterr))
			return true;
		if (reterr->code != ERR_FULL || step == COMMITTER_ROOM_STEPS ||
		    !kept_evict(queue, now_ms, true, &count, reterr) ||
		    count == 0 || !queue_commit(queue, reterr))
			return false;
	}
}

static bool
committer_move(struct queue *queue, struct put *puts, struct err *reterr)
{
	if (!committer_begin(queue, puts->now_ms, reterr))
		return false;
	for (struct put *put = puts; put != NULL; put = put->next) {
		if (!put_move(queue, put, reterr))
			return false;
	}
	return committer_seen_write(queue, puts, reterr) &&
	       committer_seen_trim(queue, reterr) &&
	       queue_commit(queue, reterr);
}

/* One transaction for all of them. */
static bool
committer_transact(struct queue *queue, struct put *puts, struct err *reterr)
{
	bool ok;

	lock_hold(&queue->held);
	ok = committer_move(queue, puts, reterr);
	if (!ok)
		queue_rollback(queue, reterr);
	queue->last_commit_ms = ok ? puts->now_ms : 0;
	queue_show(queue);
	lock_drop(&queue->held);
	counter_add(ok ? COUNTER_COMMITS : COUNTER_COMMIT_FAILURES, 1);
	return ok;
}

/* Say once that puts fail, and once that they no longer do. */
static void
committer_tell(struct queue *queue, bool ok, const struct err *err)
{
	if (ok == !queue->failing)
		return;
	queue->failing = !ok;
	if (ok)
		log_line(LOG_WARN, "queue", "accept result=ok");
	else
		log_line(LOG_ERROR, "queue", "accept result=failed text=%s",
		    LOG_QUOTE(err->text));
}

/* Commit, and call back for each. */
static void
committer_commit(struct queue *queue, struct put *puts)
{
	struct err err;
	bool ok = committer_transact(queue, puts, &err);

	/* What fails for its size or for want of memory may be one of them:
	 * the others shall not fail with it, again at each of Braze's tries. */
	if (!ok && puts->next != NULL &&
	    (err.code == ERR_LIMIT || err.code == ERR_NOMEM)) {
		while (puts != NULL) {
			struct put *one = puts;

			puts = one->next;
			one->next = NULL;
			committer_commit(queue, one);
		}
		return;
	}
	committer_tell(queue, ok, &err);
	while (puts != NULL) {
		struct put *put = puts;

		puts = put->next;
		put_answer(put, ok ? NULL : &err);
	}
	if (ok && queue->settings.wake != NULL)
		queue->settings.wake(queue->settings.wake_arg);
}

/* Can the last commit speak for this probe? */
static bool
committer_probe_known(struct queue *queue, const struct put *probe)
{
	int64_t age;

	lock_hold(&queue->held);
	age = probe->now_ms - queue->last_commit_ms;
	if (queue->broken || queue->last_commit_ms == 0)
		age = COMMITTER_PROBE_MS;
	lock_drop(&queue->held);
	return age >= 0 && age < COMMITTER_PROBE_MS;
}

static void
committer_checkpoint(struct queue *queue)
{
	struct err err;
	bool broke = false;

	lock_hold(&queue->held);
	if (!queue->broken &&
	    queue->store.log_pages >=
		queue->settings.checkpoint_bytes / STORE_PAGE &&
	    !store_checkpoint(&queue->store, false, &err) &&
	    err.code != ERR_FULL && err.code != ERR_NOMEM) {
		/* The file may hold half of it; the log has it all. */
		queue_break(queue);
		broke = true;
	}
	lock_drop(&queue->held);
	if (broke)
		log_line(
		    LOG_ERROR, "queue", "fail text=%s", LOG_QUOTE(err.text));
}

/* Open a broken queue anew. */
static void
committer_mend(struct queue *queue, int64_t now_ms, int64_t *reopen_ms)
{
	bool mended = false, tried = false;
	struct err err;

	lock_hold(&queue->held);
	if (queue->broken && now_ms >= *reopen_ms) {
		*reopen_ms = now_ms + queue->settings.reopen_ms;
		tried = true;
		mended = queue_reopen(queue, &err);
		queue_show(queue);
	}
	lock_drop(&queue->held);
	if (mended)
		log_line(LOG_WARN, "queue", "reopen result=ok");
	else if (tried)
		log_line(
		    LOG_ERROR, "queue", "reopen text=%s", LOG_QUOTE(err.text));
	if (mended && queue->settings.wake != NULL)
		queue->settings.wake(queue->settings.wake_arg);
}

/* When the housekeeping is to be done again; monotonic clock. */
struct committer_times {
	int64_t reopen_ms, tidy_ms, fold_ms, retry_ms, clocks_ms;
};

/* A step of letting go of what was kept long enough, and now and then of
 * folding old hours of the ledger. Says if the next step should come soon. */
static bool
committer_age(struct queue *queue, bool fold)
{
	int64_t wall_ms = clock_wall_ms();
	size_t count = 0;
	struct err err;

	if (!queue_begin(queue, &err))
		return false;
	if (!kept_evict(queue, wall_ms, false, &count, &err) ||
	    (fold && !ledger_fold(&queue->store, wall_ms, &err)) ||
	    !queue_commit(queue, &err)) {
		queue_rollback(queue, &err);
		return false;
	}
	return count == KEPT_STEP;
}

/* A read that failed looks like damage, and the disk may be well again: now
 * and then what was set aside gets another try. */
static bool
committer_retry(
    struct queue *queue, struct committer_times *times, int64_t now_ms)
{
	struct err err;

	if (queue->damaged == 0) {
		times->retry_ms = 0;
		return false;
	}
	if (times->retry_ms == 0)
		times->retry_ms =
		    now_ms + COMMITTER_RETRY_MENDS * queue->settings.reopen_ms;
	if (now_ms < times->retry_ms)
		return false;
	times->retry_ms = 0;
	if (queue_damaged_back(queue, &err))
		return true;
	queue_rollback(queue, &err);
	return false;
}

static void
committer_tidy(
    struct queue *queue, struct committer_times *times, int64_t now_ms)
{
	bool fold = now_ms >= times->fold_ms, soon = false, again = false;

	if (now_ms < times->tidy_ms)
		return;
	if (fold)
		times->fold_ms = now_ms + COMMITTER_FOLD_MS;
	lock_hold(&queue->held);
	if (!queue->broken) {
		if (fold || queue->archive_batches > 0)
			soon = committer_age(queue, fold);
		if (!queue->broken)
			again = committer_retry(queue, times, now_ms);
		if (now_ms >= times->clocks_ms && clocks_write(queue))
			times->clocks_ms = now_ms + COMMITTER_CLOCKS_MS;
		place_ballast_lay(
		    &queue->place, queue->settings.min_free_bytes);
	}
	queue_show(queue);
	lock_drop(&queue->held);
	times->tidy_ms = soon ? now_ms : now_ms + COMMITTER_ROUND_MS;
	if (again && queue->settings.wake != NULL)
		queue->settings.wake(queue->settings.wake_arg);
}

void *
committer_main(void *arg)
{
	struct queue *queue = arg;
	struct committer_times times = {.reopen_ms = 0};
	struct put *puts;
	bool stopping = false;

	while (!stopping) {
		int64_t now_ms = clock_mono_ms();

		atomic_store(&queue->beat_mono_ms, now_ms);
		puts = put_take_all(queue,
		    now_ms < times.tidy_ms ? now_ms + COMMITTER_ROUND_MS
					   : now_ms,
		    &stopping);
		if (puts != NULL && puts->next == NULL &&
		    puts->what == PUT_PROBE &&
		    committer_probe_known(queue, puts))
			put_answer(puts, NULL);
		else if (puts != NULL)
			committer_commit(queue, puts);
		committer_checkpoint(queue);
		now_ms = clock_mono_ms();
		committer_mend(queue, now_ms, &times.reopen_ms);
		committer_tidy(queue, &times, now_ms);
	}
	lock_hold(&queue->held);
	(void)clocks_write(queue);
	lock_drop(&queue->held);
	return NULL;
}
