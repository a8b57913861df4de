#include "queue/set.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SET_HOLD_LEAST = 1000, /* members: a smaller group is never held */
	SET_WAIT_MS = 1000,    /* for a change that is on lease, at first */
	SET_WAIT_DOUBLES = 6,
	SET_HELD_NAME = 48,
	SET_SYNCS_KEPT = 32, /* of a group, and those that are younger: */
	SET_SYNC_KEEP_MS = 7 * 24 * 3600 * 1000,
	SET_SYNCS_MS = 10 * 1000,  /* between two looks at all syncs, */
	SET_PASS_MS = 3600 * 1000, /* and at all members */
};

const char set_superseded[] = "superseded";
static const char set_no_change[] = "no change";

/* ---- putting ---- */

struct set_place {
	unsigned char hash[DIGEST_SHORT];
	size_t index;
};

static int
set_place_order(const void *left, const void *right)
{
	const struct set_place *a = left, *b = right;
	int order = memcmp(a->hash, b->hash, DIGEST_SHORT);

	return order != 0 ? order : a->index < b->index ? -1 : 1;
}

bool
set_put_prepare(
    struct digest_short *digest, struct put *put, struct err *reterr)
{
	const struct queue_batch *batch = &put->batch;
	struct set_place *places = calloc(batch->count + 1, sizeof(*places));
	size_t count = 0;

	put->overtaken = calloc(bits_bytes(batch->count), 1);
	if (places == NULL || put->overtaken == NULL) {
		free(places);
		return err_set_nomem(reterr);
	}
	for (size_t i = 0; i < batch->count; i++) {
		struct str member;
		bool wanted;

		if (batch->items[i].fate != ITEM_QUEUE ||
		    !item_change_read(batch->items[i].data, &member, &wanted))
			continue;
		waiting_hash(digest, str_text(batch->destination),
		    str_text(batch->source), batch->page->group, member,
		    put->hashes[i]);
		memcpy(places[count].hash, put->hashes[i], DIGEST_SHORT);
		places[count++].index = i;
	}
	qsort(places, count, sizeof(*places), set_place_order);
	for (size_t i = 1; i < count; i++) {
		if (memcmp(places[i - 1].hash, places[i].hash, DIGEST_SHORT) ==
		    0)
			(void)bits_add(put->overtaken, places[i - 1].index);
	}
	free(places);
	return true;
}

bool
set_put_known(const struct queue *queue, const struct put *put)
{
	const struct queue_page *page = put->batch.page;
	const struct set_group *group =
	    set_groups_find(&queue->groups, str_text(put->batch.destination),
		str_text(put->batch.source), page->group);
	const struct sync *sync =
	    group == NULL ? NULL : sync_find(group, page->sync);

	return sync != NULL && page->number > 0 && sync_has(sync, page->number);
}

/* How many members a sync changes, by what came of it so far. Those who enter
 * count as far as they are more than there are: a sync may say of all who are
 * there that they have entered. */
static bool
set_holds(const struct queue *queue, const struct sync *sync, bool guess)
{
	double changed = (double)sync->left;

	if (sync->entered > sync->size)
		changed += (double)(sync->entered - sync->size);
	if (queue->settings.hold_over == 0 || sync->number == 1 ||
	    sync->size < SET_HOLD_LEAST)
		return false;
	if (guess && sync->total > sync->seen && sync->seen > 0)
		changed *= (double)sync->total / (double)sync->seen;
	return changed > (double)sync->size * queue->settings.hold_over / 100;
}

/* The parked group of a sync that is held. */
static void
set_held_write(const struct set_group *group, const struct sync *sync,
    char ret_name[SET_HELD_NAME])
{
	(void)snprintf(ret_name, SET_HELD_NAME, "%c%" PRId64 ".%" PRId64,
	    ENGINE_HELD, group->number, sync->number);
}

/* Likewise, in the changes' memory. */
static struct str
set_held_name(
    struct queue *queue, const struct set_group *group, const struct sync *sync)
{
	char name[SET_HELD_NAME];

	set_held_write(group, sync, name);
	return changes_copy(&queue->changes, str_text(name));
}

bool
set_unhold(struct queue *queue, struct set_group *group, struct sync *sync,
    struct err *reterr)
{
	struct str *name = changes_alloc(&queue->changes, sizeof(*name));
	int64_t destination =
	    destination_find(&queue->destinations, group->destination);

	if (name == NULL || !sync_change(&queue->groups, group, sync, reterr))
		return err_set_nomem(reterr);
	*name = set_held_name(queue, group, sync);
	changes_add(&queue->changes, ENGINE_UNPARK)->row.unpark =
	    (struct engine_unpark){
		.destination = group->destination, .groups = name, .count = 1};
	sync->held = false;
	destination_change(&queue->destinations, destination)->due_moved_ms = 0;
	queue->strayed++;
	return true;
}

/* The group and the sync of a page, made if need be. */
static bool
set_put_sync(
    struct queue *queue, struct put *put, int64_t source, struct err *reterr)
{
	const struct queue_page *page = put->batch.page;
	struct set_groups *groups = &queue->groups;
	struct str from = ledger_source_at(queue->ledger, source);
	int64_t id = destination_find(
	    &queue->destinations, str_text(put->batch.destination));
	struct str to = destination_at(&queue->destinations, id)->name;

	put->group = set_groups_find(groups, to, from, page->group);
	if (put->group == NULL) {
		if (!set_groups_add(groups, to, from, page->group,
			queue->settings.groups_max, &put->group, reterr))
			return false;
		put->group->first_ms = put->now_ms;
	}
	if (!set_groups_change(groups, put->group, reterr))
		return false;
	if (page->name.len > 0 &&
	    !str_equal_text(page->name, put->group->name) &&
	    !set_text(&put->group->name, page->name, reterr))
		return false;
	put->sync = sync_find(put->group, page->sync);
	if (put->sync != NULL)
		return sync_change(groups, put->group, put->sync, reterr);
	if (!sync_add(groups, put->group, page->sync, &put->sync, reterr))
		return false;
	put->sync->first_ms = put->now_ms;
	put->sync->size = set_group_wanted(put->group);
	return true;
}

bool
set_put_begin(
    struct queue *queue, struct put *put, int64_t source, struct err *reterr)
{
	const struct queue_page *page = put->batch.page;
	size_t number = page->number;
	struct sync *sync;

	put->newly_held = false;
	if (!set_put_sync(queue, put, source, reterr))
		return false;
	sync = put->sync;
	put->known = number > 0 && sync_has(sync, number);
	put->group->last_ms = sync->last_ms = put->now_ms;
	if (put->known)
		return true;
	if (number == 0)
		number = sync->seen + 1;
	if (page->total > sync->total)
		sync->total = page->total;
	put->stamp = set_stamp(sync->number, number);
	return sync_page(sync, number, reterr);
}

/* Of the items that are queued now. */
static bool
set_put_item(struct queue *queue, struct put *put, size_t n, struct err *reterr)
{
	struct str member;
	bool wanted;

	CHECK(item_change_read(put->batch.items[n].data, &member, &wanted));
	if (wanted)
		put->sync->entered++;
	else
		put->sync->left++;
	return waiting_add(queue->waiting, put->hashes[n], put->group,
	    put->stamp, wanted, reterr);
}

bool
set_put_end(struct queue *queue, struct put *put, struct err *reterr)
{
	struct sync *sync = put->sync;
	bool whole = sync_whole(sync);
	int64_t overtaken = 0;

	if (put->known)
		return true;
	for (size_t i = 0; i < put->batch.count; i++) {
		overtaken += bits_has(put->overtaken, i);
		if (bits_has(put->packed, i) &&
		    !set_put_item(queue, put, i, reterr))
			return false;
	}
	put->group->dead += (int64_t)put->receipt.dead;
	sync->dead += (int64_t)put->receipt.dead;
	sync->superseded += overtaken;
	sync->dropped += (int64_t)put->receipt.dropped - overtaken;
	if (whole && sync->held && !set_holds(queue, sync, false) &&
	    !set_unhold(queue, put->group, sync, reterr))
		return false;
	if (!sync->held && set_holds(queue, sync, !whole))
		sync->held = put->newly_held = true;
	if (whole)
		put->group->complete_ms = put->now_ms;
	put->parked = sync->held ? set_held_name(queue, put->group, sync)
				 : str_bytes(NULL, 0);
	return true;
}

void
set_put_written(const struct queue *queue, const struct put *put)
{
	const struct sync *sync = put->sync;

	if (put->known)
		return;
	if (put->newly_held)
		log_line(LOG_WARN, "queue",
		    "sync result=held source=%s group=%s name=%s left=%" PRId64
		    " entered=%" PRId64 " members=%" PRId64
		    " why=\"it changes more than %u %% of them\" "
		    "help=\"currentsd segments release\"",
		    put->batch.source, LOG_QUOTE(put->group->id),
		    LOG_QUOTE(put->group->name), sync->left, sync->entered,
		    sync->size, queue->settings.hold_over);
	else if (sync->total > 0 && sync_whole(sync))
		log_line(LOG_INFO, "queue",
		    "sync result=complete source=%s group=%s name=%s "
		    "pages=%zu entered=%" PRId64 " left=%" PRId64,
		    put->batch.source, LOG_QUOTE(put->group->id),
		    LOG_QUOTE(put->group->name), sync->total, sync->entered,
		    sync->left);
}

/* ---- changes of leases, and their members ---- */

/* Some items of one lease. */
struct set_slice {
	struct queue_item *items[SET_SLICE];
	unsigned char hashes[SET_SLICE][DIGEST_SHORT];
	struct engine_member members[SET_SLICE];
	bool wanted[SET_SLICE];
	size_t count;
	char held[SET_HELD_NAME];
};

static void
set_hash(struct queue *queue, const struct lease *lease, struct str member,
    unsigned char ret[DIGEST_SHORT])
{
	waiting_hash(queue->digest, lease->row.destination, lease->row.source,
	    lease->shown.group->id, member, ret);
}

/* Append an item that is a change; false if it is none. */
static bool
set_slice_add(struct queue *queue, const struct lease *lease,
    struct set_slice *slice, struct queue_item *item)
{
	size_t n = slice->count;
	struct str member;

	if (!item_change_read(item->data, &member, &slice->wanted[n]))
		return false;
	CHECK(n < SET_SLICE);
	slice->items[n] = item;
	slice->members[n] = (struct engine_member){
	    .group = lease->shown.group->number, .person = member};
	set_hash(queue, lease, member, slice->hashes[n]);
	slice->count++;
	return true;
}

static bool
set_sent_in(const struct engine_member *member)
{
	return member->sent == ENGINE_SENT_IN ||
	       member->sent == ENGINE_SENT_UNKNOWN_IN;
}

/* ---- looking at what was taken ---- */

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

	if ((change != NULL && change->stamp > stamp) ||
	    member->stamp > stamp || stamp < group->floor ||
	    (change == NULL && member->stamp == stamp)) {
		set_drop(item, set_superseded);
		return true;
	}
	if (change == NULL) {
		if (!waiting_add(queue->waiting, slice->hashes[n], group, stamp,
			slice->wanted[n], reterr))
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

/* ---- settling ---- */

/* What the store has of a member once this is settled; false: as before. */
static bool
set_member_settled(const struct lease *lease, const struct queue_item *item,
    bool wanted, int64_t now_ms, struct engine_member *member)
{
	bool posted = lease->row.rules.len > 0;
	bool superseded = item->outcome == QUEUE_DROPPED &&
			  strcmp(item->reason, set_superseded) == 0;
	bool no_change = item->outcome == QUEUE_DROPPED &&
			 strcmp(item->reason, set_no_change) == 0;

	if (member->stamp > lease->row.stamp ||
	    (superseded && (!posted || member->stamp == lease->row.stamp)))
		return false;
	member->stamp = lease->row.stamp;
	if (no_change)
		return true;
	if (item->outcome == QUEUE_DELIVERED)
		member->sent = wanted ? ENGINE_SENT_IN : ENGINE_SENT_OUT;
	else
		member->sent =
		    wanted ? ENGINE_SENT_UNKNOWN_IN : ENGINE_SENT_UNKNOWN_OUT;
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

static bool
set_settle_slice(struct queue *queue, const struct lease *lease,
    struct set_slice *slice, int64_t now_ms, struct err *reterr)
{
	struct set_group *group =
	    set_groups_at(&queue->groups, lease->shown.group->number);
	struct sync *sync = sync_at(group, set_stamp_sync(lease->row.stamp));

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
		group->sent += (member->sent == ENGINE_SENT_IN) - was;
		changes_add(&queue->changes, ENGINE_MEMBER_PUT)->row.member =
		    *member;
	}
	return true;
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

/* The change that waits of an item's member. */
static struct waiting_change *
set_change(struct queue *queue, const struct lease *lease,
    const struct queue_item *item)
{
	unsigned char hash[DIGEST_SHORT];
	struct str member;
	bool wanted;

	if (!item_change_read(item->data, &member, &wanted))
		return NULL;
	set_hash(queue, lease, member, hash);
	return waiting_find(queue->waiting, hash);
}

void
set_settled(struct queue *queue, const struct lease *lease,
    const struct queue_item *item)
{
	struct waiting_change *change = set_change(queue, lease, item);

	if (change != NULL && item->leased)
		change->leased = false;
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

/* ---- jobs ---- */

bool
set_queued(struct queue *queue, struct str destination, struct str source,
    struct str group, struct str data, int64_t stamp, struct err *reterr)
{
	struct set_group *one =
	    set_groups_find(&queue->groups, destination, source, group);
	unsigned char hash[DIGEST_SHORT];
	struct str member;
	bool wanted;

	if (one == NULL || !item_change_read(data, &member, &wanted))
		return true;
	waiting_hash(queue->digest, destination, source, group, member, hash);
	return waiting_add(queue->waiting, hash, one, stamp, wanted, reterr);
}

bool
set_erased(struct queue *queue, struct str destination, struct str source,
    struct str group, struct str data, int64_t stamp, struct err *reterr)
{
	unsigned char hash[DIGEST_SHORT];
	struct str member;
	bool wanted;

	if (!item_change_read(data, &member, &wanted))
		return true;
	waiting_hash(queue->digest, destination, source, group, member, hash);
	return waiting_remove(queue->waiting, hash, stamp, reterr);
}

/* ---- loading ---- */

struct set_loading {
	struct queue *queue;
	struct err *reterr;
	bool ok;
};

static bool
set_load_name(void *arg, struct str *text, bool source, struct err *reterr)
{
	struct queue *queue = arg;
	int64_t id;

	if (source) {
		if (!ledger_source(queue->ledger, *text, SIZE_MAX, &id, reterr))
			return false;
		*text = ledger_source_at(queue->ledger, id);
		return true;
	}
	id = destination_find(&queue->destinations, *text);
	if (id == 0)
		return err_set(reterr, ERR_DAMAGED,
		    "a group of a destination that is not there");
	*text = destination_at(&queue->destinations, id)->name;
	return true;
}

/* What is damaged is left out, and said once for each. */
static bool
set_left_out(struct set_loading *loading, bool ok, const char *what,
    const struct err *err)
{
	loading->ok = ok || err->code == ERR_DAMAGED;
	if (!loading->ok)
		return err_set(loading->reterr, err->code, "%s", err->text);
	if (!ok)
		log_line(LOG_ERROR, "queue",
		    "load what=%s result=damaged text=%s help=\"currentsd "
		    "queue check\"",
		    what, LOG_QUOTE(err->text));
	return true;
}

static bool
set_load_group(void *arg, const union engine_row *row)
{
	struct set_loading *loading = arg;
	struct queue *queue = loading->queue;
	struct err err;
	bool ok = set_groups_load(
	    &queue->groups, &row->group, set_load_name, queue, &err);

	return set_left_out(loading, ok, "group", &err);
}

static bool
set_load_sync(void *arg, const union engine_row *row)
{
	struct set_loading *loading = arg;
	struct err err;
	bool ok =
	    set_groups_load_sync(&loading->queue->groups, &row->sync, &err);

	return set_left_out(loading, ok, "sync", &err);
}

static bool
set_load_table(struct queue *queue, enum engine_table table, engine_row_fn *fn,
    struct err *reterr)
{
	struct set_loading loading = {queue, reterr, true};
	struct engine_cursor cursor = {.begun = false};
	bool more;

	return queue->engine->walk(queue->store, table, &cursor, SIZE_MAX, fn,
		   &loading, &more, reterr) &&
	       loading.ok;
}

bool
set_load(struct queue *queue, struct err *reterr)
{
	fair_lock_assert_held(&queue->lock);
	if (queue->digest == NULL)
		queue->digest = digest_short_new(queue->hash_key);
	if (queue->digest == NULL)
		return err_set_nomem(reterr);
	waiting_clear(queue->waiting);
	set_groups_clear(&queue->groups);
	return set_load_table(queue, ENGINE_GROUPS, set_load_group, reterr) &&
	       set_load_table(queue, ENGINE_SYNCS, set_load_sync, reterr);
}

/* The changes of a page that are not done. One that cannot be read is
 * quarantined when it is taken. */
static bool
set_load_page(void *arg, const union engine_row *row)
{
	const struct engine_delivery *delivery = &row->delivery;
	struct set_loading *loading = arg;
	struct queue *queue = loading->queue;
	struct batch batch = {.bytes = NULL};
	size_t bytes;
	unsigned char *done;
	struct err err;

	if (delivery->frame.data == NULL ||
	    !batch_unpack(delivery->frame, &batch, &err)) {
		loading->ok =
		    delivery->frame.data == NULL || err.code == ERR_DAMAGED ||
		    err_set(loading->reterr, err.code, "%s", err.text);
		return loading->ok;
	}
	bytes = bits_bytes(batch.count);
	done = calloc(bytes, 1);
	loading->ok = done != NULL || err_set_nomem(loading->reterr);
	if (done != NULL)
		bits_copy(done, bytes, delivery->done.data, delivery->done.len);
	for (size_t i = 0; loading->ok && i < batch.count; i++) {
		if (!bits_has(done, i))
			loading->ok = set_queued(queue, delivery->destination,
			    delivery->source, batch.items[i].type,
			    batch.items[i].data, delivery->stamp,
			    loading->reterr);
	}
	waiting_commit(queue->waiting);
	free(done);
	batch_fini(&batch);
	return loading->ok;
}

bool
set_load_waiting(struct queue *queue, struct err *reterr)
{
	fair_lock_assert_held(&queue->lock);
	if (!set_load_table(queue, ENGINE_PAGES, set_load_page, reterr))
		return false;
	for (const struct lease *lease = queue->leases; lease != NULL;
	     lease = lease->next) {
		for (size_t i = 0; i < lease->shown.count; i++) {
			const struct queue_item *item = &lease->shown.items[i];
			struct waiting_change *change =
			    item->leased ? set_change(queue, lease, item)
					 : NULL;

			if (change != NULL)
				change->leased = true;
		}
	}
	return true;
}

/* ---- housekeeping ---- */

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
	    "sync result=incomplete source=%s group=%s name=%s pages=%zu "
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
 * ago, go. */
struct set_tidying {
	struct queue *queue;
	struct engine_cursor *cursor;
	struct set_group *group;
	int64_t before_s;
	size_t rows;
	bool more;
};

static bool
set_tidy_member(void *arg, const union engine_row *row)
{
	struct set_tidying *tidying = arg;
	struct queue *queue = tidying->queue;
	const struct engine_member *member = &row->member;
	const struct set_group *group = tidying->group;
	unsigned char hash[DIGEST_SHORT];
	struct engine_change *change;

	tidying->rows++;
	if (member->sent != ENGINE_SENT_OUT ||
	    member->sent_s > tidying->before_s)
		return true;
	waiting_hash(queue->digest, group->destination, group->source,
	    str_text(group->id), member->person, hash);
	if (waiting_find(queue->waiting, hash) != NULL)
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

	if (!queue->engine->walk(queue->store, ENGINE_MEMBERS, tidying->cursor,
		SET_SLICE, set_tidy_member, tidying, &tidying->more, reterr))
		return false;
	/* Of a group that has nothing any more nothing is left. */
	if (!first || tidying->rows > 0 || tidying->more ||
	    group->waiting > 0 || group->dead > 0 ||
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
