#ifndef QUEUE_NAMES_H
#define QUEUE_NAMES_H

/*
 * Texts by number, 1, 2, ..., each text once in memory. What was handed out
 * stays where it is for the life of the names. Not thread safe.
 */

#include "base/err.h"
#include "base/str.h"
#include "base/table.h"

/* All zero is empty. */
struct names {
	struct str *texts; /* owned, and so are they; each ends with a NUL */
	size_t count, cap;
	struct table table;
};

void names_fini(struct names *names);

/* The number of a text, or 0 if it has none. */
int64_t names_find(const struct names *names, struct str text);

/* The same; a text without a number gets the next. */
MUST_USE bool names_add(
    struct names *names, struct str text, int64_t *ret_id, struct err *reterr);

/* Forget those after the first `count`. */
void names_cut(struct names *names, size_t count);

/* The text of a number. */
static inline struct str
names_at(const struct names *names, int64_t id)
{
	CHECK(id >= 1 && (size_t)id <= names->count);
	return names->texts[id - 1];
}

#endif
