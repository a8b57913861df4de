#ifndef SERVER_ORIGIN_H
#define SERVER_ORIGIN_H

/*
 * Where a request came from, for the log, and nothing else depends on it.
 *
 * A proxy names the client in a header: Forwarded (RFC 7239), or
 * X-Forwarded-For. Each proxy adds whom it serves at the end of the list, and
 * anyone can begin one. So the list is read from its end for as long as it
 * names trusted proxies: the first other address is the client. An entry that
 * is no address ("unknown", a made-up name) ends the list, too: then the proxy
 * that wrote it counts as the client.
 */

#include "base/err.h"

#include <netinet/in.h>
#include <stddef.h>

enum { ORIGIN_TEXT = 64 }; /* bytes, including the NUL */

struct origin {
	struct in6_addr address; /* of IPv4: ::ffff:a.b.c.d */
	in_port_t port;		 /* 0: unknown */
	bool local;		 /* a unix socket, which has no address */
};

/* Of a peer; NULL and any family but the two of IP are local. */
struct origin origin_of(const struct sockaddr *address);

/* "192.0.2.1:80", "[2001:db8::1]:80", without the port if it is unknown, or
 * "unix". */
void origin_write(const struct origin *origin, char ret_text[ORIGIN_TEXT]);

/* Addresses that are trusted. */
struct networks;

/* Of a NULL-terminated list of what network_valid() accepts. */
MUST_USE bool networks_new(const char *const *list,
    struct networks **ret_networks, struct err *reterr);
void networks_free(struct networks *networks); /* accepts NULL */
bool
networks_have(const struct networks *networks, const struct origin *origin);

/* Is it an address, ADDRESS/BITS, or "unix"? */
bool network_valid(const char *text);

/* A walk through the values of one header, in the order in which they stand. */
struct origin_walk {
	const struct networks *trusted;
	bool present;	      /* there was such a header */
	bool found;	      /* the client is known */
	struct origin client; /* as far as the header was read */
};

void origin_walk_list(struct origin_walk *walk, const char *value);
void origin_walk_forwarded(struct origin_walk *walk, const char *value);

#endif
