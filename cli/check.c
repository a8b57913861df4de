/*
 * currentsd check: what serve would run, and what stands in its way. Opens
 * nothing on the network, unless a test is to be sent, and leaves the queue
 * alone.
 */

#include "base/json.h"
#include "cli/command.h"
#include "cli/filesystem.h"
#include "cli/show.h"

#include <inttypes.h>
#include <string.h>

enum { CHECK_PRIVACY_MAX = 64 * 1024 };

const struct option_row command_check_options[] = {
    {"--json", NULL, "Print JSON."},
    {"--send-test", "IDENTITY", "Send one marked event of this person."},
    {"--destination", "NAME", "With --send-test: to this one (the first)."},
    {NULL, NULL, NULL},
};

struct check {
	struct settings settings;
	struct filesystem filesystem;
};

static void
check_warnings(struct check *check)
{
	struct settings *settings = &check->settings;

	if (check->filesystem.passing)
		(void)buf_printf(&settings->warnings,
		    "the state directory is on %s: accepted events can "
		    "vanish\n",
		    check->filesystem.name);
	if (check->filesystem.free_bytes <
	    settings->queue_min_free + settings->queue_reserve)
		(void)buf_text(&settings->warnings,
		    "the file system of the state directory has less free "
		    "space than queue_min_free and queue_reserve need: "
		    "requests would be answered 503\n");
	if (strncmp(settings->admin, "127.", 4) != 0 &&
	    strncmp(settings->admin, "[::1]", 5) != 0)
		(void)buf_text(&settings->warnings,
		    "the admin address is not on loopback: anyone who reaches "
		    "it can read /metrics and /status\n");
}

static void
check_sources_text(const struct settings *settings, struct buf *out)
{
	for (size_t i = 0; i < settings->source_count; i++) {
		const struct settings_source *s = &settings->sources[i];

		(void)buf_printf(out,
		    "source       %s: POST /currents/%s%s%s%s", s->name,
		    s->name, i == 0 ? " or /currents" : "",
		    s->parameter != NULL ? " or ?" : "",
		    s->parameter != NULL ? s->parameter : "");
		if (s->open)
			(void)buf_text(out, ", open to everyone");
		else
			(void)buf_printf(out, ", %zu token%s", s->tokens.count,
			    s->tokens.count == 1 ? "" : "s");
		(void)buf_printf(out, ", to %s\n", s->destination);
	}
}

static void
check_text(const struct check *check, struct buf *out)
{
	const struct settings *settings = &check->settings;
	char room[SHOW_BYTES], most[SHOW_BYTES];
	const char *at = settings->warnings.data;
	size_t left = settings->warnings.len, len;

	(void)buf_printf(out, "file         %s\n",
	    settings->config != NULL ? settings->config : "none");
	(void)buf_printf(out,
	    "listen       http://%s\nadmin        http://%s\n",
	    settings->listen, settings->admin);
	show_bytes(check->filesystem.free_bytes, room, sizeof(room));
	show_bytes(settings->queue_max_bytes, most, sizeof(most));
	(void)buf_printf(out, "state        %s (%s, %s%s free), at most %s\n",
	    settings->state_dir, check->filesystem.name,
	    check->filesystem.exists ? "" : "to be made, ", room, most);
	check_sources_text(settings, out);
	for (size_t i = 0; i < settings->destination_count; i++) {
		const struct settings_destination *d =
		    &settings->destinations[i];

		(void)buf_printf(out,
		    "destination  %s: %s, app id %s, %" PRId64 " per cent of "
		    "%" PRId64 " events a minute\n",
		    d->name, d->url, d->app_id, d->share, d->events_per_minute);
		(void)buf_printf(out, "privacy      %s: ", d->name);
		settings_privacy_write(d, out);
		(void)buf_char(out, '\n');
	}
	for (; left > 0; at += len, left -= len) {
		const char *end = memchr(at, '\n', left);

		len = end != NULL ? (size_t)(end - at) + 1 : left;
		(void)buf_printf(out, "warning      %.*s", (int)len, at);
	}
	(void)buf_text(out, "currentsd serve can start with this.\n");
}

static void
check_privacy_json(
    const struct settings_destination *destination, struct json *json)
{
	struct buf said;

	buf_init(&said, CHECK_PRIVACY_MAX);
	settings_privacy_write(destination, &said);
	json_bytes(json, "privacy", said.data, said.len);
	buf_fini(&said);
}

static void
check_sections_json(const struct settings *settings, struct json *json)
{
	json_array_open(json, "sources");
	for (size_t i = 0; i < settings->source_count; i++) {
		const struct settings_source *s = &settings->sources[i];

		json_object_open(json, NULL);
		json_text(json, "name", s->name);
		json_int(json, "tokens", (int64_t)s->tokens.count);
		json_bool(json, "open", s->open);
		json_text(json, "destination", s->destination);
		json_object_close(json);
	}
	json_array_close(json);
	json_array_open(json, "destinations");
	for (size_t i = 0; i < settings->destination_count; i++) {
		const struct settings_destination *d =
		    &settings->destinations[i];

		json_object_open(json, NULL);
		json_text(json, "name", d->name);
		json_text(json, "url", d->url);
		json_text(json, "app_id", d->app_id);
		json_int(json, "share", d->share);
		json_int(json, "events_per_minute", d->events_per_minute);
		check_privacy_json(d, json);
		json_object_close(json);
	}
	json_array_close(json);
}

static void
check_json(const struct check *check, struct buf *out)
{
	const struct settings *settings = &check->settings;
	const char *at = settings->warnings.data;
	size_t left = settings->warnings.len, len;
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_text(&json, "listen", settings->listen);
	json_text(&json, "admin", settings->admin);
	json_text(&json, "state_dir", settings->state_dir);
	json_text(&json, "filesystem", check->filesystem.name);
	json_int(&json, "free_bytes", check->filesystem.free_bytes);
	check_sections_json(settings, &json);
	json_array_open(&json, "warnings");
	for (; left > 0; at += len, left -= len) {
		const char *end = memchr(at, '\n', left);

		len = end != NULL ? (size_t)(end - at) + 1 : left;
		json_bytes(&json, NULL, at, len - (end != NULL));
	}
	json_array_close(&json);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

int
command_check(struct command_context *context, struct buf *out)
{
	struct check check = {0};
	int code = EXIT_FINE;
	struct err err;

	if (settings_read(context->config, &check.settings, &err) &&
	    settings_complete(&check.settings, &err) &&
	    filesystem_check(check.settings.state_dir,
		check.settings.allow_volatile_state, &check.filesystem, &err)) {
		check_warnings(&check);
		if (options_value(context->options, "--send-test") != NULL)
			code = check_send(context, &check.settings, out);
		else if (options_has(context->options, "--json"))
			check_json(&check, out);
		else
			check_text(&check, out);
	} else {
		code = command_fail(out, &err);
	}
	settings_fini(&check.settings);
	return code;
}
