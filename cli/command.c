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
