#include "server/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SOCKET_BACKLOG = 64 };

bool
socket_path(const char *dir, char ret_path[SOCKET_PATH], int *ret_dir_fd,
    struct err *reterr)
{
	int fd = -1;

	if (strlen(dir) + sizeof("/" SOCKET_NAME) <= SOCKET_PATH) {
		(void)snprintf(
		    ret_path, SOCKET_PATH, "%s/%s", dir, SOCKET_NAME);
	} else {
		fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return err_set(reterr, ERR_CONFIG, "cannot open %s: %s",
			    dir, strerror(errno));
		(void)snprintf(ret_path, SOCKET_PATH, "/proc/self/fd/%d/%s", fd,
		    SOCKET_NAME);
	}
	*ret_dir_fd = fd;
	return true;
}

static void
dir_close(int dir_fd)
{
	if (dir_fd >= 0)
		(void)close(dir_fd);
}

/* What a path leads to; nothing: {0}. */
static struct socket_id
id_of(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0
		   ? (struct socket_id){info.st_dev, info.st_ino}
		   : (struct socket_id){0};
}

static bool
id_is(struct socket_id a, struct socket_id b)
{
	return a.inode != 0 && a.device == b.device && a.inode == b.inode;
}

bool
socket_listen(const char *dir, struct socket_name *ret_name, int *ret_fd,
    struct err *reterr)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, dir_fd;

	_Static_assert(sizeof(address.sun_path) == SOCKET_PATH, "its room");
	if (!socket_path(dir, address.sun_path, &dir_fd, reterr))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || (unlink(address.sun_path) != 0 && errno != ENOENT) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    chmod(address.sun_path, 0600) != 0 ||
	    listen(fd, SOCKET_BACKLOG) != 0) {
		(void)err_set(reterr, ERR_CONFIG, "cannot create %s/%s: %s",
		    dir, SOCKET_NAME, strerror(errno));
		dir_close(fd);
		dir_close(dir_fd);
		return false;
	}
	*ret_name = (struct socket_name){id_of(address.sun_path), id_of(dir)};
	*ret_fd = fd;
	dir_close(dir_fd);
	return true;
}

bool
socket_vanished(const char *dir, const struct socket_name *name)
{
	char path[SOCKET_PATH];
	struct socket_id id;
	int dir_fd;

	if (!socket_path(dir, path, &dir_fd, NULL))
		return false;
	id = id_of(path);
	dir_close(dir_fd);
	return !id_is(id, name->id) &&
	       (id.inode == 0 || id_is(id_of(dir), name->dir));
}

void
socket_unlink(const char *dir, const struct socket_name *name)
{
	char path[SOCKET_PATH];
	int dir_fd;

	if (!socket_path(dir, path, &dir_fd, NULL))
		return;
	if (id_is(id_of(path), name->id))
		(void)unlink(path);
	dir_close(dir_fd);
}
