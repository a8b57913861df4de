/*
 * currentsd schema, sample: the catalogue as a list and as JSON Schemas, and
 * realistic events for trials and tests.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "schema/currents/currents.h"

#include <stdlib.h>

/* ---- schema ---- */

const struct option_row command_schema_options[] = {
    {"--all", NULL, "Print the JSON Schema of a request, with all types."},
    {"--json", NULL, "Print the list as JSON."},
    {NULL, NULL, NULL},
};

static void
schema_list_text(struct buf *out)
{
	for (size_t i = 0; i < document_types(); i++) {
		struct document_type type = document_type_at(i);

		(void)buf_printf(out, "%-52s %-14s %3zu properties%s%s\n",
		    type.name, type.family, type.properties,
		    type.status != NULL ? "  " : "",
		    type.status != NULL ? type.status : "");
	}
}

static void
schema_list_json(struct buf *out)
{
	struct json json;

	json_init(&json, out);
	json_array_open(&json, NULL);
	for (size_t i = 0; i < document_types(); i++) {
		struct document_type type = document_type_at(i);

		json_object_open(&json, NULL);
		json_text(&json, "type", type.name);
		json_text(&json, "family", type.family);
		if (type.status == NULL)
			json_null_value(&json, "status");
		else
			json_text(&json, "status", type.status);
		json_int(&json, "properties", (int64_t)type.properties);
		json_object_close(&json);
	}
	json_array_close(&json);
	(void)buf_char(out, '\n');
}

static bool
schema_write(const struct options *options, struct buf *out, struct err *reterr)
{
	bool all = options_has(options, "--all");
	size_t type;

	if (all + options->word_count > 1)
		return err_set(reterr, ERR_INPUT, "give one TYPE, or --all");
	if (all) {
		document_request_write(out);
		(void)buf_char(out, '\n');
	} else if (options->word_count > 0) {
		type = document_type_find(options->words[0]);
		if (type == document_types())
			return err_set(reterr, ERR_INPUT,
			    "the catalogue has no type %s", options->words[0]);
		document_type_write(type, out);
		(void)buf_char(out, '\n');
	} else if (options_has(options, "--json")) {
		schema_list_json(out);
	} else {
		schema_list_text(out);
	}
	return true;
}

int
command_schema(struct command_context *context, struct buf *out)
{
	struct settings settings = {0}; /* for its catalogue */
	struct err err;
	bool ok;

	ok = settings_read(context->config, &settings, &err) &&
	     schema_write(context->options, out, &err);
	settings_fini(&settings);
	return ok ? EXIT_FINE : command_fail(out, &err);
}

/* ---- sample ---- */

enum {
	SAMPLE_SEED = 1,
	/* 2026-07-01, the day of the catalogue's release of Braze's schema: a
	 * seed makes the same bytes on every day */
	SAMPLE_SEEDED_S = 1782864000,
};

const struct option_row command_sample_options[] = {
    {"--all", NULL, "All types in turn (the default)."},
    {"--count", "N", "Make N events (default: one of each type)."},
    {"--seed", "S", "The same seed makes the same events (default 1)."},
    {"--anonymous", "P",
	"Make P per cent without external_user_id (default 10)."},
    {"--time", "T",
	"Date them before T, UNIX time (default now; fixed with --seed)."},
    {"--batch", NULL, "Print one request body: {\"events\":[...]}."},
    {NULL, NULL, NULL},
};

struct sample_run {
	struct sample sample;
	size_t *types; /* owned; to go through in turn */
	size_t type_count;
	int64_t count;
	bool batch;
};

static bool
sample_types_read(
    const struct options *options, struct sample_run *run, struct err *reterr)
{
	size_t words = options->word_count, all = sample_types();

	if (options_has(options, "--all") && words > 0)
		return err_set(
		    reterr, ERR_INPUT, "give types or --all, not both");
	run->type_count = words > 0 ? words : all;
	run->types = calloc(run->type_count, sizeof(*run->types));
	if (run->types == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < run->type_count; i++) {
		run->types[i] = i;
		if (words == 0)
			continue;
		run->types[i] = sample_type_find(options->words[i]);
		if (run->types[i] == all)
			return err_set(reterr, ERR_INPUT,
			    "the catalogue has no type %s", options->words[i]);
	}
	return true;
}

static bool
sample_options_read(const struct command_context *context,
    struct sample_run *run, struct err *reterr)
{
	const struct options *options = context->options;
	int64_t seed, percent, time_s = context->now_ms / 1000;

	if (options_has(options, "--seed"))
		time_s = SAMPLE_SEEDED_S;
	if (!sample_types_read(options, run, reterr) ||
	    !options_integer(options, "--count", (int64_t)run->type_count, 0,
		INT64_MAX, &run->count, reterr) ||
	    !options_integer(
		options, "--seed", SAMPLE_SEED, 0, INT64_MAX, &seed, reterr) ||
	    !options_integer(options, "--time", time_s, 3600,
		INT32_MAX * INT64_C(4), &time_s, reterr))
		return false;
	sample_init(&run->sample, (uint64_t)seed, time_s);
	if (!options_integer(options, "--anonymous",
		run->sample.anonymous_percent, 0, 100, &percent, reterr))
		return false;
	run->sample.anonymous_percent = (unsigned)percent;
	run->batch = options_has(options, "--batch");
	return true;
}

/* Written out as it grows: a million events need no more memory than one. */
static bool
sample_events_write(struct command_context *context, struct sample_run *run,
    struct buf *out, struct err *reterr)
{
	if (run->batch)
		(void)buf_text(out, "{\"events\":[");
	for (int64_t i = 0; i < run->count; i++) {
		if (run->batch && i > 0)
			(void)buf_char(out, ',');
		sample_write(
		    &run->sample, run->types[(size_t)i % run->type_count], out);
		if (!run->batch)
			(void)buf_char(out, '\n');
		if (!command_write(context, out, reterr))
			return false;
	}
	if (run->batch)
		(void)buf_text(out, "]}\n");
	return true;
}

int
command_sample(struct command_context *context, struct buf *out)
{
	struct settings settings = {0}; /* for its catalogue */
	struct sample_run run = {0};
	struct err err;
	bool ok;

	ok = settings_read(context->config, &settings, &err) &&
	     sample_options_read(context, &run, &err) &&
	     sample_events_write(context, &run, out, &err);
	settings_fini(&settings);
	free(run.types);
	return ok ? EXIT_FINE : command_fail(out, &err);
}
