/* /dead: the dead letters, and what the operator decides about them. */

#include "daemon/api_routes.h"
#include "daemon/event.h"
#include "daemon/explain.h"
#include "daemon/persons.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	DEAD_LIMIT = 50,
	DEAD_STEP = 64,
	DEAD_NAME = 256,
	DEAD_MAPPED_MAX = 64 * 1024 * 1024,
};

/* The members that list and show have in common. */
static void
dead_write(struct json *json, const struct stats_dead *dead)
{
	json_int(json, "id", dead->id);
	json_time(json, "dead", dead->dead_ms);
	json_time(json, "accepted", dead->accepted_ms);
	json_text(json, "source", dead->source);
	json_text(json, "destination", dead->destination);
	json_text(json, "type", dead->type);
	json_int(json, "status", dead->status);
	json_text(json, "reason", dead->reason);
	if (dead->answer.data != NULL)
		json_bytes(json, "answer", dead->answer.data, dead->answer.len);
	json_int(json, "attempts", dead->attempts);
}

/* ---- a list ---- */

struct list {
	struct api *api;
	struct selection selection;
	int64_t last_id; /* that was looked at */
	size_t seen;	 /* in this step */
};

static bool
list_dead(void *arg, const struct stats_dead *dead)
{
	struct list *list = arg;
	const struct jobs_event event = {
	    .place = JOBS_DEAD,
	    .source = dead->source,
	    .destination = dead->destination,
	    .type = str_text(dead->type),
	    .data = dead->data,
	    .accepted_ms = dead->accepted_ms,
	    .settled_ms = dead->dead_ms,
	    .reason = dead->reason,
	    .answer = dead->answer,
	};

	if (selection_full(&list->selection))
		return false;
	list->last_id = dead->id;
	list->seen++;
	if (!selection_event(&list->selection, &event))
		return true;
	api_row_open(list->api);
	dead_write(&list->api->json, dead);
	api_row_close(list->api);
	return true;
}

bool
api_dead(struct api *api, struct err *reterr)
{
	struct list list = {.api = api};

	if (!api_selection(api, DEAD_LIMIT, &list.selection, reterr) ||
	    !api_integer(api, "after", 0, 0, INT64_MAX, &list.last_id, reterr))
		return false;
	api_lines(api);
	do {
		list.seen = 0;
		if (!stats_dead(api->daemon->queue, list.last_id, DEAD_STEP,
			list_dead, &list, reterr) ||
		    !job_progress(&api->caller, reterr, "listed %" PRId64,
			list.selection.count) ||
		    !api_flush(api, reterr))
			return false;
	} while (list.seen == DEAD_STEP && !selection_full(&list.selection));
	api_summary_open(api);
	json_int(&api->json, "rows", list.selection.count);
	json_bool(&api->json, "more", selection_full(&list.selection));
	json_int(&api->json, "last", list.last_id);
	api_summary_close(api);
	return true;
}

/* ---- one of them ---- */

/* A stats_dead_fn for the letter of this id; the queue passes the next one
 * from there on, which may be another. */
struct one {
	int64_t id;
	void (*fn)(void *arg, const struct stats_dead *dead);
	void *arg;
	bool found;
};

static bool
one_dead(void *arg, const struct stats_dead *dead)
{
	struct one *one = arg;

	one->found = dead->id == one->id;
	if (one->found)
		one->fn(one->arg, dead);
	return false;
}

static bool
one_none(int64_t id, struct err *reterr)
{
	return err_set(reterr, ERR_NOT_FOUND,
	    "there is no dead letter %" PRId64 ": `currentsd dead list` shows "
	    "those that there are",
	    id);
}

static bool
one_find(struct api *api, struct one *one, struct err *reterr)
{
	return stats_dead(
		   api->daemon->queue, one->id - 1, 1, one_dead, one, reterr) &&
	       (one->found || one_none(one->id, reterr));
}

static void
show_dead(void *arg, const struct stats_dead *dead)
{
	struct json *json = arg;
	struct str member;
	bool entered;

	json_object_open(json, NULL);
	dead_write(json, dead);
	if (persons_change(
		str_text(dead->type), dead->data, &member, &entered)) {
		event_bytes_write(json, "member", member);
		json_bool(json, "entered", entered);
	} else {
		json_bytes(json, "event", dead->data.data, dead->data.len);
	}
	if (dead->sent.data != NULL)
		json_bytes(json, "sent", dead->sent.data, dead->sent.len);
	json_object_close(json);
}

bool
api_dead_show(struct api *api, struct err *reterr)
{
	struct one one = {.fn = show_dead, .arg = &api->json};

	return api_id(api, &one.id, reterr) && one_find(api, &one, reterr);
}

/* ---- one of them, with other bytes ---- */

/* What an event that takes the letter's place is judged by. */
struct letter {
	char source[DEAD_NAME], destination[DEAD_NAME];
	bool change;
};

static void
letter_read(void *arg, const struct stats_dead *dead)
{
	struct letter *letter = arg;
	struct str member;
	bool entered;

	(void)snprintf(
	    letter->source, sizeof(letter->source), "%s", dead->source);
	(void)snprintf(letter->destination, sizeof(letter->destination), "%s",
	    dead->destination);
	letter->change =
	    persons_change(str_text(dead->type), dead->data, &member, &entered);
}

/* Would the destination get it? If its rules cannot be told here, they are
 * asked when it is delivered. */
static bool
edit_maps(struct api *api, const struct letter *letter, const char *source,
    const struct item *item, struct err *reterr)
{
	struct explain *explain;
	struct json json;
	struct buf out;
	struct err err;
	struct explain_result result;
	bool ok;

	if (!explain_new(api->settings, source, letter->destination, false,
		&explain, &err))
		return true;
	buf_init(&out, DEAD_MAPPED_MAX);
	json_init(&json, &out);
	ok = explain_item(explain, item, str_text(NULL), NULL, api->now_ms,
	    &json, &result, reterr);
	if (ok && result.fate != OUTLET_SEND)
		ok = err_set(reterr, ERR_INPUT,
		    result.fate == OUTLET_DEAD
			? "it would be a dead letter again: %s"
			: "a rule would drop it: %s",
		    result.reason);
	buf_fini(&out);
	explain_free(explain);
	return ok;
}

/* Read the one event of a body as its source would have it stored. */
static bool
edit_judge(struct api *api, const struct letter *letter,
    const struct settings_source *source, struct intake_reader *reader,
    struct item *ret_item, struct err *reterr)
{
	const struct intake *intake = source->server.intake;
	struct intake_batch batch = {.count = 0};
	enum intake_cause cause;

	cause =
	    intake->read(reader, api->call->body, 1, false, NULL, NULL, &batch);
	if (cause == INTAKE_BUSY)
		return err_set_nomem(reterr);
	if (cause == INTAKE_TOO_LARGE || cause == INTAKE_PROBE)
		return err_set(
		    reterr, ERR_INPUT, "the body should be one event");
	if (cause != INTAKE_TAKEN)
		return err_set(reterr, ERR_INPUT,
		    "it cannot be read: %s "
		    "(byte %zu)",
		    batch.why, batch.at);
	*ret_item = batch.items[0];
	switch (ret_item->fate) {
	case ITEM_QUEUE:
		return edit_maps(
		    api, letter, source->server.name, ret_item, reterr);
	case ITEM_DEAD:
		return err_set(
		    reterr, ERR_INPUT, "it is invalid: %s", ret_item->reason);
	case ITEM_DROP:
		return err_set(reterr, ERR_INPUT, "a rule would drop it: %s",
		    ret_item->reason);
	}
	NEVER("an item of no fate");
}

/* The source that the letter came from; if it is no longer in the settings,
 * the first of its kind. */
static bool
edit_source(struct api *api, const struct letter *letter,
    struct settings_source *ret_source, struct err *reterr)
{
	struct settings *settings = api->settings;
	const struct settings_source *found =
	    settings_source_find(settings, letter->source);

	for (size_t i = 0; i < settings->source_count &&
			   (found == NULL || found->server.intake->set);
	     i++)
		found = &settings->sources[i];
	if (found == NULL || found->server.intake->set)
		return err_set(reterr, ERR_CONFLICT,
		    "the settings have no source of events, by whose rules it "
		    "could be judged");
	*ret_source = *found;
	ret_source->server.destination = letter->destination;
	return settings_source_link(settings, ret_source, reterr);
}

static bool
requeue_edited(struct api *api, const struct letter *letter, int64_t id,
    bool *ret_found, struct err *reterr)
{
	struct intake_context *context = NULL;
	struct intake_reader *reader = NULL;
	struct settings_source source;
	const struct intake *intake;
	struct item item;
	bool ok = false;

	if (letter->change)
		return err_set(reterr, ERR_UNSUPPORTED,
		    "a change of a segment has nothing to edit");
	if (!edit_source(api, letter, &source, reterr) ||
	    !settings_source_context(&source, &context, reterr))
		return false;
	intake = source.server.intake;
	reader = intake->reader_new(context);
	if (reader == NULL)
		(void)err_set_nomem(reterr);
	else
		ok = edit_judge(api, letter, &source, reader, &item, reterr) &&
		     jobs_requeue_one(
			 api->daemon->queue, id, &item, ret_found, reterr);
	intake->reader_free(reader);
	intake->context_free(context);
	return ok;
}

bool
api_dead_requeue_one(struct api *api, struct err *reterr)
{
	bool edited = api->call->body.len > 0, found = false;
	struct letter letter;
	struct one one = {.fn = letter_read, .arg = &letter};

	if (!api_id(api, &one.id, reterr) || !one_find(api, &one, reterr))
		return false;
	if (settings_destination_find(api->settings, letter.destination) ==
	    NULL)
		return err_set(reterr, ERR_CONFLICT,
		    "its destination %s is not in the settings: add it again, "
		    "or give another destination formerly = %s",
		    letter.destination, letter.destination);
	if (!(edited ? requeue_edited(api, &letter, one.id, &found, reterr)
		     : jobs_requeue_one(
			   api->daemon->queue, one.id, NULL, &found, reterr)))
		return false;
	if (!found)
		return one_none(one.id, reterr);
	api_log(api, "requeue dead=%" PRId64 " edited=%s", one.id,
	    edited ? "yes" : "no");
	json_object_open(&api->json, NULL);
	json_int(&api->json, "requeued", 1);
	json_object_close(&api->json);
	return true;
}

static bool
id_match(void *arg, const struct jobs_event *event)
{
	const int64_t *id = arg;

	return event->id == *id;
}

static bool
drop_step(
    struct queue *queue, struct jobs_walk *walk, void *arg, struct err *reterr)
{
	(void)arg;
	return jobs_drop(queue, walk, "operator", reterr);
}

bool
api_dead_drop_one(struct api *api, struct err *reterr)
{
	struct jobs_walk walk = {
	    .cursor = {.place = JOBS_DEAD}, .match = id_match};
	int64_t id;

	if (!api_id(api, &id, reterr))
		return false;
	walk.arg = &id;
	do {
		if (!drop_step(api->daemon->queue, &walk, NULL, reterr) ||
		    !call_write(api->call, NULL, 0, reterr))
			return false;
	} while (walk.more && walk.matched == 0);
	if (walk.matched == 0)
		return one_none(id, reterr);
	api_log(api, "drop dead=%" PRId64, id);
	json_object_open(&api->json, NULL);
	json_int(&api->json, "dropped", 1);
	json_object_close(&api->json);
	return true;
}

/* ---- many of them ---- */

static bool
requeue_step(
    struct queue *queue, struct jobs_walk *walk, void *arg, struct err *reterr)
{
	(void)arg;
	return jobs_requeue(queue, walk, reterr);
}

/* Without a filter the caller must say all=yes: leaving out all filters may be
 * a slip. */
static bool
dead_many(struct api *api, const char *verb, job_step_fn *step,
    const struct settings *served, struct err *reterr)
{
	struct selection selection;
	struct job job;
	bool all;

	if (!api_flag(api, "all", &all, reterr) ||
	    !api_selection(api, INT64_MAX, &selection, reterr))
		return false;
	if (all == api_selects(api))
		return err_set(reterr, ERR_INPUT, "give filters, or all=yes");
	/* not letters that come back meanwhile */
	selection.until_ms = api->now_ms;
	selection.served = served;
	api_lines(api);
	job = api_job(api, verb, step);
	job.match = selection_event;
	job.match_arg = &selection;
	job.selection = &selection;
	if (!job_run(&job, JOBS_DEAD, reterr))
		return false;
	if (selection.unserved > 0 &&
	    !api_message(api, reterr,
		"skipped %" PRId64
		" events whose destination is not in the settings: add it "
		"again, or give another destination formerly = NAME",
		selection.unserved))
		return false;
	api_log(api, "dead %s=%" PRId64, verb, selection.count);
	api_summary_open(api);
	json_int(&api->json, verb, selection.count);
	if (selection.unserved > 0)
		json_int(&api->json, "unserved", selection.unserved);
	api_summary_close(api);
	return true;
}

bool
api_dead_requeue(struct api *api, struct err *reterr)
{
	return dead_many(api, "requeued", requeue_step, api->settings, reterr);
}

bool
api_dead_drop(struct api *api, struct err *reterr)
{
	return dead_many(api, "dropped", drop_step, NULL, reterr);
}
