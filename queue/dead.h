#ifndef QUEUE_DEAD_H
#define QUEUE_DEAD_H

/*
 * Dead letters: events that were refused for good or are invalid, with the
 * reason. They are alike, so some of a destination are packed into one row and
 * take a third of the bytes that each would take alone. What a transaction adds
 * goes behind the last letters of its destination, until their row is full; so
 * it does not matter whether they come together or one by one.
 *
 * A letter's number is made of its row's and its place in it, which it keeps
 * when others leave the row. Needs the queue's lock, but for reading a row.
 */

#include "base/err.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct queue;
struct engine_dead;

enum {
	DEAD_ROW_LETTERS = 100,
	DEAD_ROW_BYTES = 256 * 1024,	/* unpacked: above it a row is full */
	DEAD_ROW_MS = 24 * 3600 * 1000, /* likewise: all of it expires with its
					 * last letter */
};

struct dead_letter {
	int64_t id; /* out only */
	struct str source, reason;
	struct str type; /* the ledger's; of a set the group, as it is */
	int64_t accepted_ms, dead_ms;
	int64_t stamp; /* of a set (queue/set.h); else 0 */
	unsigned attempts;
	int status;		       /* HTTP, or 0 */
	struct str answer, sent, data; /* answer and sent may be NULL */
};

/* ---- adding ---- */

struct dead; /* of a queue */

MUST_USE struct dead *dead_new(void);
void dead_free(struct dead *dead); /* accepts NULL */

/* Add a letter in the running transaction. It is lent until the end of it. */
MUST_USE bool dead_add(struct queue *queue, int64_t destination,
    const struct dead_letter *letter, struct err *reterr);

/* Append what was added to the transaction's changes. */
MUST_USE bool dead_write(struct queue *queue, struct err *reterr);

void dead_commit(struct queue *queue);
void dead_rollback(struct queue *queue);

/* What is added from now on goes into new rows, so that a walk over those that
 * are there comes to an end. */
void dead_close(struct queue *queue);

/* ---- rows ---- */

/* The letters of a row; a NUL follows each text. */
struct dead_row {
	struct dead_letter *letters; /* owned; they point into the bytes */
	size_t count;
	char *bytes; /* owned */
};

/* ERR_DAMAGED if it is not a row of letters. */
MUST_USE bool dead_row_read(const struct engine_dead *row,
    struct dead_row *ret_row, struct err *reterr);
void dead_row_fini(struct dead_row *row);

/* Write the row anew in the running transaction, without the letters whose
 * data is NULL; delete it if none is left. */
MUST_USE bool dead_row_write(struct queue *queue, const struct engine_dead *row,
    const struct dead_row *letters, struct err *reterr);

/* The row of a letter. */
int64_t dead_row_of(int64_t letter);

#endif
