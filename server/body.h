#ifndef SERVER_BODY_H
#define SERVER_BODY_H

/*
 * The body of one request: as it came, and inflated if it was encoded. Both
 * are paid for out of the shared budget. What came is kept beside the text,
 * since a body that cannot be read is kept as it came.
 *
 * A failure is sticky and frees what was read at once (but for a corrupt
 * stream, whose bytes are evidence); the rest of the body is passed over.
 */

#include "server/inflater.h"

#include <stdint.h>

enum body_state {
	BODY_GOOD,
	BODY_CORRUPT,	/* does not inflate */
	BODY_TOO_LARGE, /* plain or inflated */
	BODY_NO_MEMORY,
};

struct body {
	enum body_state state;
	enum coding coding;
	uint64_t received;   /* bytes, as they came */
	uint64_t corrupt_at; /* of BODY_CORRUPT: offset in what came */
	struct tray raw;
	struct tray plain; /* unused for identity */
	struct inflater *inflater;
};

void body_init(struct body *body, size_t limit, struct budget *budget);
void body_fini(struct body *body);

/* Before the first byte: how it is encoded, and its length if that is known
 * (0 if not), which is reserved at once. */
void body_begin(struct body *body, enum coding coding, uint64_t length);
void body_add(struct body *body, const void *data, size_t len);
void body_end(struct body *body);

/* What was sent, decoded. */
const struct buf *body_text(const struct body *body);

#endif
