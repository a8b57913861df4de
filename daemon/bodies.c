#include "daemon/bodies.h"

#include "schema/json/scan.h"

#include <string.h>

enum {
	BODY_EVENTS_MAX = 1000000,
	BODY_BYTES_MAX = 256 * 1024 * 1024, /* of an export's, decoded */
};

bool
bodies_page(struct str text)
{
	struct scan_value value;

	return scan_find(text, "action_type", &value);
}

/* Read one body. False without memory, or if it has too many events. */
static bool
body_read(struct str text, struct currents_batch *batch,
    struct currents_fault *fault, bool *ret_fault, struct err *reterr)
{
	switch (currents_read(text, BODY_EVENTS_MAX, batch, fault)) {
	case CURRENTS_READ:
		*ret_fault = false;
		return true;
	case CURRENTS_FAULT:
		*ret_fault = true;
		return true;
	case CURRENTS_NO_ROOM:
		break;
	}
	if (batch->count >= BODY_EVENTS_MAX)
		return err_set(reterr, ERR_LIMIT,
		    "more than %d events in one body", BODY_EVENTS_MAX);
	return err_set_nomem(reterr);
}

size_t
body_newlines(const struct body *body, size_t from, size_t to)
{
	const char *at = body->text.data + from, *end = body->text.data + to;
	size_t count = 0;

	if (body->from->wrapped)
		return 0;
	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		at++;
		count++;
	}
	return count;
}

/* Brackets and commas alone: the end of something that began on another
 * line. */
static bool
line_closes(struct str line)
{
	bool closes = false;

	for (size_t i = 0; i < line.len; i++) {
		if (memchr("]},", line.data[i], 3) != NULL)
			closes = true;
		else if (memchr(" \t\r", line.data[i], 3) == NULL)
			return false;
	}
	return closes;
}

static bool
line_blank(struct str line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (memchr(" \t\r", line.data[i], 3) == NULL)
			return false;
	}
	return true;
}

/* Is the line a body, or one that an export wrote? */
static bool
line_is_body(struct line_reader *reader, struct str text,
    struct currents_batch *batch, bool *ret_is, struct err *reterr)
{
	struct currents_fault fault;
	bool faulty = false;
	struct line line;

	line_read(reader, text, &line);
	if (!line.wrapped && !body_read(text, batch, &fault, &faulty, reterr))
		return false;
	*ret_is = line.wrapped || !faulty;
	return true;
}

/* The file as a whole is no body. Does it have a body on each line? Yes if
 * one line is a body, and none looks like the end of a body of many lines; the
 * other lines may be what is wrong with the file. */
static bool
file_has_lines(struct str text, struct currents_batch *batch, bool *ret_lines,
    struct err *reterr)
{
	size_t all = text.len;
	struct line_reader reader;
	bool lines = false, closed = false, ok = true;

	line_reader_init(&reader, BODY_BYTES_MAX);
	while (ok && !closed && text.len > 0) {
		struct str line = line_take(&text);

		closed = line_closes(line);
		if (closed || lines || line.len == all || line_blank(line))
			continue;
		ok = line_is_body(&reader, line, batch, &lines, reterr);
	}
	line_reader_fini(&reader);
	*ret_lines = lines && !closed;
	return ok;
}

bool
bodies_are_lines(struct str file, bool *ret_lines, struct err *reterr)
{
	struct currents_batch batch;
	struct currents_fault fault;
	bool faulty = false, ok;

	*ret_lines = false;
	if (file.len == 0 || bodies_page(file))
		return true;
	currents_batch_init(&batch);
	ok = body_read(file, &batch, &fault, &faulty, reterr) &&
	     (!faulty || file_has_lines(file, &batch, ret_lines, reterr));
	currents_batch_fini(&batch);
	return ok;
}

struct bodies {
	struct line_reader reader;
	struct currents_batch batch;
	body_fn *fn;
	void *arg;
};

/* One piece of the file, which is a body or an export's line. */
static bool
body_show(struct bodies *bodies, struct str piece, size_t at, size_t number,
    struct err *reterr)
{
	struct currents_fault fault;
	struct line from;
	struct body body = {
	    .at = at,
	    .line = number,
	    .from = &from,
	    .batch = &bodies->batch,
	};
	uintptr_t begin, data;
	bool faulty = false;

	line_read(&bodies->reader, piece, &from);
	body.text = from.wrapped ? from.data : piece;
	begin = (uintptr_t)piece.data;
	data = (uintptr_t)body.text.data;
	if (data >= begin && data - begin <= piece.len)
		body.at += data - begin;
	if (!body_read(body.text, &bodies->batch, &fault, &faulty, reterr))
		return false;
	body.fault = faulty ? &fault : NULL;
	return bodies->fn(bodies->arg, &body, reterr);
}

bool
bodies_each(
    struct str file, bool lines, body_fn *fn, void *arg, struct err *reterr)
{
	struct str rest = file.len > 0 ? file : str_bytes("", 0);
	struct bodies bodies = {.fn = fn, .arg = arg};
	const char *begin = rest.data;
	size_t number = 1;
	bool ok = true;

	line_reader_init(&bodies.reader, BODY_BYTES_MAX);
	currents_batch_init(&bodies.batch);
	if (!lines)
		ok = body_show(&bodies, rest, 0, number, reterr);
	for (; ok && lines && rest.len > 0; number++) {
		struct str line = line_take(&rest);

		ok = body_show(
		    &bodies, line, (size_t)(line.data - begin), number, reterr);
	}
	currents_batch_fini(&bodies.batch);
	line_reader_fini(&bodies.reader);
	return ok;
}
