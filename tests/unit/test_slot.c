/* test_slot.c - keeper/slot_directory.c: the directory of a session, also when it cannot be made. As root. */
#include "own_tmpfs.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/paths.h"
#include "keeper/slot.h"

/* In place of the library's: the numbers, in order, and then an error. */
static const uint32_t *numbers;
static size_t numbers_left;

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): those of the library are reserved */
ssize_t getrandom(void *buffer, size_t size, unsigned flags)
{
	if (!numbers_left || size != sizeof(*numbers)) {
		errno = ENOSYS;
		return -1;
	}
	memcpy(buffer, numbers++, size);
	numbers_left--;
	return (ssize_t)size;
}

static void give(const uint32_t *list, size_t count)
{
	numbers = list;
	numbers_left = count;
}

static int set_up(void **state)
{
	if (own_tmpfs("/run") < 0 || mkdir(CARREL_RUN_DIR, 0711) < 0)
		return -1;
	return mkdir(CARREL_SESSIONS, 0711);
}

static const uint32_t same[] = { 0xabc, 0xabc, 0xdef };

static void test_a_name_that_is_taken(void **state)
{
	struct carrel_error err = { 0 };
	char id[SESSION_ID_MAX];

	give(same, ARRAY_SIZE(same));
	close(slot_make_directory(2000, id, &err));
	assert_string_equal(id, "2000-00000abc");
	_cleanup_close_ int fd = slot_make_directory(2000, id, &err);
	assert_true(fd >= 0);
	assert_string_equal(id, "2000-00000def");
	assert_int_equal(stat_of(CARREL_SESSIONS "/2000-00000def").st_mode & 07777, 0711);
	assert_int_equal(slot_remove("2000-00000abc", &err), 0);
	assert_int_equal(slot_remove("2000-00000def", &err), 0);
	assert_int_equal(access(CARREL_SESSIONS "/2000-00000def", F_OK), -1);
}

/* The name that was tried is that of a session which lives. */
static void test_no_other_name(void **state)
{
	struct carrel_error err = { 0 };
	char id[SESSION_ID_MAX];

	give(same, 2);
	close(slot_make_directory(2000, id, &err));
	assert_int_equal(slot_make_directory(2000, id, &err), -ENOSYS);
	assert_string_equal(id, "");
	assert_string_equal(err.msg,
			    "cannot make a directory below '" CARREL_SESSIONS "': Function not implemented");
	assert_int_equal(slot_remove("2000-00000abc", &err), 0);
}

/* It is there, and ours to remove. */
static void test_no_descriptor_for_it(void **state)
{
	struct carrel_error err = { 0 };
	char id[SESSION_ID_MAX];
	struct rlimit before, one_more;
	int next = dup(0);

	assert_true(next >= 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	one_more = before;
	one_more.rlim_cur = (rlim_t)next + 1;
	give(same, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &one_more), 0);
	int fd = slot_make_directory(2000, id, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(fd, -EMFILE);
	assert_int_equal(err.code, EMFILE);
	assert_string_equal(err.msg, "cannot open '" CARREL_SESSIONS "/2000-00000abc': Too many open files");
	assert_string_equal(id, "2000-00000abc");
	assert_int_equal(slot_remove(id, &err), 0);
}

static void test_no_place_for_it(void **state)
{
	struct carrel_error err = { 0 };
	char id[SESSION_ID_MAX] = "2000-00000abc";

	assert_int_equal(rmdir(CARREL_SESSIONS), 0);
	give(same, 1);
	assert_int_equal(slot_make_directory(2000, id, &err), -ENOENT);
	assert_string_equal(id, "");
	assert_int_equal(mkdir(CARREL_SESSIONS, 0711), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_name_that_is_taken),
		cmocka_unit_test(test_no_other_name),
		cmocka_unit_test(test_no_descriptor_for_it),
		cmocka_unit_test(test_no_place_for_it),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
