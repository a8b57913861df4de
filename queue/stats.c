/*
 * The operator's look-ups: totals from memory, rows from the file. Each list
 * is one statement, whose rows go to the caller's function with the queue
 * locked.
 */

#include "queue/core.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { STATS_STALLED_MS = 10000 };

int64_t
stats_imbalance(const struct stats_line *line)
{
	return line->received - line->queued - line->delivered - line->dead -
	       line->dropped - line->duplicates - line->erased - line->expired;
}

/* ---- from memory ---- */

void
stats_totals(struct queue *queue, struct stats_totals *ret_totals)
{
	lock_hold(&queue->shown_lock);
	*ret_totals = queue->totals;
	lock_drop(&queue->shown_lock);
}

bool
stats_alive(struct queue *queue, int64_t mono_ms)
{
	return mono_ms - atomic_load(&queue->beat_mono_ms) < STATS_STALLED_MS;
}

void
stats_destinations(struct queue *queue, stats_destination_fn *fn, void *arg)
{
	lock_hold(&queue->shown_lock);
	for (size_t i = 0; i < queue->shown_count; i++)
		fn(arg, queue->shown[i].name, queue->shown[i].queued);
	lock_drop(&queue->shown_lock);
}

/* What is shown of one destination; 0 for an unknown one. */
static void
stats_destination(struct queue *queue, const char *destination,
    int64_t *ret_queued, int64_t *ret_delivered_ms)
{
	*ret_queued = *ret_delivered_ms = 0;
	lock_hold(&queue->shown_lock);
	for (size_t i = 0; i < queue->shown_count; i++) {
		if (strcmp(queue->shown[i].name, destination) == 0) {
			*ret_queued = queue->shown[i].queued;
			*ret_delivered_ms = queue->shown[i].delivered_ms;
		}
	}
	lock_drop(&queue->shown_lock);
}

int64_t
stats_destination_queued(struct queue *queue, const char *destination)
{
	int64_t queued, delivered_ms;

	stats_destination(queue, destination, &queued, &delivered_ms);
	return queued;
}

int64_t
stats_destination_delivered_ms(struct queue *queue, const char *destination)
{
	int64_t queued, delivered_ms;

	stats_destination(queue, destination, &queued, &delivered_ms);
	return delivered_ms;
}

/* ---- from the file ---- */

bool
stats_destination_paused(struct queue *queue, const char *destination,
    bool *ret_paused, struct err *reterr)
{
	int paused = 0;
	bool ok;

	fair_lock_hold(&queue->lock);
	ok = db_get(&queue->db, reterr,
	    "SELECT paused FROM destination WHERE id=?1", "i>d",
	    names_find(queue->names, str_text(destination)), &paused);
	fair_lock_drop(&queue->lock);
	if (ok)
		*ret_paused = paused != 0;
	return ok;
}

/* Lower *oldest_ms to the oldest event queued for a destination: source by
 * source, because only the first delivery of each is cheap to find. */
static bool
stats_oldest_of(struct queue *queue, int64_t destination, int64_t *oldest_ms,
    struct err *reterr)
{
	int64_t source = 0;

	for (;;) {
		int64_t last = source, fresh_ms = 0, deferred_ms = 0;

		source = 0;
		if (!db_get(&queue->db, reterr,
			"SELECT min(source) FROM delivery"
			" WHERE destination=?1 AND source>?2",
			"ii>i", destination, last, &source))
			return false;
		if (source == 0)
			return true;
		if (!db_get(&queue->db, reterr,
			"SELECT accepted_ms FROM batch WHERE seq="
			"(SELECT min(seq) FROM delivery"
			" WHERE destination=?1 AND source=?2 AND due_ms=0)",
			"ii>i", destination, source, &fresh_ms) ||
		    !db_get(&queue->db, reterr,
			"SELECT min(accepted_ms) FROM batch WHERE seq IN"
			" (SELECT seq FROM delivery WHERE destination=?1"
			" AND source=?2 AND due_ms>0 LIMIT 1000)",
			"ii>i", destination, source, &deferred_ms))
			return false;
		if (fresh_ms != 0 && (*oldest_ms == 0 || fresh_ms < *oldest_ms))
			*oldest_ms = fresh_ms;
		if (deferred_ms != 0 &&
		    (*oldest_ms == 0 || deferred_ms < *oldest_ms))
			*oldest_ms = deferred_ms;
	}
}

bool
stats_oldest_ms(struct queue *queue, const char *destination, int64_t *ret_ms,
    struct err *reterr)
{
	int64_t oldest_ms = 0, id = 0;
	bool ok = true;

	fair_lock_hold(&queue->lock);
	if (destination != NULL)
		id = names_find(queue->names, str_text(destination));
	for (size_t i = 0; ok && i < queue->backlogs->count; i++) {
		int64_t one = queue->backlogs->list[i].destination;

		if (destination == NULL || one == id)
			ok = stats_oldest_of(queue, one, &oldest_ms, reterr);
	}
	fair_lock_drop(&queue->lock);
	if (ok)
		*ret_ms = oldest_ms;
	return ok;
}

bool
stats_ledger(struct queue *queue, enum stats_by by, stats_line_fn *fn,
    void *arg, struct err *reterr)
{
	static const char *const sql[] = {
	    [STATS_BY_SOURCE] = "SELECT text, " LEDGER_SUMS " FROM ledger"
				" JOIN name ON id=source"
				" GROUP BY source ORDER BY text",
	    [STATS_BY_TYPE] = "SELECT text, " LEDGER_SUMS " FROM ledger"
			      " JOIN name ON id=type"
			      " GROUP BY type ORDER BY text",
	    [STATS_BY_HOUR] = "SELECT strftime('%Y-%m-%dT%H:%MZ', hour*3600,"
			      " 'unixepoch'), " LEDGER_SUMS
			      " FROM ledger GROUP BY hour ORDER BY hour",
	};
	struct stats_line line;
	struct db_rows rows;
	const char *label;
	bool ok;

	fair_lock_hold(&queue->lock);
	rows = db_select(&queue->db, reterr, sql[by], "");
	while (db_next(&rows, reterr, "t" LEDGER_TYPES, &label,
		   LEDGER_COLUMNS(&line)) &&
	       fn(arg, label, &line))
		;
	ok = db_end(&rows);
	fair_lock_drop(&queue->lock);
	return ok;
}

bool
stats_drops(
    struct queue *queue, stats_drop_fn *fn, void *arg, struct err *reterr)
{
	const char *rule, *type;
	struct db_rows rows;
	int64_t count;
	bool ok;

	fair_lock_hold(&queue->lock);
	rows = db_select(&queue->db, reterr,
	    "SELECT r.text, t.text, sum(d.events) FROM dropped d"
	    " JOIN name r ON r.id=d.rule JOIN name t ON t.id=d.type"
	    " GROUP BY d.rule, d.type ORDER BY r.text, t.text",
	    "");
	while (db_next(&rows, reterr, "tti", &rule, &type, &count) &&
	       fn(arg, rule, type, count))
		;
	ok = db_end(&rows);
	fair_lock_drop(&queue->lock);
	return ok;
}

bool
stats_top(struct queue *queue, enum stats_top top, size_t most,
    stats_top_fn *fn, void *arg, struct err *reterr)
{
	static const char *const sql[] = {
	    [STATS_TOP_DROPS] = "SELECT r.text, 0, sum(d.events) FROM dropped d"
				" JOIN name r ON r.id=d.rule GROUP BY d.rule"
				" ORDER BY 3 DESC, 1 LIMIT ?2",
	    [STATS_TOP_DEAD] =
		"SELECT reason, status, count(*) FROM (SELECT reason, status"
		" FROM dead ORDER BY id DESC LIMIT ?1)"
		" GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT ?2",
	};
	struct db_rows rows;
	const char *text;
	int64_t count;
	int status;
	bool ok;

	fair_lock_hold(&queue->lock);
	rows = db_select(&queue->db, reterr, sql[top], "di", STATS_TOP_RECENT,
	    (int64_t)most);
	while (db_next(&rows, reterr, "tdi", &text, &status, &count) &&
	       fn(arg, text, status, count))
		;
	ok = db_end(&rows);
	fair_lock_drop(&queue->lock);
	return ok;
}

bool
stats_drift(
    struct queue *queue, stats_drift_fn *fn, void *arg, struct err *reterr)
{
	int64_t events, first_ms, last_ms;
	struct db_rows rows;
	const char *text;
	bool ok;

	fair_lock_hold(&queue->lock);
	rows = db_select(&queue->db, reterr,
	    "SELECT text, events, first_ms, last_ms FROM drift ORDER BY text",
	    "");
	while (db_next(&rows, reterr, "tiii", &text, &events, &first_ms,
		   &last_ms) &&
	       fn(arg, text, events, first_ms, last_ms))
		;
	ok = db_end(&rows);
	fair_lock_drop(&queue->lock);
	return ok;
}

bool
stats_erasures(struct queue *queue, int64_t after, size_t most,
    stats_erasure_fn *fn, void *arg, struct err *reterr)
{
	int64_t id, noted_ms, erased_ms;
	const char *source, *subject;
	struct db_rows rows;
	bool ok;

	fair_lock_hold(&queue->lock);
	rows = db_select(&queue->db, reterr,
	    "SELECT e.id, s.text, e.subject, e.noted_ms, e.erased_ms"
	    " FROM erasure e JOIN name s ON s.id=e.source"
	    " WHERE e.id>?1 ORDER BY e.id LIMIT ?2",
	    "ii", after, (int64_t)most);
	while (db_next(&rows, reterr, "ittii", &id, &source, &subject,
		   &noted_ms, &erased_ms) &&
	       fn(arg, id, source, subject, noted_ms, erased_ms))
		;
	ok = db_end(&rows);
	fair_lock_drop(&queue->lock);
	return ok;
}

bool
stats_dead(struct queue *queue, int64_t after, size_t most, stats_dead_fn *fn,
    void *arg, struct err *reterr)
{
	struct stats_dead dead;
	struct db_rows rows;
	int attempts;
	bool ok, more = true;

	fair_lock_hold(&queue->lock);
	rows = db_select(&queue->db, reterr,
	    "SELECT d.id, s.text, o.text, t.text, d.accepted_ms, d.dead_ms,"
	    " d.attempts, d.reason, d.status, d.answer, d.sent, d.data"
	    " FROM dead d JOIN name s ON s.id=d.source"
	    " JOIN name o ON o.id=d.destination JOIN name t ON t.id=d.type"
	    " WHERE d.id>?1 ORDER BY d.id LIMIT ?2",
	    "ii", after, (int64_t)most);
	while (more &&
	       db_next(&rows, reterr, "itttiidtdbbb", &dead.id, &dead.source,
		   &dead.destination, &dead.type, &dead.accepted_ms,
		   &dead.dead_ms, &attempts, &dead.reason, &dead.status,
		   &dead.answer, &dead.sent, &dead.data)) {
		dead.attempts = (unsigned)attempts;
		more = fn(arg, &dead);
	}
	ok = db_end(&rows);
	fair_lock_drop(&queue->lock);
	return ok;
}

/* ---- the check ---- */

struct stats_check {
	stats_text_fn *fn;
	void *arg;
	bool agree;
};

static void
stats_compare(
    struct stats_check *check, const char *what, int64_t ledger, int64_t rows)
{
	char text[160];

	if (ledger == rows)
		return;
	check->agree = false;
	(void)snprintf(text, sizeof(text),
	    "%s: the ledger says %" PRId64 ", the stored rows say %" PRId64,
	    what, ledger, rows);
	check->fn(check->arg, text);
}

bool
stats_check(struct queue *queue, stats_text_fn *fn, void *arg, bool *ret_agree,
    struct err *reterr)
{
	struct stats_check check = {.fn = fn, .arg = arg, .agree = true};
	int64_t queued, dead, backlogs, archive_batches, archive_bytes;
	struct queue_counts counts;
	struct stats_line line;
	bool ok;

	fair_lock_hold(&queue->lock);
	counts = queue->durable;
	ok = db_get(&queue->db, reterr,
		 "SELECT (SELECT coalesce(sum(remaining), 0) FROM delivery"
		 " WHERE replay=0) +"
		 " (SELECT coalesce(sum(remaining), 0) FROM quarantine"
		 " WHERE replay=0),"
		 " (SELECT count(*) FROM dead),"
		 " (SELECT coalesce(sum(queued), 0) FROM destination)",
		 ">iii", &queued, &dead, &backlogs) &&
	     db_get(&queue->db, reterr,
		 "SELECT count(*), coalesce(sum(bytes), 0) FROM archive", ">ii",
		 &archive_batches, &archive_bytes) &&
	     db_get(&queue->db, reterr, "SELECT " LEDGER_SUMS " FROM ledger",
		 ">" LEDGER_TYPES, LEDGER_COLUMNS(&line));
	fair_lock_drop(&queue->lock);
	if (!ok)
		return false;
	stats_compare(&check, "queued", line.queued, queued);
	stats_compare(&check, "queued by destination", line.queued, backlogs);
	stats_compare(&check, "dead", line.dead, dead);
	stats_compare(&check, "batches in the archive", counts.archive_batches,
	    archive_batches);
	stats_compare(&check, "bytes in the archive", counts.archive_bytes,
	    archive_bytes);
	stats_compare(&check, "received minus all the other columns",
	    stats_imbalance(&line), 0);
	*ret_agree = check.agree;
	return true;
}
