#ifndef QUEUE_LEDGER_H
#define QUEUE_LEDGER_H

/*
 * The books of a transaction: what it moves is noted here, written to the
 * file inside the same transaction, and added to the totals in memory once
 * it is durable. An event is booked under the hour of its acceptance for
 * ever, so each hour balances by itself. Not thread safe: struct queue's
 * lock guards it.
 */

#include "queue/admin.h"
#include "queue/store.h"

enum ledger_column {
	LEDGER_RECEIVED,
	LEDGER_WAITING,
	LEDGER_DELIVERED,
	LEDGER_BURIED,
	LEDGER_DROPPED,
	LEDGER_DUPLICATES,
	LEDGER_FORGOTTEN,
	LEDGER_EXPIRED,
	LEDGER_REPLAYED,
	LEDGER_REPLAY_DELIVERED,
	LEDGER_REPLAY_REFUSED,
	LEDGER_COLUMNS /* how many */
};

struct ledger_key {
	int64_t hour; /* since 1970 */
	int64_t source, type;
};

struct ledger;

MUST_USE struct ledger *ledger_new(void);
void ledger_free(struct ledger *ledger); /* takes NULL */

/* The hour that a time belongs to. */
int64_t ledger_hour(int64_t wall_ms);

/* Note a move of events; false only for want of memory. */
MUST_USE bool ledger_note(struct ledger *ledger, const struct ledger_key *key,
    enum ledger_column column, int64_t events, struct err *reterr);

/* Note events dropped by a rule: the column and the rule's own row. */
MUST_USE bool
ledger_note_drop(struct ledger *ledger, const struct ledger_key *key,
    int64_t rule, int64_t events, struct err *reterr);

/* Write the notes, inside the transaction. */
MUST_USE bool
ledger_write(struct ledger *ledger, struct store *store, struct err *reterr);

void ledger_commit(struct ledger *ledger);
void ledger_rollback(struct ledger *ledger);

/* Fold the hours that lie more than LEDGER_HOURS back into days, inside a
 * transaction; changes no total. */
enum { LEDGER_HOURS = STATS_HOURS };
MUST_USE bool
ledger_fold(struct store *store, int64_t now_ms, struct err *reterr);

/* Read the totals from the file. */
MUST_USE bool
ledger_load(struct ledger *ledger, struct store *store, struct err *reterr);
const struct stats_line *ledger_totals(const struct ledger *ledger);

/* The line of a row whose columns from `first` on are the sums. */
void
ledger_line_read(sqlite3_stmt *row, int first, struct stats_line *ret_line);

#endif
