#ifndef QUEUE_MEMORY_PLACE_H
#define QUEUE_MEMORY_PLACE_H

/*
 * What the stores of one place share: tables, and the undo of the transaction
 * that runs. Guarded by the place's lock, which every function needs.
 */

#include "base/lock.h"
#include "queue/engine.h"
#include "queue/names.h"

#define PLACE_FREE_BYTES (INT64_C(1) << 40)

enum place_table {
	PLACE_BATCH,	  /* delivery; by seq */
	PLACE_DELIVERY,	  /* by destination, source, due_ms, seq */
	PLACE_QUARANTINE, /* likewise */
	PLACE_ARCHIVE,	  /* these by id */
	PLACE_DEAD,
	PLACE_UNREADABLE,
	PLACE_ERASURE,
	PLACE_SEEN,
	PLACE_MARKS,   /* by kind, last seq */
	PLACE_DRIFT,   /* by text */
	PLACE_LEDGER,  /* by hour, source, type */
	PLACE_DROPPED, /* and rule */
	PLACE_REPORT,  /* by day, kind, id, type */
	PLACE_TALLY,   /* by id */
	PLACE_DESTINATION,
	PLACE_STATE,  /* by owner, name */
	PLACE_GROUP,  /* by id */
	PLACE_SYNC,   /* by group, number */
	PLACE_MEMBER, /* by group, person */
	PLACE_TABLES
};

/* Texts are numbers of place->names. */
struct key {
	int64_t n[4];
};

/* Its texts are copies behind it. */
struct row {
	struct key key;
	union engine_row is;
	size_t bytes;
};

struct rows {
	struct row **list; /* by key; owned, and so are they */
	size_t count, cap;
};

/* What a change replaced (NULL: nothing) and by what (NULL: deleted). */
struct place_undo {
	enum place_table table;
	struct row *old, *new;
};

struct place_claim {
	struct str destination;
	const struct store *owner; /* or NULL */
	uint64_t epoch;
};

struct place {
	struct place *next;
	char *dir;
	struct lock lock;
	struct rows tables[PLACE_TABLES];
	struct names names;
	struct place_undo *undo;
	size_t undo_count, undo_cap;
	struct place_claim *claims;
	size_t claim_count;
	int64_t next_seq, unreadable_removed;
	int64_t last_ids[PLACE_TABLES];
	int64_t bytes; /* of all rows */
};

struct store {
	const struct queue_settings *settings;
	struct place *place;
	bool broken;
	bool fails, fails_made; /* the next apply */
};

/* The place of a directory, made if need be; NULL without memory. Any thread;
 * without a lock. */
struct place *place_of(const char *dir);

static inline struct key
place_key(int64_t number)
{
	return (struct key){.n = {number}};
}

/* Of a delivery, whose names get numbers. */
struct key
place_delivery_key(struct place *place, const struct engine_delivery *delivery);

/* Where the key is in the table, or would be. */
size_t
place_at(const struct place *place, enum place_table table, struct key key);
int place_compare(struct key a, struct key b);

/* NULL if there is none. */
const struct row *
place_find(const struct place *place, enum place_table table, struct key key);

/* In place of the row of that key, if there is one. The texts are copied.
 * ERR_LIMIT, ERR_NOMEM. */
MUST_USE bool place_put(struct place *place, enum place_table table,
    struct key key, const union engine_row *is, struct err *reterr);

/* There may be none. */
MUST_USE bool place_delete(struct place *place, enum place_table table,
    struct key key, struct err *reterr);

/* The end of a transaction: keep or undo it. */
void place_end(struct place *place, bool keep);

/* ---- read.c ---- */

bool memory_due(struct store *store, struct engine_want *wants, size_t count,
    int64_t now_ms, const int64_t *leased, size_t leased_count,
    engine_due_fn *fn, void *arg, struct err *reterr);
bool memory_walk(struct store *store, enum engine_table table,
    struct engine_cursor *cursor, size_t rows, engine_row_fn *fn, void *arg,
    bool *ret_more, struct err *reterr);
bool memory_read(struct store *store, const struct engine_delivery *key,
    engine_row_fn *fn, void *arg, struct err *reterr);
bool memory_members(struct store *store, struct engine_member *list,
    size_t count, struct err *reterr);

#endif
