/*
 * What becomes of the events of a batch, by the rules of their source. For
 * the requests of this server, and for events that come in without one.
 */

#include "server/server.h"

#include "server/discreet.h"
#include "server/sieve.h"

#include <stdlib.h>

struct server_judge {
	const struct server_source *source; /* lent */
	struct sieve *sieve;
};

bool
server_judge_new(const struct server_source *source,
    struct server_judge **ret_judge, struct err *reterr)
{
	struct server_judge *judge = calloc(1, sizeof(*judge));

	if (judge == NULL)
		return err_set_nomem(reterr);
	judge->source = source;
	judge->sieve = sieve_new(source);
	if (judge->sieve == NULL) {
		free(judge);
		return err_set_nomem(reterr);
	}
	*ret_judge = judge;
	return true;
}

void
server_judge_free(struct server_judge *judge)
{
	if (judge == NULL)
		return;
	sieve_free(judge->sieve);
	free(judge);
}

static void
judge_unknown(const struct server_source *source, struct item *item)
{
	static const char rule[] = "unknown type";

	switch (source->unknown_type) {
	case SERVER_FORWARD:
		break;
	case SERVER_DEAD:
		item->fate = ITEM_DEAD;
		item->reason = rule;
		break;
	case SERVER_DROP:
		item->fate = ITEM_DROP;
		item->reason = rule;
		break;
	}
}

static void
judge_one(const struct server_judge *judge, const struct currents_event *event,
    const char *text, bool accepted_once, char *reason, struct item *ret_item)
{
	const struct server_source *source = judge->source;
	struct item *item = ret_item;

	*item = (struct item){
	    .fate = ITEM_QUEUE,
	    .type = event->type,
	    .id = event->id,
	    .data = str_bytes(text + event->at, event->len),
	};
	/* who has no type cannot be told by it */
	item->reason =
	    event->type.len > 0 ? sieve_rule(judge->sieve, &event->type) : NULL;
	if (item->reason != NULL) {
		item->fate = ITEM_DROP;
		return;
	}
	if (event->defect != CURRENTS_VALID && !accepted_once) {
		/* Its id says nothing for sure: two flawed events are the
		 * same only if their bytes are. */
		item->id.len = 0;
		item->fate = source->invalid_dropped ? ITEM_DROP : ITEM_DEAD;
		item->reason = source->invalid_dropped ? "invalid" : reason;
		currents_defect_write(event, reason, SERVER_REASON);
		return;
	}
	if (!event->known)
		judge_unknown(source, item);
}

bool
server_judge_batch(const struct server_judge *judge,
    const struct currents_batch *batch, const char *text, bool accepted_once,
    struct item *ret_items, char *ret_reasons, server_pay_fn *pay, void *arg,
    struct buf *ret_bytes)
{
	size_t len = 0;

	for (size_t i = 0; i < batch->count; i++) {
		const struct currents_event *event = &batch->events[i];

		judge_one(judge, event, text, accepted_once, ret_reasons,
		    &ret_items[i]);
		len += event->len;
		if (event->defect != CURRENTS_VALID)
			ret_reasons += SERVER_REASON;
	}
	return discreet_make(judge->source->private_rules, ret_items,
	    batch->count, len, pay, arg, ret_bytes);
}
