#ifndef QUEUE_NAMES_H
#define QUEUE_NAMES_H

/*
 * Numbers for names: of sources, destinations, types and rules, each text once
 * in the file and in memory. Names from outside (types) are bounded: when the
 * table is full, or a text is too long, it is counted as "(other)". Not thread
 * safe: struct queue's lock guards it.
 */

#include "queue/db.h"

enum {
	NAMES_MAX = 8192,
	NAMES_TYPES_MAX = 4096, /* beyond it new types are "(other)" */
	NAMES_TEXT_MAX = 200,
};

struct names;

MUST_USE struct names *names_new(void);
void names_free(struct names *names); /* accepts NULL */

/* Read them from the file. Texts that are already known stay where they are,
 * because leases lend them. After a failure, load again. */
MUST_USE bool
names_load(struct names *names, struct db *db, struct err *reterr);

/* The number of a text, or 0 if it has none. */
int64_t names_find(const struct names *names, struct str text);

/* The same; a text without a number gets one, inside a transaction that ends
 * with names_commit() or names_rollback(). */
MUST_USE bool names_add(struct names *names, struct db *db, struct str text,
    int64_t *ret_id, struct err *reterr);

/* The same for a type, within the bounds; "" is counted as "(none)". */
MUST_USE bool names_add_type(struct names *names, struct db *db,
    struct str type, int64_t *ret_id, struct err *reterr);

void names_commit(struct names *names);
void names_rollback(struct names *names);

/* The text of a number, lent for the life of the names; NULL if unknown. */
const char *names_text(const struct names *names, int64_t id);

#endif
