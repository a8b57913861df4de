#ifndef QUEUE_PLACE_H
#define QUEUE_PLACE_H

/*
 * The state directory: who owns it, how much room its file system has, and
 * the ballast, a file of allocated bytes that is let go when delivery finds
 * the disk full, so that it, which frees room, can always go on.
 * Not thread safe.
 */

#include "base/err.h"

#include <stdint.h>

struct place {
	char *dir, *file, *log, *ballast_file; /* paths; owned */
	int lock;			       /* -1 unless owned */
	int64_t reserve_bytes;		       /* 0 = none wanted */
	bool ballast;			       /* it is there */
};

/* Make the directory if need be and own it. ERR_BUSY if another process does
 * that took it briefly, ERR_CONFIG if another does, or if it cannot be
 * written. */
MUST_USE bool place_take(struct place *place, const char *dir,
    int64_t reserve_bytes, bool brief, struct err *reterr);

/* Give it up. Safe after a failed or absent place_take() of a zeroed place. */
void place_fini(struct place *place);

/* Bytes that we may still write on the file system. */
MUST_USE bool place_free_bytes(
    const struct place *place, int64_t *ret_free, struct err *reterr);

/* Put the ballast in place if it is wanted, absent, and at least `spare`
 * bytes stay free beside it. No room is no error. */
void place_ballast_lay(struct place *place, int64_t spare);

/* Let it go; false if there was none. */
MUST_USE bool place_ballast_drop(struct place *place);

#endif
