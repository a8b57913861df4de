/*
 * Build-time generator: reads events.json and writes the constant
 * tables that catalogue_tables.h declares. It rejects a catalogue that
 * contradicts itself (a type with a property that is not described, an unknown
 * kind), so that a mistake there stops the build.
 */

#include "schema/currents/catalogue_tables.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	SEEDS_TRIED = 20000, /* for an index without collisions */
	SLOTS_PER_NAME = 8,
	USER_NAMES_MAX = 16,
};

static const struct {
	const char *name, *constant;
} kinds[] =
    {
	{"string", "CATALOGUE_STRING"},
	{"integer", "CATALOGUE_INTEGER"},
	{"number", "CATALOGUE_NUMBER"},
	{"boolean", "CATALOGUE_BOOLEAN"},
	{"object", "CATALOGUE_OBJECT"},
	{"array<string>", "CATALOGUE_STRINGS"},
	{"array<string|null>", "CATALOGUE_STRINGS_NULLS"},
},
  classes[] = {
      {"plain", "CATALOGUE_PLAIN"},
      {"content", "CATALOGUE_CONTENT"},
      {"contact", "CATALOGUE_CONTACT"},
      {"secret", "CATALOGUE_SECRET"},
};

static FILE *out;
static json_t *properties, *types, *user;

static _Noreturn void __attribute__((format(printf, 1, 2)))
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("catalogue_compile: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static const char *
kind_constant(const char *owner, const json_t *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (json_is_string(name) &&
		    strcmp(json_string_value(name), kinds[i].name) == 0)
			return kinds[i].constant;
	}
	die("%s: no such type", owner);
}

static const char *
class_constant(const char *owner, const json_t *name)
{
	if (name == NULL)
		return classes[0].constant;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (json_is_string(name) &&
		    strcmp(json_string_value(name), classes[i].name) == 0)
			return classes[i].constant;
	}
	die("%s: no such class", owner);
}

/* The index of a key in an object; the object's size if it is not there. */
static size_t
index_of(json_t *object, const char *wanted)
{
	const char *key;
	json_t *value;
	size_t at = 0;

	json_object_foreach(object, key, value)
	{
		if (strcmp(key, wanted) == 0)
			break;
		at++;
	}
	return at;
}

/* A C string; NULL if it is absent. */
static void
write_string(const json_t *string)
{
	if (string == NULL) {
		fputs("NULL", out);
		return;
	}
	if (!json_is_string(string))
		die("a string was expected");
	fputc('"', out);
	for (const char *c = json_string_value(string); *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			fputc('\\', out);
		fputc(*c, out);
	}
	fputc('"', out);
}

static void
write_key(const char *name)
{
	struct catalogue_key key = catalogue_key(str_text(name));

	fprintf(out, "STR(\"%s\"), {0x%llxu, 0x%llxu}, ", name,
	    (unsigned long long)key.head, (unsigned long long)key.tail);
}

/* Fill the slots by a seed; returns how often a slot was already taken. */
static size_t
fill_slots(json_t *names, uint64_t seed, unsigned bits, uint16_t *slots)
{
	size_t mask = ((size_t)1 << bits) - 1, taken = 0, slot;
	const char *key;
	struct str name;
	json_t *value;
	uint16_t at = 0;

	memset(slots, 0, sizeof(*slots) << bits);
	json_object_foreach(names, key, value)
	{
		name = str_text(key);
		slot =
		    catalogue_slot(catalogue_key(name), name.len, seed, bits);
		for (; slots[slot] != 0; slot = (slot + 1) & mask)
			taken++;
		slots[slot] = ++at;
	}
	return taken;
}

/*
 * An open hash table with few or no collisions, by the best of many seeds. The
 * seeds are a fixed sequence, so that a build is repeatable.
 */
static void
write_index(const char *what, json_t *names)
{
	size_t least = SIZE_MAX, taken, size = json_object_size(names);
	uint64_t seed = 0x9e3779b97f4a7c15u, best = seed;
	uint16_t *slots;
	unsigned bits = 4;

	while ((size_t)1 << bits < size * SLOTS_PER_NAME)
		bits++;
	slots = calloc((size_t)1 << bits, sizeof(*slots));
	if (slots == NULL)
		die("no memory");
	for (int i = 0; i < SEEDS_TRIED && least > 0; i++) {
		taken = fill_slots(names, seed, bits, slots);
		if (taken < least) {
			least = taken;
			best = seed;
		}
		seed = (seed * 6364136223846793005u + 1442695040888963407u) | 1;
	}
	(void)fill_slots(names, best, bits, slots);
	fprintf(out, "\nstatic const uint16_t %s_slots[] = {", what);
	for (size_t i = 0; i < (size_t)1 << bits; i++)
		fprintf(out, "%s%u,", i % 16 == 0 ? "\n\t" : " ", slots[i]);
	fprintf(out,
	    "\n};\n\nconst struct catalogue_index catalogue_%s_index = {\n"
	    "\t%s_slots, %u, 0x%llxu, %zu,\n};\n",
	    what, what, bits, (unsigned long long)best, size);
	free(slots);
}

static void
write_properties(void)
{
	const char *name;
	json_t *value, *seen, *item;
	size_t i;

	json_object_foreach(properties, name, value)
	{
		seen = json_object_get(value, "seen");
		if (seen == NULL)
			continue;
		fprintf(out, "\nstatic const char *const seen_%s[] = {", name);
		json_array_foreach(seen, i, item)
		{
			if (json_is_integer(item))
				fprintf(out, "\"%" JSON_INTEGER_FORMAT "\"",
				    json_integer_value(item));
			else
				write_string(item);
			fputs(", ", out);
		}
		fputs("NULL};\n", out);
	}
	fputs("\nconst struct catalogue_property catalogue_properties[] = {\n",
	    out);
	json_object_foreach(properties, name, value)
	{
		fputs("\t{", out);
		write_key(name);
		fprintf(out, "%s, %s, ",
		    kind_constant(name, json_object_get(value, "type")),
		    class_constant(name, json_object_get(value, "class")));
		if (json_object_get(value, "seen") != NULL)
			fprintf(out, "seen_%s},\n", name);
		else
			fputs("NULL},\n", out);
	}
	fputs("};\n", out);
}

/* An array of property indexes; C has no empty ones, so a zero ends it. */
static void
write_indexes(const char *prefix, size_t type, const char *name, json_t *list)
{
	json_t *item;
	size_t i, at;

	if (!json_is_array(list))
		die("%s: %s is not an array", name, prefix);
	fprintf(out, "\nstatic const uint16_t %s_%zu[] = {", prefix, type);
	json_array_foreach(list, i, item)
	{
		if (!json_is_string(item))
			die("%s: a name in %s is not a string", name, prefix);
		at = index_of(properties, json_string_value(item));
		if (at == json_object_size(properties))
			die("%s: property %s is not described", name,
			    json_string_value(item));
		fprintf(out, "%zu, ", at);
	}
	fputs("0};\n", out);
}

static bool
list_has(json_t *list, const char *wanted)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (strcmp(json_string_value(item), wanted) == 0)
			return true;
	}
	return false;
}

/* The kind of each property of the catalogue in this event type. */
static void
write_kinds(size_t type, const char *name, json_t *value)
{
	json_t *list = json_object_get(value, "properties"), *item, *own;
	json_t *own_kinds = json_object_get(value, "types");
	const char *property;

	fprintf(out, "\nstatic const uint8_t kinds_%zu[] = {", type);
	json_object_foreach(properties, property, item)
	{
		own = json_object_get(own_kinds, property);
		if (!list_has(list, property))
			fputs("CATALOGUE_NO_KIND,\n", out);
		else
			fprintf(out, "%s,\n",
			    kind_constant(name,
				own ? own : json_object_get(item, "type")));
	}
	fputs("};\n", out);
	json_object_foreach(own_kinds, property, item)
	{
		if (!list_has(list, property))
			die("%s: has a type for %s, which is not one of its "
			    "properties",
			    name, property);
	}
}

static unsigned
user_bits(const char *name, json_t *list)
{
	unsigned bits = 0;
	json_t *item;
	size_t i, at;

	if (!json_is_array(list))
		die("%s: user is not an array", name);
	json_array_foreach(list, i, item)
	{
		at = json_is_string(item)
			 ? index_of(user, json_string_value(item))
			 : json_object_size(user);
		if (at == json_object_size(user))
			die("%s: unknown member of user", name);
		bits |= 1u << at;
	}
	return bits;
}

static void
write_types(void)
{
	const char *name;
	json_t *value, *list, *needed, *item;
	size_t type = 0, i;

	json_object_foreach(types, name, value)
	{
		list = json_object_get(value, "properties");
		needed = json_object_get(value, "required");
		write_indexes("properties", type, name, list);
		write_indexes("required", type, name, needed);
		json_array_foreach(needed, i, item)
		{
			if (!list_has(list, json_string_value(item)))
				die("%s: requires a property that it does not "
				    "have",
				    name);
		}
		write_kinds(type++, name, value);
	}
	fputs("\nconst struct catalogue_type catalogue_types[] = {\n", out);
	type = 0;
	json_object_foreach(types, name, value)
	{
		list = json_object_get(value, "properties");
		needed = json_object_get(value, "required");
		fputs("\t{", out);
		write_key(name);
		write_string(json_object_get(value, "family"));
		fputs(", ", out);
		write_string(json_object_get(value, "status"));
		fprintf(out,
		    ", properties_%zu, %zu, required_%zu, %zu, kinds_%zu, "
		    "0x%x},\n",
		    type, json_array_size(list), type, json_array_size(needed),
		    type, user_bits(name, json_object_get(value, "user")));
		type++;
	}
	fputs("};\n", out);
}

static void
write_user(void)
{
	const char *name;
	json_t *value;

	fputs("\nconst char *const catalogue_user_names[] = {", out);
	json_object_foreach(user, name, value) fprintf(out, "\"%s\", ", name);
	fprintf(out, "NULL};\nconst size_t catalogue_user_names_count = %zu;\n",
	    json_object_size(user));
}

int
main(int argc, char **argv)
{
	json_error_t error;
	json_t *root;

	if (argc != 3)
		die("usage: catalogue_compile EVENTS.JSON TABLES.C");
	root = json_load_file(argv[1], JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
		die("%s:%d: %s", argv[1], error.line, error.text);
	properties = json_object_get(root, "properties");
	types = json_object_get(root, "events");
	user = json_object_get(root, "user");
	if (json_object_size(properties) == 0 || json_object_size(types) == 0 ||
	    json_object_size(user) == 0)
		die("%s: properties, events or user is missing", argv[1]);
	if (json_object_size(properties) > CATALOGUE_PROPERTIES_MAX ||
	    json_object_size(user) > USER_NAMES_MAX)
		die("%s: more than the tables hold", argv[1]);
	out = fopen(argv[2], "w");
	if (out == NULL)
		die("%s: cannot be written", argv[2]);
	fputs("/* Made from schema/currents/events.json: do not edit. */\n\n"
	      "#include \"schema/currents/catalogue_tables.h\"\n",
	    out);
	write_properties();
	write_index("property", properties);
	write_types();
	write_index("type", types);
	write_user();
	if (ferror(out) || fclose(out) != 0)
		die("%s: cannot be written", argv[2]);
	json_decref(root);
	return 0;
}
