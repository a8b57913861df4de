/*
 * The look-ups, and the catalogues of this process: the built-in one, those
 * that the operator's files made of it, and which one is in use. None is freed
 * while threads run, because names that are lent from it go far: they are told
 * of an item that waits, or of an event that was judged.
 */

#include "base/digest.h"
#include "schema/currents/catalogue_tables.h"
#include "schema/currents/currents.h"

#include <stdatomic.h>

enum { CATALOGUE_ADDED_MAX = 64 };

/* What a text made, to be found again if it comes again. */
static struct {
	unsigned char digest[DIGEST_SHA256]; /* of the text */
	struct catalogue *catalogue;
} catalogue_added[CATALOGUE_ADDED_MAX];
static size_t catalogue_added_count;

static const struct catalogue *_Atomic catalogue_used = &catalogue_builtin;

bool
catalogue_add(struct str text, const char *name, struct buf *warnings,
    const struct catalogue **ret_catalogue, struct err *reterr)
{
	unsigned char digest[DIGEST_SHA256];
	struct catalogue *catalogue;
	size_t at = 0;

	/* read in any case, for the warnings */
	if (!catalogue_read(
		text, name, &catalogue_builtin, warnings, &catalogue, reterr))
		return false;
	digest_sha256(text.data, text.len, digest);
	while (at < catalogue_added_count &&
	       memcmp(catalogue_added[at].digest, digest, sizeof(digest)) != 0)
		at++;
	if (at < catalogue_added_count) {
		catalogue_free(catalogue);
	} else if (at < CATALOGUE_ADDED_MAX) {
		memcpy(catalogue_added[at].digest, digest, sizeof(digest));
		catalogue_added[at].catalogue = catalogue;
		catalogue_added_count++;
	} else {
		catalogue_free(catalogue);
		return err_set(reterr, ERR_CONFLICT,
		    "%s: the catalogue has changed %d times since the start, "
		    "and all are kept until currentsd ends: restart it",
		    name, CATALOGUE_ADDED_MAX);
	}
	*ret_catalogue = catalogue_added[at].catalogue;
	return true;
}

void
catalogue_use(const struct catalogue *catalogue)
{
	atomic_store(&catalogue_used, catalogue);
}

const struct catalogue *
catalogue_in_use(void)
{
	return atomic_load(&catalogue_used);
}

void
catalogue_reset(void)
{
	catalogue_use(&catalogue_builtin);
	while (catalogue_added_count > 0)
		catalogue_free(
		    catalogue_added[--catalogue_added_count].catalogue);
}

size_t
catalogue_type_count(const struct catalogue *catalogue)
{
	return catalogue->type_index.count;
}

size_t
catalogue_property_count(const struct catalogue *catalogue)
{
	return catalogue->property_index.count;
}

size_t
catalogue_user_count(const struct catalogue *catalogue)
{
	return catalogue->user_count;
}

const struct catalogue_type *
catalogue_type_at(const struct catalogue *catalogue, size_t index)
{
	CHECK(index < catalogue->type_index.count);
	return &catalogue->types[index];
}

const struct catalogue_property *
catalogue_property_at(const struct catalogue *catalogue, size_t index)
{
	CHECK(index < catalogue->property_index.count);
	return &catalogue->properties[index];
}

const char *
catalogue_user_name(const struct catalogue *catalogue, size_t index)
{
	CHECK(index < catalogue->user_count);
	return catalogue->user_names[index];
}

size_t
catalogue_property_find(const struct catalogue *catalogue, struct str name)
{
	return catalogue_property_in(catalogue, name);
}

size_t
catalogue_type_find(const struct catalogue *catalogue, struct str name)
{
	return catalogue_type_in(catalogue, name);
}

bool
catalogue_type_insists(const struct catalogue_type *type, size_t property)
{
	return type->builtin == NULL ||
	       (property < catalogue_builtin.property_index.count &&
		   type->builtin->kinds[property] == type->kinds[property]);
}
