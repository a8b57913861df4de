#ifndef FORWARDER_BYTES_H
#define FORWARDER_BYTES_H

/*
 * Little-endian numbers, for the opaque bytes that the queue keeps for a
 * sender. A reader that runs out of bytes stays failed, so that its caller
 * checks only once, at the end.
 */

#include "base/buf.h"

#include <stdint.h>
#include <string.h>

static inline void
bytes_write(struct buf *buf, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		(void)buf_char(buf, (char)(value >> (8 * i) & 0xff));
}

struct bytes_reader {
	const char *data;
	size_t len;
	bool failed;
};

/* The next `bytes` bytes, or NULL if there are fewer. */
static inline const char *
bytes_take(struct bytes_reader *reader, size_t bytes)
{
	const char *at = reader->data;

	if (reader->failed || reader->len < bytes) {
		reader->failed = true;
		return NULL;
	}
	reader->data += bytes;
	reader->len -= bytes;
	return at;
}

/* A number of `bytes` bytes, at most 8; 0 once the reader has failed. */
static inline uint64_t
bytes_read(struct bytes_reader *reader, size_t bytes)
{
	const char *at = bytes_take(reader, bytes);
	uint64_t value = 0;

	for (size_t i = 0; at != NULL && i < bytes; i++)
		value |= (uint64_t)(unsigned char)at[i] << (8 * i);
	return value;
}

/* Are the next bytes these, which identify a format? */
static inline bool
bytes_magic(struct bytes_reader *reader, const char magic[4])
{
	const char *at = bytes_take(reader, 4);

	return at != NULL && memcmp(at, magic, 4) == 0;
}

#endif
