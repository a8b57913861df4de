#ifndef SCHEMA_AUDIENCE_AUDIENCE_H
#define SCHEMA_AUDIENCE_AUDIENCE_H

/*
 * What the two outlets to Braze have in common: where it is, by which id it
 * finds a member's profile, and what its answers mean. Any thread.
 */

#include "base/json.h"
#include "schema/dialect.h"

enum {
	AUDIENCE_ID_MOST = 987, /* bytes: the longest user id (Braze) */
	AUDIENCE_ALIAS_LABEL_MOST = 255, /* bytes */
	AUDIENCE_URL_MOST = 1024,	 /* bytes, with the path */
	AUDIENCE_SECRET_MOST = 512,	 /* bytes */
};

/* ---- settings ---- */

/* By which of its ids a profile is found. */
enum audience_key {
	AUDIENCE_EXTERNAL_ID = 1 << 0,
	AUDIENCE_ALIAS = 1 << 1,
	AUDIENCE_BRAZE_ID = 1 << 2,
	AUDIENCE_EMAIL = 1 << 3,
	AUDIENCE_DEVICE_ID = 1 << 4,
};

struct audience_match {
	enum audience_key key;
	struct str alias_label; /* of ALIAS; lent */
};

/* Read "external_id", "alias:LABEL", "braze_id", "email" or "device_id", as far
 * as it is among `keys`. */
MUST_USE bool audience_match_read(const char *text, unsigned keys,
    struct audience_match *ret_match, struct err *reterr);

/* The URL of a path of the REST endpoint. */
MUST_USE bool audience_url_write(char ret[AUDIENCE_URL_MOST], const char *url,
    const char *path, struct err *reterr);

/* May it stand in a header and in JSON as it is? `what` names it; the error
 * does not show it. */
MUST_USE bool
audience_secret_check(const char *secret, const char *what, struct err *reterr);

/* ---- a change ---- */

struct audience_change {
	struct str member; /* valid UTF-8 */
	bool entered;
};

/* Read an item. Fills *ret_prepared but for what the outlet appends; false: the
 * change is not sent, and *ret_prepared says why. */
MUST_USE bool audience_change_read(const struct audience_match *match,
    const struct item *item, struct audience_change *ret_change,
    struct outlet_prepared *ret_prepared);

/* End the bytes that prepare() appended from `start` on; on false they are
 * gone, and *out is usable. */
MUST_USE bool
audience_change_end(struct buf *out, size_t start, struct err *reterr);

/* {"alias_name":MEMBER,"alias_label":LABEL} */
void audience_alias_write(struct json *json, const char *key,
    const struct audience_match *match, struct str member);

/* ---- answers ---- */

/*
 * As outlet_judge_http(), and what Braze adds to that. 429: how long to wait,
 * by x-ratelimit-retry-after, else Retry-After, else x-ratelimit-reset. 2xx:
 * failed, unless the body is empty or an object; and if it has errors, the
 * request is refused as a whole, because something in it was not taken, though
 * the rest was. Whatever is sent here may be sent again.
 */
void audience_judge(const struct outlet_answer *answer,
    int64_t retry_after_most_ms, size_t count, enum outlet_outcome *ret_items,
    struct outlet_verdict *ret_verdict);

#endif
