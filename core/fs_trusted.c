/*
 * fs_trusted.c - a path of the host as root means it: nobody else can have arranged where it leads. See fs.h.
 *
 * Links are resolved here and not by the kernel, because each directory on the way, also those that a link leads through, has to
 * be root's alone.
 */
#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "text.h"

#define WALKS_MAX 100

/* Without "." and doubled slashes, in place; `path` is absolute. */
static void normalize(char *path)
{
	char *out = path, *save = NULL, copy[FS_PATH_MAX];

	memcpy(copy, path, strlen(path) + 1);
	*out = '\0';
	for (char *part = strtok_r(copy, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		if (strcmp(part, ".") == 0)
			continue;
		size_t length = strlen(part);
		*out++ = '/';
		memcpy(out, part, length + 1);
		out += length;
	}
	if (out == path)
		memcpy(path, "/", 2);
}

/* A directory, or a link, that somebody else could have another idea of. */
static bool is_roots_alone(const struct stat *st)
{
	return st->st_uid == 0 && (S_ISLNK(st->st_mode) || !(st->st_mode & 022));
}

/* Put what the link `fd` holds in the place of the first `done` bytes of `path`, of which the last `name` are its own. */
static int follow(int fd, char path[FS_PATH_MAX], size_t done, size_t name)
{
	char target[FS_PATH_MAX], whole[FS_PATH_MAX];

	ssize_t n = readlinkat(fd, "", target, sizeof(target) - 1);
	if (n <= 0)
		return n < 0 ? -errno : -ENOENT;
	target[n] = '\0';
	int r = text_format(whole, sizeof(whole), "%.*s/%s%s", target[0] == '/' ? 0 : (int)(done - name),
			    path, target, path + done);
	if (r < 0)
		return r;
	memcpy(path, whole, strlen(whole) + 1);
	return 0;
}

/* Take ".." and what is before it, which is no link, out of `path`. */
static void climb(char path[FS_PATH_MAX], size_t done)
{
	size_t before = done - strlen("/..");

	while (before && path[--before] != '/')
		;
	memmove(path + before, path + done, strlen(path + done) + 1);
}

static int refuse(const char *path, size_t done, const struct stat *st, struct carrel_error *err)
{
	int length = done ? (int)done : 1;

	if (st->st_uid != 0)
		return error_set(err, EPERM, "'%.*s', which leads there, belongs to uid %u and not to root",
				 length, path, st->st_uid);
	return error_set(err, EPERM,
			 "'%.*s', which leads there, can be written by others than root (mode %04o)", length,
			 path, st->st_mode & 07777);
}

/* Walk down `path`. 0 and *fd; 1: a link was put into `path`, or a ".." taken out, so walk again; or -errno. */
static int walk(char path[FS_PATH_MAX], int *fd, struct carrel_error *err)
{
	char name[FS_PATH_MAX];
	struct stat st;
	_cleanup_close_ int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (at < 0)
		return error_errno(err, "cannot open '/'");
	for (size_t done = 0; path[done] && path[1];) {
		size_t length = strcspn(path + done + 1, "/");
		if (fstat(at, &st) < 0)
			return error_errno(err, "cannot stat '%.*s'", (int)done, path);
		if (!is_roots_alone(&st))
			return refuse(path, done, &st, err);
		memcpy(name, path + done + 1, length);
		name[length] = '\0';
		done += length + 1;
		if (strcmp(name, "..") == 0) {
			climb(path, done);
			return 1;
		}
		int next = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return error_errno(err, "cannot open '%.*s'", (int)done, path);
		close_fd(&at);
		at = next;
		if (fstat(at, &st) < 0)
			return error_errno(err, "cannot stat '%.*s'", (int)done, path);
		if (!S_ISLNK(st.st_mode))
			continue;
		if (!is_roots_alone(&st))
			return refuse(path, done, &st, err);
		int r = follow(at, path, done, length + 1);
		return r < 0 ? error_set(err, -r, "cannot follow '%.*s': %s", (int)done, path, strerror(-r))
			     : 1;
	}
	*fd = steal_fd(&at);
	return 0;
}

int fs_open_trusted(const char *path, char real[FS_PATH_MAX], struct carrel_error *err)
{
	int fd = -EBADF, r = path[0] == '/' ? text_format(real, FS_PATH_MAX, "%s", path) : -EINVAL;

	if (r < 0)
		return error_set(err, -r, "'%.200s' cannot be used as a path", path);
	for (int walks = 0; walks < WALKS_MAX; walks++) {
		normalize(real);
		r = walk(real, &fd, err);
		if (r <= 0)
			return r < 0 ? r : fd;
	}
	return error_set(err, ELOOP, "'%.200s' has too many links", path);
}
