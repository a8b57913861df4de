/* Where to look: all that is not passed over, row by row of marks. */

#include "queue/core.h"

#include <stdlib.h>
#include <string.h>

/* A batch of a set: is it passed over? */
struct search_batch {
	int64_t seq;
	bool other;    /* of none of the types */
	bool may_have; /* one of the keys */
};

struct marks_search {
	const struct jobs_look *look;
	struct mark_key *keys; /* owned; one of them; none: any */
	size_t key_count;
	bool types[MARKS_TYPES + 1];  /* of the set: are they wanted? */
	struct search_batch *batches; /* owned; of the set, by growing seq */
	size_t batch_count, batch_cap;
	/* The seqs to look at, up to `covered`. */
	struct engine_range *ranges; /* owned */
	size_t range_count, range_cap;
	int64_t covered;
	bool starved;
};

void
marks_search_free(struct marks_search *search)
{
	if (search == NULL)
		return;
	free(search->keys);
	free(search->batches);
	free(search->ranges);
	free(search);
}

bool
marks_search_new(struct queue *queue, const struct jobs_look *look,
    struct marks_search **ret_search, struct err *reterr)
{
	struct marks_search *search = calloc(1, sizeof(*search));
	bool by_id = look->id_count > 0;
	size_t count = by_id ? look->id_count : look->person_count;

	fair_lock_assert_held(&queue->lock);
	if (search == NULL)
		return err_set_nomem(reterr);
	search->look = look;
	search->keys = calloc(count + 1, sizeof(*search->keys));
	if (search->keys == NULL) {
		marks_search_free(search);
		return err_set_nomem(reterr);
	}
	for (; search->key_count < count; search->key_count++) {
		size_t i = search->key_count;

		search->keys[i] = mark_key(queue->hash_key,
		    by_id ? QUEUE_KEY_EVENT : QUEUE_KEY_PERSON,
		    by_id ? look->ids[i] : look->persons[i]);
	}
	*ret_search = search;
	return true;
}

/* Room for one more of a list; NULL without memory. */
static void *
search_grow(struct marks_search *search, void *list, size_t count, size_t *cap,
    size_t size)
{
	size_t more = *cap == 0 ? 64 : *cap * 2;
	void *grown = list;

	if (count == *cap) {
		grown = realloc(list, more * size);
		if (grown != NULL)
			*cap = more;
	}
	search->starved = search->starved || grown == NULL;
	return grown;
}

/* ---- the batches of a set ---- */

static bool
search_batch_add(struct marks_search *search, struct search_batch batch)
{
	struct search_batch *batches = search_grow(search, search->batches,
	    search->batch_count, &search->batch_cap, sizeof(*batches));

	if (batches == NULL)
		return false;
	search->batches = batches;
	batches[search->batch_count++] = batch;
	return true;
}

/* The seq of the next record; it is greater than the last one. */
static bool
search_seq(struct batch_reader *reader, int64_t *seq)
{
	uint64_t more;

	if (!batch_number_read(
		reader, (uint64_t)(INT64_MAX - 1 - *seq), &more) ||
	    more == 0)
		return false;
	*seq += (int64_t)more;
	return true;
}

static bool
search_batches(struct marks_search *search, struct batch_reader reader)
{
	int64_t seq = 0;

	while (reader.at != reader.end) {
		struct search_batch batch = {.other = true};
		const char *numbers, *known;
		uint64_t types;

		if (!search_seq(&reader, &seq) ||
		    !batch_number_read(&reader, MARKS_TYPES + 1, &types))
			return false;
		numbers = batch_bytes_read(&reader, types);
		known = batch_bytes_read(&reader, 1);
		if (numbers == NULL || known == NULL)
			return false;
		for (size_t i = 0; i < types; i++)
			batch.other = batch.other &&
				      !search->types[(unsigned char)numbers[i]];
		batch.may_have = *known == 0 || search->key_count == 0;
		batch.seq = seq;
		if (!search_batch_add(search, batch))
			return false;
	}
	return true;
}

static void
search_type(struct marks_search *search, size_t number, struct str type)
{
	const struct jobs_look *look = search->look;

	search->types[number] =
	    look->type == NULL || look->type(look->type_arg, type);
}

static bool
search_types(struct marks_search *search, struct batch_reader *reader)
{
	uint64_t types, len;

	if (!batch_number_read(reader, MARKS_TYPES, &types))
		return false;
	memset(search->types, true, sizeof(search->types));
	for (size_t i = 0; i < types; i++) {
		const char *type;

		if (!batch_number_read(reader, MARKS_TYPE_LEN, &len))
			return false;
		type = batch_bytes_read(reader, len);
		if (type == NULL)
			return false;
		search_type(search, i + 1, str_bytes(type, len));
	}
	return true;
}

/* ---- their keys ---- */

static bool
search_ids(
    const char *hashes, size_t count, const unsigned char wanted[MARK_ID])
{
	bool found = false;
	uint32_t hash, other;

	memcpy(&hash, wanted, MARK_ID);
	for (size_t i = 0; i < count; i++) {
		memcpy(&other, hashes + i * MARK_ID, MARK_ID);
		found |= other == hash;
	}
	return found;
}

static bool
search_persons(
    const char *hashes, size_t count, const unsigned char wanted[MARK_PERSON])
{
	bool found = false;
	uint16_t hash, other;

	memcpy(&hash, wanted, MARK_PERSON);
	for (size_t i = 0; i < count; i++) {
		memcpy(&other, hashes + i * MARK_PERSON, MARK_PERSON);
		found |= other == hash;
	}
	return found;
}

/* Is one of the wanted keys among these? */
static bool
search_hashes(const struct marks_search *search, size_t kind,
    const char *hashes, size_t count)
{
	bool found = false;

	for (size_t i = 0; !found && i < search->key_count; i++) {
		const struct mark_key *key = &search->keys[i];

		found = key->kind == kind &&
			(mark_key_size(kind) == MARK_ID
				? search_ids(hashes, count, key->hash)
				: search_persons(hashes, count, key->hash));
	}
	return found;
}

static bool
search_keys(
    struct marks_search *search, size_t kind, struct batch_reader reader)
{
	size_t size = mark_key_size(kind), at = 0;
	const char *hashes;
	int64_t seq = 0;
	uint64_t count;

	while (reader.at != reader.end) {
		if (!search_seq(&reader, &seq) ||
		    !batch_number_read(&reader,
			(size_t)(reader.end - reader.at) / size, &count))
			return false;
		hashes = batch_bytes_read(&reader, count * size);
		while (
		    at < search->batch_count && search->batches[at].seq < seq)
			at++;
		if (at == search->batch_count || search->batches[at].seq != seq)
			return false;
		if (search_hashes(search, kind, hashes, count))
			search->batches[at].may_have = true;
	}
	return true;
}

/* Is a key wanted that stands in the rows of this kind? */
static bool
search_wants(const struct marks_search *search, size_t kind)
{
	bool wants = false;

	for (size_t i = 0; i < search->key_count; i++)
		wants = wants || search->keys[i].kind == kind;
	return wants;
}

/* ---- where it stands ---- */

/* A row that is looked for: that of a kind and this last seq; of kind 0 the
 * next one. */
struct search_row {
	struct marks_search *search;
	size_t kind;
	int64_t first, last;
	bool there, whole;
};

static bool
search_plain(struct search_row *at, struct str plain)
{
	struct batch_reader reader = {(const unsigned char *)plain.data,
	    (const unsigned char *)plain.data + plain.len};
	uint64_t format, kind, first, last;

	if (!batch_number_read(&reader, MARKS_FORMAT, &format) ||
	    format != MARKS_FORMAT ||
	    !batch_number_read(&reader, MARKS_KINDS, &kind) ||
	    kind != at->kind ||
	    !batch_number_read(&reader, INT64_MAX, &first) ||
	    first != (uint64_t)at->first ||
	    !batch_number_read(&reader, INT64_MAX, &last) ||
	    last != (uint64_t)at->last)
		return false;
	return kind == 0 ? search_types(at->search, &reader) &&
			       search_batches(at->search, reader)
			 : search_keys(at->search, at->kind, reader);
}

static bool
search_row(void *arg, const union engine_row *row)
{
	struct search_row *at = arg;
	char *plain = NULL;
	struct err err;
	size_t len;

	at->there = row->marks.kind == (int64_t)at->kind &&
		    (at->kind == 0 || row->marks.last == at->last);
	if (!at->there)
		return false;
	if (at->kind == 0) {
		at->first = row->marks.first;
		at->last = row->marks.last;
	}
	at->whole = at->last <= ENGINE_MARKS_LAST_MOST &&
		    row->marks.frame.data != NULL &&
		    batch_unpack_bytes(row->marks.frame, &plain, &len, &err) &&
		    search_plain(at, str_bytes(plain, len));
	free(plain);
	return false;
}

/* Read the row behind this seq, or its last. */
static bool
search_read(struct queue *queue, struct search_row *at, int64_t after,
    struct err *reterr)
{
	struct engine_cursor rows = {
	    .at = {(int64_t)at->kind, after}, .last = INT64_MAX, .begun = true};
	bool more;

	at->there = at->whole = false;
	return queue->engine->walk(queue->store, ENGINE_MARKS, &rows, 1,
	    search_row, at, &more, reterr);
}

/* What is in no row. */
static void
search_memory(const struct queue *queue, struct marks_search *search)
{
	const struct names *types;
	struct str records[2];

	for (size_t kind = 0; kind < MARKS_KINDS; kind++) {
		marks_held(queue, kind, &types, records);
		if (kind == 0) {
			memset(search->types, true, sizeof(search->types));
			for (size_t i = 0; i < types->count; i++)
				search_type(search, i + 1,
				    names_at(types, (int64_t)i + 1));
		} else if (!search_wants(search, kind)) {
			continue;
		}
		for (size_t i = 0; i < 2; i++) {
			const unsigned char *bytes =
			    (const unsigned char *)records[i].data;
			struct batch_reader reader = {
			    bytes, bytes + records[i].len};

			if (records[i].len > 0)
				CHECK(
				    (kind == 0 ? search_batches(search, reader)
					       : search_keys(
						     search, kind, reader)) ||
				    search->starved);
		}
	}
}

/* The next set, or what is in no row. Nothing is passed over where a row is
 * damaged, or where none is known. */
static bool
search_set(struct queue *queue, struct marks_search *search, int64_t after,
    struct err *reterr)
{
	struct search_row at = {.search = search, .last = INT64_MAX};
	struct err err = {.code = ERR_NONE};
	bool ok = search_read(queue, &at, after, &err), whole;

	search->covered = at.last;
	if (ok && !at.there) {
		search_memory(queue, search);
		return true;
	}
	whole = ok && at.whole;
	for (at.kind = 1; ok && whole && at.kind < MARKS_KINDS; at.kind++) {
		if (!search_wants(search, at.kind))
			continue;
		ok = search_read(queue, &at, at.last - 1, &err);
		whole = at.there && at.whole;
	}
	if (!ok && err.code != ERR_DAMAGED)
		return err_set(reterr, err.code, "%s", err.text);
	if (!ok || !whole)
		search->batch_count = 0;
	return true;
}

/* ---- the ranges ---- */

static void
search_range(struct marks_search *search, int64_t first, int64_t last)
{
	struct engine_range *ranges;

	if (first > last)
		return;
	ranges = search_grow(search, search->ranges, search->range_count,
	    &search->range_cap, sizeof(*ranges));
	if (ranges == NULL)
		return;
	search->ranges = ranges;
	ranges[search->range_count++] = (struct engine_range){first, last};
}

/* All behind a seq but what is passed over. */
static void
search_ranges(struct marks_search *search, int64_t after)
{
	int64_t next = after + 1;

	search->range_count = 0;
	for (size_t i = 0; i < search->batch_count; i++) {
		const struct search_batch *batch = &search->batches[i];

		if (batch->seq < next || batch->seq > search->covered ||
		    (!batch->other && batch->may_have))
			continue;
		search_range(search, next, batch->seq - 1);
		next = batch->seq + 1;
	}
	search_range(search, next, search->covered);
}

bool
marks_search_next(struct queue *queue, struct marks_search *search,
    struct engine_cursor *cursor, int64_t *ret_last, struct err *reterr)
{
	int64_t after = cursor->at[0];
	bool ok;

	fair_lock_assert_held(&queue->lock);
	if (after >= search->covered) {
		search->batch_count = 0;
		search->starved = false;
		ok = search_set(queue, search, after, reterr);
		if (ok)
			search_ranges(search, after);
		if (!ok || search->starved) {
			search->covered = after; /* once more */
			return ok && err_set_nomem(reterr);
		}
	}
	cursor->ranges = search->ranges;
	cursor->range_count = search->range_count;
	*ret_last = search->covered;
	return true;
}
