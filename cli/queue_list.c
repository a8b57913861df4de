/*
 * currentsd queue list: the events of one place, by the filters; and the
 * bodies that could not be read.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/event.h"
#include "cli/job.h"
#include "cli/queue_body.h"
#include "cli/show.h"
#include "queue/books.h"

#include <inttypes.h>
#include <string.h>

enum {
	LIST_PRESET = 50,
	LIST_MOST = 1000000,
	LIST_STEP = 64,
	LIST_WORDS = 60, /* of the answer, for a line */
};

const struct option_row command_queue_list_options[] = {
    {"--place", "PLACE", "waiting, kept, buried (this) or undecodable."},
    FILTER_OPTIONS,
    FILTER_REASON_OPTION,
    {"--after", "ID", "Of the buried: begin after this id."},
    {"--limit", "N", "At most N (50)."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

struct list {
	struct command_context *context;
	struct filter filter;
	struct event_reader reader;
	struct buf *out;
	struct json json;
	bool as_json;
	size_t count;	 /* lines of the table */
	int64_t last_id; /* buried: that was looked at */
	size_t seen;	 /* buried: in this step */
};

/* ---- the buried ---- */

static void
buried_json(struct list *list, const struct books_buried *buried)
{
	struct json *json = &list->json;
	char when[CLOCK_TEXT];

	json_object_open(json, NULL);
	json_int(json, "id", buried->id);
	clock_text(buried->buried_ms, when, sizeof(when));
	json_text(json, "buried", when);
	clock_text(buried->accepted_ms, when, sizeof(when));
	json_text(json, "accepted", when);
	json_text(json, "source", buried->source);
	json_text(json, "destination", buried->lane);
	json_text(json, "type", buried->kind);
	json_int(json, "status", buried->status);
	json_text(json, "reason", buried->reason);
	if (buried->words != NULL)
		json_bytes(json, "words", buried->words, buried->words_len);
	json_int(json, "attempts", buried->attempts);
	json_object_close(json);
}

static void
buried_text(struct list *list, const struct books_buried *buried)
{
	char when[CLOCK_TEXT];

	if (list->count++ == 0)
		(void)buf_printf(list->out, "%8s %-20s %-12s %-32s %6s %s\n",
		    "id", "buried", "source", "type", "status", "reason");
	clock_text(buried->buried_ms, when, sizeof(when));
	(void)buf_printf(list->out, "%8" PRId64 " %.19sZ %-12s %-32s %6d %s",
	    buried->id, when, buried->source, buried->kind, buried->status,
	    buried->reason);
	if (buried->words_len > 0) {
		(void)buf_text(list->out, ": ");
		show_words(
		    list->out, buried->words, buried->words_len, LIST_WORDS);
	}
	(void)buf_char(list->out, '\n');
}

static bool
list_buried(void *arg, const struct books_buried *buried)
{
	struct list *list = arg;
	struct tools_event event = {
	    .place = TOOLS_BURIED,
	    .source = buried->source,
	    .lane = buried->lane,
	    .kind = buried->kind,
	    .kind_len = strlen(buried->kind),
	    .data = buried->data != NULL ? buried->data : "",
	    .data_len = buried->data_len,
	    .accepted_ms = buried->accepted_ms,
	    .settled_ms = buried->buried_ms,
	    .reason = buried->reason,
	    .words = buried->words,
	    .words_len = buried->words_len,
	};

	if (filter_full(&list->filter))
		return false;
	list->last_id = buried->id;
	list->seen++;
	if (!filter_match(&list->filter, &event))
		return true;
	if (list->as_json)
		buried_json(list, buried);
	else
		buried_text(list, buried);
	return true;
}

static bool
list_buried_all(struct list *list, struct err *reterr)
{
	const struct options *options = list->context->options;
	struct queue *queue = list->context->parts->queue;

	if (!options_integer(
		options, "--after", 0, 0, INT64_MAX, &list->last_id, reterr))
		return false;
	do {
		list->seen = 0;
		if (!books_buried(queue, list->last_id, LIST_STEP, list_buried,
			list, reterr) ||
		    !command_write(list->context, list->out, reterr) ||
		    !job_breathe(
			list->context, reterr, "listed %zu", list->count))
			return false;
	} while (list->seen == LIST_STEP && !filter_full(&list->filter));
	if (list->as_json)
		return true;
	if (list->filter.count == 0)
		(void)buf_text(list->out, "nothing is buried\n");
	else if (filter_full(&list->filter))
		(void)buf_printf(list->out,
		    "more may follow: --after %" PRId64 "\n", list->last_id);
	return true;
}

/* ---- the waiting and the kept ---- */

static void
event_json(struct list *list, const struct tools_event *event,
    const struct currents_event *read)
{
	struct json *json = &list->json;
	char when[CLOCK_TEXT];

	json_object_open(json, NULL);
	json_int(json, "parcel", event->id);
	json_int(json, "index", (int64_t)event->index);
	clock_text(event->accepted_ms, when, sizeof(when));
	json_text(json, "accepted", when);
	if (event->settled_ms != 0) {
		clock_text(event->settled_ms, when, sizeof(when));
		json_text(json, "delivered", when);
	}
	json_text(json, "source", event->source);
	json_text(json, "destination", event->lane);
	json_bytes(json, "type", event->kind, event->kind_len);
	if (read != NULL)
		json_bytes(json, "event_id", read->id.data, read->id.len);
	json_int(json, "attempts", event->attempts);
	if (event->replay)
		json_bool(json, "replay", true);
	json_object_close(json);
}

static void
event_text(struct list *list, const struct tools_event *event,
    const struct currents_event *read)
{
	char when[CLOCK_TEXT];

	if (list->count++ == 0)
		(void)buf_printf(list->out, "%-20s %-12s %-12s %-32s %s\n",
		    event->settled_ms != 0 ? "delivered" : "accepted", "source",
		    "destination", "type", "event id");
	clock_text(
	    event->settled_ms != 0 ? event->settled_ms : event->accepted_ms,
	    when, sizeof(when));
	(void)buf_printf(list->out, "%.19sZ %-12s %-12s %-32.*s %.*s%s\n", when,
	    event->source, event->lane, (int)event->kind_len, event->kind,
	    read != NULL ? (int)read->id.len : 0,
	    read != NULL && read->id.len > 0 ? read->id.data : "",
	    event->replay ? " (replay)" : "");
}

static bool
list_event(void *arg, const struct tools_event *event)
{
	const struct currents_event *read;
	struct list *list = arg;

	if (!filter_match(&list->filter, event))
		return false;
	read = event_read(&list->reader, event->data, event->data_len);
	if (list->as_json)
		event_json(list, event, read);
	else
		event_text(list, event, read);
	return true;
}

static bool
list_events_all(struct list *list, struct err *reterr)
{
	struct job job = {
	    .context = list->context,
	    .out = list->out,
	    .verb = "listed",
	    .step = job_step_scan,
	    .match = list_event,
	    .match_arg = list,
	    .filter = &list->filter,
	};

	if (!job_run(&job, list->filter.place, reterr))
		return false;
	if (list->as_json)
		return true;
	if (list->count == 0)
		(void)buf_printf(list->out, "nothing is %s\n",
		    tools_place_name(list->filter.place));
	else if (filter_full(&list->filter))
		(void)buf_text(list->out, "more may follow: --limit N\n");
	return true;
}

/* ---- bodies ---- */

static void
list_body(void *arg, const struct tools_body *body)
{
	struct list *list = arg;
	struct json *json = &list->json;
	char when[CLOCK_TEXT];

	clock_text(body->received_ms, when, sizeof(when));
	if (!list->as_json) {
		if (list->count++ == 0)
			(void)buf_printf(list->out, "%8s %-20s %-12s %10s %s\n",
			    "id", "received", "source", "bytes", "reason");
		(void)buf_printf(list->out,
		    "%8" PRId64 " %.19sZ %-12s %10zu %s\n", body->id, when,
		    body->source, body->len, body->reason);
		return;
	}
	json_object_open(json, NULL);
	json_int(json, "id", body->id);
	json_text(json, "received", when);
	json_text(json, "source", body->source);
	json_int(json, "bytes", (int64_t)body->len);
	json_text(json, "encoding", body->encoding);
	json_text(json, "reason", body->reason);
	json_object_close(json);
}

static bool
list_bodies_all(struct list *list, struct err *reterr)
{
	struct queue_bodies bodies = {
	    .context = list->context,
	    .filter = &list->filter,
	    .out = list->out,
	    .fn = list_body,
	    .arg = list,
	};

	if (!queue_bodies_walk(&bodies, reterr))
		return false;
	if (!list->as_json && list->count == 0)
		(void)buf_text(list->out, "nothing is undecodable\n");
	return true;
}

static bool
list_all(struct list *list, struct err *reterr)
{
	bool ok;

	if (list->as_json)
		json_array_open(&list->json, NULL);
	if (list->filter.undecodable)
		ok = list_bodies_all(list, reterr);
	else if (list->filter.place == TOOLS_BURIED)
		ok = list_buried_all(list, reterr);
	else
		ok = list_events_all(list, reterr);
	if (list->as_json) {
		json_array_close(&list->json);
		(void)buf_char(list->out, '\n');
	}
	return ok;
}

int
command_queue_list(struct command_context *context, struct buf *out)
{
	struct list list = {
	    .context = context,
	    .out = out,
	    .as_json = options_has(context->options, "--json"),
	};
	struct err err;
	bool ok;

	json_init(&list.json, out);
	event_reader_init(&list.reader);
	ok = filter_read(context, TOOLS_BURIED,
		 FILTER_WAITING | FILTER_KEPT | FILTER_BURIED |
		     FILTER_UNDECODABLE,
		 LIST_PRESET, &list.filter, &err) &&
	     list_all(&list, &err);
	event_reader_fini(&list.reader);
	return ok ? EXIT_FINE : command_fail(out, &err);
}
