#ifndef SCHEMA_CURRENTS_CATALOGUE_TABLES_H
#define SCHEMA_CURRENTS_CATALOGUE_TABLES_H

/*
 * The tables behind catalogue.h, and how a name is looked up in them: shared by
 * the generator that writes them (compile/catalogue_compile.c) and the look-ups
 * that read them (catalogue.c). An index is an open hash table of numbers plus
 * one, with linear probing.
 *
 * base/table.h would work, but a property is looked up for every member of
 * every event. Names are short, so their first and last eight bytes are almost
 * the whole name (up to 16 bytes they are all of it), and the generator chooses
 * a seed with which hardly any two names collide. A typical look-up reads one
 * slot and calls nothing.
 */

#include "schema/currents/catalogue.h"

#include <endian.h>

struct catalogue_index {
	const uint16_t *slots; /* index + 1, or 0: empty */
	unsigned bits;	       /* of the number of slots */
	uint64_t seed;
	size_t count; /* of the names that it indexes */
};

extern const struct catalogue_property catalogue_properties[];
extern const struct catalogue_type catalogue_types[];
extern const char *const catalogue_user_names[];
extern const size_t catalogue_user_names_count;
extern const struct catalogue_index catalogue_property_index;
extern const struct catalogue_index catalogue_type_index;

static inline struct catalogue_key
catalogue_key(struct str name)
{
	struct catalogue_key key = {0, 0};
	const char *data = name.data;
	size_t len = name.len;
	uint32_t head, tail;

	if (len >= 8) {
		memcpy(&key.head, data, 8);
		memcpy(&key.tail, data + len - 8, 8);
		key.head = le64toh(key.head);
		key.tail = le64toh(key.tail);
	} else if (len >= 4) {
		memcpy(&head, data, 4);
		memcpy(&tail, data + len - 4, 4);
		key.head = le32toh(head);
		key.tail = le32toh(tail);
	} else if (len > 0) {
		key.head = (unsigned char)data[0];
		key.tail = (uint64_t)(unsigned char)data[len / 2] << 8 |
			   (unsigned char)data[len - 1];
	}
	return key;
}

/* The slot where a name's search begins, of 1 << bits. */
static inline size_t
catalogue_slot(
    struct catalogue_key key, size_t len, uint64_t seed, unsigned bits)
{
	uint64_t mixed = key.head ^ (key.tail << 31 | key.tail >> 33) ^ len;

	return (size_t)(mixed * seed >> (64 - bits));
}

#endif
