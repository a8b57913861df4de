#include "cli/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool
file_read(
    const struct options *options, struct buf *ret_text, struct err *reterr)
{
	const char *name = options->word_count > 0 ? options->words[0] : "-";
	FILE *opened = NULL, *file = stdin;
	char block[65536];
	bool failed;
	size_t len;

	if (options->word_count > 1)
		return err_set(reterr, ERR_INPUT,
		    "give one FILE, or - for standard input");
	if (strcmp(name, "-") != 0)
		file = opened = fopen(name, "rb");
	if (file == NULL)
		return err_set(
		    reterr, ERR_INPUT, "%s: %s", name, strerror(errno));
	errno = 0;
	while ((len = fread(block, 1, sizeof(block), file)) > 0 &&
	       buf_append(ret_text, block, len))
		;
	failed = ferror(file) != 0;
	if (failed)
		(void)err_set(reterr, ERR_INPUT, "%s: %s", name,
		    errno != 0 ? strerror(errno) : "read error");
	if (opened != NULL)
		(void)fclose(opened);
	return !failed && buf_ok(ret_text, reterr);
}
