#ifndef CLI_VALUE_H
#define CLI_VALUE_H

/*
 * Reading what the admin interface answers. A path is the name of a member, or
 * several joined by dots: "queue.dead". What is absent, null or of another type
 * is the default, so that a client reads answers of other versions.
 */

#include "cli/screen.h"

struct json_t;

/* NULL if there is none. The value is lent. */
const struct json_t *value_at(const struct json_t *json, const char *path);

/* "" by default; lent. */
const char *value_text(const struct json_t *json, const char *path);

/* Append a text, which may come from outside, as show_foreign() shows it. */
enum { VALUE_SHOWN = 4096 }; /* bytes of it */
void value_show(const struct json_t *json, const char *path, struct buf *out);

/* 0 or false by default. */
int64_t value_int(const struct json_t *json, const char *path);
double value_real(const struct json_t *json, const char *path);
bool value_bool(const struct json_t *json, const char *path);

/* A text of RFC 3339 as ms since 1970; 0 by default. */
int64_t value_time_ms(const struct json_t *json, const char *path);

/*
 * Append a text with members in it, each by its path:
 *
 *	"{count#} events of {type} from {source}, the last {at@}\n"
 *
 * as a text from outside, or # as a number, % as its bare digits, @ as a time,
 * ~ as bytes, or + as the plural's s if the number is not 1.
 */
void value_say(const struct json_t *json, const struct screen *screen,
    int64_t now_ms, const char *text, struct buf *out);

/* Read such a text; false if it is none. */
MUST_USE bool value_time_read(const char *text, int64_t *ret_ms);

#endif
