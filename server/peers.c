#include "server/peers.h"

#include "base/counters.h"

#include <stdlib.h>
#include <sys/socket.h>

enum { PEER_GONE_MS = 200 };

struct peer {
	struct peer *next, *prev;
	int fd;
	bool over;
	bool swept; /* shut down: about to leave */
	enum peer_state state;
	int64_t since_ms; /* in this state */
	int64_t ended_ms; /* when its end was first seen, or 0 */
	size_t address;	  /* owned by the connection's thread */
};

void
peers_init(struct peers *peers, size_t most)
{
	*peers = (struct peers){.most = most};
	lock_init(&peers->lock);
}

void
peers_fini(struct peers *peers)
{
	lock_fini(&peers->lock);
}

static void
peers_link(struct peers *peers, struct peer *peer)
{
	peer->prev = NULL;
	peer->next = peers->first;
	if (peer->next != NULL)
		peer->next->prev = peer;
	else
		peers->last = peer;
	peers->first = peer;
}

static void
peers_unlink(struct peers *peers, struct peer *peer)
{
	if (peer->prev != NULL)
		peer->prev->next = peer->next;
	else
		peers->first = peer->next;
	if (peer->next != NULL)
		peer->next->prev = peer->prev;
	else
		peers->last = peer->prev;
}

static void
peers_shut(struct peers *peers, struct peer *peer)
{
	(void)shutdown(peer->fd, SHUT_RDWR);
	peer->swept = true;
	peers->leaving++;
}

/* Somebody came and there is no place: who has been idle for longest makes
 * room, so that a crowd that says nothing cannot lock out who has something
 * to say. Those behind the last idle one are busy, and at most `most`. */
static void
peers_evict(struct peers *peers)
{
	struct peer *peer = peers->last;

	while (peer != NULL && (peer->swept || peer->state != PEER_BETWEEN))
		peer = peer->prev;
	if (peer == NULL)
		return;
	peers_shut(peers, peer);
	counter_add(COUNTER_SWEPT, 1);
}

struct peer *
peers_enter(struct peers *peers, int fd, int64_t mono_ms)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (peer == NULL)
		return NULL;
	peer->fd = fd;
	peer->since_ms = mono_ms;
	lock_hold(&peers->lock);
	if (peers->count - peers->leaving >= peers->most)
		peers_evict(peers);
	peer->over = peers->count - peers->leaving >= peers->most;
	peers_link(peers, peer);
	peers->count++;
	lock_drop(&peers->lock);
	return peer;
}

void
peers_leave(struct peers *peers, struct peer *peer)
{
	if (peer == NULL)
		return;
	lock_hold(&peers->lock);
	peers_unlink(peers, peer);
	peers->count--;
	peers->leaving -= peer->swept;
	lock_drop(&peers->lock);
	free(peer);
}

void
peers_mark(struct peers *peers, struct peer *peer, enum peer_state state,
    int64_t mono_ms)
{
	if (peer == NULL)
		return;
	lock_hold(&peers->lock);
	peer->state = state;
	peer->since_ms = mono_ms;
	if (state == PEER_BETWEEN) {
		peers_unlink(peers, peer);
		peers_link(peers, peer);
	}
	lock_drop(&peers->lock);
}

/* Who is idle is closed by libmicrohttpd after idle_ms. So who is still here
 * a request's time later sent something all along: a first line, in drips. */
static bool
peer_late(const struct peer *peer, int64_t idle_ms, int64_t request_ms,
    int64_t mono_ms)
{
	int64_t age_ms = mono_ms - peer->since_ms;

	switch (peer->state) {
	case PEER_BETWEEN:
		return age_ms > idle_ms + request_ms;
	case PEER_READING:
	case PEER_ANSWERED:
		return age_ms > request_ms;
	case PEER_HANDED:
		return false;
	}
	return false;
}

/* libmicrohttpd 0.9.75 misses the end of a connection that comes together
 * with the last bytes, and would keep the request until a time-out. Seen for
 * a while, so that what it has just read may become an answer. */
static bool
peer_gone(struct peer *peer, int64_t mono_ms)
{
	char byte;

	if ((peer->state != PEER_BETWEEN && peer->state != PEER_READING) ||
	    recv(peer->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0) {
		peer->ended_ms = 0;
		return false;
	}
	if (peer->ended_ms == 0)
		peer->ended_ms = mono_ms;
	return mono_ms - peer->ended_ms >= PEER_GONE_MS;
}

size_t
peers_sweep(
    struct peers *peers, int64_t idle_ms, int64_t request_ms, int64_t mono_ms)
{
	size_t swept = 0;

	lock_hold(&peers->lock);
	for (struct peer *peer = peers->first; peer != NULL;
	     peer = peer->next) {
		bool late = peer_late(peer, idle_ms, request_ms, mono_ms);

		if (peer->swept || (!late && !peer_gone(peer, mono_ms)))
			continue;
		peers_shut(peers, peer);
		swept += late;
	}
	lock_drop(&peers->lock);
	return swept;
}

size_t
peers_count(struct peers *peers)
{
	size_t count;

	lock_hold(&peers->lock);
	count = peers->count;
	lock_drop(&peers->lock);
	return count;
}

bool
peer_over(const struct peer *peer)
{
	return peer != NULL && peer->over;
}

void
peer_note_address(struct peer *peer, size_t len)
{
	if (peer != NULL)
		peer->address = len;
}

size_t
peer_address(const struct peer *peer)
{
	return peer != NULL ? peer->address : 0;
}
