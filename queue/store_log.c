/*
 * The log before it is opened. A kernel that fails to write a page calls it
 * clean all the same: the page cache goes on showing bytes that are not on
 * the disk, and the next fsync succeeds. SQLite would recover such frames,
 * and while it moves them into the file it relies on the log: a power cut in
 * between would leave half of them in the file, and no log to mend it with.
 *
 * So the bytes of the log are written anew, where they stand, which makes
 * their pages dirty again, and synced. At every open, since the process that
 * met the failure may be gone.
 */

#include "queue/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
store_log_write(int fd, const char *bytes, size_t len, off_t at)
{
	while (len > 0) {
		ssize_t put = pwrite(fd, bytes, len, at);

		if (put < 0 && errno != EINTR)
			return false;
		if (put > 0) {
			bytes += put;
			len -= (size_t)put;
			at += put;
		}
	}
	return true;
}

static bool
store_log_copy(int fd)
{
	char bytes[STORE_PAGE];
	off_t at = 0;

	for (;;) {
		ssize_t got = pread(fd, bytes, sizeof(bytes), at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return false;
		if (got == 0)
			return fsync(fd) == 0;
		if (!store_log_write(fd, bytes, (size_t)got, at))
			return false;
		at += got;
	}
}

bool
store_log_renew(const char *path, struct err *reterr)
{
	char *log = NULL;
	bool ok = false;
	int fd = -1;

	if (asprintf(&log, "%s-wal", path) < 0)
		return err_set_nomem(reterr);
	fd = open(log, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		ok = true;
	} else if (fd < 0) {
		(void)err_set(reterr, ERR_CONFIG, "%s: cannot open: %s", log,
		    strerror(errno));
	} else {
		bool full;

		ok = store_log_copy(fd);
		full = !ok && (errno == ENOSPC || errno == EDQUOT);
		if (!ok)
			(void)err_set(reterr, full ? ERR_FULL : ERR_IO,
			    "%s: cannot make it durable: %s", log,
			    strerror(errno));
	}
	if (fd >= 0)
		(void)close(fd);
	free(log);
	return ok;
}
