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

enum { LEDGER_FORGET = 16 }; /* in one transaction */

static const struct str ledger_none = STR("(none)"),
			ledger_other = STR("(other)");

/* What is known of a type. */
struct ledger_kind {
	int64_t left[LEDGER_PARTS];
	int64_t moved[LEDGER_PARTS]; /* by the running transaction */
	int64_t age_ms;		     /* when it was last counted */
	bool forgotten;		     /* by the running transaction */
	uint64_t hash;		     /* of its text */
	int64_t prefix;		     /* of its sum */
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
	struct ledger_kind *kinds; /* of the types; owned */
	size_t kind_cap;
	size_t reserved; /* of the types: the first so many */
	int64_t other;	 /* of them */
	bool forgetting; /* the running transaction does */
	struct stats_line totals;
	struct sums sums;
	struct reports *reports; /* owned */
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
	free(ledger->kinds);
	sums_fini(&ledger->sums);
	reports_free(ledger->reports);
	free(ledger);
}

/* The number of a text; a new one has a kind of its own. */
static bool
ledger_type_add(struct ledger *ledger, struct str text, int64_t *ret_type,
    struct err *reterr)
{
	size_t count = ledger->types.count;

	if (count == ledger->kind_cap) {
		size_t cap = count == 0 ? 64 : count * 2;
		struct ledger_kind *kinds =
		    realloc(ledger->kinds, cap * sizeof(*kinds));

		if (kinds == NULL)
			return err_set_nomem(reterr);
		ledger->kinds = kinds;
		ledger->kind_cap = cap;
	}
	if (!names_add(&ledger->types, text, ret_type, reterr))
		return false;
	if (ledger->types.count > count)
		ledger->kinds[count] = (struct ledger_kind){
		    .hash = reports_type_hash(text),
		    .prefix = SUMS_OTHER,
		};
	return true;
}

static struct ledger_kind *
ledger_kind(const struct ledger *ledger, int64_t type)
{
	CHECK(type >= 1 && (size_t)type <= ledger->types.count);
	return &ledger->kinds[type - 1];
}

struct ledger *
ledger_new(const struct queue_settings *settings)
{
	const char *(*type_at)(size_t index) = settings->type_at;
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	const char *name;
	int64_t type;

	if (ledger == NULL)
		return NULL;
	ledger->reports = reports_new(settings);
	if (ledger->reports == NULL || !sums_init(&ledger->sums, NULL) ||
	    !ledger_type_add(ledger, ledger_none, &type, NULL) ||
	    !ledger_type_add(ledger, ledger_other, &ledger->other, NULL))
		goto fail;
	for (size_t i = 0; type_at != NULL && (name = type_at(i)) != NULL;
	     i++) {
		if (!ledger_type_add(ledger, str_text(name), &type, NULL) ||
		    !sums_prefix(&ledger->sums, str_text(name),
			&ledger_kind(ledger, type)->prefix, NULL))
			goto fail;
	}
	ledger->reserved = ledger->types.count;
	if (!sums_source(&ledger->sums, ledger_other, NULL))
		goto fail;
	return ledger;
fail:
	ledger_free(ledger);
	return NULL;
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
	return sums_source(&ledger->sums, source, reterr) &&
	       names_add(&ledger->sources, source, ret_source, reterr);
}

static bool
ledger_full(const struct ledger *ledger)
{
	return ledger->types.count >= ledger->reserved + LEDGER_TYPES_MAX;
}

bool
ledger_type(struct ledger *ledger, struct str type, int64_t *ret_type,
    struct err *reterr)
{
	if (type.len == 0)
		type = ledger_none;
	/* A NUL inside would make two texts look alike. */
	else if (type.len > LEDGER_TYPE_MAX ||
		 memchr(type.data, '\0', type.len) != NULL ||
		 (ledger_full(ledger) && names_find(&ledger->types, type) == 0))
		type = ledger_other;
	return ledger_type_add(ledger, type, ret_type, reterr);
}

/* Is something left of it, as far as the running transaction is? */
static bool
ledger_has(const struct ledger *ledger, int64_t type, enum ledger_part part)
{
	const struct ledger_kind *kind = ledger_kind(ledger, type);

	return kind->left[part] + kind->moved[part] > 0;
}

bool
ledger_type_from(struct ledger *ledger, struct str type, enum ledger_part part,
    int64_t *ret_type, struct err *reterr)
{
	int64_t own = names_find(&ledger->types, type);

	if ((own == 0 || (size_t)own > ledger->reserved) &&
	    (own == 0 || !ledger_has(ledger, own, part)) &&
	    ledger_has(ledger, ledger->other, part)) {
		*ret_type = ledger->other;
		return true;
	}
	return ledger_type(ledger, type, ret_type, reterr);
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

/* Add what a line says of the parts. */
static void
ledger_parts_add(int64_t parts[LEDGER_PARTS], const struct stats_line *line)
{
	parts[LEDGER_QUEUED] += line->queued;
	parts[LEDGER_DEAD] += line->dead;
	parts[LEDGER_REPLAYS] +=
	    line->replayed - line->replay_delivered - line->replay_refused;
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
    const struct item *item, const struct stats_line *moved, struct err *reterr)
{
	uint64_t hash = str_hash(0, str_bytes((const char *)key, sizeof(*key)));
	struct ledger_lookup lookup = {ledger, key};
	uint32_t at = table_find(&ledger->table, hash, ledger_row_is, &lookup);

	if (item != NULL &&
	    !reports_add(ledger->reports, item,
		ledger_type_at(ledger, key->type),
		ledger_kind(ledger, key->type)->hash, key->hour, moved, reterr))
		return false;
	if (at != TABLE_NONE) {
		stats_line_add(&ledger->rows[at].moved, moved);
		ledger_parts_add(ledger_kind(ledger, key->type)->moved, moved);
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
	ledger_parts_add(ledger_kind(ledger, key->type)->moved, moved);
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
	if (!sums_rule(&ledger->sums, rule, reterr))
		return false;
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
ledger_write(
    const struct ledger *ledger, int64_t age_ms, struct changes *changes)
{
	for (size_t i = 0; i < ledger->row_count; i++) {
		const struct ledger_row *row = &ledger->rows[i];

		changes_add(changes, ENGINE_LEDGER_ADD)->row.ledger =
		    (struct engine_ledger){
			.hour = row->key.hour,
			.source = ledger_source_at(ledger, row->key.source),
			.type = ledger_type_at(ledger, row->key.type),
			.line = row->moved,
			.age_ms = age_ms,
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
	reports_write(ledger->reports, changes);
}

/* ---- forgetting ---- */

static bool
ledger_is_idle(const struct ledger_kind *kind, int64_t age_ms)
{
	for (size_t part = 0; part < LEDGER_PARTS; part++) {
		if (kind->left[part] != 0)
			return false;
	}
	return age_ms - kind->age_ms >= LEDGER_KEEP_MS;
}

bool
ledger_forgets(const struct ledger *ledger, int64_t age_ms)
{
	for (size_t i = ledger->reserved;
	     ledger_full(ledger) && i < ledger->types.count; i++) {
		if (ledger_is_idle(&ledger->kinds[i], age_ms))
			return true;
	}
	return false;
}

void
ledger_forget(struct ledger *ledger, int64_t age_ms, struct changes *changes)
{
	size_t forgotten = 0;

	CHECK(ledger->row_count == 0);
	for (size_t i = ledger->reserved;
	     i < ledger->types.count && forgotten < LEDGER_FORGET; i++) {
		struct engine_change *change;

		if (!ledger_is_idle(&ledger->kinds[i], age_ms))
			continue;
		change = changes_add(changes, ENGINE_LEDGER_TYPE);
		change->row.ledger.type =
		    ledger_type_at(ledger, (int64_t)i + 1);
		change->text = ledger_other;
		ledger->kinds[i].forgotten = true;
		forgotten++;
	}
	ledger->forgetting = true;
}

/* Give away their numbers. Without memory they are forgotten again. */
static void
ledger_forgotten(struct ledger *ledger)
{
	struct names kept = {.texts = NULL};
	size_t count = ledger->types.count;
	int64_t type;
	bool ok = true;

	for (size_t i = 0; ok && i < count; i++)
		ok = ledger->kinds[i].forgotten ||
		     names_add(&kept, ledger->types.texts[i], &type, NULL);
	if (!ok) {
		names_fini(&kept);
		return;
	}
	for (size_t i = 0, n = 0; i < count; i++) {
		if (!ledger->kinds[i].forgotten)
			ledger->kinds[n++] = ledger->kinds[i];
	}
	names_fini(&ledger->types);
	ledger->types = kept;
}

/* ---- the end of a transaction ---- */

static void
ledger_end(struct ledger *ledger)
{
	if (ledger->row_count > 0)
		table_clear(&ledger->table);
	for (size_t i = 0; i < ledger->row_count; i++)
		memset(ledger_kind(ledger, ledger->rows[i].key.type)->moved, 0,
		    sizeof(ledger->kinds->moved));
	for (size_t i = 0; ledger->forgetting && i < ledger->types.count; i++)
		ledger->kinds[i].forgotten = false;
	ledger->row_count = ledger->drop_count = 0;
	ledger->forgetting = false;
}

void
ledger_commit(struct ledger *ledger, int64_t age_ms)
{
	for (size_t i = 0; i < ledger->row_count; i++) {
		const struct ledger_row *row = &ledger->rows[i];
		struct ledger_kind *kind = ledger_kind(ledger, row->key.type);

		stats_line_add(&ledger->totals, &row->moved);
		sums_add(&ledger->sums,
		    ledger_source_at(ledger, row->key.source), kind->prefix,
		    &row->moved);
		ledger_parts_add(kind->left, &row->moved);
		kind->age_ms = age_ms;
	}
	for (size_t i = 0; i < ledger->drop_count; i++)
		sums_drop(&ledger->sums, ledger->drops[i].rule,
		    ledger->drops[i].events);
	if (ledger->forgetting)
		ledger_forgotten(ledger);
	reports_commit(ledger->reports);
	ledger_end(ledger);
}

void
ledger_rollback(struct ledger *ledger)
{
	reports_rollback(ledger->reports);
	ledger_end(ledger);
}

/* ---- the store ---- */

void
ledger_load_begin(struct ledger *ledger)
{
	ledger->totals = (struct stats_line){0};
	sums_reset(&ledger->sums);
	names_cut(&ledger->types, ledger->reserved);
	for (size_t i = 0; i < ledger->reserved; i++)
		ledger->kinds[i] = (struct ledger_kind){
		    .hash = ledger->kinds[i].hash,
		    .prefix = ledger->kinds[i].prefix,
		};
}

/* So that the bound of types outlives a restart. */
bool
ledger_load(
    struct ledger *ledger, const struct engine_ledger *row, struct err *reterr)
{
	struct ledger_kind *kind;
	int64_t type;

	stats_line_add(&ledger->totals, &row->line);
	if (!ledger_type_add(ledger, row->type, &type, reterr) ||
	    !sums_source(&ledger->sums, row->source, reterr))
		return false;
	kind = ledger_kind(ledger, type);
	sums_add(&ledger->sums, row->source, kind->prefix, &row->line);
	ledger_parts_add(kind->left, &row->line);
	if (kind->age_ms < row->age_ms)
		kind->age_ms = row->age_ms;
	return true;
}

bool
ledger_load_dropped(
    struct ledger *ledger, const struct engine_dropped *row, struct err *reterr)
{
	if (!sums_rule(&ledger->sums, row->rule, reterr))
		return false;
	sums_drop(&ledger->sums, row->rule, row->events);
	return true;
}

const struct stats_line *
ledger_totals(const struct ledger *ledger)
{
	return &ledger->totals;
}

const struct sums *
ledger_sums(const struct ledger *ledger)
{
	return &ledger->sums;
}

struct reports *
ledger_reports(struct ledger *ledger)
{
	return ledger->reports;
}
