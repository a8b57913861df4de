#include "queue/erased.h"

#include "base/lock.h"
#include "base/table.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

const char erased_rule[] = "erased";

const char erased_state[] = "erased";

/* As it is stored. */
struct erased_id {
	unsigned char hash[DIGEST_SHORT];
	int64_t age_ms; /* when the person was erased */
};

struct erased {
	struct lock lock;
	atomic_bool any;
	_Atomic uint64_t version;
	/* guarded by lock */
	struct erased_id *list; /* owned */
	size_t count;
	struct table table;
	int64_t age_ms, suppress_ms;
};

struct erased *
erased_new(void)
{
	struct erased *erased = calloc(1, sizeof(*erased));

	if (erased != NULL)
		lock_init(&erased->lock);
	return erased;
}

void
erased_free(struct erased *erased)
{
	if (erased == NULL)
		return;
	lock_fini(&erased->lock);
	table_fini(&erased->table);
	free(erased->list);
	free(erased);
}

bool
erased_any(const struct erased *erased)
{
	return atomic_load_explicit(&erased->any, memory_order_relaxed);
}

uint64_t
erased_version(const struct erased *erased)
{
	return atomic_load(&erased->version);
}

size_t
erased_count(struct erased *erased)
{
	size_t count;

	lock_hold(&erased->lock);
	count = erased->count;
	lock_drop(&erased->lock);
	return count;
}

void
erased_tick(struct erased *erased, int64_t age_ms, int64_t suppress_ms)
{
	lock_hold(&erased->lock);
	erased->age_ms = age_ms;
	erased->suppress_ms = suppress_ms;
	lock_drop(&erased->lock);
}

/* ---- looking ---- */

void
erased_hash(
    struct digest_short *digest, struct str id, unsigned char ret[DIGEST_SHORT])
{
	digest_short_add(digest, erased_rule, sizeof(erased_rule));
	digest_short_add(digest, id.data, id.len);
	digest_short_end(digest, ret);
}

struct erased_key {
	const struct erased_id *list;
	const unsigned char *hash;
};

static bool
erased_equal(const void *arg, uint32_t position)
{
	const struct erased_key *key = arg;

	return memcmp(key->list[position].hash, key->hash, DIGEST_SHORT) == 0;
}

static uint32_t
erased_find(const struct table *table, const struct erased_id *list,
    const unsigned char hash[DIGEST_SHORT])
{
	struct erased_key key = {list, hash};

	return table_find(table, digest_short_slot(hash), erased_equal, &key);
}

bool
erased_has(struct erased *erased, const unsigned char hash[DIGEST_SHORT])
{
	uint32_t at;
	bool has;

	lock_hold(&erased->lock);
	at = erased_find(&erased->table, erased->list, hash);
	has = at != TABLE_NONE &&
	      erased->list[at].age_ms > erased->age_ms - erased->suppress_ms;
	lock_drop(&erased->lock);
	return has;
}

/* ---- the state ---- */

static void
erased_put(struct buf *state, const struct erased_id *id)
{
	(void)buf_append(state, id, sizeof(*id));
}

void
erased_write(struct erased *erased, struct digest_short *digest,
    const struct str *ids, size_t count, struct buf *state)
{
	struct erased_id id = {.age_ms = 0};
	size_t skip;

	lock_hold(&erased->lock);
	skip = erased->count + count > ERASED_MAX
		   ? erased->count + count - ERASED_MAX
		   : 0;
	for (size_t i = skip; i < erased->count; i++) {
		if (erased->list[i].age_ms >
		    erased->age_ms - erased->suppress_ms)
			erased_put(state, &erased->list[i]);
	}
	id.age_ms = erased->age_ms;
	lock_drop(&erased->lock);
	for (size_t i = 0; i < count; i++) {
		erased_hash(digest, ids[i], id.hash);
		erased_put(state, &id);
	}
}

/* An id that comes twice counts from the later time. */
bool
erased_read(struct erased *erased, struct str state, struct err *reterr)
{
	size_t most = state.len / sizeof(struct erased_id), count = 0;
	struct erased_id *list = calloc(most + 1, sizeof(*list)), *old;
	struct table table = {.slots = NULL}, old_table;

	if (list == NULL || !table_reserve(&table, most)) {
		free(list);
		return err_set_nomem(reterr);
	}
	for (size_t i = 0; i < most; i++) {
		struct erased_id id;
		uint32_t at;

		memcpy(&id, state.data + i * sizeof(id), sizeof(id));
		at = erased_find(&table, list, id.hash);
		if (at != TABLE_NONE) {
			list[at].age_ms = id.age_ms;
			continue;
		}
		table_add(&table, digest_short_slot(id.hash), (uint32_t)count);
		list[count++] = id;
	}
	lock_hold(&erased->lock);
	old = erased->list;
	old_table = erased->table;
	erased->list = list;
	erased->count = count;
	erased->table = table;
	atomic_store(&erased->any, count > 0);
	atomic_fetch_add(&erased->version, 1);
	lock_drop(&erased->lock);
	free(old);
	table_fini(&old_table);
	return true;
}
