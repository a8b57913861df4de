/*
 * The look-ups, in the catalogue that is in use: the built-in one, or the one
 * to which the operator's file was added. Nothing but catalogue_add() and
 * catalogue_reset() changes which it is, before threads start and after they
 * ended.
 */

#include "schema/currents/catalogue_tables.h"
#include "schema/currents/currents.h"

static struct catalogue *catalogue_added; /* NULL: the built-in one is used */

bool
catalogue_add(
    struct str text, const char *name, struct buf *warnings, struct err *reterr)
{
	catalogue_reset();
	if (!catalogue_read(text, name, &catalogue_builtin, warnings,
		&catalogue_added, reterr))
		return false;
	catalogue_used = *catalogue_added;
	return true;
}

bool
catalogue_check(
    struct str text, const char *name, struct buf *warnings, struct err *reterr)
{
	struct catalogue *catalogue;

	if (!catalogue_read(
		text, name, &catalogue_builtin, warnings, &catalogue, reterr))
		return false;
	catalogue_free(catalogue);
	return true;
}

void
catalogue_reset(void)
{
	if (catalogue_added == NULL)
		return;
	catalogue_used = catalogue_builtin;
	catalogue_free(catalogue_added);
	catalogue_added = NULL;
}

size_t
catalogue_type_count(void)
{
	return catalogue_used.type_index.count;
}

size_t
catalogue_property_count(void)
{
	return catalogue_used.property_index.count;
}

size_t
catalogue_user_count(void)
{
	return catalogue_used.user_count;
}

const struct catalogue_type *
catalogue_type_at(size_t index)
{
	CHECK(index < catalogue_used.type_index.count);
	return &catalogue_used.types[index];
}

const struct catalogue_property *
catalogue_property_at(size_t index)
{
	CHECK(index < catalogue_used.property_index.count);
	return &catalogue_used.properties[index];
}

const char *
catalogue_user_name(size_t index)
{
	CHECK(index < catalogue_used.user_count);
	return catalogue_used.user_names[index];
}

size_t
catalogue_property_find(struct str name)
{
	return catalogue_property_in(&catalogue_used, name);
}

size_t
catalogue_type_find(struct str name)
{
	return catalogue_type_in(&catalogue_used, name);
}

bool
catalogue_type_insists(const struct catalogue_type *type, size_t property)
{
	return type->builtin == NULL ||
	       (property < catalogue_builtin.property_index.count &&
		   type->builtin->kinds[property] == type->kinds[property]);
}
