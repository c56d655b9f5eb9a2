/*
 * rootfs_change.c - see change.h: what is staged for each change of a root filesystem.
 *
 * An overlay's upper and the index in its work directory belong together: a file of the image that has several names and was
 * changed is in the upper under one of them, and the index is how the others find it. So both are copied, with the hard links
 * between them, and with trusted.overlay.*: opaque directories, the counts of links, and origin, which names the file of the
 * image and is true as long as the image is the same. What ties the index to one very upper is not copied; the kernel makes it anew.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "change_internal.h"
#include "cleanup.h"
#include "fs_copy.h"
#include "idmap.h"
#include "state.h"

#define INDEX "index"

static const char *const tied[] = { "trusted.overlay.upper", "trusted.overlay.origin" };

static int open_dir(int dirfd, const char *name, struct carrel_error *err)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? error_errno(err, "cannot open '%s'", name) : fd;
}

/*
 * As if it were not root who copies: what is copied counts for the user's quota, and must not exceed it. Where that
 * capability is missing anyway nothing changes.
 */
static void respect_quota(bool yes)
{
	const cap_value_t resource = CAP_SYS_RESOURCE;
	cap_t caps = cap_get_proc();

	if (caps && cap_set_flag(caps, CAP_EFFECTIVE, 1, &resource, yes ? CAP_CLEAR : CAP_SET) == 0)
		(void)cap_set_proc(caps);
	cap_free(caps);
}

static int copy_part(int from, const char *name, int to, struct fs_copy *copy, struct carrel_error *err)
{
	if (faccessat(from, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	return fs_copy_tree(from, name, to, copy, err);
}

static int untie_index(int work, struct carrel_error *err)
{
	_cleanup_close_ int index = openat(work, INDEX, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (index < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open the index");
	for (size_t i = 0; i < ARRAY_SIZE(tied); i++)
		if (fremovexattr(index, tied[i]) < 0 && errno != ENODATA)
			return error_errno(err, "cannot untie the index");
	return 0;
}

static int begin_copy(struct change *c, struct fs_copy *copy, struct carrel_error *err)
{
	int r = fs_copy_begin(copy, c->staging_fd, err);

	if (r == 0)
		respect_quota(true);
	return r;
}

static int end_copy(struct fs_copy *copy, int result, struct carrel_error *err)
{
	respect_quota(false);
	return fs_copy_end(copy, result, err);
}

/* Directories as those of a first login. init gives the home its owner. */
static int make_empty(struct change *c, const char *name, mode_t mode, struct carrel_error *err)
{
	struct idmap map;
	int r = idmap_read(c->user_fd, &map, err);

	if (r < 0)
		return r;
	int fd = fs_ensure_dir_at(c->staging_fd, name, mode, map.uid_base, map.gid_base, err);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* The parts of a user who has never logged in, or not since a reset, may be missing. */
static int stage_missing(struct change *c, bool home, struct carrel_error *err)
{
	static const struct {
		const char *name;
		mode_t mode;
	} empty[] = { { "upper", 0755 }, { "work", 0755 }, { "home", 0700 } };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(empty) - !home; i++)
		if (faccessat(c->staging_fd, empty[i].name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			r = make_empty(c, empty[i].name, empty[i].mode, err);
	return r;
}

/* upper, home and index from one place to another; the index is in the work directory of the one or the other. */
static int copy_all(int from, int from_work, int to, int to_work, struct fs_copy *copy,
		    struct carrel_error *err)
{
	int r = copy_part(from, "upper", to, copy, err);

	if (r == 0)
		r = copy_part(from_work, INDEX, to_work, copy, err);
	if (r == 0)
		r = copy_part(from, "home", to, copy, err);
	return r == 0 ? untie_index(to_work, err) : r;
}

/* The work directory, or one without an index: any. */
static int open_work(int storage_fd, struct carrel_error *err)
{
	int fd = openat(storage_fd, "work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 && errno == ENOENT ? open_dir(storage_fd, ".", err)
	       : fd < 0			 ? error_errno(err, "cannot open 'work'")
					 : fd;
}

static int stage_snapshot(struct change *c, struct carrel_error *err)
{
	struct fs_copy copy = { 0 };
	_cleanup_close_ int work = open_work(c->storage_fd, err);
	int r = work < 0 ? work : begin_copy(c, &copy, err);

	if (r < 0)
		return r;
	r = copy_all(c->storage_fd, work, c->staging_fd, c->staging_fd, &copy, err);
	c->snapshot.bytes = copy.bytes;
	c->snapshot.entries = copy.entries;
	return end_copy(&copy, r, err);
}

int snapshot_take(int user_fd, uid_t uid, const char *name, const char *by, struct carrel_error *err)
{
	struct snapshot taken;
	struct change c;
	int r = snapshot_read(user_fd, name, &taken, err);

	if (r != -ENOENT)
		return r < 0 ? r : error_set(err, EEXIST, "there is already a snapshot '%s'", name);
	r = change_begin(&c, user_fd, uid, CHANGE_SNAPSHOT, err);
	if (r == 0)
		r = state_read_image(user_fd, c.snapshot.image, err);
	if (r == 0) {
		(void)snprintf(c.snapshot.name, sizeof(c.snapshot.name), "%s", name);
		(void)snprintf(c.snapshot.by, sizeof(c.snapshot.by), "%s", by);
		c.snapshot.taken = (uint64_t)time(NULL);
		r = stage_snapshot(&c, err);
	}
	return change_end(&c, r, err);
}

int snapshot_drop(int user_fd, uid_t uid, const char *name, struct carrel_error *err)
{
	struct snapshot taken;
	struct change c;
	int r = snapshot_read(user_fd, name, &taken, err);

	if (r < 0)
		return r;
	r = change_begin(&c, user_fd, uid, CHANGE_DROP, err);
	c.snapshot = taken;
	return change_end(&c, r, err);
}

static int open_snapshot(struct change *c, const char *name, struct carrel_error *err)
{
	_cleanup_close_ int all = open_dir(c->storage_fd, SNAPSHOTS, err);
	int fd = all < 0 ? all : open_dir(all, name, err);

	return fd < 0 ? error_context(err, "snapshot '%s'", name) : fd;
}

static int stage_rollback(struct change *c, const char *name, struct carrel_error *err)
{
	struct fs_copy copy = { 0 };
	_cleanup_close_ int from = open_snapshot(c, name, err);
	int r = from < 0 ? from : make_empty(c, "work", 0755, err);
	_cleanup_close_ int work = r < 0 ? r : open_dir(c->staging_fd, "work", err);

	if (work < 0)
		return work;
	r = begin_copy(c, &copy, err);
	if (r < 0)
		return r;
	r = copy_all(from, from, c->staging_fd, work, &copy, err);
	r = end_copy(&copy, r, err);
	return r < 0 ? r : stage_missing(c, true, err);
}

int rootfs_rollback(int user_fd, uid_t uid, const char *name, struct carrel_error *err)
{
	struct snapshot taken;
	struct change c;
	int r = snapshot_read(user_fd, name, &taken, err);

	if (r < 0)
		return r;
	/* Until the change is committed, and the user known to be on it. */
	_cleanup_close_ int image = image_lock(taken.image, LOCK_SH, IMAGE_LOCK_MS, err);
	if (image < 0)
		return error_context(err, "snapshot '%s'", name);
	r = change_begin(&c, user_fd, uid, CHANGE_REPLACE, err);
	memcpy(c.snapshot.image, taken.image, sizeof(taken.image));
	if (r == 0)
		r = stage_rollback(&c, name, err);
	return change_end(&c, r, err);
}

int rootfs_reset(int user_fd, uid_t uid, bool keep_home, struct carrel_error *err)
{
	struct change c;
	int r = change_begin(&c, user_fd, uid, CHANGE_REPLACE, err);

	if (r == 0)
		r = stage_missing(&c, !keep_home, err);
	return change_end(&c, r, err);
}

/* Of another image all of these would be wrong. */
static bool keep_for_other_image(const char *name)
{
	static const char *const of_image[] = { "trusted.overlay.origin", "trusted.overlay.nlink",
						"trusted.overlay.impure", "trusted.overlay.upper",
						"trusted.overlay.uuid" };

	for (size_t i = 0; i < ARRAY_SIZE(of_image); i++)
		if (strcmp(name, of_image[i]) == 0)
			return false;
	return true;
}

static int stage_rebase(struct change *c, struct carrel_error *err)
{
	struct fs_copy copy = { .keep_xattr = keep_for_other_image };
	int r = begin_copy(c, &copy, err);

	if (r < 0)
		return r;
	r = copy_part(c->storage_fd, "upper", c->staging_fd, &copy, err);
	return end_copy(&copy, r, err);
}

int rootfs_rebase(int user_fd, uid_t uid, const char *image,
		  int (*rebase)(int staging_fd, void *arg, struct carrel_error *err), void *arg,
		  struct carrel_error *err)
{
	struct change c;
	int r = change_begin(&c, user_fd, uid, CHANGE_REPLACE, err);

	if (strlen(image) >= sizeof(c.snapshot.image))
		r = error_set(err, EINVAL, "not a name for an image");
	if (r == 0) {
		(void)snprintf(c.snapshot.image, sizeof(c.snapshot.image), "%s", image);
		r = stage_rebase(&c, err);
	}
	if (r == 0)
		r = stage_missing(&c, false, err);
	if (r == 0)
		r = rebase(c.staging_fd, arg, err);
	return change_end(&c, r, err);
}
