#include "queue/sqlite/statedir.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ---- making it ---- */

/* A new directory survives a power cut only once its parent is synced. */
static bool
statedir_sync_parent(const char *dir)
{
	char *parent;
	bool ok = false;
	int fd = -1;

	if (asprintf(&parent, "%s/..", dir) < 0)
		return false;
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		ok = fsync(fd) == 0;
		(void)close(fd);
	}
	free(parent);
	return ok;
}

static bool
statedir_make(const char *dir, struct err *reterr)
{
	if (mkdir(dir, 0700) != 0) {
		if (errno == EEXIST)
			return true;
		return err_set(reterr, ERR_CONFIG,
		    "%s: cannot create the state directory: %s", dir,
		    strerror(errno));
	}
	if (statedir_sync_parent(dir))
		return true;
	/* The next try must not find it and skip the sync. */
	(void)rmdir(dir);
	return err_set(
	    reterr, ERR_IO, "%s: cannot sync its parent directory", dir);
}

/* ---- owning it ---- */

/* The first line of the lock file names its owner: "process 123", or "process
 * 123 for one command". */
static const char statedir_brief[] = " for one command";

enum { STATEDIR_UNNAMED_TRIES = 20, STATEDIR_UNNAMED_US = 100000 };

enum statedir_owner {
	STATEDIR_BRIEF,	  /* a command, which ends */
	STATEDIR_LASTING, /* a daemon */
	STATEDIR_UNNAMED, /* the name is missing, or of a process that ended */
};

static enum statedir_owner
statedir_owner_read(int fd, char *ret, size_t size)
{
	ssize_t len = pread(fd, ret, size - 1, 0);
	int pid;

	if (len <= 0) {
		(void)snprintf(ret, size, "another process");
		return STATEDIR_UNNAMED;
	}
	ret[len] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	pid = (int)strtol(ret + strcspn(ret, "0123456789"), NULL, 10);
	if (kill(pid, 0) != 0 && errno == ESRCH)
		return STATEDIR_UNNAMED;
	return strstr(ret, statedir_brief) != NULL ? STATEDIR_BRIEF
						   : STATEDIR_LASTING;
}

/* Lock it, or say which process has locked it; a new owner gets some time to
 * write its name. */
static bool
statedir_lock(struct statedir *statedir, const char *path, struct err *reterr)
{
	enum statedir_owner kind = STATEDIR_UNNAMED;
	char owner[64];

	for (int n = 0; n < STATEDIR_UNNAMED_TRIES && kind == STATEDIR_UNNAMED;
	     n++) {
		if (n > 0)
			(void)usleep(STATEDIR_UNNAMED_US);
		if (flock(statedir->lock, LOCK_EX | LOCK_NB) == 0)
			return true;
		if (errno != EWOULDBLOCK)
			return err_set(reterr, ERR_CONFIG,
			    "%s: cannot lock: %s", path, strerror(errno));
		kind =
		    statedir_owner_read(statedir->lock, owner, sizeof(owner));
	}
	return err_set(reterr, kind == STATEDIR_BRIEF ? ERR_BUSY : ERR_CONFIG,
	    "%s is in use by %s: only one process at a time can use it",
	    statedir->dir,
	    kind == STATEDIR_UNNAMED ? "another process" : owner);
}

/* The second line of the lock file. */
static const char *const statedir_marks[] = {
    [STATEDIR_NEW] = "",
    [STATEDIR_RUNNING] = "running\n",
    [STATEDIR_STOPPED] = "stopped in order\n",
};

static enum statedir_mark
statedir_mark_read(int fd)
{
	char text[128];
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);
	const char *line;

	text[len < 0 ? 0 : len] = '\0';
	line = strchr(text, '\n');
	for (int mark = STATEDIR_RUNNING;
	     line != NULL && mark <= STATEDIR_STOPPED; mark++) {
		if (strcmp(line + 1, statedir_marks[mark]) == 0)
			return (enum statedir_mark)mark;
	}
	return STATEDIR_NEW;
}

/* One write, so that a kill leaves the old text or the new one. */
void
statedir_mark(struct statedir *statedir, enum statedir_mark mark)
{
	char text[128];
	bool written;
	int len;

	statedir->mark = mark;
	len = snprintf(text, sizeof(text), "process %d%s\n%s", (int)getpid(),
	    statedir->brief ? statedir_brief : "", statedir_marks[mark]);
	written = pwrite(statedir->lock, text, (size_t)len, 0) == len &&
		  ftruncate(statedir->lock, len) == 0;
	(void)written;
}

static bool
statedir_own(struct statedir *statedir, struct err *reterr)
{
	char path[4096];
	int len;

	len = snprintf(path, sizeof(path), "%s/lock", statedir->dir);
	if (len < 0 || (size_t)len >= sizeof(path))
		return err_set(reterr, ERR_CONFIG,
		    "state directory: the path is too long");
	statedir->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (statedir->lock < 0)
		return err_set(reterr, ERR_CONFIG,
		    "%s: cannot write: %s (the user that runs currentsd must"
		    " own the state directory)",
		    path, strerror(errno));
	if (!statedir_lock(statedir, path, reterr))
		return false;
	/* The name is for the error message of the next process that tries. */
	statedir->mark = statedir_mark_read(statedir->lock);
	statedir_mark(statedir, statedir->mark);
	return true;
}

/* Does the reserve exist, with all its bytes? A crash while it was created
 * leaves less, which would be no help. */
static bool
statedir_reserve_whole(const struct statedir *statedir)
{
	struct stat info;

	return stat(statedir->reserve_file, &info) == 0 &&
	       info.st_size >= statedir->reserve_bytes &&
	       (int64_t)info.st_blocks * 512 >= statedir->reserve_bytes;
}

bool
statedir_take(struct statedir *statedir, const char *dir, int64_t reserve_bytes,
    bool brief, struct err *reterr)
{
	*statedir = (struct statedir){
	    .lock = -1, .reserve_bytes = reserve_bytes, .brief = brief};
	if (asprintf(&statedir->dir, "%s", dir) < 0 ||
	    asprintf(&statedir->file, "%s/queue.db", dir) < 0 ||
	    asprintf(&statedir->log, "%s/queue.db-wal", dir) < 0 ||
	    asprintf(&statedir->reserve_file, "%s/reserve", dir) < 0) {
		(void)err_set_nomem(reterr);
		goto fail;
	}
	if (!statedir_make(dir, reterr) || !statedir_own(statedir, reterr))
		goto fail;
	statedir->reserve = statedir_reserve_whole(statedir);
	return true;
fail:
	statedir_fini(statedir);
	return false;
}

void
statedir_fini(struct statedir *statedir)
{
	if (statedir->dir == NULL)
		return;
	free(statedir->dir);
	free(statedir->file);
	free(statedir->log);
	free(statedir->reserve_file);
	if (statedir->lock >= 0)
		(void)close(statedir->lock);
	*statedir = (struct statedir){.lock = -1};
}

/* ---- are the files still ours? ---- */

/* What a path leads to; false: to nothing. */
static bool
statedir_id(const char *path, struct statedir_id *ret_id, int64_t *ret_bytes)
{
	struct stat info;

	if (stat(path, &info) != 0)
		return false;
	*ret_id = (struct statedir_id){(uint64_t)info.st_dev, info.st_ino};
	*ret_bytes = (int64_t)info.st_size;
	return true;
}

bool
statedir_note(struct statedir *statedir, struct err *reterr)
{
	int64_t bytes;

	return (statedir_id(statedir->dir, &statedir->dir_id, &bytes) &&
		   statedir_id(statedir->file, &statedir->file_id, &bytes) &&
		   statedir_id(statedir->log, &statedir->log_id, &bytes)) ||
	       err_set(reterr, ERR_IO,
		   "%s: a file of the queue vanished while it was opened: %s",
		   statedir->dir, strerror(errno));
}

static bool
statedir_is(
    const char *path, const struct statedir_id *noted, int64_t *ret_bytes)
{
	struct statedir_id id;

	return statedir_id(path, &id, ret_bytes) &&
	       id.device == noted->device && id.inode == noted->inode;
}

struct statedir_look
statedir_look(const struct statedir *statedir)
{
	struct statedir_look look = {.file_bytes = 0};
	int64_t bytes;

	look.dir = statedir_is(statedir->dir, &statedir->dir_id, &bytes);
	look.file =
	    statedir_is(statedir->file, &statedir->file_id, &look.file_bytes);
	look.log =
	    statedir_is(statedir->log, &statedir->log_id, &look.log_bytes);
	return look;
}

bool
statedir_log_clear(const struct statedir *statedir, struct err *reterr)
{
	char *aside = NULL;
	int64_t bytes;
	bool ok;

	if (statedir_is(statedir->log, &statedir->log_id, &bytes))
		return true;
	if (asprintf(&aside, "%s.foreign", statedir->log) < 0)
		return err_set_nomem(reterr);
	ok = rename(statedir->log, aside) == 0 || errno == ENOENT ||
	     err_set(reterr, ERR_IO, "%s: cannot move it aside: %s",
		 statedir->log, strerror(errno));
	free(aside);
	return ok;
}

/* ---- room ---- */

bool
statedir_free_bytes(
    const struct statedir *statedir, int64_t *ret_free, struct err *reterr)
{
	struct statvfs fs;

	if (fstatvfs(statedir->lock, &fs) != 0)
		return err_set(reterr, ERR_IO, "%s: statvfs: %s", statedir->dir,
		    strerror(errno));
	*ret_free = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
	return true;
}

void
statedir_reserve_lay(struct statedir *statedir, int64_t spare)
{
	int64_t left;
	struct err err;
	int fd;

	if (statedir->reserve || statedir->reserve_bytes == 0)
		return;
	if (!statedir_free_bytes(statedir, &left, &err) ||
	    left < spare + statedir->reserve_bytes)
		return;
	fd = open(statedir->reserve_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (posix_fallocate(fd, 0, (off_t)statedir->reserve_bytes) == 0)
		statedir->reserve = true;
	else
		(void)unlink(statedir->reserve_file);
	(void)close(fd);
}

bool
statedir_reserve_release(struct statedir *statedir)
{
	if (!statedir->reserve)
		return false;
	statedir->reserve = false;
	return unlink(statedir->reserve_file) == 0;
}
