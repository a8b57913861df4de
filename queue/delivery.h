#ifndef QUEUE_DELIVERY_H
#define QUEUE_DELIVERY_H

/*
 * The rows that record what becomes of events: a batch and its delivery, then
 * the archive, or a dead letter. Every function needs the queue's lock, and
 * those that change something a transaction.
 *
 * A batch is immutable. Its delivery row has one bit for each event that is
 * settled (done), and one for each event that was delivered.
 */

#include "queue/core.h"

/* due_ms of a delivery: fresh, a replay, or the time when it is due. */
enum { DELIVERY_FRESH = 0, DELIVERY_REPLAY = -1 };

struct delivery_key {
	int64_t destination, source, due_ms, seq;
};

/* The key in SQL, and in the arguments of queue/db.h. */
#define DELIVERY_IS "destination=?1 AND source=?2 AND due_ms=?3 AND seq=?4"
#define DELIVERY_KEY(key)                                                      \
	(key)->destination, (key)->source, (key)->due_ms, (key)->seq

/* ---- batches ---- */

/* A new batch of fresh, deferred, requeued or replayed events. */
struct delivery_new {
	struct backlog *backlog;
	int64_t source, due_ms, accepted_ms;
	unsigned attempts;
	bool replay;
	size_t events;
	struct str frame;
};
MUST_USE bool delivery_add(
    struct queue *queue, const struct delivery_new *add, struct err *reterr);

/* Read and unpack a batch; *ret_frame_len is its packed length. ERR_DAMAGED
 * if it cannot be read. */
MUST_USE bool
delivery_batch_read(struct queue *queue, int64_t seq, struct batch *ret_batch,
    int64_t *ret_accepted_ms, size_t *ret_frame_len, struct err *reterr);

MUST_USE bool
delivery_batch_delete(struct queue *queue, int64_t seq, struct err *reterr);

/* ---- delivery rows ---- */

struct delivery {
	struct delivery_key key;
	size_t events; /* in the batch */
	unsigned attempts;
	bool replay;
	int64_t remaining;		 /* events that are not done */
	unsigned char *done, *delivered; /* bits of all events; owned */
};

/* Read the row of a batch of so many events. *ret_there is false if the row is
 * gone: all events were settled. */
MUST_USE bool delivery_read(struct queue *queue, const struct delivery_key *key,
    size_t events, struct delivery *ret_delivery, bool *ret_there,
    struct err *reterr);
void delivery_fini(struct delivery *delivery);

/* Write the bits back. */
MUST_USE bool delivery_write(
    struct queue *queue, const struct delivery *delivery, struct err *reterr);

MUST_USE bool delivery_delete(
    struct queue *queue, const struct delivery_key *key, struct err *reterr);

/* ---- leases ---- */

/* A batch on lease. The public part comes first, so that a pointer to one is a
 * pointer to the other. */
struct lease {
	struct queue_lease shown;
	struct lease *next; /* of queue->leases */
	struct delivery_key key;
	struct batch batch;
	size_t frame_len;
	unsigned char *settled; /* bits by index in the batch; owned */
	size_t open;		/* of shown.events, not yet settled */
};

static inline struct lease *
lease_of(const struct queue_lease *lease)
{
	return (struct lease *)(uintptr_t)lease;
}

/* ---- dead letters ---- */

struct dead_new {
	int64_t source, destination, type, accepted_ms, dead_ms;
	unsigned attempts;
	const char *reason;
	int status;
	struct str answer, sent, data;
};
MUST_USE bool
dead_add(struct queue *queue, const struct dead_new *add, struct err *reterr);

/* ---- the archive: delivered batches, kept for replays ---- */

/* Archive a batch whose delivery row was deleted. */
MUST_USE bool archive_add(struct queue *queue, const struct lease *lease,
    const unsigned char *delivered, int64_t now_ms, struct err *reterr);

enum { ARCHIVE_STEP = 64 };

/* Evict the oldest: those that are older than keep_ms or above keep_bytes; with
 * `for_room` the oldest ones whatever their age. At most ARCHIVE_STEP;
 * *ret_count says how many. */
MUST_USE bool archive_evict(struct queue *queue, int64_t now_ms, bool for_room,
    size_t *ret_count, struct err *reterr);

#endif
