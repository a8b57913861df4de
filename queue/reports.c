#include "queue/reports.h"

#include "base/clock.h"
#include "queue/batch.h"
#include "queue/names.h"

#include <stdlib.h>

enum reports_column {
	REPORTS_DELIVERED,
	REPORTS_DROPPED,
	REPORTS_DEAD,
	REPORTS_COLUMNS
};

/* Texts are numbers of reports->texts. */
struct reports_row {
	int64_t day;
	int64_t kind, id, type;
	int64_t name, name_durable;	/* 0: none was seen yet */
	int64_t sums[REPORTS_COLUMNS];	/* durable, and not in the store's
					* rows */
	int64_t moved[REPORTS_COLUMNS]; /* by the running transaction */
	bool touched;			/* likewise */
};

struct reports {
	const struct queue_settings *settings;
	struct names texts;
	size_t texts_durable; /* that the tallies have, by their numbers */
	struct reports_row *rows;
	size_t row_count, row_cap, rows_durable;
	struct table table;
	uint32_t *touched; /* rows; owned */
	size_t touched_count, touched_cap;
	struct buf tally; /* of the running transaction */
	int64_t floor, floor_moved;
	bool tallied; /* the store has tallies, of so many bytes */
	int64_t tally_bytes;
	bool damaged; /* and not all of them could be read */
	bool flush;   /* the running transaction adds them to its rows */
};

static const struct str reports_other = STR(ENGINE_REPORT_OTHER);

struct reports *
reports_new(const struct queue_settings *settings)
{
	struct reports *reports = calloc(1, sizeof(*reports));

	if (reports == NULL)
		return NULL;
	reports->settings = settings;
	buf_init(&reports->tally, SIZE_MAX / 2);
	return reports;
}

void
reports_free(struct reports *reports)
{
	if (reports == NULL)
		return;
	names_fini(&reports->texts);
	table_fini(&reports->table);
	buf_fini(&reports->tally);
	free(reports->rows);
	free(reports->touched);
	free(reports);
}

/* ---- sums ---- */

/* What a row is of. */
struct reports_key {
	int64_t day;
	struct str kind, id, type;
	uint64_t type_hash;
};

uint64_t
reports_type_hash(struct str type)
{
	return str_hash(0, type);
}

static uint64_t
reports_hash(const struct reports_key *key)
{
	return str_hash(
	    key->type_hash + (uint64_t)key->day * 31 + key->kind.len, key->id);
}

struct reports_lookup {
	const struct reports *reports;
	const struct reports_key *key;
};

static bool
reports_row_is(const void *arg, uint32_t position)
{
	const struct reports_lookup *lookup = arg;
	const struct names *texts = &lookup->reports->texts;
	const struct reports_row *row = &lookup->reports->rows[position];
	const struct reports_key *key = lookup->key;

	return row->day == key->day &&
	       str_equal(names_at(texts, row->id), key->id) &&
	       str_equal(names_at(texts, row->type), key->type) &&
	       str_equal(names_at(texts, row->kind), key->kind);
}

/* Room for one more. */
static bool
reports_rows_grow(struct reports *reports)
{
	size_t cap = reports->row_cap == 0 ? 64 : reports->row_cap * 2;
	struct reports_row *rows;

	if (reports->row_count < reports->row_cap)
		return true;
	rows = realloc(reports->rows, cap * sizeof(*rows));
	if (rows == NULL)
		return false;
	reports->rows = rows;
	reports->row_cap = cap;
	return true;
}

static bool
reports_row_add(struct reports *reports, const struct reports_key *key,
    uint64_t hash, struct err *reterr)
{
	struct reports_row row = {.day = key->day};
	struct names *texts = &reports->texts;

	if (!reports_rows_grow(reports) ||
	    !table_reserve(&reports->table, reports->row_count + 1))
		return err_set_nomem(reterr);
	if (!names_add(texts, key->kind, &row.kind, reterr) ||
	    !names_add(texts, key->id, &row.id, reterr) ||
	    !names_add(texts, key->type, &row.type, reterr))
		return false;
	table_add(&reports->table, hash, (uint32_t)reports->row_count);
	reports->rows[reports->row_count++] = row;
	return true;
}

/* The row of a key, made if need be; NULL without memory. */
static struct reports_row *
reports_row(
    struct reports *reports, const struct reports_key *key, struct err *reterr)
{
	struct reports_lookup lookup = {reports, key};
	uint64_t hash = reports_hash(key);
	uint32_t at =
	    table_find(&reports->table, hash, reports_row_is, &lookup);

	if (at == TABLE_NONE) {
		at = (uint32_t)reports->row_count;
		if (!reports_row_add(reports, key, hash, reterr))
			return NULL;
	}
	return &reports->rows[at];
}

/* The same for what comes now, which is of the others if there is no room. */
static struct reports_row *
reports_row_bounded(
    struct reports *reports, struct reports_key *key, struct err *reterr)
{
	struct reports_lookup lookup = {reports, key};

	if (reports->row_count >= REPORTS_PENDING_MAX &&
	    table_find(&reports->table, reports_hash(key), reports_row_is,
		&lookup) == TABLE_NONE) {
		key->kind = str_text("");
		key->id = reports_other;
	}
	return reports_row(reports, key, reterr);
}

/* Its name is the last one that was seen, if any was; while they are too many,
 * the first one. */
static bool
reports_row_name(struct reports *reports, struct reports_row *row,
    struct str name, struct err *reterr)
{
	if (row->name != 0 &&
	    (name.len == 0 ||
		str_equal(names_at(&reports->texts, row->name), name) ||
		reports->texts.count >= REPORTS_PENDING_MAX * REPORTS_TEXTS))
		return true;
	return names_add(&reports->texts, name, &row->name, reterr);
}

/* Forget the rows behind the first so many, and texts. */
static void
reports_cut(struct reports *reports, size_t rows, size_t texts)
{
	const struct names *names = &reports->texts;

	while (reports->row_count > rows) {
		const struct reports_row *row =
		    &reports->rows[--reports->row_count];
		struct reports_key key = {
		    .day = row->day,
		    .kind = names_at(names, row->kind),
		    .id = names_at(names, row->id),
		    .type = names_at(names, row->type),
		};

		key.type_hash = reports_type_hash(key.type);
		table_remove(&reports->table, reports_hash(&key),
		    (uint32_t)reports->row_count);
	}
	names_cut(&reports->texts, texts);
}

static bool
reports_touch(
    struct reports *reports, struct reports_row *row, struct err *reterr)
{
	if (row->touched)
		return true;
	if (reports->touched_count == reports->touched_cap) {
		size_t cap =
		    reports->touched_cap == 0 ? 64 : reports->touched_cap * 2;
		uint32_t *touched =
		    realloc(reports->touched, cap * sizeof(*touched));

		if (touched == NULL)
			return err_set_nomem(reterr);
		reports->touched = touched;
		reports->touched_cap = cap;
	}
	reports->touched[reports->touched_count++] =
	    (uint32_t)(row - reports->rows);
	row->touched = true;
	return true;
}

/* Forget all. */
static void
reports_clear(struct reports *reports)
{
	table_clear(&reports->table);
	names_cut(&reports->texts, 0);
	reports->row_count = reports->rows_durable = 0;
	reports->texts_durable = 0;
	reports->touched_count = 0;
}

/* What is added, while `report` says what it is counted under. */
struct reports_adding {
	struct reports *reports;
	struct reports_key key;
	const struct stats_line *moved;
	struct err *reterr;
	bool ok;
};

/* A NUL inside would make two texts look alike. */
static bool
reports_is_odd(struct str id)
{
	return id.len > REPORTS_ID_MAX ||
	       (id.len > 0 && memchr(id.data, '\0', id.len) != NULL);
}

static void
reports_add_to(void *arg, int64_t day, const struct item_label *label)
{
	struct reports_adding *adding = arg;
	struct reports *reports = adding->reports;
	const struct stats_line *moved = adding->moved;
	struct reports_key *key = &adding->key;
	struct str name = label->name;
	struct reports_row *row;

	key->day = day < 0		    ? 0
		   : day > REPORTS_DAY_MOST ? REPORTS_DAY_MOST
					    : day;
	key->kind = str_text(label->kind);
	key->id = label->id;
	if (reports_is_odd(key->id))
		key->id = reports_other;
	if (name.len > REPORTS_NAME_MAX)
		name.len = REPORTS_NAME_MAX;
	row = reports_row_bounded(reports, key, adding->reterr);
	if (str_equal(key->id, reports_other))
		name.len = 0;
	adding->ok = row != NULL &&
		     reports_touch(reports, row, adding->reterr) &&
		     reports_row_name(reports, row, name, adding->reterr);
	if (!adding->ok)
		return;
	row->moved[REPORTS_DELIVERED] += moved->delivered;
	row->moved[REPORTS_DROPPED] += moved->dropped;
	row->moved[REPORTS_DEAD] += moved->dead;
}

bool
reports_add(struct reports *reports, const struct item *item, struct str type,
    uint64_t type_hash, int64_t hour, const struct stats_line *moved,
    struct err *reterr)
{
	const struct queue_settings *settings = reports->settings;
	struct reports_adding adding = {
	    .reports = reports,
	    .key = {.type = type, .type_hash = type_hash},
	    .moved = moved,
	    .reterr = reterr,
	    .ok = true,
	};

	if (settings->report == NULL ||
	    (moved->delivered == 0 && moved->dropped == 0 && moved->dead == 0))
		return true;
	settings->report(settings->report_arg, item, hour * 3600000,
	    reports_add_to, &adding);
	return adding.ok;
}

/* ---- tallies ---- */

/*
 * Numbers as LEB128: how many texts are new, {length, bytes} for each; how many
 * rows, for each its day, the numbers of its texts, and what moved, with the
 * sign in the lowest bit. A text's number counts from the first tally.
 */

static void
tally_signed_write(struct buf *buf, int64_t number)
{
	batch_number_write(buf,
	    number < 0 ? (uint64_t)-number << 1 | 1 : (uint64_t)number << 1);
}

static void
tally_row_write(struct buf *buf, const struct reports_row *row)
{
	batch_number_write(buf, (uint64_t)row->day);
	batch_number_write(buf, (uint64_t)row->kind);
	batch_number_write(buf, (uint64_t)row->id);
	batch_number_write(buf, (uint64_t)row->type);
	batch_number_write(buf, (uint64_t)row->name);
	for (size_t i = 0; i < REPORTS_COLUMNS; i++)
		tally_signed_write(buf, row->moved[i]);
}

static void
tally_write(struct reports *reports, struct changes *changes)
{
	struct buf *tally = &reports->tally;

	buf_reset(tally);
	batch_number_write(
	    tally, reports->texts.count - reports->texts_durable);
	for (size_t i = reports->texts_durable; i < reports->texts.count; i++) {
		struct str text = reports->texts.texts[i];

		batch_number_write(tally, text.len);
		(void)buf_append(tally, text.data, text.len);
	}
	batch_number_write(tally, reports->touched_count);
	for (size_t i = 0; i < reports->touched_count; i++)
		tally_row_write(tally, &reports->rows[reports->touched[i]]);
	if (!buf_ok(tally, NULL))
		changes->failed = true;
	changes_add(changes, ENGINE_TALLY_ADD)->row.tally =
	    str_bytes(tally->data, tally->len);
}

static bool
tally_texts_read(
    struct reports *reports, struct batch_reader *reader, struct err *reterr)
{
	uint64_t count, len;
	const char *bytes;
	int64_t number;

	if (!batch_number_read(reader, UINT32_MAX, &count))
		return false;
	for (; count > 0; count--) {
		size_t before = reports->texts.count;

		if (!batch_number_read(reader, UINT32_MAX, &len) ||
		    (bytes = batch_bytes_read(reader, (size_t)len)) == NULL ||
		    !names_add(&reports->texts, str_bytes(bytes, (size_t)len),
			&number, reterr) ||
		    reports->texts.count == before)
			return false;
	}
	return true;
}

static bool
tally_text_read(const struct reports *reports, struct batch_reader *reader,
    struct str *ret_text)
{
	uint64_t number;

	if (!batch_number_read(reader, reports->texts.count, &number) ||
	    number == 0)
		return false;
	*ret_text = names_at(&reports->texts, (int64_t)number);
	return true;
}

static bool
tally_row_read(
    struct reports *reports, struct batch_reader *reader, struct err *reterr)
{
	struct reports_key key;
	struct reports_row *row;
	uint64_t day, number;
	struct str name;

	if (!batch_number_read(reader, REPORTS_DAY_MOST, &day) ||
	    !tally_text_read(reports, reader, &key.kind) ||
	    !tally_text_read(reports, reader, &key.id) ||
	    !tally_text_read(reports, reader, &key.type) ||
	    !tally_text_read(reports, reader, &name))
		return false;
	key.day = (int64_t)day;
	key.type_hash = reports_type_hash(key.type);
	row = reports_row(reports, &key, reterr);
	if (row == NULL || !reports_row_name(reports, row, name, reterr))
		return false;
	for (size_t i = 0; i < REPORTS_COLUMNS; i++) {
		if (!batch_number_read(reader, UINT64_C(1) << 48, &number))
			return false;
		row->sums[i] += (number & 1) != 0 ? -(int64_t)(number >> 1)
						  : (int64_t)(number >> 1);
	}
	row->name_durable = row->name;
	return true;
}

bool
reports_load(struct reports *reports, struct str tally, struct err *reterr)
{
	struct batch_reader reader = {
	    .at = (const unsigned char *)tally.data,
	    .end = (const unsigned char *)tally.data + tally.len,
	};
	uint64_t rows = 0;
	bool ok;

	(void)err_set(reterr, ERR_DAMAGED,
	    "a tally of the reports is damaged; it and those behind it are not "
	    "counted");
	ok = tally_texts_read(reports, &reader, reterr) &&
	     batch_number_read(&reader, UINT32_MAX, &rows);
	for (; ok && rows > 0; rows--)
		ok = tally_row_read(reports, &reader, reterr);
	reports->texts_durable = reports->texts.count;
	reports->rows_durable = reports->row_count;
	reports->tallied = true;
	reports->tally_bytes += (int64_t)tally.len;
	return ok;
}

void
reports_load_end(struct reports *reports, bool damaged)
{
	reports->damaged = damaged;
	reports->tallied = reports->tallied || damaged;
}

void
reports_load_begin(struct reports *reports, struct str floor)
{
	reports_clear(reports);
	reports->floor = 0;
	if (floor.len == sizeof(reports->floor))
		memcpy(&reports->floor, floor.data, floor.len);
	reports->floor_moved = reports->floor;
	reports->tallied = reports->damaged = false;
	reports->tally_bytes = 0;
}

/* ---- the transaction ---- */

/* In the store. */
static int64_t
reports_rows_max(const struct reports *reports)
{
	int64_t most =
	    reports->settings->max_bytes / REPORTS_PART / REPORTS_ROW_BYTES;

	return most < REPORTS_ROWS_MAX ? most : REPORTS_ROWS_MAX;
}

/* Of a month: that of its first day, which no day has. */
static int64_t
reports_day(const struct reports *reports, int64_t day)
{
	return day >= reports->floor_moved ? day : ~clock_month(day);
}

static struct engine_report
reports_engine_row(
    const struct reports *reports, const struct reports_row *row, bool moved)
{
	const struct names *texts = &reports->texts;
	int64_t sums[REPORTS_COLUMNS];

	for (size_t i = 0; i < REPORTS_COLUMNS; i++)
		sums[i] = row->sums[i] + (moved ? row->moved[i] : 0);
	return (struct engine_report){
	    .day = reports_day(reports, row->day),
	    .kind = names_at(texts, row->kind),
	    .id = names_at(texts, row->id),
	    .name = names_at(texts, row->name),
	    .type = names_at(texts, row->type),
	    .delivered = sums[REPORTS_DELIVERED],
	    .dropped = sums[REPORTS_DROPPED],
	    .dead = sums[REPORTS_DEAD],
	    .rows_max = reports_rows_max(reports),
	};
}

bool
reports_pending(const struct reports *reports)
{
	return reports->tallied;
}

bool
reports_many(const struct reports *reports)
{
	int64_t most = reports->settings->max_bytes / REPORTS_PART / 4;

	return reports->damaged || reports->row_count >= REPORTS_PENDING ||
	       reports->tally_bytes >= REPORTS_TALLY_BYTES ||
	       reports->tally_bytes >= most ||
	       reports->texts.count >= REPORTS_PENDING * REPORTS_TEXTS;
}

void
reports_flush(struct reports *reports)
{
	reports->flush = true;
}

void
reports_write(struct reports *reports, struct changes *changes)
{
	if (!reports->flush) {
		if (reports->touched_count > 0)
			tally_write(reports, changes);
		return;
	}
	for (size_t i = 0; i < reports->row_count; i++) {
		struct engine_report row =
		    reports_engine_row(reports, &reports->rows[i], true);

		if (row.delivered != 0 || row.dropped != 0 || row.dead != 0)
			changes_add(changes, ENGINE_REPORT_ADD)->row.report =
			    row;
	}
	if (reports->tallied)
		(void)changes_add(changes, ENGINE_TALLY_CLEAR);
}

void
reports_commit(struct reports *reports)
{
	reports->floor = reports->floor_moved;
	if (reports->flush) {
		reports_clear(reports);
		reports->tallied = reports->damaged = reports->flush = false;
		reports->tally_bytes = 0;
		return;
	}
	if (reports->touched_count > 0) {
		reports->tallied = true;
		reports->tally_bytes += (int64_t)reports->tally.len;
	}
	for (size_t i = 0; i < reports->touched_count; i++) {
		struct reports_row *row = &reports->rows[reports->touched[i]];

		for (size_t n = 0; n < REPORTS_COLUMNS; n++) {
			row->sums[n] += row->moved[n];
			row->moved[n] = 0;
		}
		row->name_durable = row->name;
		row->touched = false;
	}
	reports->touched_count = 0;
	reports->texts_durable = reports->texts.count;
	reports->rows_durable = reports->row_count;
}

/* The rows that it added go, and with them its texts. */
void
reports_rollback(struct reports *reports)
{
	for (size_t i = 0; i < reports->touched_count; i++) {
		struct reports_row *row = &reports->rows[reports->touched[i]];

		memset(row->moved, 0, sizeof(row->moved));
		row->name = row->name_durable;
		row->touched = false;
	}
	reports->touched_count = 0;
	reports_cut(reports, reports->rows_durable, reports->texts_durable);
	reports->floor_moved = reports->floor;
	reports->flush = false;
}

/* ---- folding ---- */

void
reports_fold(struct reports *reports, int64_t wall_ms, int64_t rows,
    struct changes *changes)
{
	int64_t today = wall_ms < 0 ? 0 : wall_ms / (24 * 3600 * 1000);
	int64_t floor =
	    today < REPORTS_DAYS ? 0 : clock_month(today - REPORTS_DAYS);
	/* It should not wait for their age once there are so many. */
	int64_t many = reports_rows_max(reports) -
		       reports_rows_max(reports) / REPORTS_PART;
	bool crowded = rows > many;
	struct engine_change *change;

	/* One that is yet to come was set by a wrong clock. */
	if (floor < reports->floor && reports->floor <= clock_month(today))
		floor = reports->floor;
	if (crowded && floor < clock_month(today))
		floor = clock_month(floor + 31);
	reports->floor_moved = floor;
	change = changes_add(changes, ENGINE_REPORT_FOLD);
	change->row.report.day = floor;
	change->row.report.rows_max =
	    crowded && floor >= clock_month(today) ? many : INT64_MAX;
	change->number = REPORTS_FOLD;
	if (floor != reports->floor)
		changes_add(changes, ENGINE_STATE_PUT)->row.state =
		    (struct engine_state){
			.owner = STR(""),
			.name = str_text(REPORTS_STATE),
			.data = str_bytes((const char *)&reports->floor_moved,
			    sizeof(reports->floor_moved)),
		    };
}

/* ---- showing ---- */

struct stats_report
reports_shown(const struct engine_report *row)
{
	return (struct stats_report){
	    .day = row->day < 0 ? ~row->day : row->day,
	    .month = row->day < 0,
	    .kind = row->kind.data,
	    .id = row->id.data,
	    .name = row->name.data,
	    .type = row->type.data,
	    .delivered = row->delivered,
	    .dropped = row->dropped,
	    .dead = row->dead,
	};
}

bool
reports_each(const struct reports *reports, int64_t since_day,
    stats_report_fn *fn, void *arg)
{
	for (size_t i = 0; i < reports->row_count; i++) {
		struct engine_report row =
		    reports_engine_row(reports, &reports->rows[i], false);
		struct stats_report shown = reports_shown(&row);

		if (shown.day >=
			(shown.month ? clock_month(since_day) : since_day) &&
		    !fn(arg, &shown))
			return false;
	}
	return true;
}
