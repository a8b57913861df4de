#ifndef FORWARDER_BYTES_H
#define FORWARDER_BYTES_H

/*
 * Numbers as bytes, little-endian, for what the queue keeps for a lane in
 * the forwarder's own words. A reader that runs out of bytes fails for good,
 * so that it is asked once at the end.
 */

#include "base/buf.h"

#include <stdint.h>

void bytes_number_write(struct buf *buf, uint64_t value, size_t bytes);

struct bytes_reader {
	const unsigned char *data;
	size_t len;
	bool failed; /* too short, or found wrong by who reads */
};

/* 0 once it has failed. */
uint64_t bytes_number_read(struct bytes_reader *reader, size_t bytes);

#endif
