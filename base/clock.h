#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/*
 * Clocks, in milliseconds. Only loops read them; what a loop calls gets the
 * time as an argument. Any thread.
 */

#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_ms(void); /* since 1970, UTC; may jump */
int64_t clock_mono_ms(void); /* since some start; never jumps */
int64_t clock_mono_us(void); /* likewise, to time what is brief */

/* 2026-01-01, when this program did not exist yet: a clock before that is
 * wrong. Machines without a battery start in 1970, until they hear the time. */
#define CLOCK_LEAST_MS INT64_C(1767225600000)

/*
 * Both, read together. Waits and quotas are counted on the monotonic clock, so
 * that a jump of the wall clock neither stalls nor hurries anything; times that
 * are stored or shown are wall time.
 */
struct clock_times {
	int64_t mono_ms, wall_ms;
};

struct clock_times clock_times_now(void);

/* The wall clock's reading at a monotonic time. */
static inline int64_t
clock_times_wall_ms(const struct clock_times *now, int64_t mono_ms)
{
	return now->wall_ms + (mono_ms - now->mono_ms);
}

/* "2026-11-23T22:05:01.123Z"; CLOCK_TEXT bytes are enough. */
enum { CLOCK_TEXT = 32 };
void clock_text(int64_t wall_ms, char *ret, size_t size);

/* The first day of the month of a day; both count from 1970-01-01. */
int64_t clock_month(int64_t day);

#endif
