#ifndef BASE_BUF_H
#define BASE_BUF_H

/*
 * A growing byte buffer that has a limit from the start. Failure (limit reached
 * or no memory) is sticky: a writer appends freely and calls buf_ok() once at
 * the end. Not thread safe. The content is not NUL-terminated.
 */

#include "base/err.h"

#include <stddef.h>

struct buf {
	char *data; /* owned; NULL while empty */
	size_t len;
	size_t cap;
	size_t limit; /* len never exceeds it */
	bool failed;  /* an append did not fit: the content is incomplete */
	bool starved; /* it failed for lack of memory, not the limit */
};

void buf_init(struct buf *buf, size_t limit);
void buf_fini(struct buf *buf);

/* Clear the content and the failure; keep the memory. */
void buf_reset(struct buf *buf);

/* Cut back to a length that it had before; does not clear a failure. */
void buf_truncate(struct buf *buf, size_t len);

/* Append; false if it did not fit (sticky; then nothing was appended). */
bool buf_append(struct buf *buf, const void *data, size_t len);
bool buf_text(struct buf *buf, const char *text);
bool buf_char(struct buf *buf, char c);
bool buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* Append the words of a text as lines of at most `width` bytes, unless a single
 * word is longer. Each line begins with `indent` spaces and ends with a
 * newline. */
void buf_wrap(struct buf *buf, const char *text, size_t indent, size_t width);

/* The same with a label in the indent of the first line. */
void buf_wrap_beside(struct buf *buf, const char *label, const char *text,
    size_t indent, size_t width);

/* Reserve room for `more` bytes, so that appending them does not grow the
 * buffer; false as above. */
bool buf_reserve(struct buf *buf, size_t more);

/* Did everything fit? On false *reterr says whether the limit or the memory was
 * the reason. */
MUST_USE bool buf_ok(const struct buf *buf, struct err *reterr);

/* Hand the memory over to the caller, who frees it; the buffer is empty. */
MUST_USE char *buf_take(struct buf *buf, size_t *ret_len);

#endif
