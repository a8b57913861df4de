#ifndef DAEMON_RELOAD_H
#define DAEMON_RELOAD_H

/*
 * Reads the settings of the running daemon again, with the files that they
 * name, and puts them in force: all of them, or none. No listener and no
 * connection closes, and a destination whose settings are the same is not
 * disturbed.
 */

#include "base/buf.h"
#include "daemon/daemon.h"

/* Names of settings ("listen", "source main: token"), and of sources and
 * destinations ("source main"); each ends in a NUL. */
struct reload_result {
	struct buf changed, added, removed;
	struct buf restart; /* differ, and stay as they are until a restart */
};

/* Any thread, one after the other; what came of it is logged, with the caller,
 * and kept for the status. ERR_CONFIG: the settings are wrong; ERR_CONFLICT:
 * they would take something away, and that was not forced, or cannot be done by
 * a reload. Then nothing has changed. The caller frees the result. */
MUST_USE bool reload_run(struct daemon *daemon, bool force, const char *caller,
    struct reload_result *ret_result, struct err *reterr);
void reload_result_fini(struct reload_result *result);

/* What the last one left to say. Any thread. */
struct daemon_reloaded reload_last(struct daemon_reload *reload);

#endif
