#include "queue/sqlite/wipe.h"

#include <string.h>

enum {
	INDEX_INNER = 2,
	TABLE_INNER = 5,
	INDEX_LEAF = 10,
	TABLE_LEAF = 13,
	INNER_HEADER = 12,
	LEAF_HEADER = 8,
	FILE_HEADER = 100,
	POINTER_MAP_ENTRY = 5,
};

static size_t
read_16(const unsigned char *at)
{
	return (size_t)at[0] << 8 | at[1];
}

/* The file has auto_vacuum: page 2 is a pointer map, and so is every page
 * behind those that the map before it is about. Its entries begin with numbers
 * that look like types of pages. */
static bool
page_is_map(int64_t number, size_t size)
{
	return number >= 2 &&
	       (number - 2) % (int64_t)(size / POINTER_MAP_ENTRY + 1) == 0;
}

/* The gap of a page; false if it has none, or is none of a b-tree. */
static bool
page_gap(const unsigned char *page, size_t size, int64_t number, size_t *ret_at,
    size_t *ret_len)
{
	size_t at = number == 1 ? FILE_HEADER : 0, cells;
	const unsigned char *header = page + at;

	if (header[0] == INDEX_INNER || header[0] == TABLE_INNER)
		at += INNER_HEADER;
	else if (header[0] == INDEX_LEAF || header[0] == TABLE_LEAF)
		at += LEAF_HEADER;
	else
		return false;
	if (page_is_map(number, size))
		return false;
	at += 2 * read_16(header + 3); /* cell pointers */
	cells = read_16(header + 5);
	if (at >= cells || cells > size)
		return false;
	*ret_at = at;
	*ret_len = cells - at;
	return true;
}

bool
wipe_page(const void *page, size_t size, int64_t number, void *ret_page)
{
	size_t gap, len;

	if (!page_gap(page, size, number, &gap, &len))
		return false;
	memcpy(ret_page, page, size);
	memset((unsigned char *)ret_page + gap, 0, len);
	return true;
}
