#ifndef QUEUE_WINDOW_H
#define QUEUE_WINDOW_H

/*
 * The window for duplicates: the hashes of the last accepted events, first in
 * first out, in memory. A hash that is added is pending until its transaction
 * is durable (window_commit) or has failed (window_rollback). Costs 32 to 48
 * bytes an event. Not thread safe.
 */

#include "base/digest.h"

struct window;

/* `events` is how many are remembered. */
MUST_USE struct window *window_new(size_t events);
void window_free(struct window *window); /* accepts NULL */

MUST_USE bool
window_has(const struct window *window, const unsigned char hash[DIGEST_SHORT]);

/* A hint that these hashes come next: the table is larger than the processor's
 * caches, and it is faster to fetch all of them at once. */
void window_expect(const struct window *window,
    const unsigned char (*hashes)[DIGEST_SHORT], size_t count);

/* Add a hash that is not in the window. If there is no room, the oldest one is
 * dropped. */
void window_add(struct window *window, const unsigned char hash[DIGEST_SHORT]);

void window_commit(struct window *window);
void window_rollback(struct window *window);

size_t window_count(const struct window *window);
void window_clear(struct window *window);

#endif
