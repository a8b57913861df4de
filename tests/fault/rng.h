#ifndef TESTS_FAULT_RNG_H
#define TESTS_FAULT_RNG_H

/* A small generator of numbers that a seed repeats (splitmix64). */

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t
rng_next(struct rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* From 0 to below - 1. */
static inline uint64_t
rng_below(struct rng *rng, uint64_t below)
{
	return rng_next(rng) % below;
}

/* True in `percent` of all cases. */
static inline bool
rng_chance(struct rng *rng, unsigned percent)
{
	return rng_below(rng, 100) < percent;
}

#endif
