/*
 * Reads one event: its members in any order, remembering of each property
 * which types its value fits. It is judged when it is over and its type is
 * known. A member that comes twice counts as it came last.
 */

#include "schema/currents_event.h"

#include <string.h>

enum {
	EVENT_LEVELS = CURRENTS_DEPTH,
	MEMBER_LEVELS = EVENT_LEVELS - 1,
	PROPERTY_LEVELS = MEMBER_LEVELS - 1,
	ELEMENT_LEVELS = PROPERTY_LEVELS - 1,
};

/* Read the value of a member that nobody asks for. */
static bool
currents_pass(struct scan *scan, struct scan_value *ret_value, unsigned levels)
{
	return scan_value(scan, ret_value) &&
	       (!scan_opened(ret_value) || scan_skip(scan, ret_value, levels));
}

static bool
currents_user_read(struct currents_reader *reader, struct currents_draft *draft)
{
	struct scan *scan = &reader->scan;
	struct scan_value key, value;
	size_t i;
	bool fits;

	/* a second "user" replaces the first, and what was wrong in it */
	memset(draft->user_wrong, 0, sizeof(draft->user_wrong));
	for (bool first = true; scan_member(scan, &first, &key);) {
		if (!currents_pass(scan, &value, PROPERTY_LEVELS))
			return false;
		for (i = 0; i < CURRENTS_USERS; i++) {
			if (!scan_equals(&key, currents_users[i].name,
				currents_users[i].len))
				continue;
			fits = value.kind == SCAN_NULL ||
			       value.kind == SCAN_STRING ||
			       (value.kind == SCAN_NUMBER &&
				   currents_users[i].number);
			draft->user_wrong[i] = fits ? NULL : value.data;
			draft->user_at[i] = value.data;
			draft->user_seen |= reader->user_bits[i];
			break;
		}
		if (i == CURRENTS_USERS)
			currents_unknown_add(
			    reader, CURRENTS_DRIFT_USER, &key, value.data);
	}
	return scan->error == NULL;
}

/* Read the elements of an array: is it one of strings, or nulls as well? */
static bool
currents_array_read(struct scan *scan, unsigned *ret_fits)
{
	unsigned fits = 1u << CATALOGUE_STRINGS | 1u << CATALOGUE_STRINGS_NULLS;
	struct scan_value value;

	for (bool first = true; scan_element(scan, &first);) {
		if (!currents_pass(scan, &value, ELEMENT_LEVELS))
			return false;
		if (value.kind == SCAN_NULL)
			fits &= ~(1u << CATALOGUE_STRINGS);
		else if (value.kind != SCAN_STRING)
			fits = 0;
	}
	*ret_fits = fits;
	return scan->error == NULL;
}

/* Read the value of a known property; which types does it fit? */
static bool
currents_fits_read(
    struct scan *scan, struct scan_value *value, unsigned *ret_fits)
{
	*ret_fits = 0;
	if (!scan_value(scan, value))
		return false;
	switch (value->kind) {
	case SCAN_NULL:
		*ret_fits = CURRENTS_FITS_ANY | CURRENTS_FITS_NULL;
		break;
	case SCAN_FALSE:
	case SCAN_TRUE:
		*ret_fits = 1u << CATALOGUE_BOOLEAN;
		break;
	case SCAN_NUMBER:
		*ret_fits = 1u << CATALOGUE_NUMBER;
		if (value->plain ||
		    scan_number_integral(value->data, value->len))
			*ret_fits |= 1u << CATALOGUE_INTEGER;
		break;
	case SCAN_STRING:
		/* Braze blanks a redacted value, whatever its type */
		*ret_fits = value->len == 0 ? CURRENTS_FITS_ANY
					    : 1u << CATALOGUE_STRING;
		break;
	case SCAN_ARRAY:
		return currents_array_read(scan, ret_fits);
	case SCAN_OBJECT:
		*ret_fits = 1u << CATALOGUE_OBJECT;
		return scan_skip(scan, value, PROPERTY_LEVELS);
	}
	return true;
}

/* The catalogue index of a key; a key may be escaped to hide from us. */
static size_t
currents_property_find(const struct scan_value *key)
{
	char decoded[512]; /* an escape is at most 6 bytes for one of a name */
	size_t len;

	if (!key->escaped)
		return catalogue_property_find(key->data, key->len);
	if (key->len > sizeof(decoded))
		return catalogue_property_count();
	len = scan_decode(key->data, key->len, decoded);
	return catalogue_property_find(decoded, len);
}

/*
 * Read the members of "properties". The type may not be known yet, so that
 * nothing is judged: only noted, the last value of each over the earlier.
 */
static bool
currents_properties_read(struct currents_reader *reader)
{
	const size_t unknown = catalogue_property_count();
	struct scan *scan = &reader->scan;
	struct currents_property *property;
	struct scan_value key, value;
	unsigned fits;
	size_t index;

	reader->event++;
	reader->seen_count = 0;
	for (bool first = true; scan_member(scan, &first, &key);) {
		index = currents_property_find(&key);
		if (index == unknown) {
			if (!currents_pass(scan, &value, PROPERTY_LEVELS))
				return false;
			currents_unknown_add(
			    reader, CURRENTS_DRIFT_PROPERTY, &key, value.data);
			continue;
		}
		if (!currents_fits_read(scan, &value, &fits))
			return false;
		property = &reader->properties[index];
		if (property->event != reader->event) {
			property->event = reader->event;
			reader->seen[reader->seen_count++] = (uint16_t)index;
		}
		property->fits = (uint8_t)fits;
		property->at = value.data;
	}
	return scan->error == NULL;
}

/* The place for a member's value, or NULL for a member we do not know. */
static struct scan_value *
currents_member(struct currents_draft *draft, const struct scan_value *key)
{
	if (scan_equals(key, "event_type", 10))
		return &draft->type;
	if (scan_equals(key, "id", 2))
		return &draft->id;
	if (scan_equals(key, "time", 4))
		return &draft->time;
	if (scan_equals(key, "user", 4))
		return &draft->user;
	if (scan_equals(key, "properties", 10))
		return &draft->properties;
	return NULL;
}

/* Read the members of the event that was opened, to its closing brace. */
static bool
currents_members_read(
    struct currents_reader *reader, struct currents_draft *draft)
{
	struct scan *scan = &reader->scan;
	struct scan_value key, other, *member;

	for (bool first = true; scan_member(scan, &first, &key);) {
		member = currents_member(draft, &key);
		if (member == NULL)
			member = &other;
		if (!scan_value(scan, member))
			return false;
		if (member == &other)
			currents_unknown_add(
			    reader, CURRENTS_DRIFT_MEMBER, &key, other.data);
		if (!scan_opened(member))
			continue;
		if (member == &draft->user && member->kind == SCAN_OBJECT) {
			if (!currents_user_read(reader, draft))
				return false;
		} else if (member == &draft->properties &&
			   member->kind == SCAN_OBJECT) {
			if (!currents_properties_read(reader))
				return false;
		} else if (!scan_skip(scan, member, MEMBER_LEVELS)) {
			return false;
		}
	}
	return scan->error == NULL;
}

/* Read the inside of an event that is an object, and judge it. */
static bool
currents_object_read(
    struct currents_reader *reader, struct currents_event *event)
{
	struct currents_batch *batch = reader->batch;
	struct currents_draft draft = {.type.kind = SCAN_NULL};

	reader->unknown_count = 0;
	if (!currents_members_read(reader, &draft))
		return false;
	if (draft.properties.kind != SCAN_OBJECT) {
		/* the last word is that there are none: forget any before */
		reader->event++;
		reader->seen_count = 0;
	}
	if ((currents_usable(&draft.type) &&
		!currents_text(batch, &draft.type, &event->type)) ||
	    (currents_usable(&draft.id) &&
		!currents_text(batch, &draft.id, &event->id))) {
		reader->no_room = true;
		return false;
	}
	currents_judge(reader, &draft, event);
	return true;
}

bool
currents_event_read(struct currents_reader *reader)
{
	struct currents_batch *batch = reader->batch;
	struct currents_event event = {.type.data = "", .id.data = ""};
	struct scan *scan = &reader->scan;
	struct scan_value value;

	if (!scan_value(scan, &value))
		return false;
	if (batch->count == batch->cap &&
	    !currents_batch_grow(batch, reader->max_events)) {
		reader->no_room = true;
		return false;
	}
	/* what was noted before is another event's, or nobody's */
	scan->bad_utf8 = scan->too_deep = NULL;
	/* the data of a string begins after its quote */
	event.at = (size_t)(value.data - reader->body) -
		   (value.kind == SCAN_STRING ? 1 : 0);
	if (value.kind == SCAN_OBJECT) {
		if (!currents_object_read(reader, &event))
			return false;
	} else {
		if (scan_opened(&value) &&
		    !scan_skip(scan, &value, EVENT_LEVELS))
			return false;
		currents_blame(
		    &event, CURRENTS_NOT_OBJECT, NULL, "object", event.at);
	}
	event.len = (size_t)(scan->at - reader->body) - event.at;
	batch->events[batch->count++] = event;
	return true;
}
