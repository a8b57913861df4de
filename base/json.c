#include "base/json.h"

#include <math.h>
#include <string.h>

void
json_init(struct json *json, struct buf *buf)
{
	*json = (struct json){.buf = buf};
}

/*
 * The length of the UTF-8 sequence at data (RFC 3629: no over-longs, no
 * surrogates, nothing above U+10FFFF), or 0 if there is none.
 */
static size_t
json_utf8_length(const unsigned char *data, size_t len)
{
	unsigned char lead = data[0], low = 0x80, high = 0xbf;
	size_t need;

	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		need = 2;
	else if (lead >= 0xe0 && lead <= 0xef)
		need = 3;
	else if (lead >= 0xf0 && lead <= 0xf4)
		need = 4;
	else
		return 0;
	if (need > len)
		return 0;
	if (lead == 0xe0)
		low = 0xa0;
	else if (lead == 0xed)
		high = 0x9f;
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xf4)
		high = 0x8f;
	if (data[1] < low || data[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++) {
		if (data[i] < 0x80 || data[i] > 0xbf)
			return 0;
	}
	return need;
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
		step = json_utf8_length(bytes + at, len - at);
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
json_null(struct json *json, const char *key)
{
	json_lead(json, key);
	(void)buf_text(json->buf, "null");
}

void
json_raw(struct json *json, const char *key, const char *data, size_t len)
{
	json_lead(json, key);
	(void)buf_append(json->buf, data, len);
}
