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
#include "base/str.h"
#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LOG_TEXT = 2048, /* of an event and its members, before they are
			  * escaped */
	LOG_LINE = 4096,
	LOG_TAIL = 4, /* bytes that end a line: "}, newline */
	LOG_FLUSH_MS = 1000,
	LOG_FLUSH_STEP_MS = 10,
	LOG_KINDS = 128,
	LOG_REPEAT_MS = 1000, /* between repeats, after a burst */
};
_Static_assert(LOG_LINE <= PIPE_BUF, "lines of two processes do not mix");

/* Lines that are limited together. */
struct log_kind {
	uint64_t hash;
	int64_t ready_ms; /* mono: a whole burst may be written again */
	uint64_t suppressed;
};

struct line {
	char data[LOG_LINE];
	size_t len;
	const char *next; /* what separates the next member */
	uint64_t kind;
};

static struct {
	/* set before threads start; NULL: lines are written at once */
	char *bytes;
	size_t size;
	unsigned burst;

	/* guarded by lock */
	struct lock lock;
	struct cond filled;
	uint64_t taken;
	uint64_t untold; /* lines dropped since the log last said so */
	struct log_kind kinds[LOG_KINDS];

	/* also read by log_flush(), which may not wait for the lock */
	_Atomic uint64_t put, written;
} log_ring;

static _Atomic enum log_level log_least = LOG_INFO;
/* set before threads start */
static enum log_form log_form = LOG_LOGFMT;
static bool log_journal;

static const struct {
	const char *word, *priority; /* of syslog(3), for the journal */
} log_levels[] = {
    [LOG_DEBUG] = {"debug", "<7>"},
    [LOG_INFO] = {"info", "<6>"},
    [LOG_WARN] = {"warn", "<4>"},
    [LOG_ERROR] = {"error", "<3>"},
};

void
log_set_level(enum log_level least)
{
	atomic_store_explicit(&log_least, least, memory_order_relaxed);
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

/* ---- a line ---- */

static void
line_add(struct line *line, const char *data, size_t len)
{
	memcpy(line->data + line->len, data, len);
	line->len += len;
}

static bool
line_has_room(const struct line *line, size_t len)
{
	return line->len + len + LOG_TAIL <= LOG_LINE;
}

/* The content of a string in quotes; cut if there is no room. */
static void
line_escape(struct line *line, struct str value)
{
	char shown[UTF8_VISIBLE];
	size_t step, count;

	for (size_t at = 0; at < value.len; at += step) {
		count =
		    utf8_visible(shown, value.data + at, value.len - at, &step);
		if (!line_has_room(line, 2 * count))
			return;
		for (size_t i = 0; i < count; i++) {
			if (shown[i] == '"' || shown[i] == '\\')
				line_add(line, "\\", 1);
			line_add(line, &shown[i], 1);
		}
	}
}

static bool
value_is_number(struct str value)
{
	size_t sign = value.len > 0 && value.data[0] == '-', at = sign;

	while (at < value.len && value.data[at] >= '0' && value.data[at] <= '9')
		at++;
	return at == value.len && at > sign;
}

/* Must it be in quotes in logfmt? */
static bool
value_is_odd(struct str value)
{
	size_t at = 0;

	while (at < value.len && value.data[at] > ' ' && value.data[at] < 127 &&
	       strchr("\"=\\", value.data[at]) == NULL)
		at++;
	return at < value.len || value.len == 0;
}

/* A text is cut if it has no room; a member without room for its key, or for a
 * bare value, is left out. */
static void
line_member(struct line *line, struct str key, struct str value, bool text)
{
	bool json = log_form == LOG_JSON, odd = value_is_odd(value);
	bool bare = json ? !text && value_is_number(value) : !odd;
	const char *quote = json ? "\"" : "";

	if (!line_has_room(
		line, key.len + strlen(",\"\":\"") + (bare ? value.len : 0)))
		return;
	line_add(line, line->next, strlen(line->next));
	line_add(line, quote, strlen(quote));
	line_add(line, key.data, key.len);
	line_add(line, quote, strlen(quote));
	line_add(line, json ? ":" : "=", 1);
	quote = bare ? "" : "\"";
	line_add(line, quote, strlen(quote));
	if (!odd && line_has_room(line, value.len))
		line_add(line, value.data, value.len);
	else
		line_escape(line, value);
	line_add(line, quote, strlen(quote));
	line->next = json ? "," : " ";
}

static void
line_text(struct line *line, const char *key, struct str value)
{
	line_member(line, str_text(key), value, true);
}

/* Take the quotes, which log_quote() made, from a value at `at`; it grows no
 * longer. Returns what follows it. */
static char *
value_unquote(char *at, struct str *ret_value)
{
	char *put = at;

	*ret_value = str_bytes(at, 0);
	for (at++; *at != '\0' && *at != '"'; at++) {
		if (*at == '\\' && at[1] != '\0')
			at++;
		*put++ = *at;
	}
	ret_value->len = (size_t)(put - ret_value->data);
	return *at == '"' ? at + 1 : at;
}

/* Take "event key=value ..." apart. If it was cut, a last key, or half of a
 * number, is left out. */
static void
line_members(struct line *line, const char *module, char *text, bool cut)
{
	char *at = text + strcspn(text, " "), *key;
	bool first = true, quoted;
	struct str value;
	size_t len;

	value = str_bytes(text, (size_t)(at - text));
	line_text(line, "event", value);
	line->kind = str_hash(str_hash(0, str_text(module)), value);
	while (*at != '\0') {
		key = at + strspn(at, " ");
		len = strcspn(key, "= ");
		at = key + len;
		if (*at != '=')
			continue;
		quoted = *++at == '"';
		if (quoted) {
			at = value_unquote(at, &value);
		} else {
			value = str_bytes(at, strcspn(at, " "));
			at += value.len;
			if (cut && *at == '\0')
				return;
		}
		line_member(line, str_bytes(key, len), value, quoted);
		if (first)
			line->kind = str_hash(line->kind, value);
		first = false;
	}
}

static void line_begin(struct line *line, enum log_level level,
    const char *module, const char *format, va_list args) PRINTF_LIKE(4, 0);

static void
line_begin(struct line *line, enum log_level level, const char *module,
    const char *format, va_list args)
{
	char when[CLOCK_TEXT], text[LOG_TEXT];
	const char *priority = log_levels[level].priority;
	int len;

	line->len = 0;
	line->next = log_form == LOG_JSON ? "{" : "";
	if (log_journal) {
		line_add(line, priority, strlen(priority));
	} else {
		clock_text(clock_wall_ms(), when, sizeof(when));
		line_text(line, "time", str_text(when));
		line_text(line, "level", str_text(log_levels[level].word));
	}
	line_text(line, "module", str_text(module));
	len = vsnprintf(text, sizeof(text), format, args);
	line_members(line, module, text, len >= (int)sizeof(text));
}

static void
line_end(struct line *line)
{
	const char *end = log_form == LOG_JSON ? "}\n" : "\n";

	line_add(line, end, strlen(end));
}

/* ---- the ring ---- */

static bool
log_put(const struct line *line)
{
	uint64_t put = atomic_load(&log_ring.put);
	size_t at = (size_t)(put % log_ring.size);
	size_t first = log_ring.size - at;

	lock_assert_held(&log_ring.lock);
	if (first > line->len)
		first = line->len;
	if (line->len > log_ring.size - (size_t)(put - log_ring.taken))
		return false;
	memcpy(log_ring.bytes + at, line->data, first);
	memcpy(log_ring.bytes, line->data + first, line->len - first);
	atomic_store(&log_ring.put, put + line->len);
	return true;
}

/* Say that lines are missing, behind those that precede them. */
static void PRINTF_LIKE(1, 2) log_tell(const char *format, ...)
{
	struct line line;
	va_list args;

	va_start(args, format);
	line_begin(&line, LOG_WARN, "log", format, args);
	va_end(args);
	line_end(&line);
	if (log_put(&line))
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

/* systemd names the stream that is the journal (systemd.exec(5)). */
static bool
log_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat is;
	char name[64];

	if (stream == NULL || fstat(STDERR_FILENO, &is) != 0)
		return false;
	(void)snprintf(name, sizeof(name), "%llu:%llu",
	    (unsigned long long)is.st_dev, (unsigned long long)is.st_ino);
	return strcmp(stream, name) == 0;
}

bool
log_start(const struct log_settings *settings, struct err *reterr)
{
	const struct sigaction action = {
	    .sa_handler = log_abort, .sa_flags = (int)SA_RESETHAND};
	sigset_t all, before;
	pthread_t writer;
	int code;

	CHECK(log_ring.bytes == NULL && settings->ring_bytes >= 2 * LOG_LINE);
	log_least = settings->level;
	log_form = settings->form;
	log_journal = log_is_journal();
	log_ring.burst = settings->burst;
	log_ring.size = settings->ring_bytes;
	log_ring.bytes = malloc(log_ring.size);
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

/* May a line of the kind be written now? If so, *ret_suppressed ones were left
 * out before it. */
static bool
log_repeat(uint64_t hash, int64_t now_ms, uint64_t *ret_suppressed)
{
	struct log_kind *kind = log_ring.kinds;

	lock_assert_held(&log_ring.lock);
	if (log_ring.burst == 0)
		return true;
	/* Else in place of the one that was silent for longest. */
	for (size_t i = 1; i < LOG_KINDS && kind->hash != hash; i++) {
		if (log_ring.kinds[i].hash == hash ||
		    log_ring.kinds[i].ready_ms < kind->ready_ms)
			kind = &log_ring.kinds[i];
	}
	if (kind->hash != hash)
		*kind = (struct log_kind){.hash = hash};
	if (kind->ready_ms < now_ms)
		kind->ready_ms = now_ms;
	if (kind->ready_ms - now_ms >
	    ((int64_t)log_ring.burst - 1) * LOG_REPEAT_MS) {
		kind->suppressed++;
		return false;
	}
	kind->ready_ms += LOG_REPEAT_MS;
	*ret_suppressed = kind->suppressed;
	kind->suppressed = 0;
	return true;
}

void
log_line(enum log_level level, const char *module, const char *format, ...)
{
	uint64_t suppressed = 0;
	struct line line;
	char number[24];
	va_list args;

	if (level < atomic_load_explicit(&log_least, memory_order_relaxed))
		return;
	va_start(args, format);
	line_begin(&line, level, module, format, args);
	va_end(args);
	if (log_ring.bytes == NULL) {
		line_end(&line);
		/* One write, so that lines of two threads do not mix. A log
		 * that cannot be written must not stop a command. */
		if (write(STDERR_FILENO, line.data, line.len) < 0)
			return;
		return;
	}
	lock_hold(&log_ring.lock);
	if (level >= LOG_WARN &&
	    !log_repeat(line.kind, clock_mono_ms(), &suppressed))
		goto out;
	if (suppressed > 0) {
		(void)snprintf(number, sizeof(number), "%" PRIu64, suppressed);
		line_member(
		    &line, str_text("suppressed"), str_text(number), false);
	}
	line_end(&line);
	if (log_put(&line)) {
		cond_wake(&log_ring.filled);
	} else {
		log_ring.untold++;
		counter_add(COUNTER_LOG_DROPPED, 1);
	}
out:
	lock_drop(&log_ring.lock);
}
