#ifndef FORWARDER_DOUBT_H
#define FORWARDER_DOUBT_H

/*
 * The events that may be at the destination though nobody knows: posted,
 * and not settled. If the settings change who a person is, they must keep
 * the identity that they were sent under, or Heap would have them twice. So
 * this is written down before each post, with the rules of who it is, and
 * read again at the next start.
 *
 * An event is known by a hash of its bytes, which stay the same however it
 * is repacked. It is in doubt under the rules that it was first posted by,
 * until it is settled or was refused whenever it was posted.
 */

#include "base/buf.h"
#include "schema/track.h"

#include <stddef.h>
#include <stdint.h>

enum {
	DOUBT_EVENTS_MAX = 1 << 16, /* far above what is ever in flight */
	DOUBT_RULES_MAX = 8,	    /* changes of who it is, remembered */
};

struct doubt_slot; /* one event */

struct doubt_rules {
	struct buf bytes;	  /* of track_who_write() */
	struct track_rules rules; /* lend from the bytes */
	const char **items;	  /* owned; of the rules */
	size_t events;		  /* in doubt under them */
};

struct doubt {
	struct doubt_rules times[DOUBT_RULES_MAX]; /* [0] now, then back */
	size_t time_count;
	struct doubt_slot *slots; /* open addressing */
	size_t cap, count;
};

/* The rules are those of now, lent. */
MUST_USE bool doubt_init(
    struct doubt *doubt, const struct track_rules *rules, struct err *reterr);
void doubt_fini(struct doubt *doubt);

uint64_t doubt_event(const char *data, size_t len);

bool doubt_has(const struct doubt *doubt, uint64_t event);

/* By which rules the event was posted; NULL: not in doubt, or those of now. */
const struct track_rules *
doubt_rules(const struct doubt *doubt, uint64_t event);

/* It is posted; nothing changes if it is in doubt already. False without
 * memory. Above the bound the oldest doubts are given up, and it is logged. */
MUST_USE bool doubt_add(struct doubt *doubt, uint64_t event);

/* It is settled, or Heap has it not for sure. */
void doubt_remove(struct doubt *doubt, uint64_t event);

/* Nothing waits any more. */
void doubt_clear(struct doubt *doubt);

void doubt_write(const struct doubt *doubt, struct buf *buf);

/* Into a fresh one. On false nothing is in doubt. */
MUST_USE bool doubt_read(
    struct doubt *doubt, const void *data, size_t len, struct err *reterr);

#endif
