#ifndef CLI_PROBE_H
#define CLI_PROBE_H

/* check --url. */

#include "cli/command.h"

/* Post a probe to the URL that the options give, as Braze will, and tell
 * whether this daemon answered; the settings are complete. Returns the exit
 * code. */
int probe_url(struct command_context *context, const struct settings *settings,
    struct buf *out);

#endif
