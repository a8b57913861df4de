#ifndef QUEUE_WAITING_H
#define QUEUE_WAITING_H

/*
 * Of each member of a set that has a change in the queue: the last one. Kept in
 * memory, and made anew from the queued pages when the store is loaded. What a
 * transaction adds or removes is pending until it is durable (waiting_commit)
 * or not (waiting_rollback). Costs about 80 bytes a member. Not thread safe:
 * struct queue's lock guards it.
 */

#include "base/digest.h"
#include "base/str.h"

#include <stdint.h>

struct set_group;
struct waiting;

/* The last change of a member, by its stamp. */
struct waiting_change {
	unsigned char hash[DIGEST_SHORT]; /* of group and member */
	struct set_group *group;
	int64_t stamp;
	bool wanted;	   /* it has entered, or left */
	bool unsure;	   /* another one waited beside it, and may have been
		      * posted: what was sent may not be what was settled */
	bool leased;	   /* one of the member's changes is on lease */
	signed char shift; /* how much it moves what is wanted of the group */
};

MUST_USE struct waiting *waiting_new(void);
void waiting_free(struct waiting *waiting); /* accepts NULL */

/* The hash of a member of a group, which no two have in common. */
void waiting_hash(struct digest_short *digest, struct str destination,
    struct str source, struct str group, struct str member,
    unsigned char ret[DIGEST_SHORT]);

/* The last change of a member, or NULL; good until the next commit. */
struct waiting_change *waiting_find(
    const struct waiting *waiting, const unsigned char hash[DIGEST_SHORT]);

/* In the running transaction a change is queued, which may not be the last
 * (`in`: its member counts as sent); or the one of this stamp is settled for
 * good. False only for want of memory. */
MUST_USE bool waiting_add(struct waiting *waiting,
    const unsigned char hash[DIGEST_SHORT], struct set_group *group,
    int64_t stamp, bool wanted, bool in, struct err *reterr);
MUST_USE bool waiting_remove(struct waiting *waiting,
    const unsigned char hash[DIGEST_SHORT], int64_t stamp, struct err *reterr);

/* Likewise what was sent of the member becomes unknown, which does not count as
 * in; after what is added of it. */
MUST_USE bool waiting_unknown(struct waiting *waiting,
    const unsigned char hash[DIGEST_SHORT], struct err *reterr);

/* What the member is known to have been, before its last change. */
void waiting_was(struct waiting_change *change, bool in);

void waiting_commit(struct waiting *waiting);
void waiting_rollback(struct waiting *waiting);

void waiting_clear(struct waiting *waiting);

#endif
