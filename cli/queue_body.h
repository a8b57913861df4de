#ifndef CLI_QUEUE_BODY_H
#define CLI_QUEUE_BODY_H

/*
 * Walks over the bodies that could not be read, decoded as far as they go.
 */

#include "cli/command.h"
#include "cli/filter.h"

struct queue_bodies {
	struct command_context *context;
	struct filter *filter; /* --source, --since, --user, --reason; counts */
	struct buf *out;       /* written out as it grows */
	void (*fn)(void *arg, const struct tools_body *body); /* or NULL */
	void *arg;
	bool remove;	/* those that match */
	size_t unclear; /* out: for people: were not readable to the end */
};

MUST_USE bool
queue_bodies_walk(struct queue_bodies *bodies, struct err *reterr);

/* The body with this id: through fn. */
MUST_USE bool
queue_bodies_one(struct queue_bodies *bodies, int64_t id, struct err *reterr);

/* What a body says. A buffer is made of *ret_text; *ret_whole: to its end. */
MUST_USE bool queue_body_text(const struct tools_body *body,
    struct buf *ret_text, bool *ret_whole, struct err *reterr);

#endif
