#include "daemon/filesystem.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

struct filesystem_type {
	uint32_t magic; /* statfs(2) */
	const char *name;
	bool transient;
};

static const struct filesystem_type filesystem_types[] = {
    {TMPFS_MAGIC, "tmpfs", true},
    {RAMFS_MAGIC, "ramfs", true},
    {OVERLAYFS_SUPER_MAGIC, "overlay", true},
    {NFS_SUPER_MAGIC, "nfs", true},
    {SMB_SUPER_MAGIC, "smb", true},
    {0xff534d42, "cifs", true},
    {0xfe534d42, "smb2", true},
    {EXT4_SUPER_MAGIC, "ext4", false},
    {0x58465342, "xfs", false},
    {BTRFS_SUPER_MAGIC, "btrfs", false},
    {0x2fc12fc1, "zfs", false},
    {F2FS_SUPER_MAGIC, "f2fs", false},
};

static const struct filesystem_type *
filesystem_type_find(uint32_t magic)
{
	static const struct filesystem_type other = {0, "unknown", false};

	for (size_t i = 0;
	     i < sizeof(filesystem_types) / sizeof(filesystem_types[0]); i++) {
		if (filesystem_types[i].magic == magic)
			return &filesystem_types[i];
	}
	return &other;
}

/* Cut a path back to its parent; false at the root. */
static bool
path_cut(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL) {
		if (strcmp(path, ".") == 0)
			return false;
		path[0] = '.';
		path[1] = '\0';
		return true;
	}
	if (slash == path) {
		if (path[1] == '\0')
			return false;
		slash++;
	}
	*slash = '\0';
	return true;
}

bool
filesystem_look(
    const char *dir, struct filesystem *ret_filesystem, struct err *reterr)
{
	const struct filesystem_type *type;
	struct statfs fs;
	char path[4096];
	bool exists = true;

	if (snprintf(path, sizeof(path), "%s", dir) >= (int)sizeof(path))
		return err_set(reterr, ERR_CONFIG,
		    "the path of the state directory is too long");
	while (statfs(path, &fs) != 0) {
		if (errno != ENOENT || !path_cut(path))
			return err_set(reterr, ERR_CONFIG,
			    "cannot examine the state directory %s: %s", dir,
			    strerror(errno));
		exists = false;
	}
	type = filesystem_type_find((uint32_t)fs.f_type);
	*ret_filesystem = (struct filesystem){
	    .name = type->name,
	    .transient = type->transient,
	    .exists = exists,
	    .writable = access(path, W_OK | X_OK) == 0,
	    .free_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_bsize,
	};
	return true;
}

bool
filesystem_check(const char *dir, bool allowed,
    struct filesystem *ret_filesystem, struct err *reterr)
{
	if (!filesystem_look(dir, ret_filesystem, reterr))
		return false;
	if (!ret_filesystem->writable)
		return err_set(reterr, ERR_CONFIG,
		    "the state directory %s %s: let the user that runs "
		    "currentsd write to it (chown), or set CURRENTSD_STATE_DIR "
		    "to another directory",
		    dir,
		    ret_filesystem->exists ? "cannot be written to"
					   : "cannot be created");
	if (ret_filesystem->transient && !allowed)
		return err_set(reterr, ERR_CONFIG,
		    "the state directory %s is on %s, where accepted events "
		    "can be lost: use a disk or a volume, or set "
		    "CURRENTSD_ALLOW_VOLATILE_STATE=yes to accept the risk",
		    dir, ret_filesystem->name);
	return true;
}
