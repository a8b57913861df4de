#ifndef SIM_DUE_H
#define SIM_DUE_H

/* Work that waits for its time: a heap, the earliest first. Starts as zeroes;
 * one thread at a time. */

#include "tests/sim/sim_base.h"

struct sim_due_entry {
	int64_t due_ms;
	void *work;
};

struct sim_due {
	struct sim_due_entry *entries;
	size_t n;
	size_t room; /* internal */
};

void sim_due_put(struct sim_due *due, int64_t due_ms, void *work);
/* The earliest; there must be one, and entries[0] is it. */
void *sim_due_take(struct sim_due *due);
/* Frees the work that is left, too. */
void sim_due_fini(struct sim_due *due);

#endif
