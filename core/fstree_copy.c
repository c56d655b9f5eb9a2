/*
 * fstree_copy.c - fstree_copy of fstree.h.
 *
 * A file with several names is made below its inode number in the directory `links` first, and linked to each of its
 * places: so the memory that is needed does not depend on how many there are.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "cleanup.h"
#include "fs.h"
#include "fstree.h"
#include "text.h"

#define CHUNK	    (256 * 1024)
#define XATTR_NAMES 65536 /* XATTR_LIST_MAX */
#define XATTR_VALUE 65536 /* XATTR_SIZE_MAX */

struct copy {
	const struct fstree_copy *how;
	int to; /* the directory that corresponds to the one that is walked */
	char *buffer;
};

/* Both are paths of /proc/self/fd, by which attributes of links, pipes and sockets can be reached, too. */
static int copy_xattrs(const char *from, const char *to, const char *without)
{
	char names[XATTR_NAMES], value[XATTR_VALUE];

	ssize_t size = listxattr(from, names, XATTR_NAMES);
	if (size < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *name = names; name < names + size; name += strlen(name) + 1) {
		if (without && strcmp(name, without) == 0)
			continue;
		ssize_t n = getxattr(from, name, value, XATTR_VALUE);
		if (n < 0 && errno == ENODATA)
			continue;
		if (n < 0 || setxattr(to, name, value, (size_t)n, 0) < 0)
			return -errno;
	}
	return 0;
}

static int copy_xattrs_fd(int from, int to, const char *without)
{
	char source[32], target[32];

	snprintf(source, sizeof(source), "/proc/self/fd/%d", from);
	snprintf(target, sizeof(target), "/proc/self/fd/%d", to);
	return copy_xattrs(source, target, without);
}

/* Mode after owner, since a change of owner clears set-id bits; times last. */
static int copy_attributes(int from, int to, const struct stat *st, const char *without)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
		return -errno;
	int r = copy_xattrs_fd(from, to, without);
	if (r < 0)
		return r;
	return futimens(to, times) < 0 ? -errno : 0;
}

static int write_at(int fd, const char *data, size_t size, off_t offset)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, data, size, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
		offset += n;
	}
	return 0;
}

/* From the first byte of data at or behind *at to the next hole. *at is then there. */
static int copy_extent(const struct copy *c, int from, int to, off_t *at)
{
	off_t end = lseek(from, *at, SEEK_HOLE);

	if (end < 0)
		return -errno;
	while (*at < end) {
		if (c->how->deadline && fs_now_ms() > c->how->deadline)
			return -ETIMEDOUT;
		size_t want = end - *at < (off_t)CHUNK ? (size_t)(end - *at) : CHUNK;
		ssize_t n = pread(from, c->buffer, want, *at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		int r = write_at(to, c->buffer, (size_t)n, *at);
		if (r < 0)
			return r;
		*at += n;
	}
	return 0;
}

static int copy_data(const struct copy *c, int from, int to, off_t size)
{
	for (off_t at = 0;;) {
		at = lseek(from, at, SEEK_DATA);
		if (at < 0 && errno != ENXIO)
			return -errno;
		if (at < 0)
			return ftruncate(to, size) < 0 ? -errno : 0;
		int r = copy_extent(c, from, to, &at);
		if (r < 0)
			return r;
	}
}

static int copy_regular(const struct copy *c, int dirfd, const char *name, const struct stat *st, int to,
			const char *as)
{
	struct stat now;
	_cleanup_close_ int from = openat(dirfd, name,
					  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);

	if (from < 0 || fstat(from, &now) < 0)
		return -errno;
	if (now.st_dev != st->st_dev || now.st_ino != st->st_ino)
		return -ESTALE;
	_cleanup_close_ int copy = openat(to, as, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (copy < 0)
		return -errno;
	int r = copy_data(c, from, copy, st->st_size);
	return r < 0 ? r : copy_attributes(from, copy, st, c->how->without);
}

static int make_special(int from, const char *name, const struct stat *st, int to, const char *as)
{
	char target[PATH_MAX];

	if (!S_ISLNK(st->st_mode))
		return mknodat(to, as, st->st_mode & (S_IFMT | 07777), st->st_rdev) < 0 ? -errno : 0;
	ssize_t n = readlinkat(from, name, target, sizeof(target));
	if (n < 0 || (size_t)n >= sizeof(target))
		return n < 0 ? -errno : -ENAMETOOLONG;
	target[n] = '\0';
	return symlinkat(target, to, as) < 0 ? -errno : 0;
}

int fstree_copy_special(int from, const char *name, const struct stat *st, int to, const char *as)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	int r = make_special(from, name, st, to, as);
	if (r < 0)
		return r;
	if (fchownat(to, as, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISLNK(st->st_mode) && fchmodat(to, as, st->st_mode & 07777, 0) < 0))
		return -errno;
	_cleanup_close_ int old = openat(from, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int new = openat(to, as, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (old < 0 || new < 0)
		return -errno;
	r = copy_xattrs_fd(old, new, NULL);
	if (r < 0)
		return r;
	return utimensat(to, as, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_one(const struct copy *c, int dirfd, const char *name, const struct stat *st, int to,
		    const char *as)
{
	return S_ISREG(st->st_mode) ? copy_regular(c, dirfd, name, st, to, as)
				    : fstree_copy_special(dirfd, name, st, to, as);
}

static int on_file(void *arg, int dirfd, const char *name, const struct stat *st)
{
	const struct copy *c = arg;
	char number[32];

	if (st->st_nlink < 2)
		return copy_one(c, dirfd, name, st, c->to, name);
	snprintf(number, sizeof(number), "%" PRIu64 ".%" PRIu64, (uint64_t)st->st_dev, (uint64_t)st->st_ino);
	if (linkat(c->how->links, number, c->to, name, 0) == 0)
		return 0;
	/* Its copy has no room for another name: one more copy, which loses nothing. */
	if (errno == EMLINK)
		return copy_one(c, dirfd, name, st, c->to, name);
	if (errno != ENOENT)
		return -errno;
	int r = copy_one(c, dirfd, name, st, c->how->links, number);
	if (r < 0)
		return r;
	return linkat(c->how->links, number, c->to, name, 0) < 0 ? -errno : 0;
}

static int on_enter(void *arg, int dirfd, const char *name, const struct stat *st)
{
	struct copy *c = arg;

	if (mkdirat(c->to, name, 0700) < 0)
		return -errno;
	int fd = openat(c->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close_fd(&c->to);
	c->to = fd;
	return 0;
}

static int on_leave(void *arg, int fd, const struct stat *st)
{
	struct copy *c = arg;

	int r = copy_attributes(fd, c->to, st, c->how->without);
	if (r < 0)
		return r;
	int up = openat(c->to, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (up < 0)
		return -errno;
	close_fd(&c->to);
	c->to = up;
	return 0;
}

int fstree_copy(int from, const char *name, int to, const struct fstree_copy *how)
{
	char buffer[CHUNK];
	struct copy c = { .how = how, .buffer = buffer };
	const struct fstree_visitor visitor = { on_file, on_enter, on_leave, &c, how->deadline };

	c.to = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c.to < 0)
		return -errno;
	int r = fstree_walk(from, name, &visitor);
	close_fd(&c.to);
	return r;
}
