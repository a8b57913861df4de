/*
 * What goes over the socket: frames, each a line "KIND LENGTH" and so many
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
	SOCKET_FRAME_MAX = 64 * 1024, /* from a client */
	SOCKET_WORDS_MAX = OPTIONS_WORDS_MAX + 2 * OPTIONS_SET_MAX,
	SOCKET_QUESTION_MS = 1000, /* for the question */
	SOCKET_IDLE_MS = 60000,	   /* without progress, from then on */
	SOCKET_SIGN_MS = 1000,	   /* between two signs of progress */
};

#define SOCKET_NAME "command.sock"

/* ---- frames ---- */

enum { FRAME_KIND = 8 };

struct line {
	int fd;
	int64_t idle_ms; /* without any progress: give up */
	/* Called again and again while a transfer waits; false gives up. May be
	 * NULL. */
	bool (*wait)(void *arg);
	void *wait_arg;
};

enum {
	LINE_SLICE_MS = 100, /* between two calls of wait() */
	LINE_HEAD_MAX = 40,
};

/* Wait until fd is ready, or until the time has come. */
static bool
line_await(struct line *line, short events, int64_t until_ms)
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
line_send(struct line *line, const char *data, size_t len)
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
line_receive(struct line *line, char *data, size_t len)
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

static bool
frame_send(struct line *line, const char *kind, const char *data, size_t len)
{
	char head[LINE_HEAD_MAX];
	int head_len = snprintf(head, sizeof(head), "%.7s %zu\n", kind, len);

	return line_send(line, head, (size_t)head_len) &&
	       line_send(line, data, len);
}

/* "KIND LENGTH\n", byte by byte, so as not to read what follows. */
static bool
frame_head_receive(
    struct line *line, char ret_kind[FRAME_KIND], size_t *ret_len)
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
	if (blank == NULL || blank == head || blank - head >= FRAME_KIND ||
	    blank[1] < '0' || blank[1] > '9')
		return false;
	*blank = '\0';
	*ret_len = (size_t)strtoull(blank + 1, &end, 10);
	memcpy(ret_kind, head, (size_t)(blank - head) + 1);
	return *end == '\0';
}

static bool
frame_receive(
    struct line *line, char ret_kind[FRAME_KIND], struct buf *ret_data)
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

static bool
line_gone(const struct line *line)
{
	char byte;

	return recv(line->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* ---- the address ---- */

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

/* What a path leads to; nothing: {0}. */
static struct socket_id
socket_id(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0
		   ? (struct socket_id){info.st_dev, info.st_ino}
		   : (struct socket_id){0};
}

static bool
socket_id_is(struct socket_id a, struct socket_id b)
{
	return a.inode != 0 && a.device == b.device && a.inode == b.inode;
}

bool
command_listen(const char *dir, struct socket_own *own, struct err *reterr)
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
	*own = (struct socket_own){
	    fd, socket_id(address.sun_path), socket_id(dir)};
	fd = -1;
	ok = true;
	goto out;
fail:
	(void)err_set(reterr, ERR_CONFIG, "cannot create %s/%s: %s", dir,
	    SOCKET_NAME, strerror(errno));
out:
	if (fd >= 0)
		(void)close(fd);
	if (dir_fd >= 0)
		(void)close(dir_fd);
	return ok;
}

void
socket_close(const char *dir, struct socket_own *own)
{
	struct sockaddr_un address;
	int dir_fd = -1;

	if (own->fd < 0)
		return;
	if (socket_address(dir, &address, &dir_fd, NULL) &&
	    socket_id_is(socket_id(address.sun_path), own->id))
		(void)unlink(address.sun_path);
	if (dir_fd >= 0)
		(void)close(dir_fd);
	(void)close(own->fd);
	own->fd = -1;
}

void
socket_keep(const char *dir, struct socket_own *own)
{
	struct sockaddr_un address;
	struct socket_own fresh;
	struct socket_id id;
	int dir_fd = -1;
	struct err err;

	if (!socket_address(dir, &address, &dir_fd, &err))
		return;
	id = socket_id(address.sun_path);
	if (dir_fd >= 0)
		(void)close(dir_fd);
	if (socket_id_is(id, own->id) ||
	    (id.inode != 0 && !socket_id_is(socket_id(dir), own->dir)) ||
	    !command_listen(dir, &fresh, &err))
		return;
	(void)close(own->fd);
	own->fd = fresh.fd;
	own->id = fresh.id;
	log_line(LOG_WARN, "socket", "renew name=%s/%s why=\"it was gone\"",
	    dir, SOCKET_NAME);
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

/* ---- the daemon's side ---- */

struct client {
	struct line line;
	const struct socket_host *host;
	struct buf frame; /* the last one that was received */
	int64_t sign_ms;  /* when the last sign of progress was given */
	bool broken;	  /* an I/O with it failed */
};

static bool
client_fail(struct client *client, struct err *reterr)
{
	client->broken = true;
	return err_set(reterr, ERR_STOPPING, "the client has disconnected");
}

static bool
client_send(struct client *client, const char *kind, const char *data,
    size_t len, struct err *reterr)
{
	return frame_send(&client->line, kind, data, len) ||
	       client_fail(client, reterr);
}

static bool
client_write(void *arg, const char *data, size_t len, struct err *reterr)
{
	return client_send(arg, "+", data, len, reterr);
}

static bool
client_message(void *arg, const char *text, struct err *reterr)
{
	return client_send(arg, "!", text, strlen(text), reterr);
}

static bool
client_read(void *arg, const char *name, struct buf *in, struct err *reterr)
{
	char kind[FRAME_KIND];
	struct client *client = arg;

	if (!client_send(client, "?", name, strlen(name), reterr))
		return false;
	if (!frame_receive(&client->line, kind, &client->frame) ||
	    strcmp(kind, "I") != 0)
		return client_fail(client, reterr);
	(void)buf_append(in, client->frame.data, client->frame.len);
	return buf_ok(in, reterr);
}

static bool
client_progress(void *arg, const char *text, struct err *reterr)
{
	struct client *client = arg;
	int64_t now_ms = clock_mono_ms();

	if (!client->host->duty(client->host->arg) || line_gone(&client->line))
		return client_fail(client, reterr);
	/* Whatever else was sent meanwhile: output may go to a file, and the
	 * operator watches the progress. */
	if (now_ms - client->sign_ms < SOCKET_SIGN_MS)
		return true;
	client->sign_ms = now_ms;
	return client_send(client, "*", text, strlen(text), reterr);
}

static bool
client_question(struct client *client, const char **argv, size_t *ret_argc)
{
	char kind[FRAME_KIND];

	client->line.idle_ms = SOCKET_QUESTION_MS;
	if (frame_receive(&client->line, kind, &client->frame) &&
	    strcmp(kind, "Q") == 0 &&
	    socket_words(&client->frame, argv, ret_argc)) {
		client->line.idle_ms = SOCKET_IDLE_MS;
		return true;
	}
	log_line(LOG_WARN, "socket",
	    "refuse reason=\"the command came too slowly or is malformed\"");
	return false;
}

static void
client_serve(struct client *client)
{
	const struct job_caller caller = {
	    .arg = client,
	    .write = client_write,
	    .read = client_read,
	    .message = client_message,
	    .progress = client_progress,
	};
	const struct socket_host *host = client->host;
	const char *argv[SOCKET_WORDS_MAX];
	struct buf question, out;
	char code[FRAME_KIND];
	size_t argc;

	buf_init(&out, COMMAND_OUT_MAX);
	buf_init(&question, 0);
	if (!client_question(client, argv, &argc))
		goto out;
	/* The words point into it, and the next frame needs another. */
	question = client->frame;
	buf_init(&client->frame, SOCKET_FRAME_MAX);
	(void)snprintf(code, sizeof(code), "%d",
	    host->run(host->arg, argc, argv, &caller, &out));
	if (client->broken ||
	    !frame_send(&client->line, code, out.data, out.len))
		log_line(LOG_WARN, "socket",
		    "cut reason=\"the client has disconnected or stopped "
		    "reading\" command=%s",
		    argv[0]);
out:
	buf_fini(&question);
	buf_fini(&out);
}

void
socket_serve(int fd, const struct socket_host *host)
{
	struct client client = {
	    .line = {.fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC),
		.wait = host->duty,
		.wait_arg = host->arg},
	    .host = host,
	};

	if (client.line.fd < 0)
		return;
	buf_init(&client.frame, SOCKET_FRAME_MAX);
	client_serve(&client);
	buf_fini(&client.frame);
	(void)close(client.line.fd);
}

/* ---- the command's side ---- */

static enum socket_reply
socket_connect(const char *dir, int *ret_fd, struct err *reterr)
{
	enum socket_reply reply = SOCKET_FAILED;
	struct sockaddr_un address;
	int fd = -1, dir_fd = -1;

	if (!socket_address(dir, &address, &dir_fd, NULL))
		return SOCKET_NO_DAEMON;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		*ret_fd = fd;
		fd = -1;
		reply = SOCKET_ANSWERED;
	} else if (errno == ENOENT || errno == ECONNREFUSED) {
		reply = SOCKET_NO_DAEMON;
	} else {
		(void)err_set(reterr, ERR_CONFIG,
		    "cannot reach the daemon at %s/%s: %s (run this command as "
		    "the daemon's user or as root)",
		    dir, SOCKET_NAME, strerror(errno));
	}
	if (fd >= 0)
		(void)close(fd);
	if (dir_fd >= 0)
		(void)close(dir_fd);
	return reply;
}

static bool
ask_code_read(const char *kind, int *ret_code, struct err *reterr)
{
	char *end;
	long code = strtol(kind, &end, 10);

	if (end == kind || *end != '\0' || code < 0 || code > 255)
		return err_set(reterr, ERR_IO,
		    "the daemon answered \"%s\", which this program does not "
		    "understand: check that both are the same version",
		    kind);
	*ret_code = (int)code;
	return true;
}

/* Do what a frame says; *ret_code once it is the last. -1: not yet. */
static bool
ask_frame(struct line *line, const char *kind, struct buf *frame,
    const struct job_caller *local, int *ret_code, struct err *reterr)
{
	struct buf piece;
	bool ok;

	(void)buf_char(frame, '\0');
	*ret_code = -1;
	switch (kind[0]) {
	case '+':
		return local->write(
		    local->arg, frame->data, frame->len - 1, reterr);
	case '!':
		return local->message(local->arg, frame->data, reterr);
	case '*':
		return frame->len == 1 ||
		       local->progress(local->arg, frame->data, reterr);
	case '?':
		buf_init(&piece, JOB_PIECE);
		ok = local->read(local->arg, frame->data, &piece, reterr) &&
		     (frame_send(line, "I", piece.data, piece.len) ||
			 err_set(reterr, ERR_IO,
			     "the daemon has closed the connection"));
		buf_fini(&piece);
		return ok;
	default:
		return ask_code_read(kind, ret_code, reterr);
	}
}

static bool
ask_all(struct line *line, const struct job_caller *local, struct buf *frame,
    struct buf *out, int *ret_code, struct err *reterr)
{
	char kind[FRAME_KIND];

	do {
		if (!frame_receive(line, kind, frame))
			return err_set(reterr, ERR_IO,
			    "the daemon did not answer: it is stopping, or it "
			    "hangs; try again, and check its log");
		if (!ask_frame(line, kind, frame, local, ret_code, reterr))
			return false;
	} while (*ret_code < 0);
	return buf_append(out, frame->data, frame->len - 1) ||
	       buf_ok(out, reterr);
}

enum socket_reply
socket_ask(const char *dir, size_t argc, const char *const *argv,
    const struct job_caller *local, struct buf *out, int *ret_code,
    struct err *reterr)
{
	struct line line = {.fd = -1, .idle_ms = SOCKET_IDLE_MS};
	enum socket_reply reply;
	struct buf frame;
	int code = -1;

	reply = socket_connect(dir, &line.fd, reterr);
	if (reply != SOCKET_ANSWERED)
		return reply;
	buf_init(&frame, COMMAND_OUT_MAX + 1);
	for (size_t i = 0; i < argc; i++)
		(void)buf_append(&frame, argv[i], strlen(argv[i]) + 1);
	/* If this fails, the receive below fails too and says why. */
	(void)!frame_send(&line, "Q", frame.data, frame.len);
	if (ask_all(&line, local, &frame, out, &code, reterr))
		*ret_code = code;
	else
		reply = SOCKET_FAILED;
	(void)close(line.fd);
	buf_fini(&frame);
	return reply;
}
