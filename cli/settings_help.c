/*
 * Shows the table of settings to people: for the terminal and for the manual
 * page, which a test compares with it.
 */

#include "cli/settings.h"

#include <string.h>

static const char *const section_heads[] = {
    [SETTINGS_MAIN] = "The daemon (at the top of the file)",
    [SETTINGS_SOURCE] = "A source: source \"NAME\" { ... }; the variables "
			"mean the only one",
    [SETTINGS_DESTINATION] = "A destination: destination \"NAME\" { ... }; "
			     "the variables mean the only one",
};

static const char *
form_of(enum settings_type type)
{
	switch (type) {
	case SETTINGS_TEXT:
		return "TEXT";
	case SETTINGS_PATH:
		return "PATH";
	case SETTINGS_ADDRESS:
		return "ADDRESS:PORT";
	case SETTINGS_INTEGER:
		return "NUMBER";
	case SETTINGS_SIZE:
		return "SIZE";
	case SETTINGS_DURATION:
		return "DURATION";
	case SETTINGS_FLAG:
		return "yes|no";
	case SETTINGS_WORD:
		return NULL; /* its words */
	case SETTINGS_LIST:
		return "LIST";
	}
	return NULL;
}

/* Indented by six, in lines of at most 78. */
static void
text_wrap(struct buf *out, const char *text)
{
	enum { INDENT = 6, WIDTH = 78 };
	size_t column = 0, len;

	for (; *text != '\0'; text += len + strspn(text + len, " ")) {
		len = strcspn(text, " ");
		if (column > 0 && column + 1 + len > WIDTH) {
			(void)buf_char(out, '\n');
			column = 0;
		}
		(void)buf_printf(out, "%*s%.*s", column == 0 ? INDENT : 1, "",
		    (int)len, text);
		column += (column == 0 ? INDENT : 1) + len;
	}
	(void)buf_char(out, '\n');
}

static void
row_write(const struct setting *setting, struct buf *out)
{
	const char *form = form_of(setting->type);

	(void)buf_printf(out, "  %s = %s", setting->key,
	    form != NULL ? form : setting->words);
	if (setting->preset != NULL)
		(void)buf_printf(out, "  [%s]", setting->preset);
	(void)buf_char(out, '\n');
	if (setting->variable != NULL)
		(void)buf_printf(out, "      %s\n", setting->variable);
	text_wrap(out, setting->help);
}

void
settings_help_write(struct buf *out)
{
	int section = -1;

	(void)buf_text(out,
	    "Settings come from the environment, else from the file (--config "
	    "FILE or\n$CURRENTSD_CONFIG), else they have the default in "
	    "[brackets]. Under each key\nof the file is its variable. In the "
	    "file ${NAME} is replaced from the\nenvironment, and # begins a "
	    "comment. SIZE: 64k, 16M, 2G. DURATION: 500ms,\n30s, 5m, 2h, 7d. "
	    "LIST: {\"a\", \"b\"}; in a variable a,b.\n");
	for (const struct setting *s = settings_table; s->key != NULL; s++) {
		if ((int)s->section != section)
			(void)buf_printf(
			    out, "\n%s\n", section_heads[s->section]);
		section = (int)s->section;
		row_write(s, out);
	}
}

/* Text for roff: a hyphen is a hyphen, and no line begins with a control. */
void
settings_roff_text(struct buf *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		(void)buf_text(out, "\\&");
	for (; *text != '\0'; text++) {
		if (*text == '-' || *text == '\\')
			(void)buf_char(out, '\\');
		(void)buf_char(out, *text);
	}
}

static void
roff_row_write(const struct setting *setting, struct buf *out)
{
	const char *form = form_of(setting->type);

	(void)buf_printf(out, ".TP\n\\fB%s\\fR = ", setting->key);
	settings_roff_text(out, form != NULL ? form : setting->words);
	(void)buf_char(out, '\n');
	if (setting->variable != NULL)
		(void)buf_printf(out, "\\fB%s\\fR.\n", setting->variable);
	settings_roff_text(out, setting->help);
	(void)buf_char(out, '\n');
	if (setting->preset != NULL) {
		(void)buf_text(out, "Default: ");
		settings_roff_text(out, setting->preset);
		(void)buf_text(out, ".\n");
	}
}

void
settings_roff_write(struct buf *out)
{
	int section = -1;

	for (const struct setting *s = settings_table; s->key != NULL; s++) {
		if ((int)s->section != section) {
			(void)buf_text(out, ".SS ");
			settings_roff_text(out, section_heads[s->section]);
			(void)buf_char(out, '\n');
		}
		section = (int)s->section;
		roff_row_write(s, out);
	}
}
