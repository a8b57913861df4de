#include "daemon/explain.h"

#include "schema/track/track.h"

#include <stdlib.h>

enum {
	EXPLAIN_SENT_MAX = 64 * 1024 * 1024,
	EXPLAIN_DECISIONS_MAX = 64 * 1024 * 1024,
	EXPLAIN_GROUP_MAX = 16 * 1024,
};

struct explain {
	struct settings_source source; /* copies, lending from the settings */
	struct settings_destination destination;
	struct intake_context *intake_context;
	struct intake_reader *reader;
	struct outlet_context *outlet_context; /* of a set */

	struct buf group_bytes; /* id, name, label */
	struct outlet_group group;

	struct buf sent;      /* of the present item */
	struct buf decisions; /* likewise: elements of an array */
	struct json list;     /* writes them */
};

/* ---- the way ---- */

static bool
explain_way(struct explain *explain, struct settings *settings,
    const char *source, const char *destination, bool set, struct err *reterr)
{
	struct settings_source *from = NULL;
	struct settings_destination *to;

	for (size_t i = 0; from == NULL && i < settings->source_count; i++) {
		if (source == NULL
			? settings->sources[i].server.intake->set == set
			: strcmp(settings->sources[i].server.name, source) == 0)
			from = &settings->sources[i];
	}
	if (from == NULL)
		return source != NULL ? err_set(reterr, ERR_INPUT,
					    "there is no source %s", source)
				      : err_set(reterr, ERR_INPUT,
					    "there is no source of the kind %s",
					    set ? "segments" : "currents");
	if (destination != NULL &&
	    settings_destination_find(settings, destination) == NULL)
		return err_set(reterr, ERR_INPUT, "there is no destination %s",
		    destination);
	explain->source = *from;
	if (destination != NULL)
		explain->source.server.destination = destination;
	/* What private_at = accept removes, the mapping would leave out, so it
	 * is explained there. */
	explain->source.currents.private_at = CURRENTS_AT_DELIVERY;
	if (!settings_source_link(settings, &explain->source, reterr))
		return false;
	to = settings_destination_find(
	    settings, explain->source.server.destination);
	if (to->kind == SETTINGS_TRACK &&
	    !settings_rules_complete(settings, to, reterr))
		return false;
	explain->destination = *to;
	return true;
}

/* Preparing a change takes no keys, which may be where only the daemon can
 * read them. */
static bool
explain_outlet(struct explain *explain, struct err *reterr)
{
	struct settings_destination *copy = &explain->destination;
	const char none[] = "none";

	copy->attributes.url = copy->cohorts.url = "https://localhost";
	copy->attributes.api_key = copy->cohorts.partner = none;
	copy->cohorts.partner_key = copy->cohorts.import_key = none;
	return copy->forwarder.outlet->context_new(
	    settings_outlet_settings(copy), &explain->outlet_context, reterr);
}

/* A track_explain_fn. */
static void
explain_decision(
    void *arg, struct str subject, const char *decision, struct str as)
{
	struct explain *explain = arg;
	struct json *list = &explain->list;

	json_object_open(list, NULL);
	json_bytes(list, "of", subject.data, subject.len);
	json_text(list, "is", decision);
	if (as.len > 0)
		json_bytes(list, "as", as.data, as.len);
	json_object_close(list);
}

bool
explain_new(struct settings *settings, const char *source,
    const char *destination, bool set, struct explain **ret_explain,
    struct err *reterr)
{
	struct explain *explain = calloc(1, sizeof(*explain));
	const struct intake *intake;

	if (explain == NULL)
		return err_set_nomem(reterr);
	buf_init(&explain->group_bytes, EXPLAIN_GROUP_MAX);
	buf_init(&explain->sent, EXPLAIN_SENT_MAX);
	buf_init(&explain->decisions, EXPLAIN_DECISIONS_MAX);
	if (!explain_way(explain, settings, source, destination, set, reterr) ||
	    !settings_source_context(
		&explain->source, &explain->intake_context, reterr))
		goto fail;
	intake = explain->source.server.intake;
	explain->reader = intake->reader_new(explain->intake_context);
	if (explain->reader == NULL) {
		(void)err_set_nomem(reterr);
		goto fail;
	}
	if (intake->set && !explain_outlet(explain, reterr))
		goto fail;
	explain->destination.track.rules.explain = explain_decision;
	explain->destination.track.rules.explain_arg = explain;
	*ret_explain = explain;
	return true;
fail:
	explain_free(explain);
	return false;
}

void
explain_free(struct explain *explain)
{
	if (explain == NULL)
		return;
	if (explain->reader != NULL)
		explain->source.server.intake->reader_free(explain->reader);
	if (explain->intake_context != NULL)
		explain->source.server.intake->context_free(
		    explain->intake_context);
	if (explain->outlet_context != NULL)
		explain->destination.forwarder.outlet->context_free(
		    explain->outlet_context);
	buf_fini(&explain->group_bytes);
	buf_fini(&explain->sent);
	buf_fini(&explain->decisions);
	free(explain);
}

const char *
explain_source(const struct explain *explain)
{
	return explain->source.server.name;
}

const char *
explain_destination(const struct explain *explain)
{
	return explain->destination.forwarder.name;
}

bool
explain_set(const struct explain *explain)
{
	return explain->source.server.intake->set;
}

enum intake_cause
explain_read(struct explain *explain, struct str body, size_t max_items,
    struct intake_batch *ret_batch)
{
	return explain->source.server.intake->read(
	    explain->reader, body, max_items, false, NULL, NULL, ret_batch);
}

bool
explain_group(struct explain *explain, struct str id, struct str name,
    struct str label, struct err *reterr)
{
	struct buf *bytes = &explain->group_bytes;
	const struct outlet_group made = {.id = id, .name = name};

	CHECK(explain_set(explain));
	buf_reset(bytes);
	(void)buf_append(bytes, id.data, id.len);
	(void)buf_append(bytes, name.data, name.len);
	if (label.len > 0)
		(void)buf_append(bytes, label.data, label.len);
	else if (!explain->destination.forwarder.outlet->label(
		     explain->outlet_context, &made, bytes, reterr))
		return false;
	if (!buf_ok(bytes, reterr))
		return false;
	explain->group = (struct outlet_group){
	    .id = str_bytes(bytes->data, id.len),
	    .name = str_bytes(bytes->data + id.len, name.len),
	    .label = str_bytes(bytes->data + id.len + name.len,
		bytes->len - id.len - name.len),
	};
	return true;
}

/* ---- one item ---- */

/* Map an event by the rules of now, but for those of identity at its first
 * post. */
static bool
explain_map(struct explain *explain, const struct item *item, struct str bytes,
    int64_t now_ms, struct explain_result *ret_result, struct err *reterr)
{
	static const enum outlet_fate fates[] = {
	    [TRACK_SEND] = OUTLET_SEND,
	    [TRACK_DROP] = OUTLET_DROP,
	    [TRACK_DEAD] = OUTLET_DEAD,
	};
	struct track_rules rules = explain->destination.track.rules;
	struct track_result result;
	const char **items = NULL;
	bool ok;

	ok = (bytes.len == 0 ||
		 track_identity_rules_read(bytes, &rules, &items, reterr)) &&
	     track_write(
		 &rules, item->data, now_ms, &explain->sent, &result, reterr);
	free(items);
	if (!ok)
		return false;
	*ret_result =
	    (struct explain_result){fates[result.fate], result.reason};
	return true;
}

static bool
explain_prepare(struct explain *explain, const struct item *item,
    struct str rules, int64_t now_ms, struct explain_result *ret_result,
    struct err *reterr)
{
	struct outlet_prepared prepared;

	if (!explain_set(explain))
		return explain_map(
		    explain, item, rules, now_ms, ret_result, reterr);
	if (!explain->destination.forwarder.outlet->prepare(
		explain->outlet_context, rules, &explain->group, item, now_ms,
		&explain->sent, &prepared, reterr))
		return false;
	*ret_result = (struct explain_result){prepared.fate, prepared.reason};
	return true;
}

static const char *
fate_name(enum outlet_fate fate)
{
	switch (fate) {
	case OUTLET_SEND:
		return "send";
	case OUTLET_DROP:
		return "drop";
	case OUTLET_DEAD:
		return "dead";
	}
	return NULL;
}

static void
explain_change_write(const struct explain *explain, struct json *json)
{
	const struct buf *sent = &explain->sent;
	struct str label = explain->group.label;

	json_bytes(json, "label", label.data, label.len);
	if (sent->len > 0 && sent->data[0] == '{')
		json_raw(json, "sent", sent->data, sent->len);
	else if (sent->len > 0)
		json_bytes(json, "sent", sent->data, sent->len);
}

static void
explain_event_write(const struct explain *explain, struct json *json)
{
	const struct buf *sent = &explain->sent, *list = &explain->decisions;

	if (sent->len > 0)
		json_raw(json, "event", sent->data, sent->len);
	else
		json_null_value(json, "event");
	json_array_open(json, "decisions");
	(void)buf_append(json->buf, list->data, list->len);
	json_array_close(json);
}

bool
explain_item(struct explain *explain, const struct item *item, struct str rules,
    const char *defect, int64_t now_ms, struct json *json,
    struct explain_result *ret_result, struct err *reterr)
{
	struct explain_result result = {OUTLET_DROP, item->reason};

	buf_reset(&explain->sent);
	buf_reset(&explain->decisions);
	json_init(&explain->list, &explain->decisions);
	switch (item->fate) {
	case ITEM_QUEUE:
		if (!explain_prepare(
			explain, item, rules, now_ms, &result, reterr))
			return false;
		break;
	case ITEM_DEAD:
		result.fate = OUTLET_DEAD;
		break;
	case ITEM_DROP:
		if (defect != NULL)
			explain_decision(
			    explain, str_text("event"), defect, str_text(NULL));
		break;
	}
	if (!buf_ok(&explain->decisions, reterr))
		return false;
	json_text(json, "fate", fate_name(result.fate));
	if (result.reason == NULL)
		json_null_value(json, "reason");
	else
		json_text(json, "reason", result.reason);
	if (explain_set(explain))
		explain_change_write(explain, json);
	else
		explain_event_write(explain, json);
	*ret_result = result;
	return true;
}

bool
explain_redact(const struct explain *explain, struct str event, struct buf *out,
    struct err *reterr)
{
	struct track_rules rules = explain->destination.track.rules;

	rules.explain = NULL;
	return redact_write(&rules, event, out, reterr);
}
