/*
 * A sender's life, its state, and what it sends next.
 *
 *	              .------------ an acceptance --------------.
 *	              v                                         |
 *	cooling_down -> running -- three in a row failed --> backing_off
 *	              ^   |                                     |
 *	              |   '-- denied, or 20 refused --> halted <'
 *	              '-- paused <-- by the operator, from any state
 *
 * trial, by a setting, takes the place of cooling_down and running. What makes
 * it back off or halt is fault.c's to say; so does a destination that asks to
 * be left alone.
 *
 * Requests that are ready go first: the last one put in is the first one out,
 * so that splitting goes depth first. Then come those that are filled from the
 * queue. But after a request with a refusal or failure behind it one without
 * goes next, if there is one. A request starts when the pace, the destination's
 * limits and those of all its keys agree; items whose key has no room are taken
 * out of it, so that no key waits for another.
 *
 * If the outlet wants groups alone, a group has one request in flight: the
 * others of it wait, and those of other groups pass them. A group that is to be
 * announced sends its announcement in place of its next request.
 *
 * While backing off or halted the sender keeps its requests, and each try is a
 * single item that is taken out of one of them, each time out of another. If
 * it is not accepted it is put back. If it is halted by refusals, and all that
 * it has is of types that were refused, it looks further back in the queue for
 * an item of another type, which may be accepted.
 */

#include "forwarder/sender_private.h"

#include "base/log.h"

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

const char *
forwarder_result_name(enum forwarder_result result)
{
	static const char *const names[FORWARDER_RESULTS] = {
	    [FORWARDER_ACCEPTED] = "accepted",
	    [FORWARDER_REFUSED] = "refused",
	    [FORWARDER_FAILED] = "failed",
	    [FORWARDER_DENIED] = "denied",
	};

	return names[result];
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
	if (until_ms != INT64_MAX && until_ms > now->mono_ms)
		wait_ms = until_ms - now->mono_ms;
	log_line(sender_states[state].level, "forwarder",
	    "%s destination=\"%s\" next_ms=%" PRId64 " why=%s",
	    forwarder_state_name(state), sender->settings.name, wait_ms,
	    LOG_QUOTE(sender->why));
	if (state == FORWARDER_PAUSED)
		sender_return_all(sender);
}

void
sender_enter_free(struct sender *sender, const struct clock_times *now)
{
	fault_resume(&sender->fault);
	if (sender->settings.dry_run)
		sender_enter(sender, FORWARDER_TRIAL, INT64_MIN, now,
		    "dry_run is set: %ss are mapped and counted, and nothing "
		    "is sent",
		    sender->outlet->item_noun);
	else if (sender->retry_after_ms > now->mono_ms) {
		fault_back_off(&sender->fault);
		sender_enter(sender, FORWARDER_BACKING_OFF,
		    sender->retry_after_ms > sender->cool_until_ms
			? sender->retry_after_ms
			: sender->cool_until_ms,
		    now, "%s", sender->retry_after_why);
	} else if (sender->cool_until_ms > now->mono_ms)
		sender_enter(sender, FORWARDER_COOLING_DOWN,
		    sender->cool_until_ms, now,
		    "what was sent before the start counts for the limits "
		    "until then");
	else
		sender_enter(
		    sender, FORWARDER_RUNNING, INT64_MIN, now, "%s", "");
}

/* ---- life ---- */

/* Release the groups that the last sender did not save: it died between parking
 * an item and saving, or after it saved that the group was released. */
static bool
sender_unpark_others(struct sender *sender, struct err *reterr)
{
	const char **names =
	    calloc(sender->fault.parked_count + 1, sizeof(*names));
	const struct fault_type *type;
	size_t position = 0, count = 0;
	bool ok;

	if (names == NULL)
		return err_set_nomem(reterr);
	while ((type = fault_type_parked(&sender->fault, &position)) != NULL)
		names[count++] = type->name;
	ok = queue_unpark_others(sender->shared->queue, sender->id,
	    (const char *const *)names, count, reterr);
	free(names);
	return ok;
}

/* Claim the destination, and go on where its last sender was. False: without
 * memory, or the queue fails. If another process has it this one waits. */
static bool
sender_claim(
    struct sender *sender, const struct clock_times *now, struct err *reterr)
{
	struct queue_destination found = {0};
	bool ok;

	sender->lost = !queue_destination_open(
	    sender->shared->queue, sender->settings.name, &found, reterr);
	if (sender->lost)
		return reterr->code == ERR_BUSY;
	sender->claim_ms = INT64_MIN;
	sender->id = found.id;
	queue_destination_limit(
	    sender->shared->queue, found.id, sender->settings.max_bytes);
	(void)sender_due_now_ms(sender->shared, now);
	ok = sender_restore(sender, &found, now, reterr) &&
	     sender_unpark_others(sender, reterr);
	if (ok && found.paused)
		sender_enter(sender, FORWARDER_PAUSED, INT64_MAX, now,
		    "paused before this start: run `currentsd destinations "
		    "resume` to resume it");
	else if (ok)
		sender_enter_free(sender, now);
	queue_destination_fini(&found);
	return ok;
}

/* A hash of the URL and of what frames the items; with `key`, also of the
 * headers, which say who posts. */
static bool
sender_target_read(const struct sender *sender, bool key, uint64_t *ret_target,
    struct err *reterr)
{
	static const struct str none = STR("");
	struct outlet_address address;
	struct buf frame;
	uint64_t target;
	bool ok;

	buf_init(&frame, REQUEST_BYTES_HARD);
	sender->outlet->address(sender->context, false, &address);
	target = str_hash(0, str_text(address.url));
	for (size_t i = 0; key && address.headers[i] != NULL; i++)
		target = str_hash(target, str_text(address.headers[i]));
	ok = sender->outlet->frame(
		 sender->context, NULL, &none, 1, &frame, reterr) &&
	     buf_ok(&frame, reterr);
	if (ok)
		*ret_target =
		    str_hash(target, str_bytes(frame.data, frame.len));
	buf_fini(&frame);
	return ok;
}

/* Set what follows from the settings and from the outlet's context. If the
 * limits are the same, the pace is kept. */
static void
sender_set(struct sender *sender, const struct forwarder_destination *settings,
    struct outlet_context *context, const struct clock_times *now)
{
	const struct outlet *outlet = settings->outlet;
	struct pace before = sender->pace;

	sender->settings = *settings;
	sender->context = context;
	sender->request_items = outlet->request_items_most;
	if (settings->request_items > 0 &&
	    settings->request_items < sender->request_items)
		sender->request_items = settings->request_items;
	sender->fault.defer_ms =
	    settings->defer_ms > 0 ? settings->defer_ms : 1;
	size_limit_init(&sender->bytes_limit, settings->request_bytes,
	    SENDER_BYTES_LEAST, now->mono_ms);
	size_limit_init(
	    &sender->items_limit, sender->request_items, 1, now->mono_ms);
	backoff_init(&sender->backoff, settings->backoff_first_ms,
	    settings->backoff_most_ms, sender->fault.random);
	pace_init(&sender->pace, &sender->limits, sender->request_items,
	    now->mono_ms);
	if (sender->pace.full == before.full)
		sender->pace.present = before.present;
	sender->look_ms = INT64_MIN;
	sender->post_ms = INT64_MIN;
	sender->settle_ms = INT64_MIN;
}

/* Nothing is known of what was sent. */
static void
sender_set_limits(
    struct sender *sender, const struct outlet_limit *limits, size_t count)
{
	limits_fini(&sender->limits);
	limits_init(&sender->limits, limits, count);
	sender->cool_until_ms = INT64_MIN;
	sender->retry_after_ms = INT64_MIN;
}

bool
sender_new(const struct forwarder_destination *settings,
    struct sender_shared *shared, struct sender_times *times, void *arg,
    uint64_t seed, const struct clock_times *now, struct sender **ret_sender,
    struct err *reterr)
{
	const struct outlet *outlet = settings->outlet;
	struct sender *sender = malloc(sizeof(*sender));
	struct outlet_limit limits[OUTLET_LIMITS_MAX];
	struct outlet_context *context;

	CHECK(outlet->announce == NULL || outlet->group_alone);
	if (sender == NULL)
		return err_set_nomem(reterr);
	*sender = (struct sender){
	    .shared = shared,
	    .times = times,
	    .arg = arg,
	    .outlet = outlet,
	    .clock_least_ms = CLOCK_LEAST_MS,
	    .claim_ms = INT64_MIN,
	    .save_ms = INT64_MAX,
	    .idle_ms = now->mono_ms,
	    .sample_step = 1,
	};
	for (size_t i = 0; i < SENDER_LISTS; i++)
		sender->ends[i] = &sender->leases[i];
	fault_init(&sender->fault, settings->defer_ms, seed);
	if (!outlet->context_new(settings->outlet_settings, &context, reterr))
		goto fail;
	sender_set_limits(sender, limits, outlet->limits(context, limits));
	sender_set(sender, settings, context, now);
	if (!sender_target_read(sender, true, &sender->target, reterr) ||
	    !sender_claim(sender, now, reterr))
		goto fail;
	*ret_sender = sender;
	return true;
fail:
	sender_free(sender);
	return false;
}

void
sender_free(struct sender *sender)
{
	if (sender == NULL)
		return;
	CHECK(sender->in_flight == NULL && sender->ready == NULL);
	limits_fini(&sender->limits);
	fault_fini(&sender->fault);
	omissions_fini(&sender->omissions);
	left_out_fini(&sender->left_out);
	groups_fini(&sender->groups);
	if (sender->context != NULL)
		sender->outlet->context_free(sender->context);
	free(sender->deferred);
	free(sender);
}

void
sender_address(const struct sender *sender, bool announcement,
    struct outlet_address *ret_address)
{
	sender->outlet->address(sender->context, announcement, ret_address);
}

void
sender_wake(struct sender *sender)
{
	sender->look_ms = INT64_MIN;
}

void
sender_pause(struct sender *sender, bool paused, const struct clock_times *now)
{
	if (sender->lost)
		return; /* the queue remembers it */
	if (paused && sender->state != FORWARDER_PAUSED)
		sender_enter(sender, FORWARDER_PAUSED, INT64_MAX, now,
		    "paused by the operator");
	if (!paused && sender->state == FORWARDER_PAUSED)
		sender_enter_free(sender, now);
}

void
sender_retry(struct sender *sender, bool insist, const struct clock_times *now)
{
	int64_t until_ms = sender->cool_until_ms;

	/* While others are accepted, what failed waits alone. */
	for (struct request *r = sender->ready;
	     r != NULL && sender->state == FORWARDER_RUNNING; r = r->next) {
		if (r->not_before_ms > now->mono_ms &&
		    !fault_record_suspect(&r->record))
			r->not_before_ms = now->mono_ms;
	}
	if (sender->lost || (sender->state != FORWARDER_BACKING_OFF &&
				sender->state != FORWARDER_HALTED))
		return;
	if (insist)
		sender->retry_after_ms = INT64_MIN;
	if (sender->retry_after_ms > until_ms)
		until_ms = sender->retry_after_ms;
	if (until_ms < sender->until_ms)
		sender->until_ms = until_ms;
	log_line(LOG_INFO, "forwarder",
	    "retry destination=\"%s\" state=%s next_ms=%" PRId64,
	    sender->settings.name, forwarder_state_name(sender->state),
	    sender->until_ms > now->mono_ms ? sender->until_ms - now->mono_ms
					    : 0);
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
	return sender->in_flight == NULL && !sender->decided;
}

/* What is in flight comes to nothing, as far as we know. */
static void
sender_give_up(struct sender *sender, const struct clock_times *now)
{
	struct request *request;

	while ((request = sender->in_flight) != NULL) {
		sender->in_flight = request->next;
		limits_end(&sender->limits, request->send, now);
		if (request->group != NULL)
			request->group->busy = false;
		sender_return(sender, request);
	}
	sender->in_flight_count = sender->in_flight_now = 0;
}

void
sender_end(struct sender *sender, const struct clock_times *now)
{
	struct err err;

	CHECK(sender->stopping);
	if (sender->in_flight != NULL)
		sender->arrived_ms = now->mono_ms;
	sender_give_up(sender, now);
	sender->settle_ms = INT64_MIN;
	sender_settle(sender, now);
	sender_abandon(sender);
	if (!sender->lost && !sender_save(sender, true, now, &err))
		log_line(LOG_WARN, "forwarder",
		    "save why=%s destination=\"%s\"", LOG_QUOTE(err.text),
		    sender->settings.name);
}

/*
 * At the same URL, limits of the same windows go on counting, even with another
 * key: an operator who replaces a wrong key wants to see at once that the new
 * one is right. Otherwise it is as after a planned stop, because nobody knows
 * what was sent there before.
 */
bool
sender_adopt(struct sender *sender,
    const struct forwarder_destination *settings, const struct clock_times *now,
    struct err *reterr)
{
	struct outlet_context *before = sender->context, *context;
	struct outlet_limit limits[OUTLET_LIMITS_MAX];
	uint64_t place_before, place, target;
	struct err err;
	size_t count;

	CHECK(sender->stopping && sender_idle(sender));
	CHECK(settings->outlet == sender->outlet);
	if (!sender_target_read(sender, false, &place_before, reterr) ||
	    !sender->outlet->context_new(
		settings->outlet_settings, &context, reterr))
		return false;
	sender->context = context;
	if (!sender_target_read(sender, false, &place, reterr) ||
	    !sender_target_read(sender, true, &target, reterr)) {
		sender->context = before;
		sender->outlet->context_free(context);
		return false;
	}
	log_line(
	    LOG_INFO, "forwarder", "adopt destination=\"%s\"", settings->name);
	count = sender->outlet->limits(context, limits);
	if (place == place_before)
		sender->target = target;
	if (!sender->lost && place == place_before &&
	    limits_set_amounts(&sender->limits, limits, count)) {
		sender_set(sender, settings, context, now);
		queue_destination_limit(sender->shared->queue, sender->id,
		    sender->settings.max_bytes);
		if (sender->saved)
			sender->save_ms = now->mono_ms;
		if (sender->state != FORWARDER_PAUSED)
			sender_enter_free(sender, now);
	} else {
		sender_end(sender, now);
		sender->target = target;
		sender_set_limits(sender, limits, count);
		sender_set(sender, settings, context, now);
		if (!sender->lost && !sender_claim(sender, now, &err)) {
			/* sender_reclaim() tries again */
			sender->lost = true;
			sender->claim_ms = now->mono_ms + SENDER_RETRY_MS;
			sender_enter(sender, FORWARDER_HALTED, sender->claim_ms,
			    now, "%s", err.text);
		}
	}
	sender->outlet->context_free(before);
	sender->stopping = false;
	return true;
}

/* Another process delivers for the destination: forget all, and try to claim
 * it again from time to time. True: it is ours again. */
static bool
sender_reclaim(struct sender *sender, const struct clock_times *now)
{
	struct err err;

	if (sender->claim_ms == INT64_MIN) {
		sender_return_all(sender);
		sender->claim_ms = now->mono_ms + sender->settings.probe_ms;
		sender_enter(sender, FORWARDER_HALTED, sender->claim_ms, now,
		    "another process delivers for this destination");
	}
	if (sender->in_flight != NULL)
		return false; /* its answers change nothing */
	sender_abandon(sender);
	if (sender->stopping || now->mono_ms < sender->claim_ms)
		return false;
	sender->claim_ms = now->mono_ms + sender->settings.probe_ms;
	if (!sender_claim(sender, now, &err))
		sender_enter(sender, FORWARDER_HALTED, sender->claim_ms, now,
		    "%s", err.text);
	return !sender->lost;
}

/* ---- what it sends next ---- */

static bool
sender_busy(const struct request *request)
{
	return request->group != NULL && request->group->busy;
}

/* Let a request wait for the room of its keys. */
static void
sender_wait_for_room(struct sender *sender, struct request *request,
    const struct clock_times *now)
{
	for (size_t i = 0; i < request->count; i++)
		limits_key_wait(
		    &sender->limits, request->items[i].key, now->mono_ms);
	request->waits = true;
	request->not_before_ms = now->mono_ms + SENDER_RETRY_MS;
}

/*
 * Hold the room of the keys of a ready request. Items without room become a
 * request of their own behind it, which waits. False if it cannot leave now.
 */
static bool
sender_hold(struct sender *sender, struct request *request,
    const struct clock_times *now)
{
	struct limits *limits = &sender->limits;
	struct request *rest = NULL;
	size_t held = 0;

	for (size_t i = 0; request->waits && i < request->count; i++)
		limits_key_wait_end(limits, request->items[i].key);
	request->waits = false;
	for (size_t i = 0; i < request->count; i++) {
		struct request_item *item = &request->items[i];

		item->picked =
		    !limits_key_hold(limits, item->key, true, now->mono_ms);
		held += !item->picked;
	}
	if (held > 0 && held < request->count)
		rest = request_take(&sender->fault, request);
	if (rest != NULL) {
		rest->next = request->next;
		request->next = rest;
		sender->ready_count++;
		sender_wait_for_room(sender, rest, now);
		held = request->count;
	}
	if (held == request->count) {
		request->held = true;
		return true;
	}
	for (size_t i = 0; i < request->count; i++) {
		if (!request->items[i].picked)
			limits_key_release(limits, request->items[i].key);
	}
	sender_wait_for_room(sender, request, now);
	return false;
}

/*
 * The first ready request that may leave, as far as keys go; NULL: there is
 * none, and *next_ms is lowered to when to look again. Each second time it is
 * the last one: that is the largest part of what is being isolated, and most
 * likely a good neighbour.
 */
static struct request *
sender_ready_pick(
    struct sender *sender, const struct clock_times *now, int64_t *next_ms)
{
	struct request *last = NULL;

	if (sender->isolated && sender->isolated_count % 2 == 1) {
		for (struct request *r = sender->ready; r != NULL;
		     r = r->next) {
			if (r->not_before_ms <= now->mono_ms && !sender_busy(r))
				last = r;
		}
		if (last != NULL &&
		    (last->held || sender_hold(sender, last, now)))
			return last;
	}
	for (struct request *r = sender->ready; r != NULL; r = r->next) {
		if (sender_busy(r))
			continue; /* its answer comes first */
		if (r->not_before_ms <= now->mono_ms &&
		    (r->held || sender_hold(sender, r, now)))
			return r;
		if (r->not_before_ms < *next_ms)
			*next_ms = r->not_before_ms;
	}
	return NULL;
}

/* When may a request of so many start? */
static int64_t
sender_start_ms(
    struct sender *sender, size_t items, const struct clock_times *now)
{
	int64_t pace_ms = pace_next_ms(&sender->pace);
	int64_t room_ms = limits_start_ms(&sender->limits, items, now);

	return pace_ms > room_ms ? pace_ms : room_ms;
}

static int
lease_compare(const void *a, const void *b)
{
	const struct queue_lease *const *left = a, *const *right = b;

	return (*left > *right) - (*left < *right);
}

/* Note durably that its items are posted, by which rules; and if need be what
 * the next start must know. */
static bool
sender_note(struct sender *sender, const struct request *request,
    const struct clock_times *now, struct err *reterr)
{
	struct queue_lease **leases =
	    calloc(request->count + 1, sizeof(struct queue_lease *));
	size_t count = 0;
	bool ok;

	if (leases == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < request->count; i++)
		leases[i] = request->items[i].lease;
	qsort(leases, request->count, sizeof(struct queue_lease *),
	    lease_compare);
	for (size_t i = 0; i < request->count; i++) {
		if (count == 0 || leases[count - 1] != leases[i])
			leases[count++] = leases[i];
	}
	ok = count == 0 || queue_post(sender->shared->queue, leases, count,
			       sender->outlet->rules(sender->context), reterr);
	free(leases);
	if (!ok || (sender->saved &&
		       !limits_must_save(&sender->limits, request->count)))
		return ok;
	return sender_save(sender, false, now, reterr);
}

/* Post a request, whose body is made. Takes `keys`, those of its items. */
static bool
sender_start(struct sender *sender, struct request *request, uint64_t *keys,
    const struct clock_times *now, struct err *reterr)
{
	CHECK(!sender_busy(request));
	if (!sender_note(sender, request, now, reterr)) {
		free(keys);
		return false;
	}
	if (!limits_begin(&sender->limits, keys, request->count, now,
		&request->send, reterr))
		return false;
	request->held = false; /* the limits have them in flight */
	request->epoch = sender->epoch;
	request->started_ms = now->mono_ms;
	request->record.in_flight = true;
	sender->arrived = true;
	sender->arrived_ms = now->mono_ms;
	if (!sender->shared->send(sender->arg, sender, request, reterr)) {
		limits_end(&sender->limits, request->send, now);
		request->record.in_flight = false;
		return false;
	}
	if (request->group != NULL)
		request->group->busy = true;
	pace_start(&sender->pace, request->count, now->mono_ms);
	if (!request->announcement)
		sender_ready_remove(sender, request);
	request->next = sender->in_flight;
	sender->in_flight = request;
	sender->in_flight_count++;
	sender->in_flight_now++;
	return true;
}

/* Take a request out of what is ready, and post it. */
static bool
sender_post(struct sender *sender, struct request *request,
    const struct clock_times *now, struct err *reterr)
{
	int64_t late_ms = now->mono_ms - sender->idle_ms;
	int64_t late_most_ms = sender->settings.linger_ms / SENDER_LATE_PART;
	uint64_t *keys = calloc(request->count, sizeof(*keys));

	if (keys == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < request->count; i++)
		keys[i] = request->items[i].key;
	if (!request_frame(request, sender->outlet, sender->context, reterr)) {
		free(keys);
		return false;
	}
	if (!sender_start(sender, request, keys, now, reterr))
		return false;
	for (size_t i = 0; i < request->count; i++)
		request->items[i].posts++;
	/* A start that is late by little does not put off those that follow:
	 * else a source of one item a linger would wait for ever after one
	 * delay. */
	if (late_ms < 0)
		late_ms = 0;
	if (late_ms > late_most_ms)
		late_ms = late_most_ms;
	sender->idle_ms = now->mono_ms + sender->settings.linger_ms - late_ms;
	sender->isolated = fault_record_isolating(&request->record);
	sender->isolated_count += sender->isolated;
	sender_request_leaves(sender, request);
	return true;
}

/* The group of the request is to be announced before it is posted. */
static bool
sender_announces(const struct sender *sender, const struct request *request)
{
	const struct group *group = request->group;

	return group != NULL && sender->outlet->announce != NULL &&
	       !str_equal(group->of.announced, group_called(group));
}

/* Until it is accepted, it is not sure by which name the group is known. */
static bool
sender_unannounce(
    struct sender *sender, struct group *group, struct err *reterr)
{
	static const struct str none = STR("");

	if (group->of.announced.len == 0)
		return true;
	return queue_group_save(sender->shared->queue, sender->id,
		   group->of.number, group->of.kind, group->of.label, none,
		   reterr) &&
	       (group_set(group, group->of.label, none) ||
		   err_set_nomem(reterr));
}

/* Post an announcement of the group. It tells nothing about the requests that
 * have items, as replays do not. */
static bool
sender_announce(struct sender *sender, struct group *group,
    const struct clock_times *now, struct err *reterr)
{
	struct outlet_group view;
	struct request *request;
	struct str called;

	if (!sender_unannounce(sender, group, reterr))
		return false;
	request = request_new(&sender->fault, 1);
	if (request == NULL)
		return err_set_nomem(reterr);
	request->announcement = true;
	request->group = group;
	request->record.replay = true;
	called = group_called(group);
	(void)buf_append(&request->bytes, called.data, called.len);
	if (sender->outlet->announce(sender->context, group_view(group, &view),
		group->of.first_ms, &request->body, reterr) &&
	    buf_ok(&request->bytes, reterr) && buf_ok(&request->body, reterr) &&
	    sender_start(sender, request, NULL, now, reterr))
		return true;
	request_free(&sender->fault, request);
	return false;
}

/* More requests may be made: those in memory are not too many. */
static bool
sender_may_fill(const struct sender *sender)
{
	return sender->ready_count <
	       SENDER_READY_MOST + sender->fault.waiting_count;
}

/* A request that is ready now, or one that is filled: in turn, if the ready
 * one was refused or failed before, and then the other does not linger. */
static bool
sender_next(struct sender *sender, const struct clock_times *now,
    struct request **ret_ready, struct sender_filling **ret_slot,
    int64_t *next_ms)
{
	struct request *ready = sender_ready_pick(sender, now, next_ms);
	struct sender_filling *slot = NULL;

	if (sender_may_fill(sender) &&
	    (ready == NULL || (sender->isolated && !ready->record.confirming &&
				  fault_record_isolating(&ready->record))))
		slot = sender_ripe(sender, ready != NULL, now, next_ms);
	*ret_ready = slot == NULL ? ready : NULL;
	*ret_slot = slot;
	return ready != NULL || slot != NULL;
}

/* Trouble of ours on the way out: not before a while. */
static int64_t
sender_post_failed(
    struct sender *sender, const struct clock_times *now, const struct err *err)
{
	log_line(LOG_ERROR, "forwarder", "start why=%s destination=\"%s\"",
	    LOG_QUOTE(err->text), sender->settings.name);
	sender->lost = sender->lost || err->code == ERR_BUSY;
	sender->post_ms = now->mono_ms + SENDER_RETRY_MS;
	return sender->post_ms;
}

/* Post what may be posted; when to come again. */
static int64_t
sender_run(struct sender *sender, const struct clock_times *now)
{
	int64_t next_ms, start_ms;
	struct sender_filling *slot;
	struct request *request;
	struct err err;
	size_t items;
	bool first;

	for (;;) {
		next_ms = sender_fill(sender, now) ? INT64_MAX : now->mono_ms;
		if (sender->in_flight_count >= sender->settings.in_flight)
			return INT64_MAX;
		if (sender->post_ms > now->mono_ms)
			return sender->post_ms;
		if (!sender_next(sender, now, &request, &slot, &next_ms))
			return next_ms;
		if (slot != NULL)
			request = slot->request;
		first = sender_announces(sender, request);
		items = slot != NULL ? sender_slot_least(sender, slot)
				     : request->count;
		start_ms = sender_start_ms(sender, first ? 0 : items, now);
		if (start_ms > now->mono_ms)
			return start_ms < next_ms ? start_ms : next_ms;
		if (first) {
			if (!sender_announce(sender, request->group, now, &err))
				return sender_post_failed(sender, now, &err);
			continue;
		}
		if (slot != NULL) {
			if (!sender_slot_close(sender, slot, now))
				return sender->post_ms;
			request = sender->ready;
		}
		if (!sender_post(sender, request, now, &err))
			return sender_post_failed(sender, now, &err);
	}
}

/* ---- while nothing is accepted ---- */

/* An item to be tried. */
struct sender_pick {
	struct request *request;     /* that it waits in, or NULL */
	struct sender_filling *slot; /* that this waits in, or NULL */
	size_t index;
	bool tried; /* all of them are of types that were refused */
};

static void
sender_pick_from(struct sender *sender, struct request *request,
    struct sender_filling *slot, struct sender_pick *pick)
{
	size_t index = 0;
	bool tried;

	if (sender_busy(request))
		return;
	while (index < request->count &&
	       fault_type_tried(&sender->fault, request->items[index].type))
		index++;
	tried = index == request->count;
	if (pick->request == NULL ||
	    (tried == pick->tried ? request->tries < pick->request->tries
				  : pick->tried))
		*pick = (struct sender_pick){
		    request, slot, tried ? 0 : index, tried};
}

/* Of what waits, an item of a type that was not refused yet, if there is one;
 * and out of the request that the fewest tries were made of, what is being
 * filled first. */
static struct sender_pick
sender_try_pick(struct sender *sender)
{
	struct sender_pick pick = {.request = NULL};

	for (size_t i = SENDER_SLOTS; i-- > 0;) {
		if (sender->slots[i].request != NULL)
			sender_pick_from(sender, sender->slots[i].request,
			    &sender->slots[i], &pick);
	}
	for (struct request *r = sender->ready; r != NULL; r = r->next)
		sender_pick_from(sender, r, NULL, &pick);
	return pick;
}

/* Take it out of its request, to be tried first; or the request itself, if it
 * has no more. NULL without memory. */
static struct request *
sender_try_take(struct sender *sender, const struct sender_pick *pick,
    const struct clock_times *now)
{
	struct request *whole = pick->request, *request = whole;

	whole->tries++;
	for (size_t i = 0; whole->waits && i < whole->count; i++)
		limits_key_wait_end(&sender->limits, whole->items[i].key);
	whole->waits = false;
	if (whole->count > 1) {
		for (size_t i = 0; i < whole->count; i++)
			whole->items[i].picked = i == pick->index;
		request = request_take(&sender->fault, whole);
		if (request == NULL)
			return NULL;
		request->whole = whole;
	} else if (pick->slot != NULL)
		pick->slot->request = NULL;
	else
		sender_ready_remove(sender, request);
	sender_ready(sender, request, now->mono_ms, true);
	return request;
}

/* One single item tries for all. */
static int64_t
sender_try(struct sender *sender, const struct clock_times *now)
{
	int64_t next_ms = INT64_MAX, start_ms;
	struct sender_pick pick;
	struct request *request;
	struct err err;

	if (!sender_fill(sender, now))
		next_ms = now->mono_ms;
	if (sender->in_flight_now > 0)
		return next_ms;
	if (sender->post_ms > now->mono_ms)
		return sender->post_ms;
	pick = sender_try_pick(sender);
	if (pick.request == NULL)
		return next_ms;
	if (pick.tried && sender->samples < SENDER_SAMPLES_MOST &&
	    sender->fault.refused >= FAULT_REFUSED_RUN) {
		if (sender->settle_ms > now->mono_ms)
			return sender->settle_ms; /* nothing is taken before */
		sender->sampling = true;
		return now->mono_ms;
	}
	start_ms = sender_start_ms(sender, 1, now);
	if (start_ms > now->mono_ms)
		return start_ms;
	if (sender_announces(sender, pick.request)) {
		pick.request->tries++;
		if (!sender_announce(sender, pick.request->group, now, &err))
			return sender_post_failed(sender, now, &err);
		return INT64_MAX;
	}
	request = sender_try_take(sender, &pick, now);
	if (request == NULL) {
		(void)err_set_nomem(&err);
		return sender_post_failed(sender, now, &err);
	}
	if (!request->held && !sender_hold(sender, request, now))
		return request->not_before_ms;
	if (!sender_post(sender, request, now, &err))
		return sender_post_failed(sender, now, &err);
	sender->samples = 0;
	return INT64_MAX;
}

/* What sender_try() asked for came, or the end of the queue was reached. The
 * steps grow, so that the end is near; each time the first is another. */
static void
sender_sampled(
    struct sender *sender, int64_t next_ms, const struct clock_times *now)
{
	bool came = sender->leases[SENDER_SAMPLES] != NULL;

	sender->sampling = false;
	if (!came && next_ms == INT64_MIN) {
		sender->post_ms = now->mono_ms + SENDER_RETRY_MS;
		return;
	}
	sender->samples++;
	sender->sample_at = came ? sender->sample_at + sender->sample_step : 0;
	sender->sample_step =
	    came ? 2 * sender->sample_step : ++sender->sample_first;
}

/* ---- a round ---- */

/* When the next parked type is to be tried. */
static int64_t
sender_probe_ms(const struct sender *sender, struct fault_type **ret_type)
{
	int64_t probe_ms = INT64_MAX;
	struct fault_type *type;
	size_t position = 0;

	while ((type = fault_type_parked(&sender->fault, &position)) != NULL) {
		if (type->probe_ms >= probe_ms)
			continue;
		probe_ms = type->probe_ms;
		*ret_type = type;
	}
	return probe_ms;
}

int64_t
sender_step(struct sender *sender, const struct clock_times *now)
{
	int64_t next_ms = INT64_MAX, probe_ms;
	struct fault_type *type;
	struct err err;

	if (sender->lost && !sender_reclaim(sender, now))
		return sender->claim_ms;
	sender_settle(sender, now);
	if (sender->save_ms <= now->mono_ms &&
	    !sender_save(sender, false, now, &err)) {
		log_line(LOG_WARN, "forwarder",
		    "save why=%s destination=\"%s\"", LOG_QUOTE(err.text),
		    sender->settings.name);
		sender->save_ms = now->mono_ms + SENDER_SAVE_MS;
	}
	if (!sender->stopping && sender->state != FORWARDER_PAUSED) {
		if (now->mono_ms < sender->until_ms)
			next_ms = sender->until_ms;
		else if (sender->state == FORWARDER_TRIAL)
			sender_trial(sender, now);
		else if (sender->state == FORWARDER_BACKING_OFF ||
			 sender->state == FORWARDER_HALTED)
			next_ms = sender_try(sender, now);
		else {
			if (sender->state == FORWARDER_COOLING_DOWN)
				sender_enter_free(sender, now);
			next_ms = sender_run(sender, now);
			probe_ms = sender_probe_ms(sender, &type);
			/* nothing is taken before it is settled */
			if (probe_ms < sender->settle_ms)
				probe_ms = sender->settle_ms;
			if (probe_ms < next_ms && sender->fault.probing == NULL)
				next_ms = probe_ms;
		}
		sender_settle(sender, now);
		if (sender->look_ms > now->mono_ms && sender->look_ms < next_ms)
			next_ms = sender->look_ms;
	}
	if (sender->settle_ms > now->mono_ms && sender->settle_ms < next_ms)
		next_ms = sender->settle_ms;
	return sender->save_ms < next_ms ? sender->save_ms : next_ms;
}

bool
sender_want(struct sender *sender, const struct clock_times *now,
    struct queue_want *ret_want)
{
	bool running = sender->state == FORWARDER_RUNNING;
	bool trying = sender->state == FORWARDER_BACKING_OFF ||
		      sender->state == FORWARDER_HALTED;
	size_t bytes = sender->settings.request_bytes, held_most;
	struct fault_type *type = NULL;

	sender->sampling = sender->sampling && trying;
	if (sender->stopping || sender->lost ||
	    sender->state == FORWARDER_PAUSED ||
	    sender->until_ms > now->mono_ms || sender->settle_ms > now->mono_ms)
		return false;
	*ret_want = (struct queue_want){
	    .destination = sender->id,
	    .bytes = bytes,
	    .hold_ms = sender->outlet->hold_ms != NULL
			   ? sender->outlet->hold_ms(sender->context)
			   : 0,
	    .next_ms = INT64_MAX,
	};
	if (running && sender->fault.probing == NULL &&
	    sender_probe_ms(sender, &type) <= now->mono_ms) {
		CHECK(type != NULL);
		sender->fault.probing = type;
		sender->probe_asked = true;
		ret_want->bytes = 1;
		ret_want->parked = type->name;
		return true;
	}
	if (trying && sender->sampling) {
		ret_want->bytes = 1;
		ret_want->after_seq = &sender->sample_at;
		return true;
	}
	if (sender->look_ms > now->mono_ms)
		return false;
	sender->replays_asked = true;
	if (sender->state == FORWARDER_TRIAL) {
		ret_want->after_seq = &sender->trial_at;
		ret_want->trial = true;
		return true;
	}
	held_most =
	    bytes * SENDER_HELD * ((size_t)sender->settings.in_flight + 1);
	if ((!running && !trying) ||
	    (sender->leases[SENDER_FRESH] != NULL && !sender->passed) ||
	    sender->held_bytes >= held_most ||
	    (running && !sender_may_fill(sender)) || sender_main_enough(sender))
		return false;
	if (trying && sender->slots[SENDER_MAIN].request != NULL)
		return false;
	if (trying)
		ret_want->bytes = 1; /* one batch: single items are tried */
	if (running && sender->in_flight_count < sender->settings.in_flight)
		ret_want->bytes *=
		    sender->settings.in_flight - sender->in_flight_count;
	ret_want->replays =
	    sender->leases[SENDER_REPLAYS] == NULL &&
	    !sender_slot_enough(sender, &sender->slots[SENDER_REPLAY]) &&
	    limits_half_free(&sender->limits, 1, now);
	sender->replays_asked = ret_want->replays;
	return true;
}

void
sender_given(
    struct sender *sender, int64_t next_ms, const struct clock_times *now)
{
	int64_t now_ms = sender_due_now_ms(sender->shared, now);
	struct err err;
	bool any = sender->leases[SENDER_FRESH] != NULL ||
		   sender->leases[SENDER_SUSPECTS] != NULL ||
		   sender->leases[SENDER_REPLAYS] != NULL;

	if (sender->probe_asked) {
		sender->probe_asked = false;
		if (sender->leases[SENDER_PARKED] != NULL)
			return;
		/* Taking failed, or none is left. */
		if (next_ms != INT64_MIN)
			sender_unpark(sender, sender->fault.probing, now);
		if (next_ms == INT64_MIN ||
		    !queue_unpark(sender->shared->queue, sender->id,
			sender->fault.probing->name, &err))
			sender->fault.probing->probe_ms =
			    now->mono_ms + SENDER_RETRY_MS;
		else {
			fault_type_release(
			    &sender->fault, sender->fault.probing);
			sender->save_ms = now->mono_ms;
		}
		sender->fault.probing = NULL;
		return;
	}
	if (sender->sampling) {
		sender_sampled(sender, next_ms, now);
		return;
	}
	for (size_t i = 0; i < sender->deferred_count;) {
		/* What is due was taken, or soon will be. */
		if (sender->deferred[i] <= now_ms)
			sender->deferred[i] =
			    sender->deferred[--sender->deferred_count];
		else
			i++;
	}
	if (next_ms == INT64_MAX)
		sender->look_ms = INT64_MAX;
	else if (next_ms == INT64_MIN)
		sender->look_ms = now->mono_ms + SENDER_RETRY_MS;
	else if (next_ms > now_ms)
		sender->look_ms = now->mono_ms + (next_ms - now_ms);
	else /* nothing for us now, or there will be more */
		sender->look_ms =
		    any ? now->mono_ms : now->mono_ms + SENDER_RETRY_MS;
	/* The queue did not say when a replay is due. */
	if (!sender->replays_asked &&
	    sender->look_ms > now->mono_ms + SENDER_RETRY_MS)
		sender->look_ms = now->mono_ms + SENDER_RETRY_MS;
	if (next_ms == INT64_MAX)
		sender->last_due_known = true; /* none is in the queue */
}

/* ---- for the status ---- */

bool
sender_quiet(const struct sender *sender)
{
	for (size_t i = 0; i < sender->limits.count; i++) {
		const struct limits_window *window = &sender->limits.windows[i];

		if (window->used > 0 || window->limit.on_the_hour)
			return false;
	}
	return sender->in_flight == NULL && sender->ready == NULL &&
	       sender->state == FORWARDER_RUNNING;
}

const struct omissions *
sender_omissions(const struct sender *sender)
{
	return &sender->omissions;
}

bool
sender_parked(const struct sender *sender, struct forwarder_parked **ret_parked,
    size_t *ret_count)
{
	struct forwarder_parked *list =
	    calloc(FORWARDER_PARKED_MAX, sizeof(*list));
	const struct fault_type *type;
	size_t position = 0, count = 0;

	if (list == NULL)
		return false;
	while (count < FORWARDER_PARKED_MAX &&
	       (type = fault_type_parked(&sender->fault, &position)) != NULL) {
		struct forwarder_parked *parked = &list[count++];

		*parked = (struct forwarder_parked){
		    .whole = type->parked == FAULT_PARKED_ALL,
		    .count = type->count,
		    .since_ms = type->since_ms,
		};
		(void)snprintf(
		    parked->name, sizeof(parked->name), "%s", type->name);
		(void)snprintf(
		    parked->why, sizeof(parked->why), "%s", type->why);
	}
	*ret_parked = list;
	*ret_count = count;
	return true;
}

/* Suspects in the queue and in memory, and when the first is due, by the
 * monotonic clock. */
static size_t
sender_deferred(const struct sender *sender, int64_t *ret_due_ms)
{
	size_t count = sender->deferred_count;

	*ret_due_ms = INT64_MAX;
	for (size_t i = 0; i < count; i++) {
		int64_t ms = sender->deferred[i] - sender->shared->due_ahead_ms;

		if (ms < *ret_due_ms)
			*ret_due_ms = ms;
	}
	for (const struct request *r = sender->ready; r != NULL; r = r->next) {
		if (r->count > 1 || r->record.probe ||
		    !fault_record_suspect(&r->record))
			continue;
		count++;
		if (r->not_before_ms < *ret_due_ms)
			*ret_due_ms = r->not_before_ms;
	}
	for (const struct request *r = sender->in_flight; r != NULL;
	     r = r->next)
		count += r->count == 1 && !r->record.probe &&
			 fault_record_suspect(&r->record);
	return count;
}

void
sender_status(struct sender *sender, const struct clock_times *now,
    struct forwarder_destination_status *ret_status)
{
	struct forwarder_destination_status *status = ret_status;
	int64_t due_ms, ahead_ms = sender->shared->due_ahead_ms;

	*status = (struct forwarder_destination_status){
	    .name = sender->settings.name,
	    .state = sender->state,
	    .last_accepted_ms = sender->accepted_ms,
	    .posts = sender->posts,
	    .accepted = sender->accepted,
	    .rate = sender->rate,
	    .refused = sender->refused,
	    .times = &sender->times->requests,
	    .delays = &sender->times->delays,
	    .in_flight = sender->in_flight_count,
	    .pace_per_minute = sender->pace.present,
	    .pace_full_per_minute = sender->pace.full,
	    .pace_request_items = pace_counts_requests(&sender->pace)
				      ? pace_request_items(&sender->pace)
				      : 0,
	    .limit_count = sender->limits.count,
	    .deferred = sender_deferred(sender, &due_ms),
	    .parked = sender->fault.parked_count,
	    .trial_sent = sender->trial_sent,
	    .trial_dropped = sender->trial_dropped,
	    .trial_dead = sender->trial_dead,
	    .omissions_lost = sender->omissions.lost,
	};
	memcpy(status->results, sender->results, sizeof(status->results));
	(void)snprintf(status->why, sizeof(status->why), "%s", sender->why);
	if (sender->until_ms > now->mono_ms && sender->until_ms != INT64_MAX)
		status->until_ms = clock_times_wall_ms(now, sender->until_ms);
	if (sender->retry_after_ms > now->mono_ms)
		status->asked_until_ms =
		    clock_times_wall_ms(now, sender->retry_after_ms);
	if (sender->cool_until_ms > now->mono_ms)
		status->cool_until_ms =
		    clock_times_wall_ms(now, sender->cool_until_ms);
	for (size_t i = 0; i < sender->limits.count; i++) {
		status->limits[i].limit = sender->limits.windows[i].limit;
		if (status->limits[i].limit.scope == OUTLET_DESTINATION)
			status->limits[i].used =
			    limits_used(&sender->limits, i, now);
	}
	if (status->deferred > 0) {
		if (due_ms != INT64_MAX)
			status->deferred_due_ms =
			    clock_times_wall_ms(now, due_ms);
		(void)snprintf(status->deferred_why,
		    sizeof(status->deferred_why), "%s", sender->suspect_why);
	}
	if (!sender->last_due_known)
		status->last_due_ms = -1;
	else if (sender->last_due_ms > now->mono_ms + ahead_ms)
		status->last_due_ms =
		    clock_times_wall_ms(now, sender->last_due_ms - ahead_ms);
}
