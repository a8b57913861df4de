/*
 * currentsd events export, dead export: events as JSON, one object per line.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/event.h"
#include "cli/job.h"

const struct option_row command_events_export_options[] = {
    FILTER_PLACE_OPTION,
    FILTER_OPTIONS,
    FILTER_LIMIT_OPTION,
    {NULL, NULL, NULL},
};

const struct option_row command_dead_export_options[] = {
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
export_event(void *arg, const struct jobs_event *event)
{
	struct export *export = arg;
	char when[CLOCK_TEXT];
	struct json json;

	if (!filter_match(&export->filter, event))
		return false;
	json_init(&json, export->out);
	json_object_open(&json, NULL);
	json_text(&json, "place", jobs_place_name(event->place));
	json_text(&json, "source", event->source);
	json_text(&json, "destination", event->destination);
	clock_text(event->accepted_ms, when, sizeof(when));
	json_text(&json, "accepted", when);
	if (event->settled_ms != 0) {
		clock_text(event->settled_ms, when, sizeof(when));
		json_text(&json,
		    event->place == JOBS_ARCHIVE ? "delivered" : "dead", when);
	}
	json_int(&json, "attempts", event->attempts);
	if (event->replay)
		json_bool(&json, "replay", true);
	if (event->reason != NULL)
		json_text(&json, "reason", event->reason);
	event_write(&export->reader, &json, event->data.data, event->data.len);
	json_object_close(&json);
	(void)buf_char(export->out, '\n');
	return true;
}

static int
export_run(
    struct command_context *context, enum jobs_place place, struct buf *out)
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
	ok = filter_read(context, INT64_MAX, &export.filter, &err) &&
	     job_run(&job, place, &err);
	event_reader_fini(&export.reader);
	return ok ? EXIT_FINE : command_fail(out, &err);
}

int
command_events_export(struct command_context *context, struct buf *out)
{
	enum jobs_place place;
	struct err err;

	if (!filter_place_read(context->options, &place, &err))
		return command_fail(out, &err);
	return export_run(context, place, out);
}

int
command_dead_export(struct command_context *context, struct buf *out)
{
	return export_run(context, JOBS_DEAD, out);
}
