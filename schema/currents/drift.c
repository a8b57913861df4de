#include "schema/currents/currents.h"

#include "base/json.h"
#include "schema/currents/catalogue.h"
#include "schema/json/text.h"

#include <stdio.h>

/* An escape has at most six bytes: type and field fit, whatever they hold. */
_Static_assert(2 * 6 * DRIFT_NAME_MAX + 64 < DRIFT_TEXT_MAX, "too small");

static void
drift_name_write(struct buf *buf, struct str name)
{
	size_t len = name.len;

	if (len > DRIFT_NAME_MAX) {
		/* do not cut within a character */
		for (len = DRIFT_NAME_MAX;
		     len > 0 && (name.data[len] & 0xc0) == 0x80; len--)
			;
	}
	json_escape(buf, name.data, len);
}

void
drift_text_write(const struct currents_drift *drift, char ret[DRIFT_TEXT_MAX])
{
	struct buf buf;

	buf_init(&buf, DRIFT_TEXT_MAX - 1);
	(void)buf_printf(&buf, "%s\t", currents_drift_name(drift->what));
	drift_name_write(&buf, drift->type);
	(void)buf_char(&buf, '\t');
	drift_name_write(&buf, drift->field);
	(void)buf_printf(&buf, "\t%s", drift->json);
	(void)snprintf(ret, DRIFT_TEXT_MAX, "%.*s",
	    buf.failed ? 0 : (int)buf.len, buf.failed ? "" : buf.data);
	buf_fini(&buf);
}

/* The word up to the next tab, which must be there unless it is the last. */
static bool
drift_word_read(const char **at, bool last, struct str *ret)
{
	size_t len = strcspn(*at, "\t");

	if (((*at)[len] == '\0') != last)
		return false;
	*ret = str_bytes(*at, len);
	*at += len + !last;
	return true;
}

bool
drift_text_read(const char *text, struct drift *ret_drift)
{
	struct drift drift = {.what = CURRENTS_DRIFT_KINDS};
	struct str what;

	if (!drift_word_read(&text, false, &what) ||
	    !drift_word_read(&text, false, &drift.type) ||
	    !drift_word_read(&text, false, &drift.field) ||
	    !drift_word_read(&text, true, &drift.json))
		return false;
	for (int i = 0; i < CURRENTS_DRIFT_KINDS; i++) {
		enum currents_drift_kind kind = (enum currents_drift_kind)i;

		if (str_equal_text(what, currents_drift_name(kind)))
			drift.what = kind;
	}
	if (drift.what == CURRENTS_DRIFT_KINDS)
		return false;
	*ret_drift = drift;
	return true;
}

/*
 * ---- adoption: the catalogue's lines for what was seen ----
 *
 * A line is a proposal for the operator to paste. So it says what was seen
 * and guesses only this: what was only ever null or blank is a string, and
 * integers among numbers make a number. All lines together, pasted, are a
 * catalogue that builds: what the operator must decide first is in no line,
 * but in a remark.
 */

/* Can a line have this name? Not if it is blank, or may be the start of one
 * that was cut; nor with an escape in it, which no name of Braze's has. */
static bool
drift_nameable(struct str name)
{
	return name.len <= DRIFT_NAME_WHOLE && !text_blank(name) &&
	       memchr(name.data, '\\', name.len) == NULL;
}

/* One field: of one type, or (type NULL) of all types. */
struct drift_field {
	const struct str *type;
	struct str name;
};

/* Is it about that field, as a property? */
static bool
drift_concerns(const struct drift *drift, const struct drift_field *field)
{
	return drift->what == CURRENTS_DRIFT_PROPERTY &&
	       str_equal(drift->field, field->name) &&
	       (field->type == NULL || str_equal(drift->type, *field->type));
}

/* A JSON type as the catalogue has it, or NULL. */
static const char *
drift_kind_of(struct str json)
{
	for (int k = CATALOGUE_STRING; k <= CATALOGUE_STRINGS_NULLS; k++) {
		const char *name = catalogue_kind_name((enum catalogue_kind)k);

		if (str_equal_text(json, name))
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

/* The catalogue's word for all that was seen of a field, "" if that was only
 * null and blank; NULL if there is none, so that the operator must decide. */
static const char *
drift_kind(
    const struct drift *drifts, size_t count, const struct drift_field *field)
{
	const char *kind = "", *seen;

	for (size_t i = 0; i < count; i++) {
		if (!drift_concerns(&drifts[i], field) ||
		    str_equal_text(drifts[i].json, "null") ||
		    str_equal_text(drifts[i].json, "blank"))
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

/* Can the property stand in the line of its type? A known one goes by its kind
 * in this type, a new one by its kind everywhere. */
static bool
drift_decided(
    const struct drift *drifts, size_t count, const struct drift *drift)
{
	struct drift_field field = {NULL, drift->field};

	if (catalogue_property_find(drift->field) < catalogue_property_count())
		field.type = &drift->type;
	return drift_kind(drifts, count, &field) != NULL;
}

/* Can a line adopt it? */
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

/* Did an earlier drift say the same of the same type? */
static bool
drift_repeated(const struct drift *drifts, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (drifts[i].what == drifts[at].what &&
		    str_equal(drifts[i].field, drifts[at].field) &&
		    str_equal(drifts[i].type, drifts[at].type))
			return true;
	}
	return false;
}

/* Write the heading above the first line for that object of
 * events.json. */
static void
drift_head(const char *object, bool *any, struct buf *out)
{
	if (!*any)
		(void)buf_printf(out, "# add to \"%s\":\n", object);
	*any = true;
}

/* Did an adopted one before it say the same of the same field? */
static bool
drift_field_repeated(const struct drift *drifts, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (drifts[i].what == drifts[at].what &&
		    str_equal(drifts[i].field, drifts[at].field) &&
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
		struct str name = drifts[i].field;
		bool known = false;

		for (size_t j = 0; j < catalogue_user_count(); j++)
			known |= str_equal_text(name, catalogue_user_name(j));
		if (drifts[i].what != CURRENTS_DRIFT_USER || known ||
		    !drifts[i].adopted || drift_field_repeated(drifts, i))
			continue;
		drift_head("user", &any, out);
		(void)buf_printf(out, "\"%.*s\": \"%.*s, seen by drift\",\n",
		    STR_ARGS(name), STR_ARGS(drifts[i].json));
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
		    catalogue_property_find(field.name) <
			catalogue_property_count() ||
		    !drifts[i].adopted || drift_field_repeated(drifts, i))
			continue;
		drift_head("properties", &any, out);
		kind = drift_kind(drifts, count, &field);
		(void)buf_printf(out, "\"%.*s\": {\"type\": \"%s\"},\n",
		    STR_ARGS(field.name), *kind == '\0' ? "string" : kind);
	}
}

/* A list of names, known ones first. */
struct drift_list {
	struct buf *out;
	bool any;
};

static void
drift_list_add(struct drift_list *list, struct str name)
{
	(void)buf_printf(
	    list->out, "%s\"%.*s\"", list->any ? ", " : "", STR_ARGS(name));
	list->any = true;
}

static void
drift_list_new(struct drift_list *list, const struct drift *drifts,
    size_t count, enum currents_drift_kind what, struct str type)
{
	for (size_t i = 0; i < count; i++) {
		if (drifts[i].what == what && str_equal(drifts[i].type, type) &&
		    drifts[i].adopted && !drift_repeated(drifts, i))
			drift_list_add(list, drifts[i].field);
	}
}

static void
drift_lists_write(const struct drift *drifts, size_t count,
    const struct catalogue_type *known, struct str type, struct buf *out)
{
	struct drift_list list = {out, false};

	(void)buf_text(out, "\"required\": [");
	for (size_t i = 0; known != NULL && i < known->required_count; i++)
		drift_list_add(
		    &list, catalogue_property_at(known->required[i])->name);
	(void)buf_text(out, "], \"properties\": [");
	list.any = false;
	for (size_t i = 0; known != NULL && i < known->property_count; i++)
		drift_list_add(
		    &list, catalogue_property_at(known->properties[i])->name);
	drift_list_new(&list, drifts, count, CURRENTS_DRIFT_PROPERTY, type);
	(void)buf_text(out, "], \"user\": [");
	list.any = false;
	for (size_t i = 0; i < catalogue_user_count(); i++) {
		if (known != NULL && (known->user >> i & 1) != 0)
			drift_list_add(&list, str_text(catalogue_user_name(i)));
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
		    property->name.data, kind);
		any = true;
	}
	for (size_t i = 0; i < count; i++) {
		struct drift_field field = {&type, drifts[i].field};
		size_t property = catalogue_property_find(field.name);
		const char *usual;

		if (!drift_concerns(&drifts[i], &field) ||
		    property == catalogue_property_count() ||
		    !drifts[i].adopted || drift_repeated(drifts, i))
			continue;
		usual =
		    catalogue_kind_name(catalogue_property_at(property)->kind);
		kind = drift_kind(drifts, count, &field);
		if (kind == NULL || *kind == '\0' ||
		    drift_widen(usual, kind) == usual)
			continue;
		(void)buf_printf(out, "%s\"%.*s\": \"%s\"", any ? ", " : before,
		    STR_ARGS(field.name), kind);
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
	size_t index = catalogue_type_find(type);
	const struct catalogue_type *known =
	    index < catalogue_type_count() ? catalogue_type_at(index) : NULL;

	if (known != NULL)
		(void)buf_text(out, "# replace the existing line with:\n");
	(void)buf_printf(out, "\"%.*s\": {", STR_ARGS(type));
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

/* Why no line adopts it. */
static const char *
drift_remark(const struct drift *drift)
{
	switch (drift->what) {
	case CURRENTS_DRIFT_TYPE:
		return "its name is blank, truncated or unusual";
	case CURRENTS_DRIFT_PROPERTY:
	case CURRENTS_DRIFT_USER:
		if (!drift_nameable(drift->type) ||
		    !drift_nameable(drift->field))
			return "a name that is blank, truncated or unusual";
		return "decide on its type, then add it to the \"properties\" "
		       "of the catalogue and of the event";
	case CURRENTS_DRIFT_MEMBER:
		return "a member of the event that currentsd does not read";
	case CURRENTS_DRIFT_BLANK:
		return "is required: remove it from \"required\"?";
	case CURRENTS_DRIFT_JSON:
		return "now has another type, which makes its event invalid";
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
		bool written = !drifts[i].adopted;

		for (size_t j = 0; j < i && !written; j++)
			written = str_equal(drifts[i].type, drifts[j].type) &&
				  drifts[j].adopted;
		if (written)
			continue;
		drift_head("events", &any, out);
		drift_event_write(drifts, count, drifts[i].type, out);
	}
}

void
drift_adopt_write(struct drift *drifts, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++)
		drifts[i].adopted = drift_adoptable(drifts, count, &drifts[i]);
	drift_users_write(drifts, count, out);
	drift_properties_write(drifts, count, out);
	drift_events_write(drifts, count, out);
	for (size_t i = 0; i < count; i++) {
		const struct drift *drift = &drifts[i];

		if (drift->adopted)
			continue;
		(void)buf_printf(out, "# %.*s %.*s (%.*s): %s\n",
		    STR_ARGS(drift->type), STR_ARGS(drift->field),
		    STR_ARGS(drift->json), drift_remark(drift));
	}
}
