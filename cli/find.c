/*
 * currentsd events find: where an event is.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/event.h"
#include "cli/job.h"
#include "cli/unreadable.h"
#include "schema/person.h"

#include <inttypes.h>
#include <string.h>

struct find {
	struct command_context *context;
	struct event_reader reader;
	const char *id;
	struct buf *out;
	struct json *json; /* NULL: text */
	size_t count;
};

static void
find_json(struct find *find, const struct jobs_event *event)
{
	struct json *json = find->json;
	char when[CLOCK_TEXT];

	json_object_open(json, NULL);
	json_text(json, "place", jobs_place_name(event->place));
	json_int(json, event->place == JOBS_DEAD ? "id" : "batch", event->id);
	json_text(json, "source", event->source);
	json_text(json, "destination", event->destination);
	json_bytes(json, "type", event->type.data, event->type.len);
	clock_text(event->accepted_ms, when, sizeof(when));
	json_text(json, "accepted", when);
	if (event->settled_ms != 0) {
		clock_text(event->settled_ms, when, sizeof(when));
		json_text(json, "settled", when);
	}
	if (event->reason != NULL)
		json_text(json, "reason", event->reason);
	json_object_close(json);
}

/* By its id, or by its key at Heap: the type, a colon and the id. */
static bool
find_is(struct find *find, const struct jobs_event *event)
{
	size_t len = event->type.len;

	return event_has_id(&find->reader, event, find->id) ||
	       (strlen(find->id) > len + 1 && find->id[len] == ':' &&
		   memcmp(find->id, event->type.data, len) == 0 &&
		   event_has_id(&find->reader, event, find->id + len + 1));
}

static bool
find_event(void *arg, const struct jobs_event *event)
{
	struct find *find = arg;
	char when[CLOCK_TEXT];

	if (!find_is(find, event))
		return false;
	find->count++;
	if (find->json != NULL) {
		find_json(find, event);
		return true;
	}
	clock_text(event->accepted_ms, when, sizeof(when));
	(void)buf_printf(find->out, "%s: %.*s from %s for %s, accepted %s",
	    jobs_place_name(event->place), (int)event->type.len,
	    event->type.data, event->source, event->destination, when);
	if (event->settled_ms != 0) {
		clock_text(event->settled_ms, when, sizeof(when));
		(void)buf_printf(find->out, ", %s %s",
		    event->place == JOBS_ARCHIVE ? "delivered" : "dead since",
		    when);
	}
	if (event->place == JOBS_DEAD)
		(void)buf_printf(find->out,
		    ": %s (details: `currentsd dead show %" PRId64 "`)",
		    event->reason, event->id);
	(void)buf_char(find->out, '\n');
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

static bool
find_all(struct find *find, struct err *reterr)
{
	struct job job = {
	    .context = find->context,
	    .out = find->out,
	    .verb = "found",
	    .step = job_step_scan,
	    .match = find_event,
	    .match_arg = find,
	};
	const char *colon = strchr(find->id, ':');
	const char *bare =
	    colon != NULL && colon[1] != '\0' ? colon + 1 : find->id;
	const struct str ids[] = {str_text(find->id), str_text(bare)};
	struct filter filter = {
	    .people = ids,
	    .people_count = 2,
	    .until_ms = INT64_MAX,
	    .limit = INT64_MAX,
	};
	struct unreadable_walk bodies = {
	    .context = find->context,
	    .filter = &filter,
	    .out = find->out,
	    .fn = find_body,
	    .arg = find,
	};

	for (int place = 0; place < JOBS_PLACES; place++) {
		if (!job_run(&job, (enum jobs_place)place, reterr))
			return false;
	}
	return unreadable_walk(&bodies, reterr);
}

int
command_events_find(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct find find = {.context = context, .out = out};
	struct json json;
	struct err err;
	bool ok;

	if (options->word_count != 1 || *options->words[0] == '\0') {
		(void)err_set(
		    &err, ERR_INPUT, "events find takes the id of one event");
		return command_fail(out, &err);
	}
	find.id = options->words[0];
	if (options_has(options, "--json")) {
		json_init(&json, out);
		json_array_open(&json, NULL);
		find.json = &json;
	}
	event_reader_init(&find.reader);
	ok = find_all(&find, &err);
	event_reader_fini(&find.reader);
	if (!ok)
		return command_fail(out, &err);
	if (find.json != NULL) {
		json_array_close(&json);
		(void)buf_char(out, '\n');
	} else if (find.count == 0) {
		(void)buf_text(out,
		    "nowhere: never received, or dropped, or delivered so long "
		    "ago that the\narchive no longer has it (setting "
		    "keep_archive)\n");
	}
	return find.count > 0 ? EXIT_FINE : EXIT_FOUND;
}
