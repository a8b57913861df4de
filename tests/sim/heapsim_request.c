/* The body of a track request: one event or many. */

#include "tests/sim/heapsim_event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	APP_ID_MAX = 32, /* digits */
};

static bool
refuse(struct heapsim_request *request, const char *why)
{
	sim_text_print(&request->why, "%s", why);
	return false;
}

const char *
heapsim_request_text(
    const struct heapsim_request *request, struct heapsim_piece piece)
{
	return piece.len > 0 ? request->text.at + piece.at : "";
}

void
heapsim_request_fini(struct heapsim_request *request)
{
	free(request->events);
	sim_text_fini(&request->text);
	sim_text_fini(&request->why);
	*request = (struct heapsim_request){0};
}

/* Only while events are added may they move: flawed is set at the end. */
static struct heapsim_event *
event_add(struct heapsim_request *request, const struct sim_json *json)
{
	struct heapsim_event *event;

	if (request->n == request->room) {
		request->room = 2 * request->room + 16;
		request->events = sim_grow(
		    request->events, request->room, sizeof(*request->events));
	}
	event = &request->events[request->n++];
	*event = (struct heapsim_event){.json = *json};
	return event;
}

/* A number would be a fault of ours, and a word one of the settings. */
static bool
read_app_id(struct heapsim_request *request, const struct sim_json *value)
{
	if (!heapsim_is_digits(value, APP_ID_MAX))
		return refuse(
		    request, "postBody.app_id should be a numeric string");
	memcpy(request->app_id, value->at + 1, value->len - 2);
	request->app_id[value->len - 2] = '\0';
	return true;
}

/* The limit is met before the rest is looked at, as a real server would. */
static bool
read_events(struct heapsim_request *request, const struct sim_json *value,
    const struct heapsim_settings *settings)
{
	struct heapsim_event *event;
	struct sim_json_walk walk;
	struct sim_json json;
	char path[64];

	if (value->type != SIM_JSON_ARRAY)
		return refuse(request, "postBody.events should be array");
	walk = sim_json_enter(value);
	while (sim_json_element(&walk, &json)) {
		if (request->n >= (size_t)settings->max_events) {
			sim_text_print(&request->why,
			    "postBody.events should NOT have more than "
			    "%lld items",
			    (long long)settings->max_events);
			return false;
		}
		snprintf(
		    path, sizeof(path), "postBody.events[%zu]", request->n);
		event = event_add(request, &json);
		heapsim_event_read(request, settings, path, false, event);
	}
	if (request->n == 0)
		return refuse(request,
		    "postBody.events should NOT have fewer than 1 items");
	return true;
}

/* An object with "events" is a bulk request, any other a single event. */
static bool
has_member(const struct sim_json *body, const char *wanted)
{
	struct sim_json_walk walk = sim_json_enter(body);
	struct sim_json name;
	struct sim_json value;

	while (sim_json_member(&walk, &name, &value))
		if (sim_json_is(&name, wanted))
			return true;
	return false;
}

/* app_id may come before or behind the events. */
static bool
read_members(struct heapsim_request *request, const struct sim_json *body,
    bool bulk, const struct heapsim_settings *settings)
{
	struct sim_json_walk walk = sim_json_enter(body);
	struct sim_json name;
	struct sim_json value;
	bool events = false;

	while (sim_json_member(&walk, &name, &value)) {
		if (sim_json_is(&name, "app_id")) {
			if (request->app_id[0] != '\0')
				return refuse(
				    request, "postBody.app_id comes twice");
			if (!read_app_id(request, &value))
				return false;
		} else if (bulk && sim_json_is(&name, "events")) {
			if (events)
				return refuse(
				    request, "postBody.events comes twice");
			if (!read_events(request, &value, settings))
				return false;
			events = true;
		} else if (bulk) {
			return refuse(request,
			    "postBody should NOT have additional properties");
		}
	}
	if (request->app_id[0] == '\0')
		return refuse(
		    request, "postBody should have required property 'app_id'");
	return true;
}

bool
heapsim_request_read(struct heapsim_request *request, const char *body,
    size_t len, const struct heapsim_settings *settings)
{
	struct sim_json json;
	size_t offset;
	size_t i;
	bool bulk;

	if (!sim_json_read(body, len, &json, &offset)) {
		sim_text_print(&request->why,
		    "postBody should be JSON (fault at byte %zu)", offset);
		return false;
	}
	if (json.type != SIM_JSON_OBJECT)
		return refuse(request, "postBody should be object");
	bulk = has_member(&json, "events");
	if (!read_members(request, &json, bulk, settings))
		return false;
	if (!bulk)
		heapsim_event_read(request, settings, "postBody", true,
		    event_add(request, &json));
	for (i = 0; i < request->n && request->flawed == NULL; i++)
		if (request->events[i].flaw.len > 0)
			request->flawed = &request->events[i];
	return true;
}
