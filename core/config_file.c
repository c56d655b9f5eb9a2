/*
 * config_file.c - which files are the policy, and whether they can be trusted. Run as root, before anything is
 * known about the user; whoever can write one of these files decides who is confined, so that must be root.
 *
 * Every check is of the opened file, never of a name. Opening cannot block (O_NONBLOCK: a FIFO), does not
 * follow a link, and reads a bounded amount.
 */
#include "config_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "text.h"

#define DROP_IN_DIR    "conf.d"
#define DROP_IN_SUFFIX ".conf"

/* Owner and mode of an open file or directory. */
static bool is_trusted(struct config_reader *reader, const char *path, const struct stat *st)
{
	if (st->st_uid != 0) {
		config_fail(reader, EPERM, NULL, 0, "'%s' must be owned by root (its owner is uid %u)", path,
			    st->st_uid);
		return false;
	}
	if (st->st_mode & (S_IWGRP | S_IWOTH)) {
		config_fail(reader, EPERM, NULL, 0,
			    "'%s' must not be writable by group or others (mode %04o)", path,
			    st->st_mode & 07777);
		return false;
	}
	return true;
}

/* ENOENT is for the main file alone; anything that went missing in between is an I/O error. */
static void fail_open(struct config_reader *reader, const char *path, int code, bool main_file)
{
	if (code == ELOOP)
		config_fail(reader, code, NULL, 0, "'%s' must not be a symbolic link", path);
	else if (code == ENXIO)
		config_fail(reader, code, NULL, 0, "'%s' must be a regular file", path);
	else
		config_fail(reader, code == ENOENT && !main_file ? EIO : code, NULL, 0,
			    "cannot open '%s': %s", path, strerror(code));
}

/* A directory of policy files, open and trusted, or -errno, which is reported unless `optional` and missing. */
static int open_dir(struct config_reader *reader, int dirfd, const char *name, int flags, const char *path,
		    bool optional)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	struct stat st;

	if (fd < 0) {
		int code = errno;

		if (optional && code == ENOENT)
			return -ENOENT;
		/* O_DIRECTORY says ENOTDIR of a link too. */
		if (code == ENOTDIR && optional)
			config_fail(reader, code, NULL, 0, "'%s' must be a directory, and no symbolic link",
				    path);
		else
			fail_open(reader, path, code, !optional);
		return -code;
	}
	if (fstat(fd, &st) < 0) {
		int code = errno;

		config_fail(reader, code, NULL, 0, "cannot stat '%s': %s", path, strerror(code));
		return -code;
	}
	return is_trusted(reader, path, &st) ? steal_fd(&fd) : -EPERM;
}

/* At most CONFIG_FILE_MAX bytes, NUL added; NULL after an error. */
static char *read_text(struct config_reader *reader, int fd, const char *path, size_t *length)
{
	_cleanup_free_ char *text = malloc(CONFIG_FILE_MAX + 2);

	if (!text) {
		config_fail(reader, ENOMEM, NULL, 0, "out of memory");
		return NULL;
	}
	ssize_t n = fs_read_full(fd, text, CONFIG_FILE_MAX + 1);
	if (n < 0) {
		config_fail(reader, (int)-n, NULL, 0, "cannot read '%s': %s", path, strerror((int)-n));
		return NULL;
	}
	if (n > (ssize_t)CONFIG_FILE_MAX) {
		config_fail(reader, EFBIG, NULL, 0, "'%s' is larger than 1 MiB", path);
		return NULL;
	}
	text[n] = '\0';
	*length = (size_t)n;
	return steal_ptr(&text);
}

static void read_file(struct config_reader *reader, int dirfd, const char *name, const char *path,
		      bool main_file)
{
	_cleanup_close_ int fd = openat(dirfd, name,
					O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t length;

	if (fd < 0) {
		fail_open(reader, path, errno, main_file);
		return;
	}
	if (fstat(fd, &st) < 0) {
		config_fail(reader, errno, NULL, 0, "cannot stat '%s': %s", path, strerror(errno));
		return;
	}
	if (!S_ISREG(st.st_mode)) {
		config_fail(reader, EINVAL, NULL, 0, "'%s' must be a regular file", path);
		return;
	}
	if (!is_trusted(reader, path, &st))
		return;
	text = read_text(reader, fd, path, &length);
	if (text)
		config_parse_text(reader, path, text, length);
}

/* --- conf.d --- */

static bool is_drop_in(const char *name)
{
	size_t length = strlen(name), suffix = strlen(DROP_IN_SUFFIX);

	return name[0] != '.' && length > suffix && strcmp(name + length - suffix, DROP_IN_SUFFIX) == 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of the drop-ins, sorted, NULL-terminated, owned by the config; NULL after an error. */
static const char **list_drop_ins(struct config_reader *reader, DIR *dir, const char *path)
{
	const char **names = config_alloc(reader->config, sizeof(*names));
	size_t count = 0, room = 1;
	const struct dirent *entry;

	while (names && (errno = 0, entry = readdir(dir))) {
		if (!is_drop_in(entry->d_name))
			continue;
		if (count + 1 == room) {
			const char **more = config_alloc(reader->config, 2 * room * sizeof(*more));

			if (more)
				memcpy(more, names, count * sizeof(*more));
			names = more;
			room *= 2;
		}
		if (names && !(names[count++] = config_strdup(reader->config, entry->d_name)))
			names = NULL;
	}
	if (!names) {
		config_fail(reader, ENOMEM, NULL, 0, "out of memory");
		return NULL;
	}
	if (errno) {
		config_fail(reader, errno, NULL, 0, "cannot read directory '%s': %s", path, strerror(errno));
		return NULL;
	}
	qsort(names, count, sizeof(*names), compare_names);
	return names;
}

static void read_drop_ins(struct config_reader *reader, int dirfd, const char *dir_path)
{
	char path[PATH_MAX];
	_cleanup_dir_ DIR *dir = NULL;

	int fd = open_dir(reader, dirfd, DROP_IN_DIR, O_NOFOLLOW, dir_path, true);
	if (fd < 0)
		return;
	dir = fdopendir(fd);
	if (!dir) {
		config_fail(reader, errno, NULL, 0, "cannot read directory '%s': %s", dir_path,
			    strerror(errno));
		close_fd(&fd);
		return;
	}
	const char **names = list_drop_ins(reader, dir, dir_path);
	for (; names && *names; names++) {
		if (text_format(path, sizeof(path), "%s/%s", dir_path, *names))
			config_fail(reader, ENAMETOOLONG, NULL, 0, "the path of '%s' is too long", *names);
		else
			read_file(reader, fd, *names, path, false);
	}
}

/* --- the files --- */

void config_read_files(struct config_reader *reader, const char *path)
{
	char dir_path[PATH_MAX], drop_in_path[PATH_MAX];
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	int dir_length = slash ? (int)(slash - path) : 0;

	/* "/x" is in "/", "x" in "." */
	int r = text_format(dir_path, sizeof(dir_path), "%.*s", slash && !dir_length ? 1 : dir_length, path);
	if (!r && !slash)
		r = text_format(dir_path, sizeof(dir_path), ".");
	if (!r)
		r = text_format(drop_in_path, sizeof(drop_in_path), "%.*s%s" DROP_IN_DIR, dir_length, path,
				slash ? "/" : "");
	if (r || !*name) {
		config_fail(reader, EINVAL, NULL, 0, "'%.200s' is not the path of a file", path);
		return;
	}

	_cleanup_close_ int dirfd = open_dir(reader, AT_FDCWD, dir_path, 0, dir_path, false);
	if (dirfd < 0)
		return;
	read_file(reader, dirfd, name, path, true);
	if (reader->result != -ENOENT)
		read_drop_ins(reader, dirfd, drop_in_path);
}
