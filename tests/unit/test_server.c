/*
 * The server over real sockets and a queue that is played: it answers from a
 * thread of its own, as the committer does, with what the test told it to.
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
	queue_done *done;
	void *arg;
} played;

static void *
played_commit(void *arg)
{
	static const struct err full = {.code = ERR_FULL, .text = "full"};
	struct queue_receipt receipt = {0};
	queue_done *done;
	bool durable;

	(void)arg;
	lock_hold(&played.lock);
	durable = played.play != PLAY_FAIL;
	done = played.done;
	arg = played.arg;
	receipt.received = played.count;
	receipt.queued = played.fates[QUEUE_WAIT];
	receipt.buried = played.fates[QUEUE_BURY];
	receipt.dropped = played.fates[QUEUE_DROP];
	lock_drop(&played.lock);
	done(arg, durable ? &receipt : NULL, durable ? NULL : &full);
	return NULL;
}

static void
played_release(void)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, played_commit, NULL), 0);
	assert_int_equal(pthread_detach(thread), 0);
}

static bool
played_take(queue_done *done, void *arg, struct err *reterr)
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
    queue_done *done, void *arg, struct err *reterr)
{
	(void)queue;
	lock_hold(&played.lock);
	played.count = batch->count;
	memset(played.fates, 0, sizeof(played.fates));
	(void)snprintf(
	    played.source, sizeof(played.source), "%s", batch->source);
	for (size_t i = 0; i < batch->count; i++) {
		const struct queue_item *item = &batch->items[i];

		played.fates[item->fate]++;
		(void)snprintf(played.kind, sizeof(played.kind), "%.*s",
		    (int)item->kind_len, item->kind);
		if (item->reason != NULL)
			(void)snprintf(played.reason, sizeof(played.reason),
			    "%s", item->reason);
		if (item->fate == QUEUE_BURY &&
		    item->data_len < sizeof(played.kept)) {
			memcpy(played.kept, item->data, item->data_len);
			played.kept_len = item->data_len;
		}
	}
	lock_drop(&played.lock);
	return played_take(done, arg, reterr);
}

bool
queue_keep(struct queue *queue, const struct queue_body *body, queue_done *done,
    void *arg, struct err *reterr)
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
queue_probe(struct queue *queue, int64_t now_ms, queue_done *done, void *arg,
    struct err *reterr)
{
	(void)queue;
	(void)now_ms;
	return played_take(done, arg, reterr);
}

static void
play(enum play how)
{
	lock_hold(&played.lock);
	played.play = how;
	played.calls = 0;
	played.reason[0] = '\0';
	lock_drop(&played.lock);
}

static int
played_calls(void)
{
	int calls;

	lock_hold(&played.lock);
	calls = played.calls;
	lock_drop(&played.lock);
	return calls;
}

static void
played_await_call(void)
{
	lock_hold(&played.lock);
	while (played.calls == 0)
		cond_wait(&played.change, &played.lock, INT64_MAX);
	lock_drop(&played.lock);
}

/* ---- a client ---- */

static int
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

static void
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
static size_t
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

static unsigned
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
    {.name = "main", .lane = "heap", .tokens = tokens},
    {.name = "brand",
	.parameter = "key=Brand A",
	.lane = "heap",
	.tokens = tokens,
	.unknown_type = SERVER_BURY},
    {.name = "strict",
	.lane = "heap",
	.tokens = tokens,
	.unknown_type = SERVER_DROP,
	.flawed_dropped = true},
    {.name = "open", .lane = "heap", .open = true},
};

static bool alive;

static bool
view_alive(void *arg)
{
	(void)arg;
	return alive;
}

static void
view_text(void *arg, struct buf *out)
{
	buf_text(out, arg);
}

static void
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

static struct server *
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

static struct server *
start_default(void)
{
	struct server_settings settings;

	settings_for_test(&settings);
	return start(&settings);
}

static unsigned
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

/* ---- tests ---- */

static void
test_answers(void **state)
{
	static const struct {
		const char *path, *headers, *body;
		enum play play;
		unsigned status;
		const char *has; /* in the answer */
		int calls;	 /* of the queue */
	} cases[] = {
	    /* accepted */
	    {"/currents", TOKEN, "{\"events\":[" EVENT("x.Y") "]}",
		PLAY_DURABLE, 200,
		"{\"received\":1,\"queued\":1,\"buried\":0,\"duplicates\":0,"
		"\"dropped\":0}",
		1},
	    {"/currents/", TOKEN, EVENT("x.Y"), PLAY_DURABLE, 200,
		"\"queued\":1", 1},
	    {"/currents/brand/?a=b", TOKEN, EVENT("x.Y"), PLAY_DURABLE, 200,
		"\"buried\":1", 1},
	    {"/currents?key=%22Brand%20A%22", TOKEN, EVENT("x.Y"), PLAY_DURABLE,
		200, "\"buried\":1", 1},
	    {"/currents?key=Brand+A", TOKEN, EVENT("x.Y"), PLAY_DURABLE, 200,
		"\"buried\":1", 1},
	    {"/currents?key=\"Brand A\"", TOKEN, EVENT("x.Y"), PLAY_DURABLE,
		200, "\"buried\":1", 1},
	    {"/currents/strict", TOKEN, EVENT("x.Y"), PLAY_DURABLE, 200,
		"\"dropped\":1", 1},
	    {"/currents/strict", TOKEN, "[7]", PLAY_DURABLE, 200,
		"\"dropped\":1", 1},
	    {"/currents", TOKEN, "[7," EVENT("x.Y") "]", PLAY_DURABLE, 200,
		"\"received\":2,\"queued\":1,\"buried\":1", 1},
	    {"/currents/open", "", EVENT("x.Y"), PLAY_DURABLE, 200,
		"\"queued\":1", 1},
	    {"/currents", "authorization: bEARER old\r\n", EVENT("x.Y"),
		PLAY_DURABLE, 200, "\"queued\":1", 1},
	    /* probes never ask the queue */
	    {"/currents", TOKEN, "", PLAY_REFUSE, 200, "\"received\":0", 0},
	    {"/currents", TOKEN, " \r\n", PLAY_REFUSE, 200, "\"received\":0",
		0},
	    {"/currents", TOKEN, "{}", PLAY_REFUSE, 200, "\"received\":0", 0},
	    {"/currents", TOKEN, "{\"events\":[]}", PLAY_REFUSE, 200,
		"\"received\":0", 0},
	    {"/currents", TOKEN, "{\"events\":null}", PLAY_REFUSE, 200,
		"\"received\":0", 0},
	    /* refused, in the order of precedence */
	    {"/current", "", "x", PLAY_DURABLE, 404, "no such path", 0},
	    {"/metrics", "", "x", PLAY_DURABLE, 404, "no such path", 0},
	    {"/currents/none", TOKEN, "x", PLAY_DURABLE, 404, "no source", 0},
	    {"/healthz", "", "x", PLAY_DURABLE, 405, "Allow: GET, HEAD", 0},
	    {"/currents", "Content-Encoding: br\r\n", "{}", PLAY_DURABLE, 401,
		"WWW-Authenticate: Bearer", 0},
	    {"/currents", "Authorization: Bearer secrets\r\n", "", PLAY_DURABLE,
		401, "WWW-Authenticate: Bearer", 0},
	    {"/currents", TOKEN "Content-Encoding: br\r\n", "{}", PLAY_DURABLE,
		415, "Accept-Encoding: gzip", 0},
	    /* cannot be read: kept, then 400 */
	    {"/currents", TOKEN, "{\"events\":7}", PLAY_DURABLE, 400,
		"\"offset\":10", 1},
	    {"/currents", TOKEN, "nonsense", PLAY_FAIL, 503, "Retry-After: 10",
		1},
	    {"/currents", TOKEN, "nonsense", PLAY_REFUSE, 503,
		"Retry-After: 10", 1},
	    {"/currents", TOKEN "Content-Encoding: gzip\r\n", "{}",
		PLAY_DURABLE, 400, "not valid gzip", 1},
	    /* cannot be put */
	    {"/currents", TOKEN, EVENT("x.Y"), PLAY_FAIL, 503,
		"Retry-After: 10", 1},
	    {"/currents", TOKEN, EVENT("x.Y"), PLAY_REFUSE, 503,
		"Retry-After: 10", 1},
	};
	struct server *server = start_default();
	char answer[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned status;

		play(cases[i].play);
		status = post(server_port(server), cases[i].path,
		    cases[i].headers, cases[i].body, answer, sizeof(answer));
		if (status != cases[i].status ||
		    strstr(answer, cases[i].has) == NULL ||
		    played_calls() != cases[i].calls)
			fail_msg("%s: %s: %u, %d calls: %s", cases[i].path,
			    cases[i].body, status, played_calls(), answer);
	}
	server_stop(server);
}

/* What is kept is what came, and what is buried is the event's bytes. */
static void
test_bytes(void **state)
{
	static const char body[] = "[ {\"id\": 7 } ,7]",
			  bad[] = "{\"events\":}";
	struct server *server = start_default();
	unsigned port = server_port(server);
	char answer[4096];

	(void)state;
	assert_int_equal(
	    post(port, "/currents", TOKEN, body, answer, sizeof(answer)), 200);
	assert_int_equal(played.kept_len, 1);
	assert_memory_equal(played.kept, "7", 1);
	assert_string_equal(played.source, "main");
	assert_true(played.reason[0] != '\0');
	assert_int_equal(
	    post(port, "/currents", TOKEN, bad, answer, sizeof(answer)), 400);
	assert_int_equal(played.kept_len, strlen(bad));
	assert_memory_equal(played.kept, bad, strlen(bad));
	assert_string_equal(played.encoding, "");
	assert_non_null(strstr(played.reason, "at byte 10: "));
	assert_int_equal(
	    post(port, "/currents", TOKEN "Content-Encoding: x-gzip\r\n", bad,
		answer, sizeof(answer)),
	    400);
	assert_memory_equal(played.kept, bad, strlen(bad));
	assert_string_equal(played.encoding, "gzip");
	server_stop(server);
}

/* Where the body ends is uncertain: nothing is read, nothing is blamed. */
static void
test_framing(void **state)
{
	static const char *const cases[] = {
	    "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
	    "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
	    "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "2\r\n{}\r\n0\r\n\r\n",
	    "Transfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n"
	    "2\r\n{}\r\n0\r\n\r\n",
	    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "2\r\n{}\r\n0\r\n\r\n",
	};
	struct server *server = start_default();
	char request[1024], answer[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* Without "close": that comes from us. */
		int len = snprintf(request, sizeof(request),
		    "POST /currents HTTP/1.1\r\nHost: x\r\n" TOKEN "%s",
		    cases[i]);
		unsigned status = client_ask(server_port(server), request,
		    (size_t)len, answer, sizeof(answer));

		if (status != 503 || strstr(answer, "Retry-After") == NULL ||
		    strstr(answer + 12, "HTTP/1.1 ") != NULL)
			fail_msg("%s: %u %s", cases[i], status, answer);
	}
	assert_int_equal(played_calls(), 0);
	server_stop(server);
}

static void
test_chunked(void **state)
{
	static const char head[] = "POST /currents HTTP/1.1\r\n" CLOSE TOKEN
				   "Transfer-Encoding: chunked\r\n\r\n";
	static const char event[] = EVENT("x.Y");
	struct server *server = start_default();
	char piece[80], answer[4096];
	unsigned status = 0;
	int fd, len;

	(void)state;
	fd = client_open(server_port(server));
	client_send(fd, head, strlen(head));
	for (size_t i = 0; i < strlen(event); i++) {
		len = snprintf(piece, sizeof(piece), "1\r\n%c\r\n", event[i]);
		client_send(fd, piece, (size_t)len);
	}
	client_send(fd, "0\r\n\r\n", 5);
	(void)client_read(fd, answer, sizeof(answer));
	assert_int_equal(sscanf(answer, "HTTP/1.1 %u", &status), 1);
	assert_int_equal(status, 200);
	assert_non_null(strstr(answer, "\"queued\":1"));
	server_stop(server);
}

/* Known to be too large, found to be too large; and not sent at all. */
static void
test_too_large(void **state)
{
	enum { SIZE = 1024 * 1024 + 1 };
	static const char expect[] =
	    "POST /currents HTTP/1.1\r\n" CLOSE TOKEN
	    "Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n";
	struct server *server = start_default();
	unsigned port = server_port(server);
	char *request = malloc(SIZE + 1024), answer[4096];
	int len;

	(void)state;
	assert_non_null(request);
	assert_int_equal(
	    client_ask(port, expect, strlen(expect), answer, sizeof(answer)),
	    413);
	len = snprintf(request, 1024,
	    "POST /currents HTTP/1.1\r\n" CLOSE TOKEN
	    "Content-Length: %d\r\n\r\n",
	    SIZE);
	memset(request + len, ' ', SIZE);
	assert_int_equal(client_ask(port, request, (size_t)len + SIZE, answer,
			     sizeof(answer)),
	    413);
	len = snprintf(request, 1024,
	    "POST /currents HTTP/1.1\r\n" CLOSE TOKEN
	    "Transfer-Encoding: chunked\r\n\r\n%x\r\n",
	    SIZE);
	memset(request + len, ' ', SIZE);
	memcpy(request + len + SIZE, "\r\n0\r\n\r\n", 7);
	assert_int_equal(client_ask(port, request, (size_t)len + SIZE + 7,
			     answer, sizeof(answer)),
	    413);
	/* One byte less is a probe of the largest size. */
	len = snprintf(request, 1024,
	    "POST /currents HTTP/1.1\r\n" CLOSE TOKEN
	    "Content-Length: %d\r\n\r\n",
	    SIZE - 1);
	memset(request + len, ' ', SIZE);
	assert_int_equal(client_ask(port, request, (size_t)len + SIZE - 1,
			     answer, sizeof(answer)),
	    200);
	free(request);
	server_stop(server);
}

static void
test_too_many_events(void **state)
{
	struct server *server = start_default();
	char body[1024], answer[4096];
	size_t len = 0;

	(void)state;
	body[len++] = '[';
	for (int i = 0; i < 201; i++) {
		body[len++] = '7';
		body[len++] = ',';
	}
	body[len - 1] = ']';
	body[len] = '\0';
	assert_int_equal(post(server_port(server), "/currents", TOKEN, body,
			     answer, sizeof(answer)),
	    413);
	assert_int_equal(played_calls(), 0);
	server_stop(server);
}

/* Two bodies hold all the memory: who comes next is told to come again,
 * unless it is a probe. */
static void
test_memory_spent(void **state)
{
	static const char head[] =
	    "POST /currents HTTP/1.1\r\n" CLOSE TOKEN "Expect: 100-continue\r\n"
	    "Content-Length: 1048576\r\n\r\n";
	static const char large[] = "POST /currents HTTP/1.1\r\n" CLOSE TOKEN
				    "Content-Length: 1048576\r\n"
				    "Expect: 100-continue\r\n\r\n";
	struct server *server = start_default();
	unsigned port = server_port(server);
	char answer[4096];
	int fds[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		fds[i] = client_open(port);
		client_send(fds[i], head, strlen(head));
		/* "100 Continue": it is reserved. */
		assert_true(recv(fds[i], answer, sizeof(answer), 0) > 0);
		assert_memory_equal(answer, "HTTP/1.1 100", 12);
	}
	assert_int_equal(
	    client_ask(port, large, strlen(large), answer, sizeof(answer)),
	    503);
	assert_non_null(strstr(answer, "Retry-After: 10"));
	assert_int_equal(
	    post(port, "/currents", TOKEN, "{}", answer, sizeof(answer)), 200);
	for (int i = 0; i < 3; i++)
		(void)close(fds[i]);
	server_stop(server);
}

static void
test_connections_spent(void **state)
{
	static const char health[] = "GET /healthz HTTP/1.1\r\n" CLOSE "\r\n";
	static const char idle[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
	struct server_settings settings;
	struct server *server;
	char answer[4096];
	unsigned port;
	int fds[2];

	(void)state;
	settings_for_test(&settings);
	settings.max_connections = 2;
	server = start(&settings);
	port = server_port(server);
	for (int i = 0; i < 2; i++) {
		fds[i] = client_open(port);
		client_send(fds[i], idle, strlen(idle));
		assert_true(recv(fds[i], answer, sizeof(answer), 0) > 0);
	}
	assert_int_equal(post(port, "/currents", TOKEN, EVENT("x.Y"), answer,
			     sizeof(answer)),
	    503);
	assert_non_null(strstr(answer, "Retry-After: 10"));
	assert_int_equal(
	    post(port, "/currents", TOKEN, "{}", answer, sizeof(answer)), 200);
	assert_int_equal(
	    client_ask(port, health, strlen(health), answer, sizeof(answer)),
	    200);
	for (int i = 0; i < 2; i++)
		(void)close(fds[i]);
	server_stop(server);
}

static void
test_health(void **state)
{
	static const struct {
		const char *path;
		bool admin, alive;
		enum play play;
		unsigned status;
		const char *has;
	} cases[] = {
	    {"/healthz", false, true, PLAY_REFUSE, 200, "ok"},
	    {"/healthz", true, true, PLAY_DURABLE, 200, "ok"},
	    {"/healthz", false, false, PLAY_DURABLE, 503, "stalled"},
	    {"/readyz", false, true, PLAY_DURABLE, 200, "ok"},
	    {"/readyz", true, true, PLAY_DURABLE, 200, "ok"},
	    {"/readyz", false, true, PLAY_FAIL, 503, "full"},
	    {"/readyz", false, true, PLAY_REFUSE, 503, "no room"},
	    {"/metrics", true, true, PLAY_DURABLE, 200, "view"},
	    {"/status", true, true, PLAY_DURABLE, 200, "view"},
	    {"/status", false, true, PLAY_DURABLE, 404, "no such path"},
	    {"/currents", true, true, PLAY_DURABLE, 404, "no such path"},
	    {"/currents", false, true, PLAY_DURABLE, 405, "Allow: POST"},
	};
	struct server *server = start_default();
	char request[256], answer[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int len = snprintf(request, sizeof(request),
		    "GET %s HTTP/1.1\r\n" CLOSE "\r\n", cases[i].path);
		unsigned status;

		play(cases[i].play);
		alive = cases[i].alive;
		status = client_ask(cases[i].admin ? server_admin_port(server)
						   : server_port(server),
		    request, (size_t)len, answer, sizeof(answer));
		if (status != cases[i].status ||
		    strstr(answer, cases[i].has) == NULL)
			fail_msg("%s: %u %s", cases[i].path, status, answer);
	}
	server_stop(server);
}

/* Who drips its headers or its body is closed; who waits for the queue is
 * not, however long it takes. */
static void
test_sweep(void **state)
{
	static const char *const starts[] = {
	    "POST /cur",
	    "POST /currents HTTP/1.1\r\nHost:",
	    "POST /currents HTTP/1.1\r\n" CLOSE TOKEN
	    "Content-Length: 10\r\n\r\n{",
	    "POST /none HTTP/1.1\r\n" CLOSE
	    "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
	};
	static const char whole[] = "POST /currents HTTP/1.1\r\n" CLOSE TOKEN
				    "Content-Length: 3\r\n\r\n[7]";
	struct server *server = start_default();
	int64_t later_ms = clock_mono_ms() + 10 * 60 * 1000;
	char answer[4096];
	int fds[4], waiting;

	(void)state;
	play(PLAY_HOLD);
	waiting = client_open(server_port(server));
	client_send(waiting, whole, strlen(whole));
	played_await_call();
	for (int i = 0; i < 4; i++) {
		fds[i] = client_open(server_port(server));
		client_send(fds[i], starts[i], strlen(starts[i]));
	}
	for (int i = 0; i < 4; i++) {
		/* A connection may not have been taken in yet: sweep until
		 * it is closed. */
		for (;;) {
			ssize_t got = recv(fds[i], answer, 1, MSG_DONTWAIT);

			if (got == 0)
				break;
			assert_true(got < 0);
			server_sweep(server, later_ms);
		}
		(void)close(fds[i]);
	}
	played_release();
	assert_true(client_read(waiting, answer, sizeof(answer)) > 0);
	assert_memory_equal(answer, "HTTP/1.1 200", 12);
	server_stop(server);
}

static void *
stop_server(void *server)
{
	server_stop(server);
	return NULL;
}

/* Draining: not ready, nothing new; stopping waits for what was handed
 * over, and that is answered. */
static void
test_stop(void **state)
{
	static const char whole[] =
	    "POST /currents HTTP/1.1\r\nHost: x\r\n" TOKEN
	    "Content-Length: 3\r\n\r\n[7]";
	static const char ready[] = "GET /readyz HTTP/1.1\r\n" CLOSE "\r\n";
	struct server *server = start_default();
	unsigned port = server_port(server);
	char answer[4096];
	pthread_t thread;
	int waiting;

	(void)state;
	play(PLAY_HOLD);
	waiting = client_open(port);
	client_send(waiting, whole, strlen(whole));
	played_await_call();
	server_drain(server);
	assert_int_equal(
	    client_ask(port, ready, strlen(ready), answer, sizeof(answer)),
	    503);
	assert_int_equal(
	    post(port, "/currents", TOKEN, "[7]", answer, sizeof(answer)), 503);
	assert_int_equal(pthread_create(&thread, NULL, stop_server, server), 0);
	played_release();
	assert_true(client_read(waiting, answer, sizeof(answer)) > 0);
	assert_memory_equal(answer, "HTTP/1.1 200", 12);
	assert_non_null(strstr(answer, "Connection: close"));
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void
test_status(void **state)
{
	struct server *server = start_default();
	unsigned port = server_port(server);
	struct server_source_status status;
	char answer[4096];

	(void)state;
	assert_int_equal(post(port, "/currents", "", "[7]", answer, 4096), 401);
	server_source_status(server, 0, &status);
	assert_string_equal(status.name, "main");
	assert_int_equal(status.last_request_ms, 0);
	play(PLAY_FAIL);
	assert_int_equal(
	    post(port, "/currents", TOKEN, "[7]", answer, 4096), 503);
	server_source_status(server, 0, &status);
	assert_true(status.last_request_ms > 0);
	assert_true(status.failing_since_ms >= status.last_request_ms);
	assert_int_equal(status.last_success_ms, 0);
	play(PLAY_DURABLE);
	assert_int_equal(
	    post(port, "/currents", TOKEN, "[7]", answer, 4096), 200);
	server_source_status(server, 0, &status);
	assert_true(status.last_success_ms > 0);
	assert_int_equal(status.failing_since_ms, 0);
	server_source_status(server, 1, &status);
	assert_int_equal(status.last_request_ms, 0);
	server_stop(server);
}

static void
test_settings(void **state)
{
	static const char *const listens[] = {"", "127.0.0.1",
	    "127.0.0.1:", ":80", "::1:80", "[]:80", "no such host:80",
	    "192.0.2.1:0"};
	struct server_settings settings;
	struct server *server = start_default();
	char taken[32];
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(listens) / sizeof(listens[0]); i++) {
		settings_for_test(&settings);
		settings.listen = listens[i];
		assert_false(server_start(&settings, NULL, &server, &err));
		assert_int_equal(err.code, ERR_CONFIG);
	}
	(void)snprintf(
	    taken, sizeof(taken), "127.0.0.1:%u", server_port(server));
	settings_for_test(&settings);
	settings.admin = taken;
	assert_false(server_start(&settings, NULL, &server, &err));
	assert_int_equal(err.code, ERR_CONFIG);
	settings_for_test(&settings);
	settings.body_limit = 1024 * 1024 - 1;
	assert_false(server_start(&settings, NULL, &server, &err));
	settings_for_test(&settings);
	settings.body_memory = 2 * 1024 * 1024;
	assert_false(server_start(&settings, NULL, &server, &err));
	server_stop(server);
	server_stop(NULL);
}

static int
setup(void **state)
{
	(void)state;
	log_set_level(LOG_ERROR);
	lock_init(&played.lock);
	cond_init(&played.change);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_framing),
	    cmocka_unit_test(test_chunked),
	    cmocka_unit_test(test_too_large),
	    cmocka_unit_test(test_too_many_events),
	    cmocka_unit_test(test_memory_spent),
	    cmocka_unit_test(test_connections_spent),
	    cmocka_unit_test(test_health),
	    cmocka_unit_test(test_sweep),
	    cmocka_unit_test(test_stop),
	    cmocka_unit_test(test_status),
	    cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
