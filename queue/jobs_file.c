/* The operator's jobs on the file as a whole: checking it, rebuilding it,
 * copying it while it is in use; and on unreadable bodies. */

#include "queue/jobs.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the deep check ---- */

static void
check_fault(struct jobs_check *check, const char *text)
{
	check->faults++;
	check->fn(check->arg, text);
}

/* Can it be unpacked? */
static bool
check_frame(
    const struct jobs_check *check, struct str frame, struct err *reterr)
{
	struct batch batch;
	char *bytes = NULL;
	size_t len;
	bool ok;

	if (check->bodies) {
		ok = batch_unpack_bytes(frame, &bytes, &len, reterr);
		free(bytes);
		return ok;
	}
	if (!batch_unpack(frame, &batch, reterr))
		return false;
	batch_fini(&batch);
	return true;
}

/* The next batch, then the next unreadable body. */
static bool
check_next(struct queue *queue, struct jobs_check *check, bool *ret_there,
    struct err *reterr)
{
	struct db_rows rows = db_select(&queue->db, reterr,
	    check->bodies ? "SELECT id, data FROM unreadable WHERE id>?1"
			    " AND id<=?2 ORDER BY id LIMIT 1"
			  : "SELECT seq, data FROM batch WHERE seq>?1"
			    " AND seq<=?2 ORDER BY seq LIMIT 1",
	    "ii", check->after, check->last);
	struct err err;
	char text[600];
	struct str frame;

	*ret_there = db_next(&rows, reterr, "ib", &check->after, &frame);
	if (*ret_there) {
		check->batches += !check->bodies;
		if (!check_frame(check, frame, &err)) {
			(void)snprintf(text, sizeof(text), "%s %lld: %s",
			    check->bodies ? "unreadable body" : "batch",
			    (long long)check->after, err.text);
			check_fault(check, text);
		}
	}
	return db_end(&rows);
}

/* Run SQLite's own check, and set where the walks end. */
static bool
check_begin(struct queue *queue, struct jobs_check *check, struct err *reterr)
{
	struct db_rows rows =
	    db_select(&queue->db, reterr, "PRAGMA integrity_check(100)", "");
	const char *text;

	while (db_next(&rows, reterr, "t", &text)) {
		if (strcmp(text, "ok") != 0)
			check_fault(check, text);
	}
	check->last = queue->next_seq - 1;
	check->begun =
	    db_end(&rows) && db_get(&queue->db, reterr,
				 "SELECT coalesce(max(id), 0) FROM unreadable",
				 ">i", &check->last_body);
	return check->begun;
}

bool
jobs_check(struct queue *queue, struct jobs_check *check, struct err *reterr)
{
	bool ok = true, there = true;
	int64_t until_ms;

	fair_lock_hold(&queue->lock);
	if (!check->begun)
		ok = check_begin(queue, check, reterr);
	until_ms = clock_mono_ms() + JOBS_STEP_MS;
	for (int n = 0; ok && there && n < JOBS_STEP_BATCHES; n++) {
		ok = check_next(queue, check, &there, reterr);
		if (ok && !there && !check->bodies) {
			check->bodies = there = true;
			check->after = 0;
			check->last = check->last_body;
		}
		if (clock_mono_ms() >= until_ms)
			break;
	}
	fair_lock_drop(&queue->lock);
	check->more = there;
	return ok;
}

/* ---- rebuilding ---- */

/* VACUUM writes the whole file to the log, from a temporary copy. */
static bool
file_rebuild(struct queue *queue, struct err *reterr)
{
	int64_t live, file, left;

	if (!db_sizes(&queue->db, &live, &file, reterr) ||
	    !statedir_free_bytes(&queue->statedir, &left, reterr))
		return false;
	if (left < live + queue->settings.min_free_bytes)
		return err_set(reterr, ERR_FULL,
		    "rebuilding the file needs another %lld bytes while it "
		    "runs, but only %lld are free: free some space, and try "
		    "again",
		    (long long)live, (long long)left);
	return db_vacuum(&queue->db, reterr);
}

/* Empty the log, after a rebuild if that is wanted. */
static bool
file_tidy(struct queue *queue, bool rebuild, struct err *reterr)
{
	struct err err;
	bool ok;

	fair_lock_hold(&queue->lock);
	ok = (!rebuild || file_rebuild(queue, reterr)) &&
	     db_checkpoint(&queue->db, true, reterr);
	/* A rebuild that found no room leaves a log as large as the file. */
	if (!ok && rebuild && reterr->code == ERR_FULL &&
	    !db_checkpoint(&queue->db, true, &err) && err.code == ERR_IO)
		queue_break(queue);
	if (!ok && reterr->code == ERR_IO)
		queue_break(queue);
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	return ok;
}

bool
jobs_vacuum(struct queue *queue, struct err *reterr)
{
	return file_tidy(queue, true, reterr);
}

bool
jobs_log_empty(struct queue *queue, struct err *reterr)
{
	return file_tidy(queue, false, reterr);
}

/* ---- copying ---- */

enum {
	BACKUP_PAGES = 16,	/* at once: 128 KiB */
	BACKUP_STEP_PAGES = 32, /* in one step, at most */
};

struct jobs_backup {
	struct queue *queue;
	struct db_backup *backup;
	char *path; /* of the copy; owned */
	int fd;	    /* likewise, to sync it */
};

bool
jobs_backup_begin(struct queue *queue, const char *path,
    struct jobs_backup **ret_backup, struct err *reterr)
{
	struct jobs_backup *backup = calloc(1, sizeof(*backup));
	bool ok;

	if (backup == NULL)
		return err_set_nomem(reterr);
	backup->queue = queue;
	backup->path = strdup(path);
	backup->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (backup->fd < 0) {
		(void)err_set(reterr, ERR_CONFIG, "%s: cannot create: %s", path,
		    strerror(errno));
		jobs_backup_end(backup);
		return false;
	}
	fair_lock_hold(&queue->lock);
	ok = backup->path == NULL
		 ? err_set_nomem(reterr)
		 : db_backup_begin(&queue->db, path, &backup->backup, reterr);
	fair_lock_drop(&queue->lock);
	if (!ok) {
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
	int64_t until_ms;
	bool ok;

	fair_lock_hold(&queue->lock);
	until_ms = clock_mono_ms() + JOBS_STEP_MS;
	for (int pages = 0; pages < BACKUP_STEP_PAGES; pages += BACKUP_PAGES) {
		ok = db_backup_step(backup->backup, BACKUP_PAGES, ret_more,
		    ret_left_bytes, reterr);
		if (!ok || !*ret_more || clock_mono_ms() >= until_ms)
			break;
	}
	fair_lock_drop(&queue->lock);
	if (!ok)
		return false;
	/* After each step, and without the lock: else a file system makes the
	 * next commit wait until all that was written to the copy is synced. */
	if (fdatasync(backup->fd) != 0)
		return err_set(reterr, ERR_IO, "%s: cannot sync: %s",
		    backup->path, strerror(errno));
	return *ret_more || db_sync_dir(backup->path, reterr);
}

void
jobs_backup_end(struct jobs_backup *backup)
{
	if (backup == NULL)
		return;
	fair_lock_hold(&backup->queue->lock);
	db_backup_end(backup->backup);
	fair_lock_drop(&backup->queue->lock);
	if (backup->fd >= 0)
		(void)close(backup->fd);
	free(backup->path);
	free(backup);
}

/* ---- unreadable bodies; a body may be large, and searching it slow, so it is
 * copied and shown without the lock ---- */

/* A body out of its row; all owned. */
struct body_copy {
	int64_t id, received_ms;
	char *source, *reason, *encoding, *frame;
	size_t frame_len;
};

static void
body_copy_fini(struct body_copy *copy)
{
	free(copy->source);
	free(copy->reason);
	free(copy->encoding);
	free(copy->frame);
}

/* The body after that id; copy->id stays 0 if there is none. */
static bool
body_copy_next(struct queue *queue, int64_t after, struct body_copy *copy,
    struct err *reterr)
{
	const char *source, *reason, *encoding;
	struct db_rows rows;
	struct str frame;
	bool ok = true;

	fair_lock_hold(&queue->lock);
	rows = db_select(&queue->db, reterr,
	    "SELECT u.id, u.received_ms, s.text, u.reason, u.encoding, u.data"
	    " FROM unreadable u JOIN name s ON s.id=u.source WHERE u.id>?1"
	    " ORDER BY u.id LIMIT 1",
	    "i", after);
	if (db_next(&rows, reterr, "iitttb", &copy->id, &copy->received_ms,
		&source, &reason, &encoding, &frame)) {
		copy->source = strdup(source);
		copy->reason = strdup(reason);
		copy->encoding = strdup(encoding);
		copy->frame = malloc(frame.len + 1);
		copy->frame_len = frame.len;
		ok = copy->source != NULL && copy->reason != NULL &&
		     copy->encoding != NULL && copy->frame != NULL;
		if (ok && frame.len > 0)
			memcpy(copy->frame, frame.data, frame.len);
	}
	if (!db_end(&rows))
		ok = false;
	else if (!ok)
		(void)err_set_nomem(reterr);
	fair_lock_drop(&queue->lock);
	return ok;
}

static bool
body_show(const struct body_copy *copy, jobs_unreadable_fn *fn, void *arg,
    bool *ret_chosen, struct err *reterr)
{
	struct jobs_unreadable body = {
	    .id = copy->id,
	    .source = copy->source,
	    .received_ms = copy->received_ms,
	    .reason = copy->reason,
	    .encoding = copy->encoding,
	};
	char *bytes = NULL;
	bool ok = true;

	*ret_chosen = false;
	if (batch_unpack_bytes(str_bytes(copy->frame, copy->frame_len), &bytes,
		&body.data.len, reterr)) {
		body.data.data = bytes;
		*ret_chosen = fn(arg, &body);
	} else {
		/* A damaged body is skipped; the deep check reports it. */
		ok = reterr->code == ERR_DAMAGED;
	}
	free(bytes);
	return ok;
}

static bool
body_delete(struct queue *queue, void *arg, struct err *reterr)
{
	const struct body_copy *copy = arg;
	int there = 0;

	if (!db_get(&queue->db, reterr,
		"DELETE FROM unreadable WHERE id=?1 RETURNING 1", "i>d",
		copy->id, &there))
		return false;
	if (there) {
		queue->counts.unreadable--;
		queue->counts.unreadable_removed++;
		queue->counts.unreadable_bytes -= (int64_t)copy->frame_len;
	}
	return true;
}

bool
jobs_unreadable_next(struct queue *queue, int64_t after, jobs_unreadable_fn *fn,
    void *arg, bool remove, int64_t *ret_last, struct err *reterr)
{
	struct body_copy copy = {0};
	bool chosen = false, ok;

	ok = body_copy_next(queue, after, &copy, reterr) &&
	     (copy.id == 0 || body_show(&copy, fn, arg, &chosen, reterr)) &&
	     (!chosen || !remove ||
		 queue_change(queue, body_delete, &copy, false, reterr));
	if (ok)
		*ret_last = copy.id;
	body_copy_fini(&copy);
	return ok;
}
