#include "queue/ledger.h"

#include <stdlib.h>
#include <string.h>

struct ledger_row {
	struct ledger_key key;
	int64_t events[LEDGER_COLUMNS];
};

struct ledger_drop {
	struct ledger_key key;
	int64_t rule, events;
};

/* The rows of the running transaction; a table of positions + 1, at most
 * half full, finds them. Drops are few and looked through from the end. */
struct ledger {
	struct ledger_row *rows;
	size_t row_count, row_cap;
	uint32_t *slots;
	size_t slot_count;
	struct ledger_drop *drops;
	size_t drop_count, drop_cap;
	struct stats_line totals;
};

struct ledger *
ledger_new(void)
{
	return calloc(1, sizeof(struct ledger));
}

void
ledger_free(struct ledger *ledger)
{
	if (ledger == NULL)
		return;
	free(ledger->rows);
	free(ledger->slots);
	free(ledger->drops);
	free(ledger);
}

int64_t
ledger_hour(int64_t wall_ms)
{
	return wall_ms / 3600000;
}

static bool
ledger_key_same(const struct ledger_key *a, const struct ledger_key *b)
{
	return a->hour == b->hour && a->source == b->source &&
	       a->type == b->type;
}

static size_t
ledger_slot(const struct ledger *ledger, const struct ledger_key *key)
{
	uint64_t hash = (uint64_t)key->hour * 0x9e3779b97f4a7c15u ^
			(uint64_t)key->type * 0xff51afd7ed558ccdu ^
			(uint64_t)key->source * 0xc4ceb9fe1a85ec53u;
	size_t slot = (size_t)(hash >> 20) & (ledger->slot_count - 1);

	while (
	    ledger->slots[slot] != 0 &&
	    !ledger_key_same(&ledger->rows[ledger->slots[slot] - 1].key, key))
		slot = (slot + 1) & (ledger->slot_count - 1);
	return slot;
}

static bool
ledger_grow(struct ledger *ledger)
{
	size_t cap = ledger->row_cap == 0 ? 64 : ledger->row_cap * 2;
	struct ledger_row *rows;
	uint32_t *slots;

	rows = realloc(ledger->rows, cap * sizeof(*rows));
	if (rows == NULL)
		return false;
	ledger->rows = rows;
	slots = calloc(cap * 2, sizeof(*slots));
	if (slots == NULL)
		return false;
	free(ledger->slots);
	ledger->slots = slots;
	ledger->slot_count = cap * 2;
	ledger->row_cap = cap;
	for (size_t i = 0; i < ledger->row_count; i++)
		slots[ledger_slot(ledger, &rows[i].key)] = (uint32_t)(i + 1);
	return true;
}

static struct ledger_row *
ledger_row(struct ledger *ledger, const struct ledger_key *key)
{
	size_t slot;

	if (ledger->row_count == ledger->row_cap && !ledger_grow(ledger))
		return NULL;
	slot = ledger_slot(ledger, key);
	if (ledger->slots[slot] == 0) {
		ledger->rows[ledger->row_count] =
		    (struct ledger_row){.key = *key};
		ledger->slots[slot] = (uint32_t)++ledger->row_count;
	}
	return &ledger->rows[ledger->slots[slot] - 1];
}

bool
ledger_note(struct ledger *ledger, const struct ledger_key *key,
    enum ledger_column column, int64_t events, struct err *reterr)
{
	struct ledger_row *row = ledger_row(ledger, key);

	if (row == NULL)
		return err_set_nomem(reterr);
	row->events[column] += events;
	return true;
}

bool
ledger_note_drop(struct ledger *ledger, const struct ledger_key *key,
    int64_t rule, int64_t events, struct err *reterr)
{
	if (!ledger_note(ledger, key, LEDGER_DROPPED, events, reterr))
		return false;
	for (size_t i = ledger->drop_count; i > 0; i--) {
		struct ledger_drop *drop = &ledger->drops[i - 1];

		if (drop->rule == rule && ledger_key_same(&drop->key, key)) {
			drop->events += events;
			return true;
		}
	}
	if (ledger->drop_count == ledger->drop_cap) {
		size_t cap = ledger->drop_cap == 0 ? 16 : ledger->drop_cap * 2;
		struct ledger_drop *drops =
		    realloc(ledger->drops, cap * sizeof(*drops));

		if (drops == NULL)
			return err_set_nomem(reterr);
		ledger->drops = drops;
		ledger->drop_cap = cap;
	}
	ledger->drops[ledger->drop_count++] =
	    (struct ledger_drop){.key = *key, .rule = rule, .events = events};
	return true;
}

static sqlite3_stmt *
ledger_bind_key(struct store *store, enum store_sql sql,
    const struct ledger_key *key, struct err *reterr)
{
	sqlite3_stmt *statement = store_statement(store, sql, reterr);

	if (statement == NULL)
		return NULL;
	(void)sqlite3_bind_int64(statement, 1, key->hour);
	(void)sqlite3_bind_int64(statement, 2, key->source);
	(void)sqlite3_bind_int64(statement, 3, key->type);
	return statement;
}

bool
ledger_write(struct ledger *ledger, struct store *store, struct err *reterr)
{
	for (size_t i = 0; i < ledger->row_count; i++) {
		const struct ledger_row *row = &ledger->rows[i];
		sqlite3_stmt *add =
		    ledger_bind_key(store, STORE_LEDGER_ADD, &row->key, reterr);

		if (add == NULL)
			return false;
		for (int column = 0; column < LEDGER_COLUMNS; column++)
			(void)sqlite3_bind_int64(
			    add, 4 + column, row->events[column]);
		if (!store_run(store, add, reterr))
			return false;
	}
	for (size_t i = 0; i < ledger->drop_count; i++) {
		const struct ledger_drop *drop = &ledger->drops[i];
		sqlite3_stmt *add =
		    ledger_bind_key(store, STORE_DROP_ADD, &drop->key, reterr);

		if (add == NULL)
			return false;
		(void)sqlite3_bind_int64(add, 4, drop->rule);
		(void)sqlite3_bind_int64(add, 5, drop->events);
		if (!store_run(store, add, reterr))
			return false;
	}
	return true;
}

void
ledger_commit(struct ledger *ledger)
{
	struct stats_line *totals = &ledger->totals;

	for (size_t i = 0; i < ledger->row_count; i++) {
		const int64_t *events = ledger->rows[i].events;

		totals->received += events[LEDGER_RECEIVED];
		totals->queued += events[LEDGER_WAITING];
		totals->delivered += events[LEDGER_DELIVERED];
		totals->dead += events[LEDGER_BURIED];
		totals->dropped += events[LEDGER_DROPPED];
		totals->duplicates += events[LEDGER_DUPLICATES];
		totals->erased += events[LEDGER_FORGOTTEN];
		totals->expired += events[LEDGER_EXPIRED];
		totals->replayed += events[LEDGER_REPLAYED];
		totals->replay_delivered += events[LEDGER_REPLAY_DELIVERED];
		totals->replay_refused += events[LEDGER_REPLAY_REFUSED];
	}
	ledger_rollback(ledger);
}

void
ledger_rollback(struct ledger *ledger)
{
	if (ledger->row_count > 0)
		memset(ledger->slots, 0,
		    ledger->slot_count * sizeof(*ledger->slots));
	ledger->row_count = ledger->drop_count = 0;
}

bool
ledger_fold(struct store *store, int64_t now_ms, struct err *reterr)
{
	static const enum store_sql steps[] = {STORE_LEDGER_FOLD,
	    STORE_LEDGER_FOLDED, STORE_DROP_FOLD, STORE_DROP_FOLDED};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		sqlite3_stmt *step = store_statement(store, steps[i], reterr);

		if (step == NULL)
			return false;
		(void)sqlite3_bind_int64(
		    step, 1, ledger_hour(now_ms) - LEDGER_HOURS);
		if (!store_run(store, step, reterr))
			return false;
	}
	return true;
}

void
ledger_line_read(sqlite3_stmt *row, int first, struct stats_line *ret_line)
{
	*ret_line = (struct stats_line){
	    .received = sqlite3_column_int64(row, first + LEDGER_RECEIVED),
	    .queued = sqlite3_column_int64(row, first + LEDGER_WAITING),
	    .delivered = sqlite3_column_int64(row, first + LEDGER_DELIVERED),
	    .dead = sqlite3_column_int64(row, first + LEDGER_BURIED),
	    .dropped = sqlite3_column_int64(row, first + LEDGER_DROPPED),
	    .duplicates = sqlite3_column_int64(row, first + LEDGER_DUPLICATES),
	    .erased = sqlite3_column_int64(row, first + LEDGER_FORGOTTEN),
	    .expired = sqlite3_column_int64(row, first + LEDGER_EXPIRED),
	    .replayed = sqlite3_column_int64(row, first + LEDGER_REPLAYED),
	    .replay_delivered =
		sqlite3_column_int64(row, first + LEDGER_REPLAY_DELIVERED),
	    .replay_refused =
		sqlite3_column_int64(row, first + LEDGER_REPLAY_REFUSED),
	};
}

bool
ledger_load(struct ledger *ledger, struct store *store, struct err *reterr)
{
	sqlite3_stmt *sums =
	    store_statement(store, STORE_LEDGER_TOTALS, reterr);
	bool row;

	if (sums == NULL || !store_step(store, sums, &row, reterr))
		return false;
	ledger_line_read(sums, 1, &ledger->totals);
	store_reset(sums);
	return true;
}

const struct stats_line *
ledger_totals(const struct ledger *ledger)
{
	return &ledger->totals;
}
