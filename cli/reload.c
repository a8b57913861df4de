/* currentsd reload: the daemon reads its settings again. */

#include "cli/command.h"
#include "cli/value.h"

const struct option_row command_reload_options[] = {
    {"--force", NULL,
	"Even if that removes a source, or a destination with something "
	"queued."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

static int
reload_show(
    struct command_context *context, const json_t *answer, struct buf *out)
{
	static const char *const lists[][2] = {
	    {"changed", "Changed"},
	    {"added", "Added"},
	    {"removed", "Removed"},
	    {"needs_restart", "Needs a restart"},
	};
	const json_t *list, *name;
	size_t n;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		list = value_at(answer, lists[i][0]);
		json_array_foreach(list, n, name)
		{
			(void)buf_text(out, n > 0 ? ", " : lists[i][1]);
			(void)buf_text(out, n > 0 ? "" : ": ");
			(void)buf_text(out, json_string_value(name));
		}
		if (json_array_size(list) > 0)
			(void)buf_char(out, '\n');
	}
	if (out->len == 0)
		(void)buf_text(out, "No setting differs; the files that they "
				    "name were read again.\n");
	screen_fit(context->screen, out, 0, 0);
	return EXIT_FINE;
}

int
command_reload(struct command_context *context, struct buf *out)
{
	struct ask ask = command_call(context, "POST", "/reload", "force");

	return command_answer(context, &ask, reload_show, out);
}
