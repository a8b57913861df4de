#include "server/client.h"

#include "base/counters.h"

#include <stdlib.h>
#include <sys/socket.h>

enum { CLIENT_GONE_MS = 200 };

void
clients_init(struct clients *clients, size_t most, size_t keep)
{
	*clients = (struct clients){.most = most, .keep = keep};
	lock_init(&clients->lock);
}

void
clients_fini(struct clients *clients)
{
	lock_fini(&clients->lock);
}

static void
clients_link(struct clients *clients, struct client *client)
{
	client->prev = NULL;
	client->next = clients->first;
	if (client->next != NULL)
		client->next->prev = client;
	else
		clients->last = client;
	clients->first = client;
}

static void
clients_unlink(struct clients *clients, struct client *client)
{
	if (client->prev != NULL)
		client->prev->next = client->next;
	else
		clients->first = client->next;
	if (client->next != NULL)
		client->next->prev = client->prev;
	else
		clients->last = client->prev;
}

static void
clients_shut(struct clients *clients, struct client *client)
{
	lock_assert_held(&clients->lock);
	(void)shutdown(client->fd, SHUT_RDWR);
	client->shut = true;
	clients->leaving++;
}

/* Make room for a new client: neither a silent crowd nor one that drips may
 * lock out a client that has something to send. The list is in the order in
 * which they connected or went idle, so the last that will do is the slowest.
 * There are at most `most` to look at. */
static void
clients_evict(struct clients *clients)
{
	struct client *client, *idle = NULL;

	lock_assert_held(&clients->lock);
	for (client = clients->last; client != NULL; client = client->prev) {
		bool waits = client->state == CLIENT_IDLE;

		if (client->shut)
			continue;
		if (!client->proven &&
		    (waits || client->state == CLIENT_READING))
			break;
		if (waits && idle == NULL)
			idle = client;
	}
	if (client == NULL)
		client = idle;
	if (client == NULL)
		return;
	clients_shut(clients, client);
	counter_add(COUNTER_SWEPT, 1);
}

struct client *
clients_add(struct clients *clients, int fd, int64_t mono_ms)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	client->fd = fd;
	client->since_ms = mono_ms;
	lock_hold(&clients->lock);
	if (clients->count - clients->leaving >= clients->most)
		clients_evict(clients);
	client->over = clients->count - clients->leaving >= clients->most;
	clients_link(clients, client);
	clients->count++;
	lock_drop(&clients->lock);
	return client;
}

bool
clients_reading(struct clients *clients)
{
	const struct client *client;

	lock_hold(&clients->lock);
	for (client = clients->first; client != NULL; client = client->next) {
		if (client->state == CLIENT_READING && !client->shut)
			break;
	}
	lock_drop(&clients->lock);
	return client != NULL;
}

size_t
clients_open(struct clients *clients)
{
	size_t open;

	lock_hold(&clients->lock);
	open = clients->count - clients->leaving;
	lock_drop(&clients->lock);
	return open;
}

bool
clients_remove(struct clients *clients, struct client *client)
{
	bool shut;

	if (client == NULL)
		return false;
	lock_hold(&clients->lock);
	clients_unlink(clients, client);
	clients->count--;
	shut = client->shut;
	clients->leaving -= shut;
	clients->kept -= client->kept;
	lock_drop(&clients->lock);
	free(client);
	return shut;
}

void
clients_mark(struct clients *clients, struct client *client,
    enum client_state state, int64_t mono_ms)
{
	lock_hold(&clients->lock);
	client->state = state;
	client->since_ms = mono_ms;
	if (state == CLIENT_IDLE) {
		clients_unlink(clients, client);
		clients_link(clients, client);
	}
	lock_drop(&clients->lock);
}

void
clients_prove(struct clients *clients, struct client *client, bool proven)
{
	lock_hold(&clients->lock);
	client->proven = proven;
	lock_drop(&clients->lock);
}

/* Of the clients that are kept, shut down the one that has been idle for
 * longest without having proven anything. */
static void
clients_unkeep(struct clients *clients)
{
	struct client *client = clients->last;

	lock_assert_held(&clients->lock);
	while (
	    client != NULL && (!client->kept || client->proven ||
				  client->shut || client->state != CLIENT_IDLE))
		client = client->prev;
	if (client == NULL)
		return;
	client->kept = false;
	clients->kept--;
	clients_shut(clients, client);
	counter_add(COUNTER_SWEPT, 1);
}

bool
clients_keep(struct clients *clients, struct client *client)
{
	bool kept;

	lock_hold(&clients->lock);
	if (!client->kept && client->proven && clients->kept == clients->keep)
		clients_unkeep(clients);
	if (!client->kept && clients->kept < clients->keep) {
		client->kept = true;
		clients->kept++;
	}
	kept = client->kept;
	lock_drop(&clients->lock);
	return kept;
}

int64_t
clients_busy_ms(struct clients *clients)
{
	int64_t least = 0, ms;

	lock_hold(&clients->lock);
	for (struct client *client = clients->first; client != NULL;
	     client = client->next) {
		ms = atomic_load(&client->busy_ms);
		if (ms != 0 && (least == 0 || ms < least))
			least = ms;
	}
	lock_drop(&clients->lock);
	return least;
}

/* libmicrohttpd closes an idle connection after idle_ms. One that is still here
 * a request's time later was never idle: it is sending its first line
 * slowly. */
static bool
client_late(const struct client *client, int64_t idle_ms, int64_t request_ms,
    int64_t mono_ms)
{
	int64_t age_ms = mono_ms - client->since_ms;

	switch (client->state) {
	case CLIENT_IDLE:
		return age_ms > idle_ms + request_ms;
	case CLIENT_READING:
	case CLIENT_ANSWERED:
		return age_ms > request_ms;
	case CLIENT_HANDED:
		return false;
	}
	return false;
}

/* libmicrohttpd 0.9.75 misses the end of a connection if it comes together
 * with the last bytes, and would hold the request until a timeout. The end
 * must have been there for a while, so that what the library has just read
 * may still become an answer. */
static bool
client_gone(struct client *client, int64_t mono_ms)
{
	char byte;

	if ((client->state != CLIENT_IDLE && client->state != CLIENT_READING) ||
	    recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0) {
		client->ended_ms = 0;
		return false;
	}
	if (client->ended_ms == 0)
		client->ended_ms = mono_ms;
	return mono_ms - client->ended_ms >= CLIENT_GONE_MS;
}

size_t
clients_sweep(struct clients *clients, int64_t idle_ms, int64_t request_ms,
    int64_t mono_ms)
{
	size_t swept = 0;

	lock_hold(&clients->lock);
	for (struct client *client = clients->first; client != NULL;
	     client = client->next) {
		bool late = client_late(client, idle_ms, request_ms, mono_ms);

		if (client->shut || (!late && !client_gone(client, mono_ms)))
			continue;
		clients_shut(clients, client);
		swept += late;
	}
	lock_drop(&clients->lock);
	return swept;
}
