/*
 * currentsd person: in which segments a person is, and what came of and for
 * them in order of time: events and changes that are queued, delivered or dead.
 */

#include "cli/segment.h"
#include "cli/show.h"
#include "cli/value.h"

#include <inttypes.h>
#include <string.h>

const struct option_row command_person_options[] = {
    {"--limit", "N", "The last N events and changes (default 100)."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* ---- memberships ---- */

enum { COLUMN_WAITING = 5 };

static const struct grid_column membership_columns[] = {
    {"SEGMENT", "name", GRID_TEXT, GRID_CUT, 0, NULL},
    {"ID", "segment", GRID_TEXT, GRID_CUT, 2, NULL},
    {"DESTINATION", "destination", GRID_TEXT, 0, 3, NULL},
    {"SENT", "sent", GRID_TEXT, 0, 0, NULL},
    {"WHEN", "sent_at", GRID_TIME, 0, 1, NULL},
    {"WAITING", NULL, GRID_TEXT, GRID_HIDE_ZERO, 0, NULL},
};

static bool
memberships_show(const struct command_context *context,
    const json_t *memberships, struct buf *out, struct err *reterr)
{
	struct grid *grid = grid_new(GRID(membership_columns), context->now_ms);
	const json_t *row;
	size_t i;

	json_array_foreach(memberships, i, row)
	{
		const char *waiting = value_text(row, "waiting");

		grid_row(grid, row);
		if (*waiting == '\0')
			continue;
		grid_text(grid, COLUMN_WAITING,
		    strcmp(waiting, "in") == 0 ? "enters" : "leaves");
		grid_tone(grid, COLUMN_WAITING, TONE_WAITING);
	}
	if (grid_rows(grid) == 0)
		(void)buf_text(out, "no segment was ever sent for this id\n");
	return grid_end(grid, context->screen, out, reterr);
}

/* ---- the timeline ---- */

enum { COLUMN_WHAT = 1, COLUMN_OUTCOME = 2 };

static const struct grid_column timeline_columns[] = {
    {"ACCEPTED", "accepted", GRID_TIME, 0, 0, NULL},
    {"WHAT", "type", GRID_TEXT, GRID_WRAP, 0, NULL},
    {"OUTCOME", NULL, GRID_TEXT, GRID_WRAP, 0, NULL},
};

static void
outcome_text(
    const struct command_context *context, struct grid *grid, const json_t *row)
{
	const char *place = value_text(row, "place");
	const char *destination = value_text(row, "destination");
	char when[SHOW_TEXT];

	if (strcmp(place, "queued") == 0) {
		grid_textf(grid, COLUMN_OUTCOME, "waits for %s%s", destination,
		    value_bool(row, "replay") ? " (replay)" : "");
		grid_tone(grid, COLUMN_OUTCOME, TONE_WAITING);
	} else if (strcmp(place, "dead") == 0) {
		grid_textf(grid, COLUMN_OUTCOME,
		    "DEAD: %s (`currentsd dead show %" PRId64 "`)",
		    value_text(row, "reason"), value_int(row, "id"));
		grid_tone(grid, COLUMN_OUTCOME, TONE_WRONG);
	} else {
		show_timestamp(context->now_ms, value_time_ms(row, "settled"),
		    context->screen->utc, when, sizeof(when));
		grid_textf(grid, COLUMN_OUTCOME, "delivered to %s %s",
		    destination, when);
	}
}

static bool
timeline_show(const struct command_context *context, const json_t *answer,
    struct buf *out, struct err *reterr)
{
	struct grid *grid = grid_new(GRID(timeline_columns), context->now_ms);
	const json_t *row;
	struct buf title;
	size_t i;
	bool ok;

	buf_init(&title, GRID_CELL);
	json_array_foreach(value_at(answer, "timeline"), i, row)
	{
		grid_row(grid, row);
		if (value_at(row, "segment") != NULL) {
			buf_reset(&title);
			segment_title_show(&title, value_text(row, "name"),
			    value_text(row, "segment"));
			grid_textf(grid, COLUMN_WHAT, "%s %.*s",
			    value_bool(row, "entered") ? "entered" : "left",
			    (int)title.len, title.data);
		}
		outcome_text(context, grid, row);
	}
	if (grid_rows(grid) == 0)
		(void)buf_text(out,
		    "no event or change with this id is queued, dead or in the "
		    "archive\n");
	ok = grid_end(grid, context->screen, out, reterr);
	if (value_int(answer, "earlier") > 0)
		command_say(context, out, answer,
		    "{earlier%} earlier ones are not shown: use a higher "
		    "--limit\n");
	buf_fini(&title);
	return ok;
}

static int
person_show(
    struct command_context *context, const json_t *answer, struct buf *out)
{
	const json_t *memberships = value_at(answer, "memberships");
	struct err err;

	if (!memberships_show(context, memberships, out, &err))
		return command_fail(out, &err);
	(void)buf_char(out, '\n');
	if (!timeline_show(context, answer, out, &err))
		return command_fail(out, &err);
	return json_array_size(memberships) +
			   json_array_size(value_at(answer, "timeline")) >
		       0
		   ? EXIT_FINE
		   : EXIT_FOUND;
}

int
command_person(struct command_context *context, struct buf *out)
{
	struct ask ask = command_call(context, "GET", "/persons/*", "limit");

	return command_answer(context, &ask, person_show, out);
}
