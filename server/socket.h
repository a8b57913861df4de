#ifndef SERVER_SOCKET_H
#define SERVER_SOCKET_H

/*
 * The name of admin.sock (0600) in the state directory. The owner of the queue
 * owns the name: a socket left over from a crash is replaced at start, and
 * refuses connections until then. If the name vanishes, as when the directory
 * is replaced, the server makes it again: the operator still needs
 * `queue backup`.
 *
 * A socket's path has room for 107 characters. A longer one is reached through
 * its directory, which is held open meanwhile.
 */

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOCKET_NAME "admin.sock"

enum { SOCKET_PATH = 108 };

/* The path by which the socket in a directory can be reached, as long as
 * *ret_dir_fd (-1 if it is not needed) is open. */
MUST_USE bool socket_path(const char *dir, char ret_path[SOCKET_PATH],
    int *ret_dir_fd, struct err *reterr);

struct socket_id {
	uint64_t device, inode; /* 0 = none */
};

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
