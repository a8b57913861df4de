#include "base/rate.h"

#include <math.h>

double
rate_read(const struct rate *rate, int64_t mono_ms)
{
	int64_t passed_ms = mono_ms - rate->mono_ms;

	if (passed_ms <= 0)
		return rate->per_second;
	return rate->per_second * exp(-(double)passed_ms / RATE_MS);
}

void
rate_add(struct rate *rate, uint64_t count, int64_t mono_ms)
{
	rate->per_second =
	    rate_read(rate, mono_ms) + (double)count * 1000 / RATE_MS;
	if (mono_ms > rate->mono_ms)
		rate->mono_ms = mono_ms;
}
