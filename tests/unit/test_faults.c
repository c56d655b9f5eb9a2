/* test_faults.c - core/faults*.c: the words, and a history that stays within bounds and survives damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/faults.h"
#include "core/fs.h"
#include "core/units.h"

static char dir_path[] = "/tmp/test_faults.XXXXXX";
static int dir = -EBADF;

static struct fault sample(void)
{
	return (struct fault){
		.time = 1700000000,
		.user = "u1",
		.uid = 1001,
		.session = "1001-0123abcd",
		.kind = FAULT_MEMORY,
		.level = FAULT_SESSION,
		.limit = 64 << 20,
		.peak = 64 << 20,
		.count = 1,
		.process = "python3",
	};
}

static const char *words(const char *kind, const char *level, uint64_t limit, uint64_t count,
			 const char *process)
{
	static char text[256];
	struct fault f = { .limit = limit, .count = count, .group = "students" };

	snprintf(f.kind, sizeof(f.kind), "%s", kind);
	snprintf(f.level, sizeof(f.level), "%s", level);
	snprintf(f.process, sizeof(f.process), "%s", process);
	return fault_describe(&f, text, sizeof(text));
}

static void test_words(void **state)
{
	assert_string_equal(words(FAULT_MEMORY, FAULT_SESSION, 64 << 20, 1, "python3"),
			    "memory limit of 64M reached, 'python3' was killed");
	assert_string_equal(words(FAULT_MEMORY, FAULT_SESSION, 64 << 20, 1, ""),
			    "memory limit of 64M reached, a process was killed");
	assert_string_equal(
		words(FAULT_MEMORY, FAULT_USER, 1 << 30, 2, "dd"),
		"memory limit of 1G for all your sessions reached, 'dd' and 1 more process were killed");
	assert_string_equal(
		words(FAULT_MEMORY, FAULT_GROUP, UINT64_C(8) << 30, 13, "dd"),
		"memory limit of 8G of the group 'students' reached, 'dd' and 12 more processes were "
		"killed");
	assert_string_equal(words(FAULT_MEMORY, FAULT_HOST, UNIT_NONE, 3, ""),
			    "the host is out of memory, 3 processes were killed");
	assert_string_equal(words(FAULT_PIDS, FAULT_SESSION, 256, 1, ""), "limit of 256 processes reached");
	assert_string_equal(words(FAULT_PIDS, FAULT_USER, 1000, 70, ""),
			    "limit of 1000 processes for all your sessions reached (70 times)");
	assert_string_equal(words(FAULT_DISK, FAULT_USER, UINT64_C(2) << 30, 1, ""),
			    "disk limit of 2G reached");
	assert_string_equal(words(FAULT_DISK, FAULT_HOST, UNIT_NONE, 1, ""), "the disk of the host is full");
	assert_string_equal(words(FAULT_INODES, FAULT_USER, 200000, 1, ""), "limit of 200000 files reached");
	assert_string_equal(words(FAULT_DISK, FAULT_SESSION, 256 << 20, 1, ""),
			    "disk limit of 256M reached in the session's memory");
	/* What could not be read is left out, and what nobody has set is the host's. */
	assert_string_equal(words(FAULT_PIDS, FAULT_HOST, UNIT_NONE, 3, ""),
			    "the host allows no more processes (3 times)");
	assert_string_equal(words(FAULT_PIDS, FAULT_SESSION, UNIT_NONE, 1, ""), "limit of processes reached");
	assert_string_equal(words(FAULT_MEMORY, FAULT_SESSION, UNIT_NONE, 1, "dd"),
			    "memory limit reached, 'dd' was killed");
	assert_string_equal(words(FAULT_DISK, FAULT_USER, UNIT_NONE, 1, ""), "limit of disk space reached");
	assert_string_equal(words(FAULT_INODES, FAULT_USER, UNIT_NONE, 1, ""), "limit of files reached");
	assert_string_equal(words(FAULT_INODES, FAULT_HOST, UNIT_NONE, 1, ""),
			    "the disk of the host has no room for more files");
	/* A process' name is the user's: nothing of it reaches a terminal as it is. */
	assert_string_equal(words(FAULT_MEMORY, FAULT_SESSION, 64 << 20, 1, "a\033[2J\n\\"),
			    "memory limit of 64M reached, 'a\\x1b[2J\\x0a\\x5c' was killed");
}

static void test_longest_words_fit(void **state)
{
	char text[256], name[17], all[64];
	struct fault f = { .limit = UINT64_MAX - 1, .count = UINT64_MAX - 1 };

	memset(name, '\n', 15);
	name[15] = '\0';
	memset(all, 'g', 63);
	all[63] = '\0';
	memcpy(f.process, name, 16);
	memcpy(f.group, all, sizeof(all));
	snprintf(f.kind, sizeof(f.kind), "%s", FAULT_MEMORY);
	snprintf(f.level, sizeof(f.level), "%s", FAULT_GROUP);
	fault_describe(&f, text, sizeof(text));
	assert_non_null(strstr(text, "more processes were killed"));
}

static void append(const struct fault *fault)
{
	struct carrel_error err = { 0 };

	if (faults_append(dir, fault, &err) < 0)
		fail_msg("%s", err.msg);
}

static ssize_t count(uid_t uid, struct fault **list)
{
	ssize_t n = faults_read(dir, uid, list, NULL);

	assert_true(n >= 0);
	return n;
}

static void test_both_ways(void **state)
{
	_cleanup_free_ struct fault *list = NULL;
	struct fault f = sample();

	f.limit = UNIT_NONE;
	snprintf(f.process, sizeof(f.process), "a\tb\nc=d\\");
	append(&f);
	assert_int_equal(count(1001, &list), 1);
	assert_int_equal(list[0].time, f.time);
	assert_int_equal(list[0].uid, 1001);
	assert_string_equal(list[0].user, "u1");
	assert_string_equal(list[0].session, "1001-0123abcd");
	assert_string_equal(list[0].kind, "memory");
	assert_string_equal(list[0].level, "session");
	assert_true(list[0].limit == UNIT_NONE && list[0].peak == 64 << 20 && list[0].count == 1);
	assert_string_equal(list[0].process, "a\\x09b\\x0ac=d\\x5c");
}

static void test_order_and_users(void **state)
{
	_cleanup_free_ struct fault *all = NULL, *one = NULL, *none = NULL;
	struct fault f = sample();

	for (unsigned i = 0; i < 10; i++) {
		f.time = 1700000000 + i;
		f.uid = 1001 + i % 2;
		append(&f);
	}
	assert_int_equal(count((uid_t)-1, &all), 10);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(all[i].time, 1700000000 + i);
	assert_int_equal(count(1002, &one), 5);
	assert_int_equal(one[0].uid, 1002);
	assert_int_equal(count(4711, &none), 0);
}

static off_t size_of(const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) < 0 ? -1 : st.st_size;
}

static void test_bounded(void **state)
{
	_cleanup_free_ struct fault *list = NULL;
	struct fault f = sample();

	for (unsigned i = 0; i < 3000; i++) {
		f.count = i + 1;
		append(&f);
		assert_true(size_of("1001") <= FAULTS_FILE_MAX);
	}
	assert_true(size_of("1001.old") <= FAULTS_FILE_MAX && size_of("1001.old") > FAULTS_FILE_MAX - 512);
	ssize_t n = count(1001, &list);
	assert_true(n > 300 && n < 3000);
}

static void put(const char *name, const char *text, size_t size)
{
	_cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), size);
}

static void test_damage(void **state)
{
	static const char junk[] = "time=1\tuser=x\n\0\0\0\nuid\n\n\t\ntime=9\ttime=9\t\nhalf a li";
	_cleanup_free_ struct fault *list = NULL;
	struct fault f = sample();

	append(&f);
	put("1001", junk, sizeof(junk) - 1);
	append(&f);
	put("1001.old", junk, sizeof(junk) - 1);
	put("junk", junk, sizeof(junk) - 1);
	put("01001", junk, sizeof(junk) - 1);
	put("4294967295", junk, sizeof(junk) - 1);
	assert_int_equal(count((uid_t)-1, &list), 2);
}

static void test_not_a_file(void **state)
{
	struct carrel_error err = { 0 };
	struct fault f = sample();
	struct fault *list = NULL;

	assert_int_equal(mkfifoat(dir, "1001", 0600), 0);
	assert_true(faults_append(dir, &f, &err) < 0);
	assert_true(faults_read(dir, 1001, &list, &err) < 0);
	assert_int_equal(unlinkat(dir, "1001", 0), 0);
	assert_int_equal(symlinkat("/tmp/test_faults.elsewhere", dir, "1001"), 0);
	assert_int_equal(faults_append(dir, &f, &err), -ELOOP);
	assert_true(access("/tmp/test_faults.elsewhere", F_OK) < 0);
}

static void test_several_at_once(void **state)
{
	_cleanup_free_ struct fault *list = NULL;
	struct fault f = sample();
	int status;

	for (int child = 0; child < 4; child++) {
		if (fork() == 0) {
			for (int i = 0; i < 50; i++)
				if (faults_append(dir, &f, NULL) < 0)
					_exit(1);
			_exit(0);
		}
	}
	for (int child = 0; child < 4; child++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(count(1001, &list), 200);
}

static void test_remove(void **state)
{
	_cleanup_free_ uid_t *uids = NULL;
	struct fault f = sample();

	append(&f);
	assert_int_equal(renameat(dir, "1001", dir, "1001.old"), 0);
	append(&f);
	f.uid = 7;
	append(&f);
	assert_int_equal(renameat(dir, "7", dir, "7.old"), 0);
	assert_int_equal(faults_users(dir, &uids, NULL), 2);
	assert_int_equal(faults_remove(dir, 1001, NULL), 0);
	assert_int_equal(faults_remove(dir, 7, NULL), 0);
	assert_int_equal(faults_remove(dir, 7, NULL), 0);
	assert_int_equal(size_of("1001"), -1);
	assert_int_equal(size_of("1001.old"), -1);
	assert_int_equal(size_of("7.old"), -1);
}

/* Aside with the state of its account, and back: another account with the uid sees nothing of it. */
static void test_kept_aside(void **state)
{
	_cleanup_free_ struct fault *before = NULL, *aside = NULL, *after = NULL;
	struct fault f = sample();

	assert_int_equal(mkdirat(dir, "state", 0700), 0);
	_cleanup_close_ int user = openat(dir, "state", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(faults_keep(dir, 1001, user, NULL), 0); /* none */
	assert_int_equal(faults_give_back(dir, 1001, user, NULL), 0);
	for (unsigned i = 0; i < 700; i++) {
		f.time = 1700000000 + i;
		append(&f);
	}
	assert_true(size_of("1001.old") > 0);
	ssize_t n = count(1001, &before);
	assert_int_equal(faults_keep(dir, 1001, user, NULL), 0);
	assert_int_equal(count(1001, &aside), 0);
	assert_int_equal(size_of("1001"), -1);
	assert_int_equal(size_of("1001.old"), -1);
	assert_int_equal(faults_keep(dir, 1001, user, NULL), 0); /* once more, cut off in between: it stays */
	assert_int_equal(faults_give_back(dir, 1001, user, NULL), 0);
	assert_int_equal(count(1001, &after), n);
	assert_memory_equal(before, after, (size_t)n * sizeof(*before));
	assert_int_equal(size_of("state/faults"), -1);
	assert_int_equal(size_of("state/faults.old"), -1);
}

static int make_dir(void **state)
{
	snprintf(dir_path, sizeof(dir_path), "/tmp/test_faults.XXXXXX");
	if (!mkdtemp(dir_path))
		return -1;
	dir = open(dir_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

static int remove_dir(void **state)
{
	_cleanup_close_ int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);

	close_fd(&dir);
	return fs_remove_tree(tmp, strrchr(dir_path, '/') + 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_longest_words_fit),
		TEST(test_both_ways),
		TEST(test_order_and_users),
		TEST(test_bounded),
		TEST(test_damage),
		TEST(test_not_a_file),
		TEST(test_several_at_once),
		TEST(test_remove),
		TEST(test_kept_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
