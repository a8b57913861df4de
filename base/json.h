#ifndef BASE_JSON_H
#define BASE_JSON_H

/*
 * Writes JSON into a buffer, including commas, quotes and escapes. The caller
 * closes what it opens; keys are NULL inside arrays and at the top level. Bytes
 * that are not UTF-8 become U+FFFD. Failures are those of the buffer (see
 * buf_ok()). Not thread safe.
 */

#include "base/buf.h"

#include <stdint.h>

struct json {
	struct buf *buf;
	bool comma; /* the next value needs one before it */
};

void json_init(struct json *json, struct buf *buf);
void json_object_open(struct json *json, const char *key);
void json_object_close(struct json *json);
void json_array_open(struct json *json, const char *key);
void json_array_close(struct json *json);
void json_text(struct json *json, const char *key, const char *text);
void
json_bytes(struct json *json, const char *key, const char *data, size_t len);
void json_int(struct json *json, const char *key, int64_t value);
void json_double(struct json *json, const char *key, double value);
void json_bool(struct json *json, const char *key, bool value);
void json_null_value(struct json *json, const char *key);

/* A time as clock_text() writes it; null for 0. */
void json_time(struct json *json, const char *key, int64_t wall_ms);

/* A value that is already JSON. */
void json_raw(struct json *json, const char *key, const char *data, size_t len);

/* A string whose content is escaped already. */
void
json_escaped(struct json *json, const char *key, const char *data, size_t len);

/* Only the escaped content of a string, without the quotes. */
void json_escape(struct buf *buf, const char *data, size_t len);

#endif
