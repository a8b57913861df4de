/*
 * Looks over the text of a settings file for what libconfuse passes in
 * silence: it puts an empty text where ${NAME} is not set (an empty token
 * would be the worst of them), and forgives a section that is not closed.
 * Follows libconfuse's own rules: comments with #, // and between slash-stars, no
 * ${} within single quotes, a backslash takes the next character's meaning.
 */

#include "cli/settings.h"

#include <stdlib.h>
#include <string.h>

struct text {
	const char *path;
	const char *start, *at;
	int line;
	int depth;  /* of braces */
	char quote; /* the one that is open, or 0 */
};

/* At a "${": ${NAME} must be set, ${NAME:-default} need not. */
static bool
text_variable_check(const struct text *text, struct err *reterr)
{
	const char *name = text->at + 2;
	size_t len = strcspn(name, "}\n");
	char copy[128];

	if (name[len] != '}' || len == 0 || len >= sizeof(copy))
		return err_set(reterr, ERR_CONFIG,
		    "%s, line %d: ${ without a name and its }", text->path,
		    text->line);
	memcpy(copy, name, len);
	copy[len] = '\0';
	if (strstr(copy, ":-") != NULL || getenv(copy) != NULL)
		return true;
	return err_set(reterr, ERR_CONFIG,
	    "%s, line %d: ${%s} is not set in the environment: set it, or "
	    "write ${%s:-default}",
	    text->path, text->line, copy, copy);
}

/* The length of the comment that starts here, or 0. */
static size_t
comment_length(const char *at)
{
	const char *end;

	if (at[0] == '#' || (at[0] == '/' && at[1] == '/'))
		return strcspn(at, "\n");
	if (at[0] != '/' || at[1] != '*')
		return 0;
	end = strstr(at + 2, "*/");
	return end == NULL ? strlen(at) : (size_t)(end + 2 - at);
}

static void
text_pass(struct text *text, size_t len)
{
	for (; len > 0; len--, text->at++) {
		if (*text->at == '\n')
			text->line++;
	}
}

/* One step outside of quotes. */
static void
text_plain_step(struct text *text)
{
	size_t len = comment_length(text->at);
	char before = text->at == text->start ? '\n' : text->at[-1];

	/* In the middle of a word, as in http://, it is no comment. */
	if (len > 0 && (*text->at == '#' || strchr(" \t\n;{}()", before))) {
		text_pass(text, len);
		return;
	}
	if (*text->at == '"' || *text->at == '\'')
		text->quote = *text->at;
	else if (*text->at == '{')
		text->depth++;
	else if (*text->at == '}')
		text->depth--;
	text_pass(text, 1);
}

static bool
text_step(struct text *text, struct err *reterr)
{
	if (text->quote != '\'' && text->at[0] == '$' && text->at[1] == '{') {
		if (!text_variable_check(text, reterr))
			return false;
		text_pass(text, strcspn(text->at, "}") + 1);
		return true;
	}
	if (text->quote == '\0') {
		text_plain_step(text);
		return true;
	}
	if (*text->at == '\\' && text->at[1] != '\0') {
		text_pass(text, 2);
		return true;
	}
	if (*text->at == text->quote)
		text->quote = '\0';
	text_pass(text, 1);
	return true;
}

bool
settings_text_check(const char *path, const char *text, struct err *reterr)
{
	struct text state = {
	    .path = path, .start = text, .at = text, .line = 1};

	while (*state.at != '\0') {
		if (!text_step(&state, reterr))
			return false;
	}
	if (state.quote == '\0' && state.depth > 0)
		return err_set(reterr, ERR_CONFIG,
		    "%s: a section is not closed: a } is missing", path);
	return true;
}
