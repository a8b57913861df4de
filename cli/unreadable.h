#ifndef CLI_UNREADABLE_H
#define CLI_UNREADABLE_H

/*
 * Walks over the unreadable bodies: whole requests that are not JSON, kept as
 * they came. For the commands `unreadable`, and for those that look
 * everywhere.
 */

#include "cli/command.h"
#include "cli/filter.h"

struct unreadable_walk {
	struct command_context *context;
	struct filter *filter; /* --source, --since, --user, --reason; counts */
	struct buf *out;       /* written out as it grows */
	void (*fn)(void *arg, const struct jobs_unreadable *body); /* or NULL */
	void *arg;
	bool remove;	/* those that match */
	size_t unclear; /* out: for people: not readable to the end */
};

MUST_USE bool unreadable_walk(struct unreadable_walk *walk, struct err *reterr);

#endif
