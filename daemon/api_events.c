/* /events: the queued and the archived events. */

#include "daemon/api_routes.h"
#include "daemon/event.h"
#include "daemon/persons.h"

enum { EVENTS_LIMIT = 50 };

struct events {
	struct api *api;
	struct selection selection;
	struct event_reader reader;
	bool full; /* with the event itself, as `currentsd import` reads it */
};

/* What it is: the id of an event, the member of a change. */
static void
event_named(struct events *events, const struct jobs_event *event)
{
	struct json *json = &events->api->json;
	const struct currents_event *read;
	struct str member;
	bool entered;

	if (persons_change(event->type, event->data, &member, &entered)) {
		event_bytes_write(json, "member", member);
		json_bool(json, "entered", entered);
		return;
	}
	read = event_read(&events->reader, event->data);
	if (read != NULL)
		json_bytes(json, "event_id", read->id.data, read->id.len);
}

static bool
events_row(void *arg, const struct jobs_event *event)
{
	struct events *events = arg;
	struct json *json = &events->api->json;

	if (!selection_event(&events->selection, event))
		return false;
	api_row_open(events->api);
	if (events->full) {
		json_text(json, "place", jobs_place_name(event->place));
	} else {
		json_int(json, "batch", event->id);
		json_int(json, "index", (int64_t)event->index);
	}
	json_text(json, "source", event->source);
	json_text(json, "destination", event->destination);
	json_time(json, "accepted", event->accepted_ms);
	if (event->settled_ms != 0)
		json_time(json,
		    event->place == JOBS_ARCHIVE ? "delivered" : "dead",
		    event->settled_ms);
	if (!events->full) {
		json_bytes(json, "type", event->type.data, event->type.len);
		event_named(events, event);
	}
	json_int(json, "attempts", event->attempts);
	if (event->replay)
		json_bool(json, "replay", true);
	if (event->reason != NULL)
		json_text(json, "reason", event->reason);
	if (events->full)
		event_write(&events->reader, json, event->type, event->data);
	api_row_close(events->api);
	return true;
}

bool
api_events(struct api *api, struct err *reterr)
{
	struct events events = {.api = api};
	struct job job;
	enum jobs_place place;
	bool ok;

	if (!api_place(api, &place, reterr) ||
	    !api_flag(api, "full", &events.full, reterr) ||
	    !api_selection(api, events.full ? INT64_MAX : EVENTS_LIMIT,
		&events.selection, reterr))
		return false;
	api_lines(api);
	job = api_job(api, events.full ? "exported" : "listed", job_step_scan);
	job.match = events_row;
	job.match_arg = &events;
	job.selection = &events.selection;
	event_reader_init(&events.reader);
	ok = job_run(&job, place, reterr);
	event_reader_fini(&events.reader);
	if (!ok)
		return false;
	api_summary_open(api);
	json_int(&api->json, "rows", events.selection.count);
	json_bool(&api->json, "more", selection_full(&events.selection));
	json_int(&api->json, "damaged", (int64_t)job.damaged);
	api_summary_close(api);
	return true;
}
