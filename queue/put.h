#ifndef QUEUE_PUT_H
#define QUEUE_PUT_H

/*
 * One put on its way from the caller's thread to the committer's. Either
 * thread owns it, never both.
 */

#include "queue/core.h"

enum put_kind { PUT_BATCH, PUT_UNREADABLE, PUT_PROBE };

struct put {
	struct put *next;
	enum put_kind kind;
	struct queue_batch batch;     /* PUT_BATCH: lent */
	struct queue_unreadable body; /* PUT_UNREADABLE: lent */
	int64_t now_ms;
	unsigned char (*hashes)[DIGEST_SHORT]; /* one an item; or the body's */
	unsigned char *seen;   /* bits of the items: hash was in the window */
	unsigned char *packed; /* bits of the items: in the frame */
	unsigned char *erased; /* bits of the items: of people who were erased;
				* NULL: none */
	uint64_t erased_version; /* of the list that these are by */
	/* Of a page of a set: see queue/set.h. */
	unsigned char *overtaken; /* bits of the items: by a later one of it */
	bool known;		  /* it came before */
	struct set_group *group;
	struct sync *sync;
	int64_t stamp;
	struct str parked; /* the group that it waits with, if it is held */
	bool newly_held;
	struct buf frame; /* the queued items, compressed; or the body */
	struct buf mark;  /* of them, and maybe of duplicates */
	struct queue_receipt receipt;
	size_t first_change; /* of those that give something back */
	bool refused;	     /* by itself, not with the transaction */
	struct err refusal;
	queue_put_done *done;
	void *arg;
};

/* ---- the committer's end of the inbox ---- */

/* Take all puts, as a list in the order of arrival; if there are none, wait for
 * one until until_mono_ms. NULL if none came. */
struct put *
put_take_all(struct queue *queue, int64_t until_mono_ms, bool *ret_stopping);

/* Append its changes; needs the queue's lock and a transaction. ERR_LIMIT,
 * ERR_NOMEM and ERR_DAMAGED may be its own fault alone. */
MUST_USE bool
put_write(struct queue *queue, struct put *put, struct err *reterr);

/* Note what the engine gave back; needs the lock. */
void put_written(struct queue *queue, struct put *put);

/* Offer its items to the taps; without locks. */
void put_tap(struct queue *queue, const struct put *put);

/* Append the hashes of its new events. */
void put_hashes_append(const struct put *put, struct buf *hashes);

/* Call back and free. `err` is NULL if the transaction is durable. */
void put_answer(struct put *put, const struct err *err);

/* Free the tools of the threads that put; after the last put. */
void put_pool_fini(struct queue *queue);

/* ---- committer.c ---- */

void *committer_main(void *arg);

#endif
