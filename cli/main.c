/*
 * currentsd: delivers Braze Currents events to Heap, and Heap's segments to
 * Braze. The commands are in command_table.c; serve.c runs the daemon.
 */

#include "cli/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options that every command has may stand before the command: put its first
 * two words at the front. Returns NULL without memory. */
static const char **
words_order(size_t count, const char *const *argv)
{
	const char **words = calloc(count + 1, sizeof(*words));
	const char **moved = calloc(count + 1, sizeof(*moved));
	size_t word_count = 0, moved_count = 0, at = 0;
	bool value;

	if (words == NULL || moved == NULL) {
		free(words);
		words = NULL;
		goto out;
	}
	for (; at < count && word_count < 2; at++) {
		if (argv[at][0] != '-' || argv[at][1] == '\0') {
			words[word_count++] = argv[at];
			continue;
		}
		if (!options_global(argv[at], &value))
			break;
		moved[moved_count++] = argv[at];
		if (value && at + 1 < count)
			moved[moved_count++] = argv[++at];
	}
	for (size_t i = 0; i < moved_count; i++)
		words[word_count++] = moved[i];
	for (; at < count; at++)
		words[word_count++] = argv[at];
out:
	free(moved);
	return words;
}

/* -h, -V and the like without a command stand for one. */
static void
words_complete(const char **words)
{
	if (strcmp(words[0], "--help") == 0 || strcmp(words[0], "-h") == 0)
		words[0] = "help";
	else if (strcmp(words[0], "--version") == 0 ||
		 strcmp(words[0], "-V") == 0)
		words[0] = "version";
}

int
main(int argc, char **argv)
{
	size_t count = argc > 0 ? (size_t)argc - 1 : 0;
	struct screen screen;
	const char **words;
	FILE *to = stdout;
	struct buf out;
	struct err err;
	int code;

	buf_init(&out, COMMAND_OUT_MAX);
	screen_init(&screen, false);
	words = words_order(count, (const char *const *)argv + 1);
	if (words == NULL) {
		(void)err_set_nomem(&err);
		code = command_fail(&out, &err);
	} else if (count == 0) {
		help_list_write(commands_all, &out);
		code = EXIT_USAGE;
	} else {
		words_complete(words);
		code = command_run(commands_all, &screen, count, words, &out);
		screen_progress_end(&screen);
	}
	free(words);
	if (!buf_ok(&out, &err))
		code = command_fail(&out, &err);
	if (code >= EXIT_USAGE)
		to = stderr;
	if (code == EXIT_FAILED)
		code = EXIT_FOUND;
	if (!screen_write(&screen, to, out.data, out.len, &err))
		code = code == EXIT_FINE ? EXIT_FOUND : code;
	buf_fini(&out);
	return code;
}
