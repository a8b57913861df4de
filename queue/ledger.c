#include "queue/ledger.h"

#include <stdlib.h>

struct ledger_row {
	struct ledger_key key;
	struct stats_line moved;
};

struct ledger_drop {
	struct ledger_key key;
	struct str rule;
	int64_t events;
};

/* The rows of the running transaction, and a table that finds them. Drops are
 * few and looked through from the end. */
struct ledger {
	struct ledger_row *rows;
	size_t row_count, row_cap;
	struct table table;
	struct ledger_drop *drops;
	size_t drop_count, drop_cap;
	struct names sources, types;
	size_t reserved; /* of the types: the first so many */
	struct stats_line totals;
};

void
ledger_free(struct ledger *ledger)
{
	if (ledger == NULL)
		return;
	free(ledger->rows);
	table_fini(&ledger->table);
	free(ledger->drops);
	names_fini(&ledger->sources);
	names_fini(&ledger->types);
	free(ledger);
}

struct ledger *
ledger_new(const char *(*type_at)(size_t index))
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	const char *name;
	int64_t type;

	while (ledger != NULL && type_at != NULL &&
	       (name = type_at(ledger->reserved)) != NULL) {
		if (!names_add(&ledger->types, str_text(name), &type, NULL)) {
			ledger_free(ledger);
			return NULL;
		}
		ledger->reserved++;
	}
	return ledger;
}

int64_t
ledger_hour(int64_t wall_ms)
{
	return wall_ms / 3600000;
}

/* ---- names ---- */

bool
ledger_source(struct ledger *ledger, struct str source, size_t most,
    int64_t *ret_source, struct err *reterr)
{
	if (ledger->sources.count >= most &&
	    names_find(&ledger->sources, source) == 0)
		return err_set(
		    reterr, ERR_LIMIT, "more than %zu sources", most);
	return names_add(&ledger->sources, source, ret_source, reterr);
}

bool
ledger_type(struct ledger *ledger, struct str type, int64_t *ret_type,
    struct err *reterr)
{
	static const struct str none = STR("(none)"), other = STR("(other)");

	if (type.len == 0)
		type = none;
	/* A NUL inside would make two texts look alike. */
	else if (type.len > LEDGER_TYPE_MAX ||
		 memchr(type.data, '\0', type.len) != NULL ||
		 (ledger->types.count >= ledger->reserved + LEDGER_TYPES_MAX &&
		     names_find(&ledger->types, type) == 0))
		type = other;
	return names_add(&ledger->types, type, ret_type, reterr);
}

struct str
ledger_source_at(const struct ledger *ledger, int64_t source)
{
	return names_at(&ledger->sources, source);
}

struct str
ledger_type_at(const struct ledger *ledger, int64_t type)
{
	return names_at(&ledger->types, type);
}

/* ---- sums ---- */

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

bool
ledger_add(struct ledger *ledger, const struct ledger_key *key,
    const struct stats_line *moved, struct err *reterr)
{
	uint64_t hash = str_hash(0, str_bytes((const char *)key, sizeof(*key)));
	struct ledger_lookup lookup = {ledger, key};
	uint32_t at = table_find(&ledger->table, hash, ledger_row_is, &lookup);

	if (at != TABLE_NONE) {
		stats_line_add(&ledger->rows[at].moved, moved);
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
    struct str rule, struct err *reterr)
{
	for (size_t i = ledger->drop_count; i > 0; i--) {
		struct ledger_drop *drop = &ledger->drops[i - 1];

		if (str_equal(drop->rule, rule) &&
		    ledger_key_equal(&drop->key, key)) {
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

void
ledger_write(const struct ledger *ledger, struct changes *changes)
{
	for (size_t i = 0; i < ledger->row_count; i++) {
		const struct ledger_row *row = &ledger->rows[i];

		changes_add(changes, ENGINE_LEDGER_ADD)->row.ledger =
		    (struct engine_ledger){
			.hour = row->key.hour,
			.source = ledger_source_at(ledger, row->key.source),
			.type = ledger_type_at(ledger, row->key.type),
			.line = row->moved,
		    };
	}
	for (size_t i = 0; i < ledger->drop_count; i++) {
		const struct ledger_drop *drop = &ledger->drops[i];

		changes_add(changes, ENGINE_DROPPED_ADD)->row.dropped =
		    (struct engine_dropped){
			.hour = drop->key.hour,
			.source = ledger_source_at(ledger, drop->key.source),
			.type = ledger_type_at(ledger, drop->key.type),
			.rule = drop->rule,
			.events = drop->events,
		    };
	}
}

void
ledger_commit(struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->row_count; i++)
		stats_line_add(&ledger->totals, &ledger->rows[i].moved);
	ledger_rollback(ledger);
}

void
ledger_rollback(struct ledger *ledger)
{
	if (ledger->row_count > 0)
		table_clear(&ledger->table);
	ledger->row_count = ledger->drop_count = 0;
}

/* ---- the store ---- */

void
ledger_load_begin(struct ledger *ledger)
{
	ledger->totals = (struct stats_line){0};
}

/* So that the bound of types outlives a restart. */
bool
ledger_load(
    struct ledger *ledger, const struct engine_ledger *row, struct err *reterr)
{
	int64_t type;

	stats_line_add(&ledger->totals, &row->line);
	return names_add(&ledger->types, row->type, &type, reterr);
}

const struct stats_line *
ledger_totals(const struct ledger *ledger)
{
	return &ledger->totals;
}
