/*
 * currentsd check: what serve would run, and what would prevent it. Opens
 * nothing on the network, and leaves the queue alone.
 *
 * With --send-test it sends one marked event through the whole mapping to Heap.
 * A 200 proves nothing about the app id, because Heap also answers 200 to a
 * wrong one; so the command says how to find the event. To Braze it sends one
 * change of a segment that Heap does not have.
 */

#include "base/digest.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/show.h"
#include "daemon/filesystem.h"
#include "schema/currents/currents.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CHECK_PRIVACY_MAX = 64 * 1024 };

const struct option_row command_check_options[] = {
    {"--json", NULL, "Print JSON."},
    {"--send-test", "IDENTITY",
	"Send one marked event, or change, of this person."},
    {"--destination", "NAME",
	"Send the test to this destination (default: the first)."},
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

	if (check->filesystem.transient)
		(void)buf_printf(&settings->warnings,
		    "the state directory is on %s, where accepted events can "
		    "be lost\n",
		    check->filesystem.name);
	if (check->filesystem.free_bytes <
	    settings->queue.min_free_bytes + settings->queue.reserve_bytes)
		(void)buf_text(&settings->warnings,
		    "the file system of the state directory has less free "
		    "space than queue_min_free and queue_reserve need, so the "
		    "daemon would answer requests with 503\n");
	if (strncmp(settings->server.admin, "127.", 4) != 0 &&
	    strncmp(settings->server.admin, "[::1]", 5) != 0)
		(void)buf_text(&settings->warnings,
		    "the admin address is not on loopback: anyone who can "
		    "reach it can read /metrics and /status\n");
}

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
check_text(const struct check *check, struct buf *out)
{
	const struct settings *settings = &check->settings;
	char room[SHOW_BYTES], most[SHOW_BYTES];
	struct str line;
	size_t at = 0;

	(void)buf_printf(out, "file         %s\n",
	    settings->config != NULL ? settings->config : "none");
	if (settings->catalogue != NULL)
		(void)buf_printf(out, "catalogue    built in, and %s\n",
		    settings->catalogue);
	(void)buf_printf(out,
	    "listen       http://%s\nadmin        http://%s\n",
	    settings->server.listen, settings->server.admin);
	show_bytes(check->filesystem.free_bytes, room, sizeof(room));
	show_bytes(settings->queue.max_bytes, most, sizeof(most));
	(void)buf_printf(out, "state        %s (%s, %s%s free), at most %s\n",
	    settings->queue.dir, check->filesystem.name,
	    check->filesystem.exists ? "" : "will be created, ", room, most);
	check_sources_text(settings, out);
	for (size_t i = 0; i < settings->destination_count; i++)
		check_destination_text(&settings->destinations[i], out);
	while (settings_warning_next(settings, &at, &line))
		(void)buf_printf(out, "warning      %.*s\n", STR_ARGS(line));
	(void)buf_text(out, "currentsd serve can start with these settings.\n");
}

static void
check_destination_json(
    const struct settings_destination *destination, struct json *json)
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
	json_object_close(json);
}

static void
check_sections_json(const struct settings *settings, struct json *json)
{
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
		check_destination_json(&settings->destinations[i], json);
	json_array_close(json);
}

static void
check_json(const struct check *check, struct buf *out)
{
	const struct settings *settings = &check->settings;
	struct str line;
	size_t at = 0;
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_text(&json, "listen", settings->server.listen);
	json_text(&json, "admin", settings->server.admin);
	json_text(&json, "state_dir", settings->queue.dir);
	if (settings->catalogue == NULL)
		json_null_value(&json, "catalogue");
	else
		json_text(&json, "catalogue", settings->catalogue);
	json_text(&json, "filesystem", check->filesystem.name);
	json_int(&json, "free_bytes", check->filesystem.free_bytes);
	check_sections_json(settings, &json);
	json_array_open(&json, "warnings");
	while (settings_warning_next(settings, &at, &line))
		json_bytes(&json, NULL, line.data, line.len);
	json_array_close(&json);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

/* ---- --send-test ---- */

enum {
	SEND_EVENT_MAX = 64 * 1024,
	SEND_NAMES_MAX = 4096,
	SEND_ID = 37, /* of a UUID, with its NUL */
};

static void
send_id_make(char ret_id[SEND_ID])
{
	unsigned char b[16];

	digest_random(b, sizeof(b));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	(void)snprintf(ret_id, SEND_ID,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
	    "%02x%02x%02x%02x%02x%02x",
	    b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10],
	    b[11], b[12], b[13], b[14], b[15]);
}

/* As Braze would send it. */
static void
send_event_write(const struct settings_destination *destination,
    const char *identity, const char *id, int64_t now_ms, struct buf *out)
{
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_text(&json, "event_type", "users.behaviors.CustomEvent");
	json_text(&json, "id", id);
	json_int(&json, "time", now_ms / 1000);
	json_object_open(&json, "user");
	json_text(&json,
	    destination->track.rules.identity == TRACK_IDENTITY_BRAZE
		? "user_id"
		: "external_user_id",
	    identity);
	json_object_close(&json);
	json_object_open(&json, "properties");
	json_text(&json, "name", "currentsd test");
	json_object_open(&json, "custom_properties");
	json_text(&json, "currentsd_test", id);
	json_object_close(&json);
	json_object_close(&json);
	json_object_close(&json);
}

/*
 * Find the properties of the mapped event that hold the id, and list their
 * names in quotes. Settings can rename, prefix, hash and drop a property, so
 * only the mapped event tells. The id is a random UUID, so no other value
 * equals it.
 */
static void
send_markers_find(const struct buf *event, const char *id, struct buf *ret)
{
	char value[SEND_ID + 3];
	const char *at = event->data, *end = at + event->len, *name;
	size_t len = (size_t)snprintf(value, sizeof(value), ":\"%s\"", id);

	while (at < end &&
	       (at = memmem(at, (size_t)(end - at), value, len)) != NULL) {
		/* a name ends in a quote; one within it is escaped */
		for (name = at - 2;
		     name > event->data && (*name != '"' || name[-1] == '\\');
		     name--)
			;
		(void)buf_printf(ret, "%s%.*s", ret->len > 0 ? " or " : "",
		    (int)(at - name), name);
		at += len;
	}
}

/* Map the event as the forwarder will, and find its markers. */
static bool
send_markers_read(const struct track_rules *rules, const struct buf *event,
    const char *id, struct buf *ret_markers, struct err *reterr)
{
	struct track_result result;
	struct buf mapped;
	bool ok;

	buf_init(&mapped, SEND_EVENT_MAX);
	ok = track_write(rules, str_bytes(event->data, event->len), 0, &mapped,
	    &result, reterr);
	if (ok && result.fate == TRACK_SEND) {
		send_markers_find(&mapped, id, ret_markers);
		ok = buf_ok(ret_markers, reterr);
		if (ok && ret_markers->len == 0)
			ok = err_set(reterr, ERR_IO,
			    "nothing was sent: you could not find the event in "
			    "Heap, because these settings drop or hash "
			    "custom_properties.currentsd_test and do not add "
			    "braze_event_id; let one of the two through");
	}
	buf_fini(&mapped);
	return ok;
}

/* A 200 does not prove that the event arrived: say how to find it. */
static void
send_hint_write(const struct settings_destination *destination, const char *id,
    const struct buf *markers, struct buf *out)
{
	(void)buf_printf(out,
	    "This does not prove that the event arrived: Heap answers 200 even "
	    "if the app id is\n"
	    "wrong. In Heap, open the environment with the id %s and search "
	    "for the user above\n"
	    "(Users, search by identity). Within a minute or two the user has "
	    "an event whose\n"
	    "property %.*s is %s.\n"
	    "If the event is not there, app_id or region is wrong.\n",
	    destination->track.app_id, (int)markers->len, markers->data, id);
}

static void
send_show(const struct settings_destination *destination, const char *id,
    const struct forwarder_once *once, const struct buf *markers,
    struct buf *out)
{
	(void)buf_printf(out, "sent to      %s\n", destination->track.url);
	(void)buf_append(out, once->body.data, once->body.len);
	if (once->status == 0) {
		(void)buf_printf(out, "\nno answer    %s\n", once->answer);
		return;
	}
	(void)buf_printf(
	    out, "\nanswer       HTTP %u %s\n", once->status, once->answer);
	if (once->accepted)
		send_hint_write(destination, id, markers, out);
}

static void
send_show_json(const struct settings_destination *destination, const char *id,
    const struct forwarder_once *once, const struct buf *markers,
    struct buf *out)
{
	struct json json;
	struct buf hint;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_text(&json, "id", id);
	json_raw(&json, "sent", once->body.data, once->body.len);
	json_int(&json, "status", once->status);
	json_text(&json, "answer", once->answer);
	if (once->accepted) {
		buf_init(&hint, SEND_EVENT_MAX);
		send_hint_write(destination, id, markers, &hint);
		json_bytes(&json, "hint", hint.data, hint.len);
		buf_fini(&hint);
	} else {
		json_null_value(&json, "hint");
	}
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

/* ---- of a change ---- */

/* No segment of Heap has this id. */
static const struct outlet_group send_group = {
    .id = {"0", sizeof("0") - 1},
    .name = {"currentsd test", sizeof("currentsd test") - 1},
};

/* What the destination calls the group, and where its changes go. */
static bool
send_label_read(const struct settings_destination *destination,
    struct buf *ret_label, struct buf *ret_url, struct err *reterr)
{
	const struct outlet *outlet = destination->forwarder.outlet;
	struct outlet_context *context;
	struct outlet_address address;
	bool ok;

	if (!outlet->context_new(
		settings_outlet_settings(destination), &context, reterr))
		return false;
	outlet->address(context, false, &address);
	(void)buf_text(ret_url, address.url);
	ok = outlet->label(context, &send_group, ret_label, reterr) &&
	     buf_ok(ret_url, reterr);
	outlet->context_free(context);
	return ok;
}

/* Braze accepts what it passes over. */
static void
send_change_hint_write(const struct settings_destination *destination,
    const struct buf *label, struct buf *out)
{
	if (destination->kind == SETTINGS_COHORTS)
		(void)buf_printf(out,
		    "This does not prove that anybody is in the cohort: Braze "
		    "passes over ids that it\n"
		    "does not know. In Braze, a segment with the partner's "
		    "filter and the cohort\n"
		    "\"%.*s\" has this person within a minute or two.\n"
		    "If not, no profile has this id as its %s (setting "
		    "match).\n",
		    STR_ARGS(send_group.name), destination->cohorts.match);
	else
		(void)buf_printf(out,
		    "This does not prove that anybody has the attribute: Braze "
		    "passes over profiles that\n"
		    "it does not have. In Braze, search for the user above "
		    "(Audience, Search Users).\n"
		    "Within a minute or two the custom attribute of %.*s says "
		    "so.\n"
		    "If not, no profile has this id as its %s (setting "
		    "match).\n",
		    (int)label->len, label->data,
		    destination->attributes.match);
}

/* The body of a request to a cohort has the keys. */
static const struct buf *
send_shown_body(const struct settings_destination *destination,
    const struct forwarder_once *once)
{
	return destination->kind == SETTINGS_COHORTS ? NULL : &once->body;
}

static void
send_change_show(const struct settings_destination *destination,
    const struct forwarder_once *once, const struct buf *label,
    const struct buf *url, struct buf *out)
{
	const struct buf *body = send_shown_body(destination, once);

	(void)buf_printf(out, "sent to      %.*s\n", (int)url->len, url->data);
	if (body != NULL) {
		(void)buf_append(out, body->data, body->len);
		(void)buf_char(out, '\n');
	}
	if (once->announcing)
		(void)buf_text(out, "of           the cohort's announcement\n");
	if (once->status == 0) {
		(void)buf_printf(out, "no answer    %s\n", once->answer);
		return;
	}
	(void)buf_printf(
	    out, "answer       HTTP %u %s\n", once->status, once->answer);
	if (once->accepted)
		send_change_hint_write(destination, label, out);
}

static void
send_change_show_json(const struct settings_destination *destination,
    const struct forwarder_once *once, const struct buf *label, struct buf *out)
{
	const struct buf *body = send_shown_body(destination, once);
	struct json json;
	struct buf hint;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_bytes(&json, "id", label->data, label->len);
	if (body != NULL)
		json_raw(&json, "sent", body->data, body->len);
	else
		json_null_value(&json, "sent");
	json_int(&json, "status", once->status);
	json_text(&json, "answer", once->answer);
	if (once->accepted) {
		buf_init(&hint, SEND_EVENT_MAX);
		send_change_hint_write(destination, label, &hint);
		json_bytes(&json, "hint", hint.data, hint.len);
		buf_fini(&hint);
	} else {
		json_null_value(&json, "hint");
	}
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

static int
send_change_test(struct command_context *context,
    const struct settings *settings,
    const struct settings_destination *destination, struct buf *out)
{
	const char *person = options_value(context->options, "--send-test");
	struct forwarder_destination forwarder;
	struct forwarder_once once = {.status = 0};
	struct item item = {.fate = ITEM_QUEUE, .type = send_group.id};
	struct buf change, label, url;
	int code = EXIT_FOUND;
	struct err err;

	buf_init(&change, SEND_EVENT_MAX);
	buf_init(&label, SEND_NAMES_MAX);
	buf_init(&url, SEND_NAMES_MAX);
	settings_forwarder_destination(settings, destination, &forwarder);
	(void)buf_printf(&change, "%c%s", ITEM_ENTERED, person);
	item.data = str_bytes(change.data, change.len);
	if (!buf_ok(&change, &err) ||
	    !send_label_read(destination, &label, &url, &err) ||
	    !forwarder_send_once(&forwarder, &send_group, &item, &once, &err)) {
		code = command_fail(out, &err);
	} else if (once.prepared.fate != OUTLET_SEND) {
		(void)err_set(
		    &err, ERR_IO, "nothing was sent: %s", once.prepared.reason);
		code = command_fail(out, &err);
	} else {
		code = once.accepted ? EXIT_FINE : EXIT_FOUND;
		if (options_has(context->options, "--json"))
			send_change_show_json(destination, &once, &label, out);
		else
			send_change_show(destination, &once, &label, &url, out);
	}
	buf_fini(&once.body);
	buf_fini(&change);
	buf_fini(&label);
	buf_fini(&url);
	return code;
}

/* ---- of either ---- */

static int
send_test(struct command_context *context, const struct settings *settings,
    struct buf *out)
{
	const char *name = options_value(context->options, "--destination");
	const struct settings_destination *destination =
	    settings_destination_find(settings, name);
	struct forwarder_destination forwarder;
	struct forwarder_once once = {.status = 0};
	struct item item = {.fate = ITEM_QUEUE};
	struct buf event, markers;
	int code = EXIT_FOUND;
	char id[SEND_ID];
	struct err err;

	if (destination != NULL && destination->kind != SETTINGS_TRACK)
		return send_change_test(context, settings, destination, out);
	buf_init(&event, SEND_EVENT_MAX);
	buf_init(&markers, SEND_NAMES_MAX);
	if (destination == NULL) {
		(void)err_set(
		    &err, ERR_INPUT, "there is no destination %s", name);
		goto fail;
	}
	settings_forwarder_destination(settings, destination, &forwarder);
	send_id_make(id);
	send_event_write(destination,
	    options_value(context->options, "--send-test"), id, context->now_ms,
	    &event);
	item.data = str_bytes(event.data, event.len);
	if (!buf_ok(&event, &err) ||
	    !send_markers_read(
		&destination->track.rules, &event, id, &markers, &err) ||
	    !forwarder_send_once(&forwarder, NULL, &item, &once, &err))
		goto fail;
	if (once.prepared.fate != OUTLET_SEND) {
		(void)err_set(
		    &err, ERR_IO, "nothing was sent: %s", once.prepared.reason);
		goto fail;
	}
	code = once.accepted ? EXIT_FINE : EXIT_FOUND;
	if (options_has(context->options, "--json"))
		send_show_json(destination, id, &once, &markers, out);
	else
		send_show(destination, id, &once, &markers, out);
	goto out;
fail:
	code = command_fail(out, &err);
out:
	buf_fini(&once.body);
	buf_fini(&event);
	buf_fini(&markers);
	return code;
}

/* ---- the command ---- */

int
command_check(struct command_context *context, struct buf *out)
{
	struct check check = {0};
	int code = EXIT_FINE;
	struct err err;

	if (settings_read(context->config, &check.settings, &err) &&
	    settings_complete(&check.settings, &err) &&
	    filesystem_check(check.settings.queue.dir,
		check.settings.allow_volatile_state, &check.filesystem, &err)) {
		check_warnings(&check);
		if (options_value(context->options, "--send-test") != NULL)
			code = send_test(context, &check.settings, out);
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
