#ifndef SERVER_PROXY_H
#define SERVER_PROXY_H

/*
 * The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): a
 * balancer sends a header before the first byte of the connection that it
 * forwards, which says where that came from. No HTTP request can begin so.
 */

#include "base/str.h"

#include <sys/socket.h>

enum {
	PROXY_V1_MOST = 107, /* bytes, with the end of the line */
	PROXY_MOST = 4096,   /* bytes of any header; a longer one is bad */
};

enum proxy_state {
	PROXY_NONE,  /* these bytes begin no header */
	PROXY_PART,  /* they are too few to tell, or to be all of it */
	PROXY_WHOLE, /* they begin with a header */
	PROXY_BAD,   /* they begin with one that is not valid */
};

/* Where the connection came from; len 0: the header does not say, or it is the
 * balancer's own check. */
struct proxy_from {
	union {
		struct sockaddr any;
		struct sockaddr_storage storage;
	} address;
	socklen_t len;
};

/* Read the first bytes of a connection. If WHOLE, *ret_len is the length of
 * the header. */
enum proxy_state
proxy_read(struct str bytes, size_t *ret_len, struct proxy_from *ret_from);

#endif
