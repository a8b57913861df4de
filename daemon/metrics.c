/*
 * /metrics, in the Prometheus text format: the counters, the ledger, and each
 * destination and source. Operators' alerts depend on the names.
 */

#include "base/counters.h"
#include "daemon/segments.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
	STATES = FORWARDER_TRIAL + 1,
	METRIC_SEGMENTS = 1000, /* that have series of their own */
};

static void
metric_head(
    struct buf *out, const char *name, const char *type, const char *help)
{
	(void)buf_printf(
	    out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
metric(struct buf *out, const char *name, const char *type, const char *help,
    int64_t value)
{
	metric_head(out, name, type, help);
	(void)buf_printf(out, "%s %" PRId64 "\n", name, value);
}

static void
queue_metrics(struct daemon *daemon, struct buf *out)
{
	struct stats_totals totals;
	const struct stats_line *line = &totals.events;

	stats_totals(daemon->queue, &totals);
	metric(out, "currentsd_events_received_total", "counter",
	    "Events and changes ever received; kept across restarts, like the "
	    "whole "
	    "ledger.",
	    line->received);
	metric(out, "currentsd_events_delivered_total", "counter",
	    "Events and changes that a destination accepted.", line->delivered);
	metric(out, "currentsd_events_dropped_total", "counter",
	    "Events and changes dropped by a rule.", line->dropped);
	metric(out, "currentsd_events_duplicates_total", "counter",
	    "Duplicates: events and changes that had been received before.",
	    line->duplicates);
	metric(out, "currentsd_events_erased_total", "counter",
	    "Events and changes removed because a person was erased.",
	    line->erased);
	metric(out, "currentsd_events_expired_total", "counter",
	    "Events and changes removed because of their age.", line->expired);
	metric(out, "currentsd_events_queued", "gauge",
	    "Events and changes waiting for delivery.", line->queued);
	metric(out, "currentsd_events_dead", "gauge",
	    "Dead letters: events and changes refused for good or invalid.",
	    line->dead);
	metric(out, "currentsd_ledger_imbalance", "gauge",
	    "Received minus all the other columns of the ledger: must be 0.",
	    stats_imbalance(line));
	metric(out, "currentsd_quarantined_batches", "gauge",
	    "Batches damaged on disk and quarantined.",
	    totals.quarantined_batches);
	metric(out, "currentsd_unreadable_bodies", "gauge",
	    "Request bodies that are not JSON, kept as they came.",
	    totals.unreadable);
	metric(out, "currentsd_unreadable_bytes", "gauge",
	    "Size of the unreadable bodies.", totals.unreadable_bytes);
	metric(out, "currentsd_unreadable_removed_total", "counter",
	    "Unreadable bodies that were dropped or erased.",
	    totals.unreadable_removed);
	metric(out, "currentsd_dead_bytes", "gauge",
	    "Size of the dead letters.", totals.dead_bytes);
	metric(out, "currentsd_dead_max_bytes", "gauge",
	    "Above this size the oldest dead letters expire.",
	    queue_dead_max_bytes(&daemon->settings->queue));
	metric(out, "currentsd_dead_expires_seconds", "gauge",
	    "Time until the first dead letters expire for their age; -1 if "
	    "there are none, or it is not known yet.",
	    totals.dead_left_ms == INT64_MAX ? -1 : totals.dead_left_ms / 1000);
	metric(out, "currentsd_archive_bytes", "gauge",
	    "Size of the archive: what was delivered, kept for replays.",
	    totals.archive_bytes);
	metric(out, "currentsd_queue_live_bytes", "gauge",
	    "Bytes in use in the queue.", totals.live_bytes);
	metric(out, "currentsd_queue_max_bytes", "gauge",
	    "Limit of the bytes in use in the queue.",
	    daemon->settings->queue.max_bytes);
	metric(out, "currentsd_queue_file_bytes", "gauge",
	    "Size of the queue file.", totals.file_bytes);
	metric(out, "currentsd_queue_free_bytes", "gauge",
	    "Free bytes on the file system of the queue.", totals.free_bytes);
	metric(out, "currentsd_suppressed_ids", "gauge",
	    "Ids of people who were erased, whose later events are dropped.",
	    totals.suppressed);
	metric(out, "currentsd_queue_window_events", "gauge",
	    "Events remembered to detect duplicates.", totals.window_events);
	metric(out, "currentsd_queue_reserve", "gauge",
	    "1 while the reserve file is in place.", totals.reserve);
	metric(out, "currentsd_queue_broken", "gauge",
	    "1 while the disk fails and nothing is accepted.", totals.broken);
	metric(out, "currentsd_queue_gone", "gauge",
	    "1 while the queue's files are removed, replaced or cut, and "
	    "nothing is accepted.",
	    totals.gone != NULL);
	metric(out, "currentsd_queue_disk_wait_seconds", "gauge",
	    "How long one access to the disk has lasted so far: more than a "
	    "few if the disk hangs.",
	    totals.held_ms / 1000);
}

/* Seconds since then; if it never happened, since the start, so that an alert
 * on the age also fires for what never worked. Negative if the clock was set
 * back. */
static int64_t
since_s(int64_t now_ms, int64_t then_ms, int64_t uptime_ms)
{
	int64_t ms = then_ms == 0 ? uptime_ms : now_ms - then_ms;

	return ms / 1000;
}

static void
property_metrics(
    const struct daemon *daemon, struct forwarder *forwarder, struct buf *out)
{
	static const char name[] = "currentsd_properties_total";
	struct forwarder_omission *omissions =
	    calloc(FORWARDER_OMISSIONS_MAX, sizeof(*omissions));

	if (omissions == NULL)
		return;
	metric_head(out, name, "counter",
	    "Properties left out, cut, or sent as text although they are "
	    "numbers, on the way to Heap, by property of the catalogue and by "
	    "what was done.");
	for (size_t i = 0; i < forwarder_destinations(forwarder); i++) {
		size_t count =
		    forwarder_destination_omissions(forwarder, i, omissions);

		for (size_t n = 0; n < count; n++)
			(void)buf_printf(out,
			    "%s{destination=\"%s\",property=\"%s\",what=\"%s\"}"
			    " %" PRIu64 "\n",
			    name,
			    daemon->settings->destinations[i].forwarder.name,
			    omissions[n].property, omissions[n].what,
			    omissions[n].count);
	}
	free(omissions);
}

/* A metric of each of `count` things; `value` is an expression of `it`, which
 * points to the thing. */
#define METRIC_EACH(label, things, metric_name, type, help, value)             \
	do {                                                                   \
		metric_head(out, metric_name, type, help);                     \
		for (size_t i = 0; i < count; i++) {                           \
			it = &(things)[i];                                     \
			(void)buf_printf(out,                                  \
			    metric_name "{" label "=\"%s\"} %" PRId64 "\n",    \
			    it->name, (int64_t)(value));                       \
		}                                                              \
	} while (0)

/* If memory is short, these are missing. */
static void
destination_metrics(struct daemon *daemon, struct forwarder *forwarder,
    int64_t now_ms, int64_t uptime_ms, struct buf *out)
{
	size_t count = forwarder_destinations(forwarder);
	struct status_destination *all = calloc(count, sizeof(*all)), *it;

	if (all == NULL)
		return;
	for (size_t i = 0; i < count; i++)
		status_destination_read(daemon, i, now_ms, &all[i]);

#define EACH(name, type, help, value)                                          \
	METRIC_EACH("destination", all, "currentsd_destination_" name, type,   \
	    help, value)
	EACH("queued", "gauge",
	    "Events and changes queued for the destination.", it->queued);
	EACH("bytes", "gauge", "Bytes queued for the destination.", it->bytes);
	EACH("bytes_max", "gauge",
	    "The most bytes that may now be queued for the destination; at "
	    "that, requests for it are answered 503.",
	    it->bytes_max);
	EACH("oldest_queued_seconds", "gauge",
	    "Age of the oldest event queued for the destination.",
	    since_s(now_ms, it->oldest_ms, 0));
	EACH("since_accepted_seconds", "gauge",
	    "Time since the destination last accepted anything, or since the "
	    "start.",
	    since_s(now_ms, it->accepted_ms, uptime_ms));
	EACH("accepted_total", "counter",
	    "Events and changes that the destination accepted, since the "
	    "start.",
	    it->sender.accepted);
	EACH("refused_total", "counter",
	    "Events and changes that the destination refused, since the start.",
	    it->sender.refused);
	EACH("in_flight", "gauge", "Requests in flight.", it->sender.in_flight);
	EACH("pace_per_minute", "gauge",
	    "Events and changes per minute that may currently be sent; "
	    "requests, where the destination counts those.",
	    it->sender.pace_per_minute);
	EACH("pace_full_per_minute", "gauge",
	    "Events and changes per minute that may be sent unless the "
	    "destination recently answered "
	    "429.",
	    it->sender.pace_full_per_minute);
	EACH("deferred", "gauge",
	    "Events and changes that were refused and wait for a later "
	    "attempt.",
	    it->sender.deferred);
	EACH("parked_types", "gauge",
	    "Types and segments that the destination refuses, and whose items "
	    "wait until one of them is accepted.",
	    it->sender.parked);
	EACH("drain_forecast_seconds", "gauge",
	    "Time until nothing is queued but what is deferred; -1 if unknown.",
	    it->drain_s);
	EACH("dry_run_sent_total", "counter",
	    "Events and changes that would have been sent without dry_run.",
	    it->sender.trial_sent);
	EACH("dry_run_dropped_total", "counter",
	    "Events and changes that would have been dropped by a rule.",
	    it->sender.trial_dropped);
	EACH("dry_run_dead_total", "counter",
	    "Events and changes that would have become dead letters.",
	    it->sender.trial_dead);
	EACH("properties_lost_total", "counter",
	    "Properties left out or cut, but not counted by name because there "
	    "were too many.",
	    it->sender.omissions_lost);
#undef EACH

	metric_head(out, "currentsd_destination_state", "gauge",
	    "1 for the state that the destination is in, 0 for the others.");
	for (size_t i = 0; i < count; i++) {
		for (int s = 0; s < STATES; s++)
			(void)buf_printf(out,
			    "currentsd_destination_state{destination=\"%s\","
			    "state=\"%s\"} %d\n",
			    all[i].name,
			    forwarder_state_name((enum forwarder_state)s),
			    (int)all[i].sender.state == s);
	}
	free(all);
}

static void
source_metrics(struct daemon *daemon, struct server *server, int64_t now_ms,
    int64_t uptime_ms, struct buf *out)
{
	static const char tokens[] = "currentsd_token_since_used_seconds";
	size_t count = daemon->settings->source_count;
	struct server_source_status *all = calloc(count, sizeof(*all)), *it;
	struct server_source_status row;

	if (all == NULL)
		return;
	for (size_t i = 0; i < count; i++)
		server_source_status(server, i, &all[i]);

#define EACH(name, help, value)                                                \
	METRIC_EACH(                                                           \
	    "source", all, "currentsd_source_" name, "gauge", help, value)
	EACH("since_request_seconds",
	    "Time since the source last sent a request with a valid token or "
	    "signature, or since the start.",
	    since_s(now_ms, it->last_request_ms, uptime_ms));
	EACH("since_success_seconds",
	    "Time since the source was last answered 2xx, or since the start.",
	    since_s(now_ms, it->last_success_ms, uptime_ms));
	EACH("failing_seconds",
	    "How long requests of the source have been failing; Braze alerts "
	    "its own staff after 24 h and switches the connector off after 5 "
	    "days.",
	    since_s(now_ms, it->failing_since_ms, 0));
	EACH("refused_requests",
	    "Requests recently answered 401, 403, 404, 405 or 415 (of "
	    "segments: 403); 0 a day after the last. Braze holds their events "
	    "back, and Heap may not send them again.",
	    status_source_refused(it, now_ms));
#undef EACH

	server_source_status(server, count, &row);
	metric(out, "currentsd_refused_without_source", "gauge",
	    "The same for requests that match no source, and connections "
	    "closed without an answer (currentsd_connections_hung_up_total).",
	    status_source_refused(&row, now_ms));
	server_source_status(server, count + 1, &row);
	metric(out, "currentsd_refused_strangers", "gauge",
	    "Refused requests that do not look like a source's; 0 a day after "
	    "the last.",
	    status_source_refused(&row, now_ms));
	metric_head(out, tokens, "gauge",
	    "Time since a token, by its number, was last used, or since the "
	    "start.");
	for (size_t i = 0; i < count; i++) {
		for (size_t t = 0; t < server_tokens(server, i); t++)
			(void)buf_printf(out,
			    "%s{source=\"%s\",token=\"%zu\"} %" PRId64 "\n",
			    tokens, all[i].name, t + 1,
			    since_s(now_ms,
				server_token_last_used_ms(server, i, t),
				uptime_ms));
	}
	free(all);
}

/* A value of a label: ids come from outside. */
static void
label_write(struct buf *out, const char *name, const char *value)
{
	(void)buf_printf(out, "%s=\"", name);
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			(void)buf_text(out, "\\n");
		else if (*value == '"' || *value == '\\')
			(void)buf_printf(out, "\\%c", *value);
		else
			(void)buf_char(out, *value);
	}
	(void)buf_char(out, '"');
}

/* A metric of each of the first segments; what the others have is summed in a
 * series without source and destination. */
static void
segment_metric(const struct segments *segments, const char *name,
    const char *help, size_t member, struct buf *out)
{
	int64_t others = 0, value;

	metric_head(out, name, "gauge", help);
	for (size_t i = 0; i < segments->count; i++) {
		const struct stats_group *group = &segments->list[i].of;

		memcpy(&value, (const char *)group + member, sizeof(value));
		if (i >= METRIC_SEGMENTS) {
			others += value;
			continue;
		}
		(void)buf_printf(out, "%s{", name);
		label_write(out, "source", group->source);
		(void)buf_char(out, ',');
		label_write(out, "destination", group->destination);
		(void)buf_char(out, ',');
		label_write(out, "segment", group->id);
		(void)buf_printf(out, "} %" PRId64 "\n", value);
	}
	if (segments->count > METRIC_SEGMENTS)
		(void)buf_printf(out,
		    "%s{source=\"\",destination=\"\",segment=\"others\"} "
		    "%" PRId64 "\n",
		    name, others);
}

/* While the disk hangs these are missing. */
static void
segments_metrics(struct daemon *daemon, int64_t now_ms, struct buf *out)
{
	struct segments segments;

	if (!segments_read(daemon, now_ms, &segments, NULL))
		return;
	metric_head(out, "currentsd_segments", "gauge",
	    "Segments in each state; stale, incomplete, held and refused ones "
	    "need attention: see `currentsd segments`.");
	for (int s = 0; s < SEGMENT_STATES; s++)
		(void)buf_printf(out, "currentsd_segments{state=\"%s\"} %zu\n",
		    segment_state_name((enum segment_state)s),
		    segments.states[s]);
	metric(out, "currentsd_segments_waiting", "gauge",
	    "Members of segments with a change that waits.", segments.waiting);
	metric(out, "currentsd_segments_incomplete_syncs", "gauge",
	    "Syncs of segments that lack pages, and were not followed by a "
	    "whole one of all members.",
	    segments.incomplete);
	metric(out, "currentsd_segments_held_syncs", "gauge",
	    "Syncs that wait for `currentsd segments release`, because they "
	    "change more of a segment than hold_over allows.",
	    segments.held);
	segment_metric(&segments, "currentsd_segment_members_wanted",
	    "Members of the segment once all is delivered that waits. The "
	    "first 1,000 segments; the sum of the others has no source.",
	    offsetof(struct stats_group, wanted), out);
	segment_metric(&segments, "currentsd_segment_members_sent",
	    "Members of the segment, by what the destination accepted.",
	    offsetof(struct stats_group, sent), out);
	segment_metric(&segments, "currentsd_segment_waiting",
	    "Members of the segment with a change that waits.",
	    offsetof(struct stats_group, waiting), out);
	segment_metric(&segments, "currentsd_segment_dead",
	    "Changes of the segment that are dead letters.",
	    offsetof(struct stats_group, dead), out);
	segments_fini(&segments);
}

static void
stranded_metric(void *arg, const char *name, int64_t queued)
{
	(void)buf_printf(arg,
	    "currentsd_stranded_queued{destination=\"%s\"} %" PRId64 "\n", name,
	    queued);
}

void
metrics_write(
    struct daemon *daemon, int64_t now_ms, int64_t mono_ms, struct buf *out)
{
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);
	struct server *server = atomic_load(&daemon->server);
	int64_t uptime_ms = mono_ms - daemon->started_mono_ms;

	metric_head(
	    out, "currentsd_build_info", "gauge", "The version, as a label.");
	(void)buf_printf(
	    out, "currentsd_build_info{version=\"%s\"} 1\n", CURRENTSD_VERSION);
	metric(out, "currentsd_uptime_seconds", "gauge",
	    "Time since the daemon started.", uptime_ms / 1000);
	counters_write(out);
	queue_metrics(daemon, out);
	metric_head(out, "currentsd_stranded_queued", "gauge",
	    "Events and changes queued for a destination that is not in the "
	    "settings.");
	status_stranded(daemon, stranded_metric, out);
	metric(out, "currentsd_left_out_properties", "gauge",
	    "Properties that the catalogue does not know and that are not "
	    "sent, because no line of the settings decides about them: see "
	    "`currentsd drift`.",
	    status_left_out(daemon, 0, NULL, NULL));
	segments_metrics(daemon, now_ms, out);
	if (forwarder != NULL) {
		destination_metrics(daemon, forwarder, now_ms, uptime_ms, out);
		property_metrics(daemon, forwarder, out);
	}
	if (server != NULL)
		source_metrics(daemon, server, now_ms, uptime_ms, out);
}
