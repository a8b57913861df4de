/*
 * currentsd queue ...: what waits, and what is buried.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/show.h"
#include "queue/books.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	LIST_PRESET = 50,
	LIST_MAX = 10000,
};

const struct option_row command_queue_list_options[] = {
    {"--after", "ID", "Begin after the buried event with this id."},
    {"--limit", "N", "At most N events (50)."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* One run of a command; the walks below write through it. */
struct walk {
	struct buf *out;
	struct json *json; /* NULL: text */
	const char *head;  /* text: of the table that is not begun yet */
	int64_t last_id;
	size_t count;
};

/* ---- stats ---- */

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
lane_drain_s(struct parts *parts, size_t lane, int64_t waiting)
{
	struct forwarder *forwarder = atomic_load(&parts->forwarder);
	struct forwarder_lane_status status;

	if (forwarder == NULL)
		return waiting == 0 ? 0 : -1;
	forwarder_lane_status(forwarder, lane, &status);
	return parts_drain_s(&status, waiting);
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
	seconds = lane_drain_s(parts, lane, waiting);
	if (seconds > 0) {
		clock_text(
		    context->now_ms + seconds * 1000, when, sizeof(when));
		(void)buf_printf(
		    out, ", empty at %.16sZ at the present pace", when);
	} else if (seconds < 0) {
		(void)buf_printf(
		    out, ", the lane is %s", lane_state(parts, lane));
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
	seconds = lane_drain_s(parts, lane, waiting);
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
	return books_ledger(parts->queue, BOOKS_BY_SOURCE, stats_line, &sources,
		   reterr) &&
	       books_ledger(
		   parts->queue, BOOKS_BY_KIND, stats_line, &types, reterr);
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

/* ---- list and show ---- */

static void
buried_json(struct json *json, const struct books_buried *buried)
{
	char when[CLOCK_TEXT];

	json_int(json, "id", buried->id);
	clock_text(buried->buried_ms, when, sizeof(when));
	json_text(json, "buried", when);
	clock_text(buried->accepted_ms, when, sizeof(when));
	json_text(json, "accepted", when);
	json_text(json, "source", buried->source);
	json_text(json, "destination", buried->lane);
	json_text(json, "type", buried->kind);
	json_int(json, "status", buried->status);
	json_text(json, "reason", buried->reason);
	json_int(json, "attempts", buried->attempts);
}

static bool
list_buried(void *arg, const struct books_buried *buried)
{
	struct walk *walk = arg;
	char when[CLOCK_TEXT];

	walk->last_id = buried->id;
	if (walk->json != NULL) {
		json_object_open(walk->json, NULL);
		buried_json(walk->json, buried);
		json_object_close(walk->json);
		return true;
	}
	if (walk->count++ == 0)
		(void)buf_printf(walk->out, "%8s %-20s %-12s %-32s %6s %s\n",
		    "id", "buried", "source", "type", "status", "reason");
	clock_text(buried->buried_ms, when, sizeof(when));
	(void)buf_printf(walk->out, "%8" PRId64 " %.19sZ %-12s %-32s %6d %s\n",
	    buried->id, when, buried->source, buried->kind, buried->status,
	    buried->reason);
	return true;
}

int
command_queue_list(struct command_context *context, struct buf *out)
{
	struct json json;
	struct walk walk = {.out = out};
	int64_t after, limit;
	struct err err;

	if (!options_integer(
		context->options, "--after", 0, 0, INT64_MAX, &after, &err) ||
	    !options_integer(context->options, "--limit", LIST_PRESET, 1,
		LIST_MAX, &limit, &err))
		return command_fail(out, &err);
	if (options_has(context->options, "--json")) {
		json_init(&json, out);
		walk.json = &json;
		json_array_open(&json, NULL);
	}
	if (!books_buried(context->parts->queue, after, (size_t)limit,
		list_buried, &walk, &err))
		return command_fail(out, &err);
	if (walk.json != NULL) {
		json_array_close(&json);
		(void)buf_char(out, '\n');
	} else if (walk.count == 0) {
		(void)buf_text(out, "nothing is buried\n");
	} else if (walk.count == (size_t)limit) {
		(void)buf_printf(out, "more may follow: --after %" PRId64 "\n",
		    walk.last_id);
	}
	return EXIT_FINE;
}

struct show {
	struct buf *out;
	bool json;
	int64_t id;
	bool found;
};

static void
show_part_text(struct buf *out, const char *head, const char *data, size_t len)
{
	if (data == NULL)
		return;
	(void)buf_printf(out, "\n%s (%zu bytes)\n", head, len);
	(void)buf_append(out, data, len);
	(void)buf_char(out, '\n');
}

static bool
show_buried(void *arg, const struct books_buried *buried)
{
	struct show *show = arg;
	char when[CLOCK_TEXT], accepted[CLOCK_TEXT];
	struct json json;

	show->found = buried->id == show->id;
	if (!show->found)
		return false;
	if (show->json) {
		json_init(&json, show->out);
		json_object_open(&json, NULL);
		buried_json(&json, buried);
		json_bytes(&json, "event",
		    buried->data != NULL ? buried->data : "", buried->data_len);
		if (buried->sent != NULL)
			json_bytes(
			    &json, "sent", buried->sent, buried->sent_len);
		if (buried->words != NULL)
			json_bytes(
			    &json, "words", buried->words, buried->words_len);
		json_object_close(&json);
		(void)buf_char(show->out, '\n');
		return false;
	}
	clock_text(buried->buried_ms, when, sizeof(when));
	clock_text(buried->accepted_ms, accepted, sizeof(accepted));
	(void)buf_printf(show->out,
	    "id           %" PRId64 "\ntype         %s\nsource       %s\n"
	    "destination  %s\naccepted     %s\nburied       %s\n"
	    "reason       %s\nattempts     %u\n",
	    buried->id, buried->kind, buried->source, buried->lane, accepted,
	    when, buried->reason, buried->attempts);
	if (buried->status != 0)
		(void)buf_printf(
		    show->out, "status       %d\n", buried->status);
	show_part_text(
	    show->out, "the answer", buried->words, buried->words_len);
	show_part_text(
	    show->out, "what was sent", buried->sent, buried->sent_len);
	show_part_text(
	    show->out, "the event as it came", buried->data, buried->data_len);
	return false;
}

int
command_queue_show(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct show show = {
	    .out = out,
	    .json = options_has(options, "--json"),
	};
	struct err err;
	char *end = NULL;

	if (options->word_count == 1)
		show.id = strtoll(options->words[0], &end, 10);
	if (end == NULL || *end != '\0' || show.id <= 0) {
		(void)err_set(&err, ERR_INPUT,
		    "queue show takes one id, as `currentsd queue list` "
		    "shows it");
		return command_fail(out, &err);
	}
	if (!books_buried(context->parts->queue, show.id - 1, 1, show_buried,
		&show, &err))
		return command_fail(out, &err);
	if (show.found)
		return EXIT_FINE;
	(void)buf_printf(
	    out, "there is no buried event %" PRId64 "\n", show.id);
	return EXIT_FOUND;
}
