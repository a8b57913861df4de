/* /status: the facts as one JSON object. */

#include "base/clock.h"
#include "daemon/attention.h"
#include "daemon/facts.h"
#include "daemon/history.h"
#include "daemon/segments.h"

#include <stdlib.h>

enum {
	STATUS_TOP = 3, /* reasons that are shown */
	STATUS_SEGMENTS = 1000,
};

static bool
reason_json(void *arg, const char *text, int status, int64_t count)
{
	const struct status_reason reason = {text, (unsigned)status, count};
	struct json *json = arg;

	json_object_open(json, NULL);
	facts_json(facts_reason, &reason, 0, json);
	json_object_close(json);
	return true;
}

static void
reasons_json(const struct status *status, const char *key, enum stats_top which,
    struct json *json)
{
	json_array_open(json, key);
	(void)!stats_top(
	    status->daemon->queue, which, STATUS_TOP, reason_json, json, NULL);
	json_array_close(json);
}

static void
queue_json(const struct status *status, struct json *json)
{
	json_object_open(json, "queue");
	facts_json(facts_ledger, &status->queue.ledger, status->now_ms, json);
	facts_json(facts_queue, &status->queue, status->now_ms, json);
	reasons_json(status, "dropped_why", STATS_TOP_DROPS, json);
	reasons_json(status, "dead_why", STATS_TOP_DEAD, json);
	json_object_close(json);
}

/* ---- sources ---- */

static void
refused_json(const struct status *status, const char *key, size_t source,
    struct json *json)
{
	const struct server_source_status *of = &status->sources[source].of;

	if (of->refused == 0) {
		json_null_value(json, key);
		return;
	}
	json_object_open(json, key);
	facts_json(facts_refused, of, status->now_ms, json);
	json_object_close(json);
}

void
status_source_json(
    const struct status *status, size_t source, struct json *json)
{
	const struct status_source *row = &status->sources[source];
	struct status_token *tokens;
	size_t count;

	facts_json(facts_source, row, status->now_ms, json);
	if (row->of.failing_since_ms != 0)
		facts_json(facts_failing, row, status->now_ms, json);
	refused_json(status, "refused", source, json);
	json_array_open(json, "answers_today");
	for (size_t i = 0; i < row->of.answer_count; i++) {
		if (row->of.answers[i].count == 0)
			continue;
		json_object_open(json, NULL);
		facts_json(
		    facts_answer, &row->of.answers[i], status->now_ms, json);
		json_object_close(json);
	}
	json_array_close(json);
	if (!status->running)
		return;
	tokens = status_tokens(status->daemon, row->name, &count);
	facts_json_array("tokens", facts_token, tokens, count, sizeof(*tokens),
	    status->now_ms, json);
	free(tokens);
}

/* ---- destinations ---- */

/* The properties that were not sent as they are; none if memory is short. */
static void
properties_json(const struct status *status, struct forwarder *forwarder,
    size_t destination, struct json *json)
{
	struct forwarder_omission *omissions =
	    calloc(FORWARDER_OMISSIONS_MAX, sizeof(*omissions));
	size_t count = 0;

	if (omissions != NULL)
		count = forwarder_destination_omissions(forwarder,
		    status->destinations[destination].name, omissions);
	json_array_open(json, "properties");
	for (size_t i = 0; i < count; i++) {
		const struct status_property property = {NULL, omissions[i]};

		json_object_open(json, NULL);
		facts_json(facts_property, &property, status->now_ms, json);
		json_object_close(json);
	}
	json_array_close(json);
	free(omissions);
}

/* The types whose events wait until one is accepted. */
static void
parked_json(const struct status *status, size_t destination, struct json *json)
{
	size_t count;
	struct status_parked *parked = status_parked(
	    status->daemon, status->destinations[destination].name, &count);

	facts_json_array("parked", facts_parked, parked, count, sizeof(*parked),
	    status->now_ms, json);
	free(parked);
}

void
status_destination_json(
    const struct status *status, size_t destination, struct json *json)
{
	const struct status_destination *row =
	    &status->destinations[destination];
	struct forwarder *forwarder = atomic_load(&status->daemon->forwarder);
	struct status_limit limits[OUTLET_LIMITS_MAX];

	facts_json(facts_destination, row, status->now_ms, json);
	if (!row->running || forwarder == NULL)
		return;
	facts_json(facts_sender, row, status->now_ms, json);
	if (row->sender.state == FORWARDER_TRIAL) {
		json_object_open(json, "dry_run");
		facts_json(facts_trial, row, status->now_ms, json);
		json_object_close(json);
	}
	facts_json_array("limits", facts_limit, limits,
	    status_limits(row, limits), sizeof(limits[0]), status->now_ms,
	    json);
	parked_json(status, destination, json);
	properties_json(status, forwarder, destination, json);
}

struct stranded {
	int64_t now_ms;
	struct json *json;
};

static void
stranded_json(void *arg, const char *name, int64_t queued)
{
	const struct status_stranded row = {name, queued};
	const struct stranded *stranded = arg;

	json_object_open(stranded->json, NULL);
	facts_json(facts_stranded, &row, stranded->now_ms, stranded->json);
	json_object_close(stranded->json);
}

void
status_stranded_json(const struct daemon *daemon,
    const struct settings *settings, int64_t now_ms, struct json *json)
{
	struct stranded stranded = {now_ms, json};

	json_array_open(json, "stranded");
	status_stranded(daemon, settings, stranded_json, &stranded);
	json_array_close(json);
}

/* ---- the rest ---- */

static void
left_out_json(const struct status *status, struct json *json)
{
	json_object_open(json, "left_out");
	facts_json_array("properties", facts_left_out, status->left_out,
	    status->left_out_read, sizeof(status->left_out[0]), status->now_ms,
	    json);
	json_int(json, "count", status->left_out_count);
	json_object_close(json);
}

/* Those that need attention come first, so that the bound cuts the others. */
static void
segments_json(const struct status *status, struct json *json)
{
	const struct segments *segments = status->segments;
	size_t shown = 0;

	if (segments == NULL)
		return;
	json_object_open(json, "segments");
	facts_json(facts_segments, segments, status->now_ms, json);
	json_object_open(json, "states");
	for (int s = 0; s < SEGMENT_STATES; s++)
		json_int(json, segment_state_name((enum segment_state)s),
		    (int64_t)segments->states[s]);
	json_object_close(json);
	json_array_open(json, "list");
	for (int attention = 1; attention >= 0; attention--) {
		for (size_t i = 0; i < segments->count; i++) {
			const struct segment *segment = &segments->list[i];

			if (segment_needs_attention(segment) !=
				(bool)attention ||
			    shown++ >= STATUS_SEGMENTS)
				continue;
			json_object_open(json, NULL);
			segment_json(segment, status->now_ms, json);
			json_object_close(json);
		}
	}
	json_array_close(json);
	json_object_close(json);
}

bool
status_write(struct daemon *daemon, const struct settings *settings,
    int64_t now_ms, int64_t mono_ms, struct buf *out, struct err *reterr)
{
	struct status status;
	struct json json;

	if (!status_read(daemon, settings, now_ms, mono_ms, &status, reterr))
		return false;
	json_init(&json, out);
	json_object_open(&json, NULL);
	facts_json(facts_daemon, &status, now_ms, &json);
	if (status.running)
		facts_json(facts_running, &status, now_ms, &json);
	json_array_open(&json, "attention");
	attention_json(&status, NULL, &json);
	json_array_close(&json);
	queue_json(&status, &json);
	if (daemon->history != NULL) {
		json_object_open(&json, "last_hour");
		history_hour_json(daemon->history, daemon, &json);
		json_object_close(&json);
	}
	json_array_open(&json, "sources");
	for (size_t i = 0; i < status.source_count; i++) {
		json_object_open(&json, NULL);
		status_source_json(&status, i, &json);
		json_object_close(&json);
	}
	json_array_close(&json);
	refused_json(
	    &status, "refused_without_source", status.source_count, &json);
	refused_json(
	    &status, "refused_strangers", status.source_count + 1, &json);
	json_array_open(&json, "destinations");
	for (size_t i = 0; i < status.destination_count; i++) {
		json_object_open(&json, NULL);
		status_destination_json(&status, i, &json);
		json_object_close(&json);
	}
	json_array_close(&json);
	status_stranded_json(daemon, settings, now_ms, &json);
	segments_json(&status, &json);
	left_out_json(&status, &json);
	json_object_close(&json);
	status_fini(&status);
	return true;
}
