/*
 * How everything is: for a person at night, and as one JSON object, the same
 * that the admin listener gives at /status.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/show.h"
#include "cli/status_inside.h"
#include "cli/status_source.h"
#include "cli/stranded.h"
#include "queue/books.h"

#include <inttypes.h>

enum { STATUS_TOP = 3 }; /* reasons that are shown */

/* The oldest event of a lane (NULL: of all), or 0; a disk that fails must
 * not keep the rest from being shown. */
int64_t
status_oldest_ms(struct parts *parts, const char *lane)
{
	int64_t ms = 0;

	return books_oldest_ms(parts->queue, lane, &ms, NULL) ? ms : 0;
}

/* Why events are where nobody waits for them: the most frequent rules and
 * reasons. A disk that fails must not keep the rest from being shown. */
static bool
top_json_one(void *arg, const char *text, int status, int64_t count)
{
	struct json *json = arg;

	json_object_open(json, NULL);
	json_text(json, "why", text);
	if (status != 0)
		json_int(json, "status", status);
	json_int(json, "count", count);
	json_object_close(json);
	return true;
}

static void
top_json(struct parts *parts, enum books_top top, struct json *json)
{
	json_array_open(
	    json, top == BOOKS_TOP_DROPS ? "dropped_why" : "buried_why");
	(void)!books_top(
	    parts->queue, top, STATUS_TOP, top_json_one, json, NULL);
	json_array_close(json);
}

static void
queue_json(struct parts *parts, int64_t now_ms, struct json *json)
{
	struct books_totals totals;

	books_totals(parts->queue, &totals);
	json_object_open(json, "queue");
	show_line_json(json, &totals.events);
	json_int(json, "set_aside_parcels", totals.set_aside_parcels);
	json_int(json, "undecodable", totals.undecodable);
	json_int(json, "undecodable_bytes", totals.undecodable_bytes);
	json_int(json, "undecodable_removed", totals.undecodable_removed);
	json_int(json, "kept_parcels", totals.kept_parcels);
	json_int(json, "kept_bytes", totals.kept_bytes);
	show_since_json(
	    json, "oldest_waiting_s", now_ms, status_oldest_ms(parts, NULL));
	json_int(json, "live_bytes", totals.live_bytes);
	json_int(json, "max_bytes", parts->settings->queue_max_bytes);
	json_int(json, "file_bytes", totals.file_bytes);
	json_int(json, "free_bytes", totals.free_bytes);
	json_int(json, "window_events", totals.window_events);
	show_time_json(json, "last_commit", totals.last_commit_ms);
	json_bool(json, "ballast", totals.ballast);
	json_bool(json, "broken", totals.broken);
	top_json(parts, BOOKS_TOP_DROPS, json);
	top_json(parts, BOOKS_TOP_REASONS, json);
	json_object_close(json);
}

void
status_write(
    struct parts *parts, int64_t now_ms, int64_t mono_ms, struct buf *out)
{
	struct forwarder *forwarder = atomic_load(&parts->forwarder);
	bool running = forwarder != NULL;
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_text(&json, "version", CURRENTSD_VERSION);
	json_text(&json, "state", running ? "running" : "stopped");
	show_time_json(&json, "now", now_ms);
	if (running) {
		json_int(&json, "uptime_s",
		    (mono_ms - parts->started_mono_ms) / 1000);
		json_bool(&json, "alive", parts_alive(parts, mono_ms));
	}
	queue_json(parts, now_ms, &json);
	json_array_open(&json, "sources");
	for (size_t i = 0; i < parts->settings->source_count; i++)
		status_source_json(parts, i, now_ms, &json);
	json_array_close(&json);
	status_no_source_json(parts, now_ms, &json);
	json_array_open(&json, "destinations");
	for (size_t i = 0; i < parts->settings->destination_count; i++)
		status_lane_json(parts, forwarder, i, now_ms, &json);
	json_array_close(&json);
	stranded_json(parts, &json);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

/* ---- for people ---- */

struct top_text {
	struct buf *out;
	bool any;
};

static bool
top_text_one(void *arg, const char *text, int status, int64_t count)
{
	struct top_text *top = arg;

	(void)buf_printf(
	    top->out, "%s%" PRId64 " %s", top->any ? ", " : "", count, text);
	if (status != 0)
		(void)buf_printf(top->out, " (%d)", status);
	top->any = true;
	return true;
}

static void
top_text(
    struct parts *parts, enum books_top which, int64_t count, struct buf *out)
{
	struct top_text top = {.out = out};

	if (count == 0)
		return;
	(void)buf_printf(out, "           %s: ",
	    which == BOOKS_TOP_DROPS   ? "dropped"
	    : count > BOOKS_TOP_BURIED ? "buried last"
				       : "buried");
	(void)!books_top(
	    parts->queue, which, STATUS_TOP, top_text_one, &top, NULL);
	(void)buf_char(out, '\n');
}

static void
queue_text(struct parts *parts, int64_t now_ms, struct buf *out)
{
	char live[SHOW_BYTES], most[SHOW_BYTES], room[SHOW_BYTES];
	char oldest[SHOW_AGO];
	struct books_totals totals;
	const struct books_line *line = &totals.events;
	int64_t replays;

	books_totals(parts->queue, &totals);
	show_bytes(totals.live_bytes, live, sizeof(live));
	show_bytes(parts->settings->queue_max_bytes, most, sizeof(most));
	show_bytes(totals.free_bytes, room, sizeof(room));
	(void)buf_printf(out,
	    "queue      waiting %" PRId64 ", buried %" PRId64
	    ", undecodable %" PRId64 "\n",
	    line->waiting, line->buried, totals.undecodable);
	if (totals.undecodable_removed > 0)
		(void)buf_printf(out,
		    "           %" PRId64 " more undecodable were removed\n",
		    totals.undecodable_removed);
	top_text(parts, BOOKS_TOP_REASONS, line->buried, out);
	if (line->waiting > 0) {
		show_ago(now_ms, status_oldest_ms(parts, NULL), oldest,
		    sizeof(oldest));
		(void)buf_printf(out,
		    "           the oldest waiting was accepted %s\n", oldest);
	}
	(void)buf_printf(out,
	    "           %s of %s, %s free on the file system%s\n", live, most,
	    room, totals.ballast ? "" : ", NO BALLAST");
	(void)buf_printf(out,
	    "books      received %" PRId64 ", delivered %" PRId64
	    ", dropped %" PRId64 ", duplicates %" PRId64 "\n",
	    line->received, line->delivered, line->dropped, line->duplicates);
	replays =
	    line->replayed - line->replay_delivered - line->replay_refused;
	if (replays > 0)
		(void)buf_printf(out,
		    "           %" PRId64 " replays are still to be sent, "
		    "behind what waits\n",
		    replays);
	top_text(parts, BOOKS_TOP_DROPS, line->dropped, out);
	if (books_imbalance(line) != 0)
		(void)buf_printf(out,
		    "           THE BOOKS DO NOT BALANCE by %" PRId64
		    ": run currentsd ledger --check\n",
		    books_imbalance(line));
	if (totals.broken)
		(void)buf_text(out,
		    "           THE DISK FAILED: nothing is accepted until the "
		    "queue is open again\n");
	if (totals.set_aside_parcels > 0)
		(void)buf_printf(out,
		    "           %" PRId64 " DAMAGED PARCELS were set aside\n",
		    totals.set_aside_parcels);
}

static void
sources_text(struct parts *parts, int64_t now_ms, struct buf *out)
{
	for (size_t i = 0; i < parts->settings->source_count; i++)
		status_source_text(parts, i, now_ms, out);
	status_no_source_text(parts, now_ms, out);
}

static void
status_text(
    struct parts *parts, int64_t now_ms, int64_t mono_ms, struct buf *out)
{
	struct forwarder *forwarder = atomic_load(&parts->forwarder);
	struct server *server = atomic_load(&parts->server);
	char uptime[SHOW_DURATION];

	if (forwarder == NULL || server == NULL) {
		(void)buf_printf(
		    out, "currentsd  %s NOT RUNNING\n", CURRENTSD_VERSION);
		queue_text(parts, now_ms, out);
		sources_text(parts, now_ms, out);
		for (size_t i = 0; i < parts->settings->destination_count; i++)
			status_lane_stopped_text(parts, i, now_ms, out);
		stranded_text(parts, out);
		return;
	}
	show_duration(
	    (mono_ms - parts->started_mono_ms) / 1000, uptime, sizeof(uptime));
	(void)buf_printf(out, "currentsd  %s running for %s%s\n",
	    CURRENTSD_VERSION, uptime,
	    parts_alive(parts, mono_ms) ? "" : ", A THREAD HAS STALLED");
	queue_text(parts, now_ms, out);
	sources_text(parts, now_ms, out);
	for (size_t i = 0; i < parts->settings->destination_count; i++)
		status_lane_text(parts, forwarder, i, now_ms, out);
	stranded_text(parts, out);
}

int
command_status(struct command_context *context, struct buf *out)
{
	int64_t mono_ms = clock_mono_ms();

	if (options_has(context->options, "--json"))
		status_write(context->parts, context->now_ms, mono_ms, out);
	else
		status_text(context->parts, context->now_ms, mono_ms, out);
	return EXIT_FINE;
}
