/* Which of the changes that were taken are handed out. */

#include "queue/set.h"

#include "base/clock.h"

#include <string.h>

enum {
	SET_WAIT_MS = 1000, /* for a change that is on lease, at first */
	SET_WAIT_DOUBLES = 6,
};

static bool
set_sent_in(const struct engine_member *member)
{
	return member->sent == ENGINE_SENT_IN ||
	       member->sent == ENGINE_SENT_UNKNOWN_IN;
}

static void
set_drop(struct queue_item *item, const char *rule)
{
	item->outcome = QUEUE_DROPPED;
	item->reason = rule;
}

static void
set_defer(const struct lease *lease, struct queue_item *item, int64_t due_ms)
{
	item->outcome = QUEUE_DEFERRED;
	item->due_ms = due_ms;
	item->unsure = lease->row.rules.len > 0;
}

/* Until when the member must be left alone; 0: it need not. A time too far
 * ahead is of a wrong clock. */
static int64_t
set_held_until_ms(
    const struct engine_member *member, int64_t hold_ms, int64_t now_ms)
{
	int64_t sent_ms = member->sent_s * 1000;

	return member->sent_s > 0 && sent_ms <= now_ms &&
		       sent_ms + hold_ms > now_ms
		   ? sent_ms + hold_ms
		   : 0;
}

/* A page of a held sync that lost its place, in quarantine or with its
 * destination, is parked again. */
static bool
set_park(
    struct queue *queue, const struct lease *lease, struct set_slice *slice)
{
	const struct set_group *group =
	    set_groups_at(&queue->groups, lease->shown.group->number);
	const struct sync *sync =
	    sync_at(group, set_stamp_sync(lease->row.stamp));

	if (sync == NULL || !sync->held)
		return false;
	set_held_write(group, sync, slice->held);
	for (size_t i = 0; i < slice->count; i++) {
		slice->items[i]->outcome = QUEUE_PARKED;
		slice->items[i]->reason = slice->held;
		slice->items[i]->unsure = lease->row.rules.len > 0;
	}
	return slice->count > 0;
}

/* Is there a newer word on the member? */
static bool
set_overtaken(const struct set_group *group, int64_t stamp, bool wanted,
    const struct waiting_change *change, const struct engine_member *member)
{
	if (change != NULL && change->stamp > stamp)
		return true;
	if (set_stamp_is_again(stamp))
		return member->sent != set_unknown(wanted);
	return member->stamp > stamp || stamp < group->floor ||
	       (change == NULL && member->stamp == stamp);
}

/* Decide about one item; it is handed out if it has no outcome then. */
static bool
set_decide(struct queue *queue, const struct lease *lease,
    struct set_slice *slice, size_t n, const struct queue_want *want,
    int64_t now_ms, struct err *reterr)
{
	struct waiting_change *change =
	    waiting_find(queue->waiting, slice->hashes[n]);
	const struct engine_member *member = &slice->members[n];
	struct queue_item *item = slice->items[n];
	struct set_group *group =
	    set_groups_at(&queue->groups, lease->shown.group->number);
	int64_t stamp = lease->row.stamp, until_ms;

	if (set_overtaken(group, stamp, slice->wanted[n], change, member)) {
		set_drop(item, set_superseded);
		return true;
	}
	if (change == NULL) {
		if (!waiting_add(queue->waiting, slice->hashes[n], group, stamp,
			slice->wanted[n], set_sent_in(member), reterr))
			return false;
		waiting_commit(queue->waiting);
		change = waiting_find(queue->waiting, slice->hashes[n]);
	}
	waiting_was(change, set_sent_in(member));
	if (change->leased) {
		unsigned doubles = lease->row.attempts < SET_WAIT_DOUBLES
				       ? lease->row.attempts
				       : SET_WAIT_DOUBLES;

		set_defer(lease, item, now_ms + (SET_WAIT_MS << doubles));
		return true;
	}
	if (!change->unsure &&
	    member->sent ==
		(slice->wanted[n] ? ENGINE_SENT_IN : ENGINE_SENT_OUT)) {
		set_drop(item, set_no_change);
		return true;
	}
	until_ms = set_held_until_ms(member, want->hold_ms, now_ms);
	if (until_ms != 0)
		set_defer(lease, item, until_ms);
	else
		change->leased = item->leased = true;
	return true;
}

/* What was settled is not of the lease any more. */
static void
set_compact(struct queue_lease *shown)
{
	size_t count = 0;

	shown->bytes = 0;
	for (size_t i = 0; i < shown->count; i++) {
		if (shown->items[i].settled)
			continue;
		shown->items[count] = shown->items[i];
		shown->bytes += shown->items[count++].data.len;
	}
	shown->count = count;
}

bool
set_check(struct queue *queue, struct lease *lease,
    const struct queue_want *want, int64_t now_ms, bool *ret_more,
    struct err *reterr)
{
	struct queue_lease *shown = &lease->shown;
	size_t end = lease->checked + SET_SLICE, count;
	struct set_slice slice = {.count = 0};
	bool decided = false;

	fair_lock_assert_held(&queue->lock);
	if (end > shown->count)
		end = shown->count;
	for (size_t i = lease->checked; i < end; i++) {
		struct queue_item *item = &shown->items[i];

		if (!set_slice_add(queue, lease, &slice, item)) {
			item->outcome = QUEUE_DEAD;
			item->reason = "not a change of a set";
			decided = true;
		}
	}
	if (!queue_ready(queue, reterr) ||
	    !queue->engine->members(
		queue->store, slice.members, slice.count, reterr))
		return false;
	decided = set_park(queue, lease, &slice) || decided;
	for (size_t i = 0; i < slice.count; i++) {
		if (slice.items[i]->outcome == QUEUE_OPEN &&
		    !set_decide(queue, lease, &slice, i, want, now_ms, reterr))
			return false;
		decided = decided || slice.items[i]->outcome != QUEUE_OPEN;
	}
	lease->checked = end;
	*ret_more = end < shown->count;
	if (decided && !settle_one(queue, lease, now_ms, reterr))
		return false;
	count = shown->count;
	set_compact(shown);
	lease->checked -= count - shown->count;
	return true;
}

void
set_release(struct queue *queue, const struct lease *lease)
{
	for (size_t i = 0; i < lease->shown.count; i++) {
		struct queue_item *item = &lease->shown.items[i];
		struct waiting_change *change;

		if (!item->leased)
			continue;
		item->leased = false;
		change = set_change(queue, lease, item);
		if (change != NULL)
			change->leased = false;
	}
}
