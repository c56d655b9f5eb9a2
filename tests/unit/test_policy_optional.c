/* test_policy_optional.c - core/policy_optional.c: which limits must be kept, and which a policy would do without. */
#include "parse.h"

static const struct user_facts ann = {
	.uid = 2000,
	.gid = 2000,
	.name = (char *)"ann",
	.home = (char *)"/home/ann",
	.shell = (char *)"/usr/bin/carrel-shell",
	.groups = (char *[]){ NULL },
};

static void check_storage(const char *limits, const char *optional, const char *required)
{
	char text[256];
	struct policy p;

	snprintf(text, sizeof(text), "defaults = { user_limits = { %s }; optional = [ %s ]; };", limits,
		 optional);
	_cleanup_config_ struct config *config = parse_good(text);
	assert_int_equal(policy_decide(config, &ann, &p, NULL), 0);
	const char *got = policy_required_storage(&p);
	assert_string_equal(got ? got : "none", required);
}

static void test_required_storage(void **state)
{
	static const char both[] = "disk = \"24M\"; inodes = \"2k\";";

	check_storage("", "", "none");
	check_storage("", "\"user_limits.disk\"", "none");
	check_storage("disk = \"24M\";", "", "user_limits.disk");
	check_storage("disk = \"24M\";", "\"user_limits.disk\"", "none");
	check_storage("inodes = \"2k\";", "\"user_limits.disk\"", "user_limits.inodes");
	/* One of two that is optional is not enough. */
	check_storage(both, "\"user_limits.disk\"", "user_limits.inodes");
	check_storage(both, "\"user_limits.inodes\"", "user_limits.disk");
	check_storage(both, "\"user_limits.inodes\", \"user_limits.disk\"", "none");
}

static void test_is_optional(void **state)
{
	const char *const list[] = { "limits.io", "user_limits.io", NULL };

	assert_true(policy_is_optional(list, "limits.io"));
	assert_true(policy_is_optional(list, "user_limits.io"));
	assert_false(policy_is_optional(list, "limits"));
	assert_false(policy_is_optional(list, "limits.io2"));
	assert_false(policy_is_optional(NULL, "limits.io"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_required_storage),
		cmocka_unit_test(test_is_optional),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
