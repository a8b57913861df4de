#ifndef BASE_BUF_H
#define BASE_BUF_H

/*
 * A growing byte buffer that is born with its limit. Failure (limit met or
 * no memory) is sticky: a writer appends freely and asks buf_ok() once at the
 * end. Not thread safe. A buffer is never NUL-ended, but for buf_text().
 */

#include "base/err.h"

#include <stddef.h>

struct buf {
	char *data; /* owned; NULL while empty */
	size_t len;
	size_t cap;
	size_t limit; /* len never exceeds it */
	bool failed;  /* an append did not fit: the content is incomplete */
	bool starved; /* it failed for want of memory, not for the limit */
};

void buf_init(struct buf *buf, size_t limit);
void buf_fini(struct buf *buf);

/* Forget the content and the failure, keep the memory. */
void buf_reset(struct buf *buf);

/* Cut back to a length that it had before; clears no failure. */
void buf_truncate(struct buf *buf, size_t len);

/* Append; false if it did not fit (sticky; nothing of it was appended). */
bool buf_append(struct buf *buf, const void *data, size_t len);
bool buf_text(struct buf *buf, const char *text);
bool buf_char(struct buf *buf, char c);
bool buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* Append the words of a text as lines of at most `width` bytes, where a word
 * allows it, that begin with `indent` spaces and end with a newline. */
void buf_wrap(struct buf *buf, const char *text, size_t indent, size_t width);

/* Make room for `more` bytes without growing later; false as above. */
bool buf_reserve(struct buf *buf, size_t more);

/* Did everything fit? On false *reterr says whether limit or memory. */
MUST_USE bool buf_ok(const struct buf *buf, struct err *reterr);

/* Hand the memory over to the caller, who frees it; the buffer is empty. */
MUST_USE char *buf_take(struct buf *buf, size_t *ret_len);

#endif
