/*
 * What /metrics shows, in the Prometheus text format: the counters, the
 * books, and each lane and source. Names are ours to keep.
 */

#include "base/counters.h"
#include "cli/parts.h"
#include "cli/status_source.h"
#include "cli/stranded.h"
#include "queue/books.h"

#include <inttypes.h>
#include <stdlib.h>

enum { STATES = FORWARDER_DRY + 1 };

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
events_metrics(const struct books_line *line, struct buf *out)
{
	metric_one(out, "currentsd_events_received_total", "counter",
	    "Events ever received, as all of the books: kept over restarts.",
	    line->received);
	metric_one(out, "currentsd_events_delivered_total", "counter",
	    "Events that Heap said 200 to.", line->delivered);
	metric_one(out, "currentsd_events_dropped_total", "counter",
	    "Events dropped by a rule that was set.", line->dropped);
	metric_one(out, "currentsd_events_duplicates_total", "counter",
	    "Events that had been received before.", line->duplicates);
	metric_one(out, "currentsd_events_forgotten_total", "counter",
	    "Events removed because a person was forgotten.", line->forgotten);
	metric_one(out, "currentsd_events_expired_total", "counter",
	    "Events removed for their age.", line->expired);
	metric_one(out, "currentsd_events_waiting", "gauge",
	    "Events that wait for delivery.", line->waiting);
	metric_one(out, "currentsd_events_buried", "gauge",
	    "Events that were refused for good and are kept.", line->buried);
	metric_one(out, "currentsd_ledger_imbalance", "gauge",
	    "Received minus all the rest: must be 0.", books_imbalance(line));
}

static void
queue_metrics(struct parts *parts, struct buf *out)
{
	struct books_totals totals;

	books_totals(parts->queue, &totals);
	events_metrics(&totals.events, out);
	metric_one(out, "currentsd_damaged_parcels", "gauge",
	    "Parcels that could not be read back and were set aside.",
	    totals.set_aside_parcels);
	metric_one(out, "currentsd_undecodable_bodies", "gauge",
	    "Whole bodies that could not be read and were kept.",
	    totals.undecodable);
	metric_one(out, "currentsd_undecodable_bytes", "gauge", "Their size.",
	    totals.undecodable_bytes);
	metric_one(out, "currentsd_undecodable_removed_total", "counter",
	    "Bodies that a person dropped or that were forgotten.",
	    totals.undecodable_removed);
	metric_one(out, "currentsd_kept_bytes", "gauge",
	    "Size of the delivered events that are kept for replays.",
	    totals.kept_bytes);
	metric_one(out, "currentsd_queue_live_bytes", "gauge",
	    "Bytes of the queue in use.", totals.live_bytes);
	metric_one(out, "currentsd_queue_max_bytes", "gauge",
	    "The bound on them.", parts->settings->queue_max_bytes);
	metric_one(out, "currentsd_queue_file_bytes", "gauge",
	    "Size of the queue's file.", totals.file_bytes);
	metric_one(out, "currentsd_queue_free_bytes", "gauge",
	    "Room on its file system.", totals.free_bytes);
	metric_one(out, "currentsd_queue_window_events", "gauge",
	    "Events remembered to tell duplicates.", totals.window_events);
	metric_one(out, "currentsd_queue_ballast", "gauge",
	    "1 while the ballast file is in place.", totals.ballast);
	metric_one(out, "currentsd_queue_broken", "gauge",
	    "1 while the disk fails and nothing is accepted.", totals.broken);
}

/* Seconds since a moment; since the start if it never came, so that an alarm
 * on its age goes off for what never worked, too. Below zero if it lies ahead:
 * the clock was set back. */
static int64_t
since_s(int64_t now_ms, int64_t then_ms, int64_t uptime_ms)
{
	int64_t ms = then_ms == 0 ? uptime_ms : now_ms - then_ms;

	return ms / 1000;
}

static void
lane_state_metric(struct forwarder *forwarder, struct buf *out)
{
	struct forwarder_lane_status status;

	metric_head(out, "currentsd_lane_state", "gauge",
	    "1 for the state that the lane is in.");
	for (size_t i = 0; i < forwarder_lanes(forwarder); i++) {
		forwarder_lane_status(forwarder, i, &status);
		for (int s = 0; s < STATES; s++)
			(void)buf_printf(out,
			    "currentsd_lane_state{lane=\"%s\",state=\"%s\"} "
			    "%d\n",
			    status.name,
			    forwarder_state_name((enum forwarder_state)s),
			    (int)status.state == s);
	}
}

/* What a lane's metric is, by its number in lane_metrics[]. */
enum lane_metric {
	LANE_WAITING,
	LANE_OLDEST,
	LANE_SINCE_ACCEPTED,
	LANE_ACCEPTED,
	LANE_REFUSED,
	LANE_IN_FLIGHT,
	LANE_PACE,
	LANE_PACE_FULL,
	LANE_SUSPECTS,
	LANE_DRAIN,
	LANE_DRY_SENT,
	LANE_DRY_DROPPED,
	LANE_DRY_BURIED,
	LANE_NOTES_LOST,
	LANE_METRICS
};

static const struct metric lane_metrics[LANE_METRICS] = {
    [LANE_WAITING] = {"currentsd_lane_waiting", "gauge",
	"Events that wait for this destination."},
    [LANE_OLDEST] = {"currentsd_lane_oldest_waiting_seconds", "gauge",
	"Age of the oldest of them since it was accepted."},
    [LANE_SINCE_ACCEPTED] = {"currentsd_lane_since_accepted_seconds", "gauge",
	"Since the destination last said 200 (or since the start)."},
    [LANE_ACCEPTED] = {"currentsd_lane_accepted_total", "counter",
	"Events that the destination took, since the start."},
    [LANE_REFUSED] = {"currentsd_lane_refused_total", "counter",
	"Events that it refused, since the start."},
    [LANE_IN_FLIGHT] = {"currentsd_lane_in_flight", "gauge",
	"Requests on their way."},
    [LANE_PACE] = {"currentsd_lane_pace_per_minute", "gauge",
	"Events a minute that the lane may send at present."},
    [LANE_PACE_FULL] = {"currentsd_lane_pace_full_per_minute", "gauge",
	"Events a minute that it may send unless Heap said 429 of late."},
    [LANE_SUSPECTS] = {"currentsd_lane_suspects", "gauge",
	"Events refused, and set aside for want of proof that it is they."},
    [LANE_DRAIN] = {"currentsd_lane_drain_forecast_seconds", "gauge",
	"When it is empty, but for suspects; -1 if that cannot be told."},
    [LANE_DRY_SENT] = {"currentsd_lane_dry_run_sent_total", "counter",
	"Events that would have been sent, but for dry_run."},
    [LANE_DRY_DROPPED] = {"currentsd_lane_dry_run_dropped_total", "counter",
	"Events that would have been dropped by a rule."},
    [LANE_DRY_BURIED] = {"currentsd_lane_dry_run_buried_total", "counter",
	"Events that would have been buried by the mapping."},
    [LANE_NOTES_LOST] = {"currentsd_lane_notes_lost_total", "counter",
	"Of the properties left out or cut, those that are not told apart: too "
	"many."},
};

static int64_t
lane_metric(struct parts *parts, enum lane_metric metric,
    const struct forwarder_lane_status *status, int64_t now_ms,
    int64_t uptime_ms)
{
	int64_t oldest_ms = 0;

	switch (metric) {
	case LANE_WAITING:
		return books_lane_waiting(parts->queue, status->name);
	case LANE_OLDEST:
		if (!books_oldest_ms(
			parts->queue, status->name, &oldest_ms, NULL))
			return 0;
		return since_s(now_ms, oldest_ms, 0);
	case LANE_SINCE_ACCEPTED:
		return since_s(
		    now_ms, parts_lane_accepted_ms(parts, status), uptime_ms);
	case LANE_ACCEPTED:
		return (int64_t)status->accepted;
	case LANE_REFUSED:
		return (int64_t)status->refused;
	case LANE_IN_FLIGHT:
		return status->in_flight;
	case LANE_PACE:
		return status->pace_per_minute;
	case LANE_PACE_FULL:
		return status->pace_full_per_minute;
	case LANE_SUSPECTS:
		return (int64_t)status->suspects;
	case LANE_DRAIN:
		return parts_drain_s(status,
		    books_lane_waiting(parts->queue, status->name), now_ms);
	case LANE_DRY_SENT:
		return (int64_t)status->dry_sent;
	case LANE_DRY_DROPPED:
		return (int64_t)status->dry_dropped;
	case LANE_DRY_BURIED:
		return (int64_t)status->dry_buried;
	case LANE_NOTES_LOST:
		return (int64_t)status->notes_lost;
	case LANE_METRICS:
		break;
	}
	return 0;
}

/* Without memory for it this part is missing, not the rest. */
static void
properties_metric(struct forwarder *forwarder, struct buf *out)
{
	static const char name[] = "currentsd_properties_total";
	struct forwarder_note *notes =
	    calloc(FORWARDER_NOTES_MAX, sizeof(*notes));
	struct forwarder_lane_status status;

	if (notes == NULL)
		return;
	metric_head(out, name, "counter",
	    "Properties left out or cut on the way to Heap, by property of the "
	    "catalogue and what was done.");
	for (size_t i = 0; i < forwarder_lanes(forwarder); i++) {
		size_t count = forwarder_lane_notes(forwarder, i, notes);

		forwarder_lane_status(forwarder, i, &status);
		for (size_t n = 0; n < count; n++)
			(void)buf_printf(out,
			    "%s{lane=\"%s\",property=\"%s\",what=\"%s\"} "
			    "%" PRIu64 "\n",
			    name, status.name, notes[n].property,
			    track_note_name(notes[n].kind), notes[n].count);
	}
	free(notes);
}

static void
forwarder_metrics(struct parts *parts, struct forwarder *forwarder,
    int64_t now_ms, int64_t uptime_ms, struct buf *out)
{
	struct forwarder_lane_status status;

	for (int m = 0; m < LANE_METRICS; m++) {
		const struct metric *metric = &lane_metrics[m];

		metric_head(out, metric->name, metric->type, metric->help);
		for (size_t i = 0; i < forwarder_lanes(forwarder); i++) {
			forwarder_lane_status(forwarder, i, &status);
			(void)buf_printf(out, "%s{lane=\"%s\"} %" PRId64 "\n",
			    metric->name, status.name,
			    lane_metric(parts, (enum lane_metric)m, &status,
				now_ms, uptime_ms));
		}
	}
	lane_state_metric(forwarder, out);
	properties_metric(forwarder, out);
}

static void
server_metrics(struct parts *parts, struct server *server, int64_t now_ms,
    int64_t uptime_ms, struct buf *out)
{
	static const struct metric metrics[] = {
	    {"currentsd_source_since_request_seconds", "gauge",
		"Since the source last sent with a good token (or since the "
		"start)."},
	    {"currentsd_source_since_success_seconds", "gauge",
		"Since it was last answered 2xx (or since the start)."},
	    {"currentsd_source_failing_seconds", "gauge",
		"For how long our answers have been failing; Braze alerts at "
		"24 h and gives up after 5 days."},
	    {"currentsd_source_refused_requests", "gauge",
		"Answered 401, 403, 404, 405 or 415 lately: 0 a day after the "
		"last. Braze keeps those events back."},
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
	    "Since a token, by its number, was last used (or since the "
	    "start).");
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
	    "Since the daemon started.", uptime_ms / 1000);
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
