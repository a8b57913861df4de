#ifndef SERVER_DISCREET_H
#define SERVER_DISCREET_H

/* Privacy at acceptance (schema/redact.h): what the queue is given. */

#include "schema/track.h"
#include "server/server.h"

/* Let items lend bytes without what the rules call private from *ret_bytes,
 * a buffer that is made here; `text_len` is of the body that they are from.
 * `pay` may be NULL. False without memory. Rules of NULL: nothing happens. */
MUST_USE bool
discreet_make(const struct track_rules *rules, struct item *items, size_t count,
    size_t text_len, server_pay_fn *pay, void *arg, struct buf *ret_bytes);

#endif
