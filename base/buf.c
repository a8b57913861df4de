#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_SMALLEST = 256 };

void
buf_init(struct buf *buf, size_t limit)
{
	*buf = (struct buf){.limit = limit};
}

void
buf_fini(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->limit);
}

void
buf_reset(struct buf *buf)
{
	buf->len = 0;
	buf->failed = buf->starved = false;
}

void
buf_truncate(struct buf *buf, size_t len)
{
	CHECK(len <= buf->len);
	buf->len = len;
}

bool
buf_reserve(struct buf *buf, size_t more)
{
	size_t cap;
	char *data;

	if (buf->failed)
		return false;
	if (more <= buf->cap - buf->len)
		return true;
	if (more > buf->limit - buf->len) {
		buf->failed = true;
		buf->starved = false;
		return false;
	}
	cap = buf->cap < BUF_SMALLEST ? BUF_SMALLEST : buf->cap * 2;
	if (cap < buf->len + more)
		cap = buf->len + more;
	if (cap > buf->limit)
		cap = buf->limit;
	data = realloc(buf->data, cap);
	if (data == NULL) {
		buf->failed = buf->starved = true;
		return false;
	}
	buf->data = data;
	buf->cap = cap;
	return true;
}

bool
buf_append(struct buf *buf, const void *data, size_t len)
{
	if (len == 0)
		return !buf->failed;
	if (!buf_reserve(buf, len))
		return false;
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	return true;
}

bool
buf_text(struct buf *buf, const char *text)
{
	return buf_append(buf, text, strlen(text));
}

bool
buf_char(struct buf *buf, char c)
{
	return buf_append(buf, &c, 1);
}

bool
buf_printf(struct buf *buf, const char *format, ...)
{
	char small[256];
	char *large = NULL;
	va_list args, again;
	bool ok = false;
	int len;

	va_start(args, format);
	va_copy(again, args);
	len = vsnprintf(small, sizeof(small), format, args);
	CHECK(len >= 0);
	if ((size_t)len < sizeof(small)) {
		ok = buf_append(buf, small, (size_t)len);
		goto out;
	}
	large = malloc((size_t)len + 1);
	if (large == NULL) {
		buf->failed = buf->starved = true;
		goto out;
	}
	(void)vsnprintf(large, (size_t)len + 1, format, again);
	ok = buf_append(buf, large, (size_t)len);
out:
	free(large);
	va_end(again);
	va_end(args);
	return ok;
}

/* What stays on one line: a word, or a command in `backquotes` if it is not
 * wider than a line. */
static size_t
word_len(const char *text, size_t width)
{
	size_t len = strcspn(text, " ");
	const char *quote = memchr(text, '`', len);
	const char *end = quote != NULL ? strchr(quote + 1, '`') : NULL;
	size_t whole;

	if (end == NULL || end < text + len)
		return len;
	whole = (size_t)(end - text);
	whole += strcspn(end, " ");
	return whole <= width ? whole : len;
}

void
buf_wrap(struct buf *buf, const char *text, size_t indent, size_t width)
{
	size_t column = 0, len, lead;

	for (text += strspn(text, " "); *text != '\0';
	     text += len + strspn(text + len, " ")) {
		len = word_len(text, width);
		if (column > 0 && column + 1 + len > width) {
			(void)buf_char(buf, '\n');
			column = 0;
		}
		lead = column == 0 ? indent : 1;
		(void)buf_printf(buf, "%*s%.*s", (int)lead, "", (int)len, text);
		column += lead + len;
	}
	(void)buf_char(buf, '\n');
}

void
buf_wrap_beside(struct buf *buf, const char *label, const char *text,
    size_t indent, size_t width)
{
	size_t at = buf->len, len = strlen(label);

	CHECK(len <= indent);
	buf_wrap(buf, text, indent, width);
	if (buf->len >= at + indent)
		memcpy(buf->data + at, label, len);
}

bool
buf_ok(const struct buf *buf, struct err *reterr)
{
	if (!buf->failed)
		return true;
	if (buf->starved)
		return err_set_nomem(reterr);
	return err_set(reterr, ERR_LIMIT,
	    "more than the %zu bytes that fit in a buffer", buf->limit);
}

char *
buf_take(struct buf *buf, size_t *ret_len)
{
	char *data = buf->data;

	*ret_len = buf->len;
	buf_init(buf, buf->limit);
	return data;
}
