/*
 * POST /explain: what would become of events, or of the changes in a page, by
 * the rules of a source and its destination, and why. Needs no queue.
 */

#include "daemon/api_routes.h"
#include "daemon/bodies.h"
#include "daemon/event.h"
#include "daemon/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PAGE_CHANGES_MAX = 10000000,
	REASON_MAX = 256,
};

/* Who would send it: the rules of a source. */
struct way {
	const char *source; /* NULL: the first one */
	bool set;
	struct explain *explain;
};

struct explaining {
	struct api *api;
	int64_t line, at; /* in the file, of where the body begins */
	const char *source, *destination; /* asked for, or NULL */
	struct way *ways;		  /* owned */
	size_t way_count;
	int64_t rows, found; /* would not be sent, and no rule drops them */
};

/* ---- the rules ---- */

/* Of the source that was asked for, or else that the export names, if it is
 * one of ours, or else of the first one. */
static bool
way_find(struct explaining *all, struct str name, bool set,
    struct explain **ret_explain, struct err *reterr)
{
	struct settings *settings = all->api->settings;
	const char *source = all->source;
	struct way *way;

	for (size_t i = 0; source == NULL && i < settings->source_count; i++) {
		const struct server_source *one = &settings->sources[i].server;

		if (name.len > 0 && one->intake->set == set &&
		    str_equal_text(name, one->name))
			source = one->name;
	}
	for (size_t i = 0; i < all->way_count; i++) {
		way = &all->ways[i];
		if (way->source == source && way->set == set) {
			*ret_explain = way->explain;
			return true;
		}
	}
	way = &all->ways[all->way_count];
	way->source = source;
	way->set = set;
	if (!explain_new(
		settings, source, all->destination, set, &way->explain, reterr))
		return false;
	all->way_count++;
	*ret_explain = way->explain;
	return explain_set(way->explain) == set ||
	       err_set(reterr, ERR_INPUT, "source %s sends %s",
		   explain_source(way->explain),
		   set ? "events, and this is a change of a segment"
		       : "changes of segments, and this is an event");
}

/* ---- rows ---- */

static struct json *
row_open(struct explaining *all)
{
	api_row_open(all->api);
	return &all->api->json;
}

static bool
row_close(struct explaining *all, bool found, struct err *reterr)
{
	struct api *api = all->api;

	api_row_close(api);
	all->rows++;
	all->found += found;
	return api->out.len < JOB_PIECE || api_flush(api, reterr);
}

static void
position_write(
    struct explaining *all, struct json *json, size_t at, size_t line)
{
	json_int(json, "at", all->at + (int64_t)at);
	json_int(json, "line", all->line + (int64_t)line - 1);
}

static void
fault_write(struct json *json, const char *reason)
{
	json_text(json, "fate", "fault");
	json_text(json, "reason", reason);
}

static bool
item_write(struct explaining *all, struct explain *explain,
    const struct item *item, const char *defect, struct err *reterr)
{
	struct json *json = &all->api->json;
	struct explain_result result;

	json_text(json, "source", explain_source(explain));
	json_text(json, "destination", explain_destination(explain));
	return explain_item(explain, item, str_bytes(NULL, 0), defect,
		   all->api->now_ms, json, &result, reterr) &&
	       row_close(all, result.fate == OUTLET_DEAD, reterr);
}

/* ---- a page ---- */

static bool
page_row(struct explaining *all, struct explain *explain,
    const struct intake_page *page, const struct item *item, size_t number,
    struct err *reterr)
{
	struct json *json = row_open(all);

	json_int(json, "change", (int64_t)number);
	event_bytes_write(json, "group", page->group);
	if (page->name.len > 0)
		event_bytes_write(json, "name", page->name);
	event_bytes_write(json, "data", item->data);
	return item_write(all, explain, item, NULL, reterr);
}

static bool
explain_page(struct explaining *all, struct str text, struct err *reterr)
{
	struct intake_batch batch = {.count = 0};
	struct explain *explain;
	enum intake_cause cause;
	char why[sizeof(batch.why) + 32];
	struct json *json;

	if (!way_find(all, str_bytes(NULL, 0), true, &explain, reterr))
		return false;
	cause = explain_read(explain, text, PAGE_CHANGES_MAX, &batch);
	if (cause == INTAKE_BUSY)
		return err_set_nomem(reterr);
	if (cause != INTAKE_TAKEN) {
		(void)snprintf(
		    why, sizeof(why), "%s (byte %zu)", batch.why, batch.at);
		json = row_open(all);
		json_int(json, "change", 0);
		fault_write(json, why);
		return row_close(all, true, reterr);
	}
	if (!explain_group(explain, batch.page.group, batch.page.name,
		str_bytes(NULL, 0), reterr))
		return false;
	for (size_t i = 0; i < batch.count; i++) {
		if (!page_row(all, explain, &batch.page, &batch.items[i], i + 1,
			reterr))
			return false;
	}
	return true;
}

/* ---- bodies ---- */

/* That an export has. */
static bool
explain_change(
    struct explaining *all, const struct body *body, struct err *reterr)
{
	const struct line *from = body->from;
	const struct item item = {
	    .fate = ITEM_QUEUE,
	    .type = from->group,
	    .data = from->data,
	};
	struct explain *explain;
	struct json *json;

	if (!way_find(all, from->source, true, &explain, reterr) ||
	    !explain_group(explain, from->group, str_bytes(NULL, 0),
		str_bytes(NULL, 0), reterr))
		return false;
	json = row_open(all);
	position_write(all, json, body->at, body->line);
	event_bytes_write(json, "group", from->group);
	event_bytes_write(json, "data", from->data);
	return item_write(all, explain, &item, NULL, reterr);
}

static bool
explain_fault(
    struct explaining *all, const struct body *body, struct err *reterr)
{
	struct json *json = row_open(all);

	position_write(all, json, body->at + body->fault->at,
	    body->line + body_newlines(body, 0, body->fault->at));
	fault_write(json, body->fault->text);
	return row_close(all, true, reterr);
}

static bool
explain_events(
    struct explaining *all, const struct body *body, struct err *reterr)
{
	const struct currents_batch *batch = body->batch;
	struct intake_batch read = {.count = 0};
	size_t seen = 0, line = body->line;
	struct explain *explain;
	bool ok = true;

	if (batch->count == 0)
		return true;
	if (!way_find(all, body->from->source, false, &explain, reterr))
		return false;
	/* The body was read before, so this fails only without memory; and each
	 * event becomes one item. */
	if (explain_read(explain, body->text, batch->count, &read) !=
		INTAKE_TAKEN ||
	    read.count != batch->count)
		return err_set_nomem(reterr);
	for (size_t i = 0; ok && i < batch->count; i++) {
		const struct currents_event *event = &batch->events[i];
		bool valid = event->defect == CURRENTS_VALID;
		struct json *json = row_open(all);
		char why[REASON_MAX];

		line += body_newlines(body, seen, event->at);
		seen = event->at;
		position_write(all, json, body->at + event->at, line);
		json_bytes(json, "type", event->type.data, event->type.len);
		json_bytes(json, "id", event->id.data, event->id.len);
		currents_defect_write(event, why, sizeof(why));
		ok = item_write(
		    all, explain, &read.items[i], valid ? NULL : why, reterr);
	}
	return ok;
}

static bool
explain_body(void *arg, const struct body *body, struct err *reterr)
{
	struct explaining *all = arg;

	if (body->from->kind == LINE_CHANGE)
		return explain_change(all, body, reterr);
	if (bodies_page(body->text))
		return explain_page(all, body->text, reterr);
	if (body->fault != NULL)
		return explain_fault(all, body, reterr);
	return explain_events(all, body, reterr);
}

/* ---- the call ---- */

static bool
explain_begin(struct explaining *all, bool *ret_lines, struct err *reterr)
{
	struct api *api = all->api;
	const struct settings *settings = api->settings;

	all->source = call_param(api->call, "source");
	all->destination = call_param(api->call, "destination");
	all->ways =
	    calloc(2 * (settings->source_count + 1), sizeof(*all->ways));
	if (all->ways == NULL)
		return err_set_nomem(reterr);
	if (all->source != NULL &&
	    settings_source_find(settings, all->source) == NULL)
		return err_set(
		    reterr, ERR_INPUT, "there is no source %s", all->source);
	if (all->destination != NULL &&
	    settings_destination_find(settings, all->destination) == NULL)
		return err_set(reterr, ERR_INPUT, "there is no destination %s",
		    all->destination);
	if (!api_integer(
		api, "line", 1, 1, INT64_MAX / 2, &all->line, reterr) ||
	    !api_integer(api, "at", 0, 0, INT64_MAX / 2, &all->at, reterr))
		return false;
	if (call_param(api->call, "lines") != NULL)
		return api_flag(api, "lines", ret_lines, reterr);
	return bodies_are_lines(api->call->body, ret_lines, reterr);
}

bool
api_explain(struct api *api, struct err *reterr)
{
	struct explaining all = {.api = api};
	bool lines, ok;

	ok = explain_begin(&all, &lines, reterr);
	if (ok) {
		api_lines(api);
		ok = bodies_each(
		    api->call->body, lines, explain_body, &all, reterr);
	}
	for (size_t i = 0; i < all.way_count; i++)
		explain_free(all.ways[i].explain);
	free(all.ways);
	if (!ok)
		return false;
	api_summary_open(api);
	json_int(&api->json, "rows", all.rows);
	json_int(&api->json, "found", all.found);
	api_summary_close(api);
	return true;
}
