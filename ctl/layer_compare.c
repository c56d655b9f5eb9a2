/* layer_compare.c - see layer.h: whether two files are the same. As root; neither is followed or trusted. */
#include "layer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"

#define CHUNK (128 * 1024)

static int open_file(const struct layer_place *place, uint64_t flags, struct carrel_error *err)
{
	int fd = fs_open_child(place->dirfd, place->name, flags);

	return fd < 0 ? error_set(err, -fd, "cannot open a file: %s", strerror(-fd)) : fd;
}

/* 1: the same bytes. */
static int same_bytes(const struct layer_place *a, const struct layer_place *b, struct carrel_error *err)
{
	_cleanup_close_ int fa = open_file(a, O_RDONLY, err);
	_cleanup_close_ int fb = fa < 0 ? fa : open_file(b, O_RDONLY, err);

	if (fb < 0)
		return fb;
	_cleanup_free_ char *buf = malloc(2 * (size_t)CHUNK);
	while (buf) {
		ssize_t na = fs_read_full(fa, buf, CHUNK), nb = fs_read_full(fb, buf + CHUNK, CHUNK);
		if (na < 0 || nb < 0)
			return error_set(err, EIO, "cannot read a file");
		if (na != nb || memcmp(buf, buf + CHUNK, (size_t)na) != 0)
			return 0;
		if (na == 0)
			return 1;
	}
	return error_set(err, ENOMEM, "out of memory");
}

static int same_link(const struct layer_place *a, const struct layer_place *b)
{
	char ta[PATH_MAX], tb[PATH_MAX];
	ssize_t na = readlinkat(a->dirfd, a->name, ta, sizeof(ta));
	ssize_t nb = readlinkat(b->dirfd, b->name, tb, sizeof(tb));

	return na >= 0 && na == nb && memcmp(ta, tb, (size_t)na) == 0;
}

static bool counts(const char *name)
{
	return strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0 ||
	       strncmp(name, "system.posix_acl_", 17) == 0;
}

/* Every attribute of `a` is there in `b`. Returns how many, or -1. */
static int attributes_in(const char *a, const char *b)
{
	char list[16384], va[4096], vb[4096];
	ssize_t size = listxattr(a, list, sizeof(list));
	int count = 0;

	if (size < 0)
		return errno == EOPNOTSUPP ? 0 : -1;
	for (const char *name = list; name < list + size; name += strlen(name) + 1) {
		if (!counts(name))
			continue;
		ssize_t na = getxattr(a, name, va, sizeof(va)), nb = getxattr(b, name, vb, sizeof(vb));
		if (na < 0 || na != nb || memcmp(va, vb, (size_t)na) != 0)
			return -1;
		count++;
	}
	return count;
}

static int same_attributes(const struct layer_place *a, const struct layer_place *b, struct carrel_error *err)
{
	char pa[FS_MAGIC_MAX], pb[FS_MAGIC_MAX];

	if (a->st->st_uid - a->uid_base != b->st->st_uid - b->uid_base ||
	    a->st->st_gid - a->gid_base != b->st->st_gid - b->gid_base)
		return 0;
	if (!S_ISLNK(a->st->st_mode) && (a->st->st_mode & 07777) != (b->st->st_mode & 07777))
		return 0;
	_cleanup_close_ int fa = open_file(a, O_PATH, err);
	_cleanup_close_ int fb = fa < 0 ? fa : open_file(b, O_PATH, err);
	if (fb < 0)
		return fb;
	int n = attributes_in(fs_magic_path(pa, fa), fs_magic_path(pb, fb));
	return n >= 0 && n == attributes_in(pb, pa);
}

int layer_compare(const struct layer_place *a, const struct layer_place *b, struct carrel_error *err)
{
	int same = 1;

	if ((a->st->st_mode & S_IFMT) != (b->st->st_mode & S_IFMT))
		return LAYER_TYPE;
	if (S_ISREG(a->st->st_mode))
		same = a->st->st_size == b->st->st_size ? same_bytes(a, b, err) : 0;
	else if (S_ISLNK(a->st->st_mode))
		same = same_link(a, b);
	else if (S_ISCHR(a->st->st_mode) || S_ISBLK(a->st->st_mode))
		same = a->st->st_rdev == b->st->st_rdev;
	if (same <= 0)
		return same < 0 ? same : LAYER_CONTENT;
	same = same_attributes(a, b, err);
	return same < 0 ? same : same ? LAYER_SAME : LAYER_ATTRIBUTES;
}
