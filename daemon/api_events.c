/*
 * /events: the queued and the archived events; and one event, wherever it is,
 * with what its destination was or will be sent.
 */

#include "base/clock.h"
#include "daemon/api_routes.h"
#include "daemon/event.h"
#include "daemon/explain.h"
#include "daemon/persons.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	EVENTS_LIMIT = 50,
	EVENT_ID = 2048,
	EVENT_IDS = 16,	  /* that TYPE:ID may be taken for */
	EVENT_FOUND = 64, /* places that are shown */
	EVENT_FOUND_BYTES = 64 * 1024 * 1024,
	EVENT_NAME = 256,
	EVENT_RAW_MAX = 128 * 1024 * 1024,
};

/* ---- a list ---- */

/* Where in a list an event is: what `after` begins behind. */
struct events_at {
	int64_t batch, index;
};

struct events {
	struct api *api;
	struct selection selection;
	struct event_reader reader;
	bool full; /* with the event itself, as `currentsd import` reads it */
	struct events_at after, last;
};

/* "BATCH" or "BATCH.INDEX", as in the summary; of dead letters an id. */
static bool
events_after(
    const struct api *api, struct events_at *ret_after, struct err *reterr)
{
	const char *text = call_param(api->call, "after");
	char *end;

	*ret_after = (struct events_at){0, INT64_MAX};
	if (text == NULL)
		return true;
	errno = 0;
	ret_after->batch = strtoll(text, &end, 10);
	if (end != text && *end == '.')
		ret_after->index = strtoll(text = end + 1, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || ret_after->batch < 0 ||
	    ret_after->index < 0)
		return err_set(reterr, ERR_INPUT,
		    "after should be what the answer before ended with, such "
		    "as 88120.4");
	return true;
}

static bool
events_is_after(const struct events *events, const struct jobs_event *event)
{
	return event->id > events->after.batch ||
	       (event->id == events->after.batch &&
		   (int64_t)event->index > events->after.index);
}

/* What it is: the id of an event, the member of a change. */
static void
event_named(struct event_reader *reader, struct json *json,
    const struct jobs_event *event)
{
	const struct currents_event *read;
	struct str member;
	bool entered;

	if (persons_change(event->type, event->data, &member, &entered)) {
		event_bytes_write(json, "member", member);
		json_bool(json, "entered", entered);
		return;
	}
	read = event_read(reader, event->data);
	if (read != NULL)
		json_bytes(json, "event_id", read->id.data, read->id.len);
}

static bool
events_row(void *arg, const struct jobs_event *event)
{
	struct events *events = arg;
	struct json *json = &events->api->json;
	bool dead = event->place == JOBS_DEAD;

	if (!events_is_after(events, event) ||
	    !selection_event(&events->selection, event))
		return false;
	events->last = (struct events_at){event->id, (int64_t)event->index};
	api_row_open(events->api);
	if (events->full)
		json_text(json, "place", jobs_place_name(event->place));
	else
		json_int(json, dead ? "id" : "batch", event->id);
	if (!events->full && !dead)
		json_int(json, "index", (int64_t)event->index);
	json_text(json, "source", event->source);
	json_text(json, "destination", event->destination);
	json_time(json, "accepted", event->accepted_ms);
	if (event->settled_ms != 0)
		json_time(json, dead ? "dead" : "delivered", event->settled_ms);
	if (!events->full) {
		json_bytes(json, "type", event->type.data, event->type.len);
		event_named(&events->reader, json, event);
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
	char last[48];
	bool ok;

	if (!api_place(api, &place, reterr) ||
	    !api_flag(api, "full", &events.full, reterr) ||
	    !events_after(api, &events.after, reterr) ||
	    !api_selection(api, events.full ? INT64_MAX : EVENTS_LIMIT,
		&events.selection, reterr))
		return false;
	api_lines(api);
	job = api_job(api, events.full ? "exported" : "listed", job_step_scan);
	job.match = events_row;
	job.match_arg = &events;
	job.selection = &events.selection;
	/* pages of a list need an order, an export is faster without one */
	job.ordered = place != JOBS_DEAD &&
		      (!events.full || call_param(api->call, "after") != NULL);
	job.after = events.after.batch > 0 ? events.after.batch - 1 : 0;
	event_reader_init(&events.reader);
	ok = job_run(&job, place, reterr);
	event_reader_fini(&events.reader);
	if (!ok)
		return false;
	if (place == JOBS_DEAD)
		(void)snprintf(
		    last, sizeof(last), "%" PRId64, events.last.batch);
	else
		(void)snprintf(last, sizeof(last), "%" PRId64 ".%" PRId64,
		    events.last.batch, events.last.index);
	api_summary_open(api);
	json_int(&api->json, "rows", events.selection.count);
	json_bool(&api->json, "more", selection_full(&events.selection));
	json_text(&api->json, "last", events.last.batch > 0 ? last : "");
	json_int(&api->json, "damaged", (int64_t)job.damaged);
	api_summary_close(api);
	return true;
}

/* ---- one event: finding it ---- */

/* One that was found; its texts are owned, in one piece. */
struct found {
	struct jobs_event event;
	char *bytes;
};

struct find {
	struct api *api;
	struct event_reader reader;
	const char *id; /* the event's, or TYPE:ID, its key at Heap */
	struct found found[EVENT_FOUND];
	size_t count, bytes;
	bool more; /* there was no room for all */
	bool starved;
	int64_t bodies;

	/* what is shown of it */
	bool full, raw;
	struct explain *explain; /* of the last one; or NULL, and why: */
	struct err unexplained;
	char source[EVENT_NAME], destination[EVENT_NAME];
	struct buf redacted;
};

/* Copy the bytes, with a NUL, to *at; NULL stays NULL. */
static struct str
found_copy(char **at, struct str bytes)
{
	struct str copy = {bytes.data != NULL ? *at : NULL, bytes.len};

	if (bytes.data == NULL)
		return copy;
	memcpy(*at, bytes.data, bytes.len);
	(*at)[bytes.len] = '\0';
	*at += bytes.len + 1;
	return copy;
}

static bool
found_add(struct find *find, const struct jobs_event *event)
{
	struct found *found = &find->found[find->count];
	struct jobs_event *copy = &found->event;
	size_t len = strlen(event->source) + strlen(event->destination) +
		     str_text(event->reason).len + event->type.len +
		     event->data.len + event->parked.len + event->answer.len +
		     event->sent.len + event->rules.len + 9;
	char *at;

	find->more |=
	    find->count == EVENT_FOUND || find->bytes + len > EVENT_FOUND_BYTES;
	if (find->more)
		return false;
	at = found->bytes = malloc(len);
	if (at == NULL) {
		find->starved = true;
		return false;
	}
	find->bytes += len;
	*copy = *event;
	copy->source = found_copy(&at, str_text(event->source)).data;
	copy->destination = found_copy(&at, str_text(event->destination)).data;
	copy->reason = found_copy(&at, str_text(event->reason)).data;
	copy->type = found_copy(&at, event->type);
	copy->data = found_copy(&at, event->data);
	copy->parked = found_copy(&at, event->parked);
	copy->answer = found_copy(&at, event->answer);
	copy->sent = found_copy(&at, event->sent);
	copy->rules = found_copy(&at, event->rules);
	find->count++;
	return true;
}

static bool
find_event(void *arg, const struct jobs_event *event)
{
	struct find *find = arg;
	size_t len = event->type.len;

	if (!event_has_id(&find->reader, event->type, event->data, find->id) &&
	    !(strlen(find->id) > len + 1 && find->id[len] == ':' &&
		memcmp(find->id, event->type.data, len) == 0 &&
		event_has_id(&find->reader, event->type, event->data,
		    find->id + len + 1)))
		return false;
	return found_add(find, event);
}

static void
find_body(void *arg, const struct jobs_unreadable *body)
{
	struct find *find = arg;
	struct json *json = &find->api->json;

	find->bodies++;
	api_row_open(find->api);
	json_text(json, "place", "unreadable");
	json_int(json, "id", body->id);
	json_text(json, "source", body->source);
	json_time(json, "received", body->received_ms);
	json_text(json, "reason", body->reason);
	api_row_close(find->api);
}

/* As given; and, since a type may have colons, what follows each of them. */
static size_t
find_ids(const char *id, struct str ids[EVENT_IDS])
{
	size_t count = 0;

	ids[count++] = str_text(id);
	for (; count < EVENT_IDS && (id = strchr(id, ':')) != NULL; count++)
		ids[count] = str_text(++id);
	return count;
}

/* ---- one event: what became of it, and why ---- */

/* The rules for it: those of the last one, if it went the same way. */
static void
find_rules(struct find *find, const struct jobs_event *event, bool set)
{
	if (find->explain != NULL && strcmp(find->source, event->source) == 0 &&
	    strcmp(find->destination, event->destination) == 0)
		return;
	explain_free(find->explain);
	find->explain = NULL;
	(void)snprintf(find->source, sizeof(find->source), "%s", event->source);
	(void)snprintf(find->destination, sizeof(find->destination), "%s",
	    event->destination);
	/* a source that is no longer in the settings has no say any more */
	if (!explain_new(find->api->settings,
		settings_source_find(find->api->settings, find->source) != NULL
		    ? find->source
		    : NULL,
		find->destination, set, &find->explain, &find->unexplained))
		find->explain = NULL;
}

struct find_group {
	struct find *find;
	const struct jobs_event *event;
	bool ok, known;
	struct err err;
};

/* A stats_group_fn. */
static bool
find_group(void *arg, const struct stats_group *group)
{
	struct find_group *looking = arg;
	const struct jobs_event *event = looking->event;

	if (strcmp(group->destination, event->destination) != 0 ||
	    !str_equal_text(event->type, group->id))
		return true;
	looking->known = true;
	looking->ok = explain_group(looking->find->explain, str_text(group->id),
	    str_text(group->name), str_text(group->label), &looking->err);
	return false;
}

/* An invalid event is not mapped: it is dead for its defect. */
static void
find_judge(struct find *find, struct item *item, char defect[EVENT_NAME])
{
	const struct currents_event *read =
	    event_read(&find->reader, item->data);

	if (read != NULL && read->defect == CURRENTS_VALID)
		return;
	(void)snprintf(defect, EVENT_NAME, "it is not readable as an event");
	if (read != NULL)
		currents_defect_write(read, defect, EVENT_NAME);
	item->fate = ITEM_DEAD;
	item->reason = defect;
}

/* Write "explanation", or why there is none. */
static bool
find_explain(struct find *find, const struct jobs_event *event, bool set,
    struct err *reterr)
{
	struct find_group looking = {.find = find, .event = event, .ok = true};
	struct json *json = &find->api->json;
	struct item item = {.type = event->type, .data = event->data};
	struct explain_result result;
	char defect[EVENT_NAME];

	find_rules(find, event, set);
	if (find->explain != NULL && set &&
	    !stats_groups(
		find->api->daemon->queue, find_group, &looking, reterr))
		return false;
	if (!looking.ok)
		return err_set(
		    reterr, looking.err.code, "%s", looking.err.text);
	if (find->explain == NULL || (set && !looking.known)) {
		json_text(json, "unexplained",
		    find->explain == NULL ? find->unexplained.text
					  : "the queue does not know the "
					    "group any more");
		return true;
	}
	if (!set)
		find_judge(find, &item, defect);
	json_object_open(json, "explanation");
	if (!explain_item(find->explain, &item, event->rules, NULL,
		find->api->now_ms, json, &result, reterr))
		return false;
	json_object_close(json);
	return true;
}

/* The event as it came, or what of it the destination may get; as a text, so
 * that no byte changes on the way. */
static bool
find_bytes(struct find *find, const struct jobs_event *event, bool set,
    struct err *reterr)
{
	struct json *json = &find->api->json;
	struct buf *redacted = &find->redacted;
	struct err err;

	if (set || find->raw) {
		event_bytes_write(json, set ? "change" : "event", event->data);
		return true;
	}
	json_bool(json, "redacted", true);
	buf_reset(redacted);
	if (find->explain != NULL &&
	    explain_redact(find->explain, event->data, redacted, &err)) {
		json_bytes(json, "event", redacted->data, redacted->len);
		return true;
	}
	json_null_value(json, "event");
	return find->explain == NULL || err.code == ERR_INPUT ||
	       err_set(reterr, err.code, "%s", err.text);
}

/* What holds up the whole destination. */
static void
find_sender(struct find *find, const char *name)
{
	struct forwarder *forwarder =
	    atomic_load(&find->api->daemon->forwarder);
	struct json *json = &find->api->json;
	struct forwarder_destination_status status;

	if (forwarder == NULL ||
	    settings_destination_find(find->api->settings, name) == NULL)
		return;
	forwarder_destination_status(forwarder, name, &status);
	json_object_open(json, "sender");
	json_text(json, "state", forwarder_state_name(status.state));
	json_text(json, "why", status.why);
	json_time(json, "until", status.until_ms);
	json_object_close(json);
}

static bool
find_row_full(
    struct find *find, const struct jobs_event *event, struct err *reterr)
{
	struct json *json = &find->api->json;
	struct str member;
	bool set, entered;

	set = persons_change(event->type, event->data, &member, &entered);
	json_int(json, "attempts", event->attempts);
	if (event->place == JOBS_QUEUED) {
		if (event->replay)
			json_bool(json, "replay", true);
		if (event->parked.len > 0)
			json_bytes(json, "parked", event->parked.data,
			    event->parked.len);
		json_time(json, "due", event->due_ms);
		json_int(json, "refusals", event->refusals);
		json_int(json, "failures", event->failures);
		json_time(json, "first_failed", event->first_ms);
		find_sender(find, event->destination);
	}
	if (event->place == JOBS_DEAD)
		json_int(json, "status", event->status);
	if (event->answer.data != NULL)
		json_bytes(
		    json, "answer", event->answer.data, event->answer.len);
	if (event->sent.data != NULL)
		json_bytes(json, "sent", event->sent.data, event->sent.len);
	return find_explain(find, event, set, reterr) &&
	       find_bytes(find, event, set, reterr);
}

static bool
find_row(struct find *find, const struct jobs_event *event, struct err *reterr)
{
	bool dead = event->place == JOBS_DEAD;
	struct json *json = &find->api->json;

	api_row_open(find->api);
	json_text(json, "place", jobs_place_name(event->place));
	json_int(json, dead ? "id" : "batch", event->id);
	json_text(json, "source", event->source);
	json_text(json, "destination", event->destination);
	json_bytes(json, "type", event->type.data, event->type.len);
	event_named(&find->reader, json, event);
	json_time(json, "accepted", event->accepted_ms);
	if (event->settled_ms != 0)
		json_time(json, "settled", event->settled_ms);
	if (event->reason != NULL)
		json_text(json, "reason", event->reason);
	if (find->full && !find_row_full(find, event, reterr)) {
		buf_reset(&find->api->out); /* no half of a row */
		return false;
	}
	api_row_close(find->api);
	return api_flush(find->api, reterr);
}

/* ---- one event: where it was looked for ---- */

/* A jobs_match_fn: when the first event was delivered. */
static bool
oldest_event(void *arg, const struct jobs_event *event)
{
	int64_t *oldest_ms = arg;

	if (*oldest_ms == 0)
		*oldest_ms = event->settled_ms;
	return false;
}

/* Since when the archive has what was delivered; 0: it is empty. */
static bool
archive_oldest(struct queue *queue, int64_t *ret_ms, struct err *reterr)
{
	struct jobs_walk walk = {
	    .cursor = {.place = JOBS_ARCHIVE},
	    .match = oldest_event,
	    .arg = ret_ms,
	};
	bool ok = true;

	*ret_ms = 0;
	do {
		ok = jobs_scan(queue, &walk, reterr);
	} while (ok && *ret_ms == 0 && walk.more);
	return ok;
}

/* Was it received from any source, as TYPE:ID or under any type that is
 * known, so lately that the window of duplicates has it? */
static bool
find_seen(struct find *find, bool *ret_seen, struct err *reterr)
{
	const struct daemon *daemon = find->api->daemon;
	const struct settings *settings = find->api->settings;
	const struct catalogue *catalogue = settings->types;
	struct str ids[EVENT_IDS];
	size_t count = find_ids(find->id, ids);
	size_t types = document_types(catalogue);

	*ret_seen = false;
	for (size_t i = 0; !*ret_seen && i < settings->source_count; i++) {
		const char *source = settings->sources[i].server.name;

		for (size_t j = 0; !*ret_seen && j < types + count - 1; j++) {
			struct str type, id = ids[0];

			if (j < types) {
				type = str_text(
				    document_type_at(catalogue, j).name);
			} else {
				id = ids[j - types + 1];
				type = str_bytes(
				    find->id, (size_t)(id.data - find->id) - 1);
			}
			if (id.len > 0 && !stats_seen(daemon->queue, source,
					      type, id, ret_seen, reterr))
				return false;
		}
	}
	return true;
}

static bool
find_summary(struct find *find, struct err *reterr)
{
	struct api *api = find->api;
	struct json *json = &api->json;
	struct stats_totals totals;
	int64_t oldest_ms, found = (int64_t)find->count + find->bodies;
	bool seen = found > 0;

	if (!archive_oldest(api->daemon->queue, &oldest_ms, reterr) ||
	    (!seen && !find_seen(find, &seen, reterr)))
		return false;
	stats_totals(api->daemon->queue, &totals);
	api_summary_open(api);
	json_int(json, "rows", found);
	json_bool(json, "more", find->more);
	json_bool(json, "received", seen);
	json_object_open(json, "searched");
	json_int(json, "queued", totals.events.queued);
	json_int(json, "archive_batches", totals.archive_batches);
	json_time(json, "archive_since", oldest_ms);
	json_int(json, "dead", totals.events.dead);
	json_int(json, "unreadable", totals.unreadable);
	json_int(json, "remembered", totals.window_events);
	json_object_close(json);
	api_summary_close(api);
	return true;
}

/* A body mentions an event as it would a person: by the id as a word. */
static bool
find_bodies(struct find *find, struct job *job, struct err *reterr)
{
	const char *colon = strchr(find->id, ':');
	const char *bare =
	    colon != NULL && colon[1] != '\0' ? colon + 1 : find->id;
	const struct str ids[] = {str_text(find->id), str_text(bare)};
	struct selection bodies;
	size_t unclear;
	bool ok;

	selection_init(&bodies);
	bodies.ids = ids;
	bodies.id_count = 2;
	job->selection = &bodies;
	ok = job_run_bodies(job, find_body, find, false, &unclear, reterr);
	job->selection = NULL;
	return ok;
}

static bool
find_all(struct find *find, struct err *reterr)
{
	struct job job = api_job(find->api, "found", job_step_scan);
	struct str ids[EVENT_IDS];
	struct jobs_look look = {
	    .ids = ids, .id_count = find_ids(find->id, ids)};

	job.match = find_event;
	job.match_arg = find;
	/* with more colons than there is room for, all events are shown */
	job.look = look.id_count < EVENT_IDS ? &look : NULL;
	for (int place = 0; place < JOBS_PLACES; place++) {
		if (!job_run(&job, (enum jobs_place)place, reterr))
			return false;
	}
	if (find->starved)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < find->count; i++) {
		if (!find_row(find, &find->found[i].event, reterr))
			return false;
	}
	return find_bodies(find, &job, reterr) && find_summary(find, reterr);
}

bool
api_event(struct api *api, struct err *reterr)
{
	struct find *find = calloc(1, sizeof(*find));
	char id[EVENT_ID];
	bool ok;

	if (find == NULL)
		return err_set_nomem(reterr);
	find->api = api;
	find->id = id;
	event_reader_init(&find->reader);
	buf_init(&find->redacted, EVENT_RAW_MAX);
	ok = api_text(api->call->name, "the id", id, sizeof(id), reterr) &&
	     api_flag(api, "full", &find->full, reterr) &&
	     api_flag(api, "raw", &find->raw, reterr);
	if (ok) {
		/* it may be a person's, too: a member's, or in a body */
		api_log_person(api, "look_up", str_text(id));
		api_lines(api);
		ok = find_all(find, reterr);
	}
	for (size_t i = 0; i < find->count; i++)
		free(find->found[i].bytes);
	explain_free(find->explain);
	event_reader_fini(&find->reader);
	buf_fini(&find->redacted);
	free(find);
	return ok;
}
