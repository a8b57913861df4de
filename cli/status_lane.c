/*
 * How a lane is: its part of the status.
 */

#include "base/clock.h"
#include "cli/show.h"
#include "cli/status_inside.h"
#include "queue/books.h"

#include <inttypes.h>
#include <stdlib.h>

enum { STATUS_COUNT = 24 };

/* What was left out or cut; without memory for it an empty list. */
static void
notes_json(struct forwarder *forwarder, size_t lane, struct json *json)
{
	struct forwarder_note *notes =
	    calloc(FORWARDER_NOTES_MAX, sizeof(*notes));
	size_t count = 0;

	if (notes != NULL)
		count = forwarder_lane_notes(forwarder, lane, notes);
	json_array_open(json, "properties");
	for (size_t i = 0; i < count; i++) {
		json_object_open(json, NULL);
		json_text(json, "property", notes[i].property);
		json_text(json, "what", track_note_name(notes[i].kind));
		json_int(json, "count", (int64_t)notes[i].count);
		json_object_close(json);
	}
	json_array_close(json);
	free(notes);
}

/* What was refused, and is tried again beside others. */
static void
suspects_json(const struct forwarder_lane_status *status, struct json *json)
{
	json_object_open(json, "suspects");
	json_int(json, "events", (int64_t)status->suspects);
	json_text(json, "why", status->suspect_why);
	show_time_json(json, "until", status->suspect_due_ms);
	json_object_close(json);
}

/* A disk that fails must not keep the rest from being shown. */
static bool
lane_paused(struct parts *parts, const char *name)
{
	bool paused = false;

	return books_lane_paused(parts->queue, name, &paused, NULL) && paused;
}

void
status_lane_json(struct parts *parts, struct forwarder *forwarder, size_t lane,
    int64_t now_ms, struct json *json)
{
	const char *name = parts->settings->destinations[lane].name;
	int64_t waiting = books_lane_waiting(parts->queue, name), drain_s,
		accepted_ms;
	struct forwarder_lane_status status;

	json_object_open(json, NULL);
	json_text(json, "name", name);
	json_int(json, "waiting", waiting);
	show_since_json(
	    json, "oldest_waiting_s", now_ms, status_oldest_ms(parts, name));
	if (forwarder != NULL) {
		forwarder_lane_status(forwarder, lane, &status);
		drain_s = parts_drain_s(&status, waiting, now_ms);
		json_text(json, "state", forwarder_state_name(status.state));
		json_text(json, "why", status.why);
		show_time_json(json, "until", status.until_ms);
		accepted_ms = parts_lane_accepted_ms(parts, &status);
		show_time_json(json, "last_accepted", accepted_ms);
		show_since_json(json, "last_accepted_s", now_ms, accepted_ms);
		json_int(json, "posts", (int64_t)status.posts);
		json_int(json, "accepted", (int64_t)status.accepted);
		json_int(json, "refused", (int64_t)status.refused);
		json_int(json, "in_flight", status.in_flight);
		json_int(json, "pace_per_minute", status.pace_per_minute);
		json_int(
		    json, "pace_full_per_minute", status.pace_full_per_minute);
		suspects_json(&status, json);
		if (drain_s < 0)
			json_null(json, "drain_forecast_s");
		else
			json_int(json, "drain_forecast_s", drain_s);
		if (status.state == FORWARDER_DRY) {
			json_object_open(json, "dry_run");
			json_int(json, "sent", (int64_t)status.dry_sent);
			json_int(json, "dropped", (int64_t)status.dry_dropped);
			json_int(json, "buried", (int64_t)status.dry_buried);
			json_object_close(json);
		}
		notes_json(forwarder, lane, json);
		json_int(json, "notes_lost", (int64_t)status.notes_lost);
	} else {
		json_text(json, "state",
		    lane_paused(parts, name) ? "paused" : "stopped");
		accepted_ms = books_lane_delivered_ms(parts->queue, name);
		show_time_json(json, "last_accepted", accepted_ms);
		show_since_json(json, "last_accepted_s", now_ms, accepted_ms);
	}
	json_object_close(json);
}

/* ---- for people ---- */

static void
suspects_text(
    const struct forwarder_lane_status *status, int64_t now_ms, struct buf *out)
{
	char next[SHOW_DURATION];

	if (status->suspects == 0)
		return;
	show_duration(status->suspect_due_ms > now_ms
			  ? (status->suspect_due_ms - now_ms + 999) / 1000
			  : 0,
	    next, sizeof(next));
	(void)buf_printf(out,
	    "           %zu set aside: refused, and it is not proven that it "
	    "is the event;\n           tried again in %s; last: %s\n",
	    status->suspects, next, status->suspect_why);
}

static void
count_text(unsigned count, char *ret, size_t size)
{
	if (count < 1000)
		(void)snprintf(ret, size, "%u", count);
	else
		(void)snprintf(
		    ret, size, "%u,%03u", count / 1000, count % 1000);
}

static void
pace_text(const struct forwarder_lane_status *status, struct buf *out)
{
	unsigned pace = status->pace_per_minute;
	unsigned full = status->pace_full_per_minute;
	char present[STATUS_COUNT], whole[STATUS_COUNT];

	if (pace == full)
		return;
	count_text(pace, present, sizeof(present));
	count_text(full, whole, sizeof(whole));
	(void)buf_printf(out, "           pace %s of %s a minute after 429\n",
	    present, whole);
}

void
status_lane_text(struct parts *parts, struct forwarder *forwarder, size_t lane,
    int64_t now_ms, struct buf *out)
{
	const char *name = parts->settings->destinations[lane].name;
	int64_t waiting = books_lane_waiting(parts->queue, name), drain_s;
	char accepted[SHOW_AGO], drain[SHOW_DURATION];
	char when[CLOCK_TEXT];
	struct forwarder_lane_status status;

	forwarder_lane_status(forwarder, lane, &status);
	show_ago(now_ms, parts_lane_accepted_ms(parts, &status), accepted,
	    sizeof(accepted));
	(void)buf_printf(out,
	    "to         %-16s %s, waiting %" PRId64 ", last accepted %s\n",
	    name, forwarder_state_name(status.state), waiting, accepted);
	if (status.why[0] != '\0')
		(void)buf_printf(out, "           why: %s\n", status.why);
	if (status.until_ms > now_ms) {
		show_duration((status.until_ms - now_ms + 999) / 1000, drain,
		    sizeof(drain));
		(void)buf_printf(out, "           next try in %s\n", drain);
	}
	suspects_text(&status, now_ms, out);
	pace_text(&status, out);
	if (status.state == FORWARDER_DRY)
		(void)buf_printf(out,
		    "           would have sent %" PRIu64 ", dropped %" PRIu64
		    ", buried %" PRIu64 "\n",
		    status.dry_sent, status.dry_dropped, status.dry_buried);
	drain_s = parts_drain_s(&status, waiting, now_ms);
	if (drain_s < 0)
		(void)buf_text(
		    out, "           it cannot be told when it is empty\n");
	if (waiting == 0 || drain_s < 0)
		return;
	show_duration(drain_s, drain, sizeof(drain));
	clock_text(now_ms + drain_s * 1000, when, sizeof(when));
	(void)buf_printf(out,
	    "           empty in %s, at %.16sZ, at %u events a minute%s\n",
	    drain, when, status.pace_per_minute,
	    status.suspects > 0 ? ", but for those" : "");
}

/* The daemon does not run. */
void
status_lane_stopped_text(
    struct parts *parts, size_t lane, int64_t now_ms, struct buf *out)
{
	const char *name = parts->settings->destinations[lane].name;
	bool paused = lane_paused(parts, name);
	char accepted[SHOW_AGO];

	show_ago(now_ms, books_lane_delivered_ms(parts->queue, name), accepted,
	    sizeof(accepted));
	(void)buf_printf(out,
	    "to         %-16s %swaiting %" PRId64 ", last accepted %s\n", name,
	    paused ? "paused, " : "", books_lane_waiting(parts->queue, name),
	    accepted);
	if (paused)
		(void)buf_printf(out,
		    "           `currentsd queue resume %s` ends that\n", name);
}
