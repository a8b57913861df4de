/*
 * The committer thread: group commit. Each round takes all waiting puts, writes
 * them in one transaction, and calls back after the fsync; while it syncs, the
 * next group gathers. Between rounds the thread does the housekeeping:
 * checkpoints, the reserve, eviction, and reopening a broken queue.
 */

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "queue/delivery.h"
#include "queue/put.h"

#include <stdlib.h>
#include <string.h>

enum {
	COMMITTER_ROUND_MS = 500,
	COMMITTER_FOLD_MS = 3600 * 1000,
	COMMITTER_CLOCKS_MS = 10000,  /* between two writes of the clocks */
	COMMITTER_RETRY_REOPENS = 60, /* reopen_ms between two tries of what is
				       * quarantined */
	COMMITTER_PROBE_MS = 1000,    /* a younger commit answers a probe */
	COMMITTER_ROOM_STEPS = 8,     /* of evicting, before one commit */
};

/* ---- commits ---- */

/*
 * Begin a transaction that there is room for. Archived batches are evicted
 * before a put is refused: in transactions of their own, so that what was
 * evicted stays evicted if it was not enough, and a few at a time, since
 * settling waits meanwhile.
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
		    !archive_evict(queue, now_ms, true, &count, reterr) ||
		    count == 0 || !queue_commit(queue, reterr))
			return false;
	}
}

/* Write the hashes of a transaction in one row, and delete rows that have
 * left the window. */
static bool
committer_seen_write(struct queue *queue, struct put *puts, struct err *reterr)
{
	int64_t window = (int64_t)queue->settings.window_events, n, bytes;
	struct buf hashes;
	bool ok;

	buf_init(&hashes, SIZE_MAX / 2);
	for (struct put *put = puts; put != NULL; put = put->next)
		put_hashes_append(put, &hashes);
	ok = buf_ok(&hashes, reterr) &&
	     (hashes.len == 0 || db_run(&queue->db, reterr,
				     "INSERT INTO seen(hashes) VALUES(?1)", "b",
				     str_bytes(hashes.data, hashes.len)));
	queue->counts.seen += (int64_t)(hashes.len / DIGEST_SHORT);
	buf_fini(&hashes);
	while (ok) {
		n = bytes = 0;
		if (!db_get(&queue->db, reterr,
			"SELECT n, length(hashes) FROM seen ORDER BY n LIMIT 1",
			">ii", &n, &bytes))
			return false;
		if (n == 0 ||
		    queue->counts.seen - bytes / DIGEST_SHORT < window)
			break;
		queue->counts.seen -= bytes / DIGEST_SHORT;
		ok = db_run(
		    &queue->db, reterr, "DELETE FROM seen WHERE n=?1", "i", n);
	}
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
		log_line(LOG_ERROR, "queue", "accept result=failed text=%s",
		    LOG_QUOTE(err->text));
}

/* Commit all of them in one transaction, and call back for each. */
static void
committer_commit(struct queue *queue, struct put *puts)
{
	struct err err;
	bool ok;

	fair_lock_hold(&queue->lock);
	ok = committer_begin(queue, puts->now_ms, &err);
	for (struct put *put = puts; ok && put != NULL; put = put->next)
		ok = put_write(queue, put, &err);
	ok = ok && committer_seen_write(queue, puts, &err) &&
	     queue_commit(queue, &err);
	if (!ok)
		queue_rollback(queue, &err);
	queue->last_commit_ms = ok ? puts->now_ms : 0;
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	counter_add(ok ? COUNTER_COMMITS : COUNTER_COMMIT_FAILURES, 1);

	/* One of the puts may be too large. The others must not fail with it,
	 * again and again, whenever the source tries. */
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
	committer_report(queue, ok, &err);
	while (puts != NULL) {
		struct put *put = puts;

		puts = put->next;
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

	fair_lock_hold(&queue->lock);
	if (db_is_open(&queue->db) && queue->last_commit_ms != 0)
		age = probe->now_ms - queue->last_commit_ms;
	fair_lock_drop(&queue->lock);
	return age >= 0 && age < COMMITTER_PROBE_MS;
}

/* ---- clocks: saved in memory, and written when there is time ---- */

bool
queue_clocks_save(
    struct queue *queue, const void *data, size_t len, struct err *reterr)
{
	char *copy = malloc(len + 1), *old;

	if (copy == NULL)
		return err_set_nomem(reterr);
	memcpy(copy, data, len);
	lock_hold(&queue->shown_lock);
	old = queue->clocks;
	queue->clocks = copy;
	queue->clocks_len = len;
	lock_drop(&queue->shown_lock);
	free(old);
	return true;
}

bool
queue_clocks_read(struct queue *queue, struct buf *ret_data, struct err *reterr)
{
	struct db_rows rows;
	struct str data;
	bool ok;

	fair_lock_hold(&queue->lock);
	rows = db_select(&queue->db, reterr,
	    "SELECT value FROM meta WHERE key='clocks'", "");
	if (db_next(&rows, reterr, "b", &data))
		(void)buf_append(ret_data, data.data, data.len);
	ok = db_end(&rows);
	fair_lock_drop(&queue->lock);
	return ok && buf_ok(ret_data, reterr);
}

static bool
clocks_write(struct queue *queue, void *arg, struct err *reterr)
{
	const struct str *data = arg;

	return db_run(&queue->db, reterr,
	    "INSERT OR REPLACE INTO meta VALUES('clocks', ?1)", "b", *data);
}

/* Write what was saved; after a failure the next round tries again. False if
 * there was nothing to write. */
static bool
committer_clocks_write(struct queue *queue)
{
	struct str data;
	struct err err;
	char *bytes;

	lock_hold(&queue->shown_lock);
	bytes = queue->clocks;
	data = str_bytes(bytes, queue->clocks_len);
	queue->clocks = NULL;
	lock_drop(&queue->shown_lock);
	if (bytes == NULL)
		return false;
	if (!queue_change_held(queue, clocks_write, &data, false, &err)) {
		lock_hold(&queue->shown_lock);
		if (queue->clocks == NULL) {
			queue->clocks = bytes;
			queue->clocks_len = data.len;
			bytes = NULL;
		}
		lock_drop(&queue->shown_lock);
	}
	free(bytes);
	return true;
}

/* ---- housekeeping ---- */

static void
committer_checkpoint(struct queue *queue)
{
	struct err err;
	bool broke = false;

	fair_lock_hold(&queue->lock);
	if (db_is_open(&queue->db) &&
	    queue->db.log_pages >= queue->settings.checkpoint_bytes / DB_PAGE &&
	    !db_checkpoint(&queue->db, false, &err) && err.code != ERR_FULL &&
	    err.code != ERR_NOMEM) {
		/* The file may hold half of it; the log has it all. */
		queue_break(queue);
		broke = true;
	}
	fair_lock_drop(&queue->lock);
	if (broke)
		log_line(
		    LOG_ERROR, "queue", "fail text=%s", LOG_QUOTE(err.text));
}

/* Reopen a broken queue. */
static void
committer_reopen(struct queue *queue, int64_t now_ms, int64_t *reopen_ms)
{
	bool tried = false, ok = false;
	struct err err;

	fair_lock_hold(&queue->lock);
	if (!db_is_open(&queue->db) && now_ms >= *reopen_ms) {
		*reopen_ms = now_ms + queue->settings.reopen_ms;
		tried = true;
		counter_add(COUNTER_REOPENS, 1);
		ok = queue_load(queue, &err);
		queue_publish(queue);
	}
	fair_lock_drop(&queue->lock);
	if (!tried)
		return;
	if (ok) {
		log_line(LOG_WARN, "queue", "reopen result=ok");
		queue_wake(queue);
	} else {
		log_line(
		    LOG_ERROR, "queue", "reopen text=%s", LOG_QUOTE(err.text));
	}
}

/* When the housekeeping is to be done again; monotonic clock. */
struct committer_times {
	int64_t reopen_ms, tidy_ms, fold_ms, retry_ms, clocks_ms;
};

struct committer_age {
	bool fold;
	size_t evicted; /* out */
};

/* One step of evicting what has been archived long enough, and now and then of
 * folding old hours of the ledger. */
static bool
committer_age(struct queue *queue, void *arg, struct err *reterr)
{
	int64_t wall_ms = clock_wall_ms();
	struct committer_age *age = arg;

	return archive_evict(queue, wall_ms, false, &age->evicted, reterr) &&
	       (!age->fold || ledger_fold(&queue->db, wall_ms, reterr));
}

/* A failed read looks like damage, and the disk may work again: now and then
 * quarantined batches get another try. */
static bool
committer_retry(
    struct queue *queue, struct committer_times *times, int64_t now_ms)
{
	struct err err;

	if (queue->durable.quarantined == 0) {
		times->retry_ms = 0;
		return false;
	}
	if (times->retry_ms == 0)
		times->retry_ms = now_ms + COMMITTER_RETRY_REOPENS *
					       queue->settings.reopen_ms;
	if (now_ms < times->retry_ms)
		return false;
	times->retry_ms = 0;
	return queue_quarantine_retry(queue, false, &err);
}

static void
committer_tidy(
    struct queue *queue, struct committer_times *times, int64_t now_ms)
{
	struct committer_age age = {.fold = now_ms >= times->fold_ms};
	bool soon = false, due = false;
	struct err err;

	if (now_ms < times->tidy_ms)
		return;
	if (age.fold)
		times->fold_ms = now_ms + COMMITTER_FOLD_MS;
	fair_lock_hold(&queue->lock);
	if (db_is_open(&queue->db) &&
	    (age.fold || queue->durable.archive_batches > 0))
		soon = queue_change_held(
			   queue, committer_age, &age, false, &err) &&
		       age.evicted == ARCHIVE_STEP;
	if (db_is_open(&queue->db)) {
		due = committer_retry(queue, times, now_ms);
		if (now_ms >= times->clocks_ms && committer_clocks_write(queue))
			times->clocks_ms = now_ms + COMMITTER_CLOCKS_MS;
		statedir_reserve_lay(
		    &queue->statedir, queue->settings.min_free_bytes);
	}
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	times->tidy_ms = soon ? now_ms : now_ms + COMMITTER_ROUND_MS;
	if (due)
		queue_wake(queue);
}

void *
committer_main(void *arg)
{
	struct queue *queue = arg;
	struct committer_times times = {.reopen_ms = 0};
	bool stopping = false;

	while (!stopping) {
		int64_t now_ms = clock_mono_ms();
		struct put *puts;

		atomic_store(&queue->beat_mono_ms, now_ms);
		puts = put_take_all(queue,
		    now_ms < times.tidy_ms ? now_ms + COMMITTER_ROUND_MS
					   : now_ms,
		    &stopping);
		if (puts != NULL && puts->next == NULL &&
		    puts->kind == PUT_PROBE &&
		    committer_probe_known(queue, puts))
			put_answer(puts, NULL);
		else if (puts != NULL)
			committer_commit(queue, puts);
		committer_checkpoint(queue);
		now_ms = clock_mono_ms();
		committer_reopen(queue, now_ms, &times.reopen_ms);
		committer_tidy(queue, &times, now_ms);
	}
	fair_lock_hold(&queue->lock);
	(void)committer_clocks_write(queue);
	fair_lock_drop(&queue->lock);
	return NULL;
}
