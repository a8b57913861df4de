#ifndef CLI_STATUS_H
#define CLI_STATUS_H

/* How an answer of /status is shown to a person. */

#include "cli/screen.h"

struct json_t;

/* Append all of it: in one sentence whether all is well, what needs attention,
 * then tables of destinations and sources, and the queue. */
MUST_USE bool
status_render(const struct json_t *status, const struct screen *screen,
    int64_t now_ms, struct buf *out, struct err *reterr);

/* Append the elements of "attention", each with what to do. */
void status_attention(const struct json_t *attention,
    const struct screen *screen, struct buf *out);

/* Append the tables alone, of an array as in /status. */
MUST_USE bool status_destinations(const struct json_t *destinations,
    const struct screen *screen, int64_t now_ms, struct buf *out,
    struct err *reterr);
MUST_USE bool
status_sources(const struct json_t *sources, const struct screen *screen,
    int64_t now_ms, struct buf *out, struct err *reterr);

/* The colour of a destination's state. */
enum tone status_tone(const char *state);

#endif
