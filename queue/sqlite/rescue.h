#ifndef QUEUE_SQLITE_RESCUE_H
#define QUEUE_SQLITE_RESCUE_H

/*
 * The last resort: recovers events from a queue file that can no longer be
 * opened. Looks at every page of the file on its own, whatever its parent pages
 * say, and takes each batch whose checksum is right. An event that it finds may
 * already have been settled; sending it again changes nothing at a destination
 * that uses idempotency keys. Writes nothing, and needs no lock.
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
	bool unlike;	 /* nothing was found, and it begins unlike a queue */
	int64_t damaged; /* rows that look like a batch but are not complete */
};

/* Search `path`, and its log beside it if there is one. ERR_CONFIG if it
 * cannot be read, ERR_INPUT if it is no queue, ERR_NOMEM. */
MUST_USE bool queue_rescue(const char *path, rescue_event_fn *fn, void *arg,
    struct rescue_found *ret_found, struct err *reterr);

#endif
