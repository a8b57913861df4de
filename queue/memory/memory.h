#ifndef QUEUE_MEMORY_MEMORY_H
#define QUEUE_MEMORY_MEMORY_H

/*
 * The second engine, for tests: it shows that nothing above the seam knows
 * SQLite. Its stores live in *places*, which the process keeps by the name of
 * the state directory, so that a queue can be closed and opened again. Two
 * queues may have one place open, as two machines share a database; then
 * claims are real.
 */

#include "queue/engine.h"

extern const struct engine memory_engine;

/* Forget the place of a state directory; nothing may have it open. */
void memory_forget(const char *dir);

/* Break the store as a failed disk would. */
void memory_break(struct store *store);

/* The next apply fails with ERR_IO, which breaks the store; its changes are
 * made all the same if `made`. */
void memory_fail_next(struct store *store, bool made);

/* Take a destination's claim away from its owner. */
void memory_claim_lose(struct store *store, const char *destination);

/* Move every batch by so many seqs, to where its delivery row does not look
 * for it, or back. */
void memory_batches_move(struct store *store, int64_t by);

#endif
