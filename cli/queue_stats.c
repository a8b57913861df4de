/*
 * currentsd queue stats: what is queued, and for how long.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/queue_age.h"
#include "cli/show.h"
#include "cli/stranded.h"
#include "queue/admin.h"

#include <inttypes.h>

const struct option_row command_queue_stats_options[] = {
    {"--age", NULL, "How old the queued events are, event by event."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* One run of a command; the walks below write through it. */
struct walk {
	struct buf *out;
	struct json *json; /* NULL: text */
	const char *head;  /* text: of the table */
	size_t count;
};

static bool
stats_line(void *arg, const char *label, const struct stats_line *line)
{
	struct walk *walk = arg;

	if (line->queued == 0 && line->dead == 0)
		return true;
	if (walk->json == NULL) {
		if (walk->count++ == 0)
			(void)buf_printf(walk->out, "\n%-48s %10s %10s\n",
			    walk->head, "queued", "dead");
		(void)buf_printf(walk->out,
		    "%-48s %10" PRId64 " %10" PRId64 "\n", label, line->queued,
		    line->dead);
		return true;
	}
	json_object_open(walk->json, NULL);
	json_text(walk->json, "label", label);
	json_int(walk->json, "queued", line->queued);
	json_int(walk->json, "dead", line->dead);
	json_object_close(walk->json);
	return true;
}

/* Seconds until the destination has no queued events, -1 if unknown. */
static int64_t
drain_s(struct parts *parts, size_t destination, int64_t queued, int64_t now_ms)
{
	struct forwarder *forwarder = atomic_load(&parts->forwarder);
	struct forwarder_destination_status status;

	if (forwarder == NULL)
		return queued == 0 ? 0 : -1;
	forwarder_destination_status(forwarder, destination, &status);
	return parts_drain_s(&status, queued, now_ms);
}

static const char *
state_name(struct parts *parts, size_t destination)
{
	struct forwarder *forwarder = atomic_load(&parts->forwarder);
	struct forwarder_destination_status status;

	if (forwarder == NULL)
		return "stopped: the daemon is not running";
	forwarder_destination_status(forwarder, destination, &status);
	return forwarder_state_name(status.state);
}

/* Age of the oldest queued event, -1 if there is none or the disk fails. */
static int64_t
oldest_s(struct parts *parts, const char *name, int64_t now_ms)
{
	int64_t ms = 0;

	if (!stats_oldest_ms(parts->queue, name, &ms, NULL) || ms == 0)
		return -1;
	return now_ms > ms ? (now_ms - ms) / 1000 : 0;
}

static void
stats_destination_text(
    struct command_context *context, size_t destination, struct buf *out)
{
	struct parts *parts = context->parts;
	const char *name = parts->settings->destinations[destination].name;
	int64_t queued = stats_destination_queued(parts->queue, name), seconds;
	char text[SHOW_DURATION], when[CLOCK_TEXT];

	(void)buf_printf(out, "to %-16s %" PRId64 " queued", name, queued);
	seconds = oldest_s(parts, name, context->now_ms);
	if (seconds >= 0) {
		show_duration(seconds, text, sizeof(text));
		(void)buf_printf(out, ", the oldest for %s", text);
	}
	seconds = drain_s(parts, destination, queued, context->now_ms);
	if (seconds > 0) {
		clock_text(
		    context->now_ms + seconds * 1000, when, sizeof(when));
		(void)buf_printf(
		    out, ", empty at %.16sZ at the present pace", when);
	} else if (seconds < 0) {
		(void)buf_printf(out,
		    "; when it will be empty is unknown: it is %s",
		    state_name(parts, destination));
	}
	(void)buf_char(out, '\n');
}

static void
stats_destination_json(
    struct command_context *context, size_t destination, struct json *json)
{
	struct parts *parts = context->parts;
	const char *name = parts->settings->destinations[destination].name;
	int64_t queued = stats_destination_queued(parts->queue, name), seconds;

	json_object_open(json, NULL);
	json_text(json, "name", name);
	json_int(json, "queued", queued);
	seconds = oldest_s(parts, name, context->now_ms);
	if (seconds < 0)
		json_null(json, "oldest_queued_s");
	else
		json_int(json, "oldest_queued_s", seconds);
	seconds = drain_s(parts, destination, queued, context->now_ms);
	if (seconds < 0)
		json_null(json, "drain_forecast_s");
	else
		json_int(json, "drain_forecast_s", seconds);
	json_object_close(json);
}

static bool
stats_json(struct command_context *context, const struct stats_totals *totals,
    struct buf *out, struct err *reterr)
{
	struct parts *parts = context->parts;
	struct json json;
	struct walk walk = {.out = out, .json = &json};

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_int(&json, "queued", totals->events.queued);
	json_int(&json, "dead", totals->events.dead);
	json_int(&json, "unreadable", totals->unreadable);
	json_array_open(&json, "destinations");
	for (size_t i = 0; i < parts->settings->destination_count; i++)
		stats_destination_json(context, i, &json);
	json_array_close(&json);
	stranded_json(parts, &json);
	json_array_open(&json, "sources");
	if (!stats_ledger(
		parts->queue, STATS_BY_SOURCE, stats_line, &walk, reterr))
		return false;
	json_array_close(&json);
	json_array_open(&json, "types");
	if (!stats_ledger(
		parts->queue, STATS_BY_TYPE, stats_line, &walk, reterr))
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
stats_text(struct command_context *context, const struct stats_totals *totals,
    struct buf *out, struct err *reterr)
{
	struct parts *parts = context->parts;
	struct walk sources = {.out = out, .head = "source"};
	struct walk types = {.out = out, .head = "type"};

	(void)buf_printf(out,
	    "%" PRId64 " queued, %" PRId64 " dead, %" PRId64 " unreadable\n",
	    totals->events.queued, totals->events.dead, totals->unreadable);
	for (size_t i = 0; i < parts->settings->destination_count; i++)
		stats_destination_text(context, i, out);
	stranded_text(parts, out);
	return stats_ledger(parts->queue, STATS_BY_SOURCE, stats_line, &sources,
		   reterr) &&
	       stats_ledger(
		   parts->queue, STATS_BY_TYPE, stats_line, &types, reterr) &&
	       (!options_has(context->options, "--age") ||
		   queue_age_show(context, NULL, out, reterr));
}

int
command_queue_stats(struct command_context *context, struct buf *out)
{
	struct stats_totals totals;
	struct err err;
	bool ok;

	stats_totals(context->parts->queue, &totals);
	if (options_has(context->options, "--json"))
		ok = stats_json(context, &totals, out, &err);
	else
		ok = stats_text(context, &totals, out, &err);
	return ok ? EXIT_FINE : command_fail(out, &err);
}
