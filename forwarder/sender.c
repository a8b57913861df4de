/*
 * A sender's life, its state, and what it sends next.
 *
 *	               .-------------- a probe was accepted -----------.
 *	               v                                               |
 *	cooling_down -> running -- network, 408, 429, 5xx -> backing_off
 *	               ^   |  ^--------- any other answer ------'      |
 *	               |   '- 401, 403, 404, ... or too many refused -> halted
 *	               '-- paused <-- by the operator, from any state
 *
 * trial, by a setting, takes the place of cooling_down and running.
 *
 * In backing_off the sender keeps its requests in memory and posts the same
 * bytes again, one request at a time until one is answered. In halted and
 * paused it hands everything back to the queue; in halted it tries a single
 * event from time to time.
 *
 * Requests that are ready go first: the last one put in is the first one out,
 * so that halving goes depth first. Then come those that are filled from the
 * queue. A request starts when the pace, the app's quota and those of all its
 * identities agree; events whose identity has no room are taken out of it, so
 * that no user waits for another.
 */

#include "base/log.h"
#include "forwarder/sender_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the state ---- */

static const struct {
	const char *name;
	enum log_level level;
} sender_states[] = {
    [FORWARDER_RUNNING] = {"running", LOG_INFO},
    [FORWARDER_BACKING_OFF] = {"backing_off", LOG_WARN},
    [FORWARDER_HALTED] = {"halted", LOG_ERROR},
    [FORWARDER_PAUSED] = {"paused", LOG_INFO},
    [FORWARDER_COOLING_DOWN] = {"cooling_down", LOG_WARN},
    [FORWARDER_TRIAL] = {"trial", LOG_WARN},
};

const char *
forwarder_state_name(enum forwarder_state state)
{
	return sender_states[state].name;
}

void
sender_enter(struct sender *sender, enum forwarder_state state,
    int64_t until_ms, const struct clock_times *now, const char *format, ...)
{
	char why[sizeof(sender->why)]; /* an argument may be the old why */
	int64_t wait_ms = 0;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	memcpy(sender->why, why, sizeof(why));
	sender->state = state;
	sender->until_ms = until_ms;
	sender->epoch++;
	sender->in_flight_now = 0;
	if (state != FORWARDER_HALTED)
		sender->halted_by_refusals = false;
	if (until_ms != INT64_MAX && until_ms > now->mono_ms)
		wait_ms = until_ms - now->mono_ms;
	log_line(sender_states[state].level, "forwarder",
	    "%s destination=%s next_ms=%" PRId64 " why=%s",
	    forwarder_state_name(state), sender->settings.name, wait_ms,
	    LOG_QUOTE(sender->why));
	if (state == FORWARDER_HALTED || state == FORWARDER_PAUSED)
		sender_return_all(sender);
}

/* Enter the state of a sender that is neither paused nor halted. */
static void
sender_enter_free(struct sender *sender, const struct clock_times *now)
{
	if (sender->settings.dry_run)
		sender_enter(sender, FORWARDER_TRIAL, INT64_MIN, now,
		    "dry_run is set: events are mapped and counted, but "
		    "nothing is sent");
	else if (sender->retry_after_ms > now->mono_ms)
		sender_enter(sender, FORWARDER_BACKING_OFF,
		    sender->retry_after_ms > sender->cool_until_ms
			? sender->retry_after_ms
			: sender->cool_until_ms,
		    now, "%s", sender->retry_after_why);
	else if (sender->cool_until_ms > now->mono_ms)
		sender_enter(sender, FORWARDER_COOLING_DOWN,
		    sender->cool_until_ms, now,
		    "it is unknown how much was sent within the last minute");
	else
		sender_enter(
		    sender, FORWARDER_RUNNING, INT64_MIN, now, "%s", "");
}

/* ---- life ---- */

/* A share of a quota; at least one, because 0 would be no quota. */
static unsigned
sender_allowed(unsigned quota, unsigned share_percent)
{
	uint64_t allowed = (uint64_t)quota * share_percent / 100;

	if (quota == 0)
		return 0;
	return allowed > 0 ? (unsigned)allowed : 1;
}

bool
sender_new(const struct forwarder_destination *settings, struct queue *queue,
    const struct sender_poster *poster, uint64_t seed, uint64_t boot,
    const struct clock_times *now, struct sender **ret_sender,
    struct err *reterr)
{
	unsigned allowed = sender_allowed(
	    settings->events_per_minute, settings->share_percent);
	unsigned identity_allowed = sender_allowed(
	    settings->identity_per_minute, settings->share_percent);
	struct sender *sender = malloc(sizeof(*sender));
	struct queue_destination saved = {0};

	if (sender == NULL)
		return err_set_nomem(reterr);
	*sender = (struct sender){
	    .settings = *settings,
	    .queue = queue,
	    .poster = *poster,
	    .target = str_hash(str_hash(0, str_text(settings->app_id)),
		str_text(settings->url)),
	    .boot = boot,
	    .cool_until_ms = INT64_MIN,
	    .retry_after_ms = INT64_MIN,
	    .due_ahead_ms = now->wall_ms - now->mono_ms,
	    .look_ms = INT64_MIN,
	    .post_ms = INT64_MIN,
	    .settle_ms = INT64_MIN,
	    .idle_ms = now->mono_ms,
	};
	if (settings->rules != NULL)
		sender->rules = *settings->rules;
	else
		track_rules_init(&sender->rules);
	body_limit_init(
	    &sender->body_limit, settings->request_bytes, now->mono_ms);
	quota_init(&sender->quota, allowed, identity_allowed);
	pace_init(
	    &sender->pace, allowed, settings->request_events, now->mono_ms);
	backoff_init(&sender->backoff, settings->backoff_first_ms,
	    settings->backoff_most_ms, seed);
	suspicion_init(&sender->suspicion);

	if (!queue_destination_open(queue, settings->name, &saved, reterr))
		goto fail;
	sender->id = saved.id;
	if (!sender_restore(sender, &saved, now, reterr))
		goto fail;
	if (settings->dry_run)
		queue_destination_trial(queue, sender->id);
	if (saved.paused)
		sender_enter(sender, FORWARDER_PAUSED, INT64_MAX, now,
		    "paused before this start: run `currentsd destinations "
		    "resume` to resume it");
	else
		sender_enter_free(sender, now);
	queue_destination_fini(&saved);
	*ret_sender = sender;
	return true;
fail:
	queue_destination_fini(&saved);
	sender_free(sender);
	return false;
}

void
sender_free(struct sender *sender)
{
	if (sender == NULL)
		return;
	CHECK(sender->in_flight == NULL && sender->outcomes == NULL);
	quota_fini(&sender->quota);
	doubt_fini(&sender->doubt);
	table_fini(&sender->omission_table);
	free(sender);
}

void
sender_pause(struct sender *sender, bool paused, const struct clock_times *now)
{
	if (paused && sender->state != FORWARDER_PAUSED)
		sender_enter(sender, FORWARDER_PAUSED, INT64_MAX, now,
		    "paused by the operator");
	if (!paused && sender->state == FORWARDER_PAUSED)
		sender_enter_free(sender, now);
}

void
sender_reread(struct sender *sender)
{
	for (struct request *r = sender->in_flight; r != NULL; r = r->next)
		r->stale = true;
	sender_return_all(sender);
}

void
sender_stop(struct sender *sender)
{
	sender->stopping = true;
	sender_return_all(sender);
}

bool
sender_idle(const struct sender *sender)
{
	return sender->in_flight == NULL && sender->outcomes == NULL;
}

void
sender_end(struct sender *sender, const struct clock_times *now)
{
	struct request *request;

	CHECK(sender->stopping);
	while ((request = sender->in_flight) != NULL) {
		sender->in_flight = request->next;
		quota_end(&sender->quota, request->send, now->mono_ms);
		sender_request_return(sender, request);
	}
	sender->settle_ms = INT64_MIN;
	sender_settle(sender, now);
	sender_outcomes_abandon(sender);
	/* While cooling down the log is not whole: this is then left like a
	 * crash. */
	if (sender->cool_until_ms <= now->mono_ms)
		sender_save(sender, now);
}

/* ---- what it sends next ---- */

/* Let a request wait for the room of its identities. */
static void
sender_wait_for_room(struct sender *sender, struct request *request,
    const struct clock_times *now)
{
	for (size_t i = 0; i < request->count; i++)
		quota_wait(
		    &sender->quota, request->items[i].identity, now->mono_ms);
	request->waits = true;
	request->not_before_ms = now->mono_ms + SENDER_RETRY_MS;
}

/*
 * Hold the identities' room of *at, a ready request. Events without room
 * become a request of their own behind it, which waits. False if it cannot
 * leave now.
 */
static bool
sender_hold(
    struct sender *sender, struct request **at, const struct clock_times *now)
{
	struct request *request = *at, *rest;
	size_t held = 0;

	for (size_t i = 0; request->waits && i < request->count; i++)
		quota_wait_end(&sender->quota, request->items[i].identity);
	request->waits = false;
	for (size_t i = 0; i < request->count; i++) {
		struct request_item *item = &request->items[i];

		item->picked = quota_hold(
		    &sender->quota, item->identity, true, now->mono_ms);
		held += item->picked;
	}
	if (held == request->count) {
		request->held = true;
		return true;
	}
	if (held > 0) {
		struct request *next = request->next;

		if (request_divide(request, at, &rest, NULL)) {
			(*at)->held = true;
			(*at)->next = rest;
			rest->next = next;
			sender_wait_for_room(sender, rest, now);
			return true;
		}
	}
	for (size_t i = 0; i < request->count; i++) {
		if (request->items[i].picked)
			quota_release(
			    &sender->quota, request->items[i].identity);
	}
	sender_wait_for_room(sender, request, now);
	return false;
}

/* The first ready request that may leave, as far as identities go. */
static struct request **
sender_ready_pick(struct sender *sender, const struct clock_times *now,
    int64_t *next_ms, size_t *ret_count)
{
	struct request **at;

	*ret_count = 0;
	for (at = &sender->ready; *at != NULL; at = &(*at)->next) {
		++*ret_count;
		if ((*at)->not_before_ms <= now->mono_ms &&
		    ((*at)->held || sender_hold(sender, at, now)))
			return at;
		if ((*at)->not_before_ms < *next_ms)
			*next_ms = (*at)->not_before_ms;
	}
	return NULL;
}

/* When may a request of so many start? */
static int64_t
sender_start_ms(
    struct sender *sender, size_t events, const struct clock_times *now)
{
	int64_t pace_ms = pace_next_ms(&sender->pace);
	int64_t room_ms = now->mono_ms;

	if (quota_room(&sender->quota, now->mono_ms) < events)
		room_ms = quota_room_ms(&sender->quota, events, now->mono_ms);
	return pace_ms > room_ms ? pace_ms : room_ms;
}

/* Note the start durably, then in the log of sends, and post. */
static bool
sender_post(struct sender *sender, struct request *request,
    const struct clock_times *now, struct err *reterr)
{
	int64_t late_ms = now->mono_ms - sender->idle_ms;
	int64_t late_most_ms = sender->settings.linger_ms / SENDER_LATE_PART;
	uint64_t *identities;

	if (!sender_doubt_add(sender, request, now, reterr))
		return false;
	identities = calloc(request->count, sizeof(*identities));
	if (identities == NULL) {
		(void)err_set_nomem(reterr);
		goto fail;
	}
	for (size_t i = 0; i < request->count; i++)
		identities[i] = request->items[i].identity;
	if (!quota_begin(&sender->quota, identities, request->count,
		now->mono_ms, &request->send, reterr)) {
		free(identities);
		goto fail;
	}
	request->held = false; /* the log has them now */
	request->probe = sender->state == FORWARDER_HALTED;
	sender->suspects_passed = sender->suspects_only = false;
	request->epoch = sender->epoch;
	request->started_ms = now->mono_ms;
	if (!sender->poster.send(sender->poster.arg, sender, request, reterr)) {
		quota_end(&sender->quota, request->send, now->mono_ms);
		goto fail;
	}
	for (size_t i = 0; i < request->count; i++)
		request->items[i].posts++;
	pace_start(&sender->pace, request->count, now->mono_ms);
	/* A start that is late by little does not put off those that follow:
	 * else a source of one event a linger would wait for ever after one
	 * delay. */
	if (late_ms < 0)
		late_ms = 0;
	if (late_ms > late_most_ms)
		late_ms = late_most_ms;
	sender->idle_ms = now->mono_ms + sender->settings.linger_ms - late_ms;
	sender->in_flight_count++;
	sender->in_flight_now++;
	return true;
fail:
	sender_doubt_remove(sender, request);
	return false;
}

/* Unless all is well one request tries for all. */
static bool
sender_may_post(const struct sender *sender)
{
	if (sender->state != FORWARDER_RUNNING)
		return sender->in_flight_now == 0;
	return sender->in_flight_count <
	       (sender->cautious ? 1 : sender->settings.in_flight);
}

/* Post what may be posted; when to come again. */
static int64_t
sender_run(struct sender *sender, const struct clock_times *now)
{
	int64_t next_ms, start_ms;
	struct request **at, *request;
	size_t ready, least;
	struct err err;

	while (sender_may_post(sender)) {
		if (sender->post_ms > now->mono_ms)
			return sender->post_ms;
		next_ms = INT64_MAX;
		at = sender_ready_pick(sender, now, &next_ms, &ready);
		if (at != NULL)
			least = (*at)->count;
		else if (ready < SENDER_READY_MOST &&
			 sender_fill(sender, now, &next_ms) != NULL)
			least = sender_fill_least(sender);
		else
			return next_ms;
		start_ms = sender_start_ms(sender, least, now);
		if (start_ms > now->mono_ms)
			return start_ms < next_ms ? start_ms : next_ms;
		if (at == NULL) {
			if (!sender_fill_ready(sender, now))
				return sender->post_ms;
			at = &sender->ready;
		}
		request = *at;
		CHECK(request != NULL);
		if (!sender_post(sender, request, now, &err)) {
			log_line(LOG_ERROR, "forwarder",
			    "start destination=%s error=%s",
			    sender->settings.name, LOG_QUOTE(err.text));
			sender->post_ms = now->mono_ms + SENDER_RETRY_MS;
			return sender->post_ms;
		}
		*at = request->next;
		request->next = sender->in_flight;
		sender->in_flight = request;
	}
	return INT64_MAX;
}

int64_t
sender_step(struct sender *sender, const struct clock_times *now)
{
	int64_t next_ms = INT64_MAX;

	sender_settle(sender, now);
	if (!sender->stopping && sender->state != FORWARDER_PAUSED) {
		if (now->mono_ms < sender->until_ms)
			next_ms = sender->until_ms;
		else if (sender->state == FORWARDER_TRIAL)
			next_ms = sender_trial(sender, now);
		else {
			if (sender->state == FORWARDER_COOLING_DOWN)
				sender_enter_free(sender, now);
			next_ms = sender_run(sender, now);
			sender_settle(sender, now);
		}
	}
	if (sender->settle_ms > now->mono_ms && sender->settle_ms < next_ms)
		next_ms = sender->settle_ms;
	return next_ms;
}

/* ---- for the status ---- */

void
sender_status(const struct sender *sender, const struct clock_times *now,
    struct forwarder_destination_status *ret_status)
{
	struct forwarder_destination_status *status = ret_status;
	int64_t due_ms;

	*status = (struct forwarder_destination_status){
	    .name = sender->settings.name,
	    .state = sender->state,
	    .last_accepted_ms = sender->accepted_ms,
	    .posts = sender->posts,
	    .accepted = sender->accepted,
	    .refused = sender->refused,
	    .in_flight = sender->in_flight_count,
	    .pace_per_minute = sender->pace.present,
	    .pace_full_per_minute = sender->pace.full,
	    .deferred = suspicion_deferred(&sender->suspicion, &due_ms),
	    .trial_sent = sender->trial_sent,
	    .trial_dropped = sender->trial_dropped,
	    .trial_dead = sender->trial_dead,
	    .omissions_lost = sender->omissions_lost,
	};
	(void)snprintf(status->why, sizeof(status->why), "%s", sender->why);
	if (sender->until_ms > now->mono_ms && sender->until_ms != INT64_MAX)
		status->until_ms = clock_times_wall_ms(now, sender->until_ms);
	if (status->deferred > 0) {
		status->deferred_due_ms =
		    sender_due_wall_ms(sender, due_ms, now);
		(void)snprintf(status->deferred_why,
		    sizeof(status->deferred_why), "%s", sender->refused_why);
	}
	if (!sender->last_due_known)
		status->last_due_ms = -1;
	else if (sender->last_due_ms > now->mono_ms + sender->due_ahead_ms)
		status->last_due_ms =
		    sender_due_wall_ms(sender, sender->last_due_ms, now);
}
