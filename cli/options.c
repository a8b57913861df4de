#include "cli/options.h"

#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_WIDTH = 79 };

const struct option_row options_common[] = {
    {"--config", "FILE", "Read the settings from FILE."},
    {"--utc", NULL, "Print times in UTC instead of the local zone."},
    {"--help", NULL, "Show this help."},
    {NULL, NULL, NULL},
};

/* The row whose name is the first len bytes of text. */
static const struct option_row *
row_find(const struct option_row *table, const char *text, size_t len)
{
	for (; table != NULL && table->name != NULL; table++) {
		if (strlen(table->name) == len &&
		    memcmp(table->name, text, len) == 0)
			return table;
	}
	return NULL;
}

bool
options_global(const char *text, bool *ret_value)
{
	size_t len = strcspn(text, "=");
	const struct option_row *row = row_find(options_common, text, len);

	*ret_value = row != NULL && row->value != NULL && text[len] == '\0';
	return row != NULL || strcmp(text, "-h") == 0 ||
	       strcmp(text, "--json") == 0;
}

/* The option that was meant; NULL: none is close. */
static const char *
row_nearest(const struct option_row *table, const char *text, size_t len)
{
	const struct option_row *tables[] = {table, options_common};
	size_t best = len / 3 + 2, distance;
	const char *nearest = NULL;
	char name[STR_DISTANCE_MAX];

	(void)snprintf(name, sizeof(name), "%.*s", (int)len, text);
	for (size_t t = 0; t < 2; t++) {
		for (const struct option_row *row = tables[t];
		     row != NULL && row->name != NULL; row++) {
			distance = str_distance(name, row->name);
			if (distance >= best)
				continue;
			best = distance;
			nearest = row->name;
		}
	}
	return nearest;
}

static bool
option_unknown(const char *command, const struct option_row *table,
    const char *text, size_t len, struct err *reterr)
{
	const char *nearest = row_nearest(table, text, len);

	return err_set(reterr, ERR_INPUT,
	    "%s has no option %.*s%s%s%s `currentsd %s --help` lists them",
	    command, (int)len, text, nearest != NULL ? "; did you mean " : "",
	    nearest != NULL ? nearest : "", nearest != NULL ? "?" : ";",
	    command);
}

/* One option, at argv[*at]; *at moves past its value. */
static bool
option_read(const char *command, const struct option_row *table, size_t argc,
    const char *const *argv, size_t *at, struct options *options,
    struct err *reterr)
{
	const char *text = strcmp(argv[*at], "-h") == 0 ? "--help" : argv[*at];
	size_t len = strcspn(text, "=");
	const struct option_row *row = row_find(table, text, len);
	const char *value = "yes";

	if (row == NULL)
		row = row_find(options_common, text, len);
	if (row == NULL)
		return option_unknown(command, table, text, len, reterr);
	if (row->value == NULL && text[len] == '=')
		return err_set(
		    reterr, ERR_INPUT, "%s takes no value", row->name);
	if (row->value != NULL && text[len] == '=') {
		value = text + len + 1;
	} else if (row->value != NULL) {
		if (*at + 1 >= argc)
			return err_set(reterr, ERR_INPUT,
			    "%s needs a value: %s %s", row->name, row->name,
			    row->value);
		value = argv[++*at];
	}
	if (options->set_count == OPTIONS_SET_MAX)
		return err_set(reterr, ERR_INPUT, "too many options");
	options->set[options->set_count].name = row->name;
	options->set[options->set_count++].value = value;
	return true;
}

bool
options_read(const char *command, const struct option_row *table, size_t argc,
    const char *const *argv, struct options *ret_options, struct err *reterr)
{
	bool ended = false;

	*ret_options = (struct options){0};
	for (size_t at = 0; at < argc; at++) {
		if (!ended && strcmp(argv[at], "--") == 0) {
			ended = true;
			continue;
		}
		if (!ended && argv[at][0] == '-' && argv[at][1] != '\0') {
			if (!option_read(command, table, argc, argv, &at,
				ret_options, reterr))
				return false;
			continue;
		}
		if (ret_options->word_count == OPTIONS_WORDS_MAX)
			return err_set(reterr, ERR_INPUT, "too many arguments");
		ret_options->words[ret_options->word_count++] = argv[at];
	}
	return true;
}

const char *
options_value(const struct options *options, const char *name)
{
	for (size_t i = options->set_count; i > 0; i--) {
		if (strcmp(options->set[i - 1].name, name) == 0)
			return options->set[i - 1].value;
	}
	return NULL;
}

bool
options_has(const struct options *options, const char *name)
{
	return options_value(options, name) != NULL;
}

size_t
options_values(const struct options *options, const char *name,
    const char *ret_values[OPTIONS_SET_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < options->set_count; i++) {
		if (strcmp(options->set[i].name, name) == 0)
			ret_values[count++] = options->set[i].value;
	}
	return count;
}

bool
options_integer(const struct options *options, const char *name, int64_t preset,
    int64_t least, int64_t most, int64_t *ret_value, struct err *reterr)
{
	const char *text = options_value(options, name);
	long long value;
	char *end;

	if (text == NULL) {
		*ret_value = preset;
		return true;
	}
	errno = 0;
	value = strtoll(text, &end, 10);
	if (*text == '\0' || *end != '\0' || errno != 0 || value < least ||
	    value > most)
		return err_set(reterr, ERR_INPUT,
		    "%s should be a whole number from %" PRId64 " to %" PRId64,
		    name, least, most);
	*ret_value = value;
	return true;
}

void
options_help_write(const struct option_row *table, struct buf *out)
{
	const struct option_row *tables[] = {table, options_common};
	int width = 0, len;
	char left[64];

	/* First the widest, then all of them. */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t t = 0; t < 2; t++) {
			for (const struct option_row *row = tables[t];
			     row != NULL && row->name != NULL; row++) {
				len = snprintf(left, sizeof(left), "  %s%s%s",
				    row->name, row->value != NULL ? " " : "",
				    row->value != NULL ? row->value : "");
				width = len > width ? len : width;
				if (pass == 1)
					buf_wrap_beside(out, left, row->help,
					    (size_t)width + 2, OPTIONS_WIDTH);
			}
		}
	}
}
