/*
 * currentsd events list: the queued or the archived events, by the filters.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/event.h"
#include "cli/job.h"

#include <inttypes.h>

enum { LIST_PRESET = 50 };

const struct option_row command_events_list_options[] = {
    FILTER_PLACE_OPTION,
    FILTER_OPTIONS,
    {"--limit", "N", "At most N (50)."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

struct list {
	struct filter filter;
	struct event_reader reader;
	struct buf *out;
	struct json json;
	bool as_json;
	size_t count; /* lines of the table */
};

static void
event_json(struct list *list, const struct jobs_event *event,
    const struct currents_event *read)
{
	struct json *json = &list->json;
	char when[CLOCK_TEXT];

	json_object_open(json, NULL);
	json_int(json, "batch", event->id);
	json_int(json, "index", (int64_t)event->index);
	clock_text(event->accepted_ms, when, sizeof(when));
	json_text(json, "accepted", when);
	if (event->settled_ms != 0) {
		clock_text(event->settled_ms, when, sizeof(when));
		json_text(json, "delivered", when);
	}
	json_text(json, "source", event->source);
	json_text(json, "destination", event->destination);
	json_bytes(json, "type", event->type.data, event->type.len);
	if (read != NULL)
		json_bytes(json, "event_id", read->id.data, read->id.len);
	json_int(json, "attempts", event->attempts);
	if (event->replay)
		json_bool(json, "replay", true);
	json_object_close(json);
}

static void
event_text(struct list *list, const struct jobs_event *event,
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
	    event->source, event->destination, (int)event->type.len,
	    event->type.data, read != NULL ? (int)read->id.len : 0,
	    read != NULL && read->id.len > 0 ? read->id.data : "",
	    event->replay ? " (replay)" : "");
}

static bool
list_event(void *arg, const struct jobs_event *event)
{
	const struct currents_event *read;
	struct list *list = arg;

	if (!filter_match(&list->filter, event))
		return false;
	read = event_read(&list->reader, event->data.data, event->data.len);
	if (list->as_json)
		event_json(list, event, read);
	else
		event_text(list, event, read);
	return true;
}

static void
list_end(struct list *list, enum jobs_place place)
{
	if (list->as_json) {
		json_array_close(&list->json);
		(void)buf_char(list->out, '\n');
	} else if (list->count == 0) {
		(void)buf_text(list->out, place == JOBS_QUEUED
					      ? "no queued events\n"
					      : "no archived events\n");
	} else if (filter_full(&list->filter)) {
		(void)buf_text(list->out, "there may be more: --limit N\n");
	}
}

int
command_events_list(struct command_context *context, struct buf *out)
{
	struct list list = {
	    .out = out,
	    .as_json = options_has(context->options, "--json"),
	};
	struct job job = {
	    .context = context,
	    .out = out,
	    .verb = "listed",
	    .step = job_step_scan,
	    .match = list_event,
	    .match_arg = &list,
	    .filter = &list.filter,
	};
	enum jobs_place place;
	struct err err;
	bool ok;

	if (!filter_place_read(context->options, &place, &err) ||
	    !filter_read(context, LIST_PRESET, &list.filter, &err))
		return command_fail(out, &err);
	json_init(&list.json, out);
	if (list.as_json)
		json_array_open(&list.json, NULL);
	event_reader_init(&list.reader);
	ok = job_run(&job, place, &err);
	event_reader_fini(&list.reader);
	if (!ok)
		return command_fail(out, &err);
	list_end(&list, place);
	return EXIT_FINE;
}
