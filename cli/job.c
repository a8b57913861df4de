#include "cli/job.h"

#include "base/lock.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

enum {
	JOB_TEXT = 200,
	JOB_APART_MS = 50, /* between two breaths */
};

bool
job_breathe(struct command_context *context, struct err *reterr,
    const char *format, ...)
{
	const struct channel *channel = context->channel;
	char text[JOB_TEXT];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return channel->breathe(channel->arg, text, reterr);
}

bool
job_say(struct command_context *context, struct err *reterr, const char *format,
    ...)
{
	const struct channel *channel = context->channel;
	char text[JOB_TEXT];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return channel->say(channel->arg, text, reterr);
}

bool
job_step_scan(
    struct queue *queue, struct jobs_walk *tools, void *arg, struct err *reterr)
{
	(void)arg;
	return jobs_scan(queue, tools, reterr);
}

bool
job_run(struct job *job, enum jobs_place place, struct err *reterr)
{
	struct jobs_walk tools = {
	    .cursor = {.place = place},
	    .match = job->match,
	    .arg = job->match_arg,
	};
	bool ok;

	do {
		ok = job->step(job->context->parts->queue, &tools, job->arg,
			 reterr) &&
		     (job->out->len < CHANNEL_PIECE ||
			 command_write(job->context, job->out, reterr)) &&
		     job_breathe(job->context, reterr, "%s %zu", job->verb,
			 tools.matched);
	} while (ok && tools.more &&
		 (job->filter == NULL || !filter_full(job->filter)));
	job->matched += tools.matched;
	job->damaged += tools.damaged;
	if (ok && tools.damaged > 0)
		ok = job_say(job->context, reterr,
		    "%zu damaged batches could not be read and were skipped",
		    tools.damaged);
	return ok;
}

/* ---- beside the main thread ---- */

struct apart {
	job_apart_fn *fn;
	void *arg;
	struct err err;
	bool ok;
	/* guarded by lock */
	struct lock lock;
	struct cond changed;
	bool ended;
};

static void *
apart_run(void *arg)
{
	struct apart *apart = arg;

	apart->ok = apart->fn(apart->arg, &apart->err);
	lock_hold(&apart->lock);
	apart->ended = true;
	cond_wake(&apart->changed);
	lock_drop(&apart->lock);
	return NULL;
}

static bool
apart_wait(struct apart *apart)
{
	bool ended;

	lock_hold(&apart->lock);
	if (!apart->ended)
		cond_wait(&apart->changed, &apart->lock,
		    clock_mono_ms() + JOB_APART_MS);
	ended = apart->ended;
	lock_drop(&apart->lock);
	return ended;
}

bool
job_apart(struct command_context *context, const char *progress,
    job_apart_fn *fn, void *arg, struct err *reterr)
{
	struct apart apart = {.fn = fn, .arg = arg};
	pthread_t thread;
	struct err gone;

	lock_init(&apart.lock);
	cond_init(&apart.changed);
	atomic_store(&context->parts->queue_held, true);
	if (pthread_create(&thread, NULL, apart_run, &apart) != 0) {
		apart.ok = err_set(
		    &apart.err, ERR_NOMEM, "cannot start a thread for it");
	} else {
		/* It cannot be interrupted, even if the client is gone. */
		while (!apart_wait(&apart))
			(void)!job_breathe(context, &gone, "%s", progress);
		CHECK(pthread_join(thread, NULL) == 0);
	}
	atomic_store(&context->parts->queue_held, false);
	cond_fini(&apart.changed);
	lock_fini(&apart.lock);
	if (!apart.ok)
		return err_set(reterr, apart.err.code, "%s", apart.err.text);
	return true;
}
