/*
 * How events come from the queue and go back to it.
 *
 * A request is filled batch by batch, event by event; each is mapped on the
 * way. An event that the mapping does not send has its outcome at once. An
 * event whose identity has no room in the quota is deferred until there is
 * likely to be some, so that it does not delay others.
 *
 * Each event that was taken either gets an outcome, which is settled, or is
 * handed back to the queue unsettled. There is no third way.
 */

#include "base/log.h"
#include "forwarder/sender_private.h"

#include <inttypes.h>
#include <string.h>

enum {
	SENDER_TRIAL_MOST = 5000, /* events of one step: others wait for it */
	SENDER_DOUBLINGS = 6,	  /* of the time that a suspect is deferred */
};

int64_t
sender_due_now_ms(struct sender *sender, const struct clock_times *now)
{
	if (now->wall_ms - now->mono_ms > sender->due_ahead_ms)
		sender->due_ahead_ms = now->wall_ms - now->mono_ms;
	return now->mono_ms + sender->due_ahead_ms;
}

int64_t
sender_due_wall_ms(
    const struct sender *sender, int64_t due_ms, const struct clock_times *now)
{
	return clock_times_wall_ms(now, due_ms - sender->due_ahead_ms);
}

/* ---- what the mapping cut or left out ---- */

static bool
sender_omission_equal(const void *arg, uint32_t position)
{
	const struct forwarder_omission *const *rows = arg;

	return rows[0][position].kind == rows[1]->kind &&
	       strcmp(rows[0][position].property, rows[1]->property) == 0;
}

void
sender_omissions_add(struct sender *sender, const struct track_result *result)
{
	struct forwarder_omission *rows = sender->omissions;

	sender->omissions_lost += result->omissions_lost;
	for (size_t i = 0; i < result->omission_count; i++) {
		struct forwarder_omission row = {
		    .property = result->omissions[i].property,
		    .kind = result->omissions[i].kind,
		};
		/* By the text: the same property may be named in two places. */
		uint64_t hash =
		    str_hash((uint64_t)row.kind, str_text(row.property));
		uint32_t at = table_find(&sender->omission_table, hash,
		    sender_omission_equal,
		    (const struct forwarder_omission *[]){rows, &row});

		if (at == TABLE_NONE) {
			size_t count = sender->omission_count;

			if (count == FORWARDER_OMISSIONS_MAX ||
			    !table_reserve(
				&sender->omission_table, count + 1)) {
				sender->omissions_lost +=
				    result->omissions[i].count;
				continue;
			}
			at = (uint32_t)sender->omission_count++;
			table_add(&sender->omission_table, hash, at);
			rows[at] = row;
		}
		rows[at].count += result->omissions[i].count;
	}
}

size_t
sender_omissions(const struct sender *sender,
    struct forwarder_omission ret_omissions[FORWARDER_OMISSIONS_MAX])
{
	memcpy(ret_omissions, sender->omissions,
	    sender->omission_count * sizeof(*ret_omissions));
	return sender->omission_count;
}

/* ---- filling a request ---- */

/* Nothing but replays, as far as it is filled? */
static bool
sender_fill_is_replay(const struct sender *sender)
{
	const struct request *request = sender->filling;

	return request != NULL && request->count > 0 &&
	       request->items[0].from.batch->lease->replay &&
	       request->items[request->count - 1].from.batch->lease->replay;
}

/* How many events the filling request may have. */
static size_t
sender_fill_events(const struct sender *sender)
{
	if (sender->state == FORWARDER_HALTED)
		return 1; /* a probe */
	/* Replays go in small requests, so that the pace holds up the events
	 * that come in behind one for a short time only. */
	if (sender_fill_is_replay(sender))
		return pace_request_events(&sender->pace) / SENDER_PART + 1;
	return pace_request_events(&sender->pace);
}

static bool
sender_fill_enough(const struct sender *sender)
{
	return sender->filling != NULL &&
	       (sender->filling_full ||
		   sender->filling->count >= sender_fill_events(sender));
}

/* Have a request to fill, with outcomes of its own. */
static bool
sender_fill_open(struct sender *sender)
{
	struct outcomes *outcomes;

	if (sender->filling != NULL)
		return true;
	outcomes = outcomes_new();
	if (outcomes == NULL)
		return false;
	sender->filling = request_new(
	    sender->settings.app_id, outcomes, sender->settings.request_events);
	if (sender->filling == NULL) {
		outcomes_free(outcomes);
		return false;
	}
	sender->filling->held = true;
	sender->filling_full = false;
	outcomes->next = sender->outcomes;
	sender->outcomes = outcomes;
	return true;
}

/* An event of the batch is in a request now, or has its outcome. */
static void
sender_batch_pass(struct sender *sender)
{
	/* The batch lives on through its open events. */
	if (++sender->batch->next == sender->batch->lease->count)
		sender->batch = NULL;
}

static void
sender_batch_return(struct sender *sender)
{
	struct batch *batch = sender->batch;

	sender->batch = NULL;
	if (batch != NULL)
		batch_close(
		    batch, sender->queue, batch->lease->count - batch->next);
}

/* The event that was added last stays in the request if its identity has
 * room; else it is deferred. */
static void
sender_fill_added(struct sender *sender, const struct track_result *result,
    const struct clock_times *now)
{
	struct request *request = sender->filling;
	struct request_item item = *request_last(request);
	int64_t due_ms;

	if ((!item.from.batch->lease->replay ||
		quota_identity_half_free(
		    &sender->quota, item.identity, now->mono_ms)) &&
	    quota_hold(&sender->quota, item.identity, false, now->mono_ms)) {
		sender_omissions_add(sender, result);
		if (request->count == 1)
			request->since_ms = now->mono_ms;
		return;
	}
	request_pop(request);
	due_ms = quota_defer_ms(&sender->quota, item.identity, now->mono_ms);
	due_ms += sender_due_now_ms(sender, now) - now->mono_ms;
	if (due_ms > sender->last_due_ms)
		sender->last_due_ms = due_ms;
	outcomes_deferred(request->outcomes, &item.from, due_ms);
}

/* The next event of the batch gets into the request or has its outcome; or,
 * for want of room or memory, it stays. */
static void
sender_fill_one(struct sender *sender, const struct clock_times *now)
{
	struct batch *batch = sender->batch;
	struct batch_item item = {
	    .batch = batch,
	    .index = batch->next,
	    .hash = str_hash(0, batch->lease->events[batch->next].data),
	};
	const struct track_rules *rules =
	    doubt_rules(&sender->doubt, item.hash);
	struct track_result result;
	struct outcomes *outcomes;
	int64_t due_ms;

	if (!sender_fill_open(sender) ||
	    !outcomes_expect(sender->filling->outcomes)) {
		sender->look_ms = now->mono_ms + SENDER_RETRY_MS;
		return;
	}
	outcomes = sender->filling->outcomes;
	if (sender->halted_by_refusals && !sender->suspects_only &&
	    suspicion_knows(&sender->suspicion, item.hash)) {
		due_ms =
		    sender_due_now_ms(sender, now) + sender->settings.probe_ms;
		sender->suspects_passed = true;
		outcomes_deferred(outcomes, &item, due_ms);
		suspicion_defer(&sender->suspicion, item.hash, due_ms);
		sender_batch_pass(sender);
		return;
	}
	switch (
	    request_add(sender->filling, rules != NULL ? rules : &sender->rules,
		&item, sender->body_limit.present, &result)) {
	case REQUEST_ADDED:
		request_last(sender->filling)->doubt =
		    doubt_has(&sender->doubt, item.hash);
		sender_batch_pass(sender);
		sender_fill_added(sender, &result, now);
		return;
	case REQUEST_NOT_SENT:
		if (result.fate == TRACK_DEAD)
			outcomes_dead(outcomes, &item, result.reason);
		else if (!outcomes_dropped(outcomes, &item, result.reason,
			     str_bytes(result.erase, result.erase_len)))
			break;
		sender_omissions_add(sender, &result);
		sender_batch_pass(sender);
		return;
	case REQUEST_FULL:
		outcomes_unexpect(outcomes);
		sender->filling_full = true;
		return;
	case REQUEST_NO_MEMORY:
		break;
	}
	outcomes_unexpect(outcomes);
	sender->look_ms = now->mono_ms + SENDER_RETRY_MS;
}

/* Nothing is due: look again in a second, or when something is. */
static void
sender_nothing_due(struct sender *sender, const struct clock_times *now)
{
	int64_t due_ms = queue_due_ms(sender->queue, sender->id);
	int64_t now_ms = sender_due_now_ms(sender, now);

	if (due_ms == INT64_MAX)
		sender->last_due_known = true;
	if (sender->suspects_passed)
		sender->suspects_only = true;
	/* Nothing waits, and nothing is on its way: an event that is still in
	 * doubt was settled after its post was noted, or deleted by hand. */
	if (due_ms == INT64_MAX && sender->in_flight == NULL &&
	    sender->ready == NULL && sender->outcomes == NULL) {
		doubt_clear(&sender->doubt);
		suspicion_defer_none(&sender->suspicion);
	}
	sender->look_ms = now->mono_ms + SENDER_LOOK_MS;
	if (due_ms < now_ms + SENDER_LOOK_MS && due_ms > now_ms)
		sender->look_ms = now->mono_ms + (due_ms - now_ms);
}

/* Take events until the request has enough; false if there is more to look
 * at. */
static bool
sender_fill_take(struct sender *sender, const struct clock_times *now)
{
	struct err err;

	for (size_t i = 0; i < SENDER_FILL_MOST; i++) {
		const struct request *request = sender->filling;
		size_t filled = request == NULL ? 0 : request->count;

		if (sender_fill_enough(sender) ||
		    now->mono_ms < sender->look_ms ||
		    now->mono_ms < sender->settle_ms)
			return true;
		if (request != NULL && outcomes_full(request->outcomes))
			return false;
		if (sender->batch == NULL &&
		    !batch_take(sender->queue, sender->id,
			sender_due_now_ms(sender, now), &sender->batch, &err)) {
			log_line(LOG_ERROR, "forwarder",
			    "take destination=%s error=%s",
			    sender->settings.name, LOG_QUOTE(err.text));
			sender->look_ms = now->mono_ms + SENDER_RETRY_MS;
			return true;
		}
		if (sender->batch == NULL) {
			sender_nothing_due(sender, now);
			return true;
		}
		/* The queue hands out replays when nothing else is due. They
		 * take no more than half of the window, so that events that
		 * come in find room at once. */
		if (sender->batch->lease->replay &&
		    !quota_half_free(&sender->quota, filled, now->mono_ms)) {
			sender_batch_return(sender);
			sender->look_ms = now->mono_ms + SENDER_LOOK_MS;
			return true;
		}
		sender_fill_one(sender, now);
	}
	return false;
}

/*
 * When the filling request leaves though it could take more. It lingers,
 * counted from its first event. But if no request is in flight, and none
 * started within the last linger, it leaves at once: a lone event is not held
 * up, and a trickle is still batched, because at most one request leaves so in
 * each linger. Replays have no hurry.
 */
static int64_t
sender_leave_ms(const struct sender *sender)
{
	int64_t leave_ms =
	    sender->filling->since_ms + sender->settings.linger_ms;

	if (sender->in_flight == NULL && !sender_fill_is_replay(sender) &&
	    sender->idle_ms < leave_ms)
		return sender->idle_ms;
	return leave_ms;
}

struct request *
sender_fill(
    struct sender *sender, const struct clock_times *now, int64_t *next_ms)
{
	struct request *request;
	int64_t leave_ms, look_ms;

	if (!sender_fill_take(sender, now))
		*next_ms = now->mono_ms;
	look_ms = sender->look_ms > sender->settle_ms ? sender->look_ms
						      : sender->settle_ms;
	if (!sender_fill_enough(sender) && look_ms < *next_ms)
		*next_ms = look_ms > now->mono_ms ? look_ms : now->mono_ms;
	request = sender->filling;
	if (request == NULL || request->count == 0)
		return NULL;
	leave_ms = sender_leave_ms(sender);
	if (!sender_fill_enough(sender) && leave_ms > now->mono_ms) {
		if (leave_ms < *next_ms)
			*next_ms = leave_ms;
		return NULL;
	}
	return request;
}

/*
 * Requests differ in their number of events, because their bytes are bounded.
 * To wait for the room of a whole one would leave some of the share unused,
 * so a part of the filling request may leave; the rest goes on filling.
 */
size_t
sender_fill_least(const struct sender *sender)
{
	size_t worth = pace_request_events(&sender->pace) / SENDER_PART + 1;

	return sender->filling->count < worth ? sender->filling->count : worth;
}

bool
sender_fill_ready(struct sender *sender, const struct clock_times *now)
{
	struct request *request = sender->filling, *rest = NULL;
	size_t room = quota_room(&sender->quota, now->mono_ms);

	if (room < request->count) {
		sender->filling = NULL;
		if (sender_fill_open(sender)) {
			rest = sender->filling;
			rest->since_ms = request->since_ms;
		}
		sender->filling = request;
		if (rest == NULL || !request_move(request, room, rest)) {
			request_free(rest); /* empty */
			sender->post_ms = now->mono_ms + SENDER_RETRY_MS;
			return false;
		}
	}
	/* Room for the tail was made with the last event. */
	CHECK(request_close(request, NULL));
	sender->filling = rest;
	sender->filling_full = false;
	request->not_before_ms = now->mono_ms;
	request->next = sender->ready;
	sender->ready = request;
	return true;
}

/*
 * Each fresh event is mapped once and counted as if it were sent, and goes on
 * waiting. Nothing is posted and nothing settled, so that all of it is
 * delivered once the setting is off. Deferred events are not looked at.
 */
int64_t
sender_trial(struct sender *sender, const struct clock_times *now)
{
	struct track_result result;
	struct queue_lease *lease;
	size_t looked = 0;
	struct buf out;
	struct err err;

	if (now->mono_ms < sender->look_ms)
		return sender->look_ms;
	buf_init(&out, REQUEST_BYTES_HARD);
	while (looked < SENDER_TRIAL_MOST) {
		if (!queue_take(sender->queue, sender->id, now->wall_ms, &lease,
			&err)) {
			log_line(LOG_ERROR, "forwarder",
			    "take destination=%s error=%s",
			    sender->settings.name, LOG_QUOTE(err.text));
			lease = NULL;
		}
		if (lease == NULL) {
			sender->look_ms = now->mono_ms + SENDER_LOOK_MS;
			break;
		}
		for (size_t i = 0; i < lease->count; i++) {
			struct str data = lease->events[i].data;

			buf_reset(&out);
			if (!track_write(
				&sender->rules, data, &out, &result, NULL))
				continue; /* no memory: it is not counted */
			sender_omissions_add(sender, &result);
			sender->trial_sent += result.fate == TRACK_SEND;
			sender->trial_dropped += result.fate == TRACK_DROP;
			sender->trial_dead += result.fate == TRACK_DEAD;
		}
		looked += lease->count;
		queue_lease_free(sender->queue, lease);
	}
	buf_fini(&out);
	return sender->look_ms > now->mono_ms ? sender->look_ms : now->mono_ms;
}

/* ---- back to the queue ---- */

void
sender_wake(struct sender *sender)
{
	sender->look_ms = INT64_MIN;
	/* Events that came in go before replays. */
	if (sender->batch != NULL && sender->batch->lease->replay)
		sender_batch_return(sender);
}

void
sender_retry(struct sender *sender, struct request *request, int64_t at_ms)
{
	if (sender->stopping || request->stale ||
	    sender->state == FORWARDER_HALTED ||
	    sender->state == FORWARDER_PAUSED) {
		sender_request_return(sender, request);
		return;
	}
	request->not_before_ms = at_ms;
	request->next = sender->ready;
	sender->ready = request;
}

void
sender_request_return(struct sender *sender, struct request *request)
{
	for (size_t i = 0; i < request->count; i++) {
		const struct request_item *item = &request->items[i];

		if (request->held)
			quota_release(&sender->quota, item->identity);
		if (request->waits)
			quota_wait_end(&sender->quota, item->identity);
		outcomes_unexpect(request->outcomes);
		batch_close(item->from.batch, sender->queue, 1);
	}
	request_free(request);
}

void
sender_return_all(struct sender *sender)
{
	struct request *request;

	while ((request = sender->ready) != NULL) {
		sender->ready = request->next;
		sender_request_return(sender, request);
	}
	if (sender->filling != NULL)
		sender_request_return(sender, sender->filling);
	sender->filling = NULL;
	sender->filling_full = false;
	sender_batch_return(sender);
	sender->look_ms = INT64_MIN;
}

/* Decide on the suspects once all outcomes of their request are there: dead
 * with proof, else tried again, each time after a longer wait. */
static void
sender_suspects_decide(struct sender *sender, struct outcomes *outcomes,
    const struct clock_times *now)
{
	bool halted = sender->state == FORWARDER_HALTED;
	int64_t now_ms = sender_due_now_ms(sender, now), due_ms;
	size_t before, after;

	if (outcomes->suspects == 0)
		return;
	before = suspicion_deferred(&sender->suspicion, &due_ms);
	for (size_t i = 0; i < outcomes->count; i++) {
		struct outcome *outcome = &outcomes->items[i];
		unsigned attempts = outcome->item.batch->lease->attempts;
		int64_t wait_ms;

		if (!outcome->suspect)
			continue;
		if (!halted && suspicion_proven(&sender->suspicion,
				   outcome->item.hash, now->mono_ms)) {
			outcomes_suspect_dead(outcomes, outcome);
			continue;
		}
		wait_ms = sender->settings.defer_ms
			  << (attempts < SENDER_DOUBLINGS ? attempts
							  : SENDER_DOUBLINGS);
		if (wait_ms > QUOTA_DEFER_MOST_MS)
			wait_ms = QUOTA_DEFER_MOST_MS;
		outcomes_suspect_deferred(outcomes, outcome, now_ms + wait_ms);
		suspicion_defer(&sender->suspicion, outcome->item.hash,
		    outcome->verdict.due_ms);
	}
	/* Warn of the first only. A sender that halts says so, and louder. */
	after = suspicion_deferred(&sender->suspicion, &due_ms);
	if (before > 0 || after == 0 || halted)
		return;
	log_line(LOG_WARN, "forwarder",
	    "defer destination=%s events=%zu next_ms=%" PRId64
	    " why=\"refused, but too few other events have been accepted since "
	    "to tell whether the event is at fault\" last=%s",
	    sender->settings.name, after, due_ms - now_ms,
	    LOG_QUOTE(sender->refused_why));
}

/* Will nothing be added to them any more, or should they be written down
 * now? */
static bool
sender_outcomes_ripe(
    const struct sender *sender, const struct outcomes *outcomes)
{
	return outcomes->requests == 0 || outcomes_full(outcomes) ||
	       sender->state != FORWARDER_RUNNING ||
	       (sender->filling != NULL &&
		   sender->filling->outcomes == outcomes &&
		   sender->filling->count == 0);
}

void
sender_settle(struct sender *sender, const struct clock_times *now)
{
	struct outcomes **at = &sender->outcomes, *outcomes;
	struct err err;

	if (now->mono_ms < sender->settle_ms)
		return;
	while ((outcomes = *at) != NULL) {
		if (outcomes->requests == 0)
			sender_suspects_decide(sender, outcomes, now);
		if (sender_outcomes_ripe(sender, outcomes) &&
		    !outcomes_settle(outcomes, sender->queue, &sender->doubt,
			now->wall_ms, &err)) {
			log_line(LOG_ERROR, "forwarder",
			    "settle destination=%s error=%s",
			    sender->settings.name, LOG_QUOTE(err.text));
			sender->settle_ms = now->mono_ms + SENDER_RETRY_MS;
			return;
		}
		if (outcomes->requests > 0) {
			at = &outcomes->next;
			continue;
		}
		*at = outcomes->next;
		outcomes_free(outcomes);
	}
}

/* The events will be sent again; the idempotency keys make that harmless. */
void
sender_outcomes_abandon(struct sender *sender)
{
	struct outcomes *outcomes;

	while ((outcomes = sender->outcomes) != NULL) {
		log_line(LOG_WARN, "forwarder",
		    "unsettled destination=%s events=%zu",
		    sender->settings.name, outcomes->count);
		sender->outcomes = outcomes->next;
		outcomes_abandon(outcomes, sender->queue);
		outcomes_free(outcomes);
	}
}
