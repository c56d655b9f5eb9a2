/*
 * fs_copy.c - fs_copy_tree of fs.h: a tree that its user filled as they liked, copied by root.
 *
 * The tree may be a million levels deep or wide, so there is no recursion and one descriptor of each side at a time: down by
 * openat2 of one component, up by "..", which must be the directory that was left. A directory gets its owner, mode and
 * attributes when everything is in it, so that no default ACL or set-group-ID bit reaches its children.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "cleanup.h"
#include "fs.h"
#include "text.h"

#define RESOLVE_CHILD (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV)
#define CHUNK	      (1u << 30)

struct side {
	dev_t dev;
	ino_t ino;
};

struct level {
	struct side from, to;
	char *dirs; /* subdirectories, each with its NUL */
	size_t size, room, next;
};

struct copying {
	struct fs_copy *copy;
	struct level *levels;
	size_t depth, room;
	int from, to;		 /* the directories of the deepest level */
	char *list, *value;	 /* of extended attributes: XATTR_LIST_MAX, XATTR_SIZE_MAX */
	char name[NAME_MAX + 1]; /* what is being copied, for the message */
};

static int open_child(int dirfd, const char *name, uint64_t flags)
{
	return fs_openat2(dirfd, name, flags | O_NOFOLLOW, 0, RESOLVE_CHILD);
}

/* By the magic link, which reaches what the descriptor is open on, be it a symbolic link: O_PATH has no fsetxattr. */
static void magic_path(char path[32], int fd)
{
	(void)snprintf(path, 32, "/proc/self/fd/%d", fd);
}

static int copy_xattrs(struct copying *c, int from, int to)
{
	char source[32], target[32];

	magic_path(source, from);
	magic_path(target, to);
	ssize_t size = listxattr(source, c->list, XATTR_LIST_MAX);
	if (size < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	for (const char *name = c->list; name < c->list + size; name += strlen(name) + 1) {
		if (c->copy->keep_xattr && !c->copy->keep_xattr(name))
			continue;
		ssize_t n = getxattr(source, name, c->value, XATTR_SIZE_MAX);
		if (n < 0 || setxattr(target, name, c->value, (size_t)n, 0) < 0)
			return -errno;
	}
	return 0;
}

/* All but the content, in the order in which nothing undoes another. `from` and `to` may be O_PATH. */
static int copy_attributes(struct copying *c, int from, int to, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	char target[32];

	magic_path(target, to);
	if (fchownat(to, "", st->st_uid, st->st_gid, AT_EMPTY_PATH) < 0)
		return -errno;
	if (!S_ISLNK(st->st_mode) && chmod(target, st->st_mode & 07777) < 0)
		return -errno;
	int r = copy_xattrs(c, from, to);
	if (r < 0)
		return r;
	return utimensat(AT_FDCWD, target, times, 0) < 0 ? -errno : 0;
}

/* The data between holes. */
static int copy_extents(int from, int to, off_t size)
{
	off_t at = 0;

	while (at < size) {
		off_t start = lseek(from, at, SEEK_DATA);
		if (start < 0)
			return errno == ENXIO ? 0 : -errno; /* a hole up to the end */
		off_t end = lseek(from, start, SEEK_HOLE), out = start;
		if (end < 0)
			return -errno;
		while (start < end) {
			size_t left = end - start > (off_t)CHUNK ? CHUNK : (size_t)(end - start);
			ssize_t n = copy_file_range(from, &start, to, &out, left, 0);
			if (n <= 0)
				return n < 0 ? -errno : -EIO;
		}
		at = end;
	}
	return 0;
}

static int copy_content(struct copying *c, int from, int to, off_t size)
{
	if (!c->copy->no_clone) {
		if (ioctl(to, FICLONE, from) == 0)
			return 0;
		if (errno != EOPNOTSUPP && errno != ENOTTY && errno != EINVAL && errno != EXDEV)
			return -errno;
		c->copy->no_clone = true;
	}
	int r = copy_extents(from, to, size);
	return r == 0 && ftruncate(to, size) < 0 ? -errno : r;
}

static int copy_regular(struct copying *c, const char *name, const struct stat *st)
{
	struct stat now;
	_cleanup_close_ int from = open_child(c->from, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	if (from < 0)
		return from;
	if (fstat(from, &now) < 0 || !S_ISREG(now.st_mode) || now.st_ino != st->st_ino)
		return -ESTALE;
	_cleanup_close_ int to = openat(c->to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
					0600);
	if (to < 0)
		return -errno;
	int r = copy_content(c, from, to, st->st_size);
	return r < 0 ? r : copy_attributes(c, from, to, st);
}

/* A symbolic link, FIFO, socket or device; a whiteout is the character device 0:0. */
static int copy_special(struct copying *c, const char *name, const struct stat *st)
{
	char target[PATH_MAX];

	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(c->from, name, target, sizeof(target) - 1);
		if (n < 0)
			return -errno;
		target[n] = '\0';
		if (symlinkat(target, c->to, name) < 0)
			return -errno;
	} else if (mknodat(c->to, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev) < 0) {
		return -errno;
	}
	_cleanup_close_ int from = open_child(c->from, name, O_PATH);
	_cleanup_close_ int to = open_child(c->to, name, O_PATH);
	if (from < 0 || to < 0)
		return from < 0 ? from : to;
	return copy_attributes(c, from, to, st);
}

/* One more name of a file that is there already. 1: done. 0: it is the first one. */
static int link_known(struct copying *c, const char *name, const char *key)
{
	if (linkat(c->copy->links_fd, key, c->to, name, 0) == 0)
		return 1;
	if (errno == ENOENT)
		return 0;
	/* As many names as the filesystem allows, and ours among them: it becomes the last one. */
	if (errno == EMLINK && renameat(c->copy->links_fd, key, c->to, name) == 0)
		return 1;
	return -errno;
}

static int copy_file(struct copying *c, const char *name, const struct stat *st)
{
	char key[24] = "";
	int r = 0;

	if (st->st_nlink > 1) {
		(void)snprintf(key, sizeof(key), "%llu", (unsigned long long)st->st_ino);
		r = link_known(c, name, key);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	r = S_ISREG(st->st_mode) ? copy_regular(c, name, st) : copy_special(c, name, st);
	if (r == 0 && *key && linkat(c->to, name, c->copy->links_fd, key, 0) < 0)
		r = -errno;
	if (r == 0 && S_ISREG(st->st_mode))
		c->copy->bytes += (uint64_t)st->st_size;
	return r;
}

static int remember_dir(struct level *level, const char *name)
{
	size_t length = strlen(name) + 1;

	if (level->size + length > level->room) {
		size_t room = (level->room ? level->room * 2 : 256) + length;
		char *more = realloc(level->dirs, room);
		if (!more)
			return -ENOMEM;
		level->dirs = more;
		level->room = room;
	}
	memcpy(level->dirs + level->size, name, length);
	level->size += length;
	return 0;
}

/* Everything in the current directory but its subdirectories, which are remembered. */
static int copy_entries(struct copying *c)
{
	struct level *level = &c->levels[c->depth - 1];
	struct dirent *entry;
	struct stat st;
	int r = 0, copy = openat(c->from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);

	if (!dir) {
		r = -errno;
		close_fd(&copy);
		return r;
	}
	for (errno = 0; r == 0 && (entry = readdir(dir)); errno = 0) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		(void)text_format(c->name, sizeof(c->name), "%s", entry->d_name);
		c->copy->entries++;
		if (fstatat(c->from, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		r = S_ISDIR(st.st_mode) ? remember_dir(level, entry->d_name)
					: copy_file(c, entry->d_name, &st);
	}
	return r < 0 ? r : -errno;
}

static int push(struct copying *c, int from, int to)
{
	struct stat a, b;

	if (c->depth == c->room) {
		size_t room = c->room ? c->room * 2 : 64;
		struct level *more = reallocarray(c->levels, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		c->levels = more;
		c->room = room;
	}
	if (fstat(from, &a) < 0 || fstat(to, &b) < 0)
		return -errno;
	c->levels[c->depth++] = (struct level){ .from = { a.st_dev, a.st_ino },
						.to = { b.st_dev, b.st_ino } };
	return 0;
}

static int descend(struct copying *c, int from_dir, int to_dir, const char *from_name, const char *to_name)
{
	(void)text_format(c->name, sizeof(c->name), "%s", from_name);
	_cleanup_close_ int from = open_child(from_dir, from_name, O_RDONLY | O_DIRECTORY);
	if (from < 0)
		return from;
	if (mkdirat(to_dir, to_name, 0700) < 0)
		return -errno;
	_cleanup_close_ int to = open_child(to_dir, to_name, O_RDONLY | O_DIRECTORY);
	int r = to < 0 ? to : push(c, from, to);
	if (r < 0)
		return r;
	close_fd(&c->from);
	close_fd(&c->to);
	c->from = steal_fd(&from);
	c->to = steal_fd(&to);
	return copy_entries(c);
}

static int go_up(int *fd, const struct side *parent)
{
	struct stat st;
	_cleanup_close_ int up = openat(*fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (up < 0 || fstat(up, &st) < 0)
		return -errno;
	if (st.st_dev != parent->dev || st.st_ino != parent->ino)
		return -ESTALE;
	close_fd(fd);
	*fd = steal_fd(&up);
	return 0;
}

/* The current directory is done: give it its attributes and go back up. */
static int ascend(struct copying *c)
{
	struct stat st;

	if (fstat(c->from, &st) < 0)
		return -errno;
	int r = copy_attributes(c, c->from, c->to, &st);
	if (r < 0)
		return r;
	free(c->levels[--c->depth].dirs);
	if (c->depth == 0)
		return 0;
	r = go_up(&c->from, &c->levels[c->depth - 1].from);
	return r < 0 ? r : go_up(&c->to, &c->levels[c->depth - 1].to);
}

static int walk(struct copying *c)
{
	int r = 0;

	while (r == 0 && c->depth > 0) {
		struct level *level = &c->levels[c->depth - 1];
		if (level->next == level->size) {
			r = ascend(c);
			continue;
		}
		/* The level may move while the next one is pushed; its list of names does not. */
		const char *name = level->dirs + level->next;
		level->next += strlen(name) + 1;
		r = descend(c, c->from, c->to, name, name);
	}
	return r;
}

int fs_copy_tree(int from_fd, const char *from, int to_fd, const char *to, struct fs_copy *copy,
		 struct carrel_error *err)
{
	struct copying c = { .copy = copy, .from = -EBADF, .to = -EBADF };
	char safe[128];

	if (!fs_is_component(from) || !fs_is_component(to))
		return error_set(err, EINVAL, "not a plain file name");
	c.list = malloc(XATTR_LIST_MAX);
	c.value = malloc(XATTR_SIZE_MAX);
	int r = c.list && c.value ? descend(&c, from_fd, to_fd, from, to) : -ENOMEM;
	if (r == 0)
		r = walk(&c);
	while (c.depth > 0)
		free(c.levels[--c.depth].dirs);
	free(c.levels);
	free(c.list);
	free(c.value);
	close_fd(&c.from);
	close_fd(&c.to);
	return r < 0 ? error_set(err, -r, "cannot copy '%s': %s", text_escape(safe, sizeof(safe), c.name),
				 strerror(-r))
		     : 0;
}
