/* The fortified headers would define these functions themselves. */
#undef _FORTIFY_SOURCE

#include "calls.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CALLS_FDS = 1024, CALLS_NOT_OURS = 0, CALLS_DIR = -1 };

static struct {
	pthread_mutex_t mutex;
	char dir[256];
	struct tape *tape;
	int held[CALLS_FDS]; /* by descriptor: number of the file + 1 */
	enum call_kind kind; /* of the fault */
	long left;	     /* calls until it strikes; 0 = none is set */
	int error;
	bool lasting, struck;
} calls = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void
calls_hold(void)
{
	CHECK(pthread_mutex_lock(&calls.mutex) == 0);
}

/* Keeps errno, since it ends every call. */
static void
calls_drop(void)
{
	int error = errno;

	CHECK(pthread_mutex_unlock(&calls.mutex) == 0);
	errno = error;
}

void
calls_watch(const char *dir, struct tape *tape)
{
	calls_hold();
	(void)snprintf(
	    calls.dir, sizeof(calls.dir), "%s", dir == NULL ? "" : dir);
	calls.tape = tape;
	memset(calls.held, 0, sizeof(calls.held));
	calls_drop();
}

int64_t
calls_position(void)
{
	int64_t position;

	calls_hold();
	position = calls.tape == NULL ? 0 : (int64_t)calls.tape->count;
	calls_drop();
	return position;
}

void
calls_fail(enum call_kind kind, long nth, int error, bool lasting)
{
	calls_hold();
	calls.kind = kind;
	calls.left = nth;
	calls.error = error;
	calls.lasting = lasting;
	calls.struck = false;
	calls_drop();
}

bool
calls_disarm(void)
{
	bool struck;

	calls_hold();
	struck = calls.struck;
	calls.left = 0;
	calls_drop();
	return struck;
}

bool
calls_struck(void)
{
	bool struck;

	calls_hold();
	struck = calls.struck;
	calls_drop();
	return struck;
}

/* Is it this call's turn to fail? Sets errno. */
static bool
calls_fails(enum call_kind kind)
{
	if (calls.left == 0 || calls.kind != kind)
		return false;
	if (calls.left > 1) {
		calls.left--;
		return false;
	}
	if (!calls.lasting)
		calls.left = 0;
	calls.struck = true;
	errno = calls.error;
	return true;
}

/* The name of a path in the watched directory: "" for the directory itself,
 * NULL for what is elsewhere. */
static const char *
calls_name(const char *path)
{
	size_t len = strlen(calls.dir);

	if (len == 0 || strncmp(path, calls.dir, len) != 0)
		return NULL;
	if (path[len] == '\0')
		return "";
	return path[len] == '/' ? path + len + 1 : NULL;
}

static int
calls_held(int fd)
{
	return fd < 0 || fd >= CALLS_FDS ? CALLS_NOT_OURS : calls.held[fd];
}

static void
calls_opened(int fd, const char *name, int flags)
{
	int file;

	CHECK(fd < CALLS_FDS);
	if (name[0] == '\0') {
		calls.held[fd] = CALLS_DIR;
		return;
	}
	file = tape_find(calls.tape, name);
	if (file < 0)
		file = tape_create(calls.tape, name);
	else if ((flags & O_TRUNC) != 0)
		tape_note(calls.tape, TAPE_TRUNCATE, file, 0);
	tape_note(calls.tape, TAPE_OPEN, file, 0);
	calls.held[fd] = file + 1;
}

static int
calls_open(const char *path, int flags, unsigned mode)
{
	const char *name;
	int fd = -1;

	calls_hold();
	name = calls_name(path);
	if (name == NULL || !calls_fails(CALL_OPEN))
		fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (name != NULL && fd >= 0)
		calls_opened(fd, name, flags);
	calls_drop();
	return fd;
}

static int
calls_sync(int fd)
{
	int held, rc;

	calls_hold();
	held = calls_held(fd);
	if (held != CALLS_NOT_OURS && calls_fails(CALL_SYNC)) {
		tape_note(calls.tape, TAPE_SYNC_FAILED, held - 1, 0);
		rc = -1;
	} else {
		rc = (int)syscall(SYS_fsync, fd);
		if (rc == 0 && held == CALLS_DIR)
			tape_note(calls.tape, TAPE_SYNC_DIR, -1, 0);
		else if (rc == 0 && held != CALLS_NOT_OURS)
			tape_note(calls.tape, TAPE_SYNC, held - 1, 0);
	}
	calls_drop();
	return rc;
}

/* ---- what the C library would do ---- */

int
open(const char *path, int flags, ...)
{
	va_list args;
	unsigned mode;

	va_start(args, flags);
	mode =
	    (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, unsigned) : 0;
	va_end(args);
	return calls_open(path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
	va_list args;
	unsigned mode;

	va_start(args, flags);
	mode =
	    (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, unsigned) : 0;
	va_end(args);
	return calls_open(path, flags, mode);
}

int
close(int fd)
{
	int held, rc;

	calls_hold();
	held = calls_held(fd);
	if (held > 0)
		tape_note(calls.tape, TAPE_CLOSE, held - 1, 0);
	if (held != CALLS_NOT_OURS)
		calls.held[fd] = CALLS_NOT_OURS;
	rc = (int)syscall(SYS_close, fd);
	calls_drop();
	return rc;
}

ssize_t
pread64(int fd, void *data, size_t len, off64_t at)
{
	ssize_t got = -1;

	calls_hold();
	if (calls_held(fd) == CALLS_NOT_OURS || !calls_fails(CALL_READ))
		got = (ssize_t)syscall(SYS_pread64, fd, data, len, at);
	calls_drop();
	return got;
}

ssize_t
pread(int fd, void *data, size_t len, off_t at)
{
	return pread64(fd, data, len, at);
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	ssize_t put = -1;
	int held;

	calls_hold();
	held = calls_held(fd);
	if (held == CALLS_NOT_OURS || !calls_fails(CALL_WRITE))
		put = (ssize_t)syscall(SYS_pwrite64, fd, data, len, at);
	if (held > 0 && put > 0)
		tape_write(calls.tape, held - 1, (size_t)at, data, (size_t)put);
	calls_drop();
	return put;
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t at)
{
	return pwrite64(fd, data, len, at);
}

int
ftruncate64(int fd, off64_t size)
{
	int held, rc = -1;

	calls_hold();
	held = calls_held(fd);
	if (held == CALLS_NOT_OURS || !calls_fails(CALL_TRUNCATE))
		rc = (int)syscall(SYS_ftruncate, fd, size);
	if (held > 0 && rc == 0)
		tape_note(calls.tape, TAPE_TRUNCATE, held - 1, (size_t)size);
	calls_drop();
	return rc;
}

int
ftruncate(int fd, off_t size)
{
	return ftruncate64(fd, size);
}

int
fsync(int fd)
{
	return calls_sync(fd);
}

int
fdatasync(int fd)
{
	return calls_sync(fd);
}

int
posix_fallocate(int fd, off_t at, off_t len)
{
	int held, rc = 0;

	calls_hold();
	held = calls_held(fd);
	if (held != CALLS_NOT_OURS && calls_fails(CALL_WRITE))
		rc = errno;
	else if (syscall(SYS_fallocate, fd, 0, at, len) != 0)
		rc = errno;
	else if (held > 0)
		tape_note(
		    calls.tape, TAPE_TRUNCATE, held - 1, (size_t)(at + len));
	calls_drop();
	return rc;
}

int
unlink(const char *path)
{
	const char *name;
	int rc = -1;

	calls_hold();
	name = calls_name(path);
	if (name == NULL || !calls_fails(CALL_UNLINK))
		rc = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	if (name != NULL && rc == 0)
		tape_unlink(calls.tape, name);
	calls_drop();
	return rc;
}

int
rename(const char *from, const char *to)
{
	const char *name;
	int rc = -1;

	calls_hold();
	name = calls_name(from);
	if (name == NULL || !calls_fails(CALL_RENAME))
		rc = (int)syscall(
		    SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
	if (name != NULL && rc == 0)
		tape_rename(calls.tape, name, calls_name(to));
	calls_drop();
	return rc;
}
