/* test_cgroup.c - what /proc/PID/cgroup says of a process, by the version of the hierarchy. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/cgroup.h"
#include "core/session.h"

static const char unified[] = "0::/user.slice/user-1000.slice/session-1.scope\n";
static const char hybrid[] = "12:pids:/carrel/1000/1000-00000001\n"
			     "3:cpu,cpuacct:/\n"
			     "1:name=systemd:/init.scope\n"
			     "0::/init.scope\n";

static void check(const char *text, bool v2, const char *expected)
{
	char path[64] = "";
	int r = cgroup_text_path(text, v2, path, sizeof(path));

	assert_int_equal(r, expected ? 0 : -ENOENT);
	assert_string_equal(path, expected ? expected : "");
}

static void version_2(void **state)
{
	check(unified, true, "/user.slice/user-1000.slice/session-1.scope");
	check(hybrid, true, "/init.scope");
	check("0::/", true, "/"); /* no newline */
	check("1:name=systemd:/init.scope\n", true, NULL);
	check("", true, NULL);
}

static void the_named_hierarchy_of_version_1(void **state)
{
	check(hybrid, false, "/init.scope");
	check("4:name=systemd:/a:b\n", false, "/a:b");
	check("4:name=systemdd:/a\n5:xname=systemd:/b\n", false, NULL);
	check(unified, false, NULL);
}

static void damaged_lines_are_passed_over(void **state)
{
	check("0:\n\n0::/right\n", true, "/right");
	check("0\n0:x\n0::/right\n", true, "/right");
}

static void a_path_that_does_not_fit_is_an_error(void **state)
{
	char path[8];

	assert_int_equal(cgroup_text_path("0::/12345678\n", true, path, sizeof(path)), -ENAMETOOLONG);
}

/* Where systemd manages the tree names are longest; nobody may be locked out for it. */
static void the_longest_name_fits_the_record(void **state)
{
	struct session_record record;
	int n = snprintf(NULL, 0, CGROUP_SCOPE "/%u/%u-%08x", UINT32_MAX, UINT32_MAX, UINT32_MAX);

	assert_true(n > 0 && (size_t)n < sizeof(record.cgroup));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_2),
		cmocka_unit_test(the_named_hierarchy_of_version_1),
		cmocka_unit_test(damaged_lines_are_passed_over),
		cmocka_unit_test(a_path_that_does_not_fit_is_an_error),
		cmocka_unit_test(the_longest_name_fits_the_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
