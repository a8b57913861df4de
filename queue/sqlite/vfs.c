#include "queue/sqlite/vfs.h"

#include "queue/sqlite/copy.h"
#include "queue/sqlite/wipe.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

/* Behind the file of the VFS below, which therefore needs no methods but some
 * of ours. */
struct own {
	sqlite3_io_methods methods;
	const sqlite3_io_methods *below;
	union {
		unsigned char page[WIPE_PAGE_MAX]; /* of the file */
		struct copy copy;		   /* of the log */
	};
};

/* Of the process; set once. */
static struct {
	pthread_once_t once;
	sqlite3_vfs own, *below;
	bool ok;
} vfs = {.once = PTHREAD_ONCE_INIT};

static struct own *
own_of(sqlite3_file *file)
{
	size_t align = _Alignof(struct own);
	size_t at = ((size_t)vfs.below->szOsFile + align - 1) / align * align;

	return (struct own *)(void *)((char *)file + at);
}

/* ---- the file, which SQLite writes page by page ---- */

static int
file_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	struct own *own = own_of(file);

	if (len > WIPE_PAGE_MAX || at % len != 0)
		return SQLITE_IOERR_WRITE;
	if (wipe_page(data, (size_t)len, at / len + 1, own->page))
		data = own->page;
	return own->below->xWrite(file, data, len, at);
}

/* ---- the log ---- */

static int
log_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	struct own *own = own_of(file);
	int rc = own->below->xWrite(file, data, len, at);

	if (rc == SQLITE_OK)
		copy_write(&own->copy, data, (size_t)len, at);
	return rc;
}

static int
log_read(sqlite3_file *file, void *ret_data, int len, sqlite3_int64 at)
{
	struct own *own = own_of(file);

	if (!copy_has(&own->copy, (size_t)len, at))
		return own->below->xRead(file, ret_data, len, at);
	copy_read(&own->copy, ret_data, (size_t)len, at);
	return SQLITE_OK;
}

static int
log_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
	struct own *own = own_of(file);
	int rc = own->below->xTruncate(file, bytes);

	if (rc == SQLITE_OK)
		copy_truncate(&own->copy, bytes);
	return rc;
}

static int
log_close(sqlite3_file *file)
{
	struct own *own = own_of(file);

	copy_fini(&own->copy);
	return own->below->xClose(file);
}

/* The header begins with 0x377f0682 or 0x377f0683 (sqlite.org/fileformat2.html,
 * the WAL format). What a failing disk does not tell is left to whoever reads
 * or writes next. */
bool
vfs_log_whole(sqlite3_file *log, int64_t bytes)
{
	static const unsigned char magic[] = {0x37, 0x7f, 0x06};
	unsigned char header[32];
	const sqlite3_io_methods *below = own_of(log)->below;
	sqlite3_int64 size = 0;

	if (below->xFileSize(log, &size) != SQLITE_OK)
		return true;
	return size >= bytes &&
	       (below->xRead(log, header, sizeof(header), 0) != SQLITE_OK ||
		   memcmp(header, magic, sizeof(magic)) == 0);
}

bool
vfs_log_copied(sqlite3_file *log, int64_t bytes)
{
	return copy_has(&own_of(log)->copy, (size_t)bytes, 0);
}

/* ---- opening ---- */

static int
vfs_open(sqlite3_vfs *unused, const char *name, sqlite3_file *file, int flags,
    int *ret_flags)
{
	struct own *own = own_of(file);
	int rc = vfs.below->xOpen(vfs.below, name, file, flags, ret_flags);
	sqlite3_int64 size = 0;

	(void)unused;
	if (rc != SQLITE_OK ||
	    (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) == 0)
		return rc;
	own->below = file->pMethods;
	own->methods = *file->pMethods;
	if ((flags & SQLITE_OPEN_MAIN_DB) != 0) {
		own->methods.xWrite = file_write;
	} else {
		if (own->below->xFileSize(file, &size) != SQLITE_OK)
			size = 1; /* unknown */
		copy_init(&own->copy, size);
		own->methods.xWrite = log_write;
		own->methods.xRead = log_read;
		own->methods.xTruncate = log_truncate;
		own->methods.xClose = log_close;
	}
	file->pMethods = &own->methods;
	return rc;
}

static void
vfs_register(void)
{
	vfs.below = sqlite3_vfs_find(NULL);
	if (vfs.below == NULL)
		return;
	vfs.own = *vfs.below;
	vfs.own.zName = "currentsd";
	vfs.own.szOsFile += (int)(sizeof(struct own) + _Alignof(struct own));
	vfs.own.xOpen = vfs_open;
	vfs.ok = sqlite3_vfs_register(&vfs.own, 0) == SQLITE_OK;
}

const char *
vfs_name(void)
{
	return pthread_once(&vfs.once, vfs_register) == 0 && vfs.ok
		   ? vfs.own.zName
		   : NULL;
}
