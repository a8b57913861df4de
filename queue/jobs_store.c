/* The operator's jobs on the store as a whole: checking it, leaving nothing of
 * what was removed, copying it while it is in use; and on unreadable bodies. */

#include "queue/jobs.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the deep check ---- */

struct check_step {
	struct jobs_check *check;
	int64_t until_ms; /* monotonic */
	bool ok;
	struct err *reterr;
};

static void
check_fault(void *arg, const char *text)
{
	struct jobs_check *check = arg;

	check->faults++;
	check->fn(check->arg, text);
}

/* Note whether it could be unpacked. */
static bool
check_frame(struct check_step *step, const char *what, int64_t id, bool ok,
    const struct err *err)
{
	char text[600];

	if (!ok && err->code == ERR_NOMEM) {
		step->ok = err_set_nomem(step->reterr);
	} else if (!ok) {
		(void)snprintf(text, sizeof(text), "%s %lld: %s", what,
		    (long long)id, err->text);
		check_fault(step->check, text);
	}
	return step->ok && clock_mono_ms() < step->until_ms;
}

static bool
check_batch(void *arg, const union engine_row *row)
{
	struct check_step *step = arg;
	struct batch batch = {.bytes = NULL};
	struct err err = {ERR_DAMAGED, "it cannot be read"};
	bool ok = row->delivery.frame.data != NULL &&
		  batch_unpack(row->delivery.frame, &batch, &err);

	step->check->batches++;
	batch_fini(&batch);
	return check_frame(step, "batch", row->delivery.seq, ok, &err);
}

static bool
check_body(void *arg, const union engine_row *row)
{
	struct err err = {ERR_DAMAGED, "it cannot be read"};
	char *bytes = NULL;
	size_t len;
	bool ok = row->unreadable.frame.data != NULL &&
		  batch_unpack_bytes(row->unreadable.frame, &bytes, &len, &err);

	free(bytes);
	return check_frame(
	    arg, "unreadable body", row->unreadable.id, ok, &err);
}

static bool
check_dead(void *arg, const union engine_row *row)
{
	struct dead_row letters = {.letters = NULL};
	struct err err;
	bool ok = dead_row_read(&row->dead, &letters, &err);

	dead_row_fini(&letters);
	return check_frame(arg, "row of dead letters", row->dead.id, ok, &err);
}

/* Without its marks a batch is found all the same, but not as soon. */
static bool
check_marks(void *arg, const union engine_row *row)
{
	struct err err = {ERR_DAMAGED, "it cannot be read"};
	char *bytes = NULL;
	size_t len;
	bool ok = row->marks.frame.data != NULL &&
		  batch_unpack_bytes(row->marks.frame, &bytes, &len, &err);

	free(bytes);
	return check_frame(arg, "row of marks", row->marks.last, ok, &err);
}

/* A step of the store's own check; a store that has none is checked by its
 * checksums. */
static bool
check_store(struct queue *queue, struct jobs_check *check, struct err *reterr)
{
	struct engine_job *job = &check->store;
	struct err err;
	bool ok;

	job->verb = ENGINE_CHECK;
	job->fn = check_fault;
	job->arg = check;
	job->more = false;
	fair_lock_hold(&queue->lock);
	ok = queue->engine->job(queue->store, job, &err) ||
	     err.code == ERR_UNSUPPORTED;
	fair_lock_drop(&queue->lock);
	check->begun = ok && !job->more;
	check->locking = ok && job->more;
	check->more = true;
	return ok || err_set(reterr, err.code, "%s", err.text);
}

static const struct check_table {
	enum engine_table table;
	engine_row_fn *fn;
	const char *what;
} check_tables[] = {
    {ENGINE_BATCHES, check_batch, "batches"},
    {ENGINE_DEAD, check_dead, "dead letters"},
    {ENGINE_UNREADABLE, check_body, "unreadable bodies"},
    {ENGINE_MARKS, check_marks, "marks"},
};

/* Where rows were passed over there may be more than one. */
static void
check_passed_over(struct jobs_check *check, const char *what)
{
	char text[160];

	if (check->at.damaged == 0)
		return;
	(void)snprintf(text, sizeof(text),
	    "%s: %zu times some were passed over that cannot be read; "
	    "`currentsd queue rescue` may find them",
	    what, check->at.damaged);
	check_fault(check, text);
}

bool
jobs_check(struct queue *queue, struct jobs_check *check, struct err *reterr)
{
	const struct check_table *table = &check_tables[check->table];
	struct check_step step = {.check = check, .ok = true, .reterr = reterr};
	bool ok, more;

	if (!check->begun)
		return check_store(queue, check, reterr);
	fair_lock_hold(&queue->lock);
	step.until_ms = clock_mono_ms() + JOBS_STEP_MS;
	ok = queue->engine->walk(queue->store, table->table, &check->at,
	    JOBS_STEP_BATCHES, table->fn, &step, &more, reterr);
	fair_lock_drop(&queue->lock);
	if (ok && !more) {
		check_passed_over(check, table->what);
		check->table++;
		check->at = (struct engine_cursor){.begun = false};
	}
	check->more =
	    check->table < sizeof(check_tables) / sizeof(*check_tables);
	return ok && step.ok;
}

/* ---- leaving nothing ---- */

/* A store that has no such job leaves nothing. */
bool
jobs_flush(struct queue *queue, struct err *reterr)
{
	struct engine_job job = {.verb = ENGINE_FLUSH};
	struct err err;
	bool ok;

	fair_lock_hold(&queue->lock);
	ok = queue->engine->job(queue->store, &job, &err);
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	return ok || err.code == ERR_UNSUPPORTED ||
	       err_set(reterr, err.code, "%s", err.text);
}

/* ---- copying ---- */

struct jobs_backup {
	struct queue *queue;
	struct engine_job job;
	char *path; /* owned */
};

static bool
backup_step(struct jobs_backup *backup, struct err *reterr)
{
	struct queue *queue = backup->queue;
	bool locked = !backup->job.unlocked, ok;

	if (locked)
		fair_lock_hold(&queue->lock);
	ok = queue->engine->job(queue->store, &backup->job, reterr);
	if (locked)
		fair_lock_drop(&queue->lock);
	return ok;
}

bool
jobs_backup_begin(struct queue *queue, const char *path,
    struct jobs_backup **ret_backup, struct err *reterr)
{
	struct jobs_backup *backup = calloc(1, sizeof(*backup));

	if (backup == NULL)
		return err_set_nomem(reterr);
	backup->queue = queue;
	backup->path = strdup(path);
	backup->job =
	    (struct engine_job){.verb = ENGINE_BACKUP, .path = backup->path};
	if (backup->path == NULL ? err_set_nomem(reterr)
				 : backup_step(backup, reterr)) {
		*ret_backup = backup;
		return true;
	}
	jobs_backup_end(backup);
	return false;
}

bool
jobs_backup_step(struct jobs_backup *backup, bool *ret_more,
    int64_t *ret_left_bytes, struct err *reterr)
{
	if (!backup_step(backup, reterr) ||
	    (backup->job.unlocked && !backup_step(backup, reterr)))
		return false;
	*ret_more = backup->job.more;
	*ret_left_bytes = backup->job.left_bytes;
	return true;
}

void
jobs_backup_end(struct jobs_backup *backup)
{
	struct err err;

	if (backup == NULL)
		return;
	backup->job.end = true;
	backup->job.unlocked = false;
	(void)!backup_step(backup, &err);
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
	bool failed; /* for want of memory */
};

static void
body_copy_fini(struct body_copy *copy)
{
	free(copy->source);
	free(copy->reason);
	free(copy->encoding);
	free(copy->frame);
}

static bool
body_copy_row(void *arg, const union engine_row *row)
{
	struct body_copy *copy = arg;
	const struct engine_unreadable *body = &row->unreadable;

	copy->id = body->id;
	copy->received_ms = body->received_ms;
	copy->source = strdup(body->source.data);
	copy->reason = strdup(body->reason.data);
	copy->encoding = strdup(body->encoding.data);
	copy->frame = malloc(body->frame.len + 1);
	copy->frame_len = body->frame.len;
	copy->failed = copy->source == NULL || copy->reason == NULL ||
		       copy->encoding == NULL || copy->frame == NULL;
	if (!copy->failed && body->frame.len > 0)
		memcpy(copy->frame, body->frame.data, body->frame.len);
	return false;
}

/* The body after that id; copy->id stays 0 if there is none. */
static bool
body_copy_next(struct queue *queue, int64_t after, struct body_copy *copy,
    struct err *reterr)
{
	struct engine_cursor cursor = {
	    .at = {after}, .last = INT64_MAX, .begun = true};
	bool ok, more;

	fair_lock_hold(&queue->lock);
	ok = queue->engine->walk(queue->store, ENGINE_UNREADABLE, &cursor, 1,
	    body_copy_row, copy, &more, reterr);
	fair_lock_drop(&queue->lock);
	return ok && (!copy->failed || err_set_nomem(reterr));
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

	(void)reterr;
	changes_add(&queue->changes, ENGINE_UNREADABLE_DELETE)
	    ->row.unreadable.id = copy->id;
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
