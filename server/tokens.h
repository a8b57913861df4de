#ifndef SERVER_TOKENS_H
#define SERVER_TOKENS_H

/*
 * The bearer tokens of one source. Only their hashes are kept, and all of
 * them are compared each time, so that neither time nor memory tells a
 * token. Any thread, once made.
 */

#include "base/err.h"

#include <stddef.h>

struct tokens;

/* From a NULL-ended list; NULL: no memory. */
MUST_USE struct tokens *tokens_new(const char *const *list);
void tokens_free(struct tokens *tokens);

/* Is this Authorization header (NULL if there is none) one of them? */
MUST_USE bool tokens_match(const struct tokens *tokens, const char *header);

/* The same, and which one, by its number from 0. */
MUST_USE bool tokens_find(
    const struct tokens *tokens, const char *header, size_t *ret_number);
size_t tokens_count(const struct tokens *tokens);

#endif
