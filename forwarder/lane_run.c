/*
 * What a lane sends next: first what is kept (the last put in is the first
 * out, so a halving goes depth first), then what it fills from the queue.
 * A request starts when the pace, the app's quota and those of all its
 * identities agree; what an identity has no room for is taken out of it, so
 * that nobody waits for another.
 */

#include "base/log.h"
#include "forwarder/lane_inside.h"

#include <stdlib.h>

/* ---- what is kept ---- */

static bool
lane_picked(const void *arg, size_t item)
{
	const bool *picked = arg;

	return picked[item];
}

static bool
lane_not_picked(const void *arg, size_t item)
{
	return !lane_picked(arg, item);
}

/* Hold as many identities as have room; picked[i] says which. */
static size_t
lane_hold_some(struct lane *lane, struct request *request, bool *picked,
    const struct moment *now)
{
	size_t i, held = 0;

	for (i = 0; request->claimed && i < request->count; i++)
		quota_unclaim(&lane->quota, request->items[i].who);
	request->claimed = false;
	for (i = 0; i < request->count; i++) {
		picked[i] = quota_hold(
		    &lane->quota, request->items[i].who, true, now->mono_ms);
		held += picked[i];
	}
	return held;
}

/* Let a request wait for the room of its identities. */
static void
lane_park(struct lane *lane, struct request *request, const struct moment *now)
{
	size_t i;

	for (i = 0; i < request->count; i++)
		quota_claim(&lane->quota, request->items[i].who, now->mono_ms);
	request->claimed = true;
	request->not_before_ms = now->mono_ms + LANE_RETRY_MS;
}

static void
lane_release_some(
    struct lane *lane, const struct request *request, const bool *picked)
{
	size_t i;

	for (i = 0; i < request->count; i++) {
		if (picked[i])
			quota_release(&lane->quota, request->items[i].who);
	}
}

/*
 * Hold the identities of *at, a kept request. Those without room become a
 * request of their own behind it, parked. False if it cannot leave now.
 */
static bool
lane_hold(struct lane *lane, struct request **at, const struct moment *now)
{
	struct request *request = *at, *go = NULL, *wait = NULL;
	bool *picked = calloc(request->count, sizeof(*picked));
	bool ok = false;
	size_t held;

	if (picked == NULL)
		goto out;
	held = lane_hold_some(lane, request, picked, now);
	if (held == request->count) {
		request->held = ok = true;
		goto out;
	}
	if (held == 0 ||
	    !request_part(request, lane_picked, picked, &go, NULL) ||
	    !request_part(request, lane_not_picked, picked, &wait, NULL)) {
		lane_release_some(lane, request, picked);
		request_free(go);
		goto out;
	}
	go->held = true;
	lane_park(lane, wait, now);
	wait->next = request->next;
	go->next = wait;
	*at = go;
	request_free(request);
	ok = true;
out:
	free(picked);
	if (!ok)
		lane_park(lane, request, now);
	return ok;
}

/* The first kept request that may leave, as far as identities go. */
static struct request **
lane_kept_pick(struct lane *lane, const struct moment *now, int64_t *next_ms,
    size_t *ret_kept)
{
	struct request **at;

	*ret_kept = 0;
	for (at = &lane->kept; *at != NULL; at = &(*at)->next) {
		++*ret_kept;
		if ((*at)->not_before_ms <= now->mono_ms &&
		    ((*at)->held || lane_hold(lane, at, now)))
			return at;
		if ((*at)->not_before_ms < *next_ms)
			*next_ms = (*at)->not_before_ms;
	}
	return NULL;
}

/* ---- posting ---- */

/* When may a request of so many start? */
static int64_t
lane_start_ms(struct lane *lane, size_t events, const struct moment *now)
{
	int64_t pace_ms = pace_next_ms(&lane->pace);
	int64_t room_ms = now->mono_ms;

	if (quota_room(&lane->quota, now->mono_ms) < events)
		room_ms = quota_room_ms(&lane->quota, events, now->mono_ms);
	return pace_ms > room_ms ? pace_ms : room_ms;
}

/* Note the start durably, then in the log of sends. */
static bool
lane_note(struct lane *lane, struct request *request, const struct moment *now,
    struct err *reterr)
{
	uint64_t *who;
	size_t i;
	bool ok;

	if (!lane_doubt_post(lane, request, now, reterr))
		return false;
	who = calloc(request->count, sizeof(*who));
	if (who == NULL) {
		lane_doubt_known(lane, request);
		return err_set_nomem(reterr);
	}
	for (i = 0; i < request->count; i++)
		who[i] = request->items[i].who;
	ok = quota_begin(&lane->quota, who, request->count, now->mono_ms,
	    &request->entry, reterr);
	free(who);
	if (!ok)
		lane_doubt_known(lane, request);
	return ok;
}

/* False if it stays where it is, after trouble of ours. */
static bool
lane_post(struct lane *lane, struct request *request, const struct moment *now)
{
	struct err err;

	if (!lane_note(lane, request, now, &err))
		goto fail;
	request->held = false; /* the log has them now */
	request->probe = lane->state == FORWARDER_HALTED;
	lane->passed_by = lane->probe_any = false;
	request->epoch = lane->epoch;
	request->started_ms = now->mono_ms;
	if (!lane->poster.send(lane->poster.arg, lane, request, &err)) {
		quota_end(&lane->quota, request->entry, now->mono_ms);
		lane_doubt_known(lane, request);
		goto fail;
	}
	for (size_t i = 0; i < request->count; i++)
		request->items[i].posts++;
	pace_start(&lane->pace, request->count, now->mono_ms);
	lane->flying_count++;
	lane->flying_now++;
	return true;
fail:
	log_line(LOG_ERROR, "forwarder", "start destination=%s error=%s",
	    lane->settings.name, LOG_QUOTE(err.text));
	lane->post_ms = now->mono_ms + LANE_RETRY_MS;
	return false;
}

static bool
lane_may_fly(const struct lane *lane)
{
	if (lane->state != FORWARDER_RUNNING)
		return lane->flying_now == 0; /* one tries for all */
	return lane->flying_count <
	       (lane->doubt ? 1 : lane->settings.in_flight);
}

int64_t
lane_run(struct lane *lane, const struct moment *now)
{
	int64_t next_ms, start_ms;
	struct request **at, *request;
	size_t kept;

	while (lane_may_fly(lane)) {
		if (lane->post_ms > now->mono_ms)
			return lane->post_ms;
		next_ms = INT64_MAX;
		at = lane_kept_pick(lane, now, &next_ms, &kept);
		request = at != NULL ? *at : NULL;
		if (request == NULL && kept < LANE_KEPT_MOST)
			request = lane_fresh_pick(lane, now, &next_ms);
		if (request == NULL)
			return next_ms;
		start_ms = lane_start_ms(lane,
		    at != NULL ? request->count : lane_fresh_least(lane), now);
		if (start_ms > now->mono_ms)
			return start_ms < next_ms ? start_ms : next_ms;
		if (at == NULL && !lane_fresh_keep(lane, now))
			return lane->post_ms;
		if (at == NULL)
			at = &lane->kept;
		request = *at;
		CHECK(request != NULL);
		if (!lane_post(lane, request, now))
			return lane->post_ms;
		*at = request->next;
		request->next = lane->flying;
		lane->flying = request;
	}
	return INT64_MAX;
}
