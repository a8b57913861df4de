#ifndef QUEUE_PARCEL_H
#define QUEUE_PARCEL_H

/*
 * The form of a parcel: events with their kinds, compressed into one zstd
 * frame with a checksum. Inside the frame, numbers as LEB128:
 *
 *	format (1), kinds, {length, bytes} for each,
 *	events, {kind, length} for each, then the bytes of all events.
 *
 * It carries its own names, so that a parcel can be read without the rest of
 * the file. A packer belongs to one thread at a time.
 */

#include "base/buf.h"
#include "base/item.h"

#include <stddef.h>
#include <stdint.h>

struct parcel_packer;

MUST_USE struct parcel_packer *parcel_packer_new(void);
void parcel_packer_free(struct parcel_packer *packer); /* takes NULL */

/* Pack type and data of the `count` items that `item` yields for 0, 1, ...; *out gets the
 * frame instead of what it held. */
typedef void parcel_item_fn(const void *arg, size_t n, struct item *ret_item);
MUST_USE bool parcel_pack(struct parcel_packer *packer, parcel_item_fn *item,
    const void *arg, size_t count, struct buf *out, struct err *reterr);

/* Compress plain bytes into one frame with a checksum. */
MUST_USE bool parcel_pack_bytes(struct parcel_packer *packer, const char *data,
    size_t len, struct buf *out, struct err *reterr);

/* The plain bytes of a frame; the caller frees them. */
MUST_USE bool parcel_unpack_bytes(const void *frame, size_t len,
    char **ret_bytes, size_t *ret_len, struct err *reterr);

/* What a parcel holds; items point into the owned bytes. */
struct parcel {
	char *bytes;
	struct item *items;
	size_t count;
};

/* Unpack; ERR_DAMAGED if the checksum or the form is wrong. */
MUST_USE bool parcel_unpack(const void *frame, size_t len,
    struct parcel *ret_parcel, struct err *reterr);
void parcel_fini(struct parcel *parcel);

#endif
