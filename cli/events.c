/*
 * currentsd events list, find, show, export: the queued and the archived
 * events; and one event, wherever it is, with what became of it and why.
 */

#include "cli/explanation.h"
#include "cli/filter.h"
#include "cli/show.h"
#include "cli/value.h"

#include <string.h>

const struct option_row command_events_list_options[] = {
    FILTER_PLACE_OPTION,
    FILTER_OPTIONS,
    {"--after", "BATCH.INDEX", "Go on behind this one."},
    {"--limit", "N", "At most N (default 50)."},
    COMMAND_GRID_OPTIONS,
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

const struct option_row command_events_show_options[] = {
    {"--raw", NULL, "Also the event as it came, with private values."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

const struct option_row command_events_export_options[] = {
    FILTER_PLACE_OPTION,
    FILTER_OPTIONS,
    {"--after", "BATCH.INDEX", "Go on behind this one."},
    FILTER_LIMIT_OPTION,
    {NULL, NULL, NULL},
};

/* The id of an event, or the change of a member; lent, or put together. */
static void
event_name(const json_t *row, struct buf *name)
{
	const json_t *member = value_at(row, "member");

	if (member != NULL)
		(void)buf_char(name, value_bool(row, "entered") ? '+' : '-');
	(void)buf_text(
	    name, value_text(row, member != NULL ? "member" : "event_id"));
	if (value_bool(row, "replay"))
		(void)buf_text(name, " (replay)");
	(void)buf_char(name, '\0');
}

/* ---- list ---- */

enum { LIST_NAME = 4 };

static void
list_fill(struct grid *grid, const json_t *row)
{
	struct buf name;

	buf_init(&name, VALUE_SHOWN);
	event_name(row, &name);
	grid_text(grid, LIST_NAME, name.len > 0 ? name.data : "");
	buf_fini(&name);
}

int
command_events_list(struct command_context *context, struct buf *out)
{
	const char *place = options_value(context->options, "--place");
	bool archive = place != NULL && strcmp(place, "archive") == 0;
	bool dead = place != NULL && strcmp(place, "dead") == 0;
	const struct grid_column columns[] = {
	    {dead	  ? "DEAD SINCE"
		: archive ? "DELIVERED"
			  : "ACCEPTED",
		dead	  ? "dead"
		: archive ? "delivered"
			  : "accepted",
		GRID_TIME, 0, 0, NULL},
	    {"SOURCE", "source", GRID_TEXT, GRID_CUT, 2, NULL},
	    {"DESTINATION", "destination", GRID_TEXT, GRID_CUT, 3, NULL},
	    {"TYPE", "type", GRID_TEXT, GRID_CUT | GRID_KEEP_END, 0, NULL},
	    [LIST_NAME] = {"EVENT ID, OR CHANGE", NULL, GRID_TEXT, 0, 0, NULL},
	};
	struct ask ask = command_call(
	    context, "GET", "/events", FILTER_PARAMS " place after");

	return command_list(context, &ask, GRID(columns), list_fill,
	    dead      ? "no dead letters match\n"
	    : archive ? "no archived events match\n"
		      : "no queued events match\n",
	    out);
}

/* ---- find ---- */

enum { FIND_INDENT = 4 }; /* columns before the rest of a line */

struct find {
	struct command_context *context;
	struct buf *out;
};

static bool
find_row(void *arg, json_t *row, struct str text, struct err *reterr)
{
	struct find *find = arg;
	struct buf *out = find->out;
	const char *place = value_text(row, "place");
	size_t at = out->len;

	(void)text;
	if (strcmp(place, "unreadable") == 0) {
		command_say(find->context, out, row,
		    "{place}: mentioned in body {id%} from {source}: "
		    "{reason}\n");
		screen_fit(find->context->screen, out, at, FIND_INDENT);
		return command_write(find->context, out, reterr);
	}
	command_say(find->context, out, row,
	    "{place}: {type} from {source} for {destination}, accepted "
	    "{accepted@}");
	if (value_at(row, "settled") != NULL)
		command_say(find->context, out, row,
		    strcmp(place, "archive") == 0 ? ", delivered {settled@}"
						  : ", dead since {settled@}");
	if (value_at(row, "reason") != NULL)
		command_say(find->context, out, row, ": {reason}");
	(void)buf_char(out, '\n');
	screen_fit(find->context->screen, out, at, FIND_INDENT);
	return command_write(find->context, out, reterr);
}

/* What was searched, and what that says. */
static void
find_nothing(const struct find *find, const json_t *summary)
{
	const char *id = find->context->options->words[0];
	struct buf *out = find->out;

	(void)buf_text(out, "not found: \"");
	show_foreign(out, id, strlen(id), VALUE_SHOWN);
	(void)buf_text(out,
	    value_bool(summary, "received")
		? "\" was received before, and is not kept: it was delivered\n"
		  "longer ago than the archive reaches (setting "
		  "keep_archive), dropped, or erased"
		: "\" is neither queued nor dead, nor in the archive or in an\n"
		  "unreadable body");
	command_say(find->context, out, summary,
	    "\nSearched   {searched.queued#} queued events, {searched.dead#} "
	    "dead letters, {searched.unreadable#} unreadable bodies\n");
	command_say(find->context, out, summary,
	    value_int(summary, "searched.archive_batches") == 0
		? "Archive    has nothing\n"
		: "Archive    has what was delivered since "
		  "{searched.archive_since@}\n");
	if (!value_bool(summary, "received"))
		command_say(find->context, out, summary,
		    "Received   never, or before the last "
		    "{searched.remembered#} events\n");
}

/* The rows that there are, or that there are none. */
static int
find_run(struct find *find, const struct ask *ask, client_row_fn *row)
{
	json_t *summary;
	int code = command_ask_judged(
	    find->context, ask, row, find, &summary, find->out);

	if (code == EXIT_FINE && value_int(summary, "rows") == 0) {
		if (!options_has(find->context->options, "--json"))
			find_nothing(find, summary);
		code = EXIT_FOUND;
	}
	json_decref(summary);
	return code;
}

int
command_events_find(struct command_context *context, struct buf *out)
{
	struct find find = {.context = context, .out = out};
	struct ask ask = command_call(context, "GET", "/events/*", "");
	int code = find_run(&find, &ask, find_row);

	if (code == EXIT_FINE && context->screen->terminal &&
	    !options_has(context->options, "--json"))
		(void)buf_text(out,
		    "what became of it, and why: `currentsd events show ID`\n");
	return code;
}

/* ---- show ---- */

/* A line with a head, or its beginning. */
static void
show_line(const struct find *find, const json_t *row, const char *head,
    const char *text)
{
	screen_text(find->context->screen, find->out, TONE_STRONG, "%-*s",
	    EXPLANATION_MARGIN, head);
	command_say(find->context, find->out, row, text);
}

/* What the destination was or will be sent, by the rules of now. */
static bool
show_explanation(const struct find *find, const json_t *row, struct err *reterr)
{
	const json_t *explanation = value_at(row, "explanation");
	bool queued = strcmp(value_text(row, "place"), "queued") == 0;

	if (explanation == NULL) {
		show_line(find, row, "Mapping", "{unexplained}\n");
		return true;
	}
	return explanation_show(find->context, queued ? "Will be" : "By rules",
	    explanation, value_text(row, "destination"), find->out, reterr);
}

/* "queued (deferred, try 2 at 14:44)" */
static void
show_place(const struct find *find, const json_t *row)
{
	const struct command_context *context = find->context;
	const char *place = value_text(row, "place");
	const char *state = value_text(row, "sender.state");
	struct buf *out = find->out;
	size_t at;

	show_line(find, row, "Is", "");
	if (strcmp(place, "archive") == 0) {
		screen_text(context->screen, out, TONE_GOOD, "delivered");
		command_say(context, out, row, " {settled@}");
	} else if (strcmp(place, "dead") == 0) {
		screen_text(context->screen, out, TONE_WRONG,
		    "dead letter %lld", (long long)value_int(row, "id"));
		command_say(context, out, row, " since {settled@}");
	} else {
		screen_text(context->screen, out, TONE_WAITING, "queued");
	}
	if (value_bool(row, "replay"))
		(void)buf_text(out, ", a replay");
	if (value_at(row, "parked") != NULL) {
		command_say(context, out, row, ", parked with {parked}");
	} else if (value_time_ms(row, "due") != 0) {
		(void)buf_printf(out, " (deferred, try %lld at ",
		    (long long)value_int(row, "attempts") + 1);
		command_say(context, out, row, "{due@})");
	}
	(void)buf_char(out, '\n');
	if (*state == '\0' || strcmp(state, "running") == 0)
		return;
	at = out->len;
	show_line(find, row, "Held up", "{destination} is ");
	screen_text(context->screen, out, TONE_WRONG, "%s", state);
	command_say(context, out, row,
	    *value_text(row, "sender.why") != '\0' ? ": {sender.why}\n" : "\n");
	screen_fit(context->screen, out, at, EXPLANATION_MARGIN);
}

static void
show_attempts(const struct find *find, const json_t *row)
{
	if (value_int(row, "refusals") + value_int(row, "failures") > 0)
		show_line(find, row, "Attempts",
		    "alone: {refusals%} refused, {failures%} failed, the first "
		    "{first_failed@}\n");
	else if (strcmp(value_text(row, "place"), "dead") == 0)
		show_line(find, row, "Attempts",
		    value_int(row, "status") != 0
			? "{attempts%}, the last answered {status%}\n"
			: "{attempts%}\n");
	if (value_at(row, "answer") != NULL)
		show_line(find, row, "Answer", "{answer}\n");
	if (value_at(row, "sent") != NULL)
		show_line(find, row, "Was sent", "{sent}\n");
}

static void
show_came(const struct find *find, const json_t *row)
{
	const json_t *event = value_at(row, "event");
	bool base64 = event == NULL;
	struct buf *out = find->out;

	if (value_at(row, "member") != NULL)
		return;
	if (value_bool(row, "redacted")) {
		show_line(find, row, "As it came",
		    "hidden, as it may have private values: --raw shows it\n");
		return;
	}
	if (base64)
		event = value_at(row, "event_base64");
	(void)buf_printf(out, "\nas it came%s\n", base64 ? ", in base64" : "");
	(void)buf_append(
	    out, json_string_value(event), json_string_length(event));
	(void)buf_char(out, '\n');
}

static bool
show_row(void *arg, json_t *row, struct str text, struct err *reterr)
{
	struct find *find = arg;
	struct screen *screen = find->context->screen;
	struct buf *out = find->out, name;

	if (strcmp(value_text(row, "place"), "unreadable") == 0)
		return find_row(arg, row, text, reterr);
	if (out->len > 0)
		(void)buf_char(out, '\n');
	buf_init(&name, VALUE_SHOWN);
	value_show(row, "type", &name);
	screen_text(screen, out, TONE_STRONG, "%.*s", (int)name.len,
	    name.len > 0 ? name.data : "");
	(void)buf_text(out, "   ");
	buf_reset(&name);
	event_name(row, &name);
	if (name.len > 0)
		show_foreign(out, name.data, strlen(name.data), VALUE_SHOWN);
	buf_fini(&name);
	(void)buf_char(out, '\n');
	show_place(find, row);
	if (value_at(row, "reason") != NULL)
		show_line(find, row, "Reason", "{reason}\n");
	if (strcmp(value_text(row, "place"), "dead") == 0)
		show_line(find, row, "Next",
		    "currentsd dead edit {id%}, dead requeue, or dead drop\n");
	show_line(find, row, "Accepted",
	    value_int(row, "batch") != 0
		? "{accepted@} from {source}, batch {batch#}\n"
		: "{accepted@} from {source}\n");
	if (!show_explanation(find, row, reterr))
		return false;
	show_attempts(find, row);
	show_came(find, row);
	return command_write(find->context, out, reterr);
}

int
command_events_show(struct command_context *context, struct buf *out)
{
	struct find find = {.context = context, .out = out};
	struct ask ask = command_call(context, "GET", "/events/*", "raw");

	ask_param(&ask, "full", "yes");
	return find_run(&find, &ask, show_row);
}

/* ---- export ---- */

int
command_events_export(struct command_context *context, struct buf *out)
{
	struct ask ask = command_call(
	    context, "GET", "/events", FILTER_PARAMS " place after");

	ask_param(&ask, "full", "yes");
	return command_export(context, &ask, out);
}
