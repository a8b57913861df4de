#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/*
 * Clocks, in milliseconds. Only loops read them; everything below a loop is
 * given the time as an argument. Any thread.
 */

#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_ms(void); /* since 1970, UTC; may jump */
int64_t clock_mono_ms(void); /* since some start; never jumps */

/* "2026-11-23T22:05:01.123Z"; CLOCK_TEXT bytes are enough. */
enum { CLOCK_TEXT = 32 };
void clock_text(int64_t wall_ms, char *ret, size_t size);

#endif
