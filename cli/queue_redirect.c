/*
 * currentsd queue redirect: moves the events of a destination that was renamed
 * or removed to another one.
 */

#include "base/json.h"
#include "cli/command.h"
#include "cli/job.h"

#include <string.h>

const struct option_row command_queue_redirect_options[] = {
    {"--anyway", NULL, "Even if some may be at Heap already."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

struct redirect {
	const char *from, *to;
	bool anyway;
};

static bool
redirect_step(
    struct queue *queue, struct jobs_walk *tools, void *arg, struct err *reterr)
{
	const struct redirect *redirect = arg;

	return jobs_redirect(queue, tools, redirect->from, redirect->to,
	    redirect->anyway, reterr);
}

static bool
redirect_read(const struct command_context *context,
    struct redirect *ret_redirect, struct err *reterr)
{
	const struct settings *settings = context->parts->settings;
	const struct options *options = context->options;

	if (options->word_count != 2)
		return err_set(reterr, ERR_INPUT,
		    "queue redirect takes two destinations: FROM TO");
	*ret_redirect = (struct redirect){options->words[0], options->words[1],
	    options_has(options, "--anyway")};
	if (settings_destination_has(settings, ret_redirect->from))
		return err_set(reterr, ERR_INPUT,
		    "%s is in the settings, so its events are sent: only "
		    "those of a destination that was removed can be "
		    "redirected",
		    ret_redirect->from);
	if (!settings_destination_has(settings, ret_redirect->to))
		return err_set(reterr, ERR_INPUT,
		    "the settings have no destination %s", ret_redirect->to);
	return true;
}

int
command_queue_redirect(struct command_context *context, struct buf *out)
{
	struct redirect redirect;
	struct job job = {
	    .context = context,
	    .out = out,
	    .verb = "redirected",
	    .step = redirect_step,
	    .arg = &redirect,
	};
	struct json json;
	struct err err;

	if (!redirect_read(context, &redirect, &err) ||
	    !job_run(&job, JOBS_QUEUED, &err))
		return command_fail(out, &err);
	if (!options_has(context->options, "--json")) {
		(void)buf_printf(out,
		    "%zu queued events of %s are now queued for %s. Its dead "
		    "letters and archived events\nnow belong to %s, too.\n",
		    job.matched, redirect.from, redirect.to, redirect.to);
		return EXIT_FINE;
	}
	json_init(&json, out);
	json_object_open(&json, NULL);
	json_int(&json, "redirected", (int64_t)job.matched);
	json_object_close(&json);
	(void)buf_char(out, '\n');
	return EXIT_FINE;
}
