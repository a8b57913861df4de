#include "queue/place.h"

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

static bool
place_paths(struct place *place, const char *dir, struct err *reterr)
{
	if (asprintf(&place->dir, "%s", dir) < 0 ||
	    asprintf(&place->file, "%s/queue.db", dir) < 0 ||
	    asprintf(&place->log, "%s/queue.db-wal", dir) < 0 ||
	    asprintf(&place->ballast_file, "%s/reserve", dir) < 0)
		return err_set_nomem(reterr);
	return true;
}

static const char place_brief[] = " for one command";

enum { PLACE_UNNAMED_TRIES = 20, PLACE_UNNAMED_US = 100000 };

enum place_owner {
	PLACE_BRIEF,   /* a command, which ends */
	PLACE_LASTING, /* a daemon */
	PLACE_UNNAMED, /* its name is not there yet, or is no owner's of ours */
};

/* Who owns the lock file: its content, for the message. */
static enum place_owner
place_owner_read(int fd, char *ret, size_t size)
{
	ssize_t len = pread(fd, ret, size - 1, 0);
	int pid;

	if (len <= 0) {
		(void)snprintf(ret, size, "another process");
		return PLACE_UNNAMED;
	}
	ret[len] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	pid = (int)strtol(ret + strcspn(ret, "0123456789"), NULL, 10);
	if (kill(pid, 0) != 0 && errno == ESRCH)
		return PLACE_UNNAMED;
	return strstr(ret, place_brief) != NULL ? PLACE_BRIEF : PLACE_LASTING;
}

/* Lock it, or say who has; an owner has a moment to write its name. */
static bool
place_lock(struct place *place, const char *path, struct err *reterr)
{
	enum place_owner who = PLACE_UNNAMED;
	char owner[64];

	for (int n = 0; n < PLACE_UNNAMED_TRIES && who == PLACE_UNNAMED; n++) {
		if (n > 0)
			(void)usleep(PLACE_UNNAMED_US);
		if (flock(place->lock, LOCK_EX | LOCK_NB) == 0)
			return true;
		if (errno != EWOULDBLOCK)
			return err_set(reterr, ERR_CONFIG,
			    "%s: cannot lock: %s", path, strerror(errno));
		who = place_owner_read(place->lock, owner, sizeof(owner));
	}
	return err_set(reterr, who == PLACE_BRIEF ? ERR_BUSY : ERR_CONFIG,
	    "%s is in use by %s: one process at a time", place->dir,
	    who == PLACE_UNNAMED ? "another process" : owner);
}

static bool
place_own(struct place *place, bool brief, struct err *reterr)
{
	char path[4096], owner[64];
	bool named;
	int len;

	len = snprintf(path, sizeof(path), "%s/lock", place->dir);
	if (len < 0 || (size_t)len >= sizeof(path))
		return err_set(reterr, ERR_CONFIG,
		    "state directory: the path is too long");
	place->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (place->lock < 0)
		return err_set(reterr, ERR_CONFIG,
		    "%s: cannot write: %s (who runs currentsd must own the"
		    " state directory)",
		    path, strerror(errno));
	if (!place_lock(place, path, reterr))
		return false;
	/* A name for whoever tries next; a full disk may refuse it. */
	len = snprintf(owner, sizeof(owner), "process %d%s\n", (int)getpid(),
	    brief ? place_brief : "");
	named = ftruncate(place->lock, 0) == 0 &&
		pwrite(place->lock, owner, (size_t)len, 0) == len;
	(void)named;
	return true;
}

/* Is the ballast there, with all its bytes? A crash while it was laid leaves
 * less, which would be no help. */
static bool
place_ballast_whole(const struct place *place)
{
	struct stat info;

	return stat(place->ballast_file, &info) == 0 &&
	       info.st_size >= place->reserve_bytes &&
	       (int64_t)info.st_blocks * 512 >= place->reserve_bytes;
}

/* A directory is there after a power cut once its parent is synced. */
static bool
place_sync_parent(const char *dir)
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

/* Make the state directory if it is not there. */
static bool
place_make(const char *dir, struct err *reterr)
{
	if (mkdir(dir, 0700) != 0) {
		if (errno == EEXIST)
			return true;
		return err_set(reterr, ERR_CONFIG,
		    "%s: cannot make the state directory: %s", dir,
		    strerror(errno));
	}
	if (place_sync_parent(dir))
		return true;
	(void)rmdir(dir);
	return err_set(
	    reterr, ERR_IO, "%s: cannot sync the directory that it is in", dir);
}

bool
place_take(struct place *place, const char *dir, int64_t reserve_bytes,
    bool brief, struct err *reterr)
{
	*place = (struct place){.lock = -1, .reserve_bytes = reserve_bytes};
	if (!place_paths(place, dir, reterr))
		goto fail;
	if (!place_make(dir, reterr) || !place_own(place, brief, reterr))
		goto fail;
	place->ballast = place_ballast_whole(place);
	return true;
fail:
	place_fini(place);
	return false;
}

void
place_fini(struct place *place)
{
	if (place->dir == NULL)
		return;
	free(place->dir);
	free(place->file);
	free(place->log);
	free(place->ballast_file);
	if (place->lock >= 0)
		(void)close(place->lock);
	*place = (struct place){.lock = -1};
}

bool
place_free_bytes(
    const struct place *place, int64_t *ret_free, struct err *reterr)
{
	struct statvfs fs;

	if (statvfs(place->dir, &fs) != 0)
		return err_set(reterr, ERR_IO, "%s: statvfs: %s", place->dir,
		    strerror(errno));
	*ret_free = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
	return true;
}

void
place_ballast_lay(struct place *place, int64_t spare)
{
	int64_t left;
	struct err err;
	int fd;

	if (place->ballast || place->reserve_bytes == 0)
		return;
	if (!place_free_bytes(place, &left, &err) ||
	    left < spare + place->reserve_bytes)
		return;
	fd = open(place->ballast_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (posix_fallocate(fd, 0, (off_t)place->reserve_bytes) == 0)
		place->ballast = true;
	else
		(void)unlink(place->ballast_file);
	(void)close(fd);
}

bool
place_ballast_drop(struct place *place)
{
	if (!place->ballast)
		return false;
	place->ballast = false;
	return unlink(place->ballast_file) == 0;
}
