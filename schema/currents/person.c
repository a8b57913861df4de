#include "schema/currents/currents.h"

#include "schema/json/scan.h"

struct person {
	person_fn *fn;
	void *arg;
	bool ended;
	bool own; /* the last own id is one */
};

/* Which members of an object hold an id, or an object that does. */
struct person_member {
	struct str name;
	enum person_id kind;
	const struct person_member *inside; /* or NULL: the id itself */
};

static const struct person_member person_alias[] = {
    {STR("alias_name"), PERSON_ALIAS, NULL},
    {{NULL, 0}, 0, NULL},
};

static const struct person_member person_user[] = {
    {STR("external_user_id"), PERSON_EXTERNAL, NULL},
    {STR("user_id"), PERSON_BRAZE, NULL},
    {STR("device_id"), PERSON_DEVICE, NULL},
    {STR("alias_name"), PERSON_ALIAS, NULL},
    {STR("alias"), PERSON_ALIAS, person_alias},
    {STR("user_alias"), PERSON_ALIAS, person_alias},
    {STR("aliases"), PERSON_ALIAS, person_alias},
    {STR("user_aliases"), PERSON_ALIAS, person_alias},
    {{NULL, 0}, 0, NULL},
};

static const struct person_member person_properties[] = {
    {STR("orphaned_by_id"), PERSON_OTHER, NULL},
    {{NULL, 0}, 0, NULL},
};

static const struct person_member person_event[] = {
    {STR("user"), PERSON_OTHER, person_user},
    {STR("properties"), PERSON_OTHER, person_properties},
    {{NULL, 0}, 0, NULL},
};

static const struct person_member person_event_key[] = {
    {STR("id"), PERSON_NONE, NULL},
    {STR("user"), PERSON_OTHER, person_user},
    {STR("properties"), PERSON_OTHER, person_properties},
    {{NULL, 0}, 0, NULL},
};

static void
person_show(
    struct person *person, enum person_id kind, const struct scan_value *value)
{
	char decoded[PERSON_ID_MAX];
	struct str id = value->text;

	if (kind == PERSON_NONE)
		person->own = false;
	if (person->ended ||
	    (value->kind != SCAN_STRING &&
		(value->kind != SCAN_NUMBER || kind == PERSON_NONE)))
		return;
	if (value->kind == SCAN_STRING && value->escaped) {
		if (id.len > sizeof(decoded))
			return;
		id = str_bytes(decoded, scan_decode(id, decoded));
	}
	person->own = person->own || (kind == PERSON_NONE && id.len > 0);
	person->ended = !person->fn(person->arg, kind, id);
}

static bool person_object(struct person *person, struct scan *scan,
    const struct person_member *members);

/* Read a value: that of a member, or, if it is NULL, one that does not matter.
 * An element of a list counts as an id does outside a list. False on a syntax
 * error. */
static bool
person_value(struct person *person, struct scan *scan,
    const struct person_member *member, bool in_list)
{
	struct scan_value value;
	bool first = true;

	if (!scan_value(scan, &value))
		return false;
	if (member != NULL)
		person_show(person, member->kind, &value);
	if (!scan_opened(&value))
		return true;
	if (member == NULL || member->inside == NULL ||
	    (value.kind == SCAN_ARRAY && in_list))
		return scan_skip(scan, &value, SCAN_DEPTH);
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
		const struct person_member *member = members;

		while (member->name.data != NULL &&
		       !scan_equal(&key, member->name))
			member++;
		if (!person_value(person, scan,
			member->name.data != NULL ? member : NULL, false))
			return false;
	}
	return scan->error == NULL;
}

static bool
person_scan(struct person *person, struct scan *scan, struct str event,
    const struct person_member *members)
{
	struct scan_value value;

	scan_init(scan, event);
	return scan_value(scan, &value) && value.kind == SCAN_OBJECT &&
	       person_object(person, scan, members) && scan->bad_utf8 == NULL &&
	       scan->too_deep == NULL;
}

bool
person_each(struct str event, person_fn *fn, void *arg)
{
	struct person person = {.fn = fn, .arg = arg};
	struct scan scan;

	return person_scan(&person, &scan, event, person_event);
}

bool
person_each_of(struct str user, person_fn *fn, void *arg)
{
	struct person person = {.fn = fn, .arg = arg};
	struct scan scan;

	return person_scan(&person, &scan, user, person_user);
}

bool
person_each_key(struct str event, person_fn *fn, void *arg)
{
	struct person person = {.fn = fn, .arg = arg};
	struct scan scan;

	return person_scan(&person, &scan, event, person_event_key) &&
	       !scan_space(&scan) && person.own;
}

struct person_wanted {
	const struct str *ids;
	size_t count;
	bool found;
};

static bool
person_compare(void *arg, enum person_id kind, struct str id)
{
	struct person_wanted *wanted = arg;

	(void)kind;
	for (size_t i = 0; i < wanted->count && !wanted->found; i++)
		wanted->found = str_equal(id, wanted->ids[i]);
	return !wanted->found;
}

bool
person_matches(struct str event, const struct str *ids, size_t count)
{
	struct person_wanted wanted = {.ids = ids, .count = count};

	if (person_each(event, person_compare, &wanted))
		return wanted.found;
	for (size_t i = 0; i < count && !wanted.found; i++)
		wanted.found = person_mentioned(event, ids[i]);
	return wanted.found;
}

/* ---- bytes that are no JSON ---- */

/* The length of the escape at the front of a text, or 0 if there is none. */
static size_t
mention_escape(struct str text)
{
	const char *at = text.data;
	size_t digits;

	if (text.len < 2 || at[0] != '\\')
		return 0;
	if (at[1] != 'u')
		return memchr("\"\\/bfnrt", at[1], 8) != NULL ? 2 : 0;
	for (digits = 0; digits < 4; digits++) {
		if (2 + digits >= text.len || memchr("0123456789abcdefABCDEF",
						  at[2 + digits], 22) == NULL)
			return 0;
	}
	return 6;
}

/* The same, where a surrogate pair is one escape. */
static size_t
mention_escapes(struct str text)
{
	size_t first = mention_escape(text), second;

	if (first != 6 || (text.data[2] | 0x20) != 'd' ||
	    strchr("89abAB", text.data[3]) == NULL)
		return first;
	second = mention_escape(str_bytes(text.data + 6, text.len - 6));
	return second == 6 ? 12 : first;
}

/* If the text begins with the id, how long is it there? Else 0. */
static size_t
mention_length(struct str text, struct str id)
{
	size_t at = 0, had = 0, escape, got;
	char decoded[12];

	while (had < id.len) {
		if (at == text.len)
			return 0;
		escape =
		    mention_escapes(str_bytes(text.data + at, text.len - at));
		if (escape == 0) {
			if (text.data[at++] != id.data[had++])
				return 0;
			continue;
		}
		got = scan_decode(str_bytes(text.data + at, escape), decoded);
		if (got > id.len - had ||
		    memcmp(decoded, id.data + had, got) != 0)
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
person_mentioned(struct str bytes, struct str id)
{
	bool letter_first = id.len > 0 && mention_letter(id.data[0]);
	size_t there;

	for (size_t at = 0; id.len > 0 && at < bytes.len; at++) {
		const char *text = bytes.data + at;

		if (*text != id.data[0] && *text != '\\')
			continue;
		/* "12" is not mentioned in 1234 */
		if (letter_first && at > 0 && mention_letter(text[-1]))
			continue;
		there = mention_length(str_bytes(text, bytes.len - at), id);
		if (there > 0 &&
		    (at + there == bytes.len || !mention_letter(text[there]) ||
			!mention_letter(id.data[id.len - 1])))
			return true;
	}
	return false;
}
