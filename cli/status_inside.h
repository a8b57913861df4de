#ifndef CLI_STATUS_INSIDE_H
#define CLI_STATUS_INSIDE_H

/* What the files of the status share: status.c and status_lane.c. */

#include "base/json.h"
#include "cli/parts.h"

/* The oldest event of a lane (NULL: of all), or 0; a disk that fails must
 * not keep the rest from being shown. */
int64_t status_oldest_ms(struct parts *parts, const char *lane);

void status_lane_json(struct parts *parts, struct forwarder *forwarder,
    size_t lane, int64_t now_ms, struct json *json);
void status_lane_text(struct parts *parts, struct forwarder *forwarder,
    size_t lane, int64_t now_ms, struct buf *out);

/* The same where no daemon runs. */
void status_lane_stopped_text(
    struct parts *parts, size_t lane, int64_t now_ms, struct buf *out);

#endif
