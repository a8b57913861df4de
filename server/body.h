#ifndef SERVER_BODY_H
#define SERVER_BODY_H

/*
 * The body of one request: the bytes as received and, if they were encoded, the
 * text inflated from them. Both are paid for from a budget that all bodies
 * share, before they grow. The bytes are kept beside the text because an
 * unreadable body is stored as received.
 *
 * The first BODY_FREE bytes of each are free, so that a probe of a few bytes is
 * answered even when the budget is spent; the number of connections limits how
 * many bytes are free.
 *
 * A proxy may inflate a body and leave the label, or drop the label of one that
 * is compressed. So the bytes decide: what begins as gzip is gzip, and what
 * does not inflate may be taken as it came (body_take_raw()).
 *
 * A failure is final. It frees the memory at once, except for the bytes of a
 * corrupt stream, which are stored as unreadable; the rest of the body is
 * discarded.
 *
 * Any thread may use a budget; a body belongs to one thread at a time.
 */

#include "base/buf.h"

#include <stdatomic.h>
#include <stdint.h>

struct budget {
	atomic_size_t left; /* bytes */
	struct budget *of;  /* what it is a share of, or NULL */
};

void budget_init(struct budget *budget, size_t bytes, struct budget *of);
/* It has so many bytes more of what it is a share of. */
void budget_widen(struct budget *budget, size_t bytes);
MUST_USE bool budget_take(struct budget *budget, size_t bytes);
void budget_give(struct budget *budget, size_t bytes);

/* The content codings of HTTP (RFC 9110, 8.4.1). */
enum coding { CODING_IDENTITY, CODING_GZIP, CODING_DEFLATE };

/* Read a Content-Encoding; NULL and "" are identity. False if it is unknown
 * or lists several. */
MUST_USE bool coding_read(const char *header, enum coding *ret_coding);

/* "gzip", "deflate", and "" for identity. */
const char *coding_name(enum coding coding);

enum { BODY_FREE = 1024 };

enum body_state {
	BODY_GOOD,
	BODY_CORRUPT,	/* does not inflate */
	BODY_TOO_LARGE, /* as sent or inflated */
	BODY_NO_MEMORY, /* in the budget, or at all */
};

/* A buffer that is paid for. */
struct body_buf {
	struct buf buf;
	struct budget *budget;
	size_t paid;
};

struct body {
	enum body_state state;
	enum coding coding;
	uint64_t received;     /* bytes as received, including discarded ones */
	uint64_t corrupt_at;   /* of BODY_CORRUPT: offset in the received
			        * bytes */
	struct body_buf raw;   /* as received */
	struct body_buf plain; /* inflated; unused for identity */
	struct inflater *inflater; /* owned; NULL for identity */
};

void body_init(struct body *body, size_t limit, struct budget *budget);

/* Free the memory and give back what it cost; may be called again. */
void body_fini(struct body *body);

/* Before the first byte: the coding, and the length (0 if it is unknown),
 * which is reserved at once. */
void body_begin(struct body *body, enum coding coding, uint64_t length);
void body_add(struct body *body, const void *data, size_t len);
void body_end(struct body *body);

/* The body does not inflate: take it as it came. */
void body_take_raw(struct body *body);

/* What was sent, decoded. */
const struct buf *body_text(const struct body *body);

#endif
