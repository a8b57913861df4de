#ifndef CLI_BODIES_H
#define CLI_BODIES_H

/*
 * Request bodies out of a file, for the commands that look at events without
 * a daemon: the file is one body, as Braze sends it, or has one on each line
 * (a line is mostly one event).
 */

#include "base/buf.h"
#include "schema/currents.h"

enum { BODIES_BYTES_MAX = 256 * 1024 * 1024 };

struct bodies_one {
	const char *text;
	size_t at;			    /* its offset in the file */
	size_t line;			    /* in which it begins, from 1 */
	const struct currents_batch *batch; /* empty if there is a fault */
	const struct currents_fault *fault; /* or NULL */
};

/* False ends the walk. */
typedef bool
bodies_fn(void *arg, const struct bodies_one *body, struct err *reterr);

/* Read the file of that name, "-" being the standard input. */
MUST_USE bool
bodies_file_read(const char *name, struct buf *ret_text, struct err *reterr);

/* Call `fn` for each body. Lines are read one by one if the whole is no body
 * but its first line is. */
MUST_USE bool bodies_each(
    const struct buf *text, bodies_fn *fn, void *arg, struct err *reterr);

#endif
