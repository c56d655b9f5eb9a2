/* Requests from inside: a user's file, so anything may be in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "keeper/self_service.h"

static void test_good(void **state)
{
	struct self_service_request request;

	assert_true(self_service_parse("reset", &request));
	assert_true(request.reset && !request.keep_home);
	assert_true(self_service_parse("reset --keep-home", &request));
	assert_true(request.reset && request.keep_home);
	assert_true(self_service_parse("snapshot a.b-c_9", &request));
	assert_true(!request.reset && !request.keep_home);
	assert_string_equal(request.name, "a.b-c_9");
}

static void test_bad(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"resets",
		"reset ",
		" reset",
		"reset --keep-home ",
		"reset --all",
		"RESET",
		"snapshot",
		"snapshot ",
		"snapshot .",
		"snapshot ..",
		"snapshot /",
		"snapshot a b",
		"snapshot ../../x",
		"snapshot -x",
		"snapshot a\r",
		"remove",
		"snapshot a\x1b",
		"snapshot\ta",
		"rollback a",
		"snapshot aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	struct self_service_request request;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (self_service_parse(bad[i], &request))
			fail_msg("'%s' was taken", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_good), cmocka_unit_test(test_bad) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
