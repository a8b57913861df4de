#ifndef FORWARDER_SIZE_H
#define FORWARDER_SIZE_H

/*
 * How many bytes a request may have: what is set, or less after a 413, which
 * teaches half of what was too much. As far as accepted requests allow, it
 * comes back evenly, from nothing to full in an hour, so that one odd 413
 * does not make small requests of all that follow. Monotonic times.
 */

#include <stddef.h>
#include <stdint.h>

struct size {
	size_t full;
	size_t present;
	int64_t raised_ms; /* when `present` last changed */
};

void size_init(struct size *size, size_t full, int64_t mono_ms);

/* A request of so many bytes was too large. */
void size_lower(struct size *size, size_t bytes, int64_t mono_ms);

/* It was not the request: back to what was before, if that is more. */
void size_restore(struct size *size, size_t bytes, int64_t mono_ms);

/* A request was accepted. */
void size_raise(struct size *size, int64_t mono_ms);

#endif
