/*
 * The catalogue's lines for what was seen. A line is proposed and a person
 * takes it over; so it says what was seen and guesses nothing but this: what
 * was only ever null or blank is a string, and integers among numbers make a
 * number. All lines together, pasted, are a catalogue that is built: what a
 * person must decide first is in no line, but in a remark.
 */

#include "schema/drift_parts.h"

#include <stdio.h>
#include <string.h>

/* What follows goes into that object of schema/events.json. */
static void
drift_head(const char *object, bool *any, struct buf *out)
{
	if (!*any)
		(void)buf_printf(out, "# into \"%s\":\n", object);
	*any = true;
}

/* Is one of the drifts before it adopted and of the same field? */
static bool
drift_field_told(const struct drift *drifts, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (drifts[i].what == drifts[at].what &&
		    drift_same(drifts[i].field, drifts[at].field) &&
		    drifts[i].adopted)
			return true;
	}
	return false;
}

/* Members of "user" that no type has had yet. */
static void
drift_users_write(const struct drift *drifts, size_t count, struct buf *out)
{
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		const struct str *name = &drifts[i].field;
		bool known = false;

		for (size_t j = 0; j < catalogue_user_count(); j++)
			known |= drift_is(*name, catalogue_user_name(j));
		if (drifts[i].what != CURRENTS_DRIFT_USER || known ||
		    !drifts[i].adopted || drift_field_told(drifts, i))
			continue;
		drift_head("user", &any, out);
		(void)buf_printf(out, "\"%.*s\": \"%.*s, seen by drift\",\n",
		    (int)name->len, name->data, (int)drifts[i].json.len,
		    drifts[i].json.data);
	}
}

/* The names that no type has had yet. */
static void
drift_properties_write(
    const struct drift *drifts, size_t count, struct buf *out)
{
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		struct drift_field field = {NULL, drifts[i].field};
		const char *kind;

		if (drifts[i].what != CURRENTS_DRIFT_PROPERTY ||
		    drift_property(field.name) < catalogue_property_count() ||
		    !drifts[i].adopted || drift_field_told(drifts, i))
			continue;
		drift_head("properties", &any, out);
		kind = drift_kind(drifts, count, &field);
		(void)buf_printf(out, "\"%.*s\": {\"type\": \"%s\"},\n",
		    (int)field.name.len, field.name.data,
		    *kind == '\0' ? "string" : kind);
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
    size_t count, enum currents_drift_kind what, struct str type)
{
	for (size_t i = 0; i < count; i++) {
		if (drifts[i].what == what &&
		    drift_same(drifts[i].type, type) && drifts[i].adopted &&
		    !drift_told(drifts, i))
			drift_list_add(
			    list, drifts[i].field.data, drifts[i].field.len);
	}
}

static void
drift_lists_write(const struct drift *drifts, size_t count,
    const struct catalogue_type *known, struct str type, struct buf *out)
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
	drift_list_new(&list, drifts, count, CURRENTS_DRIFT_PROPERTY, type);
	(void)buf_text(out, "], \"user\": [");
	list.any = false;
	for (size_t i = 0; i < catalogue_user_count(); i++) {
		const char *name = catalogue_user_name(i);

		if (known != NULL && (known->user >> i & 1) != 0)
			drift_list_add(&list, name, strlen(name));
	}
	drift_list_new(&list, drifts, count, CURRENTS_DRIFT_USER, type);
	(void)buf_char(out, ']');
}

/* Where this type differs from what a property is elsewhere. */
static void
drift_types_write(const struct drift *drifts, size_t count,
    const struct catalogue_type *known, struct str type, struct buf *out)
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
		    !drifts[i].adopted || drift_told(drifts, i))
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
drift_family_write(struct str type, struct buf *out)
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
drift_event_write(
    const struct drift *drifts, size_t count, struct str type, struct buf *out)
{
	size_t index = catalogue_type_find(type.data, type.len);
	const struct catalogue_type *known =
	    index < catalogue_type_count() ? catalogue_type_at(index) : NULL;

	if (known != NULL)
		(void)buf_text(out, "# instead of the line that is there:\n");
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

/* Why no line takes it. */
static const char *
drift_remark(const struct drift *drift)
{
	switch (drift->what) {
	case CURRENTS_DRIFT_TYPE:
		return "its name is blank, cut or odd";
	case CURRENTS_DRIFT_PROPERTY:
	case CURRENTS_DRIFT_USER:
		if (!drift_nameable(drift->type) ||
		    !drift_nameable(drift->field))
			return "a name that is blank, cut or odd";
		return "decide its type, then add it to \"properties\", of the "
		       "catalogue and of the event";
	case CURRENTS_DRIFT_MEMBER:
		return "a member of the event that is not read";
	case CURRENTS_DRIFT_BLANK:
		return "is required: take it out of \"required\"?";
	case CURRENTS_DRIFT_JSON:
		return "is of another type now, which makes its event invalid";
	case CURRENTS_DRIFT_KINDS:
		break;
	}
	return "";
}

static void
drift_events_write(const struct drift *drifts, size_t count, struct buf *out)
{
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		bool told = !drifts[i].adopted;

		for (size_t j = 0; j < i && !told; j++)
			told = drift_same(drifts[i].type, drifts[j].type) &&
			       drifts[j].adopted;
		if (told)
			continue;
		drift_head("events", &any, out);
		drift_event_write(drifts, count, drifts[i].type, out);
	}
}

void
drift_adopt_write(struct drift *drifts, size_t count, struct buf *out)
{
	drift_decide(drifts, count);
	drift_users_write(drifts, count, out);
	drift_properties_write(drifts, count, out);
	drift_events_write(drifts, count, out);
	for (size_t i = 0; i < count; i++) {
		const struct drift *drift = &drifts[i];

		if (drift->adopted)
			continue;
		(void)buf_printf(out, "# %.*s %.*s (%.*s): %s\n",
		    (int)drift->type.len, drift->type.data,
		    (int)drift->field.len, drift->field.data,
		    (int)drift->json.len, drift->json.data,
		    drift_remark(drift));
	}
}
