#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/peers.h"

#include <sys/socket.h>
#include <unistd.h>

enum { IDLE_MS = 1000, REQUEST_MS = 100 };

/* Is the other end told that the connection is over? */
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
		enum peer_state state;
		int64_t age_ms;
		bool swept;
	} cases[] = {
	    {PEER_BETWEEN, IDLE_MS + REQUEST_MS, false},
	    {PEER_BETWEEN, IDLE_MS + REQUEST_MS + 1, true},
	    {PEER_READING, REQUEST_MS, false},
	    {PEER_READING, REQUEST_MS + 1, true},
	    {PEER_HANDED, 1000 * 1000, false},
	    {PEER_ANSWERED, REQUEST_MS, false},
	    {PEER_ANSWERED, REQUEST_MS + 1, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct peers peers;
		struct peer *peer;
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		peers_init(&peers, 1);
		peer = peers_enter(&peers, fds[0], 1);
		assert_non_null(peer);
		peers_mark(&peers, peer, cases[i].state, 50);
		assert_int_equal(peers_sweep(&peers, IDLE_MS, REQUEST_MS,
				     50 + cases[i].age_ms),
		    cases[i].swept ? 1 : 0);
		assert_int_equal(was_shut(fds[1]), cases[i].swept);
		/* Once is enough. */
		assert_int_equal(peers_sweep(&peers, IDLE_MS, REQUEST_MS,
				     50 + cases[i].age_ms),
		    0);
		peers_leave(&peers, peer);
		assert_int_equal(peers_count(&peers), 0);
		peers_fini(&peers);
		(void)close(fds[0]);
		(void)close(fds[1]);
	}
}

/* Who leaves, from whatever place in the list, is not touched any more. */
static void
test_leave(void **state)
{
	struct peers peers;
	struct peer *each[3];
	int fds[3][2];

	(void)state;
	for (int gone = 0; gone < 3; gone++) {
		peers_init(&peers, 2);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(
			    socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
			each[i] = peers_enter(&peers, fds[i][0], 0);
			assert_non_null(each[i]);
			assert_int_equal(peer_over(each[i]), i == 2);
			peers_mark(&peers, each[i], PEER_READING, 0);
		}
		peers_leave(&peers, each[gone]);
		assert_int_equal(
		    peers_sweep(&peers, IDLE_MS, REQUEST_MS, 10000), 2);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(was_shut(fds[i][1]), i != gone);
			if (i != gone)
				peers_leave(&peers, each[i]);
			(void)close(fds[i][0]);
			(void)close(fds[i][1]);
		}
		assert_int_equal(peers_count(&peers), 0);
		peers_fini(&peers);
	}
	peers_leave(&peers, NULL);
	assert_false(peer_over(NULL));
}

/* Who comes when all places are taken gets that of who has been idle for
 * longest, and nobody else is touched. */
static void
test_evict(void **state)
{
	enum { PEERS = 4 };
	struct peers peers;
	struct peer *each[PEERS];
	int fds[PEERS][2];

	(void)state;
	peers_init(&peers, PEERS - 1);
	for (int i = 0; i < PEERS; i++) {
		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
		each[i] = peers_enter(&peers, fds[i][0], 0);
		assert_non_null(each[i]);
		assert_false(peer_over(each[i]));
		if (i != PEERS - 2)
			continue;
		/* 0 is busy; 1 was, so that 2 is idle for longer. */
		peers_mark(&peers, each[0], PEER_READING, 0);
		peers_mark(&peers, each[1], PEER_READING, 0);
		peers_mark(&peers, each[1], PEER_BETWEEN, 0);
	}
	for (int i = 0; i < PEERS; i++) {
		assert_int_equal(was_shut(fds[i][1]), i == 2);
		peers_leave(&peers, each[i]);
		(void)close(fds[i][0]);
		(void)close(fds[i][1]);
	}
	assert_int_equal(peers_count(&peers), 0);
	peers_fini(&peers);
}

/* Whose end was seen for a while is closed, but not while it is answered;
 * and nobody's unread bytes are cut off. */
static void
test_gone(void **state)
{
	static const struct {
		enum peer_state state;
		bool unread, gone;
	} cases[] = {
	    {PEER_READING, false, true},
	    {PEER_BETWEEN, false, true},
	    {PEER_READING, true, false},
	    {PEER_HANDED, false, false},
	    {PEER_ANSWERED, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct peers peers;
		struct peer *peer;
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		peers_init(&peers, 1);
		peer = peers_enter(&peers, fds[0], 1);
		assert_non_null(peer);
		peers_mark(&peers, peer, cases[i].state, 1);
		if (cases[i].unread)
			assert_int_equal(send(fds[1], "x", 1, 0), 1);
		assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
		/* None of them is slow; at first sight nobody is closed. */
		assert_int_equal(peers_sweep(&peers, 10000, 10000, 1000), 0);
		assert_false(was_shut(fds[1]));
		assert_int_equal(peers_sweep(&peers, 10000, 10000, 2000), 0);
		assert_int_equal(was_shut(fds[1]), cases[i].gone);
		peers_leave(&peers, peer);
		peers_fini(&peers);
		(void)close(fds[0]);
		(void)close(fds[1]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sweep),
	    cmocka_unit_test(test_leave),
	    cmocka_unit_test(test_evict),
	    cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
