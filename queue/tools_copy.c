/* The file as a whole: rebuilding it, and copying it while it is in use. */

#include "queue/tools_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BACKUP_STEP_PAGES = 256 }; /* 4 MiB */

/* It is written to the log as a whole, and copied on the way. */
static bool
tools_rebuild(struct queue *queue, struct err *reterr)
{
	int64_t live, file, left;

	if (!store_sizes(&queue->store, &live, &file, reterr) ||
	    !place_free_bytes(&queue->place, &left, reterr))
		return false;
	if (left < live + queue->settings.min_free_bytes)
		return err_set(reterr, ERR_FULL,
		    "rebuilding the file takes %lld bytes more while it runs, "
		    "and %lld are free: make room, and try again",
		    (long long)live, (long long)left);
	return store_vacuum(&queue->store, reterr);
}

/* Empty the log, after a rebuild if that is wanted. */
static bool
tools_tidy(struct queue *queue, bool rebuild, struct err *reterr)
{
	struct err err;
	bool ok;

	lock_hold(&queue->held);
	if (queue->broken)
		ok = err_set(reterr, ERR_IO,
		    "the disk failed; the queue is being opened anew");
	else
		ok = (!rebuild || tools_rebuild(queue, reterr)) &&
		     store_checkpoint(&queue->store, true, reterr);
	/* A rebuild that found no room leaves a log as large as the file. */
	if (!ok && rebuild && reterr->code == ERR_FULL &&
	    !store_checkpoint(&queue->store, true, &err) && err.code == ERR_IO)
		queue_break(queue);
	if (!ok && reterr->code == ERR_IO)
		queue_break(queue);
	queue_show(queue);
	lock_drop(&queue->held);
	return ok;
}

bool
jobs_vacuum(struct queue *queue, struct err *reterr)
{
	return tools_tidy(queue, true, reterr);
}

bool
tools_log_empty(struct queue *queue, struct err *reterr)
{
	return tools_tidy(queue, false, reterr);
}

/* SQLite copies what this connection writes meanwhile into the copy too, so
 * it is consistent at the end; a queue that breaks ends it (store_close). */
struct jobs_backup {
	struct queue *queue;
	sqlite3 *copy;
	sqlite3_backup *backup;
};

static bool
backup_open(struct jobs_backup *backup, const char *path, struct err *reterr)
{
	struct queue *queue = backup->queue;

	if (sqlite3_open_v2(path, &backup->copy, SQLITE_OPEN_READWRITE, NULL) !=
	    SQLITE_OK)
		return err_set(reterr, ERR_IO, "%s: cannot open", path);
	lock_hold(&queue->held);
	if (!queue->broken && queue->store.backup == NULL)
		backup->backup = queue->store.backup = sqlite3_backup_init(
		    backup->copy, "main", queue->store.db, "main");
	lock_drop(&queue->held);
	if (backup->backup != NULL)
		return true;
	return err_set(reterr, ERR_IO,
	    "%s: cannot begin: another backup runs, or the disk failed", path);
}

bool
jobs_backup_begin(struct queue *queue, const char *path,
    struct jobs_backup **ret_backup, struct err *reterr)
{
	struct jobs_backup *backup;
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(reterr, ERR_CONFIG, "%s: cannot create: %s",
		    path, strerror(errno));
	(void)close(fd);
	backup = calloc(1, sizeof(*backup));
	if (backup == NULL)
		return err_set_nomem(reterr);
	backup->queue = queue;
	if (!backup_open(backup, path, reterr)) {
		jobs_backup_end(backup);
		(void)unlink(path);
		return false;
	}
	*ret_backup = backup;
	return true;
}

bool
jobs_backup_step(struct jobs_backup *backup, bool *ret_more,
    int64_t *ret_left_bytes, struct err *reterr)
{
	struct queue *queue = backup->queue;
	int rc = SQLITE_ABORT;

	lock_hold(&queue->held);
	if (queue->store.backup == backup->backup) {
		rc = sqlite3_backup_step(backup->backup, BACKUP_STEP_PAGES);
		*ret_left_bytes =
		    (int64_t)sqlite3_backup_remaining(backup->backup) *
		    STORE_PAGE;
	}
	lock_drop(&queue->held);
	*ret_more = rc == SQLITE_OK;
	if (rc == SQLITE_OK || rc == SQLITE_DONE)
		return true;
	return err_set(reterr, ERR_IO, "backup: %s", sqlite3_errstr(rc));
}

void
jobs_backup_end(struct jobs_backup *backup)
{
	struct queue *queue;

	if (backup == NULL)
		return;
	queue = backup->queue;
	lock_hold(&queue->held);
	if (backup->backup != NULL && queue->store.backup == backup->backup) {
		(void)sqlite3_backup_finish(backup->backup);
		queue->store.backup = NULL;
	}
	lock_drop(&queue->held);
	(void)sqlite3_close(backup->copy);
	free(backup);
}
