/*
 * The life and the state of a lane.
 *
 *	          .---------------- a probe was accepted ---------------.
 *	          v                                                     |
 *	RESTING -> RUNNING -- network, 408, 429, 5xx --> WAITING        |
 *	          ^   |  ^----- any other answer ---------'             |
 *	          |   '-- 401, 403, 404, ... or too many refused --> STOPPED
 *	          '-- PAUSED <-- by the operator, from any state
 *
 *	DRY, by a setting, takes the place of RESTING and RUNNING.
 *
 * WAITING keeps its requests in memory and posts the same bytes again, one
 * at a time until one gets an answer. STOPPED and PAUSED hand everything
 * back to the queue; STOPPED tries a single event from time to time.
 */

#include "base/log.h"
#include "forwarder/lane_inside.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A share of a quota; at least one, for 0 would be no quota. */
static unsigned
lane_allowed(unsigned quota, unsigned share_percent)
{
	uint64_t allowed = (uint64_t)quota * share_percent / 100;

	if (quota == 0)
		return 0;
	return allowed > 0 ? (unsigned)allowed : 1;
}

/* Where a lane goes that nothing holds. */
static void
lane_enter_free(struct lane *lane, const struct moment *now)
{
	if (lane->settings.dry_run)
		lane_enter(lane, FORWARDER_TRIAL, INT64_MIN, now,
		    "dry_run is set: events are mapped and counted, and "
		    "nothing is sent");
	else if (lane->hold_ms > now->mono_ms)
		lane_enter(lane, FORWARDER_BACKING_OFF,
		    lane->hold_ms > lane->rest_ms ? lane->hold_ms
						  : lane->rest_ms,
		    now, "%s", lane->hold_why);
	else if (lane->rest_ms > now->mono_ms)
		lane_enter(lane, FORWARDER_COOLING_DOWN, lane->rest_ms, now,
		    "it is not known what was sent within the last minute");
	else
		lane_enter(lane, FORWARDER_RUNNING, INT64_MIN, now, "%s", "");
}

static void
lane_init(struct lane *lane, const struct forwarder_destination *settings,
    struct queue *queue, const struct lane_poster *poster, uint64_t seed,
    const struct moment *now)
{
	unsigned allowed =
	    lane_allowed(settings->events_per_minute, settings->share_percent);

	*lane = (struct lane){
	    .settings = *settings,
	    .queue = queue,
	    .poster = *poster,
	    .whither = lane_whither(settings),
	    .rest_ms = INT64_MIN,
	    .hold_ms = INT64_MIN,
	    .ahead_ms = now->wall_ms - now->mono_ms,
	    .look_ms = INT64_MIN,
	    .post_ms = INT64_MIN,
	    .settle_ms = INT64_MIN,
	};
	if (settings->rules != NULL)
		lane->rules = *settings->rules;
	else
		track_rules_init(&lane->rules);
	size_init(&lane->size, settings->request_bytes, now->mono_ms);
	quota_init(&lane->quota, allowed,
	    lane_allowed(
		settings->identity_per_minute, settings->share_percent));
	pace_init(&lane->pace, allowed, settings->request_events, now->mono_ms);
	backoff_init(&lane->backoff, settings->backoff_first_ms,
	    settings->backoff_most_ms, seed);
	suspicion_init(&lane->suspicion);
}

bool
lane_new(const struct forwarder_destination *settings, struct queue *queue,
    const struct lane_poster *poster, uint64_t seed, uint64_t boot,
    const struct moment *now, struct lane **ret_lane, struct err *reterr)
{
	struct lane *lane = malloc(sizeof(*lane));
	struct queue_destination saved = {0};

	if (lane == NULL)
		return err_set_nomem(reterr);
	lane_init(lane, settings, queue, poster, seed, now);
	lane->boot = boot;
	if (!queue_destination_open(queue, settings->name, &saved, reterr)) {
		quota_fini(&lane->quota);
		free(lane);
		return false;
	}
	lane->id = saved.id;
	if (!lane_doubt_init(lane, saved.doubt, saved.doubt_len, reterr)) {
		queue_destination_fini(&saved);
		lane_free(lane);
		return false;
	}
	lane->last_due_known = queue_due_ms(queue, lane->id) == INT64_MAX;
	lane_restore(lane, &saved, now);
	if (settings->dry_run)
		queue_destination_trial(queue, lane->id);
	if (saved.paused)
		lane_enter(lane, FORWARDER_PAUSED, INT64_MAX, now,
		    "paused before the start: `destinations resume` resumes "
		    "it");
	else
		lane_enter_free(lane, now);
	queue_destination_fini(&saved);
	*ret_lane = lane;
	return true;
}

void
lane_free(struct lane *lane)
{
	if (lane == NULL)
		return;
	CHECK(lane->flying == NULL && lane->slates == NULL);
	quota_fini(&lane->quota);
	doubt_fini(&lane->unknown);
	free(lane);
}

const char *
lane_name(const struct lane *lane)
{
	return lane->settings.name;
}

static enum log_level
lane_state_level(enum forwarder_state state)
{
	switch (state) {
	case FORWARDER_RUNNING:
	case FORWARDER_PAUSED:
		return LOG_INFO;
	case FORWARDER_BACKING_OFF:
	case FORWARDER_COOLING_DOWN:
	case FORWARDER_TRIAL:
		return LOG_WARN;
	case FORWARDER_HALTED:
		return LOG_ERROR;
	}
	return LOG_ERROR;
}

void
lane_enter(struct lane *lane, enum forwarder_state state, int64_t until_ms,
    const struct moment *now, const char *format, ...)
{
	char why[sizeof(lane->why)]; /* an argument may be the old why */
	int64_t wait_ms = 0;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	(void)snprintf(lane->why, sizeof(lane->why), "%s", why);
	lane->state = state;
	lane->until_ms = until_ms;
	lane->epoch++;
	lane->flying_now = 0;
	if (state != FORWARDER_HALTED)
		lane->suspicious = false;
	if (until_ms != INT64_MAX && until_ms > now->mono_ms)
		wait_ms = until_ms - now->mono_ms;
	log_line(lane_state_level(state), "forwarder",
	    "%s destination=%s next_ms=%" PRId64 " why=%s",
	    forwarder_state_name(state), lane->settings.name, wait_ms,
	    LOG_QUOTE(lane->why));
	if (state == FORWARDER_HALTED || state == FORWARDER_PAUSED)
		lane_return_all(lane);
}

int64_t
lane_step(struct lane *lane, const struct moment *now)
{
	int64_t next_ms = INT64_MAX;

	lane_settle(lane, now);
	if (!lane->winding && lane->state != FORWARDER_PAUSED) {
		if (now->mono_ms < lane->until_ms)
			next_ms = lane->until_ms;
		else if (lane->state == FORWARDER_TRIAL)
			next_ms = lane_dry(lane, now);
		else {
			if (lane->state == FORWARDER_COOLING_DOWN)
				lane_enter_free(lane, now);
			next_ms = lane_run(lane, now);
			lane_settle(lane, now);
		}
	}
	if (lane->settle_ms > now->mono_ms && lane->settle_ms < next_ms)
		next_ms = lane->settle_ms;
	return next_ms;
}

int64_t
lane_due_ms(struct lane *lane, const struct moment *now)
{
	if (now->wall_ms - now->mono_ms > lane->ahead_ms)
		lane->ahead_ms = now->wall_ms - now->mono_ms;
	return now->mono_ms + lane->ahead_ms;
}

int64_t
lane_due_wall_ms(
    const struct lane *lane, int64_t due_ms, const struct moment *now)
{
	return moment_wall_ms(now, due_ms - lane->ahead_ms);
}

void
lane_look(struct lane *lane)
{
	lane->look_ms = INT64_MIN;
	/* What came in goes before replays. */
	if (lane->stock.lot != NULL && lane->stock.lot->lease->replay)
		stock_return(&lane->stock, lane->queue);
}

void
lane_pause(struct lane *lane, bool paused, const struct moment *now)
{
	if (paused && lane->state != FORWARDER_PAUSED)
		lane_enter(lane, FORWARDER_PAUSED, INT64_MAX, now,
		    "paused by the operator");
	if (!paused && lane->state == FORWARDER_PAUSED)
		lane_enter_free(lane, now);
}

void
lane_let_go(struct lane *lane)
{
	for (struct request *r = lane->flying; r != NULL; r = r->next)
		r->stale = true;
	lane_return_all(lane);
}

void
lane_wind_down(struct lane *lane)
{
	lane->winding = true;
	lane_return_all(lane);
}

bool
lane_idle(const struct lane *lane)
{
	return lane->flying == NULL && lane->slates == NULL;
}

void
lane_end(struct lane *lane, const struct moment *now)
{
	struct request *request;

	CHECK(lane->winding);
	while ((request = lane->flying) != NULL) {
		lane->flying = request->next;
		quota_end(&lane->quota, request->entry, now->mono_ms);
		lane_request_return(lane, request);
	}
	lane->settle_ms = INT64_MIN;
	lane_settle(lane, now);
	lane_slates_abandon(lane);
	if (lane->rest_ms > now->mono_ms)
		return; /* the log is not whole: leave it as after a crash */
	lane_rest(lane, now);
}

size_t
lane_notes(const struct lane *lane,
    struct forwarder_omission ret_notes[FORWARDER_OMISSIONS_MAX])
{
	return tally_copy(&lane->tally, ret_notes);
}

static void
lane_status_suspects(const struct lane *lane, const struct moment *now,
    struct forwarder_destination_status *status)
{
	int64_t due_ms;

	status->deferred = suspicion_waiting(&lane->suspicion, &due_ms);
	if (status->deferred == 0)
		return;
	status->deferred_due_ms = lane_due_wall_ms(lane, due_ms, now);
	(void)snprintf(status->deferred_why, sizeof(status->deferred_why), "%s",
	    lane->deferred_why);
}

void
lane_status(const struct lane *lane, const struct moment *now,
    struct forwarder_destination_status *ret_status)
{
	*ret_status = (struct forwarder_destination_status){
	    .name = lane->settings.name,
	    .state = lane->state,
	    .last_accepted_ms = lane->accepted_ms,
	    .posts = lane->posts,
	    .accepted = lane->accepted,
	    .refused = lane->refused,
	    .in_flight = lane->flying_count,
	    .pace_per_minute = lane->pace.present,
	    .pace_full_per_minute = lane->pace.full,
	    .trial_sent = lane->trial_sent,
	    .trial_dropped = lane->trial_dropped,
	    .trial_dead = lane->trial_dead,
	    .notes_lost = lane->tally.lost,
	};
	if (!lane->last_due_known)
		ret_status->last_due_ms = -1;
	else if (lane->last_due_ms > now->mono_ms + lane->ahead_ms)
		ret_status->last_due_ms =
		    lane_due_wall_ms(lane, lane->last_due_ms, now);
	lane_status_suspects(lane, now, ret_status);
	if (lane->until_ms > now->mono_ms && lane->until_ms != INT64_MAX)
		ret_status->until_ms = moment_wall_ms(now, lane->until_ms);
	(void)snprintf(
	    ret_status->why, sizeof(ret_status->why), "%s", lane->why);
}
