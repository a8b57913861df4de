/*
 * currentsd unreadable list, show, export, drop: whole request bodies that are
 * not JSON, kept as received.
 */

#include "cli/filter.h"
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
	struct ask ask =
	    command_call(context, "GET", "/unreadable", FILTER_PARAMS " after");

	return command_list(context, &ask, GRID(columns), NULL,
	    "no unreadable bodies match\n", out);
}

static int
body_show(struct command_context *context, const json_t *shown, struct buf *out)
{
	const json_t *body = value_at(shown, "body");

	command_say(context, out, shown,
	    "id           {id%}\nsource       {source}\n"
	    "received     {received@}\nreason       {reason}\n");
	if (*value_text(shown, "encoding") != '\0')
		command_say(context, out, shown,
		    value_bool(shown, "whole")
			? "encoding     {encoding}, {bytes%} bytes\n"
			: "encoding     {encoding}, {bytes%} bytes, cannot be "
			  "decompressed to the end\n");
	(void)buf_printf(
	    out, "\nthe body (%zu bytes)\n", json_string_length(body));
	(void)buf_append(
	    out, json_string_value(body), json_string_length(body));
	(void)buf_char(out, '\n');
	return EXIT_FINE;
}

int
command_unreadable_show(struct command_context *context, struct buf *out)
{
	struct ask ask = command_call(context, "GET", "/unreadable/*", "");

	return command_answer(context, &ask, body_show, out);
}

int
command_unreadable_export(struct command_context *context, struct buf *out)
{
	struct ask ask =
	    command_call(context, "GET", "/unreadable", FILTER_PARAMS " after");

	ask_param(&ask, "full", "yes");
	return command_export(context, &ask, out);
}

static int
dropped_show(
    struct command_context *context, const json_t *summary, struct buf *out)
{
	command_say(context, out, summary,
	    value_int(summary, "dropped") == 1
		? "dropped 1 unreadable body\n"
		: "dropped {dropped#} unreadable bodies\n");
	return EXIT_FINE;
}

int
command_unreadable_drop(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct ask ask;

	if (options_has(options, "--all") == filter_given(options))
		return command_refuse(
		    out, "unreadable drop needs either filters or --all");
	if (!options_has(options, "--yes"))
		return command_refuse(out,
		    "dropped bodies cannot be recovered: look at them first "
		    "with `currentsd unreadable list` and the same filters, "
		    "then add --yes");
	ask = command_call(
	    context, "POST", "/unreadable/drop", FILTER_PARAMS " all");
	return command_answer(context, &ask, dropped_show, out);
}
