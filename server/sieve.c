#include "server/sieve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sieve {
	const char *const *include, *const *exclude; /* or NULL */
	char **rules;				     /* of exclude, in order */
	size_t count;
};

void
sieve_free(struct sieve *sieve)
{
	if (sieve == NULL)
		return;
	for (size_t i = 0; i < sieve->count; i++)
		free(sieve->rules[i]);
	free(sieve->rules);
	free(sieve);
}

struct sieve *
sieve_new(const struct server_source *source)
{
	struct sieve *sieve = calloc(1, sizeof(*sieve));
	size_t count = 0;

	if (sieve == NULL)
		return NULL;
	sieve->exclude = source->exclude;
	if (source->include != NULL && source->include[0] != NULL)
		sieve->include = source->include;
	while (source->exclude != NULL && source->exclude[count] != NULL)
		count++;
	sieve->rules = calloc(count + 1, sizeof(sieve->rules[0]));
	if (sieve->rules == NULL)
		goto out;
	for (; sieve->count < count; sieve->count++) {
		if (asprintf(&sieve->rules[sieve->count], "excluded: %s",
			source->exclude[sieve->count]) < 0)
			goto out;
	}
	return sieve;
out:
	sieve_free(sieve);
	return NULL;
}

static bool
sieve_is_erasure(const struct str *type)
{
	static const char erasure[] = CURRENTS_ERASURE;

	return type->len == sizeof(erasure) - 1 &&
	       memcmp(type->data, erasure, type->len) == 0;
}

const char *
sieve_rule(const struct sieve *sieve, const struct str *type)
{
	bool erasure = sieve_is_erasure(type);

	for (size_t i = 0; i < sieve->count; i++) {
		const char *pattern = sieve->exclude[i];

		if (erasure ? strcmp(pattern, CURRENTS_ERASURE) == 0
			    : currents_type_matches(*type, pattern))
			return sieve->rules[i];
	}
	if (sieve->include == NULL || erasure)
		return NULL;
	for (size_t i = 0; sieve->include[i] != NULL; i++) {
		if (currents_type_matches(*type, sieve->include[i]))
			return NULL;
	}
	return "not included";
}
