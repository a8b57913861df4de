/*
 * currentsd: forwards Braze Currents events to Heap without losing any. The
 * commands are in command_table.c; the daemon is serve.c.
 */

#include "cli/command.h"

#include <stdio.h>
#include <string.h>

int
main(int argc, char **argv)
{
	static const char *const list[] = {"help"}, *const version[] = {
							"version"};
	const char *const *words = (const char *const *)argv + 1;
	size_t count = argc > 0 ? (size_t)argc - 1 : 0;
	struct channel_local local;
	struct channel channel;
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
	if (count == 0) {
		command_list_write(&out);
		code = EXIT_USAGE;
	} else {
		channel_local_init(&local, &channel);
		code = command_run(NULL, &channel, count, words, &out);
		channel_local_fini(&local);
	}
	if (!buf_ok(&out, &err))
		code = command_fail(&out, &err);
	if (code >= EXIT_USAGE)
		to = stderr;
	if (code == EXIT_FAILED)
		code = EXIT_FOUND;
	if ((out.len > 0 && fwrite(out.data, 1, out.len, to) != out.len) ||
	    fflush(to) != 0)
		code = code == EXIT_FINE ? EXIT_FOUND : code;
	buf_fini(&out);
	return code;
}
