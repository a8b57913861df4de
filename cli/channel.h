#ifndef CLI_CHANNEL_H
#define CLI_CHANNEL_H

/*
 * How a long command reaches its caller: output that grows, input that is read
 * piece by piece, lines for the terminal, and a breath between two steps. In a
 * process of its own that is stdio; in the daemon it is the client's socket, and
 * a breath also does the daemon's own duties.
 *
 * Any false ends the command: the client is gone, or the daemon stops.
 */

#include "base/buf.h"

#include <stddef.h>
#include <stdio.h>

enum { CHANNEL_PIECE = 64 * 1024 }; /* of input and output */

struct channel {
	void *arg;
	bool (*write)(
	    void *arg, const char *data, size_t len, struct err *reterr);
	/* Append the next piece of a file of the caller's ("-": standard
	 * input); nothing at its end. One file in a command's life. */
	bool (*read)(
	    void *arg, const char *name, struct buf *in, struct err *reterr);
	/* A line for the operator, wherever the output goes. */
	bool (*say)(void *arg, const char *text, struct err *reterr);
	/* Between two steps; `progress` is for a terminal, and may be NULL. */
	bool (*breathe)(void *arg, const char *progress, struct err *reterr);
};

/* The channel of a process of its own. */
struct channel_local {
	FILE *in;      /* what read() has open */
	bool terminal; /* progress is shown */
	bool shared;   /* and output is on it too */
	bool progress; /* and stands on the line at present */
};

void
channel_local_init(struct channel_local *local, struct channel *ret_channel);
void channel_local_fini(struct channel_local *local);

#endif
