#ifndef FORWARDER_QUOTA_H
#define FORWARDER_QUOTA_H

/*
 * How many events may be sent now, for the app and for one identity: a sliding
 * log of one sender's requests. Pure: monotonic time is an argument.
 *
 * Heap counts an event when it arrives, which is some time between the start
 * and the end of its request. So a request counts from its start until a window
 * after its END, and for as long as it is in flight: then no jitter along the
 * way can push more than a window's worth into any window at Heap. Refused
 * events count too, because Heap may count them.
 *
 * An event *holds* its identity's room from when it is put into a request until
 * the request starts (then the log has it) or is given up. A request in memory
 * that found no room *waits* for it, and newcomers may not take it.
 */

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/table.h"

#include <stddef.h>
#include <stdint.h>

enum {
	QUOTA_WINDOW_MS = 60 * 1000,
	QUOTA_MARGIN_MS = 5, /* rounding of two clocks */
	QUOTA_SPAN_MS = QUOTA_WINDOW_MS + QUOTA_MARGIN_MS,
	QUOTA_SLACK_MS = 1000, /* for latency, in each window to come */
	/* The longest deferral: the queue takes a due time beyond two days
	 * for that of a wrong clock, and hands the event out at once. */
	QUOTA_DEFER_MOST_MS = 24 * 3600 * 1000,
	QUOTA_LOG_MAX = 1000000, /* events in the log without an app quota */
	QUOTA_IDENTITIES_MAX = 1 << 20, /* that count at the same time */
};

struct quota_send;     /* one request */
struct quota_identity; /* one identity */

struct quota {
	unsigned allowed;	   /* events in a window; 0 = no quota */
	unsigned identity_allowed; /* of one identity; 0 = no quota */
	size_t sent;		   /* events that count now */

	struct quota_send *sends; /* by start; [head, end) are live */
	size_t head, end, cap;
	uint64_t first; /* number of sends[0] */

	struct quota_identity *identities; /* in no order */
	size_t identity_count, identity_cap;
	struct table identity_table;
};

void
quota_init(struct quota *quota, unsigned allowed, unsigned identity_allowed);
void quota_fini(struct quota *quota);

/* Events that the app may send now; SIZE_MAX without a quota. */
size_t quota_room(struct quota *quota, int64_t mono_ms);

/* When will there be room for so many? INT64_MAX: not before a request in
 * flight ends. */
int64_t quota_room_ms(struct quota *quota, size_t events, int64_t mono_ms);

/* Hold room for one event of an identity; false if there is none, or no
 * memory to know. With `waited` the room that others wait for counts as
 * free. */
MUST_USE bool quota_hold(
    struct quota *quota, uint64_t identity, bool waited, int64_t mono_ms);
void quota_release(struct quota *quota, uint64_t identity);

/* Begin to wait for room for one event; stop waiting. */
void quota_wait(struct quota *quota, uint64_t identity, int64_t mono_ms);
void quota_wait_end(struct quota *quota, uint64_t identity);

/* With `more` events to come, is less than half of the quota used, of the app
 * or of an identity? Replays leave the other half to incoming events. */
bool quota_half_free(struct quota *quota, size_t more, int64_t mono_ms);
bool quota_identity_half_free(
    struct quota *quota, uint64_t identity, int64_t mono_ms);

/* When is one more event of an identity without room likely to find some?
 * Each call reserves: a window's worth of events for each window to come. */
int64_t quota_defer_ms(struct quota *quota, uint64_t identity, int64_t mono_ms);

/* A request of `count` held events starts; *ret_send is for quota_end().
 * Takes `identities`, one for each event, malloc'ed. */
MUST_USE bool quota_begin(struct quota *quota, uint64_t *identities,
    size_t count, int64_t mono_ms, uint64_t *ret_send, struct err *reterr);

/* The answer came, or the request failed. */
void quota_end(struct quota *quota, uint64_t send, int64_t mono_ms);

/* The log as bytes, at a planned stop; nothing may be in flight. */
void quota_write(
    struct quota *quota, const struct clock_times *now, struct buf *buf);

/* Read into a fresh quota. False if the bytes are not such a log: then it is
 * unknown how much was sent. */
MUST_USE bool quota_read(struct quota *quota, struct str bytes,
    const struct clock_times *now, struct err *reterr);

#endif
