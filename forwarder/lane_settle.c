/*
 * How a lane lets go of events: settled by their verdicts, or handed back to
 * the queue unsettled. There is no third way.
 */

#include "base/log.h"
#include "forwarder/lane_inside.h"

#include <inttypes.h>

void
lane_request_return(struct lane *lane, struct request *request)
{
	size_t i;

	for (i = 0; i < request->count; i++) {
		const struct request_item *item = &request->items[i];

		if (request->held)
			quota_release(&lane->quota, item->who);
		if (request->claimed)
			quota_unclaim(&lane->quota, item->who);
		slate_forget(request->slate);
		lot_close(lane->queue, item->lot, 1);
	}
	request_free(request);
}

void
lane_return_all(struct lane *lane)
{
	struct request *request;

	while ((request = lane->kept) != NULL) {
		lane->kept = request->next;
		lane_request_return(lane, request);
	}
	if (lane->filling != NULL)
		lane_request_return(lane, lane->filling);
	lane->filling = NULL;
	lane->overfull = false;
	stock_return(&lane->stock, lane->queue);
	lane_look(lane);
}

void
lane_keep(struct lane *lane, struct request *request, int64_t at_ms)
{
	if (lane->winding || request->stale ||
	    lane->state == FORWARDER_HALTED ||
	    lane->state == FORWARDER_PAUSED) {
		lane_request_return(lane, request);
		return;
	}
	request->not_before_ms = at_ms;
	request->next = lane->kept;
	lane->kept = request;
}

/* A slate that nothing is added to any more, or that is better written
 * down now. */
static bool
lane_slate_ripe(const struct lane *lane, const struct slate *slate)
{
	if (slate->requests == 0 || slate_full(slate))
		return true;
	if (lane->state != FORWARDER_RUNNING)
		return true;
	return lane->filling != NULL && lane->filling->slate == slate &&
	       lane->filling->count == 0;
}

/* Judge the deferred of a slate; the first that is set aside is a warning,
 * unless the lane has stopped, which is said louder. */
static void
lane_decide(struct lane *lane, struct slate *slate, const struct moment *now)
{
	struct slate_judge judge = {
	    .suspicion = &lane->suspicion,
	    .may_bury = lane->state != FORWARDER_HALTED,
	    .mono_ms = now->mono_ms,
	    .due_ms = lane_due_ms(lane, now),
	    .aside_ms = lane->settings.defer_ms,
	};
	int64_t due_ms;
	size_t before, after;

	if (slate->deferred == 0)
		return;
	before = suspicion_waiting(&lane->suspicion, &due_ms);
	slate_decide(slate, &judge);
	after = suspicion_waiting(&lane->suspicion, &due_ms);
	if (before > 0 || after == 0 || !judge.may_bury)
		return;
	log_line(LOG_WARN, "forwarder",
	    "defer destination=%s events=%zu next_ms=%" PRId64
	    " why=\"refused, and too few others were accepted since to tell "
	    "whether it is the event\" last=%s",
	    lane->settings.name, after, due_ms - judge.due_ms,
	    LOG_QUOTE(lane->deferred_why));
}

void
lane_settle(struct lane *lane, const struct moment *now)
{
	struct slate **at = &lane->slates;
	struct err err;

	if (now->mono_ms < lane->settle_ms)
		return;
	while (*at != NULL) {
		struct slate *slate = *at;

		if (slate->requests == 0)
			lane_decide(lane, slate, now);
		if (lane_slate_ripe(lane, slate) &&
		    !slate_settle(slate, lane->queue, &lane->unknown,
			now->wall_ms, &err)) {
			log_line(LOG_ERROR, "forwarder",
			    "settle destination=%s error=%s",
			    lane->settings.name, LOG_QUOTE(err.text));
			lane->settle_ms = now->mono_ms + LANE_RETRY_MS;
			return;
		}
		if (slate->requests > 0) {
			at = &slate->next;
			continue;
		}
		*at = slate->next;
		slate_free(slate);
	}
}

/* What cannot be settled is handed back: it will be sent again, and the
 * idempotency keys make that harmless. */
void
lane_slates_abandon(struct lane *lane)
{
	struct slate *slate;

	while ((slate = lane->slates) != NULL) {
		log_line(LOG_WARN, "forwarder",
		    "unsettled destination=%s events=%zu", lane->settings.name,
		    slate->count);
		lane->slates = slate->next;
		slate_abandon(slate, lane->queue);
		slate_free(slate);
	}
}
