#include "base/table.h"

#include <stdlib.h>
#include <string.h>

enum { TABLE_SMALLEST = 16 };

static size_t
table_home(const struct table *table, uint32_t hash)
{
	return hash & (table->cap - 1);
}

static size_t
table_next(const struct table *table, size_t at)
{
	return (at + 1) & (table->cap - 1);
}

void
table_fini(struct table *table)
{
	free(table->slots);
	*table = (struct table){.slots = NULL};
}

bool
table_reserve(struct table *table, size_t entries)
{
	struct table grown = {.cap = TABLE_SMALLEST};

	if (entries <= table->cap / 2)
		return true;
	while (grown.cap / 2 < entries)
		grown.cap *= 2;
	grown.slots = calloc(grown.cap, sizeof(*grown.slots));
	if (grown.slots == NULL)
		return false;
	for (size_t i = 0; i < table->cap; i++) {
		if (table->slots[i].position != 0)
			table_add(&grown, table->slots[i].hash,
			    table->slots[i].position - 1);
	}
	free(table->slots);
	*table = grown;
	return true;
}

uint32_t
table_find(const struct table *table, uint64_t hash, table_equal_fn *equal,
    const void *arg)
{
	size_t at;

	if (table->count == 0)
		return TABLE_NONE;
	for (at = table_home(table, (uint32_t)hash);
	     table->slots[at].position != 0; at = table_next(table, at)) {
		if (table->slots[at].hash == (uint32_t)hash &&
		    equal(arg, table->slots[at].position - 1))
			return table->slots[at].position - 1;
	}
	return TABLE_NONE;
}

void
table_add(struct table *table, uint64_t hash, uint32_t position)
{
	size_t at;

	CHECK(table->count < table->cap / 2 && position < TABLE_NONE);
	at = table_home(table, (uint32_t)hash);
	while (table->slots[at].position != 0)
		at = table_next(table, at);
	table->slots[at] = (struct table_slot){(uint32_t)hash, position + 1};
	table->count++;
}

/* Move back the entries behind the gap that the removed one had displaced. */
void
table_remove(struct table *table, uint64_t hash, uint32_t position)
{
	size_t gap, at;

	CHECK(table->count > 0);
	gap = table_home(table, (uint32_t)hash);
	while (table->slots[gap].position != position + 1) {
		CHECK(table->slots[gap].position != 0);
		gap = table_next(table, gap);
	}
	for (at = table_next(table, gap); table->slots[at].position != 0;
	     at = table_next(table, at)) {
		size_t home = table_home(table, table->slots[at].hash);

		/* It may move only to where its probing passes. */
		if (((at - home) & (table->cap - 1)) <
		    ((at - gap) & (table->cap - 1)))
			continue;
		table->slots[gap] = table->slots[at];
		gap = at;
	}
	table->slots[gap].position = 0;
	table->count--;
}

void
table_clear(struct table *table)
{
	if (table->cap > 0)
		memset(table->slots, 0, table->cap * sizeof(*table->slots));
	table->count = 0;
}
