/*
 * To be preloaded: a disk that hangs. While the file $HANG exists no sync
 * returns.
 */

#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int fd);
int fdatasync(int fd);

static void
hang(void)
{
	const char *path = getenv("HANG");

	while (path != NULL && access(path, F_OK) == 0)
		(void)usleep(1000);
}

int
fsync(int fd)
{
	hang();
	return (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	hang();
	return (int)syscall(SYS_fdatasync, fd);
}
