/*
 * currentsd replay: sends delivered events again.
 */

#include "cli/filter.h"

#include <inttypes.h>

const struct option_row command_replay_options[] = {
    FILTER_OPTIONS,
    {"--destination", "NAME", "Send the events to this destination instead."},
    FILTER_LIMIT_OPTION,
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

static bool
replay_step(
    struct queue *queue, struct jobs_walk *walk, void *arg, struct err *reterr)
{
	const char *const *to = arg; /* NULL: where they went */

	return jobs_replay(queue, walk, *to, reterr);
}

static bool
replay_run(struct command_context *context, struct selection *selection,
    struct buf *out, struct err *reterr)
{
	struct job job = command_job(context, out, "replayed", replay_step);
	const char *to = options_value(context->options, "--destination");
	struct err err;

	if (!options_has(context->options, "--since"))
		return err_set(reterr, ERR_INPUT,
		    "replay needs --since, for example 2h, 7d or "
		    "2026-11-23T14:00");
	if (!filter_read(context, INT64_MAX, selection, reterr))
		return false;
	/* Not events that are delivered from now on. */
	selection->until_ms = context->now_ms;
	if (to == NULL)
		selection->served = context->daemon->settings;
	else if (settings_destination_find(context->daemon->settings, to) ==
		 NULL)
		return err_set(reterr, ERR_NOT_FOUND,
		    "the settings have no destination %s", to);
	job.step_arg = &to;
	job.match = selection_event;
	job.match_arg = selection;
	job.selection = selection;
	if (job_run(&job, JOBS_ARCHIVE, &err))
		return filter_unserved_tell(context, selection, reterr);
	if (err.code == ERR_FULL)
		return err_set(reterr, ERR_FULL,
		    "%" PRId64
		    " events will be sent again, but there was no room for the "
		    "others: %s, and a tenth of that limit is reserved for "
		    "incoming events; replay the others when the queue has "
		    "drained, or raise queue_max_bytes",
		    selection->count, err.text);
	return err_set(reterr, err.code, "%s", err.text);
}

int
command_replay(struct command_context *context, struct buf *out)
{
	struct selection selection;
	struct err err;

	if (!replay_run(context, &selection, out, &err))
		return command_fail(out, &err);
	if (options_has(context->options, "--json")) {
		command_count_json("replayed", selection.count, out);
		return selection.unserved > 0 ? EXIT_FOUND : EXIT_FINE;
	}
	(void)buf_printf(out,
	    "%" PRId64
	    " delivered events will be sent again, behind the live traffic.\n"
	    "Heap ignores an event whose idempotency key it already has: a "
	    "replay helps if events\n"
	    "went to the wrong environment or never arrived; it does not "
	    "correct a property.\n",
	    selection.count);
	if (context->daemon->settings->queue.keep_ms == 0)
		(void)buf_text(out,
		    "keep_archive is 0, so delivered events are not kept.\n");
	return selection.unserved > 0 ? EXIT_FOUND : EXIT_FINE;
}
