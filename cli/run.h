#ifndef CLI_RUN_H
#define CLI_RUN_H

/* Runs a command where it belongs. */

#include "cli/command.h"

/*
 * Find the command, read its options, run it. In the daemon it runs at once,
 * with the daemon's queue. Elsewhere (`daemon` is NULL) a command that needs
 * the queue is sent to the daemon that owns it; if no daemon is running, it
 * opens the queue. Returns an exit code.
 */
int run_command(const struct commands *commands, struct daemon *daemon,
    const struct job_caller *caller, struct screen *screen, size_t argc,
    const char *const *argv, struct buf *out);

#endif
