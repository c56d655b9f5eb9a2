/* test_sshd_text.c - what is made of the output of `sshd -T`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/sshd_text.h"

static void values(void **state)
{
	static const char text[] = "port 22\nusepam yes\nforcecommand /a b\nusepam no\nlast x";
	char value[32];

	assert_string_equal(sshd_value(text, "usepam", value, sizeof(value)), "yes");
	assert_string_equal(sshd_value(text, "forcecommand", value, sizeof(value)), "/a b");
	assert_string_equal(sshd_value(text, "last", value, sizeof(value)), "x");
	assert_string_equal(sshd_value(text, "force", value, sizeof(value)), "");
	assert_string_equal(sshd_value(text, "22", value, sizeof(value)), "");
	assert_string_equal(sshd_value("", "usepam", value, sizeof(value)), "");
}

static void accepted_variables(void **state)
{
	char pattern[32];

	assert_false(sshd_accepts_too_much("acceptenv LANG\nacceptenv LC_*\nacceptenv COLORTERM\n", pattern,
					   sizeof(pattern)));
	assert_true(sshd_accepts_too_much("acceptenv LANG\nacceptenv *\n", pattern, sizeof(pattern)));
	assert_string_equal(pattern, "*");
	assert_true(sshd_accepts_too_much("acceptenv LD_*", pattern, sizeof(pattern)));
	assert_true(sshd_accepts_too_much("acceptenv B*\n", pattern, sizeof(pattern)));
	assert_false(sshd_accepts_too_much("setenv *\n", pattern, sizeof(pattern)));
}

static void subsystems(void **state)
{
	assert_true(sshd_has_internal_sftp("subsystem sftp internal-sftp -l INFO\n"));
	assert_true(sshd_has_internal_sftp("subsystem x /y\nsubsystem sftp internal-sftp"));
	assert_false(sshd_has_internal_sftp("subsystem sftp /usr/lib/openssh/sftp-server\n"));
	assert_false(sshd_has_internal_sftp("subsystem sftp\nforcecommand internal-sftp\n"));
}

/* The drop-in says the same of each. */
static void settings(void **state)
{
	char line[256], text[8192];
	FILE *file = fopen("config/sshd_config.d/50-carrel.conf", "re");

	assert_non_null(file);
	size_t n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	for (const struct sshd_setting *s = sshd_settings; s->name; s++) {
		snprintf(line, sizeof(line), "%s %s", s->option, s->wanted);
		if (!strstr(text, line))
			fail_msg("the drop-in has no '%s'", line);
		assert_int_equal(strcasecmp(s->name, s->option), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(accepted_variables),
		cmocka_unit_test(subsystems),
		cmocka_unit_test(settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
