/*
 * currentsd events list, find, show, export: the queued and the archived
 * events; and one event, wherever it is, with what became of it and why.
 */

#include "cli/filter.h"
#include "cli/grid.h"
#include "cli/show.h"
#include "cli/value.h"

#include <stdlib.h>
#include <string.h>

enum {
	EVENT_TEXT_MAX = 4096,	/* bytes of a text that is shown */
	EVENT_VALUE_MAX = 1024, /* likewise, in a cell */
	EVENT_MARGIN = 11,
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
	    {"TYPE", "type", GRID_TEXT, GRID_CUT, 0, NULL},
	    {"EVENT ID, OR CHANGE", NULL, GRID_TEXT, GRID_WRAP, 0, NULL},
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

	(void)text;
	text_put(out, place);
	if (strcmp(place, "unreadable") == 0) {
		(void)buf_printf(out, ": mentioned in body %lld from ",
		    (long long)value_int(row, "id"));
		text_put(out, value_text(row, "source"));
		(void)buf_text(out, ": ");
		text_put(out, value_text(row, "reason"));
		(void)buf_char(out, '\n');
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
	return command_write(find->context, out, reterr);
}

/* What was searched, and what that says. */
static void
find_nothing(const struct find *find, const json_t *summary)
{
	const json_t *searched = value_at(summary, "searched");
	struct buf *out = find->out;
	char number[SHOW_TEXT];

	(void)buf_text(out, "not found: ");
	text_put(out, find->id);
	(void)buf_text(out,
	    value_bool(summary, "received")
		? " was received before, and is not kept: it was delivered\n"
		  "longer ago than the archive reaches (setting "
		  "keep_archive), dropped, or erased"
		: " is neither queued nor dead, nor in the archive or in an\n"
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
	    EVENT_MARGIN, head);
}

/* A line of its own: a head, and a text from outside. */
static void
show_line(const struct find *find, const char *head, const char *text)
{
	show_head(find, head);
	text_put(find->out, text);
	(void)buf_char(find->out, '\n');
}

/* The value that a property is sent by, as text. */
static char *
property_value(const json_t *row, const char *as)
{
	const json_t *value =
	    json_object_get(value_at(row, "explanation.event.properties"), as);

	return json_is_string(value)
		   ? strndup(json_string_value(value), EVENT_VALUE_MAX)
		   : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* A decision about a property: what is sent, or that it is left out; and what
 * decided that. */
static void
property_row(struct grid *grid, const json_t *row, const json_t *decision)
{
	const char *of = value_text(decision, "of");
	const char *is = value_text(decision, "is");
	const char *as = value_text(decision, "as");
	const char *why = strstr(is, ": ");
	char *value;

	grid_row(grid, NULL);
	grid_text(grid, 0, of);
	if (*as == '\0') {
		grid_textf(grid, 1, "%.*s",
		    why != NULL ? (int)(why - is) : (int)strlen(is), is);
		grid_tone(grid, 1, TONE_QUIET);
		grid_text(grid, 2, why != NULL ? why + 2 : "");
		return;
	}
	value = property_value(row, as);
	grid_text(grid, 1, value != NULL ? value : "");
	free(value);
	is = strcmp(is, "sent") == 0	     ? ""
	     : strncmp(is, "sent, ", 6) == 0 ? is + 6
	     : strncmp(is, "sent: ", 6) == 0 ? is + 6
					     : is;
	if (strcmp(of, as) == 0)
		grid_text(grid, 2, is);
	else
		grid_textf(
		    grid, 2, "as %s%s%s", as, *is != '\0' ? ", " : "", is);
}

/* Append a grid behind the margin. */
static bool
show_grid(const struct find *find, const struct grid *grid, struct err *reterr)
{
	struct screen narrow = *find->context->screen;
	struct buf text;
	const char *end;
	bool ok;

	if (narrow.columns > 2 * EVENT_MARGIN)
		narrow.columns -= EVENT_MARGIN;
	buf_init(&text, COMMAND_OUT_MAX);
	ok = grid_write(grid, &narrow, &text, reterr);
	for (size_t at = 0; ok && at < text.len;) {
		end = memchr(text.data + at, '\n', text.len - at);
		CHECK(end != NULL);
		(void)buf_printf(find->out, "%*s", EVENT_MARGIN, "");
		(void)buf_append(find->out, text.data + at,
		    (size_t)(end + 1 - text.data) - at);
		at = (size_t)(end + 1 - text.data);
	}
	buf_fini(&text);
	return ok;
}

static bool
show_properties(const struct find *find, const json_t *row, struct err *reterr)
{
	static const struct grid_column columns[] = {
	    {"PROPERTY", NULL, GRID_TEXT, GRID_CUT, 0, NULL},
	    {"SENT AS", NULL, GRID_TEXT, GRID_WRAP, 0, NULL},
	    {"WHY", NULL, GRID_TEXT, GRID_WRAP | GRID_HIDE_ZERO, 0, NULL},
	};
	const json_t *decisions = value_at(row, "explanation.decisions");
	struct grid *grid = grid_new(columns, 3, find->context->now_ms);
	bool ok = true;

	for (size_t i = 0; i < json_array_size(decisions); i++) {
		const json_t *decision = json_array_get(decisions, i);
		const char *of = value_text(decision, "of");

		/* these two stand above */
		if (value_at(decision, "as") != NULL ||
		    (strcmp(of, "identity") != 0 && strcmp(of, "event") != 0))
			property_row(grid, row, decision);
	}
	if (grid_rows(grid) > 0)
		ok = show_grid(find, grid, reterr);
	grid_free(grid);
	return ok;
}

/* Why the identity, or the event's name, is what it is. */
static const char *
decision_of(const json_t *row, const char *subject)
{
	const json_t *decisions = value_at(row, "explanation.decisions");
	const char *is = "";

	for (size_t i = 0; i < json_array_size(decisions); i++) {
		const json_t *decision = json_array_get(decisions, i);

		if (value_at(decision, "as") == NULL &&
		    strcmp(value_text(decision, "of"), subject) == 0)
			is = value_text(decision, "is");
	}
	return is;
}

static void
show_identity(const struct find *find, const json_t *row)
{
	const json_t *event = value_at(row, "explanation.event");
	const char *identity = value_text(event, "identity");
	struct buf *out = find->out;

	(void)buf_text(
	    out, *identity != '\0' ? "identity " : "anonymous user ");
	text_put(
	    out, *identity != '\0' ? identity : value_text(event, "user_id"));
	(void)buf_text(out, " (");
	text_put(out, decision_of(row, "identity"));
	(void)buf_text(out, ") at ");
	text_put(out, value_text(row, "destination"));
	(void)buf_text(out, ",\n           as ");
	text_put(out, value_text(event, "event"));
	(void)buf_text(out, " (");
	text_put(out, decision_of(row, "event"));
	(void)buf_text(out, ")\n");
}

/* What the destination was or will be sent, by the rules of now. */
static bool
show_explanation(const struct find *find, const json_t *row, struct err *reterr)
{
	const char *fate = value_text(row, "explanation.fate");
	bool queued = strcmp(value_text(row, "place"), "queued") == 0;
	const json_t *sent = value_at(row, "explanation.sent");
	struct buf *out = find->out;
	char *text;

	if (value_at(row, "explanation") == NULL) {
		show_line(find, "Mapping", value_text(row, "unexplained"));
		return true;
	}
	show_head(find, queued ? "Will be" : "By rules");
	if (strcmp(fate, "send") != 0) {
		screen_text(find->context->screen, out, TONE_WRONG,
		    strcmp(fate, "drop") == 0 ? "dropped: " : "dead: ");
		text_put(out, value_text(row, "explanation.reason"));
		(void)buf_char(out, '\n');
	} else if (sent != NULL) {
		text = json_is_string(sent) ? strdup(json_string_value(sent))
					    : json_dumps(sent, JSON_COMPACT);
		text_put(out, text != NULL ? text : "");
		free(text);
		(void)buf_text(out, ", of ");
		text_put(out, value_text(row, "explanation.label"));
		(void)buf_char(out, '\n');
	} else {
		show_identity(find, row);
	}
	return show_properties(find, row, reterr);
}

/* "queued (deferred, try 2 at 14:44)" */
static void
show_place(const struct find *find, const json_t *row)
{
	const char *place = value_text(row, "place");
	const json_t *sender = value_at(row, "sender");
	const char *state = value_text(sender, "state");
	struct buf *out = find->out;

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
	show_head(find, "Held up");
	text_put(out, value_text(row, "destination"));
	(void)buf_text(out, " is ");
	screen_text(find->context->screen, out, TONE_WRONG, "%s", state);
	if (*value_text(sender, "why") != '\0')
		(void)buf_text(out, ": ");
	text_put(out, value_text(sender, "why"));
	(void)buf_char(out, '\n');
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
		    "hidden, for its private values: --raw shows it");
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
