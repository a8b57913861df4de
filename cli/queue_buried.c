/*
 * currentsd queue requeue, drop: what a person decides about the buried.
 */

#include "base/json.h"
#include "cli/command.h"
#include "cli/job.h"
#include "cli/queue_body.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const struct option_row command_queue_requeue_options[] = {
    {"--all", NULL, "All that is buried."},
    FILTER_OPTIONS,
    FILTER_REASON_OPTION,
    FILTER_LIMIT_OPTION,
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

const struct option_row command_queue_drop_options[] = {
    {"--yes", NULL, "Do it: what is dropped is gone."},
    {"--all", NULL, "All that is there."},
    {"--place", "PLACE", "buried (this) or undecodable."},
    FILTER_OPTIONS,
    FILTER_REASON_OPTION,
    FILTER_LIMIT_OPTION,
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* Filters, or one id as a word. */
struct buried {
	struct command_context *context;
	struct filter filter;
	int64_t id; /* 0: by the filters */
};

static bool
buried_match(void *arg, const struct tools_event *event)
{
	struct buried *buried = arg;

	if (buried->id != 0 && event->id != buried->id)
		return false;
	return filter_match(&buried->filter, event);
}

/* Everything must be said: a command without a filter is a slip. */
static bool
buried_read(struct buried *buried, unsigned places, const char *verb,
    struct err *reterr)
{
	const struct options *options = buried->context->options;
	bool all = options_has(options, "--all");
	char *end = NULL;

	if (!filter_read(buried->context, TOOLS_BURIED, places, INT64_MAX,
		&buried->filter, reterr))
		return false;
	/* What comes back meanwhile is not meant; but who names an event means
	 * it, even if a wrong clock buried it in the future. */
	if (options->word_count != 1)
		buried->filter.until_ms = buried->context->now_ms;
	if (options->word_count == 1) {
		buried->id = strtoll(options->words[0], &end, 10);
		if (*end != '\0' || buried->id <= 0)
			return err_set(reterr, ERR_INPUT,
			    "%s is no id of a buried event", options->words[0]);
	}
	if (options->word_count > 1 ||
	    (int)all + (int)buried->filter.any + (int)(buried->id != 0) != 1)
		return err_set(reterr, ERR_INPUT,
		    "queue %s takes one id, or filters, or --all", verb);
	return true;
}

static bool
requeue_step(
    struct queue *queue, struct tools_job *tools, void *arg, struct err *reterr)
{
	(void)arg;
	return tools_requeue(queue, tools, reterr);
}

static bool
drop_step(
    struct queue *queue, struct tools_job *tools, void *arg, struct err *reterr)
{
	(void)arg;
	return tools_drop(queue, tools, "operator", reterr);
}

static bool
buried_run(struct buried *buried, const char *verb, job_step_fn *step,
    struct buf *out, struct err *reterr)
{
	struct job job = {
	    .context = buried->context,
	    .out = out,
	    .verb = verb,
	    .step = step,
	    .match = buried_match,
	    .match_arg = buried,
	    .filter = &buried->filter,
	};

	return job_run(&job, TOOLS_BURIED, reterr);
}

static int
buried_told(const struct buried *buried, const char *verb, const char *noun,
    struct buf *out)
{
	struct json json;

	if (options_has(buried->context->options, "--json")) {
		json_init(&json, out);
		json_object_open(&json, NULL);
		json_int(&json, verb, buried->filter.count);
		json_object_close(&json);
		(void)buf_char(out, '\n');
	} else {
		(void)buf_printf(out, "%s %" PRId64 " %s\n", verb,
		    buried->filter.count, noun);
	}
	return (buried->id != 0 && buried->filter.count == 0) ||
		       buried->filter.unserved > 0
		   ? EXIT_FOUND
		   : EXIT_FINE;
}

int
command_queue_requeue(struct command_context *context, struct buf *out)
{
	struct buried buried = {.context = context};
	struct err err;

	if (!buried_read(&buried, FILTER_BURIED, "requeue", &err))
		return command_fail(out, &err);
	buried.filter.served = context->parts->settings;
	if (!buried_run(&buried, "requeued", requeue_step, out, &err) ||
	    !filter_unserved_say(context, &buried.filter, &err))
		return command_fail(out, &err);
	return buried_told(&buried, "requeued", "buried events", out);
}

int
command_queue_drop(struct command_context *context, struct buf *out)
{
	struct buried buried = {.context = context};
	struct queue_bodies bodies = {
	    .context = context,
	    .filter = &buried.filter,
	    .out = out,
	    .remove = true,
	};
	struct err err;
	bool ok;

	if (!buried_read(
		&buried, FILTER_BURIED | FILTER_UNDECODABLE, "drop", &err))
		return command_fail(out, &err);
	if (!options_has(context->options, "--yes")) {
		(void)err_set(&err, ERR_INPUT,
		    "what is dropped is gone: look at it with queue list and "
		    "the same filters, then say --yes");
		return command_fail(out, &err);
	}
	if (buried.filter.undecodable && buried.id != 0) {
		(void)err_set(
		    &err, ERR_INPUT, "bodies are dropped by filters, or --all");
		return command_fail(out, &err);
	}
	if (buried.filter.undecodable)
		ok = queue_bodies_walk(&bodies, &err);
	else
		ok = buried_run(&buried, "dropped", drop_step, out, &err);
	if (!ok)
		return command_fail(out, &err);
	return buried_told(&buried, "dropped",
	    buried.filter.undecodable ? "undecodable bodies" : "buried events",
	    out);
}
