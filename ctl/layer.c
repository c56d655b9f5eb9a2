/*
 * layer.c - see layer.h. As root, in a tree that its user may have made a million levels deep: no recursion, and one descriptor of
 * it at a time; an image is at most IMAGE_DEPTH_MAX deep, so of those there is one for each level.
 */
#include "layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/array.h"
#include "core/cleanup.h"
#include "core/fs.h"

struct level {
	struct fs_place place;
	char **names;
	size_t count, next;
	size_t path_length; /* of the directory's own path */
	bool hides;	    /* what the images have in it: it is opaque, or in one that is */
	int under[LAYER_UNDER_MAX];
};

struct walk {
	int fd; /* the directory of the deepest level */
	struct level *levels;
	size_t depth;
	char *path;
	size_t path_room;
	size_t under;
	int (*visit)(const struct layer_entry *entry, void *arg, struct carrel_error *err);
	void *arg;
};

static int open_child(int dirfd, const char *name)
{
	return fs_open_child(dirfd, name, O_RDONLY | O_DIRECTORY);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void clear_level(struct level *level)
{
	for (size_t i = 0; i < level->count; i++)
		free(level->names[i]);
	free(level->names);
	for (size_t i = 0; i < LAYER_UNDER_MAX; i++)
		close_fd(&level->under[i]);
}

static int add_name(struct level *level, const char *name)
{
	_cleanup_free_ char *copy = strdup(name);
	int r = copy ? array_append(&level->names, &level->count, &copy, sizeof(copy)) : -ENOMEM;

	if (r == 0)
		steal_ptr(&copy);
	return r;
}

static int read_names(int fd, struct level *level)
{
	_cleanup_dir_ DIR *dir = fs_opendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return -errno;
	for (errno = 0; r == 0 && (entry = readdir(dir)); errno = 0)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = add_name(level, entry->d_name);
	if (r == 0)
		r = -errno;
	if (level->count)
		qsort(level->names, level->count, sizeof(*level->names), by_name);
	return r;
}

/* Go down into the directory `entry`, open as `fd`, which is then the walk's. `under` too. */
static int push(struct walk *w, const struct layer_entry *entry, int fd, const int *under)
{
	_cleanup_close_ int owned = fd;
	struct level level = { .path_length = strlen(w->path), .hides = entry->opaque || entry->hidden };
	struct stat st;

	for (size_t i = 0; i < LAYER_UNDER_MAX; i++)
		level.under[i] = i < w->under ? under[i] : -EBADF;
	int r = fstat(fd, &st) < 0 ? -errno : read_names(fd, &level);
	if (r == 0) {
		level.place = (struct fs_place){ st.st_dev, st.st_ino };
		r = array_append(&w->levels, &w->depth, &level, sizeof(level));
	}
	if (r < 0) {
		clear_level(&level);
		return r;
	}
	close_fd(&w->fd);
	w->fd = steal_fd(&owned);
	return 0;
}

static int pop(struct walk *w)
{
	clear_level(&w->levels[--w->depth]);
	return w->depth ? fs_go_up(&w->fd, &w->levels[w->depth - 1].place) : 0;
}

static int set_path(struct walk *w, size_t length, const char *name)
{
	size_t need = length + strlen(name) + 2;

	if (need > w->path_room) {
		char *more = realloc(w->path, need * 2);
		if (!more)
			return -ENOMEM;
		w->path = more;
		w->path_room = need * 2;
	}
	w->path[length] = '/';
	memcpy(w->path + length + 1, name, strlen(name) + 1);
	return 0;
}

static bool is_opaque(int fd)
{
	char value;

	return fgetxattr(fd, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

static void look_under(struct walk *w, struct layer_entry *entry, const int *under)
{
	for (size_t i = 0; i < LAYER_UNDER_MAX; i++) {
		entry->under[i].dirfd = i < w->under ? under[i] : -EBADF;
		entry->under[i].there = entry->under[i].dirfd >= 0 &&
					fstatat(entry->under[i].dirfd, entry->name, &entry->under[i].st,
						AT_SYMLINK_NOFOLLOW) == 0;
	}
}

/* Visit one entry; a directory is entered. */
static int step(struct walk *w, const char *name, struct carrel_error *err)
{
	struct level *level = &w->levels[w->depth - 1];
	struct layer_entry entry = { .name = name, .dirfd = w->fd, .hidden = level->hides };
	int under[LAYER_UNDER_MAX] = { -EBADF, -EBADF };
	int r = set_path(w, level->path_length, name);

	if (r < 0)
		return error_set(err, -r, "out of memory");
	entry.path = w->path;
	/* What a live session has removed meanwhile is not there. */
	if (fstatat(w->fd, name, &entry.st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot look at a file");
	entry.whiteout = S_ISCHR(entry.st.st_mode) && entry.st.st_rdev == makedev(0, 0);
	look_under(w, &entry, level->under);
	_cleanup_close_ int fd = S_ISDIR(entry.st.st_mode) ? open_child(w->fd, name) : -EBADF;
	if (S_ISDIR(entry.st.st_mode) && fd == -ENOENT)
		return 0;
	if (S_ISDIR(entry.st.st_mode) && fd < 0)
		return error_set(err, -fd, "cannot open a directory: %s", strerror(-fd));
	entry.opaque = fd >= 0 && is_opaque(fd);
	r = w->visit(&entry, w->arg, err);
	if (r != 0 || fd < 0)
		return r;
	for (size_t i = 0; i < w->under; i++)
		if (entry.under[i].there && S_ISDIR(entry.under[i].st.st_mode))
			under[i] = open_child(level->under[i], name);
	r = push(w, &entry, steal_fd(&fd), under);
	return r < 0 ? error_set(err, -r, "cannot read a directory: %s", strerror(-r)) : 0;
}

static int start(struct walk *w, int root, const int *under, struct carrel_error *err)
{
	struct layer_entry entry = { .path = "/", .name = ".", .dirfd = root };
	int copies[LAYER_UNDER_MAX] = { -EBADF, -EBADF };
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	w->path = calloc(1, 1);
	w->path_room = 1;
	if (fd < 0 || !w->path || fstat(fd, &entry.st) < 0) {
		int r = error_errno(err, "cannot open a root filesystem");
		close_fd(&fd);
		return r;
	}
	look_under(w, &entry, under);
	entry.opaque = is_opaque(fd);
	int r = w->visit(&entry, w->arg, err);
	if (r != 0) {
		close_fd(&fd);
		return r;
	}
	for (size_t i = 0; i < w->under; i++)
		copies[i] = under[i] < 0 ? -EBADF : openat(under[i], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = push(w, &entry, fd, copies);
	return r < 0 ? error_set(err, -r, "cannot read a directory: %s", strerror(-r)) : 0;
}

int layer_walk(int root, const int *under, size_t count,
	       int (*visit)(const struct layer_entry *entry, void *arg, struct carrel_error *err), void *arg,
	       struct carrel_error *err)
{
	struct walk w = { .fd = -EBADF, .under = count, .visit = visit, .arg = arg };
	int r = start(&w, root, under, err);

	while (r == 0 && w.depth > 0) {
		struct level *level = &w.levels[w.depth - 1];
		if (level->next < level->count)
			r = step(&w, level->names[level->next++], err);
		else if ((r = pop(&w)) < 0)
			error_set(err, -r, "cannot go back to a directory: %s", strerror(-r));
	}
	while (w.depth > 0)
		clear_level(&w.levels[--w.depth]);
	free(w.levels);
	free(w.path);
	close_fd(&w.fd);
	return r;
}
