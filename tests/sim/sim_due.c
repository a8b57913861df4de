#include "tests/sim/sim_due.h"

#include <stdlib.h>

static void
swap(struct sim_due *due, size_t i, size_t j)
{
	struct sim_due_entry entry = due->entries[i];

	due->entries[i] = due->entries[j];
	due->entries[j] = entry;
}

/* Sift up: the parent of i is (i - 1) / 2. */
void
sim_due_put(struct sim_due *due, int64_t due_ms, void *work)
{
	struct sim_due_entry *entries;
	size_t i = due->n++;

	if (due->n > due->room) {
		due->room = 2 * due->room + 64;
		due->entries =
		    sim_grow(due->entries, due->room, sizeof(*due->entries));
	}
	entries = due->entries;
	entries[i] = (struct sim_due_entry){due_ms, work};
	while (i > 0 && entries[(i - 1) / 2].due_ms > entries[i].due_ms) {
		swap(due, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

/* The last goes to the top and sinks. */
void *
sim_due_take(struct sim_due *due)
{
	struct sim_due_entry *entries = due->entries;
	void *work = entries[0].work;
	size_t i = 0;
	size_t child;

	entries[0] = entries[--due->n];
	while ((child = 2 * i + 1) < due->n) {
		if (child + 1 < due->n &&
		    entries[child + 1].due_ms < entries[child].due_ms)
			child++;
		if (entries[i].due_ms <= entries[child].due_ms)
			break;
		swap(due, i, child);
		i = child;
	}
	return work;
}

void
sim_due_fini(struct sim_due *due)
{
	size_t i;

	for (i = 0; i < due->n; i++)
		free(due->entries[i].work);
	free(due->entries);
	*due = (struct sim_due){0};
}
