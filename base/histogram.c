#include "base/histogram.h"

enum { UNIT_US = 500 };

/* In such units. */
#define MS	2
#define SECONDS 2000
#define HOURS	(3600 * SECONDS)

static const uint32_t histogram_bounds[][HISTOGRAM_BOUNDS] = {
    [HISTOGRAM_REQUEST] = {1, MS, 5, 5 * MS, 10 * MS, 25 * MS, 50 * MS,
	100 * MS, 250 * MS, 500 * MS, SECONDS, 2500 * MS, 5 * SECONDS,
	10 * SECONDS, 30 * SECONDS},
    [HISTOGRAM_DELAY] = {100 * MS, 250 * MS, SECONDS, 5 * SECONDS, 15 * SECONDS,
	60 * SECONDS, 300 * SECONDS, 900 * SECONDS, HOURS, 4 * HOURS,
	12 * HOURS, 24 * HOURS, 48 * HOURS, 96 * HOURS, 168 * HOURS},
};

int64_t
histogram_bound_us(const struct histogram *histogram, int bound)
{
	return (int64_t)histogram_bounds[histogram->scale][bound] * UNIT_US;
}

void
histogram_add(struct histogram *histogram, int64_t us, uint64_t count)
{
	int bound = 0;

	if (us < 0)
		us = 0;
	while (bound < HISTOGRAM_BOUNDS &&
	       us > histogram_bound_us(histogram, bound))
		bound++;
	atomic_fetch_add_explicit(
	    &histogram->counts[bound], count, memory_order_relaxed);
	atomic_fetch_add_explicit(
	    &histogram->sum_us, (uint64_t)us * count, memory_order_relaxed);
}
