#ifndef DAEMON_GENERATION_H
#define DAEMON_GENERATION_H

/*
 * The settings as they were read at one time, complete, and what is made of
 * them for the modules to borrow. None of it changes. A running daemon may read
 * its settings again: then there is a new generation, and whoever uses an old
 * one holds it until the end of that use. Any thread.
 */

#include "base/lock.h"
#include "daemon/settings.h"

#include <stdatomic.h>

struct generation {
	struct settings *settings; /* `own`, or lent */
	struct settings own;

	/* Of a daemon that runs, in the order of the settings; else NULL. */
	struct server_source *sources;
	struct intake_context **contexts; /* of the sources */
	struct forwarder_destination *destinations;

	atomic_size_t holders;
};

/* Of settings that stay lent, held once: the first one, which lives as long as
 * the daemon. */
void generation_init(struct generation *generation, struct settings *settings);

/* On the heap, held once, with empty settings of its own. NULL: no memory. */
MUST_USE struct generation *generation_new(void);

/* Make what the modules borrow. Unless it is the first, a destination is to
 * hold the generation for as long as the forwarder has it. */
MUST_USE bool
generation_make(struct generation *generation, struct err *reterr);

/* The server's settings, which are to hold the generation likewise. */
struct server_settings generation_server(struct generation *generation);

struct generation *generation_hold(struct generation *generation);

/* Which one is in force. */
struct in_force {
	struct lock lock;
	struct generation *generation; /* held; guarded by lock */
};

/* That one, for generation_drop(). */
struct generation *in_force_hold(struct in_force *in_force);

/* Put another in its place, and return that before. Takes over a hold, and
 * gives one. */
struct generation *
in_force_set(struct in_force *in_force, struct generation *generation);

/* The last one frees what was made, and the settings unless they are lent.
 * Accepts NULL. */
void generation_drop(void *generation);

#endif
