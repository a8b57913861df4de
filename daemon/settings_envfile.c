/*
 * The file of variables that the service manager gives the daemon
 * (EnvironmentFile=, deploy/currentsd.env). Commands read it themselves, so
 * that they know what the daemon knows. What is in the environment already
 * wins.
 *
 * The syntax is that of systemd.exec(5): NAME=VALUE, a line each; # and ; begin
 * a comment; quotes, and a backslash before a character or the end of a line,
 * are as in a shell. systemd passes over any other line, and so it is here,
 * with a warning.
 *
 * The first time, the pairs go into the environment too, for the libraries. A
 * running daemon reads the file again and leaves the environment alone, since
 * its threads read it. A variable that had the same value in both is the file's
 * then, because systemd puts the whole file into the environment.
 */

#include "daemon/settings_table.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ENVFILE_MAX = 1024 * 1024, READERS_MAX = 160 };

/* Which users may read a file. */
static void
readers_write(const char *path, char ret_may[READERS_MAX])
{
	const struct passwd *user = NULL;
	const struct group *group = NULL;
	struct stat st;
	int len;

	len = snprintf(ret_may, READERS_MAX, "root");
	if (stat(path, &st) != 0)
		return;
	if (st.st_uid != 0 && (st.st_mode & S_IRUSR) != 0)
		user = getpwuid(st.st_uid);
	if (st.st_gid != 0 && (st.st_mode & S_IRGRP) != 0)
		group = getgrgid(st.st_gid);
	if (user != NULL)
		len += snprintf(ret_may + len, (size_t)(READERS_MAX - len),
		    " or %.32s", user->pw_name);
	if (group != NULL)
		(void)snprintf(ret_may + len, (size_t)(READERS_MAX - len),
		    " or a member of the group %.32s", group->gr_name);
}

void
settings_unreadable(const char *path, const char *what, struct err *reterr)
{
	int error = errno;
	char may[READERS_MAX];

	readers_write(path, may);
	(void)err_set(reterr, ERR_CONFIG, "cannot read %s %s: %s%s%s", what,
	    path, strerror(error), error == EACCES ? "; run this as " : "",
	    error == EACCES ? may : "");
}

bool
settings_unread_tell(const struct settings *settings, struct err *reterr)
{
	struct err err = *reterr;
	char may[READERS_MAX];

	if (settings->unread == NULL || err.code != ERR_CONFIG)
		return false;
	readers_write(settings->unread, may);
	return err_set(reterr, err.code,
	    "%s (the variables in %s are missing, because this user may not "
	    "read it; run this as %s)",
	    err.text, settings->unread, may);
}

/* Read the value at *at, which moves behind it. It may go on over several
 * lines, which *line counts. */
static void
value_read(const char **at, int *line, struct buf *ret_text)
{
	const char *c = *at;
	char quote = '\0';
	size_t kept = 0; /* up to here blanks are part of the value */

	for (; *c != '\0' && (quote != '\0' || *c != '\n'); c++) {
		if (*c == '\n')
			++*line;
		if (*c == quote ||
		    (quote == '\0' && (*c == '"' || *c == '\''))) {
			quote = *c == quote ? '\0' : *c;
			kept = ret_text->len;
			continue;
		}
		if (*c == '\\' && quote != '\'' && c[1] != '\0') {
			c++;
			if (*c == '\n') {
				++*line;
				continue;
			}
			if (quote == '"' && strchr("\"\\$`", *c) == NULL)
				(void)buf_char(ret_text, '\\');
			(void)buf_char(ret_text, *c);
			kept = ret_text->len;
			continue;
		}
		(void)buf_char(ret_text, *c);
		if (quote != '\0' || strchr(" \t\r", *c) == NULL)
			kept = ret_text->len;
	}
	buf_truncate(ret_text, kept);
	*at = c;
}

static bool
name_valid(const char *name, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";

	if (len == 0 || strchr(letters, name[0]) == NULL)
		return false;
	for (size_t i = 1; i < len; i++) {
		if (strchr(letters, name[i]) == NULL &&
		    (name[i] < '0' || name[i] > '9'))
			return false;
	}
	return true;
}

static const struct settings_variable *
variable_find(const struct settings *settings, const char *name)
{
	const struct settings_variable *variable = settings->variables;

	while (variable != NULL && strcmp(variable->name, name) != 0)
		variable = variable->next;
	return variable;
}

/* The value that the environment itself has, and not from the file. */
static const char *
variable_own(const struct settings *settings, const char *name)
{
	const struct settings_variable *first = variable_find(
	    settings->first != NULL ? settings->first : settings, name);
	const char *value = getenv(name);

	return value != NULL && first != NULL &&
		       strcmp(first->value, value) == 0
		   ? NULL
		   : value;
}

const char *
settings_getenv(const struct settings *settings, const char *name)
{
	const struct settings_variable *variable =
	    variable_find(settings, name);
	const char *value = variable_own(settings, name);

	return value == NULL && variable != NULL ? variable->value : value;
}

static bool
variable_put(struct settings *settings, const char *path, int line,
    struct str name, struct str value, struct err *reterr)
{
	const struct settings_variable *before;
	struct settings_variable *variable;
	char *key, *text;

	variable = settings_alloc(settings, sizeof(*variable));
	key = settings_alloc(settings, name.len + 1);
	text = settings_alloc(settings, value.len + 1);
	if (variable == NULL || key == NULL || text == NULL)
		return err_set_nomem(reterr);
	memcpy(key, name.data, name.len);
	if (value.len > 0)
		memcpy(text, value.data, value.len);
	/* Of two lines the last one wins, as with systemd. */
	before = variable_find(settings, key);
	*variable = (struct settings_variable){
	    .next = settings->variables,
	    .name = key,
	    .value = text,
	    .path = path,
	    .line = line,
	    .put = settings->first == NULL &&
		   (getenv(key) == NULL || (before != NULL && before->put)),
	};
	if (variable->put && setenv(key, text, 1) != 0)
		return err_set_nomem(reterr);
	settings->variables = variable;
	return true;
}

static bool
pairs_read(struct settings *settings, const char *path, const char *text,
    struct err *reterr)
{
	int line = 1, first;
	bool ok = true;
	struct str name;
	struct buf value;

	buf_init(&value, ENVFILE_MAX);
	for (; ok && *text != '\0'; text += *text == '\n', line++) {
		text += strspn(text, " \t\r");
		if (*text == '\0' || strchr("\n#;", *text) != NULL) {
			text += strcspn(text, "\n");
			continue;
		}
		first = line;
		name = str_bytes(text, strcspn(text, "=\n"));
		if (text[name.len] != '=' || !name_valid(name.data, name.len)) {
			(void)buf_printf(&settings->warnings,
			    "%s, line %d: not NAME=VALUE, so it is ignored\n",
			    path, line);
			text += strcspn(text, "\n");
			continue;
		}
		text += name.len + 1;
		text += strspn(text, " \t\r");
		buf_reset(&value);
		value_read(&text, &line, &value);
		ok = buf_ok(&value, reterr) &&
		     variable_put(settings, path, first, name,
			 str_bytes(value.data, value.len), reterr);
	}
	if (value.data != NULL)
		explicit_bzero(value.data, value.len);
	buf_fini(&value);
	return ok;
}

bool
settings_envfile_read(struct settings *settings, struct err *reterr)
{
	const char *path = getenv(SETTINGS_ENV_FILE);
	bool named = path != NULL && *path != '\0', ok = false;
	char *text = NULL;
	struct stat st;
	FILE *file;
	size_t len;

	path = settings_copy(settings, named ? path : SETTINGS_ETC_ENV);
	if (path == NULL)
		return err_set_nomem(reterr);
	file = fopen(path, "re");
	if (file == NULL && !named && errno == EACCES) {
		settings->unread = path;
		if (settings->first != NULL)
			(void)buf_printf(&settings->warnings,
			    "cannot read %s: its variables stay as they were "
			    "at the start, until a restart\n",
			    path);
		return true;
	}
	if (file == NULL && !named && (errno == ENOENT || errno == ENOTDIR))
		return true;
	if (file == NULL || fstat(fileno(file), &st) != 0) {
		settings_unreadable(path, "the variables in", reterr);
		goto out;
	}
	text = calloc(1, ENVFILE_MAX + 1);
	if (text == NULL) {
		(void)err_set_nomem(reterr);
		goto out;
	}
	len = fread(text, 1, ENVFILE_MAX, file);
	if (ferror(file) != 0 || len == ENVFILE_MAX || memchr(text, 0, len)) {
		(void)err_set(reterr, ERR_CONFIG,
		    "cannot read the variables in %s: it should be a text file "
		    "of less than 1 MiB",
		    path);
		goto out;
	}
	if (S_ISREG(st.st_mode) && (st.st_mode & S_IROTH) != 0)
		(void)buf_printf(&settings->warnings,
		    "every user of this machine can read %s, which may contain "
		    "tokens, secrets or keys: run chmod o-r %s\n",
		    path, path);
	settings->env_file = path;
	ok = pairs_read(settings, path, text, reterr);
out:
	if (text != NULL)
		explicit_bzero(text, ENVFILE_MAX);
	free(text);
	if (file != NULL)
		(void)fclose(file);
	return ok;
}

int
settings_variable_line(
    const struct settings *settings, const char *name, const char **ret_path)
{
	const struct settings_variable *variable =
	    variable_find(settings, name);

	if (variable == NULL || variable_own(settings, name) != NULL)
		return 0;
	if (ret_path != NULL)
		*ret_path = variable->path;
	return variable->line;
}
