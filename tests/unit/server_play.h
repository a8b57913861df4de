#ifndef TESTS_SERVER_PLAY_H
#define TESTS_SERVER_PLAY_H

/*
 * The stage for tests of the server: real sockets, and a queue that is
 * played. It answers from a thread of its own, as the committer does, with
 * what the test told it to. Each test is one program, so all of it is here;
 * not every test needs every part.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "server/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STAGE static __attribute__((unused))

/* ---- the queue, played ---- */

enum play { PLAY_DURABLE, PLAY_FAIL, PLAY_REFUSE, PLAY_HOLD };

static struct {
	struct lock lock;
	struct cond change;
	enum play play;
	int calls;
	/* what was handed over last */
	size_t count, fates[3];
	char source[32], kind[64], reason[200], encoding[16], kept[4096];
	size_t kept_len;
	/* of PLAY_HOLD */
	queue_put_done *done;
	void *arg;
} played;

STAGE void *
played_commit(void *arg)
{
	static const struct err full = {.code = ERR_FULL, .text = "full"};
	struct queue_receipt receipt = {0};
	queue_put_done *done;
	bool durable;

	(void)arg;
	lock_hold(&played.lock);
	durable = played.play != PLAY_FAIL;
	done = played.done;
	arg = played.arg;
	receipt.received = played.count;
	receipt.queued = played.fates[ITEM_QUEUE];
	receipt.dead = played.fates[ITEM_DEAD];
	receipt.dropped = played.fates[ITEM_DROP];
	lock_drop(&played.lock);
	done(arg, durable ? &receipt : NULL, durable ? NULL : &full);
	return NULL;
}

STAGE void
played_release(void)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, played_commit, NULL), 0);
	assert_int_equal(pthread_detach(thread), 0);
}

STAGE bool
played_take(queue_put_done *done, void *arg, struct err *reterr)
{
	enum play play;

	lock_hold(&played.lock);
	play = played.play;
	played.calls++;
	played.done = done;
	played.arg = arg;
	cond_wake_all(&played.change);
	lock_drop(&played.lock);
	if (play == PLAY_REFUSE)
		return err_set(reterr, ERR_FULL, "no room");
	if (play != PLAY_HOLD)
		played_release();
	return true;
}

bool
queue_put(struct queue *queue, const struct queue_batch *batch,
    queue_put_done *done, void *arg, struct err *reterr)
{
	(void)queue;
	lock_hold(&played.lock);
	played.count = batch->count;
	memset(played.fates, 0, sizeof(played.fates));
	(void)snprintf(
	    played.source, sizeof(played.source), "%s", batch->source);
	for (size_t i = 0; i < batch->count; i++) {
		const struct item *item = &batch->items[i];

		played.fates[item->fate]++;
		(void)snprintf(played.kind, sizeof(played.kind), "%.*s",
		    (int)item->type.len, item->type.data);
		if (item->reason != NULL)
			(void)snprintf(played.reason, sizeof(played.reason),
			    "%s", item->reason);
		if (item->fate == ITEM_DEAD &&
		    item->data.len < sizeof(played.kept)) {
			memcpy(played.kept, item->data.data, item->data.len);
			played.kept_len = item->data.len;
		}
	}
	lock_drop(&played.lock);
	return played_take(done, arg, reterr);
}

bool
queue_put_unreadable(struct queue *queue, const struct queue_unreadable *body,
    queue_put_done *done, void *arg, struct err *reterr)
{
	(void)queue;
	lock_hold(&played.lock);
	assert_true(body->len <= sizeof(played.kept));
	memcpy(played.kept, body->data, body->len);
	played.kept_len = body->len;
	(void)snprintf(
	    played.encoding, sizeof(played.encoding), "%s", body->encoding);
	(void)snprintf(
	    played.reason, sizeof(played.reason), "%s", body->reason);
	lock_drop(&played.lock);
	return played_take(done, arg, reterr);
}

bool
queue_probe(struct queue *queue, int64_t now_ms, queue_put_done *done,
    void *arg, struct err *reterr)
{
	(void)queue;
	(void)now_ms;
	return played_take(done, arg, reterr);
}

/* The clocks of a server are in memory here, from one to the next. */
static char played_clocks[4096];

bool
queue_clocks_save(
    struct queue *queue, const void *data, size_t len, struct err *reterr)
{
	(void)queue;
	(void)reterr;
	assert_true(len < sizeof(played_clocks));
	memcpy(played_clocks, data, len);
	played_clocks[len] = '\0';
	return true;
}

bool
queue_clocks_read(struct queue *queue, struct buf *ret_data, struct err *reterr)
{
	(void)queue;
	(void)reterr;
	return buf_text(ret_data, played_clocks);
}

STAGE void
play(enum play how)
{
	lock_hold(&played.lock);
	played.play = how;
	played.calls = 0;
	played.reason[0] = '\0';
	lock_drop(&played.lock);
}

STAGE int
played_calls(void)
{
	int calls;

	lock_hold(&played.lock);
	calls = played.calls;
	lock_drop(&played.lock);
	return calls;
}

STAGE void
played_await_call(void)
{
	lock_hold(&played.lock);
	while (played.calls == 0)
		cond_wait(&played.change, &played.lock, INT64_MAX);
	lock_drop(&played.lock);
}

/* ---- a client ---- */

STAGE int
client_open(unsigned port)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const struct timeval patience = {.tv_sec = 20};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
			     sizeof(patience)),
	    0);
	assert_int_equal(
	    connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

STAGE void
client_send(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);

		assert_true(sent > 0);
		data += sent;
		len -= (size_t)sent;
	}
}

/* Everything up to the close; 0 bytes if it was closed without a word. */
STAGE size_t
client_read(int fd, char *ret, size_t size)
{
	size_t len = 0;
	ssize_t got;

	while (len + 1 < size &&
	       (got = recv(fd, ret + len, size - len - 1, 0)) > 0)
		len += (size_t)got;
	ret[len] = '\0';
	(void)close(fd);
	return len;
}

STAGE unsigned
client_ask(
    unsigned port, const char *request, size_t len, char *ret, size_t size)
{
	int fd = client_open(port);
	unsigned status = 0;

	client_send(fd, request, len);
	if (client_read(fd, ret, size) > 0 &&
	    sscanf(ret, "HTTP/1.1 %u", &status) != 1)
		return 0;
	return status;
}

/* ---- a server ---- */

#define TOKEN "Authorization: Bearer secret\r\n"
#define CLOSE "Host: x\r\nConnection: close\r\n"
#define EVENT(type)                                                            \
	"{\"event_type\":\"" type "\",\"id\":\"a\",\"time\":1,"                \
	"\"user\":{},\"properties\":{}}"

static const char *const tokens[] = {"old", "secret", NULL};

static const struct server_source sources[] = {
    {.name = "main", .destination = "heap", .tokens = tokens},
    {.name = "brand",
	.parameter = "key=Brand A",
	.destination = "heap",
	.tokens = tokens,
	.unknown_type = SERVER_DEAD},
    {.name = "strict",
	.destination = "heap",
	.tokens = tokens,
	.unknown_type = SERVER_DROP,
	.invalid_dropped = true},
    {.name = "open", .destination = "heap", .open = true},
};

static bool alive;

STAGE bool
view_alive(void *arg)
{
	(void)arg;
	return alive;
}

STAGE void
view_text(void *arg, struct buf *out)
{
	buf_text(out, arg);
}

STAGE void
settings_for_test(struct server_settings *settings)
{
	server_settings_init(settings);
	settings->listen = "127.0.0.1:0";
	settings->admin = "127.0.0.1:0";
	settings->sources = sources;
	settings->source_count = 4;
	settings->body_limit = 1024 * 1024;
	settings->body_memory = 3 * 1024 * 1024;
	settings->max_events = 200;
	settings->views = (struct server_views){
	    view_alive, view_text, view_text, (void *)(uintptr_t) "view"};
}

STAGE struct server *
start(const struct server_settings *settings)
{
	struct server *server;
	struct err err = {0};

	play(PLAY_DURABLE);
	alive = true;
	if (!server_start(settings, NULL, &server, &err))
		fail_msg("%s", err.text);
	return server;
}

STAGE struct server *
start_default(void)
{
	struct server_settings settings;

	settings_for_test(&settings);
	return start(&settings);
}

STAGE unsigned
post(unsigned port, const char *path, const char *headers, const char *body,
    char *ret, size_t size)
{
	char request[8192];
	int len = snprintf(request, sizeof(request),
	    "POST %s HTTP/1.1\r\n" CLOSE "%sContent-Length: %zu\r\n\r\n%s",
	    path, headers, strlen(body), body);

	assert_true(len > 0 && (size_t)len < sizeof(request));
	return client_ask(port, request, (size_t)len, ret, size);
}

STAGE int
setup(void **state)
{
	(void)state;
	log_set_level(LOG_ERROR);
	lock_init(&played.lock);
	cond_init(&played.change);
	return 0;
}

#endif
