/*
 * currentsd dead list, show, requeue, export, drop: the dead letters. Editing
 * one is in dead_edit.c.
 */

#include "cli/filter.h"
#include "cli/grid.h"
#include "cli/show.h"
#include "cli/value.h"

#include <string.h>

enum {
	DEAD_ANSWER = 60, /* bytes of the answer in a list */
	DEAD_TEXT_MAX = 4096,
	DEAD_MARGIN = 13,
};

const struct option_row command_dead_list_options[] = {
    FILTER_OPTIONS,
    FILTER_REASON_OPTION,
    {"--after", "ID", "Only dead letters with a higher id."},
    {"--limit", "N", "At most N (default 50)."},
    COMMAND_GRID_OPTIONS,
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

const struct option_row command_dead_requeue_options[] = {
    {"--all", NULL, "All dead letters."},
    FILTER_OPTIONS,
    FILTER_REASON_OPTION,
    FILTER_LIMIT_OPTION,
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

const struct option_row command_dead_export_options[] = {
    FILTER_OPTIONS,
    FILTER_REASON_OPTION,
    {"--after", "ID", "Only dead letters with a higher id."},
    FILTER_LIMIT_OPTION,
    {NULL, NULL, NULL},
};

const struct option_row command_dead_drop_options[] = {
    {"--yes", NULL, "Confirm: dropped events cannot be recovered."},
    {"--all", NULL, "All dead letters."},
    FILTER_OPTIONS,
    FILTER_REASON_OPTION,
    FILTER_LIMIT_OPTION,
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* ---- list ---- */

enum { LIST_ID, LIST_SINCE, LIST_SOURCE, LIST_TYPE, LIST_STATUS, LIST_REASON };

static bool
list_row(void *arg, json_t *row, struct str text, struct err *reterr)
{
	const char *answer = value_text(row, "answer");
	struct grid *grid = arg;
	struct buf reason;

	(void)text;
	(void)reterr;
	buf_init(&reason, DEAD_TEXT_MAX);
	(void)buf_text(&reason, value_text(row, "reason"));
	if (*answer != '\0') {
		(void)buf_text(&reason, ": ");
		show_foreign(&reason, answer, strlen(answer), DEAD_ANSWER);
	}
	(void)buf_char(&reason, '\0');
	grid_row(grid, row);
	grid_text(grid, LIST_REASON, buf_ok(&reason, NULL) ? reason.data : "");
	buf_fini(&reason);
	return true;
}

int
command_dead_list(struct command_context *context, struct buf *out)
{
	static const struct grid_column columns[] = {
	    {"ID", "id", GRID_TEXT, 0, 0, NULL},
	    {"DEAD SINCE", "dead", GRID_TIME, 0, 2, NULL},
	    {"SOURCE", "source", GRID_TEXT, GRID_CUT, 3, NULL},
	    {"TYPE", "type", GRID_TEXT, GRID_CUT | GRID_KEEP_END, 0, NULL},
	    {"STATUS", "status", GRID_NUMBER, GRID_HIDE_ZERO, 0, NULL},
	    {"REASON", NULL, GRID_TEXT, GRID_WRAP, 0, NULL},
	};
	struct grid *grid = grid_new(
	    columns, sizeof(columns) / sizeof(columns[0]), context->now_ms);
	json_t *summary;
	struct ask ask;
	int code;

	ask_init(&ask, "GET", "/dead");
	filter_ask(context->options, &ask);
	code = command_ask(context, &ask, list_row, grid, &summary, out);
	if (summary != NULL && grid_rows(grid) == 0)
		(void)buf_text(out, "no dead letters match\n");
	else if (summary != NULL)
		code = command_grid_write(context, grid, summary, out);
	grid_free(grid);
	json_decref(summary);
	return code;
}

/* ---- show ---- */

static void
show_line(const struct command_context *context, struct buf *out,
    const char *head, const char *text)
{
	screen_text(
	    context->screen, out, TONE_STRONG, "%-*s", DEAD_MARGIN, head);
	show_foreign(out, text, strlen(text), DEAD_TEXT_MAX);
	(void)buf_char(out, '\n');
}

static void
show_part(const struct command_context *context, struct buf *out,
    const char *head, const json_t *part)
{
	size_t len = json_string_length(part);

	if (!json_is_string(part))
		return;
	(void)buf_char(out, '\n');
	screen_text(
	    context->screen, out, TONE_STRONG, "%s (%zu bytes)", head, len);
	(void)buf_char(out, '\n');
	(void)buf_append(out, json_string_value(part), len);
	(void)buf_char(out, '\n');
}

static void
show_text(
    const struct command_context *context, struct buf *out, const json_t *dead)
{
	static const char *const texts[][2] = {{"type", "type"},
	    {"source", "source"}, {"destination", "destination"},
	    {"reason", "reason"}};
	static const char *const times[][2] = {
	    {"accepted", "accepted"}, {"dead since", "dead"}};
	char text[SHOW_TEXT], next[128];
	long long id = value_int(dead, "id");

	(void)snprintf(text, sizeof(text), "%lld", id);
	show_line(context, out, "id", text);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		show_line(
		    context, out, texts[i][0], value_text(dead, texts[i][1]));
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		show_timestamp(context->now_ms,
		    value_time_ms(dead, times[i][1]), context->screen->utc,
		    text, sizeof(text));
		show_line(context, out, times[i][0], text);
	}
	(void)snprintf(
	    text, sizeof(text), "%lld", (long long)value_int(dead, "attempts"));
	show_line(context, out, "attempts", text);
	if (value_int(dead, "status") != 0) {
		(void)snprintf(text, sizeof(text), "%lld",
		    (long long)value_int(dead, "status"));
		show_line(context, out, "status", text);
	}
	(void)snprintf(next, sizeof(next),
	    "currentsd dead edit %lld, dead requeue %lld, or dead drop %lld",
	    id, id, id);
	show_line(context, out, "next", next);
	show_part(context, out, "the answer", value_at(dead, "answer"));
	show_part(context, out, "what was sent", value_at(dead, "sent"));
	show_part(
	    context, out, "the event as received", value_at(dead, "event"));
	if (value_at(dead, "member") != NULL) {
		(void)buf_printf(out, "\nthe change\n%c",
		    value_bool(dead, "entered") ? '+' : '-');
		(void)buf_printf(out, "%s\n", value_text(dead, "member"));
	}
}

int
command_dead_show(struct command_context *context, struct buf *out)
{
	json_t *dead;
	struct ask ask;
	struct err err;
	int64_t id;
	int code;

	if (!command_id_read(context->options, &id)) {
		(void)err_set(&err, ERR_INPUT,
		    "dead show needs one id, as shown by `currentsd dead "
		    "list`");
		return command_fail(out, &err);
	}
	ask_init(&ask, "GET", "/dead/*");
	ask.name = str_text(context->options->words[0]);
	code = command_ask(context, &ask, NULL, NULL, &dead, out);
	if (dead != NULL)
		show_text(context, out, dead);
	json_decref(dead);
	return code;
}

/* ---- requeue and drop ---- */

/* Filters, --all, or one id as a word. Without a filter the operator must say
 * --all: leaving out all filters may be a slip. */
static bool
decision_ask(const struct command_context *context, const char *verb,
    struct ask *ask, struct err *reterr)
{
	const struct options *options = context->options;
	bool requeue = strcmp(verb, "requeue") == 0;
	unsigned ways = (unsigned)options_has(options, "--all") +
			(unsigned)filter_given(options) +
			(unsigned)(options->word_count > 0);
	int64_t id;

	if (ways != 1 || options->word_count > 1)
		return err_set(reterr, ERR_INPUT,
		    "dead %s needs one id, filters, or --all", verb);
	if (options->word_count == 1) {
		if (!command_id_read(options, &id))
			return err_set(reterr, ERR_INPUT,
			    "%s is not the id of a dead letter",
			    options->words[0]);
		ask_init(
		    ask, "POST", requeue ? "/dead/*/requeue" : "/dead/*/drop");
		ask->name = str_text(options->words[0]);
		return true;
	}
	ask_init(ask, "POST", requeue ? "/dead/requeue" : "/dead/drop");
	if (options_has(options, "--all"))
		ask_param(ask, "all", "yes");
	filter_ask(options, ask);
	return true;
}

static int
decision_run(struct command_context *context, const struct ask *ask,
    const char *done, struct buf *out)
{
	char number[SHOW_TEXT];
	json_t *answer;
	int64_t count;
	int code = command_ask_judged(context, ask, NULL, NULL, &answer, out);

	if (code != EXIT_FINE)
		return code;
	count = value_int(answer, done);
	show_number(count, number, sizeof(number));
	if (!options_has(context->options, "--json"))
		(void)buf_printf(out, "%s %s dead letter%s\n", done, number,
		    count == 1 ? "" : "s");
	if (value_int(answer, "unserved") > 0)
		code = EXIT_FOUND;
	json_decref(answer);
	return code;
}

int
command_dead_requeue(struct command_context *context, struct buf *out)
{
	struct ask ask;
	struct err err;

	if (!decision_ask(context, "requeue", &ask, &err))
		return command_fail(out, &err);
	return decision_run(context, &ask, "requeued", out);
}

int
command_dead_drop(struct command_context *context, struct buf *out)
{
	struct ask ask;
	struct err err;

	if (!decision_ask(context, "drop", &ask, &err))
		return command_fail(out, &err);
	if (!options_has(context->options, "--yes")) {
		(void)err_set(&err, ERR_INPUT,
		    "dropped events cannot be recovered: look at them first "
		    "with `currentsd dead list` and the same filters, then add "
		    "--yes");
		return command_fail(out, &err);
	}
	return decision_run(context, &ask, "dropped", out);
}

/* ---- export ---- */

int
command_dead_export(struct command_context *context, struct buf *out)
{
	struct ask ask;

	ask_init(&ask, "GET", "/events");
	ask_param(&ask, "place", "dead");
	ask_param(&ask, "full", "yes");
	filter_ask(context->options, &ask);
	return command_export(context, &ask, out);
}
