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

	errno = 0;
	while ((len = fread(block, 1, sizeof(block), file)) > 0 &&
	       buf_append(ret_text, block, len))
		;
	if (ferror(file))
		return err_set(reterr, ERR_INPUT, "%s: %s", name,
		    errno != 0 ? strerror(errno) : "read error");
	return buf_ok(ret_text, reterr);
}

static bool
bodies_file_read(const char *name, struct buf *ret_text, struct err *reterr)
{
	FILE *file;
	bool ok;

	if (strcmp(name, "-") == 0)
		return bodies_stream_read(stdin, name, ret_text, reterr);
	file = fopen(name, "rb");
	if (file == NULL)
		return err_set(
		    reterr, ERR_INPUT, "%s: %s", name, strerror(errno));
	ok = bodies_stream_read(file, name, ret_text, reterr);
	(void)fclose(file);
	return ok;
}

bool
bodies_read(
    const struct options *options, struct buf *ret_text, struct err *reterr)
{
	if (options->word_count > 1)
		return err_set(reterr, ERR_INPUT, "give one FILE, or - alone");
	return bodies_file_read(
	    options->word_count > 0 ? options->words[0] : "-", ret_text,
	    reterr);
}

/* Read one body. False if that failed, which is no fault of the body. */
static bool
bodies_one_read(const char *text, size_t len, struct currents_batch *batch,
    struct currents_fault *fault, bool *ret_fault, struct err *reterr)
{
	switch (currents_read(
	    str_bytes(text, len), BODIES_EVENTS_MAX, batch, fault)) {
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

/* A line of brackets and commas alone: the end of something that began on
 * another line. */
static bool
bodies_line_closes(const char *line, size_t len)
{
	bool closes = false;

	for (size_t i = 0; i < len; i++) {
		if (strchr("]},", line[i]) != NULL && line[i] != '\0')
			closes = true;
		else if (strchr(" \t\r", line[i]) == NULL)
			return false;
	}
	return closes;
}

static bool
bodies_line_blank(const char *line, size_t len)
{
	while (len > 0 && strchr(" \t\r", line[len - 1]) != NULL &&
	       line[len - 1] != '\0')
		len--;
	return len == 0;
}

/* The whole is no body. Is it of lines that are? One is enough, for any of
 * the others may be what is wrong with the whole. */
static bool
bodies_lines_are(const struct buf *text, struct currents_batch *batch,
    bool *ret_lines, struct err *reterr)
{
	const char *at = text->data, *end = at + text->len;
	struct currents_fault fault;
	bool lines = false, faulty = false;
	size_t len;

	*ret_lines = false;
	for (; at < end; at += len + 1) {
		len = bodies_line_length(at, end);
		if (bodies_line_closes(at, len))
			return true;
		if (lines || len == text->len || bodies_line_blank(at, len))
			continue;
		if (!bodies_one_read(at, len, batch, &fault, &faulty, reterr))
			return false;
		lines = !faulty;
	}
	*ret_lines = lines;
	return true;
}

size_t
bodies_newlines(const struct bodies_one *body, size_t from, size_t to)
{
	const char *at = body->text + from, *end = body->text + to;
	size_t count = 0;

	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		at++;
		count++;
	}
	return count;
}

bool
bodies_each(
    const struct buf *text, bodies_fn *fn, void *arg, struct err *reterr)
{
	const char *data = text->len > 0 ? text->data : "";
	struct bodies_one body = {data, 0, 1, NULL, NULL};
	struct currents_batch batch, other;
	struct currents_fault fault;
	bool faulty = false, lines = false, ok;

	currents_batch_init(&batch);
	currents_batch_init(&other);
	ok = bodies_one_read(data, text->len, &batch, &fault, &faulty, reterr);
	if (ok && faulty)
		ok = bodies_lines_are(text, &other, &lines, reterr);
	body.batch = &batch;
	body.fault = faulty ? &fault : NULL;
	if (ok && lines)
		ok = bodies_lines_each(text, &other, fn, arg, reterr);
	else if (ok)
		ok = fn(arg, &body, reterr);
	currents_batch_fini(&batch);
	currents_batch_fini(&other);
	return ok;
}
