#ifndef SERVER_OBSERVE_H
#define SERVER_OBSERVE_H

/*
 * What Braze changed (struct currents_drift) on its way into the queue, and
 * what is said of it: a line in the log at first sight, and counters.
 */

#include "server/request.h"

/* Bytes that the notes of a batch take, to be paid for by the request. */
size_t observe_cost(const struct currents_batch *batch);

/* Make the notes for the put; false if there is no memory. */
MUST_USE bool observe_make(struct request *request);

/* After the put is durable. */
void observe_tell(struct request *request);

#endif
