/* What the store has of members, once their changes are settled. */

#include "queue/set.h"

#include <string.h>

/* What the store has of a member once this is settled; false: as before. */
static bool
set_member_settled(const struct lease *lease, const struct queue_item *item,
    bool wanted, int64_t now_ms, struct engine_member *member)
{
	bool posted = lease->row.rules.len > 0;
	bool again = set_stamp_is_again(lease->row.stamp);
	bool superseded = item->outcome == QUEUE_DROPPED &&
			  strcmp(item->reason, set_superseded) == 0;
	bool no_change = item->outcome == QUEUE_DROPPED &&
			 strcmp(item->reason, set_no_change) == 0;

	if (again ? superseded || member->sent != set_unknown(wanted)
		  : member->stamp > lease->row.stamp ||
			(superseded &&
			    (!posted || member->stamp == lease->row.stamp)))
		return false;
	if (!again)
		member->stamp = lease->row.stamp;
	if (no_change)
		return true;
	if (item->outcome == QUEUE_DELIVERED)
		member->sent = wanted ? ENGINE_SENT_IN : ENGINE_SENT_OUT;
	else
		member->sent = set_unknown(wanted);
	if (item->outcome == QUEUE_DELIVERED || posted)
		member->sent_s = now_ms / 1000;
	return true;
}

static void
set_count(
    struct set_group *group, struct sync *sync, const struct queue_item *item)
{
	static struct sync none;

	if (sync == NULL)
		sync = &none;
	switch (item->outcome) {
	case QUEUE_DELIVERED:
		sync->delivered++;
		return;
	case QUEUE_DEAD:
		sync->dead++;
		group->dead++;
		return;
	case QUEUE_DROPPED:
		if (strcmp(item->reason, set_superseded) == 0)
			sync->superseded++;
		else if (strcmp(item->reason, set_no_change) == 0)
			sync->no_change++;
		else
			sync->dropped++;
		return;
	case QUEUE_OPEN:
	case QUEUE_DEFERRED:
	case QUEUE_PARKED:
		NEVER("a change without a last outcome");
	}
}

/* Members who have entered a group, or may have, though it was retired
 * meanwhile: each is to leave, as the others were told to. */
struct set_late {
	struct item items[SET_SLICE];
	size_t count;
};

static bool
set_late_add(struct queue *queue, const struct set_group *group,
    struct engine_member *member, struct set_late *late, struct err *reterr)
{
	size_t len = member->person.len + 1;
	char *data = changes_alloc(&queue->changes, len);

	if (data == NULL)
		return err_set_nomem(reterr);
	data[0] = ITEM_LEFT;
	memcpy(data + 1, member->person.data, len - 1);
	member->sent = ENGINE_SENT_UNKNOWN_IN;
	late->items[late->count++] = (struct item){
	    .type = str_text(group->id),
	    .data = str_bytes(data, len),
	};
	return true;
}

static bool
set_late_queue(struct queue *queue, struct set_group *group,
    const struct set_late *late, int64_t now_ms, struct err *reterr)
{
	struct sync *sync = sync_at(group, set_stamp_sync(group->floor));
	size_t page = SET_PAGE_MOST;

	if (late->count == 0)
		return true;
	if (sync != NULL) {
		if (!sync_change(&queue->groups, group, sync, reterr))
			return false;
		sync->left += (int64_t)late->count;
		page = ++sync->seen;
	}
	return set_queue_page(queue, group, late->items, late->count,
	    set_stamp(set_stamp_sync(group->floor), page), now_ms, reterr);
}

static bool
set_settle_slice(struct queue *queue, const struct lease *lease,
    struct set_slice *slice, int64_t now_ms, struct err *reterr)
{
	struct set_group *group =
	    set_groups_at(&queue->groups, lease->shown.group->number);
	struct sync *sync = sync_at(group, set_stamp_sync(lease->row.stamp));
	bool retired = lease->row.stamp < group->floor &&
		       !set_stamp_is_again(lease->row.stamp);
	struct set_late late = {.count = 0};

	if (!queue->engine->members(
		queue->store, slice->members, slice->count, reterr) ||
	    !set_groups_change(&queue->groups, group, reterr) ||
	    (sync != NULL && !sync_change(&queue->groups, group, sync, reterr)))
		return false;
	for (size_t i = 0; i < slice->count; i++) {
		struct engine_member *member = &slice->members[i];
		bool was = member->sent == ENGINE_SENT_IN;

		set_count(group, sync, slice->items[i]);
		if (!waiting_remove(queue->waiting, slice->hashes[i],
			lease->row.stamp, reterr))
			return false;
		if (!set_member_settled(lease, slice->items[i],
			slice->wanted[i], now_ms, member))
			continue;
		if (retired &&
		    (member->sent == ENGINE_SENT_IN ||
			member->sent == ENGINE_SENT_UNKNOWN_IN) &&
		    !set_late_add(queue, group, member, &late, reterr))
			return false;
		group->sent += (member->sent == ENGINE_SENT_IN) - was;
		changes_add(&queue->changes, ENGINE_MEMBER_PUT)->row.member =
		    *member;
	}
	return set_late_queue(queue, group, &late, now_ms, reterr);
}

bool
set_settle(struct queue *queue, const struct lease *lease,
    struct queue_item *const *items, size_t count, int64_t now_ms,
    struct err *reterr)
{
	struct set_slice slice = {.count = 0};

	for (size_t i = 0; i < count; i++) {
		if (items[i]->outcome != QUEUE_DEFERRED &&
		    items[i]->outcome != QUEUE_PARKED)
			(void)set_slice_add(queue, lease, &slice, items[i]);
	}
	return slice.count == 0 ||
	       set_settle_slice(queue, lease, &slice, now_ms, reterr);
}

void
set_settled(struct queue *queue, const struct lease *lease,
    const struct queue_item *item)
{
	struct waiting_change *change = set_change(queue, lease, item);

	if (change != NULL && item->leased)
		change->leased = false;
}
