/*
 * fstree_walk.c - fstree_walk of fstree.h.
 *
 * As in fs_remove.c there is no recursion: down by openat2 of one component, up by "..", which must be the directory
 * that was left. Where reading goes on after a subdirectory is remembered by its offset.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>

#include "cleanup.h"
#include "fs.h"
#include "fstree.h"

struct level {
	dev_t dev;
	ino_t ino;
	long next; /* where reading goes on */
};

struct walk {
	const struct fstree_visitor *visitor;
	struct level *levels;
	size_t depth, room;
	int fd; /* the directory of the deepest level */
};

static int descend(struct walk *w, int dirfd, const char *name)
{
	struct stat st;
	_cleanup_close_ int fd = fs_openat2(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK, 0,
					    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	int r = w->visitor->enter ? w->visitor->enter(w->visitor->arg, dirfd, name, &st) : 0;
	if (r != 0)
		return r;
	if (w->depth == w->room) {
		size_t room = w->room ? w->room * 2 : 64;
		struct level *more = reallocarray(w->levels, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		w->levels = more;
		w->room = room;
	}
	w->levels[w->depth++] = (struct level){ .dev = st.st_dev, .ino = st.st_ino };
	close_fd(&w->fd);
	w->fd = steal_fd(&fd);
	return 0;
}

static int ascend(struct walk *w)
{
	struct stat st;

	if (fstat(w->fd, &st) < 0)
		return -errno;
	int r = w->visitor->leave ? w->visitor->leave(w->visitor->arg, w->fd, &st) : 0;
	if (r != 0 || --w->depth == 0)
		return r;
	const struct level *parent = &w->levels[w->depth - 1];
	_cleanup_close_ int fd = openat(w->fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != parent->dev || st.st_ino != parent->ino)
		return -ESTALE; /* somebody moved it */
	close_fd(&w->fd);
	w->fd = steal_fd(&fd);
	return 0;
}

/* One entry. 1: went down into it. */
static int visit(struct walk *w, int dirfd, const char *name)
{
	struct stat st;

	if (w->visitor->deadline && fs_now_ms() > w->visitor->deadline)
		return -ETIMEDOUT;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return w->visitor->file ? w->visitor->file(w->visitor->arg, dirfd, name, &st) : 0;
	int r = descend(w, dirfd, name);
	return r == 0 ? 1 : r;
}

/* The rest of the current directory, up to its next subdirectory. 1: went down into that one. */
static int read_on(struct walk *w)
{
	struct dirent *entry;
	int r = 0, copy = openat(w->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);

	if (!dir) {
		r = -errno;
		close_fd(&copy);
		return r;
	}
	struct level *level = &w->levels[w->depth - 1];
	if (level->next)
		seekdir(dir, level->next);
	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		level->next = telldir(dir);
		r = visit(w, copy, entry->d_name); /* may move the levels */
	}
	return r == 0 && errno ? -errno : r;
}

int fstree_walk(int dirfd, const char *name, const struct fstree_visitor *visitor)
{
	struct walk w = { .visitor = visitor, .fd = -EBADF };

	int r = fs_is_component(name) ? descend(&w, dirfd, name) : -EINVAL;
	while (r == 0 && w.depth > 0) {
		r = read_on(&w);
		if (r == 0)
			r = ascend(&w);
		else if (r == 1)
			r = 0;
	}
	free(w.levels);
	close_fd(&w.fd);
	return r;
}
