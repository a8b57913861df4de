#ifndef QUEUE_LEDGER_H
#define QUEUE_LEDGER_H

/*
 * The ledger: what a transaction moves is added up here, goes to the store with
 * it, and is added to the totals in memory once it is durable. An event is
 * counted under the hour of its acceptance for ever, so each hour balances by
 * itself. Not thread safe: struct queue's lock guards it.
 */

#include "queue/admin.h"
#include "queue/changes.h"
#include "queue/names.h"
#include "queue/reports.h"
#include "queue/sums.h"

/*
 * What comes from outside is bounded: of types whose names are not reserved
 * LEDGER_TYPES_MAX have a line of their own, and others are "(other)". If there
 * are so many, those become "(other)" that nothing was counted under for
 * LEDGER_KEEP_MS, unless something of them is still queued or dead. So a name
 * may be given while events of that type are queued as "(other)", and what is
 * taken later says from where: ledger_type_from().
 */
enum {
	LEDGER_TYPES_MAX = 4096,
	LEDGER_TYPE_MAX = 200, /* a longer one is "(other)", too */
};

/* As long as the hours of a type are kept. */
#define LEDGER_KEEP_MS ((int64_t)STATS_HOURS * 3600 * 1000)

/* Numbers are those of the ledger's names. */
struct ledger_key {
	int64_t hour; /* since 1970 */
	int64_t source, type;
};

struct ledger;

/* The settings are lent. */
MUST_USE struct ledger *ledger_new(const struct queue_settings *settings);
void ledger_free(struct ledger *ledger); /* accepts NULL */

/* The hour that a time belongs to. */
int64_t ledger_hour(int64_t wall_ms);

/* The number of a source; ERR_LIMIT for a new one beyond `most`. */
MUST_USE bool ledger_source(struct ledger *ledger, struct str source,
    size_t most, int64_t *ret_source, struct err *reterr);

/* The number of a type; "" is "(none)". False only for want of memory. */
MUST_USE bool ledger_type(struct ledger *ledger, struct str type,
    int64_t *ret_type, struct err *reterr);

/* What is there, and may be taken from a type. */
enum ledger_part {
	LEDGER_QUEUED,
	LEDGER_DEAD,
	LEDGER_REPLAYS, /* queued */
	LEDGER_PARTS	/* how many */
};

/* Likewise, of the type that has counted an event which is taken now: "(other)"
 * if nothing is left of its own. */
MUST_USE bool ledger_type_from(struct ledger *ledger, struct str type,
    enum ledger_part part, int64_t *ret_type, struct err *reterr);

/* The texts of the numbers, which stay where they are. */
struct str ledger_source_at(const struct ledger *ledger, int64_t source);
struct str ledger_type_at(const struct ledger *ledger, int64_t type);

/* Add to the columns of a key; false only for want of memory. `item`, of a log,
 * is what they are of: it is counted in the reports, too; NULL: these stay as
 * they are. */
MUST_USE bool ledger_add(struct ledger *ledger, const struct ledger_key *key,
    const struct item *item, const struct stats_line *moved,
    struct err *reterr);

/* What a ledger counts beside its own columns; owned by it. */
struct reports *ledger_reports(struct ledger *ledger);

/* Count one event by the rule that dropped it, beside ledger_add(); likewise.
 * The rule is lent until the transaction ends. */
MUST_USE bool ledger_add_drop(struct ledger *ledger,
    const struct ledger_key *key, struct str rule, struct err *reterr);

/* Append what was added to the transaction's changes. Ages: queue/bounds.h. */
void ledger_write(
    const struct ledger *ledger, int64_t age_ms, struct changes *changes);

void ledger_commit(struct ledger *ledger, int64_t age_ms);
void ledger_rollback(struct ledger *ledger);

/* Are there types to forget? Do so with some, in a transaction of its own. */
bool ledger_forgets(const struct ledger *ledger, int64_t age_ms);
void
ledger_forget(struct ledger *ledger, int64_t age_ms, struct changes *changes);

/* Reset it, but for the reports, then load what the store has: a line for each
 * source and type, and what was dropped. */
void ledger_load_begin(struct ledger *ledger);
MUST_USE bool ledger_load(
    struct ledger *ledger, const struct engine_ledger *row, struct err *reterr);
MUST_USE bool ledger_load_dropped(struct ledger *ledger,
    const struct engine_dropped *row, struct err *reterr);
const struct stats_line *ledger_totals(const struct ledger *ledger);
const struct sums *ledger_sums(const struct ledger *ledger);

#endif
