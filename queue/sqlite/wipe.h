#ifndef QUEUE_SQLITE_WIPE_H
#define QUEUE_SQLITE_WIPE_H

/*
 * Wipes what SQLite leaves behind of deleted rows. With secure_delete=ON it
 * overwrites the cells and pages that it frees, but when it moves cells to
 * other pages, it leaves copies in the gap of the old page: between the cell
 * pointers and the cells (sqlite.org/fileformat2.html, 1.6). So the gap of each
 * page is zeroed on its way into the file (vfs.c). The log is emptied instead
 * (db_checkpoint()).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WIPE_PAGE_MAX = 8192, /* larger pages are refused */
	/* A page of overflow begins with the number of the next one, which
	 * below this limit never looks like the type of a b-tree page. */
	WIPE_PAGES_MAX = 0x01ffffff,
};

/* Copy page `number` (1, 2, ...) of a file with auto_vacuum to `ret_page`,
 * without what is in its gap; false if it has none, or is none of a b-tree. */
bool wipe_page(const void *page, size_t size, int64_t number, void *ret_page);

#endif
