/*
 * What is due. The key of a delivery row is (destination, source, due_ms, seq),
 * so what is due of one source lies in three ranges of it, which are looked
 * through in this order: what was deferred until now, what was deferred too
 * far, and what is fresh. Sources take turns, row by row. Replays have an
 * index and ranges of their own.
 */

#include "queue/sqlite/store.h"

#include <stdlib.h>

/* Behind (due_ms, seq), up to until_ms. */
struct due_range {
	int64_t due_ms, seq, until_ms;
};

enum { DUE_RANGES = 3 };

/* A source, and where the search stands. */
struct due_source {
	int64_t source;
	int range; /* DUE_RANGES: at its end */
	struct due_range at;
};

struct due {
	struct store *store;
	const struct engine_want *want;
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

/* Hand a row out, if there is room. */
static bool
due_hand_out(struct due *due, const struct delivery_columns *columns,
    int64_t source, struct err *reterr)
{
	size_t unpacked = (size_t)columns->unpacked;
	struct engine_delivery row;
	struct db_rows rows;

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

/* Hand out the next row of a range; *ret_found: there was one. */
static bool
due_step(struct due *due, struct due_source *source, bool replays,
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
	struct delivery_columns columns;
	bool ok = true;
	struct db_rows rows = db_select(&due->store->db, reterr,
	    replays ? replay : live, "iiiii", due->destination, source->source,
	    source->at.due_ms, source->at.seq, source->at.until_ms);

	*ret_found = false;
	while (!*ret_found && db_next(&rows, reterr, DELIVERY_TYPES,
				  DELIVERY_POINTERS(&columns))) {
		if (engine_leased_has(
			due->leased, due->leased_count, columns.seq))
			continue;
		*ret_found = true;
		source->at.due_ms = columns.due_ms;
		source->at.seq = columns.seq;
		ok = due_hand_out(due, &columns, source->source, reterr);
	}
	return db_end(&rows) && ok;
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
	size_t count = 0, first = 0;

	for (int64_t last = 0;;) {
		int64_t source = 0;

		if (!db_run(&store->db, reterr,
			"SELECT min(source) FROM delivery"
			" WHERE destination=?1 AND source>?2",
			"ii>i", due->destination, last, &source))
			return false;
		if (source == 0)
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
		if (last <= after && source > after)
			first = count;
		store->sources[count++] = (struct due_source){.source = source};
		last = source;
	}
	*ret_count = count;
	*ret_first = first;
	return true;
}

/* ---- otherwise ---- */

static bool
due_parked(struct due *due, struct err *reterr)
{
	struct delivery_columns columns;
	int64_t source;
	bool ok = true, found = false;
	struct db_rows rows = db_select(&due->store->db, reterr,
	    "SELECT source, " DELIVERY_COLUMNS " FROM delivery INDEXED BY"
	    " delivery_parked WHERE destination=?1 AND parked=?2"
	    " AND parked IS NOT NULL ORDER BY seq",
	    "is", due->destination, due->want->parked);

	while (!found && db_next(&rows, reterr, "i" DELIVERY_TYPES, &source,
			     DELIVERY_POINTERS(&columns))) {
		found = !engine_leased_has(
		    due->leased, due->leased_count, columns.seq);
		if (found)
			ok = due_hand_out(due, &columns, source, reterr);
	}
	return db_end(&rows) && ok;
}

/* The next fresh row of a source behind this seq; 0 if there is none. */
static bool
due_by_seq_next(struct due *due, int64_t source, int64_t after,
    int64_t *ret_seq, struct err *reterr)
{
	do {
		*ret_seq = 0;
		if (!db_run(&due->store->db, reterr,
			"SELECT seq FROM delivery WHERE destination=?1"
			" AND source=?2 AND due_ms=0 AND seq>?3"
			" ORDER BY seq LIMIT 1",
			"iii>i", due->destination, source, after, ret_seq))
			return false;
		after = *ret_seq;
	} while (*ret_seq != 0 &&
		 engine_leased_has(due->leased, due->leased_count, *ret_seq));
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
		after = least;
	}
	return true;
}

/* ---- when more is due ---- */

static bool
due_next(struct due *due, size_t sources, bool replays_seen,
    struct engine_want *want, struct err *reterr)
{
	int64_t next_ms, replay_ms;

	want->next_ms = want->next_replay_ms = INT64_MAX;
	for (size_t i = 0; i < sources; i++) {
		int64_t source = due->store->sources[i].source;

		next_ms = replay_ms = INT64_MAX;
		if (!db_run(&due->store->db, reterr,
			"SELECT due_ms FROM delivery WHERE destination=?1"
			" AND source=?2 AND due_ms>?3 AND due_ms<?4"
			" AND replay=0 ORDER BY due_ms LIMIT 1",
			"iiii>i", due->destination, source, due->now_ms,
			DELIVERY_PARKED, &next_ms) ||
		    !db_run(&due->store->db, reterr,
			"SELECT due_ms FROM delivery INDEXED BY delivery_replay"
			" WHERE destination=?1 AND source=?2 AND due_ms>?3"
			" AND due_ms<?4 AND replay=1 ORDER BY due_ms LIMIT 1",
			"iiii>i", due->destination, source,
			replays_seen ? due->now_ms : INT64_MIN, DELIVERY_PARKED,
			&replay_ms))
			return false;
		if (want->next_ms > next_ms)
			want->next_ms = next_ms;
		if (want->next_replay_ms > replay_ms)
			want->next_replay_ms = replay_ms;
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
