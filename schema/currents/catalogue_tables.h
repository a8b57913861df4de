#ifndef SCHEMA_CURRENTS_CATALOGUE_TABLES_H
#define SCHEMA_CURRENTS_CATALOGUE_TABLES_H

/*
 * The tables behind catalogue.h, and how a name is looked up in them: shared by
 * what makes them of JSON (catalogue_read.c), the generator that writes them
 * as C (compile/catalogue_compile.c), and the look-ups (catalogue.c). An index
 * is an open hash table of numbers plus one, with linear probing.
 *
 * base/table.h would work, but a property is looked up for every member of
 * every event. Names are short, so their first and last eight bytes are almost
 * the whole name (up to 16 bytes they are all of it), and the index has a seed
 * with which hardly any two names collide. A typical look-up reads one slot and
 * calls nothing.
 */

#include "base/buf.h"
#include "schema/currents/catalogue.h"

#include <endian.h>

struct catalogue_index {
	const uint16_t *slots; /* index + 1, or 0: empty */
	unsigned bits;	       /* of the number of slots */
	uint64_t seed;
	size_t count; /* of the names that it indexes */
};

struct catalogue {
	const struct catalogue_property *properties;
	const struct catalogue_type *types;
	const char *const *user_names;
	size_t user_count;
	struct catalogue_index property_index, type_index;
};

/*
 * Read a text of the form of events.json and check it. `base`, if not NULL, is
 * what it adds to: the result has all of that at the same indexes, and then
 * what the text adds. The base must outlive it. `name` is the file's, for the
 * messages. ERR_CONFIG if the text is wrong; what it says in vain is told as
 * lines of *warnings, which may be NULL if there is no base.
 */
MUST_USE bool
catalogue_read(struct str text, const char *name, const struct catalogue *base,
    struct buf *warnings, struct catalogue **ret_catalogue, struct err *reterr);

/* Free what catalogue_read() made. */
void catalogue_free(struct catalogue *catalogue);

/* ---- looking up ---- */

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

/* All of a name that decides on its slot. */
static inline uint64_t
catalogue_mixed(struct catalogue_key key, size_t len)
{
	return key.head ^ (key.tail << 31 | key.tail >> 33) ^ len;
}

/* The slot where a name's search begins, of 1 << bits. */
static inline size_t
catalogue_slot(uint64_t mixed, uint64_t seed, unsigned bits)
{
	return (size_t)(mixed * seed >> (64 - bits));
}

/* Is it the name with that key? */
static inline bool
catalogue_is(struct str name, struct catalogue_key key, struct str wanted,
    struct catalogue_key wanted_key)
{
	return name.len == wanted.len && key.head == wanted_key.head &&
	       key.tail == wanted_key.tail &&
	       (name.len <= 16 ||
		   memcmp(name.data + 8, wanted.data + 8, name.len - 16) == 0);
}

/* The index of that name in a catalogue, or the count if there is none. */
static inline size_t
catalogue_property_in(const struct catalogue *catalogue, struct str name)
{
	const struct catalogue_index *index = &catalogue->property_index;
	const struct catalogue_property *property;
	struct catalogue_key key = catalogue_key(name);
	size_t mask = ((size_t)1 << index->bits) - 1;
	size_t slot = catalogue_slot(
	    catalogue_mixed(key, name.len), index->seed, index->bits);

	/* the table is never full, so an empty slot ends the search */
	for (; index->slots[slot] != 0; slot = (slot + 1) & mask) {
		property = &catalogue->properties[index->slots[slot] - 1];
		if (catalogue_is(property->name, property->key, name, key))
			return index->slots[slot] - 1u;
	}
	return index->count;
}

static inline size_t
catalogue_type_in(const struct catalogue *catalogue, struct str name)
{
	const struct catalogue_index *index = &catalogue->type_index;
	const struct catalogue_type *type;
	struct catalogue_key key = catalogue_key(name);
	size_t mask = ((size_t)1 << index->bits) - 1;
	size_t slot = catalogue_slot(
	    catalogue_mixed(key, name.len), index->seed, index->bits);

	for (; index->slots[slot] != 0; slot = (slot + 1) & mask) {
		type = &catalogue->types[index->slots[slot] - 1];
		if (catalogue_is(type->name, type->key, name, key))
			return index->slots[slot] - 1u;
	}
	return index->count;
}

#endif
