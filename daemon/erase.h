#ifndef DAEMON_ERASE_H
#define DAEMON_ERASE_H

/*
 * Erases people from everything that is stored here: events, changes of sets,
 * and what is known of them as members.
 *
 * An event only moves forward, from the queued events to the archive or the
 * dead letters, so a job that walks through the places in this order cannot
 * miss it. At the end the log is emptied, which may still contain their data;
 * the file overwrites what is deleted. The people are taken off the list of
 * erasures last, so that an interrupted job is seen to be unfinished.
 *
 * On the main thread.
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

/* Erase people by their ids, and by those beside them (daemon/persons.h).
 * Then take the people off the list of erasures, or, with erased_ms, mark them
 * there as erased at that time. If batches could not be searched, they stay
 * unmarked. */
MUST_USE bool erase_run(struct daemon *daemon, const struct job_caller *caller,
    const char *const *users, size_t count, int64_t erased_ms,
    struct erase_result *ret_result, struct err *reterr);

/* As members of the open object. */
void erase_json(const struct erase_result *result, struct json *json);

/* on_delete = erase: the daemon erases the people whose erasure Braze
 * requested, at most once per erase_interval, because everything is read each
 * time. */
struct erase_sweep {
	int64_t next_ms;  /* monotonic: not before; 0: at the start */
	int64_t after;	  /* the last row of the list that was done */
	int64_t again_ms; /* monotonic: from the first row again, once the last
			   * one is done */
	size_t fewer;	  /* people at once, after too many; or 0 */
};

/* Once a second, while no other job runs; only the caller's progress() and
 * message() are called. `mono_ms` is clock_mono_ms(). */
void erase_sweep(struct erase_sweep *sweep, struct daemon *daemon,
    const struct job_caller *caller, int64_t mono_ms);

#endif
