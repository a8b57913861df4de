#ifndef FORWARDER_PACE_H
#define FORWARDER_PACE_H

/*
 * Spreads a lane's sends evenly, so that a minute's quota is not spent in
 * its first seconds, and slows down when the destination says 429: halved
 * at each, back by a tenth of the full pace per minute without one. The
 * quota (quota.h) is the law, this is only manners. Monotonic times.
 */

#include <stddef.h>
#include <stdint.h>

struct pace {
	unsigned full;	  /* events a minute; 0 = no pacing */
	unsigned present; /* at most full */
	size_t request_events;
	int64_t slot_us;   /* the next request may start */
	int64_t raised_ms; /* when `present` last changed */
};

void pace_init(
    struct pace *pace, unsigned full, size_t request_events, int64_t mono_ms);

/* Events in a full request: equal parts of a minute's worth. */
size_t pace_request_events(const struct pace *pace);

/* When may the next request start? */
int64_t pace_next_ms(const struct pace *pace);

/* One starts now. */
void pace_start(struct pace *pace, size_t events, int64_t mono_ms);

void pace_lower(struct pace *pace, int64_t mono_ms);
void pace_raise(struct pace *pace, int64_t mono_ms);

#endif
