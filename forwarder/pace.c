#include "forwarder/pace.h"

enum {
	PACE_MINUTE_MS = 60 * 1000,
	PACE_FLOOR_PART = 10, /* never below a tenth of the full pace */
	PACE_RAISE_MS = 10 * PACE_MINUTE_MS, /* from nothing to full */
	PACE_LATE_US = 100 * 1000, /* a late timer may be made up for */
};

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

/* Not below the floor: a trickle must be left to learn from. */
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
		return; /* too soon to count: the time is not lost */
	if (more > (int64_t)(pace->full - pace->present))
		more = pace->full - pace->present;
	pace->present += (unsigned)more;
	pace->raised_ms = mono_ms;
}
