#include "forwarder/backoff.h"

void
backoff_init(
    struct backoff *backoff, int64_t first_ms, int64_t most_ms, uint64_t seed)
{
	*backoff = (struct backoff){
	    .first_ms = first_ms > 0 ? first_ms : 1,
	    .most_ms = most_ms > first_ms ? most_ms : first_ms,
	    .random = seed,
	};
	backoff_reset(backoff);
}

/* splitmix64: any seed will do, and it needs no state but a counter. */
static uint64_t
backoff_random(struct backoff *backoff)
{
	uint64_t x = backoff->random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

int64_t
backoff_next(struct backoff *backoff)
{
	uint64_t cap = (uint64_t)backoff->cap_ms;

	if (backoff->cap_ms > backoff->most_ms / 2)
		backoff->cap_ms = backoff->most_ms;
	else
		backoff->cap_ms *= 2;
	return (int64_t)(backoff_random(backoff) % (cap + 1));
}

void
backoff_reset(struct backoff *backoff)
{
	backoff->cap_ms = backoff->first_ms;
}
