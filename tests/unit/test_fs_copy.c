/* fs_copy_tree: everything that a file has, and nothing that is elsewhere. As root: owners, devices and trusted.* are part of it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/fs.h"

static int base, from, links;
static char base_path[] = "/tmp/test_fs_copy.XXXXXX";

static int make_dirs(void **state)
{
	if (!mkdtemp(base_path))
		return -1;
	base = open(base_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(base, "from", 0755) < 0 || mkdirat(base, "links", 0700) < 0)
		return -1;
	from = openat(base, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	links = openat(base, "links", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return from < 0 || links < 0 ? -1 : 0;
}

static int remove_dirs(void **state)
{
	int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = fs_remove_tree(tmp, base_path + strlen("/tmp/"));

	close(tmp);
	close(base);
	close(from);
	close(links);
	return r;
}

static void make_file(const char *name, const char *text, mode_t mode)
{
	int fd = openat(from, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
		    fchmod(fd, mode) == 0);
	close(fd);
}

static bool no_user_xattrs(const char *name)
{
	return strncmp(name, "user.", 5) != 0;
}

static int copy(bool (*keep)(const char *name), struct carrel_error *err)
{
	struct fs_copy how = { .links_fd = links, .keep_xattr = keep };

	assert_int_equal(fs_remove_tree(base, "to"), 0);
	assert_int_equal(fs_remove_tree(base, "links"), 0);
	close(links);
	assert_int_equal(mkdirat(base, "links", 0700), 0);
	how.links_fd = links = openat(base, "links", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fs_copy_tree(base, "from", base, "to", &how, err);
}

static struct stat stat_of(const char *path)
{
	struct stat st;

	if (fstatat(base, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("'%s' is not there", path);
	return st;
}

static void assert_same(const char *name)
{
	char a[64], b[64];

	snprintf(a, sizeof(a), "from/%s", name);
	snprintf(b, sizeof(b), "to/%s", name);
	struct stat sa = stat_of(a), sb = stat_of(b);
	assert_int_equal(sa.st_mode, sb.st_mode);
	assert_int_equal(sa.st_uid, sb.st_uid);
	assert_int_equal(sa.st_gid, sb.st_gid);
	assert_int_equal(sa.st_rdev, sb.st_rdev);
	assert_int_equal(sa.st_mtim.tv_sec, sb.st_mtim.tv_sec);
	assert_int_equal(sa.st_mtim.tv_nsec, sb.st_mtim.tv_nsec);
	if (!S_ISDIR(sa.st_mode))
		assert_int_equal(sa.st_size, sb.st_size);
}

static void test_all_that_a_file_has(void **state)
{
	static const char *const names[] = { ".",      "plain", "suid", "fifo",	 "whiteout",
					     "socket", "link",	"dir",	"dir/in" };
	const struct timespec times[2] = { { 981173106, 5 }, { 981173107, 7 } };
	struct carrel_error err = { 0 };
	char value[8] = "", target[8] = "";
	int fd;

	make_file("plain", "some text", 0640);
	make_file("suid", "x", 06755);
	assert_int_equal(fchownat(from, "suid", 1234, 4321, 0), 0);
	assert_int_equal(fchmodat(from, "suid", 06755, 0), 0);
	assert_int_equal(mknodat(from, "fifo", S_IFIFO | 0604, 0), 0);
	assert_int_equal(mknodat(from, "socket", S_IFSOCK | 0600, 0), 0);
	assert_int_equal(mknodat(from, "whiteout", S_IFCHR, makedev(0, 0)), 0);
	assert_int_equal(symlinkat("/etc", from, "link"), 0);
	assert_int_equal(fchownat(from, "link", 9, 9, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(mkdirat(from, "dir", 0700), 0);
	make_file("dir/in", "", 0);
	assert_int_equal(fchownat(from, "dir", 5, 6, 0), 0);
	assert_int_equal(fchmodat(from, "dir", 03070, 0), 0);
	fd = openat(from, "dir", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0), 0);
	close(fd);
	fd = openat(from, "plain", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fsetxattr(fd, "user.mine", "abc", 3, 0), 0);
	close(fd);
	for (size_t i = 1; i < ARRAY_SIZE(names); i++)
		assert_int_equal(utimensat(from, names[i], times, AT_SYMLINK_NOFOLLOW), 0);

	assert_int_equal(copy(NULL, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_same(names[i]);
	assert_int_equal(readlinkat(base, "to/link", target, sizeof(target)), 4);
	assert_memory_equal(target, "/etc", 4);
	fd = openat(base, "to/dir", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(fd, "trusted.overlay.opaque", value, sizeof(value)), 1);
	close(fd);
	fd = openat(base, "to/plain", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(fd, "user.mine", value, sizeof(value)), 3);
	assert_int_equal(read(fd, value, sizeof(value)), 8);
	assert_memory_equal(value, "some tex", 8);
	close(fd);

	assert_int_equal(copy(no_user_xattrs, &err), 0);
	fd = openat(base, "to/plain", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(fd, "user.mine", value, sizeof(value)), -1);
	close(fd);
}

static void test_names_and_holes(void **state)
{
	struct carrel_error err = { 0 };

	assert_int_equal(linkat(from, "plain", from, "dir/other", 0), 0);
	assert_int_equal(linkat(from, "plain", from, "third", 0), 0);
	int fd = openat(from, "holes", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(pwrite(fd, "a", 1, 5000000), 1);
	assert_int_equal(ftruncate(fd, 40000000), 0);
	close(fd);
	assert_int_equal(copy(NULL, &err), 0);
	assert_same("holes");
	assert_true(stat_of("to/holes").st_blocks * 512 < 1000000);
	assert_int_equal(stat_of("to/plain").st_ino, stat_of("to/dir/other").st_ino);
	assert_int_equal(stat_of("to/plain").st_ino, stat_of("to/third").st_ino);
	assert_int_equal(stat_of("to/suid").st_nlink, 1);
}

static void test_what_is_refused(void **state)
{
	struct fs_copy how = { .links_fd = links };
	struct carrel_error err = { 0 };

	assert_int_equal(fs_copy_tree(base, "from", base, "to", &how, &err), -EEXIST);
	assert_int_equal(fs_copy_tree(base, "nothing", base, "new", &how, &err), -ENOENT);
	assert_int_equal(fs_copy_tree(base, "from/dir", base, "new", &how, &err), -EINVAL);
	assert_int_equal(fs_copy_tree(base, "from", base, "../new", &how, &err), -EINVAL);
	assert_int_equal(symlinkat("from", base, "alias"), 0);
	assert_true(fs_copy_tree(base, "alias", base, "new", &how, &err) < 0);
	assert_int_equal(faccessat(base, "new", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_a_file_has),
		cmocka_unit_test(test_names_and_holes),
		cmocka_unit_test(test_what_is_refused),
	};

	return cmocka_run_group_tests(tests, make_dirs, remove_dirs);
}
