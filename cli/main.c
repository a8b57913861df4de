/*
 * currentsd: forwards Braze Currents events to Heap without losing any. The
 * commands are in command_table.c; serve.c runs the daemon.
 */

#include "cli/help.h"
#include "cli/run.h"
#include "cli/terminal.h"

#include <stdio.h>
#include <string.h>

int
main(int argc, char **argv)
{
	static const char *const list[] = {"help"}, *const version[] = {
							"version"};
	const char *const *words = (const char *const *)argv + 1;
	size_t count = argc > 0 ? (size_t)argc - 1 : 0;
	struct terminal terminal;
	struct screen screen;
	struct job_caller caller;
	FILE *to = stdout;
	struct buf out;
	struct err err;
	int code;

	if (count > 0 &&
	    (strcmp(words[0], "--help") == 0 || strcmp(words[0], "-h") == 0)) {
		words = list;
		count = 1;
	} else if (count > 0 && strcmp(words[0], "--version") == 0) {
		words = version;
		count = 1;
	}
	buf_init(&out, COMMAND_OUT_MAX);
	screen_init(&screen, false);
	if (count == 0) {
		help_list_write(&commands_all, &out);
		code = EXIT_USAGE;
	} else {
		terminal_init(&terminal, &screen, &caller);
		code = run_command(
		    &commands_all, NULL, &caller, &screen, count, words, &out);
		terminal_fini(&terminal);
	}
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
