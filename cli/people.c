#include "cli/people.h"

#include <stdlib.h>
#include <string.h>

static bool
people_add(struct people *people, const struct settings *settings,
    const char *const *words, size_t count, struct err *reterr)
{
	size_t most = count * (settings->destination_count + 1);
	struct track_rules rules;
	size_t hashed = 0;

	people->ids = calloc(most + 1, sizeof(*people->ids));
	people->hashed = calloc(most + 1, sizeof(*people->hashed));
	if (people->ids == NULL || people->hashed == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < count; i++)
		people->ids[people->count++] = str_text(words[i]);
	for (size_t d = 0; d < settings->destination_count; d++) {
		if (settings->destinations[d].hash_key_file == NULL)
			continue;
		settings_rules(&settings->destinations[d], &rules);
		for (size_t i = 0; i < count; i++) {
			redact_id_write(
			    &rules, people->ids[i], people->hashed[hashed]);
			people->ids[people->count++] = str_bytes(
			    people->hashed[hashed++], REDACT_ID_BYTES);
		}
	}
	return true;
}

/* Settings of our own, with every key that they name. */
static bool
people_settings(
    const char *config, struct settings *settings, struct err *reterr)
{
	if (!settings_read(config, settings, reterr))
		return false;
	for (size_t d = 0; d < settings->destination_count; d++) {
		struct settings_destination *destination =
		    &settings->destinations[d];

		if (destination->hash_key_file != NULL &&
		    !settings_mapping_make(
			destination, &settings->warnings, reterr)) {
			settings_fini(settings);
			return false;
		}
	}
	return true;
}

bool
people_make(struct people *people, const struct parts *parts,
    const char *config, const char *const *words, size_t count,
    struct err *reterr)
{
	struct settings own;
	bool ok;

	*people = (struct people){.count = 0};
	if (atomic_load(&parts->server) != NULL)
		return people_add(
		    people, parts->settings, words, count, reterr);
	if (!people_settings(config, &own, reterr))
		return false;
	ok = people_add(people, &own, words, count, reterr);
	settings_fini(&own);
	return ok;
}

void
people_fini(struct people *people)
{
	free(people->ids);
	free(people->hashed);
}
