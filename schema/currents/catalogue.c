#include "schema/currents/catalogue_tables.h"

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

size_t
catalogue_property_find(struct str name)
{
	const struct catalogue_index *index = &catalogue_property_index;
	const struct catalogue_property *property;
	struct catalogue_key key = catalogue_key(name);
	size_t slot = catalogue_slot(key, name.len, index->seed, index->bits);
	size_t mask = ((size_t)1 << index->bits) - 1;

	/* the table is never full, so an empty slot ends the search */
	for (; index->slots[slot] != 0; slot = (slot + 1) & mask) {
		property = &catalogue_properties[index->slots[slot] - 1];
		if (catalogue_is(property->name, property->key, name, key))
			return index->slots[slot] - 1u;
	}
	return index->count;
}

size_t
catalogue_type_find(struct str name)
{
	const struct catalogue_index *index = &catalogue_type_index;
	const struct catalogue_type *type;
	struct catalogue_key key = catalogue_key(name);
	size_t slot = catalogue_slot(key, name.len, index->seed, index->bits);
	size_t mask = ((size_t)1 << index->bits) - 1;

	for (; index->slots[slot] != 0; slot = (slot + 1) & mask) {
		type = &catalogue_types[index->slots[slot] - 1];
		if (catalogue_is(type->name, type->key, name, key))
			return index->slots[slot] - 1u;
	}
	return index->count;
}

bool
catalogue_type_requires(const struct catalogue_type *type, size_t property)
{
	for (size_t i = 0; i < type->required_count; i++) {
		if (type->required[i] == property)
			return true;
	}
	return false;
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
	NEVER("a catalogue_kind");
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
	NEVER("a catalogue_class");
}
