#ifndef BASE_LOG_H
#define BASE_LOG_H

/*
 * The log: stderr, one line per event:
 *
 *	2026-11-23T22:05:01.123Z info  server: accept source=main events=100
 *
 * time, level, module and verb, then key=value pairs; a value that contains
 * spaces is in quotes. Never bodies, tokens or personal data. Control
 * characters and what is not UTF-8 are shown as \xNN, so that an event is one
 * line whatever it contains. Any thread.
 *
 * Once log_start() has been called, no thread waits for whoever reads stderr:
 * lines go into a ring in memory, and a thread of the log's own writes them.
 * Lines that find the ring full are dropped, counted (COUNTER_LOG_DROPPED), and
 * the log says how many as soon as there is room.
 */

#include "base/err.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum log_level {
	LOG_DEBUG, /* for us */
	LOG_INFO,  /* one line per accepted request and per delivery attempt */
	LOG_WARN,  /* an operator should know; nothing is lost */
	LOG_ERROR, /* an operator must act */
};

/* Set once, before threads start. */
void log_set_level(enum log_level least);

/* Write from a thread, with a ring of so many bytes. Once; it runs until the
 * process ends. abort() waits for it, like log_flush(). */
MUST_USE bool log_start(size_t ring_bytes, struct err *reterr);

/* Wait until everything has been written, but for a second at most: the reader
 * may have gone to sleep. To be called before the process exits. */
void log_flush(void);

/* "debug", "info", "warn", "error"; false for another word. */
MUST_USE bool log_level_read(const char *word, enum log_level *ret_level);

/* `format` starts with the verb: log_line(LOG_INFO, "queue", "open ..."). */
void log_line(enum log_level level, const char *module, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Puts a text in quotes as a value, for "why=%s". Quotes and backslashes in it
 * are escaped, so that foreign text cannot pass for another key. The result is
 * valid until the block ends; a long text is cut. */
#define LOG_QUOTE_BYTES(text, len) log_quote((char[LOG_QUOTED]){0}, text, len)
#define LOG_QUOTE(text)		   LOG_QUOTE_BYTES(text, strlen(text))

enum { LOG_QUOTED = 768 };

const char *log_quote(char ret[LOG_QUOTED], const char *text, size_t len);

/* Keeps lines of one kind from flooding the log: at most `burst` within a
 * second. Initialize the rest with zeroes. */
struct log_limit {
	unsigned burst; /* 0: one */
	_Atomic unsigned passed;
	_Atomic int64_t last_ms;
	_Atomic uint64_t suppressed;
};

/* May a line be written now? If so, *ret_suppressed lines were suppressed since
 * the last one. */
MUST_USE bool log_limit_pass(
    struct log_limit *limit, int64_t mono_ms, uint64_t *ret_suppressed);

#endif
