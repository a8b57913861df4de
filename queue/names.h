#ifndef QUEUE_NAMES_H
#define QUEUE_NAMES_H

/*
 * Names by number: sources, lanes, kinds and rules, each text once in the
 * file and in memory. What comes from outside (kinds) is bounded: when the
 * table is full, or a text is too long, it stands under "(other)".
 * Not thread safe: struct queue's lock guards it.
 */

#include "queue/store.h"

enum {
	NAMES_MAX = 8192,
	NAMES_TYPES_MAX = 4096, /* beyond it new kinds are "(other)" */
	NAMES_TEXT_MAX = 200,
};

struct names;

MUST_USE struct names *names_new(void);
void names_free(struct names *names); /* takes NULL */

/* Read them from the file. A text that was known stays where it is, since
 * leases show it; after a failure the load is to be repeated. */
MUST_USE bool
names_load(struct names *names, struct store *store, struct err *reterr);

/* The number of a text, or 0 if it has none. */
int64_t names_find(const struct names *names, const char *text, size_t len);

/* The number of a text, given one if need be, inside a transaction whose
 * fate names_commit() or names_rollback() tell. */
MUST_USE bool names_add(struct names *names, struct store *store,
    const char *text, size_t len, int64_t *ret_id, struct err *reterr);

/* The same for a kind, bounded; "" stands under "(none)". */
MUST_USE bool names_add_type(struct names *names, struct store *store,
    const char *text, size_t len, int64_t *ret_id, struct err *reterr);

void names_commit(struct names *names);
void names_rollback(struct names *names);

/* The text of a number, lent for the life of the names; NULL if unknown. */
const char *names_text(const struct names *names, int64_t id);

#endif
