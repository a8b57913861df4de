#include "server/discreet.h"

#include "schema/private.h"

/* The most that hashing makes of a byte: of `"":0,` eighty-two. */
enum { DISCREET_GROWTH = 20, DISCREET_SPARE = 4096 };

/* Append what may be kept of an item, whose data becomes NULL until all are
 * there, since the buffer moves as it grows. */
static bool
discreet_add(struct request *request, const struct track_rules *rules,
    struct queue_item *item)
{
	struct buf *out = &request->discreet;
	size_t before = out->len;
	struct err err;

	if (!private_write(rules, item->data, item->data_len, out, &err))
		return err.code == ERR_INPUT; /* flawed: as it came */
	item->data = NULL;
	item->data_len = out->len - before;
	if (out->cap <= request->discreet_paid)
		return true;
	if (!budget_take(
		&request->server->budget, out->cap - request->discreet_paid))
		return false;
	request->discreet_paid = out->cap;
	return true;
}

bool
discreet_make(struct request *request)
{
	const struct track_rules *rules =
	    request->server->settings.sources[request->source].private_rules;
	const char *at;

	if (rules == NULL)
		return true;
	buf_init(&request->discreet,
	    body_text(&request->body)->len * DISCREET_GROWTH + DISCREET_SPARE);
	for (size_t i = 0; i < request->batch.count; i++) {
		struct queue_item *item = &request->items[i];

		if (item->fate != QUEUE_DROP &&
		    !discreet_add(request, rules, item))
			return false;
	}
	at = request->discreet.data;
	for (size_t i = 0; i < request->batch.count; i++) {
		struct queue_item *item = &request->items[i];

		if (item->data != NULL)
			continue;
		item->data = at;
		at += item->data_len;
	}
	return true;
}
