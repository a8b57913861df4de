#ifndef SCHEMA_DRIFT_PARTS_H
#define SCHEMA_DRIFT_PARTS_H

/* Internal to schema/drift_*.c: deciding what is adopted, and writing it. */

#include "schema/catalogue.h"
#include "schema/drift.h"

/* What is said of one field: of one type, or (type NULL) of all types. */
struct drift_field {
	const struct str *type;
	struct str name;
};

/* Set `adopted` of each. */
void drift_decide(struct drift *drifts, size_t count);

bool drift_same(struct str a, struct str b);
bool drift_is(struct str text, const char *word);

/*
 * Can a line have this name? Not if it is blank, or may be the start of one
 * that was cut; nor with an escape in it, which no name of Braze's has.
 */
bool drift_nameable(struct str name);

/* The index of that property in the catalogue, or the count of them. */
size_t drift_property(struct str name);

/* The catalogue's word for all that was seen of a field, "" if nothing was
 * but null and blank; NULL if there is none: a person must decide. */
const char *drift_kind(
    const struct drift *drifts, size_t count, const struct drift_field *field);

/* Is it about that field, as a property? */
bool drift_concerns(const struct drift *drift, const struct drift_field *field);

/* The kind that takes both, or NULL. */
const char *drift_widen(const char *a, const char *b);

/* Did an earlier drift say the same of the same type? */
bool drift_told(const struct drift *drifts, size_t at);

#endif
