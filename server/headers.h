#ifndef SERVER_HEADERS_H
#define SERVER_HEADERS_H

/*
 * The headers that we look at, gathered in one walk. Lent by the connection.
 */

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct headers {
	const char *authorization, *version, *coding, *expect, *length,
	    *transfer;
	unsigned lengths, transfers, codings; /* how many of each came */
	bool mangled;			      /* a name that ends in a space */
	/* as "name: value", with their line ends; and what came in all */
	size_t bytes, came;
};

void
headers_read(struct MHD_Connection *connection, struct headers *ret_headers);

/* Are there bytes that belong to no header, beside a request line of so many
 * bytes? Blanks are harmless. But libmicrohttpd 0.9.75 takes a header
 * without a name (": x") for the end of the headers, and adds a folded line
 * to the name of the one before: then the length may be lost, and the body
 * is taken for empty, or for what is left of the headers. */
bool headers_unexplained(const struct headers *headers, size_t line);

/* Is it certain where the body ends? Two lengths, a length beside chunks, or
 * a mangled name mean one thing to us and another to a proxy (RFC 9112, 5.1
 * and 6.3). */
bool headers_framed(const struct headers *headers);

/* Content-Length, 0 if there is none; what overflows is UINT64_MAX. */
uint64_t headers_length(const struct headers *headers);

bool headers_expect_continue(const struct headers *headers);

#endif
