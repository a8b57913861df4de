#ifndef CLI_ERASE_SWEEP_H
#define CLI_ERASE_SWEEP_H

/*
 * on_delete = erase: the daemon erases the people whose erasure Braze
 * requested, without the operator. It gives itself the command `erase`, for
 * everyone on the list, and at most once per erase_interval, since each time
 * the file is rebuilt.
 */

#include "cli/parts.h"

struct erase {
	int64_t next_ms; /* monotonic: not before; 0: at the start */
	int64_t after;	 /* the last row that was looked at */
};

/* On the main thread, once a second, while no client is served. `duty` is
 * called between two steps, as in struct socket_host. */
void erase_sweep(struct erase *erase, struct parts *parts,
    bool (*duty)(void *arg), void *duty_arg, int64_t mono_ms);

#endif
