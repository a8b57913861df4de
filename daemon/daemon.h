#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

/*
 * The daemon, built from its settings: the queue, the forwarder that the queue
 * wakes, and the server, whose admin listener shows the status of all three. A
 * command that runs without a daemon has only the queue.
 */

#include "base/lock.h"
#include "daemon/generation.h"
#include "forwarder/forwarder.h"
#include "queue/queue.h"
#include "server/server.h"

#include <stdatomic.h>
#include <stdint.h>

struct history;

enum { DAEMON_PROGRESS = 200 };

/* The job that runs, of those that run one at a time (job_begin()). */
struct daemon_job {
	struct lock lock;
	/* guarded by lock */
	const char *name; /* NULL: none */
	int64_t since_ms; /* wall clock */
	char progress[DAEMON_PROGRESS];
};

/* What the last reload left to say (daemon/reload.h). */
enum { DAEMON_RESTART = 1000 };
struct daemon_reloaded {
	int64_t at_ms; /* wall clock; 0: there was none */
	char failed[sizeof(((struct err *)0)->text)]; /* why; "": it did not */
	/* settings that differ and need a restart, as "listen, threads" */
	char restart[DAEMON_RESTART];
};
struct daemon_reload {
	struct lock lock;
	struct cond ended;
	/* guarded by lock */
	struct daemon_reloaded last;
	bool running; /* or the daemon is starting */
};

struct daemon {
	/* set before threads start */
	const char *config; /* the file of settings that was named, or NULL */
	struct queue *queue;
	struct zone *zone; /* of the reports */
	int64_t started_mono_ms, started_ms;
	struct history *history; /* NULL unless it runs */

	/* changed only by the first thread, and reloads, one at a time */
	struct erase_sweep *sweep; /* NULL unless it runs */
	struct notices *notices;   /* likewise */

	/* No notice could be posted since then, wall clock; 0: not so. */
	_Atomic int64_t untold_since_ms;

	struct generation first; /* of the settings; lives as long as we do */
	struct in_force in_force;
	struct daemon_reload reload;

	bool committing; /* a command started the committer, which ends with
			  * daemon_fini() */

	struct daemon_job job;

	/* A check locks the queue: threads that wait for it
	 * have not stalled. */
	atomic_bool queue_held;

	/* Properties left out, when that could last be read. */
	_Atomic int64_t left_out;

	/* Read by the server's and the committer's threads; NULL unless they
	 * run. */
	_Atomic(struct forwarder *) forwarder;
	_Atomic(struct server *) server;
};

/* The settings stay lent. */
void daemon_init(struct daemon *daemon, struct settings *settings);

/* Open only the queue; `brief`: for one command. */
MUST_USE bool
daemon_queue_open(struct daemon *daemon, bool brief, struct err *reterr);

/* Start the committer of the open queue, the forwarder and the server. On
 * failure everything that was started is stopped again. The settings are
 * complete. */
MUST_USE bool daemon_start(struct daemon *daemon, struct err *reterr);

/* Stop server, committer and forwarder; the queue stays open. */
void daemon_stop(struct daemon *daemon);

/* Close the queue. */
void daemon_fini(struct daemon *daemon);

#endif
