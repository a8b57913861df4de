/*
 * Puts the settings together: defaults, then the file, then the environment.
 */

#include "cli/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WARNINGS_MAX = 64 * 1024 };

/* Grow an array of structs by a zeroed one; NULL without memory. */
static void *
array_grow(void **array, size_t *count, size_t size)
{
	char *grown = realloc(*array, (*count + 1) * size);

	if (grown == NULL)
		return NULL;
	*array = grown;
	grown += *count * size;
	memset(grown, 0, size);
	(*count)++;
	return grown;
}

/* Names stand in paths, labels and logs, so they are plain. */
static bool
name_valid(const char *name)
{
	return *name != '\0' && *name != '.' && strlen(name) <= 64 &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] ==
		   '\0';
}

static bool
name_read(const char *what, const char *name, char **member, struct err *reterr)
{
	char *copy;

	if (!name_valid(name))
		return err_set(reterr, ERR_CONFIG,
		    "the name of a %s should be 1 to 64 of the characters "
		    "A-Z a-z 0-9 . _ - and not start with a dot",
		    what);
	copy = strdup(name);
	if (copy == NULL)
		return err_set_nomem(reterr);
	*member = copy;
	return true;
}

bool
settings_source_add(struct settings *settings, const char *name,
    struct settings_source **ret_source, struct err *reterr)
{
	struct settings_source *source;
	void *array = settings->sources;

	if (settings->source_count == SETTINGS_SOURCES_MAX)
		return err_set(reterr, ERR_CONFIG, "more than %d sources",
		    SETTINGS_SOURCES_MAX);
	source = array_grow(&array, &settings->source_count, sizeof(*source));
	if (source == NULL)
		return err_set_nomem(reterr);
	settings->sources = array;
	*ret_source = source;
	return name_read("source", name, &source->name, reterr) &&
	       settings_preset(SETTINGS_SOURCE, source, reterr);
}

bool
settings_destination_add(struct settings *settings, const char *name,
    struct settings_destination **ret_destination, struct err *reterr)
{
	struct settings_destination *destination;
	void *array = settings->destinations;

	if (settings->destination_count == SETTINGS_DESTINATIONS_MAX)
		return err_set(reterr, ERR_CONFIG, "more than %d destinations",
		    SETTINGS_DESTINATIONS_MAX);
	destination = array_grow(
	    &array, &settings->destination_count, sizeof(*destination));
	if (destination == NULL)
		return err_set_nomem(reterr);
	settings->destinations = array;
	*ret_destination = destination;
	return name_read("destination", name, &destination->name, reterr) &&
	       settings_preset(SETTINGS_DESTINATION, destination, reterr);
}

struct settings_destination *
settings_destination_find(struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->destination_count; i++) {
		struct settings_destination *destination =
		    &settings->destinations[i];

		if (name == NULL || strcmp(destination->name, name) == 0)
			return destination;
	}
	return NULL;
}

bool
settings_destination_has(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->destination_count; i++) {
		if (strcmp(settings->destinations[i].name, name) == 0)
			return true;
	}
	return false;
}

void
settings_fini(struct settings *settings)
{
	for (size_t i = 0; i < settings->source_count; i++) {
		free(settings->sources[i].name);
		settings_values_fini(SETTINGS_SOURCE, &settings->sources[i]);
	}
	for (size_t i = 0; i < settings->destination_count; i++) {
		free(settings->destinations[i].name);
		settings_mapping_free(settings->destinations[i].mapping);
		settings_values_fini(
		    SETTINGS_DESTINATION, &settings->destinations[i]);
	}
	free(settings->sources);
	free(settings->destinations);
	settings_values_fini(SETTINGS_MAIN, settings);
	free(settings->config);
	buf_fini(&settings->warnings);
	*settings = (struct settings){0};
}

/* For one source and one destination no file, or no section, is needed. */
static bool
sections_ensure(struct settings *settings, struct err *reterr)
{
	struct settings_source *source;
	struct settings_destination *destination;

	if (settings->source_count == 0 &&
	    !settings_source_add(settings, "main", &source, reterr))
		return false;
	return settings->destination_count > 0 ||
	       settings_destination_add(settings, "heap", &destination, reterr);
}

/* systemd's $STATE_DIRECTORY may hold several, separated by colons. */
static bool
state_dir_ensure(struct settings *settings, struct err *reterr)
{
	const char *dir = getenv("STATE_DIRECTORY");

	if (settings->state_dir != NULL || dir == NULL || *dir == '\0')
		return true;
	settings->state_dir = strndup(dir, strcspn(dir, ":"));
	return settings->state_dir != NULL || err_set_nomem(reterr);
}

bool
settings_place(const struct settings *settings, struct err *reterr)
{
	return settings->state_dir != NULL ||
	       err_set(reterr, ERR_CONFIG,
		   "no state directory: set CURRENTSD_STATE_DIR (or state_dir "
		   "in the file) to a directory for the queue, "
		   "for example /var/lib/currentsd");
}

bool
settings_read(
    const char *config, struct settings *ret_settings, struct err *reterr)
{
	struct settings settings = {0};

	buf_init(&settings.warnings, WARNINGS_MAX);
	if (config == NULL)
		config = getenv("CURRENTSD_CONFIG");
	if (config != NULL && *config != '\0') {
		settings.config = strdup(config);
		if (settings.config == NULL) {
			(void)err_set_nomem(reterr);
			goto out;
		}
	}
	if (!settings_preset(SETTINGS_MAIN, &settings, reterr))
		goto out;
	if (settings.config != NULL &&
	    !settings_file_read(settings.config, &settings, reterr))
		goto out;
	if (!sections_ensure(&settings, reterr) ||
	    !state_dir_ensure(&settings, reterr) ||
	    !settings_environment_read(environ, &settings, reterr))
		goto out;
	*ret_settings = settings;
	return true;
out:
	settings_fini(&settings);
	return false;
}
