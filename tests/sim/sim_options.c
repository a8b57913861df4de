/* The table of settings: command line, --help and JSON. */

#include "tests/sim/sim_options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	HELP_COLUMN = 30,
};

/* Names are the same with hyphens and with underscores. */
static bool
name_matches(const char *name, const char *given, size_t len)
{
	size_t i;

	if (strlen(name) != len)
		return false;
	for (i = 0; i < len; i++)
		if (name[i] != (given[i] == '_' ? '-' : given[i]))
			return false;
	return true;
}

static const struct sim_option *
option_find(const struct sim_option *options, const char *name, size_t len)
{
	for (; options->help != NULL; options++)
		if (options->kind != SIM_HEADING &&
		    name_matches(options->name, name, len))
			return options;
	return NULL;
}

/* The words of the help text are the choices: they cannot disagree. */
static bool
set_word(const struct sim_option *option, int *ret_value, const char *value)
{
	const char *word = option->argument;
	size_t len;
	int i;

	for (i = 0; *word != '\0'; i++) {
		len = strcspn(word, "|");
		if (strlen(value) == len && memcmp(word, value, len) == 0) {
			*ret_value = i;
			return true;
		}
		word += len + (word[len] == '|');
	}
	return false;
}

/* By way of a double for the bounds, so that "1e3" is no whole number but
 * "1000" is. */
static bool
set_number(const struct sim_option *option, void *to, const char *value)
{
	char *end;
	double real = strtod(value, &end);
	long long whole;

	if (end == value || *end != '\0' || !isfinite(real) ||
	    real < option->min || real > option->max)
		return false;
	if (option->kind == SIM_REAL) {
		*(double *)to = real;
		return true;
	}
	whole = strtoll(value, &end, 10);
	*(int64_t *)to = whole;
	return *end == '\0';
}

static bool
set_switch(bool *to, const char *value)
{
	*to = strcmp(value, "yes") == 0;
	return *to || strcmp(value, "no") == 0;
}

static bool
option_set(const struct sim_option *option, void *settings, const char *value)
{
	void *to = (char *)settings + option->offset;

	switch (option->kind) {
	case SIM_HEADING:
		return false;
	case SIM_SWITCH:
		return set_switch(to, value);
	case SIM_NUMBER:
	case SIM_REAL:
		return set_number(option, to, value);
	case SIM_WORD:
		return set_word(option, to, value);
	case SIM_STRING:
		if (strlen(value) >= (size_t)option->max)
			return false;
		memset(to, 0, (size_t)option->max);
		memcpy(to, value, strlen(value));
		return true;
	}
	return false;
}

/* Long names push their help to the next line. */
static void
help_print(const struct sim_option *options, const char *about)
{
	const char *line;
	const char *words;
	size_t len;
	int at;

	fputs(about, stdout);
	for (; options->help != NULL; options++) {
		if (options->kind == SIM_HEADING) {
			printf("\n%s\n", options->help);
			continue;
		}
		words = options->kind == SIM_SWITCH ? "" : options->argument;
		at = printf("  --%s%s%s", options->name,
		    *words != '\0' ? " " : "", words);
		if (at >= HELP_COLUMN) {
			putchar('\n');
			at = 0;
		}
		for (line = options->help; *line != '\0';) {
			len = strcspn(line, "\n");
			printf(
			    "%*s%.*s\n", HELP_COLUMN - at, "", (int)len, line);
			line += len + (line[len] == '\n');
			at = 0;
		}
	}
	fputs("\n  --help                      this text\n", stdout);
}

/* One option at argv[i]; returns how many arguments it took. */
static int
option_read(const struct sim_option *options, void *settings, char **argv)
{
	const char *name = argv[0] + 2;
	size_t len = strcspn(name, "=");
	const char *value = name[len] == '=' ? name + len + 1 : NULL;
	const struct sim_option *option = option_find(options, name, len);
	bool no = option == NULL && strncmp(name, "no-", 3) == 0;
	int taken = 1;

	if (no)
		option = option_find(options, name + 3, len - 3);
	if (option == NULL || (no && option->kind != SIM_SWITCH))
		sim_usage_die("unknown option --%.*s", (int)len, name);
	if (value == NULL && option->kind == SIM_SWITCH) {
		value = no ? "no" : "yes";
	} else if (value == NULL) {
		value = argv[1];
		taken = 2;
	}
	if (value == NULL)
		sim_usage_die(
		    "--%s needs a value: %s", option->name, option->argument);
	if (!option_set(option, settings, value))
		sim_usage_die(
		    "--%s: not a good value: \"%s\"", option->name, value);
	return taken;
}

/* What begins with one hyphen is no option of ours: say so, rather than
 * taking it for a file. "-" alone is standard input. */
int
sim_options_read(const struct sim_option *options, const char *about,
    void *settings, int argc, char **argv)
{
	int i = 1;

	while (i < argc && strncmp(argv[i], "--", 2) == 0) {
		if (strcmp(argv[i], "--") == 0)
			return i + 1;
		if (strcmp(argv[i], "--help") == 0) {
			help_print(options, about);
			exit(0);
		}
		i += option_read(options, settings, &argv[i]);
	}
	for (int rest = i; rest < argc; rest++)
		if (argv[rest][0] == '-' && argv[rest][1] != '\0')
			sim_usage_die("option after an argument, or unknown: "
				      "%s",
			    argv[rest]);
	return i;
}

const struct sim_option *
sim_options_live(const struct sim_option *options)
{
	do {
		options++;
	} while (options->kind != SIM_HEADING);
	return options;
}

/* A JSON value as it would stand on the command line; free it. */
static char *
value_text(const json_t *value)
{
	if (json_is_boolean(value))
		return sim_copy(json_is_true(value) ? "yes" : "no",
		    json_is_true(value) ? 3 : 2);
	if (json_is_string(value))
		return sim_copy(
		    json_string_value(value), json_string_length(value));
	return json_dumps(value, JSON_ENCODE_ANY);
}

bool
sim_options_merge(const struct sim_option *options, void *settings,
    const char *json, size_t len, struct sim_text *why)
{
	const struct sim_option *option;
	json_error_t error;
	json_t *object = json_loadb(json, len, 0, &error);
	const char *name;
	json_t *value;
	bool good = json_is_object(object);
	char *text;

	if (!good)
		sim_text_print(why, "not a JSON object: %s",
		    object == NULL ? error.text : "of another type");
	json_object_foreach(object, name, value)
	{
		option = option_find(options, name, strlen(name));
		if (option == NULL) {
			sim_text_print(why, "unknown setting: %s", name);
			good = false;
			break;
		}
		text = value_text(value);
		good = text != NULL && option_set(option, settings, text);
		if (!good)
			sim_text_print(why, "not a good value for %s: %s", name,
			    text != NULL ? text : "?");
		free(text);
		if (!good)
			break;
	}
	json_decref(object);
	return good;
}

static json_t *
value_show(const struct sim_option *option, const void *at)
{
	const char *word = option->argument;
	int skip;

	switch (option->kind) {
	case SIM_HEADING:
		return NULL;
	case SIM_SWITCH:
		return json_boolean(*(const bool *)at);
	case SIM_NUMBER:
		return json_integer(*(const int64_t *)at);
	case SIM_REAL:
		return json_real(*(const double *)at);
	case SIM_WORD:
		for (skip = *(const int *)at; skip > 0; skip--)
			word += strcspn(word, "|") + 1;
		return json_stringn(word, strcspn(word, "|"));
	case SIM_STRING:
		return json_string(at);
	}
	return NULL;
}

json_t *
sim_options_show(const struct sim_option *options, const void *settings)
{
	json_t *object = json_object();
	char name[64];
	size_t i;

	for (; options->help != NULL; options++) {
		if (options->kind == SIM_HEADING)
			continue;
		snprintf(name, sizeof(name), "%s", options->name);
		for (i = 0; name[i] != '\0'; i++)
			if (name[i] == '-')
				name[i] = '_';
		json_object_set_new(object, name,
		    value_show(
			options, (const char *)settings + options->offset));
	}
	return object;
}
