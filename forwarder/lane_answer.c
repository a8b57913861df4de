/*
 * What an answer changes. What started before the lane's state last changed
 * (its epoch) settles its own events, but says nothing about the state.
 */

#include "base/counters.h"
#include "base/log.h"
#include "forwarder/lane_inside.h"

#include <inttypes.h>
#include <stdio.h>

enum { LANE_WORDS_SHOWN = 200 };

/* The destination's words, fit for a line of log. */
static void
lane_words_write(const struct post_answer *answer, char *ret, size_t size)
{
	size_t i, n = 0;

	for (i = 0; i < answer->words_len && n + 1 < size; i++) {
		char c = answer->words[i];

		ret[n++] = c;
		if (c < ' ' || c > '~' || c == '"')
			ret[n - 1] = c == '"' ? '\'' : ' ';
	}
	ret[n] = '\0';
}

static const char *
lane_advice(const struct post_answer *answer)
{
	if (answer->status == 407 || answer->proxy_status >= 300)
		return "check the proxy, its user and its password";
	if (answer->curl_code != 0)
		return "check the URL, the CA file and the clock";
	if (answer->status < 400)
		return "check the URL: it redirects, and we do not follow";
	if (answer->status == 404)
		return "check the URL";
	return "check the app id, the region and the URL";
}

static void
lane_answer_why(const struct post_answer *answer, char *ret, size_t size)
{
	char words[LANE_WORDS_SHOWN + 1];

	if (answer->curl_code != 0) {
		(void)snprintf(ret, size, "%.200s", answer->trouble);
		return;
	}
	lane_words_write(answer, words, sizeof(words));
	(void)snprintf(ret, size, "HTTP %ld: %s", answer->status, words);
}

static void
lane_land(struct lane *lane, struct request *request, const struct moment *now)
{
	struct request **at = &lane->flying;

	while (*at != request) {
		CHECK(*at != NULL);
		at = &(*at)->next;
	}
	*at = request->next;
	request->next = NULL;
	lane->flying_count--;
	if (request->epoch == lane->epoch)
		lane->flying_now--;
	quota_end(&lane->quota, request->entry, now->mono_ms);
	lane->posts++;
}

static void
lane_accepted(struct lane *lane, struct request *request, bool fresh,
    const struct moment *now)
{
	size_t i;

	counter_add(COUNTER_POSTS_ACCEPTED, 1);
	if (fresh && request->probe)
		suspicion_resume(&lane->suspicion);
	for (i = 0; i < request->count; i++)
		suspicion_accept(
		    &lane->suspicion, request->items[i].hash, now->mono_ms);
	lane->doubt = false;
	lane->accepted += request->count;
	lane->accepted_ms = now->wall_ms;
	pace_raise(&lane->pace, now->mono_ms);
	size_raise(&lane->size, now->mono_ms);
	if (fresh) {
		backoff_reset(&lane->backoff);
		if (lane->state == FORWARDER_BACKING_OFF || request->probe)
			lane_enter(
			    lane, FORWARDER_RUNNING, INT64_MIN, now, "%s", "");
	}
	for (i = 0; i < request->count; i++)
		slate_done(request->slate, request->items[i].lot,
		    request->items[i].event);
	request_free(request);
}

/* The destination has trouble: the same bytes again, later. */
static void
lane_trouble(struct lane *lane, struct request *request, bool fresh,
    const struct verdict *verdict, const struct post_answer *answer,
    const struct moment *now)
{
	int64_t until_ms = now->mono_ms + verdict->wait_ms;
	char why[LANE_WORDS_SHOWN + 32];

	counter_add(COUNTER_POSTS_FAILED, 1);
	lane_answer_why(answer, why, sizeof(why));
	if (verdict->slower && fresh)
		pace_lower(&lane->pace, now->mono_ms);
	if (verdict->wait_ms > 0 && until_ms > lane->hold_ms) {
		lane->hold_ms = until_ms;
		(void)snprintf(
		    lane->hold_why, sizeof(lane->hold_why), "%s", why);
	}
	if (verdict->wait_ms == 0 && fresh)
		until_ms += backoff_next(&lane->backoff);
	lane_keep(lane, request, now->mono_ms);
	if (lane->winding)
		return;
	if (fresh && lane->state == FORWARDER_HALTED) {
		if (until_ms < now->mono_ms + lane->settings.probe_ms)
			until_ms = now->mono_ms + lane->settings.probe_ms;
		lane_enter(
		    lane, FORWARDER_HALTED, until_ms, now, "%s", lane->why);
	} else if (fresh)
		lane_enter(
		    lane, FORWARDER_BACKING_OFF, until_ms, now, "%s", why);
	else if (lane->state == FORWARDER_BACKING_OFF &&
		 until_ms > lane->until_ms)
		lane->until_ms = until_ms; /* it asked for more */
}

/* Ours or the operator's: a person must act. */
static void
lane_stop(struct lane *lane, struct request *request, bool fresh,
    const struct post_answer *answer, const struct moment *now)
{
	char why[LANE_WORDS_SHOWN + 32];

	counter_add(COUNTER_POSTS_STOPPED, 1);
	lane_request_return(lane, request);
	if (lane->winding || lane->state == FORWARDER_PAUSED)
		return;
	if (lane->state == FORWARDER_HALTED && !fresh)
		return;
	lane_answer_why(answer, why, sizeof(why));
	lane_enter(lane, FORWARDER_HALTED,
	    now->mono_ms + lane->settings.probe_ms, now, "%s; %s", why,
	    lane_advice(answer));
}

/* Refused with company: halve, and try the first half first. */
static void
lane_halve(struct lane *lane, struct request *request,
    const struct verdict *verdict, const struct moment *now)
{
	struct request *left, *right;

	if (verdict->smaller && request->size_before == 0)
		request->size_before = lane->size.present;
	if (verdict->smaller)
		size_lower(&lane->size, request->body.len, now->mono_ms);
	if (!request_split(request, request->count / 2, &left, &right, NULL)) {
		lane_keep(lane, request, now->mono_ms + LANE_RETRY_MS);
		return;
	}
	lane_keep(lane, right, now->mono_ms);
	lane_keep(lane, left, now->mono_ms);
}

/* Refused alone: a suspect. If there are too many it is not the events. */
static void
lane_suspect(struct lane *lane, struct request *request,
    const struct verdict *verdict, const struct post_answer *answer,
    const struct moment *now)
{
	const struct request_item *item = &request->items[0];
	bool stopped = lane->state == FORWARDER_HALTED;

	slate_suspect(request->slate, item->lot, item->event,
	    &(struct slate_refusal){
		.hash = item->hash,
		.posts = item->posts,
		.status = (int)answer->status,
		.words = answer->words,
		.words_len = answer->words_len,
		.sent = request->body.data + item->at,
		.sent_len = item->len,
	    });
	/* It was the event that was too large, not the request. */
	if (verdict->smaller)
		size_restore(&lane->size, request->size_before, now->mono_ms);
	suspicion_refuse(&lane->suspicion, item->hash, request->mark);
	request_free(request);
	lane->refused++;
	lane_answer_why(answer, lane->deferred_why, sizeof(lane->deferred_why));
	if (!stopped && !suspicion_systematic(&lane->suspicion))
		return;
	lane_enter(lane, FORWARDER_HALTED,
	    now->mono_ms + lane->settings.probe_ms, now,
	    "%zu of the last %zu events were refused: not the events but the "
	    "mapping or the destination; last: %s",
	    suspicion_refused(&lane->suspicion),
	    suspicion_judged(&lane->suspicion), lane->deferred_why);
	lane->suspicious = true;
}

/* One of the events, if it is the events at all. */
static void
lane_refused(struct lane *lane, struct request *request, bool fresh,
    const struct verdict *verdict, const struct post_answer *answer,
    const struct moment *now)
{
	counter_add(COUNTER_POSTS_REFUSED, 1);
	if (lane->winding || lane->state == FORWARDER_PAUSED ||
	    (lane->state == FORWARDER_HALTED && !fresh)) {
		lane_request_return(lane, request);
		return;
	}
	if (!suspicion_recent(&lane->suspicion, now->mono_ms))
		lane->doubt = true;
	if (!request->refused) {
		request->refused = true;
		request->mark = suspicion_mark(&lane->suspicion);
	}
	/* It judges events again: whatever held us before is mended. */
	if (fresh && lane->state != FORWARDER_RUNNING && !lane->suspicious) {
		backoff_reset(&lane->backoff);
		lane_enter(lane, FORWARDER_RUNNING, INT64_MIN, now, "%s", "");
	}
	if (request->count > 1)
		lane_halve(lane, request, verdict, now);
	else
		lane_suspect(lane, request, verdict, answer, now);
}

void
lane_answer(struct lane *lane, struct request *request,
    const struct post_answer *answer, const struct moment *now)
{
	struct verdict_input input = {
	    .curl_code = answer->curl_code,
	    .status = answer->status,
	    .proxy_status = answer->proxy_status,
	    .retry_after = answer->has_retry_after ? answer->retry_after : NULL,
	    .now_ms = now->wall_ms,
	    .retry_after_most_ms = lane->settings.retry_after_most_ms,
	};
	bool fresh = request->epoch == lane->epoch;
	struct verdict verdict;

	verdict_read(&input, &verdict);
	lane_land(lane, request, now);
	log_line(LOG_INFO, "forwarder",
	    "post destination=%s events=%zu bytes=%zu status=%ld ms=%" PRId64
	    " result=%s",
	    lane->settings.name, request->count, request->body.len,
	    answer->status, now->mono_ms - request->started_ms,
	    verdict_name(verdict.fault));
	if (verdict.unknown)
		lane_doubt_unknown(request);
	else if (verdict.fault != VERDICT_ACCEPTED)
		lane_doubt_known(lane, request);
	switch (verdict.fault) {
	case VERDICT_ACCEPTED:
		lane_accepted(lane, request, fresh, now);
		break;
	case VERDICT_DESTINATION:
		lane_trouble(lane, request, fresh, &verdict, answer, now);
		break;
	case VERDICT_OPERATOR:
		lane_stop(lane, request, fresh, answer, now);
		break;
	case VERDICT_EVENT:
		lane_refused(lane, request, fresh, &verdict, answer, now);
		break;
	}
}
