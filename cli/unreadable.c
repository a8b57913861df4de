/*
 * currentsd unreadable list, show, export, drop: whole request bodies that are
 * not JSON, kept as received.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "daemon/event.h"
#include "cli/filter.h"

#include <inttypes.h>

enum {
	BODY_TEXT_MAX = 1024 * 1024 * 1024,
	LIST_PRESET = 50,
};

const struct option_row command_unreadable_list_options[] = {
    FILTER_BODY_OPTIONS,
    {"--limit", "N", "At most N (default 50)."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

const struct option_row command_unreadable_export_options[] = {
    FILTER_BODY_OPTIONS,
    {"--limit", "N", "At most N bodies."},
    {NULL, NULL, NULL},
};

const struct option_row command_unreadable_drop_options[] = {
    {"--yes", NULL, "Confirm: dropped bodies cannot be recovered."},
    {"--all", NULL, "All unreadable bodies."},
    FILTER_BODY_OPTIONS,
    {"--limit", "N", "At most N bodies."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* ---- list ---- */

struct list {
	struct buf *out;
	struct json *json; /* NULL: text */
	size_t count;
};

static void
list_body(void *arg, const struct jobs_unreadable *body)
{
	struct list *list = arg;
	struct json *json = list->json;
	char when[CLOCK_TEXT];

	if (json == NULL) {
		if (list->count++ == 0)
			(void)buf_printf(list->out, "%8s %-20s %-12s %10s %s\n",
			    "id", "received", "source", "bytes", "reason");
		clock_text(body->received_ms, when, sizeof(when));
		(void)buf_printf(list->out,
		    "%8" PRId64 " %.19sZ %-12s %10zu %s\n", body->id, when,
		    body->source, body->data.len, body->reason);
		return;
	}
	json_object_open(json, NULL);
	json_int(json, "id", body->id);
	json_time(json, "received", body->received_ms);
	json_text(json, "source", body->source);
	json_int(json, "bytes", (int64_t)body->data.len);
	json_text(json, "encoding", body->encoding);
	json_text(json, "reason", body->reason);
	json_object_close(json);
}

int
command_unreadable_list(struct command_context *context, struct buf *out)
{
	struct job job = command_job(context, out, "bodies", NULL);
	struct list list = {.out = out};
	struct selection selection;
	struct json json;
	struct err err;
	size_t unclear;

	if (!filter_read(context, LIST_PRESET, &selection, &err))
		return command_fail(out, &err);
	json_init(&json, out);
	if (options_has(context->options, "--json")) {
		list.json = &json;
		json_array_open(&json, NULL);
	}
	job.selection = &selection;
	if (!job_run_bodies(&job, list_body, &list, false, &unclear, &err))
		return command_fail(out, &err);
	if (list.json != NULL) {
		json_array_close(&json);
		(void)buf_char(out, '\n');
	} else if (list.count == 0) {
		(void)buf_text(out, "no unreadable bodies match\n");
	}
	return EXIT_FINE;
}

/* ---- show ---- */

struct show {
	struct buf *out;
	bool json;
	int64_t id;
	bool found;
};

static void
show_text(struct buf *out, const struct jobs_unreadable *body,
    const struct buf *text, bool whole)
{
	char when[CLOCK_TEXT];

	clock_text(body->received_ms, when, sizeof(when));
	(void)buf_printf(out,
	    "id           %" PRId64 "\nsource       %s\nreceived     %s\n"
	    "reason       %s\n",
	    body->id, body->source, when, body->reason);
	if (*body->encoding != '\0')
		(void)buf_printf(out, "encoding     %s, %zu bytes%s\n",
		    body->encoding, body->data.len,
		    whole ? "" : ", cannot be decompressed to the end");
	(void)buf_printf(out, "\nthe body (%zu bytes)\n", text->len);
	(void)buf_append(out, text->data != NULL ? text->data : "", text->len);
	(void)buf_char(out, '\n');
}

static void
show_json(struct buf *out, const struct jobs_unreadable *body,
    const struct buf *text, bool whole)
{
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_int(&json, "id", body->id);
	json_text(&json, "source", body->source);
	json_time(&json, "received", body->received_ms);
	json_text(&json, "reason", body->reason);
	json_text(&json, "encoding", body->encoding);
	json_bool(&json, "whole", whole);
	json_bytes(
	    &json, "body", text->data != NULL ? text->data : "", text->len);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

/* The queue passes the next body from the id on; it may be another one. */
static bool
show_body(void *arg, const struct jobs_unreadable *body)
{
	struct show *show = arg;
	struct buf text;
	bool whole;

	if (body->id != show->id)
		return false;
	show->found = true;
	buf_init(&text, BODY_TEXT_MAX);
	if (!server_body_decode(
		body->encoding, body->data, &text, &whole, NULL))
		whole = false;
	if (show->json)
		show_json(show->out, body, &text, whole);
	else
		show_text(show->out, body, &text, whole);
	buf_fini(&text);
	return false;
}

int
command_unreadable_show(struct command_context *context, struct buf *out)
{
	struct show show = {
	    .out = out,
	    .json = options_has(context->options, "--json"),
	};
	struct err err;
	int64_t last;

	if (!command_id_read(context->options, &show.id))
		(void)err_set(&err, ERR_INPUT,
		    "unreadable show needs one id, as shown by `currentsd "
		    "unreadable list`");
	else if (jobs_unreadable_next(context->daemon->queue, show.id - 1,
		     show_body, &show, false, &last, &err)) {
		if (show.found)
			return EXIT_FINE;
		(void)err_set(&err, ERR_NOT_FOUND,
		    "there is no unreadable body %" PRId64, show.id);
	}
	return command_fail(out, &err);
}

/* ---- export ---- */

static void
export_body(void *arg, const struct jobs_unreadable *body)
{
	struct json json;

	json_init(&json, arg);
	json_object_open(&json, NULL);
	json_int(&json, "id", body->id);
	json_time(&json, "received", body->received_ms);
	json_text(&json, "source", body->source);
	json_text(&json, "encoding", body->encoding);
	json_text(&json, "reason", body->reason);
	event_bytes_write(&json, "body", body->data);
	json_object_close(&json);
	(void)buf_char(arg, '\n');
}

int
command_unreadable_export(struct command_context *context, struct buf *out)
{
	struct job job = command_job(context, out, "exported", NULL);
	struct selection selection;
	struct err err;
	size_t unclear;

	if (!filter_read(context, INT64_MAX, &selection, &err))
		return command_fail(out, &err);
	job.selection = &selection;
	if (!job_run_bodies(&job, export_body, out, false, &unclear, &err))
		return command_fail(out, &err);
	return EXIT_FINE;
}

/* ---- drop ---- */

int
command_unreadable_drop(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct job job = command_job(context, out, "bodies", NULL);
	struct selection selection;
	struct err err;
	size_t unclear;

	if (!filter_read(context, INT64_MAX, &selection, &err))
		return command_fail(out, &err);
	/* Not bodies that arrive meanwhile. */
	selection.until_ms = context->now_ms;
	job.selection = &selection;
	if (options_has(options, "--all") == filter_given(options)) {
		(void)err_set(&err, ERR_INPUT,
		    "unreadable drop needs either filters or --all");
		return command_fail(out, &err);
	}
	if (!options_has(options, "--yes")) {
		(void)err_set(&err, ERR_INPUT,
		    "dropped bodies cannot be recovered: look at them first "
		    "with `currentsd unreadable list` and the same filters, "
		    "then add --yes");
		return command_fail(out, &err);
	}
	if (!job_run_bodies(&job, NULL, NULL, true, &unclear, &err))
		return command_fail(out, &err);
	if (options_has(options, "--json"))
		command_count_json("dropped", selection.count, out);
	else
		(void)buf_printf(out, "dropped %" PRId64 " unreadable bodies\n",
		    selection.count);
	return EXIT_FINE;
}
