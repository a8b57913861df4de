/*
 * currentsd config: the settings as the daemon would read them, and where each
 * comes from; config diff: what another file would change. The two sides are
 * read one after the other, because a catalogue that a file adds is that of the
 * whole program.
 */

#include "base/json.h"
#include "cli/command.h"
#include "daemon/settings_diff.h"

#include <string.h>

const struct option_row command_config_options[] = {
    {"--all", NULL, "Print the settings that have their default, too."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* ---- the settings in force, in the syntax of the file ---- */

struct config_text {
	struct buf *out;
	bool all;
	const char *section, *name; /* that the last row was of */
	bool open;		    /* its brace is */
};

static void
section_turn(struct config_text *text, const char *section, const char *name)
{
	if (text->section == section &&
	    (name == NULL || (text->name != NULL && !strcmp(text->name, name))))
		return;
	if (text->open)
		(void)buf_text(text->out, "}\n");
	text->open = section != NULL;
	if (text->open)
		(void)buf_printf(text->out, "\n%s \"%s\" {\n", section, name);
	text->section = section;
	text->name = name;
}

static void
origin_write(const struct settings_row *row, struct buf *out)
{
	switch (row->origin) {
	case SETTINGS_DEFAULT:
		(void)buf_text(out, "default");
		break;
	case SETTINGS_FILE:
		(void)buf_printf(out, "%s:%d", row->path, row->line);
		break;
	case SETTINGS_ENVIRONMENT:
		if (row->path != NULL)
			(void)buf_printf(out, "%s:%d", row->path, row->line);
		else
			(void)buf_printf(out, "environment, %s", row->variable);
		break;
	case SETTINGS_CREDENTIAL:
		(void)buf_printf(out, "credential file %s", row->path);
		break;
	}
}

/* One that has its default is commented out, as in deploy/currentsd.conf. */
static void
row_text(void *arg, const struct settings_row *row)
{
	struct config_text *text = arg;
	struct buf *out = text->out;
	size_t start;

	section_turn(text, row->section, row->name);
	if (row->origin == SETTINGS_DEFAULT && !text->all)
		return;
	(void)buf_text(out, row->section != NULL ? "    " : "");
	if (row->origin == SETTINGS_DEFAULT) {
		(void)buf_printf(out, "# %s", row->key);
		if (row->value.len > 0) {
			(void)buf_text(out, " = ");
			settings_row_write(row, out);
		} else {
			(void)buf_text(out, " is not set");
		}
		(void)buf_char(out, '\n');
		return;
	}
	start = out->len;
	(void)buf_printf(out, "%s = ", row->key);
	settings_row_write(row, out);
	while (out->len < start + 36 && buf_char(out, ' '))
		;
	(void)buf_text(out, "  # ");
	origin_write(row, out);
	if (!row->changed)
		(void)buf_text(out, "; this is the default");
	else if (row->preset.len > 0)
		(void)buf_printf(out, "; default %.*s", STR_ARGS(row->preset));
	(void)buf_char(out, '\n');
}

static void
file_write(
    const char *what, const char *path, const char *unread, struct buf *out)
{
	(void)buf_printf(out, "# %s: %s%s\n", what,
	    path != NULL     ? path
	    : unread != NULL ? unread
			     : "none",
	    path == NULL && unread != NULL
		? ", which this user may not read: values are missing below"
		: "");
}

static bool
config_text(const struct settings *settings, bool all, struct buf *out,
    struct err *reterr)
{
	struct config_text text = {.out = out, .all = all};

	file_write("settings", settings->config, NULL, out);
	file_write("variables", settings->env_file, settings->unread, out);
	if (!all)
		(void)buf_text(
		    out, "# Only what is set; --all shows the rest.\n");
	(void)buf_char(out, '\n');
	if (!settings_rows(settings, row_text, &text, reterr))
		return false;
	section_turn(&text, NULL, NULL);
	return true;
}

/* ---- as JSON ---- */

struct config_json {
	struct json *json;
	bool all;
};

static void
text_or_null(struct json *json, const char *name, const char *text)
{
	if (text != NULL)
		json_text(json, name, text);
	else
		json_null_value(json, name);
}

static void
str_or_null(struct json *json, const char *name, struct str text)
{
	if (text.len > 0)
		json_bytes(json, name, text.data, text.len);
	else
		json_null_value(json, name);
}

static void
row_json(void *arg, const struct settings_row *row)
{
	static const char *const origins[] = {
	    [SETTINGS_DEFAULT] = "default",
	    [SETTINGS_FILE] = "file",
	    [SETTINGS_ENVIRONMENT] = "environment",
	    [SETTINGS_CREDENTIAL] = "credential",
	};
	struct config_json *config = arg;
	struct json *json = config->json;

	if (row->origin == SETTINGS_DEFAULT && !config->all)
		return;
	json_object_open(json, NULL);
	text_or_null(json, "section", row->section);
	text_or_null(json, "name", row->name);
	json_text(json, "key", row->key);
	if (row->items != NULL && !row->secret) {
		json_array_open(json, "value");
		for (const char *const *item = row->items; *item != NULL;
		     item++)
			json_text(json, NULL, *item);
		json_array_close(json);
	} else {
		str_or_null(json, "value", row->value);
	}
	str_or_null(json, "default", row->preset);
	json_bool(json, "changed", row->changed);
	json_bool(json, "secret", row->secret);
	json_text(json, "origin", origins[row->origin]);
	text_or_null(json, "variable", row->variable);
	text_or_null(json, "file", row->path);
	if (row->line > 0)
		json_int(json, "line", row->line);
	else
		json_null_value(json, "line");
	json_object_close(json);
}

static bool
config_json(const struct settings *settings, bool all, struct buf *out,
    struct err *reterr)
{
	struct json json;
	struct config_json config = {&json, all};

	json_init(&json, out);
	json_object_open(&json, NULL);
	text_or_null(&json, "file", settings->config);
	text_or_null(&json, "variables_file", settings->env_file);
	text_or_null(&json, "unreadable_file", settings->unread);
	json_array_open(&json, "settings");
	if (!settings_rows(settings, row_json, &config, reterr))
		return false;
	json_array_close(&json);
	json_object_close(&json);
	(void)buf_char(out, '\n');
	return true;
}

int
command_config(struct command_context *context, struct buf *out)
{
	bool all = options_has(context->options, "--all");
	struct settings settings = {0};
	struct err err;
	bool ok;

	ok = settings_read(context->config, &settings, &err) &&
	     (options_has(context->options, "--json")
		     ? config_json(&settings, all, out, &err)
		     : config_text(&settings, all, out, &err));
	settings_fini(&settings);
	return ok ? EXIT_FINE : command_fail(out, &err);
}

/* ---- config diff ---- */

/* Read settings, and keep their rows. With `ret_wrong`: what keeps serve from
 * starting with them. */
static bool
kept_read(const char *config, struct settings_kept *ret_kept,
    struct buf *ret_wrong, struct err *reterr)
{
	struct settings settings = {0};
	struct err err;
	bool ok;

	ok = settings_read(config, &settings, reterr) &&
	     settings_kept_read(&settings, ret_kept, reterr);
	if (ok && ret_wrong != NULL && !settings_complete(&settings, &err))
		(void)buf_text(ret_wrong, err.text);
	settings_fini(&settings);
	return ok;
}

struct diff {
	struct buf *out;
	struct json *json; /* NULL: as text */
	size_t count, restarts;
};

static void
diff_row(void *arg, const struct settings_change *change)
{
	const char *old = change->old, *new = change->new;
	struct diff *diff = arg;

	diff->count++;
	diff->restarts += change->restart;
	if (diff->json == NULL) {
		(void)buf_printf(diff->out, "%s%s\n    %s -> %s%s\n",
		    change->name, change->restart ? " (needs a restart)" : "",
		    old == NULL	   ? "(not there)"
		    : *old != '\0' ? old
				   : "(not set)",
		    new == NULL	   ? "(not there)"
		    : *new != '\0' ? new
				   : "(not set)",
		    old != NULL && new != NULL &&
			    change->secret &&strcmp(old, new) == 0
			? " (another one)"
			: "");
		return;
	}
	json_object_open(diff->json, NULL);
	json_text(diff->json, "name", change->name);
	text_or_null(
	    diff->json, "old", old != NULL && *old != '\0' ? old : NULL);
	text_or_null(
	    diff->json, "new", new != NULL &&*new != '\0' ? new : NULL);
	json_bool(diff->json, "restart", change->restart);
	json_object_close(diff->json);
}

int
command_config_diff(struct command_context *context, struct buf *out)
{
	bool as_json = options_has(context->options, "--json");
	struct settings_kept old = {0}, new = {0};
	struct diff diff = {.out = out};
	int code = EXIT_FOUND;
	struct json json;
	struct buf wrong;
	struct err err;

	buf_init(&wrong, sizeof(err.text) + 1);
	if (!kept_read(context->config, &old, NULL, &err) ||
	    !kept_read(context->options->words[0], &new, &wrong, &err) ||
	    !buf_ok(&wrong, &err)) {
		code = command_fail(out, &err);
		goto out;
	}
	json_init(&json, out);
	if (as_json) {
		diff.json = &json;
		json_object_open(&json, NULL);
		json_array_open(&json, "changes");
	}
	settings_kept_diff(&old, &new, diff_row, &diff);
	if (as_json) {
		json_array_close(&json);
		str_or_null(&json, "error", str_bytes(wrong.data, wrong.len));
		json_object_close(&json);
		(void)buf_char(out, '\n');
	} else {
		(void)buf_text(out,
		    diff.count == 0 ? "No setting would change.\n"
		    : diff.restarts == diff.count
			? "\nAll of this needs a restart.\n"
			: "\n`currentsd reload` puts in force what needs no "
			  "restart.\n");
		if (wrong.len > 0)
			(void)buf_printf(out,
			    "With this file it would not start: %.*s\n",
			    (int)wrong.len, wrong.data);
	}
	if (diff.count == 0 && wrong.len == 0)
		code = EXIT_FINE;
out:
	settings_kept_fini(&old);
	settings_kept_fini(&new);
	buf_fini(&wrong);
	return code;
}
