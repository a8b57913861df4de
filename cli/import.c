/*
 * currentsd import: sends the lines of files to POST /import, in pieces.
 */

#include "base/clock.h"
#include "cli/command.h"
#include "cli/show.h"
#include "cli/value.h"
#include "daemon/api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
	PIECE = 4 * 1024 * 1024, /* of whole lines, unless one is longer */
	BLOCK = 64 * 1024,
	NUMBER = 24,
};

const struct option_row command_import_options[] = {
    {"--source", "NAME",
	"Import for this source, even if an export names another."},
    {"--again", NULL, "Also import events that were received before."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

struct import {
	struct command_context *context;

	/* the file */
	const char *name;
	FILE *file;
	int64_t size; /* 0: unknown */
	struct buf in;
	bool end;
	int64_t line; /* the number of the first one that is not in */

	/* the piece */
	int64_t piece_line, piece_lines;
	size_t piece_len;
	int64_t sent; /* bytes before it */

	int64_t began_ms;
	int64_t received, queued, dead, duplicates, dropped, unreadable;
};

/* ---- an answer ---- */

static void
import_progress(const struct import *import)
{
	int64_t took_ms = clock_mono_ms() - import->began_ms;
	double part = 0;
	char number[SHOW_TEXT], percent[SHOW_TEXT], rate[SHOW_TEXT];
	char text[4 * SHOW_TEXT];

	if (import->size > 0)
		part = ((double)import->sent +
			   (double)import->piece_len *
			       (double)(import->line - import->piece_line) /
			       (double)import->piece_lines) /
		       (double)import->size;
	show_number(import->received, number, sizeof(number));
	show_percent(part, percent, sizeof(percent));
	show_rate((double)import->received * 1000 / (double)(took_ms + 1), rate,
	    sizeof(rate));
	(void)snprintf(text, sizeof(text), "imported %s events%s%s%s, %s",
	    number, import->size > 0 ? ", " : "",
	    import->size > 0 ? percent : "",
	    import->size > 0 ? " of the file" : "", rate);
	screen_progress(import->context->screen, text);
}

static bool
import_row(void *arg, json_t *row, struct str text, struct err *reterr)
{
	struct import *import = arg;
	int64_t unreadable = value_int(row, "unreadable");
	bool named = import->context->options->word_count > 1;

	(void)text;
	if (unreadable > 0) {
		import->unreadable++;
		return command_message(import->context, reterr,
		    "%s%sline %" PRId64 ": %s", named ? import->name : "",
		    named ? ": " : "", unreadable, value_text(row, "reason"));
	}
	import->line = value_int(row, "next");
	import->received += value_int(row, "received");
	import->queued += value_int(row, "queued");
	import->dead += value_int(row, "dead");
	import->duplicates += value_int(row, "duplicates");
	import->dropped += value_int(row, "dropped");
	import_progress(import);
	return true;
}

/* ---- a piece ---- */

static bool
file_open(struct import *import, const char *name, struct err *reterr)
{
	struct stat info;

	import->name = name;
	import->file = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
	if (import->file == NULL || fstat(fileno(import->file), &info) != 0)
		return err_set(
		    reterr, ERR_INPUT, "%s: %s", name, strerror(errno));
	if (S_ISDIR(info.st_mode))
		return err_set(
		    reterr, ERR_INPUT, "%s: %s", name, strerror(EISDIR));
	import->size = S_ISREG(info.st_mode) ? (int64_t)info.st_size : 0;
	import->line = 1;
	import->sent = 0;
	import->end = false;
	return true;
}

static void
file_close(struct import *import)
{
	if (import->file != NULL && import->file != stdin)
		(void)fclose(import->file);
	import->file = NULL;
}

/* Read until there is a piece. *ret_len is its length, 0 at the end. */
static bool
piece_read(struct import *import, size_t *ret_len, struct err *reterr)
{
	struct buf *in = &import->in;
	const char *last;
	char block[BLOCK];
	size_t len, whole = 0; /* up to the last newline */

	while (!import->end && (in->len < PIECE || whole == 0)) {
		len = fread(block, 1, sizeof(block), import->file);
		if (ferror(import->file))
			return err_set(reterr, ERR_IO, "%s: %s", import->name,
			    strerror(errno));
		import->end = len == 0;
		last = memrchr(block, '\n', len);
		if (last != NULL)
			whole = in->len + (size_t)(last - block) + 1;
		(void)buf_append(in, block, len);
		if (!buf_ok(in, reterr))
			return err_set(reterr, ERR_INPUT,
			    "%s: a line is longer than %d MiB", import->name,
			    API_IMPORT_MAX >> 20);
	}
	*ret_len = import->end ? in->len : whole;
	return true;
}

static int64_t
lines_count(const char *data, size_t len)
{
	const char *at = data, *end = data + len;
	int64_t count = 0;

	for (; at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL;
	     at++)
		count++;
	return count + (end[-1] != '\n');
}

static bool
piece_send(struct import *import, size_t len, struct err *reterr)
{
	const struct options *options = import->context->options;
	char line[NUMBER];
	json_t *summary;
	struct ask ask;

	import->piece_len = len;
	import->piece_line = import->line;
	import->piece_lines = lines_count(import->in.data, len);
	(void)snprintf(line, sizeof(line), "%" PRId64, import->line);
	ask_init(&ask, "POST", "/import");
	ask_param(&ask, "source", options_value(options, "--source"));
	ask_param(
	    &ask, "again", options_has(options, "--again") ? "yes" : NULL);
	ask_param(&ask, "line", line);
	ask.body = str_bytes(import->in.data, len);
	if (!client_ask(import->context->client, &ask, import_row, import,
		&summary, reterr))
		return false;
	import->line = value_int(summary, "next");
	json_decref(summary);
	import->sent += (int64_t)len;
	import->piece_len = 0;
	memmove(import->in.data, import->in.data + len, import->in.len - len);
	buf_truncate(&import->in, import->in.len - len);
	import_progress(import);
	return true;
}

/* ---- the command ---- */

static bool
import_file(struct import *import, const char *name, struct err *reterr)
{
	size_t len;
	bool ok;

	buf_reset(&import->in);
	ok = file_open(import, name, reterr);
	do
		ok = ok && piece_read(import, &len, reterr) &&
		     (len == 0 || piece_send(import, len, reterr));
	while (ok && len > 0);
	file_close(import);
	return ok;
}

static void
import_show(const struct import *import, struct buf *out)
{
	struct json json;

	if (!options_has(import->context->options, "--json")) {
		(void)buf_printf(out,
		    "received %" PRId64 ": queued %" PRId64 ", dead %" PRId64
		    ", duplicates %" PRId64 ", dropped %" PRId64
		    "; unreadable lines %" PRId64 "\n",
		    import->received, import->queued, import->dead,
		    import->duplicates, import->dropped, import->unreadable);
		return;
	}
	json_init(&json, out);
	json_object_open(&json, NULL);
	json_int(&json, "received", import->received);
	json_int(&json, "queued", import->queued);
	json_int(&json, "dead", import->dead);
	json_int(&json, "duplicates", import->duplicates);
	json_int(&json, "dropped", import->dropped);
	json_int(&json, "unreadable", import->unreadable);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

/* How to go on after what failed. If the daemon went away, what it did last is
 * unknown. */
static void
import_advise(
    const struct import *import, const struct err *why, struct buf *out)
{
	bool again = options_has(import->context->options, "--again");
	bool unknown = why->code == ERR_STOPPING;

	(void)buf_printf(out,
	    unknown ? "Up to line %" PRId64 " of %s all is imported, and of "
		      "what follows perhaps a part. "
		    : "From line %" PRId64 " of %s on nothing was imported. ",
	    import->line - unknown, import->name);
	if (again)
		(void)buf_printf(out,
		    "Import the rest only: the lines before it would be sent "
		    "twice%s (tail -n +%" PRId64 ").\n",
		    unknown ? ", as will be that part" : "", import->line);
	else
		(void)buf_text(out, "Import it again: events that were "
				    "imported already count as duplicates.\n");
}

int
command_import(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct import import = {
	    .context = context,
	    .began_ms = clock_mono_ms(),
	};
	int code = EXIT_FINE;
	struct err err;
	bool ok = true;

	buf_init(&import.in, API_IMPORT_MAX);
	if (options->word_count == 0)
		ok = import_file(&import, "-", &err);
	for (size_t i = 0; ok && i < options->word_count; i++)
		ok = import_file(&import, options->words[i], &err);
	if (ok && import.duplicates > 0)
		ok = command_message(context, &err,
		    "%" PRId64
		    " events had been received before: --again imports them "
		    "nevertheless",
		    import.duplicates);
	if (ok) {
		import_show(&import, out);
		code = import.unreadable > 0 ? EXIT_FOUND : EXIT_FINE;
	} else {
		code = command_fail(out, &err);
		if (import.received > 0 || err.code == ERR_STOPPING)
			import_advise(&import, &err, out);
	}
	buf_fini(&import.in);
	return code;
}
