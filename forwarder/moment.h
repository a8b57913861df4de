#ifndef FORWARDER_MOMENT_H
#define FORWARDER_MOMENT_H

/*
 * Both clocks, read at once by the loop and handed down. Waits and quotas
 * are counted on the monotonic one, so that a jump of the wall clock neither
 * stalls a lane nor breaks a quota; what is stored or shown is wall time.
 */

#include <stdint.h>

struct moment {
	int64_t wall_ms;
	int64_t mono_ms;
};

/* The wall clock's reading at a monotonic time. */
static inline int64_t
moment_wall_ms(const struct moment *now, int64_t mono_ms)
{
	return now->wall_ms + (mono_ms - now->mono_ms);
}

#endif
