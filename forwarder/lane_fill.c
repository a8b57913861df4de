/*
 * How a lane fills a request: parcel by parcel, event by event, mapped on
 * the way. What is not to be sent is judged at once; what has no room in its
 * identity's quota is set aside, due when there will be.
 */

#include "base/log.h"
#include "forwarder/lane_inside.h"

/* Nothing but replays: small requests, so that the pace holds up what comes
 * in behind one for a short time only. */
static bool
lane_fill_replays(const struct request *request)
{
	return request != NULL && request->count > 0 &&
	       request->items[0].lot->lease->replay &&
	       request->items[request->count - 1].lot->lease->replay;
}

static size_t
lane_fill_events(const struct lane *lane)
{
	if (lane->state == FORWARDER_HALTED)
		return 1; /* a probe */
	if (lane_fill_replays(lane->filling))
		return pace_request_events(&lane->pace) / LANE_FIT_PART + 1;
	return pace_request_events(&lane->pace);
}

static bool
lane_fill_enough(const struct lane *lane)
{
	return lane->filling != NULL &&
	       (lane->overfull ||
		   lane->filling->count >= lane_fill_events(lane));
}

/* An empty request with a slate of its own. */
static bool
lane_fill_start(struct lane *lane)
{
	struct slate *slate;

	if (lane->filling != NULL)
		return true;
	slate = slate_new();
	if (slate == NULL)
		return false;
	lane->filling = request_new(
	    lane->settings.app_id, slate, lane->settings.request_events);
	if (lane->filling == NULL) {
		slate_free(slate);
		return false;
	}
	lane->filling->held = true;
	lane->overfull = false;
	slate->next = lane->slates;
	lane->slates = slate;
	return true;
}

/* False without memory. */
static bool
lane_fill_judged(struct slate *slate, struct lot *lot, size_t event,
    const struct track_result *result)
{
	switch (result->fate) {
	case TRACK_DROP:
		if (result->erase_len > 0)
			return slate_erased(slate, lot, event, result->reason,
			    result->erase, result->erase_len);
		slate_dropped(slate, lot, event, result->reason);
		return true;
	case TRACK_DEAD:
		slate_buried(slate, lot, event, result->reason);
		return true;
	case TRACK_SEND:
		break;
	}
	CHECK(false);
	return false;
}

/* It is in the request; but has its identity room? */
static void
lane_fill_added(struct lane *lane, struct lot *lot, size_t event,
    const struct track_result *result, const struct moment *now)
{
	struct request *request = lane->filling;
	int64_t due_ms;

	if ((!lot->lease->replay ||
		quota_spare_who(&lane->quota, result->who, now->mono_ms)) &&
	    quota_hold(&lane->quota, result->who, false, now->mono_ms)) {
		tally_add(&lane->tally, result);
		if (request->count == 1)
			request->since_ms = now->mono_ms;
		return;
	}
	request_pop(request);
	due_ms = quota_aside_ms(&lane->quota, result->who, now->mono_ms);
	due_ms += lane_due_ms(lane, now) - now->mono_ms;
	if (due_ms > lane->last_due_ms)
		lane->last_due_ms = due_ms;
	slate_again(request->slate, lot, event, due_ms);
}

/* A suspect is a bad probe, if there is anything else to ask with. */
static bool
lane_fill_pass_by(struct lane *lane, struct lot *lot, size_t event,
    uint64_t hash, const struct moment *now)
{
	int64_t due_ms = lane_due_ms(lane, now) + lane->settings.probe_ms;

	if (!lane->suspicious || lane->probe_any ||
	    !suspicion_knows(&lane->suspicion, hash))
		return false;
	lane->passed_by = true;
	stock_pass(&lane->stock);
	slate_again(lane->filling->slate, lot, event, due_ms);
	suspicion_aside(&lane->suspicion, hash, due_ms);
	return true;
}

/* One event into the request, or judged. False: it stays in stock. */
static bool
lane_fill_one(
    struct lane *lane, struct lot *lot, size_t event, const struct moment *now)
{
	struct track_result result;
	struct slate *slate;
	uint64_t hash;

	if (!lane_fill_start(lane))
		goto later;
	slate = lane->filling->slate;
	if (!slate_expect(slate))
		goto later;
	hash = doubt_event(lot->lease->events[event].data.data,
	    lot->lease->events[event].data.len);
	if (lane_fill_pass_by(lane, lot, event, hash, now))
		return true;
	switch (request_add(lane->filling, lane_doubt_rules(lane, hash), lot,
	    event, lane->size.present, &result)) {
	case REQUEST_ADDED:
		stock_pass(&lane->stock);
		request_last(lane->filling)->hash = hash;
		request_last(lane->filling)->doubt =
		    doubt_has(&lane->unknown, hash);
		lane_fill_added(lane, lot, event, &result, now);
		return true;
	case REQUEST_JUDGED:
		if (!lane_fill_judged(slate, lot, event, &result)) {
			slate_forget(slate);
			break;
		}
		stock_pass(&lane->stock);
		tally_add(&lane->tally, &result);
		return true;
	case REQUEST_OVERFULL:
		slate_forget(slate);
		lane->overfull = true;
		return false;
	case REQUEST_NO_MEMORY:
		slate_forget(slate);
		break;
	}
later:
	lane->look_ms = now->mono_ms + LANE_RETRY_MS;
	return false;
}

/* Nothing is due: look again in a second, or when something is. */
static void
lane_fill_dry(struct lane *lane, const struct moment *now)
{
	int64_t due_ms = queue_due_ms(lane->queue, lane->id);
	int64_t now_ms = lane_due_ms(lane, now);

	if (due_ms == INT64_MAX)
		lane->last_due_known = true;
	lane->probe_any = lane->probe_any || lane->passed_by;
	/* Nothing waits, and nothing is on its way: no doubt is left but of
	 * what was settled after its post was noted, or deleted by hand. */
	if (due_ms == INT64_MAX && lane->flying == NULL && lane->kept == NULL &&
	    lane->slates == NULL) {
		doubt_clear(&lane->unknown);
		suspicion_aside_none(&lane->suspicion);
	}
	lane->look_ms = now->mono_ms + LANE_LOOK_MS;
	if (due_ms < now_ms + LANE_LOOK_MS && due_ms > now_ms)
		lane->look_ms = now->mono_ms + (due_ms - now_ms);
}

/*
 * Replays live on what others leave: the queue hands them out when nothing
 * else is due, and they take no more than half of the window, so that what
 * comes in finds room at once.
 */
static bool
lane_fill_spare(struct lane *lane, const struct moment *now)
{
	size_t more = lane->filling == NULL ? 0 : lane->filling->count;

	return quota_spare(&lane->quota, more, now->mono_ms);
}

/* Fill the request from the queue; false if there is more to look at. */
static bool
lane_fill(struct lane *lane, const struct moment *now)
{
	struct lot *lot;
	struct err err;
	size_t event, i;

	for (i = 0; i < LANE_FILL_MOST; i++) {
		if (lane_fill_enough(lane) || now->mono_ms < lane->look_ms ||
		    now->mono_ms < lane->settle_ms)
			return true;
		if (lane->filling != NULL && slate_full(lane->filling->slate))
			return false;
		if (!stock_peek(&lane->stock, lane->queue, lane->id,
			lane_due_ms(lane, now), &lot, &event, &err)) {
			log_line(LOG_ERROR, "forwarder",
			    "take destination=%s error=%s", lane->settings.name,
			    LOG_QUOTE(err.text));
			lane->look_ms = now->mono_ms + LANE_RETRY_MS;
			return true;
		}
		if (lot == NULL) {
			lane_fill_dry(lane, now);
			return true;
		}
		if (lot->lease->replay && !lane_fill_spare(lane, now)) {
			stock_return(&lane->stock, lane->queue);
			lane->look_ms = now->mono_ms + LANE_LOOK_MS;
			return true;
		}
		(void)lane_fill_one(lane, lot, event, now);
	}
	return false;
}

struct request *
lane_fresh_pick(struct lane *lane, const struct moment *now, int64_t *next_ms)
{
	struct request *request;
	int64_t leave_ms, look_ms;

	if (!lane_fill(lane, now))
		*next_ms = now->mono_ms;
	look_ms =
	    lane->look_ms > lane->settle_ms ? lane->look_ms : lane->settle_ms;
	if (!lane_fill_enough(lane) && look_ms < *next_ms)
		*next_ms = look_ms > now->mono_ms ? look_ms : now->mono_ms;
	request = lane->filling;
	if (request == NULL || request->count == 0)
		return NULL;
	leave_ms = request->since_ms + lane->settings.linger_ms;
	if (!lane_fill_enough(lane) && leave_ms > now->mono_ms) {
		if (leave_ms < *next_ms)
			*next_ms = leave_ms;
		return NULL;
	}
	return request;
}

/*
 * Requests are of uneven size (by their bytes). To wait for a whole one's
 * room would leave some of the share unused, so one that is filling may
 * leave in part; the rest goes on filling.
 */
size_t
lane_fresh_least(const struct lane *lane)
{
	size_t worth = pace_request_events(&lane->pace) / LANE_FIT_PART + 1;

	return lane->filling->count < worth ? lane->filling->count : worth;
}

/* Move what is beyond the first `room` events into a new request. */
static bool
lane_fresh_cut(struct lane *lane, size_t room, struct request **ret_rest)
{
	struct request *request = lane->filling;
	size_t rest = request->count - room;

	*ret_rest = NULL;
	if (rest == 0)
		return true;
	lane->filling = NULL;
	if (!lane_fill_start(lane)) {
		lane->filling = request;
		return false;
	}
	*ret_rest = lane->filling;
	(*ret_rest)->since_ms = request->since_ms;
	lane->filling = request;
	return request_move(request, room, *ret_rest);
}

bool
lane_fresh_keep(struct lane *lane, const struct moment *now)
{
	struct request *request = lane->filling, *rest;
	size_t room = quota_room(&lane->quota, now->mono_ms);

	if (room > request->count)
		room = request->count;
	if (!lane_fresh_cut(lane, room, &rest)) {
		request_free(rest); /* empty */
		lane->post_ms = now->mono_ms + LANE_RETRY_MS;
		return false;
	}
	/* Room for the tail was made with the last event. */
	CHECK(request_close(request, NULL));
	lane->filling = rest;
	lane->overfull = false;
	request->not_before_ms = now->mono_ms;
	request->next = lane->kept;
	lane->kept = request;
	return true;
}
