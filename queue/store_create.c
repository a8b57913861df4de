/* Making a new queue file, durably, and syncing the directory it is in. */

#include "queue/store.h"
#include "queue/store_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool
store_sync_dir(const char *path, struct err *reterr)
{
	char *dir = strdup(path), *slash;
	bool ok = false;
	int fd = -1;

	if (dir == NULL)
		return err_set_nomem(reterr);
	slash = strrchr(dir, '/');
	CHECK(slash != NULL);
	slash[1] = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0) {
		(void)err_set(reterr, ERR_IO, "%s: cannot sync: %s", dir,
		    strerror(errno));
		goto out;
	}
	ok = true;
out:
	if (fd >= 0)
		(void)close(fd);
	free(dir);
	return ok;
}

/* Set up the tables in a file that is not yet in its place. */
static bool
store_build(const char *path, struct err *reterr)
{
	struct store store;
	char pragmas[160];
	bool ok = false;

	if (!store_connect(&store, path,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, reterr))
		return false;
	(void)snprintf(pragmas, sizeof(pragmas),
	    "PRAGMA page_size=%d; PRAGMA synchronous=FULL;"
	    "PRAGMA application_id=%d; PRAGMA user_version=%d;",
	    STORE_PAGE, STORE_APPLICATION, STORE_VERSION);
	if (!store_exec(&store, pragmas, reterr) ||
	    !store_exec(&store, "BEGIN", reterr) ||
	    !store_exec(&store, store_schema, reterr) ||
	    !store_exec(&store, "COMMIT", reterr) ||
	    !store_exec(&store, "PRAGMA journal_mode=WAL", reterr))
		goto out;
	ok = true;
out:
	/* A plain close: it moves the log into the file and removes it. */
	if (sqlite3_close(store.db) != SQLITE_OK && ok)
		ok = err_set(reterr, ERR_IO, "%s: cannot close", path);
	return ok;
}

bool
store_create(const char *path, struct err *reterr)
{
	char *fresh = NULL;
	bool ok = false;
	int fd;

	if (asprintf(&fresh, "%s.new", path) < 0)
		return err_set_nomem(reterr);
	/* The mode of the file is also that of its log. */
	fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		(void)err_set(reterr, ERR_CONFIG, "%s: cannot create: %s",
		    fresh, strerror(errno));
		goto out;
	}
	(void)close(fd);
	if (!store_build(fresh, reterr))
		goto out;
	if (rename(fresh, path) != 0) {
		(void)err_set(reterr, ERR_IO, "%s: cannot rename: %s", fresh,
		    strerror(errno));
		goto out;
	}
	ok = store_sync_dir(path, reterr);
out:
	free(fresh);
	return ok;
}
