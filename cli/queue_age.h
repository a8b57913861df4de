#ifndef CLI_QUEUE_AGE_H
#define CLI_QUEUE_AGE_H

/*
 * How old the queued events are, by source and by type, in classes that double,
 * so that a burst and a jam look different.
 */

#include "cli/command.h"

/* Goes through every queued event, then shows it: as a table, or as members
 * of the open object. `json` may be NULL. */
struct json;
MUST_USE bool queue_age_show(struct command_context *context, struct json *json,
    struct buf *out, struct err *reterr);

#endif
