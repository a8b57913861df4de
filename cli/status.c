/*
 * currentsd status: the state of everything, as text for an operator who was
 * woken at night, and as one JSON object, which is also /status.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/show.h"
#include "cli/status_inside.h"
#include "cli/status_source.h"
#include "cli/stranded.h"
#include "queue/admin.h"

#include <inttypes.h>

enum { STATUS_TOP = 3 }; /* reasons that are shown */

int64_t
status_oldest_ms(struct parts *parts, const char *destination)
{
	int64_t ms = 0;

	return stats_oldest_ms(parts->queue, destination, &ms, NULL) ? ms : 0;
}

/* The most frequent rules and reasons why events were dropped or are dead. A
 * failing disk must not hide the rest. */
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
top_json(struct parts *parts, enum stats_top top, struct json *json)
{
	json_array_open(
	    json, top == STATS_TOP_DROPS ? "dropped_why" : "dead_why");
	(void)!stats_top(
	    parts->queue, top, STATUS_TOP, top_json_one, json, NULL);
	json_array_close(json);
}

static void
queue_json(struct parts *parts, int64_t now_ms, struct json *json)
{
	struct stats_totals totals;

	stats_totals(parts->queue, &totals);
	json_object_open(json, "queue");
	show_line_json(json, &totals.events);
	json_int(json, "quarantined_batches", totals.quarantined_batches);
	json_int(json, "unreadable", totals.unreadable);
	json_int(json, "unreadable_bytes", totals.unreadable_bytes);
	json_int(json, "unreadable_removed", totals.unreadable_removed);
	json_int(json, "archive_batches", totals.archive_batches);
	json_int(json, "archive_bytes", totals.archive_bytes);
	show_since_json(
	    json, "oldest_queued_s", now_ms, status_oldest_ms(parts, NULL));
	json_int(json, "live_bytes", totals.live_bytes);
	json_int(json, "max_bytes", parts->settings->queue_max_bytes);
	json_int(json, "file_bytes", totals.file_bytes);
	json_int(json, "free_bytes", totals.free_bytes);
	json_int(json, "window_events", totals.window_events);
	show_time_json(json, "last_commit", totals.last_commit_ms);
	json_bool(json, "reserve", totals.reserve);
	json_bool(json, "broken", totals.broken);
	top_json(parts, STATS_TOP_DROPS, json);
	top_json(parts, STATS_TOP_DEAD, json);
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
		status_destination_json(parts, forwarder, i, now_ms, &json);
	json_array_close(&json);
	stranded_json(parts, &json);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

/* ---- as text ---- */

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
    struct parts *parts, enum stats_top which, int64_t count, struct buf *out)
{
	struct top_text top = {.out = out};

	if (count == 0)
		return;
	(void)buf_printf(out, "           %s: ",
	    which == STATS_TOP_DROPS   ? "dropped"
	    : count > STATS_TOP_RECENT ? "dead recently"
				       : "dead");
	(void)!stats_top(
	    parts->queue, which, STATUS_TOP, top_text_one, &top, NULL);
	(void)buf_char(out, '\n');
}

static void
queue_text(struct parts *parts, int64_t now_ms, struct buf *out)
{
	char live[SHOW_BYTES], most[SHOW_BYTES], room[SHOW_BYTES];
	char oldest[SHOW_AGO];
	struct stats_totals totals;
	const struct stats_line *line = &totals.events;
	int64_t replays;

	stats_totals(parts->queue, &totals);
	show_bytes(totals.live_bytes, live, sizeof(live));
	show_bytes(parts->settings->queue_max_bytes, most, sizeof(most));
	show_bytes(totals.free_bytes, room, sizeof(room));
	(void)buf_printf(out,
	    "queue      %" PRId64 " queued, %" PRId64 " dead, %" PRId64
	    " unreadable\n",
	    line->queued, line->dead, totals.unreadable);
	if (totals.unreadable_removed > 0)
		(void)buf_printf(out,
		    "           unreadable bodies removed: %" PRId64 "\n",
		    totals.unreadable_removed);
	top_text(parts, STATS_TOP_DEAD, line->dead, out);
	if (line->queued > 0) {
		show_ago(now_ms, status_oldest_ms(parts, NULL), oldest,
		    sizeof(oldest));
		(void)buf_printf(out,
		    "           the oldest queued event was accepted %s\n",
		    oldest);
	}
	(void)buf_printf(out,
	    "           %s of %s, %s free on the file system%s\n", live, most,
	    room, totals.reserve ? "" : ", NO RESERVE FILE");
	(void)buf_printf(out,
	    "ledger     received %" PRId64 ", delivered %" PRId64
	    ", dropped %" PRId64 ", duplicates %" PRId64 "\n",
	    line->received, line->delivered, line->dropped, line->duplicates);
	replays =
	    line->replayed - line->replay_delivered - line->replay_refused;
	if (replays > 0)
		(void)buf_printf(out,
		    "           %" PRId64 " replays are still to be sent, "
		    "behind the live traffic\n",
		    replays);
	top_text(parts, STATS_TOP_DROPS, line->dropped, out);
	if (stats_imbalance(line) != 0)
		(void)buf_printf(out,
		    "           THE LEDGER IS OFF BY %" PRId64
		    ": run currentsd ledger --check\n",
		    stats_imbalance(line));
	if (totals.broken)
		(void)buf_text(out,
		    "           THE DISK FAILED: nothing is accepted until the "
		    "queue has been reopened\n");
	if (totals.quarantined_batches > 0)
		(void)buf_printf(out,
		    "           %" PRId64 " DAMAGED BATCHES are quarantined\n",
		    totals.quarantined_batches);
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
			status_destination_stopped_text(parts, i, now_ms, out);
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
		status_destination_text(parts, forwarder, i, now_ms, out);
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
