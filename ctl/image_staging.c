/* image_staging.c - see image_staging.h. Root; CARREL_IMAGES and its parents are root's alone. */
#include "image_staging.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/paths.h"
#include "core/text.h"

#define STAGING_PREFIX	".staging-"
#define REMOVED_PREFIX	".removed-"
#define LOCK_TIMEOUT_MS 10000

/* The directory of images, open for reading: locked while one is made or swept, and fsynced. */
static int open_images(struct carrel_error *err)
{
	_cleanup_close_ int state = fs_ensure_dir(CARREL_STATE_DIR, 0700, err);
	_cleanup_close_ int path = state < 0 ? state : fs_ensure_dir(CARREL_IMAGES, 0700, err);

	if (path < 0)
		return path;
	int fd = openat(path, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_errno(err, "cannot open '%s'", CARREL_IMAGES) : fd;
}

static int open_dir(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* 1 when `name` was left by a dead process and is now removed, 0 when it is in use or gone, or -errno. */
static int sweep_one(int images_fd, const char *name, struct carrel_error *err)
{
	_cleanup_close_ int fd = open_dir(images_fd, name);

	if (fd == -ENOENT || (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK))
		return 0;
	int r = fs_remove_tree(images_fd, name);
	return r < 0 ? error_set(err, -r, "cannot remove '%s/%s': %s", CARREL_IMAGES, name, strerror(-r)) : 1;
}

static int sweep(int images_fd, struct carrel_error *err)
{
	_cleanup_dir_ DIR *dir = fs_opendir(images_fd);
	struct dirent *entry;
	int removed = 0;

	if (!dir)
		return error_errno(err, "cannot read '%s'", CARREL_IMAGES);
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, STAGING_PREFIX, strlen(STAGING_PREFIX)) != 0 &&
		    strncmp(entry->d_name, REMOVED_PREFIX, strlen(REMOVED_PREFIX)) != 0)
			continue;
		int r = sweep_one(images_fd, entry->d_name, err);
		if (r < 0)
			return r;
		removed += r;
	}
	return removed;
}

/* Between making a directory and locking it, it looks like one that was left: one lock over that. */
static int lock_images(int images_fd, struct carrel_error *err)
{
	int r = fs_lock(images_fd, LOCK_TIMEOUT_MS);

	return r < 0 ? error_set(err, -r, "cannot lock '%s': %s", CARREL_IMAGES, strerror(-r)) : 0;
}

static int make_locked(struct staging *staging, const char *name, struct carrel_error *err)
{
	int r = lock_images(staging->images_fd, err);

	if (r == 0)
		r = sweep(staging->images_fd, err);
	if (r >= 0)
		r = text_format(staging->name, sizeof(staging->name), STAGING_PREFIX "%s-%d", name, getpid());
	if (r == 0 && mkdirat(staging->images_fd, staging->name, 0700) < 0) {
		r = error_errno(err, "cannot make '%s/%s'", CARREL_IMAGES, staging->name);
		staging->name[0] = '\0';
	}
	if (r == 0) {
		staging->fd = open_dir(staging->images_fd, staging->name);
		r = staging->fd < 0 ? staging->fd : fs_lock(staging->fd, 0);
		if (r < 0)
			error_set(err, -r, "cannot lock '%s': %s", staging->name, strerror(-r));
	}
	(void)flock(staging->images_fd, LOCK_UN);
	return r;
}

int staging_open(struct staging *staging, const char *name, struct carrel_error *err)
{
	staging->images_fd = open_images(err);
	int r = staging->images_fd < 0 ? staging->images_fd : make_locked(staging, name, err);

	if (r < 0)
		return r;
	staging->rootfs_fd = fs_ensure_dir_at(staging->fd, "rootfs", 0755, 0, 0, err);
	return staging->rootfs_fd < 0 ? staging->rootfs_fd : 0;
}

int staging_commit(struct staging *staging, const char *name, struct carrel_error *err)
{
	/* An image that is there under its name is whole, also after a power cut. */
	if (syncfs(staging->fd) < 0)
		return error_errno(err, "cannot write the image to disk");
	if (renameat2(staging->images_fd, staging->name, staging->images_fd, name, RENAME_NOREPLACE) < 0) {
		if (errno == EEXIST)
			return error_set(err, EEXIST,
					 "image '%s' already exists; remove it first or choose another name",
					 name);
		return error_errno(err, "cannot rename the image to '%s'", name);
	}
	staging->name[0] = '\0';
	(void)flock(staging->fd, LOCK_UN); /* whoever begins to use it need not wait for the rest */
	if (fsync(staging->images_fd) < 0)
		return error_errno(err, "cannot write '%s' to disk", CARREL_IMAGES);
	return 0;
}

int staging_close(struct staging *staging, struct carrel_error *err)
{
	int r = 0;

	close_fd(&staging->rootfs_fd);
	if (staging->images_fd >= 0 && staging->name[0])
		r = fs_remove_tree(staging->images_fd, staging->name);
	close_fd(&staging->fd);
	close_fd(&staging->images_fd);
	return r < 0 ? error_set(err, -r, "cannot remove '%s/%s': %s ('carrelctl gc' tries again)",
				 CARREL_IMAGES, staging->name, strerror(-r))
		     : 0;
}

int staging_sweep(struct carrel_error *err)
{
	if (access(CARREL_IMAGES, F_OK) < 0 && errno == ENOENT)
		return 0;
	_cleanup_close_ int images = open_images(err);
	int r = images < 0 ? images : lock_images(images, err);

	return r < 0 ? r : sweep(images, err);
}

int staging_retire(const char *name, int (*in_use)(const char *name, struct carrel_error *err),
		   struct carrel_error *err)
{
	char hidden[IMAGE_NAME_MAX + 32];
	_cleanup_close_ int images = open_images(err);
	_cleanup_close_ int locked = images < 0 ? images : image_lock(name, LOCK_EX, IMAGE_LOCK_MS, err);

	if (locked < 0)
		return locked;
	int r = in_use(name, err);
	if (r < 0)
		return r;
	r = text_format(hidden, sizeof(hidden), REMOVED_PREFIX "%s-%d", name, getpid());
	if (r == 0 && (renameat2(images, name, images, hidden, RENAME_NOREPLACE) < 0 || fsync(images) < 0))
		r = -errno;
	if (r == 0)
		r = fs_remove_tree(images, hidden);
	return r < 0 ? error_set(err, -r, "cannot remove image '%s': %s", name, strerror(-r)) : 0;
}
