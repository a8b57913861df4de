#ifndef TESTS_HISTOGRAM_HELP_H
#define TESTS_HISTOGRAM_HELP_H

/* How much a histogram has counted. */

#include "base/histogram.h"

#include <stddef.h>

static inline uint64_t
histogram_count(const struct histogram *histogram)
{
	uint64_t count = 0;

	for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
		count += atomic_load(&histogram->counts[i]);
	return count;
}

#endif
