/*
 * /tap: events as they pass, when they are accepted and when they are settled,
 * with what their destination gets of them. A row says how many others matched
 * since the one before. It ends when the client goes, or at `limit`.
 */

#include "daemon/api_routes.h"
#include "daemon/event.h"
#include "daemon/explain.h"
#include "daemon/persons.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	TAP_RATE = 10,
	TAP_RATE_MAX = 1000,
	TAP_WAIT_MS = 200, /* between two looks whether somebody reads */
	TAP_NAME = 256,
};

struct tapped {
	struct api *api;
	const char *type, *source;
	struct str user;
	int64_t limit, rows, skipped;
	struct event_reader reader;
	struct explain *explain; /* of the last one, or NULL */
	char from[TAP_NAME], to[TAP_NAME];
	struct err err;
	bool failed; /* err says why */
};

/* Of most events this tells that they are not about the person; of the others
 * the reader will find out. */
static bool
tapped_match(const void *arg, const struct tap_item *item)
{
	const struct tapped *tapped = arg;

	return (tapped->source == NULL ||
		   str_equal_text(item->source, tapped->source)) &&
	       (tapped->type == NULL ||
		   currents_type_matches(item->type, tapped->type)) &&
	       (tapped->user.len == 0 ||
		   memmem(item->data.data, item->data.len, tapped->user.data,
		       tapped->user.len) != NULL ||
		   memchr(item->data.data, '\\', item->data.len) != NULL);
}

/* The rules for it: those of the last one, if it goes the same way, and no
 * reload came between. */
static void
tapped_rules(struct tapped *tapped, const struct tap_item *item, bool set)
{
	struct api *api = tapped->api;
	struct generation *before = api->generation;
	struct settings *settings;
	struct err err;

	api->generation = in_force_hold(&api->daemon->in_force);
	settings = api->settings = api->generation->settings;
	if (before == api->generation &&
	    str_equal_text(item->source, tapped->from) &&
	    str_equal_text(item->destination, tapped->to)) {
		generation_drop(before);
		return;
	}
	explain_free(tapped->explain);
	tapped->explain = NULL;
	generation_drop(before);
	(void)snprintf(
	    tapped->from, sizeof(tapped->from), "%s", item->source.data);
	(void)snprintf(
	    tapped->to, sizeof(tapped->to), "%s", item->destination.data);
	if (!explain_new(settings,
		settings_source_find(settings, tapped->from) != NULL
		    ? tapped->from
		    : NULL,
		tapped->to, set, &tapped->explain, &err))
		tapped->explain = NULL;
}

/* What the destination gets, and its id; nothing of an invalid event. */
static bool
tapped_event(
    struct tapped *tapped, const struct tap_item *tap_item, struct err *reterr)
{
	const struct item item = {
	    .type = tap_item->type, .data = tap_item->data};
	const struct currents_event *read =
	    event_read(&tapped->reader, item.data);
	struct json *json = &tapped->api->json;
	struct explain_result result;

	if (read == NULL)
		return true;
	json_bytes(json, "event_id", read->id.data, read->id.len);
	tapped_rules(tapped, tap_item, false);
	if (read->defect != CURRENTS_VALID || tapped->explain == NULL)
		return true;
	json_object_open(json, "explanation");
	if (!explain_item(tapped->explain, &item, str_text(NULL), NULL,
		tapped->api->now_ms, json, &result, reterr))
		return false;
	json_object_close(json);
	return true;
}

static bool
tapped_row(
    struct tapped *tapped, const struct tap_item *item, struct err *reterr)
{
	struct api *api = tapped->api;
	struct json *json = &api->json;
	struct str member;
	bool entered;

	api_row_open(api);
	json_time(json, "at", item->at_ms);
	json_text(json, "what", tap_what_name(item->what));
	json_text(json, "source", item->source.data);
	json_text(json, "destination", item->destination.data);
	json_bytes(json, "type", item->type.data, item->type.len);
	if (item->reason != NULL)
		json_text(json, "reason", item->reason);
	json_int(json, "skipped", tapped->skipped);
	if (persons_change(item->type, item->data, &member, &entered)) {
		event_bytes_write(json, "member", member);
		json_bool(json, "entered", entered);
	} else if (!tapped_event(tapped, item, reterr)) {
		buf_reset(&api->out); /* no half of a row */
		return false;
	}
	api_row_close(api);
	tapped->skipped = 0;
	tapped->rows++;
	return api_flush(api, reterr);
}

/* A tap_fn. */
static bool
tapped_item(void *arg, const struct tap_item *item, uint64_t skipped)
{
	struct tapped *tapped = arg;

	tapped->skipped += (int64_t)skipped;
	if (tapped->user.len > 0 &&
	    !persons_matches(item->type, item->data, &tapped->user, 1))
		return true;
	tapped->failed = !tapped_row(tapped, item, &tapped->err);
	return !tapped->failed && tapped->rows < tapped->limit;
}

static bool
tapped_run(struct tapped *tapped, struct tap *tap, struct err *reterr)
{
	struct api *api = tapped->api;
	bool more = true;

	while (more) {
		if (!job_progress(&api->caller, reterr,
			"watching: %" PRId64 " events so far", tapped->rows))
			return false;
		more = tap_read(tap, TAP_WAIT_MS, tapped_item, tapped);
	}
	if (tapped->failed)
		return err_set(
		    reterr, tapped->err.code, "%s", tapped->err.text);
	api_summary_open(api);
	json_int(&api->json, "rows", tapped->rows);
	api_summary_close(api);
	return true;
}

bool
api_tap(struct api *api, struct err *reterr)
{
	struct tapped tapped = {
	    .api = api,
	    .type = call_param(api->call, "type"),
	    .source = call_param(api->call, "source"),
	    .user = str_text(call_param(api->call, "user")),
	};
	struct tap_settings settings = {.match = tapped_match, .arg = &tapped};
	struct tap *tap;
	int64_t rate;
	bool ok;

	if (!api_integer(
		api, "rate", TAP_RATE, 1, TAP_RATE_MAX, &rate, reterr) ||
	    !api_integer(
		api, "limit", INT64_MAX, 1, INT64_MAX, &tapped.limit, reterr))
		return false;
	if (atomic_load(&api->daemon->server) == NULL)
		return err_set(reterr, ERR_UNSUPPORTED,
		    "no daemon is running, so no events pass: start it with "
		    "`currentsd serve`");
	if (tapped.user.len > 0)
		api_log_person(api, "tap", tapped.user);
	settings.rate = (unsigned)rate;
	if (!tap_open(api->daemon->queue, &settings, &tap, reterr))
		return false;
	api_lines(api);
	event_reader_init(&tapped.reader);
	ok = tapped_run(&tapped, tap, reterr);
	tap_close(tap);
	explain_free(tapped.explain);
	event_reader_fini(&tapped.reader);
	return ok;
}
