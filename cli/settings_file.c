/*
 * Settings from a file, read by libconfuse. Every value comes out of it as
 * text, so that file and environment are read by one reader. libconfuse
 * leaves two mistakes unsaid, which settings_text.c finds: a ${NAME} without
 * a value, and a section without its end.
 */

#include "cli/settings.h"

#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	FILE_MAX = 1024 * 1024,
	OPTIONS_MAX = 96, /* rows of a section, and sections */
};

/* libconfuse's callback for errors has no argument. Set only while a file is
 * parsed, by the thread that starts the program. */
static struct err *file_error;
static const char *file_path;

static void
file_fault(cfg_t *cfg, const char *format, va_list args) PRINTF_LIKE(2, 0);

/* Of what was written nothing is repeated unless it looks like a setting: it
 * may be a token in the wrong place. */
static void
file_fault(cfg_t *cfg, const char *format, va_list args)
{
	const char *nearest = NULL, *what = format;
	int line = cfg != NULL ? cfg->line : 0;
	char text[200];

	if (file_error == NULL || file_error->code != ERR_NONE)
		return;
	(void)vsnprintf(text, sizeof(text), format, args);
	if (strncmp(format, "no such option", 14) == 0) {
		char *word = strchr(text, '\'');
		char *end = word != NULL ? strrchr(text, '\'') : NULL;

		what = "not a setting of this section";
		if (word != NULL && end > word) {
			*end = '\0';
			nearest = settings_nearest(word + 1, false);
		}
	} else if (strncmp(format, "found duplicate", 15) == 0 ||
		   strncmp(format, "missing", 7) == 0) {
		what = text;
	} else if (strncmp(format, "unexpected token", 16) == 0) {
		what = "not understood: a setting is written key = value, with "
		       "quotes around what has blanks or one of {}(),=+#";
	}
	(void)err_set(file_error, ERR_CONFIG,
	    "%s, line %d: %s%s%s (see `currentsd help settings`)", file_path,
	    line, what, nearest != NULL ? "; did you mean " : "",
	    nearest != NULL ? nearest : "");
}

/* The table's rows of a section as libconfuse wants them. */
static size_t
options_fill(enum settings_section section, cfg_opt_t *options)
{
	size_t count = 0;

	for (const struct setting *s = settings_table; s->key != NULL; s++) {
		cfg_opt_t text = CFG_STR(s->key, NULL, CFGF_NODEFAULT);
		cfg_opt_t list = CFG_STR_LIST(s->key, NULL, CFGF_NODEFAULT);

		if (s->section != section)
			continue;
		CHECK(count + 3 < OPTIONS_MAX);
		options[count++] = s->type == SETTINGS_LIST ? list : text;
	}
	return count;
}

static bool
setting_take(cfg_t *cfg, const struct setting *setting, const char *where,
    void *base, struct err *reterr)
{
	struct settings_list *list = (void *)((char *)base + setting->at);
	unsigned count = cfg_size(cfg, setting->key);
	struct err err;

	if (setting->type == SETTINGS_LIST) {
		if (count > 0)
			settings_list_clear(list);
		for (unsigned i = 0; i < count; i++) {
			if (!settings_list_add(list,
				cfg_getnstr(cfg, setting->key, i), reterr))
				return false;
		}
		return true;
	}
	if (count == 0 || settings_value_read(setting,
			      cfg_getstr(cfg, setting->key), base, &err))
		return true;
	return err_set(reterr, err.code, "%s: %s%s %s", file_path, where,
	    setting->key, err.text);
}

static bool
section_take(cfg_t *cfg, enum settings_section section, const char *where,
    void *base, struct err *reterr)
{
	for (const struct setting *s = settings_table; s->key != NULL; s++) {
		if (s->section == section &&
		    !setting_take(cfg, s, where, base, reterr))
			return false;
	}
	return true;
}

static bool
sections_take(cfg_t *cfg, struct settings *settings, struct err *reterr)
{
	struct settings_source *source;
	struct settings_destination *destination;
	char where[128];
	cfg_t *section;

	for (unsigned i = 0; i < cfg_size(cfg, "source"); i++) {
		section = cfg_getnsec(cfg, "source", i);
		if (!settings_source_add(
			settings, cfg_title(section), &source, reterr))
			return false;
		(void)snprintf(
		    where, sizeof(where), "source \"%s\": ", source->name);
		if (!section_take(
			section, SETTINGS_SOURCE, where, source, reterr))
			return false;
	}
	for (unsigned i = 0; i < cfg_size(cfg, "destination"); i++) {
		section = cfg_getnsec(cfg, "destination", i);
		if (!settings_destination_add(
			settings, cfg_title(section), &destination, reterr))
			return false;
		(void)snprintf(where, sizeof(where),
		    "destination \"%s\": ", destination->name);
		if (!section_take(section, SETTINGS_DESTINATION, where,
			destination, reterr))
			return false;
	}
	return true;
}

static bool
file_load(const char *path, struct settings *settings, char **ret_text,
    struct err *reterr)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	bool ok = false;
	struct stat st;
	size_t len;

	if (file == NULL || fstat(fileno(file), &st) != 0) {
		(void)err_set(reterr, ERR_CONFIG,
		    "cannot read the settings in %s: %s", path,
		    strerror(errno));
		goto out;
	}
	text = malloc(FILE_MAX + 1);
	if (text == NULL) {
		(void)err_set_nomem(reterr);
		goto out;
	}
	len = fread(text, 1, FILE_MAX + 1, file);
	if (ferror(file) != 0 || len > FILE_MAX || memchr(text, '\0', len)) {
		(void)err_set(reterr, ERR_CONFIG,
		    "cannot read the settings in %s: not a text file of less "
		    "than 1 MiB",
		    path);
		goto out;
	}
	text[len] = '\0';
	if (strstr(text, "token") != NULL && (st.st_mode & S_IROTH) != 0)
		(void)buf_printf(&settings->warnings,
		    "%s can be read by every user of this machine: if it holds "
		    "tokens, chmod o-r %s\n",
		    path, path);
	*ret_text = text;
	text = NULL;
	ok = true;
out:
	free(text);
	if (file != NULL)
		(void)fclose(file);
	return ok;
}

static bool
file_parse(const char *path, const char *text, struct settings *settings,
    struct err *reterr)
{
	cfg_opt_t top[OPTIONS_MAX], source[OPTIONS_MAX], target[OPTIONS_MAX];
	const cfg_opt_t end = CFG_END();
	struct err err = {0};
	size_t count;
	bool ok = false;
	cfg_t *cfg;

	source[options_fill(SETTINGS_SOURCE, source)] = end;
	target[options_fill(SETTINGS_DESTINATION, target)] = end;
	count = options_fill(SETTINGS_MAIN, top);
	top[count++] = (cfg_opt_t)CFG_SEC(
	    "source", source, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
	top[count++] = (cfg_opt_t)CFG_SEC("destination", target,
	    CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
	top[count] = end;

	cfg = cfg_init(top, CFGF_NONE);
	if (cfg == NULL)
		return err_set_nomem(reterr);
	file_path = path;
	file_error = &err;
	(void)cfg_set_error_function(cfg, file_fault);
	if (cfg_parse_buf(cfg, text) != CFG_SUCCESS)
		(void)err_set(reterr, ERR_CONFIG, "%s",
		    err.code != ERR_NONE ? err.text
					 : "the settings file is malformed");
	else
		ok = section_take(cfg, SETTINGS_MAIN, "", settings, reterr) &&
		     sections_take(cfg, settings, reterr);
	file_error = NULL;
	cfg_free(cfg);
	return ok;
}

bool
settings_file_read(
    const char *path, struct settings *settings, struct err *reterr)
{
	char *text = NULL;
	bool ok;

	ok = file_load(path, settings, &text, reterr) &&
	     settings_text_check(path, text, reterr) &&
	     file_parse(path, text, settings, reterr);
	free(text);
	return ok;
}
