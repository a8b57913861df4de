#ifndef BASE_TABLE_H
#define BASE_TABLE_H

/*
 * A hash table over an array that the caller keeps: it maps a key to the
 * position of its entry. Open addressing with linear probing, at most half
 * full, no tombstones. It stores 32 bits of each hash, so it asks the caller
 * to compare keys only where those agree.
 *
 *	at = table_find(&table, hash, names_equal, &lookup);
 *	if (at == TABLE_NONE) {
 *		... append the entry at position n ...
 *		if (!table_reserve(&table, n + 1))
 *			return err_set_nomem(reterr);
 *		table_add(&table, hash, n);
 *	}
 *
 * Not thread safe.
 */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define TABLE_NONE UINT32_MAX

struct table_slot {
	uint32_t hash;
	uint32_t position; /* + 1; 0 = empty */
};

/* All zero is an empty table without memory. */
struct table {
	struct table_slot *slots; /* owned */
	size_t cap;		  /* a power of two, or 0 */
	size_t count;
};

/* Is the entry at this position the one being looked for? */
typedef bool table_equal_fn(const void *arg, uint32_t position);

void table_fini(struct table *table);

/* Make room for `entries` entries in total. False without memory; then nothing
 * has changed. */
MUST_USE bool table_reserve(struct table *table, size_t entries);

/* The position of the entry with that key, or TABLE_NONE. */
uint32_t table_find(const struct table *table, uint64_t hash,
    table_equal_fn *equal, const void *arg);

/* Add an entry that is not in the table; room must have been reserved. */
void table_add(struct table *table, uint64_t hash, uint32_t position);

/* Remove an entry that is in the table. */
void table_remove(struct table *table, uint64_t hash, uint32_t position);

/* Remove all entries; keep the memory. */
void table_clear(struct table *table);

/* Start loading the slot of a hash into the processor's cache. */
static inline void
table_prefetch(const struct table *table, uint64_t hash)
{
	__builtin_prefetch(&table->slots[(uint32_t)hash & (table->cap - 1)]);
}

#endif
