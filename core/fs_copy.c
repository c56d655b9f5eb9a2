/*
 * fs_copy.c - see fs_copy.h. On fs_walk.h: the copy's directory follows the one that is visited, down and up.
 *
 * A file with several names also has one in "links", after its inode, by which its other names find it: so the memory that is
 * needed does not depend on how many there are.
 */
#include "fs_copy.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

#include "array.h"
#include "cleanup.h"
#include "fs.h"
#include "fs_walk.h"

#define CHUNK (1 << 20) /* bytes from one look at the deadline to the next */
#define LINKS "links"

typedef bool keep_xattr_fn(const char *name);

struct copying {
	struct fs_copy *copy;
	int to;			 /* the copy's directory */
	struct fs_place *places; /* of the copy's directories, from where it is put to that one */
	size_t depth;
	bool no_clone; /* the filesystem has refused to share blocks */
};

/* By paths that reach what a descriptor is open on, be it a link: O_PATH has no fsetxattr. */
static int copy_xattrs(const char *from, const char *to, keep_xattr_fn *keep)
{
	char list[XATTR_LIST_MAX], value[XATTR_SIZE_MAX];
	ssize_t size = listxattr(from, list, sizeof(list));

	if (size < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	for (const char *name = list; name < list + size; name += strlen(name) + 1) {
		if (keep && !keep(name))
			continue;
		ssize_t n = getxattr(from, name, value, sizeof(value));
		if (n < 0 && errno == ENODATA)
			continue;
		if (n < 0 || setxattr(to, name, value, (size_t)n, 0) < 0)
			return -errno;
	}
	return 0;
}

/* All but the content, in the order in which nothing undoes another. `from` and `to` may be O_PATH. */
static int copy_attributes(int from, int to, const struct stat *st, keep_xattr_fn *keep)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	char source[FS_MAGIC_MAX], target[FS_MAGIC_MAX];

	fs_magic_path(source, from);
	fs_magic_path(target, to);
	if (fchownat(to, "", st->st_uid, st->st_gid, AT_EMPTY_PATH) < 0)
		return -errno;
	if (!S_ISLNK(st->st_mode) && chmod(target, st->st_mode & 07777) < 0)
		return -errno;
	int r = copy_xattrs(source, target, keep);
	if (r < 0)
		return r;
	return utimensat(AT_FDCWD, target, times, 0) < 0 ? -errno : 0;
}

/* sendfile shares nothing, and is as fast as copy_file_range, which does not go from any filesystem to any other. */
static int copy_range(int from, int to, off_t start, off_t end, int64_t deadline)
{
	if (lseek(to, start, SEEK_SET) < 0)
		return -errno;
	while (start < end) {
		if (deadline && fs_now_ms() > deadline)
			return -ETIMEDOUT;
		ssize_t n = sendfile(to, from, &start, end - start < CHUNK ? (size_t)(end - start) : CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
	}
	return 0;
}

/* The data between holes. */
static int copy_data(int from, int to, off_t size, int64_t deadline)
{
	for (off_t start = 0, end = 0; end < size;) {
		start = lseek(from, end, SEEK_DATA);
		if (start < 0 && errno == ENXIO)
			break; /* a hole up to the end */
		end = start < 0 ? start : lseek(from, start, SEEK_HOLE);
		if (end < 0)
			return -errno;
		int r = copy_range(from, to, start, end, deadline);
		if (r < 0)
			return r;
	}
	return ftruncate(to, size) < 0 ? -errno : 0;
}

static int copy_content(struct copying *c, int from, int to, off_t size)
{
	if (!c->no_clone) {
		if (ioctl(to, FICLONE, from) == 0)
			return 0;
		/* EINVAL is about this one: on btrfs a file that is not copied on write shares with none that is. */
		c->no_clone = errno == EOPNOTSUPP || errno == ENOTTY || errno == EXDEV;
		if (!c->no_clone && errno != EINVAL)
			return -errno;
	}
	return copy_data(from, to, size, c->copy->deadline);
}

static int copy_regular(struct copying *c, int dirfd, const char *name, const struct stat *st)
{
	_cleanup_close_ int from = fs_open_visited(dirfd, name, st, O_RDONLY | O_NOATIME);
	if (from < 0)
		return from;
	_cleanup_close_ int to = openat(c->to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
					0600);
	if (to < 0)
		return -errno;
	c->copy->bytes += (uint64_t)st->st_size;
	int r = copy_content(c, from, to, st->st_size);
	return r < 0 ? r : copy_attributes(from, to, st, c->copy->keep_xattr);
}

static int make_special(int from, const struct stat *st, int to, const char *as)
{
	char target[PATH_MAX];

	if (!S_ISLNK(st->st_mode))
		return mknodat(to, as, (st->st_mode & S_IFMT) | 0600, st->st_rdev) < 0 ? -errno : 0;
	ssize_t n = readlinkat(from, "", target, sizeof(target));
	if (n < 0 || (size_t)n >= sizeof(target))
		return n < 0 ? -errno : -ENAMETOOLONG;
	target[n] = '\0';
	return symlinkat(target, to, as) < 0 ? -errno : 0;
}

static int copy_special(int dirfd, const char *name, const struct stat *st, int to, const char *as,
			keep_xattr_fn *keep)
{
	_cleanup_close_ int old = fs_open_visited(dirfd, name, st, O_PATH);
	int r = old < 0 ? old : make_special(old, st, to, as);
	if (r < 0)
		return r;
	_cleanup_close_ int new = fs_open_child(to, as, O_PATH);
	return new < 0 ? new : copy_attributes(old, new, st, keep);
}

int fs_copy_special(int from, const char *name, const struct stat *st, int to, const char *as)
{
	return copy_special(from, name, st, to, as, NULL);
}

/* One more name of a file that is there already. 1: done. 0: it is the first one. */
static int link_known(const struct copying *c, const char *name, const char *key)
{
	if (linkat(c->copy->links_fd, key, c->to, name, 0) == 0)
		return 1;
	if (errno == ENOENT)
		return 0;
	/* As many names as the filesystem allows, and ours among them: it becomes the last one, and the next one another copy. */
	if (errno == EMLINK && renameat(c->copy->links_fd, key, c->to, name) == 0)
		return 1;
	return -errno;
}

static int on_file(void *arg, int dirfd, const char *name, const struct stat *st)
{
	struct copying *c = arg;
	char key[48] = "";

	c->copy->entries++;
	if (st->st_nlink > 1) {
		(void)snprintf(key, sizeof(key), "%" PRIu64 ".%" PRIu64, (uint64_t)st->st_dev,
			       (uint64_t)st->st_ino);
		int known = link_known(c, name, key);
		if (known != 0)
			return known < 0 ? known : 0;
	}
	int r = S_ISREG(st->st_mode) ? copy_regular(c, dirfd, name, st)
				     : copy_special(dirfd, name, st, c->to, name, c->copy->keep_xattr);
	if (r == 0 && *key && linkat(c->to, name, c->copy->links_fd, key, 0) < 0)
		return -errno;
	return r;
}

/* `fd` is the copy's directory from now on. */
static int follow(struct copying *c, int fd)
{
	_cleanup_close_ int owned = fd;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	const struct fs_place place = { st.st_dev, st.st_ino };
	int r = array_append(&c->places, &c->depth, &place, sizeof(place));
	if (r < 0)
		return r;
	close_fd(&c->to);
	c->to = steal_fd(&owned);
	return 0;
}

static int on_enter(void *arg, int dirfd, const char *name, const struct stat *st)
{
	struct copying *c = arg;

	(void)dirfd;
	(void)st;
	if (mkdirat(c->to, name, 0700) < 0)
		return -errno;
	c->copy->entries += c->depth > 1;
	int fd = fs_open_child(c->to, name, O_RDONLY | O_DIRECTORY);
	return fd < 0 ? fd : follow(c, fd);
}

static int on_leave(void *arg, int fd, const struct stat *st)
{
	struct copying *c = arg;
	int r = copy_attributes(fd, c->to, st, c->copy->keep_xattr);

	c->depth--;
	return r < 0 ? r : fs_go_up(&c->to, &c->places[c->depth - 1]);
}

int fs_copy_begin(struct fs_copy *copy, int dirfd, struct carrel_error *err)
{
	if (mkdirat(dirfd, LINKS, 0700) < 0)
		return error_errno(err, "cannot make '" LINKS "'");
	copy->dirfd = dirfd;
	copy->links_fd = fs_open_child(dirfd, LINKS, O_RDONLY | O_DIRECTORY);
	return copy->links_fd < 0 ? error_set(err, -copy->links_fd, "cannot open '" LINKS "': %s",
					      strerror(-copy->links_fd))
				  : 0;
}

int fs_copy_end(struct fs_copy *copy, int result, struct carrel_error *err)
{
	close_fd(&copy->links_fd);
	int r = result < 0 ? 0 : fs_remove_tree(copy->dirfd, LINKS);
	return r < 0 ? error_set(err, -r, "cannot remove '" LINKS "': %s", strerror(-r)) : result;
}

int fs_copy_tree(int from_fd, const char *name, int to_fd, struct fs_copy *copy, struct carrel_error *err)
{
	struct copying c = { .copy = copy, .to = -EBADF };
	const struct fs_visitor visitor = { "copy", on_file, on_enter, on_leave, &c, copy->deadline };
	int start = openat(to_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	int r = start < 0 ? -errno : follow(&c, start);
	r = r < 0 ? error_set(err, -r, "cannot open the place of a copy: %s", strerror(-r))
		  : fs_walk_tree(from_fd, name, &visitor, err);
	if (r == -E2BIG)
		r = error_context(err, "a file has too many extended attributes (more than 64 KiB of names)");
	free(c.places);
	close_fd(&c.to);
	return r;
}
