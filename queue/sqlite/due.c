/*
 * What is due. The key of a delivery row is (destination, source, due_ms, seq),
 * so what is due of one source lies in three ranges of it, which are looked
 * through in this order: what was deferred until now, what was deferred too
 * far, and what is fresh. Sources take turns, row by row. Replays have an
 * index and ranges of their own.
 *
 * A row that its key does not lead to could not be settled, and would be sent
 * again and again: it is passed over.
 */

#include "queue/sqlite/store.h"

#include <stdlib.h>

/* Behind (due_ms, seq), up to until_ms. */
struct due_range {
	int64_t due_ms, seq, until_ms;
};

enum { DUE_RANGES = 3, DUE_AGAIN_MS = 10000 };

/* A source, and where the search stands. */
struct due_source {
	int64_t source;
	int range; /* DUE_RANGES: at its end */
	struct due_range at;
};

struct due {
	struct store *store;
	struct engine_want *want;
	size_t number; /* of the want */
	int64_t destination, now_ms;
	const int64_t *leased;
	size_t leased_count;
	engine_due_fn *fn;
	void *arg;
	size_t count, bytes; /* handed out */
	bool full;	     /* no more has room */
	bool ended;	     /* by fn */
};

static struct due_range
due_range(const struct due *due, bool replays, int range)
{
	int64_t far_ms = due->now_ms > INT64_MAX - ENGINE_FAR_MS
			     ? INT64_MAX
			     : due->now_ms + ENGINE_FAR_MS;
	const struct due_range ranges[DUE_RANGES] = {
	    {DELIVERY_FRESH, INT64_MAX, due->now_ms},
	    {far_ms, INT64_MAX, DELIVERY_PARKED - 1},
	    {DELIVERY_FRESH, 0, DELIVERY_FRESH},
	};
	const struct due_range replay = {DELIVERY_REPLAY, 0, DELIVERY_REPLAY};

	return replays && range == DUE_RANGES - 1 ? replay : ranges[range];
}

/* Hand a row out, if there is room; *ret_found: it is not passed over. */
static bool
due_hand_out(struct due *due, const struct delivery_columns *columns,
    int64_t source, bool *ret_found, struct err *reterr)
{
	size_t unpacked = store_size(columns->unpacked);
	struct engine_delivery row;
	struct db_rows rows;
	struct err err;
	int found = 0;

	if (!db_run(&due->store->db, &err,
		"SELECT 1 FROM delivery WHERE destination=?1 AND source=?2"
		" AND due_ms=?3 AND seq=?4 AND version=?5",
		"iiiii>d", due->destination, source, columns->due_ms,
		columns->seq, columns->version, &found) &&
	    err.code != ERR_DAMAGED)
		return err_set(reterr, err.code, "%s", err.text);
	*ret_found = found != 0;
	if (!*ret_found) {
		due->want->damaged++;
		return true;
	}
	due->full = (due->count > 0 || due->want->more) &&
		    (due->bytes > due->want->bytes ||
			unpacked > due->want->bytes - due->bytes);
	if (due->full)
		return true;
	if (!store_row(due->store, columns, due->want->destination, source,
		&rows, &row, reterr))
		return false;
	due->count++;
	due->bytes += unpacked;
	due->ended = !due->fn(due->arg, due->number, &row);
	store_row_end(&rows);
	return true;
}

/* ---- by turns ---- */

/* Read rows of a range until one is handed out; *ret_found: one was. */
static bool
due_rows(struct due *due, struct due_source *source, bool replays,
    bool *ret_found, struct err *reterr)
{
	static const char live[] =
	    "SELECT " DELIVERY_COLUMNS " FROM delivery WHERE destination=?1"
	    " AND source=?2 AND (due_ms, seq)>(?3, ?4) AND due_ms<=?5"
	    " AND replay=0 ORDER BY due_ms, seq";
	static const char replay[] =
	    "SELECT " DELIVERY_COLUMNS " FROM delivery INDEXED BY"
	    " delivery_replay WHERE destination=?1 AND source=?2"
	    " AND (due_ms, seq)>(?3, ?4) AND due_ms<=?5 AND replay=1"
	    " ORDER BY due_ms, seq";
	struct due_range *at = &source->at;
	struct delivery_columns columns;
	bool ok = true;
	struct db_rows rows = db_select(&due->store->db, reterr,
	    replays ? replay : live, "iiiii", due->destination, source->source,
	    at->due_ms, at->seq, at->until_ms);

	while (ok && !*ret_found &&
	       db_next(&rows, reterr, DELIVERY_TYPES,
		   DELIVERY_POINTERS(&columns))) {
		if (columns.due_ms < at->due_ms ||
		    (columns.due_ms == at->due_ms && columns.seq <= at->seq)) {
			ok = err_set(reterr, ERR_DAMAGED,
			    "queue.db: a row is not behind the one before it");
			break;
		}
		at->due_ms = columns.due_ms;
		at->seq = columns.seq;
		if (!engine_leased_has(
			due->leased, due->leased_count, columns.seq))
			ok = due_hand_out(
			    due, &columns, source->source, ret_found, reterr);
	}
	return db_end(&rows) && ok;
}

/* Likewise, where rows cannot be read one after the other. */
static bool
due_search(struct due *due, struct due_source *source, bool replays,
    bool *ret_found, struct err *reterr)
{
	struct store_search search = {
	    .sql = "SELECT destination, source, due_ms, seq FROM delivery"
		   " WHERE destination=?1 AND source=?2"
		   " AND (due_ms, seq)>(?3, ?4) ORDER BY due_ms, seq LIMIT 1",
	    .columns = 4,
	    .fixed = 2,
	    .key = {due->destination, source->source, source->at.due_ms,
		source->at.seq},
	};
	struct delivery_columns columns;
	bool there = true, ok = true;
	struct db_rows rows;

	while (ok && !*ret_found) {
		struct err err = {.code = ERR_NONE};

		ok = store_search_next(due->store, &search, &there, reterr);
		if (!ok || !there || search.key[2] > source->at.until_ms)
			break;
		source->at.due_ms = search.key[2];
		source->at.seq = search.key[3];
		if (engine_leased_has(
			due->leased, due->leased_count, search.key[3]))
			continue;
		rows = db_select(&due->store->db, &err,
		    "SELECT " DELIVERY_COLUMNS " FROM delivery WHERE"
		    " destination=?1 AND source=?2 AND due_ms=?3 AND seq=?4"
		    " AND replay=?5",
		    "iiiid", search.key[0], search.key[1], search.key[2],
		    search.key[3], replays);
		if (db_next(&rows, &err, DELIVERY_TYPES,
			DELIVERY_POINTERS(&columns)))
			ok = due_hand_out(
			    due, &columns, source->source, ret_found, &err);
		due->want->damaged += err.code == ERR_DAMAGED;
		if (err.code != ERR_NONE && err.code != ERR_DAMAGED)
			ok = err_set(reterr, err.code, "%s", err.text);
		(void)!db_end(&rows);
	}
	due->want->damaged += search.damaged;
	return ok;
}

/* Hand out the next row of a range; *ret_found: there was one. */
static bool
due_step(struct due *due, struct due_source *source, bool replays,
    bool *ret_found, struct err *reterr)
{
	struct err err;

	*ret_found = false;
	if (due_rows(due, source, replays, ret_found, &err))
		return true;
	if (err.code != ERR_DAMAGED)
		return err_set(reterr, err.code, "%s", err.text);
	return due_search(due, source, replays, ret_found, reterr);
}

/* Likewise, of all ranges of a source. */
static bool
due_turn(struct due *due, struct due_source *source, bool replays,
    bool *ret_found, struct err *reterr)
{
	*ret_found = false;
	while (source->range < DUE_RANGES) {
		if (!due_step(due, source, replays, ret_found, reterr))
			return false;
		if (*ret_found)
			return true;
		source->range++;
		if (source->range < DUE_RANGES)
			source->at = due_range(due, replays, source->range);
	}
	return true;
}

static bool
due_round(struct due *due, size_t sources, size_t first, bool replays,
    struct err *reterr)
{
	struct due_source *list = due->store->sources;
	size_t idle = 0; /* so many in a row have nothing */
	bool found;

	for (size_t i = 0; i < sources; i++) {
		list[i].range = 0;
		list[i].at = due_range(due, replays, 0);
	}
	for (size_t i = first; idle < sources; i = (i + 1) % sources) {
		if (!due_turn(due, &list[i], replays, &found, reterr))
			return false;
		if (due->full || due->ended)
			return true;
		idle = found ? 0 : idle + 1;
	}
	return true;
}

/* The sources that have rows; the first whose turn it is. */
static bool
due_sources(
    struct due *due, size_t *ret_count, size_t *ret_first, struct err *reterr)
{
	struct store *store = due->store;
	int64_t after = names_find(&store->names, due->want->after);
	struct store_search search = {
	    .sql = "SELECT destination, source FROM delivery"
		   " WHERE destination=?1 AND source>?2"
		   " ORDER BY source LIMIT 1",
	    .columns = 2,
	    .fixed = 1,
	    .key = {due->destination},
	};
	size_t count = 0, first = 0;

	for (int64_t last = 0;; last = search.key[1]) {
		bool there;

		if (!store_search_next(store, &search, &there, reterr))
			return false;
		if (!there)
			break;
		if (count == store->source_cap) {
			size_t cap = count == 0 ? 8 : count * 2;
			struct due_source *list =
			    realloc(store->sources, cap * sizeof(*list));

			if (list == NULL)
				return err_set_nomem(reterr);
			store->sources = list;
			store->source_cap = cap;
		}
		if (last <= after && search.key[1] > after)
			first = count;
		store->sources[count++] =
		    (struct due_source){.source = search.key[1]};
	}
	due->want->damaged += search.damaged;
	*ret_count = count;
	*ret_first = first;
	return true;
}

/* ---- otherwise ---- */

static bool
due_parked(struct due *due, struct err *reterr)
{
	struct delivery_columns columns;
	int64_t source, last = INT64_MIN;
	bool ok = true, found = false;
	struct db_rows rows = db_select(&due->store->db, reterr,
	    "SELECT source, " DELIVERY_COLUMNS " FROM delivery INDEXED BY"
	    " delivery_parked WHERE destination=?1 AND parked=?2"
	    " AND parked IS NOT NULL ORDER BY seq",
	    "is", due->destination, due->want->parked);

	while (ok && !found &&
	       db_next(&rows, reterr, "i" DELIVERY_TYPES, &source,
		   DELIVERY_POINTERS(&columns))) {
		if (columns.seq <= last) {
			due->want->damaged++;
			break;
		}
		last = columns.seq;
		if (!engine_leased_has(
			due->leased, due->leased_count, columns.seq))
			ok =
			    due_hand_out(due, &columns, source, &found, reterr);
	}
	return db_end(&rows) && ok;
}

/* The next fresh row of a source behind this seq; 0 if there is none. */
static bool
due_by_seq_next(struct due *due, int64_t source, int64_t after,
    int64_t *ret_seq, struct err *reterr)
{
	struct store_search search = {
	    .sql = "SELECT destination, source, due_ms, seq FROM delivery"
		   " WHERE destination=?1 AND source=?2 AND due_ms=?3"
		   " AND seq>?4 ORDER BY seq LIMIT 1",
	    .columns = 4,
	    .fixed = 3,
	    .key = {due->destination, source, DELIVERY_FRESH, after},
	};
	bool there;

	do {
		if (!store_search_next(due->store, &search, &there, reterr))
			return false;
		*ret_seq = there ? search.key[3] : 0;
	} while (there && engine_leased_has(
			      due->leased, due->leased_count, search.key[3]));
	due->want->damaged += search.damaged;
	return true;
}

/* Fresh rows of all sources, by seq. */
static bool
due_by_seq(struct due *due, size_t sources, struct err *reterr)
{
	struct due_source *list = due->store->sources, *next;
	int64_t after = due->want->after_seq, seq, least;
	bool found = true;

	while (found && !due->full && !due->ended) {
		least = INT64_MAX;
		next = NULL;
		for (size_t i = 0; i < sources; i++) {
			if (!due_by_seq_next(
				due, list[i].source, after, &seq, reterr))
				return false;
			if (seq != 0 && seq < least) {
				least = seq;
				next = &list[i];
			}
		}
		found = next != NULL;
		if (!found)
			break;
		next->at = (struct due_range){
		    DELIVERY_FRESH, least - 1, DELIVERY_FRESH};
		if (!due_step(due, next, false, &found, reterr))
			return false;
		/* Behind what was passed over as well. */
		after = found ? next->at.seq : least;
	}
	return true;
}

/* ---- when more is due ---- */

/* The first time behind another one, if it is sooner; where that is damaged,
 * look again after a while. */
static bool
due_soonest(struct due *due, const char *sql, int64_t source, int64_t after_ms,
    int64_t *soonest_ms, struct err *reterr)
{
	int64_t ms = INT64_MAX;
	struct err err;
	bool ok = db_run(&due->store->db, &err, sql, "iiii>i", due->destination,
	    source, after_ms, DELIVERY_PARKED, &ms);

	if (!ok && err.code != ERR_DAMAGED)
		return err_set(reterr, err.code, "%s", err.text);
	if (!ok || ms <= after_ms) {
		due->want->damaged++;
		ms = due->now_ms > INT64_MAX - DUE_AGAIN_MS
			 ? INT64_MAX
			 : due->now_ms + DUE_AGAIN_MS;
	}
	if (*soonest_ms > ms)
		*soonest_ms = ms;
	return true;
}

static bool
due_next(struct due *due, size_t sources, bool replays_seen,
    struct engine_want *want, struct err *reterr)
{
	static const char live[] =
	    "SELECT due_ms FROM delivery WHERE destination=?1 AND source=?2"
	    " AND due_ms>?3 AND due_ms<?4 AND replay=0 ORDER BY due_ms LIMIT 1";
	static const char replay[] =
	    "SELECT due_ms FROM delivery INDEXED BY delivery_replay"
	    " WHERE destination=?1 AND source=?2 AND due_ms>?3"
	    " AND due_ms<?4 AND replay=1 ORDER BY due_ms LIMIT 1";

	want->next_ms = want->next_replay_ms = INT64_MAX;
	for (size_t i = 0; i < sources; i++) {
		int64_t source = due->store->sources[i].source;

		if (!due_soonest(due, live, source, due->now_ms, &want->next_ms,
			reterr) ||
		    !due_soonest(due, replay, source,
			replays_seen ? due->now_ms : INT64_MIN,
			&want->next_replay_ms, reterr))
			return false;
	}
	if (due->full && replays_seen)
		want->next_replay_ms = due->now_ms;
	else if (due->full)
		want->next_ms = due->now_ms;
	return true;
}

static bool
due_want(struct due *due, struct engine_want *want, struct err *reterr)
{
	size_t sources = 0, first = 0;
	bool replays = false;

	want->next_ms = want->next_replay_ms = INT64_MAX;
	want->damaged = 0;
	if (!store_destination(
		due->store, want->destination, &due->destination, reterr))
		return false;
	if (want->parked.len > 0)
		return due_parked(due, reterr);
	if (!due_sources(due, &sources, &first, reterr))
		return false;
	if (want->by_seq)
		return due_by_seq(due, sources, reterr);
	if (!due_round(due, sources, first, false, reterr))
		return false;
	if (due->count == 0 && !due->full && want->replays) {
		replays = true;
		if (!due_round(due, sources, first, true, reterr))
			return false;
	}
	return due_next(due, sources, replays, want, reterr);
}

bool
store_due(struct store *store, struct engine_want *wants, size_t count,
    int64_t now_ms, const int64_t *leased, size_t leased_count,
    engine_due_fn *fn, void *arg, struct err *reterr)
{
	if (!db_is_open(&store->db))
		return err_set(reterr, ERR_IO, "queue.db is closed");
	for (size_t i = 0; i < count; i++) {
		struct due due = {
		    .store = store,
		    .want = &wants[i],
		    .number = i,
		    .now_ms = now_ms,
		    .leased = leased,
		    .leased_count = leased_count,
		    .fn = fn,
		    .arg = arg,
		};

		(void)!due_want(&due, &wants[i], &wants[i].err);
		if (due.ended)
			return true;
	}
	return true;
}
