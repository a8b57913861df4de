#include "queue/names.h"

#include <stdlib.h>
#include <string.h>

enum { NAMES_SLOTS = NAMES_MAX * 2 };

/* Numbers are 1, 2, ...: texts[id - 1]. The table is open addressing; a
 * rollback builds it anew, which is rare. */
struct names {
	char *texts[NAMES_MAX];
	size_t count;
	size_t durable;		     /* those before it are committed */
	uint16_t slots[NAMES_SLOTS]; /* id; 0 = empty */
};

static size_t
names_home(const char *text, size_t len)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619u;
	return hash % NAMES_SLOTS;
}

static size_t
names_slot(const struct names *names, const char *text, size_t len)
{
	size_t slot = names_home(text, len);

	while (names->slots[slot] != 0) {
		const char *other = names->texts[names->slots[slot] - 1];

		if (strlen(other) == len && memcmp(other, text, len) == 0)
			break;
		slot = (slot + 1) % NAMES_SLOTS;
	}
	return slot;
}

struct names *
names_new(void)
{
	return calloc(1, sizeof(struct names));
}

static void
names_cut(struct names *names, size_t count)
{
	while (names->count > count)
		free(names->texts[--names->count]);
	memset(names->slots, 0, sizeof(names->slots));
	for (size_t i = 0; i < count; i++) {
		const char *text = names->texts[i];

		names->slots[names_slot(names, text, strlen(text))] =
		    (uint16_t)(i + 1);
	}
	names->durable = count;
}

void
names_free(struct names *names)
{
	if (names == NULL)
		return;
	names_cut(names, 0);
	free(names);
}

static bool
names_remember(
    struct names *names, const char *text, size_t len, struct err *reterr)
{
	char *copy;

	if (names->count == NAMES_MAX)
		return err_set(reterr, ERR_LIMIT,
		    "more than %d names of sources, destinations, types and "
		    "rules",
		    NAMES_MAX);
	copy = strndup(text, len);
	if (copy == NULL)
		return err_set_nomem(reterr);
	names->texts[names->count++] = copy;
	names->slots[names_slot(names, copy, len)] = (uint16_t)names->count;
	return true;
}

/* The next row: known already, or remembered. */
static bool
names_load_one(
    struct names *names, sqlite3_stmt *row, size_t at, struct err *reterr)
{
	const char *text = (const char *)sqlite3_column_text(row, 1);
	size_t len = (size_t)sqlite3_column_bytes(row, 1);

	if (sqlite3_column_int64(row, 0) != (int64_t)at + 1 || text == NULL)
		return err_set(reterr, ERR_DAMAGED,
		    "queue.db: the table of names has gaps");
	if (at == names->count)
		return names_remember(names, text, len, reterr);
	if (strlen(names->texts[at]) != len ||
	    memcmp(names->texts[at], text, len) != 0)
		return err_set(reterr, ERR_DAMAGED,
		    "queue.db: the table of names is not what it was");
	return true;
}

bool
names_load(struct names *names, struct store *store, struct err *reterr)
{
	sqlite3_stmt *all = store_statement(store, STORE_NAME_ALL, reterr);
	bool row = true, ok = true;
	size_t at = 0;

	if (all == NULL)
		return false;
	for (; ok; at++) {
		if (!store_step(store, all, &row, reterr))
			return false;
		if (!row)
			break;
		ok = names_load_one(names, all, at, reterr);
	}
	store_reset(all);
	if (!ok)
		return false;
	if (at < names->count)
		return err_set(reterr, ERR_DAMAGED,
		    "queue.db: names are missing that were durable");
	names->durable = names->count;
	return true;
}

int64_t
names_find(const struct names *names, const char *text, size_t len)
{
	return names->slots[names_slot(names, text, len)];
}

bool
names_add(struct names *names, struct store *store, const char *text,
    size_t len, int64_t *ret_id, struct err *reterr)
{
	int64_t id = names_find(names, text, len);
	sqlite3_stmt *add;

	if (id == 0) {
		if (!names_remember(names, text, len, reterr))
			return false;
		id = (int64_t)names->count;
		add = store_statement(store, STORE_NAME_ADD, reterr);
		if (add == NULL)
			return false;
		(void)sqlite3_bind_int64(add, 1, id);
		(void)sqlite3_bind_text(
		    add, 2, names->texts[id - 1], (int)len, SQLITE_STATIC);
		if (!store_run(store, add, reterr))
			return false;
	}
	*ret_id = id;
	return true;
}

bool
names_add_type(struct names *names, struct store *store, const char *text,
    size_t len, int64_t *ret_id, struct err *reterr)
{
	static const char none[] = "(none)", other[] = "(other)";

	if (len == 0)
		return names_add(
		    names, store, none, strlen(none), ret_id, reterr);
	/* A NUL inside would make two texts look alike. */
	if (len > NAMES_TEXT_MAX || memchr(text, '\0', len) != NULL ||
	    (names->count >= NAMES_TYPES_MAX &&
		names_find(names, text, len) == 0))
		return names_add(
		    names, store, other, strlen(other), ret_id, reterr);
	return names_add(names, store, text, len, ret_id, reterr);
}

void
names_commit(struct names *names)
{
	names->durable = names->count;
}

void
names_rollback(struct names *names)
{
	if (names->durable < names->count)
		names_cut(names, names->durable);
}

const char *
names_text(const struct names *names, int64_t id)
{
	if (id < 1 || (size_t)id > names->count)
		return NULL;
	return names->texts[id - 1];
}
