/*
 * The settings as they were read, one by one: value, default, and where the
 * value comes from. Secrets are masked here, so that no caller can forget it.
 */

#include "base/digest.h"
#include "daemon/settings_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_VALUE_MAX = 1024 * 1024, ROWS_ITEMS_MAX = 4096 };

#define ROWS_MASK "********"

_Static_assert((int)SETTINGS_DIGEST == (int)DIGEST_SHA256,
    "the header has the size of a digest");

/* What the rows of one struct share. */
struct rows {
	const struct settings *settings;
	const struct setting_section *section;
	const void *base, *defaults;
	size_t kind;
	const struct setting_origin *origins;
	struct settings_row row; /* its section and its name */
	settings_row_fn *fn;
	void *arg;
	struct buf value, preset;
	struct buf list;    /* the value, cut into items */
	const char **items; /* ROWS_ITEMS_MAX */
};

/* Of "http://user:password@host" keep the host. */
static void
credentials_mask(struct buf *value)
{
	char *start, *at, *end = value->data + value->len;

	start =
	    value->len > 0 ? memmem(value->data, value->len, "://", 3) : NULL;
	at = start != NULL ? memrchr(start, '@', (size_t)(end - start)) : NULL;
	if (at == NULL || at == start + 3)
		return;
	start[3] = '*';
	memmove(start + 4, at, (size_t)(end - at));
	buf_truncate(value, value->len - (size_t)(at - (start + 4)));
}

/* A secret's own file, if the settings name one: KEY_file. */
static const char *
credential_find(const struct rows *rows, const char *key)
{
	const struct setting *file;
	char name[SETTING_NAME];

	(void)snprintf(name, sizeof(name), "%s_file", key);
	file = setting_find(rows->section, rows->kind, name);
	return file != NULL ? *(const char *const *)(const void
				      *)((const char *)rows->base + file->at)
			    : NULL;
}

static void
origin_fill(struct rows *rows, const struct setting *setting)
{
	const struct setting_origin *origin =
	    setting_origin_find(rows->origins, setting->key);
	struct settings_row *row = &rows->row;

	row->origin = SETTINGS_DEFAULT;
	row->path = NULL;
	row->line = 0;
	row->variable = NULL;
	if (origin != NULL) {
		row->origin = origin->variable != NULL ? SETTINGS_ENVIRONMENT
						       : SETTINGS_FILE;
		row->path = origin->path;
		row->line = origin->line;
		row->variable = origin->variable;
	} else if (setting->secret) {
		row->path = credential_find(rows, setting->key);
		if (row->path != NULL)
			row->origin = SETTINGS_CREDENTIAL;
	}
}

/* The items of the value, between the commas that setting_write() put there. */
static bool
items_fill(struct rows *rows, struct err *reterr)
{
	char *text, *item;
	size_t count = 0;

	buf_reset(&rows->list);
	(void)buf_append(&rows->list, rows->value.data, rows->value.len);
	if (!buf_ok(&rows->list, reterr))
		return false;
	text = rows->list.data;

	while ((item = strsep(&text, ",")) != NULL) {
		if (count + 1 == ROWS_ITEMS_MAX)
			return err_set(reterr, ERR_CONFIG,
			    "%s has more than %d items", rows->row.key,
			    ROWS_ITEMS_MAX - 1);
		rows->items[count++] = item;
	}
	rows->items[count] = NULL;
	rows->row.items = rows->items;
	return true;
}

/* The content of a file that the row names, unless other rows show it. */
static struct str
row_content(const struct rows *rows, const struct setting *setting)
{
	const struct settings *settings = rows->settings;
	const struct settings_destination *destination = rows->base;

	if (rows->base == settings && strcmp(setting->key, "catalogue") == 0)
		return str_bytes((const char *)settings->catalogue_digest,
		    sizeof(settings->catalogue_digest));
	if (strcmp(setting->key, "hash_key_file") == 0)
		return destination->track.rules.key;
	return str_bytes(NULL, 0);
}

static bool
row_show(struct rows *rows, const struct setting *setting, struct err *reterr)
{
	struct settings_row *row = &rows->row;
	struct str content;
	bool ok;

	row->key = setting->key;
	row->secret = setting->secret;
	row->restart = !setting_is_live(rows->section, setting);
	row->items = NULL;
	buf_reset(&rows->value);
	buf_reset(&rows->preset);
	setting_write(setting, rows->base, &rows->value);
	setting_write(setting, rows->defaults, &rows->preset);
	if (!buf_ok(&rows->value, reterr) || !buf_ok(&rows->preset, reterr))
		return false;
	origin_fill(rows, setting);
	content = row_content(rows, setting);
	digest_hmac_sha256(content.data, content.len, rows->value.data,
	    rows->value.len, row->digest);
	row->preset = str_bytes(rows->preset.data, rows->preset.len);
	row->changed = !str_equal(str_bytes(rows->value.data, rows->value.len),
			   row->preset) ||
		       row->origin == SETTINGS_CREDENTIAL;
	if (setting->secret && row->changed) {
		explicit_bzero(rows->value.data, rows->value.len);
		buf_reset(&rows->value);
		(void)buf_text(&rows->value, ROWS_MASK);
	}
	credentials_mask(&rows->value);
	(void)buf_char(&rows->value, '\0');
	ok = buf_ok(&rows->value, reterr);
	row->value = str_bytes(rows->value.data, rows->value.len - 1);
	if (ok && setting_is_list(setting) && row->value.len > 0)
		ok = items_fill(rows, reterr);
	if (ok)
		rows->fn(rows->arg, row);
	return ok;
}

static bool
struct_show(struct rows *rows, enum setting_section_name section,
    const void *base, const char *name, const struct setting_origin *origins,
    struct err *reterr)
{
	const struct setting *setting;
	bool ok = true;

	rows->section = &setting_sections[section];
	rows->kind = setting_kind_of(section, base);
	rows->base = base;
	rows->origins = origins;
	rows->row.section = rows->section->name;
	rows->row.name = name;
	for (size_t i = 0; ok && (setting = setting_row(
				      rows->section, rows->kind, i)) != NULL;
	     i++)
		ok = row_show(rows, setting, reterr);
	return ok;
}

bool
settings_rows(const struct settings *settings, settings_row_fn *fn, void *arg,
    struct err *reterr)
{
	struct rows rows = {.settings = settings, .fn = fn, .arg = arg};
	struct settings_destination destination;
	struct settings_source source;
	struct settings top;
	bool ok;

	buf_init(&rows.value, ROWS_VALUE_MAX);
	buf_init(&rows.preset, ROWS_VALUE_MAX);
	buf_init(&rows.list, ROWS_VALUE_MAX);
	rows.items = calloc(ROWS_ITEMS_MAX, sizeof(*rows.items));
	if (rows.items == NULL) {
		ok = err_set_nomem(reterr);
		goto out;
	}
	setting_defaults(SETTING_MAIN, &top);
	setting_defaults(SETTING_SOURCE, &source);
	setting_defaults(SETTING_DESTINATION, &destination);
	rows.defaults = &top;
	ok = struct_show(
	    &rows, SETTING_MAIN, settings, NULL, settings->origins, reterr);
	rows.defaults = &source;
	for (size_t i = 0; ok && i < settings->source_count; i++) {
		const struct settings_source *s = &settings->sources[i];

		ok = struct_show(&rows, SETTING_SOURCE, s, s->server.name,
		    s->origins, reterr);
	}
	rows.defaults = &destination;
	for (size_t i = 0; ok && i < settings->destination_count; i++) {
		const struct settings_destination *d =
		    &settings->destinations[i];

		ok = struct_show(&rows, SETTING_DESTINATION, d,
		    d->forwarder.name, d->origins, reterr);
	}
out:
	if (rows.value.data != NULL)
		explicit_bzero(rows.value.data, rows.value.len);
	buf_fini(&rows.value);
	buf_fini(&rows.preset);
	buf_fini(&rows.list);
	free(rows.items);
	return ok;
}

/* ---- in the syntax of the file ---- */

/* Does the file want quotes around it? */
static bool
value_is_plain(const char *text)
{
	return *text != '\0' &&
	       text[strcspn(text, " \t{}(),=+#\"'\\$/:*")] == '\0';
}

static void
word_write(const char *text, struct buf *out)
{
	if (value_is_plain(text)) {
		(void)buf_text(out, text);
		return;
	}
	(void)buf_char(out, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\' || *text == '$')
			(void)buf_char(out, '\\');
		(void)buf_char(out, *text);
	}
	(void)buf_char(out, '"');
}

/* The value is followed by a NUL. */
void
settings_row_write(const struct settings_row *row, struct buf *out)
{
	if (row->items == NULL || row->secret) {
		word_write(row->value.data, out);
		return;
	}
	(void)buf_char(out, '{');
	for (const char *const *item = row->items; *item != NULL; item++) {
		if (item != row->items)
			(void)buf_text(out, ", ");
		word_write(*item, out);
	}
	(void)buf_char(out, '}');
}
