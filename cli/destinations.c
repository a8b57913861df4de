/*
 * currentsd destinations, destinations show, pause, resume, retry; sources,
 * sources show.
 */

#include "cli/command.h"
#include "cli/grid.h"
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

typedef bool list_fn(const json_t *list, const struct screen *screen,
    int64_t now_ms, struct buf *out, struct err *reterr);

static int
list_show(struct command_context *context, const char *path, const char *member,
    list_fn *fn, struct buf *out)
{
	json_t *answer;
	struct ask ask;
	struct err err;
	int code;

	ask_init(&ask, "GET", path);
	code = command_ask(context, &ask, NULL, NULL, &answer, out);
	if (answer != NULL && !fn(value_at(answer, member), context->screen,
				  context->now_ms, out, &err))
		code = command_fail(out, &err);
	json_decref(answer);
	return code;
}

int
command_destinations(struct command_context *context, struct buf *out)
{
	return list_show(
	    context, "/destinations", "destinations", status_destinations, out);
}

int
command_sources(struct command_context *context, struct buf *out)
{
	return list_show(context, "/sources", "sources", status_sources, out);
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
	switch (fact->form) {
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
	case FACT_RATE:
		show_rate(json_number_value(value), ret, size);
		break;
	case FACT_SECONDS:
	case FACT_LEFT:
	case FACT_SINCE:
	case FACT_SINCE_START:
		show_duration(whole, ret, size);
		break;
	case FACT_TIME:
		if (value_time_read(json_string_value(value), &ms))
			show_timestamp(context->now_ms, ms,
			    context->screen->utc, ret, size);
		break;
	}
}

static void
facts_add(struct grid *grid, const struct fact *rows, const json_t *object,
    const struct command_context *context)
{
	char text[VALUE_MOST];

	for (;
	     rows->name != NULL || rows->metric != NULL || rows->label != NULL;
	     rows++) {
		const json_t *value =
		    rows->name != NULL ? value_at(object, rows->name) : NULL;

		if (value == NULL || rows->help == NULL)
			continue;
		fact_value(rows, value, context, text, sizeof(text));
		grid_row(grid, NULL);
		grid_text(grid, ONE_NAME, rows->name);
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
one_show(struct command_context *context, const char *path,
    const struct fact *const *tables, struct buf *out)
{
	const struct options *options = context->options;
	struct grid *grid;
	json_t *answer;
	struct ask ask;
	struct err err;
	int code;

	ask_init(&ask, "GET", path);
	ask.name = str_text(options->words[0]);
	code = command_ask(context, &ask, NULL, NULL, &answer, out);
	if (answer == NULL)
		return code;
	status_attention(value_at(answer, "attention"), context->screen, out);
	if (out->len > 0)
		(void)buf_char(out, '\n');
	grid = grid_new(one_columns, ONE_COLUMNS, context->now_ms);
	for (; *tables != NULL; tables++)
		facts_add(grid, *tables, answer, context);
	facts_add(grid, facts_refused, value_at(answer, "refused"), context);
	tokens_add(grid, answer, context);
	limits_add(grid, answer);
	if (!grid_write(grid, context->screen, out, &err))
		code = command_fail(out, &err);
	grid_free(grid);
	json_decref(answer);
	return code;
}

static bool
one_name(
    const struct command_context *context, const char *noun, struct err *reterr)
{
	return context->options->word_count == 1 ||
	       err_set(reterr, ERR_INPUT,
		   "give the name of one %s; `currentsd %ss` lists them", noun,
		   noun);
}

int
command_destinations_show(struct command_context *context, struct buf *out)
{
	static const struct fact *const tables[] = {
	    facts_destination, facts_sender, NULL};
	struct err err;

	if (!one_name(context, "destination", &err))
		return command_fail(out, &err);
	return one_show(context, "/destinations/*", tables, out);
}

int
command_sources_show(struct command_context *context, struct buf *out)
{
	static const struct fact *const tables[] = {
	    facts_source, facts_failing, NULL};
	struct err err;

	if (!one_name(context, "source", &err))
		return command_fail(out, &err);
	return one_show(context, "/sources/*", tables, out);
}

/* ---- orders ---- */

static const char retry_path[] = "/destinations/*/retry";

/* What happens next, as a sentence. */
static void
next_write(const json_t *answer, const struct command_context *context,
    bool retry, struct buf *out)
{
	const char *state = value_text(answer, "state");
	const char *why = value_text(answer, "why");
	int64_t until_ms = value_time_ms(answer, "until");
	char queued[SHOW_TEXT], until[SHOW_TEXT];

	show_number(value_int(answer, "queued"), queued, sizeof(queued));
	show_timestamp(context->now_ms, until_ms, context->screen->utc, until,
	    sizeof(until));
	(void)buf_printf(out, "%s is ", value_text(answer, "name"));
	if (retry && until_ms == 0 &&
	    (strcmp(state, "halted") == 0 ||
		strcmp(state, "backing_off") == 0)) {
		(void)buf_printf(out,
		    "tried now: %s queued; its last trouble was: ", queued);
		show_foreign(out, why, strlen(why), VALUE_MOST);
		(void)buf_text(
		    out, "\nWhether it accepts again: currentsd status\n");
		return;
	}
	if (strcmp(state, "running") == 0)
		(void)buf_printf(out, "running: %s queued%s", queued,
		    retry ? "; what failed is tried now" : "");
	else if (strcmp(state, "stopped") == 0)
		(void)buf_printf(out,
		    "resumed: %s queued, sent as soon as the daemon runs",
		    queued);
	else if (strcmp(state, "paused") == 0)
		(void)buf_printf(out,
		    "paused: %s queued; requests in flight still complete",
		    queued);
	else if (strcmp(state, "trial") == 0)
		(void)buf_text(
		    out, "on trial: dry_run is set, and nothing is sent");
	else if (strcmp(state, "cooling_down") == 0)
		(void)buf_printf(out,
		    "cooling down: %s queued, sent from %s on; ", queued,
		    until);
	else
		(void)buf_printf(out, "still %s: %s queued, next try %s; ",
		    strcmp(state, "halted") == 0 ? "halted" : "backing off",
		    queued, until_ms != 0 ? until : "now");
	if (out->data[out->len - 1] == ' ')
		show_foreign(out, why, strlen(why), VALUE_MOST);
	(void)buf_char(out, '\n');
}

static int
order(struct command_context *context, const char *path, struct buf *out)
{
	const struct options *options = context->options;
	bool retry = strcmp(path, retry_path) == 0;
	json_t *answer;
	struct ask ask;
	struct err err;
	int code;

	if (!one_name(context, "destination", &err))
		return command_fail(out, &err);
	ask_init(&ask, "POST", path);
	ask.name = str_text(options->words[0]);
	if (options_has(options, "--force"))
		ask_param(&ask, "force", "yes");
	code = command_ask(context, &ask, NULL, NULL, &answer, out);
	if (answer == NULL)
		return code;
	if (value_bool(answer, "followed")) {
		next_write(answer, context, retry, out);
		screen_fit(context->screen, out, 0, ORDER_INDENT);
	} else {
		(void)buf_printf(out,
		    "%s follows as soon as its disk answers\n",
		    value_text(answer, "name"));
	}
	json_decref(answer);
	return code;
}

int
command_destinations_pause(struct command_context *context, struct buf *out)
{
	return order(context, "/destinations/*/pause", out);
}

int
command_destinations_resume(struct command_context *context, struct buf *out)
{
	return order(context, "/destinations/*/resume", out);
}

int
command_destinations_retry(struct command_context *context, struct buf *out)
{
	return order(context, retry_path, out);
}
