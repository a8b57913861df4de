#ifndef TESTS_UNIT_ODD_SAMPLE_H
#define TESTS_UNIT_ODD_SAMPLE_H

#include "base/buf.h"

#include <stdint.h>

/* The same state gives the same events. */
struct odd_sample {
	uint64_t state;
	int64_t now_s; /* of those events whose time is not odd */
};

/* Append one event of a type of the catalogue, or of an unknown one, as a line
 * without the newline. currents_read() finds every one valid. */
void odd_sample_write(struct odd_sample *sample, size_t type, struct buf *out);

#endif
