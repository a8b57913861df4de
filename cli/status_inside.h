#ifndef CLI_STATUS_INSIDE_H
#define CLI_STATUS_INSIDE_H

/* What the files of the status share: status.c and status_lane.c. */

#include "base/json.h"
#include "cli/parts.h"

/* Milliseconds since a moment as seconds, or -1 if there was none. */
int64_t status_since_s(int64_t now_ms, int64_t then_ms);

/* "12 s ago"; what is from memory may have been before the start. */
void status_ago_text(int64_t now_ms, int64_t then_ms, char *ret, size_t size);

void status_since_json(
    struct json *json, const char *key, int64_t now_ms, int64_t then_ms);
void status_time_json(struct json *json, const char *key, int64_t then_ms);

/* The oldest event of a lane (NULL: of all), or 0; a disk that fails must
 * not keep the rest from being shown. */
int64_t status_oldest_ms(struct parts *parts, const char *lane);

void status_lane_json(struct parts *parts, struct forwarder *forwarder,
    size_t lane, int64_t now_ms, struct json *json);
void status_lane_text(struct parts *parts, struct forwarder *forwarder,
    size_t lane, int64_t now_ms, struct buf *out);

#endif
