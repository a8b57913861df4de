/*
 * Files of tokens: one a line, blank lines passed over. There are no
 * comments: a token could look like one.
 */

#include "cli/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
	TOKEN_MAX = 4096,
	TOKENS_MAX = 64,
};

bool
settings_token_valid(const char *token)
{
	if (*token == '\0')
		return false;
	for (; *token != '\0'; token++) {
		if (*token <= ' ' || *token > '~')
			return false;
	}
	return true;
}

static bool
token_line_read(const char *path, size_t number, char *line,
    struct settings_list *list, struct err *reterr)
{
	size_t len = strlen(line);

	while (len > 0 && strchr(" \t\r\n", line[len - 1]) != NULL)
		line[--len] = '\0';
	line += strspn(line, " \t");
	if (*line == '\0')
		return true;
	if (!settings_token_valid(line))
		return err_set(reterr, ERR_CONFIG,
		    "%s, line %zu: not a token: it has a blank or a character "
		    "that is not ASCII (one token a line, no comments)",
		    path, number);
	if (list->count == TOKENS_MAX)
		return err_set(reterr, ERR_CONFIG, "%s: more than %d tokens",
		    path, TOKENS_MAX);
	return settings_list_add(list, line, reterr);
}

bool
settings_tokens_read(const char *path, struct settings_list *list,
    struct buf *warnings, struct err *reterr)
{
	FILE *file = fopen(path, "re");
	size_t number = 0, before = list->count;
	char line[TOKEN_MAX];
	bool ok = false;
	struct stat st;

	if (file == NULL || fstat(fileno(file), &st) != 0) {
		(void)err_set(reterr, ERR_CONFIG,
		    "cannot read the token file %s: %s", path, strerror(errno));
		goto out;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		number++;
		if (strlen(line) == sizeof(line) - 1) {
			(void)err_set(reterr, ERR_CONFIG,
			    "%s, line %zu: longer than a token can be", path,
			    number);
			goto out;
		}
		if (!token_line_read(path, number, line, list, reterr))
			goto out;
	}
	if (ferror(file) != 0) {
		(void)err_set(reterr, ERR_CONFIG,
		    "cannot read the token file %s: %s", path, strerror(errno));
		goto out;
	}
	if (list->count == before) {
		(void)err_set(reterr, ERR_CONFIG,
		    "the token file %s has no token: write one a line", path);
		goto out;
	}
	if ((st.st_mode & S_IROTH) != 0)
		(void)buf_printf(warnings,
		    "the token file %s can be read by every user of this "
		    "machine: chmod o-r %s\n",
		    path, path);
	ok = true;
out:
	if (file != NULL)
		(void)fclose(file);
	return ok;
}
