/*
 * How everything is: for a person at night, and as one JSON object, the same
 * that the admin listener gives at /status.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/show.h"
#include "cli/status_inside.h"
#include "cli/stranded.h"
#include "queue/books.h"

#include <inttypes.h>

int64_t
status_since_s(int64_t now_ms, int64_t then_ms)
{
	if (then_ms == 0)
		return -1;
	return now_ms > then_ms ? (now_ms - then_ms) / 1000 : 0;
}

void
status_since_json(
    struct json *json, const char *key, int64_t now_ms, int64_t then_ms)
{
	if (then_ms == 0)
		json_null(json, key);
	else
		json_int(json, key, status_since_s(now_ms, then_ms));
}

void
status_time_json(struct json *json, const char *key, int64_t then_ms)
{
	char text[CLOCK_TEXT];

	if (then_ms == 0) {
		json_null(json, key);
		return;
	}
	clock_text(then_ms, text, sizeof(text));
	json_text(json, key, text);
}

int64_t
status_oldest_ms(struct parts *parts, const char *lane)
{
	int64_t ms = 0;

	return books_oldest_ms(parts->queue, lane, &ms, NULL) ? ms : 0;
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
	json_int(json, "kept_parcels", totals.kept_parcels);
	json_int(json, "kept_bytes", totals.kept_bytes);
	status_since_json(
	    json, "oldest_waiting_s", now_ms, status_oldest_ms(parts, NULL));
	json_int(json, "live_bytes", totals.live_bytes);
	json_int(json, "max_bytes", parts->settings->queue_max_bytes);
	json_int(json, "file_bytes", totals.file_bytes);
	json_int(json, "free_bytes", totals.free_bytes);
	json_int(json, "window_events", totals.window_events);
	status_time_json(json, "last_commit", totals.last_commit_ms);
	json_bool(json, "ballast", totals.ballast);
	json_bool(json, "broken", totals.broken);
	json_object_close(json);
}

static void
source_json(struct parts *parts, struct server *server, size_t source,
    int64_t now_ms, struct json *json)
{
	const struct settings_source *settings =
	    &parts->settings->sources[source];
	struct server_source_status status;

	json_object_open(json, NULL);
	json_text(json, "name", settings->name);
	if (server != NULL) {
		server_source_status(server, source, &status);
		status_since_json(
		    json, "last_request_s", now_ms, status.last_request_ms);
		status_since_json(
		    json, "last_success_s", now_ms, status.last_success_ms);
		status_time_json(
		    json, "failing_since", status.failing_since_ms);
		status_since_json(
		    json, "failing_s", now_ms, status.failing_since_ms);
		json_array_open(json, "tokens");
		for (size_t i = 0; i < server_tokens(server, source); i++) {
			json_object_open(json, NULL);
			json_int(json, "number", (int64_t)i + 1);
			status_since_json(json, "last_used_s", now_ms,
			    server_token_last_used_ms(server, source, i));
			json_object_close(json);
		}
		json_array_close(json);
	}
	json_object_close(json);
}

void
status_write(
    struct parts *parts, int64_t now_ms, int64_t mono_ms, struct buf *out)
{
	struct forwarder *forwarder = atomic_load(&parts->forwarder);
	struct server *server = atomic_load(&parts->server);
	bool running = forwarder != NULL;
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_text(&json, "version", CURRENTSD_VERSION);
	json_text(&json, "state", running ? "running" : "stopped");
	status_time_json(&json, "now", now_ms);
	if (running) {
		json_int(&json, "uptime_s",
		    (mono_ms - parts->started_mono_ms) / 1000);
		json_bool(&json, "alive", parts_alive(parts, mono_ms));
	}
	queue_json(parts, now_ms, &json);
	json_array_open(&json, "sources");
	for (size_t i = 0; i < parts->settings->source_count; i++)
		source_json(parts, server, i, now_ms, &json);
	json_array_close(&json);
	json_array_open(&json, "destinations");
	for (size_t i = 0; i < parts->settings->destination_count; i++)
		status_lane_json(parts, forwarder, i, now_ms, &json);
	json_array_close(&json);
	stranded_json(parts, &json);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

/* ---- for people ---- */

void
status_ago_text(int64_t now_ms, int64_t then_ms, char *ret, size_t size)
{
	char text[SHOW_DURATION];

	if (then_ms == 0) {
		(void)snprintf(ret, size, "not yet");
		return;
	}
	show_duration(status_since_s(now_ms, then_ms), text, sizeof(text));
	(void)snprintf(ret, size, "%s ago", text);
}

static void
queue_text(struct parts *parts, int64_t now_ms, struct buf *out)
{
	char live[SHOW_BYTES], most[SHOW_BYTES], room[SHOW_BYTES];
	char oldest[SHOW_DURATION + 8];
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
	if (line->waiting > 0) {
		status_ago_text(now_ms, status_oldest_ms(parts, NULL), oldest,
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
source_text(struct parts *parts, struct server *server, size_t source,
    int64_t now_ms, struct buf *out)
{
	char request[SHOW_DURATION + 8], success[SHOW_DURATION + 8];
	char failing[SHOW_DURATION];
	struct server_source_status status;

	server_source_status(server, source, &status);
	status_ago_text(
	    now_ms, status.last_request_ms, request, sizeof(request));
	status_ago_text(
	    now_ms, status.last_success_ms, success, sizeof(success));
	(void)buf_printf(out,
	    "source     %-16s last request %s, last answered 2xx %s\n",
	    parts->settings->sources[source].name, request, success);
	for (size_t i = 0; i < server_tokens(server, source); i++) {
		status_ago_text(now_ms,
		    server_token_last_used_ms(server, source, i), request,
		    sizeof(request));
		(void)buf_printf(
		    out, "           token %zu last used %s\n", i + 1, request);
	}
	if (status.failing_since_ms == 0)
		return;
	/* Braze's documentation of the Custom HTTP connector. */
	show_duration(status_since_s(now_ms, status.failing_since_ms), failing,
	    sizeof(failing));
	(void)buf_printf(out,
	    "           FAILING for %s (Braze alerts at 24 h and switches the "
	    "connector\n           off after 5 days)\n",
	    failing);
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
		stranded_text(parts, out);
		return;
	}
	show_duration(
	    (mono_ms - parts->started_mono_ms) / 1000, uptime, sizeof(uptime));
	(void)buf_printf(out, "currentsd  %s running for %s%s\n",
	    CURRENTSD_VERSION, uptime,
	    parts_alive(parts, mono_ms) ? "" : ", A THREAD HAS STALLED");
	queue_text(parts, now_ms, out);
	for (size_t i = 0; i < parts->settings->source_count; i++)
		source_text(parts, server, i, now_ms, out);
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
