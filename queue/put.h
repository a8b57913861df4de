#ifndef QUEUE_PUT_H
#define QUEUE_PUT_H

/*
 * One put on its way from the caller's thread (put.c) to the committer's
 * (move.c). It has one owner at a time: whoever holds the pointer.
 */

#include "queue/inside.h"

enum put_what { PUT_BATCH, PUT_BODY, PUT_PROBE };

enum put_mark { MARK_NONE, MARK_WAIT, MARK_BURY, MARK_DROP, MARK_DUPLICATE };

struct put {
	struct put *next;
	enum put_what what;
	struct queue_batch batch;     /* PUT_BATCH: lent */
	struct queue_unreadable body; /* PUT_BODY: lent */
	int64_t now_ms;
	unsigned char (*hashes)[DIGEST_SHORT]; /* one an item; or the body's */
	unsigned char *marks;		       /* enum put_mark, one an item */
	unsigned char *known; /* one an item: its hash was in the window */
	size_t queued;	      /* items for delivery, duplicates included */
	struct buf frame;     /* those, compressed */
	struct queue_receipt receipt;
	bool refused; /* by itself, not with the transaction */
	struct err refusal;
	queue_put_done *done;
	void *arg;
};

/* The mark of an item that is no duplicate. */
unsigned char put_mark(enum item_fate fate);

/* Compress the items that are marked as queued into put->frame. */
MUST_USE bool put_pack(struct put *put, struct parcel_packer *packer,
    size_t queued, struct err *reterr);

void put_free(struct put *put); /* takes NULL */

/* All puts that wait, as a list in the order of arrival; waits for one until
 * then. NULL if none came. */
struct put *
put_take_all(struct queue *queue, int64_t until_mono_ms, bool *ret_stopping);

/* Call back and free. `err` is NULL if the transaction is durable. */
void put_answer(struct put *put, const struct err *err);

/* ---- move.c: with `held` held, in a transaction ---- */

/* Move it into the file. */
MUST_USE bool
put_move(struct queue *queue, struct put *put, struct err *reterr);

/* Append the hashes of its new events. */
void put_hashes_write(const struct put *put, struct buf *hashes);

#endif
