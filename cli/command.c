#include "cli/command.h"

#include "base/clock.h"
#include "cli/help.h"
#include "cli/usage.h"
#include "cli/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	COMMAND_PIECE = 64 * 1024, /* of output */
	COMMAND_MESSAGE = 2000,
	COMMAND_ANSWER = 80,
};

const struct option_row command_json_options[] = {
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

int
command_run(const struct command *commands, struct screen *screen, size_t argc,
    const char *const *argv, struct buf *out)
{
	struct command_context context = {
	    .screen = screen,
	    .commands = commands,
	    .now_ms = clock_wall_ms(),
	};
	const struct command *command;
	struct options options;
	struct err err;
	size_t words;
	int code;

	command = help_find(commands, argc, argv, &words);
	if (command == NULL)
		return help_unknown_write(commands, argc, argv, out);
	if (!options_read(command->name, command->options, argc - words,
		argv + words, &options, &err))
		return command_fail(out, &err);
	if (options_has(&options, "--help")) {
		help_command_write(command, out);
		return EXIT_FINE;
	}
	if (!usage_judge(command, &options, context.now_ms, &err))
		return command_fail(out, &err);
	context.options = &options;
	screen->utc = options_has(&options, "--utc");
	context.config = options_value(&options, "--config");
	if (command->place != COMMAND_PLAIN &&
	    !client_open(context.config, command->place == COMMAND_CLIENT,
		screen, &context.client, &err))
		return command_fail(out, &err);
	code = command->run(&context, out);
	client_close(context.client);
	/* If the output does not fit, half of it would mislead. */
	return buf_ok(out, &err) ? code : command_fail(out, &err);
}

int
command_fail(struct buf *out, const struct err *err)
{
	buf_reset(out);
	(void)buf_printf(out, "currentsd: %s\n", err->text);
	if (err->code == ERR_CONFIG || err->code == ERR_BUSY)
		return EXIT_CONFIG;
	return err->code == ERR_INPUT ? EXIT_USAGE : EXIT_FAILED;
}

int
command_refuse(struct buf *out, const char *format, ...)
{
	struct err err = {.code = ERR_INPUT};
	va_list args;

	va_start(args, format);
	(void)vsnprintf(err.text, sizeof(err.text), format, args);
	va_end(args);
	return command_fail(out, &err);
}

bool
command_write(
    struct command_context *context, struct buf *out, struct err *reterr)
{
	return out->len < COMMAND_PIECE ? buf_ok(out, reterr)
					: command_flush(context, out, reterr);
}

bool
command_flush(
    struct command_context *context, struct buf *out, struct err *reterr)
{
	if (!buf_ok(out, reterr) ||
	    !screen_write(context->screen, stdout, out->data, out->len, reterr))
		return false;
	buf_reset(out);
	return true;
}

bool
command_message(struct command_context *context, struct err *reterr,
    const char *format, ...)
{
	char text[COMMAND_MESSAGE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return screen_line(context->screen, text, reterr);
}

struct ask
command_call(const struct command_context *context, const char *method,
    const char *path, const char *names)
{
	const struct options *options = context->options;
	struct ask ask;

	ask_init(&ask, method, path);
	if (strchr(path, '*') != NULL)
		ask.name = str_text(options->words[0]);
	for (size_t i = 0; i < options->set_count; i++) {
		const char *name = options->set[i].name + strlen("--");
		bool last = true;

		for (size_t j = i + 1; j < options->set_count; j++)
			last &= options->set[j].name != options->set[i].name;
		if (last && str_has_word(names, name))
			ask_param(&ask, name, options->set[i].value);
	}
	return ask;
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
command_row_keep(void *arg, json_t *row, struct str text, struct err *reterr)
{
	(void)text;
	return json_array_append(arg, row) == 0 || err_set_nomem(reterr);
}

bool
command_confirm(struct command_context *context, bool otherwise,
    struct err *reterr, const char *format, ...)
{
	char text[COMMAND_MESSAGE], answer[COMMAND_ANSWER];
	va_list args;

	if (options_has(context->options, "--yes"))
		return true;
	if (isatty(STDIN_FILENO) != 1)
		return otherwise || err_set(reterr, ERR_INPUT,
					"nothing was done: there is no "
					"terminal to ask on; give --yes");
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!screen_line(context->screen, text, reterr) ||
	    !screen_ask(context->screen, "Type yes to go on:", answer,
		sizeof(answer), reterr))
		return false;
	return strcmp(answer, "yes") == 0 ||
	       err_set(reterr, ERR_INPUT,
		   "nothing was done: type yes, or give --yes");
}

int
command_answer(struct command_context *context, const struct ask *ask,
    command_show_fn *show, struct buf *out)
{
	bool json = options_has(context->options, "--json");
	struct buf unseen;
	json_t *answer;
	int code = command_ask_judged(context, ask, NULL, NULL, &answer, out);

	if (code != EXIT_FINE)
		return code;
	buf_init(&unseen, COMMAND_OUT_MAX);
	code = show(context, answer, json ? &unseen : out);
	buf_fini(&unseen);
	json_decref(answer);
	return code;
}

/* ---- lists ---- */

struct list {
	struct grid *grid;
	command_fill_fn *fill; /* or NULL */
};

static bool
list_row(void *arg, json_t *row, struct str text, struct err *reterr)
{
	struct list *list = arg;

	(void)text, (void)reterr;
	grid_row(list->grid, row);
	if (list->fill != NULL)
		list->fill(list->grid, row);
	return true;
}

static bool
list_write(const struct command_context *context, struct grid *grid,
    const json_t *summary, struct buf *out, struct err *reterr)
{
	const char *sort = options_value(context->options, "--sort");
	bool csv = options_has(context->options, "--csv");
	const char *more = json_is_string(value_at(summary, "last"))
			       ? "there may be more: use --after {last}\n"
			       : "there may be more: use --after {last%}\n";

	if ((sort != NULL && !grid_sort_named(grid, sort, reterr)) ||
	    !(csv ? grid_csv_write(grid, out, reterr)
		  : grid_write(grid, context->screen, out, reterr)))
		return false;
	if (!csv && value_bool(summary, "more"))
		command_say(context, out, summary, more);
	return true;
}

int
command_list(struct command_context *context, const struct ask *ask,
    const struct grid_column *columns, size_t count, command_fill_fn *fill,
    const char *none, struct buf *out)
{
	struct list list = {grid_new(columns, count, context->now_ms), fill};
	json_t *summary;
	struct err err;
	int code = command_ask(context, ask, list_row, &list, &summary, out);

	if (summary != NULL && grid_rows(list.grid) == 0)
		(void)buf_text(out, none);
	else if (summary != NULL &&
		 !list_write(context, list.grid, summary, out, &err))
		code = command_fail(out, &err);
	grid_free(list.grid);
	json_decref(summary);
	return code;
}

void
command_say(const struct command_context *context, struct buf *out,
    const json_t *answer, const char *text)
{
	value_say(answer, context->screen, context->now_ms, text, out);
}
