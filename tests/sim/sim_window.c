/* Sliding windows: a ring of ticks, those of the same millisecond joined. */

#include "tests/sim/sim_window.h"

#include <stdlib.h>
#include <string.h>

static struct sim_tick *
tick_at(struct sim_window *window, uint32_t i)
{
	return &window->ticks[(window->head + i) % window->room];
}

/* Unsigned differences are right even if the clock of 32 bits wraps. */
uint64_t
sim_window_slide(struct sim_window *window, uint32_t now_ms, uint32_t length_ms)
{
	struct sim_tick *oldest;

	while (window->n_ticks > 0) {
		oldest = tick_at(window, 0);
		if (now_ms - oldest->at_ms < length_ms)
			break;
		window->sum -= oldest->n;
		window->head = (window->head + 1) % window->room;
		window->n_ticks--;
	}
	return window->sum;
}

void
sim_window_meet(struct sim_window *window, uint64_t n)
{
	if (window->sum + n > window->max)
		window->max = window->sum + n;
}

/* Most users have one event or two: two places at first, then doubling. */
static void
window_grow(struct sim_window *window)
{
	uint32_t room = window->room == 0 ? 2 : 2 * window->room;
	struct sim_tick *ticks = sim_alloc(room * sizeof(*ticks));
	uint32_t i;

	for (i = 0; i < window->n_ticks; i++)
		ticks[i] = *tick_at(window, i);
	free(window->ticks);
	window->ticks = ticks;
	window->room = room;
	window->head = 0;
}

void
sim_window_add(struct sim_window *window, uint32_t now_ms, uint32_t n)
{
	struct sim_tick *newest = NULL;

	if (window->n_ticks > 0)
		newest = tick_at(window, window->n_ticks - 1);
	if (newest != NULL && newest->at_ms == now_ms) {
		newest->n += n;
	} else {
		if (window->n_ticks == window->room)
			window_grow(window);
		*tick_at(window, window->n_ticks++) =
		    (struct sim_tick){now_ms, n};
	}
	window->sum += n;
	sim_window_meet(window, 0);
}

void
sim_window_fini(struct sim_window *window)
{
	free(window->ticks);
	*window = (struct sim_window){0};
}
