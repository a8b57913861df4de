#ifndef CLI_REACH_H
#define CLI_REACH_H

/*
 * Does the network lead to an address? Connects, with TLS, or posts a probe,
 * and says in words what is wrong.
 */

#include "base/buf.h"

#include <stdint.h>

struct reach_target {
	const char *url;
	const char *ca_file; /* or NULL: the system's */
	const char *proxy;   /* or NULL: none, whatever the environment says */
	int64_t timeout_ms;
};

enum {
	REACH_WHY = 512,
	REACH_TEXT = 256,
	REACH_BODY = 1024,
};

struct reach {
	bool reached;
	char
	    address[80]; /* "192.0.2.1 port 443"; "" if it did not get so far */
	bool internal;	 /* an address that only this network knows */
	int64_t took_ms;
	char why[REACH_WHY]; /* not reached: what is wrong */
};

/* Connect, and hang up. False: libcurl refuses, or there is no memory. */
MUST_USE bool reach_connect(const struct reach_target *target,
    struct reach *ret_reach, struct err *reterr);

struct reach_answer {
	unsigned status;
	char proof[REACH_TEXT], location[REACH_TEXT], server[REACH_TEXT],
	    challenge[REACH_TEXT]; /* headers; "": none */
	char body[REACH_BODY];	   /* the first bytes of it, with a NUL */
	size_t body_len;
};

/* Post a probe as Braze does, with this nonce; `token` is NULL at an open
 * source. */
MUST_USE bool reach_probe(const struct reach_target *target, const char *token,
    const char *nonce, struct reach *ret_reach, struct reach_answer *ret_answer,
    struct err *reterr);

#endif
