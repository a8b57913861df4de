#ifndef FORWARDER_VERDICT_H
#define FORWARDER_VERDICT_H

/*
 * Whose fault is it? A pure function from what came back to who must act.
 * After the queue managers of mail: the message, the destination, or us.
 */

#include <stdbool.h>
#include <stdint.h>

enum verdict_fault {
	VERDICT_ACCEPTED,    /* nobody's */
	VERDICT_DESTINATION, /* wait, then send the same bytes again */
	VERDICT_OPERATOR,    /* ours or the operator's: a person must act */
	VERDICT_EVENT,	     /* one of the events, if there is proof */
};

enum { VERDICT_RETRY_AFTER = 64 }; /* bytes of that header that we read */

/* What came back for one request. */
struct verdict_input {
	int curl_code;		 /* CURLcode; 0 = the whole answer came */
	long status;		 /* HTTP; 0 = none */
	long proxy_status;	 /* of a proxy, to CONNECT; 0 = none */
	const char *retry_after; /* the header's text, or NULL */
	int64_t now_ms;		 /* wall clock, for dates */
	int64_t retry_after_most_ms;
};

struct verdict {
	enum verdict_fault fault;
	int64_t wait_ms; /* as the destination asked, bounded; 0 = it did not */
	bool slower;	 /* it said that we are too fast */
	bool smaller;	 /* it said that the request is too large */
	bool unknown;	 /* it may have taken it all the same */
};

void
verdict_read(const struct verdict_input *input, struct verdict *ret_verdict);

/* "accepted", "destination", ... for the log. */
const char *verdict_name(enum verdict_fault fault);

#endif
