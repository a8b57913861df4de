/*
 * Build-time generator: reads events.json, as catalogue_read.c does and checks
 * it, and writes the tables as C. A mistake in that file stops the build.
 */

#include "schema/currents/catalogue_tables.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 16 * 1024 * 1024 };

static FILE *out;

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

static void
load(const char *path, struct buf *ret_text)
{
	FILE *file = fopen(path, "rb");
	char block[65536];
	struct err err;
	size_t len;

	if (file == NULL)
		die("%s: cannot be read", path);
	while ((len = fread(block, 1, sizeof(block), file)) > 0)
		(void)buf_append(ret_text, block, len);
	if (ferror(file))
		die("%s: cannot be read", path);
	if (!buf_ok(ret_text, &err))
		die("%s: %s", path, err.text);
	(void)fclose(file);
}

/* A C string; NULL if it is absent. */
static void
write_string(const char *text)
{
	if (text == NULL) {
		fputs("NULL", out);
		return;
	}
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void
write_name(struct str name, struct catalogue_key key)
{
	fprintf(out, "STR(\"%s\"), {0x%llxu, 0x%llxu}, ", name.data,
	    (unsigned long long)key.head, (unsigned long long)key.tail);
}

static void
write_numbers(const uint16_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s%u,", i % 16 == 0 ? "\n\t" : " ", numbers[i]);
}

static void
write_slots(const char *what, const struct catalogue_index *index)
{
	fprintf(out, "\nstatic const uint16_t %s_slots[] = {", what);
	write_numbers(index->slots, (size_t)1 << index->bits);
	fputs("\n};\n", out);
}

static void
write_index(const char *what, const struct catalogue_index *index)
{
	fprintf(out, "\t{%s_slots, %u, 0x%llxu, %zu},\n", what, index->bits,
	    (unsigned long long)index->seed, index->count);
}

static void
write_properties(const struct catalogue *catalogue)
{
	size_t count = catalogue->property_index.count;

	for (size_t p = 0; p < count; p++) {
		const char *const *seen = catalogue->properties[p].seen;

		if (seen == NULL)
			continue;
		fprintf(out, "\nstatic const char *const seen_%zu[] = {", p);
		for (; *seen != NULL; seen++) {
			write_string(*seen);
			fputs(", ", out);
		}
		fputs("NULL};\n", out);
	}
	fputs(
	    "\nstatic const struct catalogue_property properties[] = {\n", out);
	for (size_t p = 0; p < count; p++) {
		const struct catalogue_property *property =
		    &catalogue->properties[p];

		fputs("\t{", out);
		write_name(property->name, property->key);
		fprintf(
		    out, "%d, %d, ", (int)property->kind, (int)property->class);
		if (property->seen != NULL)
			fprintf(out, "seen_%zu},\n", p);
		else
			fputs("NULL},\n", out);
	}
	fputs("};\n", out);
}

/* An array of property indexes; C has no empty ones, so a zero ends it. */
static void
write_list(const char *what, size_t type, const uint16_t *list, size_t count)
{
	fprintf(out, "\nstatic const uint16_t %s_%zu[] = {", what, type);
	write_numbers(list, count);
	fputs(" 0};\n", out);
}

static void
write_types(const struct catalogue *catalogue)
{
	size_t count = catalogue->type_index.count;

	for (size_t t = 0; t < count; t++) {
		const struct catalogue_type *type = &catalogue->types[t];

		write_list(
		    "properties", t, type->properties, type->property_count);
		write_list("required", t, type->required, type->required_count);
		fprintf(out, "\nstatic const uint8_t kinds_%zu[] = {", t);
		for (size_t p = 0; p < catalogue->property_index.count; p++)
			fprintf(out, "%s%u,", p % 16 == 0 ? "\n\t" : " ",
			    type->kinds[p]);
		fputs("\n};\n", out);
	}
	fputs("\nstatic const struct catalogue_type types[] = {\n", out);
	for (size_t t = 0; t < count; t++) {
		const struct catalogue_type *type = &catalogue->types[t];

		fputs("\t{", out);
		write_name(type->name, type->key);
		write_string(type->family);
		fputs(", ", out);
		write_string(type->status);
		fprintf(out,
		    ", properties_%zu, %zu, required_%zu, %zu, kinds_%zu, "
		    "0x%x, NULL},\n",
		    t, type->property_count, t, type->required_count, t,
		    type->user);
	}
	fputs("};\n", out);
}

static void
write_catalogue(const struct catalogue *catalogue)
{
	write_properties(catalogue);
	write_types(catalogue);
	write_slots("property", &catalogue->property_index);
	write_slots("type", &catalogue->type_index);
	fputs("\nstatic const char *const user_names[] = {", out);
	for (size_t i = 0; i < catalogue->user_count; i++)
		fprintf(out, "\"%s\", ", catalogue->user_names[i]);
	fputs("NULL};\n", out);
	fprintf(out,
	    "\nconst struct catalogue catalogue_builtin = {\n\tproperties, "
	    "types, user_names, %zu,\n",
	    catalogue->user_count);
	write_index("property", &catalogue->property_index);
	write_index("type", &catalogue->type_index);
	fputs("};\n", out);
}

int
main(int argc, char **argv)
{
	struct catalogue *catalogue;
	struct buf text;
	struct err err;

	if (argc != 3)
		die("usage: catalogue_compile EVENTS.JSON TABLES.C");
	buf_init(&text, FILE_MAX);
	load(argv[1], &text);
	if (!catalogue_read(str_bytes(text.data, text.len), argv[1], NULL, NULL,
		&catalogue, &err))
		die("%s", err.text);
	if (catalogue->property_index.count == 0 ||
	    catalogue->type_index.count == 0 || catalogue->user_count == 0)
		die("%s: properties, events or user is missing", argv[1]);
	out = fopen(argv[2], "w");
	if (out == NULL)
		die("%s: cannot be written", argv[2]);
	fputs("/* Made from schema/currents/events.json: do not edit. */\n\n"
	      "#include \"schema/currents/catalogue_tables.h\"\n"
	      "#include \"schema/currents/currents.h\"\n",
	    out);
	write_catalogue(catalogue);
	if (ferror(out) || fclose(out) != 0)
		die("%s: cannot be written", argv[2]);
	catalogue_free(catalogue);
	buf_fini(&text);
	return 0;
}
