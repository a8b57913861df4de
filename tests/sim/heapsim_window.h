#ifndef HEAPSIM_WINDOW_H
#define HEAPSIM_WINDOW_H

/*
 * A sliding window: how many events came within the last so many ms. Exact
 * to the millisecond, since a window of coarse buckets would let a sender
 * through who is a little too fast. Starts as zeroes.
 */

#include "tests/sim/sim_base.h"

struct heapsim_tick {
	uint32_t at_ms; /* since the simulator's start */
	uint32_t n;
};

struct heapsim_window {
	struct heapsim_tick *ticks; /* a ring */
	uint32_t head;
	uint32_t n_ticks;
	uint32_t room;
	uint64_t sum;
	uint64_t max; /* the most that ever stood in or came to the window */
};

/* Forget what is older; returns how many are in it at now_ms. */
uint64_t heapsim_window_slide(
    struct heapsim_window *window, uint32_t now_ms, uint32_t length_ms);
/* n more would come: note the maximum, nothing else. After a slide. */
void heapsim_window_meet(struct heapsim_window *window, uint64_t n);
/* n more have come. After a slide. */
void
heapsim_window_add(struct heapsim_window *window, uint32_t now_ms, uint32_t n);
void heapsim_window_fini(struct heapsim_window *window);

#endif
