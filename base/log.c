/*
 * The ring is one block of bytes between two numbers that only grow: `put`
 * (threads that log) and `taken` (the writer). The writer copies whole lines
 * out of it, at most PIPE_BUF bytes, and writes them without the lock: only it
 * ever waits for the reader. `put` less `written` is what a flush waits for.
 */

#include "base/log.h"

#include "base/clock.h"
#include "base/counters.h"
#include "base/lock.h"
#include "base/utf8.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	LOG_LINE = 1024,
	LOG_ESCAPED = LOG_LINE * 4, /* of a line, at most */
	LOG_LIMIT_MS = 1000,
	LOG_FLUSH_MS = 1000,
	LOG_FLUSH_STEP_MS = 10,
};
_Static_assert(LOG_ESCAPED <= PIPE_BUF, "lines of two processes do not mix");

static struct {
	/* set before threads start; NULL: lines are written at once */
	char *bytes;
	size_t size;

	/* guarded by lock */
	struct lock lock;
	struct cond filled;
	uint64_t taken;
	uint64_t untold; /* lines dropped since the log last said so */

	/* also read by log_flush(), which may not wait for the lock */
	_Atomic uint64_t put, written;
} log_ring;

static enum log_level log_least = LOG_INFO;

static const char *const log_words[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

void
log_set_level(enum log_level least)
{
	log_least = least;
}

bool
log_level_read(const char *word, enum log_level *ret_level)
{
	for (size_t i = 0; i < sizeof(log_words) / sizeof(log_words[0]); i++) {
		if (strcmp(word, log_words[i]) == 0) {
			*ret_level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* A copy that a terminal may get; it ends in a newline. */
static size_t
log_escape(const char *text, char *ret, size_t size)
{
	size_t len = strlen(text), at = 0, put = 0, step;

	for (; at < len && put + UTF8_VISIBLE < size; at += step)
		put += utf8_visible(ret + put, text + at, len - at, &step);
	ret[put++] = '\n';
	return put;
}

const char *
log_quote(char ret[LOG_QUOTED], const char *text, size_t len)
{
	size_t put = 0;

	ret[put++] = '"';
	/* room for one more byte, its backslash, the quote and the NUL */
	for (size_t i = 0; i < len && put + 4 <= LOG_QUOTED; i++) {
		if (text[i] == '"' || text[i] == '\\')
			ret[put++] = '\\';
		ret[put++] = text[i];
	}
	ret[put++] = '"';
	ret[put] = '\0';
	return ret;
}

/* Format a line; returns its length. */
static size_t log_format(char ret[LOG_ESCAPED], enum log_level level,
    const char *module, const char *format, va_list args) PRINTF_LIKE(4, 0);

static size_t
log_format(char ret[LOG_ESCAPED], enum log_level level, const char *module,
    const char *format, va_list args)
{
	char when[CLOCK_TEXT], text[LOG_LINE];
	int head;

	clock_text(clock_wall_ms(), when, sizeof(when));
	head = snprintf(
	    text, sizeof(text), "%s %-5s %s: ", when, log_words[level], module);
	CHECK(head > 0 && (size_t)head < sizeof(text));
	(void)vsnprintf(text + head, sizeof(text) - (size_t)head, format, args);
	return log_escape(text, ret, LOG_ESCAPED);
}

/* ---- the ring ---- */

static bool
log_put(const char *line, size_t len)
{
	uint64_t put = atomic_load(&log_ring.put);
	size_t at = (size_t)(put % log_ring.size);
	size_t first = log_ring.size - at < len ? log_ring.size - at : len;

	lock_assert_held(&log_ring.lock);
	if (len > log_ring.size - (size_t)(put - log_ring.taken))
		return false;
	memcpy(log_ring.bytes + at, line, first);
	memcpy(log_ring.bytes, line + first, len - first);
	atomic_store(&log_ring.put, put + len);
	return true;
}

/* Say that lines are missing, behind those that precede them. */
static void PRINTF_LIKE(1, 2) log_tell(const char *format, ...)
{
	char line[LOG_ESCAPED];
	va_list args;
	size_t len;

	va_start(args, format);
	len = log_format(line, LOG_WARN, "log", format, args);
	va_end(args);
	if (log_put(line, len))
		log_ring.untold = 0;
}

/* Whole lines, as many as fit; waits until there are some. */
static size_t
log_take(char ret[PIPE_BUF])
{
	size_t len, whole = 0;

	lock_hold(&log_ring.lock);
	while (log_ring.taken == atomic_load(&log_ring.put))
		cond_wait(&log_ring.filled, &log_ring.lock, INT64_MAX);
	len = (size_t)(atomic_load(&log_ring.put) - log_ring.taken);
	for (size_t i = 0; i < len && i < PIPE_BUF; i++) {
		ret[i] = log_ring.bytes[(log_ring.taken + i) % log_ring.size];
		if (ret[i] == '\n')
			whole = i + 1;
	}
	log_ring.taken += whole;
	if (log_ring.untold > 0)
		log_tell("drop lines=%llu why=\"nobody read the log\"",
		    (unsigned long long)log_ring.untold);
	lock_drop(&log_ring.lock);
	return whole;
}

/* Waits as long as the reader makes it. False: the log cannot be written. */
static bool
log_write(const char *data, size_t len)
{
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};

	while (len > 0) {
		ssize_t done = write(STDERR_FILENO, data, len);

		if (done >= 0) {
			data += done;
			len -= (size_t)done;
		} else if (errno == EAGAIN) {
			(void)poll(&fd, 1, -1);
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

static void *
log_main(void *arg)
{
	char lines[PIPE_BUF];

	(void)arg;
	for (;;) {
		size_t len = log_take(lines);

		if (!log_write(lines, len)) {
			for (size_t i = 0; i < len; i++)
				counter_add(
				    COUNTER_LOG_DROPPED, lines[i] == '\n');
		}
		atomic_fetch_add(&log_ring.written, len);
	}
	return NULL;
}

/* Safe in a handler of signals: it takes no lock. */
void
log_flush(void)
{
	for (int ms = 0; ms < LOG_FLUSH_MS; ms += LOG_FLUSH_STEP_MS) {
		if (atomic_load(&log_ring.written) ==
		    atomic_load(&log_ring.put))
			return;
		(void)poll(NULL, 0, LOG_FLUSH_STEP_MS);
	}
}

/* Whoever sent it, the process dies of it once this returns. */
static void
log_abort(int signal)
{
	log_flush();
	(void)raise(signal);
}

bool
log_start(size_t ring_bytes, struct err *reterr)
{
	const struct sigaction action = {
	    .sa_handler = log_abort, .sa_flags = (int)SA_RESETHAND};
	sigset_t all, before;
	pthread_t writer;
	int code;

	CHECK(log_ring.bytes == NULL && ring_bytes >= 2 * LOG_ESCAPED);
	log_ring.size = ring_bytes;
	log_ring.bytes = malloc(ring_bytes);
	if (log_ring.bytes == NULL)
		return err_set_nomem(reterr);
	lock_init(&log_ring.lock);
	cond_init(&log_ring.filled);
	/* It handles no signals, SIGPIPE included. */
	(void)sigfillset(&all);
	CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	code = pthread_create(&writer, NULL, log_main, NULL);
	CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	if (code != 0) {
		free(log_ring.bytes);
		log_ring.bytes = NULL;
		return err_set(
		    reterr, ERR_NOMEM, "cannot start the thread of the log");
	}
	CHECK(pthread_detach(writer) == 0);
	(void)sigaction(SIGABRT, &action, NULL);
	return true;
}

void
log_line(enum log_level level, const char *module, const char *format, ...)
{
	char line[LOG_ESCAPED];
	va_list args;
	size_t len;

	if (level < log_least)
		return;
	va_start(args, format);
	len = log_format(line, level, module, format, args);
	va_end(args);
	if (log_ring.bytes == NULL) {
		/* One write, so that lines of two threads do not mix. A log
		 * that cannot be written must not stop a command. */
		if (write(STDERR_FILENO, line, len) < 0)
			return;
		return;
	}
	lock_hold(&log_ring.lock);
	if (log_put(line, len)) {
		cond_wake(&log_ring.filled);
	} else {
		log_ring.untold++;
		counter_add(COUNTER_LOG_DROPPED, 1);
	}
	lock_drop(&log_ring.lock);
}

bool
log_limit_pass(
    struct log_limit *limit, int64_t mono_ms, uint64_t *ret_suppressed)
{
	int64_t last = atomic_load(&limit->last_ms);
	unsigned burst = limit->burst > 0 ? limit->burst : 1;

	/* 0 is "never": the monotonic clock may have just started. */
	if ((last == 0 || mono_ms - last >= LOG_LIMIT_MS) &&
	    atomic_compare_exchange_strong(&limit->last_ms, &last, mono_ms))
		atomic_store(&limit->passed, 0);
	if (atomic_fetch_add(&limit->passed, 1) >= burst) {
		atomic_fetch_add(&limit->suppressed, 1);
		return false;
	}
	*ret_suppressed = atomic_exchange(&limit->suppressed, 0);
	return true;
}
