/*
 * Reads the settings: defaults, then the file, then the environment, and notes
 * where each value comes from.
 *
 * libconfuse parses the file. Every value comes out of it as text, so that file
 * and environment share one reader. libconfuse forgives three mistakes:
 *   - an unset ${NAME} becomes an empty text, so every empty value is an error;
 *   - a ${ without its } stays as it is, and is refused;
 *   - a section that is not closed ends with the file, so a last line that we
 *     add must be read as a setting of the top.
 *
 * An unknown variable CURRENTSD_* is an error, because a misspelt one would
 * silently leave a default in place.
 */

#include "base/digest.h"
#include "daemon/settings_table.h"

#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "CURRENTSD_"

enum {
	WARNINGS_MAX = 64 * 1024,
	FILE_MAX = 1024 * 1024,
	REPLACED_MAX = 4 * FILE_MAX, /* once ${NAME} is replaced */
	OPTIONS_MAX = 96,	     /* rows of a section, and sections */
};

#define FILE_END       "__end__"
#define FILE_LAST_LINE "\n" FILE_END " = 1\n"

static const struct outlet *const destination_outlets[] = {
    [SETTINGS_TRACK] = &track_outlet,
    [SETTINGS_ATTRIBUTES] = &attributes_outlet,
    [SETTINGS_COHORTS] = &cohorts_outlet,
};

/* libconfuse's callback for errors has no argument. Set only while a file is
 * parsed, which one thread does at a time. */
static struct err *file_error;
static const char *file_path;

static void
file_fault(cfg_t *cfg, const char *format, va_list args) PRINTF_LIKE(2, 0);

/* Repeat nothing of the text unless it looks like a setting: it may be a
 * token in the wrong place. */
static void
file_fault(cfg_t *cfg, const char *format, va_list args)
{
	int line = cfg != NULL ? cfg->line : 0;
	const char *what = format, *help = "", *end_help = "";
	char text[200], nearest[SETTING_NAME];

	if (file_error == NULL || file_error->code != ERR_NONE)
		return;
	(void)vsnprintf(text, sizeof(text), format, args);
	nearest[0] = '\0';
	if (strncmp(format, "no such option", 14) == 0) {
		char *word = strchr(text, '\'');
		char *end = word != NULL ? strrchr(text, '\'') : NULL;

		what = "not a setting of this section";
		if (word != NULL && end > word) {
			*end = '\0';
			if (strcmp(word + 1, FILE_END) == 0 ||
			    strcmp(word + 1, "source") == 0) {
				what = "a section is not closed: a } is "
				       "missing";
			} else if (setting_nearest(word + 1, false, nearest)) {
				help = "; did you mean ";
				end_help = "?";
			}
		}
	} else if (strncmp(format, "found duplicate", 15) == 0 ||
		   strncmp(format, "missing", 7) == 0) {
		what = text;
	} else if (strncmp(format, "premature end", 13) == 0) {
		what = "premature end of file: a \" or a } is missing";
	} else if (strchr(format, '%') != NULL) {
		what = "not understood: write key = value, with quotes around "
		       "a value that contains spaces or any of {}(),=+#";
	}
	(void)err_set(file_error, ERR_CONFIG,
	    "%s, line %d: %s%s%s%s (see `currentsd help settings`)", file_path,
	    line, what, help, nearest, end_help);
}

/* ---- what was read ---- */

static bool
row_take(cfg_t *cfg, const struct setting *row, struct settings *settings,
    void *base, struct err *reterr)
{
	unsigned count = cfg_size(cfg, row->key);
	const char **items;
	bool ok = true;

	if (count == 0)
		return true;
	items = calloc(count, sizeof(*items));
	if (items == NULL)
		return err_set_nomem(reterr);
	for (unsigned i = 0; ok && i < count; i++) {
		const char *open;

		/* In single quotes ${NAME} is literal. */
		items[i] = cfg_getnstr(cfg, row->key, i);
		open = strstr(items[i], "${");
		ok = open == NULL || strchr(open, '}') != NULL ||
		     err_set(reterr, ERR_CONFIG, "has ${ without a closing }");
	}
	if (ok && setting_is_list(row))
		ok = setting_read_items(
		    row, settings, items, count, base, reterr);
	else if (ok)
		ok = setting_read(row, settings, items[0], base, reterr);
	free(items);
	return ok;
}

/* The line of a value. */
static int
row_line(cfg_t *cfg, const char *key)
{
	const char *text = cfg_opt_getcomment(cfg_getopt(cfg, key));

	return text != NULL ? (int)strtol(text, NULL, 10) : 0;
}

/* `where` names the section in messages. */
static bool
section_take(cfg_t *cfg, enum setting_section_name name,
    struct settings *settings, void *base, const char *where,
    const struct setting_origin **origins, struct err *reterr)
{
	const struct setting_section *section = &setting_sections[name];
	const struct setting *row;
	struct err err;
	size_t kind;

	/* A kind, where there are some, is read by the first row. */
	for (size_t i = 0; (row = setting_row(section,
				setting_kind_of(name, base), i)) != NULL;
	     i++) {
		if (!row_take(cfg, row, settings, base, &err))
			return err_set(reterr, err.code, "%s, line %d: %s%s %s",
			    file_path, row_line(cfg, row->key), where, row->key,
			    err.text);
		if (cfg_size(cfg, row->key) > 0 &&
		    !setting_origin_add(settings, origins, row->key,
			settings->config, row_line(cfg, row->key), NULL,
			reterr))
			return false;
	}
	kind = setting_kind_of(name, base);
	for (size_t k = 0; k < section->kind_count; k++) {
		for (row = section->kinds[k].rows; row->key != NULL; row++) {
			if (cfg_size(cfg, row->key) > 0 &&
			    setting_find(section, kind, row->key) == NULL)
				return err_set(reterr, ERR_CONFIG,
				    "%s, line %d: %s%s is not a setting of the "
				    "kind %s",
				    file_path, row_line(cfg, row->key), where,
				    row->key, section->kinds[kind].name);
		}
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
		(void)snprintf(where, sizeof(where),
		    "source \"%s\": ", source->server.name);
		if (!section_take(section, SETTING_SOURCE, settings, source,
			where, &source->origins, reterr))
			return false;
	}
	for (unsigned i = 0; i < cfg_size(cfg, "destination"); i++) {
		section = cfg_getnsec(cfg, "destination", i);
		if (!settings_destination_add(
			settings, cfg_title(section), &destination, reterr))
			return false;
		(void)snprintf(where, sizeof(where),
		    "destination \"%s\": ", destination->forwarder.name);
		if (!section_take(section, SETTING_DESTINATION, settings,
			destination, where, &destination->origins, reterr))
			return false;
	}
	return true;
}

/* ---- the file ---- */

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
		settings_unreadable(path, "the settings in", reterr);
		goto out;
	}
	text = malloc(FILE_MAX + sizeof(FILE_LAST_LINE));
	if (text == NULL) {
		(void)err_set_nomem(reterr);
		goto out;
	}
	len = fread(text, 1, FILE_MAX + 1, file);
	if (ferror(file) != 0 || len > FILE_MAX || memchr(text, '\0', len)) {
		(void)err_set(reterr, ERR_CONFIG,
		    "cannot read the settings in %s: it should be a text file "
		    "of less than 1 MiB",
		    path);
		goto out;
	}
	memcpy(text + len, FILE_LAST_LINE, sizeof(FILE_LAST_LINE));
	if ((strstr(text, "token") != NULL || strstr(text, "secret") != NULL ||
		strstr(text, "_key") != NULL) &&
	    (st.st_mode & S_IROTH) != 0)
		(void)buf_printf(&settings->warnings,
		    "every user of this machine can read %s: if it contains "
		    "tokens, secrets or keys, run chmod o-r %s\n",
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

/* libconfuse keeps no lines, so they stand in the comments of the options,
 * which it does not use. Of a list it is the first item's. */
static int
file_line_note(cfg_t *cfg, cfg_opt_t *option)
{
	char line[16];

	if (cfg_opt_size(option) > 1)
		return 0;
	(void)snprintf(line, sizeof(line), "%d", cfg->line);
	return cfg_opt_setcomment(option, line) == CFG_SUCCESS ? 0 : -1;
}

/* Append rows as libconfuse wants them: those of several kinds once. */
static size_t
options_add(const struct setting *rows, cfg_opt_t *options, size_t count)
{
	for (const struct setting *row = rows; row->key != NULL; row++) {
		cfg_opt_t text = CFG_STR(row->key, NULL, CFGF_NODEFAULT);
		cfg_opt_t list = CFG_STR_LIST(row->key, NULL, CFGF_NODEFAULT);
		size_t same = 0;

		while (
		    same < count && strcmp(options[same].name, row->key) != 0)
			same++;
		if (same < count)
			continue;
		CHECK(count + 4 < OPTIONS_MAX);
		options[count] = setting_is_list(row) ? list : text;
		options[count++].validcb = file_line_note;
	}
	options[count] = (cfg_opt_t)CFG_END();
	return count;
}

/* The rows of a section, of all kinds. */
static size_t
options_fill(enum setting_section_name name, cfg_opt_t *options)
{
	const struct setting_section *section = &setting_sections[name];
	size_t count = options_add(section->rows, options, 0);

	for (size_t k = 0; k < section->kind_count; k++)
		count = options_add(section->kinds[k].rows, options, count);
	return count;
}

static bool
file_parse(const char *path, const char *text, struct settings *settings,
    struct err *reterr)
{
	const cfg_flag_t flags = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES;
	cfg_opt_t top[OPTIONS_MAX], source[OPTIONS_MAX];
	cfg_opt_t destination[OPTIONS_MAX];
	struct err err = {0};
	size_t count;
	bool ok = false;
	cfg_t *cfg;

	(void)options_fill(SETTING_SOURCE, source);
	(void)options_fill(SETTING_DESTINATION, destination);
	count = options_fill(SETTING_MAIN, top);
	top[count++] = (cfg_opt_t)CFG_SEC("source", source, flags);
	top[count++] = (cfg_opt_t)CFG_SEC("destination", destination, flags);
	top[count++] = (cfg_opt_t)CFG_STR(FILE_END, NULL, CFGF_NODEFAULT);
	top[count] = (cfg_opt_t)CFG_END();

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
	else if (cfg_size(cfg, FILE_END) == 0)
		(void)err_set(reterr, ERR_CONFIG,
		    "%s: a comment is not closed: a */ is missing", path);
	else
		ok = section_take(cfg, SETTING_MAIN, settings, settings, "",
			 &settings->origins, reterr) &&
		     sections_take(cfg, settings, reterr);
	file_error = NULL;
	cfg_free(cfg);
	return ok;
}

/* Behind the comment that begins here; NULL: none does. Inside a word that is
 * not quoted, only # begins one. */
static const char *
comment_end(const char *text, const char *at)
{
	const char *end;

	if (*at != '#' &&
	    (*at != '/' ||
		(at > text && strchr(" \t\r\n{}()=,+\"'", at[-1]) == NULL)))
		return NULL;
	if (*at == '#' || at[1] == '/')
		return at + strcspn(at, "\n");
	end = at[1] == '*' ? strstr(at + 2, "*/") : NULL;
	return end == NULL ? NULL : end + 2;
}

enum { REFERENCE_MAX = 256 }; /* bytes of a name, including its NUL */

/* The value of the ${NAME} or ${NAME:-DEFAULT} that begins here, and how long
 * it is; NULL: it has none. */
static const char *
reference_value(const struct settings *settings, const char *at,
    char ret_name[REFERENCE_MAX], size_t *ret_len)
{
	size_t len = strcspn(at + 2, ":}"), all = strcspn(at, "}");
	const char *value;

	(void)snprintf(ret_name, REFERENCE_MAX, "%.*s", (int)len, at + 2);
	value =
	    len < REFERENCE_MAX ? settings_getenv(settings, ret_name) : NULL;
	*ret_len = value != NULL ? strlen(value) : 0;
	if (value != NULL || at[2 + len] != ':' || at[3 + len] != '-')
		return value;
	value = at + 4 + len;
	*ret_len = (size_t)(at + all - value);
	return value;
}

/* Inside double quotes. A newline would shift the lines behind it. */
static void
reference_write(const char *value, size_t len, struct buf *out)
{
	for (; len > 0; value++, len--) {
		if (strchr("\"\\$", *value) != NULL)
			(void)buf_char(out, '\\');
		if (*value == '\n')
			(void)buf_text(out, "\\n");
		else
			(void)buf_char(out, *value);
	}
}

/*
 * Replace each ${NAME}. libconfuse would take what is not set for empty, which
 * may be a part of a password, and would not know the file of variables when a
 * daemon reads it again. *ret_wrong is the first that is not set.
 */
static bool
references_replace(const char *path, const char *text,
    const struct settings *settings, struct buf *out, struct err *ret_wrong,
    struct err *reterr)
{
	char quote = '\0', name[REFERENCE_MAX];
	const char *end, *value;
	int line = 1;
	size_t len;

	for (const char *at = text; *at != '\0'; at = end) {
		bool replaced = false;

		end = quote == '\0' ? comment_end(text, at) : NULL;
		if (end == NULL && quote != '\'' && strncmp(at, "${", 2) == 0 &&
		    strchr(at, '}') != NULL) {
			end = strchr(at, '}') + 1;
			value = reference_value(settings, at, name, &len);
			if (value == NULL && ret_wrong->code == ERR_NONE)
				(void)err_set(ret_wrong, ERR_CONFIG,
				    "%s, line %d: the environment has no %s: "
				    "set it, or write ${%s:-} if it may be "
				    "empty",
				    path, line, name, name);
			(void)buf_text(out, quote == '\0' ? "\"" : "");
			reference_write(value, value != NULL ? len : 0, out);
			(void)buf_text(out, quote == '\0' ? "\"" : "");
			replaced = true;
		}
		if (end == NULL)
			end = at + (*at == '\\' && at[1] != '\0' ? 2 : 1);
		if (*at == quote)
			quote = '\0';
		else if (quote == '\0' && (*at == '"' || *at == '\''))
			quote = *at;
		if (!replaced)
			(void)buf_append(out, at, (size_t)(end - at));
		while (at < end)
			line += *at++ == '\n';
	}
	(void)buf_char(out, '\0');
	return buf_ok(out, reterr);
}

static bool
file_read(const char *path, struct settings *settings, struct err *reterr)
{
	struct err wrong = {.code = ERR_NONE};
	char *text = NULL;
	struct buf whole;
	bool ok;

	buf_init(&whole, REPLACED_MAX);
	ok = file_load(path, settings, &text, reterr) &&
	     references_replace(path, text, settings, &whole, &wrong, reterr) &&
	     file_parse(path, whole.data, settings, reterr);
	if (ok && wrong.code != ERR_NONE)
		ok = err_set(reterr, wrong.code, "%s", wrong.text);
	if (whole.data != NULL)
		explicit_bzero(whole.data, whole.len);
	buf_fini(&whole);
	free(text);
	return ok;
}

/* ---- the environment ---- */

/* What a variable means. */
struct variable {
	const struct setting *row;
	enum setting_section_name section;
	const struct setting_kind *kind; /* the first of those that have it */
};

static bool
variable_find(const char *name, struct variable *ret)
{
	const struct setting *row;
	char known[SETTING_NAME];

	for (int s = 0; s < SETTING_SECTIONS; s++) {
		const struct setting_section *section = &setting_sections[s];

		for (size_t k = 0; k < section->kind_count; k++) {
			for (size_t i = 0;
			     (row = setting_row(section, k, i)) != NULL; i++) {
				if (!setting_variable(
					row, &section->kinds[k], known) ||
				    strcmp(known, name) != 0)
					continue;
				*ret = (struct variable){row,
				    (enum setting_section_name)s,
				    &section->kinds[k]};
				return true;
			}
		}
	}
	return false;
}

/* Is it one of those that a variable may be for? */
static bool
variable_fits(const struct variable *variable, size_t kind)
{
	return strcmp(setting_sections[variable->section].kinds[kind].prefix,
		   variable->kind->prefix) == 0;
}

/* The struct that a variable sets: the only one of the kinds that have it. The
 * row becomes that of its kind. */
static bool
variable_base(struct variable *variable, const char *name,
    struct settings *settings, void **ret_base,
    const struct setting_origin ***ret_origins, struct err *reterr)
{
	const struct setting_section *section =
	    &setting_sections[variable->section];
	const char *what = "sources", *key = variable->row->key;
	size_t count = 0, kind = 0;

	switch (variable->section) {
	case SETTING_MAIN:
		*ret_base = settings;
		*ret_origins = &settings->origins;
		return true;
	case SETTING_SOURCE:
		for (size_t i = 0; i < settings->source_count; i++) {
			struct settings_source *source = &settings->sources[i];

			if (variable_fits(variable, source->kind)) {
				*ret_base = source;
				*ret_origins = &source->origins;
				kind = source->kind;
				count++;
			}
		}
		break;
	case SETTING_DESTINATION:
		what = "destinations";
		for (size_t i = 0; i < settings->destination_count; i++) {
			struct settings_destination *destination =
			    &settings->destinations[i];

			if (variable_fits(variable, destination->kind)) {
				*ret_base = destination;
				*ret_origins = &destination->origins;
				kind = destination->kind;
				count++;
			}
		}
		break;
	case SETTING_SECTIONS:
		NEVER("no section");
	}
	if (count != 1)
		return err_set(reterr, ERR_CONFIG,
		    "%s is set, but the file has %zu %s, so it is unclear "
		    "which one the variable is for: unset the variable, and "
		    "write %s in their sections",
		    name, count, what, key);
	variable->row = setting_find(section, kind, key);
	return variable->row != NULL ||
	       err_set(reterr, ERR_CONFIG,
		   "%s is not a setting of the kind %s: unset it, or set "
		   "another kind (kind in the file, or CURRENTSD_BRAZE_KIND)",
		   name, section->kinds[kind].name);
}

/* Say where the variable is set, if not in the environment itself. */
static bool
variable_fault(const struct settings *settings, const char *name,
    const struct err *err, struct err *reterr)
{
	const char *path = NULL;
	int line = settings_variable_line(settings, name, &path);

	if (line == 0)
		return err_set(reterr, err->code, "%s %s", name, err->text);
	return err_set(reterr, err->code, "%s, line %d: %s %s", path, line,
	    name, err->text);
}

static bool
variable_note(struct settings *settings, const struct setting_origin **origins,
    const char *key, const char *name, struct err *reterr)
{
	const char *path = NULL, *variable = settings_copy(settings, name);
	int line = settings_variable_line(settings, name, &path);

	return variable != NULL ? setting_origin_add(settings, origins, key,
				      path, line, variable, reterr)
				: err_set_nomem(reterr);
}

/* Read a variable, if it is of the top, or else note the half (see
 * sections_ensure()) that it is of; or, once there are sections (no
 * `ret_halves`), one of theirs. */
static bool
variable_read(struct settings *settings, const char *name, const char *text,
    bool *ret_halves, struct err *reterr)
{
	const struct setting_origin **origins = NULL;
	bool top = ret_halves != NULL;
	char nearest[SETTING_NAME];
	struct variable variable;
	void *base = NULL;
	struct err err;

	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 ||
	    strcmp(name, SETTINGS_CONFIG) == 0 ||
	    strcmp(name, SETTINGS_ENV_FILE) == 0)
		return true;
	if (!variable_find(name, &variable)) {
		bool near = setting_nearest(name, true, nearest);

		return err_set(reterr, ERR_CONFIG,
		    "unknown setting %s%s%s%s (`currentsd help settings` lists "
		    "all settings; the name of a variable of your own must not "
		    "begin with " PREFIX ")",
		    name, near ? "; did you mean " : ": remove it",
		    near ? nearest : "", near ? "?" : "");
	}
	if (*text == '\0') /* as good as unset */
		return true;
	if (top && variable.section != SETTING_MAIN)
		ret_halves[variable.kind->set] = true;
	if (top != (variable.section == SETTING_MAIN))
		return true;
	if (!variable_base(&variable, name, settings, &base, &origins, reterr))
		return false;
	if (!setting_read(variable.row, settings, text, base, &err))
		return variable_fault(settings, name, &err, reterr);
	return variable_note(
	    settings, origins, variable.row->key, name, reterr);
}

/* Read those of the environment, then those that only the file of variables
 * has, or that it may change. */
static bool
environment_read(char *const *environment, struct settings *settings,
    bool *ret_halves, struct err *reterr)
{
	for (; environment != NULL && *environment != NULL; environment++) {
		size_t len = strcspn(*environment, "=");
		char name[128];

		if ((*environment)[len] == '\0')
			continue;
		(void)snprintf(
		    name, sizeof(name), "%.*s", (int)len, *environment);
		if (settings_getenv(settings, name) == *environment + len + 1 &&
		    !variable_read(settings, name, *environment + len + 1,
			ret_halves, reterr))
			return false;
	}
	for (const struct settings_variable *v = settings->variables; v != NULL;
	     v = v->next) {
		if (settings_getenv(settings, v->name) == v->value &&
		    !variable_read(
			settings, v->name, v->value, ret_halves, reterr))
			return false;
	}
	return true;
}

/* What the sections of the file are of: [0] events, [1] changes of a set. */
struct halves {
	bool source[2], destination[2];
};

static struct halves
halves_find(const struct settings *settings)
{
	struct halves halves = {{false}, {false}};

	for (size_t i = 0; i < settings->source_count; i++)
		halves.source[setting_sections[SETTING_SOURCE]
				  .kinds[settings->sources[i].kind]
				  .set] = true;
	for (size_t i = 0; i < settings->destination_count; i++)
		halves.destination[setting_sections[SETTING_DESTINATION]
				       .kinds[settings->destinations[i].kind]
				       .set] = true;
	return halves;
}

/* Make what a half lacks, if the file does not use the name for another. */
static bool
half_ensure(struct settings *settings, const struct halves *found, bool set,
    struct err *reterr)
{
	const char *source_name = set ? "segments" : "main";
	const char *destination_name = set ? "braze" : "heap";
	struct settings_source *source;
	struct settings_destination *destination;

	if (!found->source[set]) {
		if (settings_source_find(settings, source_name) != NULL)
			return err_set(reterr, ERR_CONFIG,
			    "source \"%s\": the name is that of the source "
			    "that variables make: choose another",
			    source_name);
		if (!settings_source_add(
			settings, source_name, &source, reterr))
			return false;
		source->kind = set ? SETTINGS_SEGMENTS : SETTINGS_CURRENTS;
	}
	if (!found->destination[set]) {
		if (settings_destination_find(settings, destination_name) !=
		    NULL)
			return err_set(reterr, ERR_CONFIG,
			    "destination \"%s\": the name is that of the "
			    "destination that variables make: choose another",
			    destination_name);
		if (!settings_destination_add(
			settings, destination_name, &destination, reterr))
			return false;
		destination->kind = !set		? SETTINGS_TRACK
				    : settings->cohorts ? SETTINGS_COHORTS
							: SETTINGS_ATTRIBUTES;
	}
	return true;
}

/* Where no section is needed, none is written: of a half that variables or
 * sections are of, the rest is made. With neither it is that of events. The
 * kinds are known then, and so are their dialects. */
static bool
sections_ensure(
    struct settings *settings, const bool variables[2], struct err *reterr)
{
	struct halves found = halves_find(settings);
	bool wanted[2];

	for (int set = 0; set < 2; set++)
		wanted[set] = variables[set] || found.source[set] ||
			      found.destination[set];
	wanted[0] = wanted[0] || !wanted[1];
	for (int set = 0; set < 2; set++) {
		if (wanted[set] &&
		    !half_ensure(settings, &found, set == 1, reterr))
			return false;
	}
	for (size_t i = 0; i < settings->source_count; i++)
		settings->sources[i].server.intake =
		    settings->sources[i].kind == SETTINGS_SEGMENTS
			? &segments_intake
			: &currents_intake;
	for (size_t i = 0; i < settings->destination_count; i++)
		settings->destinations[i].forwarder.outlet =
		    destination_outlets[settings->destinations[i].kind];
	return true;
}

/* ---- the file of the catalogue ---- */

/* One byte more than it may have is read to find that it is too large. */
static bool
catalogue_load(const char *path, struct buf *ret_text, struct err *reterr)
{
	FILE *file = fopen(path, "re");
	char block[65536];
	bool ok = false;
	size_t len;

	while (file != NULL && ret_text->len <= FILE_MAX &&
	       (len = fread(block, 1, sizeof(block), file)) > 0 &&
	       buf_append(ret_text, block, len))
		;
	if (file == NULL || ferror(file) != 0)
		(void)err_set(reterr, ERR_CONFIG,
		    "cannot read the catalogue in %s: %s", path,
		    strerror(errno));
	else if (ret_text->len > FILE_MAX)
		(void)err_set(reterr, ERR_CONFIG,
		    "the catalogue in %s has more than 1 MiB: remove what "
		    "currentsd knows by itself (`currentsd schema`)",
		    path);
	else
		ok = buf_ok(ret_text, reterr);
	if (file != NULL)
		(void)fclose(file);
	return ok;
}

static bool
catalogue_file_read(struct settings *settings, struct err *reterr)
{
	const char *path = settings->catalogue;
	const struct catalogue *types = &catalogue_builtin;
	struct buf text;
	bool ok;

	buf_init(&text, FILE_MAX + 65536);
	ok = path == NULL || catalogue_load(path, &text, reterr);
	if (ok && path != NULL) {
		digest_sha256(text.data, text.len, settings->catalogue_digest);
		ok = catalogue_add(str_bytes(text.data, text.len), path,
		    &settings->warnings, &types, reterr);
	}
	buf_fini(&text);
	if (!ok)
		return false;
	settings->types = types;
	for (size_t i = 0; i < settings->source_count; i++)
		settings->sources[i].currents.catalogue = types;
	for (size_t i = 0; i < settings->destination_count; i++)
		settings->destinations[i].track.rules.catalogue = types;
	if (settings->first == NULL)
		catalogue_use(types);
	return true;
}

/* The file of settings: that one, or else that of the variable, or else the
 * default if there is one. */
static bool
config_read(struct settings *settings, const char *config, struct err *reterr)
{
	if (config == NULL)
		config = settings_getenv(settings, SETTINGS_CONFIG);
	if (config == NULL || *config == '\0') {
		config = SETTINGS_ETC_CONFIG;
		/* One that cannot be seen may be there. */
		if (access(config, F_OK) != 0 && errno != EACCES)
			return true;
	}
	settings->config = settings_copy(settings, config);
	return settings->config != NULL
		   ? file_read(settings->config, settings, reterr)
		   : err_set_nomem(reterr);
}

/* The state directory of the service manager, unless a setting names one.
 * systemd may name several, separated by colons. */
static bool
state_dir_read(struct settings *settings, struct err *reterr)
{
	const char *state = settings_getenv(settings, "STATE_DIRECTORY");
	char *dir;

	if (state == NULL || *state == '\0' ||
	    setting_origin_find(settings->origins, "state_dir") != NULL)
		return true;
	dir = settings_copy(settings, state);
	if (dir == NULL)
		return err_set_nomem(reterr);
	dir[strcspn(dir, ":")] = '\0';
	settings->queue.dir = dir;
	return variable_note(settings, &settings->origins, "state_dir",
	    "STATE_DIRECTORY", reterr);
}

bool
settings_read(
    const char *config, struct settings *ret_settings, struct err *reterr)
{
	return settings_read_again(NULL, config, ret_settings, reterr);
}

bool
settings_read_again(const struct settings *first, const char *config,
    struct settings *ret_settings, struct err *reterr)
{
	bool halves[2] = {false, false};
	struct settings settings;

	setting_defaults(SETTING_MAIN, &settings);
	settings.first = first;
	buf_init(&settings.warnings, WARNINGS_MAX);
	if (!settings_envfile_read(&settings, reterr) ||
	    !config_read(&settings, config, reterr) ||
	    !environment_read(environ, &settings, halves, reterr) ||
	    !sections_ensure(&settings, halves, reterr) ||
	    !environment_read(environ, &settings, NULL, reterr) ||
	    !state_dir_read(&settings, reterr) ||
	    !catalogue_file_read(&settings, reterr)) {
		(void)settings_unread_tell(&settings, reterr);
		settings_fini(&settings);
		return false;
	}
	*ret_settings = settings;
	return true;
}

bool
settings_keep(struct settings *settings, const struct settings *in_force,
    struct err *reterr)
{
	const struct setting_section *section = &setting_sections[SETTING_MAIN];
	const struct setting *row;

	for (row = section->rows; row->key != NULL; row++) {
		void *to = (char *)settings + row->at;
		const char **text = to;

		if (row->live)
			continue;
		memcpy(to, (const char *)in_force + row->at, row->size);
		if (row->type > SETTING_ADDRESS || *text == NULL)
			continue;
		*text = settings_copy(settings, *text);
		if (*text == NULL)
			return err_set_nomem(reterr);
	}
	return true;
}
