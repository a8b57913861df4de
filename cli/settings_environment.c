/*
 * Settings from the environment. An unknown variable CURRENTSD_* is an error:
 * a misspelt one would silently leave a default in place.
 */

#include "cli/settings.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "CURRENTSD_"

/* How many letters must change to make one word of the other. */
static size_t
word_distance(const char *a, const char *b)
{
	enum { LONGEST = 64 };
	size_t row[LONGEST + 1], alen = strlen(a), blen = strlen(b);

	if (alen > LONGEST || blen > LONGEST)
		return LONGEST;
	for (size_t j = 0; j <= blen; j++)
		row[j] = j;
	for (size_t i = 1; i <= alen; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= blen; j++) {
			size_t best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			if (best > row[j] + 1)
				best = row[j] + 1;
			if (best > row[j - 1] + 1)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[blen];
}

const char *
settings_nearest(const char *word, bool variables)
{
	size_t best = strlen(word) / 3 + 1, distance;
	const char *nearest = NULL, *known;

	for (const struct setting *s = settings_table; s->key != NULL; s++) {
		known = variables ? s->variable : s->key;
		if (known == NULL)
			continue;
		distance = word_distance(word, known);
		if (distance <= best && (nearest == NULL || distance < best)) {
			best = distance;
			nearest = known;
		}
	}
	return nearest;
}

static const struct setting *
variable_find(const char *name)
{
	for (const struct setting *s = settings_table; s->key != NULL; s++) {
		if (s->variable != NULL && strcmp(s->variable, name) == 0)
			return s;
	}
	return NULL;
}

static bool
variable_unknown(const char *name, struct err *reterr)
{
	const char *nearest = settings_nearest(name, true);

	if (nearest != NULL)
		return err_set(reterr, ERR_CONFIG,
		    "unknown setting %s; did you mean %s? (`currentsd help "
		    "settings` lists them; a variable of your own needs a name "
		    "without " PREFIX ")",
		    name, nearest);
	return err_set(reterr, ERR_CONFIG,
	    "unknown setting %s: remove it (`currentsd help settings` lists "
	    "them; a variable of your own needs a name without " PREFIX ")",
	    name);
}

/* The struct that a variable means: there must be only one. */
static bool
variable_base(const struct setting *setting, struct settings *settings,
    void **ret_base, struct err *reterr)
{
	const char *what = "sources";
	size_t count = settings->source_count;

	switch (setting->section) {
	case SETTINGS_MAIN:
		*ret_base = settings;
		return true;
	case SETTINGS_SOURCE:
		*ret_base = settings->sources;
		break;
	case SETTINGS_DESTINATION:
		*ret_base = settings->destinations;
		count = settings->destination_count;
		what = "destinations";
		break;
	}
	if (count == 1)
		return true;
	return err_set(reterr, ERR_CONFIG,
	    "%s is set, but the file has %zu %s and it cannot be told which is "
	    "meant: remove it and write %s in their sections",
	    setting->variable, count, what, setting->key);
}

static bool
variable_read(const char *name, const char *value, struct settings *settings,
    struct err *reterr)
{
	const struct setting *setting;
	struct err err;
	void *base = NULL;

	if (strcmp(name, "CURRENTSD_CONFIG") == 0)
		return true;
	setting = variable_find(name);
	if (setting == NULL)
		return variable_unknown(name, reterr);
	if (*value == '\0') /* as good as unset */
		return true;
	if (!variable_base(setting, settings, &base, reterr))
		return false;
	if (!settings_value_read(setting, value, base, &err))
		return err_set(reterr, err.code, "%s %s", name, err.text);
	return true;
}

bool
settings_environment_read(
    char *const *environment, struct settings *settings, struct err *reterr)
{
	char name[128];

	for (; environment != NULL && *environment != NULL; environment++) {
		const char *text = *environment;
		size_t len = strcspn(text, "=");

		if (strncmp(text, PREFIX, strlen(PREFIX)) != 0 ||
		    text[len] == '\0')
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)len, text);
		if (!variable_read(name, text + len + 1, settings, reterr))
			return false;
	}
	return true;
}
