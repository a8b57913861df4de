/*
 * The caller's thread hashes and compresses a put, and hands it over through
 * the inbox; the committer's thread checks it for duplicates, writes it and
 * counts it.
 *
 * A duplicate of an event that is still in flight is in the same transaction or
 * in a later one, because one thread writes all of them; so it shares the fate
 * of the first event, or comes after that fate is known.
 */

#include "queue/set.h"

#include "base/bits.h"

#include <stdlib.h>
#include <string.h>

/* What a thread that puts borrows: contexts that are expensive to make. */
struct pack_tools {
	struct pack_tools *next;
	struct batch_packer *packer;
	struct digest_short *digest;
};

static void
put_tools_free(struct pack_tools *tools)
{
	batch_packer_free(tools->packer);
	digest_short_free(tools->digest);
	free(tools);
}

/* The key of the hashes is the queue's own, made with the file. */
static struct pack_tools *
put_tools_borrow(struct queue *queue)
{
	struct pack_tools *tools;

	lock_hold(&queue->pool_lock);
	tools = queue->tools;
	if (tools != NULL)
		queue->tools = tools->next;
	lock_drop(&queue->pool_lock);
	if (tools != NULL)
		return tools;
	tools = calloc(1, sizeof(*tools));
	if (tools == NULL)
		return NULL;
	tools->packer = batch_packer_new();
	tools->digest = digest_short_new(queue->hash_key);
	if (tools->packer == NULL || tools->digest == NULL) {
		put_tools_free(tools);
		return NULL;
	}
	return tools;
}

static void
put_tools_return(struct queue *queue, struct pack_tools *tools)
{
	lock_hold(&queue->pool_lock);
	tools->next = queue->tools;
	queue->tools = tools;
	lock_drop(&queue->pool_lock);
}

void
put_pool_fini(struct queue *queue)
{
	while (queue->tools != NULL) {
		struct pack_tools *tools = queue->tools;

		queue->tools = tools->next;
		put_tools_free(tools);
	}
}

static void
put_free(struct put *put)
{
	free(put->hashes);
	free(put->seen);
	free(put->packed);
	free(put->erased);
	free(put->overtaken);
	buf_fini(&put->frame);
	buf_fini(&put->mark);
	free(put);
}

static struct put *
put_new(enum put_kind kind, int64_t now_ms, size_t hashes, queue_put_done *done,
    void *arg)
{
	struct put *put = calloc(1, sizeof(*put));

	if (put == NULL)
		return NULL;
	put->kind = kind;
	put->now_ms = now_ms;
	put->done = done;
	put->arg = arg;
	buf_init(&put->frame, SIZE_MAX / 2);
	buf_init(&put->mark, SIZE_MAX / 2);
	put->hashes = calloc(hashes + 1, sizeof(*put->hashes));
	put->seen = calloc(bits_bytes(hashes), 1);
	put->packed = calloc(bits_bytes(hashes), 1);
	if (put->hashes == NULL || put->seen == NULL || put->packed == NULL) {
		put_free(put);
		return NULL;
	}
	return put;
}

/* ---- on the caller's thread ---- */

/* Hash (source, type, id), with their lengths first, so that no two events
 * run together to the same bytes. An event without an id is identified by its
 * own bytes; but what is too short to be an event is alike too often, and each
 * is another one. */
static void
put_hash(struct queue *queue, struct digest_short *digest, struct str source,
    const struct item *item, unsigned char ret[DIGEST_SHORT])
{
	uint64_t lengths[5] = {source.len, item->type.len, item->id.len,
	    item->id.len == 0 ? item->data.len : 0, 0};

	if (item->id.len == 0 &&
	    (item->data.len == 0 || item->data.data[0] != '{'))
		lengths[4] = atomic_fetch_add(&queue->nameless, 1) + 1;
	digest_short_add(digest, lengths, sizeof(lengths));
	digest_short_add(digest, source.data, source.len);
	digest_short_add(digest, item->type.data, item->type.len);
	digest_short_add(digest, item->id.data, item->id.len);
	if (item->id.len == 0)
		digest_short_add(digest, item->data.data, item->data.len);
	digest_short_end(digest, ret);
}

bool
stats_seen(struct queue *queue, const char *source, struct str type,
    struct str id, bool *ret_seen, struct err *reterr)
{
	const struct item item = {.type = type, .id = id};
	struct pack_tools *tools = put_tools_borrow(queue);
	unsigned char hash[DIGEST_SHORT];

	if (tools == NULL)
		return err_set_nomem(reterr);
	put_hash(queue, tools->digest, str_text(source), &item, hash);
	put_tools_return(queue, tools);
	if (!stats_hold(queue, reterr))
		return false;
	*ret_seen = window_has(queue->window, hash);
	fair_lock_drop(&queue->lock);
	return true;
}

static bool
put_is_duplicate(const struct put *put, size_t n)
{
	return put->known || (!put->batch.again && bits_has(put->seen, n));
}

static bool
put_is_overtaken(const struct put *put, size_t n)
{
	return put->overtaken != NULL && bits_has(put->overtaken, n);
}

static bool
put_is_erased(const struct put *put, size_t n)
{
	return put->erased != NULL && bits_has(put->erased, n);
}

static enum item_fate
put_fate(const struct put *put, size_t n)
{
	return put_is_erased(put, n) || put_is_overtaken(put, n)
		   ? ITEM_DROP
		   : put->batch.items[n].fate;
}

/* By which rule an item is dropped. */
static const char *
put_rule(const struct put *put, size_t n)
{
	return put_is_erased(put, n)	  ? erased_rule
	       : put_is_overtaken(put, n) ? set_superseded
					  : put->batch.items[n].reason;
}

static bool
put_is_queued(const struct put *put, size_t n)
{
	return put_fate(put, n) == ITEM_QUEUE && !put_is_duplicate(put, n);
}

/* Compress the items that are queued into put->frame. */
static bool
put_pack(struct put *put, struct batch_packer *packer, struct err *reterr)
{
	size_t count = put->batch.count, queued = 0;
	struct item *items;
	bool ok;

	memset(put->packed, 0, bits_bytes(count));
	for (size_t i = 0; i < count; i++) {
		if (put_is_queued(put, i))
			queued += bits_add(put->packed, i);
	}
	if (queued == 0)
		return true;
	if (queued == count)
		return batch_pack(packer, put->batch.items, count,
		    put->batch.trace, &put->frame, reterr);
	items = calloc(queued, sizeof(*items));
	if (items == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0, n = 0; i < count; i++) {
		if (bits_has(put->packed, i))
			items[n++] = put->batch.items[i];
	}
	ok = batch_pack(
	    packer, items, queued, put->batch.trace, &put->frame, reterr);
	free(items);
	return ok;
}

/* Whether an event names somebody who was erased. */
struct put_looking {
	struct erased *erased;
	struct digest_short *digest;
	bool found;
};

static void
put_look(void *arg, struct str id)
{
	struct put_looking *looking = arg;
	unsigned char hash[DIGEST_SHORT];

	if (looking->found)
		return;
	erased_hash(looking->digest, id, hash);
	looking->found = erased_has(looking->erased, hash);
}

static bool
put_mark_erased(struct queue *queue, struct put *put, struct pack_tools *tools,
    struct err *reterr)
{
	size_t count = put->batch.count;

	put->erased_version = erased_version(queue->erased);
	if (queue->settings.persons == NULL || !erased_any(queue->erased))
		return true;
	if (put->erased == NULL)
		put->erased = calloc(bits_bytes(count) + 1, 1);
	if (put->erased == NULL)
		return err_set_nomem(reterr);
	memset(put->erased, 0, bits_bytes(count));
	for (size_t i = 0; i < count; i++) {
		struct put_looking looking = {
		    queue->erased, tools->digest, false};
		const struct item *item = &put->batch.items[i];

		queue->settings.persons(
		    item->type, item->data, put_look, &looking);
		if (looking.found)
			(void)bits_add(put->erased, i);
	}
	return true;
}

static bool
put_prepare(struct queue *queue, struct put *put, struct pack_tools *tools,
    struct err *reterr)
{
	switch (put->kind) {
	case PUT_BATCH:
		if (!put_mark_erased(queue, put, tools, reterr))
			return false;
		if (put->batch.page != NULL &&
		    !set_put_prepare(tools->digest, put, reterr))
			return false;
		for (size_t i = 0;
		     put->batch.page == NULL && i < put->batch.count; i++)
			put_hash(queue, tools->digest,
			    str_text(put->batch.source), &put->batch.items[i],
			    put->hashes[i]);
		if (!put_pack(put, tools->packer, reterr))
			return false;
		mark_write(queue, put->batch.items, put->batch.count,
		    put->packed, &put->mark);
		return true;
	case PUT_UNREADABLE:
		digest_short_add(
		    tools->digest, put->body.data.data, put->body.data.len);
		digest_short_end(tools->digest, put->hashes[0]);
		return batch_pack_bytes(
		    tools->packer, put->body.data, &put->frame, reterr);
	case PUT_PROBE:
		return true;
	}
	NEVER("a put of no kind");
}

/* Prepare, and append to the inbox. Takes the put; frees it on failure. */
static bool
put_hand_over(struct queue *queue, struct put *put, struct err *reterr)
{
	struct pack_tools *tools;
	bool stopping, full;

	if (put == NULL)
		return err_set_nomem(reterr);
	tools = put_tools_borrow(queue);
	if (tools == NULL) {
		put_free(put);
		return err_set_nomem(reterr);
	}
	if (!put_prepare(queue, put, tools, reterr)) {
		put_tools_return(queue, tools);
		put_free(put);
		return false;
	}
	put_tools_return(queue, tools);
	lock_hold(&queue->inbox_lock);
	stopping = queue->stopping;
	full = queue->pending >= queue->settings.pending_max;
	if (!stopping && !full) {
		if (queue->last == NULL)
			queue->first = put;
		else
			queue->last->next = put;
		queue->last = put;
		queue->pending++;
		cond_wake(&queue->inbox_filled);
	}
	lock_drop(&queue->inbox_lock);
	if (!stopping && !full)
		return true;
	put_free(put);
	if (stopping)
		return err_set(reterr, ERR_STOPPING, "shutting down");
	return err_set(reterr, ERR_FULL,
	    "%zu requests are already waiting for the disk",
	    queue->settings.pending_max);
}

bool
queue_put(struct queue *queue, const struct queue_batch *batch,
    queue_put_done *done, void *arg, struct err *reterr)
{
	struct put *put =
	    put_new(PUT_BATCH, batch->now_ms, batch->count, done, arg);

	if (put != NULL)
		put->batch = *batch;
	return put_hand_over(queue, put, reterr);
}

bool
queue_put_unreadable(struct queue *queue, const struct queue_unreadable *body,
    queue_put_done *done, void *arg, struct err *reterr)
{
	struct put *put = put_new(PUT_UNREADABLE, body->now_ms, 1, done, arg);

	if (put != NULL)
		put->body = *body;
	return put_hand_over(queue, put, reterr);
}

bool
queue_probe(struct queue *queue, int64_t now_ms, queue_put_done *done,
    void *arg, struct err *reterr)
{
	return put_hand_over(
	    queue, put_new(PUT_PROBE, now_ms, 0, done, arg), reterr);
}

/* ---- on the committer's thread ---- */

struct put *
put_take_all(struct queue *queue, int64_t until_mono_ms, bool *ret_stopping)
{
	struct put *puts;

	lock_hold(&queue->inbox_lock);
	if (queue->first == NULL && !queue->stopping)
		cond_wait(
		    &queue->inbox_filled, &queue->inbox_lock, until_mono_ms);
	puts = queue->first;
	queue->first = queue->last = NULL;
	queue->pending = 0;
	*ret_stopping = queue->stopping;
	lock_drop(&queue->inbox_lock);
	return puts;
}

void
put_answer(struct put *put, const struct err *err)
{
	if (err == NULL && put->refused)
		err = &put->refusal;
	if (err != NULL)
		put->done(put->arg, NULL, err);
	else
		put->done(put->arg, &put->receipt, NULL);
	put_free(put);
}

/* Mark what was seen before, and remember the rest; the changes of a set come
 * again and again. Says if the frame must be packed again. */
static bool
put_mark_seen(struct queue *queue, struct put *put)
{
	bool page = put->batch.page != NULL, changed = false;

	if (!page)
		window_expect(queue->window,
		    (const unsigned char(*)[DIGEST_SHORT])put->hashes,
		    put->batch.count);
	memset(put->seen, 0, bits_bytes(put->batch.count));
	for (size_t i = 0; i < put->batch.count; i++) {
		if (!page && window_has(queue->window, put->hashes[i]))
			(void)bits_add(put->seen, i);
		else if (!page)
			window_add(queue->window, put->hashes[i]);
		if (put_is_queued(put, i) != bits_has(put->packed, i))
			changed = true;
	}
	return changed;
}

/* Count one item, and keep it if it is a dead letter; `key` has its type. */
static bool
put_write_item(struct queue *queue, struct put *put, size_t n,
    int64_t destination, const struct ledger_key *key, struct err *reterr)
{
	const struct item *item = &put->batch.items[n];
	struct queue_receipt *receipt = &put->receipt;
	const struct item *counted = put->batch.page == NULL ? item : NULL;
	struct stats_line moved = {.received = 1};

	receipt->received++;
	if (put_is_duplicate(put, n)) {
		receipt->duplicates++;
		moved.duplicates = 1;
		return ledger_add(queue->ledger, key, counted, &moved, reterr);
	}
	if (put_fate(put, n) != ITEM_DROP)
		queue_erasure_note(queue, str_text(put->batch.source),
		    item->type, item->data, put->now_ms);
	switch (put_fate(put, n)) {
	case ITEM_QUEUE:
		receipt->queued++;
		moved.queued = 1;
		return ledger_add(queue->ledger, key, counted, &moved, reterr);
	case ITEM_DROP:
		receipt->dropped++;
		moved.dropped = 1;
		return ledger_add(
			   queue->ledger, key, counted, &moved, reterr) &&
		       ledger_add_drop(queue->ledger, key,
			   str_text(put_rule(put, n)), reterr);
	case ITEM_DEAD:
		receipt->dead++;
		moved.dead = 1;
		return ledger_add(
			   queue->ledger, key, counted, &moved, reterr) &&
		       dead_add(queue, destination,
			   &(struct dead_letter){
			       .source = str_text(put->batch.source),
			       .type = put->batch.page != NULL
					   ? item->type
					   : ledger_type_at(
						 queue->ledger, key->type),
			       .reason = str_text(item->reason),
			       .accepted_ms = put->now_ms,
			       .dead_ms = put->now_ms,
			       .stamp = put->stamp,
			       .data = item->data,
			   },
			   reterr);
	}
	NEVER("an item of no fate");
}

static void
put_write_queued(struct queue *queue, const struct put *put, int64_t to)
{
	struct engine_delivery row = {
	    .source = str_text(put->batch.source),
	    .due_ms = put->parked.len > 0 ? DELIVERY_PARKED : DELIVERY_FRESH,
	    .parked = put->parked,
	    .stamp = put->stamp,
	    .accepted_ms = put->now_ms,
	    .events = put->receipt.queued,
	    .frame = str_bytes(put->frame.data, put->frame.len),
	};

	for (size_t i = 0; i < put->batch.count; i++) {
		if (put_is_queued(put, i))
			row.unpacked += put->batch.items[i].data.len;
	}
	queue_batch_add(
	    queue, to, &row, str_bytes(put->mark.data, put->mark.len));
}

/* Would it queue anything that is not a duplicate? */
static bool
put_has_new(const struct queue *queue, const struct put *put)
{
	if (put->batch.page != NULL)
		return !set_put_known(queue, put);
	for (size_t i = 0; i < put->batch.count; i++) {
		if (put_fate(put, i) == ITEM_QUEUE &&
		    (put->batch.again ||
			!window_has(queue->window, put->hashes[i])))
			return true;
	}
	return false;
}

/* Somebody may have been erased since the put was handed over. The job that
 * erased them does not look at what is queued from then on. */
static bool
put_mark_erased_since(struct queue *queue, struct put *put, struct err *reterr)
{
	struct pack_tools *tools;
	bool ok;

	if (put->erased_version == erased_version(queue->erased))
		return true;
	tools = put_tools_borrow(queue);
	if (tools == NULL)
		return err_set_nomem(reterr);
	ok = put_mark_erased(queue, put, tools, reterr);
	put_tools_return(queue, tools);
	return ok;
}

static void
put_asked(void *arg, struct str id)
{
	(void)id;
	*(bool *)arg = true;
}

/* Does it ask for an erasure that would be listed? */
static bool
put_asks(const struct queue *queue, const struct put *put)
{
	const struct queue_settings *settings = &queue->settings;
	bool asks = false;

	for (size_t i = 0;
	     settings->erasure != NULL && !asks && i < put->batch.count; i++) {
		const struct item *item = &put->batch.items[i];

		if (put_fate(put, i) != ITEM_DROP &&
		    !window_has(queue->window, put->hashes[i]))
			settings->erasure(settings->erasure_arg, item->type,
			    item->data, put_asked, &asks);
	}
	return asks;
}

/* A put that is refused for its destination or its requests alone changes
 * nothing. */
static bool
put_is_refused(struct queue *queue, struct put *put, int64_t destination)
{
	put->refused =
	    (put->frame.len > 0 &&
		!bounds_share(
		    queue, destination, put->frame.len, &put->refusal) &&
		put_has_new(queue, put)) ||
	    (!bounds_list(queue, &put->refusal) && put_asks(queue, put));
	return put->refused;
}

static bool
put_write_batch(struct queue *queue, struct put *put, struct err *reterr)
{
	const struct queue_batch *batch = &put->batch;
	struct ledger_key key = {.hour = ledger_hour(batch->now_ms)};
	struct str last = {NULL, 0};
	int64_t destination;

	put->receipt = (struct queue_receipt){0}; /* it may be written again */
	if (!put_mark_erased_since(queue, put, reterr) ||
	    !ledger_source(queue->ledger, str_text(batch->source),
		queue->settings.sources_max, &key.source, reterr) ||
	    !destination_add(&queue->destinations, str_text(batch->destination),
		queue->settings.destinations_max, &queue->changes, &destination,
		reterr))
		return false;
	if (put_is_refused(queue, put, destination))
		return true;
	if (batch->page != NULL &&
	    !set_put_begin(queue, put, key.source, reterr))
		return false;
	if (put_mark_seen(queue, put) && !put_pack(put, queue->packer, reterr))
		return false;
	for (size_t i = 0; i < batch->count; i++) {
		struct str type = batch->items[i].type;

		if ((i == 0 || !str_equal(type, last)) &&
		    !ledger_type(queue->ledger, type, &key.type, reterr))
			return false;
		last = type;
		if (!put_write_item(queue, put, i, destination, &key, reterr))
			return false;
	}
	put->first_change = queue->changes.count;
	for (size_t i = 0; i < batch->drift_count; i++)
		queue_drift_add(queue, &batch->drift[i], put->now_ms);
	if (batch->page != NULL && !set_put_end(queue, put, reterr))
		return false;
	if (put->receipt.queued > 0)
		put_write_queued(queue, put, destination);
	return true;
}

static void
put_write_unreadable(struct queue *queue, struct put *put)
{
	const struct queue_unreadable *body = &put->body;
	int64_t most = queue->settings.unreadable_max_bytes;

	put->refused = (int64_t)put->frame.len > most;
	if (put->refused) {
		(void)err_set(&put->refusal, ERR_FULL,
		    "an unreadable body of %zu bytes, compressed, is larger "
		    "than all of them may be: unreadable_max_bytes is %lld",
		    put->frame.len, (long long)most);
		return;
	}
	changes_add(&queue->changes, ENGINE_UNREADABLE_ADD)->row.unreadable =
	    (struct engine_unreadable){
		.source = str_text(body->source),
		.reason = str_text(body->reason),
		.encoding = str_text(body->encoding),
		.received_ms = body->now_ms,
		.age_ms = queue->bounds.age_ms,
		.hash = str_bytes((const char *)put->hashes[0], DIGEST_SHORT),
		.frame = str_bytes(put->frame.data, put->frame.len),
	    };
}

bool
put_write(struct queue *queue, struct put *put, struct err *reterr)
{
	fair_lock_assert_held(&queue->lock);
	switch (put->kind) {
	case PUT_BATCH:
		return put_write_batch(queue, put, reterr);
	case PUT_UNREADABLE:
		put_write_unreadable(queue, put);
		return true;
	case PUT_PROBE:
		queue_state_put(queue, "probe",
		    str_bytes((const char *)&put->now_ms, sizeof(put->now_ms)));
		return true;
	}
	NEVER("a put of no kind");
}

void
put_written(struct queue *queue, struct put *put)
{
	const struct engine_change *change =
	    queue->changes.list + put->first_change;

	fair_lock_assert_held(&queue->lock);
	if (put->refused)
		return;
	if (put->kind == PUT_BATCH && put->batch.page != NULL)
		set_put_written(queue, put);
	for (size_t i = 0; put->kind == PUT_BATCH && i < put->batch.drift_count;
	     i++)
		put->batch.drift[i].first = change[i].flag;
}

static enum tap_what
put_what(const struct put *put, size_t n)
{
	switch (put_fate(put, n)) {
	case ITEM_QUEUE:
		return put_is_duplicate(put, n) ? TAP_DUPLICATE : TAP_ACCEPTED;
	case ITEM_DEAD:
		return put_is_duplicate(put, n) ? TAP_DUPLICATE : TAP_DEAD;
	case ITEM_DROP:
		return TAP_DROPPED;
	}
	NEVER("an item of no fate");
}

void
put_tap(struct queue *queue, const struct put *put)
{
	const struct queue_batch *batch = &put->batch;

	if (put->kind != PUT_BATCH || put->refused)
		return;
	for (size_t i = 0; i < batch->count; i++) {
		const struct tap_item item = {
		    .what = put_what(put, i),
		    .at_ms = put->now_ms,
		    .source = str_text(batch->source),
		    .destination = str_text(batch->destination),
		    .type = batch->items[i].type,
		    .data = batch->items[i].data,
		    .reason = put_rule(put, i),
		};

		taps_offer(&queue->taps, &item);
	}
}

void
put_hashes_append(const struct put *put, struct buf *hashes)
{
	if (put->kind != PUT_BATCH || put->batch.page != NULL || put->refused)
		return;
	for (size_t i = 0; i < put->batch.count; i++) {
		if (!bits_has(put->seen, i))
			(void)buf_append(hashes, put->hashes[i], DIGEST_SHORT);
	}
}
