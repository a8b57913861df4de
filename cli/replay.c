/*
 * currentsd replay: sends delivered events again.
 */

#include "cli/filter.h"
#include "cli/show.h"
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
	const struct options *options = context->options;
	char number[SHOW_TEXT];
	json_t *summary;
	struct ask ask;
	struct err err;
	int64_t count;
	bool skipped;

	ask_init(&ask, "POST", "/replay");
	filter_ask(options, &ask);
	ask_param(&ask, "destination", options_value(options, "--destination"));
	ask_param(
	    &ask, "force", options_has(options, "--force") ? "yes" : NULL);
	if (!client_ask(context->client, &ask, NULL, NULL, &summary, &err))
		return command_fail(out, &err);
	count = value_int(summary, "replayed");
	skipped = value_int(summary, "unserved") > 0 ||
		  value_int(summary, "other_identity") > 0;
	json_decref(summary);
	if (options_has(options, "--json")) {
		command_count_json("replayed", count, out);
		return skipped ? EXIT_FOUND : EXIT_FINE;
	}
	show_number(count, number, sizeof(number));
	(void)buf_printf(out,
	    "%s delivered event%s will be sent again, behind the live "
	    "traffic.\n"
	    "Heap ignores an event whose idempotency key it already has: a "
	    "replay helps if\n"
	    "events went to the wrong environment or never arrived; it does "
	    "not correct a\n"
	    "property.\n",
	    number, count == 1 ? "" : "s");
	return skipped ? EXIT_FOUND : EXIT_FINE;
}
