/* /metrics, in the Prometheus text format: the counters and the facts. */

#include "base/counters.h"
#include "daemon/facts.h"
#include "daemon/process.h"
#include "daemon/segments.h"

#include <stdlib.h>

enum {
	STATES = FORWARDER_TRIAL + 1,
	METRIC_SEGMENTS = 1000, /* that have series of their own */
};

/* All of one thing. */
#define METRICS_ONE(rows, thing) facts_metrics(rows, thing, 1, 0, now_ms, out)

/* Where the rows of a walk go. */
struct metrics {
	int64_t now_ms;
	struct buf *out;
};

static void
stranded_metric(void *arg, const char *name, int64_t queued)
{
	const struct status_stranded row = {name, queued};
	const struct metrics *metrics = arg;

	facts_metric_add(facts_stranded, &row, metrics->now_ms, metrics->out);
}

/* ---- the queue ---- */

/* A list that grows; what comes after memory ran short is missing. */
struct sum_list {
	struct stats_sum *list; /* owned */
	size_t count, cap;
};

static bool
sum_add(void *arg, const struct stats_sum *sum)
{
	struct sum_list *sums = arg;

	if (sums->count == sums->cap) {
		size_t cap = sums->cap == 0 ? 32 : sums->cap * 2;
		struct stats_sum *list =
		    realloc(sums->list, cap * sizeof(*list));

		if (list == NULL)
			return false;
		sums->list = list;
		sums->cap = cap;
	}
	sums->list[sums->count++] = *sum;
	return true;
}

static bool
rule_metric(void *arg, const char *rule, int64_t events)
{
	const struct status_rule row = {rule, events};
	const struct metrics *metrics = arg;

	facts_metric_add(facts_rule, &row, metrics->now_ms, metrics->out);
	return true;
}

static void
queue_metrics(const struct status *status, int64_t now_ms, struct buf *out)
{
	const struct status_queue *queue = &status->queue;
	const struct stats_totals *totals = &queue->totals;
	const struct queue_settings *settings = &status->settings->queue;
	const struct status_store stores[] = {
	    {"queue", totals->live_bytes, queue->max_bytes},
	    {"dead", totals->dead_bytes, queue->dead_max_bytes},
	    {"archive", totals->archive_bytes, queue->archive_max_bytes},
	    {"unreadable", totals->unreadable_bytes,
		settings->unreadable_max_bytes},
	};
	struct metrics metrics = {now_ms, out};
	struct sum_list sums = {.list = NULL};

	METRICS_ONE(facts_ledger, &queue->ledger);
	METRICS_ONE(facts_queue, queue);
	facts_metrics(facts_store, stores, sizeof(stores) / sizeof(stores[0]),
	    sizeof(stores[0]), now_ms, out);
	/* While the disk hangs these are missing. */
	(void)!stats_sums(status->daemon->queue, sum_add, &sums, NULL);
	facts_metrics(facts_sum, sums.list, sums.count, sizeof(sums.list[0]),
	    now_ms, out);
	free(sums.list);
	facts_metric_head(facts_rule, out);
	(void)!stats_rules(status->daemon->queue, rule_metric, &metrics, NULL);
}

/* ---- segments ---- */

/* The first segments; what the others have is summed in a series without
 * source and destination. While the disk hangs all of it is missing. */
static void
segments_metrics(const struct status *status, int64_t now_ms, struct buf *out)
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
	    sizeof(states[0]), now_ms, out);
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
	    facts_segment, groups, count, sizeof(*groups), now_ms, out);
	free(groups);
}

/* ---- destinations ---- */

static void
states_metrics(const struct status *status, int64_t now_ms, struct buf *out)
{
	facts_metric_head(facts_state, out);
	for (size_t i = 0; i < status->destination_count; i++) {
		const struct status_destination *destination =
		    &status->destinations[i];

		for (int s = 0; s < STATES; s++) {
			const struct status_state state = {destination->name,
			    forwarder_state_name((enum forwarder_state)s),
			    (int)destination->sender.state == s};

			facts_metric_add(facts_state, &state, now_ms, out);
		}
	}
}

static void
results_metrics(const struct status *status, int64_t now_ms, struct buf *out)
{
	facts_metric_head(facts_result, out);
	for (size_t i = 0; i < status->destination_count; i++) {
		const struct status_destination *destination =
		    &status->destinations[i];

		for (int r = 0; r < FORWARDER_RESULTS; r++) {
			const struct status_result result = {destination->name,
			    forwarder_result_name((enum forwarder_result)r),
			    destination->sender.results[r]};

			facts_metric_add(facts_result, &result, now_ms, out);
		}
	}
}

/* If memory is short, these are missing. */
static void
limits_metrics(const struct status *status, int64_t now_ms, struct buf *out)
{
	struct status_limit *limits = calloc(
	    status->destination_count * OUTLET_LIMITS_MAX, sizeof(*limits));
	size_t count = 0;

	if (limits == NULL)
		return;
	for (size_t i = 0; i < status->destination_count; i++)
		count +=
		    status_limits(&status->destinations[i], limits + count);
	facts_metrics(facts_limit, limits, count, sizeof(*limits), now_ms, out);
	free(limits);
}

/* Likewise. */
static void
properties_metrics(const struct status *status, struct forwarder *forwarder,
    int64_t now_ms, struct buf *out)
{
	struct forwarder_omission *omissions =
	    calloc(FORWARDER_OMISSIONS_MAX, sizeof(*omissions));

	if (omissions == NULL)
		return;
	facts_metric_head(facts_property, out);
	for (size_t i = 0; i < status->destination_count; i++) {
		size_t count = forwarder_destination_omissions(
		    forwarder, status->destinations[i].name, omissions);

		for (size_t n = 0; n < count; n++) {
			const struct status_property property = {
			    status->destinations[i].name, omissions[n]};

			facts_metric_add(
			    facts_property, &property, now_ms, out);
		}
	}
	free(omissions);
}

static void
destinations_metrics(const struct status *status, struct forwarder *forwarder,
    int64_t now_ms, struct buf *out)
{
	const struct status_destination *all = status->destinations;
	size_t count = status->destination_count;

	facts_metrics(facts_destination, all, count, sizeof(*all), now_ms, out);
	facts_metrics(facts_sender, all, count, sizeof(*all), now_ms, out);
	facts_metrics(facts_trial, all, count, sizeof(*all), now_ms, out);
	states_metrics(status, now_ms, out);
	results_metrics(status, now_ms, out);
	limits_metrics(status, now_ms, out);
	properties_metrics(status, forwarder, now_ms, out);
}

/* ---- sources ---- */

static void
answers_metrics(const struct status *status, int64_t now_ms, struct buf *out)
{
	facts_metric_head(facts_answers, out);
	for (size_t i = 0; i < status->source_count; i++) {
		const struct status_source *source = &status->sources[i];

		for (size_t a = 0; a < source->of.answer_count; a++) {
			const struct status_answers answers = {
			    source->name, source->of.answers[a]};

			facts_metric_add(facts_answers, &answers, now_ms, out);
		}
	}
}

static void
sources_metrics(const struct status *status, int64_t now_ms, struct buf *out)
{
	const struct status_source *all = status->sources;
	size_t count = status->source_count;

	facts_metrics(facts_source, all, count, sizeof(*all), now_ms, out);
	answers_metrics(status, now_ms, out);
	METRICS_ONE(facts_no_source, &all[count]);
	METRICS_ONE(facts_strangers, &all[count + 1]);
	facts_metric_head(facts_token, out);
	for (size_t i = 0; i < count; i++) {
		size_t token_count;
		struct status_token *tokens = status_tokens(
		    status->daemon, status->sources[i].name, &token_count);

		for (size_t t = 0; t < token_count; t++)
			facts_metric_add(facts_token, &tokens[t], now_ms, out);
		free(tokens);
	}
}

bool
metrics_write(struct daemon *daemon, const struct settings *settings,
    int64_t now_ms, int64_t mono_ms, struct buf *out, struct err *reterr)
{
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);
	struct metrics metrics = {now_ms, out};
	struct process process;
	struct status status;

	if (!status_read(daemon, settings, now_ms, mono_ms, &status, reterr))
		return false;
	METRICS_ONE(facts_build, &status);
	METRICS_ONE(facts_daemon, &status);
	METRICS_ONE(facts_running, &status);
	if (process_read(&process)) {
		process.started_ms = daemon->started_ms;
		METRICS_ONE(facts_process, &process);
	}
	counters_write(out);
	queue_metrics(&status, now_ms, out);
	facts_metric_head(facts_stranded, out);
	status_stranded(daemon, settings, stranded_metric, &metrics);
	METRICS_ONE(facts_more, &status);
	segments_metrics(&status, now_ms, out);
	if (forwarder != NULL) {
		destinations_metrics(&status, forwarder, now_ms, out);
		sources_metrics(&status, now_ms, out);
	}
	status_fini(&status);
	return true;
}
