#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

/*
 * How long things took: how many of them were within each of some bounds, and
 * the sum of all. Adding is two atomic additions, so it may stand where every
 * request passes. Any thread.
 */

#include <stdatomic.h>
#include <stdint.h>

enum { HISTOGRAM_BOUNDS = 15 };

enum histogram_scale {
	HISTOGRAM_REQUEST, /* 0.5 ms to 30 s */
	HISTOGRAM_DELAY,   /* 0.1 s to 7 d */
};

/* Zeroed, but for the scale. */
struct histogram {
	enum histogram_scale scale; /* constant */
	/* Within this bound and above the one before; the last is above all. */
	_Atomic uint64_t counts[HISTOGRAM_BOUNDS + 1];
	_Atomic uint64_t sum_us; /* starts over at 2^64 */
};

/* Add `count` times of `us` each. A negative one, of a clock that was set back,
 * is 0. */
void histogram_add(struct histogram *histogram, int64_t us, uint64_t count);

/* A bound by its number. */
int64_t histogram_bound_us(const struct histogram *histogram, int bound);

#endif
