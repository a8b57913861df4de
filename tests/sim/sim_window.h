#ifndef SIM_WINDOW_H
#define SIM_WINDOW_H

/*
 * A sliding window: how many events came within the last so many ms. Exact
 * to the millisecond, since a window of coarse buckets would let a sender
 * through who is a little too fast. Starts as zeroes.
 */

#include "tests/sim/sim_base.h"

struct sim_tick {
	uint32_t at_ms; /* since the simulator's start */
	uint32_t n;
};

struct sim_window {
	struct sim_tick *ticks; /* a ring */
	uint32_t head;
	uint32_t n_ticks;
	uint32_t room;
	uint64_t sum;
	uint64_t max; /* the most that ever stood in or came to the window */
};

/* Forget what is older; returns how many are in it at now_ms. */
uint64_t sim_window_slide(
    struct sim_window *window, uint32_t now_ms, uint32_t length_ms);
/* n more would come: note the maximum, nothing else. After a slide. */
void sim_window_meet(struct sim_window *window, uint64_t n);
/* n more have come. After a slide. */
void sim_window_add(struct sim_window *window, uint32_t now_ms, uint32_t n);
void sim_window_fini(struct sim_window *window);

#endif
