#ifndef FORWARDER_GROUPS_H
#define FORWARDER_GROUPS_H

/*
 * The groups of a set, as far as a sender has met them: what the queue keeps
 * of each, and what goes on with it at the destination. Nothing of it is saved
 * here: after a restart the queue says it again.
 */

#include "base/table.h"
#include "queue/queue.h"
#include "schema/dialect.h"

/* Lives as long as the groups. */
struct group {
	struct queue_group of; /* its texts are owned, and end with a NUL */
	char *texts;	       /* owned; all of them */

	/* Of an outlet whose requests have items of one group alone. */
	bool busy;	  /* a request of it is in flight */
	int64_t until_ms; /* mono; none starts before */

	/* Of its announcement, since it was accepted last. */
	int64_t backoff_ms; /* the next cap, 0 = the first */
	bool failed;
	uint64_t failed_at; /* fault->accepted at its last failure */
	bool suspect;	    /* it failed again, while items were accepted */
};

/* All zero is empty. */
struct groups {
	struct group **groups; /* owned, and each of them */
	size_t count;
	struct table table;
};

void groups_fini(struct groups *groups);

/* The group with the queue's number, or NULL. */
struct group *groups_find(const struct groups *groups, int64_t number);

/* A group as it came with a lease just now, made if need be. What was saved for
 * another kind of outlet does not count. NULL without memory. */
struct group *groups_see(
    struct groups *groups, const char *kind, const struct queue_group *of);

/* Set what was saved of it. False without memory; then nothing has changed. */
MUST_USE bool
group_set(struct group *group, struct str label, struct str announced);

/* As outlets see it; lent until it is seen or set again. NULL: NULL. */
struct outlet_group *
group_view(const struct group *group, struct outlet_group *ret_view);

/* What an announcement calls it: its name, or without one its id. */
struct str group_called(const struct group *group);

#endif
