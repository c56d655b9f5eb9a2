/* own_tmpfs.h - a tmpfs in the test's own mount namespace, and files in it. As root. */
#ifndef TESTS_OWN_TMPFS_H
#define TESTS_OWN_TMPFS_H

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/cleanup.h"

static inline int own_tmpfs(const char *where)
{
	umask(022);
	return unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
			       mount("tmpfs", where, "tmpfs", 0, "mode=0755") < 0
		       ? -1
		       : 0;
}

static int top = -EBADF; /* of own_tmp: the tmpfs, which is also the working directory */

/* A set-up of cmocka's. */
static inline int own_tmp(void **state)
{
	if (own_tmpfs("/tmp") < 0 || chdir("/tmp") < 0)
		return -1;
	top = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return top < 0 ? -1 : 0;
}

static inline void put(const char *path, const char *text)
{
	_cleanup_file_ FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
}

static inline struct stat stat_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		fail_msg("'%s' is not there", path);
	return st;
}

#define DEPTH 1000
#define WIDTH 400

/* The directory "wide" with many directories and files in turn, one of which is deep. */
static inline void make_wide_and_deep(void)
{
	char name[64];

	assert_int_equal(mkdir("wide", 0755), 0);
	for (int i = 0; i < WIDTH; i++) {
		snprintf(name, sizeof(name), "wide/d%d", i);
		assert_int_equal(mkdir(name, 0755), 0);
		snprintf(name, sizeof(name), "wide/d%d/f", i);
		put(name, "x");
		snprintf(name, sizeof(name), "wide/f%d", i);
		put(name, "x");
	}
	_cleanup_close_ int fd = open("wide/d7", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < DEPTH; i++) {
		assert_int_equal(mkdirat(fd, "deeper", 0755), 0);
		int next = openat(fd, "deeper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close_fd(&fd);
		fd = next;
	}
}

#endif
