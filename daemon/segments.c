#include "daemon/segments.h"

#include "base/clock.h"
#include "base/show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	STALE_GAPS = 2,
	FIND_SHOWN = 5,
	FIND_TEXT = 800,
	TROUBLE_TEXT = 1000,
};

const char *
segment_state_name(enum segment_state state)
{
	static const char *const names[SEGMENT_STATES] = {
	    [SEGMENT_FRESH] = "fresh",
	    [SEGMENT_SENDING] = "sending",
	    [SEGMENT_RETIRED] = "retired",
	    [SEGMENT_STALE] = "stale",
	    [SEGMENT_INCOMPLETE] = "incomplete",
	    [SEGMENT_HELD] = "held",
	    [SEGMENT_REFUSED] = "refused",
	};

	return names[state];
}

/* ---- what the queue says ---- */

struct segments_reading {
	struct segments *segments;
	size_t cap;
	bool no_memory;
};

static const char *
text_copy(char **at, const char *text)
{
	char *copy = *at;

	*at = stpcpy(copy, text) + 1;
	return copy;
}

static bool
segment_copy(struct segment *segment, const struct stats_group *group)
{
	char *at = malloc(strlen(group->destination) + strlen(group->source) +
			  strlen(group->id) + strlen(group->name) +
			  strlen(group->label) + 5);

	if (at == NULL)
		return false;
	*segment = (struct segment){.of = *group, .texts = at};
	segment->of.destination = text_copy(&at, group->destination);
	segment->of.source = text_copy(&at, group->source);
	segment->of.id = text_copy(&at, group->id);
	segment->of.name = text_copy(&at, group->name);
	segment->of.label = text_copy(&at, group->label);
	return true;
}

static bool
segments_row(void *arg, const struct stats_group *group)
{
	struct segments_reading *reading = arg;
	struct segments *segments = reading->segments;
	struct segment *more = segments->list;

	if (segments->count == reading->cap) {
		reading->cap = reading->cap == 0 ? 64 : 2 * reading->cap;
		more = realloc(segments->list, reading->cap * sizeof(*more));
	}
	if (more != NULL) {
		segments->list = more;
		if (segment_copy(&more[segments->count], group)) {
			segments->count++;
			return true;
		}
	}
	reading->no_memory = true;
	return false;
}

/* The last sync that lacks pages. */
static bool
segment_sync_row(void *arg, const struct stats_sync *sync)
{
	struct segment *segment = arg;

	if (!sync->incomplete)
		return true;
	segment->pages = sync->pages;
	segment->total = sync->total;
	return false;
}

/* ---- what follows from it ---- */

/* A destination of the settings, for its segments. */
struct segments_target {
	struct status_destination status;
	struct forwarder_parked *parked; /* owned, or NULL */
	size_t parked_count;
};

static void
target_read(struct daemon *daemon,
    const struct settings_destination *destination, int64_t now_ms,
    const struct segments *segments, struct segments_target *ret_target)
{
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);
	struct segments_target *target = ret_target;
	struct forwarder_parked *parked;

	status_destination_read(daemon, destination, now_ms, &target->status);
	target->status.queued = target->status.held = 0;
	for (size_t i = 0; i < segments->count; i++) {
		const struct stats_group *group = &segments->list[i].of;

		if (group->held == 0 &&
		    strcmp(group->destination, target->status.name) == 0)
			target->status.queued += group->waiting;
	}
	target->status.drain_s = target->status.running
				     ? status_drain_s(&target->status, now_ms)
				 : target->status.queued == 0 ? 0
							      : -1;
	if (forwarder == NULL || target->status.sender.parked == 0)
		return;
	parked = calloc(FORWARDER_PARKED_MAX, sizeof(*parked));
	if (parked == NULL)
		return;
	target->parked_count = forwarder_destination_parked(
	    forwarder, target->status.name, parked);
	target->parked = parked;
}

/* Does the destination refuse it? Then why, else NULL. What is parked shows the
 * first bytes of the id. */
static const char *
segment_refused(
    const struct segment *segment, const struct segments_target *target)
{
	const struct forwarder_destination_status *sender =
	    &target->status.sender;

	if (!target->status.running)
		return NULL;
	for (size_t i = 0; i < target->parked_count; i++) {
		const struct forwarder_parked *parked = &target->parked[i];

		if (strncmp(segment->of.id, parked->name,
			sizeof(parked->name) - 1) == 0)
			return parked->why;
	}
	return sender->state == FORWARDER_HALTED && segment->of.waiting > 0
		   ? sender->why
		   : NULL;
}

static bool
segment_stale(const struct settings *settings, const struct stats_group *group,
    int64_t now_ms)
{
	const struct settings_source *source =
	    settings_source_find(settings, group->source);
	const struct intake *intake =
	    source != NULL ? source->server.intake : &segments_intake;

	return intake->sync_gap_ms > 0 &&
	       now_ms - group->last_ms > STALE_GAPS * intake->sync_gap_ms;
}

static enum segment_state
segment_state_of(const struct settings *settings, const struct segment *segment,
    const struct segments_target *target, int64_t now_ms)
{
	const struct stats_group *group = &segment->of;

	if (target != NULL && segment_refused(segment, target) != NULL)
		return SEGMENT_REFUSED;
	if (group->held > 0)
		return SEGMENT_HELD;
	if (group->incomplete > 0 && !group->retired)
		return SEGMENT_INCOMPLETE;
	if (!group->retired && segment_stale(settings, group, now_ms))
		return SEGMENT_STALE;
	if (group->waiting > 0)
		return SEGMENT_SENDING;
	return group->retired ? SEGMENT_RETIRED : SEGMENT_FRESH;
}

static void
segment_complete(struct daemon *daemon, const struct settings *settings,
    const struct segments_target *targets, int64_t now_ms,
    struct segment *segment)
{
	const struct segments_target *target = NULL;

	for (size_t i = 0; i < settings->destination_count; i++) {
		if (strcmp(targets[i].status.name, segment->of.destination) !=
		    0)
			continue;
		target = &targets[i];
		segment->served = true;
		segment->verifiable =
		    settings->destinations[i].forwarder.outlet->verify != NULL;
	}
	segment->state = segment_state_of(settings, segment, target, now_ms);
	if (segment->of.waiting > 0)
		segment->done_s = target == NULL || segment->of.held > 0 ||
					  segment->state == SEGMENT_REFUSED
				      ? -1
				      : target->status.drain_s;
	if (segment->state == SEGMENT_REFUSED)
		segment->why = strdup(segment_refused(segment, target));
	if (segment->state == SEGMENT_INCOMPLETE)
		(void)!stats_syncs(daemon->queue, segment->of.number,
		    segment_sync_row, segment, NULL);
}

static void
segments_complete(struct daemon *daemon, const struct settings *settings,
    int64_t now_ms, struct segments *segments, struct segments_target *targets)
{
	for (size_t i = 0; i < settings->destination_count; i++)
		target_read(daemon, &settings->destinations[i], now_ms,
		    segments, &targets[i]);
	for (size_t i = 0; i < segments->count; i++) {
		struct segment *segment = &segments->list[i];

		segment_complete(daemon, settings, targets, now_ms, segment);
		segments->states[segment->state]++;
		segments->waiting += segment->of.waiting;
		segments->held += (int64_t)segment->of.held;
		if (!segment->of.retired)
			segments->incomplete += (int64_t)segment->of.incomplete;
	}
	for (size_t i = 0; i < settings->destination_count; i++)
		free(targets[i].parked);
}

bool
segments_read(struct daemon *daemon, const struct settings *settings,
    int64_t now_ms, struct segments *ret_segments, struct err *reterr)
{
	struct segments segments = {.count = 0};
	struct segments_reading reading = {.segments = &segments};
	struct segments_target *targets =
	    calloc(settings->destination_count, sizeof(*targets));
	bool ok = targets != NULL || err_set_nomem(reterr);

	ok = ok &&
	     stats_groups(daemon->queue, segments_row, &reading, reterr) &&
	     (!reading.no_memory || err_set_nomem(reterr));
	if (ok)
		segments_complete(daemon, settings, now_ms, &segments, targets);
	else
		segments_fini(&segments);
	free(targets);
	*ret_segments = segments;
	return ok;
}

void
segments_fini(struct segments *segments)
{
	for (size_t i = 0; i < segments->count; i++) {
		free(segments->list[i].texts);
		free(segments->list[i].why);
	}
	free(segments->list);
	*segments = (struct segments){.count = 0};
}

/* ---- one of them ---- */

bool
segment_selected(
    const struct segment *segment, const char *source, const char *destination)
{
	return (source == NULL || strcmp(source, segment->of.source) == 0) &&
	       (destination == NULL ||
		   strcmp(destination, segment->of.destination) == 0);
}

static bool
find_ambiguous(const struct segment *const *found, size_t count,
    struct str called, struct err *reterr)
{
	struct buf text;

	buf_init(&text, FIND_TEXT);
	for (size_t i = 0; i < count && i < FIND_SHOWN; i++)
		(void)buf_printf(&text,
		    "%s%.40s (source %.40s, destination %.40s)",
		    i > 0 ? ", " : "", found[i]->of.id, found[i]->of.source,
		    found[i]->of.destination);
	(void)err_set(reterr, ERR_CONFLICT,
	    "%zu segments are called %.*s: give the id, or the source or "
	    "destination: %.*s%s",
	    count, called.len < 40 ? (int)called.len : 40, called.data,
	    (int)text.len, text.data, count > FIND_SHOWN ? ", ..." : "");
	buf_fini(&text);
	return false;
}

bool
segments_find(const struct segments *segments, struct str called,
    const char *source, const char *destination,
    const struct segment **ret_segment, struct err *reterr)
{
	const struct segment *found[FIND_SHOWN];
	size_t count = 0;

	for (int by_name = 0; by_name <= 1 && count == 0; by_name++) {
		for (size_t i = 0; i < segments->count; i++) {
			const struct segment *segment = &segments->list[i];

			if (!str_equal_text(called,
				by_name ? segment->of.name : segment->of.id) ||
			    !segment_selected(segment, source, destination))
				continue;
			if (count < FIND_SHOWN)
				found[count] = segment;
			count++;
		}
	}
	if (count > 1)
		return find_ambiguous(found, count, called, reterr);
	if (count == 0)
		return err_set(reterr, ERR_NOT_FOUND,
		    "there is no segment %.*s; `currentsd segments` lists "
		    "them",
		    called.len < 100 ? (int)called.len : 100, called.data);
	*ret_segment = found[0];
	return true;
}

/* ---- names ---- */

static int
segment_compare(const void *left, const void *right)
{
	const struct segment *const *a = left, *const *b = right;

	return strcmp((*a)->of.id, (*b)->of.id);
}

static int
segment_compare_id(const void *id, const void *right)
{
	const struct segment *const *segment = right;

	return strcmp(id, (*segment)->of.id);
}

void
segment_names_read(struct daemon *daemon, const struct settings *settings,
    int64_t now_ms, struct segment_names *ret_names)
{
	struct segment_names names = {.sorted = NULL};

	if (segments_read(daemon, settings, now_ms, &names.segments, NULL))
		names.sorted =
		    calloc(names.segments.count + 1, sizeof(*names.sorted));
	for (size_t i = 0; names.sorted != NULL && i < names.segments.count;
	     i++)
		names.sorted[i] = &names.segments.list[i];
	if (names.sorted != NULL)
		qsort(names.sorted, names.segments.count, sizeof(*names.sorted),
		    segment_compare);
	*ret_names = names;
}

void
segment_names_fini(struct segment_names *names)
{
	free(names->sorted);
	names->sorted = NULL;
	segments_fini(&names->segments);
}

const char *
segment_names_find(const struct segment_names *names, const char *type)
{
	const struct segment *const *found = NULL;

	if (names->sorted != NULL)
		found = bsearch(type, names->sorted, names->segments.count,
		    sizeof(*names->sorted), segment_compare_id);
	return found == NULL || *(*found)->of.name == '\0' ? NULL
							   : (*found)->of.name;
}

/* ---- how it is shown ---- */

void
segment_trouble_write(
    const struct segment *segment, int64_t now_ms, struct buf *out)
{
	const struct stats_group *group = &segment->of;
	char number[SHOW_TEXT];

	switch (segment->state) {
	case SEGMENT_FRESH:
	case SEGMENT_SENDING:
	case SEGMENT_RETIRED:
		break;
	case SEGMENT_STALE:
		(void)buf_printf(out,
		    "nothing came for %" PRId64 " h: is it switched on in "
		    "Heap? If not, `currentsd segments retire %s`",
		    (now_ms - group->last_ms) / (3600 * 1000), group->id);
		break;
	case SEGMENT_INCOMPLETE:
		if (segment->total > 0)
			(void)buf_printf(out, "%u of %u pages; ",
			    segment->pages, segment->total);
		(void)buf_text(out, SEGMENTS_SYNC_HELP);
		break;
	case SEGMENT_HELD:
		show_number(group->held_changes, number, sizeof(number));
		(void)buf_printf(out,
		    "a sync changes too much of it, and %s changes wait: see "
		    "`currentsd segments syncs %s`, then `currentsd segments "
		    "release %s`",
		    number, group->id, group->id);
		break;
	case SEGMENT_REFUSED:
		(void)buf_printf(out, "destination %s takes none of it: %s",
		    group->destination,
		    segment->why != NULL ? segment->why : "see the log");
		break;
	case SEGMENT_STATES:
		NEVER("it is no state");
	}
}

void
segment_json(const struct segment *segment, int64_t now_ms, struct json *json)
{
	const struct stats_group *group = &segment->of;
	struct buf trouble;

	json_text(json, "id", group->id);
	json_text(json, "name", group->name);
	json_text(json, "label", group->label);
	json_text(json, "source", group->source);
	json_text(json, "destination", group->destination);
	json_bool(json, "served", segment->served);
	json_text(json, "state", segment_state_name(segment->state));
	json_int(json, "wanted", group->wanted);
	json_int(json, "sent", group->sent);
	json_int(json, "waiting", group->waiting);
	if (segment->done_s < 0)
		json_null_value(json, "done_s");
	else
		json_int(json, "done_s", segment->done_s);
	json_int(json, "dead", group->dead);
	json_int(json, "held_syncs", (int64_t)group->held);
	json_int(json, "incomplete_syncs", (int64_t)group->incomplete);
	if (segment->state == SEGMENT_INCOMPLETE) {
		json_int(json, "pages", segment->pages);
		json_int(json, "pages_total", segment->total);
	}
	if (segment->why != NULL)
		json_text(json, "why", segment->why);
	if (segment_needs_attention(segment)) {
		buf_init(&trouble, TROUBLE_TEXT);
		segment_trouble_write(segment, now_ms, &trouble);
		json_bytes(json, "trouble", trouble.data, trouble.len);
		buf_fini(&trouble);
	}
	json_time(json, "first_page", group->first_ms);
	json_time(json, "last_page", group->last_ms);
	json_time(json, "last_complete", group->complete_ms);
	if (group->complete_ms == 0)
		json_null_value(json, "last_complete_s");
	else
		json_int(json, "last_complete_s",
		    status_since_s(now_ms, group->complete_ms));
}
