#ifndef DAEMON_FILESYSTEM_H
#define DAEMON_FILESYSTEM_H

/*
 * Does a queue survive in the state directory? File systems in memory vanish
 * with the machine, overlays with their container, and on a network file system
 * fsync promises less.
 */

#include "base/err.h"

#include <stdint.h>

struct filesystem {
	const char *name; /* of the file system's type; static */
	bool transient;	  /* unsuitable for a queue */
	bool exists;	  /* if not, the rest is about its nearest parent */
	bool writable;
	int64_t free_bytes;
};

/* Look at a directory, or at its nearest parent that exists. */
MUST_USE bool filesystem_look(
    const char *dir, struct filesystem *ret_filesystem, struct err *reterr);

/* Look, and refuse a directory that cannot be written, or is on a transient
 * file system unless that is allowed. */
MUST_USE bool filesystem_check(const char *dir, bool allowed,
    struct filesystem *ret_filesystem, struct err *reterr);

#endif
