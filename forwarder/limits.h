#ifndef FORWARDER_LIMITS_H
#define FORWARDER_LIMITS_H

/*
 * How much may go now, by the limits of the outlet: of the destination and of
 * one key. Pure: times are arguments.
 *
 * A destination counts a request when it arrives, which is some time between
 * our start and end of it. So a request counts from its start until a window
 * after its END, and one in flight counts for ever: then no jitter on the way
 * can push more than a window's worth into any window at the destination. In
 * windows on the hour it counts in each that it touches, give or take the
 * difference of two clocks. What was refused counts too, because the
 * destination may count it.
 *
 * An item *holds* the room of its key from when it is put into a request
 * until the request starts, or is given up. An item in memory that found no
 * room *waits* for it, and newcomers may not take it. By key, items are
 * counted and windows slide; that is the stricter reading of a limit that
 * says otherwise.
 *
 * Windows of up to a minute start empty; the sender cools down after a
 * restart. Those that are longer, and not by key, are saved and read again.
 */

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/table.h"
#include "schema/dialect.h"

#include <stddef.h>
#include <stdint.h>

enum {
	LIMITS_SHORT_MS = 60 * 1000, /* windows of up to this are not saved */
	LIMITS_MARGIN_MS = 5,	     /* rounding of two clocks */
	LIMITS_SKEW_MS = 2000,	     /* two clocks, on the hour */
	LIMITS_SLACK_MS = 1000,	     /* for latency, in each window to come */
	/* The longest deferral: the queue takes a due time beyond two days
	 * for that of a wrong clock, and hands the item out at once. */
	LIMITS_DEFER_MOST_MS = 24 * 3600 * 1000,
	LIMITS_KEYS_MAX = 1 << 20, /* that count at the same time */
	LIMITS_HOURS = 4,
};

/* Requests that ended at about the same time. */
struct limits_bucket {
	int64_t first_ms, last_ms; /* mono; their ends */
	size_t units;
	uint64_t *keys; /* owned; by key: of their items */
	size_t key_count;
};

struct limits_key {
	uint64_t id;
	int64_t defer_ms; /* the window that reservations go to */
	unsigned left;	  /* reservations that it still takes */
	unsigned count;	  /* items that hold, are in flight or in the window */
	unsigned waiting; /* items */
};

struct limits_window {
	struct outlet_limit limit;
	size_t used;	/* units that ended within the window */
	size_t advance; /* saved in advance, for what starts next */

	struct limits_bucket *buckets; /* by end; [head, end) count */
	size_t head, end, cap;

	/* On the hour: windows by number, and their units. */
	struct limits_hour {
		int64_t number;
		size_t units;
	} hours[LIMITS_HOURS];

	struct limits_key *keys; /* by key; in no order */
	size_t key_count, key_cap;
	struct table key_table;
};

struct limits_send; /* a request in flight */

struct limits {
	struct limits_window windows[OUTLET_LIMITS_MAX];
	size_t count;
	struct limits_send *sends; /* in no order */
	size_t send_count, send_cap;
	uint64_t next; /* number of a send */
	size_t items;  /* in flight */
};

void limits_init(
    struct limits *limits, const struct outlet_limit *rows, size_t count);
void limits_fini(struct limits *limits);

/* Other amounts of the same windows, which go on; false: they are others. */
bool limits_set_amounts(
    struct limits *limits, const struct outlet_limit *rows, size_t count);

/* ---- of the destination ---- */

/* Items that a request may have now, SIZE_MAX without a limit. */
size_t limits_room(struct limits *limits, const struct clock_times *now);

/* When (mono) may a request of so many items start? INT64_MAX: not before one
 * in flight ends. */
int64_t limits_start_ms(
    struct limits *limits, size_t items, const struct clock_times *now);

/* Does each limit stay half free, with `items` to come, or is all of it?
 * Replays leave the other half to what comes in. */
bool limits_half_free(
    struct limits *limits, size_t items, const struct clock_times *now);

/* How much of a window's amount is used. */
size_t limits_used(
    struct limits *limits, size_t window, const struct clock_times *now);

/* ---- of a key ---- */

/* Hold room for an item; false if there is none, or no memory to know. With
 * `waited` the room that others wait for counts as free. */
MUST_USE bool limits_key_hold(
    struct limits *limits, uint64_t id, bool waited, int64_t mono_ms);
void limits_key_release(struct limits *limits, uint64_t id);

/* Wait for room for an item, and end that. */
void limits_key_wait(struct limits *limits, uint64_t id, int64_t mono_ms);
void limits_key_wait_end(struct limits *limits, uint64_t id);

bool limits_key_half_free(struct limits *limits, uint64_t id, int64_t mono_ms);

/* When is an item without room likely to find some? Each call reserves: a
 * window's worth of items for each window to come. */
int64_t
limits_key_defer_ms(struct limits *limits, uint64_t id, int64_t mono_ms);

/* ---- requests ---- */

/* A request of `count` items, which hold, starts; *ret_send is for
 * limits_end(). Takes `keys`, one for each item, malloc'ed, and if it fails
 * frees them. */
MUST_USE bool limits_begin(struct limits *limits, uint64_t *keys, size_t count,
    const struct clock_times *now, uint64_t *ret_send, struct err *reterr);

/* Its answer came, or it failed. */
void limits_end(
    struct limits *limits, uint64_t number, const struct clock_times *now);

/* ---- over restarts ---- */

/* Does a request of so many items exceed what was saved in advance? Then save
 * before it starts. */
bool limits_must_save(const struct limits *limits, size_t items);

/* What long windows count, as bytes; with an advance for requests of so many
 * items until the next time, or (0) without: at a planned stop. */
void limits_write(struct limits *limits, size_t items,
    const struct clock_times *now, struct buf *out);

/*
 * Into fresh limits. `clean`: nothing was sent after they were saved. Without
 * `aged` it is not known how long ago that was, and all of it counts as of
 * now. False: they cannot be read; or there is no memory.
 */
MUST_USE bool limits_read(struct limits *limits, struct str bytes, bool clean,
    bool aged, const struct clock_times *now, struct err *reterr);

#endif
