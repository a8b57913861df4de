/*
 * currentsd destinations, destinations show, pause, resume, retry; sources,
 * sources show.
 */

#include "cli/command.h"
#include "cli/show.h"
#include "cli/status.h"
#include "cli/value.h"
#include "daemon/facts.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

const struct option_row command_retry_options[] = {
    {"--force", NULL, "Even if the destination asked to be left alone."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* ---- lists ---- */

static int
destinations_show(
    struct command_context *context, const json_t *answer, struct buf *out)
{
	struct err err;

	return status_destinations(value_at(answer, "destinations"),
		   context->screen, context->now_ms, out, &err)
		   ? EXIT_FINE
		   : command_fail(out, &err);
}

int
command_destinations(struct command_context *context, struct buf *out)
{
	struct ask ask = command_call(context, "GET", "/destinations", "");

	return command_answer(context, &ask, destinations_show, out);
}

static int
sources_show(
    struct command_context *context, const json_t *answer, struct buf *out)
{
	struct err err;

	return status_sources(value_at(answer, "sources"), context->screen,
		   context->now_ms, out, &err)
		   ? EXIT_FINE
		   : command_fail(out, &err);
}

int
command_sources(struct command_context *context, struct buf *out)
{
	struct ask ask = command_call(context, "GET", "/sources", "");

	return command_answer(context, &ask, sources_show, out);
}

/* ---- one of them, with all its facts ---- */

enum { ONE_NAME, ONE_VALUE, ONE_HELP, ONE_COLUMNS };
enum { VALUE_MOST = 512, ORDER_INDENT = 4 };

static const struct grid_column one_columns[ONE_COLUMNS] = {
    [ONE_NAME] = {"FACT", NULL, GRID_TEXT, 0, 0, NULL},
    [ONE_VALUE] = {"VALUE", NULL, GRID_TEXT, GRID_WRAP, 0, NULL},
    [ONE_HELP] = {"MEANING", NULL, GRID_TEXT, GRID_WRAP, 0, NULL},
};

/* A value as its row says it is meant. */
static void
fact_value(const struct fact *fact, const json_t *value,
    const struct command_context *context, char *ret, size_t size)
{
	int64_t whole = json_integer_value(value), ms;

	(void)snprintf(ret, size, "-");
	if (value == NULL || json_is_null(value))
		return;
	switch ((enum fact_form)fact->form) {
	case FACT_TEXT:
	case FACT_ESCAPED:
		if (*json_string_value(value) != '\0')
			(void)snprintf(
			    ret, size, "%s", json_string_value(value));
		break;
	case FACT_FLAG:
		(void)snprintf(
		    ret, size, "%s", json_is_true(value) ? "yes" : "no");
		break;
	case FACT_NUMBER:
	case FACT_STATUS:
		show_number(whole, ret, size);
		break;
	case FACT_BYTES:
		show_bytes(whole, ret, size);
		break;
	case FACT_REAL:
		show_rate(json_number_value(value), ret, size);
		break;
	case FACT_SECONDS:
	case FACT_LEFT:
	case FACT_SINCE:
	case FACT_AGE:
		show_duration(whole, ret, size);
		break;
	case FACT_TIME:
		if (value_time_read(json_string_value(value), &ms))
			show_timestamp(context->now_ms, ms,
			    context->screen->utc, ret, size);
		break;
	case FACT_HISTOGRAM: /* only a metric */
		break;
	}
}

static void
facts_add(struct grid *grid, const char *prefix, const struct fact *rows,
    const json_t *object, const struct command_context *context)
{
	char text[VALUE_MOST];

	for (; !fact_ends(rows); rows++) {
		const json_t *value =
		    rows->name != NULL ? value_at(object, rows->name) : NULL;

		if (value == NULL || rows->help == NULL)
			continue;
		fact_value(rows, value, context, text, sizeof(text));
		grid_row(grid, NULL);
		grid_textf(grid, ONE_NAME, "%s%s", prefix, rows->name);
		grid_text(grid, ONE_VALUE, text);
		grid_text(grid, ONE_HELP, rows->help);
	}
}

/* A row that is no fact of its own, but of a list of them. */
static void
list_add(struct grid *grid, const char *name, const char *value,
    const struct fact *fact)
{
	grid_row(grid, NULL);
	grid_text(grid, ONE_NAME, name);
	grid_text(grid, ONE_VALUE, value);
	grid_text(grid, ONE_HELP, fact->help);
}

static const struct fact *
fact_named(const struct fact *rows, const char *name)
{
	while (rows->name == NULL || strcmp(rows->name, name) != 0)
		rows++;
	return rows;
}

static void
tokens_add(struct grid *grid, const json_t *answer,
    const struct command_context *context)
{
	const struct fact *used = fact_named(facts_token, "last_used_s");
	const json_t *token;
	char name[VALUE_MOST], value[VALUE_MOST];
	size_t i;

	json_array_foreach(value_at(answer, "tokens"), i, token)
	{
		(void)snprintf(name, sizeof(name), "token %" PRId64,
		    value_int(token, "number"));
		fact_value(used, value_at(token, "last_used_s"), context, value,
		    sizeof(value));
		list_add(grid, name, value, used);
	}
}

static void
limits_add(struct grid *grid, const json_t *answer)
{
	const json_t *limit;
	char name[VALUE_MOST], value[VALUE_MOST], used[SHOW_TEXT],
	    amount[SHOW_TEXT];
	size_t i;

	json_array_foreach(value_at(answer, "limits"), i, limit)
	{
		show_number(value_int(limit, "used"), used, sizeof(used));
		show_number(value_int(limit, "amount"), amount, sizeof(amount));
		(void)snprintf(name, sizeof(name), "quota: %s in %" PRId64 " s",
		    value_text(limit, "unit"), value_int(limit, "window_s"));
		if (strcmp(value_text(limit, "scope"), "destination") == 0)
			(void)snprintf(
			    value, sizeof(value), "%s of %s", used, amount);
		else
			(void)snprintf(value, sizeof(value), "%s each", amount);
		list_add(grid, name, value, fact_named(facts_limit, "amount"));
	}
}

/* The tables are about the object, each if it has it. */
static int
one_show(struct command_context *context, const json_t *answer,
    const struct fact *const *tables, struct buf *out)
{
	struct grid *grid = grid_new(GRID(one_columns), context->now_ms);
	struct err err;

	status_attention(value_at(answer, "attention"), context->screen, out);
	if (out->len > 0)
		(void)buf_char(out, '\n');
	for (; *tables != NULL; tables++)
		facts_add(grid, "", *tables, answer, context);
	facts_add(grid, "refused.", facts_refused, value_at(answer, "refused"),
	    context);
	tokens_add(grid, answer, context);
	limits_add(grid, answer);
	return grid_end(grid, context->screen, out, &err)
		   ? EXIT_FINE
		   : command_fail(out, &err);
}

static int
destination_show(
    struct command_context *context, const json_t *answer, struct buf *out)
{
	static const struct fact *const tables[] = {
	    facts_destination, facts_sender, NULL};

	return one_show(context, answer, tables, out);
}

static int
source_show(
    struct command_context *context, const json_t *answer, struct buf *out)
{
	static const struct fact *const tables[] = {
	    facts_source, facts_failing, NULL};

	return one_show(context, answer, tables, out);
}

/* Ask about the one that the command's word names. */
static int
one_ask(struct command_context *context, const char *method, const char *path,
    command_show_fn *show, struct buf *out)
{
	struct ask ask = command_call(context, method, path, "force");

	return command_answer(context, &ask, show, out);
}

int
command_destinations_show(struct command_context *context, struct buf *out)
{
	return one_ask(
	    context, "GET", "/destinations/*", destination_show, out);
}

int
command_sources_show(struct command_context *context, struct buf *out)
{
	return one_ask(context, "GET", "/sources/*", source_show, out);
}

/* ---- orders ---- */

/* What happens next, as a sentence. */
static int
order_show(struct command_context *context, const json_t *answer, bool retry,
    struct buf *out)
{
	const char *state = value_text(answer, "state");
	const char *text;

	if (!value_bool(answer, "followed"))
		text = "follows as soon as its disk answers";
	else if (strcmp(state, "running") == 0)
		text = retry ? "is running: {queued#} queued; what failed is "
			       "tried now"
			     : "is running: {queued#} queued";
	else if (strcmp(state, "stopped") == 0)
		text = "is resumed: {queued#} queued, sent as soon as the "
		       "daemon runs";
	else if (strcmp(state, "paused") == 0)
		text = "is paused: {queued#} queued; requests in flight still "
		       "complete";
	else if (strcmp(state, "trial") == 0)
		text = "is on trial: dry_run is set, and nothing is sent";
	else if (strcmp(state, "cooling_down") == 0)
		text = "is cooling down: {queued#} queued, sent from {until@} "
		       "on; {why}";
	else if (value_time_ms(answer, "until") != 0)
		text = ": {queued#} queued, next try {until@}; {why}";
	else
		text = retry ? "is tried now: {queued#} queued; its last "
			       "trouble was: {why}\n"
			       "Whether it accepts again: currentsd status"
			     : ": {queued#} queued, next try now; {why}";
	command_say(context, out, answer, "{name} ");
	if (*text == ':')
		(void)buf_printf(out, "is still %s",
		    strcmp(state, "halted") == 0 ? "halted" : "backing off");
	command_say(context, out, answer, text);
	(void)buf_char(out, '\n');
	screen_fit(context->screen, out, 0, ORDER_INDENT);
	return EXIT_FINE;
}

static int
pause_show(
    struct command_context *context, const json_t *answer, struct buf *out)
{
	return order_show(context, answer, false, out);
}

static int
retry_show(
    struct command_context *context, const json_t *answer, struct buf *out)
{
	return order_show(context, answer, true, out);
}

int
command_destinations_pause(struct command_context *context, struct buf *out)
{
	return one_ask(
	    context, "POST", "/destinations/*/pause", pause_show, out);
}

int
command_destinations_resume(struct command_context *context, struct buf *out)
{
	return one_ask(
	    context, "POST", "/destinations/*/resume", pause_show, out);
}

int
command_destinations_retry(struct command_context *context, struct buf *out)
{
	return one_ask(
	    context, "POST", "/destinations/*/retry", retry_show, out);
}
