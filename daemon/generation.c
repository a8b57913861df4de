#include "daemon/generation.h"

#include <stdlib.h>

void
generation_init(struct generation *generation, struct settings *settings)
{
	*generation = (struct generation){.settings = settings};
	atomic_store(&generation->holders, 1);
}

struct generation *
generation_new(void)
{
	struct generation *generation = malloc(sizeof(*generation));

	if (generation != NULL)
		generation_init(generation, &generation->own);
	return generation;
}

bool
generation_make(struct generation *generation, struct err *reterr)
{
	const struct settings *settings = generation->settings;
	size_t sources = settings->source_count;

	generation->sources = calloc(sources, sizeof(*generation->sources));
	generation->contexts = calloc(sources, sizeof(*generation->contexts));
	generation->destinations = calloc(
	    settings->destination_count, sizeof(*generation->destinations));
	if (generation->sources == NULL || generation->contexts == NULL ||
	    generation->destinations == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < sources; i++) {
		if (!settings_source_context(&settings->sources[i],
			&generation->contexts[i], reterr))
			return false;
		generation->sources[i] = settings->sources[i].server;
		generation->sources[i].context = generation->contexts[i];
	}
	for (size_t i = 0; i < settings->destination_count; i++) {
		struct forwarder_destination *destination =
		    &generation->destinations[i];

		settings_forwarder_destination(
		    settings, &settings->destinations[i], destination);
		destination->lender = generation;
		if (settings == &generation->own)
			destination->give_back = generation_drop;
	}
	return true;
}

struct server_settings
generation_server(struct generation *generation)
{
	struct server_settings server = generation->settings->server;

	server.sources = generation->sources;
	server.source_count = generation->settings->source_count;
	server.lender = generation;
	if (generation->settings == &generation->own)
		server.give_back = generation_drop;
	return server;
}

struct generation *
generation_hold(struct generation *generation)
{
	(void)atomic_fetch_add(&generation->holders, 1);
	return generation;
}

void
generation_drop(void *arg)
{
	struct generation *generation = arg;
	const struct settings *settings;

	if (generation == NULL || atomic_fetch_sub(&generation->holders, 1) > 1)
		return;
	settings = generation->settings;
	for (size_t i = 0;
	     generation->contexts != NULL && i < settings->source_count; i++)
		settings->sources[i].server.intake->context_free(
		    generation->contexts[i]);
	free(generation->contexts);
	free(generation->sources);
	free(generation->destinations);
	if (settings != &generation->own)
		return;
	settings_fini(&generation->own);
	free(generation);
}

struct generation *
in_force_hold(struct in_force *in_force)
{
	struct generation *generation;

	lock_hold(&in_force->lock);
	generation = generation_hold(in_force->generation);
	lock_drop(&in_force->lock);
	return generation;
}

struct generation *
in_force_set(struct in_force *in_force, struct generation *generation)
{
	struct generation *before;

	lock_hold(&in_force->lock);
	before = in_force->generation;
	in_force->generation = generation;
	lock_drop(&in_force->lock);
	return before;
}
