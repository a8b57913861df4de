/*
 * The address is bound for a moment. If it is taken, /proc tells by whom: the
 * inode of the socket that listens, and the process that has it open. Without
 * the right to look into other processes, that stays unknown. Somebody who
 * answers at the path of a unix socket has taken it.
 */

#include "cli/port.h"

#include "server/socket.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	PORT_LISTENS = 0x0a, /* TCP_LISTEN in /proc/net/tcp */
	PORT_INODES_MAX = 16,
};

/* The process that listens there; 0: none, and errno says why. */
static pid_t
local_holder(const struct sockaddr_un *address)
{
	struct ucred peer = {.pid = 0};
	socklen_t len = sizeof(peer);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)) !=
		0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		peer.pid = 0;
	error = errno;
	if (fd >= 0)
		(void)close(fd);
	errno = error;
	return peer.pid;
}

pid_t
port_daemon(const char *state_dir)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	pid_t pid;
	int dir;

	if (!socket_path(state_dir, address.sun_path, &dir, NULL))
		return 0;
	pid = local_holder(&address);
	if (dir >= 0)
		(void)close(dir);
	return pid;
}

union socket_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* "127.0.0.1:80" or "[::1]:80". */
static socklen_t
address_read(const char *text, union socket_address *ret, unsigned *ret_port)
{
	const char *colon = strrchr(text, ':');
	char host[64];

	CHECK(colon != NULL && (size_t)(colon - text) < sizeof(host));
	*ret_port = (unsigned)strtoul(colon + 1, NULL, 10);
	memset(ret, 0, sizeof(*ret));
	if (text[0] == '[') {
		(void)snprintf(host, sizeof(host), "%.*s",
		    (int)(colon - text) - 2, text + 1);
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons((uint16_t)*ret_port);
		CHECK(inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1);
		return sizeof(ret->v6);
	}
	(void)snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	ret->v4.sin_family = AF_INET;
	ret->v4.sin_port = htons((uint16_t)*ret_port);
	CHECK(inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1);
	return sizeof(ret->v4);
}

/* The sockets that listen at a port, from /proc/net/tcp or tcp6; is one of them
 * root's? */
static size_t
inodes_read(const char *path, unsigned number, unsigned long *inodes,
    size_t count, struct port *port)
{
	FILE *file = fopen(path, "re");
	unsigned local, state, uid;
	unsigned long inode;
	char line[512];

	while (file != NULL && count < PORT_INODES_MAX &&
	       fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line,
			" %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s "
			"%u %*s %lu",
			&local, &state, &uid, &inode) != 4 ||
		    local != number || state != PORT_LISTENS)
			continue;
		inodes[count++] = inode;
		port->root |= uid == 0;
	}
	if (file != NULL)
		(void)fclose(file);
	return count;
}

/* Has a process one of these sockets open? */
static bool
process_has(const char *pid, const unsigned long *inodes, size_t count)
{
	char path[320], target[64], wanted[64];
	const struct dirent *entry;
	bool found = false;
	ssize_t len;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	dir = opendir(path);
	while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
		len = readlinkat(
		    dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		for (size_t i = 0; i < count; i++) {
			(void)snprintf(
			    wanted, sizeof(wanted), "socket:[%lu]", inodes[i]);
			found |= strcmp(target, wanted) == 0;
		}
	}
	if (dir != NULL)
		(void)closedir(dir);
	return found;
}

static void
holder_name(struct port *port)
{
	char path[64];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%ld/comm", (long)port->pid);
	file = fopen(path, "re");
	if (file != NULL && fgets(port->name, sizeof(port->name), file) != NULL)
		port->name[strcspn(port->name, "\n")] = '\0';
	if (file != NULL)
		(void)fclose(file);
}

static void
holder_find(unsigned number, struct port *port)
{
	unsigned long inodes[PORT_INODES_MAX];
	const struct dirent *entry;
	size_t count;
	DIR *proc;

	count = inodes_read("/proc/net/tcp", number, inodes, 0, port);
	count = inodes_read("/proc/net/tcp6", number, inodes, count, port);
	proc = count > 0 ? opendir("/proc") : NULL;
	while (
	    proc != NULL && port->pid == 0 && (entry = readdir(proc)) != NULL) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    !process_has(entry->d_name, inodes, count))
			continue;
		port->pid = (pid_t)strtol(entry->d_name, NULL, 10);
		holder_name(port);
	}
	if (proc != NULL)
		(void)closedir(proc);
}

/* Could a unix socket be made there? errno, or 0; EADDRINUSE with the
 * process. */
static int
local_look(const char *path, struct port *port)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char dir[sizeof(address.sun_path)];
	struct stat st;

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	(void)snprintf(dir, sizeof(dir), "%.*s",
	    (int)(strrchr(path, '/') - path) + 1, path);
	if (access(dir, W_OK | X_OK) != 0)
		return errno;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : errno;
	if (!S_ISSOCK(st.st_mode))
		return EEXIST;
	port->pid = local_holder(&address);
	if (port->pid == 0)
		return errno == ECONNREFUSED ? 0 : errno;
	holder_name(port);
	return EADDRINUSE;
}

/* The same of an address of IP. */
static int
ip_look(const char *address, struct port *port)
{
	union socket_address bound;
	unsigned number;
	socklen_t len = address_read(address, &bound, &number);
	int fd, one = 1, error = 0;

	fd = socket(bound.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* As the daemon does: connections that were closed do not count. */
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(fd, &bound.any, len) != 0)
		error = errno;
	if (fd >= 0)
		(void)close(fd);
	if (error == EADDRINUSE)
		holder_find(number, port);
	return error;
}

void
port_look(const char *address, pid_t daemon, struct port *ret_port)
{
	*ret_port = (struct port){.state = PORT_FREE};
	ret_port->error =
	    strncmp(address, SOCKET_UNIX, strlen(SOCKET_UNIX)) == 0
		? local_look(address + strlen(SOCKET_UNIX), ret_port)
		: ip_look(address, ret_port);
	if (ret_port->error == 0)
		return;
	if (ret_port->error != EADDRINUSE) {
		ret_port->state = PORT_ERROR;
		return;
	}
	ret_port->state =
	    strcmp(ret_port->name, "systemd") == 0 ? PORT_SYSTEMD : PORT_TAKEN;
	if (daemon != 0 && (ret_port->pid == daemon || ret_port->pid == 0)) {
		ret_port->state = PORT_OURS;
		ret_port->pid = daemon;
	}
}
