/*
 * Walks, row by row: each row is looked for behind the last one, so that the
 * caller may stop anywhere and change what it has seen.
 */

#include "queue/sqlite/store.h"

struct walk;

/* Show the row of this id. *ret_more: go on. */
typedef bool
walk_id_fn(struct walk *walk, int64_t id, bool *ret_more, struct err *reterr);

struct walk {
	struct store *store;
	struct engine_cursor *cursor;
	size_t rows;
	engine_row_fn *fn;
	void *arg;
	bool *ret_more;
	bool frames;	  /* those of the table are shown */
	walk_id_fn *show; /* of the rows of one owner */
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
/* The row of this key, unless it cannot be read or changed. */
static bool
walk_queued_row(
    struct walk *walk, const int64_t *key, bool *ret_more, struct err *reterr)
{
	struct err err = {.code = ERR_NONE};
	struct delivery_columns columns;
	struct db_rows rows, batch;
	union engine_row row;
	struct str name;
	bool ok = true;

	rows = db_select(&walk->store->db, &err,
	    "SELECT (SELECT name FROM destination WHERE id=?1),"
	    " " DELIVERY_COLUMNS " FROM delivery WHERE destination=?1"
	    " AND source=?2 AND due_ms=?3 AND seq=?4"
	    " AND typeof(version)='integer'",
	    "iiii", key[0], key[1], key[2], key[3]);
	if (db_next(&rows, &err, "S" DELIVERY_TYPES, &name,
		DELIVERY_POINTERS(&columns)) &&
	    name.data != NULL) {
		ok = store_row(walk->store, &columns, name, key[1], &batch,
		    &row.delivery, reterr);
		if (ok) {
			*ret_more = walk_show(walk, &row);
			store_row_end(&batch);
		}
	} else if (err.code == ERR_NONE || err.code == ERR_DAMAGED) {
		walk->cursor->damaged++;
	} else {
		ok = err_set(reterr, err.code, "%s", err.text);
	}
	(void)!db_end(&rows);
	return ok;
}

static bool
walk_queued(struct walk *walk, struct err *reterr)
{
	struct engine_cursor *cursor = walk->cursor;
	struct store_search search = {
	    .sql = "SELECT destination, source, due_ms, seq FROM delivery"
		   " WHERE (destination, source, due_ms, seq)"
		   " > (?1, ?2, ?3, ?4)"
		   " ORDER BY destination, source, due_ms, seq LIMIT 1",
	    .columns = 4,
	};
	bool there = true, more = true;

	if (!cursor->begun) {
		cursor->last = walk->store->next_seq - 1;
		cursor->begun = true;
	}
	memcpy(search.key, cursor->at, sizeof(search.key));
	while (more) {
		if (!store_search_next(walk->store, &search, &there, reterr))
			return false;
		if (!there)
			break;
		if (search.key[3] > cursor->last &&
		    search.key[3] < STORE_NUMBERS_END - 1 &&
		    search.key[2] <= DELIVERY_FRESH)
			/* skip the rest, it is newer */
			search.key[3] = STORE_NUMBERS_END - 1;
		else if (!walk_queued_row(walk, search.key, &more, reterr))
			return false;
		memcpy(cursor->at, search.key, sizeof(search.key));
	}
	cursor->damaged += search.damaged;
	*walk->ret_more = there;
	return true;
}

/* ---- tables with ids ---- */

static bool
walk_ids(struct walk *walk, const char *last, const char *next,
    walk_id_fn *show, struct err *reterr)
{
	struct engine_cursor *cursor = walk->cursor;
	struct store_search search = {
	    .sql = next, .columns = 1, .key = {cursor->at[0]}};
	bool there = true, more = true;
	struct err err;

	if (!cursor->begun &&
	    !db_run(&walk->store->db, &err, last, ">i", &cursor->last)) {
		if (err.code != ERR_DAMAGED)
			return err_set(reterr, err.code, "%s", err.text);
		cursor->last = INT64_MAX;
	}
	cursor->begun = true;
	while (more) {
		if (!store_search_next(walk->store, &search, &there, reterr))
			return false;
		there = there && search.key[0] <= cursor->last;
		if (!there)
			break;
		if (!show(walk, search.key[0], &more, reterr))
			return false;
		cursor->at[0] = search.key[0];
	}
	cursor->damaged += search.damaged;
	*walk->ret_more = there;
	return true;
}

#define WALK_IDS(table, id)                                                    \
	"SELECT coalesce(max(" id "), 0) FROM " table,                         \
	    "SELECT " id " FROM " table " WHERE " id ">?1 ORDER BY " id        \
	    " LIMIT 1"

/* End the rows of one id, of which `err` says how it was read. A damaged row
 * must not hide those behind it. */
static bool
walk_id_end(struct walk *walk, struct db_rows *rows, bool shown,
    const struct err *err, struct err *reterr)
{
	(void)!db_end(rows);
	if (err->code != ERR_NONE && err->code != ERR_DAMAGED)
		return err_set(reterr, err->code, "%s", err->text);
	walk->cursor->damaged += !shown;
	return true;
}

static bool
walk_batch(struct walk *walk, int64_t id, bool *ret_more, struct err *reterr)
{
	union engine_row row = {.delivery = {.seq = id}};
	int64_t accepted_ms, events;
	struct db_rows rows;

	if (!store_batch(walk->store, id, &rows, &row.delivery.frame,
		&accepted_ms, &events, reterr))
		return false;
	*ret_more = walk_show(walk, &row);
	store_row_end(&rows);
	return true;
}

static bool
walk_archived(struct walk *walk, int64_t id, bool *ret_more, struct err *reterr)
{
	union engine_row row = {.archived = {.id = id}};
	struct engine_archived *archived = &row.archived;
	struct err err = {.code = ERR_NONE};
	int64_t source, rules, bytes, events;
	struct db_rows rows, batch;
	bool there, ok = true;

	rows = db_select(&walk->store->db, &err,
	    "SELECT seq, source, delivered_ms, age_ms, bytes, rules, delivered,"
	    " (SELECT name FROM destination WHERE id=archive.destination)"
	    " FROM archive WHERE id=?1",
	    "i", id);
	there = db_next(&rows, &err, "iiiiiibs", &archived->seq, &source,
	    &archived->delivered_ms, &archived->age_ms, &bytes, &rules,
	    &archived->delivered, &archived->destination);
	if (there) {
		archived->delivered_ms = store_sum(archived->delivered_ms);
		archived->age_ms = store_sum(archived->age_ms);
		archived->bytes = store_size(bytes);
		archived->rules = store_rules_at(walk->store, rules);
		archived->source = store_name_at(walk->store, source);
		ok = !walk->frames ||
		     store_batch(walk->store, archived->seq, &batch,
			 &archived->frame, &archived->accepted_ms, &events,
			 reterr);
		if (ok)
			*ret_more = walk_show(walk, &row);
		if (ok && walk->frames)
			store_row_end(&batch);
	}
	return walk_id_end(walk, &rows, there, &err, reterr) && ok;
}

/* ---- ranges of numbers ---- */

/* Find the row of the lowest number in a range behind the last one, and show
 * it. *ret_seq: its number, 0 = none. */
typedef bool walk_range_fn(struct walk *walk, int64_t after, int64_t last,
    int64_t *ret_seq, bool *ret_more, struct err *reterr);

/* Where a page of the index is damaged: the next number that can be found. */
static bool
walk_range_search(struct walk *walk, const char *sql, int64_t after,
    int64_t last, int64_t *ret_seq, struct err *reterr)
{
	struct store_search search = {.sql = sql, .columns = 1, .key = {after}};
	bool there;

	if (!store_search_next(walk->store, &search, &there, reterr))
		return false;
	walk->cursor->damaged += search.damaged;
	*ret_seq = there && search.key[0] <= last ? search.key[0] : 0;
	return true;
}

/* Show the queued batch of such a number, unless it is newer than the walk. */
static bool
walk_numbered(struct walk *walk, const char *sql, int64_t seq, bool *ret_more,
    struct err *reterr)
{
	int64_t key[STORE_KEY_COLUMNS] = {0};
	struct err err = {.code = ERR_NONE};

	if (db_run(&walk->store->db, &err, sql, "ii>iiii", seq,
		walk->cursor->last, &key[0], &key[1], &key[2], &key[3]))
		return key[3] == 0 ||
		       walk_queued_row(walk, key, ret_more, reterr);
	walk->cursor->damaged++;
	return err.code == ERR_DAMAGED ||
	       err_set(reterr, err.code, "%s", err.text);
}

static bool
walk_queued_range(struct walk *walk, int64_t after, int64_t last,
    int64_t *ret_seq, bool *ret_more, struct err *reterr)
{
	int64_t key[STORE_KEY_COLUMNS] = {0};
	struct err err = {.code = ERR_DAMAGED};

	if (db_run(&walk->store->db, &err,
		"SELECT destination, source, due_ms, seq FROM delivery"
		" INDEXED BY delivery_seq WHERE seq>?1 AND seq<=?2"
		" AND (seq<=?3 OR due_ms>0) ORDER BY seq LIMIT 1",
		"iii>iiii", after, last, walk->cursor->last, &key[0], &key[1],
		&key[2], &key[3]) &&
	    (key[3] == 0 || (key[3] > after && key[3] <= last))) {
		*ret_seq = key[3];
		return key[3] == 0 ||
		       walk_queued_row(walk, key, ret_more, reterr);
	}
	if (err.code != ERR_DAMAGED)
		return err_set(reterr, err.code, "%s", err.text);
	return walk_range_search(walk,
		   "SELECT seq FROM delivery INDEXED BY delivery_seq"
		   " WHERE seq>?1 ORDER BY seq LIMIT 1",
		   after, last, ret_seq, reterr) &&
	       (*ret_seq == 0 ||
		   walk_numbered(walk,
		       "SELECT destination, source, due_ms, seq FROM delivery"
		       " INDEXED BY delivery_seq WHERE seq=?1"
		       " AND (seq<=?2 OR due_ms>0)",
		       *ret_seq, ret_more, reterr));
}

static bool
walk_archive_range(struct walk *walk, int64_t after, int64_t last,
    int64_t *ret_seq, bool *ret_more, struct err *reterr)
{
	struct err err = {.code = ERR_DAMAGED};
	int64_t id = 0;

	*ret_seq = 0;
	if (db_run(&walk->store->db, &err,
		"SELECT id, seq FROM archive INDEXED BY archive_seq"
		" WHERE seq>?1 AND seq<=?2 AND id<=?3 ORDER BY seq LIMIT 1",
		"iii>ii", after, last, walk->cursor->last, &id, ret_seq) &&
	    (*ret_seq == 0 || (*ret_seq > after && *ret_seq <= last)))
		return *ret_seq == 0 ||
		       walk_archived(walk, id, ret_more, reterr);
	if (err.code != ERR_DAMAGED)
		return err_set(reterr, err.code, "%s", err.text);
	if (!walk_range_search(walk,
		"SELECT seq FROM archive INDEXED BY archive_seq WHERE seq>?1"
		" ORDER BY seq LIMIT 1",
		after, last, ret_seq, reterr))
		return false;
	id = 0;
	if (*ret_seq != 0 &&
	    !db_run(&walk->store->db, &err,
		"SELECT id FROM archive INDEXED BY archive_seq WHERE seq=?1"
		" AND id<=?2",
		"ii>i", *ret_seq, walk->cursor->last, &id)) {
		walk->cursor->damaged++;
		return err.code == ERR_DAMAGED ||
		       err_set(reterr, err.code, "%s", err.text);
	}
	return id == 0 || walk_archived(walk, id, ret_more, reterr);
}

static bool
walk_ranges(struct walk *walk, const char *last, walk_range_fn *step,
    struct err *reterr)
{
	struct engine_cursor *cursor = walk->cursor;
	bool more = true;
	struct err err;

	if (!cursor->begun &&
	    !db_run(&walk->store->db, &err, last, ">i", &cursor->last)) {
		if (err.code != ERR_DAMAGED)
			return err_set(reterr, err.code, "%s", err.text);
		cursor->last = INT64_MAX;
	}
	cursor->begun = true;
	for (size_t i = 0; i < cursor->range_count && cursor->last > 0; i++) {
		const struct engine_range *range = &cursor->ranges[i];
		int64_t after = range->first - 1, seq = 1;

		while (seq != 0 && cursor->at[0] < range->last) {
			*walk->ret_more = true;
			if (!more)
				return true;
			if (after < cursor->at[0])
				after = cursor->at[0];
			if (!step(
				walk, after, range->last, &seq, &more, reterr))
				return false;
			cursor->at[0] = seq != 0 ? seq : range->last;
		}
	}
	*walk->ret_more = false;
	return true;
}

/* ---- marks ---- */

/* Show the row of this key. *ret_more: go on. */
typedef bool walk_key_fn(
    struct walk *walk, const int64_t *key, bool *ret_more, struct err *reterr);

static bool
walk_keys(struct walk *walk, struct store_search search, walk_key_fn *show,
    struct err *reterr)
{
	size_t bytes = (size_t)search.columns * sizeof(*search.key);
	struct engine_cursor *cursor = walk->cursor;
	bool there = true, more = true;

	memcpy(search.key, cursor->at, bytes);
	while (more) {
		if (!store_search_next(walk->store, &search, &there, reterr))
			return false;
		if (!there)
			break;
		if (!show(walk, search.key, &more, reterr))
			return false;
		memcpy(cursor->at, search.key, bytes);
	}
	cursor->damaged += search.damaged;
	*walk->ret_more = there;
	return true;
}

static bool
walk_of_row(
    struct walk *walk, const int64_t *key, bool *ret_more, struct err *reterr)
{
	return walk->show(walk, key[1], ret_more, reterr);
}

/* The rows with an id of one owner. */
static bool
walk_of(struct walk *walk, int64_t owner, const char *sql, walk_id_fn *show,
    struct err *reterr)
{
	const struct store_search search = {
	    .sql = sql, .columns = 2, .fixed = 1};

	walk->cursor->at[0] = owner;
	walk->show = show;
	return walk_keys(walk, search, walk_of_row, reterr);
}

static bool
walk_marks_row(
    struct walk *walk, const int64_t *key, bool *ret_more, struct err *reterr)
{
	union engine_row row = {.marks = {.last = key[1]}};
	struct err err = {.code = ERR_NONE};
	struct db_rows rows = db_select(&walk->store->db, &err,
	    "SELECT kind, first, data FROM marks WHERE kind=?1 AND last=?2",
	    "ii", key[0], key[1]);

	if (!db_next(&rows, &err, "iib", &row.marks.kind, &row.marks.first,
		&row.marks.frame)) {
		row.marks.kind = key[0];
		row.marks.frame = str_bytes(NULL, 0);
	}
	*ret_more = walk_show(walk, &row);
	return walk_id_end(walk, &rows, true, &err, reterr);
}

static bool
walk_marks(struct walk *walk, struct err *reterr)
{
	const struct store_search search = {
	    .sql = "SELECT kind, last FROM marks WHERE (kind, last) > (?1, ?2)"
		   " ORDER BY kind, last LIMIT 1",
	    .columns = 2,
	};

	return walk_keys(walk, search, walk_marks_row, reterr);
}

static bool
walk_marks_last(struct walk *walk, struct err *reterr)
{
	union engine_row row = {.marks = {.last = 0}};

	if (!db_run(&walk->store->db, reterr,
		"SELECT last FROM marks ORDER BY kind DESC, last DESC LIMIT 1",
		">i", &row.marks.last))
		return false;
	if (row.marks.last != 0)
		(void)walk_show(walk, &row);
	return true;
}

/* ---- dead letters and bodies ---- */

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
	if (!db_next(rows, reterr, "iSiiib", &dead->id, &dead->destination,
		&dead->age_ms, &letters, &bytes, &dead->frame))
		return false;
	dead->age_ms = store_sum(dead->age_ms);
	dead->letters = store_size(letters);
	dead->bytes = store_size(bytes);
	return true;
}

/* A row that cannot be read is shown without its letters. */
static bool
walk_dead(struct walk *walk, int64_t id, bool *ret_more, struct err *reterr)
{
	union engine_row row;
	struct err err = {.code = ERR_NONE};
	struct db_rows rows = db_select(
	    &walk->store->db, &err, DEAD_COLUMNS " WHERE id=?1", "i", id);

	if (!walk_dead_next(&rows, &row.dead, &err))
		row.dead.id = id;
	if (err.code == ERR_NONE || err.code == ERR_DAMAGED)
		*ret_more = walk_show(walk, &row);
	return walk_id_end(walk, &rows, true, &err, reterr);
}

static bool
walk_dead_of(struct walk *walk, struct err *reterr)
{
	int64_t destination;

	return store_destination(
		   walk->store, walk->cursor->of, &destination, reterr) &&
	       walk_of(walk, destination,
		   "SELECT destination, id FROM dead"
		   " WHERE destination=?1 AND id>?2 ORDER BY id LIMIT 1",
		   walk_dead, reterr);
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

/* A body that cannot be read is shown without it. */
static bool
walk_unreadable(
    struct walk *walk, int64_t id, bool *ret_more, struct err *reterr)
{
	union engine_row row = {.unreadable = {.id = id}};
	struct engine_unreadable *body = &row.unreadable;
	struct err err = {.code = ERR_NONE};
	struct db_rows rows, frame;
	int64_t source, bytes;
	bool there;

	rows = db_select(&walk->store->db, &err,
	    "SELECT received_ms, age_ms, source, reason, encoding, hash,"
	    " length(data) FROM unreadable WHERE id=?1",
	    "i", id);
	there =
	    db_next(&rows, &err, "iiissbi", &body->received_ms, &body->age_ms,
		&source, &body->reason, &body->encoding, &body->hash, &bytes);
	if (there) {
		body->received_ms = store_sum(body->received_ms);
		body->age_ms = store_sum(body->age_ms);
		body->source = store_name_at(walk->store, source);
		body->bytes = store_size(bytes);
		if (walk->frames) {
			frame = db_select(&walk->store->db, &err,
			    "SELECT data FROM unreadable WHERE id=?1", "i", id);
			(void)db_next(&frame, &err, "b", &body->frame);
		}
		if (err.code == ERR_NONE || err.code == ERR_DAMAGED)
			*ret_more = walk_show(walk, &row);
		if (walk->frames)
			(void)!db_end(&frame);
	}
	return walk_id_end(walk, &rows, there, &err, reterr);
}

static bool
walk_unreadable_of(struct walk *walk, struct err *reterr)
{
	int64_t source;

	return store_name(
		   walk->store, walk->cursor->of, false, &source, reterr) &&
	       walk_of(walk, source,
		   "SELECT source, id FROM unreadable"
		   " WHERE source=?1 AND id>?2 ORDER BY id LIMIT 1",
		   walk_unreadable, reterr);
}

/* The indexes hold the lengths, so no row is read. */
static bool
walk_sums(struct walk *walk, bool dead, struct err *reterr)
{
	union engine_row row;
	struct str owner;
	int64_t bytes;
	struct db_rows rows = db_select(&walk->store->db, reterr,
	    dead ? "SELECT (SELECT name FROM destination WHERE "
		   "id=dead.destination),"
		   " total(length(data)) FROM dead INDEXED BY dead_destination"
		   " GROUP BY destination"
		 : "SELECT (SELECT text FROM name WHERE id=unreadable.source),"
		   " total(length(data)) FROM unreadable"
		   " INDEXED BY unreadable_source GROUP BY source",
	    "");

	while (db_next(&rows, reterr, "Si", &owner, &bytes)) {
		if (dead)
			row.dead = (struct engine_dead){
			    .destination = owner, .bytes = store_size(bytes)};
		else
			row.unreadable = (struct engine_unreadable){
			    .source = owner, .bytes = store_size(bytes)};
		if (!walk_show(walk, &row))
			break;
	}
	return db_end(&rows);
}

static bool
walk_erasure(struct walk *walk, int64_t id, bool *ret_more, struct err *reterr)
{
	union engine_row row = {.erasure = {.id = id}};
	struct engine_erasure *erasure = &row.erasure;
	struct err err = {.code = ERR_NONE};
	int64_t source;
	bool there;
	struct db_rows rows = db_select(&walk->store->db, &err,
	    "SELECT source, subject, noted_ms, erased_ms FROM erasure"
	    " WHERE id=?1",
	    "i", id);

	there = db_next(&rows, &err, "isii", &source, &erasure->subject,
	    &erasure->noted_ms, &erasure->erased_ms);
	if (there) {
		erasure->noted_ms = store_sum(erasure->noted_ms);
		erasure->erased_ms = store_sum(erasure->erased_ms);
		erasure->source = store_name_at(walk->store, source);
		*ret_more = walk_show(walk, &row);
	}
	return walk_id_end(walk, &rows, there, &err, reterr);
}

/* ---- sets ---- */

static bool
walk_page(
    struct walk *walk, const int64_t *at, bool *ret_more, struct err *reterr)
{
	return walk_numbered(walk,
	    "SELECT destination, source, due_ms, seq FROM delivery"
	    " INDEXED BY delivery_page WHERE stamp>0 AND seq=?1"
	    " AND (seq<=?2 OR due_ms>0)",
	    at[0], ret_more, reterr);
}

static bool
walk_pages(struct walk *walk, struct err *reterr)
{
	const struct store_search search = {
	    .sql = "SELECT seq FROM delivery INDEXED BY delivery_page"
		   " WHERE stamp>0 AND seq>?1 ORDER BY seq LIMIT 1",
	    .columns = 1,
	};

	if (!walk->cursor->begun)
		walk->cursor->last = walk->store->next_seq - 1;
	walk->cursor->begun = true;
	return walk_keys(walk, search, walk_page, reterr);
}

static bool
walk_group(struct walk *walk, int64_t id, bool *ret_more, struct err *reterr)
{
	union engine_row row = {.group = {.id = id}};
	struct err err = {.code = ERR_NONE};
	struct db_rows rows = db_select(&walk->store->db, &err,
	    "SELECT data, (SELECT name FROM destination"
	    " WHERE id=grp.destination) FROM grp WHERE id=?1",
	    "i", id);
	bool there =
	    db_next(&rows, &err, "bs", &row.group.data, &row.group.destination);

	if (there)
		*ret_more = walk_show(walk, &row);
	return walk_id_end(walk, &rows, there, &err, reterr);
}

static bool
walk_sync(
    struct walk *walk, const int64_t *key, bool *ret_more, struct err *reterr)
{
	union engine_row row = {.sync = {.group = key[0], .number = key[1]}};
	struct err err = {.code = ERR_NONE};
	struct db_rows rows = db_select(&walk->store->db, &err,
	    "SELECT data FROM sync WHERE grp=?1 AND number=?2", "ii", key[0],
	    key[1]);
	bool there = db_next(&rows, &err, "b", &row.sync.data);

	if (there)
		*ret_more = walk_show(walk, &row);
	return walk_id_end(walk, &rows, there, &err, reterr);
}

static bool
walk_syncs(struct walk *walk, struct err *reterr)
{
	const struct store_search search = {
	    .sql = "SELECT grp, number FROM sync WHERE (grp, number) > (?1, ?2)"
		   " ORDER BY grp, number LIMIT 1",
	    .columns = 2,
	};

	return walk_keys(walk, search, walk_sync, reterr);
}

static bool
walk_member(
    struct walk *walk, const int64_t *key, bool *ret_more, struct err *reterr)
{
	union engine_row row = {.member = {.group = key[0]}};
	struct err err = {.code = ERR_NONE};
	int64_t said, sent_s;
	struct db_rows rows = db_select(&walk->store->db, &err,
	    "SELECT p.text, " MEMBER_SAID ", m.sent_s FROM member m"
	    " JOIN person p ON p.id=m.person"
	    " WHERE m.grp=?1 AND m.person=?2 AND p.text IS NOT NULL",
	    "ii", key[0], key[1]);
	bool there =
	    db_next(&rows, &err, "bii", &row.member.person, &said, &sent_s);

	if (there) {
		store_member_read(said, sent_s, &row.member);
		*ret_more = walk_show(walk, &row);
	}
	return walk_id_end(walk, &rows, there, &err, reterr);
}

static bool
walk_members(struct walk *walk, struct err *reterr)
{
	const struct store_search search = {
	    .sql = "SELECT grp, person FROM member WHERE grp=?1 AND person>?2"
		   " ORDER BY person LIMIT 1",
	    .columns = 2,
	    .fixed = 1,
	};

	return walk_keys(walk, search, walk_member, reterr);
}

/* ---- whole tables ---- */

static void
walk_ledger_bound(struct engine_ledger *ledger)
{
	int64_t *const sums[] = {LEDGER_POINTERS(ledger)};

	for (size_t i = 0; i < sizeof(sums) / sizeof(*sums); i++)
		*sums[i] = store_sum(*sums[i]);
}

static bool
walk_ledger(struct walk *walk, enum engine_table by, struct err *reterr)
{
	union engine_row row = {.ledger = {.hour = 0}};
	struct engine_ledger *ledger = &row.ledger;
	struct db_rows rows;
	int64_t hour;

	if (by == ENGINE_LEDGER_BY_SOURCE)
		rows = db_select(&walk->store->db, reterr,
		    "SELECT text, NULL, 0, " LEDGER_SUMS " FROM ledger"
		    " JOIN name ON id=source GROUP BY source ORDER BY text",
		    "");
	else if (by == ENGINE_LEDGER_BY_TYPE)
		rows = db_select(&walk->store->db, reterr,
		    "SELECT NULL, text, 0, " LEDGER_SUMS
		    " FROM ledger NOT INDEXED"
		    " JOIN name ON id=type GROUP BY type ORDER BY text",
		    "");
	else if (by == ENGINE_LEDGER_SUMS)
		rows = db_select(&walk->store->db, reterr,
		    "SELECT s.text, t.text, 0, " LEDGER_SUMS
		    " FROM ledger NOT INDEXED JOIN name s ON s.id=source"
		    " JOIN name t ON t.id=type GROUP BY source, type"
		    " ORDER BY s.text, t.text",
		    "");
	else
		rows = db_select(&walk->store->db, reterr,
		    "SELECT NULL, NULL, hour, " LEDGER_SUMS
		    " FROM ledger GROUP BY hour ORDER BY hour",
		    "");
	while (db_next(&rows, reterr, "ssi" LEDGER_TYPES, &ledger->source,
	    &ledger->type, &hour, LEDGER_POINTERS(ledger))) {
		walk_ledger_bound(ledger);
		ledger->hour = store_bound(hour, STORE_SUM_MAX / 3600000);
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
	    "SELECT r.text, t.text, total(d.events) FROM dropped d NOT INDEXED"
	    " JOIN name r ON r.id=d.rule JOIN name t ON t.id=d.type"
	    " GROUP BY d.rule, d.type ORDER BY r.text, t.text",
	    "");

	while (db_next(&rows, reterr, "ssi", &dropped->rule, &dropped->type,
	    &dropped->events)) {
		dropped->events = store_sum(dropped->events);
		if (!walk_show(walk, &row))
			break;
	}
	return db_end(&rows);
}

static bool
walk_reports(struct walk *walk, struct err *reterr)
{
	union engine_row row = {.report = {.day = 0}};
	struct engine_report *report = &row.report;
	struct db_rows rows = db_select(&walk->store->db, reterr,
	    "SELECT day, kind, r.id, name, n.text, delivered, dropped, dead"
	    " FROM report r JOIN name n ON n.id=type"
	    " WHERE day>=?1 OR (day<0 AND ~day>=?2) ORDER BY day",
	    "ii", walk->cursor->at[0], walk->cursor->at[1]);

	while (db_next(&rows, reterr, "issssiii", &report->day, &report->kind,
	    &report->id, &report->name, &report->type, &report->delivered,
	    &report->dropped, &report->dead)) {
		report->day = store_sum(report->day);
		report->delivered = store_sum(report->delivered);
		report->dropped = store_sum(report->dropped);
		report->dead = store_sum(report->dead);
		if (!walk_show(walk, &row))
			break;
	}
	return db_end(&rows);
}

static bool
walk_tallies(struct walk *walk, struct err *reterr)
{
	union engine_row row;
	struct db_rows rows = db_select(
	    &walk->store->db, reterr, "SELECT data FROM tally ORDER BY n", "");

	while (db_next(&rows, reterr, "b", &row.tally) && walk_show(walk, &row))
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
	    &drift->first_ms, &drift->last_ms)) {
		drift->events = store_sum(drift->events);
		drift->first_ms = store_sum(drift->first_ms);
		drift->last_ms = store_sum(drift->last_ms);
		if (!walk_show(walk, &row))
			break;
	}
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
		destination->queued = store_sum(destination->queued);
		destination->bytes = store_sum(destination->bytes);
		destination->delivered_ms =
		    store_sum(destination->delivered_ms);
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
    bool *ret_more, struct err *reterr)
{
	union engine_row row = {.delivery = {.seq = 0}};
	int64_t fresh_ms = 0, deferred_ms = 0;
	struct db_rows rows;

	*ret_more = true;
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
	row.delivery.accepted_ms = store_sum(
	    fresh_ms == 0 || (deferred_ms != 0 && deferred_ms < fresh_ms)
		? deferred_ms
		: fresh_ms);
	rows = db_select(&walk->store->db, reterr,
	    "SELECT name FROM destination WHERE id=?1", "i", destination);
	if (db_next(&rows, reterr, "s", &row.delivery.destination) &&
	    row.delivery.accepted_ms != 0)
		*ret_more = walk_show(walk, &row);
	return db_end(&rows);
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

/* What is damaged may hide the oldest of a source, not those of others. */
static bool
walk_oldest(struct walk *walk, struct err *reterr)
{
	struct store_search search = {
	    .sql = "SELECT destination, source FROM delivery"
		   " WHERE (destination, source) > (?1, ?2)"
		   " ORDER BY destination, source LIMIT 1",
	    .columns = 2,
	};
	bool there = true, more = true;
	struct err err;

	while (more) {
		if (!store_search_next(walk->store, &search, &there, reterr))
			return false;
		if (!there)
			break;
		if (!walk_oldest_of(
			walk, search.key[0], search.key[1], &more, &err) &&
		    err.code != ERR_DAMAGED)
			return err_set(reterr, err.code, "%s", err.text);
	}
	return !more || walk_oldest_quarantined(walk, &err) ||
	       err.code == ERR_DAMAGED ||
	       err_set(reterr, err.code, "%s", err.text);
}

/* ---- any of them ---- */

/* Whole tables are loaded into memory: one that the disk did not give is to be
 * read again, and not to be left out. */
static bool
walk_whole(const struct walk *walk, bool ok, struct err *reterr)
{
	if (!ok && reterr->code == ERR_DAMAGED &&
	    db_read_failed(&walk->store->db))
		reterr->code = ERR_IO;
	return ok;
}

bool
store_walk(struct store *store, enum engine_table table,
    struct engine_cursor *cursor, size_t rows, engine_row_fn *fn, void *arg,
    bool *ret_more, struct err *reterr)
{
	struct walk walk = {store, cursor, rows, fn, arg, ret_more,
	    table == ENGINE_ARCHIVE || table == ENGINE_ARCHIVE_RANGES ||
		table == ENGINE_UNREADABLE,
	    NULL};

	*ret_more = false;
	switch (table) {
	case ENGINE_QUEUED:
		return walk_queued(&walk, reterr);
	case ENGINE_BATCHES:
		return walk_ids(
		    &walk, WALK_IDS("batch", "seq"), walk_batch, reterr);
	case ENGINE_ARCHIVE:
	case ENGINE_ARCHIVE_HEADS:
		return walk_ids(
		    &walk, WALK_IDS("archive", "id"), walk_archived, reterr);
	case ENGINE_QUEUED_RANGES:
		return walk_ranges(&walk,
		    "SELECT coalesce(max(seq), 0) FROM delivery",
		    walk_queued_range, reterr);
	case ENGINE_ARCHIVE_RANGES:
		return walk_ranges(&walk,
		    "SELECT coalesce(max(id), 0) FROM archive",
		    walk_archive_range, reterr);
	case ENGINE_PAGES:
		return walk_pages(&walk, reterr);
	case ENGINE_MARKS:
		return walk_marks(&walk, reterr);
	case ENGINE_SYNCS:
		return walk_syncs(&walk, reterr);
	case ENGINE_MEMBERS:
		return walk_members(&walk, reterr);
	case ENGINE_GROUPS:
		return walk_ids(
		    &walk, WALK_IDS("grp", "id"), walk_group, reterr);
	case ENGINE_MARKS_LAST:
		return walk_marks_last(&walk, reterr);
	case ENGINE_DEAD:
		if (cursor->of.len > 0)
			return walk_dead_of(&walk, reterr);
		return walk_ids(
		    &walk, WALK_IDS("dead", "id"), walk_dead, reterr);
	case ENGINE_UNREADABLE:
	case ENGINE_UNREADABLE_HEADS:
		if (cursor->of.len > 0)
			return walk_unreadable_of(&walk, reterr);
		return walk_ids(&walk, WALK_IDS("unreadable", "id"),
		    walk_unreadable, reterr);
	case ENGINE_DEAD_SUMS:
	case ENGINE_UNREADABLE_SUMS:
		return walk_sums(&walk, table == ENGINE_DEAD_SUMS, reterr);
	case ENGINE_ERASURES:
		return walk_ids(
		    &walk, WALK_IDS("erasure", "id"), walk_erasure, reterr);
	case ENGINE_SEEN:
		return walk_whole(&walk, walk_seen(&walk, reterr), reterr);
	case ENGINE_DRIFT:
		return walk_drift(&walk, reterr);
	case ENGINE_LEDGER_BY_SOURCE:
	case ENGINE_LEDGER_BY_TYPE:
	case ENGINE_LEDGER_BY_HOUR:
	case ENGINE_LEDGER_SUMS:
		return walk_whole(
		    &walk, walk_ledger(&walk, table, reterr), reterr);
	case ENGINE_DROPPED:
		return walk_dropped(&walk, reterr);
	case ENGINE_REPORTS:
		return walk_reports(&walk, reterr);
	case ENGINE_TALLIES:
		return walk_whole(&walk, walk_tallies(&walk, reterr), reterr);
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
