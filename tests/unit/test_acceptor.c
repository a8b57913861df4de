/*
 * Which connection gives way when there are too many that have sent too little.
 */

#include "tests/unit/server_fixture.h"

#include "server/acceptor.h"

#include <errno.h>

enum { MOST = 4, CROWD = 7 };

static size_t
none_open(void *arg)
{
	(void)arg;
	return 0;
}

/* Whoever is passed on gets a byte. */
static void
pass(void *arg, int fd, const struct proxy_from *from)
{
	(void)arg, (void)from;
	client_send(fd, "!", 1);
	(void)close(fd);
}

static void
hung_up(void *arg, const struct proxy_from *from, const char *why)
{
	(void)arg, (void)from, (void)why;
}

/* The oldest, although it has begun to send; those that came last stay. */
static void
test_the_oldest_gives_way(void **state)
{
	static _Atomic int64_t busy_ms;
	struct socket socket;
	struct acceptor_settings settings = {
	    .name = "test",
	    .sockets = &socket,
	    .count = 1,
	    .most = MOST,
	    .pending_least = 1,
	    .patience_ms = 3600 * 1000,
	    .open = none_open,
	    .pass = pass,
	    .hung_up = hung_up,
	    .busy_ms = &busy_ms,
	};
	struct acceptor *acceptor;
	int crowd[CROWD];
	struct err err;
	char byte;

	(void)state;
	assert_true(socket_open("127.0.0.1:0", 0, NULL, &socket, &err));
	assert_true(acceptor_start(&settings, &acceptor, &err));
	for (int i = 0; i < CROWD; i++) {
		crowd[i] = client_open(socket.port);
		client_send(crowd[i], "P", 1);
	}
	for (int i = 0; i < CROWD - MOST; i++) {
		errno = 0;
		assert_true(recv(crowd[i], &byte, 1, 0) <= 0);
		assert_int_not_equal(errno, EAGAIN);
	}
	for (int i = CROWD - MOST; i < CROWD; i++) {
		client_send(crowd[i], "OST", 3);
		assert_int_equal(recv(crowd[i], &byte, 1, 0), 1);
	}
	for (int i = 0; i < CROWD; i++)
		(void)close(crowd[i]);
	acceptor_stop(acceptor);
	socket_close(&socket);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_oldest_gives_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
