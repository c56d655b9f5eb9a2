/*
 * fs_walk.c - see fs_walk.h.
 *
 * As in fs_remove.c there is no recursion: down one component, and up to the directory that was left. Where reading goes on
 * after a subdirectory is remembered by its offset.
 */
#include "fs_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "array.h"
#include "cleanup.h"
#include "fs.h"
#include "text.h"

struct level {
	struct fs_place place;
	long next; /* where reading goes on */
};

struct walk {
	const struct fs_visitor *visitor;
	struct level *levels;
	size_t depth;
	int fd;			 /* the directory of the deepest level */
	char name[NAME_MAX + 1]; /* what is being visited, for the message */
};

static int descend(struct walk *w, int dirfd, const char *name)
{
	struct stat st;
	_cleanup_close_ int fd = fs_open_child(dirfd, name, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	int r = w->visitor->enter ? w->visitor->enter(w->visitor->arg, dirfd, name, &st) : 0;
	if (r != 0)
		return r;
	const struct level level = { .place = { st.st_dev, st.st_ino } };
	r = array_append(&w->levels, &w->depth, &level, sizeof(level));
	if (r < 0)
		return r;
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
	return fs_go_up(&w->fd, &w->levels[w->depth - 1].place);
}

/* One entry. 1: went down into it. */
static int visit(struct walk *w, const char *name)
{
	struct stat st;

	(void)text_format(w->name, sizeof(w->name), "%s", name);
	if (w->visitor->deadline && fs_now_ms() > w->visitor->deadline)
		return -ETIMEDOUT;
	if (fstatat(w->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return w->visitor->file ? w->visitor->file(w->visitor->arg, w->fd, name, &st) : 0;
	int r = descend(w, w->fd, name);
	return r == 0 ? 1 : r;
}

/* The rest of the current directory, up to its next subdirectory. 1: went down into that one. */
static int read_on(struct walk *w)
{
	_cleanup_dir_ DIR *dir = fs_opendir(w->fd);
	struct level *level = &w->levels[w->depth - 1];
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return -errno;
	if (level->next)
		seekdir(dir, level->next);
	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		level->next = telldir(dir);
		r = visit(w, entry->d_name); /* may move the levels */
	}
	return r == 0 && errno ? -errno : r;
}

int fs_walk_tree(int dirfd, const char *name, const struct fs_visitor *visitor, struct carrel_error *err)
{
	struct walk w = { .visitor = visitor, .fd = -EBADF };
	char safe[128];

	(void)text_format(w.name, sizeof(w.name), "%s", name);
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
	return r < 0 ? error_set(err, -r, "cannot %s '%s': %s", visitor->verb,
				 text_escape(safe, sizeof(safe), w.name), strerror(-r))
		     : r;
}

int fs_open_visited(int dirfd, const char *name, const struct stat *st, int flags)
{
	char magic[FS_MAGIC_MAX];
	struct stat now;
	_cleanup_close_ int fd = fs_open_child(dirfd, name, O_PATH);

	if (fd < 0)
		return fd;
	if (fstat(fd, &now) < 0)
		return -errno;
	if (now.st_dev != st->st_dev || now.st_ino != st->st_ino ||
	    (now.st_mode & S_IFMT) != (st->st_mode & S_IFMT))
		return -ESTALE;
	if (flags & O_PATH)
		return steal_fd(&fd);
	int opened = open(fs_magic_path(magic, fd), flags | O_CLOEXEC);
	return opened < 0 ? -errno : opened;
}
