/*
 * currentsd validate: what the server would say about events in a file, or
 * about a page of changes of a segment. Needs no queue and no network.
 */

#include "base/json.h"
#include "cli/command.h"
#include "cli/file.h"
#include "daemon/bodies.h"
#include "daemon/event.h"
#include "schema/json/text.h"
#include "schema/segments/segments.h"

#include <stdio.h>
#include <string.h>

enum {
	REASON_MAX = 256,
	PAGE_CHANGES_MAX = 10000000,
};

const struct option_row command_validate_options[] = {
    {"--json", NULL, "Print one JSON object per line."},
    {NULL, NULL, NULL},
};

/* ---- events ---- */

struct validate {
	struct command_context *context;
	struct buf *out;
	bool json;
	size_t valid, invalid, faults;
};

/* What was found, and where. */
struct finding {
	size_t at, line;		    /* of the event, or of the fault */
	const struct currents_event *event; /* NULL: a fault */
	const char *reason;		    /* NULL: valid */
	size_t reason_at;
	const char *doubt; /* though it is valid; or NULL */
};

/* The server accepts a blank name; Heap, and so the mapping, does not. */
static const char *
finding_doubt(const struct currents_event *event)
{
	if (text_blank(event->type))
		return "the mapping makes it a dead letter: event_type is "
		       "blank";
	if (text_blank(event->id))
		return "the mapping makes it a dead letter: id is blank";
	return NULL;
}

static void
finding_json(const struct finding *finding, struct buf *out)
{
	const struct currents_event *event = finding->event;
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_int(&json, "at", (int64_t)finding->at);
	json_int(&json, "line", (int64_t)finding->line);
	json_text(&json, "verdict",
	    event == NULL	      ? "fault"
	    : finding->reason == NULL ? "valid"
				      : "invalid");
	if (event != NULL) {
		json_bytes(&json, "type", event->type.data, event->type.len);
		json_bytes(&json, "id", event->id.data, event->id.len);
		json_bool(&json, "known", event->known);
	}
	if (finding->reason != NULL) {
		json_text(&json, "reason", finding->reason);
		json_int(&json, "reason_at", (int64_t)finding->reason_at);
	}
	if (finding->doubt != NULL)
		json_text(&json, "but", finding->doubt);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

/* Types and ids come from outside: escaped, so that they cannot control a
 * terminal. */
static void
finding_text(const struct finding *finding, struct buf *out)
{
	const struct currents_event *event = finding->event;

	(void)buf_printf(out, "line %zu byte %zu:", finding->line, finding->at);
	if (event == NULL) {
		(void)buf_printf(out, " fault: %s\n", finding->reason);
		return;
	}
	if (event->type.len > 0) {
		(void)buf_char(out, ' ');
		json_escape(out, event->type.data, event->type.len);
	}
	if (event->id.len > 0) {
		(void)buf_text(out, " id=");
		json_escape(out, event->id.data, event->id.len);
	}
	if (finding->reason == NULL)
		(void)buf_printf(out, " valid%s%s%s\n",
		    event->known ? "" : ", of an unknown type",
		    finding->doubt != NULL ? ", but " : "",
		    finding->doubt != NULL ? finding->doubt : "");
	else
		(void)buf_printf(out, " invalid: %s (byte %zu)\n",
		    finding->reason, finding->reason_at);
}

static bool
finding_show(struct validate *validate, const struct finding *finding,
    struct err *reterr)
{
	(validate->json ? finding_json : finding_text)(finding, validate->out);
	return command_write(validate->context, validate->out, reterr);
}

static bool
validate_body(void *arg, const struct body *body, struct err *reterr)
{
	struct validate *validate = arg;
	struct finding finding = {.at = body->at, .line = body->line};
	char reason[REASON_MAX];
	size_t seen = 0;

	if (body->from->kind == LINE_CHANGE || body->fault != NULL) {
		finding.reason = "an export has a change of a segment: give "
				 "the page that Heap posted";
		if (body->from->kind != LINE_CHANGE) {
			finding.at += body->fault->at;
			finding.line += body_newlines(body, 0, body->fault->at);
			finding.reason = body->fault->text;
		}
		finding.reason_at = finding.at;
		validate->faults++;
		return finding_show(validate, &finding, reterr);
	}
	for (size_t i = 0; i < body->batch->count; i++) {
		const struct currents_event *event = &body->batch->events[i];
		bool valid = event->defect == CURRENTS_VALID;

		finding.at = body->at + event->at;
		finding.line += body_newlines(body, seen, event->at);
		seen = event->at;
		finding.event = event;
		finding.reason = valid ? NULL : reason;
		finding.reason_at = body->at + event->defect_at;
		finding.doubt = valid ? finding_doubt(event) : NULL;
		currents_defect_write(event, reason, sizeof(reason));
		validate->valid += valid;
		validate->invalid += !valid;
		if (!finding_show(validate, &finding, reterr))
			return false;
	}
	return true;
}

/* ---- a page ---- */

/* Ids come from outside: escaped, so that they cannot control a terminal. */
static bool
change_show(struct validate *validate, size_t number, const char *verdict,
    const char *reason, struct str data, struct err *reterr)
{
	struct buf *out = validate->out;
	struct json json;

	if (validate->json) {
		json_init(&json, out);
		json_object_open(&json, NULL);
		json_int(&json, "change", (int64_t)number);
		json_text(&json, "verdict", verdict);
		if (reason == NULL)
			json_null_value(&json, "reason");
		else
			json_text(&json, "reason", reason);
		if (data.len > 0)
			event_bytes_write(&json, "data", data);
		json_object_close(&json);
		(void)buf_char(out, '\n');
		return command_write(validate->context, out, reterr);
	}
	if (number > 0)
		(void)buf_printf(out, "change %zu: ", number);
	if (data.len > 0) {
		json_escape(out, data.data, data.len);
		(void)buf_char(out, ' ');
	}
	(void)buf_printf(out, "%s%s%s\n", verdict, reason != NULL ? ": " : "",
	    reason != NULL ? reason : "");
	return command_write(validate->context, out, reterr);
}

/* What the page is of. */
static void
page_head(const struct intake_page *facts, struct buf *out)
{
	(void)buf_text(out, "segment ");
	json_escape(out, facts->group.data, facts->group.len);
	if (facts->name.len > 0) {
		(void)buf_text(out, ", ");
		json_escape(out, facts->name.data, facts->name.len);
	}
	if (facts->number > 0)
		(void)buf_printf(out, ", page %u", facts->number);
	if (facts->total > 0)
		(void)buf_printf(out, " of %u", facts->total);
	(void)buf_char(out, '\n');
}

static bool
page_show(struct validate *validate, struct intake_reader *reader,
    struct str text, struct err *reterr)
{
	struct intake_batch batch = {.count = 0};
	enum intake_cause cause = segments_intake.read(
	    reader, text, PAGE_CHANGES_MAX, false, NULL, NULL, &batch);
	char why[sizeof(batch.why) + 32];

	if (cause == INTAKE_BUSY)
		return err_set_nomem(reterr);
	if (cause != INTAKE_TAKEN) {
		validate->faults++;
		(void)snprintf(
		    why, sizeof(why), "%s (byte %zu)", batch.why, batch.at);
		return change_show(
		    validate, 0, "fault", why, str_bytes(NULL, 0), reterr);
	}
	if (!validate->json)
		page_head(&batch.page, validate->out);
	for (size_t i = 0; i < batch.count; i++) {
		const struct item *item = &batch.items[i];
		bool valid = item->fate == ITEM_QUEUE;

		validate->valid += valid;
		validate->invalid += !valid;
		if (!change_show(validate, i + 1, valid ? "valid" : "invalid",
			item->reason, item->data, reterr))
			return false;
	}
	return true;
}

/* By the rules of the first source of segments, or else by the usual ones. */
static bool
validate_page(struct validate *validate, const struct settings *settings,
    struct str text, struct err *reterr)
{
	struct intake_context *context = NULL;
	struct intake_reader *reader = NULL;
	struct segments_settings usual;
	const struct segments_settings *rules = &usual;
	bool ok;

	segments_settings_init(&usual);
	for (size_t i = 0; rules == &usual && i < settings->source_count; i++) {
		if (settings->sources[i].kind == SETTINGS_SEGMENTS)
			rules = &settings->sources[i].segments;
	}
	ok = segments_intake.context_new(rules, &context, reterr);
	if (ok) {
		reader = segments_intake.reader_new(context);
		ok = reader != NULL || err_set_nomem(reterr);
	}
	ok = ok && page_show(validate, reader, text, reterr);
	segments_intake.reader_free(reader);
	segments_intake.context_free(context);
	return ok;
}

/* ---- the command ---- */

static bool
validate_all(struct validate *validate, struct settings *settings,
    struct buf *file, struct err *reterr)
{
	const struct command_context *context = validate->context;
	struct str text;
	bool lines;

	if (!settings_read(context->config, settings, reterr) ||
	    !file_read(context->options, file, reterr))
		return false;
	text = str_bytes(file->len > 0 ? file->data : "", file->len);
	if (bodies_page(text))
		return validate_page(validate, settings, text, reterr);
	return bodies_are_lines(text, &lines, reterr) &&
	       bodies_each(text, lines, validate_body, validate, reterr);
}

int
command_validate(struct command_context *context, struct buf *out)
{
	struct validate validate = {
	    .context = context,
	    .out = out,
	    .json = options_has(context->options, "--json"),
	};
	struct settings settings = {0}; /* for its catalogue */
	struct buf file;
	struct err err;
	bool ok;

	buf_init(&file, FILE_READ_MAX);
	ok = validate_all(&validate, &settings, &file, &err);
	settings_fini(&settings);
	buf_fini(&file);
	if (!ok)
		return command_fail(out, &err);
	if (!validate.json)
		(void)buf_printf(out, "%zu valid, %zu invalid, %zu %s\n",
		    validate.valid, validate.invalid, validate.faults,
		    validate.faults == 1 ? "fault" : "faults");
	return validate.invalid + validate.faults > 0 ? EXIT_FOUND : EXIT_FINE;
}
