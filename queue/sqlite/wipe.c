#include "queue/sqlite/wipe.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <string.h>

/* ---- pages ---- */

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

/* ---- the file ---- */

/* Behind the file of the VFS below, which therefore needs no methods but one of
 * ours. */
struct wipe {
	sqlite3_io_methods methods;
	int (*write)(
	    sqlite3_file *file, const void *data, int len, sqlite3_int64 at);
	unsigned char page[WIPE_PAGE_MAX];
};

/* Of the process; set once. */
static struct {
	pthread_once_t once;
	sqlite3_vfs vfs;
	sqlite3_vfs *below;
	bool ok;
} wipe = {.once = PTHREAD_ONCE_INIT};

static struct wipe *
wipe_of(sqlite3_file *file)
{
	size_t align = _Alignof(struct wipe);
	size_t at = ((size_t)wipe.below->szOsFile + align - 1) / align * align;

	return (struct wipe *)(void *)((char *)file + at);
}

/* SQLite writes the file page by page. */
static int
wipe_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	struct wipe *own = wipe_of(file);
	size_t size = (size_t)len, gap, gap_len;

	if (size > sizeof(own->page) || at % len != 0)
		return SQLITE_IOERR_WRITE;
	if (page_gap(data, size, at / len + 1, &gap, &gap_len)) {
		memcpy(own->page, data, size);
		memset(own->page + gap, 0, gap_len);
		data = own->page;
	}
	return own->write(file, data, len, at);
}

static int
wipe_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
    int *ret_flags)
{
	struct wipe *own = wipe_of(file);
	int rc = wipe.below->xOpen(wipe.below, name, file, flags, ret_flags);

	(void)vfs;
	if (rc == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_DB) != 0) {
		own->methods = *file->pMethods;
		own->write = own->methods.xWrite;
		own->methods.xWrite = wipe_write;
		file->pMethods = &own->methods;
	}
	return rc;
}

static void
wipe_register(void)
{
	wipe.below = sqlite3_vfs_find(NULL);
	if (wipe.below == NULL)
		return;
	wipe.vfs = *wipe.below;
	wipe.vfs.zName = "currentsd";
	wipe.vfs.szOsFile += (int)(sizeof(struct wipe) + _Alignof(struct wipe));
	wipe.vfs.xOpen = wipe_open;
	wipe.ok = sqlite3_vfs_register(&wipe.vfs, 0) == SQLITE_OK;
}

const char *
wipe_vfs(void)
{
	return pthread_once(&wipe.once, wipe_register) == 0 && wipe.ok
		   ? wipe.vfs.zName
		   : NULL;
}
