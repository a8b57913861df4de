#include "cli/socket_frame.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	LINE_SLICE_MS = 100, /* between two calls of wait() */
	LINE_HEAD_MAX = 40,
};

/* Wait until fd is ready, or until the time has come. */
static bool
line_await(struct socket_line *line, short events, int64_t until_ms)
{
	struct pollfd wait = {.fd = line->fd, .events = events};
	int64_t left;

	for (;;) {
		left = until_ms - clock_mono_ms();
		if (left <= 0)
			return false;
		if (left > LINE_SLICE_MS)
			left = LINE_SLICE_MS;
		switch (poll(&wait, 1, (int)left)) {
		case 0:
			break;
		case -1:
			if (errno != EINTR)
				return false;
			break;
		default:
			return true;
		}
		if (line->wait != NULL && !line->wait(line->wait_arg))
			return false;
	}
}

static bool
line_send(struct socket_line *line, const char *data, size_t len)
{
	ssize_t sent;

	while (len > 0) {
		if (!line_await(line, POLLOUT, clock_mono_ms() + line->idle_ms))
			return false;
		sent = send(line->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (sent < 0)
			return false;
		data += sent;
		len -= (size_t)sent;
	}
	return true;
}

/* At most `len` bytes; 0 at the end or on failure. */
static size_t
line_receive(struct socket_line *line, char *data, size_t len)
{
	int64_t until_ms = clock_mono_ms() + line->idle_ms;
	ssize_t got;

	do {
		if (!line_await(line, POLLIN, until_ms))
			return 0;
		got = recv(line->fd, data, len, MSG_DONTWAIT);
	} while (got < 0 && (errno == EAGAIN || errno == EINTR));
	return got > 0 ? (size_t)got : 0;
}

bool
socket_frame_send(
    struct socket_line *line, const char *kind, const char *data, size_t len)
{
	char head[LINE_HEAD_MAX];
	int head_len = snprintf(head, sizeof(head), "%.7s %zu\n", kind, len);

	return line_send(line, head, (size_t)head_len) &&
	       line_send(line, data, len);
}

/* "KIND LENGTH\n", byte by byte, so as not to read what follows. */
static bool
frame_head_receive(
    struct socket_line *line, char ret_kind[SOCKET_FRAME_KIND], size_t *ret_len)
{
	char head[LINE_HEAD_MAX], *blank, *end;
	size_t len = 0;

	for (;; len++) {
		if (len == sizeof(head) ||
		    line_receive(line, head + len, 1) == 0)
			return false;
		if (head[len] == '\n')
			break;
	}
	head[len] = '\0';
	blank = strchr(head, ' ');
	if (blank == NULL || blank == head ||
	    blank - head >= SOCKET_FRAME_KIND || blank[1] < '0' ||
	    blank[1] > '9')
		return false;
	*blank = '\0';
	*ret_len = (size_t)strtoull(blank + 1, &end, 10);
	memcpy(ret_kind, head, (size_t)(blank - head) + 1);
	return *end == '\0';
}

bool
socket_frame_receive(struct socket_line *line, char ret_kind[SOCKET_FRAME_KIND],
    struct buf *ret_data)
{
	char piece[16384];
	size_t left, got;

	buf_reset(ret_data);
	if (!frame_head_receive(line, ret_kind, &left))
		return false;
	while (left > 0) {
		got = line_receive(
		    line, piece, left < sizeof(piece) ? left : sizeof(piece));
		if (got == 0 || !buf_append(ret_data, piece, got))
			return false;
		left -= got;
	}
	return true;
}

bool
socket_line_gone(const struct socket_line *line)
{
	char byte;

	return recv(line->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}
