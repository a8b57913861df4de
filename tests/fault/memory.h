#ifndef TESTS_FAULT_MEMORY_H
#define TESTS_FAULT_MEMORY_H

/*
 * Memory that runs out on request: of our own modules (their calls are
 * wrapped when this is linked), of SQLite, and of zstd, whose calls that
 * allocate fail as a whole.
 */

#include <stdbool.h>
#include <stddef.h>

/* Once, before SQLite is used. */
void memory_init(void);

/* Let the nth allocation from now on fail (1 = the next), and all later ones
 * too if it is lasting. */
void memory_fail(long nth, bool lasting);

/* End it. Did it strike? */
bool memory_mend(void);

/* What the tests themselves use meanwhile. */
void *memory_plain_malloc(size_t size);
void *memory_plain_realloc(void *old, size_t size);

#endif
