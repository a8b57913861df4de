#include "schema/person.h"

#include "schema/scan.h"
#include "schema/track_parts.h"

enum { PERSON_LEVELS = 64 };

struct person {
	const struct person_id *ids;
	size_t count;
	bool found;
};

/* Which members of an object hold an id, or an object that does. */
struct person_member {
	const char *name;
	const struct person_member *inside; /* or NULL: the id itself */
};

static const struct person_member person_alias[] = {
    {"alias_name", NULL},
    {NULL, NULL},
};

static const struct person_member person_user[] = {
    {"external_user_id", NULL},
    {"user_id", NULL},
    {"device_id", NULL},
    {"alias_name", NULL},
    {"alias", person_alias},
    {"user_alias", person_alias},
    {"aliases", person_alias},
    {"user_aliases", person_alias},
    {NULL, NULL},
};

static const struct person_member person_properties[] = {
    {"orphaned_by_id", NULL},
    {NULL, NULL},
};

static const struct person_member person_event[] = {
    {"user", person_user},
    {"properties", person_properties},
    {NULL, NULL},
};

static const struct person_member *
person_member(const struct person_member *members, const struct scan_value *key)
{
	for (; members->name != NULL; members++) {
		if (scan_equals(key, members->name, strlen(members->name)))
			return members;
	}
	return NULL;
}

static bool
person_is_one(const struct person_id *id, const struct scan_value *value)
{
	if (value->kind == SCAN_STRING)
		return scan_equals(value, id->text, id->len);
	return value->kind == SCAN_NUMBER && value->len == id->len &&
	       memcmp(value->data, id->text, id->len) == 0;
}

static bool
person_is(const struct person *person, const struct scan_value *value)
{
	for (size_t i = 0; i < person->count; i++) {
		if (person_is_one(&person->ids[i], value))
			return true;
	}
	return false;
}

static bool person_object(struct person *person, struct scan *scan,
    const struct person_member *members);

/* Read a value: of that member, or of none that matters. A list of ids is
 * looked into as one is. False on a syntax error. */
static bool
person_value(struct person *person, struct scan *scan,
    const struct person_member *member, bool in_list)
{
	struct scan_value value;
	bool first = true;

	if (!scan_value(scan, &value))
		return false;
	if (member != NULL && person_is(person, &value))
		person->found = true;
	if (!scan_opened(&value))
		return true;
	if (member == NULL || member->inside == NULL ||
	    (value.kind == SCAN_ARRAY && in_list))
		return scan_skip(scan, &value, PERSON_LEVELS);
	if (value.kind == SCAN_OBJECT)
		return person_object(person, scan, member->inside);
	while (scan_element(scan, &first)) {
		if (!person_value(person, scan, member, true))
			return false;
	}
	return scan->error == NULL;
}

/* Read the rest of an object just opened; false on a syntax error. At most
 * as deep as the tables are. */
static bool
person_object(struct person *person, struct scan *scan,
    const struct person_member *members)
{
	struct scan_value key;
	bool first = true;

	while (scan_member(scan, &first, &key)) {
		if (!person_value(
			person, scan, person_member(members, &key), false))
			return false;
	}
	return scan->error == NULL;
}

bool
person_matches(
    const char *event, size_t len, const struct person_id *ids, size_t count)
{
	struct person person = {.ids = ids, .count = count};
	struct scan_value value;
	struct scan scan;

	scan_init(&scan, event, len);
	if (scan_value(&scan, &value) && value.kind == SCAN_OBJECT &&
	    person_object(&person, &scan, person_event) &&
	    scan.bad_utf8 == NULL && scan.too_deep == NULL)
		return person.found;
	for (size_t i = 0; i < count && !person.found; i++)
		person.found = person_mentioned(event, len, &ids[i]);
	return person.found;
}

void
person_id_hashed(const struct track_rules *rules, const struct person_id *id,
    char ret[PERSON_HASHED])
{
	enum { MARK = sizeof(TRACK_MARK) - 1 };

	_Static_assert(MARK + TRACK_HEX == PERSON_HASHED, "mark and hex");
	memcpy(ret, TRACK_MARK, MARK);
	track_hash(rules, id->text, id->len, ret + MARK);
}

/* ---- bytes that are no JSON ---- */

/* How long is the escape at the front, if it is one? Else 0. */
static size_t
mention_escape(const char *text, size_t len)
{
	size_t digits;

	if (len < 2 || text[0] != '\\')
		return 0;
	if (text[1] != 'u')
		return strchr("\"\\/bfnrt", text[1]) != NULL ? 2 : 0;
	for (digits = 0; digits < 4; digits++) {
		if (2 + digits >= len ||
		    strchr("0123456789abcdefABCDEF", text[2 + digits]) == NULL)
			return 0;
	}
	return 6;
}

/* Two halves of a pair are one character. */
static size_t
mention_escapes(const char *text, size_t len)
{
	size_t first = mention_escape(text, len), second;

	if (first != 6 || (text[2] | 0x20) != 'd' ||
	    strchr("89abAB", text[3]) == NULL)
		return first;
	second = mention_escape(text + first, len - first);
	return second == 6 ? 12 : first;
}

/* If the text begins with the id, how long is it there? Else 0. */
static size_t
mention_length(const char *text, size_t len, const struct person_id *id)
{
	size_t at = 0, had = 0, escape, got;
	char decoded[12];

	while (had < id->len) {
		if (at == len)
			return 0;
		escape = mention_escapes(text + at, len - at);
		if (escape == 0) {
			if (text[at++] != id->text[had++])
				return 0;
			continue;
		}
		got = scan_decode(text + at, escape, decoded);
		if (got > id->len - had ||
		    memcmp(decoded, id->text + had, got) != 0)
			return 0;
		at += escape;
		had += got;
	}
	return at;
}

static bool
mention_letter(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

bool
person_mentioned(const char *text, size_t len, const struct person_id *id)
{
	bool letter_first = id->len > 0 && mention_letter(id->text[0]);
	size_t there;

	for (size_t at = 0; id->len > 0 && at < len; at++) {
		if (text[at] != id->text[0] && text[at] != '\\')
			continue;
		/* "12" is not mentioned in 1234. */
		if (letter_first && at > 0 && mention_letter(text[at - 1]))
			continue;
		there = mention_length(text + at, len - at, id);
		if (there > 0 &&
		    (at + there == len || !mention_letter(text[at + there]) ||
			!mention_letter(id->text[id->len - 1])))
			return true;
	}
	return false;
}
