/*
 * The operator's look-ups: totals from memory, rows from the store. Each list
 * is one walk, whose rows go to the caller's function with the queue locked.
 */

#include "queue/core.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATS_STALLED_MS = 10000, STATS_OLDEST_MS = 1000 };

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
	ret_totals->held_ms = fair_lock_held_ms(&queue->lock);
	ret_totals->commits = &queue->commits;
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

/* What is shown of one destination; zeroed for an unknown one. */
static struct shown_destination
stats_destination(struct queue *queue, const char *destination)
{
	struct shown_destination shown = {.name = NULL};

	lock_hold(&queue->shown_lock);
	for (size_t i = 0; i < queue->shown_count; i++) {
		if (strcmp(queue->shown[i].name, destination) == 0)
			shown = queue->shown[i];
	}
	lock_drop(&queue->shown_lock);
	return shown;
}

int64_t
stats_destination_queued(struct queue *queue, const char *destination)
{
	return stats_destination(queue, destination).queued;
}

int64_t
stats_destination_bytes(struct queue *queue, const char *destination)
{
	return stats_destination(queue, destination).bytes;
}

int64_t
stats_destination_bytes_max(struct queue *queue, const char *destination)
{
	return stats_destination(queue, destination).bytes_max;
}

int64_t
stats_destination_delivered_ms(struct queue *queue, const char *destination)
{
	return stats_destination(queue, destination).delivered_ms;
}

bool
stats_destination_paused(struct queue *queue, const char *destination)
{
	return stats_destination(queue, destination).paused;
}

/* ---- from the store ---- */

bool
stats_hold(struct queue *queue, struct err *reterr)
{
	return fair_lock_hold_patiently(&queue->lock, STATS_PATIENCE_MS) ||
	       err_set(reterr, ERR_BUSY,
		   "the queue is busy: its disk has not answered for %lld s",
		   (long long)fair_lock_held_ms(&queue->lock) / 1000);
}

static bool
stats_walk(struct queue *queue, enum engine_table table, int64_t after,
    size_t rows, engine_row_fn *fn, void *arg, struct err *reterr)
{
	struct engine_cursor cursor = {
	    .at = {after},
	    .last = INT64_MAX,
	    .begun = true,
	};
	bool ok, more;

	if (!stats_hold(queue, reterr))
		return false;
	ok = queue->engine->walk(
	    queue->store, table, &cursor, rows, fn, arg, &more, reterr);
	fair_lock_drop(&queue->lock);
	return ok;
}

static bool
oldest_row(void *arg, const union engine_row *row)
{
	struct queue *queue = arg;
	int64_t id =
	    destination_find(&queue->destinations, row->delivery.destination);
	int64_t ms = row->delivery.accepted_ms;
	struct destination *one;

	if (id == 0)
		return true;
	one = destination_at(&queue->destinations, id);
	if (one->oldest_ms == 0 || one->oldest_ms > ms)
		one->oldest_ms = ms;
	return true;
}

/* Look them all up at once, and not again for a while. */
static bool
stats_oldest_load(struct queue *queue, int64_t mono_ms, struct err *reterr)
{
	struct engine_cursor cursor = {.begun = false};
	bool more;

	for (size_t i = 0; i < queue->destinations.count; i++)
		queue->destinations.list[i].oldest_ms = 0;
	if (!queue->engine->walk(queue->store, ENGINE_OLDEST, &cursor, SIZE_MAX,
		oldest_row, queue, &more, reterr))
		return false;
	for (size_t i = 0; i < queue->destinations.count; i++)
		queue->destinations.list[i].oldest_until_ms =
		    mono_ms + STATS_OLDEST_MS;
	return true;
}

static int64_t
stats_oldest_shown(struct queue *queue, const char *destination)
{
	int64_t oldest_ms = 0;

	lock_hold(&queue->shown_lock);
	for (size_t i = 0; i < queue->shown_count; i++) {
		const struct shown_destination *one = &queue->shown[i];

		if ((destination == NULL ||
			strcmp(one->name, destination) == 0) &&
		    one->oldest_ms != 0 &&
		    (oldest_ms == 0 || one->oldest_ms < oldest_ms))
			oldest_ms = one->oldest_ms;
	}
	lock_drop(&queue->shown_lock);
	return oldest_ms;
}

bool
stats_oldest_ms(struct queue *queue, const char *destination, int64_t *ret_ms,
    struct err *reterr)
{
	int64_t oldest_ms = 0, mono_ms = clock_mono_ms();
	bool ok = true;

	if (!stats_hold(queue, NULL)) {
		*ret_ms = stats_oldest_shown(queue, destination);
		return true;
	}
	for (size_t i = 0; ok && i < queue->destinations.count; i++) {
		const struct destination *one = &queue->destinations.list[i];

		if (one->queued == 0 ||
		    (destination != NULL &&
			strcmp(one->name.data, destination) != 0))
			continue;
		if (one->oldest_until_ms <= mono_ms)
			ok = stats_oldest_load(queue, mono_ms, reterr);
		if (oldest_ms == 0 ||
		    (one->oldest_ms != 0 && one->oldest_ms < oldest_ms))
			oldest_ms = one->oldest_ms;
	}
	fair_lock_drop(&queue->lock);
	if (ok)
		*ret_ms = oldest_ms;
	return ok;
}

struct stats_lines {
	enum stats_by by;
	stats_line_fn *fn;
	void *arg;
};

static bool
ledger_row(void *arg, const union engine_row *row)
{
	const struct stats_lines *lines = arg;
	const struct engine_ledger *ledger = &row->ledger;
	const char *label = ledger->type.data;
	char when[CLOCK_TEXT], hour[CLOCK_TEXT];

	if (lines->by == STATS_BY_SOURCE)
		label = ledger->source.data;
	if (lines->by == STATS_BY_HOUR) {
		clock_text(ledger->hour * 3600000, when, sizeof(when));
		(void)snprintf(hour, sizeof(hour), "%.16sZ", when);
		label = hour;
	}
	return lines->fn(lines->arg, label, &ledger->line);
}

bool
stats_ledger(struct queue *queue, enum stats_by by, stats_line_fn *fn,
    void *arg, struct err *reterr)
{
	static const enum engine_table tables[] = {
	    [STATS_BY_SOURCE] = ENGINE_LEDGER_BY_SOURCE,
	    [STATS_BY_TYPE] = ENGINE_LEDGER_BY_TYPE,
	    [STATS_BY_HOUR] = ENGINE_LEDGER_BY_HOUR,
	};
	struct stats_lines lines = {by, fn, arg};

	return stats_walk(
	    queue, tables[by], 0, SIZE_MAX, ledger_row, &lines, reterr);
}

bool
stats_sums(struct queue *queue, stats_sum_fn *fn, void *arg, struct err *reterr)
{
	if (!stats_hold(queue, reterr))
		return false;
	sums_each(ledger_sums(queue->ledger), fn, arg);
	fair_lock_drop(&queue->lock);
	return true;
}

bool
stats_rules(
    struct queue *queue, stats_rule_fn *fn, void *arg, struct err *reterr)
{
	if (!stats_hold(queue, reterr))
		return false;
	sums_each_rule(ledger_sums(queue->ledger), fn, arg);
	fair_lock_drop(&queue->lock);
	return true;
}

struct stats_reports {
	stats_report_fn *fn;
	void *arg;
	bool ended;
};

static bool
report_row(void *arg, const union engine_row *row)
{
	struct stats_reports *reports = arg;
	struct stats_report shown = reports_shown(&row->report);

	reports->ended = !reports->fn(reports->arg, &shown);
	return !reports->ended;
}

bool
stats_reports(struct queue *queue, int64_t since_day, stats_report_fn *fn,
    void *arg, struct err *reterr)
{
	struct stats_reports reports = {.fn = fn, .arg = arg};
	struct engine_cursor cursor = {
	    .at = {since_day, clock_month(since_day)},
	};
	bool ok, more;

	if (!stats_hold(queue, reterr))
		return false;
	ok = queue->engine->walk(queue->store, ENGINE_REPORTS, &cursor,
	    SIZE_MAX, report_row, &reports, &more, reterr);
	if (ok && !reports.ended)
		(void)reports_each(
		    ledger_reports(queue->ledger), since_day, fn, arg);
	fair_lock_drop(&queue->lock);
	return ok;
}

struct stats_drops {
	stats_drop_fn *fn;
	void *arg;
};

static bool
drop_row(void *arg, const union engine_row *row)
{
	const struct stats_drops *drops = arg;
	const struct engine_dropped *dropped = &row->dropped;

	return drops->fn(drops->arg, dropped->rule.data, dropped->type.data,
	    dropped->events);
}

bool
stats_drops(
    struct queue *queue, stats_drop_fn *fn, void *arg, struct err *reterr)
{
	struct stats_drops drops = {fn, arg};

	return stats_walk(
	    queue, ENGINE_DROPPED, 0, SIZE_MAX, drop_row, &drops, reterr);
}

/* ---- the most frequent ---- */

struct top_entry {
	int64_t text; /* its number among the texts */
	int status;
	int64_t count;
};

struct top {
	struct top_entry *list; /* owned */
	size_t count, cap;
	int64_t seen; /* events */
	struct names texts;
	bool ok;
	struct err err;
};

static bool
top_add(struct top *top, struct str text, int status, int64_t count)
{
	size_t i = 0, cap = top->cap == 0 ? 16 : top->cap * 2;
	struct top_entry *list;
	int64_t id;

	top->seen += count;
	top->ok = names_add(&top->texts, text, &id, &top->err);
	if (!top->ok)
		return false;
	while (i < top->count &&
	       (top->list[i].text != id || top->list[i].status != status))
		i++;
	if (i < top->count) {
		top->list[i].count += count;
		return true;
	}
	if (top->count == top->cap) {
		list = realloc(top->list, cap * sizeof(*list));
		top->ok = list != NULL || err_set_nomem(&top->err);
		if (!top->ok)
			return false;
		top->list = list;
		top->cap = cap;
	}
	top->list[top->count++] = (struct top_entry){id, status, count};
	return true;
}

static bool
top_drop_row(void *arg, const union engine_row *row)
{
	return top_add(arg, row->dropped.rule, 0, row->dropped.events);
}

/* The letters of a row, the last one first. */
static bool
top_dead_row(void *arg, const union engine_row *row)
{
	struct dead_row letters;
	struct top *top = arg;

	if (!dead_row_read(&row->dead, &letters, &top->err)) {
		top->ok = top->err.code == ERR_DAMAGED;
		return top->ok;
	}
	for (size_t i = letters.count; i > 0 && top->seen < STATS_TOP_RECENT;
	     i--) {
		if (!top_add(top, letters.letters[i - 1].reason,
			letters.letters[i - 1].status, 1))
			break;
	}
	dead_row_fini(&letters);
	return top->ok && top->seen < STATS_TOP_RECENT;
}

/* The next one to show; its count is negative afterwards. NULL at the end. */
static struct top_entry *
top_next(struct top *top)
{
	struct top_entry *found = NULL;

	for (size_t i = 0; i < top->count; i++) {
		struct top_entry *one = &top->list[i];

		if (one->count >= 0 &&
		    (found == NULL || one->count > found->count ||
			(one->count == found->count &&
			    str_compare(names_at(&top->texts, one->text),
				names_at(&top->texts, found->text)) < 0)))
			found = one;
	}
	return found;
}

bool
stats_top(struct queue *queue, enum stats_top top, size_t most,
    stats_top_fn *fn, void *arg, struct err *reterr)
{
	struct top found = {.ok = true};
	struct top_entry *entry;
	bool ok = false;

	switch (top) {
	case STATS_TOP_DROPS:
		ok = stats_walk(queue, ENGINE_DROPPED, 0, SIZE_MAX,
		    top_drop_row, &found, reterr);
		break;
	case STATS_TOP_DEAD:
		ok = stats_walk(queue, ENGINE_DEAD_LAST, 0, STATS_TOP_RECENT,
		    top_dead_row, &found, reterr);
		break;
	}
	if (ok && !found.ok)
		ok = err_set(reterr, found.err.code, "%s", found.err.text);
	for (size_t i = 0; ok && i < most; i++) {
		entry = top_next(&found);
		if (entry == NULL ||
		    !fn(arg, names_at(&found.texts, entry->text).data,
			entry->status, entry->count))
			break;
		entry->count = -1;
	}
	names_fini(&found.texts);
	free(found.list);
	return ok;
}

/* ---- lists ---- */

struct stats_drifts {
	stats_drift_fn *fn;
	void *arg;
};

static bool
drift_row(void *arg, const union engine_row *row)
{
	const struct stats_drifts *drifts = arg;
	const struct engine_drift *drift = &row->drift;

	return drifts->fn(drifts->arg, drift->text.data, drift->events,
	    drift->first_ms, drift->last_ms);
}

bool
stats_drift(
    struct queue *queue, stats_drift_fn *fn, void *arg, struct err *reterr)
{
	struct stats_drifts drifts = {fn, arg};

	return stats_walk(
	    queue, ENGINE_DRIFT, 0, SIZE_MAX, drift_row, &drifts, reterr);
}

struct stats_erasures {
	stats_erasure_fn *fn;
	void *arg;
};

static bool
erasure_row(void *arg, const union engine_row *row)
{
	const struct stats_erasures *erasures = arg;
	const struct engine_erasure *erasure = &row->erasure;

	return erasures->fn(erasures->arg, erasure->id, erasure->source.data,
	    erasure->subject.data, erasure->noted_ms, erasure->erased_ms);
}

bool
stats_erasures(struct queue *queue, int64_t after, size_t most,
    stats_erasure_fn *fn, void *arg, struct err *reterr)
{
	struct stats_erasures erasures = {fn, arg};

	return stats_walk(queue, ENGINE_ERASURES, after, most, erasure_row,
	    &erasures, reterr);
}

struct stats_deads {
	stats_dead_fn *fn;
	void *arg;
	int64_t after;
	size_t left; /* to show */
	bool ok;
	struct err err;
};

static bool
dead_row(void *arg, const union engine_row *row)
{
	struct stats_deads *deads = arg;
	struct dead_row letters;
	bool go_on = true;

	if (!dead_row_read(&row->dead, &letters, &deads->err)) {
		deads->ok = deads->err.code == ERR_DAMAGED;
		return deads->ok;
	}
	for (size_t i = 0; go_on && i < letters.count; i++) {
		const struct dead_letter *letter = &letters.letters[i];

		if (letter->id <= deads->after)
			continue;
		go_on = deads->left > 0 &&
			deads->fn(deads->arg,
			    &(struct stats_dead){
				.id = letter->id,
				.source = letter->source.data,
				.destination = row->dead.destination.data,
				.type = letter->type.data,
				.reason = letter->reason.data,
				.accepted_ms = letter->accepted_ms,
				.dead_ms = letter->dead_ms,
				.attempts = letter->attempts,
				.status = letter->status,
				.answer = letter->answer,
				.sent = letter->sent,
				.data = letter->data,
			    });
		deads->left--;
	}
	dead_row_fini(&letters);
	return go_on && deads->left > 0;
}

bool
stats_dead(struct queue *queue, int64_t after, size_t most, stats_dead_fn *fn,
    void *arg, struct err *reterr)
{
	struct stats_deads deads = {fn, arg, after, most, true, {0}};

	return stats_walk(queue, ENGINE_DEAD,
		   after < INT64_MAX ? dead_row_of(after + 1) - 1 : INT64_MAX,
		   SIZE_MAX, dead_row, &deads, reterr) &&
	       (deads.ok ||
		   err_set(reterr, deads.err.code, "%s", deads.err.text));
}

/* ---- the check ---- */

struct stats_check {
	stats_text_fn *fn;
	void *arg;
	bool agree;
	struct stats_line line;	      /* of the store */
	int64_t queued, queued_bytes; /* by destination, likewise */
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

static bool
check_ledger_row(void *arg, const union engine_row *row)
{
	struct stats_check *check = arg;

	stats_line_add(&check->line, &row->ledger.line);
	return true;
}

static bool
check_destination_row(void *arg, const union engine_row *row)
{
	struct stats_check *check = arg;

	check->queued += row->destination.queued;
	check->queued_bytes += row->destination.bytes;
	return true;
}

/* All of it with the lock held, so that nothing moves between. */
static bool
stats_check_read(struct queue *queue, struct stats_check *check,
    struct engine_totals *stored, struct engine_totals *counted,
    struct err *reterr)
{
	struct engine_cursor cursor = {.begun = false};
	bool more;

	fair_lock_assert_held(&queue->lock);
	return queue->engine->totals(queue->store, false, stored, reterr) &&
	       queue->engine->totals(queue->store, true, counted, reterr) &&
	       queue->engine->walk(queue->store, ENGINE_LEDGER_SUMS, &cursor,
		   SIZE_MAX, check_ledger_row, check, &more, reterr) &&
	       queue->engine->walk(queue->store, ENGINE_DESTINATIONS, &cursor,
		   SIZE_MAX, check_destination_row, check, &more, reterr);
}

bool
stats_check(struct queue *queue, stats_text_fn *fn, void *arg, bool *ret_agree,
    struct err *reterr)
{
	struct stats_check check = {.fn = fn, .arg = arg, .agree = true};
	struct engine_totals stored, counted;
	bool ok;

	if (!stats_hold(queue, reterr))
		return false;
	ok = stats_check_read(queue, &check, &stored, &counted, reterr);
	fair_lock_drop(&queue->lock);
	if (!ok)
		return false;
	stats_compare(&check, "queued", check.line.queued, counted.queued);
	stats_compare(
	    &check, "queued by destination", check.line.queued, check.queued);
	stats_compare(&check, "queued bytes by destination", check.queued_bytes,
	    counted.queued_bytes);
	stats_compare(&check, "dead", check.line.dead, counted.dead);
	stats_compare(&check, "bytes of dead letters", stored.dead_bytes,
	    counted.dead_bytes);
	stats_compare(&check, "batches in the archive", stored.archive_batches,
	    counted.archive_batches);
	stats_compare(&check, "bytes in the archive", stored.archive_bytes,
	    counted.archive_bytes);
	stats_compare(&check, "received minus all the other columns",
	    stats_imbalance(&check.line), 0);
	*ret_agree = check.agree;
	return true;
}
