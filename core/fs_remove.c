/*
 * fs_remove.c - fs_remove_tree of fs.h: a tree that its former user made as hard to remove as they could.
 *
 * The tree may be a million levels deep or wide, so there is no recursion and one descriptor at a time: down one component, and up to
 * the directory that was left. A level costs 56 bytes.
 * After a child the parent is read on from that child, which can be removed by then or is in the level's list of leftovers. From its
 * start each time would take a filesystem that leaves room where names were past all of that room again. Where offsets move when
 * names go (tmpfs before Linux 6.6), something is skipped: so what was read in pieces is read once more, until nothing is found.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "array.h"
#include "cleanup.h"
#include "fs.h"

struct level {
	struct fs_place place;
	ino_t entry; /* d_ino in the parent, which an overlay may number otherwise */
	ino_t *left; /* subdirectories that cannot be removed */
	size_t lefts;
	long next;  /* where reading goes on */
	bool found; /* something to remove, since it was read from the start */
};

struct removal {
	struct level *levels;
	size_t depth;
	int fd;	   /* the directory of the deepest level */
	int error; /* the first one, negative */
};

static void note(struct removal *rm, int error)
{
	if (rm->error == 0)
		rm->error = error;
}

static bool is_left(const struct level *level, ino_t ino)
{
	for (size_t i = 0; i < level->lefts; i++) {
		if (level->left[i] == ino)
			return true;
	}
	return false;
}

static int leave(struct level *level, ino_t ino)
{
	return array_append(&level->left, &level->lefts, &ino, sizeof(ino));
}

/* Go down into `name`. 0, or -errno when it cannot be entered, e.g. -EXDEV for a mount point. */
static int descend(struct removal *rm, int dirfd, const char *name, ino_t entry)
{
	struct stat st;
	_cleanup_close_ int fd = fs_open_child(dirfd, name, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	const struct level level = { .place = { st.st_dev, st.st_ino }, .entry = entry };
	int r = array_append(&rm->levels, &rm->depth, &level, sizeof(level));
	if (r < 0)
		return r;
	close_fd(&rm->fd);
	rm->fd = steal_fd(&fd);
	return 0;
}

/* Go back up. A child that could not be emptied is a leftover of its parent. */
static int ascend(struct removal *rm)
{
	struct level done = rm->levels[--rm->depth];

	free(done.left);
	if (rm->depth == 0)
		return 0;
	struct level *parent = &rm->levels[rm->depth - 1];
	int r = fs_go_up(&rm->fd, &parent->place);
	if (r < 0)
		return r;
	return done.lefts ? leave(parent, done.entry) : 0;
}

/* Remove one entry. 1: it is a directory with something in it. 0: gone. -errno. */
static int remove_entry(int dirfd, const char *name, unsigned char type)
{
	if (type != DT_DIR) {
		if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
			return 0;
		if (errno != EISDIR)
			return -errno;
	}
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return errno == ENOTEMPTY || errno == EEXIST ? 1 : -errno;
}

/* Read `dir`, of the current directory, on to its end or to the first child that is not empty. 1: went down into that one. */
static int sweep_on(struct removal *rm, DIR *dir)
{
	struct level *level = &rm->levels[rm->depth - 1];
	struct dirent *entry;

	for (long at = telldir(dir); (entry = readdir(dir)); at = telldir(dir)) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    is_left(level, entry->d_ino))
			continue;
		level->found = true;
		int r = remove_entry(rm->fd, entry->d_name, entry->d_type);
		if (r > 0) {
			level->next = at;
			r = descend(rm, rm->fd, entry->d_name, entry->d_ino);
			if (r == 0)
				return 1;
		}
		if (r < 0) {
			note(rm, r);
			r = leave(level, entry->d_ino);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* Empty the current directory up to the first child that is not empty. 1: went down into that one. 0: done. */
static int sweep(struct removal *rm)
{
	_cleanup_dir_ DIR *dir = fs_opendir(rm->fd);
	int r = 0;

	if (!dir)
		return -errno;
	for (;;) {
		struct level *level = &rm->levels[rm->depth - 1];
		bool piece = level->next != 0;
		if (piece)
			seekdir(dir, level->next);
		r = sweep_on(rm, dir);
		if (r != 0 || !piece || !level->found)
			return r;
		level->next = 0;
		level->found = false;
		rewinddir(dir);
	}
}

int fs_remove_tree(int dirfd, const char *name)
{
	struct removal rm = { .fd = -EBADF };

	if (!fs_is_component(name))
		return -EINVAL;
	int r = remove_entry(dirfd, name, DT_UNKNOWN);
	if (r <= 0)
		return r;
	r = descend(&rm, dirfd, name, 0);
	while (r == 0 && rm.depth > 0) {
		r = sweep(&rm);
		if (r == 0)
			r = ascend(&rm);
		else if (r > 0)
			r = 0;
	}
	if (r < 0)
		note(&rm, r);
	while (rm.depth > 0)
		free(rm.levels[--rm.depth].left);
	free(rm.levels);
	close_fd(&rm.fd);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		note(&rm, -errno);
	return rm.error;
}
