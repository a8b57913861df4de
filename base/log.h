#ifndef BASE_LOG_H
#define BASE_LOG_H

/*
 * The log: stderr, one line an event:
 *
 *	2026-11-23T22:05:01.123Z info  server: accept source=main events=100
 *
 * time, level, module, verb, then key=value, where a value with blanks is in
 * quotes. Never bodies, tokens or a person's data. Control characters are
 * shown as \xNN, so a line is a line whatever is in it. Any thread.
 */

#include "base/err.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum log_level {
	LOG_DEBUG, /* for us */
	LOG_INFO,  /* one line per accepted request and per delivery attempt */
	LOG_WARN,  /* a person should know; nothing is lost */
	LOG_ERROR, /* a person must act */
};

/* Set once, before threads start. */
void log_set_level(enum log_level least);

/* "debug", "info", "warn", "error"; false for another word. */
MUST_USE bool log_level_read(const char *word, enum log_level *ret_level);

/* `format` starts with the verb: log_line(LOG_INFO, "queue", "open ..."). */
void log_line(enum log_level level, const char *module, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* A text as a value in quotes, for "why=%s": quotes and backslashes in it get
 * a backslash, so that no stranger's text can pass for another key. Lent
 * until the block ends; cut short where it is long. */
#define LOG_QUOTE_BYTES(text, len) log_quote((char[LOG_QUOTED]){0}, text, len)
#define LOG_QUOTE(text)		   LOG_QUOTE_BYTES(text, strlen(text))

enum { LOG_QUOTED = 768 };

const char *log_quote(char ret[LOG_QUOTED], const char *text, size_t len);

/* Keeps lines of one kind from flooding the log: at most one a second. All
 * zero at first. */
struct log_limit {
	_Atomic int64_t last_ms;
	_Atomic uint64_t suppressed;
};

/* May a line be written now? If so, *ret_suppressed were held back since the
 * last one. */
MUST_USE bool log_limit_pass(
    struct log_limit *limit, int64_t mono_ms, uint64_t *ret_suppressed);

#endif
