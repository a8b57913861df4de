/*
 * Chained hashing; each entry is one allocation: header, record, key. The
 * records are what callers hold, so the header lies before them.
 */

#include "tests/sim/sim_table.h"

#include <stdlib.h>
#include <string.h>

enum {
	FIRST_SLOTS = 64,
};

struct entry {
	struct entry *chain;
	struct entry *next;
	const char *key;
	uint64_t hash;
	size_t len;
	_Alignas(max_align_t) char record[];
};

struct sim_table {
	struct entry **slots;
	size_t n_slots; /* a power of two */
	size_t n;
	size_t record_size;
	struct entry *first;
	struct entry *last;
};

/* FNV-1a, scrambled since the low bits choose the slot. */
static uint64_t
hash_of(const char *key, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325u;
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)key[i]) * 0x100000001b3u;
	return sim_mix(hash);
}

static const struct entry *
entry_of(const void *record)
{
	return (
	    const struct entry *)(const void *)((const char *)record -
						offsetof(struct entry, record));
}

struct sim_table *
sim_table_new(size_t record_size)
{
	struct sim_table *table = sim_alloc(sizeof(*table));

	table->n_slots = FIRST_SLOTS;
	table->slots = sim_alloc(FIRST_SLOTS * sizeof(*table->slots));
	table->record_size = record_size;
	return table;
}

void
sim_table_free(struct sim_table *table)
{
	struct entry *entry;
	struct entry *next;

	if (table == NULL)
		return;
	for (entry = table->first; entry != NULL; entry = next) {
		next = entry->next;
		free(entry);
	}
	free(table->slots);
	free(table);
}

size_t
sim_table_count(const struct sim_table *table)
{
	return table->n;
}

static struct entry *
entry_find(
    const struct sim_table *table, uint64_t hash, const char *key, size_t len)
{
	struct entry *entry = table->slots[hash & (table->n_slots - 1)];

	while (entry != NULL && (entry->hash != hash || entry->len != len ||
				    memcmp(entry->key, key, len) != 0))
		entry = entry->chain;
	return entry;
}

/* All entries are walked in the order of their making; the slots are new. */
static void
table_double(struct sim_table *table)
{
	struct entry **slot;
	struct entry *entry;

	free(table->slots);
	table->n_slots *= 2;
	table->slots = sim_alloc(table->n_slots * sizeof(*table->slots));
	for (entry = table->first; entry != NULL; entry = entry->next) {
		slot = &table->slots[entry->hash & (table->n_slots - 1)];
		entry->chain = *slot;
		*slot = entry;
	}
}

void *
sim_table_find(const struct sim_table *table, const char *key, size_t len)
{
	struct entry *entry = entry_find(table, hash_of(key, len), key, len);

	return entry != NULL ? entry->record : NULL;
}

/* One allocation an entry: a million keys are a million of them, no more. */
void *
sim_table_put(struct sim_table *table, const char *key, size_t len)
{
	uint64_t hash = hash_of(key, len);
	struct entry *entry = entry_find(table, hash, key, len);
	struct entry **slot;

	if (entry != NULL)
		return entry->record;
	if (table->n >= table->n_slots)
		table_double(table);
	entry = sim_alloc(sizeof(*entry) + table->record_size + len + 1);
	entry->hash = hash;
	entry->len = len;
	entry->key = entry->record + table->record_size;
	memcpy(entry->record + table->record_size, key, len);
	slot = &table->slots[hash & (table->n_slots - 1)];
	entry->chain = *slot;
	*slot = entry;
	if (table->last != NULL)
		table->last->next = entry;
	else
		table->first = entry;
	table->last = entry;
	table->n++;
	return entry->record;
}

const char *
sim_record_key(const void *record, size_t *ret_len)
{
	*ret_len = entry_of(record)->len;
	return entry_of(record)->key;
}

void *
sim_table_first(const struct sim_table *table)
{
	return table->first != NULL ? table->first->record : NULL;
}

void *
sim_record_next(const void *record)
{
	struct entry *next = entry_of(record)->next;

	return next != NULL ? next->record : NULL;
}
