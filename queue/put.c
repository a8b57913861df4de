/*
 * Puts on the caller's thread: hashed, compressed, and handed over to the
 * committer, whose part is move.c.
 */

#include "queue/put.h"

#include <stdlib.h>
#include <string.h>

/* What a putting thread borrows: contexts that are dear to make. */
struct pack_tools {
	struct pack_tools *next;
	struct parcel_packer *packer;
	struct digest_short *digest;
};

/* The key of the hashes is the queue's own, made with the file. */
static struct pack_tools *
put_tools_borrow(struct queue *queue)
{
	struct pack_tools *tools;

	lock_hold(&queue->pool);
	tools = queue->tools;
	if (tools != NULL)
		queue->tools = tools->next;
	lock_drop(&queue->pool);
	if (tools != NULL)
		return tools;
	tools = calloc(1, sizeof(*tools));
	if (tools == NULL)
		return NULL;
	tools->packer = parcel_packer_new();
	tools->digest = digest_short_new(queue->hash_key);
	if (tools->packer == NULL || tools->digest == NULL) {
		parcel_packer_free(tools->packer);
		digest_short_free(tools->digest);
		free(tools);
		return NULL;
	}
	return tools;
}

static void
put_tools_return(struct queue *queue, struct pack_tools *tools)
{
	lock_hold(&queue->pool);
	tools->next = queue->tools;
	queue->tools = tools;
	lock_drop(&queue->pool);
}

void
put_pool_fini(struct queue *queue)
{
	while (queue->tools != NULL) {
		struct pack_tools *tools = queue->tools;

		queue->tools = tools->next;
		parcel_packer_free(tools->packer);
		digest_short_free(tools->digest);
		free(tools);
	}
}

void
put_free(struct put *put)
{
	if (put == NULL)
		return;
	free(put->hashes);
	free(put->marks);
	free(put->known);
	buf_fini(&put->frame);
	free(put);
}

static struct put *
put_new(enum put_what what, int64_t now_ms, size_t hashes, queue_put_done *done,
    void *arg)
{
	struct put *put = calloc(1, sizeof(*put));

	if (put == NULL)
		return NULL;
	put->what = what;
	put->now_ms = now_ms;
	put->done = done;
	put->arg = arg;
	buf_init(&put->frame, SIZE_MAX / 2);
	put->hashes = calloc(hashes + 1, sizeof(*put->hashes));
	put->marks = calloc(hashes + 1, 1);
	put->known = calloc(hashes + 1, 1);
	if (put->hashes == NULL || put->marks == NULL || put->known == NULL) {
		put_free(put);
		return NULL;
	}
	return put;
}

/* Of (source, kind, id); with the lengths before, so that it is plain where
 * one ends. An event without an id is known by its bytes. */
static void
put_hash(struct digest_short *digest, const char *source,
    const struct item *item, unsigned char ret[DIGEST_SHORT])
{
	uint64_t lengths[4] = {strlen(source), item->type.len, item->id.len,
	    item->id.len == 0 ? item->data.len : 0};

	digest_short_add(digest, lengths, sizeof(lengths));
	digest_short_add(digest, source, lengths[0]);
	digest_short_add(digest, item->type.data, item->type.len);
	digest_short_add(digest, item->id.data, item->id.len);
	if (item->id.len == 0)
		digest_short_add(digest, item->data.data, item->data.len);
	digest_short_end(digest, ret);
}

/* The n-th of the items that are marked as queued. */
struct put_picked {
	const struct item *items;
	const uint32_t *positions;
};

static void
put_item(const void *arg, size_t n, struct item *ret_item)
{
	const struct put_picked *picked = arg;
	const struct item *item = &picked->items[picked->positions[n]];

	*ret_item = (struct item){.type = item->type, .data = item->data};
}

/* Compress the items that are marked as queued into put->frame. */
bool
put_pack(struct put *put, struct parcel_packer *packer, size_t queued,
    struct err *reterr)
{
	struct put_picked picked = {.items = put->batch.items};
	uint32_t *positions = calloc(queued + 1, sizeof(*positions));
	size_t n = 0;
	bool ok;

	if (positions == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < put->batch.count; i++) {
		if (put->marks[i] == MARK_WAIT)
			positions[n++] = (uint32_t)i;
	}
	CHECK(n == queued);
	picked.positions = positions;
	ok =
	    parcel_pack(packer, put_item, &picked, queued, &put->frame, reterr);
	put->queued = queued;
	free(positions);
	return ok;
}

unsigned char
put_mark(enum item_fate fate)
{
	static const unsigned char marks[] = {
	    [ITEM_QUEUE] = MARK_WAIT,
	    [ITEM_DEAD] = MARK_BURY,
	    [ITEM_DROP] = MARK_DROP,
	};

	return marks[fate];
}

static bool
put_prepare(struct put *put, struct pack_tools *tools, struct err *reterr)
{
	size_t queued = 0;

	if (put->what == PUT_PROBE)
		return true;
	if (put->what == PUT_BODY) {
		digest_short_add(tools->digest, put->body.data, put->body.len);
		digest_short_end(tools->digest, put->hashes[0]);
		return parcel_pack_bytes(tools->packer, put->body.data,
		    put->body.len, &put->frame, reterr);
	}
	for (size_t i = 0; i < put->batch.count; i++) {
		const struct item *item = &put->batch.items[i];

		put_hash(
		    tools->digest, put->batch.source, item, put->hashes[i]);
		put->marks[i] = put_mark(item->fate);
		queued += item->fate == ITEM_QUEUE;
	}
	return queued == 0 || put_pack(put, tools->packer, queued, reterr);
}

/* Prepare, and append to the inbox. Takes the put; frees it on failure. */
static bool
put_hand_over(struct queue *queue, struct put *put, struct err *reterr)
{
	struct pack_tools *tools;
	bool prepared;

	if (put == NULL)
		return err_set_nomem(reterr);
	tools = put_tools_borrow(queue);
	if (tools == NULL) {
		put_free(put);
		return err_set_nomem(reterr);
	}
	prepared = put_prepare(put, tools, reterr);
	put_tools_return(queue, tools);
	if (!prepared) {
		put_free(put);
		return false;
	}
	lock_hold(&queue->inbox);
	if (queue->stopping || queue->pending >= queue->settings.pending_max) {
		bool stopping = queue->stopping;

		lock_drop(&queue->inbox);
		put_free(put);
		if (stopping)
			return err_set(reterr, ERR_STOPPING, "shutting down");
		return err_set(reterr, ERR_FULL,
		    "%zu requests wait for the disk already",
		    queue->settings.pending_max);
	}
	if (queue->last == NULL)
		queue->first = put;
	else
		queue->last->next = put;
	queue->last = put;
	queue->pending++;
	cond_wake(&queue->inbox_filled);
	lock_drop(&queue->inbox);
	return true;
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
	struct put *put = put_new(PUT_BODY, body->now_ms, 1, done, arg);

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

/* ---- the committer's end ---- */

struct put *
put_take_all(struct queue *queue, int64_t until_mono_ms, bool *ret_stopping)
{
	struct put *puts;

	lock_hold(&queue->inbox);
	if (queue->first == NULL && !queue->stopping)
		cond_wait(&queue->inbox_filled, &queue->inbox, until_mono_ms);
	puts = queue->first;
	queue->first = queue->last = NULL;
	queue->pending = 0;
	*ret_stopping = queue->stopping;
	lock_drop(&queue->inbox);
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
