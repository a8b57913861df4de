#ifndef SERVER_PEERS_H
#define SERVER_PEERS_H

/*
 * The open connections of a listener, so that those whose request takes too
 * long can be closed: libmicrohttpd's own time-out starts anew with every
 * byte, and a sender who drips would hold a connection for ever.
 *
 * A peer's descriptor is valid while the peer is listed: it leaves the list,
 * under the lock, in the notification that comes before the descriptor is
 * closed. So the sweep never meets a descriptor that belongs to another.
 */

#include "base/lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum peer_state {
	PEER_BETWEEN, /* no request seen: idle, or dripping its first line */
	PEER_READING, /* headers or body */
	PEER_HANDED,  /* the queue has it: takes as long as it takes */
	PEER_ANSWERED,
};

struct peer;

struct peers {
	struct lock lock;
	/* guarded by lock, as what hangs on them; who was idle last is first */
	struct peer *first, *last;
	size_t count;
	size_t leaving; /* of these, shut down */
	size_t most;
};

void peers_init(struct peers *peers, size_t most);
void peers_fini(struct peers *peers); /* all have left */

/* A connection was made; NULL: no memory. If there is no place, who has been
 * idle for longest is shut down. */
struct peer *peers_enter(struct peers *peers, int fd, int64_t mono_ms);
/* It is about to be closed. */
void peers_leave(struct peers *peers, struct peer *peer);

/* Note where its request stands. */
void peers_mark(struct peers *peers, struct peer *peer, enum peer_state state,
    int64_t mono_ms);

/* Shut down those that are too slow, and those that are gone; how many were
 * too slow. */
size_t peers_sweep(
    struct peers *peers, int64_t idle_ms, int64_t request_ms, int64_t mono_ms);

size_t peers_count(struct peers *peers);

/* The bytes of the address in its request line: noted and read by the thread
 * that serves the connection. NULL has none. */
void peer_note_address(struct peer *peer, size_t len);
size_t peer_address(const struct peer *peer);

/* Made with peers_enter() above `most`, with nobody idle. Constant; needs no
 * lock. */
bool peer_over(const struct peer *peer);

#endif
