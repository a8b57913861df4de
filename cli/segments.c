/*
 * currentsd segments, segments show, syncs, resend, release, retire: the
 * segments that are kept up to date at a destination.
 */

#include "cli/segment.h"

#include "base/clock.h"
#include "cli/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- the table ---- */

enum {
	TABLE_WIDTH = 100,
	CELL = 24,
	NAME_LEAST = 12,
	LABEL_LEAST = 16,
	ID_MOST = 20,
};

enum column {
	COLUMN_ID,
	COLUMN_NAME,
	COLUMN_LABEL,
	COLUMN_WANTED, /* from here on to the right */
	COLUMN_SENT,
	COLUMN_WAITING,
	COLUMN_DONE,
	COLUMN_DEAD,
	COLUMN_COMPLETE,
	COLUMN_STATE, /* to the left */
	COLUMNS
};

static const char *const heads[COLUMNS] = {"id", "segment", "label", "wanted",
    "sent", "waiting", "done in", "dead", "complete", "state"};

struct row {
	char texts[COLUMNS][CELL];
	const char *cells[COLUMNS]; /* lent, or of `texts` */
};

static void
row_number(struct row *row, enum column column, int64_t number)
{
	(void)snprintf(row->texts[column], CELL, "%" PRId64, number);
}

static void
row_make(const struct segment *segment, int64_t now_ms, struct row *row)
{
	const struct stats_group *group = &segment->of;

	for (size_t i = 0; i < COLUMNS; i++)
		row->cells[i] = row->texts[i];
	row->cells[COLUMN_ID] = group->id;
	row->cells[COLUMN_NAME] = *group->name != '\0' ? group->name : "-";
	row->cells[COLUMN_LABEL] = *group->label != '\0' ? group->label : "-";
	row->cells[COLUMN_STATE] = segment_state_name(segment->state);
	row_number(row, COLUMN_WANTED, group->wanted);
	row_number(row, COLUMN_SENT, group->sent);
	row_number(row, COLUMN_WAITING, group->waiting);
	row_number(row, COLUMN_DEAD, group->dead);
	if (group->waiting == 0)
		row->cells[COLUMN_DONE] = "-";
	else if (segment->done_s < 0)
		row->cells[COLUMN_DONE] = "unknown";
	else
		show_brief(segment->done_s, row->texts[COLUMN_DONE], CELL);
	if (group->complete_ms == 0)
		row->cells[COLUMN_COMPLETE] = "never";
	else
		show_brief(status_since_s(now_ms, group->complete_ms),
		    row->texts[COLUMN_COMPLETE], CELL);
}

static size_t
characters(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

static void
row_widen(const struct row *row, size_t widths[COLUMNS])
{
	for (size_t i = 0; i < COLUMNS; i++) {
		size_t width = characters(row->cells[i]);

		if (width > widths[i])
			widths[i] = width;
	}
}

/* What the screen has no room for is taken from names first. */
static void
widths_fit(size_t widths[COLUMNS])
{
	size_t all = COLUMNS - 1;

	if (widths[COLUMN_ID] > ID_MOST)
		widths[COLUMN_ID] = ID_MOST;
	for (size_t i = 0; i < COLUMNS; i++)
		all += widths[i];
	while (all > TABLE_WIDTH && widths[COLUMN_NAME] > NAME_LEAST) {
		widths[COLUMN_NAME]--;
		all--;
	}
	while (all > TABLE_WIDTH && widths[COLUMN_LABEL] > LABEL_LEAST) {
		widths[COLUMN_LABEL]--;
		all--;
	}
}

static void
row_write(const struct row *row, const size_t widths[COLUMNS], struct buf *out)
{
	for (size_t i = 0; i < COLUMN_WANTED; i++) {
		segment_cell_write(
		    out, row->cells[i], strlen(row->cells[i]), widths[i]);
		(void)buf_char(out, ' ');
	}
	for (size_t i = COLUMN_WANTED; i < COLUMN_STATE; i++)
		(void)buf_printf(out, "%*s ", (int)widths[i], row->cells[i]);
	(void)buf_printf(out, "%s\n", row->cells[COLUMN_STATE]);
}

static bool
segment_shown(
    const struct command_context *context, const struct segment *segment)
{
	return segment_selected(context->options, segment) &&
	       (!options_has(context->options, "--attention") ||
		   segment_needs_attention(segment));
}

static bool
segments_text(struct command_context *context, const struct segments *segments,
    struct buf *out, struct err *reterr)
{
	size_t widths[COLUMNS] = {0}, shown = 0;
	struct row row;

	memcpy(row.cells, heads, sizeof(heads));
	row_widen(&row, widths);
	for (size_t i = 0; i < segments->count; i++) {
		if (!segment_shown(context, &segments->list[i]))
			continue;
		row_make(&segments->list[i], context->now_ms, &row);
		row_widen(&row, widths);
	}
	widths_fit(widths);
	for (size_t i = 0; i < segments->count; i++) {
		if (!segment_shown(context, &segments->list[i]))
			continue;
		if (shown++ == 0) {
			memcpy(row.cells, heads, sizeof(heads));
			row_write(&row, widths, out);
		}
		row_make(&segments->list[i], context->now_ms, &row);
		row_write(&row, widths, out);
		if (!command_write(context, out, reterr))
			return false;
	}
	if (shown == 0) {
		(void)buf_text(out, segments->count == 0
					? "no segment has come yet\n"
					: "no segment is like that\n");
		return true;
	}
	if (segments_trouble_show(
		segments, context->options, context->now_ms, 0, "", out) > 0) {
		(void)buf_char(out, '\n');
		(void)segments_trouble_show(segments, context->options,
		    context->now_ms, SIZE_MAX, "", out);
	}
	return buf_ok(out, reterr);
}

static bool
segments_json(struct command_context *context, const struct segments *segments,
    struct buf *out, struct err *reterr)
{
	struct json json;

	json_init(&json, out);
	json_array_open(&json, NULL);
	for (size_t i = 0; i < segments->count; i++) {
		if (!segment_shown(context, &segments->list[i]))
			continue;
		json_object_open(&json, NULL);
		segment_json(&segments->list[i], context->now_ms, &json);
		json_object_close(&json);
		if (!command_write(context, out, reterr))
			return false;
	}
	json_array_close(&json);
	(void)buf_char(out, '\n');
	return buf_ok(out, reterr);
}

int
command_segments(struct command_context *context, struct buf *out)
{
	struct segments segments;
	struct err err;
	bool ok;

	if (!segments_read(context->daemon, context->now_ms, &segments, &err))
		return command_fail(out, &err);
	ok = options_has(context->options, "--json")
		 ? segments_json(context, &segments, out, &err)
		 : segments_text(context, &segments, out, &err);
	segments_fini(&segments);
	return ok ? EXIT_FINE : command_fail(out, &err);
}

/* ---- show ---- */

static void
show_time(const char *head, int64_t ms, int64_t now_ms, struct buf *out)
{
	char when[CLOCK_TEXT], ago[SHOW_AGO];

	show_ago(now_ms, ms, ago, sizeof(ago));
	clock_text(ms, when, sizeof(when));
	if (ms == 0)
		(void)buf_printf(out, "%-13s %s\n", head, ago);
	else
		(void)buf_printf(out, "%-13s %.19sZ, %s\n", head, when, ago);
}

static void
show_text(const struct segment *segment, int64_t now_ms, struct buf *out)
{
	const struct stats_group *group = &segment->of;
	char done[SHOW_DURATION];

	(void)buf_printf(out, "%-13s ", "segment");
	segment_title_write(segment, out);
	(void)buf_printf(
	    out, "\n%-13s %s", "state", segment_state_name(segment->state));
	if (segment_needs_attention(segment))
		(void)buf_text(out, ": ");
	segment_trouble_write(segment, now_ms, out);
	(void)buf_printf(out,
	    "\n%-13s %s\n%-13s %s%s\n%-13s %s\n%-13s %" PRId64
	    " members\n%-13s %" PRId64 " members\n%-13s %" PRId64 " changes",
	    "source", group->source, "destination", group->destination,
	    segment->served ? "" : ", NOT IN THE SETTINGS", "called there",
	    *group->label != '\0' ? group->label : "not yet", "wanted",
	    group->wanted, "sent", group->sent, "waiting", group->waiting);
	show_duration(segment->done_s, done, sizeof(done));
	if (group->waiting > 0)
		(void)buf_printf(out, ", %s%s",
		    segment->done_s < 0 ? "no forecast" : "done in ",
		    segment->done_s < 0 ? "" : done);
	(void)buf_printf(
	    out, "\n%-13s %" PRId64 " changes\n", "dead", group->dead);
	show_time("first page", group->first_ms, now_ms, out);
	show_time("last page", group->last_ms, now_ms, out);
	show_time("last complete", group->complete_ms, now_ms, out);
}

int
command_segments_show(struct command_context *context, struct buf *out)
{
	const struct segment *segment;
	struct segments segments;
	struct json json;
	struct err err;

	if (!segment_find(context, &segments, &segment, &err))
		return command_fail(out, &err);
	if (options_has(context->options, "--json")) {
		json_init(&json, out);
		json_object_open(&json, NULL);
		segment_json(segment, context->now_ms, &json);
		json_object_close(&json);
		(void)buf_char(out, '\n');
	} else {
		show_text(segment, context->now_ms, out);
	}
	segments_fini(&segments);
	return EXIT_FINE;
}

/* ---- syncs ---- */

struct syncs {
	struct buf *out;
	struct json *json; /* NULL: text */
	size_t count;
};

static int64_t
sync_waiting(const struct stats_sync *sync)
{
	return sync->entered + sync->left - sync->delivered - sync->superseded -
	       sync->no_change - sync->dropped - sync->dead;
}

static const char *
sync_state(const struct stats_sync *sync)
{
	if (sync->held)
		return "held";
	if (sync->incomplete)
		return "incomplete";
	if (sync->pages < sync->total)
		return "arriving";
	return sync_waiting(sync) > 0 ? "sending" : "done";
}

static void
sync_json(const struct stats_sync *sync, struct json *json)
{
	json_object_open(json, NULL);
	json_int(json, "number", sync->number);
	json_text(json, "id", sync->id);
	json_time(json, "first_page", sync->first_ms);
	json_time(json, "last_page", sync->last_ms);
	json_int(json, "pages", sync->pages);
	json_int(json, "pages_total", sync->total);
	json_int(json, "entered", sync->entered);
	json_int(json, "left", sync->left);
	json_int(json, "delivered", sync->delivered);
	json_int(json, "superseded", sync->superseded);
	json_int(json, "no_change", sync->no_change);
	json_int(json, "dropped", sync->dropped);
	json_int(json, "dead", sync->dead);
	json_int(json, "waiting", sync_waiting(sync));
	json_text(json, "state", sync_state(sync));
	json_object_close(json);
}

static bool
sync_row(void *arg, const struct stats_sync *sync)
{
	struct syncs *syncs = arg;
	struct buf *out = syncs->out;
	char when[CLOCK_TEXT], pages[CELL];

	syncs->count++;
	if (syncs->json != NULL) {
		sync_json(sync, syncs->json);
		return true;
	}
	if (syncs->count == 1)
		(void)buf_printf(out,
		    "%-17s %-10s %7s %7s %7s %9s %10s %9s %5s %s\n", "when",
		    "id", "pages", "entered", "left", "delivered", "superseded",
		    "no change", "dead", "state");
	clock_text(sync->first_ms, when, sizeof(when));
	if (sync->total > 0)
		(void)snprintf(
		    pages, sizeof(pages), "%u/%u", sync->pages, sync->total);
	else
		(void)snprintf(pages, sizeof(pages), "%u", sync->pages);
	(void)buf_printf(out, "%.16sZ ", when);
	segment_cell_write(out, *sync->id != '\0' ? sync->id : "-",
	    *sync->id != '\0' ? strlen(sync->id) : 1, 10);
	(void)buf_printf(out,
	    " %7s %7" PRId64 " %7" PRId64 " %9" PRId64 " %10" PRId64
	    " %9" PRId64 " %5" PRId64 " %s\n",
	    pages, sync->entered, sync->left, sync->delivered, sync->superseded,
	    sync->no_change, sync->dead, sync_state(sync));
	return true;
}

int
command_segments_syncs(struct command_context *context, struct buf *out)
{
	struct syncs syncs = {.out = out};
	const struct segment *segment;
	struct segments segments;
	struct json json;
	struct err err;
	bool ok;

	if (!segment_find(context, &segments, &segment, &err))
		return command_fail(out, &err);
	if (options_has(context->options, "--json")) {
		json_init(&json, out);
		json_array_open(&json, NULL);
		syncs.json = &json;
	}
	ok = stats_syncs(
	    context->daemon->queue, segment->of.number, sync_row, &syncs, &err);
	segments_fini(&segments);
	if (!ok)
		return command_fail(out, &err);
	if (syncs.json != NULL) {
		json_array_close(&json);
		(void)buf_char(out, '\n');
	} else if (syncs.count == 0) {
		(void)buf_text(out, "no sync of it is remembered\n");
	}
	return EXIT_FINE;
}

/* ---- resend, release, retire ---- */

/* The forwarder holds changes that it took before, and takes the segment for
 * announced. */
static void
forwarder_forget(struct daemon *daemon)
{
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);

	if (forwarder != NULL)
		forwarder_reread(forwarder);
}

/* Queue what each member is to be, or that it has left. */
static bool
resend_run(struct command_context *context, const struct segment *segment,
    bool retire, size_t *ret_members, struct err *reterr)
{
	struct jobs_group job = {.group = segment->of.number};
	bool ok, first = true;

	if (!segment->served)
		return err_set(reterr, ERR_NOT_FOUND,
		    "the settings have no destination %s: add it again, or "
		    "give the one that takes its place formerly = \"%s\"",
		    segment->of.destination, segment->of.destination);
	do {
		ok =
		    jobs_resend(context->daemon->queue, &job, retire, reterr) &&
		    job_progress(context->caller, reterr, "queued %zu changes",
			job.members);
		if (first)
			forwarder_forget(context->daemon);
		first = false;
	} while (ok && job.more);
	*ret_members = job.members;
	return ok;
}

int
command_segments_resend(struct command_context *context, struct buf *out)
{
	const struct segment *segment;
	struct segments segments;
	size_t members;
	struct err err;
	bool ok;

	if (!segment_find(context, &segments, &segment, &err))
		return command_fail(out, &err);
	ok = resend_run(context, segment, false, &members, &err);
	if (ok && options_has(context->options, "--json")) {
		command_count_json("resent", (int64_t)members, out);
	} else if (ok) {
		(void)buf_printf(out,
		    "%zu members will be sent again to %s, as their last "
		    "change "
		    "says; a change that waits goes anyway\n",
		    members, segment->of.destination);
	}
	segments_fini(&segments);
	return ok ? EXIT_FINE : command_fail(out, &err);
}

int
command_segments_release(struct command_context *context, struct buf *out)
{
	const struct segment *segment;
	struct segments segments;
	size_t syncs = 0;
	struct err err;
	bool ok;

	if (!segment_find(context, &segments, &segment, &err))
		return command_fail(out, &err);
	ok = jobs_release(
	    context->daemon->queue, segment->of.number, &syncs, &err);
	segments_fini(&segments);
	if (!ok)
		return command_fail(out, &err);
	if (options_has(context->options, "--json"))
		command_count_json("released", (int64_t)syncs, out);
	else if (syncs == 0)
		(void)buf_text(out, "no sync of it is held\n");
	else
		(void)buf_printf(
		    out, "released %zu sync%s\n", syncs, syncs == 1 ? "" : "s");
	return syncs > 0 ? EXIT_FINE : EXIT_FOUND;
}

/* Ask, unless --yes was given. */
static bool
retire_asked(struct command_context *context, const struct segment *segment,
    struct err *reterr)
{
	struct buf answer;
	bool yes = options_has(context->options, "--yes");

	if (yes)
		return true;
	buf_init(&answer, JOB_PIECE * 2);
	if (job_message(context->caller, reterr,
		"%.60s is told that all %" PRId64 " members of %.60s left.",
		segment->of.destination, segment->of.sent,
		segment_called(segment)) &&
	    job_message(context->caller, reterr,
		"If Heap still syncs the segment, it adds some of them again. "
		"Type yes to go on:") &&
	    context->caller->read(context->caller->arg, "-", &answer, reterr)) {
		yes = answer.len >= 3 && memcmp(answer.data, "yes", 3) == 0 &&
		      (answer.len == 3 || answer.data[3] == '\n');
		if (!yes)
			(void)err_set(reterr, ERR_INPUT,
			    "nothing was done: type yes, or use --yes");
	}
	buf_fini(&answer);
	return yes;
}

int
command_segments_retire(struct command_context *context, struct buf *out)
{
	const struct segment *segment;
	size_t members = 0, syncs = 0;
	struct segments segments;
	struct err err;
	bool ok;

	if (!segment_find(context, &segments, &segment, &err))
		return command_fail(out, &err);
	/* What is held is overtaken, and goes. */
	ok = retire_asked(context, segment, &err) &&
	     resend_run(context, segment, true, &members, &err) &&
	     jobs_release(
		 context->daemon->queue, segment->of.number, &syncs, &err);
	if (ok && options_has(context->options, "--json"))
		command_count_json("retired", (int64_t)members, out);
	else if (ok)
		(void)buf_printf(out,
		    "%zu members leave at %s; follow it with `currentsd "
		    "segments show %s`\n",
		    members, segment->of.destination, segment->of.id);
	segments_fini(&segments);
	return ok ? EXIT_FINE : command_fail(out, &err);
}
