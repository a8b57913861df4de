#include "base/json.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <math.h>
#include <string.h>

void
json_init(struct json *json, struct buf *buf)
{
	*json = (struct json){.buf = buf};
}

static void
json_escape_control(struct buf *buf, unsigned char c)
{
	switch (c) {
	case '"':
		(void)buf_text(buf, "\\\"");
		return;
	case '\\':
		(void)buf_text(buf, "\\\\");
		return;
	case '\n':
		(void)buf_text(buf, "\\n");
		return;
	case '\r':
		(void)buf_text(buf, "\\r");
		return;
	case '\t':
		(void)buf_text(buf, "\\t");
		return;
	}
	(void)buf_printf(buf, "\\u%04x", c);
}

void
json_escape(struct buf *buf, const char *data, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)data;
	size_t start = 0, at = 0, step;

	while (at < len) {
		if (bytes[at] >= 0x20 && bytes[at] < 0x7f && bytes[at] != '"' &&
		    bytes[at] != '\\') {
			at++;
			continue;
		}
		step = utf8_length(data + at, len - at);
		if (step > 1) {
			at += step;
			continue;
		}
		(void)buf_append(buf, data + start, at - start);
		if (step == 0)
			(void)buf_text(buf, "\xef\xbf\xbd");
		else
			json_escape_control(buf, bytes[at]);
		start = ++at;
	}
	(void)buf_append(buf, data + start, len - start);
}

/* The comma and the key before a value. */
static void
json_lead(struct json *json, const char *key)
{
	if (json->comma)
		(void)buf_char(json->buf, ',');
	json->comma = true;
	if (key == NULL)
		return;
	(void)buf_char(json->buf, '"');
	json_escape(json->buf, key, strlen(key));
	(void)buf_text(json->buf, "\":");
}

static void
json_open(struct json *json, const char *key, char bracket)
{
	json_lead(json, key);
	(void)buf_char(json->buf, bracket);
	json->comma = false;
}

static void
json_close(struct json *json, char bracket)
{
	(void)buf_char(json->buf, bracket);
	json->comma = true;
}

void
json_object_open(struct json *json, const char *key)
{
	json_open(json, key, '{');
}

void
json_object_close(struct json *json)
{
	json_close(json, '}');
}

void
json_array_open(struct json *json, const char *key)
{
	json_open(json, key, '[');
}

void
json_array_close(struct json *json)
{
	json_close(json, ']');
}

void
json_text(struct json *json, const char *key, const char *text)
{
	json_bytes(json, key, text, strlen(text));
}

void
json_bytes(struct json *json, const char *key, const char *data, size_t len)
{
	json_lead(json, key);
	(void)buf_char(json->buf, '"');
	json_escape(json->buf, data, len);
	(void)buf_char(json->buf, '"');
}

void
json_int(struct json *json, const char *key, int64_t value)
{
	json_lead(json, key);
	(void)buf_printf(json->buf, "%lld", (long long)value);
}

void
json_double(struct json *json, const char *key, double value)
{
	CHECK(isfinite(value));
	json_lead(json, key);
	(void)buf_printf(json->buf, "%.15g", value);
}

void
json_bool(struct json *json, const char *key, bool value)
{
	json_lead(json, key);
	(void)buf_text(json->buf, value ? "true" : "false");
}

void
json_null_value(struct json *json, const char *key)
{
	json_lead(json, key);
	(void)buf_text(json->buf, "null");
}

void
json_time(struct json *json, const char *key, int64_t wall_ms)
{
	char text[CLOCK_TEXT];

	if (wall_ms == 0) {
		json_null_value(json, key);
		return;
	}
	clock_text(wall_ms, text, sizeof(text));
	json_text(json, key, text);
}

void
json_raw(struct json *json, const char *key, const char *data, size_t len)
{
	json_lead(json, key);
	(void)buf_append(json->buf, data, len);
}

void
json_escaped(struct json *json, const char *key, const char *data, size_t len)
{
	json_raw(json, key, "\"", 1);
	(void)buf_append(json->buf, data, len);
	(void)buf_char(json->buf, '"');
}
