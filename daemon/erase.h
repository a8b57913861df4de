#ifndef DAEMON_ERASE_H
#define DAEMON_ERASE_H

/*
 * Erases people from everything that is stored here: events, changes of sets,
 * and what is known of them as members.
 *
 * An event only moves forward, from the queued events to the archive or the
 * dead letters, so a job that walks through the places in this order cannot
 * miss it; what moves it back is another job, which does not run meanwhile.
 * At the end the log is emptied, which may still contain their data;
 * the file overwrites what is deleted. The people are taken off the list of
 * erasures last, so that an interrupted job is seen to be unfinished.
 *
 * Any thread, but as a job one at a time (job_begin()).
 */

#include "base/json.h"
#include "daemon/job.h"
#include "daemon/persons.h"

struct erase_result {
	size_t removed[JOBS_PLACES]; /* events and changes */
	size_t members;		     /* forgotten */
	int64_t bodies;		     /* unreadable ones, removed */
	size_t unclear; /* bodies that could not be read to their end */
	size_t damaged; /* batches that could not be searched */
	struct persons_told persons;
};

/* Erase people by their ids, and by those beside them (daemon/persons.h). If
 * the caller ends it, what was erased so far stays erased, as the error says.
 * Then take the people off the list of erasures, or, with erased_ms, mark them
 * there as erased at that time. If batches could not be searched, they stay
 * unmarked. */
MUST_USE bool erase_run(struct daemon *daemon, const struct job_caller *caller,
    const char *const *users, size_t count, int64_t erased_ms,
    struct erase_result *ret_result, struct err *reterr);

/* As members of the open object. */
void erase_json(const struct erase_result *result, struct json *json);

/* Log what was erased, without ids; not at the operator's own terminal. */
void erase_log(const struct daemon *daemon, size_t people,
    const struct erase_result *result, const char *caller);

/*
 * on_delete = erase: a thread erases the people whose erasure the source
 * requested. It looks once a second, but erases at most once per
 * erase_interval, because everything is read each time; and not while another
 * job runs.
 */
struct erase_sweep;

/* Start daemon->sweep, unless it runs, or no source of these settings needs
 * it. */
MUST_USE bool erase_sweep_start(
    struct daemon *daemon, const struct settings *settings, struct err *reterr);

/* Within a second: an erasure ends between two steps, and the people stay on
 * the list. Accepts NULL. */
void erase_sweep_stop(struct erase_sweep *sweep);

#endif
