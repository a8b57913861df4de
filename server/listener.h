#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

/*
 * The sockets of one service, and a libmicrohttpd daemon of their own, so that
 * many clients on the ingest listener do not lock out the admin listener. It
 * leads each request from its first line to its answer, through the request's
 * route.
 *
 * Memory: libmicrohttpd gives each connection a pool and reads into half of it.
 * On the ingest listener that half is LISTENER_READ bytes, so that a typical
 * body (100 events, about 100 KB) takes two reads; with the
 * library's default of 16 KiB it takes seven. The pool is mapped, so a
 * connection that has sent nothing costs almost nothing. But after an answer
 * the library (0.9.75) zeroes the whole pool, and from then on the idle
 * connection holds all of it. So
 *   - at most LISTENER_KEEP connections stay open after an answer, which is 32
 *     MiB; any other is closed with its answer ("Connection: close");
 *   - a body that is being read pays LISTENER_READ bytes out of the memory for
 *     bodies, on top of its own size.
 * The pool also bounds the headers: the library answers 414 or 431 if they do
 * not fit. So the worst that connections can hold beside bodies, if all of them
 * send headers of that size, is 128 KiB each: 136 MiB with 1,024 and the slack.
 */

#include "base/err.h"
#include "base/log.h"
#include "server/acceptor.h"
#include "server/client.h"
#include "server/socket.h"

enum {
	LISTENER_READ = 64 * 1024, /* bytes that are read at once */
	LISTENER_KEEP = 256,	   /* connections */
};

#define LISTENER_INGEST "ingest"
#define LISTENER_ADMIN	"admin"
#define LISTENER_LOCAL	"admin.sock"

struct MHD_Daemon;
struct service;

struct listener {
	/* set before threads start */
	struct service *service;
	const char *name;
	bool admin;
	bool local; /* admin.sock */
	struct socket *sockets;
	size_t socket_count;
	struct MHD_Daemon *daemon;
	struct acceptor *acceptor;

	/* any thread */
	struct clients clients;
	atomic_size_t passed;	      /* connections that the library has */
	_Atomic int64_t accepting_ms; /* acceptor_settings.busy_ms */

	/* guarded by the service's lock */
	size_t calls; /* of the admin interface, being served */
};

/* How many files it may have open: the connections, those over the limit, which
 * get a 503, and its own. */
size_t listener_files(size_t connections);

void listener_init(struct listener *listener, struct service *service,
    const char *name, unsigned connections);

/* Bind one more address (socket_open()), before listener_open(). */
MUST_USE bool listener_listen(
    struct listener *listener, const char *address, struct err *reterr);

/* The same with a socket that listens, which is taken over. */
MUST_USE bool
listener_adopt(struct listener *listener, int fd, struct err *reterr);

/* Start the threads. */
MUST_USE bool listener_open(struct listener *listener, struct err *reterr);

/* The first port; 0: it has none. */
unsigned listener_port(const struct listener *listener);

/* Of admin.sock: open, or go on, with this socket, which is taken over, in
 * place of the one before. */
MUST_USE bool
listener_open_local(struct listener *listener, int fd, struct err *reterr);

/* Accept no more, and leave what comes to whoever listens next. */
void listener_leave(struct listener *listener);

/* Once it left: is there a connection that may bring a request? */
bool listener_expects(struct listener *listener);

/* Is none of its threads stuck? Any thread. */
bool listener_alive(struct listener *listener, int64_t mono_ms);

/* Stop the threads, close what is open. No connection may be suspended. */
void listener_close(struct listener *listener);

#endif
