#ifndef QUEUE_CHANGES_H
#define QUEUE_CHANGES_H

/*
 * A list of changes for an engine's apply, with room for the bytes that they
 * lend. Failure for want of memory is sticky: changes_ok() tells at the end.
 * The memory stays from list to list. Not thread safe.
 */

#include "queue/engine.h"

struct changes_chunk;

/* All zero is empty. */
struct changes {
	struct engine_change *list; /* owned */
	size_t count, cap;
	struct changes_chunk *chunks; /* owned; the first is in use */
	struct engine_change spare;   /* written to without memory */
	bool failed;
};

void changes_fini(struct changes *changes);

/* Forget the list and the bytes. */
void changes_reset(struct changes *changes);

/* Append a change, zeroed but for its op. The pointer is good until the next
 * one is appended; never NULL. */
struct engine_change *changes_add(struct changes *changes, enum engine_op op);

/* Bytes that live until the reset; NULL without memory. */
void *changes_alloc(struct changes *changes, size_t len);
/* A copy likewise; that of NULL is NULL. */
struct str changes_copy(struct changes *changes, struct str bytes);

MUST_USE bool changes_ok(const struct changes *changes, struct err *reterr);

#endif
