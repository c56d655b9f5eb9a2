/* test_fs_walk.c - core/fs_walk.c, in a tmpfs of the test's own. As root. */
#include <string.h>

#include "core/fs.h"
#include "core/fs_walk.h"
#include "own_tmpfs.h"

struct seen {
	int files, entered, left;
	int fail_at;	  /* file */
	const char *move; /* a directory that somebody moves while a file in it is visited */
};

static int on_file(void *arg, int dirfd, const char *name, const struct stat *st)
{
	struct seen *seen = arg;
	struct stat now;

	assert_int_equal(fstatat(dirfd, name, &now, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(now.st_ino, st->st_ino);
	if (seen->move)
		assert_int_equal(rename(seen->move, "moved"), 0);
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

static char message[CARREL_ERROR_MAX];

static int walk(const char *name, struct seen *seen, int64_t deadline)
{
	const struct fs_visitor visitor = { "see", on_file, on_enter, on_leave, seen, deadline };
	struct carrel_error err = { 0 };
	int r = fs_walk_tree(top, name, &visitor, &err);

	memcpy(message, err.msg, sizeof(message));
	return r;
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
	assert_string_equal(message, "cannot see 'missing': No such file or directory");
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
	assert_string_equal(message, "cannot see 'mount': Invalid cross-device link");
	assert_int_equal(umount("across/mount"), 0);
	assert_int_equal(fs_remove_tree(top, "across"), 0);
}

/* It does not go up to where the directory is now. */
static void test_walk_ends_where_a_directory_was_moved(void **state)
{
	struct seen seen = { .move = "from/a/b" };

	assert_int_equal(mkdir("from", 0755), 0);
	assert_int_equal(mkdir("from/a", 0755), 0);
	assert_int_equal(mkdir("from/a/b", 0755), 0);
	put("from/a/b/file", "");
	assert_int_equal(walk("from", &seen, 0), -ESTALE);
	assert_int_equal(seen.left, 1);
	assert_int_equal(fs_remove_tree(top, "from"), 0);
	assert_int_equal(fs_remove_tree(top, "moved"), 0);
}

static void test_open_visited(void **state)
{
	put("visited", "text");
	struct stat st = stat_of("visited");
	_cleanup_close_ int fd = fs_open_visited(top, "visited", &st, O_RDONLY);
	char text[4];

	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text)), 4);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fs_open_visited(top, "../visited", &st, O_RDONLY), -EXDEV);

	assert_int_equal(rename("visited", "renamed"), 0);
	assert_int_equal(fs_open_visited(top, "visited", &st, O_RDONLY), -ENOENT);
	assert_int_equal(symlink("renamed", "visited"), 0);
	assert_int_equal(fs_open_visited(top, "visited", &st, O_RDONLY), -ESTALE);
	assert_int_equal(unlink("visited"), 0);
	assert_int_equal(mkfifo("visited", 0600), 0);
	alarm(5);
	assert_int_equal(fs_open_visited(top, "visited", &st, O_RDONLY), -ESTALE);
	alarm(0);

	struct stat fifo = stat_of("visited");
	_cleanup_close_ int path = fs_open_visited(top, "visited", &fifo, O_PATH);
	assert_true(path >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_walk_crosses_no_mount),
		cmocka_unit_test(test_walk_ends_where_a_directory_was_moved),
		cmocka_unit_test(test_open_visited),
	};
	return cmocka_run_group_tests_name("fs_walk", tests, own_tmp, NULL);
}
