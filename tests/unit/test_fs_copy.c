/* test_fs_copy.c - core/fs_copy.c: everything that a file has, and nothing that is elsewhere. In two tmpfs of the test's own. As root. */
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "core/fs.h"
#include "core/fs_copy.h"
#include "own_tmpfs.h"

static struct carrel_error failure;

/* The working directory's `name` to the new directory `to`. */
static int copy(const char *name, const char *to, struct fs_copy *how)
{
	assert_int_equal(mkdir(to, 0700), 0);
	_cleanup_close_ int target = open(to, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fs_copy_begin(how, target, &failure), 0);
	int r = fs_copy_end(how, fs_copy_tree(top, name, target, how, &failure), &failure);
	assert_int_equal(faccessat(target, "links", F_OK, 0), r < 0 ? 0 : -1);
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
	if (S_ISREG(sa.st_mode))
		assert_int_equal(sa.st_atim.tv_sec, sb.st_atim.tv_sec);
	if (!S_ISDIR(sa.st_mode)) {
		assert_int_equal(sa.st_size, sb.st_size);
		assert_int_equal(sa.st_nlink, sb.st_nlink);
	}
}

/* A file of one byte at 8 MiB in 64 MiB of nothing. */
static void make_sparse(const char *path)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(pwrite(fd, "middle", 6, 8 << 20), 6);
	assert_int_equal(ftruncate(fd, 64 << 20), 0);
}

/* u::rwx u:1234:rwx g::--- m::rwx o::---, as the kernel has it. */
static const uint32_t acl[] = { 2,	    7 << 16 | 0x01, UINT32_MAX, 7 << 16 | 0x02, 1234,	   0x04,
				UINT32_MAX, 7 << 16 | 0x10, UINT32_MAX, 0x20,		UINT32_MAX };

static void make_odd(void)
{
	const struct timespec old[2] = { { 1000, 7 }, { 2000, 9 } };
	static const char *const aged[] = { "odd/sparse", "odd/dangling", "odd/fifo", "odd/dir" };

	assert_int_equal(mkdir("odd", 0755), 0);
	assert_int_equal(mkdir("odd/dir", 0700), 0);
	put("odd/dir/in", "some text");
	put("odd/file", "content");
	assert_int_equal(chown("odd/file", 1234, 5678), 0);
	assert_int_equal(chmod("odd/file", 06751), 0);
	assert_int_equal(setxattr("odd/file", "trusted.note", "abc", 3, 0), 0);
	assert_int_equal(link("odd/file", "odd/second"), 0);
	assert_int_equal(link("odd/file", "odd/dir/third"), 0);
	assert_int_equal(symlink("/nowhere/at/all", "odd/dangling"), 0);
	assert_int_equal(lchown("odd/dangling", 42, 43), 0);
	assert_int_equal(mkfifo("odd/fifo", 0), 0);
	assert_int_equal(chmod("odd/fifo", 0622), 0);
	assert_int_equal(mknod("odd/whiteout", S_IFCHR, makedev(0, 0)), 0);
	assert_int_equal(mknod("odd/socket", S_IFSOCK | 0600, 0), 0);
	assert_int_equal(chown("odd/dir", 5, 6), 0);
	assert_int_equal(chmod("odd/dir", 03770), 0);
	assert_int_equal(setxattr("odd/dir", "trusted.opaque", "y", 1, 0), 0);
	assert_int_equal(setxattr("odd/dir", "trusted.dropped", "z", 1, 0), 0);
	assert_int_equal(setxattr("odd/dir", "system.posix_acl_default", acl, sizeof(acl), 0), 0);
	make_sparse("odd/sparse");
	for (size_t i = 0; i < ARRAY_SIZE(aged); i++)
		assert_int_equal(utimensat(top, aged[i], old, AT_SYMLINK_NOFOLLOW), 0);
}

static void expect_text(const char *path, const char *text, off_t at)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char found[16] = "";

	assert_int_equal(pread(fd, found, strlen(text), at), strlen(text));
	assert_string_equal(found, text);
}

static bool not_dropped(const char *name)
{
	return strcmp(name, "trusted.dropped") != 0;
}

static void expect_odd(const char *to)
{
	static const char *const names[] = { ".",	 "dir",	 "dir/in",   "file",   "second", "dir/third",
					     "dangling", "fifo", "whiteout", "socket", "sparse" };
	char a[64], b[64], text[64];

	assert_int_equal(chdir(to), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(a, sizeof(a), "/tmp/odd/%s", names[i]);
		snprintf(b, sizeof(b), "odd/%s", names[i]);
		expect_same(a, b);
	}
	assert_int_equal(stat_of("odd/file").st_ino, stat_of("odd/dir/third").st_ino);
	assert_int_equal(stat_of("odd/file").st_ino, stat_of("odd/second").st_ino);
	assert_true(stat_of("odd/sparse").st_blocks < 1024);
	expect_text("odd/sparse", "middle", 8 << 20);
	expect_text("odd/dir/in", "some text", 0);
	assert_int_equal(getxattr("odd/file", "trusted.note", text, sizeof(text)), 3);
	assert_int_equal(getxattr("odd/dir", "trusted.opaque", text, sizeof(text)), 1);
	assert_int_equal(getxattr("odd/dir", "trusted.dropped", text, sizeof(text)), -1);
	assert_int_equal(getxattr("odd/dir", "system.posix_acl_default", text, sizeof(text)), sizeof(acl));
	assert_int_equal(getxattr("odd/dir/in", "system.posix_acl_access", text, sizeof(text)), -1);
	assert_int_equal(readlink("odd/dangling", text, sizeof(text)), 15);
	assert_int_equal(chdir("/tmp"), 0);
}

static void test_all_that_a_file_has(void **state)
{
	struct fs_copy how = { .keep_xattr = not_dropped };

	make_odd();
	assert_int_equal(copy("odd", "target", &how), 0);
	assert_int_equal(how.entries, 10);
	assert_int_equal(how.bytes, strlen("content") + strlen("some text") + (64 << 20));
	expect_odd("target");
	assert_int_equal(fs_remove_tree(top, "target"), 0);
}

static void test_to_another_filesystem(void **state)
{
	struct fs_copy how = { .keep_xattr = not_dropped };

	assert_int_equal(mkdir("other", 0700), 0);
	assert_int_equal(mount("tmpfs", "other", "tmpfs", 0, "mode=0755"), 0);
	assert_int_equal(copy("odd", "other/target", &how), 0);
	expect_odd("other/target");
	assert_int_equal(umount("other"), 0);
	assert_int_equal(fs_remove_tree(top, "odd"), 0);
}

/* Also between trees, as those of an upper and its index. */
static void test_names_of_one_file(void **state)
{
	struct fs_copy how = { 0 };

	assert_int_equal(mkdir("a", 0755) | mkdir("b", 0755) | mkdir("target", 0755), 0);
	put("a/name", "x");
	assert_int_equal(link("a/name", "b/name"), 0);
	_cleanup_close_ int target = open("target", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fs_copy_begin(&how, target, &failure), 0);
	assert_int_equal(fs_copy_tree(top, "a", target, &how, &failure), 0);
	assert_int_equal(fs_copy_tree(top, "b", target, &how, &failure), 0);
	assert_int_equal(fs_copy_end(&how, 0, &failure), 0);
	assert_int_equal(stat_of("target/a/name").st_ino, stat_of("target/b/name").st_ino);
	assert_int_equal(stat_of("target/a/name").st_nlink, 2);
	assert_int_equal(how.bytes, 1);
	assert_int_equal(fs_remove_tree(top, "target"), 0);
}

static void test_wide_and_deep(void **state)
{
	struct fs_copy how = { 0 }, again = { 0 };

	make_wide_and_deep();
	assert_int_equal(copy("wide", "target", &how), 0);
	assert_int_equal(how.entries, 3 * WIDTH + DEPTH);
	assert_int_equal(how.bytes, 2 * WIDTH);
	assert_int_equal(fs_remove_tree(top, "wide"), 0);
	assert_int_equal(rename("target/wide", "wide"), 0);
	assert_int_equal(fs_remove_tree(top, "target"), 0);
	assert_int_equal(copy("wide", "target", &again), 0);
	assert_int_equal(again.entries, how.entries);
	assert_int_equal(again.bytes, how.bytes);
	assert_int_equal(fs_remove_tree(top, "target"), 0);
}

static struct fs_copy expiring;

/* Called after the first file, when the walk has begun without a deadline: what ends then is the content of the second. */
static bool expire(const char *name)
{
	expiring.deadline = fs_now_ms() - 1;
	return true;
}

static void test_deadline(void **state)
{
	struct fs_copy how = { .deadline = fs_now_ms() - 1 };

	assert_int_equal(copy("wide", "target", &how), -ETIMEDOUT);
	assert_int_equal(fs_remove_tree(top, "target"), 0);
	assert_int_equal(fs_remove_tree(top, "wide"), 0);

	assert_int_equal(mkdir("two", 0755), 0);
	put("two/a", "text");
	put("two/b", "text");
	assert_int_equal(setxattr("two/a", "trusted.any", "", 0, 0), 0);
	assert_int_equal(setxattr("two/b", "trusted.any", "", 0, 0), 0);
	expiring.keep_xattr = expire;
	assert_int_equal(copy("two", "target", &expiring), -ETIMEDOUT);
	assert_int_equal(expiring.entries, 2);
	assert_int_equal(fs_remove_tree(top, "target"), 0);
}

static bool move_the_copy(const char *name)
{
	if (strcmp(name, "trusted.moves") == 0)
		assert_int_equal(rename("target/from/in", "moved"), 0);
	return true;
}

static void test_what_is_refused(void **state)
{
	struct fs_copy how = { 0 };

	assert_int_equal(mkdir("from", 0755) | mkdir("from/in", 0755), 0);
	put("from/in/file", "new");
	assert_int_equal(copy("from", "target", &how), 0);
	_cleanup_close_ int target = open("target", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fs_copy_begin(&how, target, &failure), 0);
	assert_int_equal(fs_copy_tree(top, "from", target, &how, &failure), -EEXIST);
	assert_string_equal(failure.msg, "cannot copy 'from': File exists");
	assert_int_equal(fs_copy_tree(top, "nothing", target, &how, &failure), -ENOENT);
	assert_int_equal(fs_copy_tree(top, "from/in", target, &how, &failure), -EINVAL);
	assert_int_equal(fs_copy_tree(top, "..", target, &how, &failure), -EINVAL);
	assert_int_equal(symlink("from", "alias"), 0);
	assert_true(fs_copy_tree(top, "alias", target, &how, &failure) < 0);
	assert_int_equal(fs_copy_end(&how, 0, &failure), 0);
	assert_int_equal(faccessat(target, "alias", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(fs_remove_tree(top, "target"), 0);

	assert_int_equal(setxattr("from/in/file", "trusted.moves", "", 0, 0), 0);
	how.keep_xattr = move_the_copy;
	assert_int_equal(copy("from", "target", &how), -ESTALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_a_file_has),
		cmocka_unit_test(test_to_another_filesystem),
		cmocka_unit_test(test_names_of_one_file),
		cmocka_unit_test(test_wide_and_deep),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_what_is_refused),
	};
	return cmocka_run_group_tests_name("fs_copy", tests, own_tmp, NULL);
}
