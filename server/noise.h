#ifndef SERVER_NOISE_H
#define SERVER_NOISE_H

/*
 * Keeps a loud line from becoming a flood: at most one a second of its kind,
 * which says how many were held back. Any thread.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct noise {
	_Atomic int64_t last_ms;
	_Atomic uint64_t suppressed;
};

/* May the line be written? Then *ret_suppressed were not, before it. */
bool
noise_allow(struct noise *noise, int64_t mono_ms, uint64_t *ret_suppressed);

#endif
