/* test_x11.c - shell/x11.c: which display and which cookie are taken, and from what kind of file. As root. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/wire.h"
#include "shell/x11.h"

enum { FAMILY_INTERNET = 0, FAMILY_LOCAL = 256, FAMILY_WILD = 65535 };

static char home[64], file[96];
static struct utsname machine;

/* An Xauthority file that is being made. */
static unsigned char data[80 * 1024];
static size_t size;

static void add_number(unsigned number)
{
	data[size++] = (unsigned char)(number >> 8);
	data[size++] = (unsigned char)number;
}

static void add_field(const void *bytes, size_t length)
{
	add_number((unsigned)length);
	memcpy(data + size, bytes, length);
	size += length;
}

static void add_entry(unsigned family, const char *address, const char *number, const char *name,
		      const char *key)
{
	add_number(family);
	add_field(address, strlen(address));
	add_field(number, strlen(number));
	add_field(name, strlen(name));
	add_field(key, strlen(key));
}

static void add_cookie(const char *address, const char *number, const char *key)
{
	add_entry(FAMILY_LOCAL, address, number, "MIT-MAGIC-COOKIE-1", key);
}

static int set_up(void **state)
{
	size = 0;
	return 0;
}

static ssize_t find(const char *host, const char *number, const char **key)
{
	return x11_parse(data, size, host, number, (const unsigned char **)key);
}

static void test_the_right_entry(void **state)
{
	const char *key = NULL;

	add_cookie("here", "1", "display-1");
	add_cookie("there", "10", "other-machine");
	add_entry(FAMILY_INTERNET, "here", "10", "MIT-MAGIC-COOKIE-1", "other-family");
	add_entry(FAMILY_WILD, "here", "10", "MIT-MAGIC-COOKIE-1", "other-family");
	add_entry(FAMILY_LOCAL, "here", "10", "XDM-AUTHORIZATION-1", "other-method");
	add_cookie("here", "100", "longer-number");
	assert_int_equal(find("here", "10", &key), -ENOENT);
	assert_null(key);
	add_cookie("here", "10", "right");
	add_cookie("here", "10", "second");
	assert_int_equal(find("here", "10", &key), 5);
	assert_memory_equal(key, "right", 5);
	assert_int_equal(find("there", "10", &key), 13);
}

static void test_sizes_of_a_cookie(void **state)
{
	char longest[X11_COOKIE_MAX + 2];
	const char *key;

	memset(longest, 'k', sizeof(longest));
	longest[X11_COOKIE_MAX] = '\0';
	add_cookie("here", "10", longest);
	assert_int_equal(find("here", "10", &key), X11_COOKIE_MAX);
	size = 0;
	longest[X11_COOKIE_MAX] = 'k';
	longest[X11_COOKIE_MAX + 1] = '\0';
	add_cookie("here", "10", longest);
	assert_int_equal(find("here", "10", &key), -EINVAL);
	size = 0;
	add_cookie("here", "10", "");
	assert_int_equal(find("here", "10", &key), -EINVAL);
}

/* Whatever is cut off or too much, wherever, the file is damaged; only at the end of an entry it is not. */
static void test_damaged(void **state)
{
	const char *key;

	assert_int_equal(find("here", "10", &key), -ENOENT);
	add_cookie("here", "10", "0123456789abcdef");
	size_t first = size;
	add_cookie("there", "11", "x");
	for (size_t whole = size; size > 0; size--)
		assert_int_equal(find("here", "10", &key), size == whole || size == first ? 16 : -EINVAL);
	size = first;
	data[2] = data[3] = 0xff; /* an address longer than the file */
	assert_int_equal(find("here", "10", &key), -EINVAL);
}

static void write_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), (ssize_t)size);
}

static int set_up_home(void **state)
{
	size = 0;
	snprintf(home, sizeof(home), "/tmp/test_x11.XXXXXX");
	if (!mkdtemp(home) || uname(&machine) < 0)
		return -1;
	snprintf(file, sizeof(file), "%s/.Xauthority", home);
	add_cookie(machine.nodename, "10", "\x01\xab\xff z");
	write_file(file);
	return 0;
}

static int remove_home(void **state)
{
	char other[96];

	snprintf(other, sizeof(other), "%s/other", home);
	unlink(other);
	unlink(file);
	return rmdir(home);
}

static void test_found(void **state)
{
	struct x11 x11;
	char other[96];

	assert_true(x11_find(&x11, "localhost:10.0", NULL, home));
	assert_string_equal(x11.display, "DISPLAY=localhost:10.0");
	assert_string_equal(x11.cookie, WIRE_COOKIE "=01abff207a");
	assert_true(x11_find(&x11, "localhost:10", "", home));
	assert_false(x11_find(&x11, "localhost:11.0", NULL, home));
	/* XAUTHORITY instead of HOME, as an absolute path. */
	assert_true(x11_find(&x11, "localhost:10.0", file, NULL));
	assert_true(x11_find(&x11, "localhost:10.0", file, "/nowhere"));
	assert_false(x11_find(&x11, "localhost:10.0", ".Xauthority", home));
	snprintf(other, sizeof(other), "%s/other", home);
	assert_false(x11_find(&x11, "localhost:10.0", other, home));
	assert_false(x11_find(&x11, "localhost:10.0", NULL, NULL));
	assert_false(x11_find(&x11, NULL, NULL, home));
}

static void test_displays_of_others(void **state)
{
	const char *wrong[] = { "",
				":10",
				":10.0",
				"unix:10.0",
				"localhost:",
				"localhost:.0",
				"localhost:10.",
				"localhost:10.0.0",
				"localhost:10.0 ",
				"localhost:-10.0",
				"localhost:+10.0",
				"localhost:010.0",
				"localhost:100000",
				"127.0.0.1:10.0",
				"LOCALHOST:10.0",
				"localhost:10.000000",
				"localhost:10.0\n",
				"localhost::10.0",
				"localhost:10.0/" };
	struct x11 x11;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_false(x11_find(&x11, wrong[i], NULL, home));
}

/* Only an ordinary file of the user's, of a size that such a file can have; and nothing that makes one wait. */
static void test_files_of_others(void **state)
{
	struct x11 x11;
	char other[96];

	assert_int_equal(chown(file, 12345, 0), 0);
	assert_false(x11_find(&x11, "localhost:10.0", NULL, home));
	assert_int_equal(chown(file, getuid(), 0), 0);
	assert_true(x11_find(&x11, "localhost:10.0", NULL, home));

	snprintf(other, sizeof(other), "%s/other", home);
	assert_int_equal(symlink(file, other), 0);
	assert_false(x11_find(&x11, "localhost:10.0", other, home));
	assert_int_equal(unlink(other), 0);
	assert_int_equal(mkfifo(other, 0600), 0);
	assert_false(x11_find(&x11, "localhost:10.0", other, home));
	assert_false(x11_find(&x11, "localhost:10.0", home, home));

	while (size <= 64 * 1024)
		add_cookie(machine.nodename, "11", "x");
	write_file(file);
	assert_false(x11_find(&x11, "localhost:10.0", NULL, home));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_the_right_entry, set_up),
		cmocka_unit_test_setup(test_sizes_of_a_cookie, set_up),
		cmocka_unit_test_setup(test_damaged, set_up),
		cmocka_unit_test_setup_teardown(test_found, set_up_home, remove_home),
		cmocka_unit_test_setup_teardown(test_displays_of_others, set_up_home, remove_home),
		cmocka_unit_test_setup_teardown(test_files_of_others, set_up_home, remove_home),
	};

	return cmocka_run_group_tests_name("x11", tests, NULL, NULL);
}
