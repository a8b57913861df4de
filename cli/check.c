/*
 * currentsd check: what serve would run, and what is wrong with it: the
 * settings, the addresses to listen at, the state directory, the way to the
 * destinations. It sends nothing, and leaves the queue alone. With --url,
 * --send-test or --notify it does only that (probe.c, send_test.c).
 */

#include "base/json.h"
#include "cli/command.h"
#include "cli/port.h"
#include "cli/probe.h"
#include "cli/reach.h"
#include "cli/send_test.h"
#include "cli/show.h"
#include "daemon/filesystem.h"
#include "server/socket.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	CHECK_PRIVACY_MAX = 64 * 1024,
	CHECK_PROBLEMS_MAX = 1024 * 1024,
	CHECK_REACH_MS = 10000, /* for one destination, at most */
	CHECK_OWNER = 40,
	CHECK_INDENT = 13, /* columns before what a line says */
};

const struct option_row command_check_options[] = {
    {"--offline", NULL, "Open no network connection."},
    {"--json", NULL, "Print JSON."},
    {"--url", "URL",
	"Post a probe to this URL of Braze's, and prove who answers."},
    {"--source", "NAME",
	"The probe has a token of this source (default: by the URL)."},
    {"--send-test", "IDENTITY",
	"Send one marked event, or change, of this person."},
    {"--destination", "NAME",
	"Send the test to this destination (default: the first)."},
    {"--notify", NULL, "Post a test to notify_url."},
    {NULL, NULL, NULL},
};

struct check {
	struct settings settings;
	struct filesystem filesystem;
	char owner[CHECK_OWNER]; /* of the state directory; "": there is none */
	pid_t daemon;		 /* that runs with it; 0: none */
	struct port *listens, admin; /* of each address */
	struct reach *reaches;	     /* of the destinations; NULL: --offline */
	struct buf problems;	     /* lines */
};

/* ---- what is looked at ---- */

static void
owner_name(uid_t uid, char ret[CHECK_OWNER])
{
	const struct passwd *user = getpwuid(uid);

	if (user != NULL)
		(void)snprintf(ret, CHECK_OWNER, "%.32s", user->pw_name);
	else
		(void)snprintf(ret, CHECK_OWNER, "%u", (unsigned)uid);
}

/* Whoever runs the daemon owns its directory and all that is in it. */
static void
look_state(struct check *check)
{
	const char *dir = check->settings.queue.dir;
	const struct queue_settings *queue = &check->settings.queue;
	char path[4096], owner[CHECK_OWNER];
	struct stat st, file;
	int64_t needed = queue->min_free_bytes + queue->reserve_bytes;

	if (check->filesystem.transient)
		(void)buf_printf(&check->settings.warnings,
		    "the state directory is on %s, where accepted events can "
		    "be lost\n",
		    check->filesystem.name);
	if (check->filesystem.free_bytes < needed)
		(void)buf_printf(&check->problems,
		    "state: %s has less free space than queue_min_free and "
		    "queue_reserve need (%" PRId64 " MiB), so the daemon would "
		    "answer requests with 503\n",
		    dir, needed >> 20);
	if (stat(dir, &st) != 0)
		return;
	owner_name(st.st_uid, check->owner);
	if (!S_ISDIR(st.st_mode))
		(void)buf_printf(
		    &check->problems, "state: %s is no directory\n", dir);
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		(void)buf_printf(&check->settings.warnings,
		    "other users can look into the state directory %s: run "
		    "chmod 700 %s\n",
		    dir, dir);
	if (snprintf(path, sizeof(path), "%s/queue.db", dir) >=
		(int)sizeof(path) ||
	    stat(path, &file) != 0 || file.st_uid == st.st_uid)
		return;
	owner_name(file.st_uid, owner);
	(void)buf_printf(&check->problems,
	    "state: %s belongs to %s, and its directory to %s: one user should "
	    "own both (chown -R)\n",
	    path, owner, check->owner);
}

static void
look_port(struct check *check, const char *key, const char *address,
    struct port *port)
{
	char program[PORT_NAME + 40] = "another program";

	port_look(address, check->daemon, port);
	if (port->state == PORT_ERROR)
		(void)buf_printf(&check->problems,
		    "%s: cannot listen at %s: %s\n", key, address,
		    strerror(port->error));
	if (port->state != PORT_TAKEN)
		return;
	/* Only root sees what pid 1 has open, and the unit runs this command
	 * as the daemon's user before each start. */
	if (port->pid == 0 && port->root && geteuid() != 0) {
		(void)buf_printf(&check->settings.warnings,
		    "%s: %s is in use by a program of root: all is well if it "
		    "is systemd with the daemon's socket unit\n",
		    key, address);
		return;
	}
	if (port->pid != 0)
		(void)snprintf(program, sizeof(program), "%s (process %ld)",
		    port->name, (long)port->pid);
	(void)buf_printf(&check->problems,
	    "%s: %s is in use by %s: stop it, or set another address\n", key,
	    address, program);
}

static struct reach_target
destination_target(const struct settings_destination *destination)
{
	const struct forwarder_destination *forwarder = &destination->forwarder;
	struct reach_target target = {
	    .ca_file = forwarder->ca_file,
	    .proxy = forwarder->proxy,
	    .timeout_ms = forwarder->connect_timeout_ms < CHECK_REACH_MS
			      ? forwarder->connect_timeout_ms
			      : CHECK_REACH_MS,
	};

	switch (destination->kind) {
	case SETTINGS_TRACK:
		target.url = destination->track.url;
		break;
	case SETTINGS_ATTRIBUTES:
		target.url = destination->attributes.url;
		break;
	case SETTINGS_COHORTS:
		target.url = destination->cohorts.url;
		break;
	}
	return target;
}

static bool
text_same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Destinations of one address are asked once. */
static bool
look_destinations(struct check *check, struct err *reterr)
{
	const struct settings *settings = &check->settings;

	check->reaches =
	    calloc(settings->destination_count, sizeof(*check->reaches));
	if (check->reaches == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < settings->destination_count; i++) {
		const struct reach_target target =
		    destination_target(&settings->destinations[i]);
		struct reach *reach = &check->reaches[i];
		size_t same = 0;

		for (; same < i; same++) {
			const struct reach_target other =
			    destination_target(&settings->destinations[same]);

			if (text_same(target.url, other.url) &&
			    text_same(target.proxy, other.proxy) &&
			    text_same(target.ca_file, other.ca_file))
				break;
		}
		if (same < i)
			*reach = check->reaches[same];
		else if (!reach_connect(&target, reach, reterr))
			return false;
		if (!reach->reached)
			(void)buf_printf(&check->problems,
			    "destination %s: %s: %s\n",
			    settings->destinations[i].forwarder.name,
			    target.url, reach->why);
	}
	return true;
}

static bool
look_all(struct check *check, bool offline, struct err *reterr)
{
	const struct server_settings *server = &check->settings.server;

	check->daemon = port_daemon(check->settings.queue.dir);
	look_state(check);
	check->listens = calloc(
	    settings_list_count(server->listen), sizeof(*check->listens));
	if (check->listens == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; server->listen[i] != NULL; i++)
		look_port(
		    check, "listen", server->listen[i], &check->listens[i]);
	look_port(check, "admin", server->admin, &check->admin);
	if (strncmp(server->admin, "127.", 4) != 0 &&
	    strncmp(server->admin, "[::1]", 5) != 0)
		(void)buf_text(&check->settings.warnings,
		    "the admin address is not on loopback: anyone who can "
		    "reach it can read /metrics and /status\n");
	return (offline || look_destinations(check, reterr)) &&
	       buf_ok(&check->problems, reterr) &&
	       buf_ok(&check->settings.warnings, reterr);
}

/* The problem at *at, which is 0 for the first one and advances. */
static bool
problem_next(const struct check *check, size_t *at, struct str *ret_line)
{
	const struct buf *problems = &check->problems;
	const char *start = problems->data + *at, *end;

	if (*at >= problems->len)
		return false;
	end = memchr(start, '\n', problems->len - *at);
	CHECK(end != NULL);
	*ret_line = str_bytes(start, (size_t)(end - start));
	*at += ret_line->len + 1;
	return true;
}

/* ---- what is shown ---- */

/* Is it the first source of its kind, which also has the bare path? */
static bool
source_first(const struct settings *settings, size_t source)
{
	size_t i = 0;

	while (settings->sources[i].kind != settings->sources[source].kind)
		i++;
	return i == source;
}

static void
check_sources_text(const struct settings *settings, struct buf *out)
{
	for (size_t i = 0; i < settings->source_count; i++) {
		const struct server_source *s = &settings->sources[i].server;
		const char *path = s->intake->path;
		bool first = source_first(settings, i);

		(void)buf_printf(out, "source       %s: POST %s/%s%s%s%s%s",
		    s->name, path, s->name, first ? " or " : "",
		    first ? path : "", s->parameter != NULL ? " or ?" : "",
		    s->parameter != NULL ? s->parameter : "");
		if (s->open)
			(void)buf_text(out, ", open to everyone");
		else
			(void)buf_printf(out, ", %zu %s%s",
			    settings_list_count(s->secrets),
			    settings_secret_noun(s->intake),
			    settings_list_count(s->secrets) == 1 ? "" : "s");
		(void)buf_printf(out, ", to %s\n", s->destination);
	}
}

static void
check_destination_text(
    const struct settings_destination *destination, struct buf *out)
{
	const struct track_settings *track = &destination->track;
	const struct attributes_settings *attributes = &destination->attributes;
	const struct cohorts_settings *cohorts = &destination->cohorts;
	const char *name = destination->forwarder.name;

	(void)buf_printf(out, "destination  %s: ", name);
	switch (destination->kind) {
	case SETTINGS_TRACK:
		(void)buf_printf(out,
		    "%s, app id %s, %u per cent of %u events a minute\n",
		    track->url, track->app_id, track->share_percent,
		    track->events_per_minute);
		(void)buf_printf(out, "privacy      %s: ", name);
		settings_privacy_write(destination, out);
		(void)buf_char(out, '\n');
		break;
	case SETTINGS_ATTRIBUTES:
		(void)buf_printf(out, "%s, attribute %s of profiles by %s\n",
		    attributes->url,
		    attributes->value == ATTRIBUTES_ARRAY
			? attributes->array
			: attributes->attribute,
		    attributes->match);
		break;
	case SETTINGS_COHORTS:
		(void)buf_printf(out,
		    "%s, cohorts of the partner %s, profiles by %s\n",
		    cohorts->url, cohorts->partner, cohorts->match);
		break;
	}
}

static void
check_port_text(const char *key, const char *scheme, const char *address,
    const struct port *port, struct buf *out)
{
	(void)buf_printf(out, "%-12s %s%s", key,
	    strncmp(address, SOCKET_UNIX, strlen(SOCKET_UNIX)) == 0 ? ""
								    : scheme,
	    address);
	if (port->state == PORT_FREE)
		(void)buf_text(out, ", free");
	if (port->state == PORT_OURS)
		(void)buf_text(out, ", used by the daemon");
	if (port->state == PORT_SYSTEMD)
		(void)buf_text(out, ", held by systemd for the daemon");
	(void)buf_char(out, '\n');
}

static void
check_text(const struct check *check, struct buf *out)
{
	const struct settings *settings = &check->settings;
	char room[SHOW_BYTES], most[SHOW_BYTES];
	struct str line;
	size_t at = 0;

	(void)buf_printf(out, "file         %s\n",
	    settings->config != NULL ? settings->config : "none");
	if (settings->env_file != NULL)
		(void)buf_printf(out, "variables    %s\n", settings->env_file);
	if (settings->catalogue != NULL)
		(void)buf_printf(out, "catalogue    built in, and %s\n",
		    settings->catalogue);
	if (check->daemon != 0)
		(void)buf_printf(out, "daemon       runs (process %ld)\n",
		    (long)check->daemon);
	for (size_t i = 0; settings->server.listen[i] != NULL; i++)
		check_port_text("listen",
		    settings->server.tls_certificate != NULL ? "https://"
							     : "http://",
		    settings->server.listen[i], &check->listens[i], out);
	check_port_text(
	    "admin", "http://", settings->server.admin, &check->admin, out);
	show_bytes(check->filesystem.free_bytes, room, sizeof(room));
	show_bytes(settings->queue.max_bytes, most, sizeof(most));
	(void)buf_printf(out,
	    "state        %s (%s, %s%s%s%s free), at most %s\n",
	    settings->queue.dir, check->filesystem.name,
	    check->filesystem.exists ? "of " : "will be created, ",
	    check->owner, check->owner[0] != '\0' ? ", " : "", room, most);
	check_sources_text(settings, out);
	for (size_t i = 0; i < settings->destination_count; i++) {
		check_destination_text(&settings->destinations[i], out);
		if (check->reaches != NULL && check->reaches[i].reached)
			(void)buf_printf(out,
			    "reached      %s: %s, %" PRId64 " ms\n",
			    settings->destinations[i].forwarder.name,
			    check->reaches[i].address,
			    check->reaches[i].took_ms);
	}
	if (settings->notices.url != NULL)
		(void)buf_text(out,
		    "notify       yes; try it: currentsd check --notify\n");
	while (settings_warning_next(settings, &at, &line))
		(void)buf_printf(out, "warning      %.*s\n", STR_ARGS(line));
	at = 0;
	while (problem_next(check, &at, &line))
		(void)buf_printf(out, "problem      %.*s\n", STR_ARGS(line));
	(void)buf_text(
	    out, check->problems.len > 0
		     ? "The settings are valid, but see the problems above.\n"
		     : "currentsd serve can start with these settings.\n");
}

static void
check_destination_json(const struct settings_destination *destination,
    const struct reach *reach, struct json *json)
{
	const struct track_settings *track = &destination->track;
	const struct attributes_settings *attributes = &destination->attributes;
	const struct cohorts_settings *cohorts = &destination->cohorts;
	struct buf privacy;

	json_object_open(json, NULL);
	json_text(json, "name", destination->forwarder.name);
	json_text(json, "kind", destination->forwarder.outlet->kind);
	switch (destination->kind) {
	case SETTINGS_TRACK:
		json_text(json, "url", track->url);
		json_text(json, "app_id", track->app_id);
		json_int(json, "share", track->share_percent);
		json_int(json, "events_per_minute", track->events_per_minute);
		buf_init(&privacy, CHECK_PRIVACY_MAX);
		settings_privacy_write(destination, &privacy);
		json_bytes(json, "privacy", privacy.data, privacy.len);
		buf_fini(&privacy);
		break;
	case SETTINGS_ATTRIBUTES:
		json_text(json, "url", attributes->url);
		json_text(json, "match", attributes->match);
		json_text(json, "attribute",
		    attributes->value == ATTRIBUTES_ARRAY
			? attributes->array
			: attributes->attribute);
		json_int(json, "requests_per_minute",
		    attributes->requests_per_minute);
		break;
	case SETTINGS_COHORTS:
		json_text(json, "url", cohorts->url);
		json_text(json, "partner", cohorts->partner);
		json_text(json, "match", cohorts->match);
		json_int(json, "requests_per_hour", cohorts->requests_per_hour);
		break;
	}
	if (reach == NULL) {
		json_null_value(json, "reached");
	} else {
		json_bool(json, "reached", reach->reached);
		json_text(json, "address", reach->address);
		json_int(json, "took_ms", reach->took_ms);
	}
	json_object_close(json);
}

static void
check_sections_json(const struct check *check, struct json *json)
{
	const struct settings *settings = &check->settings;

	json_array_open(json, "sources");
	for (size_t i = 0; i < settings->source_count; i++) {
		const struct server_source *s = &settings->sources[i].server;

		json_object_open(json, NULL);
		json_text(json, "name", s->name);
		json_text(json, "kind", s->intake->kind);
		json_int(json,
		    s->intake->proof == INTAKE_BEARER ? "tokens" : "secrets",
		    (int64_t)settings_list_count(s->secrets));
		json_bool(json, "open", s->open);
		json_text(json, "destination", s->destination);
		json_object_close(json);
	}
	json_array_close(json);
	json_array_open(json, "destinations");
	for (size_t i = 0; i < settings->destination_count; i++)
		check_destination_json(&settings->destinations[i],
		    check->reaches != NULL ? &check->reaches[i] : NULL, json);
	json_array_close(json);
}

static void
check_json(const struct check *check, struct buf *out)
{
	static const char *const port_states[] = {
	    [PORT_FREE] = "free",
	    [PORT_OURS] = "ours",
	    [PORT_SYSTEMD] = "systemd",
	    [PORT_TAKEN] = "taken",
	    [PORT_ERROR] = "error",
	};
	const struct settings *settings = &check->settings;
	struct str line;
	size_t at = 0;
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_array_open(&json, "listen");
	for (size_t i = 0; settings->server.listen[i] != NULL; i++) {
		json_object_open(&json, NULL);
		json_text(&json, "address", settings->server.listen[i]);
		json_text(&json, "state", port_states[check->listens[i].state]);
		json_object_close(&json);
	}
	json_array_close(&json);
	json_text(&json, "admin", settings->server.admin);
	json_text(&json, "admin_state", port_states[check->admin.state]);
	if (check->daemon != 0)
		json_int(&json, "daemon", check->daemon);
	else
		json_null_value(&json, "daemon");
	json_text(&json, "state_dir", settings->queue.dir);
	json_text(&json, "owner", check->owner);
	if (settings->catalogue == NULL)
		json_null_value(&json, "catalogue");
	else
		json_text(&json, "catalogue", settings->catalogue);
	json_text(&json, "filesystem", check->filesystem.name);
	json_int(&json, "free_bytes", check->filesystem.free_bytes);
	check_sections_json(check, &json);
	json_bool(&json, "notify", settings->notices.url != NULL);
	json_array_open(&json, "warnings");
	while (settings_warning_next(settings, &at, &line))
		json_bytes(&json, NULL, line.data, line.len);
	json_array_close(&json);
	json_array_open(&json, "problems");
	at = 0;
	while (problem_next(check, &at, &line))
		json_bytes(&json, NULL, line.data, line.len);
	json_array_close(&json);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

/* ---- the command ---- */

/* Look, and show what was found. */
static int
check_run(struct command_context *context, struct check *check, struct buf *out)
{
	const struct settings *settings = &check->settings;
	struct err err;

	if (!filesystem_check(settings->queue.dir,
		settings->allow_volatile_state, &check->filesystem, &err) ||
	    !look_all(check, options_has(context->options, "--offline"), &err))
		return command_fail(out, &err);
	if (options_has(context->options, "--json")) {
		check_json(check, out);
	} else {
		check_text(check, out);
		screen_fit(context->screen, out, 0, CHECK_INDENT);
	}
	return check->problems.len == 0 ? EXIT_FINE : EXIT_FOUND;
}

/* Post a test where notices go. */
static int
check_notify(const struct command_context *context,
    const struct notices_settings *settings, struct buf *out)
{
	char why[NOTICES_WHY];
	unsigned status = 0;
	struct json json;
	struct err err;

	if (settings->url == NULL) {
		(void)err_set(&err, ERR_INPUT, "notify_url is not set");
		return command_fail(out, &err);
	}
	if (!notices_try(settings, &status, why, &err))
		return command_fail(out, &err);
	if (options_has(context->options, "--json")) {
		json_init(&json, out);
		json_object_open(&json, NULL);
		json_int(&json, "status", status);
		json_text(&json, "answer", why);
		json_object_close(&json);
		(void)buf_char(out, '\n');
	} else {
		(void)buf_printf(out, "%s    %s\n",
		    status == 0 ? "no answer" : "answer   ", why);
	}
	return status / 100 == 2 ? EXIT_FINE : EXIT_FOUND;
}

int
command_check(struct command_context *context, struct buf *out)
{
	bool url = options_has(context->options, "--url");
	bool send = options_has(context->options, "--send-test");
	bool notify = options_has(context->options, "--notify");
	struct check check = {.daemon = 0};
	struct err err;
	int code;

	if (url + send + notify + options_has(context->options, "--offline") >
	    1)
		return command_refuse(out,
		    "give one of --offline, --url, --send-test and --notify");
	buf_init(&check.problems, CHECK_PROBLEMS_MAX);
	if (!settings_read(context->config, &check.settings, &err) ||
	    !settings_complete(&check.settings, &err))
		code = command_fail(out, &err);
	else if (url)
		code = probe_url(context, &check.settings, out);
	else if (send)
		code = send_test(context, &check.settings, out);
	else if (notify)
		code = check_notify(context, &check.settings.notices, out);
	else
		code = check_run(context, &check, out);
	free(check.listens);
	free(check.reaches);
	buf_fini(&check.problems);
	settings_fini(&check.settings);
	return code;
}
