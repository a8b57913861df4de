/*
 * Notes what Braze changed. What is known and sound costs nothing here: all
 * of this runs only for what the catalogue does not have. A batch keeps each
 * different note once, found by a small hash table, so that a hostile body of
 * new names costs no more than an honest one.
 */

#include "schema/currents_event.h"

#include <string.h>

const char *
currents_drift_name(enum currents_drift_kind what)
{
	switch (what) {
	case CURRENTS_DRIFT_TYPE:
		return "unknown type";
	case CURRENTS_DRIFT_PROPERTY:
		return "unknown property";
	case CURRENTS_DRIFT_USER:
		return "unknown user member";
	case CURRENTS_DRIFT_MEMBER:
		return "unknown member";
	case CURRENTS_DRIFT_BLANK:
		return "blank required";
	case CURRENTS_DRIFT_JSON:
		return "new json type";
	case CURRENTS_DRIFT_KINDS:
		break;
	}
	check_failed(__FILE__, __LINE__, "a currents_drift_kind");
}

static bool
currents_text_same(struct str a, struct str b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static bool
currents_note_same(
    const struct currents_drift *a, const struct currents_drift *b)
{
	return a->what == b->what && a->json == b->json &&
	       currents_text_same(a->field, b->field) &&
	       currents_text_same(a->type, b->type);
}

/* FNV-1a over what tells notes apart; who makes names collide only slows
 * his own batch, by at most CURRENTS_DRIFT_MAX comparisons a note. */
static size_t
currents_note_slot(const struct currents_drift *note)
{
	uint32_t hash = 2166136261u ^ (uint32_t)note->what;

	for (size_t i = 0; i < note->field.len; i++)
		hash = (hash ^ (unsigned char)note->field.data[i]) * 16777619u;
	for (size_t i = 0; i < note->type.len; i++)
		hash = (hash ^ (unsigned char)note->type.data[i]) * 16777619u;
	return (hash ^ hash >> 16) & (CURRENTS_DRIFT_SLOTS - 1);
}

static void
currents_note_add(
    struct currents_batch *batch, const struct currents_drift *new)
{
	struct currents_drift *note;
	size_t slot = currents_note_slot(new);

	/* an observation is worth less than the events it was made of */
	if (!currents_batch_notes_make(batch)) {
		batch->notes_lost++;
		return;
	}
	for (; batch->note_slots[slot] != 0;
	     slot = (slot + 1) & (CURRENTS_DRIFT_SLOTS - 1)) {
		note = &batch->notes[batch->note_slots[slot] - 1];
		if (currents_note_same(note, new)) {
			note->events++;
			return;
		}
	}
	if (batch->note_count == CURRENTS_DRIFT_MAX) {
		batch->notes_lost++;
		return;
	}
	batch->notes[batch->note_count++] = *new;
	batch->note_slots[slot] = (uint16_t)batch->note_count;
}

/* An array whose bracket was read: of what? */
static const char *
currents_json_array(struct scan *scan)
{
	struct scan_value value;
	bool nulls = false;

	for (bool first = true; scan_element(scan, &first);) {
		if (!scan_value(scan, &value) ||
		    (value.kind != SCAN_STRING && value.kind != SCAN_NULL))
			return "array";
		nulls |= value.kind == SCAN_NULL;
	}
	return nulls ? "array<string|null>" : "array<string>";
}

/* The JSON type, as the catalogue calls it, of a value that was scanned. */
static const char *
currents_json(const struct currents_reader *reader, const char *at)
{
	struct scan_value value;
	struct scan scan;

	/* that of a string is after its quote; no other follows one */
	at -= at[-1] == '"';
	scan_init(&scan, at, (size_t)(reader->scan.at - at));
	if (!scan_value(&scan, &value))
		return "";
	switch (value.kind) {
	case SCAN_NULL:
		return "null";
	case SCAN_FALSE:
	case SCAN_TRUE:
		return "boolean";
	case SCAN_NUMBER:
		return scan_number_integral(value.data, value.len) ? "integer"
								   : "number";
	case SCAN_STRING:
		return value.len == 0 ? "blank" : "string";
	case SCAN_ARRAY:
		return currents_json_array(&scan);
	case SCAN_OBJECT:
		return "object";
	}
	check_failed(__FILE__, __LINE__, "a scan_kind");
}

void
currents_unknown_add(struct currents_reader *reader,
    enum currents_drift_kind what, const struct scan_value *key, const char *at)
{
	if (reader->unknown_count == CURRENTS_UNKNOWN_MAX) {
		reader->batch->notes_lost++;
		return;
	}
	reader->unknown[reader->unknown_count++] =
	    (struct currents_unknown){what, *key, at};
}

static void
currents_json_note(struct currents_reader *reader,
    const struct currents_event *event, enum currents_drift_kind what,
    const char *field, const char *json)
{
	struct currents_drift note = {
	    .what = what,
	    .type = event->type,
	    .field = {field, strlen(field)},
	    .json = json,
	    .events = 1,
	};

	currents_note_add(reader->batch, &note);
}

static void
currents_field_note(struct currents_reader *reader,
    const struct currents_event *event, enum currents_drift_kind what,
    const char *field, const char *at)
{
	currents_json_note(reader, event, what, field,
	    at == NULL ? "" : currents_json(reader, at));
}

void
currents_property_note(struct currents_reader *reader,
    const struct currents_event *event, enum currents_drift_kind what,
    size_t property)
{
	currents_field_note(reader, event, what,
	    catalogue_property_at(property)->name,
	    reader->properties[property].at);
}

void
currents_users_find(struct currents_reader *reader)
{
	for (size_t i = 0; i < CURRENTS_USERS; i++) {
		reader->user_bits[i] = 0;
		for (size_t j = 0; j < catalogue_user_count(); j++) {
			if (strcmp(catalogue_user_name(j),
				currents_users[i].name) == 0)
				reader->user_bits[i] = 1u << j;
		}
	}
}

/* A member of "user" that the catalogue has, but the judge does not check. */
static bool
currents_unknown_is_user(
    const struct catalogue_type *type, const struct currents_unknown *unknown)
{
	if (type == NULL || unknown->what != CURRENTS_DRIFT_USER)
		return false;
	for (size_t i = 0; i < catalogue_user_count(); i++) {
		const char *name = catalogue_user_name(i);

		if ((type->user >> i & 1) != 0 &&
		    scan_equals(&unknown->key, name, strlen(name)))
			return true;
	}
	return false;
}

static void
currents_unknown_note(struct currents_reader *reader,
    const struct currents_event *event, const struct currents_unknown *unknown)
{
	struct currents_drift note = {
	    .what = unknown->what,
	    .type = event->type,
	    .json = currents_json(reader, unknown->at),
	    .events = 1,
	};

	if (!currents_text(reader->batch, &unknown->key, &note.field)) {
		reader->batch->notes_lost++;
		return;
	}
	currents_note_add(reader->batch, &note);
}

/* All that an unknown type has is unknown: its catalogue line comes of it. */
static void
currents_type_note(
    struct currents_reader *reader, const struct currents_event *event)
{
	currents_field_note(reader, event, CURRENTS_DRIFT_TYPE, "", NULL);
	for (size_t i = 0; i < reader->seen_count; i++)
		currents_property_note(
		    reader, event, CURRENTS_DRIFT_PROPERTY, reader->seen[i]);
}

/* The event is flawed for the first that is missing, and judged no further;
 * all are told, since one change may have taken them away. */
static void
currents_missing_note(struct currents_reader *reader,
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
			currents_json_note(reader, event, CURRENTS_DRIFT_BLANK,
			    catalogue_property_at(index)->name, json);
	}
}

void
currents_event_note(struct currents_reader *reader,
    const struct currents_draft *draft, const struct currents_event *event,
    const struct catalogue_type *type)
{
	unsigned user = draft->user_seen;

	if (event->flaw == CURRENTS_WRONG_TYPE)
		currents_field_note(reader, event, CURRENTS_DRIFT_JSON,
		    event->defect_field, reader->body + event->defect_at);
	if (event->flaw == CURRENTS_REQUIRED_MISSING)
		currents_missing_note(reader, event, type);
	if (event->flaw != CURRENTS_VALID)
		return;
	if (type == NULL)
		currents_type_note(reader, event);
	else
		user &= ~type->user;
	for (size_t i = 0; i < CURRENTS_USERS; i++) {
		if ((user & reader->user_bits[i]) != 0)
			currents_field_note(reader, event, CURRENTS_DRIFT_USER,
			    currents_users[i].name, draft->user_at[i]);
	}
	for (size_t i = 0; i < reader->unknown_count; i++) {
		if (!currents_unknown_is_user(type, &reader->unknown[i]))
			currents_unknown_note(
			    reader, event, &reader->unknown[i]);
	}
}
