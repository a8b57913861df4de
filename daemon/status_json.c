/* /status: the facts as one JSON object. */

#include "base/counters.h"
#include "daemon/segments.h"

#include <stdlib.h>

enum {
	STATUS_TOP = 3,	      /* reasons that are shown */
	STATUS_LEFT_OUT = 20, /* properties */
	STATUS_SEGMENTS = 1000,
};

static void
since_json(struct json *json, const char *key, int64_t now_ms, int64_t then_ms)
{
	if (then_ms == 0)
		json_null_value(json, key);
	else
		json_int(json, key, status_since_s(now_ms, then_ms));
}

void
status_ledger_json(const struct stats_line *line, struct json *json)
{
	json_int(json, "received", line->received);
	json_int(json, "queued", line->queued);
	json_int(json, "delivered", line->delivered);
	json_int(json, "dead", line->dead);
	json_int(json, "dropped", line->dropped);
	json_int(json, "duplicates", line->duplicates);
	json_int(json, "erased", line->erased);
	json_int(json, "expired", line->expired);
	json_int(json, "imbalance", stats_imbalance(line));
	json_int(json, "replayed", line->replayed);
	json_int(json, "replay_queued",
	    line->replayed - line->replay_delivered - line->replay_refused);
	json_int(json, "replay_delivered", line->replay_delivered);
	json_int(json, "replay_refused", line->replay_refused);
}

static bool
top_json(void *arg, const char *text, int status, int64_t count)
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
queue_json(struct daemon *daemon, int64_t now_ms, struct json *json)
{
	struct stats_totals totals;

	stats_totals(daemon->queue, &totals);
	json_object_open(json, "queue");
	status_ledger_json(&totals.events, json);
	json_int(json, "quarantined_batches", totals.quarantined_batches);
	json_int(json, "unreadable", totals.unreadable);
	json_int(json, "unreadable_bytes", totals.unreadable_bytes);
	json_int(json, "unreadable_removed", totals.unreadable_removed);
	json_int(json, "dead_bytes", totals.dead_bytes);
	json_int(json, "dead_max_bytes",
	    queue_dead_max_bytes(&daemon->settings->queue));
	if (totals.dead_left_ms == INT64_MAX)
		json_null_value(json, "dead_expires_s");
	else
		json_int(json, "dead_expires_s", totals.dead_left_ms / 1000);
	json_int(json, "archive_batches", totals.archive_batches);
	json_int(json, "archive_bytes", totals.archive_bytes);
	since_json(
	    json, "oldest_queued_s", now_ms, status_oldest_ms(daemon, NULL));
	json_int(json, "live_bytes", totals.live_bytes);
	json_int(json, "max_bytes", daemon->settings->queue.max_bytes);
	json_int(json, "file_bytes", totals.file_bytes);
	json_int(json, "free_bytes", totals.free_bytes);
	json_int(json, "suppressed_ids", totals.suppressed);
	json_int(json, "window_events", totals.window_events);
	json_time(json, "last_commit", totals.last_commit_ms);
	json_bool(json, "reserve", totals.reserve);
	json_bool(json, "broken", totals.broken);
	json_text(json, "gone", totals.gone == NULL ? "" : totals.gone);
	json_int(json, "disk_wait_s", totals.held_ms / 1000);
	json_array_open(json, "dropped_why");
	(void)!stats_top(
	    daemon->queue, STATS_TOP_DROPS, STATUS_TOP, top_json, json, NULL);
	json_array_close(json);
	json_array_open(json, "dead_why");
	(void)!stats_top(
	    daemon->queue, STATS_TOP_DEAD, STATUS_TOP, top_json, json, NULL);
	json_array_close(json);
	json_object_close(json);
}

static void
refused_json(const struct server_source_status *status, const char *key,
    int64_t now_ms, struct json *json)
{
	if (status->refused == 0) {
		json_null_value(json, key);
		return;
	}
	json_object_open(json, key);
	json_int(json, "count", status->refused);
	json_time(json, "since", status->refused_since_ms);
	since_json(json, "last_s", now_ms, status->refused_ms);
	json_int(json, "status", status->refused_status);
	json_text(json, "why", status->refused_why);
	json_object_close(json);
}

/* How long until the source does something; null: it is not known. */
static void
left_json(struct json *json, const char *key,
    const struct server_source_status *status, int64_t after_ms, int64_t now_ms)
{
	if (after_ms == 0)
		json_null_value(json, key);
	else
		json_int(
		    json, key, status_source_left_s(status, after_ms, now_ms));
}

static void
source_json(
    struct daemon *daemon, size_t source, int64_t now_ms, struct json *json)
{
	const struct server_source *settings =
	    &daemon->settings->sources[source].server;
	struct server *server = atomic_load(&daemon->server);
	struct server_source_status status;

	json_object_open(json, NULL);
	json_text(json, "name", settings->name);
	json_text(json, "kind", settings->intake->kind);
	if (status_source_read(daemon, source, &status)) {
		int64_t failing_ms = status.failing_since_ms;

		since_json(
		    json, "last_request_s", now_ms, status.last_request_ms);
		since_json(
		    json, "last_success_s", now_ms, status.last_success_ms);
		json_time(json, "failing_since", failing_ms);
		since_json(json, "failing_s", now_ms, failing_ms);
		if (failing_ms != 0) {
			json_int(json, "failing_status", status.failing_status);
			json_text(json, "failing_why", status.failing_why);
			left_json(json, "braze_alerts_in_s", &status,
			    settings->intake->alarms_ms, now_ms);
			left_json(json, "braze_gives_up_in_s", &status,
			    settings->intake->gives_up_ms, now_ms);
		}
		refused_json(&status, "refused", now_ms, json);
	}
	if (server != NULL) {
		json_array_open(json, "tokens");
		for (size_t i = 0; i < server_tokens(server, source); i++) {
			json_object_open(json, NULL);
			json_int(json, "number", (int64_t)i + 1);
			since_json(json, "last_used_s", now_ms,
			    server_token_last_used_ms(server, source, i));
			json_object_close(json);
		}
		json_array_close(json);
	}
	json_object_close(json);
}

/* The properties that were not sent as they are; none if memory is short. */
static void
properties_json(struct forwarder *forwarder, size_t index, struct json *json)
{
	struct forwarder_omission *omissions =
	    calloc(FORWARDER_OMISSIONS_MAX, sizeof(*omissions));
	size_t count = 0;

	if (omissions != NULL)
		count = forwarder_destination_omissions(
		    forwarder, index, omissions);
	json_array_open(json, "properties");
	for (size_t i = 0; i < count; i++) {
		json_object_open(json, NULL);
		json_text(json, "property", omissions[i].property);
		json_text(json, "what", omissions[i].what);
		json_int(json, "count", (int64_t)omissions[i].count);
		json_object_close(json);
	}
	json_array_close(json);
	free(omissions);
}

static void
sender_json(
    const struct forwarder_destination_status *sender, struct json *json)
{
	json_text(json, "why", sender->why);
	json_time(json, "until", sender->until_ms);
	json_int(json, "posts", (int64_t)sender->posts);
	json_int(json, "accepted", (int64_t)sender->accepted);
	json_int(json, "refused", (int64_t)sender->refused);
	json_int(json, "in_flight", sender->in_flight);
	json_int(json, "pace_per_minute", sender->pace_per_minute);
	json_int(json, "pace_full_per_minute", sender->pace_full_per_minute);
	json_text(json, "pace_unit",
	    sender->pace_request_items > 0 ? "requests" : "items");
	json_object_open(json, "deferred");
	json_int(json, "events", (int64_t)sender->deferred);
	json_text(json, "why", sender->deferred_why);
	json_time(json, "until", sender->deferred_due_ms);
	json_object_close(json);
	if (sender->state != FORWARDER_TRIAL)
		return;
	json_object_open(json, "dry_run");
	json_int(json, "sent", (int64_t)sender->trial_sent);
	json_int(json, "dropped", (int64_t)sender->trial_dropped);
	json_int(json, "dead", (int64_t)sender->trial_dead);
	json_object_close(json);
}

/* The types whose events wait until one is accepted. */
static void
parked_json(struct forwarder *forwarder, size_t index, struct json *json)
{
	struct forwarder_parked *parked =
	    calloc(FORWARDER_PARKED_MAX, sizeof(*parked));
	size_t count = 0;

	if (parked != NULL)
		count = forwarder_destination_parked(forwarder, index, parked);
	json_array_open(json, "parked");
	for (size_t i = 0; i < count; i++) {
		json_object_open(json, NULL);
		json_text(json, "type", parked[i].name);
		json_text(json, "what", parked[i].whole ? "all" : "refused");
		json_int(json, "events", (int64_t)parked[i].count);
		json_time(json, "since", parked[i].since_ms);
		json_text(json, "why", parked[i].why);
		json_object_close(json);
	}
	json_array_close(json);
	free(parked);
}

static void
destination_json(
    struct daemon *daemon, size_t index, int64_t now_ms, struct json *json)
{
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);
	struct status_destination status;

	status_destination_read(daemon, index, now_ms, &status);
	json_object_open(json, NULL);
	json_text(json, "name", status.name);
	json_text(json, "kind",
	    daemon->settings->destinations[index].forwarder.outlet->kind);
	json_text(json, "state", status.state);
	json_int(json, "queued", status.queued);
	json_int(json, "held", status.held);
	json_int(json, "bytes", status.bytes);
	json_int(json, "bytes_max", status.bytes_max);
	since_json(json, "oldest_queued_s", now_ms, status.oldest_ms);
	json_time(json, "last_accepted", status.accepted_ms);
	since_json(json, "last_accepted_s", now_ms, status.accepted_ms);
	if (forwarder != NULL) {
		sender_json(&status.sender, json);
		if (status.drain_s < 0)
			json_null_value(json, "drain_forecast_s");
		else
			json_int(json, "drain_forecast_s", status.drain_s);
		parked_json(forwarder, index, json);
		properties_json(forwarder, index, json);
		json_int(json, "properties_lost",
		    (int64_t)status.sender.omissions_lost);
	}
	json_object_close(json);
}

static void
stranded_json(void *arg, const char *name, int64_t queued)
{
	json_object_open(arg, NULL);
	json_text(arg, "name", name);
	json_int(arg, "queued", queued);
	json_object_close(arg);
}

void
status_stranded_json(const struct daemon *daemon, struct json *json)
{
	json_array_open(json, "stranded");
	status_stranded(daemon, stranded_json, json);
	json_array_close(json);
}

static void
left_out_property_json(
    void *arg, const struct drift *drift, int64_t events, int64_t first_ms)
{
	struct json *json = arg;

	json_object_open(json, NULL);
	json_escaped(json, "type", drift->type.data, drift->type.len);
	json_escaped(json, "property", drift->field.data, drift->field.len);
	json_escaped(json, "json", drift->json.data, drift->json.len);
	json_time(json, "since", first_ms);
	json_int(json, "events", events);
	json_raw(json, "settings", "\"", 1);
	drift_settings_write(drift, json->buf);
	(void)buf_char(json->buf, '"');
	json_object_close(json);
}

static void
left_out_json(struct daemon *daemon, struct json *json)
{
	int64_t count;

	json_object_open(json, "left_out");
	json_array_open(json, "properties");
	count = status_left_out(
	    daemon, STATUS_LEFT_OUT, left_out_property_json, json);
	json_array_close(json);
	json_int(json, "count", count);
	json_object_close(json);
}

/* Those that need attention come first, so that the bound cuts the others. */
static void
segments_json(struct daemon *daemon, int64_t now_ms, struct json *json)
{
	struct segments segments;
	size_t shown = 0;

	if (!segments_read(daemon, now_ms, &segments, NULL))
		return;
	json_object_open(json, "segments");
	json_int(json, "count", (int64_t)segments.count);
	json_int(json, "waiting", segments.waiting);
	json_int(json, "held_syncs", segments.held);
	json_int(json, "incomplete_syncs", segments.incomplete);
	json_object_open(json, "states");
	for (int s = 0; s < SEGMENT_STATES; s++)
		json_int(json, segment_state_name((enum segment_state)s),
		    (int64_t)segments.states[s]);
	json_object_close(json);
	json_array_open(json, "list");
	for (int attention = 1; attention >= 0; attention--) {
		for (size_t i = 0; i < segments.count; i++) {
			const struct segment *segment = &segments.list[i];

			if (segment_needs_attention(segment) !=
				(bool)attention ||
			    shown++ >= STATUS_SEGMENTS)
				continue;
			json_object_open(json, NULL);
			segment_json(segment, now_ms, json);
			json_object_close(json);
		}
	}
	json_array_close(json);
	json_object_close(json);
	segments_fini(&segments);
}

void
status_write(
    struct daemon *daemon, int64_t now_ms, int64_t mono_ms, struct buf *out)
{
	const struct settings *settings = daemon->settings;
	bool running = atomic_load(&daemon->forwarder) != NULL;
	struct server_source_status row;
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_text(&json, "version", CURRENTSD_VERSION);
	json_text(&json, "state", running ? "running" : "stopped");
	json_time(&json, "now", now_ms);
	if (running) {
		json_int(&json, "uptime_s",
		    (mono_ms - daemon->started_mono_ms) / 1000);
		json_bool(&json, "alive", status_alive(daemon, mono_ms));
		json_int(&json, "log_lines_dropped",
		    (int64_t)counter_read(COUNTER_LOG_DROPPED));
	}
	queue_json(daemon, now_ms, &json);
	json_array_open(&json, "sources");
	for (size_t i = 0; i < settings->source_count; i++)
		source_json(daemon, i, now_ms, &json);
	json_array_close(&json);
	if (status_source_read(daemon, settings->source_count, &row))
		refused_json(&row, "refused_without_source", now_ms, &json);
	if (status_source_read(daemon, settings->source_count + 1, &row))
		refused_json(&row, "refused_strangers", now_ms, &json);
	json_array_open(&json, "destinations");
	for (size_t i = 0; i < settings->destination_count; i++)
		destination_json(daemon, i, now_ms, &json);
	json_array_close(&json);
	status_stranded_json(daemon, &json);
	segments_json(daemon, now_ms, &json);
	left_out_json(daemon, &json);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}
