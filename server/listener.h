#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

/*
 * One listening address: a libmicrohttpd daemon of its own, so that a crowd
 * at the ingest does not lock out who wants to look.
 */

#include "base/err.h"
#include "server/peers.h"

#include <microhttpd.h>

struct server;

struct listener {
	struct server *server;
	const char *name;
	bool admin;
	int fd; /* bound, and not yet the library's; else -1 */
	unsigned port;
	struct MHD_Daemon *daemon;
	struct peers peers;
};

void listener_init(struct listener *listener, struct server *server,
    const char *name, unsigned connections);
MUST_USE bool listener_open(
    struct listener *listener, const char *address, struct err *reterr);

/* Stop the threads, close what is open. No connection may be suspended. */
void listener_close(struct listener *listener);

#endif
