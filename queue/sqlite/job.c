/* Jobs on the file as a whole: checking it, emptying the log, and copying it
 * while it is in use. */

#include "queue/sqlite/store.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	JOB_STEP_MS = 2,
	JOB_BACKUP_PAGES = 16,	    /* at once: 128 KiB */
	JOB_BACKUP_STEP_PAGES = 32, /* in one step, at most */
};

static bool
job_check(struct store *store, struct engine_job *job, struct err *reterr)
{
	struct db_rows rows =
	    db_select(&store->db, reterr, "PRAGMA integrity_check(100)", "");
	const char *text;

	while (db_next(&rows, reterr, "t", &text)) {
		if (strcmp(text, "ok") != 0)
			job->fn(job->arg, text);
	}
	return db_end(&rows);
}

static bool
job_flush(struct store *store, struct err *reterr)
{
	if (!store_ours(store, reterr))
		return false;
	if (store_checkpoint(store, true, reterr))
		return true;
	if (reterr->code == ERR_IO)
		store_break(store);
	return false;
}

/* ---- copying ---- */

struct job_backup {
	struct db_backup *backup;
	int fd;	    /* of the copy, to sync it */
	bool whole; /* all pages are copied */
};

static void
job_backup_end(struct job_backup *state)
{
	if (state == NULL)
		return;
	db_backup_end(state->backup);
	if (state->fd >= 0)
		(void)close(state->fd);
	free(state);
}

static bool
job_backup_begin(
    struct store *store, struct engine_job *job, struct err *reterr)
{
	struct job_backup *state = calloc(1, sizeof(*state));

	if (state == NULL)
		return err_set_nomem(reterr);
	state->fd =
	    open(job->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (state->fd < 0) {
		(void)err_set(reterr, ERR_CONFIG, "%s: cannot create: %s",
		    job->path, strerror(errno));
		job_backup_end(state);
		return false;
	}
	if (!db_backup_begin(&store->db, job->path, &state->backup, reterr)) {
		job_backup_end(state);
		(void)unlink(job->path);
		return false;
	}
	job->state = state;
	job->more = true;
	return true;
}

/* Copy some pages, and sync them in a step without the lock: else a file
 * system makes the next commit wait until all that was written to the copy is
 * synced. */
static bool
job_backup_step(struct engine_job *job, struct err *reterr)
{
	struct job_backup *state = job->state;
	int64_t until_ms = clock_mono_ms() + JOB_STEP_MS;
	bool ok = true, more = true;

	if (job->unlocked) {
		job->unlocked = false;
		job->more = !state->whole;
		if (fdatasync(state->fd) != 0)
			return err_set(reterr, ERR_IO, "%s: cannot sync: %s",
			    job->path, strerror(errno));
		return job->more || db_sync_dir(job->path, reterr);
	}
	for (int pages = 0; ok && more && pages < JOB_BACKUP_STEP_PAGES;
	     pages += JOB_BACKUP_PAGES) {
		ok = db_backup_step(state->backup, JOB_BACKUP_PAGES, &more,
		    &job->left_bytes, reterr);
		if (clock_mono_ms() >= until_ms)
			break;
	}
	job->unlocked = ok;
	state->whole = ok && !more;
	return ok;
}

bool
store_job(struct store *store, struct engine_job *job, struct err *reterr)
{
	switch (job->verb) {
	case ENGINE_CHECK:
		return job->end || job_check(store, job, reterr);
	case ENGINE_FLUSH:
		return job->end || job_flush(store, reterr);
	case ENGINE_BACKUP:
		if (job->end)
			job_backup_end(job->state);
		else if (job->state == NULL)
			return job_backup_begin(store, job, reterr);
		else
			return job_backup_step(job, reterr);
		return true;
	}
	NEVER("a job of no kind");
}
