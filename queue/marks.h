#ifndef QUEUE_MARKS_H
#define QUEUE_MARKS_H

/*
 * Marks: which batches may hold an event that is looked for, so that the others
 * need not be opened. The mark of a batch has 32 bits of a keyed hash of the id
 * of each of its events, 16 of each id of a person that they name, and their
 * types; about 10 bytes an event. Three further bits of a hash tell in which of
 * eight rows it is, so that a search reads an eighth of them.
 *
 * The thread that puts makes the mark. It is noted in memory when the batch is
 * durable, in the *tail*; a full tail becomes rows of the store with the next
 * transaction. So does what there is of it at a planned stop; after any other
 * the batches behind the last row are read again and marked, in small steps
 * beside the traffic.
 *
 * A mark is a hint: a batch is passed over only if its own mark is there and
 * whole, and says no. All other batches are opened: those without a mark (no
 * memory, a row that is missing or damaged), and those with an event whose ids
 * cannot be read. A number that a mark has is not used for another batch, and
 * no event is ever added to a batch, so a mark cannot become too narrow: not in
 * the archive, nor by erasing.
 *
 * What remains of a person who is erased: the bits above, in the row, until the
 * last of its batches is gone. They are fewer than the store keeps of each
 * event, by which duplicates are known.
 *
 * Everything but mark_write() needs the queue's lock.
 */

#include "queue/admin.h"
#include "queue/names.h"

#include "base/buf.h"
#include "base/digest.h"
#include "base/item.h"

struct changes;
struct marks; /* of a queue: the tail */

MUST_USE struct marks *marks_new(void);
void marks_free(struct marks *marks); /* accepts NULL */

/* ---- making ---- */

/* Append the mark of a batch of those of the items that `bits` has (NULL: all)
 * to a buffer; nothing without memory. Any thread. */
void mark_write(const struct queue *queue, const struct item *items,
    size_t count, const unsigned char *bits, struct buf *mark);

/* Likewise, in the memory of the running transaction; NULL without memory. */
struct str
marks_make(struct queue *queue, const struct item *items, size_t count);

/* The change that was appended last adds the batch of this mark, which is lent
 * until the end of the transaction. NULL: it has none. */
void marks_add(struct queue *queue, struct str mark);

/* Append a full tail to the running transaction, as its last change; or take
 * it off again: false if there was none. */
void marks_write(struct queue *queue);
bool marks_unwrite(struct queue *queue);

void marks_commit(struct queue *queue);
void marks_rollback(struct queue *queue);

/* ---- keeping ---- */

/* Find out where the tail begins. */
MUST_USE bool marks_load(struct queue *queue, struct err *reterr);

/* A step of reading again what has no marks. True if there is more. */
bool marks_read(struct queue *queue);

/* Changes (queue_change_fn): a planned stop writes the tail, unless it is so
 * small that it is soon read again; now and then a row goes none of whose
 * batches is left (the first change's flag: there may be another). */
bool marks_stop(struct queue *queue, void *arg, struct err *reterr);
bool marks_tidy(struct queue *queue, void *arg, struct err *reterr);

/* ---- looking ---- */

/* A search: where to look, row by row. */
struct marks_search;

MUST_USE bool
marks_search_new(struct queue *queue, const struct jobs_look *look,
    struct marks_search **ret_search, struct err *reterr);
void marks_search_free(struct marks_search *search); /* accepts NULL */

/* Lend the cursor the ranges of seqs to look in, behind at[0] and up to
 * *ret_last; INT64_MAX: there are no others. They stay until at[0] has come
 * so far. */
MUST_USE bool
marks_search_next(struct queue *queue, struct marks_search *search,
    struct engine_cursor *cursor, int64_t *ret_last, struct err *reterr);

/* ---- the form, for marks_search.c ---- */

/*
 * The batches of a full tail are a set. One row of it, of kind 0, lists them;
 * the others have their keys, by kind and by bits of the hash. A row is packed
 * (queue/batch.h), which gives it a checksum; numbers as LEB128:
 *
 *	format (2), kind, first seq and last seq of the set,
 *	kind 0: types, {length, bytes} for each; then for each batch
 *		seq, less that of the batch before,
 *		types, {number} for each: a byte, 0 for one without a number,
 *		1 if its keys are known, else 0;
 *	others: for each batch with such keys
 *		seq, likewise,
 *		keys, {hash} for each, 4 bytes of an id or 2 of a person's.
 *
 * In the tail there is the same from the first batch on. The mark of a batch
 * that has no number yet is
 *
 *	types, {length, bytes} for each, 1 or 0 as above,
 *	for each kind but 0: keys, {hash} for each.
 */
enum {
	MARKS_FORMAT = 2,     /* also changes with what settings.keys tells */
	MARKS_TYPES = 255,    /* with a number, in a set */
	MARKS_TYPE_LEN = 256, /* longer ones get none */
	MARK_ID = 4,
	MARK_PERSON = 2,
	MARKS_KINDS = ENGINE_MARKS_KINDS,
	MARK_SPREAD = (MARKS_KINDS - 1) / 2, /* rows of ids, and of persons */
};

/* A key as it stands in the rows of a kind. */
struct mark_key {
	unsigned char kind, hash[MARK_ID];
};

struct mark_key mark_key(const unsigned char hash_key[DIGEST_KEY],
    enum queue_key key, struct str id);

/* The bytes of its hash there. */
static inline size_t
mark_key_size(size_t kind)
{
	return kind <= MARK_SPREAD ? MARK_ID : MARK_PERSON;
}

/* What is in no row yet: types, by their numbers, and the records of a kind, in
 * two parts. */
void marks_held(const struct queue *queue, size_t kind,
    const struct names **ret_types, struct str ret_records[2]);

#endif
