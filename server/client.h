#ifndef SERVER_CLIENT_H
#define SERVER_CLIENT_H

/*
 * The open connections of a listener, so that those whose request takes too
 * long can be closed: libmicrohttpd's own timeout starts over with every byte,
 * so a client that sends a byte now and then would keep a connection for ever.
 *
 * The descriptor of a client is valid while the client is listed: the client is
 * removed, under the lock, in the notification that precedes the close. So the
 * sweep never touches a descriptor that was reused.
 */

#include "base/err.h"
#include "base/lock.h"
#include "server/origin.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_identity;

enum client_state {
	CLIENT_IDLE,	/* between requests, or in a first line that comes
			 * slowly */
	CLIENT_READING, /* headers or body */
	CLIENT_HANDED,	/* the queue has the request, for as long as it takes */
	CLIENT_ANSWERED,
};

struct client {
	/* constant */
	int fd;
	bool over; /* over the limit, while all others were busy */
	/* of the peer, or what a trusted one wrote into a PROXY header */
	char origin[ORIGIN_TEXT];
	bool trusted;		       /* it is a proxy that is believed */
	struct tls_identity *identity; /* NULL: it is plain */

	/* owned by the thread that serves the connection */
	bool agreed;	/* its TLS handshake succeeded */
	size_t url_len; /* of the request line, as it came */
	uint64_t bytes; /* of all its requests so far, and a PROXY header */
	bool uncounted; /* one of them had a body of unknown length */

	/* Since when the thread has been at it; 0: it is not. */
	_Atomic int64_t busy_ms;

	/* guarded by the lock of the clients */
	struct client *next, *prev;
	bool shut;   /* shut down, about to close */
	bool kept;   /* it was answered and may send another request */
	bool proven; /* its last request with a valid proof gave it rights */
	enum client_state state;
	int64_t since_ms; /* in this state */
	int64_t ended_ms; /* when the sweep first saw its end, or 0 */
};

struct clients {
	/* constant */
	size_t most;
	size_t keep; /* of these, that may stay open after an answer */

	struct lock lock;

	/* guarded by lock; the client that went idle last is first */
	struct client *first, *last;
	size_t count;
	size_t leaving; /* of these, shut down */
	size_t kept;	/* of these, staying open after an answer */
};

void clients_init(struct clients *clients, size_t most, size_t keep);
void clients_fini(struct clients *clients); /* all were removed */

/* A connection was made. At the limit, one is shut down to make room: of those
 * that have proven nothing and are not being answered, the one that connected
 * or went idle first; else the one that has been idle the longest. NULL: no
 * memory. */
struct client *clients_add(struct clients *clients, int fd, int64_t mono_ms);

/* Is a request of any of them being read? */
bool clients_reading(struct clients *clients);

/* How many there are that will stay. */
size_t clients_open(struct clients *clients);

/* The connection is about to be closed; true if we shut it down. Accepts
 * NULL. */
bool clients_remove(struct clients *clients, struct client *client);

/* Note the state of its request. */
void clients_mark(struct clients *clients, struct client *client,
    enum client_state state, int64_t mono_ms);

/* A request of it had a valid proof; and does it get the rights of that? */
void clients_prove(struct clients *clients, struct client *client, bool proven);

/* It is being answered: may the connection stay open? One that has proven
 * itself takes the place of an idle one that has not. */
MUST_USE bool clients_keep(struct clients *clients, struct client *client);

/* Since when a thread has been at one of them without a pause; 0: none is. */
int64_t clients_busy_ms(struct clients *clients);

/* Shut down the clients that are too slow and those that are gone; the result
 * counts the slow ones. */
size_t clients_sweep(struct clients *clients, int64_t idle_ms,
    int64_t request_ms, int64_t mono_ms);

#endif
