#ifndef QUEUE_RESCUE_H
#define QUEUE_RESCUE_H

/*
 * The last resort: events out of a queue file that can no longer be opened.
 * Looks at every page of the file by itself, whatever the pages above say,
 * and takes each batch whose checksum is right. An event that it finds may
 * have been settled before: sent again it changes nothing at a destination
 * that knows idempotency keys. Writes nothing, and needs no lock.
 */

#include "base/err.h"
#include "base/item.h"

#include <stddef.h>
#include <stdint.h>

struct rescue_event {
	int64_t seq; /* of its batch */
	int64_t accepted_ms;
	struct str type, data;
};

/* False ends the search. */
typedef bool rescue_event_fn(void *arg, const struct rescue_event *event);

struct rescue_found {
	int64_t pages, batches, events;
	int64_t damaged; /* rows that look like a batch and are not whole */
};

/* Search `path`, and its log beside it if there is one. ERR_CONFIG if it
 * cannot be read, ERR_NOMEM. */
MUST_USE bool queue_rescue(const char *path, rescue_event_fn *fn, void *arg,
    struct rescue_found *ret_found, struct err *reterr);

#endif
