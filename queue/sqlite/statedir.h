#ifndef QUEUE_SQLITE_STATEDIR_H
#define QUEUE_SQLITE_STATEDIR_H

/*
 * The state directory: its owner, the room on its file system, and the reserve,
 * a file of allocated bytes that is released when delivery finds the disk full,
 * so that delivery, which frees room, can always continue. Not thread safe.
 */

#include "base/err.h"

#include <stdint.h>

struct statedir {
	char *dir, *file, *log, *reserve_file; /* paths; owned */
	int lock;			       /* -1 unless owned */
	int64_t reserve_bytes;		       /* 0 = none wanted */
	bool reserve;			       /* it exists */
};

/* Create the directory if necessary, and own it. `brief` says that it is for
 * one command only. ERR_BUSY if another command owns it, ERR_CONFIG if a daemon
 * does, or if it cannot be written. */
MUST_USE bool statedir_take(struct statedir *statedir, const char *dir,
    int64_t reserve_bytes, bool brief, struct err *reterr);

/* Give it up. Safe on a zeroed one and after a failed statedir_take(). */
void statedir_fini(struct statedir *statedir);

/* Bytes that we may still write on the file system. */
MUST_USE bool statedir_free_bytes(
    const struct statedir *statedir, int64_t *ret_free, struct err *reterr);

/* Create the reserve if it is wanted, is absent, and leaves at least `spare`
 * bytes free. Lack of room is not an error. */
void statedir_reserve_lay(struct statedir *statedir, int64_t spare);

/* Release it; false if there was none. */
MUST_USE bool statedir_reserve_release(struct statedir *statedir);

#endif
