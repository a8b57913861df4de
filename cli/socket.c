#include "cli/socket.h"

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	SOCKET_BACKLOG = 16,
	SOCKET_QUESTION_MAX = 64 * 1024,
	SOCKET_WORDS_MAX = 256,
	SOCKET_SERVE_MS = 1000, /* for reading, and again for writing */
	SOCKET_ASK_MS = 60000,
};

#define SOCKET_NAME "admin.sock"

/*
 * A socket's path has room for 107 characters. A longer one is reached
 * through its directory, which is held open as *ret_dir_fd (else -1).
 */
static bool
socket_address(const char *dir, struct sockaddr_un *ret_address,
    int *ret_dir_fd, struct err *reterr)
{
	char *path = ret_address->sun_path;
	size_t room = sizeof(ret_address->sun_path);

	*ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	*ret_dir_fd = -1;
	if (strlen(dir) + sizeof("/" SOCKET_NAME) <= room) {
		(void)snprintf(path, room, "%s/%s", dir, SOCKET_NAME);
		return true;
	}
	*ret_dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret_dir_fd < 0)
		return err_set(reterr, ERR_CONFIG, "cannot open %s: %s", dir,
		    strerror(errno));
	(void)snprintf(
	    path, room, "/proc/self/fd/%d/%s", *ret_dir_fd, SOCKET_NAME);
	return true;
}

bool
socket_listen(const char *dir, int *ret_fd, struct err *reterr)
{
	struct sockaddr_un address;
	int fd = -1, dir_fd = -1;
	bool ok = false;

	if (!socket_address(dir, &address, &dir_fd, reterr))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		goto fail;
	if (unlink(address.sun_path) != 0 && errno != ENOENT)
		goto fail;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    chmod(address.sun_path, 0600) != 0 ||
	    listen(fd, SOCKET_BACKLOG) != 0)
		goto fail;
	*ret_fd = fd;
	fd = -1;
	ok = true;
	goto out;
fail:
	(void)err_set(reterr, ERR_CONFIG, "cannot make %s/%s: %s", dir,
	    SOCKET_NAME, strerror(errno));
out:
	if (fd >= 0)
		(void)close(fd);
	if (dir_fd >= 0)
		(void)close(dir_fd);
	return ok;
}

void
socket_close(const char *dir, int fd)
{
	struct sockaddr_un address;
	int dir_fd = -1;

	if (fd < 0)
		return;
	if (socket_address(dir, &address, &dir_fd, NULL))
		(void)unlink(address.sun_path);
	if (dir_fd >= 0)
		(void)close(dir_fd);
	(void)close(fd);
}

/* Wait until fd is ready, or until the time has come. */
static bool
socket_await(int fd, short events, int64_t until_ms)
{
	struct pollfd wait = {.fd = fd, .events = events};
	int64_t left;

	for (;;) {
		left = until_ms - clock_mono_ms();
		if (left <= 0)
			return false;
		if (poll(&wait, 1, (int)left) > 0)
			return true;
		if (errno != EINTR)
			return false;
	}
}

/* Read to the end; false if it did not come in time, or is too long. */
static bool
socket_read(int fd, struct buf *in, int64_t until_ms)
{
	char chunk[16384];
	ssize_t got;

	for (;;) {
		if (!socket_await(fd, POLLIN, until_ms))
			return false;
		got = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
		if (got == 0)
			return !in->failed;
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got < 0 || !buf_append(in, chunk, (size_t)got))
			return false;
	}
}

static bool
socket_write(int fd, const char *data, size_t len, int64_t until_ms)
{
	ssize_t sent;

	while (len > 0) {
		if (!socket_await(fd, POLLOUT, until_ms))
			return false;
		sent = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (sent < 0)
			return false;
		data += sent;
		len -= (size_t)sent;
	}
	return true;
}

/* Point at the words of a question; false if it is malformed. */
static bool
socket_words(const struct buf *in, const char **argv, size_t *ret_argc)
{
	size_t argc = 0, at = 0;

	if (in->len == 0 || in->data[in->len - 1] != '\0')
		return false;
	while (at < in->len) {
		if (argc == SOCKET_WORDS_MAX)
			return false;
		argv[argc++] = in->data + at;
		at += strlen(in->data + at) + 1;
	}
	*ret_argc = argc;
	return true;
}

static void
socket_serve_client(int fd, socket_fn *fn, void *arg)
{
	const char *argv[SOCKET_WORDS_MAX];
	struct buf in, out;
	char head[64];
	size_t argc;
	int code;

	buf_init(&in, SOCKET_QUESTION_MAX);
	buf_init(&out, COMMAND_OUT_MAX);
	if (!socket_read(fd, &in, clock_mono_ms() + SOCKET_SERVE_MS) ||
	    !socket_words(&in, argv, &argc)) {
		log_line(LOG_WARN, "socket",
		    "refuse reason=\"question is slow or malformed\"");
		goto out;
	}
	code = fn(arg, argc, argv, &out);
	(void)snprintf(head, sizeof(head), "%d %zu\n", code, out.len);
	if (!socket_write(
		fd, head, strlen(head), clock_mono_ms() + SOCKET_SERVE_MS) ||
	    !socket_write(
		fd, out.data, out.len, clock_mono_ms() + SOCKET_SERVE_MS))
		log_line(LOG_WARN, "socket",
		    "cut reason=\"client does not read\" command=%s", argv[0]);
out:
	buf_fini(&out);
	buf_fini(&in);
}

void
socket_serve(int fd, socket_fn *fn, void *arg)
{
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	if (client < 0)
		return;
	socket_serve_client(client, fn, arg);
	(void)close(client);
}

/* ---- the command's side ---- */

static enum socket_reply
socket_connect(const char *dir, int *ret_fd, struct err *reterr)
{
	enum socket_reply reply = SOCKET_FAILED;
	struct sockaddr_un address;
	int fd = -1, dir_fd = -1;

	if (!socket_address(dir, &address, &dir_fd, NULL))
		return SOCKET_NOBODY;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		*ret_fd = fd;
		fd = -1;
		reply = SOCKET_ANSWERED;
	} else if (errno == ENOENT || errno == ECONNREFUSED) {
		reply = SOCKET_NOBODY;
	} else {
		(void)err_set(reterr, ERR_CONFIG,
		    "cannot reach the daemon at %s/%s: %s (run this as its "
		    "user or as root)",
		    dir, SOCKET_NAME, strerror(errno));
	}
	if (fd >= 0)
		(void)close(fd);
	if (dir_fd >= 0)
		(void)close(dir_fd);
	return reply;
}

/* Take "CODE LENGTH\n" off the front of an answer. */
static bool
socket_answer_read(const struct buf *in, struct buf *out, int *ret_code)
{
	const char *end;
	char *at, head[64];
	long code;
	size_t len;

	end = in->len > 0 ? memchr(in->data, '\n', in->len) : NULL;
	if (end == NULL || (size_t)(end - in->data) >= sizeof(head))
		return false;
	len = (size_t)(end - in->data);
	memcpy(head, in->data, len);
	head[len] = '\0';
	code = strtol(head, &at, 10);
	if (at == head || *at != ' ' || code < 0 || code > 255 ||
	    strtoull(at, NULL, 10) != in->len - len - 1)
		return false;
	*ret_code = (int)code;
	return buf_append(out, end + 1, in->len - len - 1);
}

enum socket_reply
socket_ask(const char *dir, size_t argc, const char *const *argv,
    struct buf *out, int *ret_code, struct err *reterr)
{
	int64_t until_ms = clock_mono_ms() + SOCKET_ASK_MS;
	enum socket_reply reply;
	struct buf in;
	int fd = -1;
	bool ok = true;

	reply = socket_connect(dir, &fd, reterr);
	if (reply != SOCKET_ANSWERED)
		return reply;
	buf_init(&in, COMMAND_OUT_MAX + sizeof(struct buf));
	for (size_t i = 0; i < argc && ok; i++)
		ok = socket_write(fd, argv[i], strlen(argv[i]) + 1, until_ms);
	ok = ok && shutdown(fd, SHUT_WR) == 0 &&
	     socket_read(fd, &in, until_ms) &&
	     socket_answer_read(&in, out, ret_code);
	if (!ok) {
		(void)err_set(reterr, ERR_IO,
		    "the daemon at %s/%s did not answer: it is stopping, or it "
		    "hangs; try again, and look at its log",
		    dir, SOCKET_NAME);
		reply = SOCKET_FAILED;
	}
	(void)close(fd);
	buf_fini(&in);
	return reply;
}
