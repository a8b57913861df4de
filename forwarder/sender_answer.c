/*
 * What an answer changes. A request of an earlier epoch, which started before
 * the sender's state last changed, settles its own events, but says nothing
 * about the state: only a fresh one does.
 */

#include "base/counters.h"
#include "base/log.h"
#include "forwarder/sender_private.h"
#include "forwarder/verdict.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	SENDER_ANSWER_SHOWN = 200, /* bytes of an answer's body */
	SENDER_WHY_MAX = SENDER_ANSWER_SHOWN + 32,
};

static const char *
sender_advice(const struct post_answer *answer)
{
	if (answer->status == 407 || answer->proxy_status >= 300)
		return "check the proxy, its user name and its password";
	if (answer->curl_code != 0)
		return "check the URL, the CA file and the clock";
	if (answer->status < 400)
		return "check the URL: it redirects, and currentsd does not "
		       "follow redirects";
	if (answer->status == 404)
		return "check the URL";
	return "check the app id, the region and the URL";
}

/* What came back, fit for a line of log. */
static void
sender_why(const struct post_answer *answer, char ret[SENDER_WHY_MAX])
{
	size_t n, end;

	if (answer->curl_code != 0) {
		(void)snprintf(ret, SENDER_WHY_MAX, "%.200s", answer->error);
		return;
	}
	n = (size_t)snprintf(ret, SENDER_WHY_MAX, "HTTP %ld: ", answer->status);
	end =
	    n + (answer->body.len < SENDER_ANSWER_SHOWN ? answer->body.len
							: SENDER_ANSWER_SHOWN);
	if (end >= SENDER_WHY_MAX)
		end = SENDER_WHY_MAX - 1;
	for (size_t i = 0; n < end; i++) {
		char c = answer->body.data[i];

		ret[n++] = c == '"' ? '\'' : c < ' ' || c > '~' ? ' ' : c;
	}
	ret[n] = '\0';
}

static void
sender_accepted(struct sender *sender, struct request *request, bool fresh,
    const struct clock_times *now)
{
	counter_add(COUNTER_POSTS_ACCEPTED, 1);
	if (fresh && request->probe)
		suspicion_resume(&sender->suspicion);
	for (size_t i = 0; i < request->count; i++)
		suspicion_accept(&sender->suspicion,
		    request->items[i].from.hash, now->mono_ms);
	sender->cautious = false;
	sender->accepted += request->count;
	sender->accepted_ms = now->wall_ms;
	pace_raise(&sender->pace, now->mono_ms);
	body_limit_raise(&sender->body_limit, now->mono_ms);
	if (fresh) {
		backoff_reset(&sender->backoff);
		if (sender->state == FORWARDER_BACKING_OFF || request->probe)
			sender_enter(sender, FORWARDER_RUNNING, INT64_MIN, now,
			    "%s", "");
	}
	for (size_t i = 0; i < request->count; i++)
		outcomes_delivered(request->outcomes, &request->items[i].from);
	request_free(request);
}

/* The destination has trouble: the same bytes again, later. */
static void
sender_failed(struct sender *sender, struct request *request, bool fresh,
    const struct verdict *verdict, const char *why,
    const struct clock_times *now)
{
	int64_t until_ms = now->mono_ms + verdict->wait_ms;

	counter_add(COUNTER_POSTS_FAILED, 1);
	if (verdict->slower && fresh)
		pace_lower(&sender->pace, now->mono_ms);
	if (verdict->wait_ms > 0 && until_ms > sender->retry_after_ms) {
		sender->retry_after_ms = until_ms;
		(void)snprintf(sender->retry_after_why,
		    sizeof(sender->retry_after_why), "%s", why);
	}
	if (verdict->wait_ms == 0 && fresh)
		until_ms += backoff_next(&sender->backoff);
	sender_retry(sender, request, now->mono_ms);
	if (sender->stopping)
		return;
	if (fresh && sender->state == FORWARDER_HALTED) {
		if (until_ms < now->mono_ms + sender->settings.probe_ms)
			until_ms = now->mono_ms + sender->settings.probe_ms;
		sender_enter(
		    sender, FORWARDER_HALTED, until_ms, now, "%s", sender->why);
	} else if (fresh)
		sender_enter(
		    sender, FORWARDER_BACKING_OFF, until_ms, now, "%s", why);
	else if (sender->state == FORWARDER_BACKING_OFF &&
		 until_ms > sender->until_ms)
		sender->until_ms = until_ms; /* it asked for more */
}

/* No retry can fix this: an operator must act. */
static void
sender_halt(struct sender *sender, struct request *request, bool fresh,
    const struct post_answer *answer, const char *why,
    const struct clock_times *now)
{
	counter_add(COUNTER_POSTS_STOPPED, 1);
	sender_request_return(sender, request);
	if (sender->stopping || sender->state == FORWARDER_PAUSED)
		return;
	if (sender->state == FORWARDER_HALTED && !fresh)
		return;
	sender_enter(sender, FORWARDER_HALTED,
	    now->mono_ms + sender->settings.probe_ms, now, "%s; %s", why,
	    sender_advice(answer));
}

/* Refused with others: halve it, and try the first half first. */
static void
sender_halve(struct sender *sender, struct request *request,
    const struct verdict *verdict, const struct clock_times *now)
{
	struct request *left, *right;

	if (verdict->smaller && request->limit_before == 0)
		request->limit_before = sender->body_limit.present;
	if (verdict->smaller)
		body_limit_lower(
		    &sender->body_limit, request->body.len, now->mono_ms);
	for (size_t i = 0; i < request->count; i++)
		request->items[i].picked = i < request->count / 2;
	if (!request_divide(request, &left, &right, NULL)) {
		sender_retry(sender, request, now->mono_ms + SENDER_RETRY_MS);
		return;
	}
	sender_retry(sender, right, now->mono_ms);
	sender_retry(sender, left, now->mono_ms);
}

/* Refused alone: a suspect. If there are too many it is not the events. */
static void
sender_suspect(struct sender *sender, struct request *request,
    const struct verdict *verdict, const struct post_answer *answer,
    const char *why, const struct clock_times *now)
{
	const struct request_item *item = &request->items[0];

	outcomes_suspect(request->outcomes, &item->from,
	    &(struct outcome_refusal){
		.posts = item->posts,
		.status = (int)answer->status,
		.answer = answer->body,
		.sent = str_bytes(request->body.data + item->at, item->len),
	    });
	/* The event was too large, not the request. */
	if (verdict->smaller)
		body_limit_restore(
		    &sender->body_limit, request->limit_before, now->mono_ms);
	suspicion_refuse(&sender->suspicion, item->from.hash, request->mark);
	request_free(request);
	sender->refused++;
	(void)snprintf(
	    sender->refused_why, sizeof(sender->refused_why), "%s", why);
	if (sender->state != FORWARDER_HALTED &&
	    !suspicion_systematic(&sender->suspicion))
		return;
	sender_enter(sender, FORWARDER_HALTED,
	    now->mono_ms + sender->settings.probe_ms, now,
	    "%zu of the last %zu events were refused: the mapping or the "
	    "destination is at fault, not the events; last answer: %s",
	    suspicion_refused(&sender->suspicion),
	    suspicion_judged(&sender->suspicion), why);
	sender->halted_by_refusals = true;
}

/* One of the events is at fault, if it is the events at all. */
static void
sender_refused(struct sender *sender, struct request *request, bool fresh,
    const struct verdict *verdict, const struct post_answer *answer,
    const char *why, const struct clock_times *now)
{
	counter_add(COUNTER_POSTS_REFUSED, 1);
	if (sender->stopping || sender->state == FORWARDER_PAUSED ||
	    (sender->state == FORWARDER_HALTED && !fresh)) {
		sender_request_return(sender, request);
		return;
	}
	if (!suspicion_recent(&sender->suspicion, now->mono_ms))
		sender->cautious = true;
	if (!request->refused) {
		request->refused = true;
		request->mark = suspicion_mark(&sender->suspicion);
	}
	/* The destination judges events again: its trouble is over. */
	if (fresh && sender->state != FORWARDER_RUNNING &&
	    !sender->halted_by_refusals) {
		backoff_reset(&sender->backoff);
		sender_enter(
		    sender, FORWARDER_RUNNING, INT64_MIN, now, "%s", "");
	}
	if (request->count > 1)
		sender_halve(sender, request, verdict, now);
	else
		sender_suspect(sender, request, verdict, answer, why, now);
}

void
sender_answer(struct sender *sender, struct request *request,
    const struct post_answer *answer, const struct clock_times *now)
{
	struct request **at = &sender->in_flight;
	bool fresh = request->epoch == sender->epoch;
	char why[SENDER_WHY_MAX];
	struct verdict verdict;

	while (*at != request) {
		CHECK(*at != NULL);
		at = &(*at)->next;
	}
	*at = request->next;
	request->next = NULL;
	sender->in_flight_count--;
	if (fresh)
		sender->in_flight_now--;
	quota_end(&sender->quota, request->send, now->mono_ms);
	sender->posts++;

	verdict_read(answer, now->wall_ms, sender->settings.retry_after_most_ms,
	    &verdict);
	log_line(LOG_INFO, "forwarder",
	    "post destination=%s events=%zu bytes=%zu status=%ld ms=%" PRId64
	    " result=%s",
	    sender->settings.name, request->count, request->body.len,
	    answer->status, now->mono_ms - request->started_ms,
	    verdict_name(verdict.fault));
	for (size_t i = 0; verdict.unknown && i < request->count; i++)
		request->items[i].doubt = true;
	if (!verdict.unknown && verdict.fault != VERDICT_ACCEPTED)
		sender_doubt_remove(sender, request);

	sender_why(answer, why);
	switch (verdict.fault) {
	case VERDICT_ACCEPTED:
		sender_accepted(sender, request, fresh, now);
		break;
	case VERDICT_DESTINATION:
		sender_failed(sender, request, fresh, &verdict, why, now);
		break;
	case VERDICT_OPERATOR:
		sender_halt(sender, request, fresh, answer, why, now);
		break;
	case VERDICT_EVENT:
		sender_refused(
		    sender, request, fresh, &verdict, answer, why, now);
		break;
	}
}
