#ifndef SCHEMA_CURRENTS_CATALOGUE_H
#define SCHEMA_CURRENTS_CATALOGUE_H

/*
 * The catalogue of event types and their properties: events.json, compiled at
 * build time, or one with what catalogue_add() (currents.h) added to it.
 * Internal to schema/. A catalogue is constant: any thread. Types and
 * properties are numbered in the order of events.json; what was added comes
 * after. A number is of the catalogue that it was found in.
 */

#include "base/str.h"

enum {
	CATALOGUE_PROPERTIES_MAX = 512, /* for arrays by property index */
	CATALOGUE_TYPES_MAX = 1024,
	CATALOGUE_NO_KIND = 255, /* the type does not have the property */
};

enum catalogue_kind {
	CATALOGUE_STRING,
	CATALOGUE_INTEGER, /* a number whose value is integral */
	CATALOGUE_NUMBER,
	CATALOGUE_BOOLEAN,
	CATALOGUE_OBJECT,
	CATALOGUE_STRINGS,	 /* array<string> */
	CATALOGUE_STRINGS_NULLS, /* array<string|null> */
};

enum catalogue_class {
	CATALOGUE_PLAIN,
	CATALOGUE_CONTENT, /* what people wrote, or what was written to them */
	CATALOGUE_CONTACT, /* identifies, locates or describes a person */
	CATALOGUE_SECRET,  /* a credential of a device */
	/* A text or a container whose name no type has; so of no property of
	 * the catalogue. */
	CATALOGUE_UNCLASSIFIED,
};

/* The first and last eight bytes of a name; they may overlap. */
struct catalogue_key {
	uint64_t head, tail;
};

struct catalogue_property {
	struct str name; /* NUL-terminated */
	struct catalogue_key key;
	enum catalogue_kind kind; /* but see catalogue_type.kinds */
	enum catalogue_class class;
	const char *const *seen; /* NULL, or the documented values and a NULL */
};

struct catalogue_type {
	struct str name; /* NUL-terminated */
	struct catalogue_key key;
	const char *family;
	const char *status;	    /* a remark on poor documentation, or
				     * NULL */
	const uint16_t *properties; /* indexes */
	size_t property_count;
	const uint16_t *required; /* indexes */
	size_t required_count;
	const uint8_t *kinds; /* by index: enum catalogue_kind, or NO_KIND */
	unsigned user;	      /* a bit for each of catalogue_user_name() */

	/* as it is built in, if a file adds to it; else NULL */
	const struct catalogue_type *builtin;
};

struct catalogue;

size_t catalogue_type_count(const struct catalogue *catalogue);
size_t catalogue_property_count(const struct catalogue *catalogue);
const struct catalogue_type *
catalogue_type_at(const struct catalogue *catalogue, size_t index);
const struct catalogue_property *
catalogue_property_at(const struct catalogue *catalogue, size_t index);

/* The index of that name, or the count if there is none. */
size_t catalogue_type_find(const struct catalogue *catalogue, struct str name);
size_t
catalogue_property_find(const struct catalogue *catalogue, struct str name);

/* Does the type require the property with that index? */
static inline bool
catalogue_type_requires(const struct catalogue_type *type, size_t property)
{
	for (size_t i = 0; i < type->required_count; i++) {
		if (type->required[i] == property)
			return true;
	}
	return false;
}

/*
 * Is an event of the type invalid if it has the property (by index) with a
 * value of another kind? If not, that is only drift: what a file says about a
 * built-in type never makes an event invalid that was valid without it.
 */
bool catalogue_type_insists(const struct catalogue_type *type, size_t property);

/* The members of "user" that Braze documents. */
size_t catalogue_user_count(const struct catalogue *catalogue);
const char *
catalogue_user_name(const struct catalogue *catalogue, size_t index);

/* As events.json writes them. Static. */
const char *catalogue_kind_name(enum catalogue_kind kind);
const char *catalogue_class_name(enum catalogue_class class);

#endif
