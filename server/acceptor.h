#ifndef SERVER_ACCEPTOR_H
#define SERVER_ACCEPTOR_H

/*
 * Accepts the connections of listening sockets, on a thread of its own, and
 * looks at the first bytes of each before it passes the connection on: a
 * balancer may send a PROXY header there, which the HTTP library takes for a
 * malformed request. A connection whose first bytes are not as the settings
 * say is closed without an answer.
 *
 * A connection that has sent too little to tell is pending. It costs no thread,
 * and nobody waits for it: it is closed when its time is up, or when there are
 * too many connections, the oldest first. When the process may open no more
 * files, the oldest pending one makes room; if there is none, the acceptor
 * pauses for a moment.
 */

#include "base/err.h"
#include "base/log.h"
#include "server/origin.h"
#include "server/proxy.h"
#include "server/socket.h"

struct acceptor_settings {
	const char *name;	      /* for the log */
	const struct socket *sockets; /* listening; lent until the stop */
	size_t count;
	bool proxied; /* each connection begins with a PROXY header */
	bool tls;     /* each connection is TLS */
	const struct networks *trusted; /* whose headers are believed; lent */
	bool counted;			/* in COUNTER_CONNECTIONS */

	/* So many connections may be pending or open; so many may be pending
	 * however many are open. */
	size_t most, pending_least;
	int64_t patience_ms; /* for the first bytes */

	/* All on the acceptor's thread. How many that were passed on are
	 * open? */
	size_t (*open)(void *arg);
	/* Take over a connection, whose next byte is the first of a request. */
	void (*pass)(void *arg, int fd, const struct proxy_from *from);
	/* A connection was closed because of its first bytes. */
	void (*hung_up)(
	    void *arg, const struct proxy_from *from, const char *why);
	void *arg;

	/* Since when its thread has been at something without a pause; 0: it
	 * waits. Outlives the acceptor. */
	_Atomic int64_t *busy_ms;
};

struct acceptor;

MUST_USE bool acceptor_start(const struct acceptor_settings *settings,
    struct acceptor **ret_acceptor, struct err *reterr);

/* Accept no more, for good; what is pending may still be passed on. This and
 * the next accept NULL. */
void acceptor_leave(struct acceptor *acceptor);

/* Once it is to leave: may it still pass on a connection? */
bool acceptor_expects(const struct acceptor *acceptor);

/* Close what is pending. Accepts NULL. */
void acceptor_stop(struct acceptor *acceptor);

#endif
