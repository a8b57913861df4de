#ifndef SCHEMA_SAMPLE_H
#define SCHEMA_SAMPLE_H

/*
 * Makes realistic events from the catalogue, for trials, tests and
 * measurements. The same seed gives the same events. One thread at a time.
 */

#include "base/buf.h"

#include <stdint.h>

struct sample {
	uint64_t state;		    /* internal */
	unsigned anonymous_percent; /* events without external_user_id */
	int64_t now_s;		    /* event times are in the hour before */
};

void sample_init(struct sample *sample, uint64_t seed, int64_t now_s);

/* The number of types of the catalogue, and their names in its order. */
size_t sample_types(void);
const char *sample_type_name(size_t type);

/* The type with that name, or sample_types(). */
size_t sample_type_find(const char *name);

/* Append one event of a type: one line of JSON without the newline. */
void sample_write(struct sample *sample, size_t type, struct buf *out);

/* The same, but valid and nasty: numbers and strings that most readers cannot
 * handle, keys that are duplicate or collide, nesting up to the limit, unknown
 * types and members. currents_read() finds every one valid. */
void sample_odd_write(struct sample *sample, size_t type, struct buf *out);

#endif
