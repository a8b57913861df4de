/* /unreadable: whole bodies that could not be read, kept as received. */

#include "daemon/api_routes.h"
#include "daemon/event.h"

#include <inttypes.h>

enum {
	UNREADABLE_LIMIT = 50,
	UNREADABLE_TEXT_MAX = 1024 * 1024 * 1024,
};

struct list {
	struct api *api;
	bool full; /* with the bytes, as `currentsd import` reads them */
	int64_t last_id;
};

static void
list_body(void *arg, const struct jobs_unreadable *body)
{
	struct list *list = arg;
	struct json *json = &list->api->json;

	list->last_id = body->id;
	api_row_open(list->api);
	json_int(json, "id", body->id);
	json_time(json, "received", body->received_ms);
	json_text(json, "source", body->source);
	if (!list->full)
		json_int(json, "bytes", (int64_t)body->data.len);
	json_text(json, "encoding", body->encoding);
	json_text(json, "reason", body->reason);
	if (list->full)
		event_bytes_write(json, "body", body->data);
	api_row_close(list->api);
}

bool
api_unreadable(struct api *api, struct err *reterr)
{
	struct job job = api_job(api, "bodies", NULL);
	struct list list = {.api = api};
	struct selection selection;
	size_t unclear;

	if (!api_flag(api, "full", &list.full, reterr) ||
	    !api_selection(api, list.full ? INT64_MAX : UNREADABLE_LIMIT,
		&selection, reterr) ||
	    !api_integer(api, "after", 0, 0, INT64_MAX, &job.after, reterr))
		return false;
	api_lines(api);
	job.selection = &selection;
	if (!job_run_bodies(&job, list_body, &list, false, &unclear, reterr))
		return false;
	api_summary_open(api);
	json_int(&api->json, "rows", selection.count);
	json_bool(&api->json, "more", selection_full(&selection));
	json_int(&api->json, "last", list.last_id);
	api_summary_close(api);
	return true;
}

struct show {
	struct json *json;
	int64_t id;
	bool found;
};

/* The queue passes the next body from the id on; it may be another one. */
static bool
show_body(void *arg, const struct jobs_unreadable *body)
{
	struct show *show = arg;
	struct json *json = show->json;
	struct buf text;
	bool whole;

	if (body->id != show->id)
		return false;
	show->found = true;
	buf_init(&text, UNREADABLE_TEXT_MAX);
	if (!server_body_decode(
		body->encoding, body->data, &text, &whole, NULL))
		whole = false;
	json_object_open(json, NULL);
	json_int(json, "id", body->id);
	json_text(json, "source", body->source);
	json_time(json, "received", body->received_ms);
	json_text(json, "reason", body->reason);
	json_text(json, "encoding", body->encoding);
	json_int(json, "bytes", (int64_t)body->data.len);
	json_bool(json, "whole", whole);
	json_bytes(json, "body", text.data != NULL ? text.data : "", text.len);
	json_object_close(json);
	buf_fini(&text);
	return false;
}

bool
api_unreadable_show(struct api *api, struct err *reterr)
{
	struct show show = {.json = &api->json};
	int64_t last;

	if (!api_id(api, &show.id, reterr) ||
	    !jobs_unreadable_next(api->daemon->queue, show.id - 1, show_body,
		&show, false, &last, reterr))
		return false;
	return show.found ||
	       err_set(reterr, ERR_NOT_FOUND,
		   "there is no unreadable body %" PRId64
		   ": `currentsd unreadable list` shows those that there are",
		   show.id);
}

bool
api_unreadable_drop(struct api *api, struct err *reterr)
{
	struct job job = api_job(api, "bodies", NULL);
	struct selection selection;
	size_t unclear;
	bool all;

	if (!api_flag(api, "all", &all, reterr) ||
	    !api_selection(api, INT64_MAX, &selection, reterr))
		return false;
	if (all == api_selects(api))
		return err_set(reterr, ERR_INPUT, "give filters, or all=yes");
	/* not bodies that arrive meanwhile */
	selection.until_ms = api->now_ms;
	api_lines(api);
	job.selection = &selection;
	if (!job_run_bodies(&job, NULL, NULL, true, &unclear, reterr))
		return false;
	api_log(api, "unreadable dropped=%" PRId64, selection.count);
	api_summary_open(api);
	json_int(&api->json, "dropped", selection.count);
	api_summary_close(api);
	return true;
}
