/*
 * The events and the drift of a body. A batch keeps each different drift
 * once, found by a hash table, so that a hostile body of new names costs no
 * more than an honest one.
 */

#include "schema/currents/reader.h"

#include <stdlib.h>

enum {
	BATCH_SMALLEST = 128,  /* events; Braze sends 100 in a request */
	ARENA_SMALLEST = 4096, /* bytes */
};

/* The decoded texts of the few strings that are escaped. */
struct currents_arena {
	struct currents_arena *next; /* older and full */
	size_t len, cap;
	char data[];
};

void
currents_batch_init(struct currents_batch *batch)
{
	*batch = (struct currents_batch){.events = NULL};
}

void
currents_batch_reset(struct currents_batch *batch)
{
	struct currents_arena *arena;

	while ((arena = batch->arena) != NULL) {
		batch->arena = arena->next;
		free(arena);
	}
	if (batch->drift_count > 0)
		table_clear(&batch->drift_table);
	batch->count = batch->drift_count = batch->drifts_lost = 0;
}

void
currents_batch_fini(struct currents_batch *batch)
{
	currents_batch_reset(batch);
	free(batch->events);
	free(batch->drifts);
	table_fini(&batch->drift_table);
	currents_batch_init(batch);
}

bool
currents_batch_grow(struct currents_batch *batch, size_t max_events)
{
	size_t cap =
	    batch->cap < BATCH_SMALLEST ? BATCH_SMALLEST : batch->cap * 2;
	struct currents_event *events;

	if (cap > max_events)
		cap = max_events;
	if (cap <= batch->cap || cap > SIZE_MAX / sizeof(*events))
		return false;
	events = realloc(batch->events, cap * sizeof(*events));
	if (events == NULL)
		return false;
	batch->events = events;
	batch->cap = cap;
	return true;
}

bool
currents_batch_text(struct currents_batch *batch,
    const struct scan_value *string, struct str *ret)
{
	struct currents_arena *arena = batch->arena;
	size_t len = string->text.len, cap;

	*ret = string->text;
	if (!string->escaped)
		return true;
	/* older blocks stay where they are: events point into them */
	if (arena == NULL || arena->cap - arena->len < len) {
		cap = len < ARENA_SMALLEST ? ARENA_SMALLEST : len;
		arena = malloc(sizeof(*arena) + cap);
		if (arena == NULL)
			return false;
		*arena = (struct currents_arena){batch->arena, 0, cap};
		batch->arena = arena;
	}
	ret->data = arena->data + arena->len;
	ret->len = scan_decode(string->text, arena->data + arena->len);
	arena->len += ret->len;
	return true;
}

/* ---- drift ---- */

const char *const currents_drift_kinds[] = {
    [CURRENTS_DRIFT_TYPE] = "unknown type",
    [CURRENTS_DRIFT_PROPERTY] = "unknown property",
    [CURRENTS_DRIFT_USER] = "unknown user member",
    [CURRENTS_DRIFT_MEMBER] = "unknown member",
    [CURRENTS_DRIFT_BLANK] = "blank required",
    [CURRENTS_DRIFT_JSON] = "new json type",
    [CURRENTS_DRIFT_LEFT_OUT] = INTAKE_DRIFT_LEFT_OUT,
    [CURRENTS_DRIFT_KINDS] = NULL,
};

const char *
currents_drift_name(enum currents_drift_kind what)
{
	return currents_drift_kinds[what];
}

struct currents_drift_key {
	const struct currents_drift *drifts, *wanted;
};

static bool
currents_drift_equal(const void *arg, uint32_t position)
{
	const struct currents_drift_key *key = arg;
	const struct currents_drift *drift = &key->drifts[position];

	return drift->what == key->wanted->what &&
	       drift->json == key->wanted->json &&
	       str_equal(drift->field, key->wanted->field) &&
	       str_equal(drift->type, key->wanted->type);
}

/* A source that makes names collide only slows its own batch, by at most
 * CURRENTS_DRIFT_MAX comparisons a drift. */
void
currents_batch_drift(
    struct currents_batch *batch, const struct currents_drift *drift)
{
	const struct currents_drift_key key = {batch->drifts, drift};
	uint64_t hash =
	    str_hash(str_hash(drift->what, drift->field), drift->type);
	uint32_t at;

	at = table_find(&batch->drift_table, hash, currents_drift_equal, &key);
	if (at != TABLE_NONE) {
		batch->drifts[at].events += drift->events;
		return;
	}
	if (batch->drifts == NULL)
		batch->drifts =
		    malloc(CURRENTS_DRIFT_MAX * sizeof(*batch->drifts));
	/* without memory the drift is lost, not the events it is about */
	if (batch->drifts == NULL || batch->drift_count == CURRENTS_DRIFT_MAX ||
	    !table_reserve(&batch->drift_table, batch->drift_count + 1)) {
		batch->drifts_lost++;
		return;
	}
	table_add(&batch->drift_table, hash, (uint32_t)batch->drift_count);
	batch->drifts[batch->drift_count++] = *drift;
}
