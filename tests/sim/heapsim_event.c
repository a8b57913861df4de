/*
 * What Heap refuses in one event. The messages are worded as those seen by
 * Heap's users: "postBody.events[0].properties should be object". Lengths
 * count UTF-16 units, since Heap's servers count as JavaScript does; only an
 * identity's are characters, as the validator of that message (ajv) counts.
 */

#include "tests/sim/heapsim_event.h"
#include "tests/sim/heapsim_strict.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	EVENT_MAX = 1024,   /* characters */
	IDENTITY_MAX = 255, /* characters */
	TEXT_MAX = 1023,    /* "fewer than 1024", keys and values */
	NAMES_MAX = 4096,   /* compared for repetition in strict mode */
};

#define USER_ID_MAX 9007199254740991u /* 2^53-1 */

struct judge {
	struct heapsim_request *request;
	const struct heapsim_settings *settings;
	const char *path;
	struct heapsim_event *event;
};

/* Note a flaw; the first one stays. Always false. */
static bool
flaw(struct judge *judge, const char *format, ...) SIM_PRINTF_LIKE(2, 3);

static bool
flaw(struct judge *judge, const char *format, ...)
{
	struct sim_text *text = &judge->request->text;
	char reason[512];
	va_list arguments;

	if (judge->event->flaw.len > 0)
		return false;
	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	judge->event->flaw.at = text->len;
	sim_text_print(text, "%s%s", judge->path, reason);
	judge->event->flaw.len = text->len - judge->event->flaw.at;
	sim_text_add(text, "", 1); /* pieces are C strings */
	return false;
}

static bool
too_long(const struct sim_json *string, size_t max)
{
	/* A string has never more units than bytes, quotes aside. */
	return string->len - 2 > max && sim_json_units(string) > max;
}

static struct heapsim_piece
keep(struct judge *judge, const char *prefix, const struct sim_json *string)
{
	struct sim_text *text = &judge->request->text;
	struct heapsim_piece piece = {.at = text->len};

	sim_text_add(text, prefix, strlen(prefix));
	sim_json_decode(string, text);
	piece.len = text->len - piece.at;
	sim_text_add(text, "", 1); /* pieces are C strings */
	return piece;
}

static const char *
kept(const struct judge *judge, struct heapsim_piece piece)
{
	return heapsim_request_text(judge->request, piece);
}

/* Every text contains "", but an empty setting means that it is off. */
static bool
contains(const char *text, const char *wanted)
{
	return wanted[0] != '\0' && strstr(text, wanted) != NULL;
}

static bool
read_name(struct judge *judge, const struct sim_json *value)
{
	if (value->type != SIM_JSON_STRING)
		return flaw(judge, ".event should be string");
	if (value->len == 2)
		return flaw(judge, ".event should NOT be shorter than 1");
	if (too_long(value, EVENT_MAX))
		return flaw(judge, ".event should NOT be longer than 1024");
	if (judge->settings->strict && heapsim_is_blank(value))
		return flaw(judge, ".event should NOT be blank");
	judge->event->name = keep(judge, "", value);
	if (contains(
		kept(judge, judge->event->name), judge->settings->refuse_event))
		return flaw(judge, ".event is refused by a setting");
	return true;
}

static size_t
characters(const char *text, size_t len)
{
	size_t count = 0;
	size_t i;

	for (i = 0; i < len; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

static bool
read_identity(struct judge *judge, const struct sim_json *value)
{
	static const char prefix[] = "identity:";
	struct heapsim_piece kept_as;
	const char *identity;

	if (value->type != SIM_JSON_STRING)
		return flaw(judge, ".identity should be string");
	if (value->len == 2)
		return flaw(judge, ".identity should NOT be shorter than 1");
	if (judge->event->user.len > 0)
		return flaw(
		    judge, " should have identity or user_id, not both");
	kept_as = keep(judge, prefix, value);
	judge->event->user = kept_as;
	identity = kept(judge, kept_as) + strlen(prefix);
	if (characters(identity, kept_as.len - strlen(prefix)) > IDENTITY_MAX)
		return flaw(judge, ".identity should NOT be longer than 255");
	if (judge->settings->strict && heapsim_is_placeholder(identity))
		return flaw(judge, ".identity is a placeholder");
	if (contains(identity, judge->settings->refuse_identity))
		return flaw(judge, ".identity is refused by a setting");
	return true;
}

/* A string of digits has no escapes, so its bytes are its text. */
bool
heapsim_is_digits(const struct sim_json *value, size_t len)
{
	return value->type == SIM_JSON_STRING && value->len > 2 &&
	       value->len - 2 <= len &&
	       strspn(value->at + 1, "0123456789") == value->len - 2;
}

static bool
read_user_id(struct judge *judge, const struct sim_json *value)
{
	const char *digits;

	/* One number has one form: "007" would be another user than "7". */
	if (!heapsim_is_digits(value, 16) ||
	    (value->at[1] == '0' && value->len > 3) ||
	    strtoull(value->at + 1, NULL, 10) > USER_ID_MAX)
		return flaw(
		    judge, ".user_id should be a decimal string below 2^53");
	if (judge->event->user.len > 0)
		return flaw(
		    judge, " should have identity or user_id, not both");
	judge->event->user = keep(judge, "user_id:", value);
	digits = strchr(kept(judge, judge->event->user), ':') + 1;
	if (contains(digits, judge->settings->refuse_identity))
		return flaw(judge, ".user_id is refused by a setting");
	return true;
}

static bool
read_key(struct judge *judge, const struct sim_json *value)
{
	if (value->type != SIM_JSON_STRING)
		return flaw(judge, ".idempotency_key should be string");
	if (value->len == 2)
		return flaw(
		    judge, ".idempotency_key should NOT be shorter than 1");
	judge->event->key = keep(judge, "", value);
	if (contains(
		kept(judge, judge->event->key), judge->settings->refuse_key))
		return flaw(judge, ".idempotency_key is refused by a setting");
	return true;
}

static bool
read_timestamp(struct judge *judge, const struct sim_json *value)
{
	if (value->type != SIM_JSON_STRING || !heapsim_is_timestamp(value))
		return flaw(judge, ".timestamp should be an ISO 8601 date");
	return true;
}

/* JavaScript reads 1e400 as Infinity, which is no JSON number to pass on. */
static bool
is_finite(const struct sim_json *number)
{
	return isfinite(strtod(number->at, NULL));
}

static bool
is_scalar(const struct sim_json *value)
{
	return value->type == SIM_JSON_STRING ||
	       (value->type == SIM_JSON_NUMBER && is_finite(value));
}

/* Documented: stored joined with "||", cut at 1024. Nothing is too long. */
static bool
is_array_of_scalars(const struct sim_json *value)
{
	struct sim_json_walk walk = sim_json_enter(value);
	struct sim_json element;

	while (sim_json_element(&walk, &element))
		if (!is_scalar(&element))
			return false;
	return true;
}

static bool
read_property(struct judge *judge, const struct sim_json *name,
    const struct sim_json *value)
{
	int shown = name->len > 100 ? 100 : (int)name->len;

	if (too_long(name, TEXT_MAX))
		return flaw(judge, ".properties should NOT have a name of "
				   "1024 characters or more");
	if (judge->settings->refuse_property[0] != '\0' &&
	    sim_json_is(name, judge->settings->refuse_property))
		return flaw(judge, ".properties[%.*s] is refused by a setting",
		    shown, name->at);
	if (judge->settings->strict && heapsim_is_blank(name))
		return flaw(judge, ".properties should NOT have a blank name");
	if (judge->settings->strict && value->type == SIM_JSON_STRING &&
	    heapsim_is_blank(value))
		return flaw(judge, ".properties[%.*s] should NOT be blank",
		    shown, name->at);
	if (value->type == SIM_JSON_STRING && too_long(value, TEXT_MAX))
		return flaw(judge,
		    ".properties[%.*s] should be shorter than 1024", shown,
		    name->at);
	if (is_scalar(value) ||
	    (value->type == SIM_JSON_ARRAY && is_array_of_scalars(value)))
		return true;
	return flaw(judge, ".properties[%.*s] should be string or number",
	    shown, name->at);
}

static int
name_order(const void *a, const void *b)
{
	const struct sim_json *left = a;
	const struct sim_json *right = b;

	if (left->len != right->len)
		return left->len < right->len ? -1 : 1;
	return memcmp(left->at, right->at, left->len);
}

/* The later of two properties of one name would silently win. */
static bool
read_repetition(struct judge *judge, const struct sim_json *value)
{
	struct sim_json_walk walk = sim_json_enter(value);
	struct sim_json *names = sim_alloc(NAMES_MAX * sizeof(*names));
	struct sim_json ignored;
	bool twice = false;
	size_t n = 0;
	size_t i;

	while (n < NAMES_MAX && sim_json_member(&walk, &names[n], &ignored))
		n++;
	qsort(names, n, sizeof(*names), name_order);
	for (i = 1; i < n && !twice; i++)
		twice = name_order(&names[i - 1], &names[i]) == 0;
	free(names);
	if (twice)
		return flaw(judge, ".properties should NOT repeat a name");
	return true;
}

/* All of Heap's own limits, then the stricter ones that were asked for. */
static bool
read_properties(struct judge *judge, const struct sim_json *value)
{
	struct sim_json_walk walk;
	struct sim_json name;
	struct sim_json property;

	if (value->type != SIM_JSON_OBJECT)
		return flaw(judge, ".properties should be object");
	walk = sim_json_enter(value);
	while (sim_json_member(&walk, &name, &property))
		if (!read_property(judge, &name, &property))
			return false;
	return !judge->settings->strict || read_repetition(judge, value);
}

static bool
read_nothing(struct judge *judge, const struct sim_json *value)
{
	(void)judge;
	(void)value;
	return true; /* app_id of a single event: the request's affair */
}

static const struct member {
	const char *name;
	bool (*read)(struct judge *judge, const struct sim_json *value);
	bool single; /* only beside a single event */
	bool required;
} members[] = {
    {"event", read_name, false, true},
    {"identity", read_identity, false, false},
    {"user_id", read_user_id, false, false},
    {"properties", read_properties, false, false},
    {"timestamp", read_timestamp, false, true},
    {"idempotency_key", read_key, false, true},
    {"app_id", read_nothing, true, false},
};

enum {
	MEMBERS = sizeof(members) / sizeof(members[0]),
};

/* MEMBERS if Heap knows no such member. */
static size_t
member_find(const struct sim_json *name, bool single)
{
	size_t i;

	for (i = 0; i < MEMBERS; i++)
		if ((single || !members[i].single) &&
		    sim_json_is(name, members[i].name))
			return i;
	return MEMBERS;
}

void
heapsim_event_read(struct heapsim_request *request,
    const struct heapsim_settings *settings, const char *path, bool single,
    struct heapsim_event *event)
{
	struct judge judge = {request, settings, path, event};
	struct sim_json_walk walk;
	struct sim_json name;
	struct sim_json value;
	unsigned seen = 0;
	size_t i;

	if (event->json.type != SIM_JSON_OBJECT) {
		flaw(&judge, " should be object");
		return;
	}
	/* All members, also behind a flaw: the quotas need the user. */
	walk = sim_json_enter(&event->json);
	while (sim_json_member(&walk, &name, &value)) {
		i = member_find(&name, single);
		if (i == MEMBERS)
			flaw(&judge,
			    " should NOT have additional property "
			    "%.*s",
			    name.len > 100 ? 100 : (int)name.len, name.at);
		else if ((seen & (1u << i)) != 0)
			flaw(&judge, ".%s comes twice", members[i].name);
		else
			members[i].read(&judge, &value);
		if (i < MEMBERS)
			seen |= 1u << i;
	}
	for (i = 0; i < MEMBERS; i++)
		if (members[i].required && (seen & (1u << i)) == 0)
			flaw(&judge, " should have required property '%s'",
			    members[i].name);
	if (event->user.len == 0)
		flaw(&judge, " should have identity or user_id");
}
