#ifndef DAEMON_JOB_H
#define DAEMON_JOB_H

/*
 * Long work on the queue, in short steps. After each step the output so far is
 * written, and the caller gets the progress: that is when live traffic, the
 * daemon's own duties and other clients have their turn.
 *
 * On the thread of the call that it is for.
 */

#include "daemon/daemon.h"
#include "queue/admin.h"
#include "schema/currents/currents.h"

/* Which events, or unreadable bodies, a job is for. */
struct selection {
	const char *type;      /* with `*`; NULL: any, as the next three */
	const char *source;    /* its name */
	const char *reason;    /* a part of the reason, or of the answer */
	const struct str *ids; /* about a person with one of these */
	size_t id_count;
	struct str id;	  /* room for a single one of them */
	int64_t since_ms; /* delivered, dead or else accepted since then */
	int64_t until_ms; /* likewise; for jobs that would meet their own
			   * events */
	const struct settings *served; /* for a destination of these, or NULL */
	int64_t unserved;     /* out: matches that are for another one */
	int64_t limit, count; /* matches at most; out: so far */
};

/* Everything. */
void selection_init(struct selection *selection);

/* Has the limit been reached? */
bool selection_full(const struct selection *selection);

/* Is it selected? If so, counts it. A jobs_match_fn. */
bool selection_event(void *selection, const struct jobs_event *event);

/* Is it selected, as far as one can tell without reading the body? Does not
 * count it. */
bool selection_body(
    const struct selection *selection, const struct jobs_unreadable *body);

enum { JOB_PIECE = 64 * 1024 }; /* of input and output */

/* How a job reaches its caller: a call of the admin interface, or the daemon
 * itself. False ends the job: the client has gone, or the daemon stops. */
struct job_caller {
	void *arg;
	bool (*write)(
	    void *arg, const char *data, size_t len, struct err *reterr);
	/* A line for the operator, wherever the output goes. */
	bool (*message)(void *arg, const char *text, struct err *reterr);
	/* After each step; the text is for a terminal. */
	bool (*progress)(void *arg, const char *text, struct err *reterr);
};

MUST_USE bool job_progress(const struct job_caller *caller, struct err *reterr,
    const char *format, ...) PRINTF_LIKE(3, 4);
MUST_USE bool job_message(const struct job_caller *caller, struct err *reterr,
    const char *format, ...) PRINTF_LIKE(3, 4);

/* Write the output so far, and empty the buffer. */
MUST_USE bool
job_write(const struct job_caller *caller, struct buf *out, struct err *reterr);

/* Jobs that change much, or take long, run one at a time. The daemon logs their
 * names, but not the arguments, which may be a person's id. */
MUST_USE bool
job_begin(struct daemon *daemon, const char *name, struct err *reterr);
void job_end(struct daemon *daemon);

/* How far it is, and which one it is; false: none. */
void job_note(struct daemon *daemon, const char *progress);
struct job_running {
	const char *name;
	int64_t since_ms;
	char progress[DAEMON_PROGRESS];
};
bool job_running(struct daemon *daemon, struct job_running *ret_running);

/* One step: a function of queue/admin.h, with its arguments. */
typedef bool job_step_fn(
    struct queue *queue, struct jobs_walk *walk, void *arg, struct err *reterr);

/* Called with each unreadable body that is selected. */
typedef void job_body_fn(void *arg, const struct jobs_unreadable *body);

/* One pass over a place. */
struct job {
	struct daemon *daemon;
	const struct job_caller *caller;
	struct buf *out; /* written out as it grows */
	int64_t now_ms;
	const char *verb; /* "requeued": for the progress */
	job_step_fn *step;
	void *step_arg;
	jobs_match_fn *match;
	void *match_arg;
	const struct jobs_look *look; /* NULL: what the selection needs */
	/* Queued, archive: in the order of the batches' numbers, and behind
	 * this one. */
	bool ordered;
	int64_t after;
	struct selection *selection; /* ends the job when it is full, or NULL */
	size_t matched, damaged; /* out; damaged: batches that were skipped */
};

/* Walk through a place, and tell the caller of damaged batches. */
MUST_USE bool
job_run(struct job *job, enum jobs_place place, struct err *reterr);

/* jobs_scan() as a step. */
job_step_fn job_step_scan;

/* Walk through the unreadable bodies with an id above job->after: call `fn` (or
 * NULL) for those that the job's selection selects, or remove them.
 * *ret_unclear gets the number of bodies that were searched for a person and
 * are not readable to their end. */
MUST_USE bool job_run_bodies(struct job *job, job_body_fn *fn, void *arg,
    bool remove, size_t *ret_unclear, struct err *reterr);

/* Run a function on a thread of its own, while this one reports progress. Waits
 * for it to end even if the client has disconnected. job_run_locking(): one
 * that locks the queue for long. */
typedef bool job_beside_fn(void *arg, struct err *reterr);
MUST_USE bool job_run_beside(const struct job_caller *caller,
    const char *progress, job_beside_fn *fn, void *arg, struct err *reterr);
MUST_USE bool
job_run_locking(struct daemon *daemon, const struct job_caller *caller,
    const char *progress, job_beside_fn *fn, void *arg, struct err *reterr);

#endif
