/*
 * The settings as a whole: their memory, their sources and destinations.
 */

#include "daemon/settings_table.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Of what a destination may hold, what its parked items may take. */
enum { PARKED_PART = 4 };

/* ---- memory: freed at once, since nothing else knows whether a pointer is a
 * default ---- */

struct settings_memory {
	struct settings_memory *next;
	size_t size;
	_Alignas(max_align_t) char bytes[];
};

void *
settings_alloc(struct settings *settings, size_t size)
{
	struct settings_memory *memory = calloc(1, sizeof(*memory) + size);

	if (memory == NULL)
		return NULL;
	memory->size = size;
	memory->next = settings->memory;
	settings->memory = memory;
	return memory->bytes;
}

char *
settings_copy(struct settings *settings, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = settings_alloc(settings, size);

	return copy != NULL ? memcpy(copy, text, size) : NULL;
}

void
settings_fini(struct settings *settings)
{
	struct settings_memory *memory = settings->memory, *next;

	for (const struct settings_variable *variable = settings->variables;
	     variable != NULL; variable = variable->next) {
		if (variable->put)
			(void)unsetenv(variable->name);
	}
	for (; memory != NULL; memory = next) {
		next = memory->next;
		explicit_bzero(memory->bytes, memory->size);
		free(memory);
	}
	free(settings->sources);
	free(settings->destinations);
	buf_fini(&settings->warnings);
	if (settings->first == NULL && settings->types != NULL)
		catalogue_reset();
	*settings = (struct settings){0};
}

/* ---- origins ---- */

bool
setting_origin_add(struct settings *settings,
    const struct setting_origin **origins, const char *key, const char *path,
    int line, const char *variable, struct err *reterr)
{
	struct setting_origin *origin =
	    settings_alloc(settings, sizeof(*origin));

	if (origin == NULL)
		return err_set_nomem(reterr);
	*origin = (struct setting_origin){
	    .next = *origins,
	    .key = key,
	    .path = path,
	    .line = line,
	    .variable = variable,
	};
	*origins = origin;
	return true;
}

const struct setting_origin *
setting_origin_find(const struct setting_origin *origins, const char *key)
{
	while (origins != NULL && strcmp(origins->key, key) != 0)
		origins = origins->next;
	return origins;
}

/* ---- sources and destinations ---- */

/* Names stand in paths, labels and logs, so they are plain. */
static bool
name_copy(struct settings *settings, const char *what, const char *name,
    const char **ret_name, struct err *reterr)
{
	if (*name == '\0' || *name == '.' || strlen(name) > 64 ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
			      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] !=
		'\0')
		return err_set(reterr, ERR_CONFIG,
		    "the name of a %s should consist of 1 to 64 of the "
		    "characters A-Z a-z 0-9 . _ - and not start with a dot",
		    what);
	*ret_name = settings_copy(settings, name);
	return *ret_name != NULL || err_set_nomem(reterr);
}

bool
settings_source_add(struct settings *settings, const char *name,
    struct settings_source **ret_source, struct err *reterr)
{
	struct settings_source *source, *grown;

	grown = realloc(
	    settings->sources, (settings->source_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return err_set_nomem(reterr);
	settings->sources = grown;
	source = &grown[settings->source_count++];
	setting_defaults(SETTING_SOURCE, source);
	*ret_source = source;
	return name_copy(
	    settings, "source", name, &source->server.name, reterr);
}

bool
settings_destination_add(struct settings *settings, const char *name,
    struct settings_destination **ret_destination, struct err *reterr)
{
	struct settings_destination *destination, *grown;

	grown = realloc(settings->destinations,
	    (settings->destination_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return err_set_nomem(reterr);
	settings->destinations = grown;
	destination = &grown[settings->destination_count++];
	setting_defaults(SETTING_DESTINATION, destination);
	*ret_destination = destination;
	return name_copy(settings, "destination", name,
	    &destination->forwarder.name, reterr);
}

struct settings_source *
settings_source_find(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->source_count; i++) {
		if (name == NULL ||
		    strcmp(settings->sources[i].server.name, name) == 0)
			return &settings->sources[i];
	}
	return NULL;
}

struct settings_destination *
settings_destination_find(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->destination_count; i++) {
		if (name == NULL ||
		    strcmp(settings->destinations[i].forwarder.name, name) == 0)
			return &settings->destinations[i];
	}
	return NULL;
}

const void *
settings_outlet_settings(const struct settings_destination *destination)
{
	switch (destination->kind) {
	case SETTINGS_TRACK:
		return &destination->track;
	case SETTINGS_ATTRIBUTES:
		return &destination->attributes;
	case SETTINGS_COHORTS:
		return &destination->cohorts;
	}
	return NULL;
}

void
settings_forwarder_destination(const struct settings *settings,
    const struct settings_destination *destination,
    struct forwarder_destination *ret_destination)
{
	*ret_destination = destination->forwarder;
	ret_destination->outlet_settings =
	    settings_outlet_settings(destination);
	ret_destination->request_items =
	    destination->request_items[destination->kind];
	ret_destination->park_bytes =
	    (size_t)(ret_destination->max_bytes != 0
			 ? ret_destination->max_bytes
			 : settings->queue.max_bytes) /
	    PARKED_PART;
}

void
settings_outlet_write(
    const struct settings_destination *destination, struct buf *out)
{
	const struct track_settings *track = &destination->track;
	const struct attributes_settings *attributes = &destination->attributes;
	const struct cohorts_settings *cohorts = &destination->cohorts;

	switch (destination->kind) {
	case SETTINGS_TRACK:
		(void)buf_printf(out,
		    "url=%s app_id=\"%s\" share=%u events_per_minute=%u",
		    track->url, track->app_id, track->share_percent,
		    track->events_per_minute);
		break;
	case SETTINGS_ATTRIBUTES:
		(void)buf_printf(out,
		    "url=%s match=%s attribute=%s requests_per_minute=%u",
		    attributes->url, LOG_QUOTE(attributes->match),
		    LOG_QUOTE(attributes->attribute),
		    attributes->requests_per_minute);
		break;
	case SETTINGS_COHORTS:
		(void)buf_printf(out,
		    "url=%s partner=%s match=%s requests_per_hour=%u",
		    cohorts->url, cohorts->partner, LOG_QUOTE(cohorts->match),
		    cohorts->requests_per_hour);
		break;
	}
}

const char *
settings_secret_noun(const struct intake *intake)
{
	switch (intake->proof) {
	case INTAKE_BEARER:
		return "token";
	case INTAKE_SIGNATURE:
		return "secret";
	}
	return NULL;
}

size_t
settings_list_count(const char *const *list)
{
	size_t count = 0;

	while (list != NULL && list[count] != NULL)
		count++;
	return count;
}

bool
settings_warning_next(
    const struct settings *settings, size_t *at, struct str *ret_line)
{
	const struct buf *warnings = &settings->warnings;
	const char *start, *end;

	if (*at >= warnings->len)
		return false;
	start = warnings->data + *at;
	end = memchr(start, '\n', warnings->len - *at);
	*ret_line = str_bytes(
	    start, end != NULL ? (size_t)(end - start) : warnings->len - *at);
	*at += ret_line->len + 1;
	return true;
}
