#include "forwarder/pace.h"

enum {
	PACE_MINUTE_MS = 60 * 1000,
	PACE_FLOOR_PART = 10, /* never below a tenth of the full pace: a
			       * trickle must be left to learn from */
	PACE_RAISE_MS = 10 * PACE_MINUTE_MS, /* from nothing to full */
	PACE_LATE_US = 100 * 1000, /* by which a start may be late without
				    * losing its share */
	SIZE_LIMIT_RAISE_MS = 60 * 60 * 1000, /* from nothing to full */
	SIZE_LIMIT_STEPS = 16, /* of a rise: each may cost a refusal */
};

/* ---- pace ---- */

static unsigned
pace_per_minute(const struct outlet_limit *limit)
{
	int64_t units =
	    (int64_t)limit->amount * PACE_MINUTE_MS / limit->window_ms;

	return units > 0 ? (unsigned)units : 1;
}

void
pace_init(struct pace *pace, const struct limits *limits, size_t request_items,
    int64_t mono_ms)
{
	*pace = (struct pace){
	    .request_items = request_items,
	    .slot_us = mono_ms * 1000,
	    .raised_ms = mono_ms,
	};
	for (size_t i = 0; i < limits->count; i++) {
		if (limits->windows[i].limit.scope == OUTLET_DESTINATION)
			pace->limits[pace->count++] = limits->windows[i].limit;
	}
	if (pace->count > 0)
		pace->full = pace_per_minute(&pace->limits[0]);
	pace->present = pace->full;
}

bool
pace_counts_requests(const struct pace *pace)
{
	return pace->count > 0 && pace->limits[0].unit == OUTLET_REQUESTS;
}

size_t
pace_request_items(const struct pace *pace)
{
	size_t requests;

	if (pace->count == 0 || pace_counts_requests(pace))
		return pace->request_items;
	requests =
	    (pace->present + pace->request_items - 1) / pace->request_items;
	return pace->present / requests;
}

int64_t
pace_next_ms(const struct pace *pace)
{
	if (pace->count == 0)
		return INT64_MIN;
	return (pace->slot_us + 999) / 1000;
}

void
pace_start(struct pace *pace, size_t items, int64_t mono_ms)
{
	int64_t earliest_us = mono_ms * 1000 - PACE_LATE_US, step_us = 0;

	if (pace->count == 0)
		return;
	for (size_t i = 0; i < pace->count; i++) {
		const struct outlet_limit *limit = &pace->limits[i];
		size_t units = limit->unit == OUTLET_ITEMS ? items : 1;
		int64_t us = (int64_t)units * limit->window_ms * 1000 /
			     (int64_t)limit->amount;

		if (us > step_us)
			step_us = us;
	}
	if (pace->slot_us < earliest_us)
		pace->slot_us = earliest_us;
	pace->slot_us += step_us * pace->full / pace->present;
}

void
pace_lower(struct pace *pace, int64_t mono_ms)
{
	unsigned floor = (pace->full + PACE_FLOOR_PART - 1) / PACE_FLOOR_PART;

	if (pace->count == 0)
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
backoff_next_of(struct backoff *backoff, int64_t *cap_ms)
{
	uint64_t cap, x;

	if (*cap_ms == 0)
		*cap_ms = backoff->first_ms;
	cap = (uint64_t)*cap_ms;
	if (*cap_ms > backoff->most_ms / 2)
		*cap_ms = backoff->most_ms;
	else
		*cap_ms *= 2;
	/* splitmix64: any seed will do, and its state is a counter. */
	x = backoff->random += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (int64_t)((x ^ (x >> 31)) % (cap + 1));
}

int64_t
backoff_next(struct backoff *backoff)
{
	return backoff_next_of(backoff, &backoff->cap_ms);
}

void
backoff_reset(struct backoff *backoff)
{
	backoff->cap_ms = backoff->first_ms;
}

/* ---- the size of a request ---- */

void
size_limit_init(
    struct size_limit *limit, size_t full, size_t least, int64_t mono_ms)
{
	*limit = (struct size_limit){.full = full,
	    .least = least,
	    .present = full,
	    .raised_ms = mono_ms};
}

void
size_limit_lower(struct size_limit *limit, size_t size, int64_t mono_ms)
{
	size_t half = size / 2 > limit->least ? size / 2 : limit->least;

	if (half >= limit->present)
		return;
	limit->present = half;
	limit->raised_ms = mono_ms;
}

void
size_limit_restore(struct size_limit *limit, size_t size, int64_t mono_ms)
{
	if (size <= limit->present)
		return;
	limit->present = size;
	limit->raised_ms = mono_ms;
}

void
size_limit_raise(struct size_limit *limit, int64_t mono_ms)
{
	size_t step = limit->full / SIZE_LIMIT_STEPS + 1;

	if (mono_ms - limit->raised_ms < SIZE_LIMIT_RAISE_MS / SIZE_LIMIT_STEPS)
		return;
	limit->raised_ms = mono_ms;
	if (limit->full - limit->present < step)
		limit->present = limit->full;
	else
		limit->present += step;
}
