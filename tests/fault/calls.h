#ifndef TESTS_FAULT_CALLS_H
#define TESTS_FAULT_CALLS_H

/*
 * The system calls by which a process changes files, taken over for one
 * directory: they are written to a tape, and made to fail on request.
 *
 * It sits below SQLite's own unix VFS and below the queue's renames and
 * directory syncs alike: the functions of the C library (open, pwrite,
 * fdatasync, ...) are defined here anew, so that the program and the shared
 * libraries find these. So what is tried is the VFS that runs in production,
 * with its sector size and its device characteristics.
 */

#include "tape.h"

enum call_kind {
	CALL_OPEN,
	CALL_READ,
	CALL_WRITE,
	CALL_SYNC, /* of files and of the directory */
	CALL_TRUNCATE,
	CALL_UNLINK,
	CALL_RENAME,
	CALL_KINDS /* how many */
};

/* Watch what happens in `dir` (an absolute path) from now on; NULL ends it.
 * The files that are there must be those that the tape knows. */
void calls_watch(const char *dir, struct tape *tape);

/* Operations on the tape so far. */
int64_t calls_position(void);

/* Let the nth call of a kind from now on (1 = the next) fail with an errno,
 * and all later ones too if it is lasting. One fault at a time. */
void calls_fail(enum call_kind kind, long nth, int error, bool lasting);

/* End the fault. Did it strike? */
bool calls_disarm(void);

/* Has it struck yet? */
bool calls_struck(void);

#endif
