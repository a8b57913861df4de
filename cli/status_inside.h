#ifndef CLI_STATUS_INSIDE_H
#define CLI_STATUS_INSIDE_H

/* What status.c and status_destination.c share. */

#include "base/json.h"
#include "cli/parts.h"

/* When the oldest queued event of a destination (NULL: of all) was accepted, or
 * 0. A failing disk must not hide the rest, so it counts as none. */
int64_t status_oldest_ms(struct parts *parts, const char *destination);

/* `index` is the destination's number in the settings. */
void status_destination_json(struct parts *parts, struct forwarder *forwarder,
    size_t index, int64_t now_ms, struct json *json);
void status_destination_text(struct parts *parts, struct forwarder *forwarder,
    size_t index, int64_t now_ms, struct buf *out);

/* The same while the daemon is not running. */
void status_destination_stopped_text(
    struct parts *parts, size_t index, int64_t now_ms, struct buf *out);

#endif
