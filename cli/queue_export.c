/*
 * currentsd queue export: the events of a place, one JSON object a line.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/event.h"
#include "cli/job.h"

const struct option_row command_queue_export_options[] = {
    {"--place", "PLACE", "waiting, kept or buried (this)."},
    FILTER_OPTIONS,
    FILTER_REASON_OPTION,
    FILTER_LIMIT_OPTION,
    {NULL, NULL, NULL},
};

struct export
{
	struct filter filter;
	struct event_reader reader;
	struct buf *out;
};

static bool
export_event(void *arg, const struct tools_event *event)
{
	struct export *export = arg;
	char when[CLOCK_TEXT];
	struct json json;

	if (!filter_match(&export->filter, event))
		return false;
	json_init(&json, export->out);
	json_object_open(&json, NULL);
	json_text(&json, "place", tools_place_name(event->place));
	json_text(&json, "source", event->source);
	json_text(&json, "lane", event->lane);
	clock_text(event->accepted_ms, when, sizeof(when));
	json_text(&json, "accepted", when);
	if (event->settled_ms != 0) {
		clock_text(event->settled_ms, when, sizeof(when));
		json_text(&json,
		    event->place == TOOLS_KEPT ? "delivered" : "buried", when);
	}
	json_int(&json, "attempts", event->attempts);
	if (event->replay)
		json_bool(&json, "replay", true);
	if (event->reason != NULL)
		json_text(&json, "reason", event->reason);
	event_write(&export->reader, &json, event->data, event->data_len);
	json_object_close(&json);
	(void)buf_char(export->out, '\n');
	return true;
}

int
command_queue_export(struct command_context *context, struct buf *out)
{
	struct export export = {.out = out};
	struct job job = {
	    .context = context,
	    .out = out,
	    .verb = "exported",
	    .step = job_step_scan,
	    .match = export_event,
	    .match_arg = &export,
	    .filter = &export.filter,
	};
	struct err err;
	bool ok;

	event_reader_init(&export.reader);
	ok = filter_read(context, TOOLS_BURIED,
		 FILTER_WAITING | FILTER_KEPT | FILTER_BURIED, INT64_MAX,
		 &export.filter, &err) &&
	     job_run(&job, export.filter.place, &err);
	event_reader_fini(&export.reader);
	return ok ? EXIT_FINE : command_fail(out, &err);
}
