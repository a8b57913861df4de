/*
 * currentsd destinations pause, resume.
 */

#include "cli/command.h"

static int
destination_pause(struct command_context *context, const char *path,
    const char *effect, struct buf *out)
{
	const struct options *options = context->options;
	json_t *answer;
	struct ask ask;
	struct err err;
	int code;

	if (options->word_count != 1) {
		(void)err_set(&err, ERR_INPUT,
		    "give the name of one destination; `currentsd "
		    "destinations` lists them");
		return command_fail(out, &err);
	}
	ask_init(&ask, "POST", path);
	ask.name = str_text(options->words[0]);
	code = command_ask(context, &ask, NULL, NULL, &answer, out);
	if (answer != NULL)
		(void)buf_printf(out, "%s %s\n",
		    json_string_value(json_object_get(answer, "name")), effect);
	json_decref(answer);
	return code;
}

int
command_destinations_pause(struct command_context *context, struct buf *out)
{
	return destination_pause(context, "/destinations/*/pause",
	    "is paused; requests in flight still complete", out);
}

int
command_destinations_resume(struct command_context *context, struct buf *out)
{
	return destination_pause(
	    context, "/destinations/*/resume", "is resumed", out);
}
