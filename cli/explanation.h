#ifndef CLI_EXPLANATION_H
#define CLI_EXPLANATION_H

/* What a destination would be sent of an item, and why, as explain_item()
 * (daemon/explain.h) answers it. */

#include "cli/command.h"

enum { EXPLANATION_MARGIN = 11 }; /* of what stands behind a head */

/* Append a head, what would be sent to that destination under which identity,
 * and a table of the properties. */
MUST_USE bool explanation_show(const struct command_context *context,
    const char *head, const json_t *explanation, const char *destination,
    struct buf *out, struct err *reterr);

#endif
