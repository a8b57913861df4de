/*
 * The part of the status about one destination.
 */

#include "base/clock.h"
#include "cli/show.h"
#include "cli/status_inside.h"
#include "queue/admin.h"

#include <inttypes.h>
#include <stdlib.h>

enum { STATUS_COUNT = 24 };

/* The properties that were left out or cut; empty if memory is short. */
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
		json_text(json, "what", track_omission_name(omissions[i].kind));
		json_int(json, "count", (int64_t)omissions[i].count);
		json_object_close(json);
	}
	json_array_close(json);
	free(omissions);
}

/* The events that were refused and will be tried again. */
static void
deferred_json(
    const struct forwarder_destination_status *status, struct json *json)
{
	json_object_open(json, "deferred");
	json_int(json, "events", (int64_t)status->deferred);
	json_text(json, "why", status->deferred_why);
	show_time_json(json, "until", status->deferred_due_ms);
	json_object_close(json);
}

/* A failing disk must not hide the rest, so it counts as not paused. */
static bool
destination_paused(struct parts *parts, const char *name)
{
	bool paused = false;

	return stats_destination_paused(parts->queue, name, &paused, NULL) &&
	       paused;
}

void
status_destination_json(struct parts *parts, struct forwarder *forwarder,
    size_t index, int64_t now_ms, struct json *json)
{
	const char *name = parts->settings->destinations[index].name;
	int64_t queued = stats_destination_queued(parts->queue, name), drain_s,
		accepted_ms;
	struct forwarder_destination_status status;

	json_object_open(json, NULL);
	json_text(json, "name", name);
	json_int(json, "queued", queued);
	show_since_json(
	    json, "oldest_queued_s", now_ms, status_oldest_ms(parts, name));
	if (forwarder != NULL) {
		forwarder_destination_status(forwarder, index, &status);
		drain_s = parts_drain_s(&status, queued, now_ms);
		json_text(json, "state", forwarder_state_name(status.state));
		json_text(json, "why", status.why);
		show_time_json(json, "until", status.until_ms);
		accepted_ms = parts_accepted_ms(parts, &status);
		show_time_json(json, "last_accepted", accepted_ms);
		show_since_json(json, "last_accepted_s", now_ms, accepted_ms);
		json_int(json, "posts", (int64_t)status.posts);
		json_int(json, "accepted", (int64_t)status.accepted);
		json_int(json, "refused", (int64_t)status.refused);
		json_int(json, "in_flight", status.in_flight);
		json_int(json, "pace_per_minute", status.pace_per_minute);
		json_int(
		    json, "pace_full_per_minute", status.pace_full_per_minute);
		deferred_json(&status, json);
		if (drain_s < 0)
			json_null(json, "drain_forecast_s");
		else
			json_int(json, "drain_forecast_s", drain_s);
		if (status.state == FORWARDER_TRIAL) {
			json_object_open(json, "dry_run");
			json_int(json, "sent", (int64_t)status.trial_sent);
			json_int(
			    json, "dropped", (int64_t)status.trial_dropped);
			json_int(json, "dead", (int64_t)status.trial_dead);
			json_object_close(json);
		}
		properties_json(forwarder, index, json);
		json_int(
		    json, "properties_lost", (int64_t)status.omissions_lost);
	} else {
		json_text(json, "state",
		    destination_paused(parts, name) ? "paused" : "stopped");
		accepted_ms =
		    stats_destination_delivered_ms(parts->queue, name);
		show_time_json(json, "last_accepted", accepted_ms);
		show_since_json(json, "last_accepted_s", now_ms, accepted_ms);
	}
	json_object_close(json);
}

/* ---- as text ---- */

static void
deferred_text(const struct forwarder_destination_status *status, int64_t now_ms,
    struct buf *out)
{
	char next[SHOW_DURATION];

	if (status->deferred == 0)
		return;
	show_duration(status->deferred_due_ms > now_ms
			  ? (status->deferred_due_ms - now_ms + 999) / 1000
			  : 0,
	    next, sizeof(next));
	(void)buf_printf(out,
	    "           %zu deferred: refused, and it is not known whether it "
	    "is because of the event;\n           next try in %s; last: %s\n",
	    status->deferred, next, status->deferred_why);
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
pace_text(const struct forwarder_destination_status *status, struct buf *out)
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
status_destination_text(struct parts *parts, struct forwarder *forwarder,
    size_t index, int64_t now_ms, struct buf *out)
{
	const char *name = parts->settings->destinations[index].name;
	int64_t queued = stats_destination_queued(parts->queue, name), drain_s;
	char accepted[SHOW_AGO], drain[SHOW_DURATION];
	char when[CLOCK_TEXT];
	struct forwarder_destination_status status;

	forwarder_destination_status(forwarder, index, &status);
	show_ago(now_ms, parts_accepted_ms(parts, &status), accepted,
	    sizeof(accepted));
	(void)buf_printf(out,
	    "to         %-16s %s, %" PRId64 " queued, last accepted %s\n", name,
	    forwarder_state_name(status.state), queued, accepted);
	if (status.why[0] != '\0')
		(void)buf_printf(out, "           why: %s\n", status.why);
	if (status.until_ms > now_ms) {
		show_duration((status.until_ms - now_ms + 999) / 1000, drain,
		    sizeof(drain));
		(void)buf_printf(out, "           next try in %s\n", drain);
	}
	deferred_text(&status, now_ms, out);
	pace_text(&status, out);
	if (status.state == FORWARDER_TRIAL)
		(void)buf_printf(out,
		    "           dry run: %" PRIu64
		    " would have been sent, %" PRIu64 " dropped, %" PRIu64
		    " dead\n",
		    status.trial_sent, status.trial_dropped, status.trial_dead);
	drain_s = parts_drain_s(&status, queued, now_ms);
	if (drain_s < 0)
		(void)buf_text(
		    out, "           when it will be empty is unknown\n");
	if (queued == 0 || drain_s < 0)
		return;
	show_duration(drain_s, drain, sizeof(drain));
	clock_text(now_ms + drain_s * 1000, when, sizeof(when));
	(void)buf_printf(out,
	    "           empty in %s, at %.16sZ, at %u events a minute%s\n",
	    drain, when, status.pace_per_minute,
	    status.deferred > 0 ? ", without the deferred" : "");
}

void
status_destination_stopped_text(
    struct parts *parts, size_t index, int64_t now_ms, struct buf *out)
{
	const char *name = parts->settings->destinations[index].name;
	bool paused = destination_paused(parts, name);
	char accepted[SHOW_AGO];

	show_ago(now_ms, stats_destination_delivered_ms(parts->queue, name),
	    accepted, sizeof(accepted));
	(void)buf_printf(out,
	    "to         %-16s %s, %" PRId64 " queued, last accepted %s\n", name,
	    paused ? "paused" : "stopped",
	    stats_destination_queued(parts->queue, name), accepted);
	if (paused)
		(void)buf_printf(out,
		    "           `currentsd destinations resume %s` resumes "
		    "it\n",
		    name);
}
