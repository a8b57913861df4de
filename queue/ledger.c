#include "queue/ledger.h"

#include <stdlib.h>

struct ledger_row {
	struct ledger_key key;
	struct stats_line moved;
};

struct ledger_drop {
	struct ledger_key key;
	int64_t rule, events;
};

/* The rows of the running transaction, and a table that finds them. Drops are
 * few and looked through from the end. */
struct ledger {
	struct ledger_row *rows;
	size_t row_count, row_cap;
	struct table table;
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
	table_fini(&ledger->table);
	free(ledger->drops);
	free(ledger);
}

int64_t
ledger_hour(int64_t wall_ms)
{
	return wall_ms / 3600000;
}

static bool
ledger_key_equal(const struct ledger_key *a, const struct ledger_key *b)
{
	return a->hour == b->hour && a->source == b->source &&
	       a->type == b->type;
}

struct ledger_lookup {
	const struct ledger *ledger;
	const struct ledger_key *key;
};

static bool
ledger_row_is(const void *arg, uint32_t position)
{
	const struct ledger_lookup *lookup = arg;

	return ledger_key_equal(
	    &lookup->ledger->rows[position].key, lookup->key);
}

static void
ledger_line_add(struct stats_line *line, const struct stats_line *more)
{
	line->received += more->received;
	line->queued += more->queued;
	line->delivered += more->delivered;
	line->dead += more->dead;
	line->dropped += more->dropped;
	line->duplicates += more->duplicates;
	line->erased += more->erased;
	line->expired += more->expired;
	line->replayed += more->replayed;
	line->replay_delivered += more->replay_delivered;
	line->replay_refused += more->replay_refused;
}

bool
ledger_add(struct ledger *ledger, const struct ledger_key *key,
    const struct stats_line *moved, struct err *reterr)
{
	uint64_t hash = str_hash(0, str_bytes((const char *)key, sizeof(*key)));
	struct ledger_lookup lookup = {ledger, key};
	uint32_t at = table_find(&ledger->table, hash, ledger_row_is, &lookup);

	if (at != TABLE_NONE) {
		ledger_line_add(&ledger->rows[at].moved, moved);
		return true;
	}
	if (ledger->row_count == ledger->row_cap) {
		size_t cap = ledger->row_cap == 0 ? 64 : ledger->row_cap * 2;
		struct ledger_row *rows =
		    realloc(ledger->rows, cap * sizeof(*rows));

		if (rows == NULL)
			return err_set_nomem(reterr);
		ledger->rows = rows;
		ledger->row_cap = cap;
	}
	if (!table_reserve(&ledger->table, ledger->row_count + 1))
		return err_set_nomem(reterr);
	at = (uint32_t)ledger->row_count++;
	ledger->rows[at] = (struct ledger_row){*key, *moved};
	table_add(&ledger->table, hash, at);
	return true;
}

bool
ledger_add_drop(struct ledger *ledger, const struct ledger_key *key,
    int64_t rule, struct err *reterr)
{
	for (size_t i = ledger->drop_count; i > 0; i--) {
		struct ledger_drop *drop = &ledger->drops[i - 1];

		if (drop->rule == rule && ledger_key_equal(&drop->key, key)) {
			drop->events++;
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
	    (struct ledger_drop){.key = *key, .rule = rule, .events = 1};
	return true;
}

#define LEDGER_MERGE                                                           \
	" ON CONFLICT DO UPDATE SET received=received+excluded.received,"      \
	" queued=queued+excluded.queued,"                                      \
	" delivered=delivered+excluded.delivered, dead=dead+excluded.dead,"    \
	" dropped=dropped+excluded.dropped,"                                   \
	" duplicates=duplicates+excluded.duplicates,"                          \
	" erased=erased+excluded.erased, expired=expired+excluded.expired,"    \
	" replayed=replayed+excluded.replayed,"                                \
	" replay_delivered=replay_delivered+excluded.replay_delivered,"        \
	" replay_refused=replay_refused+excluded.replay_refused"

bool
ledger_write(struct ledger *ledger, struct db *db, struct err *reterr)
{
	for (size_t i = 0; i < ledger->row_count; i++) {
		const struct ledger_row *row = &ledger->rows[i];

		if (!db_run(db, reterr,
			"INSERT INTO ledger VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7,"
			" ?8, ?9, ?10, ?11, ?12, ?13, ?14)" LEDGER_MERGE,
			"iii" LEDGER_TYPES, row->key.hour, row->key.source,
			row->key.type, LEDGER_VALUES(&row->moved)))
			return false;
	}
	for (size_t i = 0; i < ledger->drop_count; i++) {
		const struct ledger_drop *drop = &ledger->drops[i];

		if (!db_run(db, reterr,
			"INSERT INTO dropped VALUES(?1, ?2, ?3, ?4, ?5)"
			" ON CONFLICT DO UPDATE SET events=events+?5",
			"iiiii", drop->key.hour, drop->key.source,
			drop->key.type, drop->rule, drop->events))
			return false;
	}
	return true;
}

void
ledger_commit(struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->row_count; i++)
		ledger_line_add(&ledger->totals, &ledger->rows[i].moved);
	ledger_rollback(ledger);
}

void
ledger_rollback(struct ledger *ledger)
{
	if (ledger->row_count > 0)
		table_clear(&ledger->table);
	ledger->row_count = ledger->drop_count = 0;
}

/* A day is the row of its first hour. */
bool
ledger_fold(struct db *db, int64_t now_ms, struct err *reterr)
{
	static const char *const steps[] = {
	    "INSERT INTO ledger SELECT hour/24*24, source, type, " LEDGER_SUMS
	    " FROM ledger WHERE hour<?1 AND hour%24<>0 GROUP BY 1, 2, "
	    "3" LEDGER_MERGE,
	    "DELETE FROM ledger WHERE hour<?1 AND hour%24<>0",
	    "INSERT INTO dropped SELECT hour/24*24, source, type, rule,"
	    " sum(events) FROM dropped WHERE hour<?1 AND hour%24<>0"
	    " GROUP BY 1, 2, 3, 4"
	    " ON CONFLICT DO UPDATE SET events=events+excluded.events",
	    "DELETE FROM dropped WHERE hour<?1 AND hour%24<>0",
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (!db_run(db, reterr, steps[i], "i",
			ledger_hour(now_ms) - STATS_HOURS))
			return false;
	}
	return true;
}

bool
ledger_load(struct ledger *ledger, struct db *db, struct err *reterr)
{
	return db_get(db, reterr, "SELECT " LEDGER_SUMS " FROM ledger",
	    ">" LEDGER_TYPES, LEDGER_COLUMNS(&ledger->totals));
}

const struct stats_line *
ledger_totals(const struct ledger *ledger)
{
	return &ledger->totals;
}
