#include "queue/names.h"

#include <stdlib.h>
#include <string.h>

/* Numbers are 1, 2, ...: texts[id - 1]. */
struct names {
	struct str texts[NAMES_MAX]; /* owned, and NUL-terminated */
	size_t count;
	size_t durable; /* those before it are committed */
	struct table table;
};

struct names *
names_new(void)
{
	return calloc(1, sizeof(struct names));
}

/* Take back those from `count` on. */
static void
names_cut(struct names *names, size_t count)
{
	while (names->count > count) {
		struct str text = names->texts[--names->count];

		table_remove(
		    &names->table, str_hash(0, text), (uint32_t)names->count);
		free((void *)(uintptr_t)text.data);
	}
}

void
names_free(struct names *names)
{
	if (names == NULL)
		return;
	names_cut(names, 0);
	table_fini(&names->table);
	free(names);
}

static bool
names_remember(struct names *names, struct str text, struct err *reterr)
{
	char *copy;

	if (names->count == NAMES_MAX)
		return err_set(reterr, ERR_LIMIT,
		    "more than %d names of sources, destinations, types and "
		    "rules",
		    NAMES_MAX);
	if (!table_reserve(&names->table, names->count + 1))
		return err_set_nomem(reterr);
	copy = malloc(text.len + 1);
	if (copy == NULL)
		return err_set_nomem(reterr);
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	table_add(&names->table, str_hash(0, text), (uint32_t)names->count);
	names->texts[names->count++] = str_bytes(copy, text.len);
	return true;
}

bool
names_load(struct names *names, struct db *db, struct err *reterr)
{
	struct db_rows rows =
	    db_select(db, reterr, "SELECT id, text FROM name ORDER BY id", "");
	struct str text;
	bool ok = true;
	size_t at = 0;
	int64_t id;

	for (; ok && db_next(&rows, reterr, "is", &id, &text); at++) {
		if (id != (int64_t)at + 1 || text.data == NULL)
			ok = err_set(reterr, ERR_DAMAGED,
			    "queue.db: the table of names has gaps");
		else if (at == names->count)
			ok = names_remember(names, text, reterr);
		else if (!str_equal(names->texts[at], text))
			ok = err_set(reterr, ERR_DAMAGED,
			    "queue.db: the table of names no longer matches "
			    "what was read from it before");
	}
	if (!db_end(&rows) || !ok)
		return false;
	if (at < names->count)
		return err_set(reterr, ERR_DAMAGED,
		    "queue.db: the table of names has lost durable names");
	names->durable = names->count;
	return true;
}

struct names_lookup {
	const struct names *names;
	struct str text;
};

static bool
names_equal(const void *arg, uint32_t position)
{
	const struct names_lookup *lookup = arg;

	return str_equal(lookup->names->texts[position], lookup->text);
}

int64_t
names_find(const struct names *names, struct str text)
{
	struct names_lookup lookup = {names, text};
	uint32_t at =
	    table_find(&names->table, str_hash(0, text), names_equal, &lookup);

	return at == TABLE_NONE ? 0 : (int64_t)at + 1;
}

bool
names_add(struct names *names, struct db *db, struct str text, int64_t *ret_id,
    struct err *reterr)
{
	int64_t id = names_find(names, text);

	if (id == 0) {
		if (!names_remember(names, text, reterr))
			return false;
		id = (int64_t)names->count;
		if (!db_run(db, reterr,
			"INSERT INTO name(id, text) VALUES(?1, ?2)", "is", id,
			text))
			return false;
	}
	*ret_id = id;
	return true;
}

bool
names_add_type(struct names *names, struct db *db, struct str type,
    int64_t *ret_id, struct err *reterr)
{
	static const struct str none = STR("(none)"), other = STR("(other)");

	if (type.len == 0)
		type = none;
	/* A NUL inside would make two texts look alike. */
	else if (type.len > NAMES_TEXT_MAX ||
		 memchr(type.data, '\0', type.len) != NULL ||
		 (names->count >= NAMES_TYPES_MAX &&
		     names_find(names, type) == 0))
		type = other;
	return names_add(names, db, type, ret_id, reterr);
}

void
names_commit(struct names *names)
{
	names->durable = names->count;
}

void
names_rollback(struct names *names)
{
	names_cut(names, names->durable);
}

const char *
names_text(const struct names *names, int64_t id)
{
	if (id < 1 || (size_t)id > names->count)
		return NULL;
	return names->texts[id - 1].data;
}
