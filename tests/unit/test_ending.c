/* test_ending.c - the last line of a session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "keeper/ending.h"

static void test_all_values(void **state)
{
	const struct session_record record = {
		.id = "2001-1a2b3c4d", .user = "u1", .service = "sshd", .rhost = "192.0.2.1", .tty = "ssh"
	};
	const struct usage usage = { .cpu_us = 251999,
				     .memory_peak = 7340032,
				     .pids_peak = 5,
				     .read_bytes = 0,
				     .written_bytes = 4096 };
	char line[900];

	ending_format(line, sizeof(line), &record, ENDING_LOGOUT, 12345, &usage);
	assert_string_equal(line,
			    "session ended: user=u1 id=2001-1a2b3c4d from=192.0.2.1 service=sshd how=logout "
			    "duration=12.345 cpu=0.251 memory_peak=7340032 pids_peak=5 read=0 written=4096");
}

static void test_nothing_is_known(void **state)
{
	const struct session_record record = { .id = "1-00000001", .tty = "pts/3" };
	struct usage usage;
	char line[900];

	memset(&usage, 0xff, sizeof(usage));
	ending_format(line, sizeof(line), &record, ENDING_KEEPER, -1, &usage);
	assert_string_equal(line,
			    "session ended: user=- id=1-00000001 from=pts/3 service=- how=keeper-killed "
			    "duration=- cpu=- memory_peak=- pids_peak=- read=- written=-");
}

/* Who chooses a name does not choose how the session ended. */
static void test_names_add_no_field(void **state)
{
	struct session_record record = { .id = "1-00000001", .user = "a how=logout", .rhost = "\"x\"" };
	const struct usage usage = { 0 };
	char line[900];

	ending_format(line, sizeof(line), &record, ENDING_ADMIN, 0, &usage);
	assert_non_null(strstr(line, "user=a\\x20how\\x3dlogout id="));
	assert_non_null(strstr(line, "from=\\x22x\\x22 service="));
	/* What is escaped is so once. */
	snprintf(record.user, sizeof(record.user), "DOM\\ann\n");
	ending_format(line, sizeof(line), &record, ENDING_ADMIN, 0, &usage);
	assert_non_null(strstr(line, "user=DOM\\x5cann\\x0a id="));
	/* As long as they can be, the line has all its fields. */
	memset(record.user, ' ', sizeof(record.user) - 1);
	memset(record.rhost, '=', sizeof(record.rhost) - 1);
	memset(record.service, '"', sizeof(record.service) - 1);
	ending_format(line, sizeof(line), &record, ENDING_ADMIN, INT64_MAX, &usage);
	assert_non_null(strstr(line, " how=administrator "));
	assert_non_null(strstr(line, " written=0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_values),
		cmocka_unit_test(test_nothing_is_known),
		cmocka_unit_test(test_names_add_no_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
