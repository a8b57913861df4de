#ifndef SERVER_INFLATER_H
#define SERVER_INFLATER_H

/*
 * The content codings of HTTP (RFC 9110, 8.4.1), undone as a body arrives.
 * One thread at a time.
 */

#include "server/budget.h"

#include <stdint.h>

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_DEFLATE };

/* Read a Content-Encoding; NULL and "" are identity. False for one that we
 * do not know, and for several at once. */
MUST_USE bool coding_read(const char *header, enum coding *ret_coding);

/* "gzip", "deflate", and "" for identity. */
const char *coding_name(enum coding coding);

enum inflater_result {
	INFLATER_OK,
	INFLATER_CORRUPT, /* not what the coding promised */
	INFLATER_LIMIT,	  /* more than the tray may hold */
	INFLATER_SPENT,	  /* no memory */
};

struct inflater;

/* For CODING_GZIP or CODING_DEFLATE. NULL: no memory. */
MUST_USE struct inflater *inflater_new(enum coding coding);
void inflater_free(struct inflater *inflater);

/* Inflate the next bytes into *out. Not to be called again after a failure.
 * What follows the end of the stream is passed over, but for further members
 * of gzip: whatever was in the stream is whole, its checksum says so. */
MUST_USE enum inflater_result inflater_add(
    struct inflater *inflater, const void *data, size_t len, struct tray *out);

/* Did the stream reach its end? */
bool inflater_ended(const struct inflater *inflater);

/* How many bytes were read: where a corrupt stream broke. */
uint64_t inflater_at(const struct inflater *inflater);

#endif
