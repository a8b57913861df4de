#ifndef SIM_TABLE_H
#define SIM_TABLE_H

/*
 * A hash table from byte strings to records of one size. Records never
 * move; they are walked in the order of their making. One thread.
 */

#include "tests/sim/sim_base.h"

struct sim_table;

struct sim_table *sim_table_new(size_t record_size);
void sim_table_free(struct sim_table *table);
size_t sim_table_count(const struct sim_table *table);

/* The record of that key, or NULL. */
void *
sim_table_find(const struct sim_table *table, const char *key, size_t len);
/* The record of that key, made of zeroes if there is none. */
void *sim_table_put(struct sim_table *table, const char *key, size_t len);

/* The key of a record; it has a NUL behind it. */
const char *sim_record_key(const void *record, size_t *ret_len);
void *sim_table_first(const struct sim_table *table);
void *sim_record_next(const void *record);

#endif
