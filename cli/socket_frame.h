#ifndef CLI_SOCKET_FRAME_H
#define CLI_SOCKET_FRAME_H

/*
 * What goes over admin.sock: frames, each a line "KIND LENGTH" and so many
 * bytes.
 *
 *	client		daemon
 *	Q words			the command's words, each ended by a NUL
 *			+ bytes		output
 *			! text		a line for the operator
 *			* text		progress, for a terminal; or a sign
 *					of life, if empty
 *			? name		asks for the next piece of a file
 *	I bytes			that piece; empty at the file's end
 *			CODE bytes	the exit code and the last output
 *
 * The daemon asks for each piece of input, so neither side ever has more
 * than a piece on its way, and both can wait without a thread.
 */

#include "base/buf.h"

#include <stdint.h>

enum { SOCKET_FRAME_KIND = 8 };

/* Called again and again while a transfer waits; false gives up. */
typedef bool socket_wait_fn(void *arg);

struct socket_line {
	int fd;
	int64_t idle_ms;      /* without any progress: give up */
	socket_wait_fn *wait; /* or NULL */
	void *wait_arg;
};

MUST_USE bool socket_frame_send(
    struct socket_line *line, const char *kind, const char *data, size_t len);

/* Replaces what is in *ret_data. False also at the end of the connection, and
 * for a frame that has no room in it. */
MUST_USE bool socket_frame_receive(struct socket_line *line,
    char ret_kind[SOCKET_FRAME_KIND], struct buf *ret_data);

/* Has the other side closed? */
bool socket_line_gone(const struct socket_line *line);

#endif
