#include "cli/command.h"

#include "base/clock.h"
#include "base/log.h"
#include "cli/socket.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How many words the name has if argv begins with it, else 0. */
static size_t
name_match(const char *name, size_t argc, const char *const *argv)
{
	size_t words = 0, len;

	for (;; name += len + 1) {
		len = strcspn(name, " ");
		if (words == argc || strlen(argv[words]) != len ||
		    memcmp(argv[words], name, len) != 0)
			return 0;
		words++;
		if (name[len] == '\0')
			return words;
	}
}

const struct command *
command_find(size_t argc, const char *const *argv, size_t *ret_words)
{
	for (const struct command *c = command_table; c->name != NULL; c++) {
		size_t words = name_match(c->name, argc, argv);

		if (words > 0) {
			*ret_words = words;
			return c;
		}
	}
	return NULL;
}

/* Its line in a list of commands. */
static void
command_line_write(const struct command *command, struct buf *out)
{
	(void)buf_printf(out, "  %-20s %s\n", command->name, command->help);
}

void
command_list_write(struct buf *out)
{
	(void)buf_text(out,
	    "currentsd forwards Braze Currents events to Heap without losing "
	    "any.\n\nusage: currentsd COMMAND [OPTION...]\n\n");
	for (const struct command *c = command_table; c->name != NULL; c++)
		command_line_write(c, out);
	(void)buf_text(out,
	    "\n`currentsd COMMAND --help` tells more; `currentsd help "
	    "settings` lists all\nsettings.\n");
}

static void
command_help_write(const struct command *command, struct buf *out)
{
	(void)buf_printf(out, "usage: currentsd %s %s\n\n%s.\n", command->name,
	    command->arguments, command->help);
	if (command->text != NULL)
		(void)buf_printf(out, "\n%s\n", command->text);
	(void)buf_char(out, '\n');
	options_help_write(command->options, out);
	options_help_write(options_common, out);
	if (command->run == command_serve) {
		(void)buf_char(out, '\n');
		settings_help_write(out);
	}
}

void
command_roff_write(struct buf *out)
{
	(void)buf_text(out, ".SH COMMANDS\n");
	for (const struct command *c = command_table; c->name != NULL; c++) {
		(void)buf_printf(out, ".TP\n.B currentsd %s\n", c->name);
		settings_roff_text(out, c->arguments);
		(void)buf_text(out, *c->arguments != '\0' ? "\n.br\n" : "");
		settings_roff_text(out, c->help);
		(void)buf_text(out, ".\n");
		if (c->text == NULL)
			continue;
		settings_roff_text(out, c->text);
		(void)buf_char(out, '\n');
	}
	(void)buf_text(out, ".SH SETTINGS\n");
	settings_roff_write(out);
}

int
command_fail(struct buf *out, const struct err *err)
{
	buf_reset(out);
	(void)buf_printf(out, "currentsd: %s\n", err->text);
	if (err->code == ERR_CONFIG || err->code == ERR_BUSY)
		return EXIT_CONFIG;
	return err->code == ERR_INPUT ? EXIT_USAGE : EXIT_FAILED;
}

/* Only in the daemon: at the operator's own terminal it would be noise. The
 * name alone, since the arguments may be a person's id. */
static void
job_log(struct parts *parts, const char *verb, const char *name)
{
	if (atomic_load(&parts->server) != NULL)
		log_line(LOG_INFO, "command", "%s command=\"%s\"", verb, name);
}

/* One job at a time: a nested one would have to end first. */
static int
command_job(const struct command *command, struct command_context *context,
    struct buf *out)
{
	struct parts *parts = context->parts;
	struct err err;
	int code;

	if (parts->job != NULL) {
		(void)err_set(&err, ERR_STOPPING,
		    "`currentsd %s` is at work: try again when it has ended",
		    parts->job);
		return command_fail(out, &err);
	}
	parts->job = command->name;
	job_log(parts, "begin", command->name);
	code = command->run(context, out);
	job_log(parts, "end", command->name);
	parts->job = NULL;
	return code;
}

/* If the output did not fit, the command failed: half of it would deceive. */
static int
command_call(const struct command *command, struct command_context *context,
    struct buf *out)
{
	struct err err;
	int code;

	code = command->place == COMMAND_JOB
		   ? command_job(command, context, out)
		   : command->run(context, out);
	if (!buf_ok(out, &err))
		return command_fail(out, &err);
	return code;
}

/* Does argv begin with the former name of a command? Say what it is now. */
static bool
command_moved_write(struct buf *out, size_t argc, const char *const *argv)
{
	for (const struct command_moved *m = command_moved_table;
	     m->name != NULL; m++) {
		if (name_match(m->name, argc, argv) == 0)
			continue;
		(void)buf_printf(
		    out, "currentsd: \"%s\" is now %s\n", m->name, m->now);
		return true;
	}
	return false;
}

/* The words name no command. Show those that begin with the first of them,
 * which is an error unless --help asks for it. */
static int
command_usage(struct buf *out, size_t argc, const char *const *argv)
{
	const char *word = argc > 0 ? argv[0] : "";
	bool asked = argc > 1 && (strcmp(argv[1], "--help") == 0 ||
				     strcmp(argv[1], "-h") == 0);
	size_t len = strlen(word);
	bool begun = false;

	if (command_moved_write(out, argc, argv))
		return EXIT_USAGE;
	for (const struct command *c = command_table; c->name != NULL; c++) {
		if (strncmp(c->name, word, len) != 0 || c->name[len] != ' ')
			continue;
		if (!begun)
			(void)buf_text(
			    out, "usage: currentsd COMMAND [OPTION...]\n\n");
		begun = true;
		command_line_write(c, out);
	}
	if (!begun)
		(void)buf_printf(out,
		    "currentsd: no command \"%s\"; `currentsd help` lists the "
		    "commands\n",
		    word);
	return begun && asked ? EXIT_FINE : EXIT_USAGE;
}

/* Does the usage line have options only? A word that the command ignores may
 * have been meant as a filter. */
static bool
command_wordless(const struct command *command)
{
	unsigned depth = 0;

	for (const char *at = command->arguments; *at != '\0'; at++) {
		if (*at == '[' && depth++ == 0 && strncmp(at, "[--", 3) != 0 &&
		    strncmp(at, "[FILTER", 7) != 0)
			return false;
		if (*at == ']') {
			depth--;
		} else if (depth == 0 && strncmp(at, "--", 2) == 0) {
			at += strcspn(at, " ");
			at += strspn(at, " ");
			at += strcspn(at, " ") - 1; /* its value */
		} else if (depth == 0 && *at != ' ') {
			return false;
		}
	}
	return true;
}

int
command_run(struct parts *parts, const struct channel *channel, size_t argc,
    const char *const *argv, struct buf *out)
{
	struct command_context context = {.parts = parts, .channel = channel};
	const struct command *command;
	struct options options;
	struct err err;
	size_t words;

	command = command_find(argc, argv, &words);
	if (command == NULL)
		return command_usage(out, argc, argv);
	if (!options_read(command->name, command->options, argc - words,
		argv + words, &options, &err))
		return command_fail(out, &err);
	if (options_has(&options, "--help")) {
		command_help_write(command, out);
		return EXIT_FINE;
	}
	if (options.word_count > 0 && command_wordless(command)) {
		(void)err_set(&err, ERR_INPUT, "%s takes no words: %s",
		    command->name, options.words[0]);
		return command_fail(out, &err);
	}
	context.options = &options;
	context.config = options_value(&options, "--config");
	context.now_ms = clock_wall_ms();
	if (command->place != COMMAND_PLAIN && parts == NULL)
		return command_run_outside(command, &context, argc, argv, out);
	if (command->place == COMMAND_PLAIN && parts != NULL)
		return command_usage(out, 0, NULL);
	return command_call(command, &context, out);
}

/*
 * Opening the queue makes files, and files of root's would lock the daemon
 * out of its own queue. So root becomes the owner, and any other user is
 * refused. Only serve makes a queue, so that a wrong path makes none.
 */
static bool
owner_become(const char *dir, struct err *reterr)
{
	char path[4096];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/queue.db", dir) >=
	    (int)sizeof(path))
		return err_set(reterr, ERR_CONFIG,
		    "the path of the state "
		    "directory is too long");
	if (stat(path, &st) != 0)
		return err_set(reterr, ERR_CONFIG,
		    "there is no queue in %s (%s): is CURRENTSD_STATE_DIR the "
		    "directory that serve uses?",
		    dir, strerror(errno));
	if (st.st_uid == geteuid())
		return true;
	if (geteuid() != 0 || setgroups(0, NULL) != 0 ||
	    setgid(st.st_gid) != 0 || setuid(st.st_uid) != 0)
		return err_set(reterr, ERR_CONFIG,
		    "the queue in %s belongs to the user with id %u: run this "
		    "as that user, or as root",
		    dir, (unsigned)st.st_uid);
	return true;
}

static int
command_run_stopped(const struct command *command,
    const struct command_context *outside, const struct settings *settings,
    struct buf *out)
{
	struct command_context context = *outside;
	struct parts parts;
	struct err err;
	int code;

	parts_init(&parts, settings);
	context.parts = &parts;
	if (owner_become(settings->state_dir, &err) &&
	    parts_queue_open(&parts, true, &err))
		code = command_call(command, &context, out);
	else
		code = command_fail(out, &err);
	parts_fini(&parts);
	return code;
}

int
command_run_outside(const struct command *command,
    struct command_context *context, size_t argc, const char *const *argv,
    struct buf *out)
{
	struct settings settings;
	int code = EXIT_FAILED;
	struct err err;

	if (!settings_read(context->config, &settings, &err))
		return command_fail(out, &err);
	if (!settings_place(&settings, &err)) {
		settings_fini(&settings);
		return command_fail(out, &err);
	}
	switch (socket_ask(settings.state_dir, argc, argv, context->channel,
	    out, &code, &err)) {
	case SOCKET_ANSWERED:
		break;
	case SOCKET_NOBODY:
		code = command_run_stopped(command, context, &settings, out);
		break;
	case SOCKET_FAILED:
		code = command_fail(out, &err);
		break;
	}
	settings_fini(&settings);
	return code;
}

bool
command_flush(struct buf *out, struct err *reterr)
{
	if (!buf_ok(out, reterr))
		return false;
	if (out->len > 0 && fwrite(out->data, 1, out->len, stdout) != out->len)
		return err_set(reterr, ERR_IO, "cannot write the output: %s",
		    strerror(errno));
	buf_reset(out);
	return true;
}

bool
command_write(
    struct command_context *context, struct buf *out, struct err *reterr)
{
	if (!buf_ok(out, reterr))
		return false;
	if (out->len > 0 && !context->channel->write(context->channel->arg,
				out->data, out->len, reterr))
		return false;
	buf_reset(out);
	return true;
}

int
command_help(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	const struct command *command;
	size_t words;

	if (options->word_count == 0) {
		command_list_write(out);
		return EXIT_FINE;
	}
	if (strcmp(options->words[0], "settings") == 0) {
		settings_help_write(out);
		return EXIT_FINE;
	}
	if (strcmp(options->words[0], "roff") == 0) {
		command_roff_write(out);
		return EXIT_FINE;
	}
	command = command_find(options->word_count, options->words, &words);
	if (command == NULL)
		return command_usage(out, options->word_count, options->words);
	command_help_write(command, out);
	return EXIT_FINE;
}
