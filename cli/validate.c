/*
 * currentsd validate: checks events as the server would. Needs no settings, no
 * queue and no network.
 */

#include "base/json.h"
#include "cli/bodies.h"
#include "cli/command.h"
#include "schema/text.h"

#include <stdio.h>
#include <string.h>

enum { VALIDATE_REASON = 256 };

const struct option_row command_validate_options[] = {
    {"--json", NULL, "One JSON object a line for each event."},
    {NULL, NULL, NULL},
};

struct validate {
	struct buf *out;
	bool json;
	size_t valid, invalid, faults;
};

/* Where something is, and what is wrong with it. */
struct validate_finding {
	size_t at, line;		    /* of the event, or of the fault */
	const struct currents_event *event; /* NULL: a fault */
	const char *reason;		    /* NULL: valid */
	size_t reason_at;
	const char *doubt; /* though it is valid; or NULL */
};

/* The judge accepts a blank name; Heap, and so the mapping, does not. */
static const char *
validate_doubt(const struct currents_event *event)
{
	if (text_blank(event->type))
		return "the mapping makes it a dead letter: event_type is "
		       "blank";
	if (text_blank(event->id))
		return "the mapping makes it a dead letter: id is blank";
	return NULL;
}

static void
validate_show_json(const struct validate_finding *finding, struct buf *out)
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
validate_show_name(const char *name, const struct str *text, struct buf *out)
{
	if (text->len == 0)
		return;
	(void)buf_text(out, name);
	json_escape(out, text->data, text->len);
}

static void
validate_show_text(const struct validate_finding *finding, struct buf *out)
{
	const struct currents_event *event = finding->event;

	(void)buf_printf(out, "line %zu byte %zu:", finding->line, finding->at);
	if (event == NULL) {
		(void)buf_printf(out, " fault: %s\n", finding->reason);
		return;
	}
	validate_show_name(" ", &event->type, out);
	validate_show_name(" id=", &event->id, out);
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
validate_show(struct validate *validate, const struct validate_finding *finding,
    struct err *reterr)
{
	if (validate->json)
		validate_show_json(finding, validate->out);
	else
		validate_show_text(finding, validate->out);
	return command_flush(validate->out, reterr);
}

static bool
validate_fault(struct validate *validate, const struct bodies_one *body,
    struct err *reterr)
{
	struct validate_finding finding = {
	    .at = body->at + body->fault->at,
	    .line = body->line + bodies_newlines(body, 0, body->fault->at),
	    .reason = body->fault->text,
	};

	finding.reason_at = finding.at;
	validate->faults++;
	return validate_show(validate, &finding, reterr);
}

static bool
validate_body(void *arg, const struct bodies_one *body, struct err *reterr)
{
	struct validate *validate = arg;
	struct validate_finding finding = {.line = body->line};
	size_t seen = 0;
	char reason[VALIDATE_REASON];

	if (body->fault != NULL)
		return validate_fault(validate, body, reterr);
	for (size_t i = 0; i < body->batch->count; i++) {
		const struct currents_event *event = &body->batch->events[i];
		bool valid = event->defect == CURRENTS_VALID;

		finding.at = body->at + event->at;
		finding.line += bodies_newlines(body, seen, event->at);
		seen = event->at;
		finding.event = event;
		finding.reason = valid ? NULL : reason;
		finding.reason_at = body->at + event->defect_at;
		finding.doubt = valid ? validate_doubt(event) : NULL;
		currents_defect_write(event, reason, sizeof(reason));
		validate->valid += valid;
		validate->invalid += !valid;
		if (!validate_show(validate, &finding, reterr))
			return false;
	}
	return true;
}

int
command_validate(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct validate validate = {
	    .out = out, .json = options_has(options, "--json")};
	struct buf text;
	struct err err;
	bool ok;

	buf_init(&text, BODIES_BYTES_MAX);
	ok = bodies_read(options, &text, &err) &&
	     bodies_each(&text, validate_body, &validate, &err);
	buf_fini(&text);
	if (!ok)
		return command_fail(out, &err);
	if (!validate.json)
		(void)buf_printf(out, "%zu valid, %zu invalid, %zu %s\n",
		    validate.valid, validate.invalid, validate.faults,
		    validate.faults == 1 ? "fault" : "faults");
	return validate.invalid + validate.faults > 0 ? EXIT_FOUND : EXIT_FINE;
}
