/*
 * currentsd segments, segments show, syncs, resend, release, retire, verify:
 * the segments that are kept up to date at a destination.
 */

#include "cli/segment.h"
#include "cli/show.h"
#include "cli/value.h"

#include <inttypes.h>
#include <string.h>

enum { SHOWN_MOST = 10 };

const struct option_row command_segments_options[] = {
    SEGMENT_NARROW_OPTIONS,
    {"--attention", NULL,
	"Only those that are stale, incomplete, held or refused."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

const struct option_row command_segments_one_options[] = {
    SEGMENT_NARROW_OPTIONS,
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

const struct option_row command_segments_retire_options[] = {
    SEGMENT_NARROW_OPTIONS,
    {"--yes", NULL, "Do not ask."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

const struct option_row command_segments_verify_options[] = {
    SEGMENT_NARROW_OPTIONS,
    {"--sample", "N", "Ask for so many members (default 200)."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

static enum tone
state_tone(const char *state)
{
	static const struct {
		const char *state;
		enum tone tone;
	} tones[] = {{"fresh", TONE_GOOD}, {"done", TONE_GOOD},
	    {"sending", TONE_WAITING}, {"arriving", TONE_WAITING},
	    {"retired", TONE_QUIET}};

	for (size_t i = 0; i < sizeof(tones) / sizeof(tones[0]); i++) {
		if (strcmp(state, tones[i].state) == 0)
			return tones[i].tone;
	}
	return TONE_WRONG;
}

/* ---- the table ---- */

enum {
	COLUMN_DONE = 6,
	COLUMN_COMPLETE = 8,
	COLUMN_DESTINATION = 10, /* the last one, for several of them */
};

static const struct grid_column columns[] = {
    {"SEGMENT", "name", GRID_TEXT, GRID_CUT, 0, NULL},
    {"ID", "id", GRID_TEXT, GRID_CUT, 0, NULL},
    {"STATE", "state", GRID_TEXT, 0, 0, state_tone},
    {"WANTED", "wanted", GRID_NUMBER, 0, 0, NULL},
    {"SENT", "sent", GRID_NUMBER, 0, 0, NULL},
    {"WAITING", "waiting", GRID_NUMBER, GRID_HIDE_ZERO, 0, NULL},
    {"DONE IN", NULL, GRID_DURATION, GRID_HIDE_ZERO, 3, NULL},
    {"DEAD", "dead", GRID_NUMBER, GRID_HIDE_ZERO, 1, NULL},
    {"COMPLETE", "last_complete", GRID_AGE, 0, 2, NULL},
    {"LABEL", "label", GRID_TEXT, GRID_CUT, 4, NULL},
    {"DESTINATION", "destination", GRID_TEXT, GRID_CUT, 1, NULL},
};

static void
segments_row(struct grid *grid, const json_t *segment)
{
	const json_t *done = value_at(segment, "done_s");

	grid_row(grid, segment);
	if (value_int(segment, "waiting") > 0 && json_is_null(done))
		grid_text(grid, COLUMN_DONE, "unknown");
	else if (value_int(segment, "waiting") > 0)
		grid_number(grid, COLUMN_DONE, json_integer_value(done));
	if (value_time_ms(segment, "last_complete") == 0)
		grid_text(grid, COLUMN_COMPLETE, "never");
}

static bool
several_destinations(const json_t *rows)
{
	const char *first = value_text(json_array_get(rows, 0), "destination");
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (strcmp(value_text(row, "destination"), first) != 0)
			return true;
	}
	return false;
}

/* First of all what is wrong, and likewise in the table. */
static bool
segments_show(struct command_context *context, const json_t *rows,
    struct buf *out, struct err *reterr)
{
	struct grid *grid = grid_new(columns,
	    several_destinations(rows) ? COLUMN_DESTINATION + 1
				       : COLUMN_DESTINATION,
	    context->now_ms);
	const json_t *row;
	size_t i, before = out->len;

	json_array_foreach(rows, i, row)
	    segment_trouble_show(row, context->screen, out);
	if (out->len > before)
		(void)buf_char(out, '\n');
	for (int trouble = 1; trouble >= 0; trouble--) {
		json_array_foreach(rows, i, row)
		{
			if ((value_at(row, "trouble") != NULL) == trouble)
				segments_row(grid, row);
		}
	}
	return grid_end(grid, context->screen, out, reterr);
}

int
command_segments(struct command_context *context, struct buf *out)
{
	json_t *answer, *rows = json_array();
	struct ask ask;
	struct err err;
	int code;

	ask = command_call(
	    context, "GET", "/segments", SEGMENT_PARAMS " attention");
	code = command_ask(context, &ask, command_row_keep, rows, &answer, out);
	if (answer != NULL && json_array_size(rows) == 0)
		(void)buf_text(out, value_int(answer, "segments") == 0
					? "no segment has come yet\n"
					: "no segment is like that\n");
	else if (answer != NULL && !segments_show(context, rows, out, &err))
		code = command_fail(out, &err);
	json_decref(answer);
	json_decref(rows);
	return code;
}

/* ---- show ---- */

static void
show_time(const struct command_context *context, const char *head,
    const json_t *segment, const char *member, struct buf *out)
{
	int64_t at_ms = value_time_ms(segment, member);
	char when[SHOW_TEXT], ago[SHOW_AGO];

	show_timestamp(
	    context->now_ms, at_ms, context->screen->utc, when, sizeof(when));
	show_ago(context->now_ms, at_ms, ago, sizeof(ago));
	if (at_ms == 0)
		(void)buf_printf(out, "%-12s never\n", head);
	else
		(void)buf_printf(out, "%-12s %s, %s\n", head, when, ago);
}

static void
show_waiting(const struct command_context *context, const json_t *segment,
    struct buf *out)
{
	const json_t *done = value_at(segment, "done_s");
	char text[SHOW_DURATION];

	command_say(
	    context, out, segment, "waiting      {waiting#} change{waiting+}");
	show_duration(json_integer_value(done), text, sizeof(text));
	if (json_is_integer(done))
		(void)buf_printf(out, ", done in %s\n", text);
	else
		(void)buf_text(out, ", no forecast\n");
}

static int
segment_show(
    struct command_context *context, const json_t *segment, struct buf *out)
{
	const char *state = value_text(segment, "state");

	segment_trouble_show(segment, context->screen, out);
	if (value_at(segment, "trouble") != NULL)
		(void)buf_char(out, '\n');
	(void)buf_text(out, "segment      ");
	segment_title_show(
	    out, value_text(segment, "name"), value_text(segment, "id"));
	(void)buf_text(out, "\nstate        ");
	screen_text(context->screen, out, state_tone(state), "%s", state);
	command_say(context, out, segment,
	    "\nsource       {source}\ndestination  {destination}\n");
	if (!value_bool(segment, "served"))
		(void)buf_text(out, "             it is NOT IN THE SETTINGS\n");
	command_say(context, out, segment,
	    *value_text(segment, "label") != '\0' ? "called there {label}\n"
						  : "called there not yet\n");
	command_say(context, out, segment,
	    "wanted       {wanted#} member{wanted+}\n"
	    "sent         {sent#} member{sent+}\n");
	if (value_int(segment, "waiting") > 0)
		show_waiting(context, segment, out);
	if (value_int(segment, "dead") > 0)
		command_say(context, out, segment,
		    "dead         {dead#} change{dead+}: `currentsd dead list "
		    "--type {id}`\n");
	show_time(context, "first page", segment, "first_page", out);
	show_time(context, "last page", segment, "last_page", out);
	show_time(context, "complete", segment, "last_complete", out);
	return EXIT_FINE;
}

int
command_segments_show(struct command_context *context, struct buf *out)
{
	struct ask ask =
	    command_call(context, "GET", "/segments/*", SEGMENT_PARAMS);

	return command_answer(context, &ask, segment_show, out);
}

/* ---- syncs ---- */

enum { SYNC_PAGES = 2 };

static const struct grid_column sync_columns[] = {
    {"FIRST PAGE", "first_page", GRID_TIME, 0, 0, NULL},
    {"ID", "id", GRID_TEXT, GRID_CUT, 3, NULL},
    {"PAGES", NULL, GRID_NUMBER, 0, 0, NULL},
    {"ENTERED", "entered", GRID_NUMBER, 0, 0, NULL},
    {"LEFT", "left", GRID_NUMBER, 0, 0, NULL},
    {"DELIVERED", "delivered", GRID_NUMBER, 0, 0, NULL},
    {"WAITING", "waiting", GRID_NUMBER, GRID_HIDE_ZERO, 0, NULL},
    {"SUPERSEDED", "superseded", GRID_NUMBER, GRID_HIDE_ZERO, 2, NULL},
    {"NO CHANGE", "no_change", GRID_NUMBER, GRID_HIDE_ZERO, 1, NULL},
    {"DROPPED", "dropped", GRID_NUMBER, GRID_HIDE_ZERO, 1, NULL},
    {"DEAD", "dead", GRID_NUMBER, GRID_HIDE_ZERO, 1, NULL},
    {"STATE", "state", GRID_TEXT, 0, 0, state_tone},
};

static bool
sync_row(void *arg, json_t *sync, struct str text, struct err *reterr)
{
	int64_t total = value_int(sync, "pages_total");

	(void)text, (void)reterr;
	grid_row(arg, sync);
	if (total > 0)
		grid_textf(arg, SYNC_PAGES, "%" PRId64 "/%" PRId64,
		    value_int(sync, "pages"), total);
	else
		grid_number(arg, SYNC_PAGES, value_int(sync, "pages"));
	return true;
}

int
command_segments_syncs(struct command_context *context, struct buf *out)
{
	struct grid *grid = grid_new(GRID(sync_columns), context->now_ms);
	json_t *segment = NULL;
	struct ask ask =
	    command_call(context, "GET", "/segments/*/syncs", SEGMENT_PARAMS);
	struct err err;
	int code = command_ask(context, &ask, sync_row, grid, &segment, out);

	if (segment != NULL) {
		segment_trouble_show(segment, context->screen, out);
		if (value_at(segment, "trouble") != NULL)
			(void)buf_char(out, '\n');
		if (grid_rows(grid) == 0)
			(void)buf_text(out, "no sync of it is remembered\n");
		if (!grid_write(grid, context->screen, out, &err))
			code = command_fail(out, &err);
	}
	json_decref(segment);
	grid_free(grid);
	return code;
}

/* ---- resend, release, retire ---- */

/* Look the segment up, then ask for something to be done to it, by what cannot
 * be ambiguous. The caller frees *ret_segment, which lends to the ask. */
static bool
segment_look(struct command_context *context, const char *path,
    json_t **ret_segment, struct ask *ret_ask, struct err *reterr)
{
	struct ask ask =
	    command_call(context, "GET", "/segments/*", SEGMENT_PARAMS);
	json_t *segment;

	if (!client_ask(context->client, &ask, NULL, NULL, &segment, reterr))
		return false;
	*ret_ask = command_call(context, "POST", path, "sample");
	ret_ask->name = str_text(value_text(segment, "id"));
	ask_param(ret_ask, "source", value_text(segment, "source"));
	ask_param(ret_ask, "destination", value_text(segment, "destination"));
	*ret_segment = segment;
	return true;
}

static void
resent_show(const struct command_context *context, const json_t *segment,
    const json_t *answer, bool retired, struct buf *out)
{
	command_say(context, out, answer,
	    !retired ? "{resent#} member{resent+} will be sent again to "
	    : value_int(answer, "retired") == 1
		? "1 member leaves at "
		: "{retired#} members leave at ");
	command_say(context, out, segment,
	    retired ? "{destination}.\n"
		    : "{destination}, as the last change of each says.\n");
	command_say(context, out, segment,
	    "Follow it with `currentsd segments show {id}`.\n");
}

static int
segment_resend(struct command_context *context, bool retire, struct buf *out)
{
	json_t *segment = NULL, *answer = NULL;
	struct ask ask;
	struct err err;
	bool ok;
	int code;

	ok = segment_look(context,
		 retire ? "/segments/*/retire" : "/segments/*/resend", &segment,
		 &ask, &err) &&
	     (!retire ||
		 command_confirm(context, false, &err,
		     "%s is told that all %" PRId64 " members of %.60s left.\n"
		     "If Heap still syncs the segment, it adds some of them "
		     "again.",
		     value_text(segment, "destination"),
		     value_int(segment, "sent"),
		     *value_text(segment, "name") != '\0'
			 ? value_text(segment, "name")
			 : value_text(segment, "id")));
	code = ok ? command_ask(context, &ask, NULL, NULL, &answer, out)
		  : command_fail(out, &err);
	if (answer != NULL)
		resent_show(context, segment, answer, retire, out);
	json_decref(answer);
	json_decref(segment);
	return code;
}

int
command_segments_resend(struct command_context *context, struct buf *out)
{
	return segment_resend(context, false, out);
}

int
command_segments_retire(struct command_context *context, struct buf *out)
{
	return segment_resend(context, true, out);
}

static int
released_show(
    struct command_context *context, const json_t *answer, struct buf *out)
{
	bool any = value_int(answer, "released") > 0;

	command_say(context, out, answer,
	    any ? "released {released%} sync{released+}\n"
		: "no sync of it is held\n");
	return any ? EXIT_FINE : EXIT_FOUND;
}

int
command_segments_release(struct command_context *context, struct buf *out)
{
	struct ask ask = command_call(
	    context, "POST", "/segments/*/release", SEGMENT_PARAMS);

	return command_answer(context, &ask, released_show, out);
}

/* ---- verify ---- */

static void
verify_wrong_show(const json_t *wrong, struct buf *out)
{
	size_t i, shown = 0;
	const json_t *row;

	json_array_foreach(wrong, i, row)
	{
		const char *member = value_text(row, "member");
		bool sent = value_bool(row, "sent");

		if (json_is_null(value_at(row, "has")) || shown++ >= SHOWN_MOST)
			continue;
		(void)buf_text(out, "  ");
		show_foreign(out, member, strlen(member), SHOW_TEXT);
		(void)buf_printf(out, " is %s there, and was sent as %s\n",
		    sent ? "out" : "in", sent ? "in" : "out");
	}
	if (shown > SHOWN_MOST)
		(void)buf_printf(
		    out, "  and %zu more: see --json\n", shown - SHOWN_MOST);
}

static void
verify_show(const struct command_context *context, const json_t *segment,
    const json_t *answer, struct buf *out)
{
	if (value_int(answer, "asked") == 0) {
		(void)buf_text(out, "nothing of it is sent for certain yet\n");
		return;
	}
	command_say(context, out, segment, "asked {destination} for ");
	command_say(context, out, answer, "{asked%} member{asked+} of ");
	command_say(context, out, segment, "{label}:\n");
	show_count(out, 8, value_int(answer, "right"),
	    "has the value that was sent", "have the value that was sent");
	show_count(out, 8, value_int(answer, "other"), "has the other value",
	    "have the other value");
	show_count(out, 8, value_int(answer, "no_profile"),
	    "has no profile there", "have no profile there");
	verify_wrong_show(value_at(answer, "wrong"), out);
	if (value_int(answer, "other") > 0)
		(void)buf_text(out,
		    "What was sent in the last minutes may not show yet. Else "
		    "`currentsd segments\nresend` sends all members again.\n");
	if (value_int(answer, "no_profile") > 0)
		(void)buf_text(out,
		    "A profile that does not exist is not made, unless "
		    "create_profiles is yes; check\n`match` if many are "
		    "missing.\n");
}

int
command_segments_verify(struct command_context *context, struct buf *out)
{
	json_t *segment = NULL, *answer;
	struct ask ask;
	struct err err;
	int code;

	if (!segment_look(context, "/segments/*/verify", &segment, &ask, &err))
		return command_fail(out, &err);
	code = command_ask_judged(context, &ask, NULL, NULL, &answer, out);
	if (answer != NULL && value_int(answer, "other") > 0)
		code = EXIT_FOUND;
	if (answer != NULL && !options_has(context->options, "--json"))
		verify_show(context, segment, answer, out);
	json_decref(answer);
	json_decref(segment);
	return code;
}
