/*
 * currentsd schema, sample: the catalogue as a list and as JSON Schemas, and
 * realistic events for trials and tests.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "schema/currents/currents.h"

#include <stdlib.h>

static bool
type_unknown(const char *pattern, struct err *reterr)
{
	return err_set(reterr, ERR_INPUT,
	    strchr(pattern, '*') != NULL
		? "the catalogue has no type that matches %s"
		: "the catalogue has no type %s",
	    pattern);
}

/* ---- schema ---- */

const struct option_row command_schema_options[] = {
    {"--all", NULL, "Print the JSON Schema of a request, with all types."},
    {"--json", NULL, "Print the list as JSON."},
    {NULL, NULL, NULL},
};

static void
schema_list_text(const char *pattern, struct buf *out)
{
	const struct catalogue *catalogue = catalogue_in_use();

	for (size_t i = 0; i < document_types(catalogue); i++) {
		struct document_type type = document_type_at(catalogue, i);

		if (!currents_type_matches(str_text(type.name), pattern))
			continue;
		(void)buf_printf(out, "%-52s %-14s %3zu properties%s%s\n",
		    type.name, type.family, type.properties,
		    type.status != NULL ? "  " : "",
		    type.status != NULL ? type.status : "");
	}
}

static void
schema_list_json(const char *pattern, struct buf *out)
{
	const struct catalogue *catalogue = catalogue_in_use();
	struct json json;

	json_init(&json, out);
	json_array_open(&json, NULL);
	for (size_t i = 0; i < document_types(catalogue); i++) {
		struct document_type type = document_type_at(catalogue, i);

		if (!currents_type_matches(str_text(type.name), pattern))
			continue;
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
	const struct catalogue *catalogue = catalogue_in_use();
	const char *word = options->word_count > 0 ? options->words[0] : "*";
	size_t type, before = out->len;

	if (options_has(options, "--all")) {
		document_request_write(catalogue, out);
		(void)buf_char(out, '\n');
	} else if (strchr(word, '*') == NULL) {
		type = document_type_find(catalogue, word);
		if (type == document_types(catalogue))
			return type_unknown(word, reterr);
		document_type_write(catalogue, type, out);
		(void)buf_char(out, '\n');
	} else if (options_has(options, "--json")) {
		schema_list_json(word, out);
	} else {
		schema_list_text(word, out);
		if (out->len == before)
			return type_unknown(word, reterr);
	}
	return true;
}

int
command_schema(struct command_context *context, struct buf *out)
{
	struct settings settings = {0}; /* for its catalogue */
	const struct options *options = context->options;
	struct err err;
	bool ok;

	if (options_has(options, "--all") && options->word_count > 0)
		return command_refuse(out, "give one TYPE, or --all");
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
    {"--count", "COUNT", "Make N events (default: one of each type)."},
    {"--seed", "COUNT", "The same seed makes the same events (default 1)."},
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
	int64_t count; /* 0 with each_once */
	bool each_once, batch;
};

/* All types that match the arguments, each once for each argument. */
static bool
sample_types_read(
    const struct options *options, struct sample_run *run, struct err *reterr)
{
	static const char *const any[] = {"*"};
	const char *const *patterns = options->words;
	size_t count = options->word_count, all = sample_types(), before;

	if (count == 0) {
		patterns = any;
		count = 1;
	}
	run->types = calloc(count * all, sizeof(*run->types));
	if (run->types == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < count; i++) {
		before = run->type_count;
		for (size_t type = 0; type < all; type++) {
			struct str name = str_text(sample_type_name(type));

			if (currents_type_matches(name, patterns[i]))
				run->types[run->type_count++] = type;
		}
		if (run->type_count == before)
			return type_unknown(patterns[i], reterr);
	}
	return true;
}

/* The numbers, which need no catalogue. */
static bool
sample_options_read(const struct command_context *context,
    struct sample_run *run, struct err *reterr)
{
	const struct options *options = context->options;
	int64_t seed, percent, time_s = context->now_ms / 1000;

	if (options_has(options, "--seed"))
		time_s = SAMPLE_SEEDED_S;
	if (options_has(options, "--all") && options->word_count > 0)
		return err_set(
		    reterr, ERR_INPUT, "give types or --all, not both");
	run->each_once = !options_has(options, "--count");
	if (!options_integer(
		options, "--count", 0, 0, INT64_MAX, &run->count, reterr) ||
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
	int64_t count = run->each_once ? (int64_t)run->type_count : run->count;

	if (run->batch)
		(void)buf_text(out, "{\"events\":[");
	for (int64_t i = 0; i < count; i++) {
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

	ok = sample_options_read(context, &run, &err) &&
	     settings_read(context->config, &settings, &err) &&
	     sample_types_read(context->options, &run, &err) &&
	     sample_events_write(context, &run, out, &err);
	settings_fini(&settings);
	free(run.types);
	return ok ? EXIT_FINE : command_fail(out, &err);
}
