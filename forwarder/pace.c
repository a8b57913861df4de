#include "forwarder/pace.h"

enum {
	PACE_MINUTE_MS = 60 * 1000,
	PACE_FLOOR_PART = 10, /* never below a tenth of the full pace: a
			       * trickle must be left to learn from */
	PACE_RAISE_MS = 10 * PACE_MINUTE_MS, /* from nothing to full */
	PACE_LATE_US = 100 * 1000, /* by which a start may be late without
				    * losing its share */
	BODY_LIMIT_LEAST = 16 * 1024,
	BODY_LIMIT_RAISE_MS = 60 * 60 * 1000, /* from nothing to full */
	BODY_LIMIT_STEPS = 16, /* of a rise: each may cost a 413 */
};

/* ---- pace ---- */

void
pace_init(
    struct pace *pace, unsigned full, size_t request_events, int64_t mono_ms)
{
	*pace = (struct pace){
	    .full = full,
	    .present = full,
	    .request_events = request_events,
	    .slot_us = mono_ms * 1000,
	    .raised_ms = mono_ms,
	};
}

size_t
pace_request_events(const struct pace *pace)
{
	size_t requests;

	if (pace->full == 0)
		return pace->request_events;
	requests =
	    (pace->present + pace->request_events - 1) / pace->request_events;
	return pace->present / requests;
}

int64_t
pace_next_ms(const struct pace *pace)
{
	if (pace->full == 0)
		return INT64_MIN;
	return (pace->slot_us + 999) / 1000;
}

void
pace_start(struct pace *pace, size_t events, int64_t mono_ms)
{
	int64_t earliest_us = mono_ms * 1000 - PACE_LATE_US;

	if (pace->full == 0)
		return;
	if (pace->slot_us < earliest_us)
		pace->slot_us = earliest_us;
	pace->slot_us +=
	    (int64_t)events * PACE_MINUTE_MS * 1000 / pace->present;
}

void
pace_lower(struct pace *pace, int64_t mono_ms)
{
	unsigned floor = (pace->full + PACE_FLOOR_PART - 1) / PACE_FLOOR_PART;

	if (pace->full == 0)
		return;
	pace->present /= 2;
	if (pace->present < floor)
		pace->present = floor;
	pace->raised_ms = mono_ms;
}

void
pace_raise(struct pace *pace, int64_t mono_ms)
{
	int64_t more;

	if (pace->present == pace->full) {
		pace->raised_ms = mono_ms;
		return;
	}
	more =
	    (int64_t)pace->full * (mono_ms - pace->raised_ms) / PACE_RAISE_MS;
	if (more <= 0)
		return; /* too soon to count; the time is not lost */
	if (more > (int64_t)(pace->full - pace->present))
		more = pace->full - pace->present;
	pace->present += (unsigned)more;
	pace->raised_ms = mono_ms;
}

/* ---- back-off ---- */

void
backoff_init(
    struct backoff *backoff, int64_t first_ms, int64_t most_ms, uint64_t seed)
{
	*backoff = (struct backoff){
	    .first_ms = first_ms > 0 ? first_ms : 1,
	    .most_ms = most_ms > first_ms ? most_ms : first_ms,
	    .random = seed,
	};
	backoff_reset(backoff);
}

int64_t
backoff_next(struct backoff *backoff)
{
	uint64_t cap = (uint64_t)backoff->cap_ms;
	uint64_t x;

	if (backoff->cap_ms > backoff->most_ms / 2)
		backoff->cap_ms = backoff->most_ms;
	else
		backoff->cap_ms *= 2;
	/* splitmix64: any seed will do, and its state is a counter. */
	x = backoff->random += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (int64_t)((x ^ (x >> 31)) % (cap + 1));
}

void
backoff_reset(struct backoff *backoff)
{
	backoff->cap_ms = backoff->first_ms;
}

/* ---- bytes of a request ---- */

void
body_limit_init(struct body_limit *limit, size_t full, int64_t mono_ms)
{
	*limit = (struct body_limit){
	    .full = full, .present = full, .raised_ms = mono_ms};
}

void
body_limit_lower(struct body_limit *limit, size_t bytes, int64_t mono_ms)
{
	size_t half =
	    bytes / 2 > BODY_LIMIT_LEAST ? bytes / 2 : BODY_LIMIT_LEAST;

	if (half >= limit->present)
		return;
	limit->present = half;
	limit->raised_ms = mono_ms;
}

void
body_limit_restore(struct body_limit *limit, size_t bytes, int64_t mono_ms)
{
	if (bytes <= limit->present)
		return;
	limit->present = bytes;
	limit->raised_ms = mono_ms;
}

void
body_limit_raise(struct body_limit *limit, int64_t mono_ms)
{
	if (mono_ms - limit->raised_ms < BODY_LIMIT_RAISE_MS / BODY_LIMIT_STEPS)
		return;
	limit->raised_ms = mono_ms;
	if (limit->full - limit->present < limit->full / BODY_LIMIT_STEPS)
		limit->present = limit->full;
	else
		limit->present += limit->full / BODY_LIMIT_STEPS;
}
