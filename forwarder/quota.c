/*
 * The log of sends: a list of requests in the order of their start. They end
 * out of order, so one is dropped when its own window is over, and the list
 * is shortened from the front. Within a minute there are few: the list is
 * walked, and the sum of what counts is kept beside it.
 */

#include "forwarder/quota.h"

#include "forwarder/quota_inside.h"

#include <stdlib.h>
#include <string.h>

enum { QUOTA_SPAN_MS = QUOTA_WINDOW_MS + QUOTA_MARGIN_MS };

void
quota_init(struct quota *quota, unsigned allowed, unsigned identity)
{
	*quota = (struct quota){.allowed = allowed, .identity = identity};
}

void
quota_fini(struct quota *quota)
{
	size_t i;

	for (i = quota->head; i < quota->end; i++)
		free(quota->entries[i].who);
	free(quota->entries);
	free(quota->slots);
	quota_init(quota, quota->allowed, quota->identity);
}

/* Nothing to remember. */
static bool
quota_off(const struct quota *quota)
{
	return quota->allowed == 0 && quota->identity == 0;
}

/* Without a quota for the app the log still has a bound. */
static size_t
quota_most(const struct quota *quota)
{
	return quota->allowed > 0 ? quota->allowed : QUOTA_LOG_MAX;
}

static int64_t
quota_entry_expiry(const struct quota_entry *entry)
{
	if (entry->end_ms == INT64_MAX)
		return INT64_MAX;
	return entry->end_ms + QUOTA_SPAN_MS;
}

static void
quota_entry_drop(struct quota *quota, struct quota_entry *entry)
{
	size_t i;

	for (i = 0; entry->who != NULL && i < entry->count; i++)
		quota_release(quota, entry->who[i]);
	free(entry->who);
	entry->who = NULL;
	quota->sent -= entry->count;
	entry->gone = true;
}

void
quota_expire(struct quota *quota, int64_t mono_ms)
{
	size_t i;

	for (i = quota->head; i < quota->end; i++) {
		struct quota_entry *entry = &quota->entries[i];

		/* Those that started later end later than this, too. */
		if (entry->start_ms + QUOTA_SPAN_MS > mono_ms)
			break;
		if (!entry->gone && quota_entry_expiry(entry) <= mono_ms)
			quota_entry_drop(quota, entry);
	}
	while (quota->head < quota->end && quota->entries[quota->head].gone)
		quota->head++;
}

size_t
quota_room(struct quota *quota, int64_t mono_ms)
{
	size_t most = quota_most(quota);

	if (quota_off(quota))
		return SIZE_MAX;
	quota_expire(quota, mono_ms);
	return quota->sent < most ? most - quota->sent : 0;
}

bool
quota_spare(struct quota *quota, size_t more, int64_t mono_ms)
{
	if (quota->allowed == 0)
		return true;
	quota_expire(quota, mono_ms);
	return quota->sent + more < (quota->allowed + 1) / 2;
}

int64_t
quota_room_ms(struct quota *quota, size_t events, int64_t mono_ms)
{
	size_t room = quota_room(quota, mono_ms);
	int64_t at_ms = mono_ms;
	size_t i;

	for (i = quota->head; i < quota->end && room < events; i++) {
		const struct quota_entry *entry = &quota->entries[i];

		if (entry->gone || entry->end_ms == INT64_MAX)
			continue;
		room += entry->count;
		if (quota_entry_expiry(entry) > at_ms)
			at_ms = quota_entry_expiry(entry);
	}
	return room < events ? INT64_MAX : at_ms;
}

/* Make place at the end: what is gone at the front goes first. */
static bool
quota_entries_grow(struct quota *quota)
{
	size_t live = quota->end - quota->head;
	struct quota_entry *entries;
	size_t cap;

	if (quota->head > 0 && quota->head >= quota->cap / 2) {
		memmove(quota->entries, quota->entries + quota->head,
		    live * sizeof(*entries));
		quota->first += quota->head;
		quota->head = 0;
		quota->end = live;
		return true;
	}
	cap = quota->cap == 0 ? 64 : quota->cap * 2;
	entries = realloc(quota->entries, cap * sizeof(*entries));
	if (entries == NULL)
		return false;
	quota->entries = entries;
	quota->cap = cap;
	return true;
}

bool
quota_entry_add(struct quota *quota, const struct quota_entry *entry)
{
	if (quota->end == quota->cap && !quota_entries_grow(quota))
		return false;
	quota->entries[quota->end++] = *entry;
	quota->sent += entry->count;
	return true;
}

bool
quota_begin(struct quota *quota, const uint64_t *who, size_t count,
    int64_t mono_ms, uint64_t *ret_entry, struct err *reterr)
{
	struct quota_entry entry = {
	    .start_ms = mono_ms,
	    .end_ms = INT64_MAX,
	    .count = count,
	};

	*ret_entry = 0;
	if (quota_off(quota))
		return true;
	quota_expire(quota, mono_ms);
	if (quota->identity > 0 && count > 0) {
		entry.who = malloc(count * sizeof(*who));
		if (entry.who == NULL)
			return err_set_nomem(reterr);
		memcpy(entry.who, who, count * sizeof(*who));
	}
	if (!quota_entry_add(quota, &entry)) {
		free(entry.who);
		return err_set_nomem(reterr);
	}
	*ret_entry = quota->first + quota->end - 1;
	return true;
}

void
quota_end(struct quota *quota, uint64_t entry, int64_t mono_ms)
{
	size_t at = (size_t)(entry - quota->first);

	if (quota_off(quota))
		return;
	/* One in flight is never dropped, so it must be there. */
	CHECK(entry >= quota->first && at >= quota->head && at < quota->end);
	quota->entries[at].end_ms = mono_ms;
}
