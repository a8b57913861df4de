#ifndef FORWARDER_QUOTA_H
#define FORWARDER_QUOTA_H

/*
 * The sliding log of sends of one lane: how many events may go now, of the
 * app and of one identity. Pure: monotonic time is an argument.
 *
 * Heap counts an event when it arrives, which is at some time between the
 * start of its request and the end. So an entry counts from its start until
 * a window after its END, and one in flight counts for ever: then no jitter
 * on the way can push more than a window's worth into any window at Heap.
 * What Heap refused counts too; we do not know that it does not.
 *
 * An identity's place in a request is *held* from when the event is put into
 * it until the request starts (then the log has it) or is given up. What
 * waits in memory for an identity's room *claims* it against newcomers.
 */

#include "base/buf.h"
#include "forwarder/moment.h"

#include <stddef.h>
#include <stdint.h>

enum {
	QUOTA_WINDOW_MS = 60 * 1000,
	QUOTA_MARGIN_MS = 5,   /* rounding of two clocks */
	QUOTA_ASIDE_MS = 1000, /* a reservation's slack for latency */
	/* The furthest: a queue takes what is due beyond two days for the
	 * work of a wrong clock, and hands it out at once. */
	QUOTA_ASIDE_MOST_MS = 24 * 3600 * 1000,
	QUOTA_LOG_MAX = 1000000,   /* events in the log without an app quota */
	QUOTA_SLOTS_MAX = 1 << 20, /* identities in the table */
};

struct quota_entry; /* one request */
struct quota_slot;  /* one identity */

struct quota {
	unsigned allowed;  /* events in a window; 0 = no quota */
	unsigned identity; /* of one identity; 0 = no quota */
	size_t sent;	   /* events that count now */

	struct quota_entry *entries; /* by start; [head, end) are live */
	size_t head, end, cap;
	uint64_t first; /* number of entries[0] */

	struct quota_slot *slots; /* open addressing */
	size_t slots_cap, slots_used;
};

void quota_init(struct quota *quota, unsigned allowed, unsigned identity);
void quota_fini(struct quota *quota);

/* Events that the app may send now; SIZE_MAX without a quota. */
size_t quota_room(struct quota *quota, int64_t mono_ms);

/* When will there be room for so many? INT64_MAX: not before a request in
 * flight ends. */
int64_t quota_room_ms(struct quota *quota, size_t events, int64_t mono_ms);

/* Hold a place for one event of an identity; false if it has no room (or
 * there is no memory to know). `kept`: it has a claim, those of others do
 * not count against it. */
MUST_USE bool
quota_hold(struct quota *quota, uint64_t who, bool kept, int64_t mono_ms);
void quota_release(struct quota *quota, uint64_t who);

/* Is less than half of the app's quota used, with `more` events to come; and
 * of an identity's? What may wait (replays) leaves the rest to others. */
bool quota_spare(struct quota *quota, size_t more, int64_t mono_ms);
bool quota_spare_who(struct quota *quota, uint64_t who, int64_t mono_ms);

void quota_claim(struct quota *quota, uint64_t who, int64_t mono_ms);
void quota_unclaim(struct quota *quota, uint64_t who);

/* When is one more event of an identity without room likely to find some?
 * Each call reserves: a window's worth of events for each window to come. */
int64_t quota_aside_ms(struct quota *quota, uint64_t who, int64_t mono_ms);

/* A request of `count` held events starts; *ret_entry is for quota_end(). */
MUST_USE bool quota_begin(struct quota *quota, const uint64_t *who,
    size_t count, int64_t mono_ms, uint64_t *ret_entry, struct err *reterr);

/* Its answer came, or it failed. */
void quota_end(struct quota *quota, uint64_t entry, int64_t mono_ms);

/* The log as bytes, at a planned stop; nothing may be in flight. */
void
quota_write(struct quota *quota, const struct moment *now, struct buf *buf);

/* Into a fresh quota. False if the bytes are not a log of ours: then how
 * much was sent is unknown. */
MUST_USE bool quota_read(struct quota *quota, const void *data, size_t len,
    const struct moment *now, struct err *reterr);

#endif
