/* The life of a queue: open, start, stop, close. */

#include "queue/core.h"
#include "queue/put.h"

#include "base/clock.h"
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

static struct queue *
queue_new(const struct queue_settings *settings)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	if (queue == NULL)
		return NULL;
	queue->settings = *settings;
	queue->statedir.lock = -1;
	queue->next_seq = 1;
	lock_init(&queue->inbox_lock);
	cond_init(&queue->inbox_filled);
	fair_lock_init(&queue->lock);
	lock_init(&queue->shown_lock);
	lock_init(&queue->pool_lock);
	buf_init(&queue->packed, SIZE_MAX / 2);
	queue->window = window_new(settings->window_events);
	queue->names = names_new();
	queue->ledger = ledger_new();
	queue->packer = batch_packer_new();
	queue->backlogs = calloc(1, sizeof(*queue->backlogs));
	if (queue->window == NULL || queue->names == NULL ||
	    queue->ledger == NULL || queue->packer == NULL ||
	    queue->backlogs == NULL) {
		queue_close(queue);
		return NULL;
	}
	return queue;
}

/* Create the file if the state directory is new. A log without its file means
 * that there was a queue: then the directory is not new. */
static bool
queue_file_find(const struct statedir *statedir, struct err *reterr)
{
	struct stat info;

	if (stat(statedir->file, &info) == 0) {
		if (info.st_size == 0)
			return err_set(reterr, ERR_DAMAGED,
			    "%s is empty, but a queue file never is: restore a "
			    "backup, or move the file away to start with an "
			    "empty queue",
			    statedir->file);
		return true;
	}
	if (errno != ENOENT)
		return err_set(reterr, ERR_CONFIG, "%s: %s", statedir->file,
		    strerror(errno));
	if (access(statedir->log, F_OK) == 0)
		return err_set(reterr, ERR_DAMAGED,
		    "%s is missing, but its log %s is there: restore a backup, "
		    "or move the log away to start with an empty queue",
		    statedir->file, statedir->log);
	return db_create(statedir->file, reterr);
}

bool
queue_open(const struct queue_settings *settings, struct queue **ret_queue,
    struct err *reterr)
{
	struct queue *queue = queue_new(settings);
	bool loaded;

	if (queue == NULL)
		return err_set_nomem(reterr);
	if (!statedir_take(&queue->statedir, settings->dir,
		settings->reserve_bytes, settings->brief, reterr) ||
	    !queue_file_find(&queue->statedir, reterr)) {
		queue_close(queue);
		return false;
	}
	fair_lock_hold(&queue->lock);
	loaded = queue_load(queue, reterr);
	if (loaded) {
		statedir_reserve_lay(
		    &queue->statedir, settings->min_free_bytes);
		queue_publish(queue);
	}
	fair_lock_drop(&queue->lock);
	if (!loaded) {
		queue_close(queue);
		return false;
	}
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
	lock_hold(&queue->inbox_lock);
	queue->stopping = true;
	cond_wake(&queue->inbox_filled);
	lock_drop(&queue->inbox_lock);
	CHECK(pthread_join(queue->committer, NULL) == 0);
	queue->started = false;
}

void
queue_close(struct queue *queue)
{
	struct err err;

	if (queue == NULL)
		return;
	CHECK(!queue->started && queue->leases == NULL);
	if (db_is_open(&queue->db)) {
		/* Only tidiness: the log is as good as the file. */
		if (!db_checkpoint(&queue->db, true, &err))
			log_line(LOG_DEBUG, "queue", "close text=%s",
			    LOG_QUOTE(err.text));
		db_close(&queue->db);
	}
	put_pool_fini(queue);
	statedir_fini(&queue->statedir);
	window_free(queue->window);
	names_free(queue->names);
	ledger_free(queue->ledger);
	batch_packer_free(queue->packer);
	buf_fini(&queue->packed);
	free(queue->backlogs);
	free(queue->clocks);
	lock_fini(&queue->inbox_lock);
	cond_fini(&queue->inbox_filled);
	fair_lock_fini(&queue->lock);
	lock_fini(&queue->shown_lock);
	lock_fini(&queue->pool_lock);
	free(queue);
}
