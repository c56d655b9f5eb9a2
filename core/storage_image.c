/* storage_image.c - see storage_internal.h. Used by the keeper and carrelctl, as root, on the host. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "fs_copy.h"
#include "storage_internal.h"
#include "units.h"

/* The overlay compares this one of its index with the upper directory, of which the copy is another; without it, it trusts and
 * writes it anew. */
#define INDEX_UPPER "trusted.overlay.upper"

#define MKFS_TIMEOUT_MS	 60000
#define MOUNT_TIMEOUT_MS 8000
#define LOGIN_MOVE_MAX	 (256ull << 20) /* bytes that are moved in a login from one image to another */
#define ROOM_SLACK	 (2ull << 20)	/* what an image may hold above its limit, and 1/1024 of that */

const char *const storage_trees[STORAGE_TREES] = { "upper", "work", "home", "snapshots" };

bool storage_limited(const struct limits *limits)
{
	return limits->disk != UNIT_NONE || limits->inodes != UNIT_NONE;
}

int storage_has_image(int user_fd, struct carrel_error *err)
{
	int r = fs_exists(user_fd, DISK_IMAGE_NEW, err);
	if (r > 0 && unlinkat(user_fd, DISK_IMAGE_NEW, 0) < 0)
		r = error_errno(err, "cannot remove '" DISK_IMAGE_NEW "'");
	if (r >= 0)
		r = fs_exists(user_fd, DISK_IMAGE, err);
	if (r <= 0)
		return r;
	for (size_t i = 0; i < STORAGE_TREES; i++) {
		r = fs_exists(user_fd, storage_trees[i], err);
		if (r < 0)
			return r;
		/* The image is in its place, so all of it is in there. */
		r = r ? fs_remove_tree(user_fd, storage_trees[i]) : 0;
		if (r < 0)
			return error_set(err, -r, "cannot remove '%s' beside the disk image: %s",
					 storage_trees[i], strerror(-r));
	}
	(void)unlinkat(user_fd, "lower", AT_REMOVEDIR);
	(void)unlinkat(user_fd, "root", AT_REMOVEDIR);
	return 1;
}

int storage_plan(const struct storage *s, struct disk_image *plan, struct carrel_error *err)
{
	struct statvfs fs;

	if (fstatvfs(s->user_fd, &fs) < 0)
		return error_errno(err, "cannot ask for the size of the filesystem");
	disk_image_plan(s->limits, (uint64_t)fs.f_blocks * fs.f_frsize, plan);
	return 0;
}

static int mkfs_timeout(const struct storage *s)
{
	int64_t left = s->deadline ? s->deadline - fs_now_ms() : MKFS_TIMEOUT_MS;

	return left < 1 ? 1 : left < MKFS_TIMEOUT_MS ? (int)left : MKFS_TIMEOUT_MS;
}

static bool keep_in_work(const char *name)
{
	return strcmp(name, INDEX_UPPER) != 0;
}

static int copy_trees(const struct storage *s, int from, int to, struct carrel_error *err)
{
	struct fs_copy copy = { .deadline = s->deadline };
	int r = fs_copy_begin(&copy, to, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < STORAGE_TREES; i++) {
		copy.keep_xattr = strcmp(storage_trees[i], "work") == 0 ? keep_in_work : NULL;
		r = fs_exists(from, storage_trees[i], err);
		if (r > 0)
			r = fs_copy_tree(from, storage_trees[i], to, &copy, err);
	}
	return fs_copy_end(&copy, r, err);
}

/* Words for what went wrong with a copy. Whose space ran out shows in what the image has left. */
static int copy_failed(const struct storage *s, int to, int code, struct carrel_error *err)
{
	struct statvfs fs;
	char disk[32], inodes[32];

	if (code == -ETIMEDOUT)
		return error_set(
			err, ETIMEDOUT,
			"the files of uid %u have to be moved into a disk image for user_limits.disk, which "
			"takes longer than a login may: run 'carrelctl apply'",
			s->uid);
	if (code == -ENOSPC && fstatvfs(to, &fs) == 0 && (fs.f_bavail < 1024 || fs.f_favail == 0))
		return error_set(
			err, EDQUOT,
			"the files of uid %u are more than user_limits.disk = %s and user_limits.inodes = %s "
			"allow",
			s->uid, unit_format_size(disk, sizeof(disk), s->limits->disk),
			unit_format_size(inodes, sizeof(inodes), s->limits->inodes));
	return error_context(err, "cannot move the files of uid %u into a disk image", s->uid);
}

/* On disk before its name is. After a failure `renamed` says whether it has that name all the same. */
static int commit(int user_fd, int root, bool *renamed, struct carrel_error *err)
{
	_cleanup_close_ int file = openat(user_fd, DISK_IMAGE_NEW, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int dir = openat(user_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (file < 0 || dir < 0 || syncfs(root) < 0 || fsync(file) < 0)
		return error_errno(err, "cannot write the disk image");
	*renamed = renameat(dir, DISK_IMAGE_NEW, dir, DISK_IMAGE) == 0;
	if (!*renamed || fsync(dir) < 0)
		return error_errno(err, "cannot rename the disk image");
	return 0;
}

static int fill(struct storage *s, int from, int mount, bool *renamed, struct carrel_error *err)
{
	_cleanup_close_ int root = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0 || fchmod(root, 0700) < 0)
		return error_errno(err, "cannot open the disk image");
	int r = copy_trees(s, from, root, err);
	return r < 0 ? copy_failed(s, root, r, err) : commit(s->user_fd, root, renamed, err);
}

int storage_move(struct storage *s, int from, const struct disk_image *plan, bool *renamed,
		 struct carrel_error *err)
{
	*renamed = false;
	int r = disk_image_make(s->user_fd, plan, mkfs_timeout(s), err);
	if (r < 0)
		return r;
	_cleanup_close_ int mount = disk_image_mount(s->user_fd, DISK_IMAGE_NEW, MOUNT_TIMEOUT_MS, err);
	r = mount < 0 ? mount : fill(s, from, mount, renamed, err);
	if (r == 0)
		return steal_fd(&mount);
	(void)unlinkat(s->user_fd, DISK_IMAGE_NEW, 0);
	return r;
}

/* Whether what is in a mounted image may find room in a new one. Where it then does not, the copy fails and the old one goes on. */
static bool has_room(const struct storage *s, const struct disk_image *plan, uint64_t bytes, uint64_t files)
{
	uint64_t disk = s->limits->disk;

	return files <= plan->inodes && (disk == UNIT_NONE || bytes <= disk + disk / 1024 + ROOM_SLACK);
}

static int open_mounted(const struct storage *s, struct carrel_error *err)
{
	return disk_image_mount(s->user_fd, DISK_IMAGE, MOUNT_TIMEOUT_MS, err);
}

static void remember(struct storage *s, const char *what, const char *why)
{
	(void)snprintf(s->note, sizeof(s->note), "%s of uid %u is not as the limits are: %.400s", what,
		       s->uid, why);
}

/*
 * With a new image. Where that cannot be, the old one goes on as it is, and the note says why. Once the new one has its name, what
 * is written to the old one would be lost: then it is an error.
 */
static int replace_image(struct storage *s, int old, const struct disk_image *plan, struct carrel_error *err)
{
	struct carrel_error failure = { 0 };
	_cleanup_close_ int mount = old;
	bool renamed;

	int fd = storage_move(s, mount, plan, &renamed, &failure);
	if (fd >= 0)
		return fd;
	if (renamed)
		return error_set(err, failure.code, "%s", failure.msg);
	remember(s, "the disk image", failure.msg);
	return steal_fd(&mount);
}

/* Whether it is as the plan when it has got more blocks. They come with files, as many in each group. */
static bool can_grow(const struct disk_image *have, const struct disk_image *plan)
{
	struct disk_image grown = *have;
	uint64_t group = 8ull * have->block_size;

	if (!have->blocks || !group || plan->blocks <= have->blocks)
		return false;
	uint64_t groups = (have->blocks - 1) / group + 1;
	grown.blocks = plan->blocks;
	grown.inodes = have->inodes / groups * ((plan->blocks - 1) / group + 1);
	return disk_image_fits(&grown, plan);
}

/* Something in the image that a copy of it would be without, as an unfinished change of the rootfs. */
static bool has_others(int mount)
{
	static const char *const ours[] = { ".", "..", "lower", "root", "reserve", "lost+found" };
	_cleanup_dir_ DIR *dir = fs_opendir(mount);
	bool known = true;

	for (struct dirent *entry; dir && known && (entry = readdir(dir));) {
		known = strncmp(entry->d_name, STORAGE_REMOVED, strlen(STORAGE_REMOVED)) == 0;
		for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
			known |= strcmp(entry->d_name, ours[i]) == 0;
		for (size_t i = 0; i < STORAGE_TREES; i++)
			known |= strcmp(entry->d_name, storage_trees[i]) == 0;
	}
	return !dir || !known;
}

int storage_refit(struct storage *s, struct carrel_error *err)
{
	struct carrel_error failure = { 0 };
	struct disk_image have = { 0 }, plan = { 0 };
	struct statvfs fs;

	int r = storage_plan(s, &plan, err);
	if (r == 0)
		r = disk_image_read(s->user_fd, DISK_IMAGE, &have, err);
	_cleanup_close_ int mount = r < 0 ? r : open_mounted(s, err);
	if (mount < 0 || disk_image_fits(&have, &plan))
		return mount < 0 ? mount : steal_fd(&mount);

	if (can_grow(&have, &plan) && disk_image_grow(s->user_fd, mount, &plan, &failure) == 0)
		return steal_fd(&mount);
	if (has_others(mount)) {
		remember(s, "the disk image", "there is an unfinished change in it");
		return steal_fd(&mount);
	}
	/* Files, and not the tables that ext4 makes for as many as there could be, which take most of a large image. */
	if (fstatvfs(mount, &fs) < 0)
		return error_errno(err, "cannot ask for the use of the disk image");
	uint64_t used = (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
	bool roomy = has_room(s, &plan, used, fs.f_files - fs.f_ffree);
	if (roomy && (!s->deadline || used <= LOGIN_MOVE_MAX))
		return replace_image(s, steal_fd(&mount), &plan, err);
	if (have.block_size == plan.block_size && plan.blocks > have.blocks)
		(void)disk_image_grow(s->user_fd, mount, &plan, &failure);
	remember(s, "the disk image",
		 roomy ? "moving what is in it takes longer than a login may: run 'carrelctl apply'"
		       : "there is more in it than the limits allow");
	return steal_fd(&mount);
}

int storage_refit_live(struct storage *s, int dir, struct carrel_error *err)
{
	struct disk_image have = { 0 }, plan = { 0 };

	int r = storage_plan(s, &plan, err);
	if (r == 0)
		r = disk_image_read(s->user_fd, DISK_IMAGE, &have, err);
	if (r < 0 || disk_image_fits(&have, &plan))
		return r;
	/*
	 * More space than before even where the number of files, which goes by groups, is then another than that of the plan; but
	 * what would have to be taken back, since it has to be all or nothing, cannot be.
	 */
	bool all = can_grow(&have, &plan);
	if (have.block_size == plan.block_size && plan.blocks > have.blocks && (all || !s->whole)) {
		r = disk_image_grow(s->user_fd, dir, &plan, err);
		if ((r == 0 && all) || (r < 0 && r != -EPERM))
			return r;
	}
	return error_set(err, EBUSY,
			 "the disk image of uid %u is in use: user_limits.disk and user_limits.inodes are "
			 "applied when "
			 "the last session has ended",
			 s->uid);
}
