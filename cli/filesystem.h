#ifndef CLI_FILESYSTEM_H
#define CLI_FILESYSTEM_H

/*
 * Is the state directory a place where a queue lasts? Memory file systems
 * vanish with the machine, overlays with their container, and a network's
 * file system promises less than fsync does here.
 */

#include "base/err.h"

#include <stdint.h>

struct filesystem {
	const char *name; /* of the file system's type; static */
	bool passing;	  /* not for a queue */
	bool exists;	  /* the directory; else it is its nearest parent */
	bool writable;
	int64_t free_bytes;
};

/* Look at a directory, or at its nearest parent that is there. */
MUST_USE bool filesystem_look(
    const char *dir, struct filesystem *ret_filesystem, struct err *reterr);

/* Look, and refuse a place that is not for a queue unless it is allowed. */
MUST_USE bool filesystem_check(const char *dir, bool allowed,
    struct filesystem *ret_filesystem, struct err *reterr);

#endif
