/*
 * currentsd segments, segments show, syncs, resend, release, retire, verify:
 * the segments that are kept up to date at a destination.
 */

#include "cli/grid.h"
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
rows_take(void *arg, json_t *row, struct str text, struct err *reterr)
{
	(void)text;
	return json_array_append(arg, row) == 0 || err_set_nomem(reterr);
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
	bool ok;

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
	ok = grid_write(grid, context->screen, out, reterr);
	grid_free(grid);
	return ok;
}

int
command_segments(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	json_t *answer, *rows = json_array();
	struct ask ask;
	struct err err;
	int code;

	ask_init(&ask, "GET", "/segments");
	ask_param(&ask, "source", options_value(options, "--source"));
	ask_param(&ask, "destination", options_value(options, "--destination"));
	if (options_has(options, "--attention"))
		ask_param(&ask, "attention", "yes");
	code = command_ask(context, &ask, rows_take, rows, &answer, out);
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
show_count(const char *head, int64_t count, const char *noun, struct buf *out)
{
	char number[SHOW_TEXT];

	show_number(count, number, sizeof(number));
	(void)buf_printf(
	    out, "%-12s %s %s%s", head, number, noun, count == 1 ? "" : "s");
}

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
show_text(const char *head, const char *text, struct buf *out)
{
	(void)buf_printf(out, "%-12s ", head);
	show_foreign(out, text, strlen(text), strlen(text));
	(void)buf_char(out, '\n');
}

static void
show_waiting(const json_t *segment, struct buf *out)
{
	const json_t *done = value_at(segment, "done_s");
	char text[SHOW_DURATION];

	show_count("waiting", value_int(segment, "waiting"), "change", out);
	show_duration(json_integer_value(done), text, sizeof(text));
	if (json_is_integer(done))
		(void)buf_printf(out, ", done in %s\n", text);
	else
		(void)buf_text(out, ", no forecast\n");
}

static void
segment_show(const struct command_context *context, const json_t *segment,
    struct buf *out)
{
	const char *label = value_text(segment, "label");
	const char *state = value_text(segment, "state");

	segment_trouble_show(segment, context->screen, out);
	if (value_at(segment, "trouble") != NULL)
		(void)buf_char(out, '\n');
	(void)buf_printf(out, "%-12s ", "segment");
	segment_title_show(
	    out, value_text(segment, "name"), value_text(segment, "id"));
	(void)buf_printf(out, "\n%-12s ", "state");
	screen_text(context->screen, out, state_tone(state), "%s", state);
	(void)buf_char(out, '\n');
	show_text("source", value_text(segment, "source"), out);
	show_text("destination", value_text(segment, "destination"), out);
	if (!value_bool(segment, "served"))
		(void)buf_printf(out, "%-12s it is NOT IN THE SETTINGS\n", "");
	show_text("called there", *label != '\0' ? label : "not yet", out);
	show_count("wanted", value_int(segment, "wanted"), "member", out);
	(void)buf_char(out, '\n');
	show_count("sent", value_int(segment, "sent"), "member", out);
	(void)buf_char(out, '\n');
	if (value_int(segment, "waiting") > 0)
		show_waiting(segment, out);
	if (value_int(segment, "dead") > 0) {
		show_count("dead", value_int(segment, "dead"), "change", out);
		(void)buf_text(out, ": `currentsd dead list --type ");
		show_foreign(out, value_text(segment, "id"),
		    strlen(value_text(segment, "id")), SHOW_TEXT);
		(void)buf_text(out, "`\n");
	}
	show_time(context, "first page", segment, "first_page", out);
	show_time(context, "last page", segment, "last_page", out);
	show_time(context, "complete", segment, "last_complete", out);
}

int
command_segments_show(struct command_context *context, struct buf *out)
{
	json_t *segment;
	struct ask ask;
	struct err err;
	int code;

	if (!segment_ask(context->options, "GET", "/segments/*", &ask, &err))
		return command_fail(out, &err);
	code = command_ask(context, &ask, NULL, NULL, &segment, out);
	if (segment != NULL)
		segment_show(context, segment, out);
	json_decref(segment);
	return code;
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
	struct grid *grid = grid_new(sync_columns,
	    sizeof(sync_columns) / sizeof(sync_columns[0]), context->now_ms);
	json_t *segment = NULL;
	struct ask ask;
	struct err err;
	int code;

	if (!segment_ask(
		context->options, "GET", "/segments/*/syncs", &ask, &err))
		code = command_fail(out, &err);
	else
		code =
		    command_ask(context, &ask, sync_row, grid, &segment, out);
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
	json_t *segment;
	struct ask ask;

	if (!segment_ask(
		context->options, "GET", "/segments/*", &ask, reterr) ||
	    !client_ask(context->client, &ask, NULL, NULL, &segment, reterr))
		return false;
	ask_init(ret_ask, "POST", path);
	ret_ask->name = str_text(value_text(segment, "id"));
	ask_param(ret_ask, "source", value_text(segment, "source"));
	ask_param(ret_ask, "destination", value_text(segment, "destination"));
	*ret_segment = segment;
	return true;
}

static void
resent_show(
    const json_t *segment, int64_t members, bool retired, struct buf *out)
{
	const char *destination = value_text(segment, "destination");
	const char *id = value_text(segment, "id");
	char number[SHOW_TEXT];

	show_number(members, number, sizeof(number));
	(void)buf_printf(out, "%s member%s %s", number, members == 1 ? "" : "s",
	    !retired	   ? "will be sent again to "
	    : members == 1 ? "leaves at "
			   : "leave at ");
	show_foreign(out, destination, strlen(destination), SHOW_TEXT);
	(void)buf_printf(out, "%s.\nFollow it with `currentsd segments show ",
	    retired ? "" : ", as the last change of each says");
	show_foreign(out, id, strlen(id), SHOW_TEXT);
	(void)buf_text(out, "`.\n");
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
		resent_show(segment,
		    value_int(answer, retire ? "retired" : "resent"), retire,
		    out);
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

int
command_segments_release(struct command_context *context, struct buf *out)
{
	json_t *answer;
	struct ask ask;
	struct err err;
	int64_t syncs;
	int code;

	if (!segment_ask(
		context->options, "POST", "/segments/*/release", &ask, &err))
		return command_fail(out, &err);
	code = command_ask_judged(context, &ask, NULL, NULL, &answer, out);
	if (answer == NULL)
		return code;
	syncs = value_int(answer, "released");
	json_decref(answer);
	if (!options_has(context->options, "--json") && syncs == 0)
		(void)buf_text(out, "no sync of it is held\n");
	else if (!options_has(context->options, "--json"))
		(void)buf_printf(out, "released %" PRId64 " sync%s\n", syncs,
		    syncs == 1 ? "" : "s");
	return syncs > 0 ? EXIT_FINE : EXIT_FOUND;
}

/* ---- verify ---- */

static void
verify_line(int64_t count, const char *one, const char *many, struct buf *out)
{
	char number[SHOW_TEXT];

	show_number(count, number, sizeof(number));
	if (count > 0)
		(void)buf_printf(
		    out, "%8s %s\n", number, count == 1 ? one : many);
}

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
verify_show(const json_t *segment, const json_t *answer, struct buf *out)
{
	if (value_int(answer, "asked") == 0) {
		(void)buf_text(out, "nothing of it is sent for certain yet\n");
		return;
	}
	(void)buf_printf(out, "asked %s for %" PRId64 " member%s of ",
	    value_text(segment, "destination"), value_int(answer, "asked"),
	    value_int(answer, "asked") == 1 ? "" : "s");
	show_foreign(out, value_text(segment, "label"),
	    strlen(value_text(segment, "label")), GRID_CELL);
	(void)buf_text(out, ":\n");
	verify_line(value_int(answer, "right"), "has the value that was sent",
	    "have the value that was sent", out);
	verify_line(value_int(answer, "other"), "has the other value",
	    "have the other value", out);
	verify_line(value_int(answer, "no_profile"), "has no profile there",
	    "have no profile there", out);
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
	ask_param(&ask, "sample", options_value(context->options, "--sample"));
	code = command_ask_judged(context, &ask, NULL, NULL, &answer, out);
	if (answer != NULL && value_int(answer, "other") > 0)
		code = EXIT_FOUND;
	if (answer != NULL && !options_has(context->options, "--json"))
		verify_show(segment, answer, out);
	json_decref(answer);
	json_decref(segment);
	return code;
}
