/* currentsd ledger: what became of every event ever received. */

#include "cli/command.h"
#include "cli/value.h"

#include <jansson.h>
#include <string.h>

const struct option_row command_ledger_options[] = {
    {"--by", "source|type|day|hour|campaign", "Print a line for each."},
    {"--last", "WHEN", "By day, hour or campaign: only the last 3d, or 12h."},
    {"--check", NULL, "Recount the stored events and compare."},
    {"--csv", NULL, "Print the lines as CSV."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

enum {
	LINE_LABEL,
	LINE_RECEIVED,
	LINE_DELIVERED,
	LINE_QUEUED,
	LINE_DROPPED,
	LINE_DUPLICATES,
	LINE_DEAD,
	LINE_ERASED,
	LINE_EXPIRED,
	LINE_IMBALANCE,
	LINE_COLUMNS
};

/* The head of the labels is what the lines are by. */
static void
line_columns(const char *head, struct grid_column columns[LINE_COLUMNS])
{
	static const struct grid_column all[LINE_COLUMNS] = {
	    [LINE_LABEL] = {NULL, "label", GRID_TEXT, GRID_CUT | GRID_KEEP_END,
		0, NULL},
	    [LINE_RECEIVED] = {"RECEIVED", "received", GRID_NUMBER, 0, 0, NULL},
	    [LINE_DELIVERED] = {"DELIVERED", "delivered", GRID_NUMBER, 0, 0,
		NULL},
	    [LINE_QUEUED] = {"QUEUED", "queued", GRID_NUMBER, GRID_HIDE_ZERO, 0,
		NULL},
	    [LINE_DROPPED] = {"DROPPED", "dropped", GRID_NUMBER, GRID_HIDE_ZERO,
		0, NULL},
	    [LINE_DUPLICATES] = {"DUPLICATES", "duplicates", GRID_NUMBER,
		GRID_HIDE_ZERO, 0, NULL},
	    [LINE_DEAD] = {"DEAD", "dead", GRID_NUMBER, GRID_HIDE_ZERO, 0,
		NULL},
	    [LINE_ERASED] = {"ERASED", "erased", GRID_NUMBER, GRID_HIDE_ZERO, 0,
		NULL},
	    [LINE_EXPIRED] = {"EXPIRED", "expired", GRID_NUMBER, GRID_HIDE_ZERO,
		0, NULL},
	    [LINE_IMBALANCE] = {"OFF BY", "imbalance", GRID_NUMBER,
		GRID_HIDE_ZERO, 0, NULL},
	};

	memcpy(columns, all, sizeof(all));
	columns[LINE_LABEL].head = head;
}

static const struct grid_column replay_columns[] = {
    {"REPLAYS", "label", GRID_TEXT, GRID_CUT, 0, NULL},
    {"REPLAYED", "replayed", GRID_NUMBER, 0, 0, NULL},
    {"QUEUED", "replay_queued", GRID_NUMBER, 0, 0, NULL},
    {"DELIVERED", "replay_delivered", GRID_NUMBER, 0, 0, NULL},
    {"REFUSED", "replay_refused", GRID_NUMBER, 0, 0, NULL},
};

enum { OF_DAY, OF_NAME };
static const struct grid_column campaign_columns[] = {
    {"DAY", "day", GRID_TEXT, 0, 0, NULL},
    {"CAMPAIGN", "name", GRID_TEXT, GRID_CUT, 0, NULL},
    {"KIND", "kind", GRID_TEXT, 0, 2, NULL},
    {"TYPE", "type", GRID_TEXT, GRID_CUT | GRID_KEEP_END, 0, NULL},
    {"DELIVERED", "delivered", GRID_NUMBER, 0, 0, NULL},
    {"DROPPED", "dropped", GRID_NUMBER, GRID_HIDE_ZERO, 0, NULL},
    {"DEAD", "dead", GRID_NUMBER, GRID_HIDE_ZERO, 0, NULL},
};

static const struct grid_column drop_columns[] = {
    {"DROPPED BY RULE", "rule", GRID_TEXT, GRID_CUT, 0, NULL},
    {"TYPE", "type", GRID_TEXT, GRID_CUT | GRID_KEEP_END, 0, NULL},
    {"EVENTS", "count", GRID_NUMBER, 0, 0, NULL},
};

static const char *
head_of(const char *by)
{
	static const char *const heads[][2] = {{"source", "SOURCE"},
	    {"type", "TYPE"}, {"day", "DAY (UTC)"}, {"hour", "HOUR (UTC)"}};

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		if (strcmp(heads[i][0], by) == 0)
			return heads[i][1];
	}
	return "LEDGER";
}

/* A line that comes last, of all that there is, unless the lines begin at some
 * time. */
static void
total_add(struct grid *grid, const json_t *answer)
{
	grid_row(grid, value_at(answer, "total"));
	grid_text(grid, 0, "all");
}

/* As a table or as CSV. */
static bool
lines_end(const struct command_context *context, struct grid *grid,
    struct buf *out, struct err *reterr)
{
	bool ok;

	if (!options_has(context->options, "--csv"))
		return grid_end(grid, context->screen, out, reterr);
	ok = grid_csv_write(grid, out, reterr);
	grid_free(grid);
	return ok;
}

static bool
campaigns_write(struct command_context *context, const json_t *answer,
    struct buf *out, struct err *reterr)
{
	struct grid *grid = grid_new(GRID(campaign_columns), context->now_ms);
	const json_t *line;
	size_t i;
	bool ok;

	json_array_foreach(value_at(answer, "lines"), i, line)
	{
		grid_row(grid, line);
		if (*value_text(line, "name") == '\0')
			grid_text(grid, OF_NAME,
			    *value_text(line, "id") != '\0'
				? value_text(line, "id")
				: "(none)");
	}
	grid_sort(grid, OF_DAY, false);
	ok = lines_end(context, grid, out, reterr);
	if (!options_has(context->options, "--csv"))
		command_say(context, out, answer,
		    "\nA day is the event's own, in {timezone} "
		    "(report_timezone).\n");
	return ok;
}

static bool
lines_write(struct command_context *context, const json_t *answer,
    struct buf *out, struct err *reterr)
{
	struct grid_column columns[LINE_COLUMNS];
	struct grid *grid;
	const json_t *line;
	size_t i;

	line_columns(head_of(value_text(answer, "by")), columns);
	grid = grid_new(columns, LINE_COLUMNS, context->now_ms);
	json_array_foreach(value_at(answer, "lines"), i, line)
	{
		const char *segment = value_text(line, "segment");

		grid_row(grid, line);
		if (*segment != '\0')
			grid_textf(grid, LINE_LABEL, "%s: %s",
			    value_text(line, "label"), segment);
		if (value_int(line, "imbalance") != 0)
			grid_tone(grid, LINE_IMBALANCE, TONE_WRONG);
	}
	if (!options_has(context->options, "--csv") &&
	    !options_has(context->options, "--last"))
		total_add(grid, answer);
	return lines_end(context, grid, out, reterr);
}

/* Replays are apart: they were counted as delivered before. */
static bool
replays_write(struct command_context *context, const json_t *answer,
    struct buf *out, struct err *reterr)
{
	struct grid *grid = grid_new(GRID(replay_columns), context->now_ms);
	const json_t *line;
	size_t i;

	json_array_foreach(value_at(answer, "lines"), i, line)
	{
		if (value_int(line, "replayed") > 0)
			grid_row(grid, line);
	}
	total_add(grid, answer);
	(void)buf_char(out, '\n');
	return grid_end(grid, context->screen, out, reterr);
}

static bool
drops_write(struct command_context *context, const json_t *answer,
    struct buf *out, struct err *reterr)
{
	struct grid *grid = grid_new(GRID(drop_columns), context->now_ms);
	const json_t *drop;
	size_t i;

	json_array_foreach(value_at(answer, "drops"), i, drop)
	    grid_row(grid, drop);
	if (grid_rows(grid) > 0)
		(void)buf_char(out, '\n');
	return grid_end(grid, context->screen, out, reterr);
}

static void
verdict_write(
    struct command_context *context, const json_t *answer, struct buf *out)
{
	const json_t *check = value_at(answer, "check"), *difference;
	bool balances = value_bool(answer, "balances");
	size_t i;

	(void)buf_char(out, '\n');
	json_array_foreach(value_at(check, "differences"), i, difference)(void)
	    buf_printf(out, "difference: %s\n", json_string_value(difference));
	if (value_bool(check, "agree"))
		(void)buf_text(
		    out, "The stored events agree with the ledger.\n");
	screen_text(context->screen, out, balances ? TONE_GOOD : TONE_WRONG,
	    balances	    ? "Every row balances."
	    : check != NULL ? "THE LEDGER IS OFF."
			    : "THE LEDGER IS OFF: compare with what is stored, "
			      "by --check.");
	(void)buf_char(out, '\n');
}

/* Behind the lines. */
static bool
rest_write(struct command_context *context, const json_t *answer,
    struct buf *out, struct err *reterr)
{
	if (value_int(answer, "total.replayed") > 0 &&
	    !replays_write(context, answer, out, reterr))
		return false;
	if (!drops_write(context, answer, out, reterr))
		return false;
	if (value_int(answer, "unreadable_bodies.kept") +
		value_int(answer, "unreadable_bodies.removed") >
	    0)
		command_say(context, out, answer,
		    "\nUnreadable bodies, whose events are not counted: "
		    "{unreadable_bodies.kept#} kept, "
		    "{unreadable_bodies.removed#} removed\n");
	verdict_write(context, answer, out);
	return true;
}

static int
ledger_show(
    struct command_context *context, const json_t *answer, struct buf *out)
{
	struct err err;
	bool ok;

	if (value_at(answer, "timezone") != NULL) {
		ok = campaigns_write(context, answer, out, &err);
	} else {
		ok = lines_write(context, answer, out, &err);
		if (ok && !options_has(context->options, "--csv"))
			ok = rest_write(context, answer, out, &err);
	}
	if (!ok)
		return command_fail(out, &err);
	return value_bool(answer, "balances") ? EXIT_FINE : EXIT_FOUND;
}

int
command_ledger(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct ask ask = command_call(context, "GET", "/ledger", "by check");

	ask_param(&ask, "since", options_value(options, "--last"));
	return command_answer(context, &ask, ledger_show, out);
}
