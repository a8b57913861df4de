#ifndef CLI_SOCKET_H
#define CLI_SOCKET_H

/*
 * admin.sock in the state directory (0600): how commands reach the daemon.
 *
 * The client sends the words of the command, each ended by a NUL, and shuts
 * down its side. The daemon answers one line "CODE LENGTH" (the exit code and
 * the number of bytes that follow), the text, and closes.
 *
 * The daemon serves one client at a time, on the main thread. A client that
 * is slow in either direction is cut off after a second, so it cannot hold up
 * the sweep or a stop. Who owns the queue owns the name: a socket that
 * remained from a crash is replaced at start, and leads to nobody until then.
 */

#include "base/buf.h"

#include <stddef.h>

/* The daemon's side. `dir` is the state directory, whose owner we are. */
MUST_USE bool socket_listen(const char *dir, int *ret_fd, struct err *reterr);
void socket_close(const char *dir, int fd);

/* Runs one command; returns its exit code. */
typedef int
socket_fn(void *arg, size_t argc, const char *const *argv, struct buf *out);

/* Serve one client, if one waits. */
void socket_serve(int fd, socket_fn *fn, void *arg);

enum socket_reply {
	SOCKET_ANSWERED,
	SOCKET_NOBODY, /* no daemon listens there */
	SOCKET_FAILED, /* one does, but it did not answer */
};

/* The command's side: ask the daemon. *out gets its text. */
MUST_USE enum socket_reply
socket_ask(const char *dir, size_t argc, const char *const *argv,
    struct buf *out, int *ret_code, struct err *reterr);

#endif
