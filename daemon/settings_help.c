/* Shows the table of settings. */

#include "daemon/settings_table.h"

#include <string.h>

static const char *
form_of(enum setting_type type)
{
	switch (type) {
	case SETTING_TEXT:
		return "TEXT";
	case SETTING_PATH:
		return "PATH";
	case SETTING_ADDRESS:
		return "ADDRESS:PORT";
	case SETTING_MODE:
		return "MODE";
	case SETTING_INTEGER:
		return "NUMBER";
	case SETTING_SIZE:
		return "SIZE";
	case SETTING_DURATION:
	case SETTING_SECONDS:
		return "DURATION";
	case SETTING_FLAG:
		return "yes|no";
	case SETTING_WORD:
		return NULL; /* its words */
	case SETTING_LIST:
	case SETTING_NETWORKS:
	case SETTING_LISTEN:
	case SETTING_WORDS:
	case SETTING_PAIRS:
		return "LIST";
	}
	return NULL;
}

/* The variables of a row, for kinds that lie side by side. */
static void
variables_write(const struct setting *row, const struct setting_kind *kinds,
    size_t count, struct buf *out)
{
	char variable[SETTING_NAME];

	for (size_t k = 0; k < count; k++) {
		if (!setting_variable(row, &kinds[k], variable) ||
		    (k > 0 &&
			strcmp(kinds[k].prefix, kinds[k - 1].prefix) == 0))
			continue;
		(void)buf_printf(
		    out, "%s%s", out->len > 0 ? ", " : "", variable);
	}
}

static void
rows_write(const struct setting *rows, const struct setting_kind *kinds,
    size_t count, const void *defaults, setting_shown_fn *fn, struct buf *out)
{
	struct setting_shown shown;

	buf_init(&shown.preset, 4096);
	buf_init(&shown.variables, 4096);
	for (shown.row = rows; shown.row->key != NULL; shown.row++) {
		shown.form = form_of(shown.row->type);
		if (shown.form == NULL)
			shown.form = shown.row->words;
		buf_reset(&shown.variables);
		variables_write(shown.row, kinds, count, &shown.variables);
		buf_reset(&shown.preset);
		setting_write(shown.row, defaults, &shown.preset);
		fn(&shown, out);
	}
	buf_fini(&shown.preset);
	buf_fini(&shown.variables);
}

void
settings_show(setting_head_fn *head, setting_shown_fn *fn, struct buf *out)
{
	for (int s = 0; s < SETTING_SECTIONS; s++) {
		const struct setting_section *section = &setting_sections[s];
		struct settings settings;
		struct settings_source source;
		struct settings_destination destination;
		void *const structs[SETTING_SECTIONS] = {
		    &settings, &source, &destination};

		setting_defaults((enum setting_section_name)s, structs[s]);
		head(section->head, out);
		rows_write(section->rows, section->kinds, section->kind_count,
		    structs[s], fn, out);
		for (size_t k = 0; k < section->kind_count; k++) {
			const struct setting_kind *kind = &section->kinds[k];

			if (kind->name == NULL)
				continue;
			head(kind->head, out);
			rows_write(kind->rows, kind, 1, structs[s], fn, out);
		}
	}
}

/* ---- for a terminal ---- */

static void
text_head(const char *head, struct buf *out)
{
	(void)buf_printf(out, "\n%s\n", head);
}

static void
text_row(const struct setting_shown *shown, struct buf *out)
{
	(void)buf_printf(out, "  %s = %s", shown->row->key, shown->form);
	if (shown->preset.len > 0)
		(void)buf_printf(out, "  [%.*s]", (int)shown->preset.len,
		    shown->preset.data);
	(void)buf_text(out, shown->row->live ? "  *\n" : "\n");
	if (shown->variables.len > 0)
		(void)buf_printf(out, "      %.*s\n", (int)shown->variables.len,
		    shown->variables.data);
	buf_wrap(out, shown->row->help, 6, 78);
}

void
settings_help_write(struct buf *out)
{
	(void)buf_text(out,
	    "A setting comes from the environment, or else from the file of "
	    "variables\n"
	    "($CURRENTSD_ENV_FILE or " SETTINGS_ETC_ENV "), or else from the "
	    "file\n"
	    "of settings (--config FILE, $CURRENTSD_CONFIG "
	    "or\n" SETTINGS_ETC_CONFIG
	    "), or else has the default in [brackets].\n"
	    "Below each key of the file is the name of its environment "
	    "variable. In the file,\n"
	    "${NAME} is replaced by that environment variable, which must be "
	    "set, and #\n"
	    "starts a comment.\n"
	    "SIZE: 64k, 16M, 2G. DURATION: 500ms, 30s, 5m, 2h, 7d. LIST: "
	    "{\"a\", \"b\"} in\n"
	    "the file, a,b in a variable.\n"
	    "`currentsd reload` puts in force what has a *, and all of "
	    "sources and\n"
	    "destinations; the rest needs a restart.\n");
	settings_show(text_head, text_row, out);
}
