/*
 * currentsd dead edit: open a dead letter's event in the operator's editor, and
 * send the outcome in its place. The event is laid out for reading, and put
 * back on one line; its values keep their bytes. Whatever goes wrong, the
 * operator's text stays in its file, and the path is told.
 */

#include "cli/command.h"
#include "cli/value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	EDIT_TEXT_MAX = CALL_BODY_MAX,
	EDIT_PATH = 4096,
	EDIT_ANSWER = 80,
	EDIT_COMMAND = 8192,
};

struct edit {
	struct command_context *context;
	const char *id;
	struct buf before;    /* as the editor got it */
	struct buf text;      /* as the operator left it */
	struct buf body;      /* what is sent */
	char path[EDIT_PATH]; /* empty: there is no file */
};

/* ---- layout: only white space between the tokens changes ---- */

/* One string, with its quotes; to its end if it has none. */
static size_t
string_length(const char *data, size_t len)
{
	size_t at = 1;

	while (at < len && data[at] != '"')
		at += data[at] == '\\' ? 2 : 1;
	return at < len ? at + 1 : len;
}

/* Copy JSON without the white space between its tokens; `indent`: each member
 * and element on a line of its own. Text that is not JSON is copied, too. */
static void
layout(struct buf *out, const char *data, size_t len, bool indent)
{
	size_t depth = 0, step;

	for (size_t at = 0; at < len; at += step) {
		char c = data[at], next = '\0';

		step = c == '"' ? string_length(data + at, len - at) : 1;
		if (strchr(" \t\r\n", c) != NULL && c != '\0')
			continue;
		for (size_t i = at + step; i < len && next == '\0'; i++)
			next =
			    strchr(" \t\r\n", data[i]) != NULL ? '\0' : data[i];
		if ((c == '}' || c == ']') && depth > 0) {
			depth--;
			if (indent && out->len > 0 &&
			    strchr("{[", out->data[out->len - 1]) == NULL)
				(void)buf_printf(
				    out, "\n%*s", (int)depth * 2, "");
		}
		(void)buf_append(out, data + at, step);
		depth += c == '{' || c == '[';
		if (!indent)
			continue;
		if (c == ':')
			(void)buf_char(out, ' ');
		if (c == ',' ||
		    ((c == '{' || c == '[') && next != '}' && next != ']'))
			(void)buf_printf(out, "\n%*s", (int)depth * 2, "");
	}
	if (indent)
		(void)buf_char(out, '\n');
}

/* ---- the file ---- */

static bool
file_fail(struct edit *edit, struct err *reterr)
{
	return err_set(reterr, ERR_IO, "%s: %s", edit->path, strerror(errno));
}

static bool
file_make(struct edit *edit, struct err *reterr)
{
	const char *dir = getenv("TMPDIR");
	size_t len = edit->before.len;
	bool ok;
	int fd;

	if (dir == NULL || *dir == '\0')
		dir = "/tmp";
	if (snprintf(edit->path, sizeof(edit->path),
		"%s/currentsd-dead-%s-XXXXXX.json", dir,
		edit->id) >= (int)sizeof(edit->path)) {
		edit->path[0] = '\0';
		return err_set(reterr, ERR_INPUT, "TMPDIR is too long");
	}
	fd = mkostemps(edit->path, (int)strlen(".json"), O_CLOEXEC);
	if (fd < 0) {
		(void)file_fail(edit, reterr);
		edit->path[0] = '\0';
		return false;
	}
	ok = write(fd, edit->before.data, len) == (ssize_t)len;
	if (close(fd) != 0)
		ok = false;
	return ok || file_fail(edit, reterr);
}

static bool
file_read(struct edit *edit, struct err *reterr)
{
	FILE *file = fopen(edit->path, "rbe");
	char block[65536];
	size_t len;
	bool ok;

	if (file == NULL)
		return file_fail(edit, reterr);
	buf_reset(&edit->text);
	while ((len = fread(block, 1, sizeof(block), file)) > 0 &&
	       buf_append(&edit->text, block, len))
		;
	ok = ferror(file) == 0 || file_fail(edit, reterr);
	(void)fclose(file);
	return ok && buf_ok(&edit->text, reterr);
}

/* Run the editor, and read what it left. */
static bool
editor_run(struct edit *edit, struct err *reterr)
{
	const char *editor = getenv("VISUAL");
	char command[EDIT_COMMAND];
	int status;

	if (editor == NULL || *editor == '\0')
		editor = getenv("EDITOR");
	if (editor == NULL || *editor == '\0')
		editor = "vi";
	/* The editor may have arguments, so the shell splits it; the path is
	 * no shell's business. */
	if (setenv("CURRENTSD_EDIT_FILE", edit->path, 1) != 0 ||
	    snprintf(command, sizeof(command), "%s \"$CURRENTSD_EDIT_FILE\"",
		editor) >= (int)sizeof(command))
		return err_set(reterr, ERR_INPUT, "EDITOR is too long");
	screen_progress_end(edit->context->screen);
	status = system(command); /* NOLINT: the operator's own words */
	if (status == -1)
		return err_set(reterr, ERR_IO, "cannot run %s: %s", editor,
		    strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(reterr, ERR_IO,
		    "the editor (%s) failed: set EDITOR to another one",
		    editor);
	return file_read(edit, reterr);
}

/* ---- sending it ---- */

static bool
edit_send(struct edit *edit, struct err *reterr)
{
	json_t *answer;
	struct ask ask;

	buf_reset(&edit->body);
	layout(&edit->body, edit->text.data, edit->text.len, false);
	if (!buf_ok(&edit->body, reterr))
		return false;
	if (edit->body.len == 0)
		return err_set(reterr, ERR_INPUT,
		    "the file is empty; to be rid of the dead letter, use "
		    "`currentsd dead drop %s`",
		    edit->id);
	ask_init(&ask, "POST", "/dead/*/requeue");
	ask.name = str_text(edit->id);
	ask.body = str_bytes(edit->body.data, edit->body.len);
	if (!client_ask(
		edit->context->client, &ask, NULL, NULL, &answer, reterr))
		return false;
	json_decref(answer);
	return true;
}

/* Does the operator want to edit once more? Only a terminal can say so. */
static bool
edit_again(const struct edit *edit, const struct err *why)
{
	struct screen *screen = edit->context->screen;
	char answer[EDIT_ANSWER];
	struct err err;

	if (why->code != ERR_INPUT || isatty(STDIN_FILENO) != 1)
		return false;
	return screen_line(screen, why->text, &err) &&
	       screen_ask(screen, "Edit it again? [Y/n]", answer,
		   sizeof(answer), &err) &&
	       strchr("yY", answer[0]) != NULL;
}

/* *ret_changed: it was edited, and is queued. */
static bool
edit_all(struct edit *edit, bool *ret_changed, struct err *reterr)
{
	bool ok;

	if (!file_make(edit, reterr))
		return false;
	do {
		if (!editor_run(edit, reterr))
			return false;
		*ret_changed = edit->text.len != edit->before.len ||
			       memcmp(edit->text.data, edit->before.data,
				   edit->text.len) != 0;
		if (!*ret_changed)
			return true;
		ok = edit_send(edit, reterr);
	} while (!ok && edit_again(edit, reterr));
	return ok;
}

/* Get the event, laid out. */
static bool
edit_get(struct edit *edit, struct err *reterr)
{
	json_t *dead;
	struct ask ask;
	const json_t *event;

	ask_init(&ask, "GET", "/dead/*");
	ask.name = str_text(edit->id);
	if (!client_ask(edit->context->client, &ask, NULL, NULL, &dead, reterr))
		return false;
	event = value_at(dead, "event");
	if (event != NULL)
		layout(&edit->before, json_string_value(event),
		    json_string_length(event), true);
	json_decref(dead);
	if (event == NULL)
		return err_set(reterr, ERR_UNSUPPORTED,
		    "%s is a change of a segment, which has nothing to edit",
		    edit->id);
	return buf_ok(&edit->before, reterr);
}

int
command_dead_edit(struct command_context *context, struct buf *out)
{
	struct edit edit = {.context = context};
	struct err err = {.code = ERR_NONE}, kept;
	bool ok = false, changed = false;
	int code = EXIT_FINE;

	buf_init(&edit.before, 2 * EDIT_TEXT_MAX);
	buf_init(&edit.text, 2 * EDIT_TEXT_MAX);
	buf_init(&edit.body, EDIT_TEXT_MAX);
	edit.id = context->options->words[0];
	ok = edit_get(&edit, &err) && edit_all(&edit, &changed, &err);
	if (!ok && edit.path[0] != '\0') {
		(void)err_set(&kept, ERR_IO, "%s; your text is in %s", err.text,
		    edit.path);
		code = command_fail(out, &kept);
	} else if (!ok) {
		code = command_fail(out, &err);
	} else {
		(void)unlink(edit.path);
		(void)buf_printf(out,
		    changed ? "dead letter %s is queued as it was edited\n"
			    : "nothing was changed: dead letter %s stays\n",
		    edit.id);
		code = changed ? EXIT_FINE : EXIT_FOUND;
	}
	buf_fini(&edit.before);
	buf_fini(&edit.text);
	buf_fini(&edit.body);
	return code;
}
