/*
 * currentsd events list, find, export: the queued and the archived events, and
 * where one event is.
 */

#include "base/clock.h"
#include "base/json.h"
#include "daemon/event.h"
#include "cli/filter.h"
#include "daemon/persons.h"

#include <inttypes.h>
#include <string.h>

enum {
	LIST_PRESET = 50,
	FIND_IDS = 16, /* that TYPE:ID may be taken for */
};

const struct option_row command_events_list_options[] = {
    FILTER_PLACE_OPTION,
    FILTER_OPTIONS,
    {"--limit", "N", "At most N (default 50)."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

const struct option_row command_events_export_options[] = {
    FILTER_PLACE_OPTION,
    FILTER_OPTIONS,
    FILTER_LIMIT_OPTION,
    {NULL, NULL, NULL},
};

/* ---- list ---- */

struct list {
	struct selection selection;
	struct event_reader reader;
	struct buf *out;
	struct json *json; /* NULL: text */
};

static void
list_json(struct json *json, const struct jobs_event *event,
    const struct currents_event *read)
{
	struct str member;
	bool entered;

	json_object_open(json, NULL);
	json_int(json, "batch", event->id);
	json_int(json, "index", (int64_t)event->index);
	json_time(json, "accepted", event->accepted_ms);
	if (event->settled_ms != 0)
		json_time(json, "delivered", event->settled_ms);
	json_text(json, "source", event->source);
	json_text(json, "destination", event->destination);
	json_bytes(json, "type", event->type.data, event->type.len);
	if (persons_change(event->type, event->data, &member, &entered)) {
		event_bytes_write(json, "member", member);
		json_bool(json, "entered", entered);
	} else if (read != NULL) {
		json_bytes(json, "event_id", read->id.data, read->id.len);
	}
	json_int(json, "attempts", event->attempts);
	if (event->replay)
		json_bool(json, "replay", true);
	json_object_close(json);
}

static void
list_text(struct list *list, const struct jobs_event *event,
    const struct currents_event *read)
{
	bool settled = event->settled_ms != 0, entered;
	char when[CLOCK_TEXT];
	struct str id = {0};

	if (persons_change(event->type, event->data, &id, &entered))
		id = event->data; /* "+ann" */
	else if (read != NULL)
		id = read->id;
	if (list->selection.count == 1)
		(void)buf_printf(list->out, "%-20s %-12s %-12s %-32s %s\n",
		    settled ? "delivered" : "accepted", "source", "destination",
		    "type", "event id, or change");
	clock_text(settled ? event->settled_ms : event->accepted_ms, when,
	    sizeof(when));
	(void)buf_printf(list->out, "%.19sZ %-12s %-12s %-32.*s %.*s%s\n", when,
	    event->source, event->destination, STR_ARGS(event->type),
	    STR_ARGS(id), event->replay ? " (replay)" : "");
}

static bool
list_event(void *arg, const struct jobs_event *event)
{
	const struct currents_event *read;
	struct list *list = arg;

	if (!selection_event(&list->selection, event))
		return false;
	read = event_read(&list->reader, event->data);
	if (list->json != NULL)
		list_json(list->json, event, read);
	else
		list_text(list, event, read);
	return true;
}

int
command_events_list(struct command_context *context, struct buf *out)
{
	struct job job = command_job(context, out, "listed", job_step_scan);
	struct list list = {.out = out};
	enum jobs_place place;
	struct json json;
	struct err err;
	bool ok;

	if (!filter_place_read(context->options, &place, &err) ||
	    !filter_read(context, LIST_PRESET, &list.selection, &err))
		return command_fail(out, &err);
	json_init(&json, out);
	if (options_has(context->options, "--json")) {
		list.json = &json;
		json_array_open(&json, NULL);
	}
	job.match = list_event;
	job.match_arg = &list;
	job.selection = &list.selection;
	event_reader_init(&list.reader);
	ok = job_run(&job, place, &err);
	event_reader_fini(&list.reader);
	if (!ok)
		return command_fail(out, &err);
	if (list.json != NULL) {
		json_array_close(&json);
		(void)buf_char(out, '\n');
	} else if (list.selection.count == 0) {
		(void)buf_printf(out, "no %s match\n",
		    place == JOBS_QUEUED ? "queued events" : "archived events");
	} else if (selection_full(&list.selection)) {
		(void)buf_text(
		    out, "there may be more: use a higher --limit\n");
	}
	return EXIT_FINE;
}

/* ---- find ---- */

struct find {
	struct event_reader reader;
	const char *id; /* the event's, or TYPE:ID, its key at Heap */
	struct buf *out;
	struct json *json; /* NULL: text */
	size_t count;
};

static void
find_json(struct json *json, const struct jobs_event *event)
{
	json_object_open(json, NULL);
	json_text(json, "place", jobs_place_name(event->place));
	json_int(json, event->place == JOBS_DEAD ? "id" : "batch", event->id);
	json_text(json, "source", event->source);
	json_text(json, "destination", event->destination);
	json_bytes(json, "type", event->type.data, event->type.len);
	json_time(json, "accepted", event->accepted_ms);
	if (event->settled_ms != 0)
		json_time(json, "settled", event->settled_ms);
	if (event->reason != NULL)
		json_text(json, "reason", event->reason);
	json_object_close(json);
}

static void
find_text(struct buf *out, const struct jobs_event *event)
{
	char when[CLOCK_TEXT];

	clock_text(event->accepted_ms, when, sizeof(when));
	(void)buf_printf(out, "%s: %.*s from %s for %s, accepted %s",
	    jobs_place_name(event->place), STR_ARGS(event->type), event->source,
	    event->destination, when);
	if (event->settled_ms != 0) {
		clock_text(event->settled_ms, when, sizeof(when));
		(void)buf_printf(out, ", %s %s",
		    event->place == JOBS_ARCHIVE ? "delivered" : "dead since",
		    when);
	}
	if (event->place == JOBS_DEAD)
		(void)buf_printf(out,
		    ": %s (details: `currentsd dead show %" PRId64 "`)",
		    event->reason, event->id);
	(void)buf_char(out, '\n');
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
	find->count++;
	if (find->json != NULL)
		find_json(find->json, event);
	else
		find_text(find->out, event);
	return true;
}

static void
find_body(void *arg, const struct jobs_unreadable *body)
{
	struct find *find = arg;

	find->count++;
	if (find->json != NULL) {
		json_object_open(find->json, NULL);
		json_text(find->json, "place", "unreadable");
		json_int(find->json, "id", body->id);
		json_text(find->json, "source", body->source);
		json_text(find->json, "reason", body->reason);
		json_object_close(find->json);
		return;
	}
	(void)buf_printf(find->out,
	    "unreadable: mentioned in body %" PRId64 " from %s: %s\n", body->id,
	    body->source, body->reason);
}

/* As given; and, since a type may have colons, what follows each of them. */
static size_t
find_ids(const char *id, struct str ids[FIND_IDS])
{
	size_t count = 0;

	ids[count++] = str_text(id);
	for (; count < FIND_IDS && (id = strchr(id, ':')) != NULL; count++)
		ids[count] = str_text(++id);
	return count;
}

/* A body mentions an event as it would a person: by the id as a word. */
static bool
find_all(struct find *find, struct job *job, struct err *reterr)
{
	const char *colon = strchr(find->id, ':');
	const char *bare =
	    colon != NULL && colon[1] != '\0' ? colon + 1 : find->id;
	const struct str ids[] = {str_text(find->id), str_text(bare)};
	struct str all[FIND_IDS];
	struct jobs_look look = {
	    .ids = all, .id_count = find_ids(find->id, all)};
	struct selection bodies;
	size_t unclear;
	bool ok;

	job->match = find_event;
	job->match_arg = find;
	/* with more colons than there is room for, all events are shown */
	job->look = look.id_count < FIND_IDS ? &look : NULL;
	for (int place = 0; place < JOBS_PLACES; place++) {
		if (!job_run(job, (enum jobs_place)place, reterr))
			return false;
	}
	selection_init(&bodies);
	bodies.ids = ids;
	bodies.id_count = 2;
	job->selection = &bodies;
	ok = job_run_bodies(job, find_body, find, false, &unclear, reterr);
	job->selection = NULL;
	return ok;
}

int
command_events_find(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct job job = command_job(context, out, "found", job_step_scan);
	struct find find = {.out = out};
	struct json json;
	struct err err;
	bool ok;

	if (options->word_count != 1 || *options->words[0] == '\0') {
		(void)err_set(
		    &err, ERR_INPUT, "events find needs the id of one event");
		return command_fail(out, &err);
	}
	find.id = options->words[0];
	if (options_has(options, "--json")) {
		json_init(&json, out);
		json_array_open(&json, NULL);
		find.json = &json;
	}
	event_reader_init(&find.reader);
	ok = find_all(&find, &job, &err);
	event_reader_fini(&find.reader);
	if (!ok)
		return command_fail(out, &err);
	if (find.json != NULL) {
		json_array_close(&json);
		(void)buf_char(out, '\n');
	} else if (find.count == 0) {
		(void)buf_text(out, "not found: the event was never received, "
				    "or was dropped, or was delivered so long\n"
				    "ago that the archive no longer has it "
				    "(setting keep_archive)\n");
	}
	return find.count > 0 ? EXIT_FINE : EXIT_FOUND;
}

/* ---- export ---- */

int
command_events_export(struct command_context *context, struct buf *out)
{
	struct ask ask;

	ask_init(&ask, "GET", "/events");
	ask_param(&ask, "full", "yes");
	filter_ask(context->options, &ask);
	return command_export(context, &ask, out);
}
