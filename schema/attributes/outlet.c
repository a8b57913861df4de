/*
 * The outlet to Braze's /users/track, behind the seam of schema/dialect.h.
 *
 * Everything that is sent may be sent again: an attribute is set to a value,
 * and an array holds each text once. So an answer that is not whole counts as
 * none, and a change has no need of the identity rules of its first post: it
 * goes to the profile that the settings of now name.
 *
 * A 2xx may hold `errors`, which name objects by their place in the request;
 * the others were taken. A 400 may hold the same list if no object was valid;
 * then nothing was taken. An error that names no object is of the request,
 * which is halved until the culprit is alone.
 */

#include "base/digest.h"
#include "base/json.h"
#include "schema/attributes/attributes.h"
#include "schema/audience/audience.h"
#include "schema/json/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
	OUTLET_KEYS = AUDIENCE_EXTERNAL_ID | AUDIENCE_ALIAS |
		      AUDIENCE_BRAZE_ID | AUDIENCE_EMAIL,
	/* For the whole company, on contracts that count data points; others
	 * have limits of their own (Braze). */
	OUTLET_REQUESTS_MOST = 3000,
	OUTLET_WINDOW_MS = 3000,
	OUTLET_MINUTE_MS = 60 * 1000,
	OUTLET_FRAME = 32 + ATTRIBUTES_OBJECTS_MOST, /* with the commas */
	OUTLET_ARRAY_MOST = 255, /* bytes of an attribute's name (Braze) */
	EXPORT_IDS_MOST = 50,	 /* in one request (Braze) */
	LABEL_ID_MOST = 40,	 /* a longer id is hashed */
	LABEL_HASH = 8,		 /* bytes, in hex */
};

static const char label_name[] = "{name}", label_id[] = "{id}";

struct outlet_context {
	struct attributes_settings settings;
	struct audience_match match;
	char url[AUDIENCE_URL_MOST], export_url[AUDIENCE_URL_MOST];
	char authorization[AUDIENCE_SECRET_MOST + 32];
	const char *headers[4];
};

void
attributes_settings_init(struct attributes_settings *settings)
{
	*settings = (struct attributes_settings){
	    .match = "external_id",
	    .attribute = "heap_{name}_{id}",
	    .array = "heap_segments",
	    .requests_per_minute = 3000,
	    .hold_ms = INT64_C(5) * 60 * 1000,
	    .retry_after_most_ms = INT64_C(60) * 60 * 1000,
	};
}

/* ---- what a group is called ---- */

static bool
label_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
label_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Does that byte of a template keep an id apart from what is before or after
 * it? So does either end. */
static bool
label_apart(char c)
{
	return !label_letter(c) && !label_digit(c) && c != '{' && c != '}';
}

static bool
label_template_check(const char *template, struct err *reterr)
{
	const char *id, *name;
	size_t braces = 0;

	if (template == NULL || !label_letter(template[0]) ||
	    strlen(template) > ATTRIBUTES_TEMPLATE_MOST)
		return err_set(reterr, ERR_CONFIG,
		    "attribute should begin with a letter and have at most %d "
		    "bytes",
		    ATTRIBUTES_TEMPLATE_MOST);
	id = strstr(template, label_id);
	name = strstr(template, label_name);
	for (const char *at = template; *at != '\0'; at++)
		braces += *at == '{' || *at == '}';
	if (id == NULL || braces != (name != NULL ? 4U : 2U))
		return err_set(reterr, ERR_CONFIG,
		    "attribute should have {id} once, {name} at most once, and "
		    "no other braces");
	if (!label_apart(id[-1]) || !label_apart(id[sizeof(label_id) - 1]))
		return err_set(reterr, ERR_CONFIG,
		    "attribute should have _ between {id} and what is before "
		    "and after it, or segments could share an attribute");
	return true;
}

/* Append text in lower case; whatever else it has becomes a single _ between
 * words. The first is the template's, which begins with a letter. */
struct label {
	struct buf *out;
	bool gap;
};

static void
label_add(struct label *label, struct str text, size_t most)
{
	size_t end = label->out->len + most;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (!label_letter(c) && !label_digit(c)) {
			label->gap = true;
			continue;
		}
		if (label->out->len + label->gap >= end)
			return;
		if (label->gap)
			(void)buf_char(label->out, '_');
		label->gap = false;
		(void)buf_char(
		    label->out, (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c));
	}
}

/* Heap's ids are numbers. Another one is hashed: two could become the same
 * word, or one the end of another attribute's name. */
static struct str
label_id_text(struct str id, char hash[2 * LABEL_HASH + 1])
{
	unsigned char digest[DIGEST_SHA256];
	bool plain = id.len > 0 && id.len <= LABEL_ID_MOST;

	for (size_t i = 0; plain && i < id.len; i++)
		plain = label_digit(id.data[i]);
	if (plain)
		return id;
	digest_sha256(id.data, id.len, digest);
	for (size_t i = 0; i < LABEL_HASH; i++)
		(void)snprintf(hash + 2 * i, 3, "%02x", digest[i]);
	return str_bytes(hash, 2 * (size_t)LABEL_HASH);
}

static bool
outlet_label(const struct outlet_context *context,
    const struct outlet_group *group, struct buf *ret_label, struct err *reterr)
{
	const char *template = context->settings.attribute;
	struct label label = {.out = ret_label};
	char hash[2 * LABEL_HASH + 1];
	struct str id = label_id_text(group->id, hash);
	size_t most = ATTRIBUTES_LABEL_MOST - strlen(template) - id.len;

	_Static_assert(
	    ATTRIBUTES_LABEL_MOST > ATTRIBUTES_TEMPLATE_MOST + LABEL_ID_MOST,
	    "there is room for a name");
	while (*template != '\0') {
		const char *brace = strchrnul(template, '{');

		label_add(&label,
		    str_bytes(template, (size_t)(brace - template)),
		    ATTRIBUTES_TEMPLATE_MOST);
		template = brace;
		if (strncmp(template, label_id, sizeof(label_id) - 1) == 0) {
			label_add(&label, id, id.len + 1);
			template += sizeof(label_id) - 1;
		} else if (*template != '\0') {
			label_add(&label, group->name, most);
			template += sizeof(label_name) - 1;
		}
	}
	return buf_ok(ret_label, reterr);
}

/* ---- the context ---- */

static void
outlet_context_free(struct outlet_context *context)
{
	if (context == NULL)
		return;
	explicit_bzero(context, sizeof(*context));
	free(context);
}

static bool
outlet_context_new(
    const void *arg, struct outlet_context **ret_context, struct err *reterr)
{
	const struct attributes_settings *settings = arg;
	struct outlet_context *context = calloc(1, sizeof(*context));

	if (context == NULL)
		return err_set_nomem(reterr);
	context->settings = *settings;
	if (!audience_match_read(
		settings->match, OUTLET_KEYS, &context->match, reterr) ||
	    !audience_url_write(
		context->url, settings->url, "/users/track", reterr) ||
	    !audience_url_write(context->export_url, settings->url,
		"/users/export/ids", reterr) ||
	    !audience_secret_check(settings->api_key, "API key", reterr) ||
	    !label_template_check(settings->attribute, reterr))
		goto fail;
	if (settings->value == ATTRIBUTES_ARRAY &&
	    (settings->array == NULL || !label_letter(settings->array[0]) ||
		strlen(settings->array) > OUTLET_ARRAY_MOST)) {
		(void)err_set(reterr, ERR_CONFIG,
		    "array should begin with a letter and have at most %d "
		    "bytes",
		    OUTLET_ARRAY_MOST);
		goto fail;
	}
	(void)snprintf(context->authorization, sizeof(context->authorization),
	    "Authorization: Bearer %s", settings->api_key);
	context->headers[0] = "Content-Type: application/json";
	context->headers[1] = "Accept: application/json";
	context->headers[2] = context->authorization;
	*ret_context = context;
	return true;
fail:
	outlet_context_free(context);
	return false;
}

/* ---- what the forwarder asks of a destination ---- */

/* Our part of a minute, and no more than that part of Braze's own window. */
static size_t
outlet_limits(const struct outlet_context *context,
    struct outlet_limit ret_limits[OUTLET_LIMITS_MAX])
{
	unsigned minute = context->settings.requests_per_minute;
	unsigned windows = OUTLET_MINUTE_MS / OUTLET_WINDOW_MS;
	struct outlet_limit limit = {
	    .unit = OUTLET_REQUESTS,
	    .scope = OUTLET_DESTINATION,
	    .amount = OUTLET_REQUESTS_MOST,
	    .window_ms = OUTLET_WINDOW_MS,
	};

	if (minute > 0 && minute / windows < limit.amount)
		limit.amount = minute < windows ? 1 : minute / windows;
	ret_limits[0] = limit;
	if (minute == 0)
		return 1;
	limit.amount = minute;
	limit.window_ms = OUTLET_MINUTE_MS;
	ret_limits[1] = limit;
	return 2;
}

static void
outlet_address(const struct outlet_context *context, bool announcement,
    struct outlet_address *ret_address)
{
	(void)announcement;
	*ret_address = (struct outlet_address){
	    .url = context->url,
	    .headers = context->headers,
	};
}

static struct str
outlet_rules(const struct outlet_context *context)
{
	return str_text(context->settings.match);
}

static int64_t
outlet_hold_ms(const struct outlet_context *context)
{
	return context->settings.hold_ms;
}

/* ---- a change becomes bytes ---- */

static void
change_identity_write(
    struct json *json, const struct audience_match *match, struct str member)
{
	const char *key = "external_id";

	switch (match->key) {
	case AUDIENCE_ALIAS:
		audience_alias_write(json, "user_alias", match, member);
		return;
	case AUDIENCE_BRAZE_ID:
		key = "braze_id";
		break;
	case AUDIENCE_EMAIL:
		key = "email";
		break;
	case AUDIENCE_EXTERNAL_ID:
	case AUDIENCE_DEVICE_ID: /* not among OUTLET_KEYS */
		break;
	}
	json_bytes(json, key, member.data, member.len);
}

static bool
outlet_prepare(const struct outlet_context *context, struct str rules,
    const struct outlet_group *group, const struct item *item, int64_t now_ms,
    struct buf *out, struct outlet_prepared *ret_prepared, struct err *reterr)
{
	const struct attributes_settings *settings = &context->settings;
	struct audience_change change;
	char label[ATTRIBUTES_LABEL_MOST + 1], since[sizeof(label) + 8];
	size_t start = out->len;
	struct json json;

	(void)rules;
	if (!audience_change_read(&context->match, item, &change, ret_prepared))
		return true;
	if (group->label.len == 0 || group->label.len >= sizeof(label)) {
		ret_prepared->fate = OUTLET_DEAD;
		ret_prepared->reason = "no attribute can have that name";
		return true;
	}
	(void)snprintf(label, sizeof(label), "%.*s", STR_ARGS(group->label));
	json_init(&json, out);
	json_object_open(&json, NULL);
	change_identity_write(&json, &context->match, change.member);
	/* No profile is made for someone who left. Always said, because what
	 * it is otherwise depends on the kind of id. */
	json_bool(&json, "_update_existing_only",
	    !settings->create_profiles || !change.entered);
	switch (settings->value) {
	case ATTRIBUTES_BOOLEAN:
		json_bool(&json, label, change.entered);
		break;
	case ATTRIBUTES_ARRAY:
		json_object_open(&json, settings->array);
		json_array_open(&json, change.entered ? "add" : "remove");
		json_text(&json, NULL, label);
		json_array_close(&json);
		json_object_close(&json);
		break;
	}
	if (settings->since && change.entered && now_ms != 0) {
		(void)snprintf(since, sizeof(since), "%s_since", label);
		json_time(&json, since, now_ms);
	}
	json_object_close(&json);
	return audience_change_end(out, start, reterr);
}

static bool
outlet_frame(const struct outlet_context *context,
    const struct outlet_group *group, const struct str *items, size_t count,
    struct buf *body, struct err *reterr)
{
	struct json json;

	(void)context;
	(void)group;
	json_init(&json, body);
	json_object_open(&json, NULL);
	json_array_open(&json, "attributes");
	for (size_t i = 0; i < count; i++)
		json_raw(&json, NULL, items[i].data, items[i].len);
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

/* The object that an error names. */
static bool
error_index(struct str error, size_t count, size_t *ret_index)
{
	struct scan_value array, index;
	int64_t number;

	if (scan_find(error, "input_array", &array) &&
	    (array.kind != SCAN_STRING ||
		!scan_equal_text(&array, "attributes")))
		return false;
	if (!scan_find(error, "index", &index) || index.kind != SCAN_NUMBER ||
	    !scan_number_int64(index.text, &number) || number < 0 ||
	    (uint64_t)number >= count)
		return false;
	*ret_index = (size_t)number;
	return true;
}

/* Settle the objects that errors name as refused, the others as `rest`. False
 * if there is no error, or one that names none; then ret_items is undefined. */
static bool
errors_settle(struct str body, size_t count, enum outlet_outcome rest,
    enum outlet_outcome *ret_items)
{
	struct scan_value errors, error;
	bool first = true, any = false;
	struct scan scan;
	size_t index;

	for (size_t i = 0; i < count; i++)
		ret_items[i] = rest;
	if (!scan_find(body, "errors", &errors) || errors.kind != SCAN_ARRAY)
		return false;
	scan_init(&scan, errors.text);
	if (!scan_value(&scan, &errors))
		return false;
	while (scan_element(&scan, &first)) {
		if (!scan_value(&scan, &error) || error.kind != SCAN_OBJECT ||
		    !scan_skip(&scan, &error, SCAN_DEPTH - 1) ||
		    !error_index(error.text, count, &index))
			return false;
		ret_items[index] = OUTLET_REFUSED;
		any = true;
	}
	return any && scan.error == NULL;
}

/* Were there more objects than the contract allows? */
static bool
answer_too_many(struct str body)
{
	static const char text[] = "max input length exceeded";
	size_t len = sizeof(text) - 1;

	for (size_t i = 0; i + len <= body.len; i++) {
		if (strncasecmp(body.data + i, text, len) == 0)
			return true;
	}
	return false;
}

static void
judge_too_many(size_t count, enum outlet_outcome *ret_items,
    struct outlet_verdict *ret_verdict)
{
	for (size_t i = 0; i < count; i++)
		ret_items[i] = OUTLET_NOT_TAKEN;
	ret_verdict->fewer = count > 1;
	if (count > 1)
		return;
	ret_verdict->kind = OUTLET_VERDICT_FAILED;
	ret_verdict->advice = "a single object is too many";
}

static void
judge_refused(const struct outlet_answer *answer, size_t count,
    enum outlet_outcome *ret_items, struct outlet_verdict *ret_verdict)
{
	bool taken = answer->status < 300;

	if (!taken && answer->status != 400)
		return;
	if (!taken && answer_too_many(answer->body)) {
		judge_too_many(count, ret_items, ret_verdict);
	} else if (errors_settle(answer->body, count,
		       taken ? OUTLET_ACCEPTED : OUTLET_NOT_TAKEN, ret_items)) {
		/* Of a single object, it is the whole request's outcome. */
		if (count > 1)
			ret_verdict->kind = OUTLET_VERDICT_ACCEPTED;
	} else {
		for (size_t i = 0; i < count; i++)
			ret_items[i] = OUTLET_REFUSED;
	}
}

static void
outlet_judge(const struct outlet_context *context,
    const struct outlet_answer *answer, size_t count,
    enum outlet_outcome *ret_items, struct outlet_verdict *ret_verdict)
{
	audience_judge(answer, context->settings.retry_after_most_ms, count,
	    ret_items, ret_verdict);
	switch (ret_verdict->kind) {
	case OUTLET_VERDICT_REFUSED:
		judge_refused(answer, count, ret_items, ret_verdict);
		break;
	case OUTLET_VERDICT_DENIED:
		if (answer->status == 401)
			ret_verdict->advice =
			    "check the API key, and that the URL is the REST "
			    "endpoint of the cluster that it is from";
		else if (answer->status == 403)
			ret_verdict->advice =
			    "check that the API key has the permission "
			    "users.track and takes our address, and that the "
			    "account is active";
		else if (answer->status == 404)
			ret_verdict->advice =
			    "check that the URL is a REST endpoint";
		break;
	case OUTLET_VERDICT_ACCEPTED:
	case OUTLET_VERDICT_FAILED:
		break;
	}
}

/* ---- what Braze has ---- */

/* By an id of these kinds a request asks for one profile alone. */
static const char *
export_single(enum audience_key key)
{
	if (key == AUDIENCE_BRAZE_ID)
		return "braze_id";
	return key == AUDIENCE_EMAIL ? "email_address" : NULL;
}

static bool
outlet_verify(const struct outlet_context *context, const struct str *members,
    size_t count, struct outlet_address *ret_address, struct buf *body,
    size_t *ret_count, struct err *reterr)
{
	const struct audience_match *match = &context->match;
	const char *single = export_single(match->key);
	bool alias = match->key == AUDIENCE_ALIAS;
	struct json json;

	if (count > EXPORT_IDS_MOST)
		count = EXPORT_IDS_MOST;
	json_init(&json, body);
	json_object_open(&json, NULL);
	if (single != NULL) {
		count = 1;
		json_bytes(&json, single, members[0].data, members[0].len);
	} else {
		json_array_open(&json, alias ? "user_aliases" : "external_ids");
		for (size_t i = 0; i < count; i++) {
			if (alias)
				audience_alias_write(
				    &json, NULL, match, members[i]);
			else
				json_bytes(&json, NULL, members[i].data,
				    members[i].len);
		}
		json_array_close(&json);
	}
	json_array_open(&json, "fields_to_export");
	json_text(&json, NULL, alias ? "user_aliases" : "external_id");
	json_text(&json, NULL, "custom_attributes");
	json_array_close(&json);
	json_object_close(&json);
	*ret_address = (struct outlet_address){
	    .url = context->export_url,
	    .headers = context->headers,
	};
	*ret_count = count;
	return buf_ok(body, reterr);
}

/* Calls fn with each element of an array, complete, until it returns true.
 * Did it? *ret_legible: the array was. */
typedef bool
element_fn(const void *arg, void *ret, const struct scan_value *element);

static bool
elements_find(const struct scan_value *array, element_fn *fn, const void *arg,
    void *ret, bool *ret_legible)
{
	struct scan_value element;
	bool first = true;
	struct scan scan;

	scan_init(&scan, array->text);
	*ret_legible = array->kind == SCAN_ARRAY && scan_value(&scan, &element);
	while (*ret_legible && scan_element(&scan, &first)) {
		*ret_legible = scan_value(&scan, &element) &&
			       (!scan_opened(&element) ||
				   scan_skip(&scan, &element, SCAN_DEPTH - 1));
		if (*ret_legible && fn(arg, ret, &element))
			return true;
	}
	*ret_legible = *ret_legible && scan.error == NULL;
	return false;
}

static bool
element_is(const void *text, void *ret, const struct scan_value *element)
{
	(void)ret;
	return element->kind == SCAN_STRING &&
	       scan_equal(element, *(const struct str *)text);
}

/* An alias of a profile: is it the member's? */
struct export_alias {
	const struct audience_match *match;
	struct str member;
};

static bool
alias_is(const void *arg, void *ret, const struct scan_value *element)
{
	const struct export_alias *alias = arg;
	struct scan_value label, name;

	(void)ret;
	return scan_find(element->text, "alias_label", &label) &&
	       scan_find(element->text, "alias_name", &name) &&
	       element_is(&alias->match->alias_label, NULL, &label) &&
	       element_is(&alias->member, NULL, &name);
}

/* Is the profile the member's? */
static bool
profile_is(
    const struct audience_match *match, struct str profile, struct str member)
{
	const struct export_alias alias = {match, member};
	struct scan_value id;
	bool legible;

	if (export_single(match->key) != NULL)
		return true;
	if (match->key == AUDIENCE_ALIAS)
		return scan_find(profile, "user_aliases", &id) &&
		       elements_find(&id, alias_is, &alias, NULL, &legible);
	return scan_find(profile, "external_id", &id) &&
	       element_is(&member, NULL, &id);
}

/* Does the profile have the group? An attribute that was never written, or
 * that is null, is false. */
static bool
profile_has(const struct attributes_settings *settings, struct str profile,
    struct str label)
{
	char name[ATTRIBUTES_LABEL_MOST + 1];
	struct scan_value attributes, value;
	bool legible;

	(void)snprintf(name, sizeof(name), "%.*s", STR_ARGS(label));
	if (!scan_find(profile, "custom_attributes", &attributes))
		return false;
	switch (settings->value) {
	case ATTRIBUTES_ARRAY:
		return scan_find(attributes.text, settings->array, &value) &&
		       elements_find(
			   &value, element_is, &label, NULL, &legible);
	case ATTRIBUTES_BOOLEAN:
		return scan_find(attributes.text, name, &value) &&
		       value.kind == SCAN_TRUE;
	}
	return false;
}

struct export_read {
	const struct outlet_context *context;
	struct str label;
	const struct str *members;
	size_t count;
};

/* Of several profiles with one e-mail address, one was written. */
static bool
export_profile(const void *arg, void *ret, const struct scan_value *element)
{
	const struct export_read *read = arg;
	enum outlet_has *has = ret;
	bool in =
	    profile_has(&read->context->settings, element->text, read->label);

	for (size_t i = 0; i < read->count; i++) {
		if (profile_is(&read->context->match, element->text,
			read->members[i]) &&
		    has[i] != OUTLET_HAS_IN)
			has[i] = in ? OUTLET_HAS_IN : OUTLET_HAS_OUT;
	}
	return false;
}

static bool
outlet_verify_read(const struct outlet_context *context,
    const struct outlet_group *group, const struct str *members, size_t count,
    struct str answer, enum outlet_has *ret_has, struct err *reterr)
{
	const struct export_read read = {context, group->label, members, count};
	struct scan_value users;
	bool legible = false;

	for (size_t i = 0; i < count; i++)
		ret_has[i] = OUTLET_HAS_NOBODY;
	if (scan_find(answer, "users", &users))
		(void)elements_find(
		    &users, export_profile, &read, ret_has, &legible);
	return legible ||
	       err_set(reterr, ERR_INPUT, "the answer has no list of profiles");
}

const struct outlet attributes_outlet = {
    .kind = "attributes",
    .item_noun = "change",
    .set = true,
    .answer_max = 64 * 1024,
    .frame_bytes = OUTLET_FRAME,
    .request_items_most = ATTRIBUTES_OBJECTS_MOST,
    .context_new = outlet_context_new,
    .context_free = outlet_context_free,
    .limits = outlet_limits,
    .address = outlet_address,
    .rules = outlet_rules,
    .label = outlet_label,
    .hold_ms = outlet_hold_ms,
    .prepare = outlet_prepare,
    .frame = outlet_frame,
    .verify_gap_ms = 50, /* Braze takes 40 a second */
    .verify = outlet_verify,
    .verify_read = outlet_verify_read,
    .left_out_write = outlet_left_out_write,
    .judge = outlet_judge,
};
