#include "queue/window.h"

#include "base/table.h"

#include <stdlib.h>
#include <string.h>

/* A ring of hashes in the order of acceptance, and a table of their positions
 * in it. */
struct window {
	size_t max;	/* hashes in the ring */
	size_t first;	/* position of the oldest */
	size_t count;	/* in the ring, pending ones included */
	size_t pending; /* the last of them */
	unsigned char (*ring)[DIGEST_SHORT];
	struct table table;
};

struct window *
window_new(size_t events)
{
	struct window *window = calloc(1, sizeof(*window));

	CHECK(events > 0 && events < UINT32_MAX / 4);
	if (window == NULL)
		return NULL;
	window->max = events;
	window->ring = calloc(events, sizeof(*window->ring));
	if (window->ring == NULL || !table_reserve(&window->table, events)) {
		window_free(window);
		return NULL;
	}
	/* Allocate the memory now: a daemon that grows during its first million
	 * events looks like a leak, and may not get the memory later. */
	explicit_bzero(window->ring, events * sizeof(*window->ring));
	table_clear(&window->table);
	return window;
}

void
window_free(struct window *window)
{
	if (window == NULL)
		return;
	free(window->ring);
	table_fini(&window->table);
	free(window);
}

/* The hashes are uniform already. */
static uint64_t
window_key(const unsigned char hash[DIGEST_SHORT])
{
	uint64_t key;

	memcpy(&key, hash, sizeof(key));
	return key;
}

struct window_lookup {
	const struct window *window;
	const unsigned char *hash;
};

static bool
window_equal(const void *arg, uint32_t position)
{
	const struct window_lookup *lookup = arg;

	return memcmp(lookup->window->ring[position], lookup->hash,
		   DIGEST_SHORT) == 0;
}

bool
window_has(const struct window *window, const unsigned char hash[DIGEST_SHORT])
{
	struct window_lookup lookup = {window, hash};

	return table_find(&window->table, window_key(hash), window_equal,
		   &lookup) != TABLE_NONE;
}

void
window_expect(const struct window *window,
    const unsigned char (*hashes)[DIGEST_SHORT], size_t count)
{
	/* The oldest, which go for them if the ring is full. */
	for (size_t i = 0; i < count && i < window->count; i++)
		table_prefetch(&window->table,
		    window_key(
			window->ring[(window->first + i) % window->max]));
	for (size_t i = 0; i < count; i++)
		table_prefetch(&window->table, window_key(hashes[i]));
}

static void
window_remove(struct window *window, size_t position)
{
	table_remove(&window->table, window_key(window->ring[position]),
	    (uint32_t)position);
	window->count--;
}

void
window_add(struct window *window, const unsigned char hash[DIGEST_SHORT])
{
	size_t position;

	if (window->count == window->max) {
		window_remove(window, window->first);
		window->first = (window->first + 1) % window->max;
		if (window->pending > window->count)
			window->pending = window->count;
	}
	position = (window->first + window->count) % window->max;
	memcpy(window->ring[position], hash, DIGEST_SHORT);
	table_add(&window->table, window_key(hash), (uint32_t)position);
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
	for (; window->pending > 0; window->pending--)
		window_remove(
		    window, (window->first + window->count - 1) % window->max);
}

size_t
window_count(const struct window *window)
{
	return window->count;
}

void
window_clear(struct window *window)
{
	table_clear(&window->table);
	window->first = window->count = window->pending = 0;
}
