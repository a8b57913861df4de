/*
 * currentsd person: in which segments a person is, and what came of and for
 * them in order of time: events and changes that are queued, delivered or dead.
 */

#include "cli/segment.h"

#include "base/clock.h"
#include "cli/command.h"
#include "daemon/event.h"
#include "daemon/persons.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	PERSON_PRESET = 100,
	PERSON_LINES_MAX = 64 * 1024 * 1024,
	PERSON_NAME = 28,
	PERSON_WHAT = 48,
};

const struct option_row command_person_options[] = {
    {"--limit", "N", "The last N events and changes (default 100)."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* A line, or object, of the timeline. */
struct moment {
	int64_t at_ms;
	size_t order;	  /* as it was found */
	size_t from, len; /* in `lines` */
};

struct person {
	struct str id;
	const struct segments *segments;
	struct selection selection;
	struct event_reader reader;
	struct buf lines;
	struct moment *moments; /* owned */
	size_t count, cap;
	struct buf *out;
	struct json *json; /* NULL: text */
	size_t memberships;
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

/* "in", "out", "unknown"; or "never": nothing was sent. */
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

static void
membership_json(const struct segment *segment,
    const struct stats_member *member, struct json *json)
{
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
}

static bool
membership(void *arg, const struct stats_member *member)
{
	struct person *person = arg;
	const struct segment *segment =
	    segment_numbered(person->segments, member->group);
	char when[CLOCK_TEXT];

	if (segment == NULL) /* it came just now */
		return true;
	person->memberships++;
	if (person->json != NULL) {
		membership_json(segment, member, person->json);
		return true;
	}
	if (person->memberships == 1)
		(void)buf_printf(person->out,
		    "%-12s %-*s %-12s %-8s %-20s %s\n", "segment", PERSON_NAME,
		    "name", "destination", "sent", "when", "waiting");
	clock_text(member->sent_ms, when, sizeof(when));
	segment_cell_write(
	    person->out, segment->of.id, strlen(segment->of.id), 12);
	(void)buf_char(person->out, ' ');
	segment_cell_write(person->out, segment->of.name,
	    strlen(segment->of.name), PERSON_NAME);
	(void)buf_printf(person->out, " %-12s %-8s ", segment->of.destination,
	    sent_word(member->sent));
	if (member->sent_ms == 0)
		(void)buf_printf(person->out, "%-20s", "-");
	else
		(void)buf_printf(person->out, "%.19sZ", when);
	(void)buf_printf(person->out, " %s\n",
	    !member->waiting ? "-"
	    : member->wanted ? "enters"
			     : "leaves");
	return true;
}

/* ---- the timeline ---- */

/* How an event, or change, is called. */
static void
moment_what_write(const struct person *person, const struct jobs_event *event,
    bool change, bool entered, struct buf *out)
{
	if (!change) {
		(void)buf_append(out, event->type.data, event->type.len);
		return;
	}
	(void)buf_text(out, entered ? "entered " : "left ");
	for (size_t i = 0; i < person->segments->count; i++) {
		const struct segment *segment = &person->segments->list[i];

		if (str_equal_text(event->type, segment->of.id) &&
		    strcmp(segment->of.source, event->source) == 0) {
			segment_title_write(segment, out);
			return;
		}
	}
	(void)buf_append(out, event->type.data, event->type.len);
}

static void
moment_text(const struct person *person, const struct jobs_event *event,
    bool change, bool entered, struct buf *out)
{
	char when[CLOCK_TEXT];
	size_t from;

	clock_text(event->accepted_ms, when, sizeof(when));
	(void)buf_printf(out, "%.19sZ ", when);
	from = out->len;
	moment_what_write(person, event, change, entered, out);
	for (size_t len = out->len - from; len < PERSON_WHAT; len++)
		(void)buf_char(out, ' ');
	clock_text(event->settled_ms, when, sizeof(when));
	switch (event->place) {
	case JOBS_QUEUED:
		(void)buf_printf(out, " waits for %s%s\n", event->destination,
		    event->replay ? " (replay)" : "");
		break;
	case JOBS_ARCHIVE:
		(void)buf_printf(
		    out, " delivered to %s %.19sZ\n", event->destination, when);
		break;
	case JOBS_DEAD:
	case JOBS_PLACES:
		(void)buf_printf(out,
		    " DEAD: %s (`currentsd dead show %" PRId64 "`)\n",
		    event->reason, event->id);
		break;
	}
}

static void
moment_json(struct person *person, const struct jobs_event *event, bool change,
    bool entered, struct buf *out)
{
	const struct currents_event *read;
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_time(&json, "accepted", event->accepted_ms);
	json_text(&json, "place", jobs_place_name(event->place));
	json_text(&json, "source", event->source);
	json_text(&json, "destination", event->destination);
	event_bytes_write(&json, change ? "segment" : "type", event->type);
	if (change) {
		json_bool(&json, "entered", entered);
	} else if ((read = event_read(&person->reader, event->data)) != NULL) {
		json_bytes(&json, "event_id", read->id.data, read->id.len);
		json_time(&json, "time", read->time_s * 1000);
	}
	if (event->settled_ms != 0)
		json_time(&json, "settled", event->settled_ms);
	if (event->reason != NULL)
		json_text(&json, "reason", event->reason);
	json_object_close(&json);
}

static bool
moment_add(void *arg, const struct jobs_event *event)
{
	struct person *person = arg;
	struct moment *more = person->moments;
	struct moment moment = {.at_ms = event->accepted_ms,
	    .order = person->count,
	    .from = person->lines.len};
	bool entered = false, change;
	struct str member;

	if (!selection_event(&person->selection, event))
		return false;
	if (person->count == person->cap) {
		person->cap = person->cap == 0 ? 64 : 2 * person->cap;
		more = realloc(person->moments, person->cap * sizeof(*more));
	}
	if (more == NULL) {
		person->no_memory = true;
		person->selection.limit = 0;
		return false;
	}
	person->moments = more;
	change = persons_change(event->type, event->data, &member, &entered);
	if (person->json != NULL)
		moment_json(person, event, change, entered, &person->lines);
	else
		moment_text(person, event, change, entered, &person->lines);
	moment.len = person->lines.len - moment.from;
	more[person->count++] = moment;
	return true;
}

static int
moment_compare(const void *left, const void *right)
{
	const struct moment *a = left, *b = right;

	if (a->at_ms != b->at_ms)
		return a->at_ms < b->at_ms ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

/* The last ones, in order. */
static void
moments_write(struct person *person, size_t most)
{
	size_t from = person->count > most ? person->count - most : 0;

	if (person->count > 0)
		qsort(person->moments, person->count, sizeof(struct moment),
		    moment_compare);
	for (size_t i = from; i < person->count; i++) {
		const struct moment *moment = &person->moments[i];
		const char *line = person->lines.data + moment->from;

		if (person->json != NULL)
			json_raw(person->json, NULL, line, moment->len);
		else
			(void)buf_append(person->out, line, moment->len);
	}
	if (from > 0 && person->json == NULL)
		(void)buf_printf(person->out,
		    "%zu earlier ones are not shown: use a higher --limit\n",
		    from);
}

/* ---- the command ---- */

static bool
person_timeline(struct command_context *context, struct person *person,
    size_t most, struct err *reterr)
{
	struct job job =
	    command_job(context, person->out, "found", job_step_scan);

	selection_init(&person->selection);
	person->selection.ids = &person->id;
	person->selection.id_count = 1;
	job.match = moment_add;
	job.match_arg = person;
	job.selection = &person->selection;
	for (int place = 0; place < JOBS_PLACES; place++) {
		if (!job_run(&job, (enum jobs_place)place, reterr))
			return false;
	}
	if (person->no_memory)
		return err_set_nomem(reterr);
	if (!buf_ok(&person->lines, reterr))
		return false;
	moments_write(person, most);
	return true;
}

static bool
person_show(struct command_context *context, struct person *person, size_t most,
    struct err *reterr)
{
	struct json *json = person->json;

	if (json != NULL) {
		json_object_open(json, NULL);
		json_array_open(json, "memberships");
	}
	if (!stats_person(context->daemon->queue, &person->id, 1, membership,
		person, reterr))
		return false;
	if (json != NULL) {
		json_array_close(json);
		json_array_open(json, "timeline");
	} else if (person->memberships == 0) {
		(void)buf_text(
		    person->out, "no segment was ever sent for this id\n");
	}
	if (json == NULL)
		(void)buf_char(person->out, '\n');
	if (!person_timeline(context, person, most, reterr))
		return false;
	if (json != NULL) {
		json_array_close(json);
		json_object_close(json);
		(void)buf_char(person->out, '\n');
	} else if (person->count == 0) {
		(void)buf_text(person->out,
		    "no event or change with this id is queued, dead or in the "
		    "archive\n");
	}
	return true;
}

int
command_person(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct person person = {.out = out};
	struct segments segments;
	struct json json;
	int64_t most;
	struct err err;
	bool ok;

	if (options->word_count != 1 || *options->words[0] == '\0') {
		(void)err_set(&err, ERR_INPUT,
		    "person needs one id, as a segment or an event has it");
		return command_fail(out, &err);
	}
	if (!options_integer(
		options, "--limit", PERSON_PRESET, 1, INT32_MAX, &most, &err) ||
	    !segments_read(context->daemon, context->now_ms, &segments, &err))
		return command_fail(out, &err);
	person.id = str_text(options->words[0]);
	person.segments = &segments;
	if (options_has(options, "--json")) {
		json_init(&json, out);
		person.json = &json;
	}
	event_reader_init(&person.reader);
	buf_init(&person.lines, PERSON_LINES_MAX);
	ok = person_show(context, &person, (size_t)most, &err);
	event_reader_fini(&person.reader);
	buf_fini(&person.lines);
	free(person.moments);
	segments_fini(&segments);
	if (!ok)
		return command_fail(out, &err);
	return person.memberships + person.count > 0 ? EXIT_FINE : EXIT_FOUND;
}
