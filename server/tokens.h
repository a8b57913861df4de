#ifndef SERVER_TOKENS_H
#define SERVER_TOKENS_H

/*
 * The bearer tokens of one source. Only their SHA-256 is kept, and all of them
 * are compared every time, so that neither memory nor time reveals a token. Any
 * thread, once made.
 */

#include "base/err.h"
#include "server/server.h"

#include <stddef.h>

struct tokens;

/* From a NULL-terminated list, or NULL for none. NULL: no memory. */
MUST_USE struct tokens *tokens_new(const char *const *list);
void tokens_free(struct tokens *tokens); /* accepts NULL */

size_t tokens_count(const struct tokens *tokens);

/* Is this Authorization header (NULL if there is none) one of the tokens, and
 * which one, by its number from 0? */
MUST_USE bool tokens_find(
    const struct tokens *tokens, const char *header, size_t *ret_number);

/* The beginning of a token's hash, in hex: it identifies the token whatever its
 * position in the list, and does not reveal it. */
enum { TOKENS_NAME = 13 }; /* bytes, including the NUL */
void tokens_name(
    const struct tokens *tokens, size_t number, char ret_name[TOKENS_NAME]);

/* What server_probe_proof() makes of the token of this number, or if there is
 * no such number of none. */
void tokens_prove(const struct tokens *tokens, size_t number, const char *nonce,
    char ret_proof[SERVER_PROOF]);

#endif
