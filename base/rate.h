#ifndef BASE_RATE_H
#define BASE_RATE_H

/*
 * How many a second at present: an average in which what happened counts the
 * less the longer ago it was. It needs no clock of its own: between two events
 * it decays. Not thread safe.
 */

#include <stdint.h>

enum { RATE_MS = 10 * 1000 }; /* after this, an event counts 1/e */

struct rate {
	double per_second; /* at: */
	int64_t mono_ms;
};

void rate_add(struct rate *rate, uint64_t count, int64_t mono_ms);
double rate_read(const struct rate *rate, int64_t mono_ms);

#endif
