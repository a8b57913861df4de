#ifndef QUEUE_BACKLOG_H
#define QUEUE_BACKLOG_H

/*
 * The destinations in memory: how many events are queued for each, and where to
 * continue taking. A change is pending until its transaction is durable
 * (backlogs_commit) or has failed (backlogs_rollback). Not thread safe: struct
 * queue's lock guards it.
 */

#include "queue/names.h"

enum {
	BACKLOG_DESTINATIONS_MAX = 64,
	BACKLOG_SOURCES_MAX = 256,
};

/* Where to continue taking the fresh deliveries of one source: those with a
 * lower number are on lease or gone. */
struct backlog_start {
	int64_t source, seq;
};

struct backlog {
	int64_t destination;
	int64_t queued;	      /* events; durable */
	int64_t delivered_ms; /* the last time; durable */
	int64_t last_source;  /* taken from last; sources take turns */
	bool trial;	      /* each fresh batch is handed out once */
	size_t start_count;
	struct backlog_start starts[BACKLOG_SOURCES_MAX];

	/* of the running transaction */
	int64_t moved;		    /* queued events that come or go */
	int64_t delivered_moved_ms; /* 0 = nothing was delivered */
	bool added;		    /* the destination itself */
};

struct backlogs {
	struct backlog list[BACKLOG_DESTINATIONS_MAX];
	size_t count;
};

/* Read them from the file. A destination that is on trial stays on trial. */
MUST_USE bool backlogs_load(struct backlogs *backlogs, struct db *db,
    const struct names *names, struct err *reterr);

/* The backlog of a destination; NULL if the destination is unknown. */
struct backlog *backlog_find(struct backlogs *backlogs, int64_t destination);

/* The same by the destination's name; inside a transaction, which adds the
 * destination if it is unknown. */
MUST_USE bool
backlog_add(struct backlogs *backlogs, struct db *db, struct names *names,
    const char *name, struct backlog **ret_backlog, struct err *reterr);

/* Write the changes, inside the transaction. */
MUST_USE bool
backlogs_write(struct backlogs *backlogs, struct db *db, struct err *reterr);

void backlogs_commit(struct backlogs *backlogs);
void backlogs_rollback(struct backlogs *backlogs);

/* Where to continue taking from a source; read and set it. NULL if there are
 * too many sources to remember: then always begin at the first. */
int64_t *backlog_start(struct backlog *backlog, int64_t source);

/* Go back to this fresh delivery. */
void backlog_start_back(struct backlog *backlog, int64_t source, int64_t seq);

/* Go back to the first delivery, except where each batch is handed out only
 * once. */
void backlogs_restart(struct backlogs *backlogs);

#endif
