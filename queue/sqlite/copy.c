#include "queue/sqlite/copy.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

void
copy_init(struct copy *copy, int64_t bytes)
{
	*copy = (struct copy){.exact = bytes == 0};
}

void
copy_fini(struct copy *copy)
{
	free(copy->bytes);
	*copy = (struct copy){.exact = false};
}

static bool
copy_reserve(struct copy *copy, size_t len)
{
	size_t cap = copy->cap == 0 ? 64 * 1024 : copy->cap;
	unsigned char *bytes;

	if (len <= copy->cap)
		return true;
	while (cap < len)
		cap *= 2;
	bytes = realloc(copy->bytes, cap);
	if (bytes == NULL)
		return false;
	copy->bytes = bytes;
	copy->cap = cap;
	return true;
}

/* SQLite writes the log from its start on. */
void
copy_write(struct copy *copy, const void *data, size_t len, int64_t at)
{
	size_t end;

	if (!copy->exact || at >= COPY_MAX)
		return;
	end = (size_t)at + len < COPY_MAX ? (size_t)at + len : COPY_MAX;
	if ((size_t)at > copy->len || !copy_reserve(copy, end)) {
		copy_fini(copy);
		return;
	}
	memcpy(copy->bytes + at, data, end - (size_t)at);
	copy->len = copy->len > end ? copy->len : end;
}

void
copy_truncate(struct copy *copy, int64_t bytes)
{
	if (bytes == 0)
		copy->exact = true;
	if ((uint64_t)bytes < copy->len)
		copy->len = (size_t)bytes;
}

bool
copy_has(const struct copy *copy, size_t len, int64_t at)
{
	return copy->exact && len <= copy->len &&
	       (uint64_t)at <= copy->len - len;
}

void
copy_read(const struct copy *copy, void *ret_data, size_t len, int64_t at)
{
	CHECK(copy_has(copy, len, at));
	memcpy(ret_data, copy->bytes + at, len);
}
