#ifndef TESTS_SERVER_FIXTURE_H
#define TESTS_SERVER_FIXTURE_H

/*
 * For tests of the server: real sockets and a fake queue, which answers from
 * a thread of its own, as the committer does, in the way that the test chose.
 * Each test is one program, so all of it is here; no test needs all of it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "schema/currents/currents.h"
#include "server/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELPER static __attribute__((unused))

/* ---- the fake queue ---- */

enum fake_mode { FAKE_DURABLE, FAKE_FAIL, FAKE_REFUSE, FAKE_HOLD };

static struct {
	struct lock lock;
	struct cond change;
	enum fake_mode mode;
	int calls;
	/* what was handed over last */
	size_t count, fates[3];
	char source[32], type[64], reason[200], encoding[16], stored[4096];
	char page[200]; /* "group name sync number/total", or empty */
	size_t stored_len;
	/* of FAKE_HOLD */
	queue_put_done *done;
	void *arg;
} fake;

HELPER void *
fake_commit(void *arg)
{
	static const struct err full = {.code = ERR_FULL, .text = "full"};
	struct queue_receipt receipt = {0};
	queue_put_done *done;
	bool durable;

	(void)arg;
	lock_hold(&fake.lock);
	durable = fake.mode != FAKE_FAIL;
	done = fake.done;
	arg = fake.arg;
	receipt.received = fake.count;
	receipt.queued = fake.fates[ITEM_QUEUE];
	receipt.dead = fake.fates[ITEM_DEAD];
	receipt.dropped = fake.fates[ITEM_DROP];
	lock_drop(&fake.lock);
	done(arg, durable ? &receipt : NULL, durable ? NULL : &full);
	return NULL;
}

HELPER void
fake_release(void)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, fake_commit, NULL), 0);
	assert_int_equal(pthread_detach(thread), 0);
}

HELPER bool
fake_take(queue_put_done *done, void *arg, struct err *reterr)
{
	enum fake_mode mode;

	lock_hold(&fake.lock);
	mode = fake.mode;
	fake.calls++;
	fake.done = done;
	fake.arg = arg;
	cond_wake_all(&fake.change);
	lock_drop(&fake.lock);
	if (mode == FAKE_REFUSE)
		return err_set(reterr, ERR_FULL, "no room");
	if (mode != FAKE_HOLD)
		fake_release();
	return true;
}

bool
queue_put(struct queue *queue, const struct queue_batch *batch,
    queue_put_done *done, void *arg, struct err *reterr)
{
	(void)queue;
	lock_hold(&fake.lock);
	fake.count = batch->count;
	memset(fake.fates, 0, sizeof(fake.fates));
	fake.page[0] = '\0';
	if (batch->page != NULL)
		(void)snprintf(fake.page, sizeof(fake.page),
		    "%.*s %.*s %.*s %u/%u", STR_ARGS(batch->page->group),
		    STR_ARGS(batch->page->name), STR_ARGS(batch->page->sync),
		    batch->page->number, batch->page->total);
	(void)snprintf(fake.source, sizeof(fake.source), "%s", batch->source);
	for (size_t i = 0; i < batch->count; i++) {
		const struct item *item = &batch->items[i];

		fake.fates[item->fate]++;
		(void)snprintf(fake.type, sizeof(fake.type), "%.*s",
		    (int)item->type.len, item->type.data);
		if (item->reason != NULL)
			(void)snprintf(fake.reason, sizeof(fake.reason), "%s",
			    item->reason);
		if (item->fate == ITEM_DEAD &&
		    item->data.len < sizeof(fake.stored)) {
			memcpy(fake.stored, item->data.data, item->data.len);
			fake.stored_len = item->data.len;
		}
	}
	lock_drop(&fake.lock);
	return fake_take(done, arg, reterr);
}

bool
queue_put_unreadable(struct queue *queue, const struct queue_unreadable *body,
    queue_put_done *done, void *arg, struct err *reterr)
{
	(void)queue;
	lock_hold(&fake.lock);
	assert_true(body->data.len <= sizeof(fake.stored));
	memcpy(fake.stored, body->data.data, body->data.len);
	fake.stored_len = body->data.len;
	(void)snprintf(
	    fake.encoding, sizeof(fake.encoding), "%s", body->encoding);
	(void)snprintf(fake.reason, sizeof(fake.reason), "%s", body->reason);
	lock_drop(&fake.lock);
	return fake_take(done, arg, reterr);
}

bool
queue_probe(struct queue *queue, int64_t now_ms, queue_put_done *done,
    void *arg, struct err *reterr)
{
	(void)queue;
	(void)now_ms;
	return fake_take(done, arg, reterr);
}

/* What a server saves is kept in memory, for the next one. */
static char fake_clocks[4096];

bool
queue_clocks_save(struct queue *queue, enum queue_clocks what, const void *data,
    size_t len, struct err *reterr)
{
	(void)queue;
	assert_int_equal(what, QUEUE_CLOCKS_SOURCES);
	(void)reterr;
	assert_true(len < sizeof(fake_clocks));
	memcpy(fake_clocks, data, len);
	fake_clocks[len] = '\0';
	return true;
}

bool
queue_clocks_read(struct queue *queue, enum queue_clocks what,
    struct buf *ret_data, struct err *reterr)
{
	(void)queue;
	assert_int_equal(what, QUEUE_CLOCKS_SOURCES);
	(void)reterr;
	return buf_text(ret_data, fake_clocks);
}

HELPER void
fake_set(enum fake_mode how)
{
	lock_hold(&fake.lock);
	fake.mode = how;
	fake.calls = 0;
	fake.reason[0] = '\0';
	lock_drop(&fake.lock);
}

HELPER int
fake_calls(void)
{
	int calls;

	lock_hold(&fake.lock);
	calls = fake.calls;
	lock_drop(&fake.lock);
	return calls;
}

HELPER void
fake_await_call(void)
{
	lock_hold(&fake.lock);
	while (fake.calls == 0)
		cond_wait(&fake.change, &fake.lock, INT64_MAX);
	lock_drop(&fake.lock);
}

/* ---- a client ---- */

HELPER int
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

HELPER void
client_send(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);

		assert_true(sent > 0);
		data += sent;
		len -= (size_t)sent;
	}
}

/* Everything up to the close; 0 bytes if it was closed without an answer. */
HELPER size_t
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

HELPER unsigned
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
#define CLOSE "Host: localhost\r\nConnection: close\r\n"
#define EVENT(type)                                                            \
	"{\"event_type\":\"" type "\",\"id\":\"a\",\"time\":1,"                \
	"\"user\":{},\"properties\":{}}"

static const char *const tokens[] = {"old", "secret", NULL};

enum { SOURCES = 4 };

static const struct currents_settings source_settings[SOURCES] = {
    {.invalid_dropped = false},
    {.unknown_type = CURRENTS_DEAD},
    {.unknown_type = CURRENTS_DROP, .invalid_dropped = true},
    {.invalid_dropped = false},
};

static struct intake_context *contexts[SOURCES]; /* made by setup() */

static struct server_source sources[SOURCES] = {
    {.name = "main",
	.intake = &currents_intake,
	.destination = "heap",
	.secrets = tokens},
    {.name = "brand",
	.intake = &currents_intake,
	.parameter = "key=Brand A",
	.destination = "heap",
	.secrets = tokens},
    {.name = "strict",
	.intake = &currents_intake,
	.destination = "heap",
	.secrets = tokens},
    {.name = "open",
	.intake = &currents_intake,
	.destination = "heap",
	.open = true},
};

static bool alive;

HELPER bool
api_alive(void *arg)
{
	(void)arg;
	return alive;
}

/* Answers its route's path. */
HELPER void
api_say(void *arg, const struct call_route *route, struct call *call)
{
	struct err err;

	(void)arg;
	(void)!call_write(call, route->path, strlen(route->path), &err);
}

static const struct call_route api_routes[] = {
    {"GET", "/status", CALL_COUNTS, 0},
    {NULL, NULL, CALL_COUNTS, 0},
};

HELPER void
settings_for_test(struct server_settings *settings)
{
	static const char *const listen[] = {"127.0.0.1:0", NULL};

	server_settings_init(settings);
	settings->listen = listen;
	settings->admin = "127.0.0.1:0";
	settings->sources = sources;
	settings->source_count = SOURCES;
	settings->body_limit = 1024 * 1024;
	settings->body_memory = 3 * 1024 * 1024;
	settings->max_items = 200;
	settings->api = (struct server_api){
	    .routes = api_routes,
	    .stride = sizeof(api_routes[0]),
	    .serve = api_say,
	    .alive = api_alive,
	};
}

HELPER struct server *
start(const struct server_settings *settings)
{
	struct server *server;
	struct err err = {0};

	fake_set(FAKE_DURABLE);
	alive = true;
	if (!server_start(settings, NULL, &server, &err))
		fail_msg("%s", err.text);
	return server;
}

HELPER struct server *
start_default(void)
{
	struct server_settings settings;

	settings_for_test(&settings);
	return start(&settings);
}

HELPER unsigned
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

HELPER int
setup(void **state)
{
	(void)state;
	log_set_level(LOG_ERROR);
	lock_init(&fake.lock);
	cond_init(&fake.change);
	for (size_t i = 0; i < SOURCES; i++) {
		assert_true(currents_intake.context_new(
		    &source_settings[i], &contexts[i], NULL));
		sources[i].context = contexts[i];
	}
	return 0;
}

HELPER int
teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < SOURCES; i++)
		currents_intake.context_free(contexts[i]);
	return 0;
}

#endif
