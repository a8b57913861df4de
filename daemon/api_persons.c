/*
 * /persons: in which segments a person is, and what came of and for them in
 * order of time: events and changes that are queued, delivered or dead.
 */

#include "daemon/api_routes.h"
#include "daemon/event.h"
#include "daemon/persons.h"
#include "daemon/segments.h"

#include <stdlib.h>
#include <string.h>

enum {
	PERSON_PRESET = 100,
	PERSON_ITEMS_MAX = 32 * 1024 * 1024,
	PERSON_MEMBERSHIPS_MAX = 16 * 1024 * 1024,
};

/* An item of the timeline. */
struct item_at {
	int64_t at_ms;
	size_t order;	  /* as it was found */
	size_t from, len; /* in `texts` */
};

struct person {
	struct api *api;
	struct str id;
	struct segments segments;
	struct selection selection;
	struct event_reader reader;
	struct buf memberships; /* JSON, as `texts` is */
	struct json json;	/* writes to it */
	struct buf texts;
	struct item_at *items; /* owned */
	size_t count, cap;
	bool no_memory;
};

/* ---- memberships ---- */

static const struct segment *
segment_numbered(const struct segments *segments, int64_t number)
{
	for (size_t i = 0; i < segments->count; i++) {
		if (segments->list[i].of.number == number)
			return &segments->list[i];
	}
	return NULL;
}

/* "never": nothing was sent. */
static const char *
sent_word(enum engine_sent sent)
{
	switch (sent) {
	case ENGINE_SENT_NEVER:
		return "never";
	case ENGINE_SENT_IN:
		return "in";
	case ENGINE_SENT_OUT:
		return "out";
	case ENGINE_SENT_UNKNOWN_IN:
	case ENGINE_SENT_UNKNOWN_OUT:
		break;
	}
	return "unknown";
}

static bool
membership_write(void *arg, const struct stats_member *member)
{
	struct person *person = arg;
	struct json *json = &person->json;
	const struct segment *segment =
	    segment_numbered(&person->segments, member->group);

	if (segment == NULL) /* it came just now */
		return true;
	json_object_open(json, NULL);
	json_text(json, "segment", segment->of.id);
	json_text(json, "name", segment->of.name);
	json_text(json, "label", segment->of.label);
	json_text(json, "source", segment->of.source);
	json_text(json, "destination", segment->of.destination);
	json_text(json, "sent", sent_word(member->sent));
	json_time(json, "sent_at", member->sent_ms);
	if (member->waiting)
		json_text(json, "waiting", member->wanted ? "in" : "out");
	else
		json_null_value(json, "waiting");
	json_object_close(json);
	return true;
}

static bool
memberships_read(struct person *person, struct err *reterr)
{
	json_init(&person->json, &person->memberships);
	json_array_open(&person->json, NULL);
	if (!stats_person(person->api->daemon->queue, &person->id, 1,
		membership_write, person, reterr))
		return false;
	json_array_close(&person->json);
	return buf_ok(&person->memberships, reterr);
}

/* ---- the timeline ---- */

/* The name of the segment that it is a change of. */
static void
change_name_write(const struct person *person, const struct jobs_event *event,
    struct json *json)
{
	for (size_t i = 0; i < person->segments.count; i++) {
		const struct stats_group *group = &person->segments.list[i].of;

		if (str_equal_text(event->type, group->id) &&
		    strcmp(group->source, event->source) == 0) {
			json_text(json, "name", group->name);
			return;
		}
	}
}

static void
item_write(struct person *person, const struct jobs_event *event)
{
	const struct currents_event *read;
	struct str member;
	struct json json;
	bool entered;

	json_init(&json, &person->texts);
	json_object_open(&json, NULL);
	json_time(&json, "accepted", event->accepted_ms);
	json_text(&json, "place", jobs_place_name(event->place));
	json_text(&json, "source", event->source);
	json_text(&json, "destination", event->destination);
	if (persons_change(event->type, event->data, &member, &entered)) {
		event_bytes_write(&json, "segment", event->type);
		change_name_write(person, event, &json);
		json_bool(&json, "entered", entered);
	} else {
		event_bytes_write(&json, "type", event->type);
		read = event_read(&person->reader, event->data);
		if (read != NULL) {
			json_bytes(
			    &json, "event_id", read->id.data, read->id.len);
			json_time(&json, "time", read->time_s * 1000);
		}
	}
	if (event->replay)
		json_bool(&json, "replay", true);
	if (event->settled_ms != 0)
		json_time(&json, "settled", event->settled_ms);
	if (event->place == JOBS_DEAD)
		json_int(&json, "id", event->id);
	if (event->reason != NULL)
		json_text(&json, "reason", event->reason);
	json_object_close(&json);
}

static bool
item_add(void *arg, const struct jobs_event *event)
{
	struct person *person = arg;
	struct item_at *more = person->items;
	struct item_at item = {
	    .at_ms = event->accepted_ms,
	    .order = person->count,
	    .from = person->texts.len,
	};

	if (!selection_event(&person->selection, event))
		return false;
	if (person->count == person->cap) {
		person->cap = person->cap == 0 ? 64 : 2 * person->cap;
		more = realloc(person->items, person->cap * sizeof(*more));
	}
	if (more == NULL) {
		person->no_memory = true;
		person->selection.limit = 0;
		return false;
	}
	person->items = more;
	item_write(person, event);
	item.len = person->texts.len - item.from;
	more[person->count++] = item;
	return true;
}

static int
item_compare(const void *left, const void *right)
{
	const struct item_at *a = left, *b = right;

	if (a->at_ms != b->at_ms)
		return a->at_ms < b->at_ms ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

static bool
timeline_read(struct person *person, struct err *reterr)
{
	struct job job = api_job(person->api, "found", job_step_scan);

	selection_init(&person->selection);
	person->selection.ids = &person->id;
	person->selection.id_count = 1;
	job.match = item_add;
	job.match_arg = person;
	job.selection = &person->selection;
	for (int place = 0; place < JOBS_PLACES; place++) {
		if (!job_run(&job, (enum jobs_place)place, reterr))
			return false;
	}
	if (person->no_memory)
		return err_set_nomem(reterr);
	if (!buf_ok(&person->texts, reterr))
		return false;
	if (person->count > 0)
		qsort(person->items, person->count, sizeof(*person->items),
		    item_compare);
	return true;
}

/* ---- the answer ---- */

/* The last of them, in order. */
static void
person_write(struct person *person, size_t most)
{
	size_t from = person->count > most ? person->count - most : 0;
	struct json *json = &person->api->json;

	api_summary_open(person->api);
	json_raw(json, "memberships", person->memberships.data,
	    person->memberships.len);
	json_array_open(json, "timeline");
	for (size_t i = from; i < person->count; i++)
		json_raw(json, NULL, person->texts.data + person->items[i].from,
		    person->items[i].len);
	json_array_close(json);
	if (from > 0)
		json_int(json, "earlier", (int64_t)from);
	api_summary_close(person->api);
}

bool
api_person(struct api *api, struct err *reterr)
{
	struct person person = {.api = api, .id = api->call->name};
	int64_t most;
	bool ok;

	if (!api_integer(
		api, "limit", PERSON_PRESET, 1, INT32_MAX, &most, reterr) ||
	    !segments_read(api->daemon, api->settings, api->now_ms,
		&person.segments, reterr))
		return false;
	api_log_person(api, "look_up", person.id);
	api_lines(api);
	event_reader_init(&person.reader);
	buf_init(&person.texts, PERSON_ITEMS_MAX);
	buf_init(&person.memberships, PERSON_MEMBERSHIPS_MAX);
	ok =
	    memberships_read(&person, reterr) && timeline_read(&person, reterr);
	if (ok)
		person_write(&person, (size_t)most);
	event_reader_fini(&person.reader);
	buf_fini(&person.memberships);
	buf_fini(&person.texts);
	free(person.items);
	segments_fini(&person.segments);
	return ok;
}
