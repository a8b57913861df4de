#include "cli/help.h"

#include "base/json.h"
#include "daemon/facts.h"

#include <stdio.h>
#include <string.h>

enum { HELP_WIDTH = 79 };

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
help_find(const struct command *commands, size_t argc, const char *const *argv,
    size_t *ret_words)
{
	const struct command *found = NULL;
	size_t most = 0;

	for (const struct command *c = commands; c->name != NULL; c++) {
		size_t words = name_match(c->name, argc, argv);

		if (words > most) {
			*ret_words = most = words;
			found = c;
		}
	}
	return found;
}

static void
line_write(const struct command *command, struct buf *out)
{
	(void)buf_printf(out, "  %-20s %s\n", command->name, command->help);
}

void
help_list_write(const struct command *commands, struct buf *out)
{
	(void)buf_text(out,
	    "currentsd delivers Braze Currents events to Heap, and Heap's "
	    "segments to Braze,\nand loses none.\n\nusage: currentsd COMMAND "
	    "[OPTION...]\n\n");
	for (const struct command *c = commands; c->name != NULL; c++)
		line_write(c, out);
	(void)buf_text(out, "\n`currentsd COMMAND --help` explains a command; "
			    "`currentsd help settings` lists\nall settings.\n");
}

/* In lines that fit; what brackets hold stays together. */
static void
usage_write(const struct command *command, struct buf *out)
{
	enum { JOINED = '\x1f' };
	char head[64], arguments[512];
	size_t at = out->len;
	unsigned depth = 0;
	int len;

	len =
	    snprintf(head, sizeof(head), "usage: currentsd %s ", command->name);
	CHECK(len > 0 && len < (int)sizeof(head) &&
	      strlen(command->arguments) < sizeof(arguments));
	(void)strcpy(arguments, command->arguments);
	for (char *c = arguments; *c != '\0'; c++) {
		depth += *c == '[';
		depth -= *c == ']';
		if (depth > 0 && *c == ' ')
			*c = JOINED;
	}
	buf_wrap_beside(out, head, arguments, (size_t)len, HELP_WIDTH);
	for (; at < out->len; at++) {
		if (out->data[at] == JOINED)
			out->data[at] = ' ';
	}
}

void
help_command_write(const struct command *command, struct buf *out)
{
	if (*command->arguments != '\0')
		usage_write(command, out);
	else
		(void)buf_printf(out, "usage: currentsd %s\n", command->name);
	(void)buf_printf(out, "\n%s.\n\n", command->help);
	if (command->text != NULL) {
		buf_wrap(out, command->text, 0, HELP_WIDTH);
		(void)buf_char(out, '\n');
	}
	if (strstr(command->arguments, "FILTER") != NULL) {
		buf_wrap(out,
		    "A FILTER is any option below that selects events or "
		    "bodies, such as --since. If you give several, all of them "
		    "must match.",
		    0, HELP_WIDTH);
		(void)buf_char(out, '\n');
	}
	options_help_write(command->options, out);
	if (strcmp(command->name, "serve") == 0) {
		(void)buf_char(out, '\n');
		settings_help_write(out);
	}
}

/* The command that was meant, by its whole name or its first word; NULL: none
 * is close. */
static const char *
name_nearest(
    const struct command *commands, size_t argc, const char *const *argv)
{
	size_t best = STR_DISTANCE_MAX, distance, least;
	const char *nearest = NULL;
	char wanted[STR_DISTANCE_MAX];

	for (const struct command *c = commands; c->name != NULL; c++) {
		bool two = strchr(c->name, ' ') != NULL && argc > 1 &&
			   argv[1][0] != '-';

		(void)snprintf(wanted, sizeof(wanted), "%s%s%s", argv[0],
		    two ? " " : "", two ? argv[1] : "");
		distance = str_distance(wanted, c->name);
		least = strlen(wanted) / 3 + 2;
		if (distance >= least || distance >= best)
			continue;
		best = distance;
		nearest = c->name;
	}
	return nearest;
}

static void
unknown_write(
    const char *word, const char *second, const char *nearest, struct buf *out)
{
	if (word[0] == '-') {
		(void)buf_printf(
		    out, "currentsd: %s stands without a command\n", word);
		return;
	}
	(void)buf_printf(out, "currentsd: there is no command \"%s%s%s\"", word,
	    second != NULL ? " " : "", second != NULL ? second : "");
	if (nearest != NULL)
		(void)buf_printf(out, "; did you mean \"%s\"?", nearest);
	(void)buf_char(out, '\n');
}

int
help_unknown_write(const struct command *commands, size_t argc,
    const char *const *argv, struct buf *out)
{
	const char *word = argc > 0 ? argv[0] : "", *nearest;
	bool asked = argc > 1 && (strcmp(argv[1], "--help") == 0 ||
				     strcmp(argv[1], "-h") == 0);
	size_t len = strlen(word);
	bool group = false;

	nearest = argc > 0 && word[0] != '-'
		      ? name_nearest(commands, argc, argv)
		      : NULL;
	for (const struct command *c = commands; c->name != NULL; c++) {
		if (strncmp(c->name, word, len) != 0 || c->name[len] != ' ')
			continue;
		if (!group && argc > 1 && argv[1][0] != '-')
			unknown_write(word, argv[1], nearest, out);
		if (!group)
			(void)buf_text(
			    out, "usage: currentsd COMMAND [OPTION...]\n\n");
		group = true;
		line_write(c, out);
	}
	if (!group) {
		unknown_write(word, NULL, nearest, out);
		(void)buf_text(out, "`currentsd help` lists all commands.\n");
	}
	return group && asked ? EXIT_FINE : EXIT_USAGE;
}

int
command_help(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	const struct command *command;
	size_t words;

	if (options->word_count == 0) {
		help_list_write(context->commands, out);
		return EXIT_FINE;
	}
	if (strcmp(options->words[0], "settings") == 0) {
		settings_help_write(out);
		return EXIT_FINE;
	}
	if (strcmp(options->words[0], "metrics") == 0) {
		facts_help_write(out);
		return EXIT_FINE;
	}
	command = help_find(
	    context->commands, options->word_count, options->words, &words);
	if (command == NULL)
		return help_unknown_write(context->commands,
		    options->word_count, options->words, out);
	help_command_write(command, out);
	return EXIT_FINE;
}

int
command_version(struct command_context *context, struct buf *out)
{
	struct json json;

	if (!options_has(context->options, "--json")) {
		(void)buf_printf(out, "currentsd %s\n", CURRENTSD_VERSION);
		return EXIT_FINE;
	}
	json_init(&json, out);
	json_object_open(&json, NULL);
	json_text(&json, "version", CURRENTSD_VERSION);
	json_object_close(&json);
	(void)buf_char(out, '\n');
	return EXIT_FINE;
}
