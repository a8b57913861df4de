/*
 * currentsd explain: what becomes of an event, and which rule made each
 * decision: those of its source, as the server has them, then the mapping.
 * Reads a request body as the server would, or a line of JSON for each event.
 * Needs no network and no queue.
 */

#include "base/json.h"
#include "cli/bodies.h"
#include "cli/command.h"
#include "schema/currents.h"

#include <stdlib.h>
#include <string.h>

enum {
	EXPLAIN_EVENT_MAX = 64 * 1024 * 1024,
};

const struct option_row command_explain_options[] = {
    {"--source", "NAME", "As if this one had sent them (the first)."},
    {"--destination", "NAME", "Mapped for this one (the source's)."},
    {"--json", NULL, "One JSON object a line for each event."},
    {NULL, NULL, NULL},
};

struct explain {
	struct settings settings;
	struct server_source source;
	struct server_judge *judge; /* of the source */
	struct track_rules rules;   /* of the destination */
	struct buf in, event;
	struct buf decisions; /* lines, or elements of a JSON array */
	struct json list;     /* writes them */
	struct buf *out;
	bool json;
	bool found; /* something that would not be sent, and no rule drops it */
};

/* The result for an event, or for a fault. */
struct explain_row {
	size_t line, at;	   /* in the file */
	const struct str *type;	   /* NULL: a fault */
	const char *fate, *reason; /* reason: may be NULL */
};

/* Escaped, so that foreign text can neither control a terminal nor look like a
 * line of ours. */
static void
explain_tell(void *arg, struct str subject, const char *decision)
{
	struct explain *explain = arg;
	struct buf *lines = &explain->decisions;

	if (!explain->json) {
		(void)buf_text(lines, "  ");
		json_escape(lines, subject.data, subject.len);
		(void)buf_text(lines, ": ");
		json_escape(lines, decision, strlen(decision));
		(void)buf_char(lines, '\n');
		return;
	}
	json_object_open(&explain->list, NULL);
	json_bytes(&explain->list, "of", subject.data, subject.len);
	json_text(&explain->list, "is", decision);
	json_object_close(&explain->list);
}

static void
explain_show_text(struct explain *explain, const struct explain_row *row)
{
	const struct buf *event = &explain->event;
	struct buf *out = explain->out;

	if (row->type == NULL)
		(void)buf_printf(out, "line %zu byte %zu", row->line, row->at);
	else
		json_escape(out, row->type->data, row->type->len);
	(void)buf_char(out, '\n');
	(void)buf_append(out, explain->decisions.data, explain->decisions.len);
	(void)buf_printf(
	    out, "  %s%s", row->fate, row->reason != NULL ? ": " : "");
	if (row->reason != NULL)
		json_escape(out, row->reason, strlen(row->reason));
	(void)buf_char(out, '\n');
	(void)buf_append(out, event->data, event->len);
	(void)buf_text(out, event->len > 0 ? "\n\n" : "\n");
}

static void
explain_show_json(struct explain *explain, const struct explain_row *row)
{
	const struct buf *event = &explain->event;
	struct buf *out = explain->out;
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_int(&json, "at", (int64_t)row->at);
	json_int(&json, "line", (int64_t)row->line);
	json_text(&json, "fate", row->fate);
	if (row->reason == NULL)
		json_null(&json, "reason");
	else
		json_text(&json, "reason", row->reason);
	if (event->len > 0)
		json_raw(&json, "event", event->data, event->len);
	else
		json_null(&json, "event");
	(void)buf_text(out, ",\"decisions\":[");
	(void)buf_append(out, explain->decisions.data, explain->decisions.len);
	(void)buf_text(out, "]}\n");
}

static bool
explain_show(
    struct explain *explain, const struct explain_row *row, struct err *reterr)
{
	if (explain->json)
		explain_show_json(explain, row);
	else
		explain_show_text(explain, row);
	return command_flush(explain->out, reterr);
}

static void
explain_reset(struct explain *explain)
{
	buf_reset(&explain->event);
	buf_reset(&explain->decisions);
	json_init(&explain->list, &explain->decisions);
}

static const char *
explain_fate_name(enum track_fate fate)
{
	switch (fate) {
	case TRACK_SEND:
		return "send";
	case TRACK_DROP:
		return "drop";
	case TRACK_DEAD:
		return "dead";
	}
	return NULL;
}

/* What the mapping makes of it. */
static bool
explain_map(struct explain *explain, const struct item *item,
    struct explain_row *row, struct err *reterr)
{
	struct track_result result;

	if (!track_write(
		&explain->rules, item->data, &explain->event, &result, reterr))
		return false;
	row->fate = explain_fate_name(result.fate);
	row->reason = result.reason;
	explain->found |= result.fate == TRACK_DEAD;
	return true;
}

static bool
explain_event(struct explain *explain, const struct currents_event *event,
    const struct item *item, struct explain_row *row, struct err *reterr)
{
	char why[SERVER_REASON];

	explain_reset(explain);
	row->type = &event->type;
	row->reason = item->reason;
	switch (item->fate) {
	case ITEM_QUEUE:
		if (!explain_map(explain, item, row, reterr))
			return false;
		break;
	case ITEM_DEAD:
		row->fate = "dead";
		explain->found = true;
		break;
	case ITEM_DROP:
		row->fate = "drop";
		if (event->defect == CURRENTS_VALID)
			break;
		currents_defect_write(event, why, sizeof(why));
		explain_tell(explain, str_text("event"), why);
		break;
	}
	return explain_show(explain, row, reterr);
}

static bool
explain_fault(
    struct explain *explain, const struct bodies_one *body, struct err *reterr)
{
	struct explain_row row = {
	    .line = body->line + bodies_newlines(body, 0, body->fault->at),
	    .at = body->at + body->fault->at,
	    .fate = "fault",
	    .reason = body->fault->text,
	};

	explain_reset(explain);
	explain->found = true;
	return explain_show(explain, &row, reterr);
}

static bool
explain_events(struct explain *explain, const struct bodies_one *body,
    const struct item *items, struct err *reterr)
{
	struct explain_row row = {.line = body->line};
	size_t seen = 0;

	for (size_t i = 0; i < body->batch->count; i++) {
		const struct currents_event *event = &body->batch->events[i];

		row.at = body->at + event->at;
		row.line += bodies_newlines(body, seen, event->at);
		seen = event->at;
		if (!explain_event(explain, event, &items[i], &row, reterr))
			return false;
	}
	return true;
}

static bool
explain_body(void *arg, const struct bodies_one *body, struct err *reterr)
{
	struct explain *explain = arg;
	struct item *items;
	struct buf bytes = {0};
	char *reasons;
	bool ok;

	if (body->fault != NULL)
		return explain_fault(explain, body, reterr);
	if (body->batch->count == 0)
		return true;
	items = calloc(body->batch->count, sizeof(*items));
	reasons = calloc(body->batch->count, SERVER_REASON);
	ok = items != NULL && reasons != NULL &&
	     server_judge_batch(explain->judge, body->batch, body->text, false,
		 items, reasons, NULL, NULL, &bytes);
	if (!ok)
		(void)err_set_nomem(reterr);
	ok = ok && explain_events(explain, body, items, reterr);
	buf_fini(&bytes);
	free(reasons);
	free(items);
	return ok;
}

/* The source of that name (NULL: the first), or NULL. */
static const struct settings_source *
explain_source_find(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->source_count; i++) {
		if (name == NULL ||
		    strcmp(settings->sources[i].name, name) == 0)
			return &settings->sources[i];
	}
	return NULL;
}

static bool
explain_rules(
    struct explain *explain, const struct options *options, struct err *reterr)
{
	const char *source_name = options_value(options, "--source");
	const char *name = options_value(options, "--destination");
	struct settings_destination *destination;
	const struct settings_source *source;

	source = explain_source_find(&explain->settings, source_name);
	if (source == NULL)
		return err_set(reterr, ERR_INPUT, "there is no source %s",
		    source_name != NULL ? source_name : "");
	if (name == NULL)
		name = source->destination;
	destination = settings_destination_find(&explain->settings, name);
	if (destination == NULL)
		return err_set(
		    reterr, ERR_INPUT, "there is no destination %s", name);
	/* What private_at = accept takes out, the mapping would leave out: it
	 * is explained there. */
	parts_source_settings(source, NULL, &explain->source);
	if (!server_judge_new(&explain->source, &explain->judge, reterr))
		return false;
	if (!settings_mapping_make(
		destination, &explain->settings.warnings, reterr))
		return false;
	settings_rules(destination, &explain->rules);
	explain->rules.explain = explain_tell;
	explain->rules.explain_arg = explain;
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
	    !bodies_read(options, &explain.in, &err) ||
	    !bodies_each(&explain.in, explain_body, &explain, &err))
		code = command_fail(out, &err);
	else if (explain.found)
		code = EXIT_FOUND;
	server_judge_free(explain.judge);
	settings_fini(&explain.settings);
	buf_fini(&explain.in);
	buf_fini(&explain.event);
	buf_fini(&explain.decisions);
	return code;
}
