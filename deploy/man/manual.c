/*
 * Build-time: completes a page of the manual. What a table of the program says
 * is not written twice: @commands@ and the like in a page are replaced by that
 * table, as roff. The calls of the admin interface are those of openapi.json.
 *
 *	manual OPENAPI PAGE.in PAGE
 */

#include "base/counters.h"
#include "cli/command.h"
#include "daemon/facts.h"
#include "daemon/settings_table.h"

#include <ctype.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PAGE_MAX = 4 * 1024 * 1024,
	TEXT_MAX = 4096,
	ENTRIES_MAX = 1024,
	ENTRY_SHARED = 3, /* owners, from which on it is described once */
};

static struct buf page;

static _Noreturn void __attribute__((format(printf, 1, 2)))
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("manual: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

/* ---- roff ---- */

static void
char_write(char c)
{
	if (c == '-')
		(void)buf_text(&page, "\\-");
	else if (c == '\\')
		(void)buf_text(&page, "\\e");
	else if (c == '"')
		(void)buf_text(&page, "\\(dq");
	else
		(void)buf_char(&page, c);
}

/* Each sentence begins a line, and what stands in backticks is bold. */
static void
text_write(const char *text)
{
	const char *begin = text;
	bool bold = false;
	char before = '\0';

	if (*text == '.' || *text == '\'')
		(void)buf_text(&page, "\\&");
	for (; *text != '\0'; before = *text++) {
		if (*text == '`') {
			bold = !bold;
			(void)buf_text(&page, bold ? "\\fB" : "\\fR");
		} else if (*text == ' ' && before == '.' &&
			   (isupper((unsigned char)text[1]) ||
			       isdigit((unsigned char)text[1]) ||
			       text[1] == '`')) {
			(void)buf_char(&page, '\n');
		} else {
			char_write(*text);
		}
	}
	if (bold)
		die("a backtick is not closed: %s", begin);
}

/* A line of text. */
static void
line_write(const char *text)
{
	text_write(text);
	(void)buf_char(&page, '\n');
}

static bool
joins(const char *at)
{
	return (*at == '-' || *at == '.' || *at == ':' || *at == '_') &&
	       isalnum((unsigned char)at[1]);
}

/* How a call is typed: words and options bold, and what is in capitals, because
 * it stands for something, slanted. */
static void
usage_write(const char *usage)
{
	for (size_t len; *usage != '\0'; usage += len) {
		len = strncmp(usage, "--", 2) == 0 ? 2 : 0;
		while (isalnum((unsigned char)usage[len]) ||
		       (len > 0 && joins(usage + len)))
			len++;
		if (len == 0) {
			char_write(usage[len++]);
			continue;
		}
		(void)buf_printf(
		    &page, "\\f%c", isupper((unsigned char)*usage) ? 'I' : 'B');
		for (size_t i = 0; i < len; i++)
			char_write(usage[i]);
		(void)buf_text(&page, "\\fR");
	}
}

/* A term, before the text that describes it. */
static void
term_write(const char *term)
{
	(void)buf_text(&page, ".TP\n");
	usage_write(term);
	(void)buf_char(&page, '\n');
}

static void
head_write(const char *head)
{
	(void)buf_text(&page, ".SS ");
	line_write(head);
}

/* ---- options of commands, parameters of calls ---- */

/* Several commands, or calls, own a similar one: what most of them mean by the
 * name is described once, and the rest where it is. */
struct entry {
	const char *name, *help;
	const char *value; /* NULL: it has none */
};

static struct entries {
	const char *apart; /* a name from its value */
	struct entry at[ENTRIES_MAX];
	size_t count;
} options = {.apart = " "}, parameters = {.apart = "="};

static void
entries_add(struct entries *entries, const char *name, const char *value,
    const char *help)
{
	if (entries->count == ENTRIES_MAX)
		die("too many options or parameters");
	entries->at[entries->count++] = (struct entry){name, help, value};
}

static bool
entry_same(const struct entry *one, const struct entry *other)
{
	return strcmp(one->name, other->name) == 0 &&
	       strcmp(one->help, other->help) == 0;
}

/* How many there are, in the first `end` of the entries. */
static size_t
entry_count(
    const struct entries *entries, const struct entry *entry, size_t end)
{
	size_t count = 0;

	for (size_t i = 0; i < end; i++)
		count += entry_same(&entries->at[i], entry);
	return count;
}

static bool
entry_shared(const struct entries *entries, const struct entry *entry)
{
	size_t count = entry_count(entries, entry, entries->count);

	for (size_t i = 0; i < entries->count; i++) {
		const struct entry *other = &entries->at[i];

		if (strcmp(other->name, entry->name) == 0 &&
		    !entry_same(other, entry) &&
		    entry_count(entries, other, entries->count) >= count)
			return false;
	}
	return count >= ENTRY_SHARED;
}

static void
entry_write(
    const char *name, const char *apart, const char *value, const char *help)
{
	char term[TEXT_MAX];

	(void)snprintf(term, sizeof(term), "%s%s%s", name,
	    value != NULL ? apart : "", value != NULL ? value : "");
	term_write(term);
	line_write(help);
}

static void
entries_write_shared(const struct entries *entries)
{
	for (size_t i = 0; i < entries->count; i++) {
		const struct entry *entry = &entries->at[i];

		if (entry_shared(entries, entry) &&
		    entry_count(entries, entry, i) == 0)
			entry_write(entry->name, entries->apart, entry->value,
			    entry->help);
	}
}

/* The others, of one owner: from `begin` up to `end`. */
static void
entries_write_own(const struct entries *entries, size_t begin, size_t end)
{
	(void)buf_text(&page, ".PD 0\n");
	for (size_t i = begin; i < end; i++) {
		const struct entry *entry = &entries->at[i];

		if (!entry_shared(entries, entry))
			entry_write(entry->name, entries->apart, entry->value,
			    entry->help);
	}
	(void)buf_text(&page, ".PD\n");
}

/* ---- commands ---- */

/* Of all commands, in their order. */
static void
options_gather(void)
{
	for (const struct command *c = commands_all; c->name != NULL; c++) {
		for (const struct option_row *row = c->options;
		     row != NULL && row->name != NULL; row++)
			entries_add(&options, row->name, row->value, row->help);
	}
}

static void
options_write(void)
{
	for (const struct option_row *row = options_common; row->name != NULL;
	     row++)
		entry_write(row->name, options.apart, row->value, row->help);
	entries_write_shared(&options);
}

static void
commands_write(void)
{
	size_t begin = 0, end = 0;

	for (const struct command *c = commands_all; c->name != NULL;
	     c++, begin = end) {
		while (
		    c->options != NULL && c->options[end - begin].name != NULL)
			end++;
		(void)buf_text(&page, ".PP\n");
		usage_write(c->name);
		(void)buf_char(&page, ' ');
		usage_write(c->arguments);
		(void)buf_text(&page, "\n.RS\n");
		text_write(c->help);
		(void)buf_text(&page, ".\n");
		if (c->text != NULL)
			line_write(c->text);
		entries_write_own(&options, begin, end);
		(void)buf_text(&page, ".RE\n");
	}
}

/* ---- settings ---- */

static void
setting_head_write(const char *head, struct buf *out)
{
	(void)out;
	head_write(head);
}

/* The limits of a number, in the form of a value. */
static void
setting_limits_write(const struct setting *setting, struct buf *out)
{
	struct setting row = *setting;

	if (row.type == SETTING_SECONDS)
		row.type = SETTING_DURATION;
	if (row.type != SETTING_INTEGER && row.type != SETTING_SIZE &&
	    row.type != SETTING_DURATION)
		return;
	row.at = 0;
	row.size = sizeof(row.least);
	(void)buf_text(out, " From ");
	setting_write(&row, &setting->least, out);
	(void)buf_text(out, " to ");
	setting_write(&row, &setting->most, out);
	(void)buf_char(out, '.');
}

static void
setting_row_write(const struct setting_shown *shown, struct buf *out)
{
	struct buf text;

	(void)out;
	(void)buf_printf(&page, ".TP\n\\fB%s\\fR = ", shown->row->key);
	usage_write(shown->form);
	(void)buf_char(&page, '\n');
	line_write(shown->row->help);
	(void)buf_text(&page, ".br\n");
	buf_init(&text, TEXT_MAX);
	if (shown->preset.len > 0)
		(void)buf_printf(&text, "Default: `%.*s`.",
		    (int)shown->preset.len, shown->preset.data);
	else
		(void)buf_text(&text, "No default.");
	setting_limits_write(shown->row, &text);
	if (shown->variables.len > 0)
		(void)buf_printf(&text, " Variable: `%.*s`.",
		    (int)shown->variables.len, shown->variables.data);
	if (shown->row->live)
		(void)buf_text(&text, " Put in force by a reload.");
	(void)buf_char(&text, '\0');
	if (!buf_ok(&text, NULL))
		die("%s: too long", shown->row->key);
	line_write(text.data);
	buf_fini(&text);
}

static void
settings_write(void)
{
	settings_show(setting_head_write, setting_row_write, &page);
}

/* ---- status and metrics ---- */

static void
status_write(void)
{
	for (const struct facts_table *t = facts_tables; t->title != NULL;
	     t++) {
		bool begun = false;

		for (const struct fact *fact = t->rows; !fact_ends(fact);
		     fact++) {
			if (fact->name == NULL || fact->help == NULL)
				continue;
			if (!begun)
				head_write(t->title);
			begun = true;
			term_write(fact->name);
			line_write(fact->help);
		}
	}
}

/* The name of a metric, with the labels of its table. */
static void
metric_write(const struct fact *rows, const struct fact *fact)
{
	char apart = '{';

	(void)buf_printf(
	    &page, ".TP\n\\fB%s%s\\fR", fact_metric_prefix(fact), fact->metric);
	for (; !fact_ends(rows); rows++) {
		if (rows->metric == NULL || rows->help != NULL)
			continue;
		(void)buf_printf(&page, "%c\\fI%s\\fR", apart, rows->metric);
		apart = ',';
	}
	(void)buf_text(&page, apart == ',' ? "}\n" : "\n");
	line_write(fact->help);
}

static void
counter_write(void *arg, const char *name, const char *help)
{
	(void)arg;
	term_write(name);
	line_write(help);
}

static void
metrics_write(void)
{
	for (const struct facts_table *t = facts_tables; t->title != NULL;
	     t++) {
		for (const struct fact *fact = t->rows; !fact_ends(fact);
		     fact++) {
			if (fact->metric != NULL && fact->help != NULL)
				metric_write(t->rows, fact);
		}
	}
	counters_each(counter_write, NULL);
}

/* ---- calls of the admin interface ---- */

static json_t *openapi;

/* A text that has to be there. */
static const char *
json_need(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (text == NULL)
		die("openapi: no %s where one should be", key);
	return text;
}

/* The schema itself, if this is a reference to it. */
static const json_t *
schema_at(const json_t *schema)
{
	static const char begin[] = "#/components/schemas/";
	const char *name = json_string_value(json_object_get(schema, "$ref"));

	if (name == NULL)
		return schema;
	if (strncmp(name, begin, strlen(begin)) != 0)
		die("openapi: %s is no schema", name);
	return json_object_get(
	    json_object_get(json_object_get(openapi, "components"), "schemas"),
	    name + strlen(begin));
}

/* The names of the members; of an object that consists of others, of each. */
static void
names_write(const json_t *schema, const char **apart)
{
	const json_t *whole = schema_at(schema), *part;
	json_t *members = json_object_get(whole, "properties"), *member;
	const char *name;
	size_t i;

	json_array_foreach(json_object_get(whole, "allOf"), i, part)
	    names_write(part, apart);
	json_object_foreach(members, name, member)
	{
		(void)buf_printf(&page, "%s\\fB%s\\fR", *apart, name);
		*apart = ", ";
	}
}

/* A line with them, if there are any. */
static void
members_write(const char *what, const json_t *schema)
{
	const char *apart = "";
	size_t begin = page.len, named;

	(void)buf_printf(&page, ".br\n%s: ", what);
	named = page.len;
	names_write(schema, &apart);
	if (page.len > named)
		(void)buf_text(&page, ".\n");
	else
		buf_truncate(&page, begin);
}

static void
answer_write(const json_t *operation)
{
	json_t *answer =
	    json_object_get(json_object_get(operation, "responses"), "200");
	void *content = json_object_iter(json_object_get(answer, "content"));
	const char *type = json_object_iter_key(content);
	const json_t *schema =
	    json_object_get(json_object_iter_value(content), "schema");
	json_t *members = json_object_get(schema_at(schema), "properties");

	if (type == NULL)
		die("openapi: an operation answers nothing");
	if (strcmp(type, "application/json") == 0) {
		members_write("Answer", schema);
	} else if (strcmp(type, "application/x-ndjson") == 0) {
		(void)buf_text(&page, ".br\nAnswers in lines.\n");
		members_write("Row", json_object_get(members, "row"));
		members_write("Summary", json_object_get(members, "summary"));
	} else {
		(void)buf_printf(&page, ".br\nAnswer: %s.\n", type);
	}
}

static const char *
right_of(const json_t *operation)
{
	json_t *security = json_object_get(operation, "security");
	const char *name =
	    json_object_iter_key(json_object_iter(json_array_get(security, 0)));

	return name == NULL ? "" : name;
}

/* "yes|no" or the type; the parameters own it. */
static const char *
parameter_value(const json_t *parameter)
{
	const json_t *schema = json_object_get(parameter, "schema");
	const json_t *words = json_object_get(schema, "enum"), *word;
	struct buf text;
	size_t i, len;

	if (json_array_size(words) == 0)
		return strcmp(json_need(schema, "type"), "integer") == 0
			   ? "NUMBER"
			   : "TEXT";
	buf_init(&text, TEXT_MAX);
	json_array_foreach(words, i, word)(void) buf_printf(
	    &text, "%s%s", i > 0 ? "|" : "", json_string_value(word));
	(void)buf_char(&text, '\0');
	if (!buf_ok(&text, NULL))
		die("openapi: too many words of a parameter");
	return buf_take(&text, &len);
}

/* The others are parts of the path. */
static bool
in_query(const json_t *parameter)
{
	return strcmp(json_need(parameter, "in"), "query") == 0;
}

/* Of all operations, in the order of the file. */
static void
parameters_gather(void)
{
	json_t *paths = json_object_get(openapi, "paths"), *methods, *operation,
	       *parameter;
	const char *path, *method;
	size_t i;

	json_object_foreach(paths, path, methods)
	{
		json_object_foreach(methods, method, operation)
		{
			json_array_foreach(
			    json_object_get(operation, "parameters"), i,
			    parameter)
			{
				if (in_query(parameter))
					entries_add(&parameters,
					    json_need(parameter, "name"),
					    parameter_value(parameter),
					    json_need(
						parameter, "description"));
			}
		}
	}
}

/* Its first parameter is at *at, which advances. */
static void
operation_write(
    const char *method, const char *path, const json_t *operation, size_t *at)
{
	const json_t *body = json_object_get(operation, "requestBody"),
		     *parameter;
	const char *right = right_of(operation);
	const size_t begin = *at;
	size_t i;

	(void)buf_text(&page, ".PP\n\\fB");
	for (; *method != '\0'; method++)
		(void)buf_char(&page, (char)toupper((unsigned char)*method));
	(void)buf_printf(&page, " %s\\fR", path);
	if (*right != '\0')
		(void)buf_printf(&page, "  (\\fI%s\\fR)", right);
	(void)buf_text(&page, "\n.RS\n");
	line_write(json_need(operation, "summary"));
	if (body != NULL) {
		(void)buf_text(&page, ".br\nBody: ");
		line_write(json_need(body, "description"));
	}
	json_array_foreach(
	    json_object_get(operation, "parameters"), i, parameter)
	{
		if (!in_query(parameter))
			continue;
		(void)buf_printf(&page, "%s\\fB%s\\fR",
		    *at == begin ? ".br\nParameters: " : ", ",
		    parameters.at[*at].name);
		++*at;
	}
	(void)buf_text(&page, *at > begin ? ".\n" : "");
	answer_write(operation);
	entries_write_own(&parameters, begin, *at);
	(void)buf_text(&page, ".RE\n");
}

static void
calls_write(void)
{
	json_t *paths = json_object_get(openapi, "paths"), *methods, *operation;
	const char *path, *method;
	size_t at = 0;

	json_object_foreach(paths, path, methods)
	{
		json_object_foreach(methods, method, operation)
		    operation_write(method, path, operation, &at);
	}
}

static void
parameters_write(void)
{
	entries_write_shared(&parameters);
}

/* ---- the page ---- */

static void
version_write(void)
{
	(void)buf_text(&page, CURRENTSD_VERSION);
}

static const struct {
	const char *name;
	void (*write)(void);
} parts[] = {
    {"version", version_write},
    {"commands", commands_write},
    {"options", options_write},
    {"settings", settings_write},
    {"calls", calls_write},
    {"parameters", parameters_write},
    {"status", status_write},
    {"metrics", metrics_write},
};

/* Behind the name of a part, which begins here and ends with @; NULL: none
 * does. */
static const char *
part_write(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz");

	if (len == 0 || name[len] != '@')
		return NULL;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strlen(parts[i].name) != len ||
		    memcmp(parts[i].name, name, len) != 0)
			continue;
		parts[i].write();
		name += len + 1;
		/* A part that consists of lines has ended its last one. */
		return name +
		       (*name == '\n' && page.data[page.len - 1] == '\n');
	}
	die("there is no part @%.*s@", (int)len, name);
}

static void
page_write(const char *text)
{
	for (const char *end; *text != '\0'; text = end) {
		end = *text == '@' ? part_write(text + 1) : NULL;
		if (end != NULL)
			continue;
		end = text + 1;
		(void)buf_char(&page, *text);
	}
}

static char *
file_read(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *text = calloc(1, PAGE_MAX + 1);
	bool whole;

	if (file == NULL || text == NULL)
		die("%s: cannot be read", path);
	whole = fread(text, 1, PAGE_MAX, file) < PAGE_MAX && !ferror(file);
	(void)fclose(file);
	if (!whole)
		die("%s: cannot be read, or is too large", path);
	return text;
}

int
main(int argc, char **argv)
{
	json_error_t error;
	char *text;
	FILE *file;

	if (argc != 4)
		die("usage: manual OPENAPI PAGE.in PAGE");
	openapi = json_load_file(argv[1], 0, &error);
	if (openapi == NULL)
		die("%s, line %d: %s", argv[1], error.line, error.text);
	options_gather();
	parameters_gather();
	text = file_read(argv[2]);
	buf_init(&page, PAGE_MAX);
	page_write(text);
	if (!buf_ok(&page, NULL))
		die("%s: the page is too large", argv[2]);
	file = fopen(argv[3], "wb");
	if (file == NULL || fwrite(page.data, 1, page.len, file) != page.len ||
	    fclose(file) != 0)
		die("%s: cannot be written", argv[3]);
	buf_fini(&page);
	free(text);
	json_decref(openapi);
	return 0;
}
