#include "queue/inside.h"

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
queue_settings_init(struct queue_settings *settings)
{
	*settings = (struct queue_settings){
	    .max_bytes = (int64_t)10 << 30,
	    .min_free_bytes = (int64_t)256 << 20,
	    .reserve_bytes = (int64_t)32 << 20,
	    .unreadable_max_bytes = (int64_t)256 << 20,
	    .keep_ms = (int64_t)7 * 24 * 3600 * 1000,
	    .keep_bytes = (int64_t)2 << 30,
	    .drift_max = 10000,
	    .window_events = 1000000,
	    .pending_max = 1024,
	    .checkpoint_bytes = (int64_t)4 << 20,
	    .reopen_ms = 1000,
	};
}

/* Fill the window from the table, oldest first. */
static bool
queue_window_load(struct queue *queue, struct err *reterr)
{
	sqlite3_stmt *all =
	    store_statement(&queue->store, STORE_SEEN_ALL, reterr);
	bool row = true;

	if (all == NULL)
		return false;
	window_clear(queue->window);
	queue->seen_events = 0;
	while (row) {
		const unsigned char *hash;
		size_t count;

		if (!store_step(&queue->store, all, &row, reterr))
			return false;
		if (!row)
			break;
		hash = sqlite3_column_blob(all, 0);
		count = (size_t)sqlite3_column_bytes(all, 0) / DIGEST_SHORT;
		queue->seen_events += (int64_t)count;
		for (size_t i = 0; i < count; i++, hash += DIGEST_SHORT) {
			if (!window_has(queue->window, hash))
				window_add(queue->window, hash);
		}
		window_commit(queue->window);
	}
	store_reset(all);
	return true;
}

static bool
queue_seq_load(struct queue *queue, struct err *reterr)
{
	sqlite3_stmt *last =
	    store_statement(&queue->store, STORE_BATCH_LAST, reterr);
	int64_t seq;
	bool row;

	if (last == NULL || !store_step(&queue->store, last, &row, reterr))
		return false;
	seq = sqlite3_column_int64(last, 0) + 1;
	store_reset(last);
	/* Never back: leases of this process may name higher ones. */
	if (queue->next_seq < seq)
		queue->next_seq = seq;
	return true;
}

static bool
queue_meta_int(struct queue *queue, const char *key, int64_t *ret_value,
    struct err *reterr)
{
	sqlite3_stmt *read =
	    store_statement(&queue->store, STORE_META_READ, reterr);
	bool row;

	if (read == NULL)
		return false;
	(void)sqlite3_bind_text(read, 1, key, -1, SQLITE_STATIC);
	if (!store_step(&queue->store, read, &row, reterr))
		return false;
	*ret_value = row ? sqlite3_column_int64(read, 0) : 0;
	store_reset(read);
	return true;
}

/* Two numbers of one row; the second may be absent. */
static bool
queue_pair_load(struct queue *queue, enum store_sql sql, int64_t *ret_first,
    int64_t *ret_second, struct err *reterr)
{
	sqlite3_stmt *pair = store_statement(&queue->store, sql, reterr);
	bool row;

	if (pair == NULL || !store_step(&queue->store, pair, &row, reterr))
		return false;
	*ret_first = sqlite3_column_int64(pair, 0);
	if (ret_second != NULL)
		*ret_second = sqlite3_column_int64(pair, 1);
	store_reset(pair);
	return true;
}

/* Try what was damaged again: a disk that erred may be well now. */
bool
queue_damaged_back(struct queue *queue, struct err *reterr)
{
	static const enum store_sql steps[] = {STORE_BEGIN,
	    STORE_QUARANTINE_BACK, STORE_QUARANTINE_CLEAR, STORE_COMMIT};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		sqlite3_stmt *step =
		    store_statement(&queue->store, steps[i], reterr);

		if (step == NULL || !store_run(&queue->store, step, reterr))
			return false;
	}
	queue->damaged = 0;
	/* Look from the start, but where each is shown once. */
	for (size_t i = 0; i < queue->lane_count; i++) {
		if (!queue->lanes[i].glance)
			queue->lanes[i].fresh_count = 0;
	}
	return true;
}

/* The same at open, where nothing is written if there are none: a full disk
 * does not keep the queue from opening. */
static bool
queue_damaged_open(struct queue *queue, struct err *reterr)
{
	bool ok = queue_pair_load(
	    queue, STORE_QUARANTINE_COUNT, &queue->damaged, NULL, reterr);

	for (size_t i = 0; i < queue->lane_count; i++)
		queue->lanes[i].fresh_count = 0;
	while (ok && queue->damaged > 0 && !queue_damaged_back(queue, reterr))
		ok = queue_relieve(queue, reterr);
	return ok;
}

static bool
queue_aside_load(struct queue *queue, struct err *reterr)
{
	return queue_damaged_open(queue, reterr) &&
	       queue_pair_load(queue, STORE_UNREADABLE_TOTALS, &queue->bodies,
		   &queue->body_bytes, reterr) &&
	       queue_pair_load(
		   queue, STORE_DRIFT_COUNT, &queue->notes, NULL, reterr) &&
	       queue_meta_int(
		   queue, "archive_batches", &queue->archive_batches, reterr) &&
	       queue_meta_int(
		   queue, "archive_bytes", &queue->archive_bytes, reterr) &&
	       queue_meta_int(
		   queue, "unreadable_removed", &queue->bodies_removed, reterr);
}

/* The key of the hashes: made once for each file. */
static bool
queue_key_load(struct queue *queue, struct err *reterr)
{
	sqlite3_stmt *read =
	    store_statement(&queue->store, STORE_META_READ, reterr);
	sqlite3_stmt *write;
	bool row;

	if (read == NULL)
		return false;
	(void)sqlite3_bind_text(read, 1, "hash_key", -1, SQLITE_STATIC);
	if (!store_step(&queue->store, read, &row, reterr))
		return false;
	if (row && sqlite3_column_bytes(read, 0) == DIGEST_KEY) {
		memcpy(
		    queue->hash_key, sqlite3_column_blob(read, 0), DIGEST_KEY);
		store_reset(read);
		return true;
	}
	store_reset(read);
	digest_random(queue->hash_key, DIGEST_KEY);
	write = store_statement(&queue->store, STORE_META_WRITE, reterr);
	if (write == NULL)
		return false;
	(void)sqlite3_bind_text(write, 1, "hash_key", -1, SQLITE_STATIC);
	(void)sqlite3_bind_blob(
	    write, 2, queue->hash_key, DIGEST_KEY, SQLITE_STATIC);
	return store_run(&queue->store, write, reterr);
}

/* Open the file, unless it is, and move all of the log into it. The log is
 * durable already (store_log.c), but only a disk that takes this is trusted
 * with more: a log would otherwise go on growing beside a file that cannot be
 * written. */
static bool
queue_log_move(struct queue *queue, struct err *reterr)
{
	if (queue->broken &&
	    !store_open(&queue->store, queue->place.file, reterr))
		return false;
	queue->broken = false;
	return store_checkpoint(&queue->store, true, reterr);
}

/* On a full disk the ballast, once, makes room for it. */
static bool
queue_log_move_with_ballast(struct queue *queue, struct err *reterr)
{
	struct err full;

	if (queue_log_move(queue, reterr))
		return true;
	if (reterr->code == ERR_FULL && place_ballast_drop(&queue->place) &&
	    queue_log_move(queue, reterr))
		return true;
	full = *reterr;
	if (full.code == ERR_FULL)
		return err_set(reterr, ERR_FULL,
		    "%.300s; make room on the disk of %s: the events in it are"
		    " safe, and wait",
		    full.text, queue->settings.dir);
	return false;
}

static bool
queue_file_open(struct queue *queue, struct err *reterr)
{
	if (queue_log_move_with_ballast(queue, reterr) &&
	    queue_key_load(queue, reterr) &&
	    names_load(queue->names, &queue->store, reterr) &&
	    ledger_load(queue->ledger, &queue->store, reterr) &&
	    lane_load(queue, reterr) && queue_window_load(queue, reterr) &&
	    queue_seq_load(queue, reterr) && queue_aside_load(queue, reterr))
		return true;
	queue_break(queue);
	return false;
}

bool
queue_reopen(struct queue *queue, struct err *reterr)
{
	CHECK(queue->broken);
	counter_add(COUNTER_REOPENS, 1);
	return queue_file_open(queue, reterr);
}

/* Make the file if this is a new place. A log without its file is the trace
 * of one that was here: that is not a new place. */
static bool
queue_file_find(struct queue *queue, struct err *reterr)
{
	const struct place *place = &queue->place;
	struct stat info;

	if (stat(place->file, &info) == 0) {
		if (info.st_size == 0)
			return err_set(reterr, ERR_DAMAGED,
			    "%s is empty, which a queue never is: restore a"
			    " backup, or move it away to begin anew",
			    place->file);
		return true;
	}
	if (errno != ENOENT)
		return err_set(
		    reterr, ERR_CONFIG, "%s: %s", place->file, strerror(errno));
	if (access(place->log, F_OK) == 0)
		return err_set(reterr, ERR_DAMAGED,
		    "%s is missing but its log %s is there: restore a backup,"
		    " or move the log away to begin anew",
		    place->file, place->log);
	return store_create(place->file, reterr);
}

static struct queue *
queue_new(const struct queue_settings *settings)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	if (queue == NULL)
		return NULL;
	queue->settings = *settings;
	queue->place.lock = -1;
	queue->next_seq = 1;
	queue->broken = true;
	lock_init(&queue->inbox);
	cond_init(&queue->inbox_filled);
	lock_init(&queue->held);
	lock_init(&queue->shelf);
	lock_init(&queue->pool);
	buf_init(&queue->packed, SIZE_MAX / 2);
	queue->window = window_new(settings->window_events);
	queue->names = names_new();
	queue->ledger = ledger_new();
	queue->packer = parcel_packer_new();
	queue->lanes = calloc(QUEUE_LANES_MAX, sizeof(*queue->lanes));
	if (queue->window == NULL || queue->names == NULL ||
	    queue->ledger == NULL || queue->packer == NULL ||
	    queue->lanes == NULL) {
		queue_close(queue);
		return NULL;
	}
	return queue;
}

bool
queue_open(const struct queue_settings *settings, struct queue **ret_queue,
    struct err *reterr)
{
	struct queue *queue = queue_new(settings);

	if (queue == NULL)
		return err_set_nomem(reterr);
	if (!place_take(&queue->place, settings->dir, settings->reserve_bytes,
		settings->brief, reterr) ||
	    !queue_file_find(queue, reterr) ||
	    !queue_file_open(queue, reterr)) {
		queue_close(queue);
		return false;
	}
	place_ballast_lay(&queue->place, settings->min_free_bytes);
	queue_show(queue);
	*ret_queue = queue;
	return true;
}

bool
queue_start(struct queue *queue, struct err *reterr)
{
	CHECK(!queue->started);
	atomic_store(&queue->beat_mono_ms, clock_mono_ms());
	if (pthread_create(&queue->committer, NULL, committer_main, queue) != 0)
		return err_set(
		    reterr, ERR_NOMEM, "cannot start the committer thread");
	queue->started = true;
	return true;
}

void
queue_stop(struct queue *queue)
{
	if (!queue->started)
		return;
	lock_hold(&queue->inbox);
	queue->stopping = true;
	cond_wake(&queue->inbox_filled);
	lock_drop(&queue->inbox);
	CHECK(pthread_join(queue->committer, NULL) == 0);
	queue->started = false;
}

void
queue_close(struct queue *queue)
{
	struct err err;

	if (queue == NULL)
		return;
	CHECK(!queue->started && queue->holdings == NULL);
	if (!queue->broken) {
		/* Only tidiness: the log is as good as the file. */
		if (!store_checkpoint(&queue->store, true, &err))
			log_line(LOG_DEBUG, "queue", "close text=%s",
			    LOG_QUOTE(err.text));
		store_close(&queue->store);
	}
	put_pool_fini(queue);
	place_fini(&queue->place);
	window_free(queue->window);
	names_free(queue->names);
	ledger_free(queue->ledger);
	parcel_packer_free(queue->packer);
	buf_fini(&queue->packed);
	free(queue->lanes);
	free(queue->clocks);
	lock_fini(&queue->inbox);
	cond_fini(&queue->inbox_filled);
	lock_fini(&queue->held);
	lock_fini(&queue->shelf);
	lock_fini(&queue->pool);
	free(queue);
}
