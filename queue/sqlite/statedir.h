#ifndef QUEUE_SQLITE_STATEDIR_H
#define QUEUE_SQLITE_STATEDIR_H

/*
 * The state directory: its owner, whether the files in it are still the ones
 * that were opened, the room on its file system, and the reserve, a file of
 * allocated bytes that is released when delivery finds the disk full, so that
 * delivery, which frees room, can always continue. Not thread safe.
 *
 * The lock file names the owner, and below it says how the last one ended: from
 * that the next start knows which files must be there.
 */

#include "base/err.h"

#include <stdint.h>

/* What the lock file says of the queue. */
enum statedir_mark {
	STATEDIR_NEW,	  /* there never was one, or the file is damaged */
	STATEDIR_RUNNING, /* in use; as it was found: not stopped in order */
	STATEDIR_STOPPED, /* everything is in queue.db, and no log needed */
};

/* A file, whatever it is called. */
struct statedir_id {
	uint64_t device, inode;
};

struct statedir {
	char *dir, *file, *log, *reserve_file; /* paths; owned */
	int lock;			       /* -1 unless owned */
	bool brief;
	enum statedir_mark mark;		    /* that the lock file has */
	struct statedir_id dir_id, file_id, log_id; /* as noted */
	int64_t reserve_bytes;			    /* 0 = none wanted */
	bool reserve;				    /* it exists */
};

/* Create the directory if necessary, and own it. `brief` says that it is for
 * one command only. ERR_BUSY if another command owns it, ERR_CONFIG if a daemon
 * does, or if it cannot be written. */
MUST_USE bool statedir_take(struct statedir *statedir, const char *dir,
    int64_t reserve_bytes, bool brief, struct err *reterr);

/* Write the mark. A full disk may refuse it; then the older one stays. */
void statedir_mark(struct statedir *statedir, enum statedir_mark mark);

/* ---- are the files still ours? ---- */

/* Note which ones they are: all of them have just been opened. */
MUST_USE bool statedir_note(struct statedir *statedir, struct err *reterr);

/* Which paths still lead to those that were noted, and how long these are. */
struct statedir_look {
	bool dir, file, log;
	int64_t file_bytes, log_bytes;
};
struct statedir_look statedir_look(const struct statedir *statedir);

/* Before a log is opened anew: move one that is not ours aside, since SQLite
 * would write what is in it into queue.db. */
MUST_USE bool
statedir_log_clear(const struct statedir *statedir, struct err *reterr);

/* Give it up. Safe on a zeroed one and after a failed statedir_take(). */
void statedir_fini(struct statedir *statedir);

/* Bytes that we may still write on the file system, wherever the path leads by
 * now. */
MUST_USE bool statedir_free_bytes(
    const struct statedir *statedir, int64_t *ret_free, struct err *reterr);

/* Create the reserve if it is wanted, is absent, and leaves at least `spare`
 * bytes free. Lack of room is not an error. */
void statedir_reserve_lay(struct statedir *statedir, int64_t spare);

/* Release it; false if there was none. */
MUST_USE bool statedir_reserve_release(struct statedir *statedir);

#endif
