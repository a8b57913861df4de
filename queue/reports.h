#ifndef QUEUE_REPORTS_H
#define QUEUE_REPORTS_H

/*
 * What was delivered, dropped and dead by the event's own day, its label and
 * its type (queue_settings.report), to be compared with the source's reports.
 * The ledger counts here what moves (ledger_add), with the transaction that
 * moves it. Not thread safe: struct queue's lock guards it.
 *
 * A settled request touches hundreds of these sums, and a row in the store for
 * each would cost more than the delivery. So a transaction appends one row of
 * bytes, the tally, with what it has moved; the sums of all tallies are kept in
 * memory, too. Once a minute, or when they are many, the committer adds them to
 * the store's rows and clears the tallies, in one transaction. The next start
 * reads those that are left.
 */

#include "queue/admin.h"
#include "queue/changes.h"

enum {
	REPORTS_ROWS_MAX = 100000,     /* in the store, of: */
	REPORTS_ROW_BYTES = 80,	       /* about; and of all that the queue may
				      * use not more than: */
	REPORTS_PART = 16,	       /* a sixteenth */
	REPORTS_TALLY_BYTES = 2 << 20, /* of tallies that are many; or, if that
					* is less, of the sixteenth a quarter */
	REPORTS_PENDING = 8192,	       /* sums in memory that are many */
	REPORTS_PENDING_MAX = 32768, /* beyond them a new label is "(other)" */
	REPORTS_TEXTS = 4,	     /* of a sum, at most */
	REPORTS_DAYS = 92,	     /* older ones are folded into months */
	REPORTS_FOLD = 1000,	     /* rows in one transaction */
	REPORTS_ID_MAX = 100,	     /* of a label: a longer one is "(other)" */
	REPORTS_NAME_MAX = 200,	     /* likewise; more is cut */
	REPORTS_DAY_MOST = 2932896,  /* the last one of the year 9999 */
};

struct reports;

/* The settings are lent. */
MUST_USE struct reports *reports_new(const struct queue_settings *settings);
void reports_free(struct reports *reports); /* accepts NULL */

/* Count what moved of an event that was accepted in this hour, under the
 * ledger's type of it, whose hash is that of reports_type_hash(). False only
 * for want of memory. */
uint64_t reports_type_hash(struct str type);
MUST_USE bool reports_add(struct reports *reports, const struct item *item,
    struct str type, uint64_t type_hash, int64_t hour,
    const struct stats_line *moved, struct err *reterr);

/* Append what was added to the transaction's changes, as a tally; or everything
 * that is pending, if the transaction is to flush it. */
void reports_write(struct reports *reports, struct changes *changes);
void reports_flush(struct reports *reports);

/* Is there anything to flush; and should that not wait? */
bool reports_pending(const struct reports *reports);
bool reports_many(const struct reports *reports);

void reports_commit(struct reports *reports);
void reports_rollback(struct reports *reports);

/* Append a step of the folding to the transaction's changes: days that are old
 * into months; if there are too many `rows` in the store, younger days too, and
 * then old months into the label "(other)". The change's flag says afterwards
 * whether another step is needed. */
void reports_fold(struct reports *reports, int64_t wall_ms, int64_t rows,
    struct changes *changes);

/* Reset it, then load what the last fold has stored under this name, and
 * the tallies. ERR_DAMAGED; what was read before counts, but the next start
 * could not read what is added behind it: so it is to be flushed soon. */
#define REPORTS_STATE "reports"
void reports_load_begin(struct reports *reports, struct str floor);
MUST_USE bool
reports_load(struct reports *reports, struct str tally, struct err *reterr);
void reports_load_end(struct reports *reports, bool damaged);

/* Show what is pending; false if fn ended it. */
bool reports_each(const struct reports *reports, int64_t since_day,
    stats_report_fn *fn, void *arg);

/* A row of the store, to be shown. */
struct stats_report reports_shown(const struct engine_report *row);

#endif
