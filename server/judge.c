/*
 * Decides what becomes of each event of a batch by the rules of its source:
 * queued, dead or dropped. Used for requests, and for events that come in
 * without one.
 *
 * A source's lists of types come first, then validity, then the rule for types
 * that the catalogue does not know. Last, private values are removed from what
 * is kept, if the source's settings say to do so at acceptance
 * (schema/redact.h).
 */

#include "schema/currents.h"
#include "schema/redact.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>

/* Hashing makes at most seventy-nine bytes out of two, of `0,` in an array. */
enum { JUDGE_GROWTH = 40, JUDGE_SPARE = 4096 };

struct server_judge {
	const struct server_source *source; /* lent */
	char **exclude_rules;		    /* names for the ledger, in order */
	size_t exclude_count;
};

bool
server_judge_new(const struct server_source *source,
    struct server_judge **ret_judge, struct err *reterr)
{
	struct server_judge *judge = calloc(1, sizeof(*judge));
	size_t count = 0;

	if (judge == NULL)
		return err_set_nomem(reterr);
	judge->source = source;
	while (source->exclude != NULL && source->exclude[count] != NULL)
		count++;
	judge->exclude_rules = calloc(count + 1, sizeof(char *));
	if (judge->exclude_rules == NULL)
		goto out;
	for (; judge->exclude_count < count; judge->exclude_count++) {
		if (asprintf(&judge->exclude_rules[judge->exclude_count],
			"excluded: %s",
			source->exclude[judge->exclude_count]) < 0)
			goto out;
	}
	*ret_judge = judge;
	return true;
out:
	server_judge_free(judge);
	return err_set_nomem(reterr);
}

void
server_judge_free(struct server_judge *judge)
{
	if (judge == NULL)
		return;
	for (size_t i = 0; i < judge->exclude_count; i++)
		free(judge->exclude_rules[i]);
	free(judge->exclude_rules);
	free(judge);
}

/*
 * The rule by which a source's lists drop an event of this type, or NULL. The
 * exclude list goes first. Only its full name drops an erasure request: a
 * source that excludes all profile events still has people to erase.
 */
static const char *
judge_lists(const struct server_judge *judge, struct str type)
{
	const char *const *include = judge->source->include;
	bool erasure = str_equal_text(type, CURRENTS_ERASURE);

	if (type.len == 0)
		return NULL; /* the defect is the better reason */
	for (size_t i = 0; i < judge->exclude_count; i++) {
		const char *pattern = judge->source->exclude[i];

		if (erasure ? strcmp(pattern, CURRENTS_ERASURE) == 0
			    : currents_type_matches(type, pattern))
			return judge->exclude_rules[i];
	}
	if (erasure || include == NULL || include[0] == NULL)
		return NULL;
	for (; *include != NULL; include++) {
		if (currents_type_matches(type, *include))
			return NULL;
	}
	return "not included";
}

static void
judge_event(const struct server_judge *judge,
    const struct currents_event *event, const char *text, bool accepted_once,
    char *reason, struct item *ret_item)
{
	const struct server_source *source = judge->source;
	const char *rule = judge_lists(judge, event->type);
	struct item *item = ret_item;

	*item = (struct item){
	    .fate = ITEM_QUEUE,
	    .type = event->type,
	    .id = event->id,
	    .data = str_bytes(text + event->at, event->len),
	};
	if (rule != NULL) {
		item->fate = ITEM_DROP;
		item->reason = rule;
	} else if (event->defect != CURRENTS_VALID && !accepted_once) {
		/* Its id proves nothing: two invalid events are the same only
		 * if their bytes are. */
		item->id.len = 0;
		item->fate = source->invalid_dropped ? ITEM_DROP : ITEM_DEAD;
		item->reason = source->invalid_dropped ? "invalid" : reason;
		currents_defect_write(event, reason, SERVER_REASON);
	} else if (!event->known && source->unknown_type != SERVER_FORWARD) {
		item->fate =
		    source->unknown_type == SERVER_DEAD ? ITEM_DEAD : ITEM_DROP;
		item->reason = "unknown type";
	}
}

/* Let the items lend redacted bytes from *ret_bytes, which is made here;
 * `len` bytes came. */
static bool
judge_redact(const struct track_rules *rules, struct item *items, size_t count,
    size_t len, server_pay_fn *pay, void *arg, struct buf *ret_bytes)
{
	const char *at;
	size_t before;
	struct err err;

	buf_init(ret_bytes, len * JUDGE_GROWTH + JUDGE_SPARE);
	for (size_t i = 0; i < count; i++) {
		struct str *data = &items[i].data;

		if (items[i].fate == ITEM_DROP)
			continue;
		before = ret_bytes->len;
		/* NULL until all are there: the buffer moves as it grows. */
		if (redact_write(rules, *data, ret_bytes, &err))
			*data = str_bytes(NULL, ret_bytes->len - before);
		else if (err.code != ERR_INPUT) /* unreadable: as it came */
			return false;
		if (pay != NULL && !pay(arg, ret_bytes->cap))
			return false;
	}
	at = ret_bytes->data;
	for (size_t i = 0; i < count; i++) {
		if (items[i].data.data != NULL)
			continue;
		items[i].data.data = at;
		at += items[i].data.len;
	}
	return true;
}

bool
server_judge_batch(const struct server_judge *judge,
    const struct currents_batch *batch, const char *text, bool accepted_once,
    struct item *ret_items, char *ret_reasons, server_pay_fn *pay, void *arg,
    struct buf *ret_bytes)
{
	const struct track_rules *rules = judge->source->redact_rules;
	size_t len = 0;

	for (size_t i = 0; i < batch->count; i++) {
		const struct currents_event *event = &batch->events[i];

		judge_event(judge, event, text, accepted_once, ret_reasons,
		    &ret_items[i]);
		len += event->len;
		if (event->defect != CURRENTS_VALID)
			ret_reasons += SERVER_REASON;
	}
	return rules == NULL || judge_redact(rules, ret_items, batch->count,
				    len, pay, arg, ret_bytes);
}
