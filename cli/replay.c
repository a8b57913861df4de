/*
 * currentsd replay: sends delivered events again.
 */

#include "base/json.h"
#include "cli/command.h"
#include "cli/job.h"

#include <inttypes.h>
#include <string.h>

const struct option_row command_replay_options[] = {
    FILTER_OPTIONS,
    {"--destination", "NAME", "Send them there instead of where they went."},
    FILTER_LIMIT_OPTION,
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

static bool
replay_step(
    struct queue *queue, struct jobs_walk *tools, void *arg, struct err *reterr)
{
	return jobs_replay(queue, tools, arg, reterr);
}

static bool
replay_run(struct command_context *context, struct filter *filter,
    struct buf *out, struct err *reterr)
{
	const char *to = options_value(context->options, "--destination");
	char name[256];
	struct err err;
	struct job job = {
	    .context = context,
	    .out = out,
	    .verb = "replayed",
	    .step = replay_step,
	    .match = filter_match,
	    .match_arg = filter,
	    .filter = filter,
	};

	if (!options_has(context->options, "--since"))
		return err_set(reterr, ERR_INPUT,
		    "replay needs --since: 2h, 7d, 2026-11-23T14:00");
	if (to != NULL && strlen(to) < sizeof(name))
		job.arg = memcpy(name, to, strlen(to) + 1);
	if (!filter_read(context, INT64_MAX, filter, reterr))
		return false;
	/* Events delivered from now on are not meant. */
	filter->until_ms = context->now_ms;
	if (to == NULL)
		filter->served = context->parts->settings;
	else if (!settings_destination_has(context->parts->settings, to))
		return err_set(reterr, ERR_NOT_FOUND,
		    "the settings have no destination %s", to);
	if (job_run(&job, JOBS_ARCHIVE, &err))
		return filter_unserved_say(context, filter, reterr);
	if (err.code == ERR_FULL)
		return err_set(reterr, ERR_FULL,
		    "%" PRId64 " will be sent again, the others not yet: %s, "
		    "and a tenth of that is reserved for incoming events; "
		    "replay the others when the queue has drained, or raise "
		    "queue_max_bytes",
		    filter->count, err.text);
	return err_set(reterr, err.code, "%s", err.text);
}

int
command_replay(struct command_context *context, struct buf *out)
{
	struct filter filter;
	struct json json;
	struct err err;

	if (!replay_run(context, &filter, out, &err))
		return command_fail(out, &err);
	if (options_has(context->options, "--json")) {
		json_init(&json, out);
		json_object_open(&json, NULL);
		json_int(&json, "replayed", filter.count);
		json_object_close(&json);
		(void)buf_char(out, '\n');
		return filter.unserved > 0 ? EXIT_FOUND : EXIT_FINE;
	}
	(void)buf_printf(out,
	    "%" PRId64 " delivered events will be sent again, behind the live "
	    "traffic.\nHeap ignores an event whose idempotency key it has: a "
	    "replay helps if events went\nto the wrong environment or never "
	    "arrived, and does not correct a property.\n",
	    filter.count);
	if (context->parts->settings->keep_archive_ms == 0)
		(void)buf_text(
		    out, "keep_archive is 0: delivered events are not kept.\n");
	return filter.unserved > 0 ? EXIT_FOUND : EXIT_FINE;
}
