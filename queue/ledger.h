#ifndef QUEUE_LEDGER_H
#define QUEUE_LEDGER_H

/*
 * The ledger: adds up what a transaction moves, writes it to the file inside
 * the same transaction, and adds it to the totals in memory once it is durable.
 * An event is always counted under the hour of its acceptance, so each hour
 * balances on its own. Not thread safe: struct queue's lock guards it.
 */

#include "queue/admin.h"
#include "queue/db.h"

struct ledger_key {
	int64_t hour; /* since 1970 */
	int64_t source, type;
};

struct ledger;

MUST_USE struct ledger *ledger_new(void);
void ledger_free(struct ledger *ledger); /* accepts NULL */

/* The hour that a time belongs to. */
int64_t ledger_hour(int64_t wall_ms);

/* Add to the columns of a key; false only without memory. */
MUST_USE bool ledger_add(struct ledger *ledger, const struct ledger_key *key,
    const struct stats_line *moved, struct err *reterr);

/* Count one event under the rule that dropped it, in addition to ledger_add();
 * false as above. */
MUST_USE bool ledger_add_drop(struct ledger *ledger,
    const struct ledger_key *key, int64_t rule, struct err *reterr);

/* Write what was added, inside the transaction. */
MUST_USE bool
ledger_write(struct ledger *ledger, struct db *db, struct err *reterr);

void ledger_commit(struct ledger *ledger);
void ledger_rollback(struct ledger *ledger);

/* Fold hours that are more than STATS_HOURS ago into days, inside a
 * transaction; changes no total. */
MUST_USE bool ledger_fold(struct db *db, int64_t now_ms, struct err *reterr);

/* Read the totals from the file. */
MUST_USE bool
ledger_load(struct ledger *ledger, struct db *db, struct err *reterr);
const struct stats_line *ledger_totals(const struct ledger *ledger);

/* The columns of a line in SQL, and in the arguments of queue/db.h. */
#define LEDGER_SUMS                                                            \
	"sum(received), sum(queued), sum(delivered), sum(dead), sum(dropped)," \
	" sum(duplicates), sum(erased), sum(expired), sum(replayed),"          \
	" sum(replay_delivered), sum(replay_refused)"
#define LEDGER_TYPES "iiiiiiiiiii"
#define LEDGER_VALUES(line)                                                    \
	(line)->received, (line)->queued, (line)->delivered, (line)->dead,     \
	    (line)->dropped, (line)->duplicates, (line)->erased,               \
	    (line)->expired, (line)->replayed, (line)->replay_delivered,       \
	    (line)->replay_refused
#define LEDGER_COLUMNS(line)                                                   \
	&(line)->received, &(line)->queued, &(line)->delivered, &(line)->dead, \
	    &(line)->dropped, &(line)->duplicates, &(line)->erased,            \
	    &(line)->expired, &(line)->replayed, &(line)->replay_delivered,    \
	    &(line)->replay_refused

#endif
