#ifndef CLI_STRANDED_H
#define CLI_STRANDED_H

/*
 * Events queued for a destination that is not in the settings: it was renamed
 * or removed, so they are not sent. `currentsd queue redirect` gives them to
 * another one.
 */

#include "base/json.h"
#include "cli/parts.h"

/* A warning for each such destination, into the log. */
void stranded_log(const struct parts *parts);

/* A line for each. */
void stranded_text(const struct parts *parts, struct buf *out);

/* A member "stranded": [{name, queued}]. */
void stranded_json(const struct parts *parts, struct json *json);

/* A metric for each. */
void stranded_metrics(const struct parts *parts, struct buf *out);

#endif
