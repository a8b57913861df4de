/* Housekeeping of sets. */

#include "queue/set.h"

#include "base/clock.h"
#include "base/log.h"

enum {
	SET_SYNCS_KEPT = 32, /* of a group, and those that are younger: */
	SET_SYNC_KEEP_MS = 7 * 24 * 3600 * 1000,
	SET_SYNCS_MS = 10 * 1000,  /* between two looks at all syncs, */
	SET_PASS_MS = 3600 * 1000, /* and at all members */
};

bool
set_sync_late(
    const struct queue *queue, const struct sync *sync, int64_t now_ms)
{
	return !sync_whole(sync) &&
	       now_ms - sync->first_ms > queue->settings.sync_timeout_ms;
}

/* Is the sync at this place one of those that need not be kept? */
static bool
set_sync_old(const struct set_group *group, size_t at, int64_t now_ms)
{
	const struct sync *sync = group->syncs[at];

	return group->sync_count - at > SET_SYNCS_KEPT && !sync->held &&
	       now_ms - sync->last_ms > SET_SYNC_KEEP_MS;
}

static bool
set_syncs_due(
    const struct queue *queue, const struct set_group *group, int64_t now_ms)
{
	for (size_t i = 0; i < group->sync_count; i++) {
		const struct sync *sync = group->syncs[i];

		if ((!sync->told && set_sync_late(queue, sync, now_ms)) ||
		    set_sync_old(group, i, now_ms))
			return true;
	}
	return false;
}

static void
set_tell(const struct queue *queue, const struct set_group *group,
    const struct sync *sync)
{
	log_line(LOG_WARN, "queue",
	    "sync result=incomplete source=\"%s\" group=%s name=%s pages=%zu "
	    "total=%zu help=\"%s\"",
	    group->source.data, LOG_QUOTE(group->id), LOG_QUOTE(group->name),
	    sync->seen, sync->total, queue->settings.sync_help);
}

/* Syncs of the running transaction: those that are late are told, and old ones
 * go. */
static bool
set_tidy_syncs(struct queue *queue, void *arg, struct err *reterr)
{
	struct set_group *group = arg;
	int64_t now_ms = clock_wall_ms();

	for (size_t i = 0; i < group->sync_count; i++) {
		struct sync *sync = group->syncs[i];
		bool late = set_sync_late(queue, sync, now_ms) && !sync->told;
		bool old = set_sync_old(group, i, now_ms);

		if (!late && !old)
			continue;
		if (!sync_change(&queue->groups, group, sync, reterr))
			return false;
		if (late)
			set_tell(queue, group, sync);
		sync->told = sync->told || late;
		if (old && !sync_remove(&queue->groups, group, sync, reterr))
			return false;
	}
	return true;
}

/* A slice of the members of a group: those that have left, and were sent long
 * ago, go; but not while an older change may come to be taken, which is judged
 * by what was sent. */
struct set_tidying {
	struct queue *queue;
	struct engine_cursor *cursor;
	struct set_group *group;
	int64_t before_s;
	size_t rows;
	bool idle; /* nothing of it is queued or dead */
	bool more;
};

static bool
set_tidy_idle(struct queue *queue, const struct set_group *group)
{
	int64_t id = destination_find(&queue->destinations, group->destination);

	return group->waiting == 0 && group->dead == 0 &&
	       destination_at(&queue->destinations, id)->queued == 0;
}

static bool
set_tidy_member(void *arg, const union engine_row *row)
{
	struct set_tidying *tidying = arg;
	struct queue *queue = tidying->queue;
	const struct engine_member *member = &row->member;
	struct engine_change *change;

	tidying->rows++;
	if (member->sent != ENGINE_SENT_OUT || !tidying->idle ||
	    member->sent_s > tidying->before_s)
		return true;
	change = changes_add(&queue->changes, ENGINE_MEMBER_DELETE);
	change->row.member.group = member->group;
	change->row.member.person =
	    changes_copy(&queue->changes, member->person);
	return true;
}

static bool
set_tidy_members(struct queue *queue, void *arg, struct err *reterr)
{
	struct set_tidying *tidying = arg;
	struct set_group *group = tidying->group;
	bool first = !tidying->cursor->begun;

	tidying->idle = set_tidy_idle(queue, group);
	if (!queue->engine->walk(queue->store, ENGINE_MEMBERS, tidying->cursor,
		SET_SLICE, set_tidy_member, tidying, &tidying->more, reterr))
		return false;
	/* Of a group that has nothing any more nothing is left. */
	if (!first || tidying->rows > 0 || tidying->more || !tidying->idle ||
	    group->last_ms / 1000 > tidying->before_s)
		return true;
	for (size_t i = 0; i < group->sync_count; i++) {
		if (!sync_remove(
			&queue->groups, group, group->syncs[i], reterr))
			return false;
	}
	return set_groups_remove(&queue->groups, group, reterr);
}

/* The next slice, of whichever group's turn it is. */
static void
set_tidy_next(struct queue *queue, int64_t mono_ms)
{
	struct set_tidy *tidy = &queue->set_tidy;
	struct set_tidying tidying = {.queue = queue, .cursor = &tidy->cursor};
	size_t at = 0;
	struct err err;

	while (at < queue->groups.count &&
	       queue->groups.list[at]->number < tidy->group)
		at++;
	if (at == queue->groups.count) {
		tidy->group = 0;
		tidy->pass_ms = mono_ms + SET_PASS_MS;
		return;
	}
	tidying.group = queue->groups.list[at];
	if (tidying.group->number != tidy->group || !tidy->cursor.begun) {
		tidy->group = tidying.group->number;
		tidy->cursor = (struct engine_cursor){.at = {tidy->group}};
	}
	tidying.before_s =
	    (clock_wall_ms() - queue->settings.keep_left_ms) / 1000;
	if (!queue_change_held(
		queue, set_tidy_members, &tidying, false, &err) ||
	    !tidying.more) {
		tidy->cursor.begun = false;
		tidy->group++;
	}
}

void
set_tidy(struct queue *queue, int64_t mono_ms)
{
	struct set_tidy *tidy = &queue->set_tidy;
	int64_t now_ms = clock_wall_ms();
	struct err err;

	fair_lock_assert_held(&queue->lock);
	if (queue->groups.count == 0)
		return;
	for (size_t i = 0; mono_ms >= tidy->syncs_ms && i < queue->groups.count;
	     i++) {
		struct set_group *group = queue->groups.list[i];

		if (set_syncs_due(queue, group, now_ms))
			(void)!queue_change_held(
			    queue, set_tidy_syncs, group, false, &err);
	}
	if (mono_ms >= tidy->syncs_ms)
		tidy->syncs_ms = mono_ms + SET_SYNCS_MS;
	if (mono_ms >= tidy->pass_ms)
		set_tidy_next(queue, mono_ms);
}
