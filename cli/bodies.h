#ifndef CLI_BODIES_H
#define CLI_BODIES_H

/*
 * Request bodies out of a file, for the commands that look at events without
 * a daemon: the file is one body, as Braze sends it, or has one on each line
 * (a line is mostly one event).
 */

#include "base/buf.h"
#include "cli/options.h"
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

/* Read the file that the command's words name; none, and "-", are the
 * standard input. ERR_INPUT if there are more, or it cannot be read. */
MUST_USE bool bodies_read(
    const struct options *options, struct buf *ret_text, struct err *reterr);

/* How many lines the byte `to` of a body is below the byte `from`. */
size_t bodies_newlines(const struct bodies_one *body, size_t from, size_t to);

/* Call `fn` for each body. Lines are read one by one if the whole is no body
 * but one of them is, and none could be the end of a body of many lines. */
MUST_USE bool bodies_each(
    const struct buf *text, bodies_fn *fn, void *arg, struct err *reterr);

#endif
