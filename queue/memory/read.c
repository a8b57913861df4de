/* Reading: what is due (sources take turns), walks, single rows. Rows are found
 * in their tables' order, and texts sorted where a table shows them so. */

#include "base/bits.h"
#include "queue/memory/memory.h"
#include "queue/memory/place.h"

#include <stdlib.h>

static bool
read_ready(const struct store *store, struct err *reterr)
{
	return !store->broken || err_set(reterr, ERR_IO, "the store is broken");
}

/* A delivery row with its frame. */
static struct engine_delivery
delivery_whole(const struct place *place, const struct row *row)
{
	struct engine_delivery delivery = row->is.delivery;
	const struct row *batch =
	    place_find(place, PLACE_BATCH, place_key(delivery.seq));

	delivery.frame =
	    batch == NULL ? str_bytes(NULL, 0) : batch->is.delivery.frame;
	return delivery;
}

/* ---- what is due ---- */

struct due {
	struct place *place;
	const struct engine_want *want;
	size_t number;
	int64_t destination, now_ms;
	const int64_t *leased;
	size_t leased_count;
	engine_due_fn *fn;
	void *arg;
	size_t count, bytes;
	bool full, ended;
};

static void
due_hand_out(struct due *due, const struct row *row)
{
	struct engine_delivery delivery = delivery_whole(due->place, row);

	due->full = (due->count > 0 || due->want->more) &&
		    (due->bytes > due->want->bytes ||
			delivery.unpacked > due->want->bytes - due->bytes);
	if (due->full)
		return;
	due->count++;
	due->bytes += delivery.unpacked;
	due->ended = !due->fn(due->arg, due->number, &delivery);
}

/* In which order it comes among those of its source: 0 is not due. */
static int
due_class(const struct due *due, const struct engine_delivery *row)
{
	int64_t due_ms = row->due_ms;

	if (engine_leased_has(due->leased, due->leased_count, row->seq) ||
	    due_ms == DELIVERY_PARKED)
		return 0;
	if (due_ms > 0 && due_ms <= due->now_ms)
		return 1;
	if (due_ms > 0)
		return due->now_ms < INT64_MAX - ENGINE_FAR_MS &&
			       due_ms > due->now_ms + ENGINE_FAR_MS
			   ? 2
			   : 0;
	return due_ms == (row->replay ? DELIVERY_REPLAY : DELIVERY_FRESH) ? 3
									  : 0;
}

/* The next row of a source that is due, behind the last one; its class. */
static const struct row *
due_next_row(const struct due *due, int64_t source, bool replays,
    int *last_class, size_t *last_at)
{
	const struct rows *rows = &due->place->tables[PLACE_DELIVERY];

	for (int class = *last_class; class <= 3; class ++) {
		size_t i = class == *last_class ? *last_at : 0;

		for (; i < rows->count; i++) {
			const struct row *row = rows->list[i];

			if (row->key.n[0] != due->destination ||
			    row->key.n[1] != source ||
			    row->is.delivery.replay != replays ||
			    due_class(due, &row->is.delivery) != class)
				continue;
			*last_class = class;
			*last_at = i + 1;
			return row;
		}
	}
	*last_class = 4;
	return NULL;
}

enum { DUE_SOURCES = 4096 };

/* By turns, from the source behind the last one on. */
static void
due_round(struct due *due, bool replays)
{
	const struct rows *rows = &due->place->tables[PLACE_DELIVERY];
	int64_t after = names_find(&due->place->names, due->want->after);
	struct {
		int64_t source;
		int class;
		size_t at;
	} list[DUE_SOURCES];
	size_t count = 0, first = 0, idle = 0;

	for (size_t i = 0; i < rows->count; i++) {
		const struct row *row = rows->list[i];

		if (row->key.n[0] != due->destination ||
		    (count > 0 && list[count - 1].source == row->key.n[1]))
			continue;
		CHECK(count < DUE_SOURCES);
		if ((count == 0 || list[count - 1].source <= after) &&
		    row->key.n[1] > after)
			first = count;
		list[count].source = row->key.n[1];
		list[count].class = 1;
		list[count++].at = 0;
	}
	for (size_t i = first; idle < count; i = (i + 1) % count) {
		const struct row *row = due_next_row(
		    due, list[i].source, replays, &list[i].class, &list[i].at);

		if (row != NULL)
			due_hand_out(due, row);
		if (due->full || due->ended)
			return;
		idle = row != NULL ? 0 : idle + 1;
	}
}

/* One of a parked group, or all fresh ones, by seq. */
static void
due_by_seq(struct due *due)
{
	const struct rows *rows = &due->place->tables[PLACE_DELIVERY];
	bool fresh = due->want->parked.len == 0;
	int64_t after = fresh ? due->want->after_seq : 0;
	const struct row *next;

	do {
		next = NULL;
		for (size_t i = 0; i < rows->count; i++) {
			const struct row *row = rows->list[i];
			const struct engine_delivery *is = &row->is.delivery;
			bool wanted =
			    fresh ? is->due_ms == DELIVERY_FRESH
				  : str_equal(is->parked, due->want->parked);

			if (row->key.n[0] == due->destination && wanted &&
			    is->seq > after &&
			    !engine_leased_has(
				due->leased, due->leased_count, is->seq) &&
			    (next == NULL || is->seq < next->is.delivery.seq))
				next = row;
		}
		if (next == NULL)
			break;
		after = next->is.delivery.seq;
		due_hand_out(due, next);
	} while (fresh && !due->full && !due->ended);
}

static void
due_next(const struct due *due, bool replays_seen, struct engine_want *want)
{
	const struct rows *rows = &due->place->tables[PLACE_DELIVERY];

	for (size_t i = 0; i < rows->count; i++) {
		const struct engine_delivery *row = &rows->list[i]->is.delivery;
		int64_t *next_ms =
		    row->replay ? &want->next_replay_ms : &want->next_ms;
		bool later = row->due_ms > due->now_ms;

		if (rows->list[i]->key.n[0] == due->destination &&
		    row->due_ms != DELIVERY_PARKED &&
		    (later || (row->replay && !replays_seen)) &&
		    *next_ms > row->due_ms)
			*next_ms = row->due_ms;
	}
	if (due->full && replays_seen)
		want->next_replay_ms = due->now_ms;
	else if (due->full)
		want->next_ms = due->now_ms;
}

static void
due_want(struct due *due, struct engine_want *want)
{
	bool replays;

	due->destination = names_find(&due->place->names, want->destination);
	want->next_ms = want->next_replay_ms = INT64_MAX;
	if (want->parked.len > 0 || want->by_seq) {
		due_by_seq(due);
		return;
	}
	due_round(due, false);
	replays = due->count == 0 && !due->full && want->replays;
	if (replays)
		due_round(due, true);
	due_next(due, replays, want);
}

bool
memory_due(struct store *store, struct engine_want *wants, size_t count,
    int64_t now_ms, const int64_t *leased, size_t leased_count,
    engine_due_fn *fn, void *arg, struct err *reterr)
{
	if (!read_ready(store, reterr))
		return false;
	lock_hold(&store->place->lock);
	for (size_t i = 0; i < count; i++) {
		struct due due = {
		    .place = store->place,
		    .want = &wants[i],
		    .number = i,
		    .now_ms = now_ms,
		    .leased = leased,
		    .leased_count = leased_count,
		    .fn = fn,
		    .arg = arg,
		};

		due_want(&due, &wants[i]);
		if (due.ended)
			break;
	}
	lock_drop(&store->place->lock);
	return true;
}

bool
memory_read(struct store *store, const struct engine_delivery *key,
    engine_row_fn *fn, void *arg, struct err *reterr)
{
	struct place *place = store->place;
	const struct row *row;
	union engine_row is;

	if (!read_ready(store, reterr))
		return false;
	lock_hold(&place->lock);
	row = place_find(place, PLACE_DELIVERY, place_delivery_key(place, key));
	if (row != NULL) {
		is.delivery = delivery_whole(place, row);
		(void)fn(arg, &is);
	}
	lock_drop(&place->lock);
	return true;
}

bool
memory_members(struct store *store, struct engine_member *list, size_t count,
    struct err *reterr)
{
	struct place *place = store->place;

	if (!read_ready(store, reterr))
		return false;
	lock_hold(&place->lock);
	for (size_t i = 0; i < count; i++) {
		struct engine_member *member = &list[i];
		struct key key = place_key(member->group);
		const struct row *row;

		key.n[1] = names_find(&place->names, member->person);
		row = place_find(place, PLACE_MEMBER, key);
		member->stamp = row == NULL ? 0 : row->is.member.stamp;
		member->sent =
		    row == NULL ? ENGINE_SENT_NEVER : row->is.member.sent;
		member->sent_s = row == NULL ? 0 : row->is.member.sent_s;
	}
	lock_drop(&place->lock);
	return true;
}

/* ---- walks ---- */

struct walk {
	struct place *place;
	struct engine_cursor *cursor;
	size_t rows;
	engine_row_fn *fn;
	void *arg;
	bool more; /* it is not over */
};

/* Show a row; true to go on. */
static bool
walk_show(struct walk *walk, const union engine_row *row)
{
	bool more = walk->fn(walk->arg, row);

	return --walk->rows > 0 && more;
}

/* The first row behind the cursor, and move it there. */
static const struct row *
walk_step(struct walk *walk, enum place_table table)
{
	const struct rows *rows = &walk->place->tables[table];
	struct key key;
	size_t at;

	memcpy(key.n, walk->cursor->at, sizeof(key.n));
	at = place_at(walk->place, table, key);
	if (at < rows->count && place_compare(rows->list[at]->key, key) == 0)
		at++;
	if (at == rows->count)
		return NULL;
	memcpy(walk->cursor->at, rows->list[at]->key.n, sizeof(key.n));
	return rows->list[at];
}

/* See the engine for SQLite: what is deferred meanwhile is seen, too. */
static void
walk_queued(struct walk *walk)
{
	struct engine_cursor *cursor = walk->cursor;
	const struct row *row;
	union engine_row is;

	if (!cursor->begun)
		cursor->last = walk->place->next_seq - 1;
	cursor->begun = true;
	while ((row = walk_step(walk, PLACE_DELIVERY)) != NULL) {
		if (row->is.delivery.seq > cursor->last &&
		    row->is.delivery.due_ms <= DELIVERY_FRESH)
			continue;
		is.delivery = delivery_whole(walk->place, row);
		walk->more = true;
		if (!walk_show(walk, &is))
			return;
	}
	walk->more = false;
}

/* Is it a row of those that are walked over? */
static bool
walk_wants(
    const struct walk *walk, enum place_table table, const union engine_row *is)
{
	struct str of = walk->cursor->of;

	return of.len == 0 ||
	       str_equal(of, table == PLACE_DEAD ? is->dead.destination
						 : is->unreadable.source);
}

static void
walk_ids(struct walk *walk, enum place_table table, bool frames)
{
	const struct rows *rows = &walk->place->tables[table];
	struct engine_cursor *cursor = walk->cursor;
	const struct row *row, *batch;
	union engine_row is;

	if (!cursor->begun)
		cursor->last = rows->count == 0
				   ? 0
				   : rows->list[rows->count - 1]->key.n[0];
	cursor->begun = true;
	/* A walk by id names but that of the last row. */
	cursor->at[1] = cursor->at[2] = cursor->at[3] = INT64_MAX;
	while ((row = walk_step(walk, table)) != NULL &&
	       row->key.n[0] <= cursor->last) {
		cursor->at[1] = cursor->at[2] = cursor->at[3] = INT64_MAX;
		is = row->is;
		if (!walk_wants(walk, table, &is))
			continue;
		if (table == PLACE_ARCHIVE && frames) {
			batch = place_find(walk->place, PLACE_BATCH,
			    place_key(is.archived.seq));
			is.archived.frame = batch == NULL
						? str_bytes(NULL, 0)
						: batch->is.delivery.frame;
			is.archived.accepted_ms =
			    batch == NULL ? 0 : batch->is.delivery.accepted_ms;
		}
		walk->more = true;
		if (!walk_show(walk, &is))
			return;
	}
	walk->more = false;
}

/* A table whose key is the cursor; of a group only, if that is not 0. */
static void
walk_keys(struct walk *walk, enum place_table table, int64_t group)
{
	const struct row *row;

	while ((row = walk_step(walk, table)) != NULL &&
	       (group == 0 || row->key.n[0] == group)) {
		walk->more = true;
		if (!walk_show(walk, &row->is))
			return;
	}
	walk->more = false;
}

/* The row of the lowest number in a range, or NULL. */
static const struct row *
walk_range_next(const struct walk *walk, enum engine_table by, int64_t after,
    int64_t last, int64_t *ret_seq)
{
	bool queued = by != ENGINE_ARCHIVE_RANGES;
	const struct rows *rows =
	    &walk->place->tables[queued ? PLACE_DELIVERY : PLACE_ARCHIVE];
	const struct row *found = NULL;

	for (size_t i = 0; i < rows->count; i++) {
		const struct row *row = rows->list[i];
		int64_t seq =
		    queued ? row->is.delivery.seq : row->is.archived.seq;
		bool later = queued
				 ? seq > walk->cursor->last &&
				       row->is.delivery.due_ms <= DELIVERY_FRESH
				 : row->key.n[0] > walk->cursor->last;

		if (by == ENGINE_PAGES && row->is.delivery.stamp == 0)
			continue;
		if (seq > after && seq <= last && !later &&
		    (found == NULL || seq < *ret_seq)) {
			found = row;
			*ret_seq = seq;
		}
	}
	return found;
}

/* All pages are those of one range. */
static void
walk_ranges(struct walk *walk, enum engine_table by)
{
	static const struct engine_range all = {1, INT64_MAX};
	const struct rows *rows = &walk->place->tables[PLACE_ARCHIVE];
	struct engine_cursor *cursor = walk->cursor;
	const struct engine_range *ranges = cursor->ranges;
	bool queued = by != ENGINE_ARCHIVE_RANGES;
	size_t count = cursor->range_count;
	const struct row *row, *batch;
	union engine_row is;
	int64_t seq = 0;

	if (by == ENGINE_PAGES) {
		ranges = &all;
		count = 1;
	}
	if (!cursor->begun && queued)
		cursor->last = walk->place->next_seq - 1;
	else if (!cursor->begun)
		cursor->last = rows->count == 0
				   ? 0
				   : rows->list[rows->count - 1]->key.n[0];
	cursor->begun = true;
	for (size_t i = 0; i < count; i++) {
		int64_t after = ranges[i].first - 1;

		if (after < cursor->at[0])
			after = cursor->at[0];
		while ((row = walk_range_next(
			    walk, by, after, ranges[i].last, &seq)) != NULL) {
			after = cursor->at[0] = seq;
			batch = place_find(
			    walk->place, PLACE_BATCH, place_key(seq));
			is = row->is;
			if (queued) {
				is.delivery = delivery_whole(walk->place, row);
			} else if (batch != NULL) {
				is.archived.frame = batch->is.delivery.frame;
				is.archived.accepted_ms =
				    batch->is.delivery.accepted_ms;
			}
			walk->more = true;
			if (!walk_show(walk, &is))
				return;
		}
	}
	walk->more = false;
}

/* ---- whole tables, sorted by text or summed up ---- */

/* What a table's rows are shown, and sorted, by. */
static struct str
whole_text(enum engine_table by, const union engine_row *is)
{
	if (by == ENGINE_LEDGER_BY_SOURCE || by == ENGINE_LEDGER_SUMS)
		return is->ledger.source;
	if (by == ENGINE_LEDGER_BY_TYPE)
		return is->ledger.type;
	if (by == ENGINE_DEAD_SUMS)
		return is->dead.destination;
	if (by == ENGINE_UNREADABLE_SUMS)
		return is->unreadable.source;
	return by == ENGINE_DROPPED ? is->dropped.rule : is->drift.text;
}

static _Thread_local enum engine_table whole_by;

static int
whole_order(const void *left, const void *right)
{
	const union engine_row *a = left, *b = right;
	int order;

	if (whole_by == ENGINE_LEDGER_BY_HOUR)
		return a->ledger.hour < b->ledger.hour
			   ? -1
			   : a->ledger.hour > b->ledger.hour;
	order = str_compare(whole_text(whole_by, a), whole_text(whole_by, b));
	if (order == 0 && whole_by == ENGINE_DROPPED)
		order = str_compare(a->dropped.type, b->dropped.type);
	if (order == 0 && whole_by == ENGINE_LEDGER_SUMS)
		order = str_compare(a->ledger.type, b->ledger.type);
	return order;
}

/* Add a row to another of the same text. */
static void
whole_add(union engine_row *sum, const union engine_row *more)
{
	switch (whole_by) {
	case ENGINE_LEDGER_BY_SOURCE:
	case ENGINE_LEDGER_BY_TYPE:
	case ENGINE_LEDGER_BY_HOUR:
	case ENGINE_LEDGER_SUMS:
		stats_line_add(&sum->ledger.line, &more->ledger.line);
		return;
	case ENGINE_DROPPED:
		sum->dropped.events += more->dropped.events;
		return;
	case ENGINE_DEAD_SUMS:
		sum->dead.bytes += more->dead.bytes;
		return;
	case ENGINE_UNREADABLE_SUMS:
		sum->unreadable.bytes += more->unreadable.bytes;
		return;
	case ENGINE_DRIFT:
		return;
	case ENGINE_QUEUED:
	case ENGINE_BATCHES:
	case ENGINE_ARCHIVE:
	case ENGINE_ARCHIVE_HEADS:
	case ENGINE_DEAD:
	case ENGINE_DEAD_LAST:
	case ENGINE_QUEUED_RANGES:
	case ENGINE_ARCHIVE_RANGES:
	case ENGINE_PAGES:
	case ENGINE_MEMBERS:
	case ENGINE_GROUPS:
	case ENGINE_SYNCS:
	case ENGINE_MARKS:
	case ENGINE_MARKS_LAST:
	case ENGINE_UNREADABLE:
	case ENGINE_UNREADABLE_HEADS:
	case ENGINE_ERASURES:
	case ENGINE_SEEN:
	case ENGINE_REPORTS:
	case ENGINE_TALLIES:
	case ENGINE_DESTINATIONS:
	case ENGINE_OLDEST:
		NEVER("a table that is not summed up");
	}
}

/* A copy of the rows, summed up. */
static bool
walk_whole(struct walk *walk, enum engine_table by, enum place_table table,
    struct err *reterr)
{
	const struct rows *rows = &walk->place->tables[table];
	union engine_row *list;
	size_t sums = 0;

	list = calloc(rows->count + 1, sizeof(*list));
	if (list == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < rows->count; i++)
		list[i] = rows->list[i]->is;
	whole_by = by;
	qsort(list, rows->count, sizeof(*list), whole_order);
	for (size_t i = 0; i < rows->count; i++) {
		if (sums > 0 && whole_order(&list[sums - 1], &list[i]) == 0)
			whole_add(&list[sums - 1], &list[i]);
		else
			list[sums++] = list[i];
	}
	for (size_t i = 0; i < sums; i++) {
		if (!walk->fn(walk->arg, &list[i]))
			break;
	}
	free(list);
	return true;
}

static void
walk_last(struct walk *walk, enum place_table table)
{
	const struct rows *rows = &walk->place->tables[table];

	for (size_t i = rows->count; i > 0; i--) {
		if (!walk_show(walk, &rows->list[i - 1]->is))
			return;
	}
}

static void
walk_rows(struct walk *walk, enum place_table table)
{
	const struct rows *rows = &walk->place->tables[table];
	const struct rows *states = &walk->place->tables[PLACE_STATE];

	for (size_t i = 0; i < rows->count; i++) {
		union engine_row is = rows->list[i]->is;

		if (table == PLACE_DESTINATION)
			is.destination.saved = false;
		for (size_t n = 0;
		     table == PLACE_DESTINATION && n < states->count; n++)
			is.destination.saved =
			    is.destination.saved ||
			    str_equal(states->list[n]->is.state.owner,
				is.destination.name);
		if (!walk_show(walk, &is))
			return;
	}
}

static void
walk_reports(struct walk *walk)
{
	const struct rows *rows = &walk->place->tables[PLACE_REPORT];
	const int64_t *since = walk->cursor->at;

	for (size_t i = 0; i < rows->count; i++) {
		int64_t day = rows->list[i]->is.report.day;

		if ((day < 0 ? ~day >= since[1] : day >= since[0]) &&
		    !walk_show(walk, &rows->list[i]->is))
			return;
	}
}

bool
memory_walk(struct store *store, enum engine_table table,
    struct engine_cursor *cursor, size_t rows, engine_row_fn *fn, void *arg,
    bool *ret_more, struct err *reterr)
{
	struct walk walk = {store->place, cursor, rows, fn, arg, false};
	bool ok = true;

	*ret_more = false;
	if (!read_ready(store, reterr))
		return false;
	lock_hold(&store->place->lock);
	switch (table) {
	case ENGINE_QUEUED:
		walk_queued(&walk);
		break;
	case ENGINE_BATCHES:
		walk_ids(&walk, PLACE_BATCH, true);
		break;
	case ENGINE_ARCHIVE:
		walk_ids(&walk, PLACE_ARCHIVE, true);
		break;
	case ENGINE_ARCHIVE_HEADS:
		walk_ids(&walk, PLACE_ARCHIVE, false);
		break;
	case ENGINE_DEAD:
		walk_ids(&walk, PLACE_DEAD, true);
		break;
	case ENGINE_UNREADABLE:
	case ENGINE_UNREADABLE_HEADS:
		walk_ids(&walk, PLACE_UNREADABLE, true);
		break;
	case ENGINE_QUEUED_RANGES:
	case ENGINE_ARCHIVE_RANGES:
	case ENGINE_PAGES:
		walk_ranges(&walk, table);
		break;
	case ENGINE_MARKS:
		walk_keys(&walk, PLACE_MARKS, 0);
		break;
	case ENGINE_SYNCS:
		walk_keys(&walk, PLACE_SYNC, 0);
		break;
	case ENGINE_MEMBERS:
		walk_keys(&walk, PLACE_MEMBER, cursor->at[0]);
		break;
	case ENGINE_GROUPS:
		walk_ids(&walk, PLACE_GROUP, true);
		break;
	case ENGINE_MARKS_LAST:
		walk_last(&walk, PLACE_MARKS);
		break;
	case ENGINE_DEAD_LAST:
		walk_last(&walk, PLACE_DEAD);
		break;
	case ENGINE_ERASURES:
		walk_ids(&walk, PLACE_ERASURE, true);
		break;
	case ENGINE_SEEN:
		walk_rows(&walk, PLACE_SEEN);
		break;
	case ENGINE_REPORTS:
		walk_reports(&walk);
		break;
	case ENGINE_TALLIES:
		walk_rows(&walk, PLACE_TALLY);
		break;
	case ENGINE_DESTINATIONS:
		walk_rows(&walk, PLACE_DESTINATION);
		break;
	case ENGINE_OLDEST:
		walk_rows(&walk, PLACE_DELIVERY);
		walk_rows(&walk, PLACE_QUARANTINE);
		break;
	case ENGINE_DRIFT:
		ok = walk_whole(&walk, table, PLACE_DRIFT, reterr);
		break;
	case ENGINE_LEDGER_BY_SOURCE:
	case ENGINE_LEDGER_BY_TYPE:
	case ENGINE_LEDGER_BY_HOUR:
	case ENGINE_LEDGER_SUMS:
		ok = walk_whole(&walk, table, PLACE_LEDGER, reterr);
		break;
	case ENGINE_DROPPED:
		ok = walk_whole(&walk, table, PLACE_DROPPED, reterr);
		break;
	case ENGINE_DEAD_SUMS:
		ok = walk_whole(&walk, table, PLACE_DEAD, reterr);
		break;
	case ENGINE_UNREADABLE_SUMS:
		ok = walk_whole(&walk, table, PLACE_UNREADABLE, reterr);
		break;
	}
	lock_drop(&store->place->lock);
	*ret_more = walk.more;
	return ok;
}
