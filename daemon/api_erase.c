/* /erase, /erasures: erasing people, and the people whose erasure the source
 * asked for. */

#include "base/log.h"
#include "daemon/api_routes.h"
#include "daemon/erase.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
	ERASE_PEOPLE = 1024, /* at once: every body is searched for each */
	ERASURES_STEP = 256,
};

/* A body {"KEY":["...", ...]}, perhaps with "listed". */
struct names {
	json_t *body; /* owned; lends the names */
	bool listed;
	const char *list[ERASE_PEOPLE];
	size_t count;
};

static bool
names_read(const struct api *api, const char *key, struct names *names,
    struct err *reterr)
{
	json_error_t error;
	json_t *list = NULL, *value, *name;
	const char *member;
	size_t i;

	*names = (struct names){.count = 0};
	names->body = json_loadb(api->call->body.data, api->call->body.len,
	    JSON_REJECT_DUPLICATES, &error);
	if (names->body == NULL)
		return err_set(reterr, ERR_INPUT,
		    "the body is not JSON: %s, at line %d, column %d",
		    error.text, error.line, error.column);
	json_object_foreach(names->body, member, value)
	{
		if (strcmp(member, key) == 0)
			list = value;
		else if (strcmp(member, "listed") != 0 ||
			 !json_is_boolean(value))
			goto fail;
		else
			names->listed = json_is_true(value);
	}
	if (!json_is_array(list) || json_array_size(list) == 0 ||
	    json_array_size(list) > ERASE_PEOPLE)
		goto fail;
	json_array_foreach(list, i, name)
	{
		const char *text = json_string_value(name);

		if (text == NULL || *text == '\0')
			goto fail;
		names->list[names->count++] = text;
	}
	return true;
fail:
	json_decref(names->body);
	return err_set(reterr, ERR_INPUT,
	    "the body should be {\"%s\":[\"...\"]}, with 1 to %d ids that are "
	    "not empty%s",
	    key, ERASE_PEOPLE,
	    strcmp(key, "users") == 0
		? "; and, to keep them on the list, \"listed\":true"
		: "");
}

bool
api_erase(struct api *api, struct err *reterr)
{
	struct names *names = malloc(sizeof(*names));
	struct erase_result result;
	bool ok;

	if (names == NULL)
		return err_set_nomem(reterr);
	if (!names_read(api, "users", names, reterr)) {
		free(names);
		return false;
	}
	for (size_t i = 0; i < names->count; i++)
		api_log_person(api, "erase", str_text(names->list[i]));
	api_lines(api);
	ok = erase_run(api->daemon, &api->caller, names->list, names->count,
	    names->listed ? api->now_ms : 0, &result, reterr);
	if (ok) {
		erase_log(
		    api->daemon, names->count, &result, api->call->caller);
		api_summary_open(api);
		erase_json(&result, &api->json);
		api_summary_close(api);
	}
	json_decref(names->body);
	free(names);
	return ok;
}

/* ---- the list of erasures ---- */

struct erasures {
	struct api *api;
	int64_t last_id;
	size_t seen; /* in this step */
	int64_t rows;
	const struct names *names; /* done: those to look for; NULL: list */
	bool *found;		   /* which of them are there */
};

static bool
erasures_row(void *arg, int64_t id, const char *source, const char *subject,
    int64_t noted_ms, int64_t erased_ms)
{
	struct erasures *erasures = arg;
	struct json *json = &erasures->api->json;
	const struct names *names = erasures->names;

	erasures->last_id = id;
	erasures->seen++;
	if (names != NULL) {
		for (size_t i = 0; i < names->count; i++)
			erasures->found[i] |=
			    strcmp(names->list[i], subject) == 0;
		return true;
	}
	erasures->rows++;
	api_row_open(erasures->api);
	json_time(json, "noted", noted_ms);
	json_text(json, "source", source);
	json_text(json, "subject", subject);
	json_time(json, "erased", erased_ms);
	api_row_close(erasures->api);
	return true;
}

static bool
erasures_walk(struct erasures *erasures, struct err *reterr)
{
	struct api *api = erasures->api;

	do {
		erasures->seen = 0;
		if (!stats_erasures(api->daemon->queue, erasures->last_id,
			ERASURES_STEP, erasures_row, erasures, reterr) ||
		    !api_flush(api, reterr))
			return false;
	} while (erasures->seen == ERASURES_STEP);
	return true;
}

bool
api_erasures(struct api *api, struct err *reterr)
{
	struct erasures erasures = {.api = api};

	api_lines(api);
	if (!erasures_walk(&erasures, reterr))
		return false;
	api_summary_open(api);
	json_int(&api->json, "rows", erasures.rows);
	api_summary_close(api);
	return true;
}

/* Those that are not there are told. */
static bool
erasures_done(
    struct api *api, const struct names *names, bool *found, struct err *reterr)
{
	struct erasures erasures = {.api = api, .names = names, .found = found};
	int64_t done = 0;

	if (!erasures_walk(&erasures, reterr))
		return false;
	for (size_t i = 0; i < names->count; i++)
		done += found[i];
	if (done > 0 && !jobs_erasures_done(api->daemon->queue, names->list,
			    names->count, INT64_MAX, 0, reterr))
		return false;
	json_object_open(&api->json, NULL);
	json_int(&api->json, "done", done);
	json_array_open(&api->json, "unknown");
	for (size_t i = 0; i < names->count; i++) {
		if (found[i])
			api_log_person(
			    api, "erasure_done", str_text(names->list[i]));
		else
			json_text(&api->json, NULL, names->list[i]);
	}
	json_array_close(&api->json);
	json_object_close(&api->json);
	return true;
}

bool
api_erasures_done(struct api *api, struct err *reterr)
{
	struct names *names = malloc(sizeof(*names));
	bool *found = calloc(ERASE_PEOPLE, sizeof(*found));
	bool ok = (names != NULL && found != NULL) || err_set_nomem(reterr);

	ok = ok && names_read(api, "subjects", names, reterr);
	if (ok) {
		ok = erasures_done(api, names, found, reterr);
		json_decref(names->body);
	}
	free(found);
	free(names);
	return ok;
}
