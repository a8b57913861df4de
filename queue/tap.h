#ifndef QUEUE_TAP_H
#define QUEUE_TAP_H

/*
 * Taps: copies of some of the items that pass, for an operator who watches.
 * Whoever accepts or settles offers each item; while nobody taps that is one
 * load. A tap takes so many a second, and as many as its buffer holds; what is
 * beyond that is only counted, so nothing ever waits for a reader. The lock is
 * held to copy an item, or to exchange two buffers.
 */

#include "queue/admin.h"

#include "base/lock.h"

#include <stdatomic.h>

enum { TAPS_MAX = 8 };

struct taps {
	struct lock lock;
	atomic_uint count;
	/* guarded by lock */
	struct tap *open[TAPS_MAX];
};

void taps_init(struct taps *taps);
void taps_fini(struct taps *taps); /* none is open */

/* Does anybody tap? Only then is it worth an offer. */
static inline bool
taps_any(const struct taps *taps)
{
	return atomic_load_explicit(&taps->count, memory_order_relaxed) > 0;
}

void taps_offer(struct taps *taps, const struct tap_item *item);

#endif
