/* test_limits.c - the text of /run/carrel/limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/units.h"
#include "keeper/limits.h"

static const char expected[] = "LEVEL    RESOURCE      USED     LIMIT      PEAK THROTTLED\n"
			       "session  memory         12M       64M       13M         -\n"
			       "session  swap             -         -         -         -\n"
			       "session  cpu          61.5s       0.5         -     50.0%\n"
			       "session  pids             3        40         9         -\n"
			       "session  read             -         -         -         -\n"
			       "session  written        512         -         -         -\n"
			       "user     memory           -      none         -         -\n"
			       "user     swap             -         -         -         -\n"
			       "user     cpu              -      none         -         -\n"
			       "user     pids             -      none         -         -\n"
			       "user     read             -         -         -         -\n"
			       "user     written          -         -         -         -\n";

static void fill(struct usage levels[USAGE_LEVELS])
{
	memset(levels, 0xff, USAGE_LEVELS * sizeof(*levels));
	levels[0].memory = 12 << 20;
	levels[0].memory_limit = 64 << 20;
	levels[0].memory_peak = 13 << 20;
	levels[0].cpu_us = levels[0].throttled_us = 61500000;
	levels[0].cpu_limit = 500;
	levels[0].pids = 3;
	levels[0].pids_limit = 40;
	levels[0].pids_peak = 9;
	levels[0].written_bytes = 512;
}

static void a_line_for_each_resource_of_each_level(void **state)
{
	struct usage levels[USAGE_LEVELS];
	char text[4096];

	fill(levels);
	assert_int_equal(limits_format(text, sizeof(text), levels, 2, NULL), strlen(expected));
	assert_string_equal(text, expected);
	/* Nothing known: the headings alone. */
	assert_int_equal(limits_format(text, sizeof(text), levels, 0, NULL), strcspn(expected, "\n") + 1);
}

/* Numbers as long as they get, at three levels. */
static void it_always_fits_a_page(void **state)
{
	struct usage levels[USAGE_LEVELS];
	struct usage_row disk[USAGE_DISK_ROWS];
	char text[4096];

	usage_disk_rows(UNIT_NONE - 1, UNIT_NONE - 1, UNIT_NONE - 1, UNIT_NONE - 1, disk);
	for (size_t i = 0; i < USAGE_LEVELS; i++)
		levels[i] = (struct usage){ UNIT_NONE - 1, UNIT_NONE - 1, UNIT_NONE - 1, UNIT_NONE - 1,
					    UNIT_NONE - 1, UNIT_NONE - 1, UNIT_NONE - 1, UNIT_NONE - 1,
					    UNIT_NONE - 1, UNIT_NONE - 1, UNIT_NONE - 1, UNIT_NONE - 1 };
	size_t n = limits_format(text, sizeof(text), levels, USAGE_LEVELS, disk);
	assert_in_range(n, 1000, sizeof(text) - 2);
	assert_int_equal(text[n - 1], '\n');
}

static void the_users_files_are_at_their_level(void **state)
{
	struct usage levels[USAGE_LEVELS];
	struct usage_row disk[USAGE_DISK_ROWS];
	char text[4096];

	fill(levels);
	usage_disk_rows(3 << 20, 64 << 20, 12, UNIT_NONE, disk);
	limits_format(text, sizeof(text), levels, 2, disk);
	assert_non_null(strstr(text, "user     disk            3M       64M         -         -\n"
				     "user     files           12      none         -         -\n"));
	limits_format(text, sizeof(text), levels, 1, disk);
	assert_null(strstr(text, "disk"));
}

static void a_small_buffer_cuts_off(void **state)
{
	struct usage levels[USAGE_LEVELS];
	char text[100];

	fill(levels);
	assert_int_equal(limits_format(text, sizeof(text), levels, 2, NULL), sizeof(text) - 1);
	assert_memory_equal(text, expected, sizeof(text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_for_each_resource_of_each_level),
		cmocka_unit_test(it_always_fits_a_page),
		cmocka_unit_test(the_users_files_are_at_their_level),
		cmocka_unit_test(a_small_buffer_cuts_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
