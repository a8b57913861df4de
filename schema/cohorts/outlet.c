/*
 * The outlet to Braze's cohort API, behind the seam of schema/dialect.h.
 *
 * A change is prepared as its sign and what identifies the member in JSON; a
 * request sorts them by sign. In which order Braze applies the two lists is not
 * known, so nobody is in both: of a member only one change is waiting.
 *
 * Who enters twice is in once: everything that is sent may be sent again, and
 * an answer that is not whole counts as none. There is no result per member,
 * and ids that Braze does not know are passed over in silence. A 400 is for the
 * whole request, which is halved until the culprit is alone.
 *
 * Both keys are in the body, and nowhere else.
 */

#include "base/clock.h"
#include "base/json.h"
#include "schema/audience/audience.h"
#include "schema/cohorts/cohorts.h"
#include "schema/json/text.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	OUTLET_KEYS =
	    AUDIENCE_EXTERNAL_ID | AUDIENCE_ALIAS | AUDIENCE_DEVICE_ID,
	OUTLET_HOUR_MS = 60 * 60 * 1000,
	OUTLET_PARTNER_MOST = 64, /* bytes */
	OUTLET_AGENT_MOST = 200,  /* bytes */
	OUTLET_PATH_MOST =
	    sizeof("/partners//cohorts/users") + OUTLET_PARTNER_MOST,
	OUTLET_NAME_MOST = 255, /* UTF-16 units; as of other names at Braze */
	/* An escape has at most six bytes. The sign of an item makes room for
	 * its comma. */
	OUTLET_FRAME = 2 * AUDIENCE_SECRET_MOST + 6 * COHORTS_LABEL_MOST + 512,
	/* What 423 locks, and for how long, is not documented. */
	OUTLET_LOCKED_MS = 5000,
};

struct outlet_context {
	struct cohorts_settings settings;
	struct audience_match match;
	char cohorts_url[AUDIENCE_URL_MOST], users_url[AUDIENCE_URL_MOST];
	char agent[OUTLET_AGENT_MOST + 32];
	const char *headers[4];
};

void
cohorts_settings_init(struct cohorts_settings *settings)
{
	*settings = (struct cohorts_settings){
	    .match = "external_id",
	    .requests_per_hour = 250000,
	    .retry_after_most_ms = OUTLET_HOUR_MS,
	};
}

/* ---- the context ---- */

static bool
outlet_partner_check(const char *partner, struct err *reterr)
{
	size_t len = partner != NULL ? strlen(partner) : 0;

	if (len == 0 || len > OUTLET_PARTNER_MOST ||
	    strspn(partner,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789_-") != len)
		return err_set(reterr, ERR_CONFIG,
		    "partner should be at most %d letters, digits, _ and -",
		    OUTLET_PARTNER_MOST);
	return true;
}

static bool
outlet_agent_write(struct outlet_context *context, struct err *reterr)
{
	const char *agent = context->settings.user_agent;

	if (agent == NULL)
		return true;
	for (const char *at = agent; *at != '\0'; at++) {
		if (*at < ' ' || *at > '~' || at - agent >= OUTLET_AGENT_MOST)
			return err_set(reterr, ERR_CONFIG,
			    "user_agent should be at most %d printable "
			    "characters",
			    OUTLET_AGENT_MOST);
	}
	(void)snprintf(
	    context->agent, sizeof(context->agent), "User-Agent: %s", agent);
	context->headers[2] = context->agent;
	return true;
}

static void
outlet_context_free(struct outlet_context *context)
{
	free(context);
}

static bool
outlet_context_new(
    const void *arg, struct outlet_context **ret_context, struct err *reterr)
{
	const struct cohorts_settings *settings = arg;
	struct outlet_context *context = calloc(1, sizeof(*context));
	char path[OUTLET_PATH_MOST];

	if (context == NULL)
		return err_set_nomem(reterr);
	context->settings = *settings;
	context->headers[0] = "Content-Type: application/json";
	context->headers[1] = "Accept: application/json";
	if (!audience_match_read(
		settings->match, OUTLET_KEYS, &context->match, reterr) ||
	    !outlet_partner_check(settings->partner, reterr) ||
	    !audience_secret_check(
		settings->partner_key, "partner key", reterr) ||
	    !audience_secret_check(
		settings->import_key, "data import key", reterr) ||
	    !outlet_agent_write(context, reterr))
		goto fail;
	(void)snprintf(
	    path, sizeof(path), "/partners/%s/cohorts", settings->partner);
	if (!audience_url_write(
		context->cohorts_url, settings->url, path, reterr))
		goto fail;
	(void)snprintf(path, sizeof(path), "/partners/%s/cohorts/users",
	    settings->partner);
	if (!audience_url_write(
		context->users_url, settings->url, path, reterr))
		goto fail;
	*ret_context = context;
	return true;
fail:
	outlet_context_free(context);
	return false;
}

/* ---- what the forwarder asks of a destination ---- */

static size_t
outlet_limits(const struct outlet_context *context,
    struct outlet_limit ret_limits[OUTLET_LIMITS_MAX])
{
	if (context->settings.requests_per_hour == 0)
		return 0;
	ret_limits[0] = (struct outlet_limit){
	    .unit = OUTLET_REQUESTS,
	    .scope = OUTLET_DESTINATION,
	    .amount = context->settings.requests_per_hour,
	    .window_ms = OUTLET_HOUR_MS,
	    .on_the_hour = true,
	};
	return 1;
}

static void
outlet_address(const struct outlet_context *context, bool announcement,
    struct outlet_address *ret_address)
{
	*ret_address = (struct outlet_address){
	    .url = announcement ? context->cohorts_url : context->users_url,
	    .headers = context->headers,
	};
}

static struct str
outlet_rules(const struct outlet_context *context)
{
	return str_text(context->settings.match);
}

/* One request of a cohort is in flight at a time: nothing can overtake. */
static int64_t
outlet_hold_ms(const struct outlet_context *context)
{
	(void)context;
	return 0;
}

/* ---- the cohort ---- */

/* Braze knows a cohort by this; people know it by its name. */
static bool
outlet_label(const struct outlet_context *context,
    const struct outlet_group *group, struct buf *ret_label, struct err *reterr)
{
	(void)context;
	if (group->id.len > COHORTS_LABEL_MOST)
		return err_set(reterr, ERR_INPUT,
		    "the id of a segment has more than %d bytes",
		    COHORTS_LABEL_MOST);
	(void)buf_append(ret_label, group->id.data, group->id.len);
	return buf_ok(ret_label, reterr);
}

/* Open the object of a request, with what both kinds begin with. */
static void
outlet_head_write(struct json *json, const struct outlet_context *context,
    const struct outlet_group *group)
{
	json_object_open(json, NULL);
	json_text(json, "partner_api_key", context->settings.partner_key);
	json_text(json, "client_secret", context->settings.import_key);
	json_bytes(json, "cohort_id", group->label.data, group->label.len);
}

static bool
outlet_announce(const struct outlet_context *context,
    const struct outlet_group *group, int64_t first_ms, struct buf *body,
    struct err *reterr)
{
	struct str name = group->name;
	char created[CLOCK_TEXT];
	struct json json;

	/* Braze refuses an empty one. */
	if (text_blank(name))
		name = group->id;
	clock_text(first_ms, created, sizeof(created));
	json_init(&json, body);
	outlet_head_write(&json, context, group);
	json_bytes(&json, "name", name.data, text_cut(name, OUTLET_NAME_MOST));
	json_text(&json, "created_at", created);
	json_object_close(&json);
	return buf_ok(body, reterr);
}

/* ---- its members ---- */

static bool
outlet_prepare(const struct outlet_context *context, struct str rules,
    const struct outlet_group *group, const struct item *item, int64_t now_ms,
    struct buf *out, struct outlet_prepared *ret_prepared, struct err *reterr)
{
	struct audience_change change;
	size_t start = out->len;
	struct json json;

	(void)rules;
	(void)group;
	(void)now_ms;
	if (!audience_change_read(&context->match, item, &change, ret_prepared))
		return true;
	(void)buf_char(out, change.entered ? ITEM_ENTERED : ITEM_LEFT);
	json_init(&json, out);
	if (context->match.key == AUDIENCE_ALIAS)
		audience_alias_write(
		    &json, NULL, &context->match, change.member);
	else
		json_bytes(&json, NULL, change.member.data, change.member.len);
	return audience_change_end(out, start, reterr);
}

/* The members with that sign, as an element of cohort_changes, if there are
 * any. */
static void
outlet_changes_write(struct json *json, const struct audience_match *match,
    const struct str *items, size_t count, char sign)
{
	const char *key = match->key == AUDIENCE_ALIAS	     ? "aliases"
			  : match->key == AUDIENCE_DEVICE_ID ? "device_ids"
							     : "user_ids";
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		if (items[i].len == 0 || items[i].data[0] != sign)
			continue;
		if (!any) {
			any = true;
			json_object_open(json, NULL);
			/* Braze's table says that it is required. */
			if (match->key != AUDIENCE_EXTERNAL_ID) {
				json_array_open(json, "user_ids");
				json_array_close(json);
			}
			json_array_open(json, key);
		}
		json_raw(json, NULL, items[i].data + 1, items[i].len - 1);
	}
	if (!any)
		return;
	json_array_close(json);
	if (sign == ITEM_LEFT)
		json_bool(json, "should_remove", true);
	json_object_close(json);
}

static bool
outlet_frame(const struct outlet_context *context,
    const struct outlet_group *group, const struct str *items, size_t count,
    struct buf *body, struct err *reterr)
{
	static const struct outlet_group none = {.label = {NULL, 0}};
	struct json json;

	json_init(&json, body);
	outlet_head_write(&json, context, group != NULL ? group : &none);
	json_array_open(&json, "cohort_changes");
	outlet_changes_write(
	    &json, &context->match, items, count, ITEM_ENTERED);
	outlet_changes_write(&json, &context->match, items, count, ITEM_LEFT);
	json_array_close(&json);
	json_object_close(&json);
	return buf_ok(body, reterr);
}

/* Nothing is left out of a change. */
static void
outlet_left_out_write(const char *text, struct buf *out)
{
	(void)text;
	(void)out;
}

/* ---- the answer ---- */

static void
judge_locked(size_t count, enum outlet_outcome *ret_items,
    struct outlet_verdict *ret_verdict)
{
	ret_verdict->unknown = false;
	if (ret_verdict->wait_ms == 0)
		ret_verdict->wait_ms = OUTLET_LOCKED_MS;
	for (size_t i = 0; i < count; i++)
		ret_items[i] = OUTLET_NOT_TAKEN;
}

static void
outlet_judge(const struct outlet_context *context,
    const struct outlet_answer *answer, size_t count,
    enum outlet_outcome *ret_items, struct outlet_verdict *ret_verdict)
{
	audience_judge(answer, context->settings.retry_after_most_ms, count,
	    ret_items, ret_verdict);
	switch (ret_verdict->kind) {
	case OUTLET_VERDICT_FAILED:
		if (answer->status == 423 && answer->transport == OUTLET_WHOLE)
			judge_locked(count, ret_items, ret_verdict);
		break;
	case OUTLET_VERDICT_DENIED:
		if (answer->status == 401 || answer->status == 403)
			ret_verdict->advice =
			    "check the partner key, the data import key, that "
			    "Braze has enabled the partner for this customer, "
			    "and that the URL is the customer's REST endpoint";
		else if (answer->status == 404)
			ret_verdict->advice =
			    "check the partner's name, and that the URL is the "
			    "customer's REST endpoint";
		break;
	case OUTLET_VERDICT_ACCEPTED:
	case OUTLET_VERDICT_REFUSED:
		break;
	}
}

const struct outlet cohorts_outlet = {
    .kind = "cohorts",
    .item_noun = "change",
    .set = true,
    .group_alone = true,
    .answer_max = 64 * 1024,
    .frame_bytes = OUTLET_FRAME,
    .request_items_most = COHORTS_IDS_MOST,
    .context_new = outlet_context_new,
    .context_free = outlet_context_free,
    .limits = outlet_limits,
    .address = outlet_address,
    .rules = outlet_rules,
    .label = outlet_label,
    .announce = outlet_announce,
    .hold_ms = outlet_hold_ms,
    .prepare = outlet_prepare,
    .frame = outlet_frame,
    .left_out_write = outlet_left_out_write,
    .judge = outlet_judge,
};
