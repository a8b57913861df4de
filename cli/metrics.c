/*
 * /metrics, in the Prometheus text format: the counters, the ledger, and each
 * destination and source. Operators' alerts depend on the names.
 */

#include "base/counters.h"
#include "cli/parts.h"
#include "cli/status_source.h"
#include "cli/stranded.h"
#include "queue/admin.h"

#include <inttypes.h>
#include <stdlib.h>

enum { STATES = FORWARDER_TRIAL + 1 };

struct metric {
	const char *name, *type, *help;
};

static void
metric_head(
    struct buf *out, const char *name, const char *type, const char *help)
{
	(void)buf_printf(
	    out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
metric_one(struct buf *out, const char *name, const char *type,
    const char *help, int64_t value)
{
	metric_head(out, name, type, help);
	(void)buf_printf(out, "%s %" PRId64 "\n", name, value);
}

static void
events_metrics(const struct stats_line *line, struct buf *out)
{
	metric_one(out, "currentsd_events_received_total", "counter",
	    "Events ever received; as the whole ledger, kept across restarts.",
	    line->received);
	metric_one(out, "currentsd_events_delivered_total", "counter",
	    "Events that Heap answered 200 to.", line->delivered);
	metric_one(out, "currentsd_events_dropped_total", "counter",
	    "Events dropped by a rule that was set.", line->dropped);
	metric_one(out, "currentsd_events_duplicates_total", "counter",
	    "Events that had been received before.", line->duplicates);
	metric_one(out, "currentsd_events_erased_total", "counter",
	    "Events removed because a person was erased.", line->erased);
	metric_one(out, "currentsd_events_expired_total", "counter",
	    "Events removed because of their age.", line->expired);
	metric_one(out, "currentsd_events_queued", "gauge",
	    "Events waiting for delivery.", line->queued);
	metric_one(out, "currentsd_events_dead", "gauge",
	    "Dead letters: events refused for good or invalid.", line->dead);
	metric_one(out, "currentsd_ledger_imbalance", "gauge",
	    "Received minus all the rest: must be 0.", stats_imbalance(line));
}

static void
queue_metrics(struct parts *parts, struct buf *out)
{
	struct stats_totals totals;

	stats_totals(parts->queue, &totals);
	events_metrics(&totals.events, out);
	metric_one(out, "currentsd_quarantined_batches", "gauge",
	    "Batches damaged on disk and quarantined.",
	    totals.quarantined_batches);
	metric_one(out, "currentsd_unreadable_bodies", "gauge",
	    "Request bodies that are not JSON, kept as they came.",
	    totals.unreadable);
	metric_one(out, "currentsd_unreadable_bytes", "gauge",
	    "Size of the unreadable bodies.", totals.unreadable_bytes);
	metric_one(out, "currentsd_unreadable_removed_total", "counter",
	    "Unreadable bodies that were dropped or erased.",
	    totals.unreadable_removed);
	metric_one(out, "currentsd_archive_bytes", "gauge",
	    "Size of the archive: delivered events kept for replays.",
	    totals.archive_bytes);
	metric_one(out, "currentsd_queue_live_bytes", "gauge",
	    "Bytes in use in the queue.", totals.live_bytes);
	metric_one(out, "currentsd_queue_max_bytes", "gauge",
	    "Limit of the bytes in use in the queue.",
	    parts->settings->queue_max_bytes);
	metric_one(out, "currentsd_queue_file_bytes", "gauge",
	    "Size of the queue file.", totals.file_bytes);
	metric_one(out, "currentsd_queue_free_bytes", "gauge",
	    "Free bytes on the file system of the queue.", totals.free_bytes);
	metric_one(out, "currentsd_queue_window_events", "gauge",
	    "Events remembered to detect duplicates.", totals.window_events);
	metric_one(out, "currentsd_queue_reserve", "gauge",
	    "1 while the reserve file is in place.", totals.reserve);
	metric_one(out, "currentsd_queue_broken", "gauge",
	    "1 while the disk fails and nothing is accepted.", totals.broken);
}

/* Seconds since then, or since the start if it never was, so that an alert on
 * the age also fires for what never worked. Below zero if it lies ahead: the
 * clock was set back. */
static int64_t
since_s(int64_t now_ms, int64_t then_ms, int64_t uptime_ms)
{
	int64_t ms = then_ms == 0 ? uptime_ms : now_ms - then_ms;

	return ms / 1000;
}

static void
destination_state_metric(struct forwarder *forwarder, struct buf *out)
{
	struct forwarder_destination_status status;

	metric_head(out, "currentsd_destination_state", "gauge",
	    "1 for the state that the destination is in, 0 for the others.");
	for (size_t i = 0; i < forwarder_destinations(forwarder); i++) {
		forwarder_destination_status(forwarder, i, &status);
		for (int s = 0; s < STATES; s++)
			(void)buf_printf(out,
			    "currentsd_destination_state{destination=\"%s\","
			    "state=\"%s\"} "
			    "%d\n",
			    status.name,
			    forwarder_state_name((enum forwarder_state)s),
			    (int)status.state == s);
	}
}

/* Positions in destination_metrics[]. */
enum destination_metric {
	DESTINATION_QUEUED,
	DESTINATION_OLDEST,
	DESTINATION_SINCE_ACCEPTED,
	DESTINATION_ACCEPTED,
	DESTINATION_REFUSED,
	DESTINATION_IN_FLIGHT,
	DESTINATION_PACE,
	DESTINATION_PACE_FULL,
	DESTINATION_DEFERRED,
	DESTINATION_DRAIN,
	DESTINATION_DRY_SENT,
	DESTINATION_DRY_DROPPED,
	DESTINATION_DRY_DEAD,
	DESTINATION_PROPERTIES_LOST,
	DESTINATION_METRICS
};

static const struct metric destination_metrics[DESTINATION_METRICS] = {
    [DESTINATION_QUEUED] = {"currentsd_destination_queued", "gauge",
	"Events queued for the destination."},
    [DESTINATION_OLDEST] = {"currentsd_destination_oldest_queued_seconds",
	"gauge", "Age of the oldest event queued for the destination."},
    [DESTINATION_SINCE_ACCEPTED] = {"currentsd_destination_since_accepted_"
				    "seconds",
	"gauge",
	"Time since the destination last accepted events, or since the start."},
    [DESTINATION_ACCEPTED] = {"currentsd_destination_accepted_total", "counter",
	"Events that the destination accepted, since the start."},
    [DESTINATION_REFUSED] = {"currentsd_destination_refused_total", "counter",
	"Events that the destination refused, since the start."},
    [DESTINATION_IN_FLIGHT] = {"currentsd_destination_in_flight", "gauge",
	"Requests in flight."},
    [DESTINATION_PACE] = {"currentsd_destination_pace_per_minute", "gauge",
	"Events per minute that may be sent at present."},
    [DESTINATION_PACE_FULL] = {"currentsd_destination_pace_full_per_minute",
	"gauge",
	"Events per minute that may be sent unless Heap recently answered "
	"429."},
    [DESTINATION_DEFERRED] = {"currentsd_destination_deferred", "gauge",
	"Events that were refused and wait for a later attempt."},
    [DESTINATION_DRAIN] = {"currentsd_destination_drain_forecast_seconds",
	"gauge",
	"Time until nothing is queued but deferred events; -1 if unknown."},
    [DESTINATION_DRY_SENT] = {"currentsd_destination_dry_run_sent_total",
	"counter", "Events that would have been sent without dry_run."},
    [DESTINATION_DRY_DROPPED] = {"currentsd_destination_dry_run_dropped_total",
	"counter", "Events that would have been dropped by a rule."},
    [DESTINATION_DRY_DEAD] = {"currentsd_destination_dry_run_dead_total",
	"counter", "Events that the mapping would have made dead letters."},
    [DESTINATION_PROPERTIES_LOST] = {"currentsd_destination_properties_lost_"
				     "total",
	"counter",
	"Properties left out or cut that were too many to be counted by name."},
};

static int64_t
destination_metric(struct parts *parts, enum destination_metric metric,
    const struct forwarder_destination_status *status, int64_t now_ms,
    int64_t uptime_ms)
{
	int64_t oldest_ms = 0;

	switch (metric) {
	case DESTINATION_QUEUED:
		return stats_destination_queued(parts->queue, status->name);
	case DESTINATION_OLDEST:
		if (!stats_oldest_ms(
			parts->queue, status->name, &oldest_ms, NULL))
			return 0;
		return since_s(now_ms, oldest_ms, 0);
	case DESTINATION_SINCE_ACCEPTED:
		return since_s(
		    now_ms, parts_accepted_ms(parts, status), uptime_ms);
	case DESTINATION_ACCEPTED:
		return (int64_t)status->accepted;
	case DESTINATION_REFUSED:
		return (int64_t)status->refused;
	case DESTINATION_IN_FLIGHT:
		return status->in_flight;
	case DESTINATION_PACE:
		return status->pace_per_minute;
	case DESTINATION_PACE_FULL:
		return status->pace_full_per_minute;
	case DESTINATION_DEFERRED:
		return (int64_t)status->deferred;
	case DESTINATION_DRAIN:
		return parts_drain_s(status,
		    stats_destination_queued(parts->queue, status->name),
		    now_ms);
	case DESTINATION_DRY_SENT:
		return (int64_t)status->trial_sent;
	case DESTINATION_DRY_DROPPED:
		return (int64_t)status->trial_dropped;
	case DESTINATION_DRY_DEAD:
		return (int64_t)status->trial_dead;
	case DESTINATION_PROPERTIES_LOST:
		return (int64_t)status->omissions_lost;
	case DESTINATION_METRICS:
		break;
	}
	return 0;
}

/* If memory is short, only this part is missing. */
static void
properties_metric(struct forwarder *forwarder, struct buf *out)
{
	static const char name[] = "currentsd_properties_total";
	struct forwarder_omission *omissions =
	    calloc(FORWARDER_OMISSIONS_MAX, sizeof(*omissions));
	struct forwarder_destination_status status;

	if (omissions == NULL)
		return;
	metric_head(out, name, "counter",
	    "Properties left out or cut on the way to Heap, by property of the "
	    "catalogue and by what was done.");
	for (size_t i = 0; i < forwarder_destinations(forwarder); i++) {
		size_t count =
		    forwarder_destination_omissions(forwarder, i, omissions);

		forwarder_destination_status(forwarder, i, &status);
		for (size_t n = 0; n < count; n++)
			(void)buf_printf(out,
			    "%s{destination=\"%s\",property=\"%s\",what=\"%s\"}"
			    " "
			    "%" PRIu64 "\n",
			    name, status.name, omissions[n].property,
			    track_omission_name(omissions[n].kind),
			    omissions[n].count);
	}
	free(omissions);
}

static void
forwarder_metrics(struct parts *parts, struct forwarder *forwarder,
    int64_t now_ms, int64_t uptime_ms, struct buf *out)
{
	struct forwarder_destination_status status;

	for (int m = 0; m < DESTINATION_METRICS; m++) {
		const struct metric *metric = &destination_metrics[m];

		metric_head(out, metric->name, metric->type, metric->help);
		for (size_t i = 0; i < forwarder_destinations(forwarder); i++) {
			forwarder_destination_status(forwarder, i, &status);
			(void)buf_printf(out,
			    "%s{destination=\"%s\"} %" PRId64 "\n",
			    metric->name, status.name,
			    destination_metric(parts,
				(enum destination_metric)m, &status, now_ms,
				uptime_ms));
		}
	}
	destination_state_metric(forwarder, out);
	properties_metric(forwarder, out);
}

static void
server_metrics(struct parts *parts, struct server *server, int64_t now_ms,
    int64_t uptime_ms, struct buf *out)
{
	static const struct metric metrics[] = {
	    {"currentsd_source_since_request_seconds", "gauge",
		"Time since the source last sent a request with a valid token, "
		"or since the start."},
	    {"currentsd_source_since_success_seconds", "gauge",
		"Time since the source was last answered 2xx, or since the "
		"start."},
	    {"currentsd_source_failing_seconds", "gauge",
		"For how long our answers have been failing; Braze alerts its "
		"staff after 24 h and gives up after 5 days."},
	    {"currentsd_source_refused_requests", "gauge",
		"Requests recently answered 401, 403, 404, 405 or 415; 0 a day "
		"after the last. Braze holds their events back."},
	};
	struct server_source_status status;
	int64_t values[4];

	for (size_t m = 0; m < 4; m++) {
		metric_head(
		    out, metrics[m].name, metrics[m].type, metrics[m].help);
		for (size_t i = 0; i < parts->settings->source_count; i++) {
			server_source_status(server, i, &status);
			values[0] =
			    since_s(now_ms, status.last_request_ms, uptime_ms);
			values[1] =
			    since_s(now_ms, status.last_success_ms, uptime_ms);
			values[2] = since_s(now_ms, status.failing_since_ms, 0);
			values[3] = status_source_refused(&status, now_ms);
			(void)buf_printf(out, "%s{source=\"%s\"} %" PRId64 "\n",
			    metrics[m].name, status.name, values[m]);
		}
	}
}

static void
token_metrics(struct parts *parts, struct server *server, int64_t now_ms,
    int64_t uptime_ms, struct buf *out)
{
	static const char name[] = "currentsd_token_since_used_seconds";

	metric_head(out, name, "gauge",
	    "Time since a token, by its number, was last used, or since the "
	    "start.");
	for (size_t i = 0; i < parts->settings->source_count; i++) {
		for (size_t t = 0; t < server_tokens(server, i); t++)
			(void)buf_printf(out,
			    "%s{source=\"%s\",token=\"%zu\"} %" PRId64 "\n",
			    name, parts->settings->sources[i].name, t + 1,
			    since_s(now_ms,
				server_token_last_used_ms(server, i, t),
				uptime_ms));
	}
}

void
metrics_write(
    struct parts *parts, int64_t now_ms, int64_t mono_ms, struct buf *out)
{
	struct forwarder *forwarder = atomic_load(&parts->forwarder);
	struct server *server = atomic_load(&parts->server);
	int64_t uptime_ms = mono_ms - parts->started_mono_ms;

	metric_head(
	    out, "currentsd_build_info", "gauge", "The version, as a label.");
	(void)buf_printf(
	    out, "currentsd_build_info{version=\"%s\"} 1\n", CURRENTSD_VERSION);
	metric_one(out, "currentsd_uptime_seconds", "gauge",
	    "Time since the daemon started.", uptime_ms / 1000);
	counters_write(out);
	queue_metrics(parts, out);
	stranded_metrics(parts, out);
	if (forwarder != NULL)
		forwarder_metrics(parts, forwarder, now_ms, uptime_ms, out);
	if (server != NULL) {
		server_metrics(parts, server, now_ms, uptime_ms, out);
		token_metrics(parts, server, now_ms, uptime_ms, out);
	}
}
