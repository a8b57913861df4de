#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/activation.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST = 3, SOCKETS = 3 };

static void
listen_at(int wanted)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	if (fd != wanted) {
		assert_int_equal(dup2(fd, wanted), wanted);
		(void)close(fd);
	}
}

static void
environment(const char *pid, const char *fds, const char *names)
{
	char own[16];

	(void)snprintf(own, sizeof(own), "%d", (int)getpid());
	(void)setenv("LISTEN_PID", pid != NULL ? pid : own, 1);
	(void)setenv("LISTEN_FDS", fds, 1);
	(void)unsetenv("LISTEN_FDNAMES");
	if (names != NULL)
		(void)setenv("LISTEN_FDNAMES", names, 1);
}

static void
test_take(void **state)
{
	static const struct {
		const char *names;
		bool admin[SOCKETS];
	} cases[] = {
	    {NULL, {false, false, false}},
	    {"", {false, false, false}},
	    {"admin", {true, false, false}},
	    {"x:admin:y", {false, true, false}},
	    {"x:y:admin", {false, false, true}},
	    {"admins:xadmin:admin", {false, false, true}},
	    {":admin:admin:admin", {false, true, true}},
	};
	struct err err;

	(void)state;
	for (int i = 0; i < SOCKETS; i++)
		listen_at(FIRST + i);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settings settings = {0};

		environment(NULL, "3", cases[i].names);
		assert_true(activation_take(&settings, &err));
		assert_int_equal(settings.server.socket_count, SOCKETS);
		for (int k = 0; k < SOCKETS; k++) {
			const struct server_socket *socket =
			    &settings.server.sockets[k];

			assert_int_equal(socket->fd, FIRST + k);
			assert_int_equal(socket->admin, cases[i].admin[k]);
			assert_int_equal(
			    fcntl(socket->fd, F_GETFD), FD_CLOEXEC);
			assert_true(
			    (fcntl(socket->fd, F_GETFL) & O_NONBLOCK) != 0);
		}
		/* No program that we start may take them for its own. */
		assert_null(getenv("LISTEN_PID"));
		assert_null(getenv("LISTEN_FDS"));
		assert_null(getenv("LISTEN_FDNAMES"));
		settings_fini(&settings);
	}
}

static void
test_leave(void **state)
{
	static const struct {
		const char *pid, *fds;
	} cases[] = {{"1", "3"}, {"", "3"}, {NULL, "0"}, {NULL, "-1"},
	    {NULL, "x"}, {NULL, ""}};
	struct settings settings = {0};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		environment(cases[i].pid, cases[i].fds, NULL);
		assert_true(activation_take(&settings, &err));
		assert_int_equal(settings.server.socket_count, 0);
	}
	(void)unsetenv("LISTEN_PID");
	assert_true(activation_take(&settings, &err));
	assert_int_equal(settings.server.socket_count, 0);
	environment(NULL, "100000", NULL);
	assert_false(activation_take(&settings, &err));
	assert_int_equal(err.code, ERR_CONFIG);
	settings_fini(&settings);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_take),
	    cmocka_unit_test(test_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
