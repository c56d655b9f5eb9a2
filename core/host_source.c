/* host_source.c - see host_source.h. Used by the keeper and carrelctl, as root, in the host's namespaces. */
#include "host_source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bind.h"
#include "cleanup.h"
#include "fs.h"
#include "paths.h"

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

int host_source_open(const char *path, struct stat *st, struct carrel_error *err)
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

int host_source_open_home(const struct user_facts *user, struct carrel_error *err)
{
	struct stat st = { 0 };
	_cleanup_close_ int fd = host_source_open(user->home, &st, err);

	if (fd >= 0 && !S_ISDIR(st.st_mode))
		return error_set(err, ENOTDIR, "it is not a directory");
	if (fd >= 0 && st.st_uid != user->uid)
		return error_set(err, EPERM, "it belongs to uid %u", st.st_uid);
	return fd < 0 ? fd : steal_fd(&fd);
}

int host_source_check_target(int image_fd, const char *target, const struct stat *source,
			     struct carrel_error *err)
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

bool host_source_may_be_left_out(const struct bind_mount *bind, int r)
{
	return bind->optional && (r == -ENOENT || r == -EINVAL);
}
