/*
 * currentsd unreadable list, show, export, drop: whole request bodies that are
 * not JSON, kept as received.
 */

#include "cli/filter.h"
#include "cli/grid.h"
#include "cli/show.h"
#include "cli/value.h"

const struct option_row command_unreadable_list_options[] = {
    FILTER_BODY_OPTIONS,
    {"--after", "ID", "Only bodies with a higher id."},
    {"--limit", "N", "At most N (default 50)."},
    COMMAND_GRID_OPTIONS,
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

const struct option_row command_unreadable_export_options[] = {
    FILTER_BODY_OPTIONS,
    {"--after", "ID", "Only bodies with a higher id."},
    {"--limit", "N", "At most N bodies."},
    {NULL, NULL, NULL},
};

const struct option_row command_unreadable_drop_options[] = {
    {"--yes", NULL, "Confirm: dropped bodies cannot be recovered."},
    {"--all", NULL, "All unreadable bodies."},
    FILTER_BODY_OPTIONS,
    {"--limit", "N", "At most N bodies."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* ---- list ---- */

static bool
list_row(void *arg, json_t *row, struct str text, struct err *reterr)
{
	(void)text;
	(void)reterr;
	grid_row(arg, row);
	return true;
}

int
command_unreadable_list(struct command_context *context, struct buf *out)
{
	static const struct grid_column columns[] = {
	    {"ID", "id", GRID_TEXT, 0, 0, NULL},
	    {"RECEIVED", "received", GRID_TIME, 0, 0, NULL},
	    {"SOURCE", "source", GRID_TEXT, GRID_CUT, 2, NULL},
	    {"SIZE", "bytes", GRID_BYTES, 0, 1, NULL},
	    {"REASON", "reason", GRID_TEXT, GRID_WRAP, 0, NULL},
	};
	struct grid *grid = grid_new(
	    columns, sizeof(columns) / sizeof(columns[0]), context->now_ms);
	json_t *summary;
	struct ask ask;
	int code;

	ask_init(&ask, "GET", "/unreadable");
	filter_ask(context->options, &ask);
	code = command_ask(context, &ask, list_row, grid, &summary, out);
	if (summary != NULL && grid_rows(grid) == 0)
		(void)buf_text(out, "no unreadable bodies match\n");
	else if (summary != NULL)
		code = command_grid_write(context, grid, summary, out);
	grid_free(grid);
	json_decref(summary);
	return code;
}

/* ---- show ---- */

static void
show_text(
    const struct command_context *context, struct buf *out, const json_t *shown)
{
	const json_t *body = value_at(shown, "body");
	char text[SHOW_TEXT];

	show_timestamp(context->now_ms, value_time_ms(shown, "received"),
	    context->screen->utc, text, sizeof(text));
	(void)buf_printf(out,
	    "id           %lld\nsource       %s\nreceived     %s\n"
	    "reason       %s\n",
	    (long long)value_int(shown, "id"), value_text(shown, "source"),
	    text, value_text(shown, "reason"));
	if (*value_text(shown, "encoding") != '\0')
		(void)buf_printf(out, "encoding     %s, %lld bytes%s\n",
		    value_text(shown, "encoding"),
		    (long long)value_int(shown, "bytes"),
		    value_bool(shown, "whole")
			? ""
			: ", cannot be decompressed to the end");
	(void)buf_printf(
	    out, "\nthe body (%zu bytes)\n", json_string_length(body));
	(void)buf_append(
	    out, json_string_value(body), json_string_length(body));
	(void)buf_char(out, '\n');
}

int
command_unreadable_show(struct command_context *context, struct buf *out)
{
	json_t *shown;
	struct ask ask;
	struct err err;
	int64_t id;
	int code;

	if (!command_id_read(context->options, &id)) {
		(void)err_set(&err, ERR_INPUT,
		    "unreadable show needs one id, as shown by `currentsd "
		    "unreadable list`");
		return command_fail(out, &err);
	}
	ask_init(&ask, "GET", "/unreadable/*");
	ask.name = str_text(context->options->words[0]);
	code = command_ask(context, &ask, NULL, NULL, &shown, out);
	if (shown != NULL)
		show_text(context, out, shown);
	json_decref(shown);
	return code;
}

/* ---- export ---- */

int
command_unreadable_export(struct command_context *context, struct buf *out)
{
	struct ask ask;

	ask_init(&ask, "GET", "/unreadable");
	ask_param(&ask, "full", "yes");
	filter_ask(context->options, &ask);
	return command_export(context, &ask, out);
}

/* ---- drop ---- */

int
command_unreadable_drop(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	char number[SHOW_TEXT];
	json_t *summary;
	struct ask ask;
	struct err err;
	int code;

	if (options_has(options, "--all") == filter_given(options)) {
		(void)err_set(&err, ERR_INPUT,
		    "unreadable drop needs either filters or --all");
		return command_fail(out, &err);
	}
	if (!options_has(options, "--yes")) {
		(void)err_set(&err, ERR_INPUT,
		    "dropped bodies cannot be recovered: look at them first "
		    "with `currentsd unreadable list` and the same filters, "
		    "then add --yes");
		return command_fail(out, &err);
	}
	ask_init(&ask, "POST", "/unreadable/drop");
	if (options_has(options, "--all"))
		ask_param(&ask, "all", "yes");
	filter_ask(options, &ask);
	code = command_ask(context, &ask, NULL, NULL, &summary, out);
	show_number(value_int(summary, "dropped"), number, sizeof(number));
	if (summary != NULL)
		(void)buf_printf(out, "dropped %s unreadable bod%s\n", number,
		    value_int(summary, "dropped") == 1 ? "y" : "ies");
	json_decref(summary);
	return code;
}
