/*
 * To be preloaded: a disk that hangs. While the file $HANG exists no sync
 * returns, or with $HANG_OF none of files whose path has this in it; or with
 * $HANG_IN, which names one of the functions below, no call of that one. The
 * file $HANG.met says that one hangs.
 */

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int fd);
int fdatasync(int fd);

static bool
hangs(int fd)
{
	const char *of = getenv("HANG_OF");
	char link[64], path[PATH_MAX];
	ssize_t len;

	if (of == NULL)
		return true;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return false;
	path[len] = '\0';
	return strstr(path, of) != NULL;
}

static void
hang(const char *function, int fd)
{
	const char *path = getenv("HANG"), *in = getenv("HANG_IN");
	char met[PATH_MAX];

	if (path == NULL || access(path, F_OK) != 0 ||
	    (in != NULL ? strcmp(in, function) != 0 : !hangs(fd)))
		return;
	(void)snprintf(met, sizeof(met), "%s.met", path);
	(void)close(creat(met, 0600));
	while (access(path, F_OK) == 0)
		(void)usleep(1000);
}

int
fsync(int fd)
{
	hang("fsync", fd);
	return (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	hang("fdatasync", fd);
	return (int)syscall(SYS_fdatasync, fd);
}

static void
hang_in(const char *function)
{
	if (getenv("HANG_IN") != NULL)
		hang(function, -1);
}

int
accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	hang_in("accept4");
	return (int)syscall(SYS_accept4, fd, address, len, flags);
}

int
connect(int fd, const struct sockaddr *address, socklen_t len)
{
	hang_in("connect");
	return (int)syscall(SYS_connect, fd, address, len);
}

int
getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	hang_in("getsockopt");
	return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
}
