#ifndef FORWARDER_PACE_H
#define FORWARDER_PACE_H

/*
 * How fast to send, and how large requests may be: three things that a sender
 * learns from answers. They are only polite; limits.h enforces the limits. All
 * times are monotonic.
 */

#include "forwarder/limits.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Spreads the sends evenly, so that a window's worth is not spent in its first
 * seconds. When the destination says that we are too fast the pace halves;
 * then it rises by a tenth of the full pace a minute.
 */
struct pace {
	struct outlet_limit limits[OUTLET_LIMITS_MAX]; /* of the destination */
	size_t count;	  /* of them; 0 = no pacing */
	unsigned full;	  /* units of the first a minute */
	unsigned present; /* at most full */
	size_t request_items;
	int64_t slot_us;   /* the next request may start */
	int64_t raised_ms; /* when `present` last changed */
};

/* By the limits of the destination. */
void pace_init(struct pace *pace, const struct limits *limits,
    size_t request_items, int64_t mono_ms);

/* Is the pace of requests? Else it is of items. */
bool pace_counts_requests(const struct pace *pace);

/* Items in a full request: equal parts of a minute's worth. */
size_t pace_request_items(const struct pace *pace);

/* When may the next request start? */
int64_t pace_next_ms(const struct pace *pace);

/* A request starts now. */
void pace_start(struct pace *pace, size_t items, int64_t mono_ms);

void pace_lower(struct pace *pace, int64_t mono_ms);
void pace_raise(struct pace *pace, int64_t mono_ms);

/*
 * Exponential back-off with full jitter: each wait is drawn evenly from zero
 * to a cap that doubles. It has its own generator, so that a test repeats
 * exactly.
 */
struct backoff {
	int64_t first_ms;
	int64_t most_ms;
	int64_t cap_ms; /* of the next wait */
	uint64_t random;
};

void backoff_init(
    struct backoff *backoff, int64_t first_ms, int64_t most_ms, uint64_t seed);

/* The next wait; doubles the cap. */
int64_t backoff_next(struct backoff *backoff);

/* Likewise, but of a cap that is kept elsewhere; 0 = none yet. */
int64_t backoff_next_of(struct backoff *backoff, int64_t *cap_ms);

/* After a success: start from the first wait again. */
void backoff_reset(struct backoff *backoff);

/*
 * How large a request may be: in bytes, or in items. An answer of "too large"
 * lowers the limit to half of what was too much. While requests are accepted it
 * rises evenly, from nothing to full in an hour, so that one odd answer does
 * not keep requests small for ever.
 */
struct size_limit {
	size_t full, least;
	size_t present;
	int64_t raised_ms; /* when `present` last changed */
};

void size_limit_init(
    struct size_limit *limit, size_t full, size_t least, int64_t mono_ms);

/* A request of that size was too large. */
void size_limit_lower(struct size_limit *limit, size_t size, int64_t mono_ms);

/* The request's size was not the reason: return to the limit before it, if that
 * is higher. */
void size_limit_restore(struct size_limit *limit, size_t size, int64_t mono_ms);

/* A request was accepted. */
void size_limit_raise(struct size_limit *limit, int64_t mono_ms);

#endif
