/*
 * currentsd events list, find, show, export: the queued and the archived
 * events; and one event, wherever it is, with what became of it and why.
 */

#include "cli/explanation.h"
#include "cli/filter.h"
#include "cli/grid.h"
#include "cli/show.h"
#include "cli/value.h"

#include <string.h>

enum {
	EVENT_TEXT_MAX = 4096, /* bytes of a text that is shown */
	FIND_INDENT = 4,       /* columns before the rest of a line */
};

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

enum { LIST_WHEN, LIST_SOURCE, LIST_DESTINATION, LIST_TYPE, LIST_NAME };

static bool
list_row(void *arg, json_t *row, struct str text, struct err *reterr)
{
	struct grid *grid = arg;
	struct buf name;

	(void)text;
	buf_init(&name, EVENT_TEXT_MAX);
	event_name(row, &name);
	grid_row(grid, row);
	grid_text(grid, LIST_NAME, name.len > 0 ? name.data : "");
	buf_fini(&name);
	(void)reterr;
	return true;
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
	    {"EVENT ID, OR CHANGE", NULL, GRID_TEXT, 0, 0, NULL},
	};
	struct grid *grid = grid_new(
	    columns, sizeof(columns) / sizeof(columns[0]), context->now_ms);
	json_t *summary;
	struct ask ask;
	int code;

	ask_init(&ask, "GET", "/events");
	filter_ask(context->options, &ask);
	code = command_ask(context, &ask, list_row, grid, &summary, out);
	if (summary != NULL && grid_rows(grid) == 0)
		(void)buf_printf(out, "no %s match\n",
		    dead      ? "dead letters"
		    : archive ? "archived events"
			      : "queued events");
	else if (summary != NULL)
		code = command_grid_write(context, grid, summary, out);
	grid_free(grid);
	json_decref(summary);
	return code;
}

/* ---- find ---- */

static void
text_put(struct buf *out, const char *text)
{
	show_foreign(out, text, strlen(text), EVENT_TEXT_MAX);
}

static void
time_put(const struct command_context *context, struct buf *out,
    const json_t *row, const char *member)
{
	char text[SHOW_TEXT];

	show_timestamp(context->now_ms, value_time_ms(row, member),
	    context->screen->utc, text, sizeof(text));
	(void)buf_text(out, text);
}

struct find {
	struct command_context *context;
	struct buf *out;
	const char *id;
};

static bool
find_row(void *arg, json_t *row, struct str text, struct err *reterr)
{
	struct find *find = arg;
	struct buf *out = find->out;
	const char *place = value_text(row, "place");
	size_t at = out->len;

	(void)text;
	text_put(out, place);
	if (strcmp(place, "unreadable") == 0) {
		(void)buf_printf(out, ": mentioned in body %lld from ",
		    (long long)value_int(row, "id"));
		text_put(out, value_text(row, "source"));
		(void)buf_text(out, ": ");
		text_put(out, value_text(row, "reason"));
		(void)buf_char(out, '\n');
		screen_fit(find->context->screen, out, at, FIND_INDENT);
		return command_write(find->context, out, reterr);
	}
	(void)buf_text(out, ": ");
	text_put(out, value_text(row, "type"));
	(void)buf_text(out, " from ");
	text_put(out, value_text(row, "source"));
	(void)buf_text(out, " for ");
	text_put(out, value_text(row, "destination"));
	(void)buf_text(out, ", accepted ");
	time_put(find->context, out, row, "accepted");
	if (value_at(row, "settled") != NULL) {
		(void)buf_text(out, strcmp(place, "archive") == 0
					? ", delivered "
					: ", dead since ");
		time_put(find->context, out, row, "settled");
	}
	if (value_at(row, "reason") != NULL) {
		(void)buf_text(out, ": ");
		text_put(out, value_text(row, "reason"));
	}
	(void)buf_char(out, '\n');
	screen_fit(find->context->screen, out, at, FIND_INDENT);
	return command_write(find->context, out, reterr);
}

/* What was searched, and what that says. */
static void
find_nothing(const struct find *find, const json_t *summary)
{
	const json_t *searched = value_at(summary, "searched");
	struct buf *out = find->out;
	char number[SHOW_TEXT];

	(void)buf_text(out, "not found: \"");
	text_put(out, find->id);
	(void)buf_text(out,
	    value_bool(summary, "received")
		? "\" was received before, and is not kept: it was delivered\n"
		  "longer ago than the archive reaches (setting "
		  "keep_archive), dropped, or erased"
		: "\" is neither queued nor dead, nor in the archive or in an\n"
		  "unreadable body");
	show_number(value_int(searched, "queued"), number, sizeof(number));
	(void)buf_printf(out, "\nSearched   %s queued events", number);
	show_number(value_int(searched, "dead"), number, sizeof(number));
	(void)buf_printf(out, ", %s dead letters", number);
	show_number(value_int(searched, "unreadable"), number, sizeof(number));
	(void)buf_printf(out, ", %s unreadable bodies\n", number);
	if (value_int(searched, "archive_batches") == 0) {
		(void)buf_text(out, "Archive    has nothing\n");
	} else {
		(void)buf_text(out, "Archive    has what was delivered since ");
		time_put(find->context, out, searched, "archive_since");
		(void)buf_char(out, '\n');
	}
	if (value_bool(summary, "received"))
		return;
	show_number(value_int(searched, "remembered"), number, sizeof(number));
	(void)buf_printf(
	    out, "Received   never, or before the last %s events\n", number);
}

/* Ask for the event that the command's one word names. */
static int
find_ask(struct find *find, const char *verb, struct ask *ask,
    client_row_fn *row, void *arg, json_t **ret_summary)
{
	const struct options *options = find->context->options;
	int code;
	struct err err;

	*ret_summary = NULL;
	if (options->word_count != 1 || *options->words[0] == '\0') {
		(void)err_set(&err, ERR_INPUT,
		    "events %s needs the id of one event", verb);
		return command_fail(find->out, &err);
	}
	find->id = options->words[0];
	ask_init(ask, "GET", "/events/*");
	ask->name = str_text(find->id);
	if (strcmp(verb, "show") == 0)
		ask_param(ask, "full", "yes");
	if (options_has(options, "--raw"))
		ask_param(ask, "raw", "yes");
	code = command_ask_judged(
	    find->context, ask, row, arg, ret_summary, find->out);
	if (code != EXIT_FINE)
		return code;
	if (value_int(*ret_summary, "rows") > 0)
		return EXIT_FINE;
	if (!options_has(options, "--json"))
		find_nothing(find, *ret_summary);
	return EXIT_FOUND;
}

int
command_events_find(struct command_context *context, struct buf *out)
{
	struct find find = {.context = context, .out = out};
	json_t *summary;
	struct ask ask;
	int code = find_ask(&find, "find", &ask, find_row, &find, &summary);

	if (code == EXIT_FINE && context->screen->terminal &&
	    !options_has(context->options, "--json"))
		(void)buf_text(out,
		    "what became of it, and why: `currentsd events show ID`\n");
	json_decref(summary);
	return code;
}

/* ---- show ---- */

static void
show_head(const struct find *find, const char *head)
{
	screen_text(find->context->screen, find->out, TONE_STRONG, "%-*s",
	    EXPLANATION_MARGIN, head);
}

/* A line of its own: a head, and a text from outside. */
static void
show_line(const struct find *find, const char *head, const char *text)
{
	show_head(find, head);
	text_put(find->out, text);
	(void)buf_char(find->out, '\n');
}

/* What the destination was or will be sent, by the rules of now. */
static bool
show_explanation(const struct find *find, const json_t *row, struct err *reterr)
{
	const json_t *explanation = value_at(row, "explanation");
	bool queued = strcmp(value_text(row, "place"), "queued") == 0;

	if (explanation == NULL) {
		show_line(find, "Mapping", value_text(row, "unexplained"));
		return true;
	}
	return explanation_show(find->context, queued ? "Will be" : "By rules",
	    explanation, value_text(row, "destination"), find->out, reterr);
}

/* "queued (deferred, try 2 at 14:44)" */
static void
show_place(const struct find *find, const json_t *row)
{
	const char *place = value_text(row, "place");
	const json_t *sender = value_at(row, "sender");
	const char *state = value_text(sender, "state");
	struct buf *out = find->out;
	size_t at;

	if (strcmp(place, "archive") == 0) {
		screen_text(find->context->screen, out, TONE_GOOD, "delivered");
		(void)buf_char(out, ' ');
		time_put(find->context, out, row, "settled");
	} else if (strcmp(place, "dead") == 0) {
		screen_text(find->context->screen, out, TONE_WRONG,
		    "dead letter %lld", (long long)value_int(row, "id"));
		(void)buf_text(out, " since ");
		time_put(find->context, out, row, "settled");
	} else {
		screen_text(find->context->screen, out, TONE_WAITING, "queued");
	}
	if (value_bool(row, "replay"))
		(void)buf_text(out, ", a replay");
	if (value_at(row, "parked") != NULL) {
		(void)buf_text(out, ", parked with ");
		text_put(out, value_text(row, "parked"));
	} else if (value_time_ms(row, "due") != 0) {
		(void)buf_printf(out, " (deferred, try %lld at ",
		    (long long)value_int(row, "attempts") + 1);
		time_put(find->context, out, row, "due");
		(void)buf_char(out, ')');
	}
	(void)buf_char(out, '\n');
	if (*state == '\0' || strcmp(state, "running") == 0)
		return;
	at = out->len;
	show_head(find, "Held up");
	text_put(out, value_text(row, "destination"));
	(void)buf_text(out, " is ");
	screen_text(find->context->screen, out, TONE_WRONG, "%s", state);
	if (*value_text(sender, "why") != '\0')
		(void)buf_text(out, ": ");
	text_put(out, value_text(sender, "why"));
	(void)buf_char(out, '\n');
	screen_fit(find->context->screen, out, at, EXPLANATION_MARGIN);
}

static void
show_attempts(const struct find *find, const json_t *row)
{
	int64_t refusals = value_int(row, "refusals");
	int64_t failures = value_int(row, "failures");
	struct buf *out = find->out;

	if (refusals + failures > 0) {
		show_head(find, "Attempts");
		(void)buf_printf(out,
		    "alone: %lld refused, %lld failed, the first ",
		    (long long)refusals, (long long)failures);
		time_put(find->context, out, row, "first_failed");
		(void)buf_char(out, '\n');
	} else if (strcmp(value_text(row, "place"), "dead") == 0) {
		show_head(find, "Attempts");
		(void)buf_printf(
		    out, "%lld", (long long)value_int(row, "attempts"));
		if (value_int(row, "status") != 0)
			(void)buf_printf(out, ", the last answered %lld",
			    (long long)value_int(row, "status"));
		(void)buf_char(out, '\n');
	}
	if (value_at(row, "answer") != NULL)
		show_line(find, "Answer", value_text(row, "answer"));
	if (value_at(row, "sent") != NULL)
		show_line(find, "Was sent", value_text(row, "sent"));
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
		show_line(find, "As it came",
		    "hidden, as it may have private values: --raw shows it");
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
	buf_init(&name, EVENT_TEXT_MAX);
	show_foreign(&name, value_text(row, "type"),
	    strlen(value_text(row, "type")), EVENT_TEXT_MAX);
	screen_text(screen, out, TONE_STRONG, "%.*s", (int)name.len,
	    name.len > 0 ? name.data : "");
	(void)buf_text(out, "   ");
	buf_reset(&name);
	event_name(row, &name);
	text_put(out, name.len > 0 ? name.data : "");
	buf_fini(&name);
	(void)buf_char(out, '\n');
	show_head(find, "Is");
	show_place(find, row);
	if (value_at(row, "reason") != NULL)
		show_line(find, "Reason", value_text(row, "reason"));
	if (strcmp(value_text(row, "place"), "dead") == 0) {
		show_head(find, "Next");
		(void)buf_printf(out,
		    "currentsd dead edit %lld, dead requeue, or dead drop\n",
		    (long long)value_int(row, "id"));
	}
	show_head(find, "Accepted");
	time_put(find->context, out, row, "accepted");
	(void)buf_text(out, " from ");
	text_put(out, value_text(row, "source"));
	if (value_int(row, "batch") != 0) {
		char number[SHOW_TEXT];

		show_number(value_int(row, "batch"), number, sizeof(number));
		(void)buf_printf(out, ", batch %s", number);
	}
	(void)buf_char(out, '\n');
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
	json_t *summary;
	struct ask ask;
	int code = find_ask(&find, "show", &ask, show_row, &find, &summary);

	json_decref(summary);
	return code;
}

/* ---- export ---- */

int
command_events_export(struct command_context *context, struct buf *out)
{
	struct ask ask;

	ask_init(&ask, "GET", "/events");
	ask_param(&ask, "full", "yes");
	filter_ask(context->options, &ask);
	return command_export(context, &ask, out);
}
