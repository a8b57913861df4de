#include "cli/event.h"

#include "schema/person.h"

#include <string.h>

enum { EVENT_MAX = 1024 * 1024 * 1024 + 16 };

static const char event_head[] = "{\"events\":[";

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
event_read(struct event_reader *reader, const char *data, size_t len)
{
	struct buf *body = &reader->body;
	struct currents_fault fault;

	buf_reset(body);
	(void)buf_text(body, event_head);
	(void)buf_append(body, data, len);
	(void)buf_text(body, "]}");
	if (!buf_ok(body, NULL) ||
	    currents_read(str_bytes(body->data, body->len), 2, &reader->batch,
		&fault) != CURRENTS_READ ||
	    reader->batch.count != 1)
		return NULL;
	return &reader->batch.events[0];
}

static bool
event_plain(const struct currents_event *event)
{
	return event != NULL && event->defect != CURRENTS_BAD_UTF8 &&
	       event->defect != CURRENTS_TOO_DEEP;
}

static void
base64_write(struct json *json, const char *data, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *bytes = (const unsigned char *)data;
	struct buf *buf = json->buf;
	unsigned block;

	json_text(json, "event_base64", "");
	buf_truncate(buf, buf->len - 1); /* the closing quote */
	for (size_t i = 0; i < len; i += 3) {
		block = (unsigned)bytes[i] << 16;
		if (i + 1 < len)
			block |= (unsigned)bytes[i + 1] << 8;
		if (i + 2 < len)
			block |= bytes[i + 2];
		(void)buf_char(buf, digits[block >> 18]);
		(void)buf_char(buf, digits[block >> 12 & 63]);
		(void)buf_char(
		    buf, i + 1 < len ? digits[block >> 6 & 63] : '=');
		(void)buf_char(buf, i + 2 < len ? digits[block & 63] : '=');
	}
	(void)buf_char(buf, '"');
}

void
event_write(struct event_reader *reader, struct json *json, const char *data,
    size_t len)
{
	if (memchr(data, '\n', len) == NULL &&
	    memchr(data, '\r', len) == NULL &&
	    event_plain(event_read(reader, data, len)))
		json_raw(json, "event", data, len);
	else
		base64_write(json, data, len);
}

bool
event_has_id(
    struct event_reader *reader, const struct jobs_event *event, const char *id)
{
	const struct currents_event *read;
	size_t len = strlen(id);

	/* Most are not it, which is seen sooner. */
	if (memmem(event->data.data, event->data.len, id, len) == NULL &&
	    memchr(event->data.data, '\\', event->data.len) == NULL)
		return false;
	read = event_read(reader, event->data.data, event->data.len);
	if (read != NULL && read->id.len > 0)
		return read->id.len == len &&
		       memcmp(read->id.data, id, len) == 0;
	return person_mentioned(event->data, str_bytes(id, len));
}
