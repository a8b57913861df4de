#ifndef QUEUE_SQLITE_VFS_H
#define QUEUE_SQLITE_VFS_H

/*
 * How SQLite reaches the queue's files: through a VFS of ours, which wipes the
 * pages on their way into the file (wipe.h), and keeps a copy of the log
 * (copy.h).
 */

#include "base/err.h"

#include <stdint.h>

struct sqlite3_file;

/* The name of the VFS, on top of the one that is the default at the first
 * call; NULL if there is none. Any thread. */
MUST_USE const char *vfs_name(void);

/* Does an open log still have so many bytes, whatever its name is by now? One
 * that was cut to nothing and written again has a hole where its header was. */
bool vfs_log_whole(struct sqlite3_file *log, int64_t bytes);

/* Does the copy have them? */
bool vfs_log_copied(struct sqlite3_file *log, int64_t bytes);

#endif
