#include "cli/command.h"

#include "base/json.h"

#include <stdlib.h>

const struct option_row command_json_options[] = {
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

int
command_fail(struct buf *out, const struct err *err)
{
	buf_reset(out);
	(void)buf_printf(out, "currentsd: %s\n", err->text);
	if (err->code == ERR_CONFIG || err->code == ERR_BUSY)
		return EXIT_CONFIG;
	return err->code == ERR_INPUT ? EXIT_USAGE : EXIT_FAILED;
}

bool
command_write(
    struct command_context *context, struct buf *out, struct err *reterr)
{
	return out->len < JOB_PIECE ? buf_ok(out, reterr)
				    : job_write(context->caller, out, reterr);
}

struct job
command_job(const struct command_context *context, struct buf *out,
    const char *verb, job_step_fn *step)
{
	return (struct job){
	    .daemon = context->daemon,
	    .caller = context->caller,
	    .out = out,
	    .now_ms = context->now_ms,
	    .verb = verb,
	    .step = step,
	};
}

bool
command_id_read(const struct options *options, int64_t *ret_id)
{
	char *end = NULL;
	int64_t id = 0;

	if (options->word_count == 1)
		id = strtoll(options->words[0], &end, 10);
	if (end == NULL || *end != '\0' || id <= 0)
		return false;
	*ret_id = id;
	return true;
}

/* An answer that is printed as it came. */
struct raw_answer {
	struct command_context *context;
	struct buf *out;
	enum { RAW_WHOLE, RAW_ARRAY, RAW_LINES } as;
	size_t rows;
};

static bool
raw_row(void *arg, json_t *row, struct str text, struct err *reterr)
{
	struct raw_answer *raw = arg;

	(void)row;
	if (raw->as == RAW_ARRAY)
		(void)buf_char(raw->out, raw->rows == 0 ? '[' : ',');
	raw->rows++;
	(void)buf_append(raw->out, text.data, text.len);
	if (raw->as == RAW_LINES)
		(void)buf_char(raw->out, '\n');
	return command_write(raw->context, raw->out, reterr);
}

static int
ask_raw(struct command_context *context, const struct ask *without,
    struct raw_answer *raw)
{
	struct ask ask = *without;
	json_t *summary = NULL;
	struct err err;

	ask.raw = true;
	if (!client_ask(context->client, &ask, raw_row, raw, &summary, &err))
		return command_fail(raw->out, &err);
	json_decref(summary);
	if (raw->as == RAW_ARRAY)
		(void)buf_text(raw->out, raw->rows == 0 ? "[]\n" : "]\n");
	else if (raw->as == RAW_WHOLE && raw->out->len > 0 &&
		 raw->out->data[raw->out->len - 1] != '\n')
		(void)buf_char(raw->out, '\n');
	return EXIT_FINE;
}

int
command_export(
    struct command_context *context, const struct ask *ask, struct buf *out)
{
	struct raw_answer raw = {context, out, RAW_LINES, 0};

	return ask_raw(context, ask, &raw);
}

int
command_ask(struct command_context *context, const struct ask *ask,
    client_row_fn *row, void *arg, json_t **ret_answer, struct buf *out)
{
	struct raw_answer raw = {
	    context, out, row != NULL ? RAW_ARRAY : RAW_WHOLE, 0};
	struct err err;

	*ret_answer = NULL;
	if (options_has(context->options, "--json"))
		return ask_raw(context, ask, &raw);
	if (client_ask(context->client, ask, row, arg, ret_answer, &err))
		return EXIT_FINE;
	*ret_answer = NULL;
	return command_fail(out, &err);
}

void
command_count_json(const char *key, int64_t count, struct buf *out)
{
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_int(&json, key, count);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}
