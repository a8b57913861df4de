#ifndef DAEMON_NOTICES_H
#define DAEMON_NOTICES_H

/*
 * Tells people without Prometheus: what needs an operator (daemon/attention.h)
 * is posted to a URL, as JSON that chat webhooks take; see notices.c.
 */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct daemon;
struct notices;

enum { NOTICES_PER_HOUR_MOST = 60 };

struct notices_settings {
	const char *url;     /* NULL: nobody is told; secret */
	const char *ca_file; /* or NULL: the system's */
	const char *proxy;   /* or NULL: none */
	int64_t after_ms;    /* what lasts so long is told */
	int64_t again_ms;    /* and told again as often; 0: once */
	int64_t timeout_ms;
	unsigned per_hour; /* posts, at most */
};

/* Watch, and post, from a thread. NULL without a URL. */
MUST_USE bool notices_start(
    struct daemon *daemon, struct notices **ret_notices, struct err *reterr);

/* At once: a post in flight is dropped. Before what the thread watches is
 * stopped. Accepts NULL. */
void notices_stop(struct notices *notices);

/* Post a test, and wait for the answer: *ret_status is HTTP's, or 0 with the
 * reason in ret_why. False only for trouble of ours. */
enum { NOTICES_WHY = 512 };
MUST_USE bool notices_try(const struct notices_settings *settings,
    unsigned *ret_status, char ret_why[NOTICES_WHY], struct err *reterr);

#endif
