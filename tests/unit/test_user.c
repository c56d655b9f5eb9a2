/* test_user.c - core/user.c against the host's own NSS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "core/user.h"

static void test_root(void **state)
{
	struct user_facts facts;
	struct carrel_error err;
	char host[256] = "";

	assert_int_equal(user_facts_get("root", &facts, &err), 0);
	assert_int_equal(facts.uid, 0);
	assert_int_equal(facts.gid, 0);
	assert_string_equal(facts.name, "root");
	assert_string_equal(facts.home, getpwuid(0)->pw_dir);
	assert_string_equal(facts.shell, getpwuid(0)->pw_shell);
	assert_string_equal(facts.groups[0], getgrgid(0)->gr_name);
	assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
	assert_memory_equal(facts.host, host, strlen(facts.host));
	assert_null(strchr(facts.host, '.'));
	user_facts_clear(&facts);
	assert_null(facts.name);
	user_facts_clear(&facts); /* twice does no harm */
}

/* Every user of the host: the primary group comes first, and membership is what the group's entry says. */
static void test_everybody(void **state)
{
	char names[64][64];
	size_t count = 0;

	setpwent();
	for (const struct passwd *entry; count < 64 && (entry = getpwent());) {
		if (strlen(entry->pw_name) < sizeof(names[0]))
			memcpy(names[count++], entry->pw_name, strlen(entry->pw_name) + 1);
	}
	endpwent();
	assert_true(count > 1);
	for (size_t i = 0; i < count; i++) {
		struct user_facts facts;
		struct carrel_error err;

		assert_int_equal(user_facts_get(names[i], &facts, &err), 0);
		const struct group *primary = getgrgid(facts.gid);
		if (primary)
			assert_string_equal(facts.groups[0], primary->gr_name);
		for (char **group = facts.groups; *group; group++)
			assert_true(primary ? getgrnam(*group) != NULL : true);
		user_facts_clear(&facts);
	}
}

static void test_nobody(void **state)
{
	struct user_facts facts;
	struct carrel_error err;

	assert_int_equal(user_facts_get("no-such-user-here", &facts, &err), -ENOENT);
	assert_string_equal(err.msg, "no such user 'no-such-user-here'");
	assert_null(facts.name);
	assert_null(facts.groups);
	assert_int_equal(user_facts_get("", &facts, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_everybody),
		cmocka_unit_test(test_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
