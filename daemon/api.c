#include "daemon/api.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	API_OUT_MAX = 64 * 1024 * 1024,
	API_LINE_MS = 1000, /* between two lines of progress */
	API_MESSAGE = 400,
	API_LOG = 900,
};

/* ---- parameters ---- */

bool
api_integer(const struct api *api, const char *name, int64_t preset,
    int64_t least, int64_t most, int64_t *ret_value, struct err *reterr)
{
	const char *text = call_param(api->call, name);
	char *end = NULL;
	long long value;

	errno = 0;
	value = text != NULL ? strtoll(text, &end, 10) : preset;
	if (text != NULL && (end == text || *end != '\0' || errno != 0 ||
				value < least || value > most)) {
		if (most == INT64_MAX)
			return err_set(reterr, ERR_INPUT,
			    "%s should be a whole number of at least %lld",
			    name, (long long)least);
		return err_set(reterr, ERR_INPUT,
		    "%s should be a whole number from %lld to %lld", name,
		    (long long)least, (long long)most);
	}
	*ret_value = value;
	return true;
}

bool
api_flag(const struct api *api, const char *name, bool *ret_value,
    struct err *reterr)
{
	const char *text = call_param(api->call, name);

	if (text != NULL && strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		return err_set(
		    reterr, ERR_INPUT, "%s should be yes or no", name);
	*ret_value = text != NULL && strcmp(text, "yes") == 0;
	return true;
}

bool
api_text(struct str text, const char *what, char *ret_text, size_t size,
    struct err *reterr)
{
	if (text.len >= size || memchr(text.data, '\0', text.len) != NULL)
		return err_set(reterr, ERR_INPUT,
		    "%s should have less than %zu bytes, and no NUL", what,
		    size);
	memcpy(ret_text, text.data, text.len);
	ret_text[text.len] = '\0';
	return true;
}

bool
api_id(const struct api *api, int64_t *ret_id, struct err *reterr)
{
	struct str name = api->call->name;
	char text[24], *end = NULL;
	int64_t id = 0;

	if (api_text(name, "the id", text, sizeof(text), reterr))
		id = strtoll(text, &end, 10);
	if (end == NULL || *end != '\0' || id <= 0)
		return err_set(reterr, ERR_INPUT, "the id should be a number");
	*ret_id = id;
	return true;
}

/* A number with a unit, counted back from now. */
static bool
since_duration(const char *text, int64_t now_ms, int64_t *ret_ms)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = {
	    {'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
	long long value;
	char *end;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (end == text || errno != 0 || value < 0 || value > 10000000 ||
	    end[0] == '\0' || end[1] != '\0')
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (*end == units[i].unit) {
			*ret_ms = now_ms - value * units[i].ms;
			return true;
		}
	}
	return false;
}

static bool
since_time(const char *text, int64_t *ret_ms)
{
	static const char *const formats[] = {"%Y-%m-%dT%H:%M:%S",
	    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M",
	    "%Y-%m-%d"};
	const char *end;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct tm tm = {.tm_mday = 1};

		end = strptime(text, formats[i], &tm);
		if (end == NULL)
			continue;
		end += *end == 'Z';
		if (*end != '\0')
			continue;
		*ret_ms = (int64_t)timegm(&tm) * 1000;
		return true;
	}
	return false;
}

bool
api_when_read(const char *text, int64_t now_ms, int64_t *ret_ms)
{
	return since_duration(text, now_ms, ret_ms) || since_time(text, ret_ms);
}

bool
api_since(const struct api *api, int64_t *ret_ms, struct err *reterr)
{
	const char *since = call_param(api->call, "since");

	*ret_ms = 0;
	return since == NULL || api_when_read(since, api->now_ms, ret_ms) ||
	       err_set(reterr, ERR_INPUT,
		   "since should be how long ago, such as 30m, 2h or 7d, or a "
		   "time in UTC, such as 2026-11-23T14:00");
}

bool
api_selection(const struct api *api, int64_t limit,
    struct selection *ret_selection, struct err *reterr)
{
	const char *user = call_param(api->call, "user");

	selection_init(ret_selection);
	ret_selection->type = call_param(api->call, "type");
	ret_selection->source = call_param(api->call, "source");
	ret_selection->reason = call_param(api->call, "reason");
	if (!api_integer(api, "limit", limit, 1, INT64_MAX,
		&ret_selection->limit, reterr) ||
	    !api_since(api, &ret_selection->since_ms, reterr))
		return false;
	if (user == NULL)
		return true;
	if (*user == '\0')
		return err_set(reterr, ERR_INPUT, "user should be an id");
	ret_selection->id = str_text(user);
	ret_selection->ids = &ret_selection->id;
	ret_selection->id_count = 1;
	api_log_person(api, "look_up", ret_selection->id);
	return true;
}

bool
api_selects(const struct api *api)
{
	bool given = false;

	for (size_t i = 0; i < api->call->param_count; i++)
		given |= str_has_word(
		    "type user source reason since", api->call->params[i].name);
	return given;
}

bool
api_place(const struct api *api, enum jobs_place *ret_place, struct err *reterr)
{
	static const enum jobs_place places[] = {
	    JOBS_QUEUED, JOBS_ARCHIVE, JOBS_DEAD};
	const char *word = call_param(api->call, "place");

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (word == NULL ||
		    strcmp(word, jobs_place_name(places[i])) == 0) {
			*ret_place = places[i];
			return true;
		}
	}
	return err_set(reterr, ERR_INPUT,
	    "the place should be queued, archive or dead; bodies that could "
	    "not be read are listed by `currentsd unreadable`");
}

static bool
params_check(
    const struct api_route *route, const struct call *call, struct err *reterr)
{
	for (size_t i = 0; i < call->param_count; i++) {
		const char *name = call->params[i].name;

		if (!str_has_word(route->params, name))
			return err_set(reterr, ERR_INPUT,
			    "there is no parameter %.60s here%s%s", name,
			    *route->params != '\0' ? ", but " : "",
			    route->params);
	}
	return true;
}

/* ---- the log ---- */

void
api_log(const struct api *api, const char *format, ...)
{
	char text[API_LOG];
	va_list args;

	if (atomic_load(&api->daemon->server) == NULL)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_line(LOG_INFO, "admin", "%s caller=%s", text, api->call->caller);
}

void
api_log_person(const struct api *api, const char *verb, struct str id)
{
	api_log(api, "%s person=\"%016" PRIx64 "\"", verb,
	    stats_person_hash(api->daemon->queue, id));
}

/* ---- answers in lines ---- */

void
api_lines(struct api *api)
{
	api->lines = true;
	api->call->type = "application/x-ndjson";
}

static void
line_open(struct api *api, const char *key)
{
	json_init(&api->json, &api->out);
	json_object_open(&api->json, NULL);
	if (key != NULL)
		json_object_open(&api->json, key);
}

static void
line_close(struct api *api, bool nested)
{
	if (nested)
		json_object_close(&api->json);
	json_object_close(&api->json);
	(void)buf_char(&api->out, '\n');
}

void
api_row_open(struct api *api)
{
	line_open(api, "row");
}

void
api_row_close(struct api *api)
{
	line_close(api, true);
}

void
api_summary_open(struct api *api)
{
	line_open(api, "summary");
}

void
api_summary_close(struct api *api)
{
	line_close(api, true);
}

bool
api_flush(struct api *api, struct err *reterr)
{
	if (!buf_ok(&api->out, reterr) ||
	    !call_write(api->call, api->out.data, api->out.len, reterr))
		return false;
	if (api->out.len > 0)
		api->line_ms = clock_mono_ms();
	buf_reset(&api->out);
	return true;
}

static bool
api_text_line(
    struct api *api, const char *key, const char *text, struct err *reterr)
{
	line_open(api, NULL);
	json_text(&api->json, key, text);
	line_close(api, false);
	return api_flush(api, reterr);
}

bool
api_message(struct api *api, struct err *reterr, const char *format, ...)
{
	char text[API_MESSAGE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return api_text_line(api, "message", text, reterr);
}

/* ---- the caller of a job; arg is the api ---- */

static bool
caller_write(void *arg, const char *data, size_t len, struct err *reterr)
{
	struct api *api = arg;

	api->line_ms = clock_mono_ms();
	return call_write(api->call, data, len, reterr);
}

static bool
caller_message(void *arg, const char *text, struct err *reterr)
{
	return api_text_line(arg, "message", text, reterr);
}

static bool
caller_progress(void *arg, const char *text, struct err *reterr)
{
	struct api *api = arg;

	if (api->job)
		job_note(api->daemon, text);
	if (api->out.len > 0 || clock_mono_ms() - api->line_ms < API_LINE_MS)
		return call_write(api->call, NULL, 0, reterr);
	line_open(api, "progress");
	json_text(&api->json, "text", text);
	line_close(api, true);
	return api_flush(api, reterr);
}

struct job
api_job(struct api *api, const char *verb, job_step_fn *step)
{
	return (struct job){
	    .daemon = api->daemon,
	    .caller = &api->caller,
	    .out = &api->out,
	    .now_ms = api->now_ms,
	    .verb = verb,
	    .step = step,
	};
}

/* ---- serving ---- */

/* What was written and not sent, if it is the whole answer, is not one. */
static void
api_fail(struct api *api, const struct err *err)
{
	struct err gone;

	if (!api->call->begun) {
		api->call->status = call_status(err->code);
		api->call->coding = NULL;
		buf_reset(&api->out);
	}
	(void)!api_text_line(api, "error", err->text, &gone);
}

void
api_serve(void *arg, const struct call_route *route, struct call *call)
{
	const struct api_route *found = (const struct api_route *)route;
	struct api api = {
	    .daemon = arg,
	    .call = call,
	    .now_ms = clock_wall_ms(),
	    .caller =
		{
		    .write = caller_write,
		    .message = caller_message,
		    .progress = caller_progress,
		},
	    .line_ms = clock_mono_ms(),
	};
	struct err err;
	bool ok;

	api.generation = in_force_hold(&api.daemon->in_force);
	api.settings = api.generation->settings;
	api.caller.arg = &api;
	buf_init(&api.out, API_OUT_MAX);
	json_init(&api.json, &api.out);
	ok = params_check(found, call, &err);
	if (ok && found->job != NULL)
		ok = api.job = job_begin(api.daemon, found->job, &err);
	ok = ok && found->serve(&api, &err);
	if (api.job)
		job_end(api.daemon);
	/* A JSON text ends its line, for those who read it with curl. */
	if (ok && api.out.len > 0 && api.out.data[api.out.len - 1] == '}')
		(void)buf_char(&api.out, '\n');
	if (!ok || !api_flush(&api, &err))
		api_fail(&api, &err);
	generation_drop(api.generation);
	buf_fini(&api.out);
}
