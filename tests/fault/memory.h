#ifndef TESTS_FAULT_MEMORY_H
#define TESTS_FAULT_MEMORY_H

/*
 * Memory that runs out on request: of our own modules (their calls are
 * wrapped when this is linked), with zstd, whose calls that allocate fail as
 * a whole; or of SQLite, which allocates ten times as often.
 */

#include <stdbool.h>
#include <stddef.h>

/* Once, before SQLite is used. */
void memory_init(void);

enum memory_user { MEMORY_OWN, MEMORY_SQLITE };

/* Let the nth allocation of one of them from now on fail (1 = the next); if
 * it is lasting, all later ones too, of both. */
void memory_fail(enum memory_user user, long nth, bool lasting);

/* End it. Did it strike? */
bool memory_disarm(void);

/* What the tests themselves use meanwhile. */
void *memory_plain_malloc(size_t size);
void *memory_plain_realloc(void *old, size_t size);

#endif
