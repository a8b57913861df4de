#ifndef SERVER_SOCKET_H
#define SERVER_SOCKET_H

/*
 * The sockets that the server listens at.
 *
 * A unix socket has a name, which outlives a crash: one that nobody answers at
 * is replaced, and at the end the name is removed, if it is still ours.
 *
 * The name of admin.sock (0600) in the state directory is the queue's owner's,
 * so it is replaced in any case. If it vanishes, as when the directory is
 * replaced, the server makes it again: the operator still needs `queue
 * backup`. A socket's path has room for 107 characters. A longer one of
 * admin.sock is reached through its directory, which is held open meanwhile.
 */

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOCKET_NAME "admin.sock"
#define SOCKET_UNIX "unix:" /* and a path: the address of a unix socket */

enum {
	SOCKET_PATH = 108,
	SOCKET_TEXT = SOCKET_PATH + sizeof(SOCKET_UNIX), /* of an address */
};

struct socket_id {
	uint64_t device, inode; /* 0 = none */
};

struct socket {
	int fd;		     /* listens */
	unsigned port;	     /* 0: it has none */
	const char *path;    /* of its name, if that is ours; lent */
	struct socket_id id; /* of the name, as it was made */
};

/* Listen at ADDRESS:PORT, [V6]:PORT or unix:PATH; the last gets the mode, and
 * the group, unless that is NULL. The address stays lent. */
MUST_USE bool socket_open(const char *address, unsigned mode, const char *group,
    struct socket *ret_socket, struct err *reterr);

/* The address and the port of a socket that listens. */
MUST_USE bool socket_describe(
    int fd, char ret_text[SOCKET_TEXT], unsigned *ret_port, struct err *reterr);

void socket_close(struct socket *socket);

/* ---- admin.sock ---- */

/* The path by which the socket in a directory can be reached, as long as
 * *ret_dir_fd (-1 if it is not needed) is open. */
MUST_USE bool socket_path(const char *dir, char ret_path[SOCKET_PATH],
    int *ret_dir_fd, struct err *reterr);

struct socket_name {
	struct socket_id id;  /* as it was made last */
	struct socket_id dir; /* of the directory that we own */
};

/* Make the name, and listen; the caller owns the descriptor. */
MUST_USE bool socket_listen(const char *dir, struct socket_name *ret_name,
    int *ret_fd, struct err *reterr);

/* Is it gone, and may it be made again? In a directory that has taken the place
 * of ours, another daemon's name is left alone. */
bool socket_vanished(const char *dir, const struct socket_name *name);

/* Unlink it, if it is still ours. */
void socket_unlink(const char *dir, const struct socket_name *name);

#endif
