#include "daemon/job.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "daemon/persons.h"
#include "schema/json/text.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	JOB_TEXT = 200,
	JOB_WAIT_MS = 50, /* between two reports of what locks the queue */
	JOB_BODY_MAX = 1024 * 1024 * 1024,
};

void
selection_init(struct selection *selection)
{
	*selection = (struct selection){
	    .until_ms = INT64_MAX,
	    .limit = INT64_MAX,
	};
}

bool
selection_full(const struct selection *selection)
{
	return selection->count >= selection->limit;
}

/* Most dead letters have the same reason; the answer tells them apart. */
static bool
reason_matches(const char *reason, const struct jobs_event *event)
{
	return (event->reason != NULL &&
		   strstr(event->reason, reason) != NULL) ||
	       (event->answer.data != NULL &&
		   memmem(event->answer.data, event->answer.len, reason,
		       strlen(reason)) != NULL);
}

bool
selection_event(void *arg, const struct jobs_event *event)
{
	struct selection *selection = arg;
	int64_t at_ms =
	    event->settled_ms != 0 ? event->settled_ms : event->accepted_ms;

	if (selection_full(selection) || at_ms < selection->since_ms ||
	    at_ms > selection->until_ms)
		return false;
	if (selection->source != NULL &&
	    (event->source == NULL ||
		strcmp(selection->source, event->source) != 0))
		return false;
	if (selection->reason != NULL &&
	    !reason_matches(selection->reason, event))
		return false;
	if (selection->type != NULL &&
	    !text_match(str_text(selection->type), event->type, false))
		return false;
	if (selection->ids != NULL && !persons_matches(event->type, event->data,
					  selection->ids, selection->id_count))
		return false;
	if (selection->served != NULL &&
	    settings_destination_find(selection->served, event->destination) ==
		NULL) {
		selection->unserved++;
		return false;
	}
	selection->count++;
	return true;
}

static bool
look_type(const void *pattern, struct str type)
{
	return text_match(str_text(pattern), type, false);
}

/* What a selected event must have. False: nothing that could be looked for. */
static bool
selection_look(const struct selection *selection, struct jobs_look *ret_look)
{
	if (selection == NULL ||
	    (selection->ids == NULL && selection->type == NULL))
		return false;
	*ret_look = (struct jobs_look){
	    .persons = selection->ids,
	    .person_count = selection->id_count,
	    .type = selection->type != NULL ? look_type : NULL,
	    .type_arg = selection->type,
	};
	return true;
}

bool
selection_body(
    const struct selection *selection, const struct jobs_unreadable *body)
{
	return !selection_full(selection) &&
	       body->received_ms >= selection->since_ms &&
	       body->received_ms <= selection->until_ms &&
	       (selection->source == NULL ||
		   strcmp(selection->source, body->source) == 0) &&
	       (selection->reason == NULL ||
		   strstr(body->reason, selection->reason) != NULL);
}

/* ---- reports ---- */

bool
job_progress(const struct job_caller *caller, struct err *reterr,
    const char *format, ...)
{
	char text[JOB_TEXT];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return caller->progress(caller->arg, text, reterr);
}

bool
job_message(const struct job_caller *caller, struct err *reterr,
    const char *format, ...)
{
	char text[JOB_TEXT];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return caller->message(caller->arg, text, reterr);
}

bool
job_write(const struct job_caller *caller, struct buf *out, struct err *reterr)
{
	if (!buf_ok(out, reterr))
		return false;
	if (out->len > 0 &&
	    !caller->write(caller->arg, out->data, out->len, reterr))
		return false;
	buf_reset(out);
	return true;
}

/* ---- one at a time ---- */

/* Not at the operator's own terminal. */
static void
job_log(struct daemon *daemon, const char *verb, const char *name)
{
	if (atomic_load(&daemon->server) != NULL)
		log_line(LOG_INFO, "command", "%s command=\"%s\"", verb, name);
}

bool
job_running(struct daemon *daemon, struct job_running *ret_running)
{
	const struct daemon_job *job = &daemon->job;
	bool running;

	lock_hold(&daemon->job.lock);
	running = job->name != NULL;
	if (running) {
		ret_running->name = job->name;
		ret_running->since_ms = job->since_ms;
		memcpy(ret_running->progress, job->progress,
		    sizeof(job->progress));
	}
	lock_drop(&daemon->job.lock);
	return running;
}

bool
job_begin(struct daemon *daemon, const char *name, struct err *reterr)
{
	struct daemon_job *job = &daemon->job;
	char since[CLOCK_TEXT];
	int64_t since_ms;
	const char *other;

	lock_hold(&job->lock);
	other = job->name;
	since_ms = job->since_ms;
	if (other == NULL) {
		job->name = name;
		job->since_ms = clock_wall_ms();
		job->progress[0] = '\0';
	}
	lock_drop(&job->lock);
	if (other != NULL) {
		clock_text(since_ms, since, sizeof(since));
		return err_set(reterr, ERR_CONFLICT,
		    "`currentsd %s` is still running, since %.19sZ: try again "
		    "when it has finished",
		    other, since);
	}
	job_log(daemon, "begin", name);
	return true;
}

void
job_note(struct daemon *daemon, const char *progress)
{
	struct daemon_job *job = &daemon->job;

	lock_hold(&job->lock);
	(void)snprintf(job->progress, sizeof(job->progress), "%s", progress);
	lock_drop(&job->lock);
}

void
job_end(struct daemon *daemon)
{
	struct daemon_job *job = &daemon->job;
	const char *name;

	lock_hold(&job->lock);
	name = job->name;
	job->name = NULL;
	lock_drop(&job->lock);
	job_log(daemon, "end", name);
}

/* ---- a pass over a place ---- */

bool
job_step_scan(
    struct queue *queue, struct jobs_walk *walk, void *arg, struct err *reterr)
{
	(void)arg;
	return jobs_scan(queue, walk, reterr);
}

bool
job_run(struct job *job, enum jobs_place place, struct err *reterr)
{
	struct jobs_walk walk = {
	    .cursor = {.place = place},
	    .match = job->match,
	    .arg = job->match_arg,
	    .look = job->look,
	};
	int64_t began_ms = clock_mono_ms();
	struct jobs_look look = {.ids = NULL};
	bool ok;

	if (job->look == NULL &&
	    (selection_look(job->selection, &look) || job->ordered))
		walk.look = &look;
	if (job->ordered)
		jobs_walk_after(&walk, job->after);
	do {
		ok = job->step(
			 job->daemon->queue, &walk, job->step_arg, reterr) &&
		     (job->out->len < JOB_PIECE ||
			 job_write(job->caller, job->out, reterr)) &&
		     job_progress(job->caller, reterr,
			 "%s %zu; looked at %zu events, %" PRId64 "/s",
			 job->verb, walk.matched, walk.seen,
			 (int64_t)walk.seen * 1000 /
			     (clock_mono_ms() - began_ms + 1));
	} while (ok && walk.more &&
		 (job->selection == NULL || !selection_full(job->selection)));
	jobs_walk_fini(&walk);
	job->matched += walk.matched;
	job->damaged += walk.damaged;
	if (ok && walk.damaged > 0)
		ok = job_message(job->caller, reterr,
		    "%zu damaged batches could not be read and were skipped",
		    walk.damaged);
	return ok;
}

/* ---- unreadable bodies ---- */

struct body_walk {
	struct selection *selection;
	job_body_fn *fn;
	void *arg;
	size_t unclear;
};

/* Does it mention one of the people? A body that cannot be decompressed to its
 * end is also searched as it came. */
static bool
body_mentions(struct body_walk *walk, const struct jobs_unreadable *body)
{
	const struct selection *selection = walk->selection;
	bool whole = false, found = false;
	struct buf text;

	buf_init(&text, JOB_BODY_MAX);
	if (!server_body_decode(
		body->encoding, body->data, &text, &whole, NULL))
		whole = false;
	for (size_t i = 0; i < selection->id_count && !found; i++) {
		struct str id = selection->ids[i];

		found = person_mentioned(str_bytes(text.data, text.len), id) ||
			(!whole && person_mentioned(body->data, id));
	}
	if (!found && !whole)
		walk->unclear++;
	buf_fini(&text);
	return found;
}

static bool
body_match(void *arg, const struct jobs_unreadable *body)
{
	struct body_walk *walk = arg;

	if (!selection_body(walk->selection, body) ||
	    (walk->selection->ids != NULL && !body_mentions(walk, body)))
		return false;
	walk->selection->count++;
	if (walk->fn != NULL)
		walk->fn(walk->arg, body);
	return true;
}

bool
job_run_bodies(struct job *job, job_body_fn *fn, void *arg, bool remove,
    size_t *ret_unclear, struct err *reterr)
{
	struct body_walk walk = {
	    .selection = job->selection, .fn = fn, .arg = arg};
	int64_t last = job->after;

	do {
		if (!jobs_unreadable_next(job->daemon->queue, last, body_match,
			&walk, remove, &last, reterr) ||
		    !job_write(job->caller, job->out, reterr) ||
		    !job_progress(job->caller, reterr, "%s", job->verb))
			return false;
	} while (last != 0 && !selection_full(job->selection));
	*ret_unclear = walk.unclear;
	return true;
}

/* ---- beside the call ---- */

struct beside {
	job_beside_fn *fn;
	void *arg;
	struct err err;
	bool ok;
	/* guarded by lock */
	struct lock lock;
	struct cond changed;
	bool ended;
};

static void *
beside_main(void *arg)
{
	struct beside *beside = arg;

	beside->ok = beside->fn(beside->arg, &beside->err);
	lock_hold(&beside->lock);
	beside->ended = true;
	cond_wake(&beside->changed);
	lock_drop(&beside->lock);
	return NULL;
}

static bool
beside_wait(struct beside *beside)
{
	bool ended;

	lock_hold(&beside->lock);
	if (!beside->ended)
		cond_wait(&beside->changed, &beside->lock,
		    clock_mono_ms() + JOB_WAIT_MS);
	ended = beside->ended;
	lock_drop(&beside->lock);
	return ended;
}

bool
job_run_beside(const struct job_caller *caller, const char *progress,
    job_beside_fn *fn, void *arg, struct err *reterr)
{
	struct beside beside = {.fn = fn, .arg = arg};
	pthread_t thread;
	struct err gone;

	lock_init(&beside.lock);
	cond_init(&beside.changed);
	if (pthread_create(&thread, NULL, beside_main, &beside) != 0) {
		beside.ok =
		    err_set(&beside.err, ERR_NOMEM, "cannot start a thread");
	} else {
		/* It cannot be interrupted, even if the client is gone. */
		while (!beside_wait(&beside))
			(void)!job_progress(caller, &gone, "%s", progress);
		CHECK(pthread_join(thread, NULL) == 0);
	}
	cond_fini(&beside.changed);
	lock_fini(&beside.lock);
	if (!beside.ok)
		return err_set(reterr, beside.err.code, "%s", beside.err.text);
	return true;
}

bool
job_run_locking(struct daemon *daemon, const struct job_caller *caller,
    const char *progress, job_beside_fn *fn, void *arg, struct err *reterr)
{
	bool ok;

	atomic_store(&daemon->queue_held, true);
	ok = job_run_beside(caller, progress, fn, arg, reterr);
	atomic_store(&daemon->queue_held, false);
	return ok;
}
