#ifndef QUEUE_GROUPS_H
#define QUEUE_GROUPS_H

/*
 * The groups of sets, and their syncs: what the store has of them, in memory.
 * A transaction changes a group after groups_change(), and a sync after
 * sync_change(); then it is written with the rest (groups_write), and stays so
 * (groups_commit) or becomes what it was (groups_rollback). A group stays where
 * it is until the store is loaded again. Not thread safe: struct queue's lock
 * guards it.
 */

#include "base/table.h"
#include "queue/changes.h"
#include "queue/queue.h"

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
	bool held;
	bool told; /* that it is incomplete */
	/* of the running transaction */
	bool changed, added, removed;
	struct buf before;
};

struct group {
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

struct groups {
	struct group **list; /* by number; owned, and so are they */
	size_t count, cap;
	struct table table; /* by destination, source and id */
	int64_t last;	    /* number */
	bool changed;
};

void groups_fini(struct groups *groups);

/* NULL if there is none. */
struct group *groups_find(const struct groups *groups, struct str destination,
    struct str source, struct str id);
struct group *groups_at(const struct groups *groups, int64_t number);
struct sync *sync_at(const struct group *group, int64_t number);
struct sync *sync_find(const struct group *group, struct str id);

/* Did that page come before? */
bool sync_has(const struct sync *sync, size_t page);

/* Did all come? */
bool sync_whole(const struct sync *sync);

/* Members of the group, as wanted. */
int64_t group_wanted(const struct group *group);

/* ---- the running transaction ---- */

/* A new one; ERR_LIMIT beyond `most`. Names of destination and source are the
 * queue's. */
MUST_USE bool
groups_add(struct groups *groups, struct str destination, struct str source,
    struct str id, size_t most, struct group **ret_group, struct err *reterr);
MUST_USE bool
groups_change(struct groups *groups, struct group *group, struct err *reterr);

/* A new one, the last of its group; or one that is there. The group is
 * changed, too. */
MUST_USE bool sync_add(struct groups *groups, struct group *group,
    struct str id, struct sync **ret_sync, struct err *reterr);
MUST_USE bool sync_change(struct groups *groups, struct group *group,
    struct sync *sync, struct err *reterr);
MUST_USE bool sync_page(struct sync *sync, size_t page, struct err *reterr);

/* Take another text for one of a group's. */
MUST_USE bool group_text(char **text, struct str to, struct err *reterr);

/* They are to go. */
MUST_USE bool
groups_remove(struct groups *groups, struct group *group, struct err *reterr);
MUST_USE bool sync_remove(struct groups *groups, struct group *group,
    struct sync *sync, struct err *reterr);

MUST_USE bool groups_write(
    const struct groups *groups, struct changes *changes, struct err *reterr);
void groups_commit(struct groups *groups);
/* False for want of memory: then they must be loaded again. */
MUST_USE bool groups_rollback(struct groups *groups);

/* ---- loading ---- */

/* Forget all; then load what the store has: groups before syncs. ERR_DAMAGED
 * if a row is not what was written. `source` and `destination` intern texts. */
void groups_clear(struct groups *groups);
typedef bool
groups_name_fn(void *arg, struct str *text, bool source, struct err *reterr);
MUST_USE bool groups_load(struct groups *groups, const struct engine_group *row,
    groups_name_fn *name, void *arg, struct err *reterr);
MUST_USE bool groups_load_sync(
    struct groups *groups, const struct engine_sync *row, struct err *reterr);

#endif
