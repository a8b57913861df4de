#ifndef CLI_SOCKET_H
#define CLI_SOCKET_H

/*
 * admin.sock in the state directory (0600): how commands reach the daemon.
 *
 * The daemon serves on the main thread. While a client or a long command makes
 * it wait, it does its other duties. A client that sends nothing for a second,
 * or reads nothing for a minute, is cut off; if a client disconnects, its
 * command ends. The owner of the queue owns the name: a socket left over from a
 * crash is replaced at start, and refuses connections until then. If the name
 * vanishes, as when the directory is replaced, the daemon makes it again: the
 * operator still needs `queue backup`.
 */

#include "base/buf.h"
#include "daemon/job.h"

#include <stddef.h>
#include <stdint.h>

struct socket_id {
	uint64_t device, inode; /* 0 = none */
};

struct socket_own {
	int fd;		      /* -1: closed */
	struct socket_id id;  /* of the name, as it was made last */
	struct socket_id dir; /* of the directory that we own */
};

/* The daemon's side. `dir` is the state directory, which the daemon owns. */
MUST_USE bool
command_listen(const char *dir, struct socket_own *own, struct err *reterr);

/* Make the name again if it is gone; from time to time. In a directory that has
 * taken the place of ours, another daemon's name is left alone. */
void socket_keep(const char *dir, struct socket_own *own);

/* Unlinks the name, if it is still ours. */
void socket_close(const char *dir, struct socket_own *own);

/* What the daemon does with a client. */
struct socket_host {
	void *arg;
	/* Run one command; returns its exit code. */
	int (*run)(void *arg, size_t argc, const char *const *argv,
	    const struct job_caller *caller, struct buf *out);
	/* Do what is due meanwhile, at least every 100 ms; false: we are
	 * stopping. */
	bool (*duty)(void *arg);
};

/* Serve one client, if one is waiting. */
void socket_serve(int fd, const struct socket_host *host);

enum socket_reply {
	SOCKET_ANSWERED,
	SOCKET_NO_DAEMON, /* no daemon listens there */
	SOCKET_FAILED,	  /* one does, but it did not answer */
};

/* The command's side: ask the daemon. *out gets the end of its output, the
 * local caller what comes before. */
MUST_USE enum socket_reply socket_ask(const char *dir, size_t argc,
    const char *const *argv, const struct job_caller *local, struct buf *out,
    int *ret_code, struct err *reterr);

#endif
