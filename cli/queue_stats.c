/*
 * currentsd queue stats: what waits, and for how long.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/queue_age.h"
#include "cli/show.h"
#include "cli/stranded.h"
#include "queue/books.h"

#include <inttypes.h>

const struct option_row command_queue_stats_options[] = {
    {"--age", NULL, "How old the waiting are, event by event."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* One run of a command; the walks below write through it. */
struct walk {
	struct buf *out;
	struct json *json; /* NULL: text */
	const char *head;  /* text: of the table that is not begun yet */
	size_t count;
};

static bool
stats_line(void *arg, const char *label, const struct books_line *line)
{
	struct walk *walk = arg;

	if (line->waiting == 0 && line->buried == 0)
		return true;
	if (walk->json == NULL) {
		if (walk->count++ == 0)
			(void)buf_printf(walk->out, "\n%-48s %10s %10s\n",
			    walk->head, "waiting", "buried");
		(void)buf_printf(walk->out,
		    "%-48s %10" PRId64 " %10" PRId64 "\n", label, line->waiting,
		    line->buried);
		return true;
	}
	json_object_open(walk->json, NULL);
	json_text(walk->json, "label", label);
	json_int(walk->json, "waiting", line->waiting);
	json_int(walk->json, "buried", line->buried);
	json_object_close(walk->json);
	return true;
}

/* When is a lane empty, as things are? -1: nobody can tell. */
static int64_t
lane_drain_s(struct parts *parts, size_t lane, int64_t waiting, int64_t now_ms)
{
	struct forwarder *forwarder = atomic_load(&parts->forwarder);
	struct forwarder_lane_status status;

	if (forwarder == NULL)
		return waiting == 0 ? 0 : -1;
	forwarder_lane_status(forwarder, lane, &status);
	return parts_drain_s(&status, waiting, now_ms);
}

static const char *
lane_state(struct parts *parts, size_t lane)
{
	struct forwarder *forwarder = atomic_load(&parts->forwarder);
	struct forwarder_lane_status status;

	if (forwarder == NULL)
		return "not served: the daemon does not run";
	forwarder_lane_status(forwarder, lane, &status);
	return forwarder_state_name(status.state);
}

/* Of a lane; what cannot be read from the disk counts as nothing. */
static int64_t
lane_oldest_s(struct parts *parts, const char *name, int64_t now_ms)
{
	int64_t ms = 0;

	if (!books_oldest_ms(parts->queue, name, &ms, NULL) || ms == 0)
		return -1;
	return now_ms > ms ? (now_ms - ms) / 1000 : 0;
}

static void
stats_lane_text(struct command_context *context, size_t lane, struct buf *out)
{
	struct parts *parts = context->parts;
	const char *name = parts->settings->destinations[lane].name;
	int64_t waiting = books_lane_waiting(parts->queue, name), seconds;
	char text[SHOW_DURATION], when[CLOCK_TEXT];

	(void)buf_printf(out, "to %-16s waiting %" PRId64, name, waiting);
	seconds = lane_oldest_s(parts, name, context->now_ms);
	if (seconds >= 0) {
		show_duration(seconds, text, sizeof(text));
		(void)buf_printf(out, ", the oldest for %s", text);
	}
	seconds = lane_drain_s(parts, lane, waiting, context->now_ms);
	if (seconds > 0) {
		clock_text(
		    context->now_ms + seconds * 1000, when, sizeof(when));
		(void)buf_printf(
		    out, ", empty at %.16sZ at the present quota", when);
	} else if (seconds < 0) {
		(void)buf_printf(out,
		    ", it cannot be told when it is empty: the lane is %s",
		    lane_state(parts, lane));
	}
	(void)buf_char(out, '\n');
}

static void
stats_lane_json(struct command_context *context, size_t lane, struct json *json)
{
	struct parts *parts = context->parts;
	const char *name = parts->settings->destinations[lane].name;
	int64_t waiting = books_lane_waiting(parts->queue, name), seconds;

	json_object_open(json, NULL);
	json_text(json, "name", name);
	json_int(json, "waiting", waiting);
	seconds = lane_oldest_s(parts, name, context->now_ms);
	if (seconds < 0)
		json_null(json, "oldest_waiting_s");
	else
		json_int(json, "oldest_waiting_s", seconds);
	seconds = lane_drain_s(parts, lane, waiting, context->now_ms);
	if (seconds < 0)
		json_null(json, "drain_forecast_s");
	else
		json_int(json, "drain_forecast_s", seconds);
	json_object_close(json);
}

static bool
stats_json(struct command_context *context, const struct books_totals *totals,
    struct buf *out, struct err *reterr)
{
	struct parts *parts = context->parts;
	struct json json;
	struct walk walk = {.out = out, .json = &json};

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_int(&json, "waiting", totals->events.waiting);
	json_int(&json, "buried", totals->events.buried);
	json_int(&json, "undecodable", totals->undecodable);
	json_array_open(&json, "destinations");
	for (size_t i = 0; i < parts->settings->destination_count; i++)
		stats_lane_json(context, i, &json);
	json_array_close(&json);
	stranded_json(parts, &json);
	json_array_open(&json, "sources");
	if (!books_ledger(
		parts->queue, BOOKS_BY_SOURCE, stats_line, &walk, reterr))
		return false;
	json_array_close(&json);
	json_array_open(&json, "types");
	if (!books_ledger(
		parts->queue, BOOKS_BY_KIND, stats_line, &walk, reterr))
		return false;
	json_array_close(&json);
	if (options_has(context->options, "--age") &&
	    !queue_age_show(context, &json, out, reterr))
		return false;
	json_object_close(&json);
	(void)buf_char(out, '\n');
	return true;
}

static bool
stats_text(struct command_context *context, const struct books_totals *totals,
    struct buf *out, struct err *reterr)
{
	struct parts *parts = context->parts;
	struct walk sources = {.out = out, .head = "source"};
	struct walk types = {.out = out, .head = "type"};

	(void)buf_printf(out,
	    "waiting %" PRId64 ", buried %" PRId64 ", undecodable %" PRId64
	    "\n",
	    totals->events.waiting, totals->events.buried, totals->undecodable);
	for (size_t i = 0; i < parts->settings->destination_count; i++)
		stats_lane_text(context, i, out);
	stranded_text(parts, out);
	return books_ledger(parts->queue, BOOKS_BY_SOURCE, stats_line, &sources,
		   reterr) &&
	       books_ledger(
		   parts->queue, BOOKS_BY_KIND, stats_line, &types, reterr) &&
	       (!options_has(context->options, "--age") ||
		   queue_age_show(context, NULL, out, reterr));
}

int
command_queue_stats(struct command_context *context, struct buf *out)
{
	struct books_totals totals;
	struct err err;
	bool ok;

	books_totals(context->parts->queue, &totals);
	if (options_has(context->options, "--json"))
		ok = stats_json(context, &totals, out, &err);
	else
		ok = stats_text(context, &totals, out, &err);
	return ok ? EXIT_FINE : command_fail(out, &err);
}
