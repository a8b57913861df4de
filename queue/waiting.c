#include "queue/waiting.h"

#include "base/table.h"
#include "queue/groups.h"

#include <stdlib.h>
#include <string.h>

/* Of the running transaction. */
struct waiting_move {
	struct waiting_change change;
	bool in;
	bool removed;
	bool unknown; /* what was sent */
};

struct waiting {
	struct waiting_change *list; /* owned */
	size_t count, cap;
	struct table table;
	struct waiting_move *moves; /* owned */
	size_t move_count, move_cap;
};

struct waiting *
waiting_new(void)
{
	return calloc(1, sizeof(struct waiting));
}

void
waiting_free(struct waiting *waiting)
{
	if (waiting == NULL)
		return;
	table_fini(&waiting->table);
	free(waiting->list);
	free(waiting->moves);
	free(waiting);
}

void
waiting_hash(struct digest_short *digest, struct str destination,
    struct str source, struct str group, struct str member,
    unsigned char ret[DIGEST_SHORT])
{
	uint64_t lengths[3] = {destination.len, source.len, group.len};

	digest_short_add(digest, lengths, sizeof(lengths));
	digest_short_add(digest, destination.data, destination.len);
	digest_short_add(digest, source.data, source.len);
	digest_short_add(digest, group.data, group.len);
	digest_short_add(digest, member.data, member.len);
	digest_short_end(digest, ret);
}

/* Of a hash, which is as good as random. */
static uint64_t
waiting_slot(const unsigned char hash[DIGEST_SHORT])
{
	uint64_t slot;

	memcpy(&slot, hash, sizeof(slot));
	return slot;
}

struct waiting_lookup {
	const struct waiting *waiting;
	const unsigned char *hash;
};

static bool
waiting_equal(const void *arg, uint32_t position)
{
	const struct waiting_lookup *lookup = arg;

	return memcmp(lookup->waiting->list[position].hash, lookup->hash,
		   DIGEST_SHORT) == 0;
}

struct waiting_change *
waiting_find(
    const struct waiting *waiting, const unsigned char hash[DIGEST_SHORT])
{
	struct waiting_lookup lookup = {waiting, hash};
	uint32_t at = table_find(
	    &waiting->table, waiting_slot(hash), waiting_equal, &lookup);

	return at == TABLE_NONE ? NULL : &waiting->list[at];
}

/* ---- the running transaction ---- */

/* Room for everything that it adds, so that a commit cannot fail. */
static bool
waiting_reserve(struct waiting *waiting)
{
	size_t need = waiting->count + waiting->move_count + 1;
	size_t cap = need < 64 ? 64 : need + need / 2;
	struct waiting_change *list;
	struct waiting_move *moves;

	if (need > UINT32_MAX / 2 || !table_reserve(&waiting->table, need))
		return false;
	if (need > waiting->cap) {
		list = realloc(waiting->list, cap * sizeof(*list));
		if (list == NULL)
			return false;
		waiting->list = list;
		waiting->cap = cap;
	}
	if (waiting->move_count == waiting->move_cap) {
		cap = waiting->move_cap == 0 ? 256 : waiting->move_cap * 2;
		moves = realloc(waiting->moves, cap * sizeof(*moves));
		if (moves == NULL)
			return false;
		waiting->moves = moves;
		waiting->move_cap = cap;
	}
	return true;
}

static bool
waiting_move(struct waiting *waiting, const unsigned char hash[DIGEST_SHORT],
    const struct waiting_move *move, struct err *reterr)
{
	struct waiting_move *next;

	if (!waiting_reserve(waiting))
		return err_set_nomem(reterr);
	next = &waiting->moves[waiting->move_count++];
	*next = *move;
	memcpy(next->change.hash, hash, DIGEST_SHORT);
	return true;
}

bool
waiting_add(struct waiting *waiting, const unsigned char hash[DIGEST_SHORT],
    struct set_group *group, int64_t stamp, bool wanted, bool in,
    struct err *reterr)
{
	const struct waiting_move move = {
	    .change = {.group = group, .stamp = stamp, .wanted = wanted},
	    .in = in,
	};

	return waiting_move(waiting, hash, &move, reterr);
}

bool
waiting_remove(struct waiting *waiting, const unsigned char hash[DIGEST_SHORT],
    int64_t stamp, struct err *reterr)
{
	const struct waiting_move move = {
	    .change = {.stamp = stamp},
	    .removed = true,
	};

	return waiting_move(waiting, hash, &move, reterr);
}

bool
waiting_unknown(struct waiting *waiting, const unsigned char hash[DIGEST_SHORT],
    struct err *reterr)
{
	const struct waiting_move move = {.unknown = true};

	return waiting_move(waiting, hash, &move, reterr);
}

static void
waiting_shift(struct waiting_change *change, int shift)
{
	change->group->shift += shift - change->shift;
	change->shift = (signed char)shift;
}

void
waiting_was(struct waiting_change *change, bool in)
{
	waiting_shift(change, change->wanted - in);
}

static void
waiting_added(
    struct waiting *waiting, const struct waiting_change *added, bool in)
{
	struct waiting_change *change = waiting_find(waiting, added->hash);

	if (change == NULL) {
		change = &waiting->list[waiting->count];
		*change = *added;
		table_add(&waiting->table, waiting_slot(added->hash),
		    (uint32_t)waiting->count++);
		change->group->waiting++;
		waiting_was(change, in);
		return;
	}
	if (change->stamp == added->stamp)
		return;
	change->unsure = true;
	if (change->stamp > added->stamp)
		return;
	in = change->wanted - change->shift > 0;
	change->stamp = added->stamp;
	change->wanted = added->wanted;
	waiting_was(change, in);
}

static void
waiting_removed(struct waiting *waiting, const struct waiting_change *removed)
{
	struct waiting_change *change = waiting_find(waiting, removed->hash);
	struct waiting_change *last = &waiting->list[waiting->count - 1];

	if (change == NULL || change->stamp != removed->stamp)
		return;
	waiting_shift(change, 0);
	change->group->waiting--;
	table_remove(&waiting->table, waiting_slot(change->hash),
	    (uint32_t)(change - waiting->list));
	if (change != last) {
		table_remove(&waiting->table, waiting_slot(last->hash),
		    (uint32_t)(last - waiting->list));
		table_add(&waiting->table, waiting_slot(last->hash),
		    (uint32_t)(change - waiting->list));
		*change = *last;
	}
	waiting->count--;
}

static void
waiting_forgotten(
    struct waiting *waiting, const struct waiting_change *forgotten)
{
	struct waiting_change *change = waiting_find(waiting, forgotten->hash);

	if (change != NULL)
		waiting_was(change, false);
}

void
waiting_commit(struct waiting *waiting)
{
	for (size_t i = 0; i < waiting->move_count; i++) {
		const struct waiting_move *move = &waiting->moves[i];

		if (move->unknown)
			waiting_forgotten(waiting, &move->change);
		else if (move->removed)
			waiting_removed(waiting, &move->change);
		else
			waiting_added(waiting, &move->change, move->in);
	}
	waiting->move_count = 0;
}

void
waiting_rollback(struct waiting *waiting)
{
	waiting->move_count = 0;
}

void
waiting_clear(struct waiting *waiting)
{
	table_clear(&waiting->table);
	waiting->count = waiting->move_count = 0;
}
