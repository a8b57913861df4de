#ifndef FORWARDER_BACKOFF_H
#define FORWARDER_BACKOFF_H

/*
 * Exponential back-off with full jitter: each wait is drawn evenly from zero
 * to a cap that doubles. Its own generator, so that a test repeats exactly.
 */

#include <stdint.h>

struct backoff {
	int64_t first_ms;
	int64_t most_ms;
	int64_t cap_ms; /* of the next wait */
	uint64_t random;
};

void backoff_init(
    struct backoff *backoff, int64_t first_ms, int64_t most_ms, uint64_t seed);

/* The next wait; doubles the cap. */
int64_t backoff_next(struct backoff *backoff);

/* A success: start from the first again. */
void backoff_reset(struct backoff *backoff);

#endif
