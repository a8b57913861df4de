#ifndef DAEMON_BODIES_H
#define DAEMON_BODIES_H

/*
 * The bodies in a file of events: the file is one request body, as Braze sends
 * it, or has one on each line (usually a single event), also as an export
 * wrote it (daemon/line.h). A page of changes of a segment is one body.
 */

#include "daemon/line.h"
#include "schema/currents/currents.h"

/* Does the text look like a page, and not like events? */
bool bodies_page(struct str text);

struct body {
	/* The body itself; of an export, what the line has of it. A change of
	 * an export is no body: see `from`. */
	struct str text;
	size_t at;   /* its offset in the file, if it is there as it is */
	size_t line; /* in which it begins, from 1 */
	const struct line *from;
	const struct currents_batch *batch; /* empty if there is a fault */
	const struct currents_fault *fault; /* or NULL */
};

/* False ends the walk. */
typedef bool body_fn(void *arg, const struct body *body, struct err *reterr);

/* How many lines the byte `to` of a body is below the byte `from`; 0 if the
 * body is not in the file as it is. */
size_t body_newlines(const struct body *body, size_t from, size_t to);

/* Has it a body on each line? *ret_lines is false if it is one as a whole, or
 * looks more like a broken one than like lines. */
MUST_USE bool
bodies_are_lines(struct str file, bool *ret_lines, struct err *reterr);

/* Call `fn` for each body; `lines` is what bodies_are_lines() found. ERR_LIMIT:
 * too many events in a body. */
MUST_USE bool bodies_each(
    struct str file, bool lines, body_fn *fn, void *arg, struct err *reterr);

#endif
