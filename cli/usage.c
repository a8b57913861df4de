#include "cli/usage.h"

#include "cli/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the usage line ---- */

/* The token at `at`, with all that its brackets hold. */
static size_t
token_len(const char *at)
{
	unsigned depth = 0;
	size_t len = 0;

	for (; at[len] != '\0' && (depth > 0 || at[len] != ' '); len++) {
		depth += at[len] == '[';
		depth -= at[len] == ']';
	}
	return len;
}

static void
word_add(struct usage *usage, const char *token, size_t len, bool needed)
{
	bool many = len >= 3 && memmem(token, len, "...", 3) != NULL;

	if (usage->word[0] == '\0')
		(void)snprintf(usage->word, sizeof(usage->word), "%.*s",
		    (int)(needed ? len : len - 2), needed ? token : token + 1);
	usage->least += needed;
	usage->most = many ? USAGE_MANY : usage->most + 1;
}

void
usage_read(const char *arguments, struct usage *ret_usage)
{
	size_t len;

	*ret_usage = (struct usage){.least = 0};
	for (const char *at = arguments; *at != '\0'; at += len) {
		at += strspn(at, " ");
		len = token_len(at);
		if (strncmp(at, "--", 2) == 0) {
			/* A needed option may have a value. */
			len += strspn(at + len, " ");
			if (at[len] >= 'A' && at[len] <= 'Z')
				len += token_len(at + len);
		} else if (*at == '|') {
			ret_usage->ways = true;
		} else if (strncmp(at, "[--", 3) != 0 &&
			   strncmp(at, "[FILTER", 7) != 0 &&
			   strncmp(at, "[OPTION", 7) != 0 &&
			   strncmp(at, "FILTER", 6) != 0 && len > 0) {
			word_add(ret_usage, at, len,
			    *at != '[' || at[len - 1] != ']');
		}
	}
	if (ret_usage->ways)
		ret_usage->least = 0;
}

/* ---- values ---- */

static bool
number_judge(
    const char *text, int64_t least, const char *what, struct err *reterr)
{
	long long value;
	char *end;

	errno = 0;
	value = strtoll(text, &end, 10);
	return (end != text && *end == '\0' && errno == 0 && value >= least) ||
	       err_set(reterr, ERR_INPUT, "%s: %s", what, text);
}

/* "source|type|hour" becomes "source, type or hour". */
static bool
choice_judge(const char *words, const char *text, struct err *reterr)
{
	const char *last = strrchr(words, '|');
	char list[128];
	size_t len, at = 0;

	for (const char *word = words;; word += len + 1) {
		len = strcspn(word, "|");
		if (strlen(text) == len && memcmp(word, text, len) == 0)
			return true;
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%.*s",
		    word == words ? ""
		    : word > last ? " or "
				  : ", ",
		    (int)len, word);
		CHECK(at < sizeof(list));
		if (word[len] == '\0')
			return err_set(reterr, ERR_INPUT,
			    "should be %s, and not: %s", list, text);
	}
}

/* `name` is what help calls the value. */
static bool
value_judge(
    const char *name, const char *text, int64_t now_ms, struct err *reterr)
{
	int64_t when_ms;

	if (*text == '\0')
		return err_set(reterr, ERR_INPUT, "is empty");
	if (strcmp(name, "N") == 0)
		return number_judge(text, 1,
		    "should be a whole number from 1, and not", reterr);
	if (strcmp(name, "ID") == 0)
		return number_judge(text, 0,
		    "should be a whole number, as the list shows it, and not",
		    reterr);
	if (strcmp(name, "COUNT") == 0)
		return number_judge(
		    text, 0, "should be a whole number, and not", reterr);
	if (strcmp(name, "WHEN") == 0)
		return api_when_read(text, now_ms, &when_ms) ||
		       err_set(reterr, ERR_INPUT,
			   "should be how long ago, such as 30m, 2h or 7d, or "
			   "a time in UTC, such as 2026-11-23T14:00");
	/* Small letters stand for themselves. */
	return *name < 'a' || *name > 'z' || choice_judge(name, text, reterr);
}

static const struct option_row *
row_find(const struct option_row *table, const char *name)
{
	for (; table != NULL && table->name != NULL; table++) {
		if (strcmp(table->name, name) == 0)
			return table;
	}
	return NULL;
}

static bool
options_judge(const struct command *command, const struct options *options,
    int64_t now_ms, struct err *reterr)
{
	const struct option_row *row;
	struct err err;

	for (size_t i = 0; i < options->set_count; i++) {
		row = row_find(command->options, options->set[i].name);
		if (row != NULL && row->value != NULL &&
		    !value_judge(
			row->value, options->set[i].value, now_ms, &err))
			return err_set(
			    reterr, err.code, "%s %s", row->name, err.text);
	}
	return true;
}

/* The options with a value that the usage line shows without brackets. A flag
 * (--yes) is left to the command, which says what it would do. */
static bool
needed_judge(const struct command *command, const struct options *options,
    struct err *reterr)
{
	const struct option_row *row;
	char name[32];
	size_t len;

	for (const char *at = command->arguments; *at != '\0'; at += len) {
		at += strspn(at, " ");
		len = token_len(at);
		if (strncmp(at, "--", 2) != 0 || len >= sizeof(name))
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)len, at);
		row = row_find(command->options, name);
		if (row != NULL && row->value != NULL &&
		    !options_has(options, name))
			return err_set(reterr, ERR_INPUT, "%s needs %s %s: %s",
			    command->name, name, row->value, row->help);
	}
	return true;
}

bool
usage_judge(const struct command *command, const struct options *options,
    int64_t now_ms, struct err *reterr)
{
	struct usage usage;
	struct err err;

	usage_read(command->arguments, &usage);
	if (options->word_count > 0 && usage.most == 0)
		return err_set(reterr, ERR_INPUT, "%s takes no arguments: %s",
		    command->name, options->words[0]);
	if (options->word_count > usage.most)
		return err_set(reterr, ERR_INPUT,
		    "%s takes one argument, %.*s, and not also: %s",
		    command->name, (int)strcspn(usage.word, "|"), usage.word,
		    options->words[usage.most]);
	if (options->word_count < usage.least)
		return err_set(reterr, ERR_INPUT,
		    "%s needs %s; usage: currentsd %s %s", command->name,
		    usage.word, command->name, command->arguments);
	if (usage.ways && options->word_count == 0 &&
	    !options_has(options, "--all") && !filter_given(options))
		return err_set(reterr, ERR_INPUT,
		    "%s needs an %s, filters, or --all", command->name,
		    usage.word);
	for (size_t i = 0; i < options->word_count; i++) {
		if (usage.most < USAGE_MANY &&
		    !value_judge(usage.word, options->words[i], now_ms, &err))
			return err_set(reterr, err.code, "%s %s: %s",
			    command->name, usage.word, err.text);
	}
	return options_judge(command, options, now_ms, reterr) &&
	       needed_judge(command, options, reterr);
}
