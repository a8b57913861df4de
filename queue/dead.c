#include "queue/dead.h"

#include "queue/core.h"

#include <stdlib.h>
#include <string.h>

enum { DEAD_FORMAT = 2, DEAD_TEXTS = 6 };

/* A letter that the running transaction adds. */
struct dead_added {
	int64_t destination;
	size_t position;
	struct dead_letter letter;
};

/* The last row of a destination, as long as it has room. */
struct dead_open {
	int64_t row;	/* 0 = none */
	size_t places;	/* that were given */
	size_t bytes;	/* unpacked */
	int64_t age_ms; /* of its first letter */
};

/* Of a destination: what is durable, and what the transaction makes of it. */
struct dead_end {
	struct dead_open now, next;
	size_t number_at; /* the change that gives the row of `next`, + 1 */
};

struct dead {
	struct dead_added *added; /* owned */
	size_t count, cap;
	struct dead_end *ends; /* by destination - 1; owned */
	size_t end_count;
	struct buf raw;
};

struct dead *
dead_new(void)
{
	struct dead *dead = calloc(1, sizeof(*dead));

	if (dead != NULL)
		buf_init(&dead->raw, SIZE_MAX / 2);
	return dead;
}

void
dead_free(struct dead *dead)
{
	if (dead == NULL)
		return;
	free(dead->added);
	free(dead->ends);
	buf_fini(&dead->raw);
	free(dead);
}

int64_t
dead_row_of(int64_t letter)
{
	return letter < 1 ? 1 : (letter - 1) / DEAD_ROW_LETTERS + 1;
}

static int64_t
dead_id(int64_t row, size_t place)
{
	return (row - 1) * DEAD_ROW_LETTERS + (int64_t)place + 1;
}

static size_t
dead_place(int64_t letter)
{
	return (size_t)((letter - 1) % DEAD_ROW_LETTERS);
}

/* Its letters could not be numbered. */
static bool
dead_row_unsound(const struct engine_dead *row)
{
	return row->id < 1 || row->id > INT64_MAX / DEAD_ROW_LETTERS;
}

/* ---- the packed form ----
 *
 * format (2), then of each letter: its place, accepted_ms, dead_ms, stamp,
 * attempts, status, and its six texts as {length + 1, or 0 for NULL; bytes,
 * NUL}. */

static void
dead_texts(const struct dead_letter *letter, const struct str *ret[DEAD_TEXTS])
{
	ret[0] = &letter->source;
	ret[1] = &letter->type;
	ret[2] = &letter->reason;
	ret[3] = &letter->answer;
	ret[4] = &letter->sent;
	ret[5] = &letter->data;
}

static void
letter_write(struct buf *raw, const struct dead_letter *letter, size_t place)
{
	const struct str *texts[DEAD_TEXTS];

	batch_number_write(raw, place);
	batch_number_write(raw, (uint64_t)letter->accepted_ms);
	batch_number_write(raw, (uint64_t)letter->dead_ms);
	batch_number_write(raw, (uint64_t)letter->stamp);
	batch_number_write(raw, letter->attempts);
	batch_number_write(raw, (uint64_t)letter->status);
	dead_texts(letter, texts);
	for (size_t i = 0; i < DEAD_TEXTS; i++) {
		if (texts[i]->data == NULL) {
			batch_number_write(raw, 0);
			continue;
		}
		batch_number_write(raw, texts[i]->len + 1);
		(void)buf_append(raw, texts[i]->data, texts[i]->len);
		(void)buf_char(raw, '\0');
	}
}

/* False if the form is wrong. */
static bool
letter_read(
    struct batch_reader *reader, int64_t row, struct dead_letter *ret_letter)
{
	uint64_t place, accepted, dead, stamp, attempts, status, len;
	const struct str *texts[DEAD_TEXTS];

	if (!batch_number_read(reader, DEAD_ROW_LETTERS - 1, &place) ||
	    !batch_number_read(reader, INT64_MAX, &accepted) ||
	    !batch_number_read(reader, INT64_MAX, &dead) ||
	    !batch_number_read(reader, INT64_MAX, &stamp) ||
	    !batch_number_read(reader, UINT32_MAX, &attempts) ||
	    !batch_number_read(reader, INT32_MAX, &status))
		return false;
	*ret_letter = (struct dead_letter){
	    .id = dead_id(row, place),
	    .accepted_ms = (int64_t)accepted,
	    .dead_ms = (int64_t)dead,
	    .stamp = (int64_t)stamp,
	    .attempts = (unsigned)attempts,
	    .status = (int)status,
	};
	dead_texts(ret_letter, texts);
	for (size_t i = 0; i < DEAD_TEXTS; i++) {
		struct str *text = (struct str *)(uintptr_t)texts[i];

		if (!batch_number_read(reader, SIZE_MAX / 2, &len))
			return false;
		if (len == 0)
			continue;
		*text = str_bytes(batch_bytes_read(reader, len), len - 1);
		if (text->data == NULL || text->data[text->len] != '\0')
			return false;
	}
	return ret_letter->source.data != NULL &&
	       ret_letter->type.data != NULL &&
	       ret_letter->reason.data != NULL && ret_letter->data.data != NULL;
}

bool
dead_row_read(
    const struct engine_dead *row, struct dead_row *ret_row, struct err *reterr)
{
	struct dead_row found = {.letters = NULL};
	struct batch_reader reader;
	uint64_t format;
	size_t len;
	bool ok;

	*ret_row = found;
	if (row->frame.data == NULL || row->destination.data == NULL ||
	    dead_row_unsound(row))
		return err_set(
		    reterr, ERR_DAMAGED, "the dead letters are unreadable");
	found.letters = calloc(DEAD_ROW_LETTERS, sizeof(*found.letters));
	if (found.letters == NULL)
		return err_set_nomem(reterr);
	if (!batch_unpack_bytes(row->frame, &found.bytes, &len, reterr)) {
		dead_row_fini(&found);
		return false;
	}
	reader.at = (const unsigned char *)found.bytes;
	reader.end = reader.at + len;
	ok = batch_number_read(&reader, DEAD_FORMAT, &format) &&
	     format == DEAD_FORMAT;
	while (ok && reader.at != reader.end) {
		ok = found.count < DEAD_ROW_LETTERS &&
		     letter_read(&reader, row->id, &found.letters[found.count]);
		found.count++;
	}
	if (!ok || found.count != row->letters) {
		dead_row_fini(&found);
		return err_set(
		    reterr, ERR_DAMAGED, "the dead letters are malformed");
	}
	*ret_row = found;
	return true;
}

void
dead_row_fini(struct dead_row *row)
{
	free(row->letters);
	free(row->bytes);
	*row = (struct dead_row){.letters = NULL};
}

/* Begin a row in dead->raw. */
static void
dead_begin(struct queue *queue)
{
	buf_reset(&queue->dead->raw);
	batch_number_write(&queue->dead->raw, DEAD_FORMAT);
}

/* Pack it; the frame is in the changes' memory. */
static bool
dead_pack(struct queue *queue, struct str *ret_frame, struct err *reterr)
{
	const struct buf *raw = &queue->dead->raw;

	if (!buf_ok(raw, reterr) ||
	    !batch_pack_bytes(queue->packer, str_bytes(raw->data, raw->len),
		&queue->packed, reterr))
		return false;
	*ret_frame = changes_copy(
	    &queue->changes, str_bytes(queue->packed.data, queue->packed.len));
	return true;
}

bool
dead_row_write(struct queue *queue, const struct engine_dead *row,
    const struct dead_row *letters, struct err *reterr)
{
	struct engine_change *change;
	size_t left = 0;
	struct str frame;

	dead_begin(queue);
	for (size_t i = 0; i < letters->count; i++) {
		const struct dead_letter *letter = &letters->letters[i];

		if (letter->data.data == NULL)
			continue;
		letter_write(&queue->dead->raw, letter, dead_place(letter->id));
		left++;
	}
	if (left == 0) {
		changes_add(&queue->changes, ENGINE_DEAD_DELETE)->row.dead.id =
		    row->id;
		return true;
	}
	if (!dead_pack(queue, &frame, reterr))
		return false;
	change = changes_add(&queue->changes, ENGINE_DEAD_PUT);
	change->row.dead = (struct engine_dead){.id = row->id,
	    .age_ms = row->age_ms,
	    .letters = left,
	    .frame = frame};
	return true;
}

/* ---- adding ---- */

bool
dead_add(struct queue *queue, int64_t destination,
    const struct dead_letter *letter, struct err *reterr)
{
	struct dead *dead = queue->dead;

	fair_lock_assert_held(&queue->lock);
	if (dead->count == dead->cap) {
		size_t cap = dead->cap == 0 ? 64 : dead->cap * 2;
		struct dead_added *added =
		    realloc(dead->added, cap * sizeof(*added));

		if (added == NULL)
			return err_set_nomem(reterr);
		dead->added = added;
		dead->cap = cap;
	}
	dead->added[dead->count] =
	    (struct dead_added){destination, dead->count, *letter};
	dead->count++;
	return true;
}

/* Room for what is open of each destination. */
static bool
dead_ends_grow(struct queue *queue, struct err *reterr)
{
	size_t count = queue->destinations.count;
	struct dead *dead = queue->dead;
	struct dead_end *ends;

	if (count <= dead->end_count)
		return true;
	ends = realloc(dead->ends, count * sizeof(*ends));
	if (ends == NULL)
		return err_set_nomem(reterr);
	memset(ends + dead->end_count, 0,
	    (count - dead->end_count) * sizeof(*ends));
	dead->ends = ends;
	dead->end_count = count;
	return true;
}

static bool
dead_is_full(const struct dead_open *open, int64_t age_ms)
{
	return open->row == 0 || open->places == DEAD_ROW_LETTERS ||
	       open->bytes > DEAD_ROW_BYTES ||
	       age_ms - open->age_ms > DEAD_ROW_MS;
}

/* A row that is read to be written again. */
struct dead_reading {
	struct queue *queue;
	int64_t id;
	bool found;
	size_t letters;
};

/* What cannot be read stays as it is, and the next row is begun. */
static bool
dead_read_row(void *arg, const union engine_row *row)
{
	struct dead_reading *reading = arg;
	struct dead_row letters;
	struct err err;

	if (row->dead.id != reading->id ||
	    !dead_row_read(&row->dead, &letters, &err))
		return false;
	for (size_t i = 0; i < letters.count; i++)
		letter_write(&reading->queue->dead->raw, &letters.letters[i],
		    dead_place(letters.letters[i].id));
	reading->letters = letters.count;
	reading->found = true;
	dead_row_fini(&letters);
	return false;
}

/* The letters of the open row, in dead->raw; if there is none, or it is full,
 * begin another one. */
static bool
dead_open(struct queue *queue, struct dead_open *open, size_t *ret_letters,
    struct err *reterr)
{
	struct dead_reading reading = {.queue = queue, .id = open->row};
	struct engine_cursor cursor = {
	    .at = {open->row - 1}, .last = INT64_MAX, .begun = true};
	bool more;

	dead_begin(queue);
	if (!dead_is_full(open, queue->bounds.age_ms) &&
	    !queue->engine->walk(queue->store, ENGINE_DEAD, &cursor, 1,
		dead_read_row, &reading, &more, reterr))
		return false;
	if (!reading.found)
		*open = (struct dead_open){.age_ms = queue->bounds.age_ms};
	*ret_letters = reading.letters;
	return true;
}

/* Write the first of these letters, which are of one destination: as many as
 * the open row has room for. */
static bool
dead_write_row(struct queue *queue, const struct dead_added *added,
    size_t count, size_t *ret_written, struct err *reterr)
{
	int64_t destination = added->destination;
	struct dead_end *end = &queue->dead->ends[destination - 1];
	struct dead_open *open = &end->next;
	struct buf *raw = &queue->dead->raw;
	size_t letters, written = 0;
	struct engine_change *change;
	struct str frame;

	if (!dead_open(queue, open, &letters, reterr))
		return false;
	do {
		letter_write(raw, &added[written++].letter, open->places++);
	} while (written < count && open->places < DEAD_ROW_LETTERS &&
		 raw->len <= DEAD_ROW_BYTES);
	open->bytes = raw->len;
	if (!dead_pack(queue, &frame, reterr))
		return false;
	change = changes_add(&queue->changes,
	    open->row != 0 ? ENGINE_DEAD_PUT : ENGINE_DEAD_ADD);
	change->row.dead = (struct engine_dead){
	    .id = open->row,
	    .destination =
		destination_at(&queue->destinations, destination)->name,
	    .age_ms = queue->bounds.age_ms,
	    .letters = letters + written,
	    .frame = frame,
	};
	end->number_at = open->row != 0 ? 0 : queue->changes.count;
	*ret_written = written;
	return true;
}

static int
dead_order(const void *left, const void *right)
{
	const struct dead_added *a = left, *b = right;

	if (a->destination != b->destination)
		return a->destination < b->destination ? -1 : 1;
	return a->position < b->position ? -1 : a->position > b->position;
}

bool
dead_write(struct queue *queue, struct err *reterr)
{
	struct dead *dead = queue->dead;
	size_t end, written;

	if (dead->count == 0)
		return true;
	if (!dead_ends_grow(queue, reterr))
		return false;
	qsort(dead->added, dead->count, sizeof(*dead->added), dead_order);
	for (size_t at = 0; at < dead->count; at = end) {
		int64_t destination = dead->added[at].destination;
		struct dead_end *last = &dead->ends[destination - 1];

		last->next = last->now;
		for (end = at; end < dead->count &&
			       dead->added[end].destination == destination;
		     end++)
			;
		while (at < end) {
			if (!dead_write_row(queue, &dead->added[at], end - at,
				&written, reterr))
				return false;
			at += written;
			if (at < end)
				last->next.row = 0;
		}
	}
	return true;
}

void
dead_commit(struct queue *queue)
{
	struct dead *dead = queue->dead;

	for (size_t i = 0; i < dead->count; i++) {
		struct dead_end *end =
		    &dead->ends[dead->added[i].destination - 1];

		if (end->number_at != 0)
			end->next.row =
			    queue->changes.list[end->number_at - 1].number;
		end->number_at = 0;
		end->now = end->next;
	}
	dead->count = 0;
}

void
dead_rollback(struct queue *queue)
{
	queue->dead->count = 0;
}

void
dead_close(struct queue *queue)
{
	struct dead *dead = queue->dead;

	fair_lock_assert_held(&queue->lock);
	for (size_t i = 0; i < dead->end_count; i++)
		dead->ends[i].now.row = 0;
}
