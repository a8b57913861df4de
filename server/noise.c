#include "server/noise.h"

enum { NOISE_MS = 1000 };

bool
noise_allow(struct noise *noise, int64_t mono_ms, uint64_t *ret_suppressed)
{
	int64_t last = atomic_load(&noise->last_ms);

	/* 0 is "never": the monotonic clock may have just begun. */
	if ((last != 0 && mono_ms - last < NOISE_MS) ||
	    !atomic_compare_exchange_strong(&noise->last_ms, &last, mono_ms)) {
		atomic_fetch_add(&noise->suppressed, 1);
		return false;
	}
	*ret_suppressed = atomic_exchange(&noise->suppressed, 0);
	return true;
}
