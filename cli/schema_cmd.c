/*
 * currentsd schema: the catalogue, as a list and as JSON Schemas.
 */

#include "base/json.h"
#include "cli/command.h"
#include "schema/document.h"

const struct option_row command_schema_options[] = {
    {"--all", NULL, "The JSON Schema of a whole request, with every type's."},
    {"--json", NULL, "The list as JSON."},
    {NULL, NULL, NULL},
};

static void
schema_list_text(struct buf *out)
{
	for (size_t i = 0; i < document_types(); i++) {
		struct document_type type = document_type_at(i);

		(void)buf_printf(out, "%-52s %-14s %3zu properties%s%s\n",
		    type.name, type.family, type.properties,
		    type.status != NULL ? "  " : "",
		    type.status != NULL ? type.status : "");
	}
}

static void
schema_list_json(struct buf *out)
{
	struct json json;

	json_init(&json, out);
	json_array_open(&json, NULL);
	for (size_t i = 0; i < document_types(); i++) {
		struct document_type type = document_type_at(i);

		json_object_open(&json, NULL);
		json_text(&json, "type", type.name);
		json_text(&json, "family", type.family);
		if (type.status == NULL)
			json_null(&json, "status");
		else
			json_text(&json, "status", type.status);
		json_int(&json, "properties", (int64_t)type.properties);
		json_object_close(&json);
	}
	json_array_close(&json);
	(void)buf_char(out, '\n');
}

int
command_schema(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	bool all = options_has(options, "--all");
	struct err err;
	size_t type;

	if (all + options->word_count > 1) {
		(void)err_set(&err, ERR_INPUT, "give one TYPE, or --all");
		return command_fail(out, &err);
	}
	if (all) {
		document_request_write(out);
		(void)buf_char(out, '\n');
	} else if (options->word_count > 0) {
		type = document_type_find(options->words[0]);
		if (type == document_types()) {
			(void)err_set(&err, ERR_INPUT,
			    "the catalogue has no type %s", options->words[0]);
			return command_fail(out, &err);
		}
		document_type_write(type, out);
		(void)buf_char(out, '\n');
	} else if (options_has(options, "--json")) {
		schema_list_json(out);
	} else {
		schema_list_text(out);
	}
	return EXIT_FINE;
}
