#include "forwarder/size.h"

enum {
	SIZE_LEAST = 16 * 1024,
	SIZE_RAISE_MS = 60 * 60 * 1000,
	SIZE_STEPS = 16, /* of a rise: a 413 for each is enough */
};

void
size_init(struct size *size, size_t full, int64_t mono_ms)
{
	*size =
	    (struct size){.full = full, .present = full, .raised_ms = mono_ms};
}

void
size_lower(struct size *size, size_t bytes, int64_t mono_ms)
{
	size_t half = bytes / 2 > SIZE_LEAST ? bytes / 2 : SIZE_LEAST;

	if (half >= size->present)
		return;
	size->present = half;
	size->raised_ms = mono_ms;
}

void
size_restore(struct size *size, size_t bytes, int64_t mono_ms)
{
	if (bytes <= size->present)
		return;
	size->present = bytes;
	size->raised_ms = mono_ms;
}

void
size_raise(struct size *size, int64_t mono_ms)
{
	if (mono_ms - size->raised_ms < SIZE_RAISE_MS / SIZE_STEPS)
		return;
	size->raised_ms = mono_ms;
	if (size->full - size->present < size->full / SIZE_STEPS)
		size->present = size->full;
	else
		size->present += size->full / SIZE_STEPS;
}
