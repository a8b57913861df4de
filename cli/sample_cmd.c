/*
 * currentsd sample: events of the real form, for trying and testing.
 */

#include "base/clock.h"
#include "cli/command.h"
#include "schema/sample.h"

#include <stdlib.h>

enum {
	SAMPLE_SEED = 1,
	/* 2026-07-01, the day of the catalogue's release of Braze's schema: a
	 * seed makes the same bytes on every day */
	SAMPLE_SEEDED_S = 1782864000,
	SAMPLE_FLUSH = 64 * 1024,
};

const struct option_row command_sample_options[] = {
    {"--all", NULL, "Go through all types (so it does without TYPE)."},
    {"--count", "N", "N events; as many as there are types if not given."},
    {"--seed", "S", "The series of events with this number (1)."},
    {"--anonymous", "P", "P per cent without external_user_id (10)."},
    {"--time", "T",
	"Times lie before T, UNIX seconds (now; with --seed fixed)."},
    {"--odd", NULL, "Legal but nasty ones: what a receiver must endure."},
    {"--batch", NULL, "One request body: {\"events\":[...]}."},
    {NULL, NULL, NULL},
};

struct sample_run {
	struct sample sample;
	size_t *types; /* owned; to go through in turn */
	size_t type_count;
	int64_t count;
	bool batch, odd;
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
	run->odd = options_has(options, "--odd");
	return true;
}

/* Written out as it grows: a million events need no more memory than one. */
static bool
sample_events_write(struct sample_run *run, struct buf *out, struct err *reterr)
{
	if (run->batch)
		(void)buf_text(out, "{\"events\":[");
	for (int64_t i = 0; i < run->count; i++) {
		if (run->batch && i > 0)
			(void)buf_char(out, ',');
		(run->odd ? sample_odd_write : sample_write)(
		    &run->sample, run->types[(size_t)i % run->type_count], out);
		if (!run->batch)
			(void)buf_char(out, '\n');
		if (out->len >= SAMPLE_FLUSH && !command_flush(out, reterr))
			return false;
	}
	if (run->batch)
		(void)buf_text(out, "]}\n");
	return command_flush(out, reterr);
}

int
command_sample(struct command_context *context, struct buf *out)
{
	struct sample_run run = {0};
	struct err err;
	bool ok;

	ok = sample_options_read(context, &run, &err) &&
	     sample_events_write(&run, out, &err);
	free(run.types);
	return ok ? EXIT_FINE : command_fail(out, &err);
}
