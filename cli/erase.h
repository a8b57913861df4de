#ifndef CLI_ERASE_H
#define CLI_ERASE_H

/*
 * on_delete = forget: whose erasure Braze asked for is forgotten without a
 * person's doing. The daemon gives itself the command `forget`, for all who
 * are on the list, and at most once in forget_interval, since each time the
 * file is rebuilt.
 */

#include "cli/parts.h"

struct erase {
	int64_t next_ms; /* monotonic: not before; 0: at the start */
	int64_t after;	 /* the last that was looked at; a crash begins anew */
};

/* On the main thread, once a second, while no client is served. `duty` is
 * called between two steps, as in struct socket_host. */
void erase_sweep(struct erase *erase, struct parts *parts,
    bool (*duty)(void *arg), void *duty_arg, int64_t mono_ms);

#endif
