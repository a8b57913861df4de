#include "queue/lease.h"

#include "base/bits.h"

#include <stdlib.h>

void
lease_free(struct lease *lease)
{
	if (lease == NULL)
		return;
	free(lease->shown.items);
	free(lease->done);
	free(lease->parked);
	free(lease->group);
	batch_fini(&lease->batch);
	free(lease);
}

/* Copy the row; its texts become our own. */
static bool
lease_row_copy(struct queue *queue, struct lease *lease,
    const struct engine_delivery *row, struct err *reterr)
{
	size_t bytes = bits_bytes(lease->batch.count);
	const struct destination *destination =
	    destination_at(&queue->destinations, lease->shown.destination);
	int64_t rules = 0;
	char *parked = NULL;

	if (!ledger_source(
		queue->ledger, row->source, SIZE_MAX, &lease->source, reterr) ||
	    (row->rules.len > 0 &&
		!names_add(&queue->texts, row->rules, &rules, reterr)))
		return false;
	if (row->parked.len > 0) {
		parked = strndup(row->parked.data, row->parked.len);
		if (parked == NULL)
			return err_set_nomem(reterr);
	}
	free(lease->parked);
	lease->parked = parked;
	lease->row = *row;
	lease->row.destination = destination->name;
	lease->row.source = ledger_source_at(queue->ledger, lease->source);
	lease->row.rules =
	    rules == 0 ? str_bytes(NULL, 0) : names_at(&queue->texts, rules);
	lease->row.parked = str_text(parked);
	lease->row.frame = str_bytes(NULL, 0);
	bits_copy(lease->done, bytes, row->done.data, row->done.len);
	bits_copy(
	    lease->delivered, bytes, row->delivered.data, row->delivered.len);
	lease->row.done = str_bytes((const char *)lease->done, bytes);
	lease->row.delivered = str_bytes((const char *)lease->delivered, bytes);
	lease->shown.rules = lease->row.rules;
	return true;
}

static bool
lease_items_make(struct lease *lease, struct err *reterr)
{
	const struct batch *batch = &lease->batch;
	struct queue_lease *shown = &lease->shown;

	shown->items = calloc(batch->count + 1, sizeof(*shown->items));
	if (shown->items == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < batch->count; i++) {
		if (bits_has(lease->done, i))
			continue;
		shown->items[shown->count++] = (struct queue_item){
		    .index = i,
		    .type = batch->items[i].type,
		    .data = batch->items[i].data,
		    .history =
			{
			    .refusals = lease->row.refusals,
			    .failures = lease->row.failures,
			    .first_ms = lease->row.first_ms,
			},
		};
		shown->bytes += batch->items[i].data.len;
	}
	shown->open = shown->count;
	return shown->count == lease->row.remaining ||
	       err_set(reterr, ERR_DAMAGED,
		   "%zu events, but the delivery row says %zu", shown->count,
		   lease->row.remaining);
}

/* A copy of the group, in one block with its texts, each with a NUL. */
static bool
lease_group_make(struct queue *queue, struct lease *lease, struct err *reterr)
{
	const struct set_group *group =
	    lease->batch.count == 0
		? NULL
		: set_groups_find(&queue->groups, lease->row.destination,
		      lease->row.source, lease->batch.items[0].type);
	const char *from[5];
	struct str *to[5];
	size_t bytes = 0;
	char *at;

	if (group == NULL)
		return err_set(
		    reterr, ERR_DAMAGED, "a page of a group that is not there");
	memcpy(from,
	    (const char *const[5]){group->id, group->name, group->kind,
		group->label, group->announced},
	    sizeof(from));
	for (size_t i = 0; i < 5; i++)
		bytes += strlen(from[i]) + 1;
	lease->group = malloc(sizeof(*lease->group) + bytes);
	if (lease->group == NULL)
		return err_set_nomem(reterr);
	*lease->group = (struct queue_group){
	    .number = group->number, .first_ms = group->first_ms};
	memcpy(to,
	    (struct str *const[5]){&lease->group->id, &lease->group->name,
		&lease->group->kind, &lease->group->label,
		&lease->group->announced},
	    sizeof(to));
	at = (char *)(lease->group + 1);
	for (size_t i = 0; i < 5; i++) {
		size_t len = strlen(from[i]);

		memcpy(at, from[i], len + 1);
		*to[i] = str_bytes(at, len);
		at += len + 1;
	}
	lease->shown.group = lease->group;
	return true;
}

bool
lease_new(struct queue *queue, int64_t destination,
    const struct engine_delivery *row, struct lease **ret_lease,
    struct err *reterr)
{
	struct lease *lease = calloc(1, sizeof(*lease));
	struct queue_lease *shown;

	fair_lock_assert_held(&queue->lock);
	if (lease == NULL)
		return err_set_nomem(reterr);
	shown = &lease->shown;
	shown->destination = destination;
	if (row->frame.data == NULL) {
		(void)err_set(
		    reterr, ERR_DAMAGED, "the batch is missing or unreadable");
		goto fail;
	}
	if (!batch_unpack(row->frame, &lease->batch, reterr))
		goto fail;
	lease->done = calloc(bits_bytes(lease->batch.count), 2);
	if (lease->done == NULL) {
		(void)err_set_nomem(reterr);
		goto fail;
	}
	lease->delivered = lease->done + bits_bytes(lease->batch.count);
	if (!lease_row_copy(queue, lease, row, reterr) ||
	    !lease_items_make(lease, reterr) ||
	    (row->stamp > 0 && !lease_group_make(queue, lease, reterr)))
		goto fail;
	shown->seq = row->seq;
	shown->trace = lease->batch.trace;
	shown->source = lease->row.source.data;
	shown->accepted_ms = row->accepted_ms;
	shown->replay = row->replay;
	shown->attempts = row->attempts;
	*ret_lease = lease;
	return true;
fail:
	lease_free(lease);
	return false;
}

struct lease_reading {
	struct queue *queue;
	struct lease *lease;
	struct err *reterr;
	bool there; /* the row is */
	bool ok;
};

static bool
lease_reread_row(void *arg, const union engine_row *row)
{
	struct lease_reading *reading = arg;

	reading->there = true;
	reading->ok = lease_row_copy(
	    reading->queue, reading->lease, &row->delivery, reading->reterr);
	return false;
}

bool
lease_reread(struct queue *queue, struct lease *lease, struct err *reterr)
{
	struct lease_reading reading = {queue, lease, reterr, false, true};
	struct engine_delivery key = lease->row;
	bool parked = key.parked.len > 0;

	fair_lock_assert_held(&queue->lock);
	if (!queue->engine->read(
		queue->store, &key, lease_reread_row, &reading, reterr))
		return false;
	/* Unparked, by an attempt that seemed to fail? */
	key.due_ms = DELIVERY_UNPARKED;
	if (!reading.there && parked &&
	    !queue->engine->read(
		queue->store, &key, lease_reread_row, &reading, reterr))
		return false;
	if (!reading.ok)
		return false;
	/* Not before all is read: a lease that is wrongly taken for gone would
	 * be passed over, as if it were settled. */
	lease->gone = !reading.there;
	return true;
}

/* ---- the lists ---- */

bool
lease_unique(struct queue *queue, struct queue_lease *const *leases,
    size_t count, struct lease ***ret_list, size_t *ret_count,
    struct err *reterr)
{
	struct lease **list = calloc(count + 1, sizeof(struct lease *));
	size_t unique = 0;

	fair_lock_assert_held(&queue->lock);
	if (list == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < count; i++) {
		struct lease *lease = lease_of(leases[i]);

		if (!lease->listed)
			list[unique++] = lease;
		lease->listed = true;
	}
	for (size_t i = 0; i < unique; i++)
		list[i]->listed = false;
	*ret_list = list;
	*ret_count = unique;
	return true;
}

bool
lease_reserve(struct queue *queue, size_t more, struct err *reterr)
{
	size_t need = queue->leased_count + more, cap = queue->leased_cap;
	int64_t *leased;

	fair_lock_assert_held(&queue->lock);
	if (need <= cap)
		return true;
	cap = need < 64 ? 64 : need * 2;
	leased = realloc(queue->leased, cap * sizeof(*leased));
	if (leased == NULL)
		return err_set_nomem(reterr);
	queue->leased = leased;
	queue->leased_cap = cap;
	return true;
}

void
lease_link(struct queue *queue, struct lease *lease)
{
	size_t at = engine_leased_place(
	    queue->leased, queue->leased_count, lease->shown.seq);

	fair_lock_assert_held(&queue->lock);
	CHECK(queue->leased_count < queue->leased_cap);
	memmove(queue->leased + at + 1, queue->leased + at,
	    (queue->leased_count - at) * sizeof(*queue->leased));
	queue->leased[at] = lease->shown.seq;
	queue->leased_count++;
	lease->next = queue->leases;
	lease->link = &queue->leases;
	if (lease->next != NULL)
		lease->next->link = &lease->next;
	queue->leases = lease;
}

void
lease_unlink(struct queue *queue, struct lease *lease)
{
	size_t at = engine_leased_place(
	    queue->leased, queue->leased_count, lease->shown.seq);

	fair_lock_assert_held(&queue->lock);
	CHECK(
	    at < queue->leased_count && queue->leased[at] == lease->shown.seq);
	memmove(queue->leased + at, queue->leased + at + 1,
	    (queue->leased_count - at - 1) * sizeof(*queue->leased));
	queue->leased_count--;
	*lease->link = lease->next;
	if (lease->next != NULL)
		lease->next->link = lease->link;
}
