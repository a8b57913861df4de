#include "queue/memory/place.h"

#include "queue/memory/memory.h"

#include <stdlib.h>
#include <string.h>

enum { PLACE_VALUE_MAX = 1000000000, PLACE_STRS = 7 };

/* ---- places ---- */

static struct place *places; /* guarded by places_mutex */
static pthread_mutex_t places_mutex = PTHREAD_MUTEX_INITIALIZER;

struct place *
place_of(const char *dir)
{
	struct place *place;

	(void)pthread_mutex_lock(&places_mutex);
	for (place = places; place != NULL; place = place->next) {
		if (strcmp(place->dir, dir) == 0)
			break;
	}
	if (place == NULL && (place = calloc(1, sizeof(*place))) != NULL) {
		place->dir = strdup(dir);
		place->next_seq = 1;
		lock_init(&place->lock);
		place->next = places;
		if (place->dir != NULL) {
			places = place;
		} else {
			free(place);
			place = NULL;
		}
	}
	(void)pthread_mutex_unlock(&places_mutex);
	return place;
}

void
memory_forget(const char *dir)
{
	struct place **link = &places, *place;

	(void)pthread_mutex_lock(&places_mutex);
	while ((place = *link) != NULL && strcmp(place->dir, dir) != 0)
		link = &place->next;
	if (place != NULL)
		*link = place->next;
	(void)pthread_mutex_unlock(&places_mutex);
	if (place == NULL)
		return;
	for (size_t table = 0; table < PLACE_TABLES; table++) {
		for (size_t i = 0; i < place->tables[table].count; i++)
			free(place->tables[table].list[i]);
		free(place->tables[table].list);
	}
	names_fini(&place->names);
	free(place->undo);
	free(place->claims);
	free(place->dir);
	lock_fini(&place->lock);
	free(place);
}

/* ---- keys ---- */

struct key
place_delivery_key(struct place *place, const struct engine_delivery *delivery)
{
	struct key key = {.n = {0, 0, delivery->due_ms, delivery->seq}};
	struct err err;

	if (!names_add(&place->names, delivery->destination, &key.n[0], &err) ||
	    !names_add(&place->names, delivery->source, &key.n[1], &err))
		key.n[0] = 0;
	return key;
}

int
place_compare(struct key a, struct key b)
{
	for (int i = 0; i < 4; i++) {
		if (a.n[i] != b.n[i])
			return a.n[i] < b.n[i] ? -1 : 1;
	}
	return 0;
}

size_t
place_at(const struct place *place, enum place_table table, struct key key)
{
	const struct rows *rows = &place->tables[table];
	size_t low = 0, high = rows->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (place_compare(rows->list[middle]->key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct row *
place_find(const struct place *place, enum place_table table, struct key key)
{
	const struct rows *rows = &place->tables[table];
	size_t at = place_at(place, table, key);

	return at < rows->count && place_compare(rows->list[at]->key, key) == 0
		   ? rows->list[at]
		   : NULL;
}

/* ---- rows ---- */

/* Where the texts and bytes of a table's rows are. */
static size_t
row_strs(
    enum place_table table, union engine_row *is, struct str *strs[PLACE_STRS])
{
	size_t count = 0;

	switch (table) {
	case PLACE_BATCH:
	case PLACE_DELIVERY:
	case PLACE_QUARANTINE:
		strs[count++] = &is->delivery.destination;
		strs[count++] = &is->delivery.source;
		strs[count++] = &is->delivery.parked;
		strs[count++] = &is->delivery.rules;
		strs[count++] = &is->delivery.done;
		strs[count++] = &is->delivery.delivered;
		strs[count++] = &is->delivery.frame;
		break;
	case PLACE_ARCHIVE:
		strs[count++] = &is->archived.destination;
		strs[count++] = &is->archived.source;
		strs[count++] = &is->archived.rules;
		strs[count++] = &is->archived.delivered;
		break;
	case PLACE_DEAD:
		strs[count++] = &is->dead.destination;
		strs[count++] = &is->dead.frame;
		break;
	case PLACE_UNREADABLE:
		strs[count++] = &is->unreadable.source;
		strs[count++] = &is->unreadable.reason;
		strs[count++] = &is->unreadable.encoding;
		strs[count++] = &is->unreadable.hash;
		strs[count++] = &is->unreadable.frame;
		break;
	case PLACE_ERASURE:
		strs[count++] = &is->erasure.source;
		strs[count++] = &is->erasure.subject;
		break;
	case PLACE_SEEN:
		strs[count++] = &is->hashes;
		break;
	case PLACE_MARKS:
		strs[count++] = &is->marks.frame;
		break;
	case PLACE_DRIFT:
		strs[count++] = &is->drift.text;
		break;
	case PLACE_LEDGER:
		strs[count++] = &is->ledger.source;
		strs[count++] = &is->ledger.type;
		break;
	case PLACE_DROPPED:
		strs[count++] = &is->dropped.source;
		strs[count++] = &is->dropped.type;
		strs[count++] = &is->dropped.rule;
		break;
	case PLACE_REPORT:
		strs[count++] = &is->report.kind;
		strs[count++] = &is->report.id;
		strs[count++] = &is->report.name;
		strs[count++] = &is->report.type;
		break;
	case PLACE_TALLY:
		strs[count++] = &is->tally;
		break;
	case PLACE_DESTINATION:
		strs[count++] = &is->destination.name;
		break;
	case PLACE_STATE:
		strs[count++] = &is->state.owner;
		strs[count++] = &is->state.name;
		strs[count++] = &is->state.data;
		break;
	case PLACE_GROUP:
		strs[count++] = &is->group.destination;
		strs[count++] = &is->group.data;
		break;
	case PLACE_SYNC:
		strs[count++] = &is->sync.data;
		break;
	case PLACE_MEMBER:
		strs[count++] = &is->member.person;
		break;
	case PLACE_TABLES:
		NEVER("no table");
	}
	return count;
}

/* A copy of a row, with its texts behind it, each followed by a NUL. */
static struct row *
row_new(enum place_table table, struct key key, const union engine_row *is,
    struct err *reterr)
{
	union engine_row copy = *is;
	struct str *strs[PLACE_STRS];
	size_t count = row_strs(table, &copy, strs), bytes = sizeof(struct row);
	struct row *row;
	char *at;

	for (size_t i = 0; i < count; i++) {
		if (strs[i]->len > PLACE_VALUE_MAX) {
			(void)err_set(
			    reterr, ERR_LIMIT, "a value is too large");
			return NULL;
		}
		bytes += strs[i]->len + 1;
	}
	row = malloc(bytes);
	if (row == NULL) {
		(void)err_set_nomem(reterr);
		return NULL;
	}
	at = (char *)(row + 1);
	for (size_t i = 0; i < count; i++) {
		size_t len = strs[i]->len;

		if (strs[i]->data == NULL)
			continue;
		memcpy(at, strs[i]->data, len);
		at[len] = '\0';
		strs[i]->data = at;
		at += len + 1;
	}
	*row = (struct row){.key = key, .is = copy, .bytes = bytes};
	return row;
}

/* ---- changes, and their end ---- */

static void
rows_insert(struct place *place, enum place_table table, struct row *row)
{
	struct rows *rows = &place->tables[table];
	size_t at = place_at(place, table, row->key);

	CHECK(rows->count < rows->cap);
	memmove(rows->list + at + 1, rows->list + at,
	    (rows->count - at) * sizeof(rows->list[0]));
	rows->list[at] = row;
	rows->count++;
	place->bytes += (int64_t)row->bytes;
}

static void
rows_remove(struct place *place, enum place_table table, struct row *row)
{
	struct rows *rows = &place->tables[table];
	size_t at = place_at(place, table, row->key);

	CHECK(at < rows->count && rows->list[at] == row);
	rows->count--;
	memmove(rows->list + at, rows->list + at + 1,
	    (rows->count - at) * sizeof(rows->list[0]));
	place->bytes -= (int64_t)row->bytes;
}

/* Room for one more row (undoing needs none), and for its undo. */
static bool
place_reserve(struct place *place, enum place_table table, struct err *reterr)
{
	struct rows *rows = &place->tables[table];

	/* Undoing may put back as many rows as were deleted. */
	if (rows->count + place->undo_count + 2 > rows->cap) {
		size_t cap = (rows->count + place->undo_count + 2) * 2;
		struct row **list = realloc(rows->list, cap * sizeof(*list));

		if (list == NULL)
			return err_set_nomem(reterr);
		rows->list = list;
		rows->cap = cap;
	}
	if (place->undo_count == place->undo_cap) {
		size_t cap = place->undo_cap == 0 ? 64 : place->undo_cap * 2;
		struct place_undo *undo =
		    realloc(place->undo, cap * sizeof(*undo));

		if (undo == NULL)
			return err_set_nomem(reterr);
		place->undo = undo;
		place->undo_cap = cap;
	}
	return true;
}

static void
place_replace(struct place *place, enum place_table table, struct row *old,
    struct row *new)
{
	if (old != NULL)
		rows_remove(place, table, old);
	if (new != NULL)
		rows_insert(place, table, new);
	place->undo[place->undo_count++] = (struct place_undo){table, old, new};
}

static struct row *
place_old(struct place *place, enum place_table table, struct key key)
{
	struct rows *rows = &place->tables[table];
	size_t at = place_at(place, table, key);

	return at < rows->count && place_compare(rows->list[at]->key, key) == 0
		   ? rows->list[at]
		   : NULL;
}

bool
place_put(struct place *place, enum place_table table, struct key key,
    const union engine_row *is, struct err *reterr)
{
	struct row *row;

	lock_assert_held(&place->lock);
	if (!place_reserve(place, table, reterr))
		return false;
	row = row_new(table, key, is, reterr);
	if (row == NULL)
		return false;
	place_replace(place, table, place_old(place, table, key), row);
	return true;
}

bool
place_delete(struct place *place, enum place_table table, struct key key,
    struct err *reterr)
{
	struct row *old = place_old(place, table, key);

	lock_assert_held(&place->lock);
	if (old == NULL)
		return true;
	if (!place_reserve(place, table, reterr))
		return false;
	place_replace(place, table, old, NULL);
	return true;
}

void
place_end(struct place *place, bool keep)
{
	lock_assert_held(&place->lock);
	while (place->undo_count > 0) {
		struct place_undo *undo = &place->undo[--place->undo_count];

		if (!keep && undo->new != NULL)
			rows_remove(place, undo->table, undo->new);
		if (!keep && undo->old != NULL)
			rows_insert(place, undo->table, undo->old);
		free(keep ? undo->old : undo->new);
	}
}
