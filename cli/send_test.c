/*
 * currentsd check --send-test: sends one marked event through the whole mapping
 * to Heap. A 200 proves nothing about the app id, because Heap also answers 200
 * to a wrong one; so it says how to find the event. To Braze it sends one
 * change of a segment that Heap does not have.
 */

#include "cli/send_test.h"

#include "base/digest.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

/* ---- of an event ---- */

enum {
	SEND_EVENT_MAX = 64 * 1024,
	SEND_NAMES_MAX = 4096,
	SEND_ID = 37, /* of a UUID, with its NUL */
	SEND_WIDTH = 79,
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
	struct buf text;

	buf_init(&text, SEND_EVENT_MAX);
	(void)buf_printf(&text,
	    "This does not prove that the event arrived: Heap answers 200 even "
	    "if the app id is "
	    "wrong. In Heap, open the environment with the id %s and search "
	    "for the user above "
	    "(Users, search by identity). Within a minute or two the user has "
	    "an event whose "
	    "property %.*s is %s. "
	    "If the event is not there, app_id or region is wrong. ",
	    destination->track.app_id, (int)markers->len, markers->data, id);
	if (buf_char(&text, '\0'))
		buf_wrap(out, text.data, 0, SEND_WIDTH);
	buf_fini(&text);
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
	struct buf text;

	buf_init(&text, SEND_EVENT_MAX);
	if (destination->kind == SETTINGS_COHORTS)
		(void)buf_printf(&text,
		    "This does not prove that anybody is in the cohort: Braze "
		    "passes over ids that it "
		    "does not know. In Braze, a segment with the partner's "
		    "filter and the cohort "
		    "\"%.*s\" has this person within a minute or two. "
		    "If not, no profile has this id as its %s (setting "
		    "match). ",
		    STR_ARGS(send_group.name), destination->cohorts.match);
	else
		(void)buf_printf(&text,
		    "This does not prove that anybody has the attribute: Braze "
		    "passes over profiles that "
		    "it does not have. In Braze, search for the user above "
		    "(Audience, Search Users). "
		    "Within a minute or two the custom attribute of %.*s says "
		    "so. "
		    "If not, no profile has this id as its %s (setting "
		    "match). ",
		    (int)label->len, label->data,
		    destination->attributes.match);
	if (buf_char(&text, '\0'))
		buf_wrap(out, text.data, 0, SEND_WIDTH);
	buf_fini(&text);
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

int
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
