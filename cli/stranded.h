#ifndef CLI_STRANDED_H
#define CLI_STRANDED_H

/*
 * Events that wait for a destination which the settings do not have: it was
 * renamed or removed, and nobody sends them. `currentsd queue redirect` puts
 * them under another one.
 */

#include "base/json.h"
#include "cli/parts.h"

/* A warning for each such destination, into the log. */
void stranded_log(const struct parts *parts);

/* A line for each. */
void stranded_text(const struct parts *parts, struct buf *out);

/* A member "stranded": [{name, waiting}]. */
void stranded_json(const struct parts *parts, struct json *json);

/* A metric for each. */
void stranded_metrics(const struct parts *parts, struct buf *out);

#endif
