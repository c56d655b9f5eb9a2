/* test_image.c - core/image.c on a /var/lib/carrel of the test's own. As root. */
#include <string.h>
#include <sys/file.h>

#include "core/fs.h"
#include "core/image.h"
#include "core/paths.h"
#include "own_tmpfs.h"

#define IMAGE CARREL_IMAGES "/alpine"

static int set_up(void **state)
{
	return own_tmpfs("/var/lib");
}

static int with_image(void **state)
{
	return mkdir(CARREL_STATE_DIR, 0700) < 0 || mkdir(CARREL_IMAGES, 0700) < 0 ||
			       mkdir(IMAGE, 0700) < 0 || mkdir(IMAGE "/rootfs", 0755) < 0
		       ? -1
		       : 0;
}

static int without_image(void **state)
{
	_cleanup_close_ int lib = open("/var/lib", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fs_remove_tree(lib, "carrel");
}

static void test_name(void **state)
{
	char longest[IMAGE_NAME_MAX + 2] = { 0 };

	assert_true(image_name_valid("alpine"));
	assert_true(image_name_valid("alpine-3.20_x"));
	assert_false(image_name_valid(""));
	assert_false(image_name_valid(".staging-x"));
	assert_false(image_name_valid("-x"));
	assert_false(image_name_valid("a/b"));
	assert_false(image_name_valid("a b"));
	memset(longest, 'a', IMAGE_NAME_MAX);
	assert_true(image_name_valid(longest));
	longest[IMAGE_NAME_MAX] = 'a';
	assert_false(image_name_valid(longest));
}

static void test_lock(void **state)
{
	struct carrel_error err = { 0 };
	_cleanup_close_ int first = image_lock("alpine", LOCK_SH, 0, &err);
	_cleanup_close_ int second = image_lock("alpine", LOCK_SH, 0, &err);

	/* Several at once, and then nobody else. */
	assert_true(first >= 0 && second >= 0);
	assert_true(fcntl(first, F_GETFD) & FD_CLOEXEC);
	close_fd(&first);
	assert_int_equal(image_lock("alpine", LOCK_EX, 0, &err), -EBUSY);
	close_fd(&second);
	_cleanup_close_ int alone = image_lock("alpine", LOCK_EX, 0, &err);
	assert_true(alone >= 0);
	assert_int_equal(image_lock("alpine", LOCK_SH, 0, &err), -EBUSY);
	/* One who waits hears that it is gone, however long it stays locked; a new one is another. */
	assert_int_equal(rename(IMAGE, CARREL_IMAGES "/.removed"), 0);
	assert_int_equal(image_lock("alpine", LOCK_SH, 1000000, &err), -ENOENT);
	assert_string_equal(err.msg, "image 'alpine' is not imported");
	assert_int_equal(mkdir(IMAGE, 0700), 0);
	first = image_lock("alpine", LOCK_SH, 0, &err);
	assert_true(first >= 0);
	assert_int_equal(image_lock("../images/alpine", LOCK_SH, 0, &err), -EINVAL);
}

static void test_open(void **state)
{
	struct carrel_error err = { 0 };
	_cleanup_close_ int fd = image_open("alpine", &err);

	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFL) & O_PATH);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(image_open("debian", &err), -ENOENT);
	assert_string_equal(err.msg, "image 'debian' is not imported");
	assert_int_equal(image_open("../images/alpine", &err), -EINVAL);
}

static void test_open_without_state(void **state)
{
	struct carrel_error err = { 0 };

	assert_int_equal(image_open("alpine", &err), -ENOENT);
	assert_string_equal(err.msg, "image 'alpine' is not imported");
}

static void test_open_refuses(void **state)
{
	struct carrel_error err = { 0 };
	static const char *const parents[] = { CARREL_STATE_DIR, CARREL_IMAGES, IMAGE, IMAGE "/rootfs" };

	for (size_t i = 0; i < ARRAY_SIZE(parents); i++) {
		assert_int_equal(chmod(parents[i], 0775), 0);
		assert_int_equal(image_open("alpine", &err), -EPERM);
		assert_int_equal(chmod(parents[i], 0755), 0);
		assert_int_equal(chown(parents[i], 1000, 0), 0);
		assert_int_equal(image_open("alpine", &err), -EPERM);
		assert_int_equal(chown(parents[i], 0, 0), 0);
	}
	_cleanup_close_ int fd = image_open("alpine", &err);
	assert_true(fd >= 0);

	assert_int_equal(rename(IMAGE, CARREL_IMAGES "/real"), 0);
	assert_int_equal(symlink("real", IMAGE), 0);
	assert_true(image_open("alpine", &err) < 0);
	assert_int_equal(unlink(IMAGE), 0);
	assert_int_equal(rename(CARREL_IMAGES "/real", IMAGE), 0);
	assert_int_equal(rmdir(IMAGE "/rootfs"), 0);
	assert_int_equal(symlink("/", IMAGE "/rootfs"), 0);
	assert_true(image_open("alpine", &err) < 0);
}

static void test_manifest(void **state)
{
	struct image_manifest in, out = { .name = "alpine",
					  .source = "alpine minirootfs\n.tar.gz",
					  .os = "Alpine Linux v3.20",
					  .imported = 1700000000,
					  .digest = "sha256:abc",
					  .tree = "sha256:def",
					  .bytes = UINT64_C(1) << 40,
					  .entries = 518 };
	struct carrel_error err = { 0 };
	_cleanup_close_ int dir = open(IMAGE, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(image_read_manifest("alpine", &in, &err), -ENOENT);
	assert_int_equal(image_write_manifest(dir, &out, &err), 0);
	assert_int_equal(image_read_manifest("alpine", &in, &err), 0);
	assert_string_equal(in.source, "alpine minirootfs\\x0a.tar.gz");
	assert_string_equal(in.digest, out.digest);
	assert_string_equal(in.tree, out.tree);
	assert_string_equal(in.os, out.os);
	assert_true(in.bytes == out.bytes && in.entries == 518 && in.imported == out.imported);

	snprintf(out.name, sizeof(out.name), "other");
	assert_int_equal(image_write_manifest(dir, &out, &err), 0);
	assert_int_equal(image_read_manifest("alpine", &in, &err), -EBADMSG);
	assert_int_equal(fs_replace_at(dir, "manifest", "name=alpine\n", 12, 0644), 0);
	assert_int_equal(image_read_manifest("alpine", &in, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "damaged"));
}

/* Of an image that was imported when there was no list of its files, and a file's digest had its own key. */
static void test_old_manifest(void **state)
{
	static const char text[] =
		"name=alpine\nsource=a.tar.gz\nsha512=abc\nos=Alpine\nimported=5\nbytes=6\n"
		"entries=7\nsftp=host\n";
	struct carrel_error err = { 0 };
	struct image_manifest in;
	_cleanup_close_ int dir = open(IMAGE, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(fs_replace_at(dir, "manifest", text, sizeof(text) - 1, 0644), 0);
	assert_int_equal(image_read_manifest("alpine", &in, &err), 0);
	assert_string_equal(in.digest, "sha512:abc");
	assert_string_equal(in.tree, "");
}

static void test_entry_path(void **state)
{
	static const struct {
		const char *path, *clean; /* NULL: it leads out */
	} cases[] = {
		{ "bin/sh", "bin/sh" },
		{ "./bin/sh", "bin/sh" },
		{ ".//bin///./sh/", "bin/sh" },
		{ ".", "" },
		{ "./", "" },
		{ "", "" },
		{ "...", "..." },
		{ "..a/b..", "..a/b.." },
		{ "/bin/sh", NULL },
		{ "//bin", NULL },
		{ "..", NULL },
		{ "../bin", NULL },
		{ "bin/../sh", NULL },
		{ "bin/..", NULL },
		{ "./../bin", NULL },
	};
	char clean[4096];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = image_entry_path(cases[i].path, clean, sizeof(clean));
		assert_int_equal(r, cases[i].clean ? 0 : -EXDEV);
		if (cases[i].clean)
			assert_string_equal(clean, cases[i].clean);
	}
}

static void test_entry_path_bounds(void **state)
{
	char path[8192], clean[4096], small[4];

	memset(path, 'a', IMAGE_COMPONENT_MAX);
	path[IMAGE_COMPONENT_MAX] = '\0';
	assert_int_equal(image_entry_path(path, clean, sizeof(clean)), 0);
	path[IMAGE_COMPONENT_MAX] = 'a';
	path[IMAGE_COMPONENT_MAX + 1] = '\0';
	assert_int_equal(image_entry_path(path, clean, sizeof(clean)), -ENAMETOOLONG);

	for (size_t i = 0; i <= IMAGE_DEPTH_MAX; i++)
		memcpy(path + 2 * i, "d/", 3);
	assert_int_equal(image_entry_path(path, clean, sizeof(clean)), -ENAMETOOLONG);
	path[(size_t)2 * IMAGE_DEPTH_MAX] = '\0';
	assert_int_equal(image_entry_path(path, clean, sizeof(clean)), 0);
	assert_int_equal(strlen(clean), 2 * IMAGE_DEPTH_MAX - 1);

	assert_int_equal(image_entry_path("abc", small, sizeof(small)), -ENAMETOOLONG);
	assert_int_equal(image_entry_path("ab", small, sizeof(small)), 0);
}

static void test_os_name(void **state)
{
	static const struct {
		const char *text, *name;
	} cases[] = {
		{ "ID=alpine\nPRETTY_NAME=\"Alpine Linux v3.20\"\n", "Alpine Linux v3.20" },
		{ "PRETTY_NAME='Single \\ quotes'", "Single \\ quotes" },
		{ "PRETTY_NAME=Plain\nX=y", "Plain" },
		{ "PRETTY_NAME=\"a \\\"b\\\" \\$c\"\n", "a \"b\" $c" },
		{ "PRETTY_NAME=first\nPRETTY_NAME=second\n", "second" },
		{ "XPRETTY_NAME=no\n", "" },
		{ "PRETTY_NAME=\"open", "open" },
		{ "PRETTY_NAME=\"open\\", "open\\" },
		{ "PRETTY_NAME=", "" },
		{ "", "" },
	};
	char name[32];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		image_os_name(cases[i].text, name, sizeof(name));
		assert_string_equal(name, cases[i].name);
	}
	image_os_name("PRETTY_NAME=0123456789", name, 5);
	assert_string_equal(name, "0123");
}

#define WITH_IMAGE(test) cmocka_unit_test_setup_teardown(test, with_image, without_image)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_entry_path),
		cmocka_unit_test(test_entry_path_bounds),
		cmocka_unit_test(test_os_name),
		cmocka_unit_test(test_open_without_state),
		WITH_IMAGE(test_open),
		WITH_IMAGE(test_lock),
		WITH_IMAGE(test_open_refuses),
		WITH_IMAGE(test_manifest),
		WITH_IMAGE(test_old_manifest),
	};
	return cmocka_run_group_tests_name("image", tests, set_up, NULL);
}
