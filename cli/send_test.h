#ifndef CLI_SEND_TEST_H
#define CLI_SEND_TEST_H

/* check --send-test. */

#include "cli/command.h"

/* Send an event, or a change, of the person whom the options name to the
 * destination that they name; the settings are complete. Returns the exit
 * code. */
int send_test(struct command_context *context, const struct settings *settings,
    struct buf *out);

#endif
