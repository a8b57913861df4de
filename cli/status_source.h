#ifndef CLI_STATUS_SOURCE_H
#define CLI_STATUS_SOURCE_H

/*
 * The part of status and metrics about each source: its last requests, and for
 * how long we have been failing Braze.
 */

#include "base/json.h"
#include "cli/parts.h"

/* How long a refusal is shown. */
enum { STATUS_REFUSED_S = 24 * 3600 };

/* Of the source by its number, from the server or, without one, as it was
 * saved. False if memory is short. */
MUST_USE bool status_source_read(struct parts *parts, size_t source,
    struct server_source_status *ret_status);

void status_source_json(
    struct parts *parts, size_t source, int64_t now_ms, struct json *json);
void status_source_text(
    struct parts *parts, size_t source, int64_t now_ms, struct buf *out);

/* Requests that matched no source: a member of the open object, and lines if
 * there were any lately. */
void
status_no_source_json(struct parts *parts, int64_t now_ms, struct json *json);
void
status_no_source_text(struct parts *parts, int64_t now_ms, struct buf *out);

/* How many requests of a source were refused lately. */
int64_t status_source_refused(
    const struct server_source_status *status, int64_t now_ms);

#endif
