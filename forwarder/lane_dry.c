/*
 * A trial run: each fresh event is mapped once and counted, as if it were
 * sent, and goes on waiting. Nothing is posted and nothing settled, so that
 * nothing is lost: once the setting is off, all of it is delivered. Events
 * that were set aside before are not looked at.
 */

#include "base/log.h"
#include "forwarder/lane_inside.h"

enum { DRY_EVENTS_MOST = 5000 }; /* of one step: others wait meanwhile */

/* False without memory; then the event is not counted. */
static bool
lane_dry_one(
    struct lane *lane, const struct queue_event *event, struct buf *out)
{
	struct track_result result;

	buf_reset(out);
	if (!track_write(&lane->rules, event->data.data, event->data.len, out,
		&result, NULL))
		return false;
	tally_add(&lane->tally, &result);
	switch (result.fate) {
	case TRACK_SEND:
		lane->trial_sent++;
		break;
	case TRACK_DROP:
		lane->trial_dropped++;
		break;
	case TRACK_DEAD:
		lane->trial_dead++;
		break;
	}
	return true;
}

/* Nothing is in flight and nothing will be: what a slate or a request is for
 * has no place here. */
int64_t
lane_dry(struct lane *lane, const struct moment *now)
{
	struct queue_lease *lease;
	size_t looked = 0, i;
	struct buf out;
	struct err err;

	if (now->mono_ms < lane->look_ms)
		return lane->look_ms;
	buf_init(&out, REQUEST_BYTES_HARD);
	while (looked < DRY_EVENTS_MOST) {
		if (!queue_take(
			lane->queue, lane->id, now->wall_ms, &lease, &err)) {
			log_line(LOG_ERROR, "forwarder",
			    "take destination=%s error=%s", lane->settings.name,
			    LOG_QUOTE(err.text));
			lease = NULL;
		}
		if (lease == NULL) {
			lane->look_ms = now->mono_ms + LANE_LOOK_MS;
			break;
		}
		for (i = 0; i < lease->count; i++)
			(void)lane_dry_one(lane, &lease->events[i], &out);
		looked += lease->count;
		queue_lease_free(lane->queue, lease);
	}
	buf_fini(&out);
	return lane->look_ms > now->mono_ms ? lane->look_ms : now->mono_ms;
}
