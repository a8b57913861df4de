/*
 * currentsd check --send-test: sends one marked event through the whole mapping
 * to Heap. A 200 proves nothing about the app id, since Heap also gives it for a
 * wrong one; so the command says how to find the event.
 */

#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "cli/command.h"
#include "schema/currents.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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
    const char *who, const char *id, int64_t now_ms, struct buf *out)
{
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_text(&json, "event_type", "users.behaviors.CustomEvent");
	json_text(&json, "id", id);
	json_int(&json, "time", now_ms / 1000);
	json_object_open(&json, "user");
	json_text(&json,
	    destination->identity == SETTINGS_USER_ID ? "user_id"
						      : "external_user_id",
	    who);
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
 * The names, in quotes, of the properties whose value is the id, out of the
 * event as it is sent: settings rename, prefix, hash and drop, so that only
 * it knows them. The id is a UUID of ours and in no other value.
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

/* Map it as it will be mapped, and find the marker in it. */
static bool
send_markers_read(const struct track_rules *rules, const struct buf *event,
    const char *id, struct buf *ret_markers, struct err *reterr)
{
	struct track_result result;
	struct buf mapped;
	bool ok;

	buf_init(&mapped, SEND_EVENT_MAX);
	ok = track_write(rules, str_bytes(event->data, event->len), &mapped,
	    &result, reterr);
	if (ok && result.fate == TRACK_SEND) {
		send_markers_find(&mapped, id, ret_markers);
		ok = buf_ok(ret_markers, reterr);
		if (ok && ret_markers->len == 0)
			ok = err_set(reterr, ERR_IO,
			    "nothing was sent: by these settings the event "
			    "would have no marker to find it by; "
			    "custom_properties.currentsd_test is dropped or "
			    "hashed, and braze_event_id is not added");
	}
	buf_fini(&mapped);
	return ok;
}

/* How to find it: what a 200 does not tell. */
static void
send_hint_write(const struct settings_destination *destination, const char *id,
    const struct buf *markers, struct buf *out)
{
	(void)buf_printf(out,
	    "This does not prove that it arrived: Heap also answers 200 to a "
	    "wrong app id.\nLook in Heap, in the environment with the id %s, "
	    "for the user above (Users,\nsearch by identity); within a minute "
	    "or two there is an event whose property\n%.*s is %s.\n"
	    "If it is not there, app_id or region is wrong.\n",
	    destination->app_id, (int)markers->len, markers->data, id);
}

static void
send_show(const struct settings_destination *destination, const char *id,
    const struct forwarder_once *once, const struct buf *markers,
    struct buf *out)
{
	(void)buf_printf(out, "sent to      %s\n", destination->url);
	(void)buf_append(out, once->body.data, once->body.len);
	if (once->status == 0) {
		(void)buf_printf(out, "\nno answer    %s\n", once->answer);
		return;
	}
	(void)buf_printf(
	    out, "\nanswer       HTTP %ld %s\n", once->status, once->answer);
	if (once->status == 200)
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
	if (once->status == 200) {
		buf_init(&hint, SEND_EVENT_MAX);
		send_hint_write(destination, id, markers, &hint);
		json_bytes(&json, "hint", hint.data, hint.len);
		buf_fini(&hint);
	} else {
		json_null(&json, "hint");
	}
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

static bool
send_now(struct command_context *context,
    const struct settings_destination *destination, struct buf *event,
    struct buf *markers, struct buf *out, int *ret_code, struct err *reterr)
{
	const char *who = options_value(context->options, "--send-test");
	struct forwarder_once once = {.status = 0};
	struct forwarder_destination settings;
	struct track_rules rules;
	char id[SEND_ID];
	bool ok;

	send_id_make(id);
	send_event_write(destination, who, id, clock_wall_ms(), event);
	if (!buf_ok(event, reterr))
		return false;
	parts_destination_settings(destination, &settings, &rules);
	if (!send_markers_read(&rules, event, id, markers, reterr))
		return false;
	ok = forwarder_send_once(
	    &settings, str_bytes(event->data, event->len), &once, reterr);
	if (ok && once.result.fate != TRACK_SEND)
		ok = err_set(
		    reterr, ERR_IO, "nothing was sent: %s", once.result.reason);
	if (ok) {
		*ret_code = once.status == 200 ? EXIT_FINE : EXIT_FOUND;
		if (options_has(context->options, "--json"))
			send_show_json(destination, id, &once, markers, out);
		else
			send_show(destination, id, &once, markers, out);
	}
	buf_fini(&once.body);
	return ok;
}

int
check_send(
    struct command_context *context, struct settings *settings, struct buf *out)
{
	const char *name = options_value(context->options, "--destination");
	const struct settings_destination *destination =
	    settings_destination_find(settings, name);
	struct buf event, markers;
	int code = EXIT_FOUND;
	struct err err;

	buf_init(&event, SEND_EVENT_MAX);
	buf_init(&markers, SEND_NAMES_MAX);
	if (destination == NULL) {
		(void)err_set(
		    &err, ERR_INPUT, "there is no destination %s", name);
		code = command_fail(out, &err);
	} else if (!send_now(context, destination, &event, &markers, out, &code,
		       &err)) {
		code = command_fail(out, &err);
	}
	buf_fini(&event);
	buf_fini(&markers);
	return code;
}
