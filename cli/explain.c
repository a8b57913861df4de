/*
 * currentsd validate, explain: what the server would say about events in a
 * file, and what would become of them. Needs no queue and no network.
 *
 * The file is one request body, as Braze sends it, or has a body on each line
 * (usually a single event). Or it is a page of changes: then see page.h.
 */

#include "base/json.h"
#include "cli/command.h"
#include "cli/page.h"
#include "schema/currents/currents.h"
#include "schema/json/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FILE_BYTES_MAX = 256 * 1024 * 1024,
	BODY_EVENTS_MAX = 1000000,
	EVENT_MAX = 64 * 1024 * 1024,
	REASON_MAX = 256,
};

const struct option_row command_validate_options[] = {
    {"--json", NULL, "Print one JSON object per line."},
    {NULL, NULL, NULL},
};

const struct option_row command_explain_options[] = {
    {"--source", "NAME",
	"Apply the rules of this source (default: the first)."},
    {"--destination", "NAME",
	"Map for this destination (default: the source's)."},
    {"--json", NULL, "Print one JSON object per line."},
    {NULL, NULL, NULL},
};

/* ---- the file ---- */

struct body {
	struct str text;
	size_t at;			    /* its offset in the file */
	size_t line;			    /* in which it begins, from 1 */
	struct currents_batch *batch;	    /* empty if there is a fault */
	const struct currents_fault *fault; /* or NULL */
};

/* False ends the walk. */
typedef bool body_fn(void *arg, const struct body *body, struct err *reterr);

/* Read the file that the command's words name; none, and "-", are the
 * standard input. */
static bool
file_read(
    const struct options *options, struct buf *ret_text, struct err *reterr)
{
	const char *name = options->word_count > 0 ? options->words[0] : "-";
	FILE *opened = NULL, *file = stdin;
	char block[65536];
	bool failed;
	size_t len;

	if (options->word_count > 1)
		return err_set(reterr, ERR_INPUT,
		    "give one FILE, or - for standard input");
	if (strcmp(name, "-") != 0)
		file = opened = fopen(name, "rb");
	if (file == NULL)
		return err_set(
		    reterr, ERR_INPUT, "%s: %s", name, strerror(errno));
	errno = 0;
	while ((len = fread(block, 1, sizeof(block), file)) > 0 &&
	       buf_append(ret_text, block, len))
		;
	failed = ferror(file) != 0;
	if (failed)
		(void)err_set(reterr, ERR_INPUT, "%s: %s", name,
		    errno != 0 ? strerror(errno) : "read error");
	if (opened != NULL)
		(void)fclose(opened);
	return !failed && buf_ok(ret_text, reterr);
}

/* How many lines the byte `to` of a body is below the byte `from`. */
static size_t
body_newlines(const struct body *body, size_t from, size_t to)
{
	const char *at = body->text.data + from, *end = body->text.data + to;
	size_t count = 0;

	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		at++;
		count++;
	}
	return count;
}

/* Read one body. False without memory, or if it has too many events. */
static bool
body_read(struct str text, struct currents_batch *batch,
    struct currents_fault *fault, bool *ret_fault, struct err *reterr)
{
	switch (currents_read(text, BODY_EVENTS_MAX, batch, fault)) {
	case CURRENTS_READ:
		*ret_fault = false;
		return true;
	case CURRENTS_FAULT:
		*ret_fault = true;
		return true;
	case CURRENTS_NO_ROOM:
		break;
	}
	if (batch->count >= BODY_EVENTS_MAX)
		return err_set(reterr, ERR_LIMIT,
		    "more than %d events in one body", BODY_EVENTS_MAX);
	return err_set_nomem(reterr);
}

/* Take the next line off the text, without its newline. */
static struct str
line_take(struct str *text)
{
	const char *end = memchr(text->data, '\n', text->len);
	struct str line = {
	    text->data, end == NULL ? text->len : (size_t)(end - text->data)};
	size_t taken = line.len + (end != NULL);

	text->data += taken;
	text->len -= taken;
	return line;
}

/* Brackets and commas alone: the end of something that began on another
 * line. */
static bool
line_closes(struct str line)
{
	bool closes = false;

	for (size_t i = 0; i < line.len; i++) {
		if (memchr("]},", line.data[i], 3) != NULL)
			closes = true;
		else if (memchr(" \t\r", line.data[i], 3) == NULL)
			return false;
	}
	return closes;
}

static bool
line_blank(struct str line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (memchr(" \t\r", line.data[i], 3) == NULL)
			return false;
	}
	return true;
}

/* The file as a whole is no body. Does it have a body on each line? Yes if
 * one line is a body, and none looks like the end of a body of many lines; the
 * other lines may be what is wrong with the file. */
static bool
file_has_lines(struct str text, struct currents_batch *batch, bool *ret_lines,
    struct err *reterr)
{
	size_t all = text.len;
	struct currents_fault fault;
	bool lines = false, faulty = false;

	*ret_lines = false;
	while (text.len > 0) {
		struct str line = line_take(&text);

		if (line_closes(line))
			return true;
		if (lines || line.len == all || line_blank(line))
			continue;
		if (!body_read(line, batch, &fault, &faulty, reterr))
			return false;
		lines = !faulty;
	}
	*ret_lines = lines;
	return true;
}

/* Call `fn` for each body. */
static bool
bodies_each(const struct buf *file, body_fn *fn, void *arg, struct err *reterr)
{
	struct str rest = {file->len > 0 ? file->data : "", file->len};
	struct currents_batch batch;
	struct currents_fault fault;
	struct body body = {.text = rest, .line = 1, .batch = &batch};
	bool faulty = false, lines = false, ok;

	currents_batch_init(&batch);
	ok = body_read(rest, &batch, &fault, &faulty, reterr);
	if (ok && faulty) {
		struct currents_batch other;

		currents_batch_init(&other);
		ok = file_has_lines(rest, &other, &lines, reterr);
		currents_batch_fini(&other);
	}
	if (ok && !lines) {
		body.fault = faulty ? &fault : NULL;
		ok = fn(arg, &body, reterr);
	}
	for (; ok && lines && rest.len > 0; body.line++) {
		struct str line = line_take(&rest);

		ok = body_read(line, &batch, &fault, &faulty, reterr);
		body.text = line;
		body.at = (size_t)(line.data - file->data);
		body.fault = faulty ? &fault : NULL;
		ok = ok && fn(arg, &body, reterr);
	}
	currents_batch_fini(&batch);
	return ok;
}

/* ---- validate ---- */

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
	struct finding finding = {.line = body->line};
	char reason[REASON_MAX];
	size_t seen = 0;

	if (body->fault != NULL) {
		finding.at = finding.reason_at = body->at + body->fault->at;
		finding.line += body_newlines(body, 0, body->fault->at);
		finding.reason = body->fault->text;
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

/* The source of that name; else the first of that kind. NULL: there is
 * none. */
static struct settings_source *
source_of_kind(const struct settings *settings, const char *name,
    enum settings_source_kind kind)
{
	struct settings_source *source =
	    name != NULL ? settings_source_find(settings, name) : NULL;

	for (size_t i = 0; name == NULL && i < settings->source_count; i++) {
		source = &settings->sources[i];
		if (source->kind == kind)
			break;
		source = NULL;
	}
	return source;
}

/* By the rules of the first source of segments, or else by the usual ones. */
static int
validate_page(struct command_context *context, const struct settings *settings,
    struct str text, struct buf *out)
{
	const struct settings_source *source =
	    source_of_kind(settings, NULL, SETTINGS_SEGMENTS);
	struct segments_settings usual;

	segments_settings_init(&usual);
	return page_show(context, source != NULL ? &source->segments : &usual,
	    NULL, text, out);
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
	int code = EXIT_FINE;
	struct buf file;
	struct err err;

	buf_init(&file, FILE_BYTES_MAX);
	if (!settings_read(context->config, &settings, &err) ||
	    !file_read(context->options, &file, &err)) {
		code = command_fail(out, &err);
	} else if (page_recognised(str_bytes(file.data, file.len))) {
		code = validate_page(
		    context, &settings, str_bytes(file.data, file.len), out);
	} else if (!bodies_each(&file, validate_body, &validate, &err)) {
		code = command_fail(out, &err);
	} else {
		if (!validate.json)
			(void)buf_printf(out,
			    "%zu valid, %zu invalid, %zu %s\n", validate.valid,
			    validate.invalid, validate.faults,
			    validate.faults == 1 ? "fault" : "faults");
		if (validate.invalid + validate.faults > 0)
			code = EXIT_FOUND;
	}
	settings_fini(&settings);
	buf_fini(&file);
	return code;
}

/* ---- explain: the rules of the source, as the server has them, then the
 * mapping ---- */

struct explain {
	struct command_context *context;
	struct settings settings;
	const struct intake *intake; /* of the source, with what reads by its
				      * rules */
	struct intake_context *intake_context;
	struct intake_reader *reader;
	struct track_rules rules; /* of the destination */
	struct buf event;	  /* as it would be sent */
	struct buf decisions;	  /* lines, or elements of a JSON array */
	struct json list;	  /* writes them */
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
explain_decision(
    void *arg, struct str subject, const char *decision, struct str as)
{
	struct explain *explain = arg;
	struct buf *lines = &explain->decisions;

	if (!explain->json) {
		(void)buf_text(lines, "  ");
		json_escape(lines, subject.data, subject.len);
		(void)buf_text(lines, ": ");
		json_escape(lines, decision, strlen(decision));
		if (as.len > 0 && !str_equal(as, subject)) {
			(void)buf_text(lines, ", as ");
			json_escape(lines, as.data, as.len);
		}
		(void)buf_char(lines, '\n');
		return;
	}
	json_object_open(&explain->list, NULL);
	json_bytes(&explain->list, "of", subject.data, subject.len);
	json_text(&explain->list, "is", decision);
	if (as.len > 0)
		json_bytes(&explain->list, "as", as.data, as.len);
	json_object_close(&explain->list);
}

static void
row_text(struct explain *explain, const struct explain_row *row)
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
row_json(struct explain *explain, const struct explain_row *row)
{
	const struct buf *event = &explain->event;
	struct json json;

	json_init(&json, explain->out);
	json_object_open(&json, NULL);
	json_int(&json, "at", (int64_t)row->at);
	json_int(&json, "line", (int64_t)row->line);
	json_text(&json, "fate", row->fate);
	if (row->reason == NULL)
		json_null_value(&json, "reason");
	else
		json_text(&json, "reason", row->reason);
	if (event->len > 0)
		json_raw(&json, "event", event->data, event->len);
	else
		json_null_value(&json, "event");
	json_array_open(&json, "decisions");
	(void)buf_append(
	    explain->out, explain->decisions.data, explain->decisions.len);
	json_array_close(&json);
	json_object_close(&json);
	(void)buf_char(explain->out, '\n');
}

static bool
row_show(
    struct explain *explain, const struct explain_row *row, struct err *reterr)
{
	(explain->json ? row_json : row_text)(explain, row);
	buf_reset(&explain->event);
	buf_reset(&explain->decisions);
	json_init(&explain->list, &explain->decisions);
	return command_write(explain->context, explain->out, reterr);
}

static const char *
fate_name(enum track_fate fate)
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

static bool
explain_event(struct explain *explain, const struct currents_event *event,
    const struct item *item, struct explain_row *row, struct err *reterr)
{
	struct track_result result;
	char why[REASON_MAX];

	row->type = &event->type;
	row->reason = item->reason;
	switch (item->fate) {
	case ITEM_QUEUE:
		if (!track_write(&explain->rules, item->data,
			explain->context->now_ms, &explain->event, &result,
			reterr))
			return false;
		row->fate = fate_name(result.fate);
		row->reason = result.reason;
		explain->found |= result.fate == TRACK_DEAD;
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
		explain_decision(
		    explain, str_text("event"), why, str_text(NULL));
		break;
	}
	return row_show(explain, row, reterr);
}

static bool
explain_body(void *arg, const struct body *body, struct err *reterr)
{
	const struct currents_batch *batch = body->batch;
	struct explain *explain = arg;
	struct explain_row row = {.line = body->line};
	struct intake_batch read = {.count = 0};
	size_t seen = 0;
	bool ok = true;

	if (body->fault != NULL) {
		row.line += body_newlines(body, 0, body->fault->at);
		row.at = body->at + body->fault->at;
		row.fate = "fault";
		row.reason = body->fault->text;
		explain->found = true;
		return row_show(explain, &row, reterr);
	}
	if (batch->count == 0)
		return true;
	/* The body was read before, so this fails only without memory; and each
	 * event becomes one item. */
	if (explain->intake->read(explain->reader, body->text, batch->count,
		false, NULL, NULL, &read) != INTAKE_TAKEN ||
	    read.count != batch->count)
		return err_set_nomem(reterr);
	for (size_t i = 0; ok && i < batch->count; i++) {
		const struct currents_event *event = &batch->events[i];

		row.at = body->at + event->at;
		row.line += body_newlines(body, seen, event->at);
		seen = event->at;
		ok =
		    explain_event(explain, event, &read.items[i], &row, reterr);
	}
	return ok;
}

/* Find the source that would post it, and the destination. */
static bool
explain_way(struct explain *explain, const struct options *options, bool page,
    struct settings_source **ret_source,
    struct settings_destination **ret_destination, struct err *reterr)
{
	const char *name = options_value(options, "--source");
	const char *destination = options_value(options, "--destination");
	enum settings_source_kind kind =
	    page ? SETTINGS_SEGMENTS : SETTINGS_CURRENTS;
	struct settings_source *source =
	    source_of_kind(&explain->settings, name, kind);

	if (source == NULL)
		return err_set(reterr, ERR_INPUT, "there is no source %s%s",
		    name != NULL ? name : "of the kind ",
		    name != NULL ? ""
		    : page	 ? "segments"
				 : "currents");
	if (destination != NULL &&
	    settings_destination_find(&explain->settings, destination) == NULL)
		return err_set(reterr, ERR_INPUT, "there is no destination %s",
		    destination);
	if (destination != NULL)
		source->server.destination = destination;
	/* What private_at = accept removes, the mapping would leave out, so
	 * it is explained there. */
	source->currents.private_at = CURRENTS_AT_DELIVERY;
	if (!settings_source_link(&explain->settings, source, reterr))
		return false;
	*ret_source = source;
	*ret_destination = settings_destination_find(
	    &explain->settings, source->server.destination);
	return true;
}

static bool
explain_rules(struct explain *explain, struct settings_source *source,
    struct settings_destination *destination, struct err *reterr)
{
	struct settings *settings = &explain->settings;

	explain->intake = source->server.intake;
	if (!settings_source_context(
		source, &explain->intake_context, reterr) ||
	    !settings_rules_complete(settings, destination, reterr))
		return false;
	explain->reader = explain->intake->reader_new(explain->intake_context);
	if (explain->reader == NULL)
		return err_set_nomem(reterr);
	explain->rules = destination->track.rules;
	explain->rules.explain = explain_decision;
	explain->rules.explain_arg = explain;
	return true;
}

int
command_explain(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct explain explain = {
	    .context = context,
	    .out = out,
	    .json = options_has(options, "--json"),
	};
	struct settings_source *source;
	struct settings_destination *destination;
	int code = EXIT_FINE;
	struct buf file;
	struct err err;
	bool page;

	buf_init(&file, FILE_BYTES_MAX);
	buf_init(&explain.event, EVENT_MAX);
	buf_init(&explain.decisions, EVENT_MAX);
	json_init(&explain.list, &explain.decisions);
	if (!settings_read(context->config, &explain.settings, &err) ||
	    !file_read(options, &file, &err)) {
		code = command_fail(out, &err);
		goto out;
	}
	page = page_recognised(str_bytes(file.data, file.len));
	if (!explain_way(&explain, options, page, &source, &destination, &err))
		code = command_fail(out, &err);
	else if (source->kind == SETTINGS_SEGMENTS)
		code = page_show(context, &source->segments, destination,
		    str_bytes(file.data, file.len), out);
	else if (!explain_rules(&explain, source, destination, &err) ||
		 !bodies_each(&file, explain_body, &explain, &err))
		code = command_fail(out, &err);
	else if (explain.found)
		code = EXIT_FOUND;
out:
	if (explain.intake != NULL) {
		explain.intake->reader_free(explain.reader);
		explain.intake->context_free(explain.intake_context);
	}
	settings_fini(&explain.settings);
	buf_fini(&file);
	buf_fini(&explain.event);
	buf_fini(&explain.decisions);
	return code;
}
