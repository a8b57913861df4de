#ifndef QUEUE_DESTINATIONS_H
#define QUEUE_DESTINATIONS_H

/*
 * The destinations in memory: what is queued for each, when something may be
 * due, and our claim. What a transaction moves is pending until it is durable
 * (destinations_commit) or not (destinations_rollback). A destination is known
 * by its id, which is its place in the list + 1 and stays for the life of the
 * queue. Not thread safe: struct queue's lock guards it.
 */

#include "queue/changes.h"
#include "queue/names.h"

enum { DESTINATION_NAME_MAX = 200 };

struct destination {
	struct str name; /* with a NUL behind it */
	bool there;	 /* in the store */

	/* as in the store */
	int64_t queued, bytes; /* but for replays */
	int64_t delivered_ms;
	bool paused, clean, saved;

	int64_t bytes_max; /* of `bytes`, set by its owner; 0 = its share */

	/* of the running transaction; see destination_change() */
	int64_t queued_moved, bytes_moved, delivered_moved_ms;
	int64_t due_moved_ms, replay_moved_ms; /* what is new is due then */
	bool put;			       /* it is made */
	bool changed;
	int64_t next_changed; /* id, or 0 */

	/* Taking. Nothing is due before these times, wall clock; a time that is
	 * over says only that the store must be asked. */
	int64_t next_ms, next_replay_ms;
	struct str last_source; /* whose turn was last */
	bool failing;		/* it could not be read, and that was logged */
	bool damaged;		/* rows were passed over, likewise */

	/* For stats_oldest_ms(): what was found, and until when (monotonic) it
	 * is not looked up again. */
	int64_t oldest_ms, oldest_until_ms;

	struct engine_claim claim;
	bool claimed;
};

struct destinations {
	struct destination *list; /* owned */
	size_t count, cap;
	size_t there;	 /* of them, in the store */
	int64_t changed; /* the first with changes, or 0 */
	struct names names;
};

void destinations_fini(struct destinations *destinations);

/* Of an id that was handed out. The pointer is good until another destination
 * is found. */
struct destination *
destination_at(struct destinations *destinations, int64_t id);

/* The id of a name, or 0 if no such destination is in the store. */
int64_t
destination_find(const struct destinations *destinations, struct str name);

/* The same; one that is not there is made by the running transaction. ERR_LIMIT
 * if there are `most` already, or the name is too long. */
MUST_USE bool
destination_add(struct destinations *destinations, struct str name, size_t most,
    struct changes *changes, int64_t *ret_id, struct err *reterr);

/* The same, to change what moves with the running transaction. */
struct destination *
destination_change(struct destinations *destinations, int64_t id);

/* Append what moved to the transaction's changes. */
void
destinations_write(struct destinations *destinations, struct changes *changes);

void destinations_commit(struct destinations *destinations);
void destinations_rollback(struct destinations *destinations);

/* Reset, then load what the store has, row by row. Ids and claims stay. */
void destinations_load_begin(struct destinations *destinations);
MUST_USE bool destinations_load(struct destinations *destinations,
    const struct engine_destination *row, struct err *reterr);

#endif
