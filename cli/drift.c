/*
 * currentsd drift: what Braze sent that is not in the catalogue. First what is
 * not sent on, each with the line of settings that sends it; then the rest by
 * its kind. Never shows a value, because it may be personal.
 */

#include "cli/command.h"
#include "cli/value.h"

#include <string.h>

static const struct grid_column columns[] = {
    {"EVENTS", "events", GRID_NUMBER, 0, 0, NULL},
    {"TYPE", "type", GRID_TEXT, GRID_WRAP, 0, NULL},
    {"FIELD", "field", GRID_TEXT, GRID_HIDE_ZERO | GRID_WRAP, 0, NULL},
    {"JSON", "json", GRID_TEXT, GRID_HIDE_ZERO, 0, NULL},
    {"FIRST", "first", GRID_AGE, 0, 2, NULL},
    {"LAST", "last", GRID_AGE, 0, 1, NULL},
};

static bool
is_left_out(const json_t *row)
{
	return strcmp(value_text(row, "what"), "left out") == 0;
}

/* The line of settings stands alone, so that it can be pasted. */
static void
left_out_show(
    const struct command_context *context, const json_t *row, struct buf *out)
{
	(void)buf_text(out, screen_tone(context->screen, TONE_WAITING));
	command_say(context, out, row,
	    *value_text(row, "json") != '\0' ? "! {field} ({json}) of {type}"
					     : "! {field} of {type}");
	(void)buf_text(out, context->screen->colour ? SCREEN_PLAIN : "");
	command_say(context, out, row,
	    "\n  {events#} event{events+} went without it since {first@}\n"
	    "    {settings}\n");
}

/* The observations of a kind, from the first one on. */
static bool
kind_show(const struct command_context *context, const json_t *rows, size_t at,
    struct buf *out, struct err *reterr)
{
	const char *what = value_text(json_array_get(rows, at), "what");
	struct grid *grid = grid_new(GRID(columns), context->now_ms);

	if (out->len > 0)
		(void)buf_char(out, '\n');
	screen_text(context->screen, out, TONE_STRONG, "%s", what);
	(void)buf_char(out, '\n');
	for (; at < json_array_size(rows); at++) {
		if (strcmp(what,
			value_text(json_array_get(rows, at), "what")) == 0)
			grid_row(grid, json_array_get(rows, at));
	}
	grid_sort(grid, 0, true);
	return grid_end(grid, context->screen, out, reterr);
}

static bool
kind_is_first(const json_t *rows, size_t at)
{
	const char *what = value_text(json_array_get(rows, at), "what");

	for (size_t i = 0; i < at; i++) {
		if (strcmp(what, value_text(json_array_get(rows, i), "what")) ==
		    0)
			return false;
	}
	return true;
}

static bool
drift_show(const struct command_context *context, const json_t *rows,
    struct buf *out, struct err *reterr)
{
	const json_t *row;
	size_t i, left_out = 0;
	bool ok = true;

	json_array_foreach(rows, i, row)
	{
		if (!is_left_out(row))
			continue;
		if (left_out++ == 0)
			(void)buf_text(out,
			    "Left out, because nobody has decided about it. To "
			    "send it, paste its line into\nthe settings of the "
			    "destination; what went without it stays so.\n\n");
		left_out_show(context, row, out);
	}
	json_array_foreach(rows, i, row)
	{
		if (ok && !is_left_out(row) && kind_is_first(rows, i))
			ok = kind_show(context, rows, i, out, reterr);
	}
	return ok;
}

int
command_drift(struct command_context *context, struct buf *out)
{
	json_t *answer, *rows = json_array();
	struct ask ask;
	struct err err;
	int code;

	ask_init(&ask, "GET", "/drift");
	code = command_ask(context, &ask, command_row_keep, rows, &answer, out);
	if (answer != NULL && json_array_size(rows) == 0)
		(void)buf_text(
		    out, "Braze sent nothing that is not in the catalogue\n");
	else if (answer != NULL && !drift_show(context, rows, out, &err))
		code = command_fail(out, &err);
	json_decref(answer);
	json_decref(rows);
	return code;
}
