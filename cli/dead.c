/*
 * currentsd dead list, show, requeue, export, drop: the dead letters. Editing
 * one is in dead_edit.c.
 */

#include "cli/filter.h"
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

enum { LIST_REASON = 5 };

static void
list_fill(struct grid *grid, const json_t *row)
{
	const char *answer = value_text(row, "answer");
	struct buf reason;

	buf_init(&reason, DEAD_TEXT_MAX);
	(void)buf_text(&reason, value_text(row, "reason"));
	if (*answer != '\0') {
		(void)buf_text(&reason, ": ");
		show_foreign(&reason, answer, strlen(answer), DEAD_ANSWER);
	}
	(void)buf_char(&reason, '\0');
	grid_text(grid, LIST_REASON, buf_ok(&reason, NULL) ? reason.data : "");
	buf_fini(&reason);
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
	    [LIST_REASON] = {"REASON", NULL, GRID_TEXT, GRID_WRAP, 0, NULL},
	};
	struct ask ask =
	    command_call(context, "GET", "/dead", FILTER_PARAMS " after");

	return command_list(context, &ask, GRID(columns), list_fill,
	    "no dead letters match\n", out);
}

/* ---- show ---- */

static void
show_line(struct command_context *context, const json_t *dead, const char *head,
    const char *text, struct buf *out)
{
	screen_text(
	    context->screen, out, TONE_STRONG, "%-*s", DEAD_MARGIN, head);
	command_say(context, out, dead, text);
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

static int
dead_show(struct command_context *context, const json_t *dead, struct buf *out)
{
	static const char *const lines[][2] = {{"id", "{id%}"},
	    {"type", "{type}"}, {"source", "{source}"},
	    {"destination", "{destination}"}, {"reason", "{reason}"},
	    {"accepted", "{accepted@}"}, {"dead since", "{dead@}"},
	    {"attempts", "{attempts%}"}};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		show_line(context, dead, lines[i][0], lines[i][1], out);
	if (value_int(dead, "status") != 0)
		show_line(context, dead, "status", "{status%}", out);
	show_line(context, dead, "next",
	    "currentsd dead edit {id%}, dead requeue {id%}, or dead drop "
	    "{id%}",
	    out);
	show_part(context, out, "the answer", value_at(dead, "answer"));
	show_part(context, out, "what was sent", value_at(dead, "sent"));
	show_part(
	    context, out, "the event as received", value_at(dead, "event"));
	if (value_at(dead, "member") != NULL)
		(void)buf_printf(out, "\nthe change\n%c%s\n",
		    value_bool(dead, "entered") ? '+' : '-',
		    value_text(dead, "member"));
	return EXIT_FINE;
}

int
command_dead_show(struct command_context *context, struct buf *out)
{
	struct ask ask = command_call(context, "GET", "/dead/*", "");

	return command_answer(context, &ask, dead_show, out);
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

	if (ways != 1)
		return err_set(reterr, ERR_INPUT,
		    "dead %s needs one id, filters, or --all", verb);
	*ask = options->word_count > 0
		   ? command_call(context, "POST",
			 requeue ? "/dead/*/requeue" : "/dead/*/drop", "")
		   : command_call(context, "POST",
			 requeue ? "/dead/requeue" : "/dead/drop",
			 FILTER_PARAMS " all");
	return true;
}

static int
requeued_show(
    struct command_context *context, const json_t *answer, struct buf *out)
{
	command_say(context, out, answer,
	    "requeued {requeued#} dead letter{requeued+}\n");
	return value_int(answer, "unserved") > 0 ? EXIT_FOUND : EXIT_FINE;
}

static int
dropped_show(
    struct command_context *context, const json_t *answer, struct buf *out)
{
	command_say(
	    context, out, answer, "dropped {dropped#} dead letter{dropped+}\n");
	return EXIT_FINE;
}

int
command_dead_requeue(struct command_context *context, struct buf *out)
{
	struct ask ask;
	struct err err;

	if (!decision_ask(context, "requeue", &ask, &err))
		return command_fail(out, &err);
	return command_answer(context, &ask, requeued_show, out);
}

int
command_dead_drop(struct command_context *context, struct buf *out)
{
	struct ask ask;
	struct err err;

	if (!decision_ask(context, "drop", &ask, &err))
		return command_fail(out, &err);
	if (!options_has(context->options, "--yes"))
		return command_refuse(out,
		    "dropped events cannot be recovered: look at them first "
		    "with `currentsd dead list` and the same filters, then add "
		    "--yes");
	return command_answer(context, &ask, dropped_show, out);
}

/* ---- export ---- */

int
command_dead_export(struct command_context *context, struct buf *out)
{
	struct ask ask =
	    command_call(context, "GET", "/events", FILTER_PARAMS " after");

	ask_param(&ask, "place", "dead");
	ask_param(&ask, "full", "yes");
	return command_export(context, &ask, out);
}
