#ifndef QUEUE_ERASED_H
#define QUEUE_ERASED_H

/*
 * Keyed hashes of the ids of people who were erased: an event that names one of
 * them and comes later is dropped by the rule "erased". In memory, and as a
 * state of the queue; for suppress_ms of the clock of the ages
 * (queue/bounds.h). Any thread, unless it says otherwise.
 */

#include "base/buf.h"
#include "base/digest.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

enum { ERASED_MAX = 1000000 }; /* ids; beyond it the oldest are forgotten */

extern const char erased_rule[];
extern const char erased_state[]; /* its name */

struct erased;

MUST_USE struct erased *erased_new(void);
void erased_free(struct erased *erased); /* accepts NULL */

/* Is anybody suppressed? */
bool erased_any(const struct erased *erased);

/* Grows whenever the ids are replaced: what was looked up before may be
 * outdated. */
uint64_t erased_version(const struct erased *erased);

bool erased_has(struct erased *erased, const unsigned char hash[DIGEST_SHORT]);

size_t erased_count(struct erased *erased);

/* The clock, and how long it counts, which erased_has() goes by. */
void erased_tick(struct erased *erased, int64_t age_ms, int64_t suppress_ms);

void erased_hash(struct digest_short *digest, struct str id,
    unsigned char ret[DIGEST_SHORT]);

/* Append the state, with these ids added; and replace what is there by that of
 * a state. */
void erased_write(struct erased *erased, struct digest_short *digest,
    const struct str *ids, size_t count, struct buf *state);
MUST_USE bool
erased_read(struct erased *erased, struct str state, struct err *reterr);

#endif
