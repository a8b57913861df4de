/*
 * Judges an event that was read, by the rules of the envelope and by the
 * catalogue, and says what is wrong with it. Types and members that are
 * unknown are sound: new ones appear about monthly, unannounced.
 */

#include "schema/currents_event.h"

#include <stdio.h>
#include <string.h>

static const int64_t currents_time_max = 253402300799; /* year 9999 ends */

const struct currents_user currents_users[CURRENTS_USERS] = {
    {"user_id", 7, "user.user_id", "string", false},
    {"external_user_id", 16, "user.external_user_id", "string or number", true},
    {"device_id", 9, "user.device_id", "string", false},
    {"timezone", 8, "user.timezone", "string", false},
};

void
currents_blame(struct currents_event *event, enum currents_defect flaw,
    const char *field, const char *want, size_t at)
{
	event->flaw = flaw;
	event->defect_field = field;
	event->defect_want = want;
	event->defect_at = at;
}

/* Where a member is, or the event if it is absent. */
static size_t
currents_at(const struct currents_reader *reader,
    const struct currents_event *event, const struct scan_value *value)
{
	return value->data == NULL ? event->at
				   : (size_t)(value->data - reader->body);
}

/* Judge the properties by the catalogue; the type is known. */
static void
currents_judge_known(struct currents_reader *reader,
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
			/* of another type only: unknown here, and so sound */
			currents_property_note(
			    reader, event, CURRENTS_DRIFT_PROPERTY, index);
			continue;
		}
		if ((property->fits >> kind & 1) != 0)
			continue;
		currents_blame(event, CURRENTS_WRONG_TYPE,
		    catalogue_property_at(index)->name,
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
				currents_property_note(
				    reader, event, CURRENTS_DRIFT_BLANK, index);
			continue;
		}
		currents_blame(event, CURRENTS_REQUIRED_MISSING,
		    catalogue_property_at(index)->name, NULL, event->at);
		return;
	}
}

/* "user" and "properties": objects, or as good as absent? */
static bool
currents_judge_containers(const struct currents_reader *reader,
    const struct currents_draft *draft, struct currents_event *event)
{
	const struct scan_value *user = &draft->user;
	const struct scan_value *properties = &draft->properties;

	if (user->kind != SCAN_OBJECT && user->kind != SCAN_NULL) {
		currents_blame(event, CURRENTS_WRONG_TYPE, "user", "object",
		    currents_at(reader, event, user));
		return false;
	}
	for (size_t i = 0; i < CURRENTS_USERS && user->kind == SCAN_OBJECT;
	     i++) {
		if (draft->user_wrong[i] == NULL)
			continue;
		currents_blame(event, CURRENTS_WRONG_TYPE,
		    currents_users[i].field, currents_users[i].want,
		    (size_t)(draft->user_wrong[i] - reader->body));
		return false;
	}
	/* a redacted string is blank, and so may all of them be */
	if (properties->kind != SCAN_OBJECT && properties->kind != SCAN_NULL &&
	    !(properties->kind == SCAN_STRING && properties->len == 0)) {
		currents_blame(event, CURRENTS_WRONG_TYPE, "properties",
		    "object", currents_at(reader, event, properties));
		return false;
	}
	return true;
}

/* Can it name an event? */
bool
currents_usable(const struct scan_value *value)
{
	return value->kind == SCAN_STRING && value->len > 0;
}

void
currents_judge(struct currents_reader *reader,
    const struct currents_draft *draft, struct currents_event *event)
{
	const struct scan *scan = &reader->scan;
	const struct scan_value *time = &draft->time;
	bool timed = time->kind == SCAN_NUMBER &&
		     scan_number_int64(time->data, time->len, &event->time_s) &&
		     event->time_s >= 0 && event->time_s <= currents_time_max;
	const struct catalogue_type *described = NULL;
	size_t type;

	if (!timed)
		event->time_s = 0; /* it may hold what is out of range */
	type = catalogue_type_find(event->type.data, event->type.len);
	if (type < catalogue_type_count())
		described = catalogue_type_at(type);
	event->known = described != NULL;
	/* the order is that of enum currents_defect: the gravest first */
	if (scan->bad_utf8 != NULL)
		currents_blame(event, CURRENTS_BAD_UTF8, NULL, NULL,
		    (size_t)(scan->bad_utf8 - reader->body));
	else if (scan->too_deep != NULL)
		currents_blame(event, CURRENTS_TOO_DEEP, NULL, NULL,
		    (size_t)(scan->too_deep - reader->body));
	else if (!currents_usable(&draft->type))
		currents_blame(event, CURRENTS_NO_TYPE, "event_type",
		    "a non-empty string",
		    currents_at(reader, event, &draft->type));
	else if (!currents_usable(&draft->id))
		currents_blame(event, CURRENTS_NO_ID, "id",
		    "a non-empty string",
		    currents_at(reader, event, &draft->id));
	else if (!timed)
		currents_blame(event, CURRENTS_NO_TIME, "time",
		    "an integer, UNIX seconds",
		    currents_at(reader, event, time));
	else if (currents_judge_containers(reader, draft, event) &&
		 described != NULL)
		currents_judge_known(reader, described, event);
	/* of most events there is nothing to note */
	if (described == NULL || event->flaw != CURRENTS_VALID ||
	    reader->unknown_count > 0 ||
	    (draft->user_seen & ~described->user) != 0)
		currents_event_note(reader, draft, event, described);
}

/* "property price" for what the catalogue names, else "user", "time", ... */
static const char *
currents_defect_noun(const char *field)
{
	return catalogue_property_find(field, strlen(field)) <
		       catalogue_property_count()
		   ? "property "
		   : "";
}

void
currents_defect_write(
    const struct currents_event *event, char *ret, size_t size)
{
	const char *field =
	    event->defect_field != NULL ? event->defect_field : "";
	const char *want = event->defect_want != NULL ? event->defect_want : "";

	switch (event->flaw) {
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
		    ret, size, "nested deeper than %d levels", CURRENTS_DEPTH);
		return;
	case CURRENTS_NO_TYPE:
	case CURRENTS_NO_ID:
	case CURRENTS_NO_TIME:
		(void)snprintf(
		    ret, size, "no usable %s: should be %s", field, want);
		return;
	case CURRENTS_WRONG_TYPE:
		(void)snprintf(ret, size, "%s%s should be %s",
		    currents_defect_noun(field), field, want);
		return;
	case CURRENTS_REQUIRED_MISSING:
		(void)snprintf(
		    ret, size, "required property %s is absent or null", field);
		return;
	}
	check_failed(__FILE__, __LINE__, "a currents_defect");
}
