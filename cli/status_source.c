/*
 * Each source as JSON and as text. What Braze does on our answers, and its
 * deadlines, are from its documentation of the Custom HTTP connector.
 */

#include "cli/status_source.h"

#include "cli/show.h"

#include <inttypes.h>

enum {
	BRAZE_ALERT_S = 24 * 3600,   /* then Braze alerts its staff */
	BRAZE_OFF_S = 5 * 24 * 3600, /* then the connector is off */
};

bool
status_source_read(
    struct parts *parts, size_t source, struct server_source_status *ret_status)
{
	const struct settings *settings = parts->settings;
	struct server *server = atomic_load(&parts->server);

	if (server == NULL)
		return server_source_saved(parts->queue,
		    source < settings->source_count
			? settings->sources[source].name
			: NULL,
		    ret_status, NULL);
	server_source_status(server, source, ret_status);
	return true;
}

int64_t
status_source_refused(const struct server_source_status *status, int64_t now_ms)
{
	return status->refused > 0 && show_since_s(now_ms, status->refused_ms) <
					  STATUS_REFUSED_S
		   ? status->refused
		   : 0;
}

/* Seconds until Braze acts, 0 if it has. */
static int64_t
braze_left_s(
    const struct server_source_status *status, int64_t after_s, int64_t now_ms)
{
	int64_t since = show_since_s(now_ms, status->failing_since_ms);

	if (since < 0) /* the clock was set back */
		return after_s;
	return since < after_s ? after_s - since : 0;
}

/* ---- as JSON ---- */

static void
failing_json(const struct server_source_status *status, int64_t now_ms,
    struct json *json)
{
	show_time_json(json, "failing_since", status->failing_since_ms);
	show_since_json(json, "failing_s", now_ms, status->failing_since_ms);
	if (status->failing_since_ms == 0)
		return;
	json_int(json, "failing_status", status->failing_status);
	json_text(json, "failing_why", status->failing_why);
	json_int(json, "braze_alerts_in_s",
	    braze_left_s(status, BRAZE_ALERT_S, now_ms));
	json_int(json, "braze_gives_up_in_s",
	    braze_left_s(status, BRAZE_OFF_S, now_ms));
}

static void
refused_json(const struct server_source_status *status, const char *key,
    int64_t now_ms, struct json *json)
{
	if (status->refused == 0) {
		json_null(json, key);
		return;
	}
	json_object_open(json, key);
	json_int(json, "count", status->refused);
	show_time_json(json, "since", status->refused_since_ms);
	show_since_json(json, "last_s", now_ms, status->refused_ms);
	json_int(json, "status", status->refused_status);
	json_text(json, "why", status->refused_why);
	json_object_close(json);
}

static void
tokens_json(
    struct server *server, size_t source, int64_t now_ms, struct json *json)
{
	json_array_open(json, "tokens");
	for (size_t i = 0; i < server_tokens(server, source); i++) {
		json_object_open(json, NULL);
		json_int(json, "number", (int64_t)i + 1);
		show_since_json(json, "last_used_s", now_ms,
		    server_token_last_used_ms(server, source, i));
		json_object_close(json);
	}
	json_array_close(json);
}

void
status_source_json(
    struct parts *parts, size_t source, int64_t now_ms, struct json *json)
{
	struct server *server = atomic_load(&parts->server);
	struct server_source_status status;

	json_object_open(json, NULL);
	json_text(json, "name", parts->settings->sources[source].name);
	if (status_source_read(parts, source, &status)) {
		show_since_json(
		    json, "last_request_s", now_ms, status.last_request_ms);
		show_since_json(
		    json, "last_success_s", now_ms, status.last_success_ms);
		failing_json(&status, now_ms, json);
		refused_json(&status, "refused", now_ms, json);
	}
	if (server != NULL)
		tokens_json(server, source, now_ms, json);
	json_object_close(json);
}

void
status_no_source_json(struct parts *parts, int64_t now_ms, struct json *json)
{
	struct server_source_status status;

	if (status_source_read(parts, parts->settings->source_count, &status))
		refused_json(&status, "refused_without_source", now_ms, json);
}

/* ---- as text ---- */

static void
failing_text(
    const struct server_source_status *status, int64_t now_ms, struct buf *out)
{
	static const struct {
		const char *what;
		int64_t after_s;
	} deadlines[] = {
	    {"alerts its own people", BRAZE_ALERT_S},
	    {"switches the connector off", BRAZE_OFF_S},
	};
	char text[SHOW_DURATION];
	int64_t seconds;

	if (status->failing_since_ms == 0)
		return;
	seconds = show_since_s(now_ms, status->failing_since_ms);
	show_duration(seconds, text, sizeof(text));
	(void)buf_printf(out,
	    "           FAILING for %s, the last answer was %u\n",
	    seconds < 0 ? "an unknown time (clock set back)" : text,
	    status->failing_status);
	if (status->failing_why[0] != '\0')
		(void)buf_printf(
		    out, "           why: %s\n", status->failing_why);
	for (size_t i = 0; i < sizeof(deadlines) / sizeof(deadlines[0]); i++) {
		int64_t left =
		    braze_left_s(status, deadlines[i].after_s, now_ms);

		show_duration(left, text, sizeof(text));
		(void)buf_printf(out, "           Braze %s %s%s\n",
		    deadlines[i].what, left > 0 ? "in " : "",
		    left > 0 ? text : "BY NOW");
	}
}

static void
refused_text(
    const struct server_source_status *status, int64_t now_ms, struct buf *out)
{
	int64_t refused = status_source_refused(status, now_ms);
	char last[SHOW_AGO], first[SHOW_AGO];

	if (refused == 0)
		return;
	show_ago(now_ms, status->refused_since_ms, first, sizeof(first));
	show_ago(now_ms, status->refused_ms, last, sizeof(last));
	(void)buf_printf(out,
	    "           REFUSED requests: %" PRId64
	    ", the first %s, the last %s\n"
	    "           why: %u, %s\n"
	    "           if they came from Braze, it holds those events back "
	    "until its connector is fixed\n",
	    refused, first, last, status->refused_status, status->refused_why);
}

void
status_source_text(
    struct parts *parts, size_t source, int64_t now_ms, struct buf *out)
{
	struct server *server = atomic_load(&parts->server);
	char request[SHOW_AGO], success[SHOW_AGO];
	struct server_source_status status;

	if (!status_source_read(parts, source, &status))
		return;
	show_ago(now_ms, status.last_request_ms, request, sizeof(request));
	show_ago(now_ms, status.last_success_ms, success, sizeof(success));
	(void)buf_printf(out,
	    "source     %-16s last request %s, last success %s\n",
	    parts->settings->sources[source].name, request, success);
	for (size_t i = 0; server != NULL && i < server_tokens(server, source);
	     i++) {
		show_ago(now_ms, server_token_last_used_ms(server, source, i),
		    request, sizeof(request));
		(void)buf_printf(
		    out, "           token %zu last used %s\n", i + 1, request);
	}
	failing_text(&status, now_ms, out);
	refused_text(&status, now_ms, out);
}

void
status_no_source_text(struct parts *parts, int64_t now_ms, struct buf *out)
{
	struct server_source_status status;

	if (!status_source_read(
		parts, parts->settings->source_count, &status) ||
	    status_source_refused(&status, now_ms) == 0)
		return;
	(void)buf_text(out, "no source  for these requests:\n");
	refused_text(&status, now_ms, out);
}
