#ifndef HEAPSIM_TABLE_H
#define HEAPSIM_TABLE_H

/*
 * A hash table from byte strings to records of one size. Records never
 * move; they are walked in the order of their making. One thread.
 */

#include "tests/sim/sim_base.h"

struct heapsim_table;

struct heapsim_table *heapsim_table_new(size_t record_size);
void heapsim_table_free(struct heapsim_table *table);
size_t heapsim_table_count(const struct heapsim_table *table);

/* The record of that key, or NULL. */
void *heapsim_table_find(
    const struct heapsim_table *table, const char *key, size_t len);
/* The record of that key, made of zeroes if there is none. */
void *
heapsim_table_put(struct heapsim_table *table, const char *key, size_t len);

/* The key of a record; it has a NUL behind it. */
const char *heapsim_record_key(const void *record, size_t *ret_len);
void *heapsim_table_first(const struct heapsim_table *table);
void *heapsim_record_next(const void *record);

#endif
