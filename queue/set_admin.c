/* What the operator can look up of sets, and do to them; and what a holder of
 * leases saves of a group. */

#include "queue/set.h"

#include "base/clock.h"

#include <stdlib.h>

static struct set_group *
set_group(struct queue *queue, int64_t number, struct err *reterr)
{
	struct set_group *group = set_groups_at(&queue->groups, number);

	if (group == NULL)
		(void)err_set(reterr, ERR_NOT_FOUND, "there is no group %lld",
		    (long long)number);
	return group;
}

/* ---- look-ups ---- */

/* Has a full sync come since this one? A sync that came whole is taken for a
 * full one if it adds nine tenths of the members who were there and whom it
 * does not remove. */
static bool
sync_full_since(const struct set_group *group, const struct sync *sync)
{
	for (size_t i = group->sync_count; i > 0; i--) {
		const struct sync *later = group->syncs[i - 1];

		if (later->number <= sync->number)
			return false;
		if (later->total > 0 && sync_whole(later) &&
		    later->entered > 0 &&
		    later->entered * 10 >= (later->size - later->left) * 9)
			return true;
	}
	return false;
}

static struct stats_group
stats_group_of(
    const struct queue *queue, const struct set_group *group, int64_t now_ms)
{
	struct stats_group shown = {
	    .number = group->number,
	    .destination = group->destination.data,
	    .source = group->source.data,
	    .id = group->id,
	    .name = group->name,
	    .label = group->label,
	    .first_ms = group->first_ms,
	    .last_ms = group->last_ms,
	    .complete_ms = group->complete_ms,
	    .sent = group->sent,
	    .wanted = set_group_wanted(group),
	    .waiting = group->waiting,
	    .dead = group->dead,
	    .retired = group->floor > 0 &&
		       set_stamp_sync(group->floor) == group->syncs_begun,
	};

	for (size_t i = 0; i < group->sync_count; i++) {
		const struct sync *sync = group->syncs[i];

		shown.held += sync->held;
		if (sync->held)
			shown.held_changes += sync_waiting(sync);
		shown.incomplete += set_sync_late(queue, sync, now_ms) &&
				    !sync_full_since(group, sync);
	}
	return shown;
}

bool
stats_groups(
    struct queue *queue, stats_group_fn *fn, void *arg, struct err *reterr)
{
	int64_t now_ms = clock_wall_ms();
	bool ok, more = true;

	if (!stats_hold(queue, reterr))
		return false;
	ok = queue_ready(queue, reterr);
	for (size_t i = 0; ok && more && i < queue->groups.count; i++) {
		struct stats_group shown =
		    stats_group_of(queue, queue->groups.list[i], now_ms);

		more = fn(arg, &shown);
	}
	fair_lock_drop(&queue->lock);
	return ok;
}

bool
stats_syncs(struct queue *queue, int64_t group, stats_sync_fn *fn, void *arg,
    struct err *reterr)
{
	int64_t now_ms = clock_wall_ms();
	const struct set_group *one;
	bool more = true;

	if (!stats_hold(queue, reterr))
		return false;
	one =
	    queue_ready(queue, reterr) ? set_group(queue, group, reterr) : NULL;
	for (size_t i = one == NULL ? 0 : one->sync_count; more && i > 0; i--) {
		const struct sync *sync = one->syncs[i - 1];
		const struct stats_sync shown = {
		    .number = sync->number,
		    .id = sync->id,
		    .first_ms = sync->first_ms,
		    .last_ms = sync->last_ms,
		    .pages = (unsigned)sync->seen,
		    .total = (unsigned)sync->total,
		    .entered = sync->entered,
		    .left = sync->left,
		    .delivered = sync->delivered,
		    .superseded = sync->superseded,
		    .no_change = sync->no_change,
		    .dropped = sync->dropped,
		    .dead = sync->dead,
		    .held = sync->held,
		    .incomplete = set_sync_late(queue, sync, now_ms),
		};

		more = fn(arg, &shown);
	}
	fair_lock_drop(&queue->lock);
	return one != NULL;
}

/* The change that waits of a member, or NULL. */
static const struct waiting_change *
set_waits(struct queue *queue, const struct set_group *group, struct str person)
{
	unsigned char hash[DIGEST_SHORT];

	waiting_hash(queue->digest, group->destination, group->source,
	    str_text(group->id), person, hash);
	return waiting_find(queue->waiting, hash);
}

static struct stats_member
stats_member_of(struct queue *queue, const struct set_group *group,
    const struct engine_member *member)
{
	const struct waiting_change *change =
	    set_waits(queue, group, member->person);

	return (struct stats_member){
	    .group = member->group,
	    .person = member->person,
	    .sent = member->sent,
	    .sent_ms = member->sent_s * 1000,
	    .waiting = change != NULL,
	    .wanted = change != NULL && change->wanted,
	};
}

uint64_t
stats_person_hash(const struct queue *queue, struct str id)
{
	/* Twice: the marks in the file have parts of the first. */
	uint64_t word = digest_word(queue->hash_key, id.data, id.len);

	return digest_word(queue->hash_key, &word, sizeof(word));
}

/* In slices of groups, each under one hold of the lock. */
struct set_person {
	struct str id;
	size_t at; /* of the groups */
	stats_member_fn *fn;
	void *arg;
	bool more;
};

static bool
stats_person_slice(
    struct queue *queue, struct set_person *person, struct err *reterr)
{
	struct engine_member members[SET_SLICE];
	size_t count = queue->groups.count - person->at;

	if (count > SET_SLICE)
		count = SET_SLICE;
	for (size_t i = 0; i < count; i++)
		members[i] = (struct engine_member){
		    .group = queue->groups.list[person->at + i]->number,
		    .person = person->id};
	if (!queue->engine->members(queue->store, members, count, reterr))
		return false;
	for (size_t i = 0; person->more && i < count; i++) {
		struct stats_member shown = stats_member_of(
		    queue, queue->groups.list[person->at + i], &members[i]);

		if (shown.sent != ENGINE_SENT_NEVER || shown.waiting)
			person->more = person->fn(person->arg, &shown);
	}
	person->at += count;
	return true;
}

bool
stats_person(struct queue *queue, const struct str *ids, size_t count,
    stats_member_fn *fn, void *arg, struct err *reterr)
{
	struct set_person person = {.fn = fn, .arg = arg, .more = true};
	bool ok = true, there;

	for (size_t i = 0; ok && person.more && i < count; i++) {
		person.id = ids[i];
		person.at = 0;
		for (there = true; ok && there && person.more;) {
			if (!stats_hold(queue, reterr))
				return false;
			there = person.at < queue->groups.count;
			ok = queue_ready(queue, reterr) &&
			     (!there ||
				 stats_person_slice(queue, &person, reterr));
			fair_lock_drop(&queue->lock);
		}
	}
	return ok;
}

/* ---- jobs on the members of a group ---- */

/* One step, in the running transaction. */
struct set_step {
	struct queue *queue;
	struct jobs_group *job;
	struct set_group *group;
	stats_member_fn *fn; /* to show them; or NULL: to queue changes */
	void *arg;
	bool retire;
	struct item items[SET_SLICE];
	size_t count, entered;
	unsigned char hashes[SET_SLICE][DIGEST_SHORT]; /* of all members */
	size_t members;
	struct err *reterr;
	bool ok;
};

/* Walk over some of them. */
static bool
set_step_walk(
    struct set_step *step, size_t rows, engine_row_fn *fn, struct err *reterr)
{
	struct queue *queue = step->queue;
	struct jobs_group *job = step->job;

	step->reterr = reterr;
	step->ok = true;
	step->group = set_group(queue, job->group, reterr);
	if (step->group == NULL)
		return false;
	job->at.at[0] = job->group;
	return queue->engine->walk(queue->store, ENGINE_MEMBERS, &job->at, rows,
		   fn, step, &job->more, reterr) &&
	       step->ok;
}

static bool
set_show_row(void *arg, const union engine_row *row)
{
	struct set_step *step = arg;
	struct stats_member shown =
	    stats_member_of(step->queue, step->group, &row->member);

	step->job->members++;
	return step->fn(step->arg, &shown);
}

bool
jobs_members(struct queue *queue, struct jobs_group *job, stats_member_fn *fn,
    void *arg, struct err *reterr)
{
	struct set_step step = {
	    .queue = queue, .job = job, .fn = fn, .arg = arg};
	bool ok;

	fair_lock_hold(&queue->lock);
	ok = queue_ready(queue, reterr) &&
	     set_step_walk(&step, SET_SLICE, set_show_row, reterr);
	fair_lock_drop(&queue->lock);
	return ok;
}

/* What the member is to be sent: as an item, in the changes' memory, unless it
 * has a change that waits. What was sent is unknown from now on, so that
 * neither is taken for no change. */
static bool
set_resend_row(void *arg, const union engine_row *row)
{
	struct set_step *step = arg;
	struct queue *queue = step->queue;
	struct engine_member member = row->member;
	bool in = member.sent == ENGINE_SENT_IN ||
		  member.sent == ENGINE_SENT_UNKNOWN_IN;
	bool was = member.sent == ENGINE_SENT_IN;
	char *data;

	if (step->retire && member.sent == ENGINE_SENT_OUT)
		return true;
	data = changes_alloc(&queue->changes, member.person.len + 1);
	step->ok = data != NULL || err_set_nomem(step->reterr);
	if (!step->ok)
		return false;
	in = in && !step->retire;
	data[0] = in ? ITEM_ENTERED : ITEM_LEFT;
	memcpy(data + 1, member.person.data, member.person.len);
	if (step->retire ||
	    set_waits(queue, step->group, member.person) == NULL) {
		step->items[step->count++] = (struct item){
		    .type = str_text(step->group->id),
		    .data = str_bytes(data, member.person.len + 1),
		};
		step->entered += in;
	}
	waiting_hash(queue->digest, step->group->destination,
	    step->group->source, str_text(step->group->id), member.person,
	    step->hashes[step->members++]);
	step->group->sent -= was;
	member.person = str_bytes(data + 1, member.person.len);
	member.sent = set_unknown(in);
	changes_add(&queue->changes, ENGINE_MEMBER_PUT)->row.member = member;
	return true;
}

/* What was sent of the members of a step is unknown from now on. */
static bool
set_resend_forget(
    struct queue *queue, const struct set_step *step, struct err *reterr)
{
	for (size_t i = 0; i < step->members; i++) {
		if (!waiting_unknown(queue->waiting, step->hashes[i], reterr))
			return false;
	}
	return true;
}

static bool
set_resend_sync(struct queue *queue, struct set_step *step, int64_t now_ms,
    struct sync **ret_sync, struct err *reterr)
{
	struct jobs_group *job = step->job;
	struct set_group *group = set_group(queue, job->group, reterr);
	struct sync *sync;

	if (group == NULL)
		return false;
	if (job->sync != 0) {
		*ret_sync = sync_at(group, job->sync);
		return *ret_sync == NULL
			   ? err_set(reterr, ERR_NOT_FOUND, "the sync is gone")
			   : sync_change(
				 &queue->groups, group, *ret_sync, reterr);
	}
	if (!sync_add(&queue->groups, group, str_bytes(NULL, 0), &sync, reterr))
		return false;
	sync->first_ms = sync->last_ms = now_ms;
	sync->size = set_group_wanted(group);
	/* The destination may be another one now. */
	if (!set_text(&group->announced, str_bytes(NULL, 0), reterr))
		return false;
	if (step->retire)
		group->floor = set_stamp(sync->number, 0);
	*ret_sync = sync;
	return true;
}

static bool
set_resend_step(struct queue *queue, void *arg, struct err *reterr)
{
	struct set_step *step = arg;
	int64_t now_ms = clock_wall_ms(), stamp;
	struct sync *sync;

	step->count = step->entered = step->members = 0;
	if (!set_resend_sync(queue, step, now_ms, &sync, reterr) ||
	    !set_step_walk(step, SET_SLICE, set_resend_row, reterr))
		return false;
	step->job->sync = sync->number;
	if (step->count == 0)
		return set_resend_forget(queue, step, reterr);
	sync->entered += (int64_t)step->entered;
	sync->left += (int64_t)(step->count - step->entered);
	sync->seen++;
	stamp = step->retire ? set_stamp(sync->number, sync->seen)
			     : set_stamp_again(sync->number);
	return set_queue_page(queue, step->group, step->items, step->count,
		   stamp, now_ms, reterr) &&
	       set_resend_forget(queue, step, reterr);
}

bool
jobs_resend(struct queue *queue, struct jobs_group *job, bool retire,
    struct err *reterr)
{
	struct jobs_group before = *job;
	struct set_step *step = calloc(1, sizeof(*step));
	bool ok;

	if (step == NULL)
		return err_set_nomem(reterr);
	step->queue = queue;
	step->job = job;
	step->retire = retire;
	ok = queue_change(queue, set_resend_step, step, false, reterr);
	if (ok)
		job->members += step->count;
	else
		*job = before;
	free(step);
	if (ok)
		queue_wake(queue);
	return ok;
}

/* ---- other jobs ---- */

struct set_release {
	int64_t group;
	size_t syncs;
};

static bool
release_change(struct queue *queue, void *arg, struct err *reterr)
{
	struct set_release *release = arg;
	struct set_group *group = set_group(queue, release->group, reterr);

	release->syncs = 0;
	for (size_t i = 0; group != NULL && i < group->sync_count; i++) {
		if (!group->syncs[i]->held)
			continue;
		if (!set_unhold(queue, group, group->syncs[i], reterr))
			return false;
		release->syncs++;
	}
	return group != NULL;
}

bool
jobs_release(
    struct queue *queue, int64_t group, size_t *ret_syncs, struct err *reterr)
{
	struct set_release release = {.group = group};

	if (!queue_change(queue, release_change, &release, false, reterr))
		return false;
	*ret_syncs = release.syncs;
	queue_wake(queue);
	return true;
}

/* A slice of the groups, of one person. */
struct set_erasing {
	struct str id;
	size_t at, members;
	bool more;
};

static bool
erase_members_change(struct queue *queue, void *arg, struct err *reterr)
{
	struct set_erasing *erasing = arg;
	struct engine_member members[SET_SLICE];
	size_t count = erasing->at < queue->groups.count
			   ? queue->groups.count - erasing->at
			   : 0;

	erasing->members = 0;
	if (count > SET_SLICE)
		count = SET_SLICE;
	erasing->more = count > 0;
	for (size_t i = 0; i < count; i++)
		members[i] = (struct engine_member){
		    .group = queue->groups.list[erasing->at + i]->number,
		    .person = erasing->id};
	if (!queue->engine->members(queue->store, members, count, reterr))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct set_group *group = queue->groups.list[erasing->at + i];

		if (members[i].sent == ENGINE_SENT_NEVER)
			continue;
		erasing->members++;
		if (!set_groups_change(&queue->groups, group, reterr))
			return false;
		group->sent -= members[i].sent == ENGINE_SENT_IN;
		changes_add(&queue->changes, ENGINE_MEMBER_DELETE)->row.member =
		    members[i];
	}
	return true;
}

bool
jobs_erase_members(struct queue *queue, const struct str *ids, size_t count,
    size_t *ret_members, struct err *reterr)
{
	*ret_members = 0;
	for (size_t i = 0; i < count; i++) {
		struct set_erasing erasing = {.id = ids[i], .more = true};

		while (erasing.more) {
			if (!queue_change(queue, erase_members_change, &erasing,
				false, reterr))
				return false;
			*ret_members += erasing.members;
			erasing.at += SET_SLICE;
		}
	}
	return true;
}

/* ---- for the holder of leases ---- */

struct set_saving {
	int64_t destination, group;
	struct str kind, label, announced;
};

static bool
group_save_change(struct queue *queue, void *arg, struct err *reterr)
{
	const struct set_saving *saving = arg;
	struct set_group *group = set_group(queue, saving->group, reterr);

	return group != NULL &&
	       queue_fence(queue, saving->destination, reterr) &&
	       set_groups_change(&queue->groups, group, reterr) &&
	       set_text(&group->kind, saving->kind, reterr) &&
	       set_text(&group->label, saving->label, reterr) &&
	       set_text(&group->announced, saving->announced, reterr);
}

bool
queue_group_save(struct queue *queue, int64_t destination, int64_t group,
    struct str kind, struct str label, struct str announced, struct err *reterr)
{
	struct set_saving saving = {destination, group, kind, label, announced};

	return queue_change(queue, group_save_change, &saving, true, reterr);
}
