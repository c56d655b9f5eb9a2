/* hostdir.c - see hostdir.h. Run by the keeper, as root, in the host's namespaces. */
#include "hostdir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bind.h"
#include "core/cleanup.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/mountfd.h"
#include "core/paths.h"
#include "rootfs.h"

/* The user and their primary group, one map for all mounts of the session. */
static int make_map(struct keeper *k, struct carrel_error *err)
{
	char uids[IDMAP_LINES_MAX], gids[IDMAP_LINES_MAX];

	if (k->map_fd >= 0)
		return k->map_fd;
	if (idmap_host_lines(k->user.uid, k->ids.uid_base, rootfs_inner_uid(k), uids) < 0 ||
	    idmap_host_lines(k->user.gid, k->ids.gid_base, rootfs_inner_gid(k), gids) < 0)
		return error_set(err, ENAMETOOLONG, "cannot write a map of ids");
	k->map_fd = idmap_userns(uids, gids, err);
	return k->map_fd;
}

int hostdir_clone(struct keeper *k, int fd, uint64_t attrs, struct carrel_error *err)
{
	int userns = make_map(k, err);

	if (userns < 0)
		return userns;
	int mount = mountfd_clone(fd, "", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | attrs, userns, err);
	if (mount == -EINVAL)
		return error_set(
			err, EINVAL,
			"its filesystem cannot show other owners (idmapped mounts: ext4, xfs, btrfs, tmpfs)");
	return mount;
}

/* What the sandbox must not see, from which it could be left. */
static const char *const own_dirs[] = { CARREL_STATE_DIR, CARREL_RUN_DIR, CARREL_SYSCONFDIR "/carrel" };

/* Whether `st` is `path` or a directory above it, by whatever name it was found. */
static bool leads_to(const struct stat *st, const char *path)
{
	char above[FS_PATH_MAX];
	struct stat there;

	snprintf(above, sizeof(above), "%s", path);
	for (char *slash = above; slash;) {
		if (stat(*above ? above : "/", &there) == 0 && there.st_dev == st->st_dev &&
		    there.st_ino == st->st_ino)
			return true;
		slash = *above ? strrchr(above, '/') : NULL;
		if (slash)
			*slash = '\0';
	}
	return false;
}

static int check_own(const char *real, const struct stat *st, struct carrel_error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(own_dirs); i++) {
		if (bind_path_within(real, own_dirs[i]) || leads_to(st, own_dirs[i]))
			return error_set(err, EPERM, "'%s' is Carrel's own", own_dirs[i]);
	}
	return 0;
}

/* Open a source and look whether it may be one. */
static int open_source(const char *path, struct stat *st, struct carrel_error *err)
{
	char real[FS_PATH_MAX];
	_cleanup_close_ int fd = fs_open_trusted(path, real, err);

	if (fd < 0)
		return fd;
	if (fstat(fd, st) < 0)
		return error_errno(err, "cannot stat '%s'", path);
	if (!S_ISDIR(st->st_mode) && !S_ISREG(st->st_mode))
		return error_set(err, EPERM, "it is neither a directory nor a regular file");
	int r = check_own(real, st, err);
	return r < 0 ? r : steal_fd(&fd);
}

int hostdir_find_home(const struct keeper *k, struct carrel_error *err)
{
	struct stat st = { 0 };
	_cleanup_close_ int fd = open_source(k->user.home, &st, err);

	if (fd >= 0 && !S_ISDIR(st.st_mode))
		return error_set(err, ENOTDIR, "it is not a directory");
	if (fd >= 0 && st.st_uid != k->user.uid)
		return error_set(err, EPERM, "it belongs to uid %u", st.st_uid);
	return fd < 0 ? fd : steal_fd(&fd);
}

int hostdir_open_home(struct keeper *k, struct carrel_error *err)
{
	_cleanup_close_ int fd = hostdir_find_home(k, err);

	k->home_fd = fd < 0 ? fd : hostdir_clone(k, fd, 0, err);
	return k->home_fd >= 0
		       ? 0
		       : error_context(err, "the home '%.150s' of the host cannot be used", k->user.home);
}

/* A link in the image on the way to the target would have to be replaced, and the image with it. */
static int check_target(int image_fd, const char *target, const struct stat *source, struct carrel_error *err)
{
	struct stat st;
	_cleanup_close_ int fd = fs_openat2(image_fd, target + 1, O_PATH, 0,
					    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);

	if (fd == -ENOENT)
		return 0;
	if (fd == -ELOOP || fd == -ENOTDIR)
		return error_set(err, ENOTDIR, "a part of the target is a link or a file in the image");
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, EIO, "the target cannot be looked up in the image");
	return S_ISDIR(st.st_mode) == S_ISDIR(source->st_mode)
		       ? 0
		       : error_set(err, ENOTDIR, "the target is a %s in the image",
				   S_ISDIR(st.st_mode) ? "directory" : "file");
}

static int open_bind(struct keeper *k, const struct bind_mount *bind, int image_fd, struct carrel_error *err)
{
	char source[BIND_PATH_MAX + 1], target[BIND_PATH_MAX + 1];
	struct stat st;

	if (bind_expand(bind->source, &k->user, source) || bind_expand(bind->target, &k->user, target))
		return error_set(err, ENAMETOOLONG, "the user's name cannot be put into it");
	_cleanup_close_ int fd = open_source(source, &st, err);
	if (fd < 0)
		return fd;
	int r = check_target(image_fd, target, &st, err);
	return r < 0 ? r : hostdir_clone(k, fd, bind->readonly ? MOUNT_ATTR_RDONLY : 0, err);
}

static bool is_missing(int r)
{
	return r == -ENOENT || r == -EINVAL;
}

int hostdir_open_binds(struct keeper *k, int image_fd, struct carrel_error *err)
{
	size_t i = 0;

	for (const struct bind_mount *bind = k->policy.binds; bind; bind = bind->next, i++) {
		k->bind_fds[i] = open_bind(k, bind, image_fd, err);
		if (k->bind_fds[i] >= 0)
			continue;
		error_context(err, "bind '%.100s' at '%.100s'", bind->source, bind->target);
		if (!bind->optional || !is_missing(k->bind_fds[i]))
			return k->bind_fds[i];
		log_send("carrel-keeper", LOG_WARNING, "user '%s' goes without %s", k->user.name, err->msg);
		err->code = 0;
	}
	return 0;
}
