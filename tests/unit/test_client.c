#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/client.h"

#include <sys/socket.h>
#include <unistd.h>

enum { IDLE_MS = 1000, REQUEST_MS = 100 };

/* Was the other end told that the connection is over? */
static bool
was_shut(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void
test_sweep(void **state)
{
	static const struct {
		enum client_state state;
		int64_t age_ms;
		bool swept;
	} cases[] = {
	    {CLIENT_IDLE, IDLE_MS + REQUEST_MS, false},
	    {CLIENT_IDLE, IDLE_MS + REQUEST_MS + 1, true},
	    {CLIENT_READING, REQUEST_MS, false},
	    {CLIENT_READING, REQUEST_MS + 1, true},
	    {CLIENT_HANDED, 1000 * 1000, false},
	    {CLIENT_ANSWERED, REQUEST_MS, false},
	    {CLIENT_ANSWERED, REQUEST_MS + 1, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct clients clients;
		struct client *client;
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		clients_init(&clients, 1, 1);
		client = clients_add(&clients, fds[0], 1);
		assert_non_null(client);
		clients_mark(&clients, client, cases[i].state, 50);
		assert_int_equal(clients_sweep(&clients, IDLE_MS, REQUEST_MS,
				     50 + cases[i].age_ms),
		    cases[i].swept ? 1 : 0);
		assert_int_equal(was_shut(fds[1]), cases[i].swept);
		/* Once is enough. */
		assert_int_equal(clients_sweep(&clients, IDLE_MS, REQUEST_MS,
				     50 + cases[i].age_ms),
		    0);
		clients_remove(&clients, client);
		assert_int_equal(clients.count, 0);
		clients_fini(&clients);
		(void)close(fds[0]);
		(void)close(fds[1]);
	}
}

/* A client that has left, from whatever place in the list, is not touched any
 * more. */
static void
test_leave(void **state)
{
	struct clients clients;
	struct client *each[3];
	int fds[3][2];

	(void)state;
	for (int gone = 0; gone < 3; gone++) {
		clients_init(&clients, 2, 2);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(
			    socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
			each[i] = clients_add(&clients, fds[i][0], 0);
			assert_non_null(each[i]);
			assert_int_equal(each[i]->over, i == 2);
			clients_prove(&clients, each[i], true);
			clients_mark(&clients, each[i], CLIENT_READING, 0);
		}
		clients_remove(&clients, each[gone]);
		assert_int_equal(
		    clients_sweep(&clients, IDLE_MS, REQUEST_MS, 10000), 2);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(was_shut(fds[i][1]), i != gone);
			if (i != gone)
				clients_remove(&clients, each[i]);
			(void)close(fds[i][0]);
			(void)close(fds[i][1]);
		}
		assert_int_equal(clients.count, 0);
		clients_fini(&clients);
	}
	clients_remove(&clients, NULL);
}

/* A client that comes when all places are taken, by clients that have proven
 * themselves, gets the place of the one that has been idle for longest, and no
 * other is touched. */
static void
test_evict(void **state)
{
	enum { CLIENTS = 4 };
	struct clients clients;
	struct client *each[CLIENTS];
	int fds[CLIENTS][2];

	(void)state;
	clients_init(&clients, CLIENTS - 1, CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
		each[i] = clients_add(&clients, fds[i][0], 0);
		assert_non_null(each[i]);
		assert_false(each[i]->over);
		clients_prove(&clients, each[i], true);
		if (i != CLIENTS - 2)
			continue;
		/* 0 is busy; 1 was, so that 2 is idle for longer. */
		clients_mark(&clients, each[0], CLIENT_READING, 0);
		clients_mark(&clients, each[1], CLIENT_READING, 0);
		clients_mark(&clients, each[1], CLIENT_IDLE, 0);
	}
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(was_shut(fds[i][1]), i == 2);
		clients_remove(&clients, each[i]);
		(void)close(fds[i][0]);
		(void)close(fds[i][1]);
	}
	assert_int_equal(clients.count, 0);
	clients_fini(&clients);
}

/* One that has proven nothing makes room first, though it is reading, and one
 * that has proven itself only if it is idle. */
static void
test_evict_unproven(void **state)
{
	enum { CLIENTS = 5 };
	struct clients clients;
	struct client *each[CLIENTS];
	int fds[CLIENTS][2];

	(void)state;
	clients_init(&clients, 3, CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
		each[i] = clients_add(&clients, fds[i][0], 0);
		assert_non_null(each[i]);
		if (i != 1) /* 0 stays idle */
			clients_prove(&clients, each[i], true);
		if (i != 0)
			clients_mark(&clients, each[i], CLIENT_READING, 0);
		assert_int_equal(each[0]->shut, i >= 4);
		assert_int_equal(i >= 1 && each[1]->shut, i >= 3);
	}
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(was_shut(fds[i][1]), i < 2);
		clients_remove(&clients, each[i]);
		(void)close(fds[i][0]);
		(void)close(fds[i][1]);
	}
	clients_fini(&clients);
}

/* Of those that have proven nothing, the one that came first makes room. */
static void
test_evict_the_slowest(void **state)
{
	enum { CLIENTS = 5, MOST = 3 };
	struct clients clients;
	struct client *each[CLIENTS];
	int fds[CLIENTS][2];

	(void)state;
	clients_init(&clients, MOST, CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
		each[i] = clients_add(&clients, fds[i][0], 0);
		assert_non_null(each[i]);
		assert_false(each[i]->over);
		clients_mark(&clients, each[i], CLIENT_READING, 0);
	}
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(was_shut(fds[i][1]), i < CLIENTS - MOST);
		clients_remove(&clients, each[i]);
		(void)close(fds[i][0]);
		(void)close(fds[i][1]);
	}
	clients_fini(&clients);
}

/* A client whose end has been there for a while is closed, but not while it is
 * answered, nor before its bytes are read. */
static void
test_gone(void **state)
{
	static const struct {
		enum client_state state;
		bool unread, gone;
	} cases[] = {
	    {CLIENT_READING, false, true},
	    {CLIENT_IDLE, false, true},
	    {CLIENT_READING, true, false},
	    {CLIENT_HANDED, false, false},
	    {CLIENT_ANSWERED, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct clients clients;
		struct client *client;
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		clients_init(&clients, 1, 1);
		client = clients_add(&clients, fds[0], 1);
		assert_non_null(client);
		clients_mark(&clients, client, cases[i].state, 1);
		if (cases[i].unread)
			assert_int_equal(send(fds[1], "x", 1, 0), 1);
		assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
		/* None of them is slow, and none is closed at first sight. */
		assert_int_equal(
		    clients_sweep(&clients, 10000, 10000, 1000), 0);
		assert_false(was_shut(fds[1]));
		assert_int_equal(
		    clients_sweep(&clients, 10000, 10000, 2000), 0);
		assert_int_equal(was_shut(fds[1]), cases[i].gone);
		clients_remove(&clients, client);
		clients_fini(&clients);
		(void)close(fds[0]);
		(void)close(fds[1]);
	}
}

/* So many stay open after an answer; one that leaves makes room. */
static void
test_keep(void **state)
{
	enum { CLIENTS = 4, KEEP = 2 };
	struct clients clients;
	struct client *each[CLIENTS];

	(void)state;
	clients_init(&clients, CLIENTS, KEEP);
	for (int i = 0; i < CLIENTS; i++) {
		each[i] = clients_add(&clients, -1, 0);
		assert_non_null(each[i]);
		assert_int_equal(clients_keep(&clients, each[i]), i < KEEP);
	}
	/* Once kept, it stays so. */
	assert_true(clients_keep(&clients, each[1]));
	clients_remove(&clients, each[3]);
	assert_false(clients_keep(&clients, each[2]));
	clients_remove(&clients, each[0]);
	assert_true(clients_keep(&clients, each[2]));
	clients_remove(&clients, each[1]);
	clients_remove(&clients, each[2]);
	assert_int_equal(clients.kept, 0);
	clients_fini(&clients);
}

/* The thread that has been at one for the longest counts. */
static void
test_busy(void **state)
{
	struct clients clients;
	struct client *each[3];

	(void)state;
	clients_init(&clients, 3, 3);
	for (int i = 0; i < 3; i++) {
		each[i] = clients_add(&clients, -1, 0);
		assert_non_null(each[i]);
	}
	assert_int_equal(clients_busy_ms(&clients), 0);
	each[0]->busy_ms = 70;
	each[2]->busy_ms = 50;
	assert_int_equal(clients_busy_ms(&clients), 50);
	each[2]->busy_ms = 0;
	assert_int_equal(clients_busy_ms(&clients), 70);
	for (int i = 0; i < 3; i++)
		clients_remove(&clients, each[i]);
	assert_int_equal(clients.count, 0);
	clients_fini(&clients);
}

/* Strangers that hold all places of those who stay give way to a client that
 * has proven itself, the one that went idle first; busy ones do not. */
static void
test_keep_the_proven(void **state)
{
	enum { CLIENTS = 6, KEEP = 3 };
	struct clients clients;
	struct client *each[CLIENTS];
	int fds[CLIENTS][2];

	(void)state;
	clients_init(&clients, CLIENTS, KEEP);
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
		each[i] = clients_add(&clients, fds[i][0], 0);
		assert_non_null(each[i]);
		assert_int_equal(clients_keep(&clients, each[i]), i < KEEP);
	}
	clients_mark(&clients, each[0], CLIENT_READING, 1);
	clients_mark(&clients, each[2], CLIENT_IDLE, 1);
	clients_mark(&clients, each[1], CLIENT_IDLE, 2);
	clients_prove(&clients, each[3], true);
	assert_true(clients_keep(&clients, each[3]));
	assert_true(was_shut(fds[2][1]));
	assert_false(was_shut(fds[1][1]));
	assert_int_equal(clients.kept, KEEP);
	clients_prove(&clients, each[4], true);
	assert_true(clients_keep(&clients, each[4]));
	assert_true(was_shut(fds[1][1]));
	/* 0 is busy, 3 and 4 have proven themselves */
	clients_mark(&clients, each[3], CLIENT_IDLE, 3);
	clients_prove(&clients, each[5], true);
	assert_false(clients_keep(&clients, each[5]));
	assert_false(was_shut(fds[0][1]));
	assert_false(was_shut(fds[3][1]));
	for (int i = 0; i < CLIENTS; i++) {
		clients_remove(&clients, each[i]);
		(void)close(fds[i][0]);
		(void)close(fds[i][1]);
	}
	assert_int_equal(clients.kept, 0);
	assert_int_equal(clients.leaving, 0);
	clients_fini(&clients);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sweep),
	    cmocka_unit_test(test_leave),
	    cmocka_unit_test(test_evict),
	    cmocka_unit_test(test_evict_unproven),
	    cmocka_unit_test(test_evict_the_slowest),
	    cmocka_unit_test(test_gone),
	    cmocka_unit_test(test_keep),
	    cmocka_unit_test(test_busy),
	    cmocka_unit_test(test_keep_the_proven),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
