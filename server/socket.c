#include "server/socket.h"

#include "server/origin.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { SOCKET_BACKLOG = 1024, SOCKET_HOST = 256, SOCKET_ADMIN_MODE = 0600 };

union address {
	struct sockaddr any;
	struct sockaddr_storage storage;
	struct sockaddr_un local;
};

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

static void
fd_close(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

/* ---- addresses of IP ---- */

/* Split at the last colon; a V6 address is in brackets. */
static bool
address_split(const char *address, char ret_host[SOCKET_HOST],
    const char **ret_port, struct err *reterr)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon != NULL ? (size_t)(colon - address) : 0;

	if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	} else if (memchr(address, ':', len) != NULL) {
		len = 0;
	}
	if (len == 0 || len >= SOCKET_HOST || colon[1] == '\0')
		return err_set(reterr, ERR_CONFIG,
		    "the listen address should be ADDRESS:PORT, [V6]:PORT or "
		    "unix:PATH, but is \"%s\"",
		    address);
	memcpy(ret_host, address, len);
	ret_host[len] = '\0';
	*ret_port = colon + 1;
	return true;
}

/* What only the operator can change. Anything else may pass: the port is still
 * in use, the address of an interface or a name is not there yet at boot. */
static enum err_code
bind_blame(int error)
{
	return error == EACCES || error == EAFNOSUPPORT ? ERR_CONFIG : ERR_IO;
}

static bool
ip_open(const char *address, int *ret_fd, struct err *reterr)
{
	const struct addrinfo hints = {
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_PASSIVE,
	};
	struct addrinfo *info = NULL;
	char host[SOCKET_HOST];
	const char *port = NULL;
	const int yes = 1;
	int code, fd = -1;
	bool ok = false;

	if (!address_split(address, host, &port, reterr))
		return false;
	code = getaddrinfo(host, port, &hints, &info);
	if (code != 0)
		return err_set(reterr,
		    code == EAI_AGAIN || code == EAI_MEMORY ||
			    code == EAI_SYSTEM
			? ERR_IO
			: ERR_CONFIG,
		    "listen address %s: %s", address, gai_strerror(code));
	fd = socket(
	    info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
	    bind(fd, info->ai_addr, info->ai_addrlen) != 0 ||
	    listen(fd, SOCKET_BACKLOG) != 0) {
		(void)err_set(reterr, bind_blame(errno),
		    "cannot listen on %s: %s", address, strerror(errno));
		goto out;
	}
	*ret_fd = fd;
	fd = -1;
	ok = true;
out:
	fd_close(fd);
	freeaddrinfo(info);
	return ok;
}

/* ---- unix sockets ---- */

/* Make the name, which must be free. The umask of the daemon lets nobody else
 * in before the mode is set. False: errno. */
static bool
local_bind(
    const struct sockaddr_un *address, unsigned mode, gid_t group, int *ret_fd)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return false;
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 ||
	    chown(address->sun_path, (uid_t)-1, group) != 0 ||
	    chmod(address->sun_path, mode) != 0 ||
	    listen(fd, SOCKET_BACKLOG) != 0) {
		int error = errno;

		(void)close(fd);
		errno = error;
		return false;
	}
	*ret_fd = fd;
	return true;
}

/* Remove the name that a crash left behind. */
static bool
local_clear(const struct sockaddr_un *address, struct err *reterr)
{
	const char *path = address->sun_path;
	struct stat info;
	int fd, code;

	if (lstat(path, &info) != 0)
		return true; /* bind() says why, if it fails */
	if (!S_ISSOCK(info.st_mode))
		return err_set(reterr, ERR_CONFIG,
		    "%s is there, and is no socket: remove it, or listen at "
		    "another path",
		    path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(reterr, ERR_IO, "cannot make a socket: %s",
		    strerror(errno));
	code = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	code = code == 0 ? 0 : errno;
	(void)close(fd);
	/* EAGAIN: it listens, and is behind */
	if (code == 0 || code == EAGAIN)
		return err_set(reterr, ERR_IO,
		    "another program listens at %s: stop it, or listen at "
		    "another path",
		    path);
	return (code == ECONNREFUSED && unlink(path) == 0) ||
	       err_set(reterr, ERR_CONFIG, "cannot replace the socket %s: %s",
		   path, strerror(code == ECONNREFUSED ? errno : code));
}

static bool
local_open(const char *path, unsigned mode, const char *group, int *ret_fd,
    struct err *reterr)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct group *entry = group != NULL ? getgrnam(group) : NULL;

	_Static_assert(sizeof(address.sun_path) == SOCKET_PATH, "its room");
	if (group != NULL && entry == NULL)
		return err_set(reterr, ERR_CONFIG,
		    "listen_group: there is no group %s", group);
	if (snprintf(address.sun_path, SOCKET_PATH, "%s", path) >= SOCKET_PATH)
		return err_set(reterr, ERR_CONFIG,
		    "the path of a socket may have at most %d bytes: %s",
		    SOCKET_PATH - 1, path);
	if (!local_clear(&address, reterr))
		return false;
	return local_bind(&address, mode,
		   entry != NULL ? entry->gr_gid : (gid_t)-1, ret_fd) ||
	       err_set(reterr, ERR_CONFIG, "cannot listen at %s%s%s%s: %s",
		   path, entry != NULL ? " for the group " : "",
		   entry != NULL ? group : "",
		   errno == ENOENT ? ", whose directory must be there" : "",
		   strerror(errno));
}

/* ---- any ---- */

bool
socket_describe(
    int fd, char ret_text[SOCKET_TEXT], unsigned *ret_port, struct err *reterr)
{
	union address name = {.storage = {0}};
	socklen_t len = sizeof(name);
	struct origin origin;

	if (getsockname(fd, &name.any, &len) != 0)
		return err_set(reterr, ERR_IO,
		    "cannot read the address of a listening socket: %s",
		    strerror(errno));
	origin = origin_of(&name.any);
	*ret_port = ntohs(origin.port);
	if (origin.local)
		(void)snprintf(ret_text, SOCKET_TEXT, SOCKET_UNIX "%.*s",
		    SOCKET_PATH, name.local.sun_path);
	else
		origin_write(&origin, ret_text);
	return true;
}

bool
socket_open(const char *address, unsigned mode, const char *group,
    struct socket *ret_socket, struct err *reterr)
{
	struct socket socket = {.fd = -1};
	char text[SOCKET_TEXT];

	if (strncmp(address, SOCKET_UNIX, strlen(SOCKET_UNIX)) == 0) {
		socket.path = address + strlen(SOCKET_UNIX);
		if (!local_open(socket.path, mode, group, &socket.fd, reterr))
			return false;
		socket.id = id_of(socket.path);
	} else if (!ip_open(address, &socket.fd, reterr)) {
		return false;
	}
	if (!socket_describe(socket.fd, text, &socket.port, reterr)) {
		socket_close(&socket);
		return false;
	}
	*ret_socket = socket;
	return true;
}

void
socket_close(struct socket *socket)
{
	if (socket->path != NULL && id_is(id_of(socket->path), socket->id))
		(void)unlink(socket->path);
	fd_close(socket->fd);
	socket->fd = -1;
}

/* ---- admin.sock ---- */

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

bool
socket_listen(const char *dir, struct socket_name *ret_name, int *ret_fd,
    struct err *reterr)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	bool ok;
	int dir_fd;

	if (!socket_path(dir, address.sun_path, &dir_fd, reterr))
		return false;
	ok = (unlink(address.sun_path) == 0 || errno == ENOENT) &&
	     local_bind(&address, SOCKET_ADMIN_MODE, (gid_t)-1, ret_fd);
	if (ok)
		*ret_name =
		    (struct socket_name){id_of(address.sun_path), id_of(dir)};
	else
		(void)err_set(reterr, ERR_CONFIG, "cannot create %s/%s: %s",
		    dir, SOCKET_NAME, strerror(errno));
	fd_close(dir_fd);
	return ok;
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
	fd_close(dir_fd);
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
	fd_close(dir_fd);
}
