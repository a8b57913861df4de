#ifndef QUEUE_BATCH_H
#define QUEUE_BATCH_H

/*
 * The packed form of a batch: events with their types, compressed into one zstd
 * frame with a checksum. Inside the frame, numbers as LEB128:
 *
 *	format (1, or 2 if there is a trace), the trace {length, bytes},
 *	types, {length, bytes} for each,
 *	events, {type, length} for each, then the bytes of all events.
 *
 * The batch contains the names of its types, so that it can be read without the
 * rest of the file. A packer belongs to one thread at a time.
 */

#include "base/buf.h"
#include "base/item.h"

#include <stddef.h>
#include <stdint.h>

struct batch_packer;

MUST_USE struct batch_packer *batch_packer_new(void);
void batch_packer_free(struct batch_packer *packer); /* accepts NULL */

/* Pack the type and the data of the items, with their trace or an empty one;
 * the frame replaces the content of *out. */
MUST_USE bool batch_pack(struct batch_packer *packer, const struct item *items,
    size_t count, struct str trace, struct buf *out, struct err *reterr);

/* Compress plain bytes into one frame with a checksum. */
MUST_USE bool batch_pack_bytes(struct batch_packer *packer, struct str bytes,
    struct buf *out, struct err *reterr);

/* The plain bytes of a frame; the caller frees them, after a failure too. */
MUST_USE bool batch_unpack_bytes(
    struct str frame, char **ret_bytes, size_t *ret_len, struct err *reterr);

/* How many bytes a frame says it unpacks to; false if it does not say, or that
 * cannot be true. */
MUST_USE bool batch_unpacked_size(struct str frame, size_t *ret_size);

/* The numbers (LEB128) and the bytes of a packed form: appending them, and
 * reading them back. False, or NULL, if there are not that many bytes, or the
 * number is above `most`. */
struct batch_reader {
	const unsigned char *at, *end;
};
void batch_number_write(struct buf *buf, uint64_t number);
MUST_USE bool batch_number_read(
    struct batch_reader *reader, uint64_t most, uint64_t *ret_number);
MUST_USE const char *batch_bytes_read(struct batch_reader *reader, size_t len);

/* The content of a batch; items and trace point into the owned bytes. */
struct batch {
	char *bytes;
	struct str trace;
	struct item *items;
	size_t count;
};

/* Unpack; ERR_DAMAGED if the checksum or the form is wrong. */
MUST_USE bool
batch_unpack(struct str frame, struct batch *ret_batch, struct err *reterr);
void batch_fini(struct batch *batch);

#endif
