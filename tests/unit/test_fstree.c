/* test_fstree.c - core/fstree_walk.c and core/fstree_copy.c, in a tmpfs of the test's own mount namespace. As root. */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/fstree.h"

#define DEPTH 1000
#define WIDTH 400

static int top = -EBADF;

static int set_up(void **state)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/tmp", "tmpfs", 0, "mode=0755") < 0 || chdir("/tmp") < 0)
		return -1;
	umask(022);
	top = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return top < 0 ? -1 : 0;
}

static void put(const char *path, const char *text)
{
	_cleanup_file_ FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
}

static struct stat stat_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st;
}

/* --- walk --- */

struct seen {
	int files, entered, left;
	int fail_at; /* file */
};

static int on_file(void *arg, int dirfd, const char *name, const struct stat *st)
{
	struct seen *seen = arg;
	struct stat now;

	assert_int_equal(fstatat(dirfd, name, &now, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(now.st_ino, st->st_ino);
	return ++seen->files == seen->fail_at ? -EUCLEAN : 0;
}

static int on_enter(void *arg, int dirfd, const char *name, const struct stat *st)
{
	struct seen *seen = arg;

	assert_true(S_ISDIR(st->st_mode));
	assert_int_equal(faccessat(dirfd, name, F_OK, 0), 0);
	seen->entered++;
	return 0;
}

static int on_leave(void *arg, int fd, const struct stat *st)
{
	struct seen *seen = arg;
	struct stat now;

	assert_int_equal(fstat(fd, &now), 0);
	assert_int_equal(now.st_ino, st->st_ino);
	seen->left++;
	return 0;
}

static int walk(const char *name, struct seen *seen, int64_t deadline)
{
	const struct fstree_visitor visitor = { on_file, on_enter, on_leave, seen, deadline };

	return fstree_walk(top, name, &visitor);
}

/* A directory with many directories and files in turn, one of which is deep. */
static void make_wide_and_deep(void)
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

static void test_walk(void **state)
{
	struct seen seen = { 0 };

	make_wide_and_deep();
	assert_int_equal(walk("wide", &seen, 0), 0);
	assert_int_equal(seen.files, 2 * WIDTH);
	assert_int_equal(seen.entered, 1 + WIDTH + DEPTH);
	assert_int_equal(seen.left, seen.entered);

	seen = (struct seen){ .fail_at = 5 };
	assert_int_equal(walk("wide", &seen, 0), -EUCLEAN);
	assert_int_equal(seen.files, 5);
	assert_int_equal(walk("wide", &seen, fs_now_ms() - 1), -ETIMEDOUT);
	assert_int_equal(walk("missing", &seen, 0), -ENOENT);
	assert_int_equal(walk("..", &seen, 0), -EINVAL);
	assert_int_equal(symlink("wide", "link"), 0);
	assert_true(walk("link", &seen, 0) < 0);
	assert_int_equal(fs_remove_tree(top, "wide"), 0);
}

static void test_walk_crosses_no_mount(void **state)
{
	struct seen seen = { 0 };

	assert_int_equal(mkdir("across", 0755), 0);
	assert_int_equal(mkdir("across/mount", 0755), 0);
	assert_int_equal(mount("tmpfs", "across/mount", "tmpfs", 0, NULL), 0);
	assert_int_equal(walk("across", &seen, 0), -EXDEV);
	assert_int_equal(umount("across/mount"), 0);
	assert_int_equal(fs_remove_tree(top, "across"), 0);
}

/* --- copy --- */

static int copy(const char *from, const char *to, struct fstree_copy *how)
{
	assert_int_equal(mkdir(to, 0700), 0);
	assert_int_equal(mkdirat(top, "links", 0700), 0);
	_cleanup_close_ int target = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int links = open("links", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	how->links = links;
	int r = fstree_copy(top, from, target, how);
	assert_int_equal(fs_remove_tree(top, "links"), 0);
	return r;
}

static void expect_same(const char *a, const char *b)
{
	struct stat sa = stat_of(a), sb = stat_of(b);

	assert_int_equal(sa.st_mode, sb.st_mode);
	assert_int_equal(sa.st_uid, sb.st_uid);
	assert_int_equal(sa.st_gid, sb.st_gid);
	assert_int_equal(sa.st_rdev, sb.st_rdev);
	assert_int_equal(sa.st_mtim.tv_sec, sb.st_mtim.tv_sec);
	assert_int_equal(sa.st_mtim.tv_nsec, sb.st_mtim.tv_nsec);
	if (!S_ISDIR(sa.st_mode)) {
		assert_int_equal(sa.st_size, sb.st_size);
		assert_int_equal(sa.st_nlink, sb.st_nlink);
	}
}

static void make_odd(void)
{
	const struct timespec old[2] = { { 1000, 7 }, { 2000, 9 } };

	assert_int_equal(mkdir("odd", 0755), 0);
	assert_int_equal(mkdir("odd/sticky", 0), 0);
	put("odd/file", "content");
	assert_int_equal(chown("odd/file", 1234, 5678), 0);
	assert_int_equal(chmod("odd/file", 06751), 0);
	assert_int_equal(setxattr("odd/file", "trusted.note", "abc", 3, 0), 0);
	assert_int_equal(link("odd/file", "odd/second"), 0);
	assert_int_equal(link("odd/file", "odd/sticky/third"), 0);
	assert_int_equal(symlink("/nowhere/at/all", "odd/dangling"), 0);
	assert_int_equal(lchown("odd/dangling", 42, 43), 0);
	assert_int_equal(mkfifo("odd/fifo", 0), 0);
	assert_int_equal(chmod("odd/fifo", 0622), 0);
	assert_int_equal(mknod("odd/whiteout", S_IFCHR, 0), 0);
	assert_int_equal(mknod("odd/socket", S_IFSOCK | 0600, 0), 0);
	assert_int_equal(chmod("odd/sticky", 01777), 0);
	assert_int_equal(setxattr("odd/sticky", "trusted.opaque", "y", 1, 0), 0);
	assert_int_equal(setxattr("odd/sticky", "trusted.dropped", "z", 1, 0), 0);
	_cleanup_close_ int fd = open("odd/holes", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(pwrite(fd, "middle", 6, 8 << 20), 6);
	assert_int_equal(ftruncate(fd, 64 << 20), 0);
	assert_int_equal(utimensat(top, "odd/holes", old, 0), 0);
	assert_int_equal(utimensat(top, "odd/dangling", old, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(utimensat(top, "odd/sticky", old, 0), 0);
}

static void test_copy(void **state)
{
	static const char *const names[] = { "",	  "/sticky", "/file",	  "/second", "/sticky/third",
					     "/dangling", "/fifo",   "/whiteout", "/socket", "/holes" };
	struct fstree_copy how = { .without = "trusted.dropped" };
	char a[PATH_MAX], b[PATH_MAX], text[64];

	make_odd();
	assert_int_equal(copy("odd", "target", &how), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(a, sizeof(a), "odd%s", names[i]);
		snprintf(b, sizeof(b), "target/odd%s", names[i]);
		expect_same(a, b);
	}
	assert_int_equal(stat_of("target/odd/file").st_ino, stat_of("target/odd/sticky/third").st_ino);
	assert_int_equal(stat_of("target/odd/file").st_ino, stat_of("target/odd/second").st_ino);
	assert_true(stat_of("target/odd/holes").st_blocks < 1024);
	_cleanup_close_ int fd = open("target/odd/holes", O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, text, 6, 8 << 20), 6);
	assert_memory_equal(text, "middle", 6);
	assert_int_equal(getxattr("target/odd/file", "trusted.note", text, sizeof(text)), 3);
	assert_int_equal(getxattr("target/odd/sticky", "trusted.opaque", text, sizeof(text)), 1);
	assert_int_equal(getxattr("target/odd/sticky", "trusted.dropped", text, sizeof(text)), -1);
	assert_int_equal(readlink("target/odd/dangling", text, sizeof(text)), 15);
	assert_int_equal(fs_remove_tree(top, "odd"), 0);
	assert_int_equal(fs_remove_tree(top, "target"), 0);
}

static void test_copy_wide_and_deep(void **state)
{
	struct fstree_copy how = { 0 };
	struct seen seen = { 0 };

	make_wide_and_deep();
	assert_int_equal(copy("wide", "target", &how), 0);
	_cleanup_close_ int target = open("target", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct fstree_visitor visitor = { on_file, on_enter, on_leave, &seen, 0 };
	assert_int_equal(fstree_walk(target, "wide", &visitor), 0);
	assert_int_equal(seen.files, 2 * WIDTH);
	assert_int_equal(seen.entered, 1 + WIDTH + DEPTH);
	assert_int_equal(fs_remove_tree(top, "target"), 0);

	how.deadline = fs_now_ms() - 1;
	assert_int_equal(copy("wide", "target", &how), -ETIMEDOUT);
	assert_int_equal(fs_remove_tree(top, "target"), 0);
	assert_int_equal(fs_remove_tree(top, "wide"), 0);
}

/* A name that is taken is never written over. */
static void test_copy_over_something(void **state)
{
	struct fstree_copy how = { 0 };

	assert_int_equal(mkdir("from", 0755), 0);
	put("from/file", "new");
	assert_int_equal(copy("from", "target", &how), 0);
	_cleanup_close_ int target = open("target", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fstree_copy(top, "from", target, &how), -EEXIST);
	assert_int_equal(fs_remove_tree(top, "target"), 0);
	assert_int_equal(fs_remove_tree(top, "from"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_walk_crosses_no_mount),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_copy_wide_and_deep),
		cmocka_unit_test(test_copy_over_something),
	};
	return cmocka_run_group_tests_name("fstree", tests, set_up, NULL);
}
