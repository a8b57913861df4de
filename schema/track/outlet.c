/*
 * The outlet to Heap's track API, behind the seam of schema/dialect.h.
 *
 * An event keeps the identity of its first post, or Heap would count it twice;
 * so an event may come with the identity rules of that time. They differ from
 * those of now only if the settings of identity changed while events were
 * waiting, which is rare: each set of rules is parsed once and kept.
 */

#include "base/lock.h"
#include "schema/currents/currents.h"
#include "schema/json/scan.h"
#include "schema/track/track.h"

#include <stdlib.h>

enum {
	OUTLET_APP_ID_MAX = 20, /* digits */
	OUTLET_RULES_MAX = 1 << 20,
	OUTLET_REMEMBERED_MAX = 8, /* more are parsed each time */
	OUTLET_MINUTE_MS = 60 * 1000,
	OUTLET_FRAME = 64 + TRACK_EVENTS_MAX, /* with the commas */
};

/* The rules of now, with the identity rules of an earlier time. */
struct outlet_rules {
	char *bytes;
	size_t len;
	struct track_rules rules; /* lend from the bytes */
	const char **items;	  /* likewise */
};

/* Apart from the context, which is constant. An entry never changes once it is
 * counted. */
struct outlet_memory {
	struct lock lock;
	size_t count;
	struct outlet_rules remembered[OUTLET_REMEMBERED_MAX];
};

struct outlet_context {
	struct track_settings settings;
	struct buf rules; /* of identity, as bytes */
	struct outlet_memory *memory;
};

void
track_settings_init(struct track_settings *settings)
{
	*settings = (struct track_settings){
	    .events_per_minute = 15000,
	    .identity_per_minute = 1000,
	    .share_percent = 95,
	    .retry_after_most_ms = (int64_t)15 * 60 * 1000,
	};
	track_rules_init(&settings->rules);
}

/* ---- the context ---- */

static void
outlet_rules_fini(struct outlet_rules *rules)
{
	free(rules->items);
	free(rules->bytes);
}

static void
outlet_context_free(struct outlet_context *context)
{
	if (context == NULL)
		return;
	if (context->memory != NULL) {
		for (size_t i = 0; i < context->memory->count; i++)
			outlet_rules_fini(&context->memory->remembered[i]);
		lock_fini(&context->memory->lock);
	}
	free(context->memory);
	buf_fini(&context->rules);
	free(context);
}

static bool
outlet_context_new(const void *settings, struct outlet_context **ret_context,
    struct err *reterr)
{
	struct outlet_context *context = calloc(1, sizeof(*context));

	if (context == NULL)
		return err_set_nomem(reterr);
	context->settings = *(const struct track_settings *)settings;
	buf_init(&context->rules, OUTLET_RULES_MAX);
	context->memory = calloc(1, sizeof(*context->memory));
	if (context->memory == NULL) {
		(void)err_set_nomem(reterr);
		goto fail;
	}
	lock_init(&context->memory->lock);
	if (context->settings.app_id == NULL ||
	    strlen(context->settings.app_id) > OUTLET_APP_ID_MAX) {
		(void)err_set(reterr, ERR_CONFIG,
		    "an app id should be at most %d digits", OUTLET_APP_ID_MAX);
		goto fail;
	}
	track_identity_rules_write(&context->settings.rules, &context->rules);
	if (!buf_ok(&context->rules, reterr))
		goto fail;
	*ret_context = context;
	return true;
fail:
	outlet_context_free(context);
	return false;
}

/* ---- what the forwarder asks of a destination ---- */

/* Our share of a quota; at least one, because 0 would be no quota. */
static unsigned
outlet_allowed(unsigned quota, unsigned share_percent)
{
	uint64_t allowed = (uint64_t)quota * share_percent / 100;

	return allowed > 0 ? (unsigned)allowed : 1;
}

static size_t
outlet_limits(const struct outlet_context *context,
    struct outlet_limit ret_limits[OUTLET_LIMITS_MAX])
{
	const struct track_settings *settings = &context->settings;
	const struct {
		enum outlet_scope scope;
		unsigned quota;
	} quotas[] = {
	    {OUTLET_DESTINATION, settings->events_per_minute},
	    {OUTLET_KEY, settings->identity_per_minute},
	};
	size_t count = 0;

	for (size_t i = 0; i < sizeof(quotas) / sizeof(quotas[0]); i++) {
		if (quotas[i].quota == 0)
			continue;
		ret_limits[count++] = (struct outlet_limit){
		    .unit = OUTLET_ITEMS,
		    .scope = quotas[i].scope,
		    .amount = outlet_allowed(
			quotas[i].quota, settings->share_percent),
		    .window_ms = OUTLET_MINUTE_MS,
		};
	}
	return count;
}

static void
outlet_address(const struct outlet_context *context, bool announcement,
    struct outlet_address *ret_address)
{
	static const char *const headers[] = {
	    "Content-Type: application/json",
	    "Accept: application/json",
	    NULL,
	};

	(void)announcement;
	*ret_address = (struct outlet_address){
	    .url = context->settings.url,
	    .headers = headers,
	};
}

static struct str
outlet_rules(const struct outlet_context *context)
{
	return str_bytes(context->rules.data, context->rules.len);
}

/* ---- an event becomes bytes ---- */

/* Parse identity rules. ERR_DAMAGED: the bytes are not such rules. */
static bool
outlet_rules_read(const struct outlet_context *context, struct str bytes,
    struct outlet_rules *ret_rules, struct err *reterr)
{
	struct outlet_rules read = {
	    .bytes = malloc(bytes.len),
	    .len = bytes.len,
	    .rules = context->settings.rules,
	};

	if (read.bytes == NULL)
		return err_set_nomem(reterr);
	memcpy(read.bytes, bytes.data, bytes.len);
	if (!track_identity_rules_read(str_bytes(read.bytes, read.len),
		&read.rules, &read.items, reterr)) {
		outlet_rules_fini(&read);
		return false;
	}
	*ret_rules = read;
	return true;
}

/* The rules of those bytes: remembered ones or, if there is no room for more,
 * *own, which the caller frees. NULL with the reason in *reterr. */
static const struct track_rules *
outlet_rules_find(const struct outlet_context *context, struct str bytes,
    struct outlet_rules *own, struct err *reterr)
{
	struct outlet_memory *memory = context->memory;
	const struct track_rules *found = NULL;

	lock_hold(&memory->lock);
	for (size_t i = 0; i < memory->count && found == NULL; i++) {
		struct outlet_rules *rules = &memory->remembered[i];

		if (str_equal(bytes, str_bytes(rules->bytes, rules->len)))
			found = &rules->rules;
	}
	if (found == NULL && outlet_rules_read(context, bytes, own, reterr)) {
		found = &own->rules;
		if (memory->count < OUTLET_REMEMBERED_MAX) {
			memory->remembered[memory->count] = *own;
			found = &memory->remembered[memory->count++].rules;
			*own = (struct outlet_rules){.bytes = NULL};
		}
	}
	lock_drop(&memory->lock);
	return found;
}

static void
outlet_result_give(
    const struct track_result *result, struct outlet_prepared *ret_prepared)
{
	static const enum outlet_fate fates[] = {
	    [TRACK_SEND] = OUTLET_SEND,
	    [TRACK_DROP] = OUTLET_DROP,
	    [TRACK_DEAD] = OUTLET_DEAD,
	};

	/* not cleared as a whole: it is large */
	ret_prepared->fate = fates[result->fate];
	ret_prepared->reason = result->reason;
	ret_prepared->key = result->user_hash;
	ret_prepared->omission_count = result->omission_count;
	ret_prepared->omissions_lost = result->omissions_lost;
	for (unsigned i = 0; i < result->omission_count; i++)
		ret_prepared->omissions[i] = (struct outlet_omission){
		    .property = result->omissions[i].property,
		    .what = track_omission_name(result->omissions[i].kind),
		    .count = result->omissions[i].count,
		};
	ret_prepared->label = result->label;
	ret_prepared->left_out_len = result->left_out_len;
	memcpy(ret_prepared->left_out, result->left_out, result->left_out_len);
}

static bool
outlet_prepare(const struct outlet_context *context, struct str rules,
    const struct outlet_group *group, const struct item *item, int64_t now_ms,
    struct buf *out, struct outlet_prepared *ret_prepared, struct err *reterr)
{
	const struct track_rules *used = &context->settings.rules;
	struct outlet_rules own = {.bytes = NULL};
	struct track_result result;
	struct err err = {.code = ERR_NONE};
	bool ok;

	(void)group;
	if (rules.len > 0 && !str_equal(rules, outlet_rules(context)))
		used = outlet_rules_find(context, rules, &own, &err);
	if (used == NULL && err.code != ERR_DAMAGED)
		return err_set_nomem(reterr);
	if (used == NULL) {
		ret_prepared->fate = OUTLET_DEAD;
		ret_prepared->reason =
		    "the identity of its first post cannot be known";
		ret_prepared->key = 0;
		ret_prepared->omission_count = ret_prepared->omissions_lost = 0;
		ret_prepared->left_out_len = 0;
		return true;
	}
	ok = track_write(used, item->data, now_ms, out, &result, reterr);
	outlet_rules_fini(&own);
	if (ok)
		outlet_result_give(&result, ret_prepared);
	return ok;
}

static bool
outlet_frame(const struct outlet_context *context,
    const struct outlet_group *group, const struct str *items, size_t count,
    struct buf *body, struct err *reterr)
{
	(void)group;
	track_head_write(body, context->settings.app_id);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			(void)buf_char(body, ',');
		(void)buf_append(body, items[i].data, items[i].len);
	}
	track_tail_write(body);
	return buf_ok(body, reterr);
}

/* ---- the answer ---- */

/*
 * What is wrong with the body of an answer of 2xx, or NULL. Heap answers with
 * nothing or an object; a proxy answers with a page of its own. If the body is
 * not whole, the status is Heap's word: to post again for want of the rest
 * would send everything twice. But what begins as a page is one.
 */
static const char *
outlet_body_fault(struct str body, bool whole)
{
	static const char foreign[] =
	    "the answer is not from Heap: check the URL and the proxies on the "
	    "way";
	struct scan_value value, error;
	struct scan scan;

	scan_init(&scan, body);
	if (!scan_space(&scan))
		return NULL;
	if (!whole)
		return *scan.at == '{' ? NULL : foreign;
	if (!scan_value(&scan, &value) || value.kind != SCAN_OBJECT ||
	    !scan_skip(&scan, &value, SCAN_DEPTH) || scan_space(&scan))
		return foreign;
	if (scan_find(value.text, "error", &error))
		return "the answer names an error";
	return NULL;
}

static void
outlet_judge(const struct outlet_context *context,
    const struct outlet_answer *answer, size_t count,
    enum outlet_outcome *ret_items, struct outlet_verdict *ret_verdict)
{
	bool good = answer->status >= 200 && answer->status < 300;
	struct outlet_answer whole = *answer;
	const char *fault;

	if (good && answer->transport == OUTLET_CUT)
		whole.transport = OUTLET_WHOLE;
	outlet_judge_http(&whole, context->settings.retry_after_most_ms, count,
	    ret_items, ret_verdict);
	switch (ret_verdict->kind) {
	case OUTLET_VERDICT_ACCEPTED:
		fault = outlet_body_fault(
		    answer->body, answer->transport == OUTLET_WHOLE);
		if (fault == NULL)
			break;
		*ret_verdict = (struct outlet_verdict){
		    .kind = OUTLET_VERDICT_FAILED,
		    .unknown = true,
		    .advice = fault,
		};
		for (size_t i = 0; i < count; i++)
			ret_items[i] = OUTLET_FAILED;
		break;
	case OUTLET_VERDICT_DENIED:
		if (answer->status == 401 || answer->status == 403)
			ret_verdict->advice =
			    "check the app id, the region and the URL";
		break;
	case OUTLET_VERDICT_REFUSED:
	case OUTLET_VERDICT_FAILED:
		break;
	}
}

const struct outlet track_outlet = {
    .kind = "track",
    .item_noun = "event",
    .answer_max = 64 * 1024,
    .frame_bytes = OUTLET_FRAME,
    .request_items_most = TRACK_EVENTS_MAX,
    .context_new = outlet_context_new,
    .context_free = outlet_context_free,
    .limits = outlet_limits,
    .address = outlet_address,
    .rules = outlet_rules,
    .prepare = outlet_prepare,
    .frame = outlet_frame,
    .left_out_write = drift_log_write,
    .judge = outlet_judge,
};
