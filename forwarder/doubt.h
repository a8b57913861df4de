#ifndef FORWARDER_DOUBT_H
#define FORWARDER_DOUBT_H

/*
 * The events in doubt: they were posted but not settled, so we do not know
 * whether the destination has them. If the settings change how a user is
 * identified, these events must keep the identity that they were sent under, or
 * Heap would have them twice. So they are recorded before each post, with the
 * rules of identity, and read again at the next start.
 *
 * An event is identified by the hash of its bytes, which stay the same however
 * it is repacked. It stays in doubt, under the rules of its first post, until
 * it is settled or the destination has certainly not accepted it.
 */

#include "base/buf.h"
#include "base/str.h"
#include "base/table.h"
#include "schema/track/track.h"

#include <stddef.h>
#include <stdint.h>

enum {
	DOUBT_EVENTS_MAX = 1 << 16, /* far more than are ever in flight */
	DOUBT_RULES_MAX = 8,	    /* how many changes of identity are
				     * remembered */
};

struct doubt_rules {
	struct buf bytes;	  /* of track_identity_rules_write() */
	struct track_rules rules; /* its texts are lent from the bytes */
	const char **items;	  /* owned; of the rules */
	size_t events;		  /* in doubt under them */
};

struct doubt_event {
	uint64_t hash;
	unsigned char rules; /* position in doubt.rules */
};

struct doubt {
	struct doubt_rules rules[DOUBT_RULES_MAX]; /* [0] is current, then older
						    * ones */
	size_t rules_count;
	struct doubt_event *events; /* in no order */
	size_t count, cap;
	struct table table;
};

/* The rules are the current ones, lent. */
MUST_USE bool doubt_init(
    struct doubt *doubt, const struct track_rules *rules, struct err *reterr);
void doubt_fini(struct doubt *doubt);

bool doubt_has(const struct doubt *doubt, uint64_t hash);

/* The rules by which the event was posted; NULL: it is not in doubt, or they
 * are the current ones. */
const struct track_rules *doubt_rules(const struct doubt *doubt, uint64_t hash);

/* The event is posted; nothing changes if it is already in doubt. False without
 * memory. Above the limit, the events of the oldest rules are given up, which
 * is logged. */
MUST_USE bool doubt_add(struct doubt *doubt, uint64_t hash);

/* The event is settled, or the destination certainly does not have it. */
void doubt_remove(struct doubt *doubt, uint64_t hash);

/* Nothing is queued any more. */
void doubt_clear(struct doubt *doubt);

void doubt_write(const struct doubt *doubt, struct buf *buf);

/* Read into a fresh struct. On false nothing is in doubt. */
MUST_USE bool
doubt_read(struct doubt *doubt, struct str bytes, struct err *reterr);

#endif
