/*
 * The catalogue's lines for what was seen. A line is proposed and a person
 * takes it over; so it says what was seen and guesses nothing but this: what
 * was only ever null or blank is a string, and integers among numbers make a
 * number.
 */

#include "schema/drift.h"

#include "schema/catalogue.h"

#include <stdio.h>
#include <string.h>

static bool
drift_same(struct currents_text a, struct currents_text b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static bool
drift_is(struct currents_text text, const char *word)
{
	return text.len == strlen(word) &&
	       memcmp(text.data, word, text.len) == 0;
}

/* What is said of one field: of one type, or (type NULL) of all types. */
struct drift_field {
	const struct currents_text *type;
	struct currents_text name;
};

static bool
drift_concerns(const struct drift *drift, const struct drift_field *field)
{
	return drift->what == CURRENTS_NOTE_PROPERTY &&
	       drift_same(drift->field, field->name) &&
	       (field->type == NULL || drift_same(drift->type, *field->type));
}

/* A JSON type as the catalogue has it, or NULL. */
static const char *
drift_kind_of(struct currents_text json)
{
	for (int k = CATALOGUE_STRING; k <= CATALOGUE_STRINGS_NULLS; k++) {
		const char *name = catalogue_kind_name((enum catalogue_kind)k);

		if (drift_is(json, name))
			return name;
	}
	return NULL;
}

/* The kind that takes both, or NULL. */
static const char *
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

/* The catalogue's word for all that was seen of a field, "" if nothing was
 * but null and blank; NULL if there is none: a person must decide. */
static const char *
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

/* Did an earlier drift say the same? */
static bool
drift_told(const struct drift *drifts, size_t at, bool by_type)
{
	for (size_t i = 0; i < at; i++) {
		if (drifts[i].what == drifts[at].what &&
		    drift_same(drifts[i].field, drifts[at].field) &&
		    (!by_type || drift_same(drifts[i].type, drifts[at].type)))
			return true;
	}
	return false;
}

static size_t
drift_property(struct currents_text name)
{
	return catalogue_property_find(name.data, name.len);
}

/* The names that no type has had yet. */
static void
drift_properties_write(
    const struct drift *drifts, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++) {
		struct drift_field field = {NULL, drifts[i].field};
		const char *kind;

		if (drifts[i].what != CURRENTS_NOTE_PROPERTY ||
		    drift_property(field.name) < catalogue_property_count() ||
		    drift_told(drifts, i, false))
			continue;
		kind = drift_kind(drifts, count, &field);
		(void)buf_printf(out, "%s\"%.*s\": {\"type\": \"%s\"},\n",
		    kind == NULL ? "# decide the type: " : "",
		    (int)field.name.len, field.name.data,
		    kind == NULL || *kind == '\0' ? "string" : kind);
	}
}

/* A list of names, known ones first. */
struct drift_list {
	struct buf *out;
	bool any;
};

static void
drift_list_add(struct drift_list *list, const char *name, size_t len)
{
	(void)buf_printf(
	    list->out, "%s\"%.*s\"", list->any ? ", " : "", (int)len, name);
	list->any = true;
}

static void
drift_list_new(struct drift_list *list, const struct drift *drifts,
    size_t count, enum currents_note_kind what, struct currents_text type)
{
	for (size_t i = 0; i < count; i++) {
		if (drifts[i].what == what &&
		    drift_same(drifts[i].type, type) &&
		    !drift_told(drifts, i, true))
			drift_list_add(
			    list, drifts[i].field.data, drifts[i].field.len);
	}
}

static void
drift_lists_write(const struct drift *drifts, size_t count,
    const struct catalogue_type *known, struct currents_text type,
    struct buf *out)
{
	struct drift_list list = {out, false};

	(void)buf_text(out, "\"required\": [");
	for (size_t i = 0; known != NULL && i < known->required_count; i++) {
		const struct catalogue_property *property =
		    catalogue_property_at(known->required[i]);

		drift_list_add(&list, property->name, property->len);
	}
	(void)buf_text(out, "], \"properties\": [");
	list.any = false;
	for (size_t i = 0; known != NULL && i < known->property_count; i++) {
		const struct catalogue_property *property =
		    catalogue_property_at(known->properties[i]);

		drift_list_add(&list, property->name, property->len);
	}
	drift_list_new(&list, drifts, count, CURRENTS_NOTE_PROPERTY, type);
	(void)buf_text(out, "], \"user\": [");
	list.any = false;
	for (size_t i = 0; i < catalogue_user_count(); i++) {
		const char *name = catalogue_user_name(i);

		if (known != NULL && (known->user >> i & 1) != 0)
			drift_list_add(&list, name, strlen(name));
	}
	drift_list_new(&list, drifts, count, CURRENTS_NOTE_USER, type);
	(void)buf_char(out, ']');
}

/* Where this type differs from what a property is elsewhere. */
static void
drift_types_write(const struct drift *drifts, size_t count,
    const struct catalogue_type *known, struct currents_text type,
    struct buf *out)
{
	const char *before = ", \"types\": {", *kind;
	bool any = false;

	for (size_t i = 0; known != NULL && i < known->property_count; i++) {
		const struct catalogue_property *property =
		    catalogue_property_at(known->properties[i]);

		kind = catalogue_kind_name(
		    (enum catalogue_kind)known->kinds[known->properties[i]]);
		if (strcmp(kind, catalogue_kind_name(property->kind)) == 0)
			continue;
		(void)buf_printf(out, "%s\"%s\": \"%s\"", any ? ", " : before,
		    property->name, kind);
		any = true;
	}
	for (size_t i = 0; i < count; i++) {
		struct drift_field field = {&type, drifts[i].field};
		const char *usual;

		if (!drift_concerns(&drifts[i], &field) ||
		    drift_property(field.name) == catalogue_property_count() ||
		    drift_told(drifts, i, true))
			continue;
		usual = catalogue_kind_name(
		    catalogue_property_at(drift_property(field.name))->kind);
		kind = drift_kind(drifts, count, &field);
		if (kind == NULL || *kind == '\0' ||
		    drift_widen(usual, kind) == usual)
			continue;
		(void)buf_printf(out, "%s\"%.*s\": \"%s\"", any ? ", " : before,
		    (int)field.name.len, field.name.data, kind);
		any = true;
	}
	if (any)
		(void)buf_char(out, '}');
}

/* "messages" of users.messages.email.Open; "user" of users.UserOrphan. */
static void
drift_family_write(struct currents_text type, struct buf *out)
{
	const char *end = type.data + type.len;
	const char *dot = memchr(type.data, '.', type.len);
	const char *next =
	    dot == NULL ? NULL : memchr(dot + 1, '.', (size_t)(end - dot - 1));

	(void)buf_text(out, "\"family\": \"");
	if (next != NULL)
		(void)buf_append(out, dot + 1, (size_t)(next - dot - 1));
	else if (dot != NULL && memcmp(type.data, "users", 5) != 0)
		(void)buf_append(out, type.data, (size_t)(dot - type.data));
	else
		(void)buf_text(out, "user");
	(void)buf_text(out, "\", ");
}

static void
drift_event_write(const struct drift *drifts, size_t count,
    struct currents_text type, struct buf *out)
{
	size_t index = catalogue_type_find(type.data, type.len);
	const struct catalogue_type *known =
	    index < catalogue_type_count() ? catalogue_type_at(index) : NULL;

	(void)buf_printf(out, "\"%.*s\": {", (int)type.len, type.data);
	if (known != NULL)
		(void)buf_printf(out, "\"family\": \"%s\", ", known->family);
	else
		drift_family_write(type, out);
	drift_lists_write(drifts, count, known, type, out);
	if (known != NULL && known->status != NULL)
		(void)buf_printf(out, ", \"status\": \"%s\"", known->status);
	drift_types_write(drifts, count, known, type, out);
	(void)buf_text(out, "},\n");
}

/* What no line can adopt. */
static void
drift_remark_write(const struct drift *drift, struct buf *out)
{
	const char *remark = NULL;

	switch (drift->what) {
	case CURRENTS_NOTE_TYPE:
	case CURRENTS_NOTE_PROPERTY:
	case CURRENTS_NOTE_USER:
		return;
	case CURRENTS_NOTE_MEMBER:
		remark = "a member of the event that is not read";
		break;
	case CURRENTS_NOTE_BLANK:
		remark = "required, and blank: take it out of \"required\"?";
		break;
	case CURRENTS_NOTE_JSON:
		remark = "is of another type now, and flawed for it";
		break;
	case CURRENTS_NOTES:
		return;
	}
	(void)buf_printf(out, "# %.*s %.*s (%.*s): %s\n", (int)drift->type.len,
	    drift->type.data, (int)drift->field.len, drift->field.data,
	    (int)drift->json.len, drift->json.data, remark);
}

static bool
drift_adoptable(const struct drift *drift)
{
	return drift->what == CURRENTS_NOTE_TYPE ||
	       drift->what == CURRENTS_NOTE_PROPERTY ||
	       drift->what == CURRENTS_NOTE_USER;
}

void
drift_adopt_write(const struct drift *drifts, size_t count, struct buf *out)
{
	drift_properties_write(drifts, count, out);
	for (size_t i = 0; i < count; i++) {
		bool told = !drift_adoptable(&drifts[i]);

		for (size_t j = 0; j < i && !told; j++)
			told = drift_adoptable(&drifts[j]) &&
			       drift_same(drifts[i].type, drifts[j].type);
		if (!told)
			drift_event_write(drifts, count, drifts[i].type, out);
	}
	for (size_t i = 0; i < count; i++)
		drift_remark_write(&drifts[i], out);
}
