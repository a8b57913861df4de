/*
 * What of the things seen can be a line of the catalogue as they are, and of
 * which type a property then is.
 */

#include "schema/drift_parts.h"

#include "schema/text.h"

#include <string.h>

bool
drift_same(struct str a, struct str b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

bool
drift_is(struct str text, const char *word)
{
	return text.len == strlen(word) &&
	       memcmp(text.data, word, text.len) == 0;
}

bool
drift_nameable(struct str name)
{
	return name.len <= DRIFT_NAME_WHOLE &&
	       !text_blank(name.data, name.len) &&
	       memchr(name.data, '\\', name.len) == NULL;
}

bool
drift_concerns(const struct drift *drift, const struct drift_field *field)
{
	return drift->what == CURRENTS_DRIFT_PROPERTY &&
	       drift_same(drift->field, field->name) &&
	       (field->type == NULL || drift_same(drift->type, *field->type));
}

/* A JSON type as the catalogue has it, or NULL. */
static const char *
drift_kind_of(struct str json)
{
	for (int k = CATALOGUE_STRING; k <= CATALOGUE_STRINGS_NULLS; k++) {
		const char *name = catalogue_kind_name((enum catalogue_kind)k);

		if (drift_is(json, name))
			return name;
	}
	return NULL;
}

const char *
drift_widen(const char *a, const char *b)
{
	static const struct {
		const char *narrow, *wide;
	} pairs[] = {
	    {"integer", "number"}, {"array<string>", "array<string|null>"}};

	if (strcmp(a, b) == 0)
		return a;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (strcmp(a, pairs[i].narrow) == 0 &&
		    strcmp(b, pairs[i].wide) == 0)
			return b;
		if (strcmp(a, pairs[i].wide) == 0 &&
		    strcmp(b, pairs[i].narrow) == 0)
			return a;
	}
	return NULL;
}

const char *
drift_kind(
    const struct drift *drifts, size_t count, const struct drift_field *field)
{
	const char *kind = "", *seen;

	for (size_t i = 0; i < count; i++) {
		if (!drift_concerns(&drifts[i], field) ||
		    drift_is(drifts[i].json, "null") ||
		    drift_is(drifts[i].json, "blank"))
			continue;
		seen = drift_kind_of(drifts[i].json);
		if (seen == NULL)
			return NULL;
		kind = *kind == '\0' ? seen : drift_widen(kind, seen);
		if (kind == NULL)
			return NULL;
	}
	return kind;
}

size_t
drift_property(struct str name)
{
	return catalogue_property_find(name.data, name.len);
}

/* Can the property be in the line of its type? A known one goes by what it is
 * in this type, a new one by what it is everywhere. */
static bool
drift_decided(
    const struct drift *drifts, size_t count, const struct drift *drift)
{
	struct drift_field field = {NULL, drift->field};

	if (drift_property(drift->field) < catalogue_property_count())
		field.type = &drift->type;
	return drift_kind(drifts, count, &field) != NULL;
}

/* A line takes it. */
static bool
drift_adoptable(
    const struct drift *drifts, size_t count, const struct drift *drift)
{
	switch (drift->what) {
	case CURRENTS_DRIFT_TYPE:
		return drift_nameable(drift->type);
	case CURRENTS_DRIFT_PROPERTY:
		return drift_nameable(drift->type) &&
		       drift_nameable(drift->field) &&
		       drift_decided(drifts, count, drift);
	case CURRENTS_DRIFT_USER:
		return drift_nameable(drift->type) &&
		       drift_nameable(drift->field);
	case CURRENTS_DRIFT_MEMBER:
	case CURRENTS_DRIFT_BLANK:
	case CURRENTS_DRIFT_JSON:
	case CURRENTS_DRIFT_KINDS:
		break;
	}
	return false;
}

void
drift_decide(struct drift *drifts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		drifts[i].adopted = drift_adoptable(drifts, count, &drifts[i]);
}

bool
drift_told(const struct drift *drifts, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (drifts[i].what == drifts[at].what &&
		    drift_same(drifts[i].field, drifts[at].field) &&
		    drift_same(drifts[i].type, drifts[at].type))
			return true;
	}
	return false;
}
