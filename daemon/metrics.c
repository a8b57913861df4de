/* /metrics, in the Prometheus text format: the counters and the facts. */

#include "base/clock.h"
#include "base/counters.h"
#include "daemon/facts.h"
#include "daemon/segments.h"

#include <stdlib.h>

enum {
	STATES = FORWARDER_TRIAL + 1,
	METRIC_SEGMENTS = 1000, /* that have series of their own */
};

/* All of one thing. */
#define METRICS_ONE(rows, thing) facts_metrics(rows, thing, 1, 0, clock, out)

struct stranded {
	const struct facts_clock *clock;
	struct buf *out;
};

static void
stranded_metric(void *arg, const char *name, int64_t queued)
{
	const struct status_stranded row = {name, queued};
	const struct stranded *stranded = arg;

	facts_metric_add(facts_stranded, &row, stranded->clock, stranded->out);
}

/* The first segments; what the others have is summed in a series without
 * source and destination. While the disk hangs all of it is missing. */
static void
segments_metrics(const struct status *status, const struct facts_clock *clock,
    struct buf *out)
{
	const struct segments *segments = status->segments;
	struct status_segment_state states[SEGMENT_STATES];
	struct stats_group others = {
	    .source = "", .destination = "", .id = "others"};
	struct stats_group *groups;
	size_t count = 0;

	if (segments == NULL)
		return;
	for (int s = 0; s < SEGMENT_STATES; s++)
		states[s] = (struct status_segment_state){
		    segment_state_name((enum segment_state)s),
		    segments->states[s]};
	facts_metrics(facts_segment_state, states, SEGMENT_STATES,
	    sizeof(states[0]), clock, out);
	METRICS_ONE(facts_segments, segments);
	groups = calloc(METRIC_SEGMENTS + 1, sizeof(*groups));
	if (groups == NULL)
		return;
	for (size_t i = 0; i < segments->count; i++) {
		const struct stats_group *group = &segments->list[i].of;

		if (i < METRIC_SEGMENTS) {
			groups[count++] = *group;
			continue;
		}
		others.wanted += group->wanted;
		others.sent += group->sent;
		others.waiting += group->waiting;
		others.dead += group->dead;
	}
	if (segments->count > METRIC_SEGMENTS)
		groups[count++] = others;
	facts_metrics(
	    facts_segment, groups, count, sizeof(*groups), clock, out);
	free(groups);
}

/* ---- destinations ---- */

static void
states_metrics(const struct status *status, const struct facts_clock *clock,
    struct buf *out)
{
	facts_metric_head(facts_state, out);
	for (size_t i = 0; i < status->destination_count; i++) {
		const struct status_destination *destination =
		    &status->destinations[i];

		for (int s = 0; s < STATES; s++) {
			const struct status_state state = {destination->name,
			    forwarder_state_name((enum forwarder_state)s),
			    (int)destination->sender.state == s};

			facts_metric_add(facts_state, &state, clock, out);
		}
	}
}

/* If memory is short, these are missing. */
static void
limits_metrics(const struct status *status, const struct facts_clock *clock,
    struct buf *out)
{
	struct status_limit *limits = calloc(
	    status->destination_count * OUTLET_LIMITS_MAX, sizeof(*limits));
	size_t count = 0;

	if (limits == NULL)
		return;
	for (size_t i = 0; i < status->destination_count; i++)
		count +=
		    status_limits(&status->destinations[i], limits + count);
	facts_metrics(facts_limit, limits, count, sizeof(*limits), clock, out);
	free(limits);
}

/* Likewise. */
static void
properties_metrics(const struct status *status, struct forwarder *forwarder,
    const struct facts_clock *clock, struct buf *out)
{
	struct forwarder_omission *omissions =
	    calloc(FORWARDER_OMISSIONS_MAX, sizeof(*omissions));

	if (omissions == NULL)
		return;
	facts_metric_head(facts_property, out);
	for (size_t i = 0; i < status->destination_count; i++) {
		size_t count =
		    forwarder_destination_omissions(forwarder, i, omissions);

		for (size_t n = 0; n < count; n++) {
			const struct status_property property = {
			    status->destinations[i].name, omissions[n]};

			facts_metric_add(facts_property, &property, clock, out);
		}
	}
	free(omissions);
}

static void
destinations_metrics(const struct status *status, struct forwarder *forwarder,
    const struct facts_clock *clock, struct buf *out)
{
	const struct status_destination *all = status->destinations;
	size_t count = status->destination_count;

	facts_metrics(facts_destination, all, count, sizeof(*all), clock, out);
	facts_metrics(facts_sender, all, count, sizeof(*all), clock, out);
	facts_metrics(facts_trial, all, count, sizeof(*all), clock, out);
	states_metrics(status, clock, out);
	limits_metrics(status, clock, out);
	properties_metrics(status, forwarder, clock, out);
}

/* ---- sources ---- */

static void
sources_metrics(const struct status *status, const struct facts_clock *clock,
    struct buf *out)
{
	const struct status_source *all = status->sources;
	size_t count = status->source_count;

	facts_metrics(facts_source, all, count, sizeof(*all), clock, out);
	METRICS_ONE(facts_no_source, &all[count]);
	METRICS_ONE(facts_strangers, &all[count + 1]);
	facts_metric_head(facts_token, out);
	for (size_t i = 0; i < count; i++) {
		size_t token_count;
		struct status_token *tokens =
		    status_tokens(status->daemon, i, &token_count);

		for (size_t t = 0; t < token_count; t++)
			facts_metric_add(facts_token, &tokens[t], clock, out);
		free(tokens);
	}
}

bool
metrics_write(struct daemon *daemon, int64_t now_ms, int64_t mono_ms,
    struct buf *out, struct err *reterr)
{
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);
	const struct facts_clock times = {
	    now_ms, mono_ms - daemon->started_mono_ms};
	const struct facts_clock *clock = &times;
	struct stranded stranded = {clock, out};
	struct status status;

	if (!status_read(daemon, now_ms, mono_ms, &status, reterr))
		return false;
	METRICS_ONE(facts_build, &status);
	METRICS_ONE(facts_running, &status);
	counters_write(out);
	METRICS_ONE(facts_ledger, &status.queue.ledger);
	METRICS_ONE(facts_queue, &status.queue);
	facts_metric_head(facts_stranded, out);
	status_stranded(daemon, stranded_metric, &stranded);
	METRICS_ONE(facts_more, &status);
	segments_metrics(&status, clock, out);
	if (forwarder != NULL) {
		destinations_metrics(&status, forwarder, clock, out);
		sources_metrics(&status, clock, out);
	}
	status_fini(&status);
	return true;
}
