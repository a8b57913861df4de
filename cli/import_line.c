#include "cli/import_line.h"

#include "schema/scan.h"

#include <stdint.h>
#include <string.h>

enum {
	LINE_DECODED_MAX = 256 * 1024 * 1024,
	LINE_EVENTS_MAX = 10000000,
};

void
import_line_init(struct import_line *line)
{
	event_reader_init(&line->reader);
	currents_batch_init(&line->batch);
	buf_init(&line->decoded, LINE_DECODED_MAX);
}

void
import_line_fini(struct import_line *line)
{
	event_reader_fini(&line->reader);
	currents_batch_fini(&line->batch);
	buf_fini(&line->decoded);
}

static int
base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

static bool
base64_read(const char *data, size_t len, struct buf *ret)
{
	uint32_t bits = 0;
	unsigned count = 0;

	buf_reset(ret);
	while (len > 0 && data[len - 1] == '=')
		len--;
	for (size_t i = 0; i < len; i++) {
		int digit = base64_digit(data[i]);

		if (digit < 0)
			return false;
		bits = (bits << 6 | (uint32_t)digit) & 0xffffff;
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		(void)buf_char(ret, (char)(unsigned char)(bits >> count));
	}
	return buf_ok(ret, NULL);
}

/* Queued and delivered events, and those that queue rescue found in a batch,
 * were accepted; dead letters may be here to be validated again. */
static bool
line_accepted_once(const char *data, size_t len)
{
	struct str text = str_bytes(data, len);
	struct scan_value value;

	if (scan_find(text, "place", &value))
		return value.kind != SCAN_STRING ||
		       !str_equal_text(value.text, "dead");
	return scan_find(text, "batch", &value);
}

/* A line of an export: it has the event as a member, and no type. */
static bool
line_export(struct import_line *line, const char *data, size_t len,
    struct import_event *ret_event)
{
	struct str text = str_bytes(data, len);
	struct scan_value value;

	if (scan_find(text, "event_type", &value))
		return false;
	if (scan_find(text, "event", &value)) {
		size_t quote = value.kind == SCAN_STRING;

		ret_event->data = value.text.data - quote;
		ret_event->len = value.text.len + 2 * quote;
	} else if (scan_find(text, "event_base64", &value) &&
		   value.kind == SCAN_STRING &&
		   base64_read(
		       value.text.data, value.text.len, &line->decoded)) {
		ret_event->data = line->decoded.data;
		ret_event->len = line->decoded.len;
	} else {
		return false;
	}
	ret_event->accepted_once = line_accepted_once(data, len);
	if (scan_find(text, "source", &value) && value.kind == SCAN_STRING) {
		ret_event->source = value.text.data;
		ret_event->source_len = value.text.len;
	}
	return true;
}

/* A request body, with several events. */
static bool
line_body(struct import_line *line, const char *data, size_t len,
    import_event_fn *fn, void *arg, bool *ret_readable, struct err *reterr)
{
	struct currents_fault fault;
	bool ok = true;

	*ret_readable = currents_read(str_bytes(data, len), LINE_EVENTS_MAX,
			    &line->batch, &fault) == CURRENTS_READ;
	for (size_t i = 0; ok && *ret_readable && i < line->batch.count; i++) {
		const struct import_event event = {
		    .data = data + line->batch.events[i].at,
		    .len = line->batch.events[i].len,
		    .source = "",
		};

		ok = fn(arg, &event, reterr);
	}
	return ok;
}

bool
import_line_read(struct import_line *line, const char *data, size_t len,
    import_event_fn *fn, void *arg, bool *ret_readable, struct err *reterr)
{
	struct import_event event = {.source = ""};
	struct scan_value value;

	while (len > 0 && memchr(" \t\r", *data, 3) != NULL) {
		data++;
		len--;
	}
	*ret_readable = true;
	if (len == 0)
		return true;
	event.data = data;
	event.len = len;
	if (*data == '[' || scan_find(str_bytes(data, len), "events", &value))
		return line_body(
		    line, data, len, fn, arg, ret_readable, reterr);
	(void)!line_export(line, data, len, &event);
	*ret_readable =
	    event_read(&line->reader, event.data, event.len) != NULL;
	return !*ret_readable || fn(arg, &event, reterr);
}
