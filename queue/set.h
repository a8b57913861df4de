#ifndef QUEUE_SET_H
#define QUEUE_SET_H

/*
 * What is different where the queued items are changes of a set. A page of them
 * is an ordinary batch, with an ordinary delivery row, that waits, is leased,
 * settled, deferred, archived and erased like any other. But only the last word
 * on a member matters, so:
 *
 *   - changes are ordered by *stamps*: the number of the sync within its group,
 *     which the sync's first page gets, and the number of the page. No clock,
 *     and no number of the log, which begins anew once all batches are gone;
 *   - the last change that waits of each member is known in memory (waiting.h),
 *     what the destination was sent last in the store (engine_member);
 *   - what is taken is looked at: a change that is overtaken is dropped by the
 *     rule "superseded", one that says what was surely sent by "no change", and
 *     one that must wait, for another of its member that is on lease or for
 *     hold_ms, is deferred.
 *
 * So nothing is written before a post but the rules of identity, as for events,
 * and nothing is repaired after a crash. While two changes of a member are
 * queued what was sent is unsure, since the first may have been posted; once it
 * was posted and is overtaken, that is unknown in the store as well.
 *
 * Every function needs the queue's lock, unless it says otherwise.
 */

#include "queue/lease.h"
#include "queue/put.h"

#define SET_PAGE_BITS 20
enum {
	SET_PAGE_MOST = (1 << SET_PAGE_BITS) - 1,
	SET_SLICE = 250,    /* changes that are looked at under one lock */
	SET_HELD_NAME = 48, /* bytes of the parked group of a held sync */
};

static inline int64_t
set_stamp(int64_t sync, size_t page)
{
	return sync << SET_PAGE_BITS |
	       (int64_t)(page < SET_PAGE_MOST ? page : SET_PAGE_MOST);
}

/* The stamp of what is sent again, as sync `sync`: lower than all others, since
 * it is no news. It counts as long as what was sent of the member is unknown,
 * as it became then. */
static inline int64_t
set_stamp_again(int64_t sync)
{
	return sync < SET_PAGE_MOST ? sync : SET_PAGE_MOST;
}

static inline bool
set_stamp_is_again(int64_t stamp)
{
	return stamp <= SET_PAGE_MOST;
}

static inline int64_t
set_stamp_sync(int64_t stamp)
{
	return set_stamp_is_again(stamp) ? stamp : stamp >> SET_PAGE_BITS;
}

static inline enum engine_sent
set_unknown(bool in)
{
	return in ? ENGINE_SENT_UNKNOWN_IN : ENGINE_SENT_UNKNOWN_OUT;
}

/* The rules by which changes are dropped. */
extern const char set_superseded[], set_no_change[];

/* ---- putting ---- */

/* Hash the changes of a page, and mark those that a later one of it overtakes.
 * Without the lock. */
MUST_USE bool set_put_prepare(
    struct digest_short *digest, struct put *put, struct err *reterr);

/* Note that the page is here: put->known if it was before; else its stamp, and
 * whether it is held. */
bool set_put_known(const struct queue *queue, const struct put *put);
MUST_USE bool set_put_begin(
    struct queue *queue, struct put *put, int64_t source, struct err *reterr);

/* The parked group of a sync that is held. */
void set_held_write(const struct set_group *group, const struct sync *sync,
    char ret_name[SET_HELD_NAME]);

/* Let the pages of a held sync go, in the running transaction. */
MUST_USE bool set_unhold(struct queue *queue, struct set_group *group,
    struct sync *sync, struct err *reterr);

/* Once its items are counted. */
MUST_USE bool
set_put_end(struct queue *queue, struct put *put, struct err *reterr);

/* Tell what is worth telling, now that it is durable. */
void set_put_written(const struct queue *queue, const struct put *put);

/* ---- items of leases, and their members ---- */

/* Some items of one lease. */
struct set_slice {
	struct queue_item *items[SET_SLICE];
	unsigned char hashes[SET_SLICE][DIGEST_SHORT];
	struct engine_member members[SET_SLICE];
	bool wanted[SET_SLICE];
	size_t count;
	char held[SET_HELD_NAME];
};

/* Append an item that is a change; false if it is none. */
bool set_slice_add(struct queue *queue, const struct lease *lease,
    struct set_slice *slice, struct queue_item *item);

/* The change that waits of an item's member, or NULL. */
struct waiting_change *set_change(struct queue *queue,
    const struct lease *lease, const struct queue_item *item);

/* ---- leases ---- */

/* Look at the next items of a lease that was taken, a slice of them, and settle
 * those that are not to be handed out; then they are not its items any more.
 * *ret_more: there are more to be looked at. */
MUST_USE bool set_check(struct queue *queue, struct lease *lease,
    const struct queue_want *want, int64_t now_ms, bool *ret_more,
    struct err *reterr);

/* What the running transaction settles of a lease, at most SET_SLICE items;
 * and, once that is durable. */
MUST_USE bool set_settle(struct queue *queue, const struct lease *lease,
    struct queue_item *const *items, size_t count, int64_t now_ms,
    struct err *reterr);
void set_settled(struct queue *queue, const struct lease *lease,
    const struct queue_item *item);

/* The lease ends; what it had is not on lease any more. */
void set_release(struct queue *queue, const struct lease *lease);

/* ---- otherwise ---- */

/* A change is queued (`in`: its member counts as sent), or erased, in the
 * running transaction. */
MUST_USE bool set_queued(struct queue *queue, struct str destination,
    struct str source, struct str group, struct str data, int64_t stamp,
    bool in, struct err *reterr);
/* Queue changes of a group, as a page of its own; their texts are in the
 * changes' memory. */
MUST_USE bool set_queue_page(struct queue *queue, const struct set_group *group,
    const struct item *items, size_t count, int64_t stamp, int64_t now_ms,
    struct err *reterr);
MUST_USE bool
set_erased(struct queue *queue, struct str destination, struct str source,
    struct str group, struct str data, int64_t stamp, struct err *reterr);

/* A dead letter goes, in the running transaction; it may be of no set. */
MUST_USE bool set_dead_less(struct queue *queue, struct str destination,
    const struct dead_letter *letter, struct err *reterr);

/* Load groups and syncs; what waits; and mark what is on lease. */
MUST_USE bool set_load(struct queue *queue, struct err *reterr);
MUST_USE bool set_load_waiting(struct queue *queue, struct err *reterr);

/* Has a sync not come whole in time? */
bool set_sync_late(
    const struct queue *queue, const struct sync *sync, int64_t now_ms);

/* Housekeeping: tell of incomplete syncs, forget old ones and members that
 * left. */
void set_tidy(struct queue *queue, int64_t mono_ms);

#endif
