#ifndef QUEUE_SQLITE_WIPE_H
#define QUEUE_SQLITE_WIPE_H

/*
 * Wipes what SQLite leaves behind of deleted rows. With secure_delete=ON it
 * overwrites the cells and pages that it frees, but when it moves cells to
 * other pages, it leaves copies in the gap of the old page: between the cell
 * pointers and the cells (sqlite.org/fileformat2.html, 1.6). So the file is
 * opened through a VFS of ours, which zeroes the gap of each page on its way
 * into the file. The log is emptied instead (db_checkpoint()).
 */

#include "base/err.h"

enum {
	WIPE_PAGE_MAX = 8192, /* larger pages are refused */
	/* A page of overflow begins with the number of the next one, which
	 * below this limit never looks like the type of a b-tree page. */
	WIPE_PAGES_MAX = 0x01ffffff,
};

/* The name of the VFS, on top of the one that is the default at the first
 * call; NULL if there is none. Any thread. */
MUST_USE const char *wipe_vfs(void);

#endif
