/*
 * currentsd explain: what would be sent for an event, and which rule made
 * each decision. Reads a request body as the server would, or a line of JSON
 * for each event. Needs no network and no queue.
 */

#include "base/json.h"
#include "cli/bodies.h"
#include "cli/command.h"

#include <stdlib.h>
#include <string.h>

enum {
	EXPLAIN_EVENT_MAX = 64 * 1024 * 1024,
};

const struct option_row command_explain_options[] = {
    {"--destination", "NAME", "The rules of this one (the first)."},
    {"--json", NULL, "One JSON object a line for each event."},
    {NULL, NULL, NULL},
};

struct explain {
	struct settings settings;
	struct track_rules rules;
	struct buf in, event;
	struct buf decisions; /* lines, or elements of a JSON array */
	struct json list;     /* writes them */
	struct buf *out;
	bool json;
	bool found; /* something that would not be sent, but not by a rule */
};

static void
explain_tell(
    void *arg, const char *subject, size_t subject_len, const char *decision)
{
	struct explain *explain = arg;

	if (!explain->json) {
		(void)buf_text(&explain->decisions, "  ");
		(void)buf_append(&explain->decisions, subject, subject_len);
		(void)buf_printf(&explain->decisions, ": %s\n", decision);
		return;
	}
	json_object_open(&explain->list, NULL);
	json_bytes(&explain->list, "of", subject, subject_len);
	json_text(&explain->list, "is", decision);
	json_object_close(&explain->list);
}

static void
explain_show(struct explain *explain, const struct currents_text *type,
    const char *fate, const char *reason)
{
	const struct buf *event = &explain->event;
	struct buf *out = explain->out;
	struct json json;

	if (!explain->json) {
		(void)buf_append(out, type->data, type->len);
		(void)buf_char(out, '\n');
		(void)buf_append(
		    out, explain->decisions.data, explain->decisions.len);
		(void)buf_printf(out, "  %s%s%s\n", fate,
		    reason == NULL ? "" : ": ", reason == NULL ? "" : reason);
		(void)buf_append(out, event->data, event->len);
		(void)buf_text(out, event->len > 0 ? "\n\n" : "\n");
		return;
	}
	json_init(&json, out);
	json_object_open(&json, NULL);
	json_text(&json, "fate", fate);
	if (reason == NULL)
		json_null(&json, "reason");
	else
		json_text(&json, "reason", reason);
	if (event->len > 0)
		json_raw(&json, "event", event->data, event->len);
	else
		json_null(&json, "event");
	(void)buf_text(out, ",\"decisions\":[");
	(void)buf_append(out, explain->decisions.data, explain->decisions.len);
	(void)buf_text(out, "]}\n");
}

static const char *
explain_fate_name(enum track_fate fate)
{
	switch (fate) {
	case TRACK_SEND:
		return "send";
	case TRACK_DROP:
		return "drop";
	case TRACK_BURY:
		return "bury";
	}
	return NULL;
}

static bool
explain_event(struct explain *explain, const char *body,
    const struct currents_event *event, struct err *reterr)
{
	struct track_result result;
	char why[256];

	buf_reset(&explain->event);
	buf_reset(&explain->decisions);
	json_init(&explain->list, &explain->decisions);
	if (event->flaw != CURRENTS_SOUND) {
		currents_flaw_write(event, why, sizeof(why));
		explain->found = true;
		explain_show(explain, &event->type, "bury", why);
		return command_flush(explain->out, reterr);
	}
	if (!track_write(&explain->rules, body + event->at, event->len,
		&explain->event, &result, reterr))
		return false;
	if (result.fate == TRACK_BURY)
		explain->found = true;
	explain_show(explain, &event->type, explain_fate_name(result.fate),
	    result.reason);
	return command_flush(explain->out, reterr);
}

static bool
explain_body(void *arg, const struct bodies_one *body, struct err *reterr)
{
	const struct currents_batch *batch = body->batch;

	if (body->fault != NULL)
		return err_set(reterr, ERR_INPUT, "line %zu, byte %zu: %s",
		    body->line, body->at + body->fault->at, body->fault->text);
	for (size_t i = 0; i < batch->count; i++) {
		if (!explain_event(arg, body->text, &batch->events[i], reterr))
			return false;
	}
	return true;
}

static bool
explain_rules(
    struct explain *explain, const struct options *options, struct err *reterr)
{
	struct settings_destination *destination;

	destination = settings_destination_find(
	    &explain->settings, options_value(options, "--destination"));
	if (destination == NULL)
		return err_set(reterr, ERR_INPUT, "there is no destination %s",
		    options_value(options, "--destination"));
	if (!settings_mapping_make(
		destination, &explain->settings.warnings, reterr))
		return false;
	settings_rules(destination, &explain->rules);
	explain->rules.tell = explain_tell;
	explain->rules.tell_arg = explain;
	return true;
}

int
command_explain(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct explain explain = {.out = out};
	int code = EXIT_FINE;
	struct err err;

	explain.json = options_has(options, "--json");
	buf_init(&explain.in, BODIES_BYTES_MAX);
	buf_init(&explain.event, EXPLAIN_EVENT_MAX);
	buf_init(&explain.decisions, EXPLAIN_EVENT_MAX);
	if (!settings_read(context->config, &explain.settings, &err) ||
	    !explain_rules(&explain, options, &err) ||
	    !bodies_file_read(options->word_count > 0 ? options->words[0] : "-",
		&explain.in, &err) ||
	    !bodies_each(&explain.in, explain_body, &explain, &err))
		code = command_fail(out, &err);
	else if (explain.found)
		code = EXIT_FOUND;
	settings_fini(&explain.settings);
	buf_fini(&explain.in);
	buf_fini(&explain.event);
	buf_fini(&explain.decisions);
	return code;
}
