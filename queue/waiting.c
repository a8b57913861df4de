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

/* The changes are in many tables, by their hashes, and not in one: a table that
 * grows is filled anew, under the queue's lock. */
enum { WAITING_PARTS = 512 };

struct waiting_part {
	struct waiting_change *list; /* owned */
	size_t count, cap;
	size_t added; /* by the running transaction, at most */
	struct table table;
};

struct waiting {
	struct waiting_part parts[WAITING_PARTS];
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
	for (size_t i = 0; i < WAITING_PARTS; i++) {
		table_fini(&waiting->parts[i].table);
		free(waiting->parts[i].list);
	}
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

/* By other bits than a table goes by. */
static size_t
waiting_part_of(const unsigned char hash[DIGEST_SHORT])
{
	return (hash[DIGEST_SHORT - 1] | (size_t)hash[DIGEST_SHORT - 2] << 8) %
	       WAITING_PARTS;
}

struct waiting_lookup {
	const struct waiting_part *part;
	const unsigned char *hash;
};

static bool
waiting_equal(const void *arg, uint32_t position)
{
	const struct waiting_lookup *lookup = arg;

	return memcmp(lookup->part->list[position].hash, lookup->hash,
		   DIGEST_SHORT) == 0;
}

struct waiting_change *
waiting_find(
    const struct waiting *waiting, const unsigned char hash[DIGEST_SHORT])
{
	const struct waiting_part *part =
	    &waiting->parts[waiting_part_of(hash)];
	struct waiting_lookup lookup = {part, hash};
	uint32_t at = table_find(
	    &part->table, digest_short_slot(hash), waiting_equal, &lookup);

	return at == TABLE_NONE ? NULL : &part->list[at];
}

/* ---- the running transaction ---- */

/* Room for everything that it adds, so that a commit cannot fail. */
static bool
waiting_part_reserve(struct waiting_part *part)
{
	size_t need = part->count + part->added + 1;
	size_t cap = need < 16 ? 16 : need + need / 2;
	struct waiting_change *list;

	if (need > UINT32_MAX / 2 || !table_reserve(&part->table, need))
		return false;
	if (need > part->cap) {
		list = realloc(part->list, cap * sizeof(*list));
		if (list == NULL)
			return false;
		part->list = list;
		part->cap = cap;
	}
	return true;
}

static bool
waiting_reserve(struct waiting *waiting)
{
	size_t cap = waiting->move_cap == 0 ? 256 : waiting->move_cap * 2;
	struct waiting_move *moves;

	if (waiting->move_count < waiting->move_cap)
		return true;
	moves = realloc(waiting->moves, cap * sizeof(*moves));
	if (moves == NULL)
		return false;
	waiting->moves = moves;
	waiting->move_cap = cap;
	return true;
}

static bool
waiting_move(struct waiting *waiting, const unsigned char hash[DIGEST_SHORT],
    const struct waiting_move *move, struct err *reterr)
{
	struct waiting_part *part = &waiting->parts[waiting_part_of(hash)];
	struct waiting_move *next;

	if (!waiting_reserve(waiting) || !waiting_part_reserve(part))
		return err_set_nomem(reterr);
	part->added++;
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
	struct waiting_part *part =
	    &waiting->parts[waiting_part_of(added->hash)];
	struct waiting_change *change = waiting_find(waiting, added->hash);

	if (change == NULL) {
		change = &part->list[part->count];
		*change = *added;
		table_add(&part->table, digest_short_slot(added->hash),
		    (uint32_t)part->count++);
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
	struct waiting_part *part =
	    &waiting->parts[waiting_part_of(removed->hash)];
	struct waiting_change *change = waiting_find(waiting, removed->hash);
	struct waiting_change *last;

	if (change == NULL || change->stamp != removed->stamp)
		return;
	last = &part->list[part->count - 1];
	waiting_shift(change, 0);
	change->group->waiting--;
	table_remove(&part->table, digest_short_slot(change->hash),
	    (uint32_t)(change - part->list));
	if (change != last) {
		table_remove(&part->table, digest_short_slot(last->hash),
		    (uint32_t)(last - part->list));
		table_add(&part->table, digest_short_slot(last->hash),
		    (uint32_t)(change - part->list));
		*change = *last;
	}
	part->count--;
}

static void
waiting_forgotten(
    struct waiting *waiting, const struct waiting_change *forgotten)
{
	struct waiting_change *change = waiting_find(waiting, forgotten->hash);

	if (change != NULL)
		waiting_was(change, false);
}

static void
waiting_end(struct waiting *waiting)
{
	for (size_t i = 0; i < waiting->move_count; i++)
		waiting->parts[waiting_part_of(waiting->moves[i].change.hash)]
		    .added = 0;
	waiting->move_count = 0;
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
	waiting_end(waiting);
}

void
waiting_rollback(struct waiting *waiting)
{
	waiting_end(waiting);
}

void
waiting_clear(struct waiting *waiting)
{
	waiting_end(waiting);
	for (size_t i = 0; i < WAITING_PARTS; i++) {
		table_clear(&waiting->parts[i].table);
		waiting->parts[i].count = 0;
	}
}
