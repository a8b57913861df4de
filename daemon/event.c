#include "daemon/event.h"

#include "base/utf8.h"
#include "daemon/persons.h"

#include <stdio.h>
#include <string.h>

enum { EVENT_MAX = 1024 * 1024 * 1024 + 16 };

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789+/";

void
event_reader_init(struct event_reader *reader)
{
	buf_init(&reader->body, EVENT_MAX);
	currents_batch_init(&reader->batch);
}

void
event_reader_fini(struct event_reader *reader)
{
	buf_fini(&reader->body);
	currents_batch_fini(&reader->batch);
}

const struct currents_event *
event_read(struct event_reader *reader, struct str data)
{
	struct buf *body = &reader->body;
	struct currents_fault fault;

	buf_reset(body);
	/* Nothing may follow the end of a list, as it may in an object. */
	(void)buf_char(body, '[');
	(void)buf_append(body, data.data, data.len);
	(void)buf_char(body, ']');
	if (!buf_ok(body, NULL) ||
	    currents_read(str_bytes(body->data, body->len), 2, &reader->batch,
		&fault) != CURRENTS_READ ||
	    reader->batch.count != 1)
		return NULL;
	return &reader->batch.events[0];
}

bool
event_has_id(struct event_reader *reader, struct str type, struct str data,
    const char *id)
{
	const struct currents_event *read;
	struct str member;
	bool entered;

	if (persons_change(type, data, &member, &entered))
		return str_equal_text(member, id);

	/* Most events do not contain the id, which this tells quickly. */
	if (memmem(data.data, data.len, id, strlen(id)) == NULL &&
	    memchr(data.data, '\\', data.len) == NULL)
		return false;
	read = event_read(reader, data);
	if (read != NULL && read->id.len > 0)
		return str_equal_text(read->id, id);
	return person_mentioned(data, str_text(id));
}

static void
event_base64_write(struct json *json, const char *name, struct str data)
{
	struct buf *buf = json->buf;
	const unsigned char *bytes = (const unsigned char *)data.data;
	unsigned block;

	json_raw(json, name, "\"", 1);
	for (size_t i = 0; i < data.len; i += 3) {
		block = (unsigned)bytes[i] << 16;
		if (i + 1 < data.len)
			block |= (unsigned)bytes[i + 1] << 8;
		if (i + 2 < data.len)
			block |= bytes[i + 2];
		(void)buf_char(buf, base64_digits[block >> 18]);
		(void)buf_char(buf, base64_digits[block >> 12 & 63]);
		(void)buf_char(buf,
		    i + 1 < data.len ? base64_digits[block >> 6 & 63] : '=');
		(void)buf_char(
		    buf, i + 2 < data.len ? base64_digits[block & 63] : '=');
	}
	(void)buf_char(buf, '"');
}

bool
event_base64_read(struct str text, struct buf *ret_data)
{
	uint32_t bits = 0;
	unsigned count = 0;

	buf_reset(ret_data);
	while (text.len > 0 && text.data[text.len - 1] == '=')
		text.len--;
	for (size_t i = 0; i < text.len; i++) {
		const char *digit =
		    memchr(base64_digits, text.data[i], strlen(base64_digits));

		if (digit == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(digit - base64_digits);
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		(void)buf_char(ret_data, (char)(unsigned char)(bits >> count));
	}
	return buf_ok(ret_data, NULL);
}

void
event_write(struct event_reader *reader, struct json *json, struct str type,
    struct str data)
{
	const struct currents_event *read = NULL;
	struct str member;
	bool entered;

	if (persons_change(type, data, &member, &entered)) {
		event_bytes_write(json, "group", type);
		event_bytes_write(json, "change", data);
		return;
	}

	if (memchr(data.data, '\n', data.len) == NULL &&
	    memchr(data.data, '\r', data.len) == NULL)
		read = event_read(reader, data);
	if (read != NULL && read->defect != CURRENTS_BAD_UTF8 &&
	    read->defect != CURRENTS_TOO_DEEP) {
		json_raw(json, "event", data.data, data.len);
		return;
	}
	event_base64_write(json, "event_base64", data);
}

void
event_bytes_write(struct json *json, const char *name, struct str data)
{
	char name_base64[32];
	size_t at = 0, len = 1;

	for (; at < data.len && len > 0; at += len)
		len = utf8_length(data.data + at, data.len - at);
	if (len > 0) {
		json_bytes(json, name, data.data, data.len);
		return;
	}
	(void)snprintf(name_base64, sizeof(name_base64), "%s_base64", name);
	event_base64_write(json, name_base64, data);
}
