#ifndef FORWARDER_QUOTA_INSIDE_H
#define FORWARDER_QUOTA_INSIDE_H

/* What the files of the quota share: the log, the identities, the bytes. */

#include "forwarder/quota.h"

#include <stdbool.h>

struct quota_entry {
	int64_t start_ms;
	int64_t end_ms; /* INT64_MAX while in flight */
	uint64_t *who;	/* owned; NULL without a quota for identities */
	size_t count;
	bool gone; /* does not count any more */
};

struct quota_slot {
	uint64_t who;
	int64_t aside_ms; /* the window that reservations go to */
	unsigned left;	  /* reservations that it still takes */
	unsigned count;	  /* held or in the log */
	unsigned claims;
	bool used;
};

/* Drop what does not count any more. */
void quota_expire(struct quota *quota, int64_t mono_ms);

/* Append an entry, taking `who`; false without memory (then who stays). */
bool quota_entry_add(struct quota *quota, const struct quota_entry *entry);

/* The slot of an identity: if there is one; made if need be (NULL: no
 * memory, or too many identities). */
struct quota_slot *quota_slot_find(const struct quota *quota, uint64_t who);
struct quota_slot *
quota_slot_make(struct quota *quota, uint64_t who, int64_t mono_ms);

#endif
