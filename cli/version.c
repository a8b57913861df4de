#include "base/json.h"
#include "cli/command.h"

int
command_version(struct command_context *context, struct buf *out)
{
	struct json json;

	if (!options_has(context->options, "--json")) {
		(void)buf_printf(out, "currentsd %s\n", CURRENTSD_VERSION);
		return EXIT_FINE;
	}
	json_init(&json, out);
	json_object_open(&json, NULL);
	json_text(&json, "version", CURRENTSD_VERSION);
	json_object_close(&json);
	(void)buf_char(out, '\n');
	return EXIT_FINE;
}
