#ifndef CLI_PEOPLE_H
#define CLI_PEOPLE_H

/*
 * Whom a command means: the ids that were given, and each as it stands where
 * private_at = accept hashed it with a destination's key. Without a daemon
 * the settings are read anew, since a key is more of them than other
 * commands need.
 */

#include "cli/parts.h"
#include "schema/redact.h"

struct people {
	struct str *ids;
	size_t count;
	char (*hashed)[REDACT_ID_BYTES]; /* what some of them lend */
};

/* The words stay lent; `config` is --config, or NULL. */
MUST_USE bool people_make(struct people *people, const struct parts *parts,
    const char *config, const char *const *words, size_t count,
    struct err *reterr);
void people_fini(struct people *people);

#endif
