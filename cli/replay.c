/*
 * currentsd replay: sends delivered events again.
 */

#include "cli/filter.h"
#include "cli/value.h"

const struct option_row command_replay_options[] = {
    FILTER_OPTIONS,
    {"--destination", "NAME", "Send the events to this destination instead."},
    FILTER_LIMIT_OPTION,
    {"--force", NULL,
	"Also events that went to this destination under other settings of "
	"identity."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

int
command_replay(struct command_context *context, struct buf *out)
{
	json_t *summary;
	struct ask ask;
	struct err err;
	int code = EXIT_FINE;

	ask = command_call(
	    context, "POST", "/replay", FILTER_PARAMS " destination force");
	if (!client_ask(context->client, &ask, NULL, NULL, &summary, &err))
		return command_fail(out, &err);
	if (value_int(summary, "unserved") +
		value_int(summary, "other_identity") >
	    0)
		code = EXIT_FOUND;
	if (options_has(context->options, "--json"))
		(void)buf_printf(out, "{\"replayed\":%lld}\n",
		    (long long)value_int(summary, "replayed"));
	else
		command_say(context, out, summary,
		    "{replayed#} delivered event{replayed+} will be sent "
		    "again, behind "
		    "the live traffic.\n"
		    "Heap ignores an event whose idempotency key it already "
		    "has: a "
		    "replay helps if\n"
		    "events went to the wrong environment or never arrived; it "
		    "does "
		    "not correct a\n"
		    "property.\n");
	json_decref(summary);
	return code;
}
