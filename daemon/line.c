#include "daemon/line.h"

#include "daemon/event.h"
#include "schema/json/scan.h"
#include "server/server.h"

#include <stdio.h>
#include <string.h>

void
line_reader_init(struct line_reader *reader, size_t most)
{
	buf_init(&reader->decoded, most);
	buf_init(&reader->group, most);
	buf_init(&reader->plain, most);
}

void
line_reader_fini(struct line_reader *reader)
{
	buf_fini(&reader->decoded);
	buf_fini(&reader->group);
	buf_fini(&reader->plain);
}

struct str
line_take(struct str *text)
{
	const char *end = memchr(text->data, '\n', text->len);
	struct str line = {
	    text->data, end == NULL ? text->len : (size_t)(end - text->data)};
	size_t taken = line.len + (end != NULL);

	text->data += taken;
	text->len -= taken;
	return line;
}

/* What may be in front of a JSON text: white space, and the mark that some
 * editors begin a file with. */
static struct str
line_trim(struct str text)
{
	if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
		text = str_bytes(text.data + 3, text.len - 3);
	while (text.len > 0 && memchr(" \t\r\n", *text.data, 4) != NULL)
		text = str_bytes(text.data + 1, text.len - 1);
	return text;
}

/* The content of a string. */
static bool
string_decode(struct str text, struct buf *ret_data)
{
	buf_reset(ret_data);
	if (!buf_reserve(ret_data, text.len))
		return false;
	ret_data->len = scan_decode(text, ret_data->data);
	return true;
}

/* A member as event_bytes_write() writes it. False: there is none. */
static bool
bytes_find(struct str text, const char *name, struct buf *decoded,
    struct str *ret_bytes)
{
	struct scan_value value;
	char name_base64[32];
	bool ok;

	buf_reset(decoded);
	(void)snprintf(name_base64, sizeof(name_base64), "%s_base64", name);
	if (scan_find(text, name, &value))
		ok = value.kind == SCAN_STRING &&
		     string_decode(value.text, decoded);
	else
		ok = scan_find(text, name_base64, &value) &&
		     value.kind == SCAN_STRING &&
		     event_base64_read(value.text, decoded);
	*ret_bytes = str_bytes(decoded->data, decoded->len);
	return ok && decoded->len > 0;
}

static struct str
source_find(struct str text)
{
	struct scan_value value;

	return scan_find(text, "source", &value) && value.kind == SCAN_STRING
		   ? value.text
		   : str_bytes(NULL, 0);
}

/* A line of an export has the event as a member, and no type. */
static void
line_export(struct line_reader *reader, struct str text, struct line *line)
{
	struct scan_value value;

	if (scan_find(text, "event_type", &value))
		return;
	if (scan_find(text, "event", &value)) {
		size_t quote = value.kind == SCAN_STRING;

		/* A string needs its quotes. */
		line->data = str_bytes(
		    value.text.data - quote, value.text.len + 2 * quote);
	} else if (scan_find(text, "event_base64", &value) &&
		   value.kind == SCAN_STRING &&
		   event_base64_read(value.text, &reader->decoded)) {
		line->data =
		    str_bytes(reader->decoded.data, reader->decoded.len);
	} else if (bytes_find(text, "group", &reader->group, &line->group) &&
		   bytes_find(text, "change", &reader->decoded, &line->data)) {
		line->kind = LINE_CHANGE;
	} else {
		line->group = str_bytes(NULL, 0);
		line->data = text;
		return;
	}
	line->wrapped = true;
	/* Queued and delivered events, and those that queue rescue found in
	 * a batch, were accepted; dead letters may have been invalid. */
	if (scan_find(text, "place", &value))
		line->accepted_once = value.kind != SCAN_STRING ||
				      !str_equal_text(value.text, "dead");
	else
		line->accepted_once = scan_find(text, "batch", &value);
	line->source = source_find(text);
}

/* A line of `unreadable export` has a whole body as a member: as text, or in
 * base64 as it came. *text becomes its text. False if it cannot be decoded. */
static bool
line_body(struct line_reader *reader, struct str *text, struct line *line)
{
	struct buf *decoded = &reader->decoded, *plain = &reader->plain;
	struct scan_value body, encoding;
	bool is_text = scan_find(*text, "body", &body), whole = false;
	char coding[16];

	if (!scan_find(*text, "encoding", &encoding) ||
	    (!is_text && !scan_find(*text, "body_base64", &body)) ||
	    body.kind != SCAN_STRING)
		return true;
	line->source = source_find(*text);
	line->wrapped = true;
	if (is_text ? !string_decode(body.text, decoded)
		    : !event_base64_read(body.text, decoded))
		return false;
	*text = str_bytes(decoded->data, decoded->len);
	(void)snprintf(coding, sizeof(coding), "%.*s", (int)encoding.text.len,
	    encoding.text.data);
	buf_reset(plain);
	if (!is_text && !server_body_decode(coding, *text, plain, &whole, NULL))
		return false;
	/* If it does not inflate, it may be labelled wrongly. */
	if (whole)
		*text = str_bytes(plain->data, plain->len);
	return true;
}

void
line_read(struct line_reader *reader, struct str text, struct line *ret_line)
{
	struct line line = {.kind = LINE_EVENT};
	struct scan_value value;
	bool decoded;

	text = line_trim(text);
	decoded = line_body(reader, &text, &line);
	text = line_trim(text);
	line.data = text;
	if (!decoded)
		line.kind = LINE_UNREADABLE;
	else if (text.len == 0)
		line.kind = LINE_BLANK;
	else if (*text.data == '[' || scan_find(text, "events", &value))
		line.kind = LINE_BODY;
	else
		line_export(reader, text, &line);
	*ret_line = line;
}
