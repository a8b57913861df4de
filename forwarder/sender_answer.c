/*
 * What an answer changes: the outlet judges it, fault.c says what becomes of
 * the request and how the destination is. The reason of a dead letter that was
 * refused or failed is worded here; of one that was parked, in sender_fill.c;
 * of one that was never posted, by the outlet. A request of an earlier epoch,
 * which started before the sender's state last changed, does not put off the
 * next try.
 */

#include "forwarder/sender_private.h"

#include "base/counters.h"
#include "base/log.h"
#include "forwarder/answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* An answer, and what was made of it. */
struct verdict {
	const struct outlet_answer *answer;
	struct outlet_verdict said;
	enum fault_outcome outcome;
	bool fresh; /* of this epoch */
	char why[SENDER_WHY_MAX];
};

static const char *
verdict_name(enum fault_outcome outcome, const char *item_noun)
{
	switch (outcome) {
	case FAULT_ACCEPTED:
		return "accepted";
	case FAULT_REFUSED:
		return item_noun;
	case FAULT_FAILED:
	case FAULT_NOT_TAKEN:
		return "destination";
	case FAULT_DENIED:
	case FAULT_BARRED:
		return "operator";
	}
	return "unknown";
}

/* What came back, fit for a line of log; `advice` if it is needed to see what
 * is wrong with that, or NULL. */
static void
verdict_why(const struct outlet_answer *answer, const struct buf *request,
    const char *advice, char ret[SENDER_WHY_MAX])
{
	char text[ANSWER_SHOWN + 1];

	if (answer->trouble[0] != '\0') {
		(void)snprintf(ret, SENDER_WHY_MAX, "%.200s", answer->trouble);
		return;
	}
	(void)answer_show(
	    answer->body, str_bytes(request->data, request->len), text);
	(void)snprintf(ret, SENDER_WHY_MAX, "HTTP %u: %s%s%s", answer->status,
	    advice != NULL ? advice : "", advice != NULL ? "; " : "", text);
}

static void
verdict_read(struct sender *sender, struct request *request,
    const struct outlet_answer *answer, const struct clock_times *now,
    struct verdict *ret)
{
	struct outlet_verdict *said = &ret->said;
	bool whole;

	*ret = (struct verdict){
	    .answer = answer,
	    .fresh = request->epoch == sender->epoch,
	};
	sender->outlet->judge(
	    sender->context, answer, request->count, request->outcomes, said);
	switch (said->kind) {
	case OUTLET_VERDICT_ACCEPTED:
		ret->outcome = FAULT_ACCEPTED;
		sender->results[FORWARDER_ACCEPTED]++;
		break;
	case OUTLET_VERDICT_REFUSED:
		ret->outcome = FAULT_REFUSED;
		sender->results[FORWARDER_REFUSED]++;
		break;
	case OUTLET_VERDICT_FAILED:
		ret->outcome = said->unknown ? FAULT_FAILED : FAULT_NOT_TAKEN;
		sender->results[FORWARDER_FAILED]++;
		counter_add(COUNTER_POSTS_DOUBTED, said->advice != NULL);
		break;
	case OUTLET_VERDICT_DENIED:
		ret->outcome =
		    answer->trouble_ours ? FAULT_BARRED : FAULT_DENIED;
		sender->results[FORWARDER_DENIED]++;
		break;
	}
	whole = ret->outcome == FAULT_ACCEPTED;
	for (size_t i = 0; whole && i < request->count; i++)
		whole = request->outcomes[i] == OUTLET_ACCEPTED;
	if (!whole)
		verdict_why(answer, &request->body,
		    said->kind == OUTLET_VERDICT_FAILED ? said->advice : NULL,
		    ret->why);
	log_line(LOG_INFO, "forwarder",
	    "%s destination=\"%s\" request=\"%s%s%.32s\" %ss=%zu bytes=%zu "
	    "status=%u "
	    "ms=%" PRId64 " result=%s",
	    request->announcement ? "announce" : "post", sender->settings.name,
	    request->id, TRACE_LOG(request->trace), sender->outlet->item_noun,
	    request->count, request->body.len, answer->status,
	    now->mono_ms - request->started_ms,
	    verdict_name(ret->outcome, sender->outlet->item_noun));
}

/* ---- the state ---- */

/* The destination takes something again: what waits has waited enough. */
static void
sender_resume(struct sender *sender, const struct clock_times *now)
{
	backoff_reset(&sender->backoff);
	for (struct request *r = sender->ready; r != NULL; r = r->next) {
		if (r->backoff_ms > 0)
			r->not_before_ms = now->mono_ms;
		r->backoff_ms = 0;
		r->tries = 0;
	}
	sender_enter_free(sender, now);
}

/* Nothing is accepted at present: when, and why, to try again. */
static void
sender_suffer(struct sender *sender, const struct verdict *verdict,
    const struct clock_times *now)
{
	const struct outlet_verdict *said = &verdict->said;
	int64_t until_ms = now->mono_ms;
	const char *why = verdict->why;

	if (sender->retry_after_ms > until_ms)
		until_ms = sender->retry_after_ms;
	else if (sender->fault.state == FAULT_BACKING_OFF)
		until_ms += backoff_next(&sender->backoff);
	if (sender->fault.state != FAULT_HALTED) {
		sender_enter(
		    sender, FORWARDER_BACKING_OFF, until_ms, now, "%s", why);
		return;
	}
	if (until_ms < now->mono_ms + sender->settings.probe_ms)
		until_ms = now->mono_ms + sender->settings.probe_ms;
	if (verdict->outcome == FAULT_DENIED ||
	    verdict->outcome == FAULT_BARRED)
		sender_enter(sender, FORWARDER_HALTED, until_ms, now, "%s; %s",
		    why, said->advice != NULL ? said->advice : "check the URL");
	else if (verdict->outcome == FAULT_REFUSED)
		sender_enter(sender, FORWARDER_HALTED, until_ms, now,
		    "%u requests in a row were refused: the fault is in the "
		    "mapping or at the destination, not in the %ss; last: %s",
		    sender->fault.refused, sender->outlet->item_noun, why);
	else
		sender_enter(sender, FORWARDER_HALTED, until_ms, now, "%s",
		    sender->state == FORWARDER_HALTED ? sender->why : why);
}

/* Follow what fault.c says of the destination. */
static void
sender_follow(struct sender *sender, const struct verdict *verdict,
    const struct clock_times *now)
{
	bool trouble = sender->state == FORWARDER_BACKING_OFF ||
		       sender->state == FORWARDER_HALTED;
	bool halted = sender->state == FORWARDER_HALTED;

	if (sender->stopping ||
	    (sender->state != FORWARDER_RUNNING && !trouble))
		return;
	if (sender->fault.state == FAULT_RUNNING) {
		if (trouble)
			sender_resume(sender, now);
		return;
	}
	if (!trouble || verdict->fresh ||
	    halted != (sender->fault.state == FAULT_HALTED))
		sender_suffer(sender, verdict, now);
	else if (sender->retry_after_ms > sender->until_ms)
		sender->until_ms =
		    sender->retry_after_ms; /* it asked for more */
}

/* It asked to be left alone, or says that we are too fast. */
static void
sender_obey(struct sender *sender, const struct verdict *verdict,
    const struct clock_times *now)
{
	const struct outlet_verdict *said = &verdict->said;
	int64_t until_ms = now->mono_ms + said->wait_ms;

	if (said->slower && verdict->fresh)
		pace_lower(&sender->pace, now->mono_ms);
	if (said->wait_ms > 0 && until_ms > sender->retry_after_ms) {
		sender->retry_after_ms = until_ms;
		(void)snprintf(sender->retry_after_why,
		    sizeof(sender->retry_after_why), "%s", verdict->why);
		sender->save_ms = now->mono_ms; /* it survives restarts */
	}
	if (said->slower || said->wait_ms > 0)
		fault_back_off(&sender->fault);
}

/* ---- requests ---- */

/* Split it by type, or if it has one only, or may have been too large, in
 * halves; the first part goes first. */
static void
sender_split(struct sender *sender, struct request *request, bool large,
    const struct clock_times *now)
{
	const struct fault_type *type = request->items[0].type;
	struct fault_record record = request->record;
	size_t left = 0;
	struct request *part;
	bool by_type = !large && request_type(request) != type;

	for (size_t i = 0; i < request->count; i++)
		request->items[i].picked = !by_type && i < request->count / 2;
	/* Types go left, each as a whole, until that is half of it. */
	for (size_t i = 0; by_type && left < (request->count + 1) / 2; i++) {
		if (i == request->count)
			break;
		if (request->items[i].picked)
			continue;
		type = request->items[i].type;
		for (size_t k = i; k < request->count; k++) {
			if (request->items[k].type != type)
				continue;
			request->items[k].picked = true;
			left++;
		}
	}
	if (by_type && left == request->count) {
		/* The last type is more than half: it goes right. */
		for (size_t i = 0; i < request->count; i++)
			request->items[i].picked =
			    request->items[i].type != type;
	}
	part = request_take(&sender->fault, request);
	if (part == NULL) {
		sender_ready(
		    sender, request, now->mono_ms + SENDER_RETRY_MS, true);
		return;
	}
	fault_record_fini(&sender->fault, &request->record);
	fault_record_init(&sender->fault, &request->record, request, &record);
	request->backoff_ms = 0;
	sender_ready(sender, request, now->mono_ms, true);
	sender_ready(sender, part, now->mono_ms, true);
}

/* Is there still room in the request that this was taken out of? It may have
 * been filled up meanwhile. */
static bool
sender_fits(const struct sender *sender, const struct request *whole,
    const struct request *request)
{
	return whole->count + request->count <= sender->items_limit.present &&
	       whole->bytes.len + request->bytes.len +
		       sender->outlet->frame_bytes <=
		   sender->bytes_limit.present;
}

/* Nothing is accepted: put it back where it was taken from, in the queue or a
 * request, or let it wait as it is. */
static void
sender_keep(struct sender *sender, struct request *request,
    const struct clock_times *now)
{
	struct request *whole = request->whole;
	uint64_t key = request->items[0].key;

	if (request->sample) {
		sender_return(sender, request);
		return;
	}
	request->whole = NULL;
	if (whole != NULL && sender_fits(sender, whole, request) &&
	    (!whole->held ||
		limits_key_hold(&sender->limits, key, true, now->mono_ms))) {
		if (request_put(whole, request)) {
			request_free(&sender->fault, request);
			return;
		}
		if (whole->held)
			limits_key_release(&sender->limits, key);
	}
	sender_ready(sender, request,
	    request->not_before_ms > now->mono_ms ? request->not_before_ms
						  : now->mono_ms,
	    false);
}

/* A single item was refused or failed. Warn of the first: a destination that
 * is in trouble says so, and louder. */
static void
sender_suspect_log(struct sender *sender, const struct verdict *verdict,
    int64_t next_ms, const struct clock_times *now)
{
	struct forwarder_destination_status status;

	(void)snprintf(sender->suspect_why, sizeof(sender->suspect_why), "%s",
	    verdict->why);
	sender_status(sender, now, &status);
	if (status.deferred > 0)
		return;
	log_line(LOG_WARN, "forwarder",
	    "defer destination=\"%s\" %ss=1 next_ms=%" PRId64
	    " why=\"refused or failed alone; tried again beside others, which "
	    "will tell whether it is at fault\" last=%s",
	    sender->settings.name, sender->outlet->item_noun, next_ms,
	    LOG_QUOTE(verdict->why));
}

static void
sender_dead_letter(struct sender *sender, struct request *request,
    const struct verdict *verdict, enum fault_outcome outcome)
{
	const struct fault_type *type = request_type(request);
	const char *reason = outcome == FAULT_REFUSED
				 ? "refused by the destination"
				 : "failed at the destination";
	struct str answer = verdict->answer->body;

	if (answer.len == 0)
		answer = str_text(verdict->answer->trouble);
	log_line(LOG_WARN, "forwarder",
	    "dead destination=\"%s\" %ss=1 type=%s why=\"%s, beside others "
	    "that "
	    "were accepted\" last=%s",
	    sender->settings.name, sender->outlet->item_noun,
	    LOG_QUOTE(type != NULL ? type->name : ""), reason,
	    LOG_QUOTE(verdict->why));
	sender_dead(
	    sender, request, reason, (int)verdict->answer->status, answer);
}

/* Its type is parked now: so is what is in memory of it. */
static void
sender_park_type(struct sender *sender, const struct fault_type *type,
    const struct clock_times *now)
{
	for (struct request *r = sender->ready, *next; r != NULL; r = next) {
		next = r->next;
		if (r->record.replay || r->record.probe ||
		    request_type(r) != type)
			continue;
		sender_ready_remove(sender, r);
		sender_request_leaves(sender, r);
		sender_park(sender, r, now);
	}
}

/* One of a parked type was accepted: release all. */
static void
sender_release(struct sender *sender, struct fault_type *type,
    const struct clock_times *now)
{
	struct err err;

	sender_unpark(sender, type, now);
	if (!queue_unpark(
		sender->shared->queue, sender->id, type->name, &err)) {
		/* The next probe will come to it. */
		log_line(LOG_ERROR, "forwarder",
		    "release why=%s destination=\"%s\"", LOG_QUOTE(err.text),
		    sender->settings.name);
		return;
	}
	log_line(LOG_INFO, "forwarder",
	    "release destination=\"%s\" type=%s %ss=%zu", sender->settings.name,
	    LOG_QUOTE(type->name), sender->outlet->item_noun, type->count);
	fault_type_release(&sender->fault, type);
	sender->look_ms = INT64_MIN;
	sender->save_ms = now->mono_ms;
}

/* What becomes of those that waited for their neighbours. */
static void
sender_decide(struct sender *sender, const struct clock_times *now)
{
	struct fault_record *record;
	enum fault_action action;

	while ((record = fault_decided(&sender->fault, &action)) != NULL) {
		struct request *request = record->owner;

		sender_ready_remove(sender, request);
		if (action == FAULT_RETRY)
			sender_ready(sender, request, now->mono_ms, true);
		else {
			if (request->held)
				limits_key_release(
				    &sender->limits, request->items[0].key);
			if (request->waits)
				limits_key_wait_end(
				    &sender->limits, request->items[0].key);
			sender_defer(sender, request, now);
		}
	}
}

/* Time how long its items waited here. Those of a batch mostly stand in a
 * row. */
static void
sender_time_delays(
    struct sender *sender, const struct request *request, int64_t wall_ms)
{
	for (size_t i = 0, end; i < request->count; i = end) {
		const struct queue_lease *lease = request->items[i].lease;

		for (end = i + 1;
		     end < request->count && request->items[end].lease == lease;
		     end++)
			;
		if (!lease->replay)
			histogram_add(&sender->times->delays,
			    (wall_ms - lease->accepted_ms) * 1000, end - i);
	}
}

/* Tell fault.c what became of a request, and do what it says. */
static void
sender_judge(struct sender *sender, struct request *request,
    const struct verdict *verdict, enum fault_outcome outcome,
    const struct clock_times *now)
{
	struct fault_type *type = request_type(request);
	struct fault *fault = &sender->fault;
	enum fault_parked parked = type != NULL ? type->parked : FAULT_FLOWS;
	bool probe = request->record.probe, single = request->count == 1;
	bool suspect = single && outcome != FAULT_ACCEPTED &&
		       outcome != FAULT_NOT_TAKEN && !probe;
	enum fault_action action;
	int64_t wait_ms;

	request->record.in_flight = false;
	if (probe)
		sender->fault.probing = NULL;
	if (outcome != FAULT_ACCEPTED &&
	    (sender->stopping || sender->lost || request->stale ||
		sender->state == FORWARDER_PAUSED)) {
		sender_return(sender, request);
		return;
	}
	if (outcome == FAULT_REFUSED && verdict->said.fewer && !single) {
		/* That is no item's fault, and not the destination's. */
		sender_split(sender, request, true, now);
		return;
	}
	action = fault_judge(fault, &request->record, request->count, type,
	    outcome, verdict->answer->body, now);
	if (type != NULL && outcome == FAULT_REFUSED)
		type->status = (int)verdict->answer->status;
	if (single && outcome == FAULT_REFUSED)
		sender->refused++;
	switch (action) {
	case FAULT_DELIVERED:
		sender->accepted += request->count;
		sender->accepted_ms = now->wall_ms;
		rate_add(&sender->rate, request->count, now->mono_ms);
		sender_time_delays(sender, request, now->wall_ms);
		sender_deliver(sender, request);
		if (type != NULL && (probe || parked == FAULT_PARKED_ALL))
			sender_release(sender, type, now);
		break;
	case FAULT_RETRY:
		wait_ms =
		    backoff_next_of(&sender->backoff, &request->backoff_ms);
		sender_ready(sender, request, now->mono_ms + wait_ms, false);
		break;
	case FAULT_SPLIT:
		sender_split(sender, request,
		    outcome == FAULT_REFUSED && verdict->said.smaller, now);
		break;
	case FAULT_WAIT:
		wait_ms = fault_defer_ms(fault, &request->record);
		sender_suspect_log(sender, verdict, wait_ms, now);
		sender_ready(sender, request, now->mono_ms + wait_ms, false);
		break;
	case FAULT_DEFER:
		sender_suspect_log(
		    sender, verdict, sender->settings.defer_ms, now);
		sender_defer(sender, request, now);
		break;
	case FAULT_PARK:
		sender_park(sender, request, now);
		break;
	case FAULT_DEAD:
		sender_dead_letter(sender, request, verdict, outcome);
		break;
	case FAULT_KEEP:
		if (suspect)
			(void)snprintf(sender->suspect_why,
			    sizeof(sender->suspect_why), "%s", verdict->why);
		sender_keep(sender, request, now);
		break;
	}
	sender_decide(sender, now);
	if (type == NULL || type->parked == parked ||
	    type->parked == FAULT_FLOWS)
		return;
	log_line(LOG_WARN, "forwarder",
	    "park destination=\"%s\" type=%s what=%s why=%s",
	    sender->settings.name, LOG_QUOTE(type->name),
	    type->parked == FAULT_PARKED_ALL ? "all" : "refused",
	    LOG_QUOTE(verdict->why));
	sender->save_first = true;
	if (type->parked == FAULT_PARKED_ALL)
		sender_park_type(sender, type, now);
}

/* Take the items of this outcome out of a request; NULL: there are none, or
 * no memory. The request itself if it has no others. */
static struct request *
sender_answer_part(struct sender *sender, struct request **request,
    enum outlet_outcome outcome)
{
	struct request *whole = *request, *part;
	size_t picked = 0, kept = 0;

	if (whole == NULL)
		return NULL;
	for (size_t i = 0; i < whole->count; i++) {
		whole->items[i].picked = whole->outcomes[i] == outcome;
		picked += whole->items[i].picked;
	}
	if (picked == whole->count) {
		*request = NULL;
		return whole;
	}
	part = picked == 0 ? NULL : request_take(&sender->fault, whole);
	for (size_t i = 0; part != NULL && kept < whole->count; i++) {
		if (whole->outcomes[i] != outcome)
			whole->outcomes[kept++] = whole->outcomes[i];
	}
	return part;
}

/*
 * An answer that names items: each by its own outcome. Those that were refused
 * count as if each had been alone; they are told first, so that the acceptance
 * of others proves what it can.
 */
static void
sender_answer_items(struct sender *sender, struct request *request,
    const struct verdict *verdict, const struct clock_times *now)
{
	struct request *refused =
	    sender_answer_part(sender, &request, OUTLET_REFUSED);
	struct request *failed =
	    sender_answer_part(sender, &request, OUTLET_FAILED);
	struct request *accepted =
	    sender_answer_part(sender, &request, OUTLET_ACCEPTED);

	if (refused != NULL && refused->count == 1) {
		/* With its history, if it has one. */
		sender_judge(sender, refused, verdict, FAULT_REFUSED, now);
		refused = NULL;
	}
	for (size_t i = 0; refused != NULL && i < refused->count; i++) {
		struct request *single =
		    request_single(&sender->fault, refused, i);

		if (single == NULL) {
			/* What was judged already is not in it any more. */
			request_shift(refused, i);
			sender_ready(sender, refused,
			    now->mono_ms + SENDER_RETRY_MS, false);
			refused = NULL;
			break;
		}
		sender_judge(sender, single, verdict, FAULT_REFUSED, now);
	}
	request_free(&sender->fault, refused);
	if (accepted != NULL)
		sender_judge(sender, accepted, verdict, FAULT_ACCEPTED, now);
	if (failed != NULL)
		sender_judge(sender, failed, verdict, FAULT_FAILED, now);
	/* What was not taken, or there was no memory to take it apart: it is
	 * safe to send it again. */
	if (request != NULL)
		sender_judge(sender, request, verdict, FAULT_NOT_TAKEN, now);
}

/* ---- of an announcement ---- */

/* The destination knows the group by that name now; its items may go. */
static void
announced(struct sender *sender, struct group *group, struct str name,
    const struct clock_times *now)
{
	struct err err;

	if (queue_group_save(sender->shared->queue, sender->id,
		group->of.number, group->of.kind, group->of.label, name,
		&err) &&
	    (group_set(group, group->of.label, name) || err_set_nomem(&err))) {
		group->backoff_ms = 0;
		group->failed = group->suspect = false;
		return;
	}
	/* It is announced once more. */
	log_line(LOG_ERROR, "forwarder", "announce why=%s destination=\"%s\"",
	    LOG_QUOTE(err.text), sender->settings.name);
	sender->lost = sender->lost || err.code == ERR_BUSY;
	sender->post_ms = now->mono_ms + SENDER_RETRY_MS;
}

/* It was not accepted: the group waits. */
static void
announcement_failed(struct sender *sender, struct group *group,
    const struct verdict *verdict, int64_t wait_ms,
    const struct clock_times *now)
{
	int64_t backoff_ms =
	    backoff_next_of(&sender->backoff, &group->backoff_ms);

	if (backoff_ms > wait_ms)
		wait_ms = backoff_ms;
	if (!group->failed)
		log_line(LOG_WARN, "forwarder",
		    "announce destination=\"%s\" group=%s next_ms=%" PRId64
		    " why=\"the destination does not accept the group, so its "
		    "%ss wait\" last=%s",
		    sender->settings.name, LOG_QUOTE(group->of.id.data),
		    wait_ms, sender->outlet->item_noun,
		    LOG_QUOTE(verdict->why));
	group->failed = true;
	group->failed_at = sender->fault.accepted;
	sender_group_wait(sender, group, now->mono_ms + wait_ms);
}

/*
 * The group's fault, or the destination's? As with items: if others are
 * accepted between its failures it is the group's, and then these tell nothing
 * about the destination.
 */
static void
sender_judge_announcement(struct sender *sender, struct request *request,
    const struct verdict *verdict, int64_t wait_ms,
    const struct clock_times *now)
{
	struct fault *fault = &sender->fault;
	struct group *group = request->group;
	enum fault_action action = FAULT_RETRY;
	bool accepted = verdict->outcome == FAULT_ACCEPTED;

	if (!accepted && (sender->stopping || sender->lost ||
			     sender->state == FORWARDER_PAUSED)) {
		request_free(&sender->fault, request);
		return;
	}
	group->suspect = group->suspect ||
			 (group->failed && fault->accepted > group->failed_at);
	if (accepted || !group->suspect || verdict->outcome == FAULT_BARRED ||
	    fault->state != FAULT_RUNNING)
		action = fault_judge(fault, &request->record, 0, NULL,
		    verdict->outcome, verdict->answer->body, now);
	if (accepted)
		announced(sender, group,
		    str_bytes(request->bytes.data, request->bytes.len), now);
	else if (action != FAULT_KEEP)
		announcement_failed(sender, group, verdict, wait_ms, now);
	request_free(&sender->fault, request);
}

/* ---- an answer ---- */

/* The request is not in flight any more. */
static void
sender_landed(struct sender *sender, struct request *request,
    const struct clock_times *now)
{
	struct request **at = &sender->in_flight;

	while (*at != request) {
		CHECK(*at != NULL);
		at = &(*at)->next;
	}
	*at = request->next;
	request->next = NULL;
	sender->in_flight_count--;
	if (request->epoch == sender->epoch)
		sender->in_flight_now--;
	if (request->group != NULL)
		request->group->busy = false;
	limits_end(&sender->limits, request->send, now);
	sender->arrived_ms = now->mono_ms;
	sender->posts++;
	histogram_add(&sender->times->requests,
	    (now->mono_ms - request->started_ms) * 1000, 1);
}

/* Learn how large requests may be. An item that is too large says nothing of
 * them. */
static void
sender_learn_size(struct sender *sender, struct request *request,
    const struct verdict *verdict, int64_t mono_ms)
{
	const struct outlet_verdict *said = &verdict->said;
	struct size_limit *bytes = &sender->bytes_limit;
	struct size_limit *items = &sender->items_limit;

	if (verdict->outcome == FAULT_ACCEPTED) {
		size_limit_raise(bytes, mono_ms);
		size_limit_raise(items, mono_ms);
	}
	if (request->count == 0 || (!said->smaller && !said->fewer))
		return;
	if (request->count == 1) {
		size_limit_restore(bytes, request->bytes_before, mono_ms);
		size_limit_restore(items, request->items_before, mono_ms);
		return;
	}
	if (request->bytes_before == 0) {
		request->bytes_before = bytes->present;
		request->items_before = items->present;
	}
	if (said->smaller)
		size_limit_lower(bytes, request->body.len, mono_ms);
	if (said->fewer)
		size_limit_lower(items, request->count, mono_ms);
}

/* Is what the destination says of this request about its group alone? Then the
 * group waits, and not the others; for how long. */
static int64_t
sender_group_wait_ms(const struct request *request, struct verdict *verdict)
{
	struct outlet_verdict *said = &verdict->said;
	int64_t wait_ms = said->wait_ms;

	if (request->group == NULL || said->slower || said->unknown)
		return 0;
	said->wait_ms = 0;
	return wait_ms;
}

void
sender_answer(struct sender *sender, struct request *request,
    const struct outlet_answer *answer, const struct clock_times *now)
{
	struct group *group = request->group;
	struct verdict verdict;
	bool mixed = false;
	int64_t wait_ms;

	sender_landed(sender, request, now);
	verdict_read(sender, request, answer, now, &verdict);
	for (size_t i = 0; i < request->count; i++) {
		struct queue_item *cell = request_item_cell(&request->items[i]);
		enum outlet_outcome outcome = request->outcomes[i];

		/* And so it stays: if it was taken then, it must not come
		 * under another identity, whatever is answered later. */
		if (outcome == OUTLET_FAILED || verdict.said.unknown)
			cell->unsure = true;
		mixed = mixed || outcome != OUTLET_ACCEPTED;
	}
	if (verdict.outcome == FAULT_ACCEPTED)
		pace_raise(&sender->pace, now->mono_ms);
	sender_learn_size(sender, request, &verdict, now->mono_ms);
	wait_ms = sender_group_wait_ms(request, &verdict);
	sender_obey(sender, &verdict, now);
	if (request->announcement)
		sender_judge_announcement(
		    sender, request, &verdict, wait_ms, now);
	else if (verdict.outcome == FAULT_ACCEPTED && mixed)
		sender_answer_items(sender, request, &verdict, now);
	else
		sender_judge(sender, request, &verdict, verdict.outcome, now);
	if (wait_ms > 0 && group->until_ms < now->mono_ms + wait_ms)
		sender_group_wait(sender, group, now->mono_ms + wait_ms);
	sender_follow(sender, &verdict, now);
}
