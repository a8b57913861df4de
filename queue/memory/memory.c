/*
 * Tables of rows, sorted by keys of four numbers; texts in keys are interned.
 * A row never changes: another takes its place. So a transaction is undone by
 * putting the old rows back, in reverse, and made by freeing them.
 */

#include "queue/memory/memory.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/lock.h"
#include "queue/memory/place.h"
#include "queue/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
	MEMORY_CLAIM_MS = 0, /* it can be lost at any time */
	MEMORY_PAGE = 8192,  /* that an empty table takes */
};

/* ---- changes of rows ---- */

static bool
memory_conflict(struct err *reterr)
{
	return err_set(reterr, ERR_CONFLICT, "a row was changed");
}

/* The row of a delivery's key and version; NULL and ERR_CONFLICT. */
static const struct row *
memory_delivery(struct place *place, const struct engine_delivery *delivery,
    struct err *reterr)
{
	const struct row *row = place_find(
	    place, PLACE_DELIVERY, place_delivery_key(place, delivery));

	if (row != NULL && row->is.delivery.version == delivery->version)
		return row;
	(void)memory_conflict(reterr);
	return NULL;
}

static bool
memory_batch_add(
    struct place *place, struct engine_change *change, struct err *reterr)
{
	union engine_row delivery = {.delivery = change->row.delivery};
	union engine_row batch = {.delivery = {.frame = {NULL, 0}}};
	int64_t seq = place->next_seq++;

	change->number = seq;
	delivery.delivery.seq = seq;
	delivery.delivery.version = 1;
	delivery.delivery.frame = str_bytes(NULL, 0);
	batch.delivery.seq = seq;
	batch.delivery.accepted_ms = change->row.delivery.accepted_ms;
	batch.delivery.events = change->row.delivery.events;
	batch.delivery.frame = change->row.delivery.frame;
	return place_put(place, PLACE_BATCH, place_key(seq), &batch, reterr) &&
	       place_put(place, PLACE_DELIVERY,
		   place_delivery_key(place, &delivery.delivery), &delivery,
		   reterr);
}

static bool
memory_batch_rewrite(
    struct place *place, const struct engine_change *change, struct err *reterr)
{
	struct key key = place_key(change->row.delivery.seq);
	const struct row *row = place_find(place, PLACE_BATCH, key);
	union engine_row is;

	if (row == NULL)
		return true;
	is = row->is;
	is.delivery.frame = change->row.delivery.frame;
	return place_put(place, PLACE_BATCH, key, &is, reterr);
}

static bool
memory_delivery_put(
    struct place *place, const struct engine_change *change, struct err *reterr)
{
	const struct engine_delivery *put = &change->row.delivery;
	const struct row *row = memory_delivery(place, put, reterr);
	union engine_row is;

	if (row == NULL)
		return false;
	is = row->is;
	is.delivery.version++;
	is.delivery.rules = put->rules;
	is.delivery.bytes = put->bytes;
	is.delivery.remaining = put->remaining;
	is.delivery.done = put->done;
	is.delivery.delivered = put->delivered;
	return place_put(place, PLACE_DELIVERY, row->key, &is, reterr);
}

static bool
memory_delivery_delete(
    struct place *place, const struct engine_change *change, struct err *reterr)
{
	const struct row *row =
	    memory_delivery(place, &change->row.delivery, reterr);

	return row != NULL &&
	       place_delete(place, PLACE_DELIVERY, row->key, reterr);
}

static bool
memory_quarantine(
    struct place *place, const struct engine_change *change, struct err *reterr)
{
	const struct row *row =
	    memory_delivery(place, &change->row.delivery, reterr);

	return row != NULL &&
	       place_put(place, PLACE_QUARANTINE, row->key, &row->is, reterr) &&
	       place_delete(place, PLACE_DELIVERY, row->key, reterr);
}

static void
memory_unparked(struct engine_delivery *row, struct key *key)
{
	if (row->parked.len == 0)
		return;
	key->n[2] = row->due_ms = DELIVERY_UNPARKED;
	row->parked = str_bytes(NULL, 0);
}

static bool
memory_quarantine_empty(struct place *place, struct err *reterr)
{
	struct rows *rows = &place->tables[PLACE_QUARANTINE];

	while (rows->count > 0) {
		const struct row *row = rows->list[rows->count - 1];
		union engine_row is = row->is;
		struct key key = row->key;

		is.delivery.version++;
		memory_unparked(&is.delivery, &key);
		if (!place_put(place, PLACE_DELIVERY, key, &is, reterr) ||
		    !place_delete(place, PLACE_QUARANTINE, row->key, reterr))
			return false;
	}
	return true;
}

static bool
memory_unpark(
    struct place *place, struct engine_change *change, struct err *reterr)
{
	const struct engine_unpark *unpark = &change->row.unpark;
	int64_t destination = names_find(&place->names, unpark->destination);
	struct rows *rows = &place->tables[PLACE_DELIVERY];

	change->number = 0;
	for (size_t i = rows->count; i > 0; i--) {
		const struct row *row = rows->list[i - 1];
		struct key key = row->key;
		union engine_row is = row->is;

		if (key.n[0] != destination || is.delivery.parked.len == 0 ||
		    !engine_unpark_has(unpark, is.delivery.parked))
			continue;
		memory_unparked(&is.delivery, &key);
		is.delivery.version++;
		if (!place_put(place, PLACE_DELIVERY, key, &is, reterr) ||
		    !place_delete(place, PLACE_DELIVERY, row->key, reterr))
			return false;
		change->number++;
		i = rows->count + 1; /* they have moved: from the end again */
	}
	return true;
}

/* A row with an id of its own. */
static bool
memory_add(struct place *place, enum place_table table, int64_t *id,
    const union engine_row *is, struct err *reterr)
{
	*id = ++place->last_ids[table];
	return place_put(place, table, place_key(*id), is, reterr);
}

static bool
memory_delete(struct place *place, enum place_table table, struct key key,
    struct err *reterr)
{
	return place_find(place, table, key) == NULL
		   ? memory_conflict(reterr)
		   : place_delete(place, table, key, reterr);
}

static bool
memory_archive_put(
    struct place *place, const struct engine_change *change, struct err *reterr)
{
	struct key key = place_key(change->row.archived.id);
	const struct row *row = place_find(place, PLACE_ARCHIVE, key);
	union engine_row is;

	if (row == NULL)
		return memory_conflict(reterr);
	is = row->is;
	is.archived.bytes = change->row.archived.bytes;
	is.archived.delivered = change->row.archived.delivered;
	return place_put(place, PLACE_ARCHIVE, key, &is, reterr);
}

static bool
memory_dead_add(
    struct place *place, struct engine_change *change, struct err *reterr)
{
	union engine_row is = change->row;

	is.dead.bytes = is.dead.frame.len;
	return memory_add(place, PLACE_DEAD, &is.dead.id, &is, reterr) &&
	       (change->number = is.dead.id) != 0;
}

static bool
memory_dead_put(
    struct place *place, const struct engine_change *change, struct err *reterr)
{
	struct key key = place_key(change->row.dead.id);
	const struct row *row = place_find(place, PLACE_DEAD, key);
	union engine_row is;

	if (row == NULL)
		return memory_conflict(reterr);
	is = row->is;
	is.dead.age_ms = change->row.dead.age_ms;
	is.dead.letters = change->row.dead.letters;
	is.dead.frame = change->row.dead.frame;
	is.dead.bytes = is.dead.frame.len;
	return place_put(place, PLACE_DEAD, key, &is, reterr);
}

static bool
memory_unreadable_add(
    struct place *place, struct engine_change *change, struct err *reterr)
{
	const struct rows *rows = &place->tables[PLACE_UNREADABLE];
	union engine_row is = change->row;

	is.unreadable.bytes = is.unreadable.frame.len;
	change->flag = false;
	for (size_t i = 0; i < rows->count; i++) {
		if (str_equal(
			rows->list[i]->is.unreadable.hash, is.unreadable.hash))
			change->flag = true;
	}
	return change->flag || memory_add(place, PLACE_UNREADABLE,
				   &is.unreadable.id, &is, reterr);
}

static bool
memory_unreadable_delete(
    struct place *place, const struct engine_change *change, struct err *reterr)
{
	struct key key = place_key(change->row.unreadable.id);

	if (place_find(place, PLACE_UNREADABLE, key) == NULL)
		return true;
	place->unreadable_removed++;
	return place_delete(place, PLACE_UNREADABLE, key, reterr);
}

static bool
memory_erasure_add(
    struct place *place, const struct engine_change *change, struct err *reterr)
{
	const struct rows *rows = &place->tables[PLACE_ERASURE];
	union engine_row is = change->row;

	for (size_t i = rows->count; i > 0; i--) {
		const struct row *row = rows->list[i - 1];

		if (str_equal(row->is.erasure.source, is.erasure.source) &&
		    str_equal(row->is.erasure.subject, is.erasure.subject) &&
		    !place_delete(place, PLACE_ERASURE, row->key, reterr))
			return false;
	}
	is.erasure.erased_ms = 0;
	return memory_add(place, PLACE_ERASURE, &is.erasure.id, &is, reterr);
}

static bool
memory_erasure_done(
    struct place *place, const struct engine_change *change, struct err *reterr)
{
	const struct engine_erasure *done = &change->row.erasure;
	const struct rows *rows = &place->tables[PLACE_ERASURE];

	for (size_t i = rows->count; i > 0; i--) {
		const struct row *row = rows->list[i - 1];
		union engine_row is = row->is;

		if (is.erasure.id > done->id ||
		    !str_equal(is.erasure.subject, done->subject))
			continue;
		is.erasure.erased_ms = done->erased_ms;
		if (done->erased_ms != 0
			? !place_put(
			      place, PLACE_ERASURE, row->key, &is, reterr)
			: !place_delete(place, PLACE_ERASURE, row->key, reterr))
			return false;
	}
	return true;
}

static bool
memory_drift_add(
    struct place *place, struct engine_change *change, struct err *reterr)
{
	union engine_row is = change->row;
	const struct row *row = NULL;
	int64_t id;
	bool full =
	    (int64_t)place->tables[PLACE_DRIFT].count >= is.drift.rows_max;

	id = names_find(&place->names, is.drift.text);
	if (id != 0)
		row = place_find(place, PLACE_DRIFT, place_key(id));
	if (row == NULL && full)
		is.drift.text = (struct str)STR("(more)");
	if (row == NULL) {
		if (!names_add(&place->names, is.drift.text, &id, reterr))
			return false;
		row = place_find(place, PLACE_DRIFT, place_key(id));
	}
	change->flag = row == NULL;
	is.drift.first_ms = is.drift.last_ms;
	if (row != NULL) {
		is.drift.first_ms = row->is.drift.first_ms;
		is.drift.events += row->is.drift.events;
	}
	return place_put(place, PLACE_DRIFT, place_key(id), &is, reterr);
}

static bool
memory_drift_fold(
    struct place *place, const struct engine_change *change, struct err *reterr)
{
	const struct rows *rows = &place->tables[PLACE_DRIFT];
	const struct engine_drift *fold = &change->row.drift;
	static const struct str more = STR("(more)");
	int64_t id;

	if ((int64_t)rows->count < fold->rows_max)
		return true;
	if (!names_add(&place->names, more, &id, reterr))
		return false;
	for (size_t i = 0; i < rows->count;) {
		const struct row *row = rows->list[i], *sum;
		union engine_row is = row->is;

		if (is.drift.age_ms > fold->age_ms ||
		    str_equal(is.drift.text, more)) {
			i++;
			continue;
		}
		is.drift.text = more;
		sum = place_find(place, PLACE_DRIFT, place_key(id));
		if (sum != NULL) {
			is.drift.events += sum->is.drift.events;
			if (is.drift.first_ms > sum->is.drift.first_ms)
				is.drift.first_ms = sum->is.drift.first_ms;
			if (is.drift.last_ms < sum->is.drift.last_ms)
				is.drift.last_ms = sum->is.drift.last_ms;
		}
		if (!place_put(
			place, PLACE_DRIFT, place_key(id), &is, reterr) ||
		    !place_delete(place, PLACE_DRIFT, row->key, reterr))
			return false;
		i = 0;
	}
	return true;
}

static bool
memory_seen_add(
    struct place *place, const struct engine_change *change, struct err *reterr)
{
	const struct rows *rows = &place->tables[PLACE_SEEN];
	int64_t seen = 0, id, first;

	if (!memory_add(place, PLACE_SEEN, &id, &change->row, reterr))
		return false;
	for (size_t i = 0; i < rows->count; i++)
		seen += (int64_t)(rows->list[i]->is.hashes.len / DIGEST_SHORT);
	for (;;) {
		first = (int64_t)(rows->list[0]->is.hashes.len / DIGEST_SHORT);
		if (seen - first < change->number)
			return true;
		seen -= first;
		if (!place_delete(
			place, PLACE_SEEN, rows->list[0]->key, reterr))
			return false;
	}
}

static bool
memory_marks_tidy(
    struct place *place, struct engine_change *change, struct err *reterr)
{
	const struct rows *rows = &place->tables[PLACE_MARKS];
	const struct rows *batches = &place->tables[PLACE_BATCH];
	int64_t last = 0;

	for (size_t i = 0; i < rows->count && last == 0; i++) {
		const struct engine_marks *row = &rows->list[i]->is.marks;
		size_t at = place_at(place, PLACE_BATCH, place_key(row->first));

		if (at == batches->count ||
		    batches->list[at]->key.n[0] > row->last)
			last = row->last;
	}
	change->flag = last != 0;
	for (size_t i = rows->count; i > 0; i--) {
		const struct row *row = rows->list[i - 1];

		if (row->is.marks.last == last &&
		    !place_delete(place, PLACE_MARKS, row->key, reterr))
			return false;
	}
	return true;
}

/* ---- sums ---- */

static bool
memory_name(
    struct place *place, struct str text, int64_t *ret_id, struct err *reterr)
{
	return names_add(&place->names, text, ret_id, reterr);
}

static bool
memory_ledger_add(
    struct place *place, const struct engine_ledger *ledger, struct err *reterr)
{
	union engine_row is = {.ledger = *ledger};
	struct key key = {.n = {ledger->hour}};
	const struct row *row;

	if (!memory_name(place, ledger->source, &key.n[1], reterr) ||
	    !memory_name(place, ledger->type, &key.n[2], reterr))
		return false;
	row = place_find(place, PLACE_LEDGER, key);
	if (row != NULL) {
		stats_line_add(&is.ledger.line, &row->is.ledger.line);
		if (is.ledger.age_ms < row->is.ledger.age_ms)
			is.ledger.age_ms = row->is.ledger.age_ms;
	}
	return place_put(place, PLACE_LEDGER, key, &is, reterr);
}

static bool
memory_dropped_add(struct place *place, const struct engine_dropped *dropped,
    struct err *reterr)
{
	union engine_row is = {.dropped = *dropped};
	struct key key = {.n = {dropped->hour}};
	const struct row *row;

	if (!memory_name(place, dropped->source, &key.n[1], reterr) ||
	    !memory_name(place, dropped->type, &key.n[2], reterr) ||
	    !memory_name(place, dropped->rule, &key.n[3], reterr))
		return false;
	row = place_find(place, PLACE_DROPPED, key);
	if (row != NULL)
		is.dropped.events += row->is.dropped.events;
	return place_put(place, PLACE_DROPPED, key, &is, reterr);
}

/* The rows come by the hour; a day is the row of its first one. */
static bool
memory_ledger_fold(
    struct place *place, const struct engine_change *change, struct err *reterr)
{
	static const enum place_table tables[] = {PLACE_LEDGER, PLACE_DROPPED};

	for (size_t t = 0; t < 2; t++) {
		const struct rows *rows = &place->tables[tables[t]];

		for (size_t i = 0;
		     i < rows->count &&
		     rows->list[i]->key.n[0] < change->row.ledger.hour;) {
			const struct row *row = rows->list[i];
			union engine_row is = row->is;

			if (row->key.n[0] % 24 == 0) {
				i++;
				continue;
			}
			if (tables[t] == PLACE_LEDGER)
				is.ledger.hour = row->key.n[0] / 24 * 24;
			else
				is.dropped.hour = row->key.n[0] / 24 * 24;
			if ((tables[t] == PLACE_LEDGER
				    ? !memory_ledger_add(
					  place, &is.ledger, reterr)
				    : !memory_dropped_add(
					  place, &is.dropped, reterr)) ||
			    !place_delete(place, tables[t], row->key, reterr))
				return false;
			i = 0;
		}
	}
	return true;
}

static bool
memory_ledger_type(
    struct place *place, const struct engine_change *change, struct err *reterr)
{
	static const enum place_table tables[] = {PLACE_LEDGER, PLACE_DROPPED};
	struct str from = change->row.ledger.type, to = change->text;

	for (size_t t = 0; t < 2 && !str_equal(from, to); t++) {
		const struct rows *rows = &place->tables[tables[t]];

		for (size_t i = 0; i < rows->count;) {
			const struct row *row = rows->list[i];
			union engine_row is = row->is;
			bool ledger = tables[t] == PLACE_LEDGER;

			if (!str_equal(
				ledger ? is.ledger.type : is.dropped.type,
				from)) {
				i++;
				continue;
			}
			*(ledger ? &is.ledger.type : &is.dropped.type) = to;
			if (!(ledger ? memory_ledger_add(
					   place, &is.ledger, reterr)
				     : memory_dropped_add(
					   place, &is.dropped, reterr)) ||
			    !place_delete(place, tables[t], row->key, reterr))
				return false;
			i = 0;
		}
	}
	return true;
}

/* ---- reports ---- */

static bool
memory_report_key(struct place *place, const struct engine_report *report,
    struct key *ret_key, struct err *reterr)
{
	*ret_key = place_key(report->day);
	return memory_name(place, report->kind, &ret_key->n[1], reterr) &&
	       memory_name(place, report->id, &ret_key->n[2], reterr) &&
	       memory_name(place, report->type, &ret_key->n[3], reterr);
}

static bool
memory_report_add(
    struct place *place, const struct engine_report *add, struct err *reterr)
{
	union engine_row is = {.report = *add};
	const struct row *row;
	struct key key;

	if (!memory_report_key(place, &is.report, &key, reterr))
		return false;
	row = place_find(place, PLACE_REPORT, key);
	if (row == NULL &&
	    (int64_t)place->tables[PLACE_REPORT].count >= add->rows_max) {
		is.report.kind = is.report.name = str_text("");
		is.report.id = str_text(ENGINE_REPORT_OTHER);
		if (!memory_report_key(place, &is.report, &key, reterr))
			return false;
		row = place_find(place, PLACE_REPORT, key);
	}
	if (row != NULL) {
		is.report.delivered += row->is.report.delivered;
		is.report.dropped += row->is.report.dropped;
		is.report.dead += row->is.report.dead;
		if (is.report.name.len == 0)
			is.report.name = row->is.report.name;
	}
	return place_put(place, PLACE_REPORT, key, &is, reterr);
}

/* Move a row to its month; or, if it is of one, to the label of the others. */
static bool
memory_report_move(
    struct place *place, const struct row *row, struct err *reterr)
{
	struct engine_report to = row->is.report;

	to.rows_max = INT64_MAX;
	if (to.day < 0) {
		to.kind = to.name = str_text("");
		to.id = str_text(ENGINE_REPORT_OTHER);
	} else {
		to.day = ~clock_month(to.day);
	}
	return memory_report_add(place, &to, reterr) &&
	       place_delete(place, PLACE_REPORT, row->key, reterr);
}

/* What is to be folded next; NULL: nothing. Months come before days, the last
 * one first. */
static const struct row *
memory_report_old(const struct place *place, const struct engine_report *fold)
{
	const struct rows *rows = &place->tables[PLACE_REPORT];
	size_t at = place_at(place, PLACE_REPORT, place_key(0));

	if (at < rows->count && rows->list[at]->key.n[0] < fold->day)
		return rows->list[at];
	while (at > 0 && (int64_t)rows->count > fold->rows_max) {
		const struct row *row = rows->list[--at];

		if (row->is.report.kind.len > 0 ||
		    !str_equal_text(row->is.report.id, ENGINE_REPORT_OTHER))
			return row;
	}
	return NULL;
}

static bool
memory_report_fold(
    struct place *place, struct engine_change *change, struct err *reterr)
{
	const struct row *row = NULL;

	for (int64_t i = 0;
	     i < change->number &&
	     (row = memory_report_old(place, &change->row.report)) != NULL;
	     i++) {
		if (!memory_report_move(place, row, reterr))
			return false;
	}
	change->flag = row != NULL;
	return true;
}

static bool
memory_tally_add(
    struct place *place, const struct engine_change *change, struct err *reterr)
{
	int64_t id;

	return memory_add(place, PLACE_TALLY, &id, &change->row, reterr);
}

static bool
memory_tally_clear(struct place *place, struct err *reterr)
{
	const struct rows *rows = &place->tables[PLACE_TALLY];

	while (rows->count > 0) {
		if (!place_delete(place, PLACE_TALLY,
			rows->list[rows->count - 1]->key, reterr))
			return false;
	}
	return true;
}

/* ---- destinations ---- */

static bool
memory_destination_key(struct place *place, struct str name,
    struct key *ret_key, struct err *reterr)
{
	*ret_key = place_key(0);
	return memory_name(place, name, &ret_key->n[0], reterr);
}

static bool
memory_destination_add(
    struct place *place, const struct engine_change *change, struct err *reterr)
{
	const struct engine_destination *more = &change->row.destination;
	const struct row *row;
	union engine_row is;
	struct key key;

	if (!memory_destination_key(place, more->name, &key, reterr))
		return false;
	row = place_find(place, PLACE_DESTINATION, key);
	if (row == NULL)
		return true;
	is = row->is;
	is.destination.queued += more->queued;
	is.destination.bytes += more->bytes;
	if (more->delivered_ms != 0)
		is.destination.delivered_ms = more->delivered_ms;
	return place_put(place, PLACE_DESTINATION, key, &is, reterr);
}

static bool
memory_destination_put(
    struct place *place, const struct engine_change *change, struct err *reterr)
{
	const struct engine_destination *put = &change->row.destination;
	union engine_row is = {.destination = {.name = put->name}};
	const struct row *row;
	struct key key;

	if (!memory_destination_key(place, put->name, &key, reterr))
		return false;
	row = place_find(place, PLACE_DESTINATION, key);
	if (row != NULL)
		is = row->is;
	is.destination.paused = put->paused;
	is.destination.clean = put->clean;
	return place_put(place, PLACE_DESTINATION, key, &is, reterr);
}

static bool
memory_state_put(struct place *place, struct str owner,
    const struct engine_state *state, struct err *reterr)
{
	union engine_row is = {.state = *state};
	struct key key = place_key(0);

	is.state.owner = owner;
	return memory_name(place, owner, &key.n[0], reterr) &&
	       memory_name(place, state->name, &key.n[1], reterr) &&
	       place_put(place, PLACE_STATE, key, &is, reterr);
}

/* The destination of a row that has one. */
static struct str *
memory_row_destination(enum place_table table, union engine_row *is)
{
	if (table == PLACE_DELIVERY || table == PLACE_QUARANTINE)
		return &is->delivery.destination;
	if (table == PLACE_ARCHIVE)
		return &is->archived.destination;
	if (table == PLACE_GROUP)
		return &is->group.destination;
	CHECK(table == PLACE_DEAD);
	return &is->dead.destination;
}

/* Each row whose destination it is gets the other; unparked, if that was there
 * before. */
static bool
memory_move_rows(struct place *place, enum place_table table, struct str from,
    struct str to, bool unpark, struct err *reterr)
{
	const struct rows *rows = &place->tables[table];
	bool keyed = table == PLACE_DELIVERY || table == PLACE_QUARANTINE;

	for (size_t i = 0; i < rows->count; i++) {
		const struct row *row = rows->list[i];
		union engine_row is = row->is;
		struct str *destination = memory_row_destination(table, &is);
		struct key key = row->key;

		if (!str_equal(*destination, from))
			continue;
		*destination = to;
		if (keyed) {
			is.delivery.version++;
			key.n[0] = names_find(&place->names, to);
			if (unpark)
				memory_unparked(&is.delivery, &key);
		}
		if (!place_put(place, table, key, &is, reterr) ||
		    (keyed && !place_delete(place, table, row->key, reterr)))
			return false;
		i = keyed ? SIZE_MAX : i; /* they have moved: once more */
	}
	return true;
}

static bool
memory_destination_move(
    struct place *place, struct engine_change *change, struct err *reterr)
{
	static const enum place_table tables[] = {PLACE_DELIVERY,
	    PLACE_QUARANTINE, PLACE_ARCHIVE, PLACE_DEAD, PLACE_GROUP};
	struct str from = change->row.destination.name, to = change->text;
	const struct rows *states = &place->tables[PLACE_STATE];
	const struct row *old, *new;
	struct key old_key, new_key;
	union engine_row is;
	bool ok = true;

	change->flag = false;
	if (!memory_destination_key(place, from, &old_key, reterr) ||
	    !memory_destination_key(place, to, &new_key, reterr))
		return false;
	to = names_at(&place->names, new_key.n[0]);
	old = place_find(place, PLACE_DESTINATION, old_key);
	new = place_find(place, PLACE_DESTINATION, new_key);
	if (old == NULL)
		return true;
	is = old->is;
	is.destination.name = to;
	if (new != NULL) {
		is = new->is;
		is.destination.queued += old->is.destination.queued;
		is.destination.bytes += old->is.destination.bytes;
		if (is.destination.delivered_ms <
		    old->is.destination.delivered_ms)
			is.destination.delivered_ms =
			    old->is.destination.delivered_ms;
	}
	for (size_t i = states->count; ok && i > 0; i--) {
		const struct row *state = states->list[i - 1];

		if (state->key.n[0] != old_key.n[0])
			continue;
		if (new == NULL)
			ok = memory_state_put(
			    place, to, &state->is.state, reterr);
		ok = ok && place_delete(place, PLACE_STATE, state->key, reterr);
		i = states->count + 1;
	}
	for (size_t i = 0; ok && i < sizeof(tables) / sizeof(*tables); i++)
		ok = memory_move_rows(
		    place, tables[i], from, to, new != NULL, reterr);
	return ok &&
	       place_put(place, PLACE_DESTINATION, new_key, &is, reterr) &&
	       place_delete(place, PLACE_DESTINATION, old_key, reterr);
}

/* ---- members ---- */

static bool
memory_member_put(
    struct place *place, const union engine_row *is, struct err *reterr)
{
	struct key key = place_key(is->member.group);

	return memory_name(place, is->member.person, &key.n[1], reterr) &&
	       place_put(place, PLACE_MEMBER, key, is, reterr);
}

static bool
memory_member_delete(
    struct place *place, const struct engine_member *member, struct err *reterr)
{
	struct key key = place_key(member->group);

	key.n[1] = names_find(&place->names, member->person);
	return place_delete(place, PLACE_MEMBER, key, reterr);
}

/* ---- apply ---- */

static bool
memory_change(
    struct place *place, struct engine_change *change, struct err *reterr)
{
	union engine_row is = change->row;

	switch (change->op) {
	case ENGINE_BATCH_ADD:
		return memory_batch_add(place, change, reterr);
	case ENGINE_BATCH_REWRITE:
		return memory_batch_rewrite(place, change, reterr);
	case ENGINE_BATCH_DELETE:
		return place_delete(
		    place, PLACE_BATCH, place_key(is.delivery.seq), reterr);
	case ENGINE_DELIVERY_PUT:
		return memory_delivery_put(place, change, reterr);
	case ENGINE_DELIVERY_DELETE:
		return memory_delivery_delete(place, change, reterr);
	case ENGINE_DELIVERY_QUARANTINE:
		return memory_quarantine(place, change, reterr);
	case ENGINE_QUARANTINE_EMPTY:
		return memory_quarantine_empty(place, reterr);
	case ENGINE_UNPARK:
		return memory_unpark(place, change, reterr);
	case ENGINE_ARCHIVE_ADD:
		return memory_add(
		    place, PLACE_ARCHIVE, &is.archived.id, &is, reterr);
	case ENGINE_ARCHIVE_PUT:
		return memory_archive_put(place, change, reterr);
	case ENGINE_ARCHIVE_DELETE:
		return memory_delete(
		    place, PLACE_ARCHIVE, place_key(is.archived.id), reterr);
	case ENGINE_DEAD_ADD:
		return memory_dead_add(place, change, reterr);
	case ENGINE_DEAD_PUT:
		return memory_dead_put(place, change, reterr);
	case ENGINE_DEAD_DELETE:
		return memory_delete(
		    place, PLACE_DEAD, place_key(is.dead.id), reterr);
	case ENGINE_UNREADABLE_ADD:
		return memory_unreadable_add(place, change, reterr);
	case ENGINE_UNREADABLE_DELETE:
		return memory_unreadable_delete(place, change, reterr);
	case ENGINE_ERASURE_ADD:
		return memory_erasure_add(place, change, reterr);
	case ENGINE_ERASURE_DONE:
		return memory_erasure_done(place, change, reterr);
	case ENGINE_DRIFT_ADD:
		return memory_drift_add(place, change, reterr);
	case ENGINE_DRIFT_FOLD:
		return memory_drift_fold(place, change, reterr);
	case ENGINE_SEEN_ADD:
		return memory_seen_add(place, change, reterr);
	case ENGINE_MARKS_ADD:
		return place_put(place, PLACE_MARKS,
		    (struct key){.n = {is.marks.kind, is.marks.last}}, &is,
		    reterr);
	case ENGINE_MARKS_TIDY:
		return memory_marks_tidy(place, change, reterr);
	case ENGINE_LEDGER_ADD:
		return memory_ledger_add(place, &is.ledger, reterr);
	case ENGINE_LEDGER_FOLD:
		return memory_ledger_fold(place, change, reterr);
	case ENGINE_LEDGER_TYPE:
		return memory_ledger_type(place, change, reterr);
	case ENGINE_DROPPED_ADD:
		return memory_dropped_add(place, &is.dropped, reterr);
	case ENGINE_REPORT_ADD:
		return memory_report_add(place, &is.report, reterr);
	case ENGINE_REPORT_FOLD:
		return memory_report_fold(place, change, reterr);
	case ENGINE_TALLY_ADD:
		return memory_tally_add(place, change, reterr);
	case ENGINE_TALLY_CLEAR:
		return memory_tally_clear(place, reterr);
	case ENGINE_DESTINATION_ADD:
		return memory_destination_add(place, change, reterr);
	case ENGINE_DESTINATION_PUT:
		return memory_destination_put(place, change, reterr);
	case ENGINE_DESTINATION_MOVE:
		return memory_destination_move(place, change, reterr);
	case ENGINE_STATE_PUT:
		return memory_state_put(
		    place, is.state.owner, &is.state, reterr);
	case ENGINE_GROUP_PUT:
		return place_put(
		    place, PLACE_GROUP, place_key(is.group.id), &is, reterr);
	case ENGINE_GROUP_DELETE:
		return place_delete(
		    place, PLACE_GROUP, place_key(is.group.id), reterr);
	case ENGINE_SYNC_PUT:
		return place_put(place, PLACE_SYNC,
		    (struct key){.n = {is.sync.group, is.sync.number}}, &is,
		    reterr);
	case ENGINE_SYNC_DELETE:
		return place_delete(place, PLACE_SYNC,
		    (struct key){.n = {is.sync.group, is.sync.number}}, reterr);
	case ENGINE_MEMBER_PUT:
		return memory_member_put(place, &is, reterr);
	case ENGINE_MEMBER_DELETE:
		return memory_member_delete(place, &is.member, reterr);
	}
	NEVER("a change of no kind");
}

static bool
store_ready(const struct store *store, struct err *reterr)
{
	return !store->broken || err_set(reterr, ERR_IO, "the store is broken");
}

/* Whose claim is it? */
static struct place_claim *
memory_claim_find(const struct place *place, struct str destination)
{
	for (size_t i = 0; i < place->claim_count; i++) {
		if (str_equal(place->claims[i].destination, destination))
			return &place->claims[i];
	}
	return NULL;
}

static bool
memory_claim_holds(const struct store *store, const struct engine_claim *claim)
{
	const struct place_claim *found =
	    memory_claim_find(store->place, claim->destination);

	return !claim->lost && found != NULL && found->owner == store &&
	       found->epoch == claim->epoch;
}

static bool
memory_apply(
    struct store *store, const struct engine_apply *apply, struct err *reterr)
{
	struct place *place = store->place;
	bool ok = store_ready(store, reterr);

	lock_hold(&place->lock);
	for (size_t i = 0; ok && i < apply->claim_count; i++)
		ok = memory_claim_holds(store, apply->claims[i]) ||
		     err_set(reterr, ERR_BUSY, "the claim on %s is lost",
			 apply->claims[i]->destination.data);
	for (size_t i = 0; ok && i < apply->count; i++)
		ok = memory_change(place, &apply->changes[i], reterr);
	if (ok && store->fails) {
		store->fails = false;
		store->broken = true;
		ok = err_set(reterr, ERR_IO, "the store failed");
		place_end(place, store->fails_made);
	} else {
		place_end(place, ok);
	}
	lock_drop(&place->lock);
	return ok;
}

/* ---- claims ---- */

static bool
memory_claim_add(struct place *place, struct str destination,
    struct place_claim **ret_claim, struct err *reterr)
{
	struct place_claim *claims;
	int64_t id;

	if (!names_add(&place->names, destination, &id, reterr))
		return false;
	claims =
	    realloc(place->claims, (place->claim_count + 1) * sizeof(*claims));
	if (claims == NULL)
		return err_set_nomem(reterr);
	place->claims = claims;
	*ret_claim = &claims[place->claim_count++];
	**ret_claim =
	    (struct place_claim){.destination = names_at(&place->names, id)};
	return true;
}

static bool
memory_claim(struct store *store, const char *destination,
    struct engine_claim *ret_claim, struct err *reterr)
{
	struct place *place = store->place;
	struct place_claim *claim;
	bool ok = store_ready(store, reterr);

	lock_hold(&place->lock);
	claim = memory_claim_find(place, str_text(destination));
	if (ok && claim == NULL)
		ok = memory_claim_add(
		    place, str_text(destination), &claim, reterr);
	if (ok && claim->owner != NULL && claim->owner != store)
		ok = err_set(reterr, ERR_BUSY,
		    "another process delivers for %s", destination);
	if (ok) {
		claim->owner = store;
		claim->epoch++;
		*ret_claim = (struct engine_claim){
		    .destination = claim->destination,
		    .epoch = claim->epoch,
		    .until_mono_ms = clock_mono_ms() + MEMORY_CLAIM_MS,
		};
	}
	lock_drop(&place->lock);
	return ok;
}

static bool
memory_renew(struct store *store, struct engine_claim *const *claims,
    size_t count, struct err *reterr)
{
	if (!store_ready(store, reterr))
		return false;
	lock_hold(&store->place->lock);
	for (size_t i = 0; i < count; i++) {
		if (memory_claim_holds(store, claims[i]))
			claims[i]->until_mono_ms =
			    clock_mono_ms() + MEMORY_CLAIM_MS;
		else
			claims[i]->lost = true;
	}
	lock_drop(&store->place->lock);
	return true;
}

static void
memory_release(
    struct store *store, struct engine_claim *const *claims, size_t count)
{
	struct place_claim *claim;

	lock_hold(&store->place->lock);
	for (size_t i = 0; i < count; i++) {
		claim = memory_claim_find(store->place, claims[i]->destination);
		if (claim != NULL && memory_claim_holds(store, claims[i]))
			claim->owner = NULL;
	}
	lock_drop(&store->place->lock);
}

/* ---- the rest ---- */

static bool
memory_open(const struct queue_settings *settings, struct store **ret_store,
    struct err *reterr)
{
	struct store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return err_set_nomem(reterr);
	/* Others keep files in it. */
	if (mkdir(settings->dir, 0700) != 0 && errno != EEXIST) {
		free(store);
		return err_set(
		    reterr, ERR_CONFIG, "cannot make %s", settings->dir);
	}
	store->settings = settings;
	store->place = place_of(settings->dir);
	if (store->place == NULL) {
		free(store);
		return err_set_nomem(reterr);
	}
	*ret_store = store;
	return true;
}

static void
memory_close(struct store *store)
{
	struct place *place;

	if (store == NULL)
		return;
	place = store->place;
	lock_hold(&place->lock);
	for (size_t i = 0; i < place->claim_count; i++) {
		if (place->claims[i].owner == store)
			place->claims[i].owner = NULL;
	}
	lock_drop(&place->lock);
	free(store);
}

static int64_t
memory_live_bytes(const struct place *place)
{
	return place->bytes + (int64_t)PLACE_TABLES * MEMORY_PAGE;
}

static void
memory_recount(const struct place *place, struct engine_totals *totals)
{
	static const enum place_table tables[] = {
	    PLACE_DELIVERY, PLACE_QUARANTINE};

	for (size_t t = 0; t < 2; t++) {
		const struct rows *rows = &place->tables[tables[t]];

		for (size_t i = 0; i < rows->count; i++) {
			const struct engine_delivery *row =
			    &rows->list[i]->is.delivery;

			if (row->replay)
				continue;
			totals->queued += (int64_t)row->remaining;
			totals->queued_bytes += (int64_t)row->bytes;
		}
	}
}

static bool
memory_totals(struct store *store, bool recount,
    struct engine_totals *ret_totals, struct err *reterr)
{
	struct place *place = store->place;
	const struct rows *tables = place->tables, *rows;
	struct engine_totals totals = {.broken = store->broken};

	if (recount && !store_ready(store, reterr))
		return false;
	lock_hold(&place->lock);
	if (!store->broken) {
		totals.live_bytes = totals.file_bytes =
		    memory_live_bytes(place);
		totals.free_bytes = PLACE_FREE_BYTES;
		totals.reserve = true; /* no change of rows lacks room */
		rows = &tables[PLACE_ARCHIVE];
		totals.archive_batches = (int64_t)rows->count;
		totals.reports = (int64_t)tables[PLACE_REPORT].count;
		for (size_t i = 0; i < rows->count; i++)
			totals.archive_bytes +=
			    (int64_t)rows->list[i]->is.archived.bytes;
		rows = &tables[PLACE_DEAD];
		for (size_t i = 0; i < rows->count; i++) {
			totals.dead += (int64_t)rows->list[i]->is.dead.letters;
			totals.dead_bytes +=
			    (int64_t)rows->list[i]->is.dead.bytes;
		}
		rows = &tables[PLACE_UNREADABLE];
		totals.unreadable = (int64_t)rows->count;
		for (size_t i = 0; i < rows->count; i++)
			totals.unreadable_bytes +=
			    (int64_t)rows->list[i]->is.unreadable.frame.len;
		totals.unreadable_removed = place->unreadable_removed;
		totals.quarantined = (int64_t)tables[PLACE_QUARANTINE].count;
	}
	if (recount)
		memory_recount(place, &totals);
	lock_drop(&place->lock);
	*ret_totals = totals;
	return true;
}

static bool
memory_state(struct store *store, const char *owner, const char *name,
    struct buf *ret_data, struct err *reterr)
{
	struct place *place = store->place;
	const struct row *row;
	struct key key = place_key(0);

	if (!store_ready(store, reterr))
		return false;
	lock_hold(&place->lock);
	key.n[0] = names_find(&place->names, str_text(owner));
	key.n[1] = names_find(&place->names, str_text(name));
	row = place_find(place, PLACE_STATE, key);
	if (row != NULL)
		(void)buf_append(
		    ret_data, row->is.state.data.data, row->is.state.data.len);
	lock_drop(&place->lock);
	return true;
}

static bool
memory_upkeep(struct store *store, int64_t mono_ms, bool *ret_reopened,
    bool *ret_more, struct err *reterr)
{
	*ret_more = false;
	(void)mono_ms;
	(void)reterr;
	*ret_reopened = store->broken;
	store->broken = false;
	return true;
}

static bool
memory_job(struct store *store, struct engine_job *job, struct err *reterr)
{
	(void)store;
	return job->end || err_set(reterr, ERR_UNSUPPORTED,
			       "this queue is in memory: there is no file");
}

const struct engine memory_engine = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .apply = memory_apply,
    .claim = memory_claim,
    .renew = memory_renew,
    .release = memory_release,
    .due = memory_due,
    .walk = memory_walk,
    .read = memory_read,
    .members = memory_members,
    .totals = memory_totals,
    .state = memory_state,
    .upkeep = memory_upkeep,
    .job = memory_job,
};

/* ---- for tests ---- */

void
memory_break(struct store *store)
{
	store->broken = true;
}

void
memory_fail_next(struct store *store, bool made)
{
	lock_hold(&store->place->lock);
	store->fails = true;
	store->fails_made = made;
	lock_drop(&store->place->lock);
}

void
memory_claim_lose(struct store *store, const char *destination)
{
	struct place_claim *claim;

	lock_hold(&store->place->lock);
	claim = memory_claim_find(store->place, str_text(destination));
	if (claim != NULL) {
		claim->owner = NULL;
		claim->epoch++;
	}
	lock_drop(&store->place->lock);
}

void
memory_batches_move(struct store *store, int64_t by)
{
	struct rows *rows = &store->place->tables[PLACE_BATCH];

	lock_hold(&store->place->lock);
	for (size_t i = 0; i < rows->count; i++) {
		rows->list[i]->key.n[0] += by;
		rows->list[i]->is.delivery.seq += by;
	}
	lock_drop(&store->place->lock);
}
