#ifndef QUEUE_GROUPS_H
#define QUEUE_GROUPS_H

/*
 * The groups of sets, and their syncs: what the store has of them, in memory.
 * A transaction changes a group after set_groups_change(), and a sync after
 * sync_change(); then it is written with the rest (set_groups_write), and stays
 * so (set_groups_commit) or becomes what it was (set_groups_rollback). A group
 * stays where it is until the store is loaded again. Not thread safe: struct
 * queue's lock guards it.
 */

#include "base/table.h"
#include "queue/changes.h"
#include "queue/queue.h"

/* Of a group: a stamp (queue/set.h) has room for no more. */
#define SYNCS_MOST (ENGINE_STAMP_MAX >> 21)

/* A sync is known by its text; later ones have higher numbers. What goes by
 * clocks here is only shown. */
struct sync {
	int64_t number;
	char *id; /* as the source calls it, or ""; owned */
	int64_t first_ms, last_ms;
	size_t total;	      /* pages; 0 = unknown */
	size_t seen;	      /* of them */
	unsigned char *pages; /* bits of those, by number; owned */
	size_t page_bytes;
	int64_t size; /* of the group, as wanted, when it began */
	int64_t entered, left, delivered, superseded, no_change, dropped, dead;
	int64_t unqueued; /* of the last four, those that never were queued */
	bool held;
	bool told; /* that it is incomplete */
	/* of the running transaction */
	bool changed, added, removed;
	struct buf before;
};

struct set_group {
	int64_t number;
	struct str destination, source; /* of the queue's names */
	char *id, *name;		/* owned, as are the others */
	char *kind, *label, *announced;
	int64_t first_ms, last_ms, complete_ms;
	int64_t syncs_begun; /* the number of the last one */
	int64_t floor;	     /* changes with a lower stamp are overtaken */
	int64_t sent, dead;  /* members; changes */
	struct sync **syncs; /* by number; owned, and so are they */
	size_t sync_count, sync_cap;
	/* of the running transaction */
	bool changed, added, removed;
	struct buf before;
	/* not in the store: see waiting.h */
	int64_t waiting, shift;
};

struct set_groups {
	struct set_group **list; /* by number; owned, and so are they */
	size_t count, cap;
	struct table table; /* by destination, source and id */
	int64_t last;	    /* number */
	int64_t lost; /* the last sync of which something is queued though its
		       * group is lost: new ones count on from it */
	bool changed;
};

void set_groups_fini(struct set_groups *groups);

/* NULL if there is none. */
struct set_group *set_groups_find(const struct set_groups *groups,
    struct str destination, struct str source, struct str id);
struct set_group *
set_groups_at(const struct set_groups *groups, int64_t number);
struct sync *sync_at(const struct set_group *group, int64_t number);
struct sync *sync_find(const struct set_group *group, struct str id);

/* Did that page come before? */
bool sync_has(const struct sync *sync, size_t page);

/* Did all come? */
bool sync_whole(const struct sync *sync);

/* Its changes that are queued. */
int64_t sync_waiting(const struct sync *sync);

/* Members of the group, as wanted. */
int64_t set_group_wanted(const struct set_group *group);

/* ---- the running transaction ---- */

/* A new one; ERR_LIMIT beyond `most`. Names of destination and source are the
 * queue's. */
MUST_USE bool set_groups_add(struct set_groups *groups, struct str destination,
    struct str source, struct str id, size_t most, struct set_group **ret_group,
    struct err *reterr);
MUST_USE bool set_groups_change(
    struct set_groups *groups, struct set_group *group, struct err *reterr);

/* A new one, the last of its group; or one that is there. The group is
 * changed, too. */
MUST_USE bool sync_add(struct set_groups *groups, struct set_group *group,
    struct str id, struct sync **ret_sync, struct err *reterr);
MUST_USE bool sync_change(struct set_groups *groups, struct set_group *group,
    struct sync *sync, struct err *reterr);
MUST_USE bool sync_page(struct sync *sync, size_t page, struct err *reterr);

/* Take another text for one of a group's. */
MUST_USE bool set_text(char **text, struct str to, struct err *reterr);

/* They are to go. */
MUST_USE bool set_groups_remove(
    struct set_groups *groups, struct set_group *group, struct err *reterr);
MUST_USE bool sync_remove(struct set_groups *groups, struct set_group *group,
    struct sync *sync, struct err *reterr);

MUST_USE bool set_groups_write(const struct set_groups *groups,
    struct changes *changes, struct err *reterr);
void set_groups_commit(struct set_groups *groups);
/* False for want of memory: then they must be loaded again. */
MUST_USE bool set_groups_rollback(struct set_groups *groups);

/* ---- loading ---- */

/* Forget all; then load what the store has: groups before syncs. ERR_DAMAGED
 * if a row is not what was written. `source` and `destination` intern texts. */
void set_groups_clear(struct set_groups *groups);
typedef bool set_groups_name_fn(
    void *arg, struct str *text, bool source, struct err *reterr);
MUST_USE bool
set_groups_load(struct set_groups *groups, const struct engine_group *row,
    set_groups_name_fn *name, void *arg, struct err *reterr);
MUST_USE bool set_groups_load_sync(struct set_groups *groups,
    const struct engine_sync *row, struct err *reterr);

#endif
