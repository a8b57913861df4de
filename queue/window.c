#include "queue/window.h"

#include <stdlib.h>
#include <string.h>

/*
 * A ring of hashes in the order of acceptance, and an open addressing table
 * (linear probing, at most half full) of positions in the ring. The hashes
 * are uniform already, so their first bytes choose the slot. Removal shifts
 * the followers back, so there are no tombstones.
 */
struct window {
	size_t max;	/* hashes in the ring */
	size_t first;	/* position of the oldest */
	size_t count;	/* in the ring, pending ones included */
	size_t pending; /* the last of them */
	size_t mask;	/* slots - 1 */
	unsigned char (*ring)[DIGEST_SHORT];
	uint32_t *slots; /* position + 1; 0 = empty */
};

static size_t
window_home(const struct window *window, const unsigned char hash[DIGEST_SHORT])
{
	uint64_t number;

	memcpy(&number, hash, sizeof(number));
	return (size_t)number & window->mask;
}

struct window *
window_new(size_t events)
{
	struct window *window = calloc(1, sizeof(*window));
	size_t slots = 16;

	CHECK(events > 0 && events < UINT32_MAX / 4);
	if (window == NULL)
		return NULL;
	while (slots < events * 2)
		slots *= 2;
	window->max = events;
	window->mask = slots - 1;
	window->ring = calloc(events, sizeof(*window->ring));
	window->slots = calloc(slots, sizeof(*window->slots));
	if (window->ring == NULL || window->slots == NULL) {
		window_free(window);
		return NULL;
	}
	/* Have the memory now: a daemon that grows for its first million
	 * events looks like a leak, and may be refused it later. */
	explicit_bzero(window->ring, events * sizeof(*window->ring));
	explicit_bzero(window->slots, slots * sizeof(*window->slots));
	return window;
}

void
window_free(struct window *window)
{
	if (window == NULL)
		return;
	free(window->ring);
	free(window->slots);
	free(window);
}

/* The slot that holds the hash, or the empty one where it would go. */
static size_t
window_slot(const struct window *window, const unsigned char hash[DIGEST_SHORT])
{
	size_t slot = window_home(window, hash);

	while (window->slots[slot] != 0 &&
	       memcmp(window->ring[window->slots[slot] - 1], hash,
		   DIGEST_SHORT) != 0)
		slot = (slot + 1) & window->mask;
	return slot;
}

bool
window_has(const struct window *window, const unsigned char hash[DIGEST_SHORT])
{
	return window->slots[window_slot(window, hash)] != 0;
}

void
window_expect(const struct window *window,
    const unsigned char (*hashes)[DIGEST_SHORT], size_t count)
{
	/* The oldest, which go for them if the ring is full. */
	for (size_t i = 0; i < count && i < window->count; i++)
		__builtin_prefetch(&window->slots[window_home(
		    window, window->ring[(window->first + i) % window->max])]);
	for (size_t i = 0; i < count; i++)
		__builtin_prefetch(
		    &window->slots[window_home(window, hashes[i])]);
}

/* Empty the slot of a hash and close the gap in its run. */
static void
window_unlink(struct window *window, const unsigned char hash[DIGEST_SHORT])
{
	size_t gap = window_slot(window, hash), next = gap;

	CHECK(window->slots[gap] != 0);
	for (;;) {
		size_t home;

		next = (next + 1) & window->mask;
		if (window->slots[next] == 0)
			break;
		home =
		    window_home(window, window->ring[window->slots[next] - 1]);
		/* It may move back only to where its probing passes. */
		if (((next - home) & window->mask) <
		    ((next - gap) & window->mask))
			continue;
		window->slots[gap] = window->slots[next];
		gap = next;
	}
	window->slots[gap] = 0;
}

void
window_add(struct window *window, const unsigned char hash[DIGEST_SHORT])
{
	size_t position, slot;

	if (window->count == window->max) {
		window_unlink(window, window->ring[window->first]);
		window->first = (window->first + 1) % window->max;
		window->count--;
		if (window->pending > window->count)
			window->pending = window->count;
	}
	slot = window_slot(window, hash);
	CHECK(window->slots[slot] == 0);
	position = (window->first + window->count) % window->max;
	memcpy(window->ring[position], hash, DIGEST_SHORT);
	window->slots[slot] = (uint32_t)position + 1;
	window->count++;
	window->pending++;
}

void
window_commit(struct window *window)
{
	window->pending = 0;
}

void
window_rollback(struct window *window)
{
	for (; window->pending > 0; window->pending--) {
		size_t last = (window->first + window->count - 1) % window->max;

		window_unlink(window, window->ring[last]);
		window->count--;
	}
}

size_t
window_count(const struct window *window)
{
	return window->count;
}

void
window_clear(struct window *window)
{
	memset(window->slots, 0, (window->mask + 1) * sizeof(*window->slots));
	window->first = window->count = window->pending = 0;
}
