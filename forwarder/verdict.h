#ifndef FORWARDER_VERDICT_H
#define FORWARDER_VERDICT_H

/*
 * Whose fault is it? A pure function from an answer to the party at fault,
 * modelled on the queue managers of mail servers: the message, the destination,
 * or the operator.
 */

#include "forwarder/post.h"

#include <stdbool.h>
#include <stdint.h>

enum verdict_fault {
	VERDICT_ACCEPTED,
	VERDICT_DESTINATION, /* wait, then send the same bytes again */
	VERDICT_OPERATOR,    /* an operator must act, here or there */
	VERDICT_EVENT,	     /* one of the events, if there is proof */
};

struct verdict {
	enum verdict_fault fault;
	int64_t wait_ms; /* as the destination asked, bounded; 0 = it did not */
	bool slower;	 /* it said that we are too fast */
	bool smaller;	 /* it said that the request is too large */
	bool unknown;	 /* it may still have accepted the events */
};

/* `now_ms` is wall clock, for dates in Retry-After, which is obeyed up to
 * retry_after_most_ms. */
void verdict_read(const struct post_answer *answer, int64_t now_ms,
    int64_t retry_after_most_ms, struct verdict *ret_verdict);

/* "accepted", "destination", ... for the log. */
const char *verdict_name(enum verdict_fault fault);

#endif
