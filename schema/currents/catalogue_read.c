/*
 * Makes the tables of a catalogue of JSON text: of events.json when currentsd
 * is built, and of the operator's file, which adds to that, when it reads its
 * settings. So one piece of code checks both, and a text that contradicts
 * itself (a type with a property that is not described, an unknown class) is
 * refused.
 *
 * The operator's file must not do harm, also not after an upgrade to a
 * currentsd that knows by itself what the file added before:
 *
 *	- a built-in type can gain properties and lose required ones, but
 *	  events of it never become invalid by the file: what it requires in
 *	  addition is ignored with a warning, and see catalogue_type_insists();
 *	- a type of the file goes by the kinds that the file gives its
 *	  properties, whatever they are elsewhere;
 *	- the file decides on the class of a property, but a secret stays one.
 *
 * Names and other texts are lent from the JSON tree, which stays with the
 * tables.
 */

#include "schema/currents/catalogue_tables.h"
#include "schema/currents/currents.h"

#include <jansson.h>
#include <stdlib.h>

enum {
	SEEDS_TRIED = 1000, /* for an index without collisions */
	SLOTS_PER_NAME = 8,
	USER_NAMES_MAX = 16,
	NAME_MOST = DRIFT_NAME_WHOLE, /* bytes; drift cuts what is longer */
	TEXT_MOST = 512,
};

/* ---- words ---- */

const char *
catalogue_kind_name(enum catalogue_kind kind)
{
	switch (kind) {
	case CATALOGUE_STRING:
		return "string";
	case CATALOGUE_INTEGER:
		return "integer";
	case CATALOGUE_NUMBER:
		return "number";
	case CATALOGUE_BOOLEAN:
		return "boolean";
	case CATALOGUE_OBJECT:
		return "object";
	case CATALOGUE_STRINGS:
		return "array<string>";
	case CATALOGUE_STRINGS_NULLS:
		return "array<string|null>";
	}
	NEVER("a catalogue_kind");
}

const char *catalogue_class_name(enum catalogue_class class)
{
	switch (class) {
	case CATALOGUE_PLAIN:
		return "plain";
	case CATALOGUE_CONTENT:
		return "content";
	case CATALOGUE_CONTACT:
		return "contact";
	case CATALOGUE_SECRET:
		return "secret";
	case CATALOGUE_UNCLASSIFIED:
		return "unclassified";
	}
	NEVER("a catalogue_class");
}

static bool
kind_find(const json_t *word, enum catalogue_kind *ret_kind)
{
	for (int k = CATALOGUE_STRING; k <= CATALOGUE_STRINGS_NULLS; k++) {
		enum catalogue_kind kind = (enum catalogue_kind)k;

		if (json_is_string(word) &&
		    strcmp(json_string_value(word),
			catalogue_kind_name(kind)) == 0) {
			*ret_kind = kind;
			return true;
		}
	}
	return false;
}

static bool
class_find(const json_t *word, enum catalogue_class *ret_class)
{
	for (int c = CATALOGUE_PLAIN; c <= CATALOGUE_SECRET; c++) {
		enum catalogue_class class = (enum catalogue_class)c;

		if (json_is_string(word) &&
		    strcmp(json_string_value(word),
			catalogue_class_name(class)) == 0) {
			*ret_class = class;
			return true;
		}
	}
	return false;
}

/* No control characters, and not too long? */
static bool
text_plain(const char *text, size_t most)
{
	size_t len = 0;

	for (; text[len] != '\0'; len++) {
		unsigned char c = (unsigned char)text[len];

		if (len == most || c < ' ' || c == 0x7f)
			return false;
	}
	return true;
}

/* It stands in JSON, in C and in the log as it is. */
static bool
name_plain(const char *name)
{
	return *name != '\0' && text_plain(name, NAME_MOST) &&
	       strpbrk(name, "\"\\") == NULL;
}

/* For a message: a name that may be anything. */
static const char *
name_shown(const char *name)
{
	return name_plain(name) ? name : "(an unusual name)";
}

/* ---- the tables ---- */

/* A catalogue, and what it lends from. A row has `width` members. */
struct made {
	struct catalogue catalogue; /* the first member */
	json_t *root;
	const char **user_names;
	const char **seen; /* the lists of all properties */
	struct catalogue_property *properties;
	struct catalogue_type *types;
	uint8_t *kinds;	    /* a row for each type */
	uint16_t *lists;    /* two rows for each: properties, required */
	uint16_t *slots[2]; /* of both indexes */
	size_t width;
};

/* What is read, and how far. */
struct reading {
	const char *file;
	const struct catalogue *base; /* or NULL */
	struct made *made;
	size_t user_count, property_count, type_count, seen_count;
	struct buf *warnings;

	/* by property: in the types of the text, unless a type has its own */
	enum catalogue_kind usual[CATALOGUE_PROPERTIES_MAX];
};

void
catalogue_free(struct catalogue *catalogue)
{
	struct made *made = (struct made *)catalogue;

	if (made == NULL)
		return;
	free(made->slots[0]);
	free(made->slots[1]);
	free(made->lists);
	free(made->kinds);
	free(made->types);
	free(made->properties);
	free(made->seen);
	free(made->user_names);
	json_decref(made->root);
	free(made);
}

static size_t
base_properties(const struct reading *reading)
{
	return reading->base == NULL ? 0 : reading->base->property_index.count;
}

static size_t
base_types(const struct reading *reading)
{
	return reading->base == NULL ? 0 : reading->base->type_index.count;
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static uint8_t *
kinds_row(const struct made *made, size_t type)
{
	return made->kinds + type * made->width;
}

static uint16_t *
properties_row(const struct made *made, size_t type)
{
	return made->lists + 2 * type * made->width;
}

static uint16_t *
required_row(const struct made *made, size_t type)
{
	return made->lists + (2 * type + 1) * made->width;
}

/* Room for what the base has and the text may add. */
static bool
tables_alloc(struct reading *reading, json_t *properties, json_t *events,
    struct err *reterr)
{
	struct made *made = reading->made;
	size_t seen = json_object_size(properties), types;
	const char *name;
	json_t *value;

	json_object_foreach(properties, name, value)
	{
		seen += json_array_size(json_object_get(value, "seen"));
	}
	made->width =
	    1 + least(CATALOGUE_PROPERTIES_MAX,
		    base_properties(reading) + json_object_size(properties));
	types = 1 + least(CATALOGUE_TYPES_MAX,
			base_types(reading) + json_object_size(events));
	made->user_names = calloc(USER_NAMES_MAX, sizeof(*made->user_names));
	made->seen = calloc(seen + 1, sizeof(*made->seen));
	made->properties = calloc(made->width, sizeof(*made->properties));
	made->types = calloc(types, sizeof(*made->types));
	made->kinds = calloc(types, made->width);
	made->lists = calloc(types, 2 * made->width * sizeof(*made->lists));
	if (made->user_names == NULL || made->seen == NULL ||
	    made->properties == NULL || made->types == NULL ||
	    made->kinds == NULL || made->lists == NULL)
		return err_set_nomem(reterr);
	memset(made->kinds, CATALOGUE_NO_KIND, types * made->width);
	made->catalogue.user_names = made->user_names;
	made->catalogue.properties = made->properties;
	made->catalogue.types = made->types;
	return true;
}

/* The type's rows become those of its index. */
static void
type_rows_set(struct made *made, size_t type)
{
	made->types[type].kinds = kinds_row(made, type);
	made->types[type].properties = properties_row(made, type);
	made->types[type].required = required_row(made, type);
}

static void
base_copy(struct reading *reading)
{
	const struct catalogue *base = reading->base;
	struct made *made = reading->made;

	if (base == NULL)
		return;
	memcpy(made->user_names, base->user_names,
	    base->user_count * sizeof(*base->user_names));
	reading->user_count = base->user_count;
	for (size_t p = 0; p < base_properties(reading); p++) {
		made->properties[p] = base->properties[p];
		reading->usual[p] = base->properties[p].kind;
	}
	reading->property_count = base_properties(reading);
	for (size_t t = 0; t < base_types(reading); t++) {
		const struct catalogue_type *type = &base->types[t];

		made->types[t] = *type;
		type_rows_set(made, t);
		memcpy(
		    kinds_row(made, t), type->kinds, base_properties(reading));
		memcpy(properties_row(made, t), type->properties,
		    type->property_count * sizeof(*type->properties));
		memcpy(required_row(made, t), type->required,
		    type->required_count * sizeof(*type->required));
	}
	reading->type_count = base_types(reading);
}

/* ---- an index ---- */

/* Fill the slots by a seed; returns how often a slot was already taken. */
static size_t
slots_fill(
    uint16_t *slots, const struct catalogue_index *index, const uint64_t *mixed)
{
	size_t mask = ((size_t)1 << index->bits) - 1, taken = 0, slot;

	memset(slots, 0, sizeof(*slots) << index->bits);
	for (size_t i = 0; i < index->count; i++) {
		slot = catalogue_slot(mixed[i], index->seed, index->bits);
		for (; slots[slot] != 0; slot = (slot + 1) & mask)
			taken++;
		slots[slot] = (uint16_t)(i + 1);
	}
	return taken;
}

/*
 * An open hash table with few or no collisions, by the best of many seeds. The
 * seeds are a fixed sequence, so that a build is repeatable.
 */
static bool
index_make(uint16_t **ret_slots, struct catalogue_index *ret_index,
    const uint64_t *mixed, size_t count, struct err *reterr)
{
	struct catalogue_index index = {.bits = 4, .count = count};
	uint64_t seed = 0x9e3779b97f4a7c15u, best = seed;
	size_t fewest = SIZE_MAX, taken;
	uint16_t *slots;

	while ((size_t)1 << index.bits < count * SLOTS_PER_NAME)
		index.bits++;
	slots = calloc((size_t)1 << index.bits, sizeof(*slots));
	if (slots == NULL)
		return err_set_nomem(reterr);
	for (int i = 0; i < SEEDS_TRIED && fewest > 0; i++) {
		index.seed = seed;
		taken = slots_fill(slots, &index, mixed);
		if (taken < fewest) {
			fewest = taken;
			best = seed;
		}
		seed = (seed * 6364136223846793005u + 1442695040888963407u) | 1;
	}
	index.seed = best;
	(void)slots_fill(slots, &index, mixed);
	index.slots = *ret_slots = slots;
	*ret_index = index;
	return true;
}

static bool
properties_index(struct reading *reading, struct err *reterr)
{
	uint64_t mixed[CATALOGUE_PROPERTIES_MAX];
	struct made *made = reading->made;

	for (size_t p = 0; p < reading->property_count; p++)
		mixed[p] = catalogue_mixed(
		    made->properties[p].key, made->properties[p].name.len);
	return index_make(&made->slots[0], &made->catalogue.property_index,
	    mixed, reading->property_count, reterr);
}

static bool
types_index(struct reading *reading, struct err *reterr)
{
	uint64_t mixed[CATALOGUE_TYPES_MAX];
	struct made *made = reading->made;

	for (size_t t = 0; t < reading->type_count; t++)
		mixed[t] = catalogue_mixed(
		    made->types[t].key, made->types[t].name.len);
	return index_make(&made->slots[1], &made->catalogue.type_index, mixed,
	    reading->type_count, reterr);
}

/* ---- what all entries have ---- */

/* An entry, for messages: `events: "users.X"`. */
struct entry {
	const char *file, *section, *name;
	json_t *value;
};

#define ENTRY	      "%s: %s: \"%s\": "
#define ENTRY_ARGS(e) (e)->file, (e)->section, (e)->name

static void
entry_warn(const struct reading *reading, const struct entry *entry,
    const char *property, const char *what)
{
	(void)buf_printf(reading->warnings, ENTRY "\"%s\" %s\n",
	    ENTRY_ARGS(entry), property, what);
}

/* It is an object with a plain name, and only these members (NULL-ended). */
static bool
entry_check(const struct entry *entry, const char *const *members,
    const char *members_text, struct err *reterr)
{
	const char *name;
	json_t *value;

	if (!name_plain(entry->name))
		return err_set(reterr, ERR_CONFIG,
		    "%s: %s: a name should have 1 to %d bytes, and no quotes, "
		    "backslashes or control characters",
		    entry->file, entry->section, NAME_MOST);
	if (!json_is_object(entry->value))
		return err_set(reterr, ERR_CONFIG,
		    ENTRY "should be an object, {...}", ENTRY_ARGS(entry));
	json_object_foreach(entry->value, name, value)
	{
		size_t i = 0;

		while (members[i] != NULL && strcmp(members[i], name) != 0)
			i++;
		if (members[i] == NULL)
			return err_set(reterr, ERR_CONFIG,
			    ENTRY "unknown member \"%s\"; it may have %s",
			    ENTRY_ARGS(entry), name_shown(name), members_text);
	}
	return true;
}

/* An optional text; *ret stays as it is if there is none. */
static bool
entry_text(const struct entry *entry, const char *member, const char **ret,
    struct err *reterr)
{
	json_t *value = json_object_get(entry->value, member);

	if (value == NULL)
		return true;
	if (!json_is_string(value) ||
	    !text_plain(json_string_value(value), TEXT_MOST))
		return err_set(reterr, ERR_CONFIG,
		    ENTRY "%s should be a text of at most %d bytes, without "
			  "control characters",
		    ENTRY_ARGS(entry), member, TEXT_MOST);
	*ret = json_string_value(value);
	return true;
}

/* An optional list of names; NULL if there is none. */
static bool
entry_list(const struct entry *entry, const char *member, json_t **ret,
    struct err *reterr)
{
	json_t *list = json_object_get(entry->value, member), *item;
	size_t i;

	if (list != NULL && !json_is_array(list))
		return err_set(reterr, ERR_CONFIG,
		    ENTRY "%s should be a list of names, [...]",
		    ENTRY_ARGS(entry), member);
	json_array_foreach(list, i, item)
	{
		if (!json_is_string(item))
			return err_set(reterr, ERR_CONFIG,
			    ENTRY "%s: item %zu should be a name in quotes",
			    ENTRY_ARGS(entry), member, i + 1);
	}
	*ret = list;
	return true;
}

static bool
kind_read(const struct entry *entry, const char *what, const json_t *word,
    enum catalogue_kind *ret_kind, struct err *reterr)
{
	return kind_find(word, ret_kind) ||
	       err_set(reterr, ERR_CONFIG,
		   ENTRY "%s should be string, integer, number, boolean, "
			 "object, array<string> or array<string|null>",
		   ENTRY_ARGS(entry), what);
}

/* ---- "user" ---- */

/* The number of a member of "user"; the count if there is none. */
static size_t
user_find(const struct reading *reading, const char *name)
{
	size_t at = 0;

	while (at < reading->user_count &&
	       strcmp(reading->made->user_names[at], name) != 0)
		at++;
	return at;
}

static bool
users_read(struct reading *reading, json_t *users, struct err *reterr)
{
	const char *name;
	json_t *value;

	json_object_foreach(users, name, value)
	{
		if (!name_plain(name) || !json_is_string(value))
			return err_set(reterr, ERR_CONFIG,
			    "%s: user: \"%s\" should be a plain name, and its "
			    "value a text that describes it",
			    reading->file, name_shown(name));
		if (user_find(reading, name) < reading->user_count)
			continue;
		if (reading->user_count == USER_NAMES_MAX)
			return err_set(reterr, ERR_CONFIG,
			    "%s: user: more than %d members in all",
			    reading->file, USER_NAMES_MAX);
		reading->made->user_names[reading->user_count++] = name;
	}
	reading->made->catalogue.user_count = reading->user_count;
	return true;
}

/* ---- "properties" ---- */

/* The documented values, which suit the kind. */
static bool
seen_read(struct reading *reading, const struct entry *entry,
    enum catalogue_kind kind, const char *const **ret_seen, struct err *reterr)
{
	json_t *list = json_object_get(entry->value, "seen"), *item;
	const char **texts = reading->made->seen + reading->seen_count;
	bool numbers = kind == CATALOGUE_INTEGER || kind == CATALOGUE_NUMBER;
	size_t count = 0, i;

	if (list == NULL)
		return true;
	if (!json_is_array(list) || (kind != CATALOGUE_STRING && !numbers))
		return err_set(reterr, ERR_CONFIG,
		    ENTRY "seen should be a list of values, and the type "
			  "string, integer or number",
		    ENTRY_ARGS(entry));
	json_array_foreach(list, i, item)
	{
		json_t *text;

		if (numbers
			? !json_is_integer(item)
			: !json_is_string(item) ||
			      !text_plain(json_string_value(item), TEXT_MOST))
			return err_set(reterr, ERR_CONFIG,
			    ENTRY "seen: value %zu should be %s",
			    ENTRY_ARGS(entry), i + 1,
			    numbers ? "an integer" : "a short text");
		if (numbers) {
			text = json_sprintf(
			    "%" JSON_INTEGER_FORMAT, json_integer_value(item));
			if (json_array_set_new(list, i, text) != 0)
				return err_set_nomem(reterr);
			item = text;
		}
		texts[count++] = json_string_value(item);
	}
	reading->seen_count += count + 1; /* a NULL ends it */
	*ret_seen = texts;
	return true;
}

static bool
class_read(const struct reading *reading, const struct entry *entry,
    enum catalogue_class *class, struct err *reterr)
{
	json_t *word = json_object_get(entry->value, "class");
	enum catalogue_class wanted;

	if (word == NULL)
		return true;
	if (!class_find(word, &wanted))
		return err_set(reterr, ERR_CONFIG,
		    ENTRY "class should be plain, content, contact or secret",
		    ENTRY_ARGS(entry));
	if (*class == CATALOGUE_SECRET && wanted != CATALOGUE_SECRET)
		entry_warn(reading, entry, catalogue_class_name(wanted),
		    "is ignored: it is a secret, which is never sent; remove "
		    "its class");
	else
		*class = wanted;
	return true;
}

/* Append a property, whose kind and class are set later. */
static bool
property_add(struct reading *reading, const char *name,
    struct catalogue_property **ret_property, struct err *reterr)
{
	struct catalogue_property *property;

	if (reading->property_count == CATALOGUE_PROPERTIES_MAX)
		return err_set(reterr, ERR_CONFIG,
		    "%s: properties: more than %d in all", reading->file,
		    CATALOGUE_PROPERTIES_MAX);
	property = &reading->made->properties[reading->property_count++];
	property->name = str_text(name);
	property->key = catalogue_key(property->name);
	*ret_property = property;
	return true;
}

static bool
property_read(struct reading *reading, const char *name, json_t *value,
    struct err *reterr)
{
	static const char *const members[] = {"type", "class", "seen", NULL};
	const struct entry entry = {reading->file, "properties", name, value};
	struct catalogue_property *property;
	enum catalogue_kind kind;
	json_t *word;
	size_t at;

	if (!entry_check(&entry, members, "type, class and seen", reterr))
		return false;
	at = base_properties(reading) == 0
		 ? 0
		 : catalogue_property_in(reading->base, str_text(name));
	word = json_object_get(value, "type");
	if (at < base_properties(reading)) {
		property = &reading->made->properties[at];
		kind = property->kind;
		if (word != NULL &&
		    !kind_read(&entry, "type", word, &kind, reterr))
			return false;
	} else {
		at = reading->property_count;
		if (!kind_read(&entry, "type", word, &kind, reterr) ||
		    !property_add(reading, name, &property, reterr))
			return false;
		property->kind = kind;
	}
	reading->usual[at] = kind;
	return seen_read(reading, &entry, kind, &property->seen, reterr) &&
	       class_read(reading, &entry, &property->class, reterr);
}

/* ---- "events" ---- */

/* The type that is being read. */
struct type_reading {
	struct entry entry;
	struct catalogue_type *type;
	uint8_t *kinds;
	uint16_t *properties, *required;
};

static bool
type_properties_read(
    const struct reading *reading, struct type_reading *at, struct err *reterr)
{
	json_t *list, *item;
	size_t i;

	if (!entry_list(&at->entry, "properties", &list, reterr))
		return false;
	json_array_foreach(list, i, item)
	{
		const char *name = json_string_value(item);
		size_t p = catalogue_property_in(
		    &reading->made->catalogue, str_text(name));

		if (p == reading->property_count)
			return err_set(reterr, ERR_CONFIG,
			    ENTRY "unknown property \"%s\"; add it under "
				  "properties",
			    ENTRY_ARGS(&at->entry), name_shown(name));
		if (at->kinds[p] != CATALOGUE_NO_KIND)
			continue;
		at->kinds[p] = (uint8_t)reading->usual[p];
		at->properties[at->type->property_count++] = (uint16_t)p;
	}
	return true;
}

/* The index of a property that the type must have. */
static bool
type_property_find(const struct reading *reading, const struct type_reading *at,
    const char *member, const char *name, size_t *ret_property,
    struct err *reterr)
{
	size_t p =
	    catalogue_property_in(&reading->made->catalogue, str_text(name));

	if (p == reading->property_count || at->kinds[p] == CATALOGUE_NO_KIND)
		return err_set(reterr, ERR_CONFIG,
		    ENTRY "%s: \"%s\" is not one of its properties",
		    ENTRY_ARGS(&at->entry), member, name_shown(name));
	*ret_property = p;
	return true;
}

/* Where a property is of another kind than elsewhere. */
static bool
type_kinds_read(
    const struct reading *reading, struct type_reading *at, struct err *reterr)
{
	json_t *object = json_object_get(at->entry.value, "types"), *word;
	enum catalogue_kind kind;
	const char *name;
	size_t p;

	if (object != NULL && !json_is_object(object))
		return err_set(reterr, ERR_CONFIG,
		    ENTRY "types should be an object, {...}",
		    ENTRY_ARGS(&at->entry));
	json_object_foreach(object, name, word)
	{
		if (!type_property_find(
			reading, at, "types", name, &p, reterr) ||
		    !kind_read(&at->entry, "types", word, &kind, reterr))
			return false;
		at->kinds[p] = (uint8_t)kind;
	}
	return true;
}

static bool
type_required_read(
    const struct reading *reading, struct type_reading *at, struct err *reterr)
{
	struct catalogue_type *type = at->type;
	json_t *list, *item;
	size_t i, p;

	if (!entry_list(&at->entry, "required", &list, reterr))
		return false;
	if (list != NULL)
		type->required_count = 0;
	json_array_foreach(list, i, item)
	{
		const char *name = json_string_value(item);

		if (!type_property_find(
			reading, at, "required", name, &p, reterr))
			return false;
		if (catalogue_type_requires(type, p))
			continue;
		if (type->builtin == NULL ||
		    catalogue_type_requires(type->builtin, p))
			at->required[type->required_count++] = (uint16_t)p;
		else
			entry_warn(reading, &at->entry, name,
			    "is not required, although the file says so: the "
			    "type is built in, and a file cannot make its "
			    "events invalid; remove it from required");
	}
	return true;
}

/* A new type has the whole user unless it says otherwise. */
static bool
type_user_read(
    const struct reading *reading, struct type_reading *at, struct err *reterr)
{
	struct catalogue_type *type = at->type;
	json_t *list, *item;
	size_t i, user;

	if (!entry_list(&at->entry, "user", &list, reterr))
		return false;
	if (list == NULL && type->builtin == NULL)
		type->user = (1u << reading->user_count) - 1;
	json_array_foreach(list, i, item)
	{
		user = user_find(reading, json_string_value(item));
		if (user == reading->user_count)
			return err_set(reterr, ERR_CONFIG,
			    ENTRY "unknown member of user \"%s\"; add it under "
				  "user",
			    ENTRY_ARGS(&at->entry),
			    name_shown(json_string_value(item)));
		type->user |= 1u << user;
	}
	return true;
}

/* The type of that name, appended if it is not built in. */
static bool
type_begin(struct reading *reading, const char *name, size_t *ret_index,
    struct err *reterr)
{
	size_t at = base_types(reading) == 0
			? 0
			: catalogue_type_in(reading->base, str_text(name));
	struct catalogue_type *type;

	*ret_index = at;
	if (at < base_types(reading)) {
		reading->made->types[at].builtin = &reading->base->types[at];
		return true;
	}
	if (reading->type_count == CATALOGUE_TYPES_MAX)
		return err_set(reterr, ERR_CONFIG,
		    "%s: events: more than %d types in all", reading->file,
		    CATALOGUE_TYPES_MAX);
	*ret_index = reading->type_count++;
	type = &reading->made->types[*ret_index];
	type->name = str_text(name);
	type->key = catalogue_key(type->name);
	type->family = "local";
	type_rows_set(reading->made, *ret_index);
	return true;
}

static bool
type_read(struct reading *reading, const char *name, json_t *value,
    struct err *reterr)
{
	static const char *const members[] = {"family", "required",
	    "properties", "user", "types", "status", NULL};
	struct type_reading at = {
	    .entry = {reading->file, "events", name, value}};
	struct made *made = reading->made;
	size_t index;

	if (!entry_check(&at.entry, members,
		"properties, required, user, types, family and "
		"status",
		reterr) ||
	    !type_begin(reading, name, &index, reterr))
		return false;
	at.type = &made->types[index];
	at.kinds = kinds_row(made, index);
	at.properties = properties_row(made, index);
	at.required = required_row(made, index);
	return type_properties_read(reading, &at, reterr) &&
	       type_kinds_read(reading, &at, reterr) &&
	       type_required_read(reading, &at, reterr) &&
	       type_user_read(reading, &at, reterr) &&
	       entry_text(&at.entry, "family", &at.type->family, reterr) &&
	       entry_text(&at.entry, "status", &at.type->status, reterr);
}

/* ---- the text ---- */

/* A section, which must be an object; NULL if it is not there. */
static bool
section_find(const struct reading *reading, const char *name,
    json_t **ret_section, struct err *reterr)
{
	*ret_section = json_object_get(reading->made->root, name);
	return *ret_section == NULL || json_is_object(*ret_section) ||
	       err_set(reterr, ERR_CONFIG, "%s: %s should be an object, {...}",
		   reading->file, name);
}

static bool
sections_check(const struct reading *reading, struct err *reterr)
{
	static const char *const known[] = {
	    "about", "envelope", "user", "properties", "events"};
	const char *name;
	json_t *value;

	json_object_foreach(reading->made->root, name, value)
	{
		size_t i = 0;

		while (i < sizeof(known) / sizeof(known[0]) &&
		       strcmp(known[i], name) != 0)
			i++;
		if (i == sizeof(known) / sizeof(known[0]))
			return err_set(reterr, ERR_CONFIG,
			    "%s: unknown member \"%s\"; it may have "
			    "properties, events, user and about",
			    reading->file, name_shown(name));
	}
	return true;
}

static bool
root_read(struct reading *reading, struct err *reterr)
{
	json_t *users, *properties, *events, *value;
	const char *name;

	if (!sections_check(reading, reterr) ||
	    !section_find(reading, "user", &users, reterr) ||
	    !section_find(reading, "properties", &properties, reterr) ||
	    !section_find(reading, "events", &events, reterr) ||
	    !tables_alloc(reading, properties, events, reterr))
		return false;
	base_copy(reading);
	if (!users_read(reading, users, reterr))
		return false;
	json_object_foreach(properties, name, value)
	{
		if (!property_read(reading, name, value, reterr))
			return false;
	}
	if (!properties_index(reading, reterr))
		return false;
	json_object_foreach(events, name, value)
	{
		if (!type_read(reading, name, value, reterr))
			return false;
	}
	return types_index(reading, reterr);
}

/* The message quotes nothing of the text: it may be the wrong file. */
static bool
json_read(
    struct str text, const char *file, json_t **ret_root, struct err *reterr)
{
	json_error_t error = {.text = ""};
	json_t *root = json_loadb(text.len > 0 ? text.data : "", text.len,
	    JSON_REJECT_DUPLICATES, &error);
	const char *near = strstr(error.text, " near ");

	if (json_is_object(root)) {
		*ret_root = root;
		return true;
	}
	if (root != NULL) {
		json_decref(root);
		return err_set(reterr, ERR_CONFIG,
		    "%s: should be an object, {\"properties\": {...}, "
		    "\"events\": {...}}",
		    file);
	}
	if (json_error_code(&error) == json_error_out_of_memory)
		return err_set_nomem(reterr);
	return err_set(reterr, ERR_CONFIG, "%s, line %d: not JSON: %.*s", file,
	    error.line,
	    (int)(near != NULL ? (size_t)(near - error.text)
			       : strlen(error.text)),
	    error.text);
}

bool
catalogue_read(struct str text, const char *name, const struct catalogue *base,
    struct buf *warnings, struct catalogue **ret_catalogue, struct err *reterr)
{
	struct made *made = calloc(1, sizeof(*made));
	struct reading reading = {
	    .file = name,
	    .base = base,
	    .made = made,
	    .warnings = warnings,
	};

	if (made == NULL)
		return err_set_nomem(reterr);
	if (json_read(text, name, &made->root, reterr) &&
	    root_read(&reading, reterr)) {
		*ret_catalogue = &made->catalogue;
		return true;
	}
	catalogue_free(&made->catalogue);
	return false;
}
