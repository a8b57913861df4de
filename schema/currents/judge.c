/*
 * Judges an event that was read, by the rules of the envelope and by the
 * catalogue, and observes drift: what Braze changed since the catalogue was
 * written. Unknown types and members are valid, because new ones appear about
 * monthly, unannounced. Observing drift costs nothing for an event that is
 * valid and all known.
 */

#include "schema/currents/reader.h"

#include <stdio.h>

static const int64_t currents_time_max = 253402300799; /* year 9999 ends */

const struct currents_user currents_users[CURRENTS_USERS] = {
    {STR("user_id"), "user.user_id", "string", false},
    {STR("external_user_id"), "user.external_user_id", "string or number",
	true},
    {STR("device_id"), "user.device_id", "string", false},
    {STR("timezone"), "user.timezone", "string", false},
};

/* ---- drift ---- */

/* The JSON type, as the catalogue calls it, of a value that was scanned. */
static const char *
currents_json_type(const struct currents_reader *reader, const char *at)
{
	struct scan_value value;
	struct scan scan;
	bool nulls = false;

	/* only the text of a string begins after a quote */
	at -= at[-1] == '"';
	scan_init(&scan, str_bytes(at, (size_t)(reader->scan.at - at)));
	if (!scan_value(&scan, &value))
		return "";
	switch (value.kind) {
	case SCAN_NULL:
		return "null";
	case SCAN_FALSE:
	case SCAN_TRUE:
		return "boolean";
	case SCAN_NUMBER:
		return scan_number_integral(value.text) ? "integer" : "number";
	case SCAN_STRING:
		return value.text.len == 0 ? "blank" : "string";
	case SCAN_ARRAY:
		for (bool first = true; scan_element(&scan, &first);) {
			if (!scan_value(&scan, &value) ||
			    (value.kind != SCAN_STRING &&
				value.kind != SCAN_NULL))
				return "array";
			nulls |= value.kind == SCAN_NULL;
		}
		return nulls ? "array<string|null>" : "array<string>";
	case SCAN_OBJECT:
		return "object";
	}
	NEVER("a scan_kind");
}

static void
currents_drift_add(struct currents_reader *reader,
    const struct currents_event *event, enum currents_drift_kind what,
    struct str field, const char *json)
{
	const struct currents_drift drift = {.what = what,
	    .type = event->type,
	    .field = field,
	    .json = json,
	    .events = 1};

	currents_batch_drift(reader->batch, &drift);
}

/* The drift of a property that is in the event and in the catalogue. */
static void
currents_drift_property(struct currents_reader *reader,
    const struct currents_event *event, enum currents_drift_kind what,
    size_t property)
{
	currents_drift_add(reader, event, what,
	    catalogue_property_at(reader->catalogue, property)->name,
	    currents_json_type(reader, reader->properties[property].at));
}

/* The first missing property makes an event invalid, and judging stops there.
 * All missing ones are observed, since one change may have removed them
 * together. */
static void
currents_drift_missing(struct currents_reader *reader,
    const struct currents_event *event, const struct catalogue_type *type)
{
	bool missing = false;

	for (size_t i = 0; i < type->required_count; i++) {
		size_t index = type->required[i];
		const struct currents_property *property =
		    &reader->properties[index];
		const char *json = NULL;

		if (property->event != reader->event)
			json = "absent";
		else if ((property->fits & CURRENTS_FITS_NULL) != 0)
			json = "null";
		else if (missing && property->fits == CURRENTS_FITS_ANY)
			json = "blank";
		missing |= json != NULL;
		if (json != NULL)
			currents_drift_add(reader, event, CURRENTS_DRIFT_BLANK,
			    catalogue_property_at(reader->catalogue, index)
				->name,
			    json);
	}
}

/* Is it a member of "user" that the type has in the catalogue, though it is not
 * checked? */
static bool
currents_user_documented(const struct catalogue *catalogue,
    const struct catalogue_type *type, const struct currents_unknown *unknown)
{
	if (type == NULL || unknown->what != CURRENTS_DRIFT_USER)
		return false;
	for (size_t i = 0; i < catalogue_user_count(catalogue); i++) {
		if ((type->user >> i & 1) != 0 &&
		    scan_equal_text(
			&unknown->key, catalogue_user_name(catalogue, i)))
			return true;
	}
	return false;
}

/* Observe the drift of an event that was judged; type is NULL if it is unknown.
 * Judging itself observes known properties of other types, and required ones
 * that are blank. */
static void
currents_drift_observe(struct currents_reader *reader,
    const struct currents_event *event, const struct catalogue_type *type)
{
	const struct currents_members *members = &reader->members;
	unsigned user = members->user_seen;

	if (event->defect == CURRENTS_WRONG_TYPE)
		currents_drift_add(reader, event, CURRENTS_DRIFT_JSON,
		    str_text(event->defect_field),
		    currents_json_type(
			reader, reader->body + event->defect_at));
	if (event->defect == CURRENTS_REQUIRED_MISSING)
		currents_drift_missing(reader, event, type);
	if (event->defect != CURRENTS_VALID)
		return;
	if (type != NULL) {
		user &= ~type->user;
	} else {
		/* all of it is new, and goes into its line of the catalogue */
		currents_drift_add(
		    reader, event, CURRENTS_DRIFT_TYPE, str_text(""), "");
		for (size_t i = 0; i < reader->seen_count; i++)
			currents_drift_property(reader, event,
			    CURRENTS_DRIFT_PROPERTY, reader->seen[i]);
	}
	for (size_t i = 0; i < CURRENTS_USERS; i++) {
		if ((user & reader->user_bits[i]) != 0)
			currents_drift_add(reader, event, CURRENTS_DRIFT_USER,
			    currents_users[i].name,
			    currents_json_type(reader, members->user_at[i]));
	}
	for (size_t i = 0; i < reader->unknown_count; i++) {
		const struct currents_unknown *unknown = &reader->unknown[i];
		struct str field;

		if (currents_user_documented(reader->catalogue, type, unknown))
			continue;
		if (!currents_batch_text(reader->batch, &unknown->key, &field))
			reader->batch->drifts_lost++;
		else
			currents_drift_add(reader, event, unknown->what, field,
			    currents_json_type(reader, unknown->at));
	}
}

/* ---- judging ---- */

/* The field is NULL if the defect is of the event as a whole. */
static void
currents_defect_set(struct currents_event *event, enum currents_defect defect,
    const char *field, const char *want, size_t at)
{
	event->defect = defect;
	event->defect_field = field;
	event->defect_want = want;
	event->defect_at = at;
}

/* The offset of a member, or of the event if the member is absent. */
static size_t
currents_member_at(const struct currents_reader *reader,
    const struct currents_event *event, const struct scan_value *value)
{
	return value->text.data == NULL
		   ? event->at
		   : (size_t)(value->text.data - reader->body);
}

/* Judge the properties by the catalogue; the type is known. */
static void
currents_judge_properties(struct currents_reader *reader,
    const struct catalogue_type *type, struct currents_event *event)
{
	const struct currents_property *property;
	size_t index;
	uint8_t kind;

	for (size_t i = 0; i < reader->seen_count; i++) {
		index = reader->seen[i];
		kind = type->kinds[index];
		property = &reader->properties[index];
		if (kind == CATALOGUE_NO_KIND) {
			/* of another type only: unknown here, and so valid */
			currents_drift_property(
			    reader, event, CURRENTS_DRIFT_PROPERTY, index);
			continue;
		}
		if ((property->fits >> kind & 1) != 0)
			continue;
		if (!catalogue_type_insists(type, index)) {
			currents_drift_property(
			    reader, event, CURRENTS_DRIFT_JSON, index);
			continue;
		}
		currents_defect_set(event, CURRENTS_WRONG_TYPE,
		    catalogue_property_at(reader->catalogue, index)->name.data,
		    catalogue_kind_name((enum catalogue_kind)kind),
		    (size_t)(property->at - reader->body));
		return;
	}
	for (size_t i = 0; i < type->required_count; i++) {
		index = type->required[i];
		property = &reader->properties[index];
		if (property->event == reader->event &&
		    (property->fits & CURRENTS_FITS_NULL) == 0) {
			if (property->fits == CURRENTS_FITS_ANY)
				currents_drift_property(
				    reader, event, CURRENTS_DRIFT_BLANK, index);
			continue;
		}
		currents_defect_set(event, CURRENTS_REQUIRED_MISSING,
		    catalogue_property_at(reader->catalogue, index)->name.data,
		    NULL, event->at);
		return;
	}
}

/* "user" and "properties": objects, or as good as absent? */
static bool
currents_judge_containers(
    const struct currents_reader *reader, struct currents_event *event)
{
	const struct scan_value *user = &reader->members.user;
	const struct scan_value *properties = &reader->members.properties;

	if (user->kind != SCAN_OBJECT && user->kind != SCAN_NULL) {
		currents_defect_set(event, CURRENTS_WRONG_TYPE, "user",
		    "object", currents_member_at(reader, event, user));
		return false;
	}
	for (size_t i = 0; i < CURRENTS_USERS && user->kind == SCAN_OBJECT;
	     i++) {
		const char *wrong = reader->members.user_wrong[i];

		if (wrong == NULL)
			continue;
		currents_defect_set(event, CURRENTS_WRONG_TYPE,
		    currents_users[i].field, currents_users[i].want,
		    (size_t)(wrong - reader->body));
		return false;
	}
	/* Braze blanks what it redacts, perhaps all of them at once */
	if (properties->kind != SCAN_OBJECT && properties->kind != SCAN_NULL &&
	    !(properties->kind == SCAN_STRING && properties->text.len == 0)) {
		currents_defect_set(event, CURRENTS_WRONG_TYPE, "properties",
		    "object", currents_member_at(reader, event, properties));
		return false;
	}
	return true;
}

bool
currents_usable(const struct scan_value *value)
{
	return value->kind == SCAN_STRING && value->text.len > 0;
}

void
currents_judge(struct currents_reader *reader, struct currents_event *event)
{
	const struct currents_members *members = &reader->members;
	const struct scan *scan = &reader->scan;
	const struct scan_value *time = &members->time;
	bool timed = time->kind == SCAN_NUMBER &&
		     scan_number_int64(time->text, &event->time_s) &&
		     event->time_s >= 0 && event->time_s <= currents_time_max;
	const struct catalogue_type *type = NULL;
	size_t index;

	if (!timed)
		event->time_s = 0; /* it may hold a value out of range */
	index = catalogue_type_find(reader->catalogue, event->type);
	if (index < catalogue_type_count(reader->catalogue))
		type = catalogue_type_at(reader->catalogue, index);
	event->known = type != NULL;
	/* in the order of enum currents_defect: the gravest first */
	if (scan->bad_utf8 != NULL)
		currents_defect_set(event, CURRENTS_BAD_UTF8, NULL, NULL,
		    (size_t)(scan->bad_utf8 - reader->body));
	else if (scan->too_deep != NULL)
		currents_defect_set(event, CURRENTS_TOO_DEEP, NULL, NULL,
		    (size_t)(scan->too_deep - reader->body));
	else if (!currents_usable(&members->type))
		currents_defect_set(event, CURRENTS_NO_TYPE, "event_type",
		    "a non-empty string",
		    currents_member_at(reader, event, &members->type));
	else if (!currents_usable(&members->id))
		currents_defect_set(event, CURRENTS_NO_ID, "id",
		    "a non-empty string",
		    currents_member_at(reader, event, &members->id));
	else if (!timed)
		currents_defect_set(event, CURRENTS_NO_TIME, "time",
		    "an integer, UNIX seconds",
		    currents_member_at(reader, event, time));
	else if (currents_judge_containers(reader, event) && type != NULL)
		currents_judge_properties(reader, type, event);
	/* most events have nothing to observe */
	if (type == NULL || event->defect != CURRENTS_VALID ||
	    reader->unknown_count > 0 ||
	    (members->user_seen & ~type->user) != 0)
		currents_drift_observe(reader, event, type);
}

void
currents_defect_write(
    const struct currents_event *event, char *ret, size_t size)
{
	const char *field =
	    event->defect_field != NULL ? event->defect_field : "";
	const char *want = event->defect_want != NULL ? event->defect_want : "";
	const struct catalogue *catalogue;
	bool property;

	switch (event->defect) {
	case CURRENTS_VALID:
		(void)snprintf(ret, size, "valid");
		return;
	case CURRENTS_NOT_OBJECT:
		(void)snprintf(ret, size, "not a JSON object");
		return;
	case CURRENTS_BAD_UTF8:
		(void)snprintf(ret, size, "bytes that are not UTF-8");
		return;
	case CURRENTS_TOO_DEEP:
		(void)snprintf(
		    ret, size, "nested more than %d levels deep", SCAN_DEPTH);
		return;
	case CURRENTS_NO_TYPE:
	case CURRENTS_NO_ID:
	case CURRENTS_NO_TIME:
		(void)snprintf(
		    ret, size, "no usable %s: should be %s", field, want);
		return;
	case CURRENTS_WRONG_TYPE:
		catalogue = catalogue_in_use();
		property = catalogue_property_find(catalogue, str_text(field)) <
			   catalogue_property_count(catalogue);
		(void)snprintf(ret, size, "%s%s should be of type %s",
		    property ? "property " : "", field, want);
		return;
	case CURRENTS_REQUIRED_MISSING:
		(void)snprintf(
		    ret, size, "required property %s is absent or null", field);
		return;
	}
	NEVER("a currents_defect");
}
