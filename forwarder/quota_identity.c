/*
 * The identities of a quota: a table with open addressing. Nothing is taken
 * out of it one by one; what does not count any more is left behind when the
 * table is made anew, which happens whenever it is half full.
 */

#include "forwarder/quota_inside.h"

#include <stdlib.h>

enum { QUOTA_SLOTS_FIRST = 1024 };

static size_t
quota_slot_place(const struct quota_slot *slots, size_t cap, uint64_t who)
{
	uint64_t x = who * UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (size_t)(x ^ (x >> 32)) & (cap - 1);

	while (slots[i].used && slots[i].who != who)
		i = (i + 1) & (cap - 1);
	return i;
}

static bool
quota_slot_counts(const struct quota_slot *slot, int64_t mono_ms)
{
	return slot->used && (slot->count > 0 || slot->claims > 0 ||
				 slot->aside_ms > mono_ms);
}

/* Make the table anew, at least four times as large as what counts. */
static bool
quota_slots_rebuild(struct quota *quota, int64_t mono_ms)
{
	size_t live = 0, cap = QUOTA_SLOTS_FIRST, i;
	struct quota_slot *slots;

	for (i = 0; i < quota->slots_cap; i++)
		live += quota_slot_counts(&quota->slots[i], mono_ms);
	while (cap < live * 4)
		cap *= 2;
	if (cap > QUOTA_SLOTS_MAX * (size_t)4)
		return false;
	slots = calloc(cap, sizeof(*slots));
	if (slots == NULL)
		return false;
	for (i = 0; i < quota->slots_cap; i++) {
		const struct quota_slot *slot = &quota->slots[i];

		if (quota_slot_counts(slot, mono_ms))
			slots[quota_slot_place(slots, cap, slot->who)] = *slot;
	}
	free(quota->slots);
	quota->slots = slots;
	quota->slots_cap = cap;
	quota->slots_used = live;
	return true;
}

struct quota_slot *
quota_slot_find(const struct quota *quota, uint64_t who)
{
	struct quota_slot *slot;

	if (quota->slots_cap == 0)
		return NULL;
	slot =
	    &quota
		 ->slots[quota_slot_place(quota->slots, quota->slots_cap, who)];
	return slot->used ? slot : NULL;
}

struct quota_slot *
quota_slot_make(struct quota *quota, uint64_t who, int64_t mono_ms)
{
	struct quota_slot *slot = quota_slot_find(quota, who);

	if (slot != NULL)
		return slot;
	if (quota->slots_used >= quota->slots_cap / 2 &&
	    !quota_slots_rebuild(quota, mono_ms))
		return NULL;
	slot =
	    &quota
		 ->slots[quota_slot_place(quota->slots, quota->slots_cap, who)];
	*slot = (struct quota_slot){.who = who, .used = true};
	quota->slots_used++;
	return slot;
}

bool
quota_hold(struct quota *quota, uint64_t who, bool kept, int64_t mono_ms)
{
	struct quota_slot *slot;

	if (quota->identity == 0)
		return true;
	quota_expire(quota, mono_ms);
	slot = quota_slot_make(quota, who, mono_ms);
	if (slot == NULL)
		return false;
	if (slot->count + (kept ? 0 : slot->claims) >= quota->identity)
		return false;
	slot->count++;
	return true;
}

bool
quota_spare_who(struct quota *quota, uint64_t who, int64_t mono_ms)
{
	const struct quota_slot *slot;

	if (quota->identity == 0)
		return true;
	quota_expire(quota, mono_ms);
	slot = quota_slot_find(quota, who);
	return slot == NULL ||
	       slot->count + slot->claims < (quota->identity + 1) / 2;
}

void
quota_release(struct quota *quota, uint64_t who)
{
	struct quota_slot *slot;

	if (quota->identity == 0)
		return;
	slot = quota_slot_find(quota, who);
	CHECK(slot != NULL && slot->count > 0);
	slot->count--;
}

void
quota_claim(struct quota *quota, uint64_t who, int64_t mono_ms)
{
	struct quota_slot *slot;

	if (quota->identity == 0)
		return;
	/* Without memory the claim is not seen: later, but not lost. */
	slot = quota_slot_make(quota, who, mono_ms);
	if (slot != NULL)
		slot->claims++;
}

void
quota_unclaim(struct quota *quota, uint64_t who)
{
	struct quota_slot *slot;

	if (quota->identity == 0)
		return;
	slot = quota_slot_find(quota, who);
	if (slot != NULL && slot->claims > 0)
		slot->claims--;
}

int64_t
quota_aside_ms(struct quota *quota, uint64_t who, int64_t mono_ms)
{
	struct quota_slot *slot = quota_slot_make(quota, who, mono_ms);
	int64_t base_ms;

	if (slot == NULL)
		return mono_ms + QUOTA_WINDOW_MS + QUOTA_ASIDE_MS;
	if (slot->aside_ms > mono_ms + QUOTA_ASIDE_MOST_MS)
		return mono_ms + QUOTA_ASIDE_MOST_MS;
	if (slot->aside_ms <= mono_ms || slot->left == 0) {
		base_ms = slot->aside_ms > mono_ms ? slot->aside_ms : mono_ms;
		slot->aside_ms = base_ms + QUOTA_WINDOW_MS + QUOTA_ASIDE_MS;
		slot->left = quota->identity;
	}
	slot->left--;
	return slot->aside_ms;
}
