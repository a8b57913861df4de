/*
 * currentsd explain: asks what would become of the events in a file. One that
 * has a body on each line goes in pieces.
 */

#include "cli/command.h"
#include "cli/explanation.h"
#include "cli/file.h"
#include "cli/show.h"
#include "cli/value.h"
#include "daemon/bodies.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	PIECE = 4 * 1024 * 1024, /* of whole lines, unless one is longer */
	NUMBER = 24,
};

const struct option_row command_explain_options[] = {
    {"--source", "NAME",
	"Apply the rules of this source (default: an export's, or the first)."},
    {"--destination", "NAME",
	"Map for this destination (default: the source's)."},
    {"--json", NULL, "Print one JSON object per line."},
    {NULL, NULL, NULL},
};

struct explaining {
	struct command_context *context;
	struct buf *out;
	bool json;
	int64_t line, at; /* of the piece in the file */
	int64_t found;
};

/* ---- a row ---- */

/* What it is of. */
static void
row_head(
    const struct command_context *context, const json_t *row, struct buf *out)
{
	command_say(context, out, row,
	    value_at(row, "data") == NULL ? "{type}   {id}"
	    : value_at(row, "name") == NULL
		? "{data}   segment {group}"
		: "{data}   segment {group}, {name}");
}

static bool
explain_row(void *arg, json_t *row, struct str text, struct err *reterr)
{
	struct explaining *all = arg;
	struct command_context *context = all->context;
	struct buf *out = all->out, head;

	if (all->json) {
		(void)buf_append(out, text.data, text.len);
		(void)buf_char(out, '\n');
		return command_write(context, out, reterr);
	}
	if (strcmp(value_text(row, "fate"), "fault") == 0) {
		command_say(context, out, row,
		    value_at(row, "line") != NULL
			? "line {line%} byte {at%}\n  fault: {reason}\n\n"
			: "fault: {reason}\n\n");
		return command_write(context, out, reterr);
	}
	buf_init(&head, 4 * VALUE_SHOWN);
	row_head(context, row, &head);
	screen_text(context->screen, out, TONE_STRONG, "%.*s\n", (int)head.len,
	    head.len > 0 ? head.data : "");
	buf_fini(&head);
	if (!explanation_show(context, "Would be", row,
		value_text(row, "destination"), out, reterr))
		return false;
	(void)buf_char(out, '\n');
	return command_write(context, out, reterr);
}

/* ---- a piece ---- */

static bool
piece_ask(
    struct explaining *all, struct str piece, bool lines, struct err *reterr)
{
	char line[NUMBER], at[NUMBER];
	json_t *summary;
	struct ask ask;

	(void)snprintf(line, sizeof(line), "%" PRId64, all->line);
	(void)snprintf(at, sizeof(at), "%" PRId64, all->at);
	ask = command_call(
	    all->context, "POST", "/explain", "source destination");
	ask_param(&ask, "lines", lines ? "yes" : "no");
	ask_param(&ask, "line", line);
	ask_param(&ask, "at", at);
	ask.body = piece;
	ask.raw = all->json;
	if (!client_ask(
		all->context->client, &ask, explain_row, all, &summary, reterr))
		return false;
	all->found += value_int(summary, "found");
	json_decref(summary);
	return true;
}

/* Ask at least once, so that a wrong option is an error without events, too. */
static bool
explain_all(struct explaining *all, struct buf *file, struct err *reterr)
{
	struct str rest;
	bool lines;

	if (!file_read(all->context->options, file, reterr))
		return false;
	rest = str_bytes(file->len > 0 ? file->data : "", file->len);
	if (!bodies_are_lines(rest, &lines, reterr))
		return false;
	do {
		struct str piece = str_bytes(rest.data, 0);
		int64_t count = 0;

		for (; lines && rest.len > 0 && piece.len < PIECE; count++) {
			(void)line_take(&rest);
			piece.len = (size_t)(rest.data - piece.data);
		}
		if (!lines) {
			piece = rest;
			rest.len = 0;
		}
		if (!piece_ask(all, piece, lines, reterr))
			return false;
		all->line += count;
		all->at += (int64_t)piece.len;
	} while (rest.len > 0);
	return true;
}

int
command_explain(struct command_context *context, struct buf *out)
{
	struct explaining all = {
	    .context = context,
	    .out = out,
	    .json = options_has(context->options, "--json"),
	    .line = 1,
	};
	struct buf file;
	struct err err;
	bool ok;

	buf_init(&file, FILE_READ_MAX);
	ok = explain_all(&all, &file, &err);
	buf_fini(&file);
	if (!ok)
		return command_fail(out, &err);
	return all.found > 0 ? EXIT_FOUND : EXIT_FINE;
}
