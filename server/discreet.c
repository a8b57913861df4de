#include "server/discreet.h"

#include "schema/redact.h"

/* The most that hashing makes of a byte: of `0,` in an array seventy-nine. */
enum { DISCREET_GROWTH = 40, DISCREET_SPARE = 4096 };

/* Append what may be kept of an item, whose data becomes NULL until all are
 * there, since the buffer moves as it grows. */
static bool
discreet_add(
    const struct track_rules *rules, struct item *item, struct buf *out)
{
	size_t before = out->len;
	struct err err;

	if (!redact_write(rules, item->data, out, &err))
		return err.code == ERR_INPUT; /* invalid: as it came */
	item->data.data = NULL;
	item->data.len = out->len - before;
	return true;
}

bool
discreet_make(const struct track_rules *rules, struct item *items, size_t count,
    size_t text_len, server_pay_fn *pay, void *arg, struct buf *ret_bytes)
{
	const char *at;

	if (rules == NULL)
		return true;
	buf_init(ret_bytes, text_len * DISCREET_GROWTH + DISCREET_SPARE);
	for (size_t i = 0; i < count; i++) {
		if (items[i].fate != ITEM_DROP &&
		    (!discreet_add(rules, &items[i], ret_bytes) ||
			(pay != NULL && !pay(arg, ret_bytes->cap))))
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
