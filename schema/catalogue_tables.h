#ifndef SCHEMA_CATALOGUE_TABLES_H
#define SCHEMA_CATALOGUE_TABLES_H

/*
 * What schema/compile/catalogue_compile.c writes and catalogue.c reads. An
 * index is an open hash table of numbers plus one, with linear probing.
 */

#include "schema/catalogue.h"

struct catalogue_index {
	const uint16_t *slots; /* index + 1, or 0: empty */
	unsigned bits;	       /* of the number of slots */
	uint64_t seed;
	size_t count; /* of the things indexed */
};

extern const struct catalogue_property catalogue_properties[];
extern const struct catalogue_type catalogue_types[];
extern const char *const catalogue_user_names[];
extern const size_t catalogue_user_names_count;
extern const struct catalogue_index catalogue_property_index;
extern const struct catalogue_index catalogue_type_index;

#endif
