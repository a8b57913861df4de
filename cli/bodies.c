#include "cli/bodies.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { BODIES_EVENTS_MAX = 1000000 };

static bool
bodies_stream_read(
    FILE *file, const char *name, struct buf *ret_text, struct err *reterr)
{
	char block[65536];
	size_t len;

	while ((len = fread(block, 1, sizeof(block), file)) > 0 &&
	       buf_append(ret_text, block, len))
		;
	return ferror(file) ? err_set(reterr, ERR_IO, "%s: read error", name)
			    : buf_ok(ret_text, reterr);
}

bool
bodies_file_read(const char *name, struct buf *ret_text, struct err *reterr)
{
	FILE *file;
	bool ok;

	if (strcmp(name, "-") == 0)
		return bodies_stream_read(stdin, name, ret_text, reterr);
	file = fopen(name, "rb");
	if (file == NULL)
		return err_set(reterr, ERR_IO, "%s: %s", name, strerror(errno));
	ok = bodies_stream_read(file, name, ret_text, reterr);
	(void)fclose(file);
	return ok;
}

/* Read one body. False if that failed, which is no fault of the body. */
static bool
bodies_one_read(const char *text, size_t len, struct currents_batch *batch,
    struct currents_fault *fault, bool *ret_fault, struct err *reterr)
{
	switch (currents_read(text, len, BODIES_EVENTS_MAX, batch, fault)) {
	case CURRENTS_READ:
		*ret_fault = false;
		return true;
	case CURRENTS_FAULT:
		*ret_fault = true;
		return true;
	case CURRENTS_NO_ROOM:
		break;
	}
	if (batch->count >= BODIES_EVENTS_MAX)
		return err_set(reterr, ERR_LIMIT, "more than %d events in one",
		    BODIES_EVENTS_MAX);
	return err_set_nomem(reterr);
}

/* The length of the line that begins here, without its newline. */
static size_t
bodies_line_length(const char *at, const char *end)
{
	const char *stop = memchr(at, '\n', (size_t)(end - at));

	return (size_t)((stop == NULL ? end : stop) - at);
}

static bool
bodies_lines_each(const struct buf *text, struct currents_batch *batch,
    bodies_fn *fn, void *arg, struct err *reterr)
{
	const char *end = text->data + text->len;
	struct bodies_one body = {text->data, 0, 1, batch, NULL};
	struct currents_fault fault;
	bool faulty = false;

	for (; body.text < end; body.line++) {
		size_t len = bodies_line_length(body.text, end);

		if (!bodies_one_read(
			body.text, len, batch, &fault, &faulty, reterr))
			return false;
		body.fault = faulty ? &fault : NULL;
		if (!fn(arg, &body, reterr))
			return false;
		body.text += len + 1;
		body.at += len + 1;
	}
	return true;
}

bool
bodies_each(
    const struct buf *text, bodies_fn *fn, void *arg, struct err *reterr)
{
	const char *data = text->len > 0 ? text->data : "";
	size_t first = bodies_line_length(data, data + text->len);
	struct bodies_one body = {data, 0, 1, NULL, NULL};
	struct currents_batch batch;
	struct currents_fault fault, other;
	bool faulty = false, lines = false, ok;

	currents_batch_init(&batch);
	ok = bodies_one_read(data, text->len, &batch, &fault, &faulty, reterr);
	if (ok && faulty && first < text->len) {
		ok = bodies_one_read(
		    data, first, &batch, &other, &lines, reterr);
		lines = !lines;
	}
	body.batch = &batch;
	body.fault = faulty ? &fault : NULL;
	if (ok && lines)
		ok = bodies_lines_each(text, &batch, fn, arg, reterr);
	else if (ok)
		ok = fn(arg, &body, reterr);
	currents_batch_fini(&batch);
	return ok;
}
