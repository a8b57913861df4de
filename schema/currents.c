/*
 * A request body. What is wrong inside one event is that event's flaw; only
 * what leaves nothing to point at is a fault of the whole body, because a
 * fault is answered 400, and Braze deletes what is answered 400 twice.
 *
 * {"events":[...]} is read in one pass. Only a bare event, which Braze's
 * test scripts send, is read twice: what it is shows at its end.
 */

#include "schema/currents_event.h"
#include "schema/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BATCH_SMALLEST = 128,  /* events; Braze sends 100 in a request */
	ARENA_SMALLEST = 4096, /* bytes */
};

/* Decoded types and ids, of the few that are escaped. */
struct currents_arena {
	struct currents_arena *next; /* older and full */
	size_t len, cap;
	char data[];
};

static const char storage_form[] =
    "this is the storage (Avro) form of an event, as one of Braze's test "
    "scripts posts it; what is wanted is the form of the Custom HTTP "
    "connector, with event_type, user and properties";

void
currents_batch_init(struct currents_batch *batch)
{
	*batch = (struct currents_batch){0};
}

/* Forget the last body, and keep the room for its events. */
static void
currents_batch_reset(struct currents_batch *batch)
{
	struct currents_arena *arena;

	while ((arena = batch->arena) != NULL) {
		batch->arena = arena->next;
		free(arena);
	}
	batch->count = batch->note_count = batch->notes_lost = 0;
}

void
currents_batch_fini(struct currents_batch *batch)
{
	currents_batch_reset(batch);
	free(batch->events);
	free(batch->notes);
	free(batch->note_slots);
	currents_batch_init(batch);
}

bool
currents_batch_grow(struct currents_batch *batch, size_t max_events)
{
	size_t cap =
	    batch->cap < BATCH_SMALLEST ? BATCH_SMALLEST : batch->cap * 2;
	struct currents_event *events;

	if (cap > max_events)
		cap = max_events;
	if (cap <= batch->cap || cap > SIZE_MAX / sizeof(*events))
		return false;
	events = realloc(batch->events, cap * sizeof(*events));
	if (events == NULL)
		return false;
	batch->events = events;
	batch->cap = cap;
	return true;
}

bool
currents_batch_notes_make(struct currents_batch *batch)
{
	if (batch->notes == NULL)
		batch->notes =
		    malloc(CURRENTS_DRIFT_MAX * sizeof(*batch->notes));
	if (batch->note_slots == NULL)
		batch->note_slots =
		    malloc(CURRENTS_DRIFT_SLOTS * sizeof(*batch->note_slots));
	if (batch->notes == NULL || batch->note_slots == NULL)
		return false;
	if (batch->note_count == 0)
		memset(batch->note_slots, 0,
		    CURRENTS_DRIFT_SLOTS * sizeof(*batch->note_slots));
	return true;
}

bool
currents_text(struct currents_batch *batch, const struct scan_value *string,
    struct str *ret)
{
	struct currents_arena *arena = batch->arena;
	size_t cap;

	*ret = (struct str){string->data, string->len};
	if (!string->escaped)
		return true;
	/* older blocks stay where they are: events point into them */
	if (arena == NULL || arena->cap - arena->len < string->len) {
		cap =
		    string->len < ARENA_SMALLEST ? ARENA_SMALLEST : string->len;
		arena = malloc(sizeof(*arena) + cap);
		if (arena == NULL)
			return false;
		*arena = (struct currents_arena){batch->arena, 0, cap};
		batch->arena = arena;
	}
	ret->data = arena->data + arena->len;
	ret->len =
	    scan_decode(string->data, string->len, arena->data + arena->len);
	arena->len += ret->len;
	return true;
}

bool
currents_type_matches(const struct str *type, const char *pattern)
{
	return text_match(
	    pattern, strlen(pattern), type->data, type->len, false);
}

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
			wrapped |=
			    scan_equals(&key, kinds[i], strlen(kinds[i]));
		if (!scan_value(scan, &value) ||
		    (scan_opened(&value) &&
			!scan_skip(scan, &value, CURRENTS_DEPTH)))
			return false;
	}
	return wrapped && count == 1;
}

/*
 * Is this event in the storage form: no event_type, the members of user and
 * properties beside id and time, or values that are wrapped?
 */
static bool
currents_is_storage(const char *data, size_t len)
{
	struct scan scan;
	struct scan_value key, value;
	bool storage = false;

	scan_init(&scan, data, len);
	if (!scan_value(&scan, &value) || value.kind != SCAN_OBJECT)
		return false;
	for (bool first = true; scan_member(&scan, &first, &key);) {
		if (scan_equals(&key, "event_type", 10) ||
		    scan_equals(&key, "user", 4) ||
		    scan_equals(&key, "properties", 10))
			return false;
		if (scan_equals(&key, "user_id", 7) ||
		    scan_equals(&key, "external_user_id", 16))
			storage = true;
		if (!scan_value(&scan, &value))
			return false;
		if (value.kind == SCAN_OBJECT)
			storage |= currents_is_wrapped(&scan);
		else if (value.kind == SCAN_ARRAY &&
			 !scan_skip(&scan, &value, CURRENTS_DEPTH))
			return false;
	}
	return storage;
}

/* After bare events were read: refuse them if all are in storage form. */
static bool
currents_refuse_storage(
    const struct currents_reader *reader, struct currents_fault *fault)
{
	const struct currents_batch *batch = reader->batch;
	const struct currents_event *event;

	if (batch->count == 0)
		return true;
	for (size_t i = 0; i < batch->count; i++) {
		event = &batch->events[i];
		/* among real events it is only a flawed one: lose none */
		if (event->flaw == CURRENTS_VALID ||
		    !currents_is_storage(reader->body + event->at, event->len))
			return true;
	}
	return currents_fault(fault, batch->events[0].at, "%s", storage_form);
}

/* Read the elements of an array that was opened, each an event. */
static bool
currents_array_read(struct currents_reader *reader)
{
	for (bool first = true; scan_element(&reader->scan, &first);) {
		if (!currents_event_read(reader))
			return false;
	}
	return reader->scan.error == NULL;
}

/* What an object at the top turned out to have. */
struct currents_top {
	bool members;	 /* anything at all */
	bool events;	 /* "events", null or an array */
	bool array;	 /* an array of that name */
	bool event_like; /* what an event has */
};

/* Two arrays of events in one envelope: the events of both are taken. */
static bool
currents_top_member(struct currents_reader *reader,
    const struct scan_value *key, struct currents_top *top,
    struct currents_fault *fault)
{
	static const char *const likes[] = {
	    "event_type", "id", "time", "user", "properties"};
	struct scan *scan = &reader->scan;
	struct scan_value value;
	bool events = scan_equals(key, "events", 6);

	top->members = true;
	for (size_t i = 0; i < sizeof(likes) / sizeof(likes[0]); i++)
		top->event_like |= scan_equals(key, likes[i], strlen(likes[i]));
	if (!scan_value(scan, &value))
		return false;
	if (!events)
		return !scan_opened(&value) ||
		       scan_skip(scan, &value, CURRENTS_DEPTH);
	top->events = true;
	if (value.kind == SCAN_NULL)
		return true;
	if (value.kind != SCAN_ARRAY)
		return currents_fault(fault,
		    (size_t)(value.data - reader->body),
		    "\"events\" is not an array");
	top->array = true;
	return currents_array_read(reader);
}

/* Nothing but white space may follow what was read. */
static bool
currents_end(struct currents_reader *reader, struct currents_fault *fault)
{
	if (!scan_space(&reader->scan))
		return true;
	return currents_fault(fault, (size_t)(reader->scan.at - reader->body),
	    "something follows the end of the JSON text");
}

/* The object that was opened at the top: an envelope, or a bare event. */
static bool
currents_object_read(struct currents_reader *reader, const char *start,
    struct currents_fault *fault)
{
	struct scan *scan = &reader->scan;
	struct currents_top top = {0};
	struct scan_value key;

	for (bool first = true; scan_member(scan, &first, &key);) {
		if (!currents_top_member(reader, &key, &top, fault))
			return false;
	}
	if (scan->error != NULL || !currents_end(reader, fault))
		return false;
	/* an envelope, a probe, or null that no event comes with */
	if (top.array || !top.members || (top.events && !top.event_like))
		return true;
	if (currents_is_storage(start, (size_t)(scan->end - start)))
		return currents_fault(
		    fault, (size_t)(start - reader->body), "%s", storage_form);
	if (!top.event_like)
		return currents_fault(fault, (size_t)(start - reader->body),
		    "an object with neither \"events\" nor anything of an "
		    "event");
	/* only now is it known to be one event: read it again as such */
	scan_init(scan, start, (size_t)(scan->end - start));
	return currents_event_read(reader);
}

/* Read what a body is; false with a fault, a scan error or no room. */
static bool
currents_body_read(struct currents_reader *reader, struct currents_fault *fault)
{
	struct scan *scan = &reader->scan;
	struct scan_value value;
	const char *start;

	if (scan->end - scan->at >= 3 &&
	    memcmp(scan->at, "\xef\xbb\xbf", 3) == 0)
		return currents_fault(fault, 0,
		    "a byte order mark (EF BB BF) before the JSON text");
	if (!scan_space(scan))
		return true;
	start = scan->at;
	if (!scan_value(scan, &value))
		return false;
	if (value.kind == SCAN_OBJECT)
		return currents_object_read(reader, start, fault);
	if (value.kind == SCAN_ARRAY)
		return currents_array_read(reader) &&
		       currents_end(reader, fault) &&
		       currents_refuse_storage(reader, fault);
	return currents_fault(fault, (size_t)(start - reader->body),
	    "neither an object nor an array: no events in it");
}

enum currents_result
currents_read(const char *body, size_t len, size_t max_events,
    struct currents_batch *batch, struct currents_fault *ret_fault)
{
	struct currents_reader reader; /* not cleared: only what is read is */

	currents_batch_reset(batch);
	if (len == 0)
		return CURRENTS_READ; /* body may be NULL */
	reader.body = body;
	reader.batch = batch;
	reader.max_events = max_events;
	reader.no_room = false;
	reader.event = reader.seen_count = 0;
	currents_users_find(&reader);
	for (size_t i = 0; i < catalogue_property_count(); i++)
		reader.properties[i].event = 0;
	scan_init(&reader.scan, body, len);
	if (currents_body_read(&reader, ret_fault))
		return CURRENTS_READ;
	if (reader.no_room)
		return CURRENTS_NO_ROOM;
	batch->count = 0;
	if (reader.scan.error != NULL)
		(void)currents_fault(ret_fault, (size_t)(reader.scan.at - body),
		    "%s", reader.scan.error);
	return CURRENTS_FAULT;
}
