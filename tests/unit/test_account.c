/* test_account.c - core/account.c: which account a state belongs to, when uid and name do not say it. As root. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/account.h"
#include "own_tmpfs.h"

#define DAY	   86400
#define LAST_LOGIN (20000 * (uint64_t)DAY + 50000) /* in the afternoon of day 20000 */

static const struct state_owner ann = {
	.uid = 1001,
	.name = "ann",
	.since = 1600000000,
	.last_login = LAST_LOGIN,
	.home = { .inode = 7, .birth = 70 },
};

static void test_rule(void **state)
{
	static const struct {
		const char *what;
		uid_t uid;
		const char *name;
		struct home_id home;
		int64_t day;
		bool other;
	} cases[] = {
		{ "as it was", 1001, "ann", { 7, 70 }, 19000, false },
		{ "another uid", 1002, "ann", { 7, 70 }, 19000, true },
		{ "another name", 1001, "bea", { 7, 70 }, 19000, true },
		{ "made anew", 1001, "ann", { 8, 80 }, 20001, true },
		{ "made anew on the day of the last login", 1001, "ann", { 8, 80 }, 20000, true },
		{ "made anew, the inode used again", 1001, "ann", { 7, 71 }, 20001, true },
		{ "made anew, and to change the password", 1001, "ann", { 8, 80 }, 0, true },
		{ "made anew, on a filesystem without times of birth", 1001, "ann", { 8, 0 }, 20001, true },
		{ "a home that was moved", 1001, "ann", { 8, 80 }, 19999, false },
		{ "a new password", 1001, "ann", { 7, 70 }, 20001, false },
		{ "a password to be changed", 1001, "ann", { 7, 70 }, 0, false },
		{ "a home that has no time of birth any more", 1001, "ann", { 7, 0 }, 20001, false },
		{ "no home now", 1001, "ann", { 0, 0 }, 20001, false },
		{ "no shadow entry", 1001, "ann", { 8, 80 }, ACCOUNT_DAY_UNKNOWN, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (account_is_other(&ann, cases[i].uid, cases[i].name, &cases[i].home, cases[i].day) !=
		    cases[i].other)
			fail_msg("%s", cases[i].what);
}

/* Of a state of an earlier version, or whose user had no home. */
static void test_home_was_not_known(void **state)
{
	const struct home_id home = { 8, 80 };
	struct state_owner owner = ann;

	owner.home = (struct home_id){ 0 };
	assert_false(account_home_differs(&owner.home, &home));
	assert_false(account_is_other(&owner, 1001, "ann", &home, 20001));
	assert_true(account_is_other(&owner, 1001, "bea", &home, 20001));
	owner.home = (struct home_id){ 8, 0 };
	assert_false(account_is_other(&owner, 1001, "ann", &home, 20001));
}

static void test_find_home(void **state)
{
	struct home_id first, again, other;

	assert_int_equal(mkdir("home", 0755), 0);
	assert_int_equal(mkdir("home/ann", 0700), 0);
	assert_int_equal(chown("home/ann", 1001, 1001), 0);
	account_find_home("/tmp/home/ann", &first);
	assert_true(first.inode != 0);
	assert_true(first.inode == stat_of("home/ann").st_ino);
	/* The same by another path, as with a link to the new place of all homes. */
	assert_int_equal(rename("home", "disk2"), 0);
	assert_int_equal(symlink("disk2", "home"), 0);
	account_find_home("/tmp/home/ann", &again);
	assert_memory_equal(&first, &again, sizeof(first));
	/* Another directory. */
	assert_int_equal(rename("disk2/ann", "disk2/aside"), 0);
	assert_int_equal(mkdir("disk2/ann", 0700), 0);
	account_find_home("/tmp/home/ann", &other);
	assert_true(account_home_differs(&first, &other));
	/* None, no directory, no path. */
	account_find_home("/tmp/home/nobody", &other);
	assert_true(other.inode == 0 && other.birth == 0);
	put("disk2/file", "x");
	account_find_home("/tmp/home/file", &other);
	assert_int_equal(other.inode, 0);
	account_find_home("", &other);
	assert_int_equal(other.inode, 0);
	/* Where somebody else could put another directory in its place it is not looked at. */
	assert_int_equal(chown("disk2", 1001, 1001), 0);
	account_find_home("/tmp/home/ann", &other);
	assert_int_equal(other.inode, 0);
}

static void test_password_day(void **state)
{
	int64_t day = 5;
	struct carrel_error err = { 0 };

	/* Over the file of the host, in the test's own mount namespace. */
	put("shadow", "ann:*:20416:0:99999:7:::\nexpired:*:0:0:99999:7:::\nnever:*::0:99999:7:::\n");
	assert_int_equal(mount("/tmp/shadow", "/etc/shadow", NULL, MS_BIND, NULL), 0);
	assert_int_equal(account_password_day("ann", &day, &err), 0);
	assert_int_equal(day, 20416);
	assert_int_equal(account_password_day("expired", &day, &err), 0);
	assert_int_equal(day, 0);
	assert_int_equal(account_password_day("never", &day, &err), 0);
	assert_int_equal(day, ACCOUNT_DAY_UNKNOWN);
	assert_int_equal(account_password_day("nobody has this name", &day, &err), 0);
	assert_int_equal(day, ACCOUNT_DAY_UNKNOWN);
	assert_int_equal(umount2("/etc/shadow", MNT_DETACH), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule),
		cmocka_unit_test(test_home_was_not_known),
		cmocka_unit_test(test_find_home),
		cmocka_unit_test(test_password_day),
	};

	return cmocka_run_group_tests(tests, own_tmp, NULL);
}
