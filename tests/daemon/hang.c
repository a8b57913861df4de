/*
 * To be preloaded: a disk that hangs. While the file $HANG exists no sync
 * returns, or with $HANG_OF none of files whose path has this in it.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
hang(int fd)
{
	const char *path = getenv("HANG");

	while (path != NULL && hangs(fd) && access(path, F_OK) == 0)
		(void)usleep(1000);
}

int
fsync(int fd)
{
	hang(fd);
	return (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	hang(fd);
	return (int)syscall(SYS_fdatasync, fd);
}
