/*
 * Look-ups in the tables that schema/compile makes. A property is looked up
 * for every member of every event, so that the common case is one slot and
 * no call: names differ in their first or last eight bytes, or not at all.
 */

#include "schema/catalogue_tables.h"

#include "base/err.h"

size_t
catalogue_type_count(void)
{
	return catalogue_type_index.count;
}

size_t
catalogue_property_count(void)
{
	return catalogue_property_index.count;
}

size_t
catalogue_user_count(void)
{
	return catalogue_user_names_count;
}

const struct catalogue_type *
catalogue_type_at(size_t index)
{
	CHECK(index < catalogue_type_index.count);
	return &catalogue_types[index];
}

const struct catalogue_property *
catalogue_property_at(size_t index)
{
	CHECK(index < catalogue_property_index.count);
	return &catalogue_properties[index];
}

const char *
catalogue_user_name(size_t index)
{
	CHECK(index < catalogue_user_names_count);
	return catalogue_user_names[index];
}

/* Two names of the same length whose ends are the same: all the same? */
static inline bool
catalogue_same(const char *a, const char *b, size_t len)
{
	return len <= 16 || memcmp(a + 8, b + 8, len - 16) == 0;
}

size_t
catalogue_property_find(const char *name, size_t len)
{
	const struct catalogue_index *index = &catalogue_property_index;
	const struct catalogue_property *property;
	struct catalogue_key key = catalogue_key(name, len);
	size_t slot = catalogue_slot(key, len, index->seed, index->bits);
	size_t mask = ((size_t)1 << index->bits) - 1;

	/* the table is never full, so an empty slot ends the search */
	for (; index->slots[slot] != 0; slot = (slot + 1) & mask) {
		property = &catalogue_properties[index->slots[slot] - 1];
		if (property->len == len && property->key.head == key.head &&
		    property->key.tail == key.tail &&
		    catalogue_same(property->name, name, len))
			return index->slots[slot] - 1u;
	}
	return index->count;
}

size_t
catalogue_type_find(const char *name, size_t len)
{
	const struct catalogue_index *index = &catalogue_type_index;
	const struct catalogue_type *type;
	struct catalogue_key key = catalogue_key(name, len);
	size_t slot = catalogue_slot(key, len, index->seed, index->bits);
	size_t mask = ((size_t)1 << index->bits) - 1;

	for (; index->slots[slot] != 0; slot = (slot + 1) & mask) {
		type = &catalogue_types[index->slots[slot] - 1];
		if (type->len == len && type->key.head == key.head &&
		    type->key.tail == key.tail &&
		    catalogue_same(type->name, name, len))
			return index->slots[slot] - 1u;
	}
	return index->count;
}

const char *
catalogue_kind_name(enum catalogue_kind kind)
{
	switch (kind) {
	case CATALOGUE_STRING:
		return "string";
	case CATALOGUE_INTEGER:
		return "integer";
	case CATALOGUE_NUMBER:
		return "number";
	case CATALOGUE_BOOLEAN:
		return "boolean";
	case CATALOGUE_OBJECT:
		return "object";
	case CATALOGUE_STRINGS:
		return "array<string>";
	case CATALOGUE_STRINGS_NULLS:
		return "array<string|null>";
	}
	check_failed(__FILE__, __LINE__, "a catalogue_kind");
}

const char *catalogue_class_name(enum catalogue_class class)
{
	switch (class) {
	case CATALOGUE_PLAIN:
		return "plain";
	case CATALOGUE_CONTENT:
		return "content";
	case CATALOGUE_CONTACT:
		return "contact";
	case CATALOGUE_SECRET:
		return "secret";
	}
	check_failed(__FILE__, __LINE__, "a catalogue_class");
}
