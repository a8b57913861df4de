/*
 * Changes: each op is a statement or a few. All of a list are one transaction;
 * what moves in the counts in memory moves with it.
 */

#include "queue/sqlite/store.h"

#include "base/clock.h"

enum { APPLY_MOVE_ROWS = 500 }; /* of a destination, in one transaction */

/* Where what is parked goes: DELIVERY_UNPARKED. */
#define UNPARKED_MS "iif(parked IS NULL, due_ms, 1)"

/* A row that was quarantined for its version gets a sound one. */
#define VERSION_NEXT                                                           \
	"iif(version>0 AND version<" STORE_NUMBERS_SQL ", version+1, 1)"

/* The next number of a table, never one that was used. AUTOINCREMENT finds none
 * for ever, once a damaged row has the last one. */
#define NUMBER_NEXT(table)                                                     \
	"(SELECT max((SELECT coalesce(max(id), 0) FROM " table                 \
	" WHERE id<" STORE_NUMBERS_SQL "),"                                    \
	" (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE "           \
	"name='" table "' AND seq<" STORE_NUMBERS_SQL "))+1)"

static bool
apply_conflict(struct err *reterr)
{
	return err_set(reterr, ERR_CONFLICT, "queue.db: a row was changed");
}

/* The last statement must have found its row. */
static bool
apply_found(const struct store *store, struct err *reterr)
{
	return db_changed(&store->db) > 0 || apply_conflict(reterr);
}

static bool
apply_homeless(struct err *reterr)
{
	return err_set(reterr, ERR_DAMAGED,
	    "queue.db: a destination has no row; run currentsd queue check");
}

/* ---- batches and delivery rows ---- */

/* The numbers of a row's key. */
struct apply_key {
	int64_t destination, source;
};

static bool
apply_key(struct store *store, struct str destination, struct str source,
    bool add, struct apply_key *ret_key, struct err *reterr)
{
	if (!store_destination(
		store, destination, &ret_key->destination, reterr) ||
	    !store_name(store, source, add, &ret_key->source, reterr))
		return false;
	return ret_key->destination != 0 ||
	       (add ? apply_homeless(reterr) : apply_conflict(reterr));
}

static bool
apply_batch_add(
    struct store *store, struct engine_change *change, struct err *reterr)
{
	const struct engine_delivery *row = &change->row.delivery;
	int64_t seq = store->next_seq, rules;
	struct apply_key key;

	if (seq >= STORE_NUMBERS_END)
		return err_set(reterr, ERR_DAMAGED,
		    "queue.db: no number is left for a new batch: run "
		    "`currentsd queue check`, and use a new state directory");
	store->next_seq++;
	change->number = seq;
	return apply_key(
		   store, row->destination, row->source, true, &key, reterr) &&
	       store_rules(store, row->rules, &rules, reterr) &&
	       db_run(&store->db, reterr,
		   "INSERT INTO batch VALUES(?1, ?2, ?3, ?4)", "iiib", seq,
		   row->accepted_ms, (int64_t)row->events, row->frame) &&
	       db_run(&store->db, reterr,
		   "INSERT INTO delivery(destination, source, due_ms, seq,"
		   " version, attempts, refusals, failures, first_ms, replay,"
		   " parked, unpacked, rules, bytes, remaining, stamp)"
		   " VALUES(?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
		   " ?12, ?13, ?14, ?15)",
		   "iiiidddidSiiiii", key.destination, key.source, row->due_ms,
		   seq, row->attempts, row->refusals, row->failures,
		   row->first_ms, row->replay,
		   row->parked.len > 0 ? row->parked : str_bytes(NULL, 0),
		   (int64_t)row->unpacked, rules, (int64_t)row->bytes,
		   (int64_t)row->remaining, row->stamp);
}

#define DELIVERY_IS                                                            \
	"destination=?1 AND source=?2 AND due_ms=?3 AND seq=?4 AND version=?5"
#define DELIVERY_KEY(key, row)                                                 \
	(key)->destination, (key)->source, (row)->due_ms, (row)->seq,          \
	    (int64_t)(row)->version

static bool
apply_delivery_put(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	const struct engine_delivery *row = &change->row.delivery;
	struct apply_key key;
	int64_t rules;

	return apply_key(
		   store, row->destination, row->source, false, &key, reterr) &&
	       store_rules(store, row->rules, &rules, reterr) &&
	       db_run(&store->db, reterr,
		   "UPDATE delivery SET version=version+1, rules=?6, bytes=?7,"
		   " remaining=?8, done=?9, delivered=?10 WHERE " DELIVERY_IS,
		   "iiiiiiiiBB", DELIVERY_KEY(&key, row), rules,
		   (int64_t)row->bytes, (int64_t)row->remaining, row->done,
		   row->delivered) &&
	       apply_found(store, reterr);
}

static bool
apply_delivery_delete(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	const struct engine_delivery *row = &change->row.delivery;
	struct apply_key key;

	return apply_key(
		   store, row->destination, row->source, false, &key, reterr) &&
	       db_run(&store->db, reterr,
		   key.source == 0 ? "DELETE FROM delivery WHERE " DELIVERY_LOST
				     " AND version=?5"
				   : "DELETE FROM delivery WHERE " DELIVERY_IS,
		   "iiiii", DELIVERY_KEY(&key, row)) &&
	       apply_found(store, reterr);
}

static bool
apply_quarantine(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	const struct engine_delivery *row = &change->row.delivery;
	struct apply_key key;

	store->counts.quarantined++;
	return apply_key(
		   store, row->destination, row->source, false, &key, reterr) &&
	       db_run(&store->db, reterr,
		   key.source == 0
		       ? "INSERT INTO quarantine SELECT *, ?6, ?7 FROM delivery"
			 " WHERE " DELIVERY_LOST " AND version=?5"
		       : "INSERT INTO quarantine SELECT *, ?6, ?7 FROM delivery"
			 " WHERE " DELIVERY_IS,
		   "iiiiiis", DELIVERY_KEY(&key, row), change->number,
		   change->text) &&
	       apply_delivery_delete(store, change, reterr);
}

static bool
apply_quarantine_empty(struct store *store, struct err *reterr)
{
	store->counts.quarantined = 0;
	return db_run(&store->db, reterr,
		   "INSERT OR IGNORE INTO delivery SELECT destination, source,"
		   " " UNPARKED_MS ", seq, " VERSION_NEXT
		   ", attempts, refusals,"
		   " failures, first_ms, replay, NULL, unpacked, rules, bytes,"
		   " remaining, done, delivered, stamp FROM quarantine",
		   "") &&
	       db_run(&store->db, reterr, "DELETE FROM quarantine", "");
}

/* The group behind this one, which it replaces; false if there is none, or a
 * damaged page hides it. */
static bool
apply_unpark_next(struct store *store, int64_t destination, struct buf *group,
    struct err *reterr)
{
	struct str next, last = str_bytes(group->data, group->len);
	struct db_rows rows = db_select(&store->db, reterr,
	    "SELECT parked FROM delivery INDEXED BY delivery_parked"
	    " WHERE destination=?1 AND parked>?2"
	    " AND parked IS NOT NULL ORDER BY parked LIMIT 1",
	    "is", destination, last);
	bool there =
	    db_next(&rows, reterr, "s", &next) && str_compare(next, last) > 0;

	if (there) {
		buf_reset(group);
		there = buf_append(group, next.data, next.len) ||
			err_set_nomem(reterr);
	}
	return db_end(&rows) && there;
}

/* What cannot be read stays parked: it must not keep the rest from being
 * delivered. */
static bool
apply_unpark(
    struct store *store, struct engine_change *change, struct err *reterr)
{
	const struct engine_unpark *unpark = &change->row.unpark;
	struct err err = {.code = ERR_NONE};
	struct buf group;
	int64_t destination;
	bool ok = true;

	change->number = 0;
	if (!store_destination(
		store, unpark->destination, &destination, reterr))
		return false;
	buf_init(&group, SIZE_MAX);
	while (ok && apply_unpark_next(store, destination, &group, &err)) {
		struct str parked = str_bytes(group.data, group.len);

		if (!engine_unpark_has(unpark, parked))
			continue;
		ok = db_run(&store->db, &err,
		    "UPDATE delivery INDEXED BY delivery_parked SET due_ms=?3,"
		    " parked=NULL, version=version+1"
		    " WHERE destination=?1 AND parked=?2"
		    " AND parked IS NOT NULL",
		    "isi", destination, parked, DELIVERY_UNPARKED);
		if (ok)
			change->number += db_changed(&store->db);
	}
	buf_fini(&group);
	return err.code == ERR_NONE || err.code == ERR_DAMAGED ||
	       err_set(reterr, err.code, "%s", err.text);
}

/* ---- the archive and dead letters ---- */

static bool
apply_archive_add(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	const struct engine_archived *row = &change->row.archived;
	struct apply_key key;
	int64_t rules;

	store->counts.archive_batches++;
	store->counts.archive_bytes += (int64_t)row->bytes;
	return apply_key(
		   store, row->destination, row->source, true, &key, reterr) &&
	       store_rules(store, row->rules, &rules, reterr) &&
	       db_run(&store->db, reterr,
		   "INSERT INTO archive VALUES"
		   "(" NUMBER_NEXT(
		       "archive") ", ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
		   "iiiiiiib", row->seq, key.destination, key.source,
		   row->delivered_ms, row->age_ms, (int64_t)row->bytes, rules,
		   row->delivered);
}

/* The bytes that an archived batch counts with. */
static bool
apply_archive_bytes(
    struct store *store, int64_t id, int64_t *ret_bytes, struct err *reterr)
{
	int64_t bytes = -1;

	if (!db_run(&store->db, reterr,
		"SELECT max(bytes, 0) FROM archive WHERE id=?1", "i>i", id,
		&bytes))
		return false;
	*ret_bytes = (int64_t)store_size(bytes);
	return bytes >= 0 || apply_conflict(reterr);
}

static bool
apply_archive_put(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	const struct engine_archived *row = &change->row.archived;
	int64_t bytes;

	if (!apply_archive_bytes(store, row->id, &bytes, reterr))
		return false;
	store->counts.archive_bytes += (int64_t)row->bytes - bytes;
	return db_run(&store->db, reterr,
	    "UPDATE archive SET bytes=?2, delivered=?3 WHERE id=?1", "iib",
	    row->id, (int64_t)row->bytes, row->delivered);
}

static bool
apply_archive_delete(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	int64_t id = change->row.archived.id, bytes;

	if (!apply_archive_bytes(store, id, &bytes, reterr))
		return false;
	store->counts.archive_batches--;
	store->counts.archive_bytes -= bytes;
	return db_run(
	    &store->db, reterr, "DELETE FROM archive WHERE id=?1", "i", id);
}

static bool
apply_dead_add(
    struct store *store, struct engine_change *change, struct err *reterr)
{
	const struct engine_dead *row = &change->row.dead;
	int64_t destination;

	store->counts.dead += (int64_t)row->letters;
	store->counts.dead_bytes += (int64_t)row->frame.len;
	return store_destination(
		   store, row->destination, &destination, reterr) &&
	       db_run(&store->db, reterr,
		   "INSERT INTO dead VALUES(" NUMBER_NEXT(
		       "dead") ", ?1, ?2, ?3, ?4)"
			       " RETURNING id",
		   "iiib>i", destination, row->age_ms, (int64_t)row->letters,
		   row->frame, &change->number);
}

/* Take a row out of the counts. */
static bool
apply_dead_uncount(struct store *store, int64_t id, struct err *reterr)
{
	int64_t letters = -1, bytes = 0;

	if (!db_run(&store->db, reterr,
		"SELECT max(letters, 0), length(data) FROM dead WHERE id=?1",
		"i>ii", id, &letters, &bytes))
		return false;
	store->counts.dead -= (int64_t)store_size(letters);
	store->counts.dead_bytes -= bytes;
	return letters >= 0 || apply_conflict(reterr);
}

static bool
apply_dead_put(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	const struct engine_dead *row = &change->row.dead;

	if (!apply_dead_uncount(store, row->id, reterr))
		return false;
	store->counts.dead += (int64_t)row->letters;
	store->counts.dead_bytes += (int64_t)row->frame.len;
	return db_run(&store->db, reterr,
	    "UPDATE dead SET age_ms=?2, letters=?3, data=?4 WHERE id=?1",
	    "iiib", row->id, row->age_ms, (int64_t)row->letters, row->frame);
}

static bool
apply_dead_delete(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	int64_t id = change->row.dead.id;

	return apply_dead_uncount(store, id, reterr) &&
	       db_run(
		   &store->db, reterr, "DELETE FROM dead WHERE id=?1", "i", id);
}

/* ---- bodies, erasures, drift, hashes ---- */

static bool
apply_unreadable_add(
    struct store *store, struct engine_change *change, struct err *reterr)
{
	const struct engine_unreadable *row = &change->row.unreadable;
	int64_t source, len = (int64_t)row->frame.len;
	int known = 0;

	if (!db_run(&store->db, reterr,
		"SELECT 1 FROM unreadable WHERE hash=?1", "b>d", row->hash,
		&known))
		return false;
	change->flag = known != 0;
	if (change->flag)
		return true;
	store->counts.unreadable++;
	store->counts.unreadable_bytes += len;
	return store_name(store, row->source, true, &source, reterr) &&
	       db_run(&store->db, reterr,
		   "INSERT INTO unreadable VALUES"
		   "(" NUMBER_NEXT(
		       "unreadable") ", ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
		   "iiissbb", source, row->received_ms, row->age_ms,
		   row->reason, row->encoding, row->hash, row->frame);
}

static bool
apply_unreadable_delete(
    struct store *store, struct engine_change *change, struct err *reterr)
{
	int64_t len = -1;

	if (!db_run(&store->db, reterr,
		"DELETE FROM unreadable WHERE id=?1 RETURNING length(data)",
		"i>i", change->row.unreadable.id, &len))
		return false;
	change->flag = len >= 0;
	if (change->flag) {
		store->counts.unreadable--;
		store->counts.unreadable_removed++;
		store->counts.unreadable_bytes -= len;
	}
	return true;
}

static bool
apply_erasure_add(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	const struct engine_erasure *row = &change->row.erasure;
	int64_t source;

	return store_name(store, row->source, true, &source, reterr) &&
	       db_run(&store->db, reterr,
		   "INSERT OR REPLACE INTO erasure VALUES(" NUMBER_NEXT(
		       "erasure") ", ?1, ?2, ?3, 0)",
		   "isi", source, row->subject, row->noted_ms);
}

static bool
apply_erasure_done(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	const struct engine_erasure *row = &change->row.erasure;

	if (row->erased_ms != 0)
		return db_run(&store->db, reterr,
		    "UPDATE erasure SET erased_ms=?3"
		    " WHERE subject=?1 AND id<=?2",
		    "sii", row->subject, row->id, row->erased_ms);
	return db_run(&store->db, reterr,
	    "DELETE FROM erasure WHERE subject=?1 AND id<=?2", "si",
	    row->subject, row->id);
}

/* The table is bounded: when it is full, all new ones are counted as one. */
static bool
apply_drift_add(
    struct store *store, struct engine_change *change, struct err *reterr)
{
	static const struct str more = STR("(more)");
	const struct engine_drift *row = &change->row.drift;
	bool full = store->counts.drift >= row->rows_max;
	int known = 0, first = 0;

	change->flag = false;
	if (full &&
	    !db_run(&store->db, reterr,
		"UPDATE drift SET events=events+?2, last_ms=?3, age_ms=?4"
		" WHERE text=?1 RETURNING 1",
		"siii>d", row->text, row->events, row->last_ms, row->age_ms,
		&known))
		return false;
	if (known)
		return true;
	if (!db_run(&store->db, reterr,
		"INSERT INTO drift VALUES(?1, ?2, ?3, ?3, ?4)"
		" ON CONFLICT DO UPDATE SET events=events+?2, last_ms=?3,"
		" age_ms=?4 RETURNING events=?2",
		"siii>d", full ? more : row->text, row->events, row->last_ms,
		row->age_ms, &first))
		return false;
	change->flag = first != 0;
	store->counts.drift += change->flag;
	return true;
}

static bool
apply_drift_fold(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	static const char *const steps[] = {
	    "INSERT INTO drift SELECT '(more)', sum(events), min(first_ms),"
	    " max(last_ms), max(age_ms) FROM drift"
	    " WHERE age_ms<=?1 AND text<>'(more)' HAVING count(*)>0"
	    " ON CONFLICT DO UPDATE SET events=events+excluded.events,"
	    " first_ms=min(first_ms, excluded.first_ms),"
	    " last_ms=max(last_ms, excluded.last_ms)",
	    "DELETE FROM drift WHERE age_ms<=?1 AND text<>'(more)'",
	};
	const struct engine_drift *row = &change->row.drift;

	if (store->counts.drift < row->rows_max)
		return true;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (!db_run(&store->db, reterr, steps[i], "i", row->age_ms))
			return false;
	}
	return db_run(&store->db, reterr, "SELECT count(*) FROM drift", ">i",
	    &store->counts.drift);
}

/* One row, and those go that have left the window. */
static bool
apply_seen_add(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	int64_t n, bytes;

	if (!db_run(&store->db, reterr, "INSERT INTO seen(hashes) VALUES(?1)",
		"b", change->row.hashes))
		return false;
	store->counts.seen += (int64_t)(change->row.hashes.len / DIGEST_SHORT);
	for (;;) {
		n = bytes = 0;
		if (!db_run(&store->db, reterr,
			"SELECT n, length(hashes) FROM seen ORDER BY n LIMIT 1",
			">ii", &n, &bytes))
			return false;
		if (n == 0 ||
		    store->counts.seen - bytes / DIGEST_SHORT < change->number)
			return true;
		if (!db_run(&store->db, reterr, "DELETE FROM seen WHERE n=?1",
			"i", n))
			return false;
		/* A row that its number does not lead to cannot go. */
		if (db_changed(&store->db) == 0)
			return true;
		store->counts.seen -= bytes / DIGEST_SHORT;
	}
}

static bool
apply_marks_add(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	const struct engine_marks *row = &change->row.marks;

	return db_run(&store->db, reterr,
	    "INSERT OR REPLACE INTO marks VALUES(?1, ?2, ?3, ?4)", "iiib",
	    row->kind, row->last, row->first, row->frame);
}

static bool
apply_marks_tidy(
    struct store *store, struct engine_change *change, struct err *reterr)
{
	int64_t last = 0;

	if (!db_run(&store->db, reterr,
		"SELECT last FROM marks WHERE kind=0 AND NOT EXISTS"
		" (SELECT 1 FROM batch"
		" WHERE seq BETWEEN marks.first AND marks.last)"
		" ORDER BY last LIMIT 1",
		">i", &last))
		return false;
	change->flag = false;
	for (int64_t kind = 0; last != 0 && kind < ENGINE_MARKS_KINDS; kind++) {
		if (!db_run(&store->db, reterr,
			"DELETE FROM marks WHERE kind=?1 AND last=?2", "ii",
			kind, last))
			return false;
		/* A row that its key does not lead to cannot go. */
		if (db_changed(&store->db) > 0)
			change->flag = true;
	}
	return true;
}

/* ---- sums ---- */

#define LEDGER_MERGE                                                           \
	" ON CONFLICT DO UPDATE SET received=received+excluded.received,"      \
	" queued=queued+excluded.queued,"                                      \
	" delivered=delivered+excluded.delivered, dead=dead+excluded.dead,"    \
	" dropped=dropped+excluded.dropped,"                                   \
	" duplicates=duplicates+excluded.duplicates,"                          \
	" erased=erased+excluded.erased, expired=expired+excluded.expired,"    \
	" replayed=replayed+excluded.replayed,"                                \
	" replay_delivered=replay_delivered+excluded.replay_delivered,"        \
	" replay_refused=replay_refused+excluded.replay_refused,"              \
	" age_ms=max(age_ms, excluded.age_ms)"

static bool
apply_ledger_add(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	const struct engine_ledger *row = &change->row.ledger;
	int64_t source, type;

	return store_name(store, row->source, true, &source, reterr) &&
	       store_name(store, row->type, true, &type, reterr) &&
	       db_run(&store->db, reterr,
		   "INSERT INTO ledger VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7,"
		   " ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)" LEDGER_MERGE,
		   "iii" LEDGER_TYPES, row->hour, source, type,
		   LEDGER_VALUES(row));
}

/* A day is the row of its first hour. */
static bool
apply_ledger_fold(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	static const char *const steps[] = {
	    "INSERT INTO ledger SELECT hour/24*24, source, type, " LEDGER_SUMS
	    " FROM ledger WHERE hour<?1 AND hour%24<>0 GROUP BY 1, 2, "
	    "3" LEDGER_MERGE,
	    "DELETE FROM ledger WHERE hour<?1 AND hour%24<>0",
	    "INSERT INTO dropped SELECT hour/24*24, source, type, rule,"
	    " total(events) FROM dropped WHERE hour<?1 AND hour%24<>0"
	    " GROUP BY 1, 2, 3, 4"
	    " ON CONFLICT DO UPDATE SET events=events+excluded.events",
	    "DELETE FROM dropped WHERE hour<?1 AND hour%24<>0",
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (!db_run(&store->db, reterr, steps[i], "i",
			change->row.ledger.hour))
			return false;
	}
	return true;
}

static bool
apply_ledger_type(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	static const char *const steps[] = {
	    "INSERT INTO ledger SELECT hour, source, ?2, " LEDGER_SUMS
	    " FROM ledger WHERE type=?1 AND type<>?2"
	    " GROUP BY 1, 2" LEDGER_MERGE,
	    "DELETE FROM ledger WHERE type=?1 AND type<>?2",
	    "INSERT INTO dropped SELECT hour, source, ?2, rule, events"
	    " FROM dropped WHERE type=?1 AND type<>?2"
	    " ON CONFLICT DO UPDATE SET events=events+excluded.events",
	    "DELETE FROM dropped WHERE type=?1 AND type<>?2",
	};
	int64_t from, to;

	if (!store_name(store, change->row.ledger.type, false, &from, reterr) ||
	    !store_name(store, change->text, true, &to, reterr))
		return false;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (!db_run(&store->db, reterr, steps[i], "ii", from, to))
			return false;
	}
	return true;
}

static bool
apply_dropped_add(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	const struct engine_dropped *row = &change->row.dropped;
	int64_t source, type, rule;

	return store_name(store, row->source, true, &source, reterr) &&
	       store_name(store, row->type, true, &type, reterr) &&
	       store_name(store, row->rule, true, &rule, reterr) &&
	       db_run(&store->db, reterr,
		   "INSERT INTO dropped VALUES(?1, ?2, ?3, ?4, ?5)"
		   " ON CONFLICT DO UPDATE SET events=events+?5",
		   "iiiii", row->hour, source, type, rule, row->events);
}

/* ---- reports ---- */

/* A label is called what it was called last. */
#define REPORT_MERGE                                                           \
	" ON CONFLICT DO UPDATE SET delivered=delivered+excluded.delivered,"   \
	" dropped=dropped+excluded.dropped, dead=dead+excluded.dead,"          \
	" name=iif(excluded.name='', name, excluded.name)"

static bool
apply_report_there(struct store *store, const struct engine_report *row,
    int64_t type, bool *ret_there, struct err *reterr)
{
	int there = 0;

	if (!db_run(&store->db, reterr,
		"SELECT 1 FROM report WHERE day=?1 AND kind=?2 AND id=?3"
		" AND type=?4",
		"issi>d", row->day, row->kind, row->id, type, &there))
		return false;
	*ret_there = there != 0;
	return true;
}

static bool
apply_report_add(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	struct engine_report row = change->row.report;
	bool there;
	int64_t type;

	if (!store_name(store, row.type, true, &type, reterr) ||
	    !apply_report_there(store, &row, type, &there, reterr))
		return false;
	if (!there && store->counts.reports >= row.rows_max) {
		row.kind = row.name = str_text("");
		row.id = str_text(ENGINE_REPORT_OTHER);
		if (!apply_report_there(store, &row, type, &there, reterr))
			return false;
	}
	store->counts.reports += !there;
	return db_run(&store->db, reterr,
	    "INSERT INTO report VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, "
	    "?8)" REPORT_MERGE,
	    "issisiii", row.day, row.kind, row.id, type, row.name,
	    row.delivered, row.dropped, row.dead);
}

/* Some rows of a day, into its month. */
static bool
apply_report_fold_day(
    struct store *store, int64_t day, int64_t rows, struct err *reterr)
{
	static const char *const steps[] = {
	    "INSERT INTO report SELECT ?3, kind, id, type, name, delivered,"
	    " dropped, dead FROM (SELECT * FROM report WHERE day=?1"
	    " ORDER BY kind, id, type LIMIT ?2) WHERE true" REPORT_MERGE,
	    "DELETE FROM report WHERE (day, kind, id, type) IN"
	    " (SELECT day, kind, id, type FROM report WHERE day=?1"
	    " ORDER BY kind, id, type LIMIT ?2)",
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (!db_run(&store->db, reterr, steps[i], "iii", day, rows,
			~clock_month(day)))
			return false;
	}
	return true;
}

#define REPORT_LABELLED "(kind<>'' OR id<>'" ENGINE_REPORT_OTHER "')"

/* Some rows of a month, into the label of the others. */
static bool
apply_report_fold_month(
    struct store *store, int64_t month, int64_t rows, struct err *reterr)
{
	static const char *const steps[] = {
	    "INSERT INTO report SELECT day, '', '" ENGINE_REPORT_OTHER "',"
	    " type, '', delivered, dropped, dead FROM (SELECT * FROM report"
	    " WHERE day=?1 AND " REPORT_LABELLED
	    " ORDER BY kind, id, type LIMIT ?2) WHERE true" REPORT_MERGE,
	    "DELETE FROM report WHERE (day, kind, id, type) IN"
	    " (SELECT day, kind, id, type FROM report"
	    " WHERE day=?1 AND " REPORT_LABELLED
	    " ORDER BY kind, id, type LIMIT ?2)",
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (!db_run(&store->db, reterr, steps[i], "ii", month, rows))
			return false;
	}
	return true;
}

static bool
apply_report_fold(
    struct store *store, struct engine_change *change, struct err *reterr)
{
	const struct engine_report *row = &change->row.report;
	bool crowded = store->counts.reports > row->rows_max;
	int64_t day = -1, month = 0;

	change->flag = false;
	if (!db_run(&store->db, reterr,
		"SELECT day FROM report WHERE day>=0 AND day<?1"
		" ORDER BY day LIMIT 1",
		"i>i", row->day, &day))
		return false;
	if (day < 0 && crowded &&
	    !db_run(&store->db, reterr,
		"SELECT day FROM report WHERE day<0 AND " REPORT_LABELLED
		" ORDER BY day DESC LIMIT 1",
		">i", &month))
		return false;
	if (day < 0 && month == 0)
		return true;
	change->flag = true;
	return (day >= 0 ? apply_report_fold_day(
			       store, day, change->number, reterr)
			 : apply_report_fold_month(
			       store, month, change->number, reterr)) &&
	       db_run(&store->db, reterr, "SELECT count(*) FROM report", ">i",
		   &store->counts.reports);
}

static bool
apply_tally_add(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	return db_run(&store->db, reterr, "INSERT INTO tally VALUES(NULL, ?1)",
	    "b", change->row.tally);
}

/* ---- destinations ---- */

static bool
apply_destination_add(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	const struct engine_destination *row = &change->row.destination;

	return db_run(&store->db, reterr,
	    "UPDATE destination SET queued=queued+?2, bytes=bytes+?3,"
	    " delivered_ms=CASE ?4 WHEN 0 THEN delivered_ms ELSE ?4 END"
	    " WHERE name=?1",
	    "siii", row->name, row->queued, row->bytes, row->delivered_ms);
}

static bool
apply_destination_put(
    struct store *store, const struct engine_change *change, struct err *reterr)
{
	const struct engine_destination *row = &change->row.destination;

	return db_run(&store->db, reterr,
	    "INSERT INTO destination VALUES(NULL, ?1, 0, 0, 0, ?2, ?3)"
	    " ON CONFLICT(name) DO UPDATE SET paused=?2, clean=?3",
	    "sdd", row->name, row->paused, row->clean);
}

/* Move some rows of a table from one destination to another: those behind an
 * id, which follows. The table has no index for it, so each step goes on where
 * the last one ended. */
static bool
apply_move_rows(struct store *store, const char *find, const char *move,
    int64_t from, int64_t to, int64_t *moved, int64_t *left, struct err *reterr)
{
	int64_t last = 0;

	if (*left == 0)
		return true;
	if (!db_run(
		&store->db, reterr, find, "iii>i", from, *moved, *left, &last))
		return false;
	/* 0: none is left; or a damaged page, of which the rest stays. */
	if (last <= *moved)
		return true;
	if (!db_run(&store->db, reterr, move, "iiii", from, to, *moved, last))
		return false;
	*left -= db_changed(&store->db);
	*moved = last;
	return true;
}

static bool
apply_move(struct store *store, struct engine_change *change, int64_t from,
    int64_t to, struct err *reterr)
{
	int64_t left = APPLY_MOVE_ROWS, queued = 0, bytes = 0;
	struct db_rows rows = db_select(&store->db, reterr,
	    "UPDATE delivery SET destination=?2, version=version+1,"
	    " due_ms=" UNPARKED_MS ", parked=NULL"
	    " WHERE (destination, source, due_ms, seq) IN"
	    " (SELECT destination, source, due_ms, seq FROM delivery"
	    " WHERE destination=?1 LIMIT ?3)"
	    " RETURNING remaining, bytes, replay",
	    "iii", from, to, left);
	struct store_counts *counts = &store->counts;
	int64_t remaining, size;
	int replay;

	if (counts->moving != from) {
		counts->moving = from;
		counts->moved_archive = counts->moved_dead = 0;
	}
	while (db_next(&rows, reterr, "iid", &remaining, &size, &replay)) {
		left--;
		if (!replay) {
			queued += (int64_t)store_size(remaining);
			bytes += (int64_t)store_size(size);
		}
	}
	if (!db_end(&rows) ||
	    !db_run(&store->db, reterr,
		"SELECT total(remaining), total(bytes)"
		" FROM quarantine WHERE destination=?1 AND replay=0",
		"i>ii", from, &remaining, &size) ||
	    !db_run(&store->db, reterr,
		"UPDATE quarantine SET destination=?2, version=version+1,"
		" due_ms=" UNPARKED_MS ", parked=NULL"
		" WHERE destination=?1",
		"ii", from, to) ||
	    !db_run(&store->db, reterr,
		"UPDATE grp SET destination=?2 WHERE destination=?1", "ii",
		from, to) ||
	    !apply_move_rows(store,
		"SELECT max(id) FROM (SELECT id FROM archive"
		" WHERE destination=?1 AND id>?2 ORDER BY id LIMIT ?3)",
		"UPDATE archive SET destination=?2"
		" WHERE destination=?1 AND id>?3 AND id<=?4",
		from, to, &counts->moved_archive, &left, reterr) ||
	    !apply_move_rows(store,
		"SELECT max(id) FROM (SELECT id FROM dead"
		" WHERE destination=?1 AND id>?2 ORDER BY id LIMIT ?3)",
		"UPDATE dead SET destination=?2"
		" WHERE destination=?1 AND id>?3 AND id<=?4",
		from, to, &counts->moved_dead, &left, reterr))
		return false;
	queued += store_sum(remaining);
	bytes += store_sum(size);
	if (!db_run(&store->db, reterr,
		"UPDATE destination SET queued=queued+?2, bytes=bytes+?3,"
		" delivered_ms=max(delivered_ms, (SELECT delivered_ms"
		" FROM destination WHERE id=?4)) WHERE id=?1",
		"iiii", to, queued, bytes, from) ||
	    !db_run(&store->db, reterr,
		"UPDATE destination SET queued=queued-?2, bytes=bytes-?3"
		" WHERE id=?1",
		"iii", from, queued, bytes))
		return false;
	change->flag = left == 0;
	if (!change->flag)
		counts->moving = 0;
	return change->flag ||
	       (db_run(&store->db, reterr,
		    "DELETE FROM state WHERE owner=(SELECT name FROM"
		    " destination WHERE id=?1)",
		    "i", from) &&
		   db_run(&store->db, reterr,
		       "DELETE FROM destination WHERE id=?1", "i", from));
}

static bool
apply_destination_move(
    struct store *store, struct engine_change *change, struct err *reterr)
{
	struct str name = change->row.destination.name;
	int64_t from, to;

	store->destination_id = 0;
	change->flag = false;
	if (!store_destination(store, change->text, &to, reterr) ||
	    !store_destination(store, name, &from, reterr))
		return false;
	store->destination_id = 0;
	if (from == 0)
		return true;
	if (to != 0)
		return apply_move(store, change, from, to, reterr);
	return db_run(&store->db, reterr,
		   "UPDATE destination SET name=?2 WHERE id=?1", "is", from,
		   change->text) &&
	       db_run(&store->db, reterr,
		   "UPDATE state SET owner=?2 WHERE owner=?1", "ss", name,
		   change->text);
}

/* ---- sets ---- */

static bool
apply_group_put(
    struct store *store, const struct engine_group *row, struct err *reterr)
{
	int64_t destination;

	if (!store_destination(store, row->destination, &destination, reterr))
		return false;
	if (destination == 0)
		return apply_homeless(reterr);
	return db_run(&store->db, reterr,
	    "INSERT OR REPLACE INTO grp VALUES(?1, ?2, ?3)", "iib", row->id,
	    destination, row->data);
}

/* ---- all of it ---- */

static bool
apply_change(
    struct store *store, struct engine_change *change, struct err *reterr)
{
	const struct engine_delivery *delivery = &change->row.delivery;
	const struct engine_state *state = &change->row.state;
	const struct engine_sync *sync = &change->row.sync;

	switch (change->op) {
	case ENGINE_BATCH_ADD:
		return apply_batch_add(store, change, reterr);
	case ENGINE_BATCH_REWRITE:
		return db_run(&store->db, reterr,
		    "UPDATE batch SET data=?2 WHERE seq=?1", "ib",
		    delivery->seq, delivery->frame);
	case ENGINE_BATCH_DELETE:
		return db_run(&store->db, reterr,
		    "DELETE FROM batch WHERE seq=?1", "i", delivery->seq);
	case ENGINE_DELIVERY_PUT:
		return apply_delivery_put(store, change, reterr);
	case ENGINE_DELIVERY_DELETE:
		return apply_delivery_delete(store, change, reterr);
	case ENGINE_DELIVERY_QUARANTINE:
		return apply_quarantine(store, change, reterr);
	case ENGINE_QUARANTINE_EMPTY:
		return apply_quarantine_empty(store, reterr);
	case ENGINE_UNPARK:
		return apply_unpark(store, change, reterr);
	case ENGINE_ARCHIVE_ADD:
		return apply_archive_add(store, change, reterr);
	case ENGINE_ARCHIVE_PUT:
		return apply_archive_put(store, change, reterr);
	case ENGINE_ARCHIVE_DELETE:
		return apply_archive_delete(store, change, reterr);
	case ENGINE_DEAD_ADD:
		return apply_dead_add(store, change, reterr);
	case ENGINE_DEAD_PUT:
		return apply_dead_put(store, change, reterr);
	case ENGINE_DEAD_DELETE:
		return apply_dead_delete(store, change, reterr);
	case ENGINE_UNREADABLE_ADD:
		return apply_unreadable_add(store, change, reterr);
	case ENGINE_UNREADABLE_DELETE:
		return apply_unreadable_delete(store, change, reterr);
	case ENGINE_ERASURE_ADD:
		return apply_erasure_add(store, change, reterr);
	case ENGINE_ERASURE_DONE:
		return apply_erasure_done(store, change, reterr);
	case ENGINE_DRIFT_ADD:
		return apply_drift_add(store, change, reterr);
	case ENGINE_DRIFT_FOLD:
		return apply_drift_fold(store, change, reterr);
	case ENGINE_SEEN_ADD:
		return apply_seen_add(store, change, reterr);
	case ENGINE_MARKS_ADD:
		return apply_marks_add(store, change, reterr);
	case ENGINE_MARKS_TIDY:
		return apply_marks_tidy(store, change, reterr);
	case ENGINE_LEDGER_ADD:
		return apply_ledger_add(store, change, reterr);
	case ENGINE_LEDGER_FOLD:
		return apply_ledger_fold(store, change, reterr);
	case ENGINE_LEDGER_TYPE:
		return apply_ledger_type(store, change, reterr);
	case ENGINE_DROPPED_ADD:
		return apply_dropped_add(store, change, reterr);
	case ENGINE_REPORT_ADD:
		return apply_report_add(store, change, reterr);
	case ENGINE_REPORT_FOLD:
		return apply_report_fold(store, change, reterr);
	case ENGINE_TALLY_ADD:
		return apply_tally_add(store, change, reterr);
	case ENGINE_TALLY_CLEAR:
		return db_run(&store->db, reterr, "DELETE FROM tally", "");
	case ENGINE_DESTINATION_ADD:
		return apply_destination_add(store, change, reterr);
	case ENGINE_DESTINATION_PUT:
		return apply_destination_put(store, change, reterr);
	case ENGINE_DESTINATION_MOVE:
		return apply_destination_move(store, change, reterr);
	case ENGINE_STATE_PUT:
		return db_run(&store->db, reterr,
		    "INSERT OR REPLACE INTO state VALUES(?1, ?2, ?3)", "ssb",
		    state->owner, state->name, state->data);
	case ENGINE_GROUP_PUT:
		return apply_group_put(store, &change->row.group, reterr);
	case ENGINE_GROUP_DELETE:
		return db_run(&store->db, reterr, "DELETE FROM grp WHERE id=?1",
		    "i", change->row.group.id);
	case ENGINE_SYNC_PUT:
		return db_run(&store->db, reterr,
		    "INSERT OR REPLACE INTO sync VALUES(?1, ?2, ?3)", "iib",
		    sync->group, sync->number, sync->data);
	case ENGINE_SYNC_DELETE:
		return db_run(&store->db, reterr,
		    "DELETE FROM sync WHERE grp=?1 AND number=?2", "ii",
		    sync->group, sync->number);
	case ENGINE_MEMBER_PUT:
		return store_member_put(store, &change->row.member, reterr);
	case ENGINE_MEMBER_DELETE:
		return store_member_delete(store, &change->row.member, reterr);
	}
	NEVER("a change of no kind");
}

static bool
apply_all(
    struct store *store, const struct engine_apply *apply, struct err *reterr)
{
	if (!store_begin(store, reterr))
		return false;
	for (size_t i = 0; i < apply->count; i++) {
		if (!apply_change(store, &apply->changes[i], reterr))
			return false;
	}
	return store_commit(store, reterr);
}

bool
store_apply(
    struct store *store, const struct engine_apply *apply, struct err *reterr)
{
	struct err err;

	if (store->unsure)
		return err_set(reterr, ERR_IO,
		    "%s: the queue is being loaded again", store->statedir.dir);
	if (!store_ours(store, reterr) &&
	    (!apply->essential || !db_is_open(&store->db)))
		return false;
	do {
		if (apply_all(store, apply, &err)) {
			if (store_ours(store, reterr) || apply->essential)
				return true;
			/* It was committed, but perhaps to no file. */
			store->unsure = true;
			return false;
		}
		store_rollback(store, &err);
	} while (apply->essential && err.code == ERR_FULL &&
		 statedir_reserve_release(&store->statedir));
	return err_set(reterr, err.code, "%s", err.text);
}
