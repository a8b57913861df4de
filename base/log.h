#ifndef BASE_LOG_H
#define BASE_LOG_H

/*
 * The log: stderr, one line an event:
 *
 *	2026-11-23T22:05:01.123Z info  server: accept source=main events=100
 *
 * time, level, module, verb, then key=value. Never bodies, tokens or a
 * person's data. Control characters are shown as \xNN, so a line is a line
 * whatever is in it. Any thread.
 */

#include "base/err.h"

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

#endif
