/*
 * currentsd queue check, backup, rescue: the queue's file as a whole.
 */

#include "base/json.h"
#include "cli/command.h"
#include "daemon/event.h"
#include "cli/value.h"
#include "queue/sqlite/rescue.h"

#include <inttypes.h>

/* ---- check ---- */

struct check {
	struct buf *out;
	struct json *json; /* NULL: text */
};

static bool
check_row(void *arg, json_t *row, struct str text, struct err *reterr)
{
	const char *fault = value_text(row, "fault");
	struct check *check = arg;

	(void)text;
	if (check->json != NULL)
		json_text(check->json, NULL, fault);
	else
		(void)buf_printf(check->out, "fault: %s\n", fault);
	return buf_ok(check->out, reterr);
}

int
command_queue_check(struct command_context *context, struct buf *out)
{
	struct check check = {.out = out};
	int64_t batches, faults;
	struct json json;
	json_t *summary;
	struct ask ask;
	struct err err;

	json_init(&json, out);
	if (options_has(context->options, "--json")) {
		check.json = &json;
		json_object_open(&json, NULL);
		json_array_open(&json, "faults");
	}
	ask_init(&ask, "POST", "/queue/check");
	if (!client_ask(
		context->client, &ask, check_row, &check, &summary, &err))
		return command_fail(out, &err);
	batches = value_int(summary, "batches");
	faults = value_int(summary, "faults");
	if (check.json != NULL) {
		json_array_close(&json);
		json_int(&json, "batches", batches);
		json_object_close(&json);
		(void)buf_char(out, '\n');
	} else {
		command_say(context, out, summary,
		    "{batches#} batches checked, {faults%} faults\n");
	}
	json_decref(summary);
	return faults > 0 ? EXIT_FOUND : EXIT_FINE;
}

/* ---- backup ---- */

static int
backup_show(
    struct command_context *context, const json_t *summary, struct buf *out)
{
	command_say(context, out, summary, "{path} is a copy of the queue\n");
	return EXIT_FINE;
}

int
command_queue_backup(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct ask ask;

	ask_init(&ask, "POST", "/queue/backup");
	ask_param(&ask, "path", options->words[0]);
	return command_answer(context, &ask, backup_show, out);
}

/* ---- rescue ---- */

struct rescue {
	struct command_context *context;
	struct event_reader reader;
	struct buf *out;
	struct err err; /* why the writing ended early */
	bool failed;
};

static bool
rescue_event(void *arg, const struct rescue_event *event)
{
	struct rescue *rescue = arg;
	struct json json;

	json_init(&json, rescue->out);
	json_object_open(&json, NULL);
	json_int(&json, "batch", event->seq);
	json_time(&json, "accepted", event->accepted_ms);
	event_write(&rescue->reader, &json, event->type, event->data);
	json_object_close(&json);
	(void)buf_char(rescue->out, '\n');
	rescue->failed =
	    !command_write(rescue->context, rescue->out, &rescue->err);
	return !rescue->failed;
}

int
command_queue_rescue(struct command_context *context, struct buf *out)
{
	struct rescue rescue = {.context = context, .out = out};
	struct rescue_found found;
	struct err err;
	bool ok;

	event_reader_init(&rescue.reader);
	ok = queue_rescue(
	    context->options->words[0], rescue_event, &rescue, &found, &err);
	event_reader_fini(&rescue.reader);
	if (rescue.failed)
		return command_fail(out, &rescue.err);
	if (!ok ||
	    !command_message(context, &err,
		"%" PRId64 " events of %" PRId64
		" batches rescued from %" PRId64 " pages; %" PRId64
		" batches were damaged",
		found.events, found.batches, found.pages, found.damaged) ||
	    (found.unlike &&
		!command_message(context, &err,
		    "%s does not begin as a queue does: it is another file, "
		    "or its beginning is damaged",
		    context->options->words[0])))
		return command_fail(out, &err);
	return found.damaged == 0 && found.batches > 0 ? EXIT_FINE : EXIT_FOUND;
}
