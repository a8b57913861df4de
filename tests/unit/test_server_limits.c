/*
 * What the server does at its limits: too large, too many, too slow, ending.
 */

#include "tests/unit/server_fixture.h"

#include "server/listener.h"

#include <sys/ioctl.h>

/* Too large by its length, too large as it comes, and not sent at all. */
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
	assert_int_equal(fake_calls(), 0);
	server_stop(server);
}

/* Two bodies and their connections' buffers leave too little memory for a
 * third: it is answered 503, unless it is a probe. */
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
	int fds[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		fds[i] = client_open(port);
		client_send(fds[i], head, strlen(head));
		/* "100 Continue": the memory is reserved. */
		assert_true(recv(fds[i], answer, sizeof(answer), 0) > 0);
		assert_memory_equal(answer, "HTTP/1.1 100", 12);
	}
	assert_int_equal(
	    client_ask(port, large, strlen(large), answer, sizeof(answer)),
	    503);
	assert_non_null(strstr(answer, "Retry-After: 10"));
	assert_int_equal(
	    post(port, "/currents", TOKEN, "{}", answer, sizeof(answer)), 200);
	for (int i = 0; i < 2; i++)
		(void)close(fds[i]);
	server_stop(server);
}

/* With every connection busy, events are answered 503, probes and health
 * checks 200. (An idle connection would make room.) */
static void
test_connections_spent(void **state)
{
	static const char health[] = "GET /healthz HTTP/1.1\r\n" CLOSE "\r\n";
	static const char busy[] =
	    "POST /currents HTTP/1.1\r\n" CLOSE TOKEN
	    "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n";
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
		client_send(fds[i], busy, strlen(busy));
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

/* Is there a "Connection: close" in the answer to the next request? */
static bool
is_last(int fd)
{
	static const char probe[] =
	    "POST /currents HTTP/1.1\r\nHost: x\r\n" TOKEN
	    "Content-Length: 2\r\n\r\n{}";
	char answer[4096];
	ssize_t got;

	client_send(fd, probe, strlen(probe));
	got = recv(fd, answer, sizeof(answer) - 1, 0);
	assert_true(got > 0);
	answer[got] = '\0';
	assert_memory_equal(answer, "HTTP/1.1 200", 12);
	return strstr(answer, "Connection: close") != NULL;
}

/* LISTENER_KEEP connections stay open between requests. One more is answered
 * and closed. */
static void
test_connections_kept(void **state)
{
	struct server *server = start_default();
	int fds[LISTENER_KEEP], more;

	(void)state;
	for (int i = 0; i < LISTENER_KEEP; i++) {
		fds[i] = client_open(server_port(server));
		assert_false(is_last(fds[i]));
	}
	more = client_open(server_port(server));
	assert_true(is_last(more));
	(void)close(more);
	assert_false(is_last(fds[0]));
	for (int i = 0; i < LISTENER_KEEP; i++)
		(void)close(fds[i]);
	server_stop(server);
}

/* Stopping closes the listening sockets while the library's threads use them.
 * Whichever comes first, nothing aborts. */
static void
test_stop_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 2000; i++)
		server_stop(start_default());
}

/* A client that drips its headers or its body is closed. One that waits for the
 * queue is not, however long that takes. */
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
	int64_t later_ms = clock_mono_ms() + 60 * 60 * 1000;
	char answer[4096];
	int fds[4], waiting;

	(void)state;
	fake_set(FAKE_HOLD);
	waiting = client_open(server_port(server));
	client_send(waiting, whole, strlen(whole));
	fake_await_call();
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
	fake_release();
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

/* A draining server is not ready and takes nothing new. Stopping waits for what
 * was handed to the queue, and answers it. */
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
	fake_set(FAKE_HOLD);
	waiting = client_open(port);
	client_send(waiting, whole, strlen(whole));
	fake_await_call();
	server_drain(server);
	assert_int_equal(
	    client_ask(port, ready, strlen(ready), answer, sizeof(answer)),
	    503);
	assert_int_equal(
	    post(port, "/currents", TOKEN, "[7]", answer, sizeof(answer)), 503);
	assert_int_equal(pthread_create(&thread, NULL, stop_server, server), 0);
	fake_release();
	assert_true(client_read(waiting, answer, sizeof(answer)) > 0);
	assert_memory_equal(answer, "HTTP/1.1 200", 12);
	assert_non_null(strstr(answer, "Connection: close"));
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* ---- bytes that arrive while they are counted ---- */

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

static struct {
	int fd;
	const char *bytes; /* to be sent once; NULL: none */
} late;

int
__wrap_ioctl(int fd, unsigned long request, ...)
{
	int *ret_unread, rc, unread = 0;
	va_list args;

	va_start(args, request);
	ret_unread = va_arg(args, int *);
	va_end(args);
	rc = __real_ioctl(fd, request, ret_unread);
	if (request == FIONREAD && late.bytes != NULL) {
		client_send(late.fd, late.bytes, strlen(late.bytes));
		late.bytes = NULL;
		while (__real_ioctl(fd, FIONREAD, &unread) == 0 &&
		       unread <= *ret_unread)
			(void)usleep(1000);
	}
	return rc;
}

/* A proxy lost the length: the body is not thrown away with a 200, whenever it
 * arrives. */
static void
test_a_late_body_without_a_length(void **state)
{
	static const char head[] =
	    "POST /currents HTTP/1.1\r\n" CLOSE TOKEN "\r\n";
	struct server *server = start_default();
	char answer[4096];

	(void)state;
	late.fd = client_open(server_port(server));
	late.bytes = EVENT("Open");
	client_send(late.fd, head, strlen(head));
	(void)client_read(late.fd, answer, sizeof(answer));
	assert_null(late.bytes);
	assert_non_null(strstr(answer, "HTTP/1.1 503 "));
	server_stop(server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_too_large),
	    cmocka_unit_test(test_too_many_events),
	    cmocka_unit_test(test_memory_spent),
	    cmocka_unit_test(test_connections_spent),
	    cmocka_unit_test(test_a_late_body_without_a_length),
	    cmocka_unit_test(test_connections_kept),
	    cmocka_unit_test(test_stop_at_once),
	    cmocka_unit_test(test_sweep),
	    cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
