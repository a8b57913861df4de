#ifndef CLI_JOB_H
#define CLI_JOB_H

/*
 * Runs a job on the queue step by step: after each step what was written
 * goes out, and the channel breathes, so that live traffic, the daemon's
 * duties and other clients have their turn.
 */

#include "cli/command.h"
#include "cli/filter.h"

/* One step of a job, as those of queue/admin.h. */
typedef bool job_step_fn(struct queue *queue, struct jobs_walk *tools,
    void *arg, struct err *reterr);

struct job {
	struct command_context *context;
	struct buf *out;  /* written out as it grows */
	const char *verb; /* "requeued": of the progress */
	job_step_fn *step;
	void *arg;
	jobs_match_fn *match;
	void *match_arg;
	const struct filter *filter; /* ends the job when full, or NULL */
	size_t matched, damaged;     /* out */
};

/* Through a whole place. Says how many batches were damaged. */
MUST_USE bool
job_run(struct job *job, enum jobs_place place, struct err *reterr);

/* jobs_scan() as a step. */
job_step_fn job_step_scan;

/* Between two steps of another kind. */
MUST_USE bool job_breathe(struct command_context *context, struct err *reterr,
    const char *format, ...) PRINTF_LIKE(3, 4);

/* Say a line to the operator. */
MUST_USE bool job_say(struct command_context *context, struct err *reterr,
    const char *format, ...) PRINTF_LIKE(3, 4);

/* Run what holds the queue for long in a thread of its own, while the main
 * thread breathes; waits for its end even if the client is gone. */
typedef bool job_apart_fn(void *arg, struct err *reterr);
MUST_USE bool job_apart(struct command_context *context, const char *progress,
    job_apart_fn *fn, void *arg, struct err *reterr);

#endif
