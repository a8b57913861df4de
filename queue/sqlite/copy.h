#ifndef QUEUE_SQLITE_COPY_H
#define QUEUE_SQLITE_COPY_H

/*
 * A copy in memory of what was written to the log, up to a limit. The log is
 * the only file that has what was accepted last; if it is cut in place, a
 * checkpoint reads the copy instead. Not thread safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COPY_MAX = 8 << 20 }; /* of each log: twice what a checkpoint awaits */

struct copy {
	unsigned char *bytes; /* owned */
	size_t len, cap;
	bool exact; /* bytes of the log are the first `len` of it */
};

/* Begin it: the log has so many bytes. */
void copy_init(struct copy *copy, int64_t bytes);
void copy_fini(struct copy *copy);

/* What was done to the log. */
void copy_write(struct copy *copy, const void *data, size_t len, int64_t at);
void copy_truncate(struct copy *copy, int64_t bytes);

/* Does the copy have these bytes? */
bool copy_has(const struct copy *copy, size_t len, int64_t at);

/* Those bytes, which it has. */
void copy_read(const struct copy *copy, void *ret_data, size_t len, int64_t at);

#endif
