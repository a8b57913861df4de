/*
 * Walks, row by row: each row is looked for behind the last one, so that the
 * caller may stop anywhere and change what it has seen.
 */

#include "queue/sqlite/store.h"

struct walk {
	struct store *store;
	struct engine_cursor *cursor;
	size_t rows;
	engine_row_fn *fn;
	void *arg;
	bool *ret_more;
};

/* Show a row; true to go on. */
static bool
walk_show(struct walk *walk, const union engine_row *row)
{
	bool more = walk->fn(walk->arg, row);

	return --walk->rows > 0 && more;
}

/* ---- the queued ---- */

/* Events that are deferred during the walk move into a batch with a new number,
 * further on, where the walk must see them. So the last number ends only the
 * fresh ones and the replays. */
static bool
walk_queued_step(
    struct walk *walk, bool *ret_there, bool *ret_shown, struct err *reterr)
{
	struct engine_cursor *cursor = walk->cursor;
	struct delivery_columns columns;
	int64_t destination = 0, source = 0;
	struct db_rows rows, batch;
	union engine_row row;
	struct str name;
	bool ok = true;

	*ret_shown = true;
	rows = db_select(&walk->store->db, reterr,
	    "SELECT destination, source,"
	    " (SELECT name FROM destination WHERE id=delivery.destination),"
	    " " DELIVERY_COLUMNS " FROM delivery"
	    " WHERE (destination, source, due_ms, seq) > (?1, ?2, ?3, ?4)"
	    " ORDER BY destination, source, due_ms, seq LIMIT 1",
	    "iiii", cursor->at[0], cursor->at[1], cursor->at[2], cursor->at[3]);
	*ret_there = db_next(&rows, reterr, "iis" DELIVERY_TYPES, &destination,
	    &source, &name, DELIVERY_POINTERS(&columns));
	if (*ret_there) {
		cursor->at[0] = destination;
		cursor->at[1] = source;
		cursor->at[2] = columns.due_ms;
		cursor->at[3] = columns.seq;
		if (columns.seq > cursor->last &&
		    columns.due_ms <= DELIVERY_FRESH) {
			/* skip the rest, it is newer */
			cursor->at[3] = INT64_MAX;
		} else if (name.data == NULL) {
			ok = err_set(reterr, ERR_DAMAGED,
			    "queue.db: a delivery row has no destination");
		} else {
			ok = store_row(walk->store, &columns, name, source,
			    &batch, &row.delivery, reterr);
			if (ok) {
				*ret_shown = walk_show(walk, &row);
				store_row_end(&batch);
			}
		}
	}
	return db_end(&rows) && ok;
}

static bool
walk_queued(struct walk *walk, struct err *reterr)
{
	bool there = true, go_on = true;

	if (!walk->cursor->begun) {
		walk->cursor->last = walk->store->next_seq - 1;
		walk->cursor->begun = true;
	}
	while (go_on && there) {
		if (!walk_queued_step(walk, &there, &go_on, reterr))
			return false;
	}
	*walk->ret_more = there;
	return true;
}

/* ---- tables with ids ---- */

/* The row behind cursor->at[0], as far as cursor->last. *ret_more: go on. */
typedef bool walk_id_fn(
    struct walk *walk, bool *ret_there, bool *ret_more, struct err *reterr);

static bool
walk_ids(
    struct walk *walk, const char *last, walk_id_fn *step, struct err *reterr)
{
	struct engine_cursor *cursor = walk->cursor;
	bool there = true, more = true;

	if (!cursor->begun &&
	    !db_run(&walk->store->db, reterr, last, ">i", &cursor->last))
		return false;
	cursor->begun = true;
	while (there && more) {
		if (!step(walk, &there, &more, reterr))
			return false;
	}
	*walk->ret_more = there;
	return true;
}

static bool
walk_batch_step(
    struct walk *walk, bool *ret_there, bool *ret_more, struct err *reterr)
{
	union engine_row row = {.delivery = {.seq = 0}};
	int64_t accepted_ms, events;
	struct db_rows rows;

	if (!db_run(&walk->store->db, reterr,
		"SELECT seq FROM batch WHERE seq>?1 AND seq<=?2 ORDER BY seq"
		" LIMIT 1",
		"ii>i", walk->cursor->at[0], walk->cursor->last,
		&row.delivery.seq))
		return false;
	*ret_there = row.delivery.seq != 0;
	if (!*ret_there)
		return true;
	walk->cursor->at[0] = row.delivery.seq;
	if (!store_batch(walk->store, row.delivery.seq, &rows,
		&row.delivery.frame, &accepted_ms, &events, reterr))
		return false;
	*ret_more = walk_show(walk, &row);
	store_row_end(&rows);
	return true;
}

static bool
walk_archive_step(struct walk *walk, bool frames, bool *ret_there,
    bool *ret_more, struct err *reterr)
{
	int64_t source, rules, bytes = 0, events;
	struct engine_archived *archived;
	union engine_row row = {.archived = {.id = 0}};
	struct db_rows rows, batch;
	bool ok = true;

	archived = &row.archived;
	rows = db_select(&walk->store->db, reterr,
	    "SELECT id, seq, source, delivered_ms, age_ms, bytes, rules,"
	    " delivered,"
	    " (SELECT name FROM destination WHERE id=archive.destination)"
	    " FROM archive WHERE id>?1 AND id<=?2 ORDER BY id LIMIT 1",
	    "ii", walk->cursor->at[0], walk->cursor->last);
	*ret_there = db_next(&rows, reterr, "iiiiiiibs", &archived->id,
	    &archived->seq, &source, &archived->delivered_ms, &archived->age_ms,
	    &bytes, &rules, &archived->delivered, &archived->destination);
	if (!*ret_there)
		return db_end(&rows);
	walk->cursor->at[0] = archived->id;
	archived->bytes = (size_t)bytes;
	archived->rules = store_rules_at(walk->store, rules);
	if (archived->destination.data == NULL || source < 1 ||
	    (size_t)source > walk->store->names.count) {
		ok = err_set(reterr, ERR_DAMAGED,
		    "queue.db: a row of the archive has no destination or "
		    "source");
	} else {
		archived->source = names_at(&walk->store->names, source);
		ok = !frames || store_batch(walk->store, archived->seq, &batch,
				    &archived->frame, &archived->accepted_ms,
				    &events, reterr);
		if (ok)
			*ret_more = walk_show(walk, &row);
		if (ok && frames)
			store_row_end(&batch);
	}
	return db_end(&rows) && ok;
}

static bool
walk_archive_frames(
    struct walk *walk, bool *ret_there, bool *ret_more, struct err *reterr)
{
	return walk_archive_step(walk, true, ret_there, ret_more, reterr);
}

static bool
walk_archive_heads(
    struct walk *walk, bool *ret_there, bool *ret_more, struct err *reterr)
{
	return walk_archive_step(walk, false, ret_there, ret_more, reterr);
}

#define DEAD_COLUMNS                                                           \
	"SELECT id, (SELECT name FROM destination WHERE id=dead.destination)," \
	" age_ms, letters, length(data), data FROM dead"

/* Read the row of such columns; false if there is none. */
static bool
walk_dead_next(
    struct db_rows *rows, struct engine_dead *dead, struct err *reterr)
{
	int64_t letters, bytes;

	*dead = (struct engine_dead){.id = 0};
	if (!db_next(rows, reterr, "isiiib", &dead->id, &dead->destination,
		&dead->age_ms, &letters, &bytes, &dead->frame))
		return false;
	dead->letters = (size_t)letters;
	dead->bytes = (size_t)bytes;
	return true;
}

/* A damaged row must not hide those behind it: its number is read by itself. */
static bool
walk_dead_step(
    struct walk *walk, bool *ret_there, bool *ret_more, struct err *reterr)
{
	union engine_row row = {.dead = {.id = 0}};
	struct err err = {.code = ERR_NONE};
	struct db_rows rows;
	int64_t id = 0;
	bool ok = true;

	if (!db_run(&walk->store->db, reterr,
		"SELECT id FROM dead WHERE id>?1 AND id<=?2 ORDER BY id"
		" LIMIT 1",
		"ii>i", walk->cursor->at[0], walk->cursor->last, &id))
		return false;
	*ret_there = id != 0;
	if (!*ret_there)
		return true;
	walk->cursor->at[0] = id;
	rows = db_select(
	    &walk->store->db, &err, DEAD_COLUMNS " WHERE id=?1", "i", id);
	if (!walk_dead_next(&rows, &row.dead, &err))
		row.dead.id = id;
	if (err.code != ERR_NONE && err.code != ERR_DAMAGED)
		ok = err_set(reterr, err.code, "%s", err.text);
	else
		*ret_more = walk_show(walk, &row);
	(void)!db_end(&rows);
	return ok;
}

static bool
walk_dead_last(struct walk *walk, struct err *reterr)
{
	union engine_row row;
	struct db_rows rows = db_select(
	    &walk->store->db, reterr, DEAD_COLUMNS " ORDER BY id DESC", "");

	while (
	    walk_dead_next(&rows, &row.dead, reterr) && walk_show(walk, &row))
		;
	return db_end(&rows);
}

/* A damaged body must not hide those behind it: it is read by itself. */
static bool
walk_unreadable_step(struct walk *walk, bool frames, bool *ret_there,
    bool *ret_more, struct err *reterr)
{
	union engine_row row = {.unreadable = {.id = 0}};
	struct engine_unreadable *body = &row.unreadable;
	struct db_rows rows, frame;
	struct err err = {.code = ERR_NONE};
	int64_t bytes;
	bool ok = true;

	rows = db_select(&walk->store->db, reterr,
	    "SELECT u.id, u.received_ms, u.age_ms, s.text, u.reason,"
	    " u.encoding, u.hash, length(u.data)"
	    " FROM unreadable u JOIN name s ON s.id=u.source"
	    " WHERE u.id>?1 AND u.id<=?2 ORDER BY u.id LIMIT 1",
	    "ii", walk->cursor->at[0], walk->cursor->last);
	*ret_there = db_next(&rows, reterr, "iiisssbi", &body->id,
	    &body->received_ms, &body->age_ms, &body->source, &body->reason,
	    &body->encoding, &body->hash, &bytes);
	if (!*ret_there)
		return db_end(&rows);
	walk->cursor->at[0] = body->id;
	body->bytes = (size_t)bytes;
	if (!frames) {
		*ret_more = walk_show(walk, &row);
		return db_end(&rows);
	}
	frame = db_select(&walk->store->db, &err,
	    "SELECT data FROM unreadable WHERE id=?1", "i", body->id);
	(void)db_next(&frame, &err, "b", &body->frame);
	if (err.code != ERR_NONE && err.code != ERR_DAMAGED)
		ok = err_set(reterr, err.code, "%s", err.text);
	else
		*ret_more = walk_show(walk, &row);
	(void)!db_end(&frame);
	return db_end(&rows) && ok;
}

static bool
walk_unreadable_frames(
    struct walk *walk, bool *ret_there, bool *ret_more, struct err *reterr)
{
	return walk_unreadable_step(walk, true, ret_there, ret_more, reterr);
}

static bool
walk_unreadable_heads(
    struct walk *walk, bool *ret_there, bool *ret_more, struct err *reterr)
{
	return walk_unreadable_step(walk, false, ret_there, ret_more, reterr);
}

static bool
walk_erasures(struct walk *walk, struct err *reterr)
{
	union engine_row row = {.erasure = {.id = 0}};
	struct engine_erasure *erasure = &row.erasure;
	bool go_on = true;
	struct db_rows rows = db_select(&walk->store->db, reterr,
	    "SELECT e.id, s.text, e.subject, e.noted_ms, e.erased_ms"
	    " FROM erasure e JOIN name s ON s.id=e.source WHERE e.id>?1"
	    " ORDER BY e.id",
	    "i", walk->cursor->at[0]);

	*walk->ret_more = true;
	while (go_on && *walk->ret_more) {
		*walk->ret_more = db_next(&rows, reterr, "issii", &erasure->id,
		    &erasure->source, &erasure->subject, &erasure->noted_ms,
		    &erasure->erased_ms);
		if (!*walk->ret_more)
			break;
		walk->cursor->at[0] = erasure->id;
		go_on = walk_show(walk, &row);
	}
	return db_end(&rows);
}

/* ---- whole tables ---- */

static bool
walk_ledger(struct walk *walk, enum engine_table by, struct err *reterr)
{
	union engine_row row = {.ledger = {.hour = 0}};
	struct engine_ledger *ledger = &row.ledger;
	struct str label;
	struct db_rows rows;
	int64_t hour;

	if (by == ENGINE_LEDGER_BY_SOURCE)
		rows = db_select(&walk->store->db, reterr,
		    "SELECT text, 0, " LEDGER_SUMS " FROM ledger"
		    " JOIN name ON id=source GROUP BY source ORDER BY text",
		    "");
	else if (by == ENGINE_LEDGER_BY_TYPE)
		rows = db_select(&walk->store->db, reterr,
		    "SELECT text, 0, " LEDGER_SUMS " FROM ledger"
		    " JOIN name ON id=type GROUP BY type ORDER BY text",
		    "");
	else
		rows = db_select(&walk->store->db, reterr,
		    "SELECT NULL, hour, " LEDGER_SUMS
		    " FROM ledger GROUP BY hour ORDER BY hour",
		    "");
	while (db_next(&rows, reterr, "si" LEDGER_TYPES, &label, &hour,
	    LEDGER_POINTERS(&ledger->line))) {
		ledger->hour = hour;
		if (by == ENGINE_LEDGER_BY_SOURCE)
			ledger->source = label;
		else
			ledger->type = label;
		if (!walk_show(walk, &row))
			break;
	}
	return db_end(&rows);
}

static bool
walk_dropped(struct walk *walk, struct err *reterr)
{
	union engine_row row = {.dropped = {.hour = 0}};
	struct engine_dropped *dropped = &row.dropped;
	struct db_rows rows = db_select(&walk->store->db, reterr,
	    "SELECT r.text, t.text, sum(d.events) FROM dropped d"
	    " JOIN name r ON r.id=d.rule JOIN name t ON t.id=d.type"
	    " GROUP BY d.rule, d.type ORDER BY r.text, t.text",
	    "");

	while (db_next(&rows, reterr, "ssi", &dropped->rule, &dropped->type,
		   &dropped->events) &&
	       walk_show(walk, &row))
		;
	return db_end(&rows);
}

static bool
walk_drift(struct walk *walk, struct err *reterr)
{
	union engine_row row = {.drift = {.events = 0}};
	struct engine_drift *drift = &row.drift;
	struct db_rows rows = db_select(&walk->store->db, reterr,
	    "SELECT text, events, first_ms, last_ms FROM drift ORDER BY text",
	    "");

	while (db_next(&rows, reterr, "siii", &drift->text, &drift->events,
		   &drift->first_ms, &drift->last_ms) &&
	       walk_show(walk, &row))
		;
	return db_end(&rows);
}

static bool
walk_seen(struct walk *walk, struct err *reterr)
{
	union engine_row row;
	struct db_rows rows = db_select(
	    &walk->store->db, reterr, "SELECT hashes FROM seen ORDER BY n", "");

	while (
	    db_next(&rows, reterr, "b", &row.hashes) && walk_show(walk, &row))
		;
	return db_end(&rows);
}

static bool
walk_destinations(struct walk *walk, struct err *reterr)
{
	union engine_row row = {.destination = {.queued = 0}};
	struct engine_destination *destination = &row.destination;
	int paused, clean, saved;
	bool go_on = true;
	struct db_rows rows = db_select(&walk->store->db, reterr,
	    "SELECT name, queued, bytes, delivered_ms, paused, clean,"
	    " EXISTS(SELECT 1 FROM state WHERE owner=destination.name)"
	    " FROM destination ORDER BY id",
	    "");

	while (
	    go_on && db_next(&rows, reterr, "siiiddd", &destination->name,
			 &destination->queued, &destination->bytes,
			 &destination->delivered_ms, &paused, &clean, &saved)) {
		destination->paused = paused != 0;
		destination->clean = clean != 0;
		destination->saved = saved != 0;
		go_on = walk_show(walk, &row);
	}
	return db_end(&rows);
}

/* Of each destination and source: the first fresh batch, and the oldest of some
 * of those that were deferred. */
static bool
walk_oldest_of(struct walk *walk, int64_t destination, int64_t source,
    struct str name, bool *ret_more, struct err *reterr)
{
	union engine_row row = {.delivery = {.destination = name}};
	int64_t fresh_ms = 0, deferred_ms = 0;

	if (!db_run(&walk->store->db, reterr,
		"SELECT accepted_ms FROM batch WHERE seq="
		"(SELECT min(seq) FROM delivery"
		" WHERE destination=?1 AND source=?2 AND due_ms=0)",
		"ii>i", destination, source, &fresh_ms) ||
	    !db_run(&walk->store->db, reterr,
		"SELECT min(accepted_ms) FROM batch WHERE seq IN"
		" (SELECT seq FROM delivery WHERE destination=?1"
		" AND source=?2 AND due_ms>0 LIMIT 1000)",
		"ii>i", destination, source, &deferred_ms))
		return false;
	row.delivery.accepted_ms =
	    fresh_ms == 0 || (deferred_ms != 0 && deferred_ms < fresh_ms)
		? deferred_ms
		: fresh_ms;
	*ret_more = row.delivery.accepted_ms == 0 || walk_show(walk, &row);
	return true;
}

/* Of each destination the oldest that is quarantined; if its batch cannot even
 * be read for that, when it was quarantined. */
static bool
walk_oldest_quarantined(struct walk *walk, struct err *reterr)
{
	static const char *const queries[] = {
	    "SELECT d.name, min(coalesce(b.accepted_ms, q.noted_ms))"
	    " FROM quarantine q JOIN destination d ON d.id=q.destination"
	    " LEFT JOIN batch b ON b.seq=q.seq WHERE q.replay=0"
	    " GROUP BY q.destination",
	    "SELECT d.name, min(q.noted_ms)"
	    " FROM quarantine q JOIN destination d ON d.id=q.destination"
	    " WHERE q.replay=0 GROUP BY q.destination"};
	union engine_row row = {.delivery = {.seq = 0}};
	bool ok = false;

	for (size_t i = 0; i < 2 && !ok; i++) {
		struct db_rows rows =
		    db_select(&walk->store->db, reterr, queries[i], "");

		while (db_next(&rows, reterr, "si", &row.delivery.destination,
			   &row.delivery.accepted_ms) &&
		       walk_show(walk, &row))
			;
		ok = db_end(&rows);
	}
	return ok;
}

static bool
walk_oldest(struct walk *walk, struct err *reterr)
{
	int64_t destination = 0, source = 0;
	bool ok = true, there = true, more = true;

	while (ok && there && more) {
		struct str name;
		struct db_rows rows = db_select(&walk->store->db, reterr,
		    "SELECT destination, source, (SELECT name FROM destination"
		    " WHERE id=delivery.destination) FROM delivery"
		    " WHERE (destination, source) > (?1, ?2)"
		    " ORDER BY destination, source LIMIT 1",
		    "ii", destination, source);

		there =
		    db_next(&rows, reterr, "iis", &destination, &source, &name);
		ok = !there || name.data == NULL ||
		     walk_oldest_of(
			 walk, destination, source, name, &more, reterr);
		ok = db_end(&rows) && ok;
	}
	return ok && (!more || walk_oldest_quarantined(walk, reterr));
}

/* ---- any of them ---- */

bool
store_walk(struct store *store, enum engine_table table,
    struct engine_cursor *cursor, size_t rows, engine_row_fn *fn, void *arg,
    bool *ret_more, struct err *reterr)
{
	struct walk walk = {store, cursor, rows, fn, arg, ret_more};

	*ret_more = false;
	switch (table) {
	case ENGINE_QUEUED:
		return walk_queued(&walk, reterr);
	case ENGINE_BATCHES:
		return walk_ids(&walk,
		    "SELECT coalesce(max(seq), 0) FROM batch", walk_batch_step,
		    reterr);
	case ENGINE_ARCHIVE:
		return walk_ids(&walk,
		    "SELECT coalesce(max(id), 0) FROM archive",
		    walk_archive_frames, reterr);
	case ENGINE_ARCHIVE_HEADS:
		return walk_ids(&walk,
		    "SELECT coalesce(max(id), 0) FROM archive",
		    walk_archive_heads, reterr);
	case ENGINE_DEAD:
		return walk_ids(&walk, "SELECT coalesce(max(id), 0) FROM dead",
		    walk_dead_step, reterr);
	case ENGINE_UNREADABLE:
		return walk_ids(&walk,
		    "SELECT coalesce(max(id), 0) FROM unreadable",
		    walk_unreadable_frames, reterr);
	case ENGINE_UNREADABLE_HEADS:
		return walk_ids(&walk,
		    "SELECT coalesce(max(id), 0) FROM unreadable",
		    walk_unreadable_heads, reterr);
	case ENGINE_ERASURES:
		return walk_erasures(&walk, reterr);
	case ENGINE_SEEN:
		return walk_seen(&walk, reterr);
	case ENGINE_DRIFT:
		return walk_drift(&walk, reterr);
	case ENGINE_LEDGER_BY_SOURCE:
	case ENGINE_LEDGER_BY_TYPE:
	case ENGINE_LEDGER_BY_HOUR:
		return walk_ledger(&walk, table, reterr);
	case ENGINE_DROPPED:
		return walk_dropped(&walk, reterr);
	case ENGINE_DESTINATIONS:
		return walk_destinations(&walk, reterr);
	case ENGINE_DEAD_LAST:
		return walk_dead_last(&walk, reterr);
	case ENGINE_OLDEST:
		return walk_oldest(&walk, reterr);
	}
	NEVER("a table of no kind");
}

/* ---- one row ---- */

bool
store_read(struct store *store, const struct engine_delivery *key,
    engine_row_fn *fn, void *arg, struct err *reterr)
{
	struct delivery_columns columns;
	int64_t destination, source;
	struct db_rows rows, batch;
	union engine_row row;
	bool ok = true;

	if (!store_destination(store, key->destination, &destination, reterr) ||
	    !store_name(store, key->source, false, &source, reterr))
		return false;
	rows = db_select(&store->db, reterr,
	    source == 0 ? "SELECT " DELIVERY_COLUMNS " FROM delivery"
			  " WHERE " DELIVERY_LOST
			: "SELECT " DELIVERY_COLUMNS " FROM delivery"
			  " WHERE destination=?1 AND source=?2 AND due_ms=?3"
			  " AND seq=?4",
	    "iiii", destination, source, key->due_ms, key->seq);
	if (db_next(
		&rows, reterr, DELIVERY_TYPES, DELIVERY_POINTERS(&columns))) {
		ok = store_row(store, &columns, key->destination, source,
		    &batch, &row.delivery, reterr);
		if (ok) {
			(void)fn(arg, &row);
			store_row_end(&batch);
		}
	}
	return db_end(&rows) && ok;
}
