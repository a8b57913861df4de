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

/* What is sent, to which destination, and how it is found there. */
struct send {
	const struct settings_destination *destination;
	struct forwarder_once once;
	struct buf item;   /* the event, or the change */
	struct buf id;	   /* the event's, or what the group is called there */
	struct buf marker; /* of an event: the properties that have the id */
	struct buf url;
};

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
send_markers_read(struct send *send, struct err *reterr)
{
	const struct track_rules *rules = &send->destination->track.rules;
	struct track_result result;
	struct buf mapped;
	bool ok;

	buf_init(&mapped, SEND_EVENT_MAX);
	ok = track_write(rules, str_bytes(send->item.data, send->item.len), 0,
	    &mapped, &result, reterr);
	if (ok && result.fate == TRACK_SEND) {
		send_markers_find(&mapped, send->id.data, &send->marker);
		ok = buf_ok(&send->marker, reterr);
		if (ok && send->marker.len == 0)
			ok = err_set(reterr, ERR_IO,
			    "nothing was sent: you could not find the event in "
			    "Heap, because these settings drop or hash "
			    "custom_properties.currentsd_test and do not add "
			    "braze_event_id; let one of the two through");
	}
	buf_fini(&mapped);
	return ok;
}

static bool
send_event_make(
    struct send *send, const char *person, int64_t now_ms, struct err *reterr)
{
	char id[SEND_ID];

	send_id_make(id);
	(void)buf_append(&send->id, id, sizeof(id));
	(void)buf_text(&send->url, send->destination->track.url);
	send_event_write(send->destination, person, id, now_ms, &send->item);
	return buf_ok(&send->id, reterr) && buf_ok(&send->url, reterr) &&
	       buf_ok(&send->item, reterr) && send_markers_read(send, reterr);
}

/* A 200 does not prove that the event arrived: say how to find it. */
static void
send_event_hint(const struct send *send, struct buf *out)
{
	(void)buf_printf(out,
	    "This does not prove that the event arrived: Heap answers 200 even "
	    "if the app id is wrong. In Heap, open the environment with the id "
	    "%s and search for the user above (Users, search by identity). "
	    "Within a minute or two the user has an event whose property %.*s "
	    "is %s. If the event is not there, app_id or region is wrong. ",
	    send->destination->track.app_id, (int)send->marker.len,
	    send->marker.data, send->id.data);
}

/* ---- of a change ---- */

/* No segment of Heap has this id. */
static const struct outlet_group send_group = {
    .id = {"0", sizeof("0") - 1},
    .name = {"currentsd test", sizeof("currentsd test") - 1},
};

/* Also what the destination calls the group, and where its changes go. */
static bool
send_change_make(struct send *send, const char *person, struct err *reterr)
{
	const struct outlet *outlet = send->destination->forwarder.outlet;
	struct outlet_context *context;
	struct outlet_address address;
	bool ok;

	(void)buf_printf(&send->item, "%c%s", ITEM_ENTERED, person);
	if (!buf_ok(&send->item, reterr) ||
	    !outlet->context_new(
		settings_outlet_settings(send->destination), &context, reterr))
		return false;
	outlet->address(context, false, &address);
	(void)buf_text(&send->url, address.url);
	ok = outlet->label(context, &send_group, &send->id, reterr) &&
	     buf_char(&send->id, '\0') && buf_ok(&send->id, reterr) &&
	     buf_ok(&send->url, reterr);
	outlet->context_free(context);
	return ok;
}

/* Braze accepts what it passes over. */
static void
send_change_hint(const struct send *send, struct buf *out)
{
	const struct settings_destination *destination = send->destination;

	if (destination->kind == SETTINGS_COHORTS)
		(void)buf_printf(out,
		    "This does not prove that anybody is in the cohort: Braze "
		    "passes over ids that it "
		    "does not know. In Braze, a segment with the partner's "
		    "filter and the cohort "
		    "\"%.*s\" has this person within a minute or two. "
		    "If not, no profile has this id as its %s (setting "
		    "match). ",
		    STR_ARGS(send_group.name), destination->cohorts.match);
	else
		(void)buf_printf(out,
		    "This does not prove that anybody has the attribute: Braze "
		    "passes over profiles that "
		    "it does not have. In Braze, search for the user above "
		    "(Audience, Search Users). "
		    "Within a minute or two the custom attribute of %s says "
		    "so. "
		    "If not, no profile has this id as its %s (setting "
		    "match). ",
		    send->id.data, destination->attributes.match);
}

/* ---- of either ---- */

/* In lines of the usual width. */
static void
send_hint(const struct send *send, struct buf *out)
{
	struct buf text;

	buf_init(&text, SEND_EVENT_MAX);
	if (send->destination->kind == SETTINGS_TRACK)
		send_event_hint(send, &text);
	else
		send_change_hint(send, &text);
	if (buf_char(&text, '\0'))
		buf_wrap(out, text.data, 0, SEND_WIDTH);
	buf_fini(&text);
}

static void
send_show(const struct send *send, struct buf *out)
{
	const struct forwarder_once *once = &send->once;

	(void)buf_printf(
	    out, "sent to      %.*s\n", (int)send->url.len, send->url.data);
	/* The body of a request to a cohort has the keys. */
	if (send->destination->kind != SETTINGS_COHORTS) {
		(void)buf_append(out, once->body.data, once->body.len);
		(void)buf_char(out, '\n');
	}
	if (once->announcing)
		(void)buf_text(out, "of           the cohort's announcement\n");
	if (once->status == 0)
		(void)buf_printf(out, "no answer    %s\n", once->answer);
	else
		(void)buf_printf(out, "answer       HTTP %u %s\n", once->status,
		    once->answer);
	if (once->accepted)
		send_hint(send, out);
}

static void
send_show_json(const struct send *send, struct buf *out)
{
	const struct forwarder_once *once = &send->once;
	struct json json;
	struct buf hint;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_text(&json, "id", send->id.data);
	if (send->destination->kind != SETTINGS_COHORTS)
		json_raw(&json, "sent", once->body.data, once->body.len);
	else
		json_null_value(&json, "sent");
	json_int(&json, "status", once->status);
	json_text(&json, "answer", once->answer);
	if (once->accepted) {
		buf_init(&hint, SEND_EVENT_MAX);
		send_hint(send, &hint);
		json_bytes(&json, "hint", hint.data, hint.len);
		buf_fini(&hint);
	} else {
		json_null_value(&json, "hint");
	}
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

static bool
send_run(struct send *send, const struct command_context *context,
    const struct settings *settings, struct err *reterr)
{
	const char *person = options_value(context->options, "--send-test");
	const char *name = options_value(context->options, "--destination");
	struct forwarder_destination forwarder;
	struct item item = {.fate = ITEM_QUEUE};
	bool event;

	send->destination = settings_destination_find(settings, name);
	if (send->destination == NULL)
		return err_set(
		    reterr, ERR_INPUT, "there is no destination %s", name);
	event = send->destination->kind == SETTINGS_TRACK;
	if (!(event ? send_event_make(send, person, context->now_ms, reterr)
		    : send_change_make(send, person, reterr)))
		return false;
	settings_forwarder_destination(settings, send->destination, &forwarder);
	item.data = str_bytes(send->item.data, send->item.len);
	if (!event)
		item.type = send_group.id;
	return forwarder_send_once(&forwarder, event ? NULL : &send_group,
		   &item, &send->once, reterr) &&
	       (send->once.prepared.fate == OUTLET_SEND ||
		   err_set(reterr, ERR_IO, "nothing was sent: %s",
		       send->once.prepared.reason));
}

int
send_test(struct command_context *context, const struct settings *settings,
    struct buf *out)
{
	struct send send = {.once.status = 0};
	struct err err;
	int code;

	buf_init(&send.item, SEND_EVENT_MAX);
	buf_init(&send.id, SEND_NAMES_MAX);
	buf_init(&send.marker, SEND_NAMES_MAX);
	buf_init(&send.url, SEND_NAMES_MAX);
	if (!send_run(&send, context, settings, &err)) {
		code = command_fail(out, &err);
	} else {
		code = send.once.accepted ? EXIT_FINE : EXIT_FOUND;
		(options_has(context->options, "--json")
			? send_show_json
			: send_show)(&send, out);
	}
	buf_fini(&send.once.body);
	buf_fini(&send.item);
	buf_fini(&send.id);
	buf_fini(&send.marker);
	buf_fini(&send.url);
	return code;
}
