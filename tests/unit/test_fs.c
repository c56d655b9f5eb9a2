/* test_fs.c - core/fs.c and core/fs_remove.c, in a tmpfs of the test's own. As root. */
#include <linux/openat2.h>
#include <string.h>
#include <sys/file.h>

#include "core/fs.h"
#include "own_tmpfs.h"

static mode_t mode_of(const char *path)
{
	return stat_of(path).st_mode & 07777;
}

static void test_openat2_stays_inside(void **state)
{
	assert_int_equal(mkdir("root", 0755), 0);
	assert_int_equal(mkdir("root/etc", 0755), 0);
	put("root/etc/inside", "in");
	put("outside", "out");
	assert_int_equal(symlink("/etc/inside", "root/absolute"), 0);
	assert_int_equal(symlink("../../../../outside", "root/climb"), 0);
	_cleanup_close_ int root = fs_openat2(top, "root", O_PATH | O_DIRECTORY, 0, 0);
	assert_true(root >= 0);
	assert_true(fcntl(root, F_GETFD) & FD_CLOEXEC);

	_cleanup_close_ int in = fs_openat2(root, "absolute", O_RDONLY, 0, RESOLVE_IN_ROOT);
	assert_true(in >= 0);
	assert_int_equal(fs_openat2(root, "climb", O_RDONLY, 0, RESOLVE_IN_ROOT), -ENOENT);
	assert_int_equal(fs_openat2(root, "climb", O_RDONLY, 0, RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(fs_openat2(root, "absolute", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS),
			 -ELOOP);
}

static void test_component(void **state)
{
	assert_true(fs_is_component("a"));
	assert_true(fs_is_component("..."));
	assert_false(fs_is_component(""));
	assert_false(fs_is_component("."));
	assert_false(fs_is_component(".."));
	assert_false(fs_is_component("a/b"));
	assert_false(fs_is_component("/"));
}

static void test_ensure_dir(void **state)
{
	struct carrel_error err = { 0 };
	mode_t saved = umask(0);
	_cleanup_close_ int fd = fs_ensure_dir("/tmp/ensured", 0711, &err);
	_cleanup_close_ int again = fs_ensure_dir("/tmp/ensured", 0711, &err);

	umask(saved);
	assert_true(fd >= 0 && again >= 0);
	assert_true(fcntl(fd, F_GETFL) & O_PATH);
	assert_int_equal(mode_of("ensured"), 0711);
	/* A mode that is only not the wanted one is made right. */
	assert_int_equal(chmod("ensured", 0755), 0);
	close_fd(&fd);
	fd = fs_ensure_dir("/tmp/ensured", 0700, &err);
	assert_true(fd >= 0);
	assert_int_equal(mode_of("ensured"), 0700);

	assert_int_equal(fs_ensure_dir("relative", 0700, &err), -EINVAL);
	assert_int_equal(fs_ensure_dir("/tmp/no/parent", 0700, &err), -ENOENT);
	put("file", "");
	assert_int_equal(fs_ensure_dir("/tmp/file", 0700, &err), -ENOTDIR);
	assert_non_null(strstr(err.msg, "/tmp/file"));
	assert_int_equal(symlink("ensured", "link"), 0);
	assert_true(fs_ensure_dir("/tmp/link", 0700, &err) < 0);
}

static void test_ensure_dir_refuses_strangers(void **state)
{
	struct carrel_error err = { 0 };

	assert_int_equal(mkdir("open", 0700), 0);
	assert_int_equal(chmod("open", 0777), 0);
	assert_int_equal(fs_ensure_dir("/tmp/open", 0755, &err), -EPERM);
	assert_non_null(strstr(err.msg, "0777"));
	assert_int_equal(mkdir("foreign", 0700), 0);
	assert_int_equal(chown("foreign", 1000, 0), 0);
	assert_int_equal(fs_ensure_dir("/tmp/foreign", 0700, &err), -EPERM);
	assert_non_null(strstr(err.msg, "uid 1000"));
}

static void test_ensure_dir_at(void **state)
{
	struct carrel_error err = { 0 };
	struct stat st;
	_cleanup_close_ int fd = fs_ensure_dir_at(top, "upper", 0755, 100000, 100001, &err);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_uid, 100000);
	assert_int_equal(st.st_gid, 100001);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(fs_ensure_dir_at(top, "upper", 0755, 200000, 200000, &err), -EPERM);
	assert_int_equal(fs_ensure_dir_at(top, "..", 0755, 0, 0, &err), -EINVAL);
	assert_int_equal(fs_ensure_dir_at(top, "a/b", 0755, 0, 0, &err), -EINVAL);

	/* What mkdir left when its process died before the chown is finished. */
	assert_int_equal(mkdir("half", 0700), 0);
	_cleanup_close_ int half = fs_ensure_dir_at(top, "half", 0755, 100000, 100000, &err);
	assert_true(half >= 0);
	assert_int_equal(fstat(half, &st), 0);
	assert_int_equal(st.st_uid, 100000);
}

static void test_read_at(void **state)
{
	char buf[8];

	put("seven", "1234567");
	assert_int_equal(fs_read_at(top, "seven", buf, sizeof(buf)), 7);
	assert_string_equal(buf, "1234567");
	put("eight", "12345678");
	assert_int_equal(fs_read_at(top, "eight", buf, sizeof(buf)), -EFBIG);
	put("empty", "");
	assert_int_equal(fs_read_at(top, "empty", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
	assert_int_equal(fs_read_at(top, "missing", buf, sizeof(buf)), -ENOENT);

	char comm[32];
	assert_true(fs_read_at(AT_FDCWD, "/proc/self/comm", comm, sizeof(comm)) > 0);

	assert_int_equal(mkfifo("fifo", 0600), 0);
	alarm(5); /* a FIFO that blocks would end the test here */
	assert_int_equal(fs_read_at(top, "fifo", buf, sizeof(buf)), -EINVAL);
	alarm(0);
	assert_true(fs_read_at(top, ".", buf, sizeof(buf)) < 0);
	assert_int_equal(symlink("seven", "to-seven"), 0);
	assert_int_equal(fs_read_at(top, "to-seven", buf, sizeof(buf)), -ELOOP);
}

static void test_write_at(void **state)
{
	char buf[16];

	put("knob", "xxxx");
	assert_int_equal(fs_write_at(top, "knob", "1234"), 0);
	assert_int_equal(fs_read_at(top, "knob", buf, sizeof(buf)), 4);
	assert_string_equal(buf, "1234");
	assert_int_equal(fs_write_at(top, "no-knob", "1"), -ENOENT);
	assert_int_equal(access("no-knob", F_OK), -1);
}

static int count_entries(const char *path)
{
	_cleanup_dir_ DIR *dir = opendir(path);
	int count = -2;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	return count;
}

static void test_replace_at(void **state)
{
	char buf[16];

	assert_int_equal(mkdir("d", 0755), 0);
	_cleanup_close_ int dir = open("d", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fs_replace_at(dir, "f", "one", 3, 0640), 0);
	assert_int_equal(mode_of("d/f"), 0640);
	assert_int_equal(fs_replace_at(dir, "f", "three", 5, 0600), 0);
	assert_int_equal(fs_read_at(dir, "f", buf, sizeof(buf)), 5);
	assert_string_equal(buf, "three");
	assert_int_equal(fs_replace_at(dir, "../f", "x", 1, 0600), -EINVAL);
	assert_int_equal(mkdir("d/sub", 0755), 0);
	assert_true(fs_replace_at(dir, "sub", "x", 1, 0600) < 0);
	assert_int_equal(count_entries("d"), 2); /* no temporary file stays behind */
}

/* Build a chain of directories deeper than any path or stack would allow, with a file in each. */
static void make_deep(const char *name, int depth)
{
	_cleanup_close_ int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < depth; i++) {
		assert_int_equal(mkdirat(fd, i ? "d" : name, 0700), 0);
		int next = openat(fd, i ? "d" : name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close_fd(&fd);
		fd = next;
		_cleanup_close_ int file = openat(fd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(file >= 0);
	}
}

static void test_remove_deep_and_wide(void **state)
{
	char path[64];

	make_deep("deep", 20000);
	assert_int_equal(fs_remove_tree(top, "deep"), 0);
	assert_int_equal(access("deep", F_OK), -1);

	assert_int_equal(mkdir("wide", 0700), 0);
	for (int i = 0; i < 3000; i++) {
		snprintf(path, sizeof(path), "wide/%d", i);
		assert_int_equal(mkdir(path, 0), 0);
		snprintf(path, sizeof(path), "wide/%d/x", i);
		put(path, "");
	}
	assert_int_equal(fs_remove_tree(top, "wide"), 0);
	assert_int_equal(access("wide", F_OK), -1);
}

static void test_remove_follows_nothing(void **state)
{
	assert_int_equal(mkdir("keep", 0700), 0);
	put("keep/file", "");
	assert_int_equal(mkdir("bad", 0700), 0);
	assert_int_equal(symlink("../keep", "bad/link"), 0);
	assert_int_equal(symlink("/tmp/keep/file", "bad/file"), 0);
	assert_int_equal(symlink("keep", "top-link"), 0);
	assert_int_equal(fs_remove_tree(top, "bad"), 0);
	assert_int_equal(fs_remove_tree(top, "top-link"), 0);
	assert_int_equal(access("top-link", F_OK), -1);
	assert_int_equal(access("bad", F_OK), -1);
	assert_int_equal(access("keep/file", F_OK), 0);

	assert_int_equal(fs_remove_tree(top, "never-was"), 0);
	assert_int_equal(fs_remove_tree(top, ".."), -EINVAL);
	assert_int_equal(fs_remove_tree(top, "keep/file"), -EINVAL);
}

static void test_remove_crosses_no_mount(void **state)
{
	assert_int_equal(mkdir("m", 0700), 0);
	assert_int_equal(mkdir("m/a", 0700), 0);
	assert_int_equal(mkdir("m/a/mnt", 0700), 0);
	assert_int_equal(mkdir("m/b", 0700), 0);
	put("m/b/x", "");
	put("m/y", "");
	assert_int_equal(mount("tmpfs", "m/a/mnt", "tmpfs", 0, NULL), 0);
	put("m/a/mnt/precious", "");
	alarm(10); /* what cannot be removed must not be tried for ever */
	assert_true(fs_remove_tree(top, "m") < 0);
	alarm(0);
	assert_int_equal(access("m/a/mnt/precious", F_OK), 0);
	assert_int_equal(access("m/b", F_OK), -1);
	assert_int_equal(access("m/y", F_OK), -1);
	assert_true(fs_remove_tree(top, "m/a") < 0);
	assert_int_equal(umount2("m/a/mnt", MNT_DETACH), 0);
	assert_int_equal(fs_remove_tree(top, "m"), 0);
}

static void test_lock(void **state)
{
	put("lock", "");
	_cleanup_close_ int fd = open("lock", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int other = open("lock", O_RDONLY | O_CLOEXEC);

	assert_int_equal(fs_lock(fd, 0), 0);
	int64_t before = fs_now_ms();
	assert_int_equal(fs_lock(other, 50), -ETIMEDOUT);
	int64_t waited = fs_now_ms() - before;
	assert_true(waited >= 50 && waited < 5000);
	assert_int_equal(flock(fd, LOCK_UN), 0);
	assert_int_equal(fs_lock(other, 0), 0);
	assert_int_equal(fs_lock(-EBADF, 0), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_openat2_stays_inside),
		cmocka_unit_test(test_component),
		cmocka_unit_test(test_ensure_dir),
		cmocka_unit_test(test_ensure_dir_refuses_strangers),
		cmocka_unit_test(test_ensure_dir_at),
		cmocka_unit_test(test_read_at),
		cmocka_unit_test(test_write_at),
		cmocka_unit_test(test_replace_at),
		cmocka_unit_test(test_remove_deep_and_wide),
		cmocka_unit_test(test_remove_follows_nothing),
		cmocka_unit_test(test_remove_crosses_no_mount),
		cmocka_unit_test(test_lock),
	};
	return cmocka_run_group_tests_name("fs", tests, own_tmp, NULL);
}
