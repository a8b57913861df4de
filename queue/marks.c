#include "queue/core.h"

#include "base/bits.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
	MARK_TYPES_SEARCHED = 32, /* beyond it a type may be listed twice */
	MARKS_TAIL_ROWS = 8,	  /* if rows cannot be written the tail is
				   * forgotten above so many */
	MARKS_EVENTS_BATCH = 16,  /* that a batch counts for at least */
	MARKS_STEP_MS = 2,
	MARKS_STEP_BATCHES = 8,
};

/* Less than this is read again rather than written at a stop. */
static const double marks_stop_rows = 1.0 / 16;

/* Records of batches by growing seq, of one kind. */
struct marks_list {
	struct buf records;
	int64_t last; /* seq */
};

struct marks_set {
	struct marks_list lists[MARKS_KINDS];
	size_t batches, events;
	int64_t first, last;
};

/* A batch that the running transaction adds. */
struct marks_added {
	size_t change; /* its number in the list */
	struct str mark;
};

struct marks {
	struct names types; /* by their numbers in both sets */
	/* What was added since the store was loaded; and what was there before,
	 * but in no row, as far as it was read. */
	struct marks_set tail, behind;
	struct engine_cursor reading;
	bool unread; /* there is more to read */
	struct marks_added *added;
	size_t added_count, added_cap;
	struct buf mark; /* for a moment */
	/* The set whose rows the running transaction adds, or NULL. */
	struct marks_set *written;
	struct buf plain, frames[MARKS_KINDS];
	bool stopping; /* it is the last transaction of this owner */
};

static void
marks_set_init(struct marks_set *set)
{
	*set = (struct marks_set){.batches = 0};
	for (size_t kind = 0; kind < MARKS_KINDS; kind++)
		buf_init(&set->lists[kind].records, SIZE_MAX / 2);
}

static void
marks_set_reset(struct marks_set *set)
{
	for (size_t kind = 0; kind < MARKS_KINDS; kind++)
		buf_fini(&set->lists[kind].records);
	marks_set_init(set);
}

struct marks *
marks_new(void)
{
	struct marks *marks = calloc(1, sizeof(*marks));

	if (marks == NULL)
		return NULL;
	marks_set_init(&marks->tail);
	marks_set_init(&marks->behind);
	buf_init(&marks->mark, SIZE_MAX / 2);
	buf_init(&marks->plain, SIZE_MAX / 2);
	for (size_t kind = 0; kind < MARKS_KINDS; kind++)
		buf_init(&marks->frames[kind], SIZE_MAX / 2);
	return marks;
}

void
marks_free(struct marks *marks)
{
	if (marks == NULL)
		return;
	names_fini(&marks->types);
	marks_set_reset(&marks->tail);
	marks_set_reset(&marks->behind);
	buf_fini(&marks->mark);
	buf_fini(&marks->plain);
	for (size_t kind = 0; kind < MARKS_KINDS; kind++)
		buf_fini(&marks->frames[kind]);
	free(marks->added);
	free(marks);
}

/* ---- making ---- */

struct mark_key
mark_key(
    const unsigned char hash_key[DIGEST_KEY], enum queue_key key, struct str id)
{
	uint64_t word = digest_word(hash_key, id.data, id.len);
	size_t first = key == QUEUE_KEY_EVENT ? 1 : 1 + MARK_SPREAD;
	size_t skip = key == QUEUE_KEY_EVENT ? 0 : MARK_ID;
	struct mark_key at = {
	    .kind = (unsigned char)(first + (word >> 48) % MARK_SPREAD)};

	for (size_t i = 0; i < mark_key_size(at.kind); i++)
		at.hash[i] = (unsigned char)(word >> 8 * (skip + i));
	return at;
}

/* The keys of a batch. */
struct mark_keys {
	const unsigned char *hash_key;
	struct buf list; /* {struct mark_key} */
	size_t count[MARKS_KINDS];
};

static void
mark_key_note(void *arg, enum queue_key key, struct str id)
{
	struct mark_keys *keys = arg;
	struct mark_key at = mark_key(keys->hash_key, key, id);

	if (buf_append(&keys->list, &at, sizeof(at)))
		keys->count[at.kind]++;
}

/* Each after those of smaller kinds. */
static void
mark_keys_write(const struct mark_keys *keys, struct buf *mark)
{
	const char *all = keys->list.data;
	size_t at[MARKS_KINDS];

	for (size_t kind = 1; kind < MARKS_KINDS; kind++) {
		batch_number_write(mark, keys->count[kind]);
		at[kind] = mark->len;
		/* the room, for now with whatever bytes */
		(void)buf_append(
		    mark, all, keys->count[kind] * mark_key_size(kind));
	}
	for (size_t i = 0; !mark->failed && i < keys->list.len;
	     i += sizeof(struct mark_key)) {
		struct mark_key key;
		size_t size;

		memcpy(&key, all + i, sizeof(key));
		size = mark_key_size(key.kind);
		memcpy(mark->data + at[key.kind], key.hash, size);
		at[key.kind] += size;
	}
}

/* Is the type among the last ones? */
static bool
mark_type_has(
    const struct str types[MARK_TYPES_SEARCHED], size_t number, struct str type)
{
	size_t known =
	    number < MARK_TYPES_SEARCHED ? number : MARK_TYPES_SEARCHED;

	for (size_t i = 1; i <= known; i++) {
		if (str_equal(types[(number - i) % MARK_TYPES_SEARCHED], type))
			return true;
	}
	return false;
}

/* The different types; those of a batch mostly follow each other. */
static void
mark_types_write(const struct item *items, size_t count,
    const unsigned char *bits, struct buf *mark)
{
	struct str types[MARK_TYPES_SEARCHED];
	size_t number = 0;
	struct buf list;

	buf_init(&list, SIZE_MAX / 2);
	for (size_t i = 0; i < count; i++) {
		struct str type = items[i].type;

		if ((bits != NULL && !bits_has(bits, i)) ||
		    mark_type_has(types, number, type))
			continue;
		types[number++ % MARK_TYPES_SEARCHED] = type;
		batch_number_write(&list, type.len);
		(void)buf_append(&list, type.data, type.len);
	}
	batch_number_write(mark, number);
	(void)buf_append(mark, list.data, list.len);
	mark->failed = mark->failed || list.failed;
	buf_fini(&list);
}

void
mark_write(const struct queue *queue, const struct item *items, size_t count,
    const unsigned char *bits, struct buf *mark)
{
	struct mark_keys keys = {.hash_key = queue->hash_key};
	const struct queue_settings *settings = &queue->settings;
	bool known = settings->keys != NULL;

	buf_init(&keys.list, SIZE_MAX / 2);
	for (size_t i = 0; known && i < count; i++) {
		if ((bits == NULL || bits_has(bits, i)) &&
		    items[i].data.len > 0)
			known = settings->keys(&items[i], mark_key_note, &keys);
	}
	mark_types_write(items, count, bits, mark);
	(void)buf_char(mark, known ? 1 : 0);
	if (known)
		mark_keys_write(&keys, mark);
	/* It has all or nothing. */
	if (mark->failed || keys.list.failed)
		buf_reset(mark);
	buf_fini(&keys.list);
}

struct str
marks_make(struct queue *queue, const struct item *items, size_t count)
{
	struct marks *marks = queue->marks;

	fair_lock_assert_held(&queue->lock);
	buf_reset(&marks->mark);
	mark_write(queue, items, count, NULL, &marks->mark);
	return changes_copy(
	    &queue->changes, str_bytes(marks->mark.data, marks->mark.len));
}

void
marks_add(struct queue *queue, struct str mark)
{
	struct marks *marks = queue->marks;

	fair_lock_assert_held(&queue->lock);
	if (mark.len == 0 || queue->changes.count == 0)
		return;
	if (marks->added_count == marks->added_cap) {
		size_t cap = marks->added_cap == 0 ? 64 : marks->added_cap * 2;
		struct marks_added *added =
		    realloc(marks->added, cap * sizeof(*added));

		if (added == NULL)
			return;
		marks->added = added;
		marks->added_cap = cap;
	}
	marks->added[marks->added_count++] =
	    (struct marks_added){queue->changes.count - 1, mark};
}

/* ---- the tail ---- */

void
marks_held(const struct queue *queue, size_t kind,
    const struct names **ret_types, struct str ret_records[2])
{
	const struct marks *marks = queue->marks;
	const struct buf *behind = &marks->behind.lists[kind].records;
	const struct buf *tail = &marks->tail.lists[kind].records;

	fair_lock_assert_held(&queue->lock);
	*ret_types = &marks->types;
	ret_records[0] = str_bytes(behind->data, behind->len);
	ret_records[1] = str_bytes(tail->data, tail->len);
}

/* The numbers of a mark's types, as bits; new ones get a number while there is
 * one. */
static bool
marks_types_read(struct marks *marks, struct batch_reader *reader,
    unsigned char bits[MARKS_TYPES / 8 + 1])
{
	uint64_t count, len;

	if (!batch_number_read(reader, SIZE_MAX / 2, &count))
		return false;
	for (uint64_t i = 0; i < count; i++) {
		struct str type;
		int64_t number;

		if (!batch_number_read(
			reader, (size_t)(reader->end - reader->at), &len))
			return false;
		type = str_bytes(batch_bytes_read(reader, len), len);
		number = names_find(&marks->types, type);
		if (number == 0 &&
		    (type.len > MARKS_TYPE_LEN ||
			marks->types.count >= MARKS_TYPES ||
			!names_add(&marks->types, type, &number, NULL)))
			number = 0;
		(void)bits_add(bits, (size_t)number);
	}
	return true;
}

/* Begin the record of a batch. */
static struct buf *
marks_list_add(struct marks_list *list, int64_t seq)
{
	batch_number_write(&list->records, (uint64_t)(seq - list->last));
	list->last = seq;
	return &list->records;
}

/* Append the keys of a batch, all from the third part of its mark on. */
static bool
marks_keys_add(struct marks_set *set, int64_t seq, struct batch_reader *reader)
{
	for (size_t kind = 1; kind < MARKS_KINDS; kind++) {
		size_t size = mark_key_size(kind);
		const char *begin = (const char *)reader->at;
		uint64_t count;

		if (!batch_number_read(reader,
			(size_t)(reader->end - reader->at) / size, &count))
			return false;
		reader->at += count * size;
		if (count > 0)
			(void)buf_append(marks_list_add(&set->lists[kind], seq),
			    begin, (size_t)((const char *)reader->at - begin));
	}
	return true;
}

/* Append what stands in the list of batches. */
static bool
marks_batch_add(struct marks *marks, struct marks_set *set, int64_t seq,
    struct batch_reader *reader, bool *ret_known)
{
	unsigned char bits[MARKS_TYPES / 8 + 1] = {0};
	const char *known;
	struct buf *list;
	size_t count = 0;

	if (!marks_types_read(marks, reader, bits))
		return false;
	known = batch_bytes_read(reader, 1);
	if (known == NULL)
		return false;
	*ret_known = *known != 0;
	for (size_t i = 0; i <= MARKS_TYPES; i++)
		count += bits_has(bits, i);
	list = marks_list_add(&set->lists[0], seq);
	batch_number_write(list, count);
	for (size_t i = 0; i <= MARKS_TYPES; i++) {
		if (bits_has(bits, i))
			(void)buf_char(list, (char)(unsigned char)i);
	}
	(void)buf_char(list, *known);
	return true;
}

/* Append the records of a batch; without memory it has none, nor if its number
 * is damaged. */
static void
marks_set_add(struct marks *marks, struct marks_set *set, int64_t seq,
    size_t events, struct str mark)
{
	struct batch_reader reader = {(const unsigned char *)mark.data,
	    (const unsigned char *)mark.data + mark.len};
	struct marks_list *lists = set->lists, had[MARKS_KINDS];
	bool known, ok;

	if (seq <= lists[0].last || seq > ENGINE_MARKS_LAST_MOST)
		return;
	memcpy(had, lists, sizeof(had));
	ok = marks_batch_add(marks, set, seq, &reader, &known) &&
	     (!known || marks_keys_add(set, seq, &reader));
	for (size_t kind = 0; kind < MARKS_KINDS; kind++)
		ok = ok && !lists[kind].records.failed;
	for (size_t kind = 0; kind < MARKS_KINDS && !ok; kind++) {
		buf_truncate(&lists[kind].records, had[kind].records.len);
		lists[kind].records.failed = false;
		lists[kind].records.starved = false;
		lists[kind].last = had[kind].last;
	}
	if (ok) {
		if (set->batches++ == 0)
			set->first = seq;
		set->last = seq;
		set->events += events;
	}
}

/* Has it so much of a row? */
static bool
marks_set_has(
    const struct queue *queue, const struct marks_set *set, double rows)
{
	double most = (double)queue->settings.marks_events * rows;

	return (double)set->events >= most ||
	       (double)(set->batches * MARKS_EVENTS_BATCH) >= most;
}

/* Rows cannot be written, so the tail is read again when they can. */
static void
marks_tail_forget(struct marks *marks)
{
	if (!marks->unread)
		marks->reading =
		    (struct engine_cursor){.at = {marks->tail.first - 1}};
	marks->reading.begun = false;
	marks->unread = true;
	marks_set_reset(&marks->tail);
}

/* ---- rows ---- */

static void
marks_types_write(const struct marks *marks, struct buf *plain)
{
	batch_number_write(plain, marks->types.count);
	for (size_t i = 0; i < marks->types.count; i++) {
		struct str type = names_at(&marks->types, (int64_t)i + 1);

		batch_number_write(plain, type.len);
		(void)buf_append(plain, type.data, type.len);
	}
}

/* The frame of a set's row. */
static bool
marks_row_pack(struct queue *queue, const struct marks_set *set, size_t kind)
{
	struct marks *marks = queue->marks;
	const struct buf *records = &set->lists[kind].records;
	struct buf *plain = &marks->plain;
	struct err err;

	buf_reset(plain);
	batch_number_write(plain, MARKS_FORMAT);
	batch_number_write(plain, kind);
	batch_number_write(plain, (uint64_t)set->first);
	batch_number_write(plain, (uint64_t)set->last);
	if (kind == 0)
		marks_types_write(marks, plain);
	(void)buf_append(plain, records->data, records->len);
	return !plain->failed && batch_pack_bytes(queue->packer,
				     str_bytes(plain->data, plain->len),
				     &marks->frames[kind], &err);
}

/* Append the rows of a set. Without memory there are none this time. */
static void
marks_rows_add(struct queue *queue, struct marks_set *set)
{
	struct marks *marks = queue->marks;

	for (size_t kind = 0; kind < MARKS_KINDS; kind++) {
		if (!marks_row_pack(queue, set, kind))
			return;
	}
	for (size_t kind = 0; kind < MARKS_KINDS; kind++)
		changes_add(&queue->changes, ENGINE_MARKS_ADD)->row.marks =
		    (struct engine_marks){
			.kind = (int64_t)kind,
			.first = set->first,
			.last = set->last,
			.frame = str_bytes(
			    marks->frames[kind].data, marks->frames[kind].len),
		    };
	marks->written = set;
}

void
marks_write(struct queue *queue)
{
	struct marks *marks = queue->marks;
	double rows = marks->stopping ? marks_stop_rows : 1;

	fair_lock_assert_held(&queue->lock);
	if (marks_set_has(queue, &marks->behind, 1))
		marks_rows_add(queue, &marks->behind);
	else if (!marks->unread && marks_set_has(queue, &marks->tail, rows))
		marks_rows_add(queue, &marks->tail);
}

bool
marks_unwrite(struct queue *queue)
{
	fair_lock_assert_held(&queue->lock);
	if (queue->marks->written == NULL)
		return false;
	queue->marks->written = NULL;
	queue->changes.count -= MARKS_KINDS;
	CHECK(queue->changes.list[queue->changes.count].op == ENGINE_MARKS_ADD);
	return true;
}

bool
marks_stop(struct queue *queue, void *arg, struct err *reterr)
{
	(void)arg;
	(void)reterr;
	fair_lock_assert_held(&queue->lock);
	queue->marks->stopping = true;
	return true;
}

bool
marks_tidy(struct queue *queue, void *arg, struct err *reterr)
{
	(void)arg;
	(void)reterr;
	(void)changes_add(&queue->changes, ENGINE_MARKS_TIDY);
	return true;
}

/* The row is durable, or it is not. */
static void
marks_written(struct marks *marks, bool ok)
{
	marks->stopping = false;
	if (marks->written == NULL)
		return;
	if (ok)
		marks_set_reset(marks->written);
	marks->written = NULL;
	if (marks->tail.batches == 0 && marks->behind.batches == 0)
		names_cut(&marks->types, 0);
	buf_fini(&marks->plain);
	for (size_t kind = 0; kind < MARKS_KINDS; kind++)
		buf_fini(&marks->frames[kind]);
}

void
marks_commit(struct queue *queue)
{
	struct marks *marks = queue->marks;

	fair_lock_assert_held(&queue->lock);
	marks_written(marks, true);
	for (size_t i = 0; i < marks->added_count; i++) {
		const struct marks_added *added = &marks->added[i];
		const struct engine_change *change =
		    &queue->changes.list[added->change];

		CHECK(change->op == ENGINE_BATCH_ADD);
		marks_set_add(marks, &marks->tail, change->number,
		    change->row.delivery.events, added->mark);
	}
	marks->added_count = 0;
	if (marks_set_has(queue, &marks->tail, MARKS_TAIL_ROWS))
		marks_tail_forget(marks);
}

void
marks_rollback(struct queue *queue)
{
	fair_lock_assert_held(&queue->lock);
	marks_written(queue->marks, false);
	queue->marks->added_count = 0;
}

/* ---- reading again what has no marks ---- */

static bool
marks_last_row(void *arg, const union engine_row *row)
{
	*(int64_t *)arg = row->marks.last;
	return true;
}

bool
marks_load(struct queue *queue, struct err *reterr)
{
	struct engine_cursor cursor = {.begun = false};
	struct marks *marks = queue->marks;
	int64_t last = 0;
	bool more;

	fair_lock_assert_held(&queue->lock);
	if (!queue->engine->walk(queue->store, ENGINE_MARKS_LAST, &cursor, 1,
		marks_last_row, &last, &more, reterr))
		return false;
	marks_set_reset(&marks->tail);
	marks_set_reset(&marks->behind);
	names_cut(&marks->types, 0);
	marks->added_count = 0;
	marks->reading = (struct engine_cursor){.at = {last}};
	marks->unread = true;
	return true;
}

struct marks_reading {
	struct queue *queue;
	int64_t until_ms; /* monotonic */
	bool met;	  /* the tail */
};

static bool
marks_read_row(void *arg, const union engine_row *row)
{
	struct marks_reading *reading = arg;
	struct queue *queue = reading->queue;
	struct marks *marks = queue->marks;
	const struct engine_delivery *batch = &row->delivery;
	struct batch unpacked;
	struct err err;

	reading->met =
	    marks->tail.batches > 0 && batch->seq >= marks->tail.first;
	if (reading->met)
		return false;
	if (batch->frame.data == NULL ||
	    !batch_unpack(batch->frame, &unpacked, &err))
		return true;
	buf_reset(&marks->mark);
	mark_write(queue, unpacked.items, unpacked.count, NULL, &marks->mark);
	if (marks->mark.len > 0)
		marks_set_add(marks, &marks->behind, batch->seq, unpacked.count,
		    str_bytes(marks->mark.data, marks->mark.len));
	batch_fini(&unpacked);
	return clock_mono_ms() < reading->until_ms;
}

/* Append the records of a list whose seqs are higher, for which there is room:
 * the first of them is told from the last one here, so it gets no longer. */
static void
marks_list_join(struct marks_list *list, const struct marks_list *next)
{
	const struct buf *records = &next->records;
	struct batch_reader reader = {(const unsigned char *)records->data,
	    (const unsigned char *)records->data + records->len};
	uint64_t seq;

	if (records->len == 0)
		return;
	CHECK(batch_number_read(&reader, INT64_MAX, &seq));
	batch_number_write(&list->records, seq - (uint64_t)list->last);
	(void)buf_append(
	    &list->records, reader.at, (size_t)(reader.end - reader.at));
	list->last = next->last;
}

/* The tail goes behind what was read; without memory it is read once more. */
static void
marks_join(struct marks *marks)
{
	struct marks_set *tail = &marks->tail, *behind = &marks->behind;
	bool ok = true;

	marks->unread = false;
	if (behind->batches == 0)
		return;
	for (size_t kind = 0; kind < MARKS_KINDS; kind++)
		ok = ok && buf_reserve(&behind->lists[kind].records,
			       tail->lists[kind].records.len);
	if (!ok) {
		for (size_t kind = 0; kind < MARKS_KINDS; kind++)
			behind->lists[kind].records.failed =
			    behind->lists[kind].records.starved = false;
		marks_tail_forget(marks);
		return;
	}
	for (size_t kind = 0; kind < MARKS_KINDS; kind++)
		marks_list_join(&behind->lists[kind], &tail->lists[kind]);
	if (tail->batches > 0) {
		behind->batches += tail->batches;
		behind->events += tail->events;
		behind->last = tail->last;
	}
	marks_set_reset(tail);
	*tail = *behind;
	marks_set_init(behind);
}

bool
marks_read(struct queue *queue)
{
	struct marks_reading reading = {
	    .queue = queue,
	    .until_ms = clock_mono_ms() + MARKS_STEP_MS,
	};
	struct marks *marks = queue->marks;
	struct err err;
	bool more;

	fair_lock_assert_held(&queue->lock);
	if (!marks->unread ||
	    marks_set_has(queue, &marks->behind, MARKS_TAIL_ROWS))
		return false;
	/* A batch that cannot be read stays without a mark. */
	if (!queue->engine->walk(queue->store, ENGINE_BATCHES, &marks->reading,
		MARKS_STEP_BATCHES, marks_read_row, &reading, &more, &err) ||
	    reading.met || !more)
		marks_join(marks);
	return marks->unread;
}
