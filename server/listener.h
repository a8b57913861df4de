#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

/*
 * One listening address: a libmicrohttpd daemon of its own, so that a crowd
 * at the ingest does not lock out the admin. It takes each request from its
 * first line to its answer, by way of the request's route.
 */

#include "base/err.h"
#include "base/log.h"
#include "server/client.h"

struct MHD_Daemon;
struct service;

struct listener {
	struct service *service;
	const char *name;
	bool admin;
	int fd; /* bound, and not yet libmicrohttpd's; else -1 */
	unsigned port;
	struct MHD_Daemon *daemon;
	struct clients clients;
	struct log_limit log_limit; /* of libmicrohttpd's own messages */
};

void listener_init(struct listener *listener, struct service *service,
    bool admin, unsigned connections);
MUST_USE bool listener_open(
    struct listener *listener, const char *address, struct err *reterr);

/* Stop the threads, close what is open. No connection may be suspended. */
void listener_close(struct listener *listener);

#endif
