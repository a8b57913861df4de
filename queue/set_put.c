/* A page comes in: which sync it is of, whether it came before, and whether it
 * is held. */

#include "queue/set.h"

#include "base/bits.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SET_HOLD_LEAST = 1000, /* members: a smaller group is never held */
};

const char set_superseded[] = "superseded";
const char set_no_change[] = "no change";

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

void
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
	if (sync_whole(sync) && group->complete_ms < sync->last_ms)
		group->complete_ms = sync->last_ms;
	destination_change(&queue->destinations, destination)->due_moved_ms = 0;
	queue->strayed++;
	return true;
}

/* So many of those that wait to enter are there already: of the syncs that the
 * source made, after the first, those that name about all members. What is
 * wanted counts them twice until they are looked at. */
static int64_t
set_again(const struct set_group *group)
{
	int64_t count = 0;

	for (size_t i = 0; i < group->sync_count; i++) {
		const struct sync *sync = group->syncs[i];
		int64_t waiting = sync_waiting(sync);

		if (sync->number > 1 && *sync->id != '\0' && waiting > 0 &&
		    sync->entered * 2 >= sync->size)
			count += waiting < sync->size ? waiting : sync->size;
	}
	return count;
}

/* Members as a sync begins, by which it is judged. */
static int64_t
set_size(const struct set_group *group)
{
	int64_t wanted = set_group_wanted(group);
	int64_t size = wanted - set_again(group);

	if (size < group->sent)
		size = group->sent;
	return size < wanted ? size : wanted;
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
	put->sync->size = set_size(put->group);
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
	if (number == 0) /* the first of a source that counts from 0 */
		number = sync->seen;
	if (page->total > sync->total)
		sync->total = page->total;
	put->stamp = set_stamp(sync->number, number);
	return sync_page(sync, page->number, reterr);
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
	    put->stamp, wanted, !wanted, reterr);
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
	sync->unqueued += (int64_t)(put->receipt.dead + put->receipt.dropped);
	if (whole && sync->held && !set_holds(queue, sync, false) &&
	    !set_unhold(queue, put->group, sync, reterr))
		return false;
	if (!sync->held && set_holds(queue, sync, !whole))
		sync->held = put->newly_held = true;
	if (whole && !sync->held)
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
		    "sync result=held source=\"%s\" group=%s name=%s "
		    "left=%" PRId64 " entered=%" PRId64 " members=%" PRId64
		    " why=\"it changes more than %u %% of them\" "
		    "help=\"currentsd segments release\"",
		    put->batch.source, LOG_QUOTE(put->group->id),
		    LOG_QUOTE(put->group->name), sync->left, sync->entered,
		    sync->size, queue->settings.hold_over);
	else if (sync->total > 0 && sync_whole(sync))
		log_line(LOG_INFO, "queue",
		    "sync result=complete source=\"%s\" group=%s name=%s "
		    "pages=%zu entered=%" PRId64 " left=%" PRId64,
		    put->batch.source, LOG_QUOTE(put->group->id),
		    LOG_QUOTE(put->group->name), sync->total, sync->entered,
		    sync->left);
}

/* ---- a page of the queue itself ---- */

/* Count what is queued, and say that it waits. */
static bool
set_queue_count(struct queue *queue, const struct set_group *group,
    const struct item *items, size_t count, int64_t stamp, int64_t now_ms,
    struct err *reterr)
{
	struct stats_line moved = {
	    .received = (int64_t)count, .queued = (int64_t)count};
	struct ledger_key key = {.hour = ledger_hour(now_ms)};

	if (!ledger_source(
		queue->ledger, group->source, SIZE_MAX, &key.source, reterr) ||
	    !ledger_type(
		queue->ledger, str_text(group->id), &key.type, reterr) ||
	    !ledger_add(queue->ledger, &key, NULL, &moved, reterr))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!set_queued(queue, group->destination, group->source,
			items[i].type, items[i].data, stamp, false, reterr))
			return false;
	}
	return true;
}

bool
set_queue_page(struct queue *queue, const struct set_group *group,
    const struct item *items, size_t count, int64_t stamp, int64_t now_ms,
    struct err *reterr)
{
	struct engine_delivery row = {
	    .source = group->source,
	    .due_ms = DELIVERY_FRESH,
	    .stamp = stamp,
	    .accepted_ms = now_ms,
	    .events = count,
	};

	if (!batch_pack(queue->packer, items, count, str_bytes(NULL, 0),
		&queue->packed, reterr))
		return false;
	row.frame = changes_copy(
	    &queue->changes, str_bytes(queue->packed.data, queue->packed.len));
	for (size_t i = 0; i < count; i++)
		row.unpacked += items[i].data.len;
	queue_batch_add(queue,
	    destination_find(&queue->destinations, group->destination), &row,
	    marks_make(queue, items, count));
	return set_queue_count(
	    queue, group, items, count, stamp, now_ms, reterr);
}
