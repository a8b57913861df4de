/* What waits in the queue of sets: as it is found by an item, as jobs change
 * it, and as it is loaded. */

#include "queue/set.h"

#include "base/bits.h"
#include "base/log.h"

#include <stdlib.h>

static void
set_hash(struct queue *queue, const struct lease *lease, struct str member,
    unsigned char ret[DIGEST_SHORT])
{
	waiting_hash(queue->digest, lease->row.destination, lease->row.source,
	    lease->shown.group->id, member, ret);
}

bool
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

struct waiting_change *
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

/* ---- jobs ---- */

bool
set_queued(struct queue *queue, struct str destination, struct str source,
    struct str group, struct str data, int64_t stamp, bool in,
    struct err *reterr)
{
	struct set_group *one =
	    set_groups_find(&queue->groups, destination, source, group);
	unsigned char hash[DIGEST_SHORT];
	struct str member;
	bool wanted;

	if (one == NULL || !item_change_read(data, &member, &wanted))
		return true;
	waiting_hash(queue->digest, destination, source, group, member, hash);
	return waiting_add(
	    queue->waiting, hash, one, stamp, wanted, in, reterr);
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

bool
set_dead_less(struct queue *queue, struct str destination,
    const struct dead_letter *letter, struct err *reterr)
{
	struct set_group *group =
	    letter->stamp == 0 ? NULL
			       : set_groups_find(&queue->groups, destination,
				     letter->source, letter->type);

	if (group == NULL)
		return true;
	if (!set_groups_change(&queue->groups, group, reterr))
		return false;
	group->dead -= group->dead > 0;
	return true;
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
		    "load what=%s result=damaged why=%s help=\"currentsd "
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
	if (batch.count > 0 &&
	    set_groups_find(&queue->groups, delivery->destination,
		delivery->source, batch.items[0].type) == NULL &&
	    queue->groups.lost < set_stamp_sync(delivery->stamp) &&
	    set_stamp_sync(delivery->stamp) <= SYNCS_MOST)
		queue->groups.lost = set_stamp_sync(delivery->stamp);
	for (size_t i = 0; loading->ok && i < batch.count; i++) {
		if (!bits_has(done, i))
			loading->ok = set_queued(queue, delivery->destination,
			    delivery->source, batch.items[i].type,
			    batch.items[i].data, delivery->stamp,
			    batch.items[i].data.data[0] == ITEM_LEFT,
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
