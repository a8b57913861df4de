#include "schema/audience/audience.h"

#include "base/utf8.h"
#include "schema/json/scan.h"
#include "schema/json/text.h"

#include <stdio.h>

/* A greater x-ratelimit-reset is a time, a smaller one the rest of a window,
 * both in seconds. Braze's longest window is an hour; the time is of 2001. */
#define AUDIENCE_RESET_TIME_MS INT64_C(1000000000000)

/* ---- settings ---- */

static const struct {
	enum audience_key key;
	const char *name;
} audience_keys[] = {
    {AUDIENCE_EXTERNAL_ID, "external_id"},
    {AUDIENCE_ALIAS, "alias:LABEL"},
    {AUDIENCE_BRAZE_ID, "braze_id"},
    {AUDIENCE_EMAIL, "email"},
    {AUDIENCE_DEVICE_ID, "device_id"},
};

bool
audience_match_read(const char *text, unsigned keys,
    struct audience_match *ret_match, struct err *reterr)
{
	static const char alias[] = "alias:";
	struct audience_match match = {.key = 0};
	char names[96] = "";
	size_t len = 0;

	for (size_t i = 0; i < sizeof(audience_keys) / sizeof(*audience_keys);
	     i++) {
		if ((keys & audience_keys[i].key) == 0)
			continue;
		len += (size_t)snprintf(names + len, sizeof(names) - len,
		    "%s%s", len > 0 ? ", " : "", audience_keys[i].name);
		if (text != NULL && audience_keys[i].key != AUDIENCE_ALIAS &&
		    strcmp(text, audience_keys[i].name) == 0)
			match.key = audience_keys[i].key;
	}
	if (text != NULL && (keys & AUDIENCE_ALIAS) != 0 &&
	    strncmp(text, alias, sizeof(alias) - 1) == 0) {
		match.key = AUDIENCE_ALIAS;
		match.alias_label = str_text(text + sizeof(alias) - 1);
		if (match.alias_label.len == 0 ||
		    match.alias_label.len > AUDIENCE_ALIAS_LABEL_MOST)
			return err_set(reterr, ERR_CONFIG,
			    "match should be alias:LABEL, with a label of at "
			    "most %d bytes",
			    AUDIENCE_ALIAS_LABEL_MOST);
	}
	if (match.key == 0)
		return err_set(
		    reterr, ERR_CONFIG, "match should be one of %s", names);
	*ret_match = match;
	return true;
}

bool
audience_url_write(char ret[AUDIENCE_URL_MOST], const char *url,
    const char *path, struct err *reterr)
{
	size_t len = url != NULL ? strlen(url) : 0;
	int written;

	while (len > 0 && url[len - 1] == '/')
		len--;
	if (len == 0)
		return err_set(reterr, ERR_CONFIG,
		    "the URL of the REST endpoint is missing");
	written = snprintf(ret, AUDIENCE_URL_MOST, "%.*s%s",
	    len < AUDIENCE_URL_MOST ? (int)len : AUDIENCE_URL_MOST, url, path);
	if (written < 0 || written >= AUDIENCE_URL_MOST)
		return err_set(reterr, ERR_CONFIG,
		    "the URL of the REST endpoint is too long");
	return true;
}

bool
audience_secret_check(const char *secret, const char *what, struct err *reterr)
{
	size_t len = secret != NULL ? strlen(secret) : 0;

	if (len == 0)
		return err_set(reterr, ERR_CONFIG, "the %s is missing", what);
	if (len > AUDIENCE_SECRET_MOST)
		return err_set(reterr, ERR_CONFIG,
		    "the %s should be at most %d bytes", what,
		    AUDIENCE_SECRET_MOST);
	for (; *secret != '\0'; secret++) {
		if (*secret <= ' ' || *secret > '~' || *secret == '"' ||
		    *secret == '\\')
			return err_set(reterr, ERR_CONFIG,
			    "the %s has a character that cannot be in it",
			    what);
	}
	return true;
}

/* ---- a change ---- */

static bool
member_readable(struct str member)
{
	for (size_t at = 0; at < member.len;) {
		size_t step = utf8_length(member.data + at, member.len - at);

		if (step == 0 || member.data[at] == '\0')
			return false;
		at += step;
	}
	return !text_has_replacement(member);
}

/* Is there an @ with something on both sides, and no space? Braze refuses what
 * it does not take for an address, so that nothing more is judged here. */
static bool
member_email(struct str member)
{
	bool at = false;

	for (size_t i = 0; i < member.len; i++) {
		unsigned char c = (unsigned char)member.data[i];

		if (c <= ' ' || c == 0x7f)
			return false;
		if (c == '@' && i > 0 && i + 1 < member.len)
			at = true;
	}
	return at;
}

/* Why no profile can have such an id, or NULL. */
static const char *
member_fault(const struct audience_match *match, struct str member)
{
	_Static_assert(AUDIENCE_ID_MOST == 987, "the reason says so");

	if (member.len > AUDIENCE_ID_MOST)
		return "the id is longer than 987 bytes";
	if (!member_readable(member))
		return "the id has an unreadable character";
	if (text_blank(member))
		return "the id is blank";
	if (match->key == AUDIENCE_EMAIL && !member_email(member))
		return "the id is not an e-mail address";
	return NULL;
}

bool
audience_change_read(const struct audience_match *match,
    const struct item *item, struct audience_change *ret_change,
    struct outlet_prepared *ret_prepared)
{
	struct audience_change change = {.entered = false};
	const char *fault = "neither entered nor left";

	if (item_change_read(item->data, &change.member, &change.entered))
		fault = member_fault(match, change.member);
	/* not cleared as a whole: it is large */
	ret_prepared->fate = fault == NULL ? OUTLET_SEND : OUTLET_DEAD;
	ret_prepared->reason = fault;
	ret_prepared->key = str_hash(0, change.member);
	ret_prepared->omission_count = ret_prepared->omissions_lost = 0;
	ret_prepared->left_out_len = 0;
	*ret_change = change;
	return fault == NULL;
}

bool
audience_change_end(struct buf *out, size_t start, struct err *reterr)
{
	if (buf_ok(out, reterr))
		return true;
	out->failed = out->starved = false;
	buf_truncate(out, start);
	return false;
}

void
audience_alias_write(struct json *json, const char *key,
    const struct audience_match *match, struct str member)
{
	json_object_open(json, key);
	json_bytes(json, "alias_name", member.data, member.len);
	json_bytes(json, "alias_label", match->alias_label.data,
	    match->alias_label.len);
	json_object_close(json);
}

/* ---- answers ---- */

/* How long a 429 asks to wait; 0: it does not say. */
static int64_t
answer_wait(const struct outlet_answer *answer, int64_t most_ms)
{
	/* so much that no time is cut, and nothing overflows */
	static const int64_t any_ms = INT64_MAX / 4;
	const char *text =
	    answer->header(answer->arg, "x-ratelimit-retry-after");
	int64_t wait_ms = 0;

	if (text == NULL)
		text = answer->header(answer->arg, "Retry-After");
	if (text != NULL)
		wait_ms =
		    outlet_retry_after_read(text, answer->now_ms, most_ms);
	text = answer->header(answer->arg, "x-ratelimit-reset");
	if (wait_ms > 0 || text == NULL)
		return wait_ms;
	wait_ms = outlet_retry_after_read(text, answer->now_ms, any_ms);
	if (wait_ms >= AUDIENCE_RESET_TIME_MS)
		wait_ms -= answer->now_ms;
	if (wait_ms < 0)
		return 0;
	return wait_ms < most_ms ? wait_ms : most_ms;
}

/* Is it empty, or one JSON object? */
static bool
answer_legible(struct str body)
{
	struct scan_value value;
	struct scan scan;

	scan_init(&scan, body);
	return !scan_space(&scan) ||
	       (scan_value(&scan, &value) && value.kind == SCAN_OBJECT &&
		   scan_skip(&scan, &value, SCAN_DEPTH) && !scan_space(&scan));
}

/* Does it have errors? */
static bool
answer_has_errors(struct str body)
{
	struct scan_value errors;
	struct scan scan;
	bool first = true;

	if (!scan_find(body, "errors", &errors) || errors.kind == SCAN_NULL)
		return false;
	if (errors.kind != SCAN_ARRAY)
		return true;
	scan_init(&scan, errors.text);
	return scan_value(&scan, &errors) && scan_element(&scan, &first);
}

void
audience_judge(const struct outlet_answer *answer, int64_t retry_after_most_ms,
    size_t count, enum outlet_outcome *ret_items,
    struct outlet_verdict *ret_verdict)
{
	enum outlet_outcome outcome;

	outlet_judge_http(
	    answer, retry_after_most_ms, count, ret_items, ret_verdict);
	if (ret_verdict->slower)
		ret_verdict->wait_ms = answer_wait(answer, retry_after_most_ms);
	if (ret_verdict->kind != OUTLET_VERDICT_ACCEPTED)
		return;
	if (!answer_legible(answer->body)) {
		ret_verdict->kind = OUTLET_VERDICT_FAILED;
		ret_verdict->unknown = true;
		ret_verdict->advice = "the answer is not from Braze: check the "
				      "URL and the proxies on the way";
		outcome = OUTLET_FAILED;
	} else if (answer_has_errors(answer->body)) {
		ret_verdict->kind = OUTLET_VERDICT_REFUSED;
		outcome = OUTLET_REFUSED;
	} else {
		return;
	}
	for (size_t i = 0; i < count; i++)
		ret_items[i] = outcome;
}
