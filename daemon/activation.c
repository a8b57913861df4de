#include "daemon/activation.h"

#include "daemon/settings_table.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACTIVATION_FIRST = 3, ACTIVATION_MOST = 64 };

/* How many were passed to this process; 0: none, or to another. */
static long
activation_count(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");

	if (pid == NULL || fds == NULL || strtol(pid, NULL, 10) != getpid())
		return 0;
	return strtol(fds, NULL, 10);
}

static bool
socket_has(int fd, int option, int wanted)
{
	socklen_t len = sizeof(int);
	int value = 0;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 &&
	       value == wanted;
}

/* Does it listen for streams? If so, make it as our own are. */
static bool
socket_prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && socket_has(fd, SO_TYPE, SOCK_STREAM) &&
	       socket_has(fd, SO_ACCEPTCONN, 1) &&
	       fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
	       fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

/* The names are in the order of the descriptors, with colons in between. */
static bool
name_is_admin(const char **names)
{
	size_t len = strcspn(*names, ":");
	bool admin = str_equal_text(str_bytes(*names, len), "admin");

	*names += len + ((*names)[len] == ':');
	return admin;
}

bool
activation_take(struct settings *settings, struct err *reterr)
{
	const char *names = getenv("LISTEN_FDNAMES");
	long count = activation_count();
	struct server_socket *sockets;

	if (count <= 0)
		return true;
	if (count > ACTIVATION_MOST)
		return err_set(reterr, ERR_CONFIG,
		    "LISTEN_FDS says that %ld sockets were passed, but at most "
		    "%d can be",
		    count, ACTIVATION_MOST);
	sockets = settings_alloc(settings, (size_t)count * sizeof(sockets[0]));
	if (sockets == NULL)
		return err_set_nomem(reterr);
	if (names == NULL)
		names = "";
	for (int i = 0; i < count; i++) {
		sockets[i].fd = ACTIVATION_FIRST + i;
		sockets[i].admin = name_is_admin(&names);
		if (!socket_prepare(sockets[i].fd))
			return err_set(reterr, ERR_CONFIG,
			    "descriptor %d of LISTEN_FDS does not listen for "
			    "streams: the socket unit needs ListenStream= and "
			    "Accept=no",
			    sockets[i].fd);
	}
	settings->server.sockets = sockets;
	settings->server.socket_count = (size_t)count;
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	return true;
}
