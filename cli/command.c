#include "cli/command.h"

#include "base/json.h"
#include "cli/grid.h"
#include "cli/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
	json_t *whole; /* owned; RAW_WHOLE: the answer, if it is legible */
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
	if (raw->as == RAW_WHOLE && raw->whole == NULL)
		raw->whole =
		    json_loadb(text.data, text.len, JSON_ALLOW_NUL, NULL);
	return command_write(raw->context, raw->out, reterr);
}

/* An answer in lines that has no rows is its summary. */
static bool
raw_summary(struct raw_answer *raw, const json_t *summary, struct err *reterr)
{
	char *text = json_dumps(summary, JSON_COMPACT);

	if (text == NULL)
		return err_set_nomem(reterr);
	(void)buf_text(raw->out, text);
	free(text);
	return true;
}

static int
ask_raw(struct command_context *context, const struct ask *without,
    struct raw_answer *raw, json_t **ret_answer)
{
	struct ask ask = *without;
	json_t *summary = NULL;
	struct err err;
	bool ok;

	ask.raw = true;
	ok = client_ask(context->client, &ask, raw_row, raw, &summary, &err);
	if (ok && raw->as == RAW_WHOLE && summary != NULL)
		ok = raw_summary(raw, summary, &err);
	if (summary == NULL)
		summary = raw->whole;
	else
		json_decref(raw->whole);
	if (!ok) {
		json_decref(summary);
		return command_fail(raw->out, &err);
	}
	if (raw->as == RAW_ARRAY)
		(void)buf_text(raw->out, raw->rows == 0 ? "[]\n" : "]\n");
	else if (raw->as == RAW_WHOLE && raw->out->len > 0 &&
		 raw->out->data[raw->out->len - 1] != '\n')
		(void)buf_char(raw->out, '\n');
	*ret_answer = summary;
	return EXIT_FINE;
}

int
command_export(
    struct command_context *context, const struct ask *ask, struct buf *out)
{
	struct raw_answer raw = {context, out, RAW_LINES, 0, NULL};
	json_t *answer = NULL;
	int code = ask_raw(context, ask, &raw, &answer);

	json_decref(answer);
	return code;
}

int
command_ask_judged(struct command_context *context, const struct ask *ask,
    client_row_fn *row, void *arg, json_t **ret_answer, struct buf *out)
{
	struct raw_answer raw = {
	    context, out, row != NULL ? RAW_ARRAY : RAW_WHOLE, 0, NULL};
	struct err err;

	*ret_answer = NULL;
	if (options_has(context->options, "--json"))
		return ask_raw(context, ask, &raw, ret_answer);
	if (client_ask(context->client, ask, row, arg, ret_answer, &err))
		return EXIT_FINE;
	*ret_answer = NULL;
	return command_fail(out, &err);
}

int
command_ask(struct command_context *context, const struct ask *ask,
    client_row_fn *row, void *arg, json_t **ret_answer, struct buf *out)
{
	int code = command_ask_judged(context, ask, row, arg, ret_answer, out);

	if (options_has(context->options, "--json")) {
		json_decref(*ret_answer);
		*ret_answer = NULL;
	}
	return code;
}

bool
command_confirm(struct command_context *context, bool otherwise,
    struct err *reterr, const char *format, ...)
{
	const struct job_caller *caller = context->caller;
	struct buf answer;
	va_list args;
	char *text;
	bool yes;

	if (options_has(context->options, "--yes"))
		return true;
	if (isatty(STDIN_FILENO) != 1)
		return otherwise || err_set(reterr, ERR_INPUT,
					"nothing was done: give --yes");
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text == NULL)
		return err_set_nomem(reterr);
	buf_init(&answer, JOB_PIECE * 2);
	yes = caller->message(caller->arg, text, reterr) &&
	      caller->message(caller->arg, "Type yes to go on:", reterr) &&
	      caller->read(caller->arg, "-", &answer, reterr);
	if (yes && (answer.len < 3 || memcmp(answer.data, "yes", 3) != 0 ||
		       (answer.len > 3 && answer.data[3] != '\n')))
		yes = err_set(reterr, ERR_INPUT,
		    "nothing was done: type yes, or give --yes");
	buf_fini(&answer);
	free(text);
	return yes;
}

int
command_grid_write(const struct command_context *context, struct grid *grid,
    const json_t *summary, struct buf *out)
{
	const char *sort = options_value(context->options, "--sort");
	bool csv = options_has(context->options, "--csv");
	const json_t *last = value_at(summary, "last");
	struct err err;

	if ((sort != NULL && !grid_sort_named(grid, sort, &err)) ||
	    !(csv ? grid_csv_write(grid, out, &err)
		  : grid_write(grid, context->screen, out, &err)))
		return command_fail(out, &err);
	if (csv || !value_bool(summary, "more"))
		return EXIT_FINE;
	if (json_is_string(last))
		(void)buf_printf(out, "there may be more: use --after %s\n",
		    json_string_value(last));
	else
		(void)buf_printf(out, "there may be more: use --after %lld\n",
		    (long long)json_integer_value(last));
	return EXIT_FINE;
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
