#ifndef SERVER_STATE_H
#define SERVER_STATE_H

/*
 * The parts of struct server, for the files of this module.
 */

#include "base/counters.h"
#include "base/lock.h"
#include "base/log.h"
#include "server/board.h"
#include "server/body.h"
#include "server/listener.h"
#include "server/server.h"
#include "server/tokens.h"

struct server {
	/* set before threads start */
	struct server_settings settings;
	struct queue *queue;
	struct tokens **tokens;	      /* of each source */
	struct server_judge **judges; /* of each source */
	struct board *board;	      /* has its own lock */
	struct listener ingest, admin;

	/* any thread */
	struct budget budget;
	struct log_limit refusals[COUNTERS]; /* by the counter of an answer */
	struct log_limit library;
	atomic_bool draining;

	/* guarded by lock */
	struct lock lock;
	struct cond less; /* busy or handed went down */
	size_t busy;	  /* requests that are waited for when we stop */
	size_t handed;	  /* of these, suspended until the queue is done */
	bool closed;	  /* nothing more is handed to the queue */
};

/* A request begins and ends. False: we are stopping, and nobody waits for its
 * end. */
bool server_busy(struct server *server);
void server_less_busy(struct server *server);

/* Before a connection is suspended, and after it was resumed. False: we are
 * stopping, so that nobody would be there to resume it. */
MUST_USE bool server_hand(struct server *server);
void server_handed(struct server *server);

#endif
