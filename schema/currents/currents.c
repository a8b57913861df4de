/*
 * Reads a request body. A defect inside one event makes that event invalid.
 * The whole body is at fault only if no event can be found in it, because a
 * fault is answered 400, and Braze deletes what is answered 400 twice.
 *
 * {"events":[...]} is read in one pass. Only a bare event, which Braze's test
 * scripts send, is read twice, because only its end shows what it was.
 *
 * The members of an event may come in any order, and its type decides what
 * they must be. So reading records which kinds the value of each property
 * fits, and currents_judge() compares them when the event is over. If a member
 * comes twice, the last one counts.
 */

#include "schema/currents/reader.h"
#include "schema/json/text.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- one event ---- */

/* Read a whole value, with at most so many levels of nesting. */
static bool
currents_value_read(
    struct scan *scan, struct scan_value *ret_value, unsigned levels)
{
	return scan_value(scan, ret_value) &&
	       (!scan_opened(ret_value) || scan_skip(scan, ret_value, levels));
}

/* Remember a member that is not known, until the event is judged. */
static void
currents_unknown_add(struct currents_reader *reader,
    enum currents_drift_kind what, const struct scan_value *key, const char *at)
{
	if (reader->unknown_count == CURRENTS_UNKNOWN_MAX) {
		reader->batch->drifts_lost++;
		return;
	}
	reader->unknown[reader->unknown_count++] =
	    (struct currents_unknown){what, *key, at};
}

static bool
currents_user_read(struct currents_reader *reader)
{
	struct currents_members *members = &reader->members;
	struct scan *scan = &reader->scan;
	struct scan_value key, value;
	size_t i;
	bool fits;

	/* a second "user" replaces the first, and what was wrong in it */
	memset(members->user_wrong, 0, sizeof(members->user_wrong));
	for (bool first = true; scan_member(scan, &first, &key);) {
		if (!currents_value_read(scan, &value, SCAN_DEPTH - 2))
			return false;
		for (i = 0; i < CURRENTS_USERS; i++) {
			if (!scan_equal(&key, currents_users[i].name))
				continue;
			fits = value.kind == SCAN_NULL ||
			       value.kind == SCAN_STRING ||
			       (value.kind == SCAN_NUMBER &&
				   currents_users[i].number);
			members->user_wrong[i] = fits ? NULL : value.text.data;
			members->user_at[i] = value.text.data;
			members->user_seen |= reader->user_bits[i];
			break;
		}
		if (i == CURRENTS_USERS)
			currents_unknown_add(
			    reader, CURRENTS_DRIFT_USER, &key, value.text.data);
	}
	return scan->error == NULL;
}

/* Read the value of a known property and find out which kinds it fits. */
static bool
currents_fits_read(
    struct scan *scan, struct scan_value *value, unsigned *ret_fits)
{
	struct scan_value element;

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
		if (value->plain || scan_number_integral(value->text))
			*ret_fits |= 1u << CATALOGUE_INTEGER;
		break;
	case SCAN_STRING:
		/* Braze blanks a redacted value, whatever its type */
		*ret_fits = value->text.len == 0 ? CURRENTS_FITS_ANY
						 : 1u << CATALOGUE_STRING;
		break;
	case SCAN_ARRAY:
		*ret_fits =
		    1u << CATALOGUE_STRINGS | 1u << CATALOGUE_STRINGS_NULLS;
		for (bool first = true; scan_element(scan, &first);) {
			if (!currents_value_read(
				scan, &element, SCAN_DEPTH - 3))
				return false;
			if (element.kind == SCAN_NULL)
				*ret_fits &= ~(1u << CATALOGUE_STRINGS);
			else if (element.kind != SCAN_STRING)
				*ret_fits = 0;
		}
		return scan->error == NULL;
	case SCAN_OBJECT:
		*ret_fits = 1u << CATALOGUE_OBJECT;
		return scan_skip(scan, value, SCAN_DEPTH - 2);
	}
	return true;
}

/* The catalogue index of a key, decoded if it is escaped. */
static size_t
currents_property_find(
    const struct catalogue *catalogue, const struct scan_value *key)
{
	char decoded[512]; /* names are short, an escape has 6 bytes */

	if (!key->escaped)
		return catalogue_property_find(catalogue, key->text);
	if (key->text.len > sizeof(decoded))
		return catalogue_property_count(catalogue);
	return catalogue_property_find(
	    catalogue, str_bytes(decoded, scan_decode(key->text, decoded)));
}

static bool
currents_properties_read(struct currents_reader *reader)
{
	const struct catalogue *catalogue = reader->catalogue;
	const size_t unknown = catalogue_property_count(catalogue);
	struct scan *scan = &reader->scan;
	struct currents_property *property;
	struct scan_value key, value;
	unsigned fits;
	size_t index;

	reader->event++;
	reader->seen_count = 0;
	for (bool first = true; scan_member(scan, &first, &key);) {
		index = currents_property_find(catalogue, &key);
		if (index == unknown) {
			if (!currents_value_read(scan, &value, SCAN_DEPTH - 2))
				return false;
			currents_unknown_add(reader, CURRENTS_DRIFT_PROPERTY,
			    &key, value.text.data);
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
		property->at = value.text.data;
	}
	return scan->error == NULL;
}

/* Where the value of a member goes; NULL for an unknown member. */
static struct scan_value *
currents_member(struct currents_members *members, const struct scan_value *key)
{
	if (scan_equal_text(key, "event_type"))
		return &members->type;
	if (scan_equal_text(key, "id"))
		return &members->id;
	if (scan_equal_text(key, "time"))
		return &members->time;
	if (scan_equal_text(key, "user"))
		return &members->user;
	if (scan_equal_text(key, "properties"))
		return &members->properties;
	return NULL;
}

/* Read the members of the event that was opened, to its closing brace. */
static bool
currents_members_read(struct currents_reader *reader)
{
	struct currents_members *members = &reader->members;
	struct scan *scan = &reader->scan;
	struct scan_value key, other, *member;

	*members = (struct currents_members){.type.kind = SCAN_NULL};
	reader->unknown_count = 0;
	for (bool first = true; scan_member(scan, &first, &key);) {
		member = currents_member(members, &key);
		if (member == NULL)
			member = &other;
		if (!scan_value(scan, member))
			return false;
		members->users += member == &members->user;
		members->propertieses += member == &members->properties;
		if (member == &other)
			currents_unknown_add(reader, CURRENTS_DRIFT_MEMBER,
			    &key, other.text.data);
		if (!scan_opened(member))
			continue;
		if (member == &members->user && member->kind == SCAN_OBJECT) {
			if (!currents_user_read(reader))
				return false;
			member->text.len =
			    (size_t)(scan->at - member->text.data);
		} else if (member == &members->properties &&
			   member->kind == SCAN_OBJECT) {
			if (!currents_properties_read(reader))
				return false;
		} else if (!scan_skip(scan, member, SCAN_DEPTH - 1)) {
			return false;
		}
	}
	if (members->properties.kind != SCAN_OBJECT) {
		/* the last "properties" counts, and it is no object */
		reader->event++;
		reader->seen_count = 0;
	}
	return scan->error == NULL;
}

/* The "user" of a valid event, unless ids of persons stand elsewhere, too. */
static struct str
currents_user(const struct currents_reader *reader)
{
	const struct currents_members *members = &reader->members;

	if (members->users != 1 || members->user.kind != SCAN_OBJECT ||
	    members->propertieses > 1 ||
	    members->properties.kind == SCAN_STRING ||
	    members->properties.kind == SCAN_NUMBER ||
	    reader->orphaned == catalogue_property_count(reader->catalogue) ||
	    (members->propertieses == 1 &&
		reader->properties[reader->orphaned].event == reader->event))
		return str_bytes(NULL, 0);
	return members->user.text;
}

/*
 * Read the next value as one event and add it to the batch. False if its end
 * cannot be found (the scan has the error), or on no_room.
 */
static bool
currents_event_read(struct currents_reader *reader)
{
	struct currents_event event = {.type = STR(""), .id = STR("")};
	const struct currents_members *members = &reader->members;
	struct currents_batch *batch = reader->batch;
	struct scan *scan = &reader->scan;
	struct scan_value value;

	if (!scan_value(scan, &value))
		return false;
	if (batch->count == batch->cap &&
	    !currents_batch_grow(batch, reader->max_events)) {
		reader->no_room = true;
		return false;
	}
	/* what was recorded before belongs to another event, or to none */
	scan->bad_utf8 = scan->too_deep = NULL;
	/* the text of a string begins after its quote */
	event.at = (size_t)(value.text.data - reader->body) -
		   (value.kind == SCAN_STRING ? 1 : 0);
	if (value.kind != SCAN_OBJECT) {
		if (scan_opened(&value) && !scan_skip(scan, &value, SCAN_DEPTH))
			return false;
		event.defect = CURRENTS_NOT_OBJECT;
		event.defect_want = "object";
		event.defect_at = event.at;
	} else {
		if (!currents_members_read(reader))
			return false;
		if ((currents_usable(&members->type) &&
			!currents_batch_text(
			    batch, &members->type, &event.type)) ||
		    (currents_usable(&members->id) &&
			!currents_batch_text(batch, &members->id, &event.id))) {
			reader->no_room = true;
			return false;
		}
		currents_judge(reader, &event);
		if (event.defect == CURRENTS_VALID)
			event.user = currents_user(reader);
	}
	event.len = (size_t)(scan->at - reader->body) - event.at;
	batch->events[batch->count++] = event;
	return true;
}

/* ---- the body ---- */

static bool PRINTF_LIKE(3, 4) currents_fault(
    struct currents_fault *fault, size_t at, const char *format, ...)
{
	va_list args;

	fault->at = at;
	va_start(args, format);
	(void)vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	return false;
}

/* Is this {"string": ...}, as Avro's JSON writes a union? */
static bool
currents_is_wrapped(struct scan *scan)
{
	static const char *const kinds[] = {"string", "int", "long", "float",
	    "double", "boolean", "bytes", "array", "map"};
	struct scan_value key, value;
	bool wrapped = false;
	size_t count = 0;

	for (bool first = true; scan_member(scan, &first, &key); count++) {
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			wrapped |= scan_equal_text(&key, kinds[i]);
		if (!currents_value_read(scan, &value, SCAN_DEPTH))
			return false;
	}
	return wrapped && count == 1;
}

/* A container, skipped, with something in it? */
static bool
currents_is_filled(const struct scan_value *value)
{
	struct scan scan;

	if (!scan_opened(value) || value->text.len <= 2)
		return false;
	scan_init(&scan, str_bytes(value->text.data + 1, value->text.len - 2));
	return scan_space(&scan);
}

/* The members of an event; the format always has all of them. */
static const char *const currents_event_members[] = {
    "event_type", "id", "time", "user", "properties"};

enum {
	CURRENTS_EVENT_MEMBERS = 5,
	MEMBER_TYPE = 1 << 0,
	MEMBER_ID = 1 << 1,
	MEMBER_TIME = 1 << 2,
	MEMBER_USER = 1 << 3,
	MEMBER_PROPERTIES = 1 << 4,
};

/* The bit of a member of an event, or 0. */
static unsigned
currents_member_bit(const struct scan_value *key)
{
	for (unsigned i = 0; i < CURRENTS_EVENT_MEMBERS; i++) {
		if (scan_equal_text(key, currents_event_members[i]))
			return 1u << i;
	}
	return 0;
}

/*
 * What this is, if it is no event of this format at all: something else was
 * posted here, or it was wrapped on its way. NULL: an event, though perhaps an
 * invalid one. A storage event has the members of user and properties beside id
 * and time, and no event_type; its values may be wrapped, and its "properties",
 * if it has any, are a text.
 */
static const char *
currents_foreign(struct str event)
{
	static const char storage[] =
	    "an event in the storage (Avro) format, which one of Braze's test "
	    "scripts posts; expected the format of the Custom HTTP connector, "
	    "with event_type, user and properties";
	static const char batch[] =
	    "batches inside of something else; expected one "
	    "{\"events\":[...]} in each request";
	static const char other[] =
	    "not the events of Braze Currents, each of which has event_type, "
	    "id, time, user and properties: another product's, or another "
	    "format of Braze's";
	bool flat = false, wrapped = false, batches = false, more = false, one;
	unsigned members = 0, bit, count = 0;
	struct scan_value key, value;
	struct scan scan, inside;
	bool events;

	scan_init(&scan, event);
	if (!scan_value(&scan, &value) || !scan_opened(&value))
		return NULL;
	if (value.kind == SCAN_ARRAY)
		return batch;
	for (bool first = true; scan_member(&scan, &first, &key);) {
		if (!scan_value(&scan, &value))
			return NULL;
		inside = scan;
		one = value.kind == SCAN_OBJECT && currents_is_wrapped(&inside);
		wrapped |= one;
		if (scan_opened(&value) &&
		    !scan_skip(&scan, &value, SCAN_DEPTH))
			return NULL;
		bit = currents_member_bit(&key);
		count += bit != 0 && (members & bit) == 0;
		if (bit != MEMBER_PROPERTIES ||
		    (value.kind == SCAN_OBJECT && !one))
			members |= bit;
		flat |= scan_equal_text(&key, "user_id") ||
			scan_equal_text(&key, "external_user_id");
		events = scan_equal_text(&key, "events");
		if (events || scan_equal_text(&key, "batches"))
			batches |= currents_is_filled(&value);
		more |= bit == 0 && !events;
	}
	more |= batches;
	if (scan.error != NULL)
		return NULL;
	flat |= more && members == (MEMBER_ID | MEMBER_TIME);
	if ((members & (MEMBER_TYPE | MEMBER_USER | MEMBER_PROPERTIES)) == 0 &&
	    !batches && (flat || wrapped))
		return storage;
	if (!more || count > 2 ||
	    (members & (MEMBER_TYPE | MEMBER_ID)) == (MEMBER_TYPE | MEMBER_ID))
		return NULL;
	return batches ? batch : other;
}

/* It is a fault if nothing in the batch is an event of this format; among real
 * events something else is only invalid. */
static bool
currents_native(
    const struct currents_reader *reader, struct currents_fault *fault)
{
	const struct currents_batch *batch = reader->batch;
	const char *foreign = NULL;

	for (size_t i = batch->count; i-- > 0;) {
		const struct currents_event *event = &batch->events[i];

		if (event->defect != CURRENTS_VALID)
			foreign = currents_foreign(
			    str_bytes(reader->body + event->at, event->len));
		if (event->defect == CURRENTS_VALID || foreign == NULL)
			return true;
	}
	return batch->count == 0 ||
	       currents_fault(fault, batch->events[0].at, "%s", foreign);
}

/* Read the elements of an array that was opened, each an event. */
static bool
currents_events_read(struct currents_reader *reader)
{
	for (bool first = true; scan_element(&reader->scan, &first);) {
		if (!currents_event_read(reader))
			return false;
	}
	return reader->scan.error == NULL;
}

/* Nothing but white space may follow what was read. */
static bool
currents_end(struct currents_reader *reader, struct currents_fault *fault)
{
	if (!scan_space(&reader->scan))
		return true;
	return currents_fault(fault, (size_t)(reader->scan.at - reader->body),
	    "data follows the end of the JSON text");
}

/* Read the object that was opened at the top: an envelope, or a bare event. If
 * an envelope has two arrays of events, the events of both are taken. */
static bool
currents_object_read(struct currents_reader *reader, const char *start,
    struct currents_fault *fault)
{
	bool any = false, event_like = false, events = false, array = false;
	bool filled = false; /* another member holds something */
	size_t at = (size_t)(start - reader->body);
	struct scan *scan = &reader->scan;
	struct scan_value key, value;
	const char *foreign;
	struct str whole;

	for (bool first = true; scan_member(scan, &first, &key);) {
		any = true;
		event_like |= currents_member_bit(&key) != 0;
		if (!scan_value(scan, &value))
			return false;
		if (!scan_equal_text(&key, "events")) {
			if (scan_opened(&value) &&
			    !scan_skip(scan, &value, SCAN_DEPTH))
				return false;
			filled |= currents_is_filled(&value);
			continue;
		}
		events = true;
		if (value.kind == SCAN_NULL)
			continue;
		if (value.kind != SCAN_ARRAY)
			return currents_fault(fault,
			    (size_t)(value.text.data - reader->body),
			    "\"events\" is not an array");
		array = true;
		if (!currents_events_read(reader))
			return false;
	}
	if (scan->error != NULL || !currents_end(reader, fault))
		return false;
	if (reader->batch->count > 0)
		return currents_native(reader, fault);
	if (!any || (events && !filled && (array || !event_like)))
		return true; /* a probe */
	if (events && !event_like)
		return currents_fault(fault, at,
		    "\"events\" is empty, but the object holds something "
		    "else");
	whole = str_bytes(start, (size_t)(scan->end - start));
	foreign = currents_foreign(whole);
	if (foreign != NULL)
		return currents_fault(fault, at, "%s", foreign);
	/* only now is it known to be one event: read it again as such */
	scan_init(scan, whole);
	return currents_event_read(reader);
}

/* Read the array of bare events that was opened at the top. */
static bool
currents_array_read(
    struct currents_reader *reader, struct currents_fault *fault)
{
	return currents_events_read(reader) && currents_end(reader, fault) &&
	       currents_native(reader, fault);
}

/* Read a body of any form; false with a fault, a scan error or no room. */
static bool
currents_body_read(struct currents_reader *reader, struct currents_fault *fault)
{
	struct scan *scan = &reader->scan;
	struct scan_value value;
	const char *start;

	/* A byte order mark may be ignored (RFC 8259, 8.1). */
	if (scan->end - scan->at >= 3 &&
	    memcmp(scan->at, "\xef\xbb\xbf", 3) == 0)
		scan->at += 3;
	if (!scan_space(scan))
		return true;
	start = scan->at;
	if (!scan_value(scan, &value))
		return false;
	if (value.kind == SCAN_OBJECT)
		return currents_object_read(reader, start, fault);
	if (value.kind == SCAN_ARRAY)
		return currents_array_read(reader, fault);
	return currents_fault(fault, (size_t)(start - reader->body),
	    "neither an object nor an array, so it has no events");
}

enum currents_result
currents_read(struct str body, size_t max_events, struct currents_batch *batch,
    struct currents_fault *ret_fault)
{
	struct currents_reader reader; /* not cleared as a whole: it is large */
	const struct catalogue *catalogue;

	currents_batch_reset(batch);
	if (body.len == 0)
		return CURRENTS_READ; /* body.data may be NULL */
	catalogue =
	    batch->catalogue != NULL ? batch->catalogue : catalogue_in_use();
	reader.catalogue = catalogue;
	reader.body = body.data;
	reader.batch = batch;
	reader.max_events = max_events;
	reader.no_room = false;
	reader.event = reader.seen_count = 0;
	reader.orphaned = catalogue_property_find(
	    catalogue, (struct str)STR("orphaned_by_id"));
	for (size_t i = 0; i < catalogue_property_count(catalogue); i++)
		reader.properties[i].event = 0;
	for (size_t i = 0; i < CURRENTS_USERS; i++) {
		reader.user_bits[i] = 0;
		for (size_t j = 0; j < catalogue_user_count(catalogue); j++) {
			if (str_equal_text(currents_users[i].name,
				catalogue_user_name(catalogue, j)))
				reader.user_bits[i] = 1u << j;
		}
	}
	scan_init(&reader.scan, body);
	if (currents_body_read(&reader, ret_fault))
		return CURRENTS_READ;
	if (reader.no_room)
		return CURRENTS_NO_ROOM;
	batch->count = 0;
	if (reader.scan.error != NULL)
		(void)currents_fault(ret_fault,
		    (size_t)(reader.scan.at - body.data), "%s",
		    reader.scan.error);
	return CURRENTS_FAULT;
}

bool
currents_type_matches(struct str type, const char *pattern)
{
	return text_match(str_text(pattern), type, false);
}
