#ifndef DAEMON_EXPLAIN_H
#define DAEMON_EXPLAIN_H

/*
 * What becomes of an item by the rules of a source and a destination, and why,
 * as JSON:
 *
 *	"fate": "send", "drop" or "dead"
 *	"reason": the rule that drops it, or why it is dead; else null
 *	of an event:
 *	"event": what the destination gets, or null
 *	"decisions": [{"of": "identity", "is": "external_user_id"},
 *	    {"of": "plan", "is": "sent", "as": "Plan"},
 *	    {"of": "email_address", "is": "left out: class contact, ..."}]
 *	of a change of a set:
 *	"label": what the destination calls the group
 *	"sent": what the destination gets, JSON or a text; absent: nothing
 *
 * `as` is the name that a property is sent by, and stands beside nothing else.
 * One belongs to one thread at a time.
 */

#include "base/item.h"
#include "base/json.h"
#include "daemon/settings.h"

struct explain;

/* The rules of a source (NULL: the first one of events, or with `set` of
 * changes), and of a destination (NULL: the source's). The settings stay lent;
 * what a destination needs of them is completed, so without a daemon they
 * belong to this thread. ERR_INPUT: there is no such source or destination. */
MUST_USE bool explain_new(struct settings *settings, const char *source,
    const char *destination, bool set, struct explain **ret_explain,
    struct err *reterr);
void explain_free(struct explain *explain); /* accepts NULL */

/* The names of both, and whether they are of a set. */
const char *explain_source(const struct explain *explain);
const char *explain_destination(const struct explain *explain);
bool explain_set(const struct explain *explain);

/* Read a body as the source would; see intake.read. */
enum intake_cause explain_read(struct explain *explain, struct str body,
    size_t max_items, struct intake_batch *ret_batch);

/* Of a set: the group that items are changes of from now on. An empty label is
 * what the destination would make of the name. Copied. */
MUST_USE bool explain_group(struct explain *explain, struct str id,
    struct str name, struct str label, struct err *reterr);

/* What becomes of one item, in a word and why; `reason` is lent by the item or
 * static. */
struct explain_result {
	enum outlet_fate fate;
	const char *reason;
};

/* Write the members above. `rules` are those of identity at its first post, or
 * empty. `defect`: what is wrong with an event that is dropped for it, or
 * NULL. */
MUST_USE bool explain_item(struct explain *explain, const struct item *item,
    struct str rules, const char *defect, int64_t now_ms, struct json *json,
    struct explain_result *ret_result, struct err *reterr);

/* Append what the destination may get of an event, as a JSON object with the
 * names and values that came (redact_write()). ERR_INPUT: it is not
 * readable. */
MUST_USE bool explain_redact(const struct explain *explain, struct str event,
    struct buf *out, struct err *reterr);

#endif
