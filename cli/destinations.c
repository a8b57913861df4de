/*
 * currentsd destinations pause, resume.
 */

#include "cli/command.h"

static int
destination_pause(struct command_context *context, bool paused, struct buf *out)
{
	const struct options *options = context->options;
	struct daemon *daemon = context->daemon;
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);
	const char *name;
	struct err err;

	if (options->word_count != 1 ||
	    settings_destination_find(daemon->settings, options->words[0]) ==
		NULL) {
		(void)err_set(&err, ERR_INPUT,
		    "give the name of one destination in the settings; "
		    "`currentsd status` lists them");
		return command_fail(out, &err);
	}
	name = options->words[0];
	/* On disk first: a crash between the two changes nothing. */
	if (!queue_destination_pause(daemon->queue, name, paused, &err))
		return command_fail(out, &err);
	if (forwarder != NULL)
		(void)forwarder_destination_set_paused(forwarder, name, paused);
	(void)buf_printf(out, "%s %s\n", name,
	    paused ? "is paused; requests in flight still complete"
		   : "is resumed");
	return EXIT_FINE;
}

int
command_destinations_pause(struct command_context *context, struct buf *out)
{
	return destination_pause(context, true, out);
}

int
command_destinations_resume(struct command_context *context, struct buf *out)
{
	return destination_pause(context, false, out);
}
