#ifndef BASE_LOG_H
#define BASE_LOG_H

/*
 * The log: stderr, one line per event, as logfmt or as JSON:
 *
 *	time=2026-11-23T22:05:01.123Z level=info module=server event=accept ...
 *	{"time":"2026-11-23T22:05:01.123Z","level":"info","module":"server", ...
 *
 * If stderr is the journal of systemd, a line begins with its priority, as in
 * <6>module=server, because the journal has a time and a level of its own.
 *
 * Never bodies, tokens or personal data. Control characters and what is not
 * UTF-8 are shown as \xNN, so that an event is one line, and fit for a
 * terminal, whatever it contains. Any thread.
 *
 * Once log_start() has been called, no thread waits for whoever reads stderr:
 * lines go into a ring in memory, and a thread of the log's own writes them.
 * Lines that find the ring full are dropped, counted (COUNTER_LOG_DROPPED), and
 * the log says how many as soon as there is room.
 *
 * Warnings and errors of a kind that repeat are limited then. A kind is an
 * event with its first member, so the first member says what is to blame, and
 * must not be a value that others choose freely. The next line of the kind has
 * the member suppressed, with how many were left out before it.
 */

#include "base/err.h"

#include <stddef.h>
#include <string.h>

enum log_level {
	LOG_DEBUG, /* for us */
	LOG_INFO,  /* one line per accepted request and per delivery attempt */
	LOG_WARN,  /* an operator should know; nothing is lost */
	LOG_ERROR, /* an operator must act */
};

enum log_form { LOG_LOGFMT, LOG_JSON };

struct log_settings {
	enum log_level level; /* the lowest that is written */
	enum log_form form;
	unsigned burst;	   /* lines of a kind that are written at once, then
			    * one a second; 0: all */
	size_t ring_bytes; /* for lines that wait for their reader */
};

/* Set once, before threads start. */
void log_set_level(enum log_level least);

/* Write from a thread. Once; it runs until the process ends. abort() waits for
 * it, like log_flush(). */
MUST_USE bool
log_start(const struct log_settings *settings, struct err *reterr);

/* Wait until everything has been written, but for a second at most: the reader
 * may have gone to sleep. To be called before the process exits. */
void log_flush(void);

/* `format` is the event and its members: log_line(LOG_INFO, "queue", "open
 * rows=%zu dir=%s", ...). A bare number is a number in JSON, too; what only may
 * look like one, or may contain a space, is in quotes, by LOG_QUOTE or as
 * name=\"%s\". */
void log_line(enum log_level level, const char *module, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Puts a text in quotes as a value, for "why=%s". Quotes and backslashes in it
 * are escaped, so that foreign text cannot pass for another key. The result is
 * valid until the block ends; a long text is cut. */
#define LOG_QUOTE_BYTES(text, len) log_quote((char[LOG_QUOTED]){0}, text, len)
#define LOG_QUOTE(text)		   LOG_QUOTE_BYTES(text, strlen(text))

enum { LOG_QUOTED = 768 };

const char *log_quote(char ret[LOG_QUOTED], const char *text, size_t len);

#endif
