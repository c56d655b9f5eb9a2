/* test_alpine.c - ctl/alpine.c: what is taken from Alpine's index, and what is not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "ctl/alpine.h"

#define SUM                                                                \
	"9d5405f61f8a6ebc02461ba75346fbf1a63a4eab8510a0158dd321cee0c4dafe" \
	"28c2a3d2cb7c3d75e2a8130dae0c3c92382f5b6adeea309eafc97621c5bf6400"

#define ENTRY(flavor, version, sum, size)                                                                 \
	"-\n  title: \"Mini root filesystem\"\n  desc: |\n    Minimal root filesystem.\n    arch: none\n" \
	"  branch: v3.20\n  arch: x86_64\n  version: " version "\n  flavor: " flavor                      \
	"\n  file: x\n  size: " size "\n  sha256: 00\n  sha512: " sum "\n"

static void test_branch(void **state)
{
	static const struct {
		const char *wanted, *branch, *exact;
	} cases[] = {
		{ NULL, "latest-stable", "" },	 { "3.20", "v3.20", "" },	  { "v3.20", "v3.20", "" },
		{ "3.20.3", "v3.20", "3.20.3" }, { "v3.9.10", "v3.9", "3.9.10" },
	};
	static const char *const wrong[] = { "",     "3",      "3.20.3.1", "latest",
					     "v",    "3.",     ".3",	   "3..2",
					     "../x", "3.20/x", "3.20 ",	   "vv3.20",
					     "edge", "-3.20",  "3.2x",	   "3.20.333333333333333333333" };
	char branch[ALPINE_VERSION_MAX], exact[ALPINE_VERSION_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(alpine_branch(cases[i].wanted, branch, exact), 0);
		assert_string_equal(branch, cases[i].branch);
		assert_string_equal(exact, cases[i].exact);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(alpine_branch(wrong[i], branch, exact), -EINVAL);
}

static void test_find(void **state)
{
	static const char index[] = "---\n" ENTRY("alpine-standard", "3.20.3", "00", "1")
		ENTRY("alpine-minirootfs", "3.20.3", SUM, "3520013") ENTRY("alpine-virt", "9.9.9", "00", "2");
	struct alpine_release release;
	struct carrel_error err = { 0 };

	assert_int_equal(alpine_find(index, "x86_64", &release, &err), 0);
	assert_string_equal(release.version, "3.20.3");
	assert_string_equal(release.sha512, SUM);
	assert_true(release.size == 3520013);
	assert_int_equal(alpine_find(index, "aarch64", &release, &err), -ENOENT);
	assert_int_equal(alpine_find(index, "none", &release, &err), -ENOENT);
	/* The other way to write a list, and quotes. */
	assert_int_equal(
		alpine_find("- flavor: 'alpine-minirootfs'\n  arch: \"x86_64\"\r\n  version: 3.20.3\n"
			    "  size: 5\n  sha512: \"" SUM "\"",
			    "x86_64", &release, &err),
		0);
	assert_true(release.size == 5);
}

static void test_not_sound(void **state)
{
	static const char *const wrong[] = {
		ENTRY("alpine-minirootfs", "../../etc", SUM, "1"),
		ENTRY("alpine-minirootfs", "3.20", SUM, "1"),
		ENTRY("alpine-minirootfs", "3.20.3", "00", "1"),
		ENTRY("alpine-minirootfs", "3.20.3", SUM "0", "1"),
		ENTRY("alpine-minirootfs", "3.20.3", SUM, "0"),
		ENTRY("alpine-minirootfs", "3.20.3", SUM, "-1"),
		ENTRY("alpine-minirootfs", "3.20.3", SUM, "99999999999999999999"),
		ENTRY("alpine-minirootfs", "3.20.3", SUM, ""),
		"- flavor: alpine-minirootfs\n  arch: x86_64\n",
	};
	static const char *const none[] = {
		"", "\n\n", "-", "-\n-\n-", "flavor: alpine-minirootfs\narch: x86_64", "<html>", "  flavor"
	};
	struct alpine_release release;
	struct carrel_error err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(alpine_find(wrong[i], "x86_64", &release, &err), -EBADMSG);
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_int_equal(alpine_find(none[i], "x86_64", &release, &err), -ENOENT);
}

static void test_sum(void **state)
{
	char sum[DIGEST_HEX_MAX];

	assert_int_equal(alpine_read_sum(SUM "  file.gz\n", "file.gz", sum), 0);
	assert_string_equal(sum, SUM);
	assert_int_equal(alpine_read_sum(SUM " *file.gz", "file.gz", sum), 0);
	assert_int_equal(alpine_read_sum(SUM "  file.gz", "file", sum), -EBADMSG);
	assert_int_equal(alpine_read_sum(SUM "  file", "file.gz", sum), -EBADMSG);
	assert_int_equal(alpine_read_sum(SUM, "file.gz", sum), -EBADMSG);
	assert_int_equal(alpine_read_sum("00  file.gz", "file.gz", sum), -EBADMSG);
	assert_int_equal(alpine_read_sum("", "file.gz", sum), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_branch),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_not_sound),
		cmocka_unit_test(test_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
