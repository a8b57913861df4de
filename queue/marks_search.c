/* Where to look: all that is not passed over, row by row of marks. */

#include "queue/core.h"

#include <stdlib.h>
#include <string.h>

struct marks_search {
	const struct jobs_look *look;
	enum queue_key key;		       /* that it goes by */
	unsigned char (*ids)[MARK_ID];	       /* owned */
	unsigned char (*persons)[MARK_PERSON]; /* owned */
	bool types[MARKS_TYPES + 1]; /* of the row: are they wanted? */
	/* The seqs to look at, up to `covered`. */
	struct engine_range *ranges; /* owned */
	size_t count, cap;
	int64_t covered;
	int64_t next; /* behind the last one that is passed over */
	bool starved;
};

void
marks_search_free(struct marks_search *search)
{
	if (search == NULL)
		return;
	free(search->ids);
	free(search->persons);
	free(search->ranges);
	free(search);
}

bool
marks_search_new(struct queue *queue, const struct jobs_look *look,
    struct marks_search **ret_search, struct err *reterr)
{
	struct marks_search *search = calloc(1, sizeof(*search));
	unsigned char id[MARK_ID], person[MARK_PERSON];

	fair_lock_assert_held(&queue->lock);
	if (search == NULL)
		return err_set_nomem(reterr);
	search->look = look;
	search->key = look->id_count > 0 ? QUEUE_KEY_EVENT : QUEUE_KEY_PERSON;
	search->ids = calloc(look->id_count + 1, MARK_ID);
	search->persons = calloc(look->person_count + 1, MARK_PERSON);
	if (search->ids == NULL || search->persons == NULL) {
		marks_search_free(search);
		return err_set_nomem(reterr);
	}
	for (size_t i = 0; i < look->id_count; i++)
		mark_hash(
		    queue->hash_key, look->ids[i], search->ids[i], person);
	for (size_t i = 0; i < look->person_count; i++)
		mark_hash(
		    queue->hash_key, look->persons[i], id, search->persons[i]);
	*ret_search = search;
	return true;
}

static void
search_range(struct marks_search *search, int64_t first, int64_t last)
{
	if (first > last || search->starved)
		return;
	if (search->count == search->cap) {
		size_t cap = search->cap == 0 ? 64 : search->cap * 2;
		struct engine_range *ranges =
		    realloc(search->ranges, cap * sizeof(*ranges));

		if (ranges == NULL) {
			search->starved = true;
			return;
		}
		search->ranges = ranges;
		search->cap = cap;
	}
	search->ranges[search->count++] = (struct engine_range){first, last};
}

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

/* Is one of the wanted keys in the rest of a record? Yes, if it is cut. */
static bool
search_keys(const struct marks_search *search, struct batch_reader *reader)
{
	const struct jobs_look *look = search->look;
	bool by_id = search->key == QUEUE_KEY_EVENT, found = false;
	size_t size = by_id ? MARK_ID : MARK_PERSON;
	size_t wanted = by_id ? look->id_count : look->person_count;
	const char *hashes;
	uint64_t count;

	if (wanted == 0 ||
	    !batch_number_read(
		reader, (size_t)(reader->end - reader->at) / size, &count))
		return true;
	hashes = (const char *)reader->at;
	for (size_t i = 0; !found && i < wanted; i++)
		found = by_id
			    ? search_ids(hashes, count, search->ids[i])
			    : search_persons(hashes, count, search->persons[i]);
	return found;
}

/* Does the record, from its types on, say that the batch may have it? */
static bool
search_mark(const struct marks_search *search, struct batch_reader reader)
{
	const char *numbers, *known;
	bool type = false;
	uint64_t types;

	if (!batch_number_read(&reader, MARKS_TYPES + 1, &types))
		return true;
	numbers = batch_bytes_read(&reader, types);
	known = batch_bytes_read(&reader, 1);
	if (numbers == NULL || known == NULL)
		return true;
	for (size_t i = 0; i < types; i++)
		type |= search->types[(unsigned char)numbers[i]];
	return type && (*known == 0 || search_keys(search, &reader));
}

/* Pass over the batches of these records whose marks say no. */
static bool
search_records(struct marks_search *search, struct batch_reader *reader)
{
	uint64_t seq, len, last = 0;

	while (reader->at != reader->end) {
		struct batch_reader mark;

		if (!batch_number_read(reader, INT64_MAX - 1, &seq) ||
		    seq <= last ||
		    !batch_number_read(
			reader, (size_t)(reader->end - reader->at), &len))
			return false;
		mark.at = reader->at;
		mark.end = reader->at += len;
		last = seq;
		if ((int64_t)seq < search->next || search_mark(search, mark))
			continue;
		search_range(search, search->next, (int64_t)seq - 1);
		search->next = (int64_t)seq + 1;
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
search_plain(struct marks_search *search, struct str plain)
{
	struct batch_reader reader = {(const unsigned char *)plain.data,
	    (const unsigned char *)plain.data + plain.len};
	uint64_t format, key, types, len;

	if (!batch_number_read(&reader, MARKS_FORMAT, &format) ||
	    format != MARKS_FORMAT ||
	    !batch_number_read(&reader, MARK_KEYS, &key) ||
	    key != search->key ||
	    !batch_number_read(&reader, MARKS_TYPES, &types))
		return false;
	memset(search->types, true, sizeof(search->types));
	for (size_t i = 0; i < types; i++) {
		const char *type;

		if (!batch_number_read(&reader, MARKS_TYPE_LEN, &len))
			return false;
		type = batch_bytes_read(&reader, len);
		if (type == NULL)
			return false;
		search_type(search, i + 1, str_bytes(type, len));
	}
	return search_records(search, &reader);
}

/* What is looked at starts after `after`, and nothing is passed over yet. */
static void
search_begin(struct marks_search *search, int64_t after, int64_t covered)
{
	search->count = 0;
	search->next = after + 1;
	search->covered = covered;
}

struct search_row {
	struct marks_search *search;
	int64_t after;
	bool there;
};

/* A row that is damaged passes over nothing. */
static bool
search_row(void *arg, const union engine_row *row)
{
	struct search_row *at = arg;
	struct marks_search *search = at->search;
	char *plain = NULL;
	struct err err;
	size_t len;

	at->there = row->marks.kind == (int64_t)search->key;
	if (!at->there)
		return false;
	search_begin(search, at->after, row->marks.last);
	if (row->marks.last > ENGINE_MARKS_LAST_MOST ||
	    row->marks.frame.data == NULL ||
	    !batch_unpack_bytes(row->marks.frame, &plain, &len, &err) ||
	    !search_plain(search, str_bytes(plain, len)) ||
	    search->next - 1 > row->marks.last)
		search_begin(search, at->after, row->marks.last);
	free(plain);
	return false;
}

/* What is in no row. */
static void
search_memory(
    const struct queue *queue, struct marks_search *search, int64_t after)
{
	const struct names *types;
	struct str records[2];

	marks_held(queue, search->key, &types, records);
	search_begin(search, after, INT64_MAX);
	memset(search->types, true, sizeof(search->types));
	for (size_t i = 0; i < types->count; i++)
		search_type(search, i + 1, names_at(types, (int64_t)i + 1));
	for (size_t i = 0; i < 2; i++) {
		const unsigned char *bytes =
		    (const unsigned char *)records[i].data;
		struct batch_reader reader;

		if (records[i].len == 0)
			continue;
		reader = (struct batch_reader){bytes, bytes + records[i].len};
		CHECK(search_records(search, &reader));
	}
}

bool
marks_search_next(struct queue *queue, struct marks_search *search,
    struct engine_cursor *cursor, int64_t *ret_last, struct err *reterr)
{
	struct engine_cursor rows = {.at = {search->key, cursor->at[0]},
	    .last = INT64_MAX,
	    .begun = true};
	struct search_row at = {.search = search, .after = cursor->at[0]};
	struct err err = {.code = ERR_NONE};
	bool more;

	fair_lock_assert_held(&queue->lock);
	if (cursor->at[0] >= search->covered) {
		if (!queue->engine->walk(queue->store, ENGINE_MARKS, &rows, 1,
			search_row, &at, &more, &err)) {
			if (err.code != ERR_DAMAGED)
				return err_set(
				    reterr, err.code, "%s", err.text);
			/* nothing is known of all the rest */
			search_begin(search, at.after, INT64_MAX);
		} else if (!at.there) {
			search_memory(queue, search, at.after);
		}
		search_range(search, search->next, search->covered);
		if (search->starved)
			return err_set_nomem(reterr);
	}
	cursor->ranges = search->ranges;
	cursor->range_count = search->count;
	*ret_last = search->covered;
	return true;
}
