#ifndef SERVER_SIEVE_H
#define SERVER_SIEVE_H

/*
 * Which types of events a source takes: its include and exclude lists, each
 * with the name of the rule that the books show. Any thread, once made.
 */

#include "schema/currents.h"
#include "server/server.h"

struct sieve;

/* The lists stay lent; NULL: no memory. */
MUST_USE struct sieve *sieve_new(const struct server_source *source);
void sieve_free(struct sieve *sieve);

/*
 * The rule by which an event of this type is dropped, or NULL. The exclude
 * list goes first. A request for erasure is dropped only by its full name:
 * who wants no profile events has not said that he forgets nobody.
 */
const char *sieve_rule(const struct sieve *sieve, const struct str *type);

#endif
