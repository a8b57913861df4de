/*
 * The admin interface of the server, with handlers of the test's own: over TCP
 * and at admin.sock.
 */

#include "server_fixture.h"

#include "server/socket.h"

#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/un.h>

enum {
	PIECE = 200 * 1024,
	LONG = 400, /* pieces: more than any buffer holds */
};

static struct {
	struct lock lock;
	struct cond change;
	bool open;  /* the handler may go on */
	bool begun; /* it waits for that */
	int ended;  /* handlers that were told to end */
} gate;

static void
gate_set(bool open)
{
	lock_hold(&gate.lock);
	gate.open = open;
	gate.begun = false;
	cond_wake_all(&gate.change);
	lock_drop(&gate.lock);
}

static void
gate_pass(void)
{
	lock_hold(&gate.lock);
	gate.begun = true;
	cond_wake_all(&gate.change);
	while (!gate.open)
		cond_wait(&gate.change, &gate.lock, INT64_MAX);
	lock_drop(&gate.lock);
}

static void
gate_await(void)
{
	lock_hold(&gate.lock);
	while (!gate.begun)
		cond_wait(&gate.change, &gate.lock, INT64_MAX);
	lock_drop(&gate.lock);
}

static void
write_piece(struct call *call, char letter)
{
	static _Thread_local char piece[PIECE];
	struct err err;

	memset(piece, letter, sizeof(piece));
	(void)!call_write(call, piece, sizeof(piece), &err);
}

/* Writes until it is told to end. */
static void
write_endlessly(struct call *call)
{
	struct err err;

	while (call_write(call, "line\n", 5, &err))
		;
	assert_int_equal(err.code, ERR_STOPPING);
	lock_hold(&gate.lock);
	gate.ended++;
	cond_wake_all(&gate.change);
	lock_drop(&gate.lock);
}

static void
serve(void *arg, const struct call_route *route, struct call *call)
{
	struct err err;
	struct buf out;

	(void)arg;
	buf_init(&out, 4096);
	if (strcmp(route->path, "/pieces") == 0) {
		call->type = "application/x-ndjson";
		write_piece(call, 'a');
		gate_pass();
		write_piece(call, 'b');
	} else if (strcmp(route->path, "/long") == 0) {
		for (int i = 0; i < LONG; i++)
			write_piece(call, 'a');
	} else if (strcmp(route->path, "/endless") == 0) {
		write_endlessly(call);
	} else if (strcmp(route->path, "/wait") == 0) {
		gate_pass();
		(void)!call_write(call, "done", 4, &err);
	} else {
		if (call_param(call, "fail") != NULL)
			call->status = 418;
		(void)buf_printf(&out, "%s %s name=%.*s a=%s body=%.*s by=%s",
		    call->method, route->path, STR_ARGS(call->name),
		    call_param(call, "a") != NULL ? call_param(call, "a") : "-",
		    STR_ARGS(call->body), call->caller);
		(void)!call_write(call, out.data, out.len, &err);
	}
	buf_fini(&out);
}

static const struct call_route routes[] = {
    {"GET", "/counts", CALL_COUNTS, 0},
    {"GET", "/events/*", CALL_VIEW, 0},
    {"POST", "/dead/*/requeue", CALL_CHANGE, 100},
    {"POST", "/large", CALL_COUNTS, 256 * 1024 * 1024},
    {"GET", "/pieces", CALL_COUNTS, 0},
    {"GET", "/long", CALL_COUNTS, 0},
    {"GET", "/endless", CALL_COUNTS, 0},
    {"GET", "/wait", CALL_COUNTS, 0},
    {NULL, NULL, CALL_COUNTS, 0},
};

static const char *const view[] = {"view", NULL},
			 *const admin[] = {"admin", NULL},
			 *const hosts[] = {"ops.example", NULL};
static char dir[64];

static struct server *
start_admin(bool with_tokens)
{
	struct server_settings settings;

	settings_for_test(&settings);
	settings.api.routes = routes;
	settings.api.serve = serve;
	settings.socket_dir = dir;
	settings.admin_hosts = hosts;
	if (with_tokens) {
		settings.view_tokens = view;
		settings.admin_tokens = admin;
	}
	gate_set(false);
	return start(&settings);
}

static unsigned
ask(struct server *server, const char *line, const char *headers, char *answer,
    size_t size)
{
	char request[1024];
	int len = snprintf(request, sizeof(request),
	    "%s HTTP/1.1\r\nConnection: close\r\n%s\r\n", line, headers);

	return client_ask(
	    server_admin_port(server), request, (size_t)len, answer, size);
}

#define LOCAL "Host: localhost\r\n"
#define BODY  "Content-Length: 4\r\n"

static void
test_rights(void **state)
{
	static const struct {
		const char *line, *headers;
		bool tokens;
		unsigned status;
		const char *has;
	} cases[] = {
	    {"GET /counts?a=x%20y", LOCAL, true, 200,
		"GET /counts name= a=x y"},
	    {"GET /counts", "Host: 127.0.0.1:81\r\n", true, 200, "by=-"},
	    {"GET /counts", "Host: [::1]:81\r\n", true, 200, "by=-"},
	    {"GET /counts", "Host: OPS.example\r\n", true, 200, "by=-"},
	    {"GET /counts", "Host: evil.example\r\n", true, 403, "admin_hosts"},
	    {"GET /counts", "", true, 403, "admin_hosts"},
	    {"GET /counts?fail=1", LOCAL, true, 418, "by=-"},
	    {"GET /healthz", "Host: evil.example\r\n", true, 200, "ok"},
	    {"GET /events/a%2Fb", LOCAL, true, 401, "view or admin token"},
	    {"GET /events/a%2Fb", LOCAL "Authorization: Bearer view\r\n", true,
		200, "name=a/b a=- body= by=view_token"},
	    {"GET /events/x", LOCAL "Authorization: Bearer admin\r\n", true,
		200, "by=admin_token"},
	    {"GET /events/x", LOCAL "Authorization: Bearer wrong\r\n", true,
		401, "WWW-Authenticate: Bearer"},
	    {"GET /counts", LOCAL "Authorization: Bearer wrong\r\n", true, 401,
		"token"},
	    {"POST /dead/7/requeue",
		LOCAL BODY "Authorization: Bearer view\r\n\r\nbody", true, 401,
		"admin token"},
	    {"POST /dead/7/requeue",
		LOCAL BODY "Authorization: Bearer admin\r\n\r\nbody", true, 200,
		"name=7 a=- body=body by=admin_token"},
	    {"POST /dead/7/requeue",
		LOCAL "Content-Length: 101\r\nExpect: 100-continue\r\n"
		      "Authorization: Bearer admin\r\n",
		true, 413, "too large"},
	    {"GET /dead/7/requeue", LOCAL, true, 405, "Allow: POST"},
	    {"GET /nothing", LOCAL, true, 404, "no such path"},
	    {"GET /events/x", LOCAL, false, 403, "view_token"},
	    {"POST /dead/7/requeue", LOCAL BODY "\r\nbody", false, 403,
		"admin_token"},
	};
	struct server *server;
	char answer[4096];

	(void)state;
	for (int tokens_set = 0; tokens_set < 2; tokens_set++) {
		server = start_admin(tokens_set);
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			unsigned status;

			if (cases[i].tokens != (bool)tokens_set)
				continue;
			status = ask(server, cases[i].line, cases[i].headers,
			    answer, sizeof(answer));
			if (status != cases[i].status ||
			    strstr(answer, cases[i].has) == NULL)
				fail_msg("%s %s: %u %s", cases[i].line,
				    cases[i].headers, status, answer);
		}
		server_stop(server);
	}
}

static int
local_open(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir,
	    SOCKET_NAME);
	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

/* It needs no token, whatever its Host. */
static void
test_local(void **state)
{
	static const char request[] =
	    "POST /dead/7/requeue HTTP/1.1\r\nHost: anything\r\n"
	    "Connection: close\r\nContent-Length: 4\r\n\r\nbody";
	struct server *server = start_admin(false);
	char answer[4096], path[128];
	struct stat info;
	int fd;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/%s", dir, SOCKET_NAME);
	for (int turn = 0; turn < 2; turn++) {
		assert_int_equal(stat(path, &info), 0);
		assert_int_equal(info.st_mode & 0777, 0600);
		fd = local_open();
		client_send(fd, request, strlen(request));
		(void)client_read(fd, answer, sizeof(answer));
		assert_non_null(strstr(answer, "200 OK"));
		assert_non_null(strstr(answer, "name=7"));
		assert_non_null(strstr(answer, "by=admin.sock"));
		/* if its name vanishes, it is made again */
		assert_int_equal(unlink(path), 0);
		assert_int_equal(local_open(), -1);
		server_sweep(server, clock_mono_ms());
	}
	assert_int_equal(stat(path, &info), 0);
	server_stop(server);
	assert_int_equal(stat(path, &info), -1);
}

static void
send_get(int fd, const char *path)
{
	char request[256];
	int len = snprintf(request, sizeof(request),
	    "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
	    path);

	client_send(fd, request, (size_t)len);
}

/* A long answer goes out as it comes: its beginning is here while its handler
 * still waits. */
static void
test_pieces(void **state)
{
	struct server *server = start_admin(false);
	int fd = client_open(server_admin_port(server));
	size_t first = 0, second = 0, len;
	char data[4096];

	(void)state;
	send_get(fd, "/pieces");
	while (first < PIECE) {
		ssize_t got = recv(fd, data, sizeof(data), 0);

		assert_true(got > 0);
		for (ssize_t i = 0; i < got; i++)
			first += data[i] == 'a';
	}
	gate_await();
	gate_set(true);
	do {
		ssize_t got = recv(fd, data, sizeof(data), 0);

		len = got > 0 ? (size_t)got : 0;
		for (size_t i = 0; i < len; i++)
			second += data[i] == 'b';
	} while (len > 0);
	assert_true(second >= PIECE);
	(void)close(fd);
	server_stop(server);
}

/* However long an answer is, and although there is always more of it than its
 * reader has taken. */
static void
test_long(void **state)
{
	const struct timespec pause = {.tv_nsec = 500000};
	struct server *server = start_admin(false);
	int fd = local_open();
	char data[32 * 1024];
	size_t all = 0;
	ssize_t got;

	(void)state;
	send_get(fd, "/long");
	while ((got = recv(fd, data, sizeof(data), 0)) > 0) {
		for (ssize_t i = 0; i < got; i++)
			all += data[i] == 'a';
		(void)nanosleep(&pause, NULL); /* a slow reader */
	}
	/* the headers have some, too */
	assert_true(all >= (size_t)LONG * PIECE);
	(void)close(fd);
	server_stop(server);
}

/* A client that goes ends its call. */
static void
test_gone(void **state)
{
	struct server *server = start_admin(false);
	int fd = client_open(server_admin_port(server));
	char byte;

	(void)state;
	gate.ended = 0;
	send_get(fd, "/endless");
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	(void)close(fd);
	lock_hold(&gate.lock);
	while (gate.ended == 0)
		cond_wait(&gate.change, &gate.lock, INT64_MAX);
	lock_drop(&gate.lock);
	server_stop(server);
}

/* HEAD is answered without a body, also where that would come in pieces. */
static void
test_head(void **state)
{
	struct server *server = start_admin(false);
	char answer[4096];
	const char *end;

	(void)state;
	assert_int_equal(
	    ask(server, "HEAD /endless", LOCAL, answer, sizeof(answer)), 200);
	end = strstr(answer, "\r\n\r\n");
	assert_non_null(end);
	assert_string_equal(end, "\r\n\r\n");
	server_stop(server);
}

/* So does the end of the server, which waits for it. */
static void
test_stop(void **state)
{
	struct server *server = start_admin(false);
	int fds[2];
	char byte;

	(void)state;
	gate.ended = 0;
	for (int i = 0; i < 2; i++) {
		fds[i] = client_open(server_admin_port(server));
		send_get(fds[i], "/endless");
		assert_int_equal(recv(fds[i], &byte, 1, 0), 1);
	}
	server_stop(server);
	assert_int_equal(gate.ended, 2);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* Calls that wait hold up nobody, but there may not be too many. */
static void
test_many(void **state)
{
	enum { MANY = 16 };
	struct server *server = start_admin(false);
	char answer[4096];
	int fds[MANY], fd;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		fds[i] = client_open(server_admin_port(server));
		gate_set(false);
		send_get(fds[i], "/wait");
		gate_await();
	}
	assert_int_equal(
	    ask(server, "GET /counts", LOCAL, answer, sizeof(answer)), 503);
	assert_non_null(strstr(answer, "too many calls"));
	/* nor do they lock out the operator */
	fd = local_open();
	send_get(fd, "/counts");
	(void)client_read(fd, answer, sizeof(answer));
	assert_non_null(strstr(answer, "by=admin.sock"));
	assert_int_equal(
	    ask(server, "GET /healthz", LOCAL, answer, sizeof(answer)), 200);
	gate_set(true);
	for (int i = 0; i < MANY; i++) {
		(void)client_read(fds[i], answer, sizeof(answer));
		assert_non_null(strstr(answer, "done"));
	}
	server_stop(server);
}

/* What bodies hold is bounded, and given back. */
static void
test_large_bodies(void **state)
{
	static const char request[] =
	    "POST /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
	    "Content-Length: 268435456\r\nExpect: 100-continue\r\n\r\n";
	struct server *server = start_admin(false);
	char answer[4096];
	int fds[2], fd;

	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		for (int i = 0; i < 2; i++) {
			fds[i] = local_open();
			client_send(fds[i], request, strlen(request));
			assert_true(
			    recv(fds[i], answer, 12, MSG_WAITALL) == 12);
			assert_memory_equal(answer, "HTTP/1.1 100", 12);
		}
		fd = local_open();
		client_send(fd, request, strlen(request));
		(void)client_read(fd, answer, sizeof(answer));
		assert_non_null(strstr(answer, " 503 "));
		assert_non_null(strstr(answer, "too many large bodies"));
		for (int i = 0; i < 2; i++) {
			assert_int_equal(shutdown(fds[i], SHUT_WR), 0);
			while (recv(fds[i], answer, sizeof(answer), 0) > 0)
				;
			(void)close(fds[i]);
		}
	}
	server_stop(server);
}

static int
setup_admin(void **state)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/test-admin-XXXXXX");
	assert_non_null(mkdtemp(dir));
	lock_init(&gate.lock);
	cond_init(&gate.change);
	return setup(state);
}

static int
teardown_admin(void **state)
{
	assert_int_equal(rmdir(dir), 0);
	return teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rights),
	    cmocka_unit_test(test_local),
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_gone),
	    cmocka_unit_test(test_head),
	    cmocka_unit_test(test_stop),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_large_bodies),
	};

	return cmocka_run_group_tests(tests, setup_admin, teardown_admin);
}
